"""The learning rate as a pure function of the step."""

from __future__ import annotations

import math


def rate_at(step: int, *, steps: int, warmup: int, peak: float, floor: float = 0.0) -> float:
    """Linear warm-up from 0, then half a cosine to `floor`.

    Args:
        step: counted from 0; the rate with which step `step` + 1 is made.
        steps: of the whole run, at least 1.
        warmup: steps of the rise, in [0, steps].
        peak: rate after the rise.
        floor: rate that the last step approaches.
    Source: facebookresearch/mae (`lr_sched.py`), by step instead of by part of an epoch.
    """
    if step < warmup:
        return peak * step / warmup
    done = (step - warmup) / max(1, steps - warmup)
    return floor + (peak - floor) * 0.5 * (1.0 + math.cos(math.pi * min(1.0, done)))


def warmup_steps(share: float, steps: int) -> int:
    """Steps of the rise: a share of the run, rounded."""
    return min(steps, round(share * steps))


def landmarks(steps: int, warmup: int) -> list[int]:
    """Steps whose rate is worth printing before the first: start, end of the rise, quarters, last."""
    return sorted({0, warmup, steps // 4, steps // 2, 3 * steps // 4, steps - 1} & set(range(steps)))
