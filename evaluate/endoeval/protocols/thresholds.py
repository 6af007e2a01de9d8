"""Where to cut a map of foreground shares: chosen on training masks by mean Dice, never on the scored ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from endoeval.metrics.masks import dice

THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(1, 20))
"""Candidates, 0.05 to 0.95."""


def best_threshold(shares: NDArray[np.floating], truth: NDArray[np.bool_]) -> float:
    """The candidate of the highest mean Dice; the lowest among equals.

    Args:
        shares: [n, h, w] in [0, 1].
        truth: bool [n, h, w].
    """
    return max(THRESHOLDS, key=lambda threshold: (dice_at(shares, truth, threshold), -threshold))


def dice_at(shares: NDArray[np.floating], truth: NDArray[np.bool_], threshold: float) -> float:
    """Mean Dice over images of `shares >= threshold`."""
    predicted = shares >= threshold
    both = (predicted & truth).sum(axis=(1, 2))
    return float(dice(both, predicted.sum(axis=(1, 2)), truth.sum(axis=(1, 2))).mean())
