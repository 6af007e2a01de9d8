"""Intervals and comparisons over groups (patients), never over images.

A statistic is a function of group weights: [N, G] weights to [N] values. All ones is the data, a zero
deletes a group, whole numbers are a bootstrap draw. The default interval is the delete-one-group jackknife
with Student's t: deterministic, any metric, and it covers from 6 groups on, where percentile bootstraps of
groups do not and bootstraps of images never do (docs/evaluation.md has the measured coverage).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Float = NDArray[np.float64]
Statistic = Callable[[Float], Float]

LEVEL = 0.95
MIN_GROUPS = 6
"""Fewer groups: no interval."""
BOOTSTRAP_GROUPS = 20
"""From here on a percentile bootstrap of groups stands beside the jackknife in the JSON."""
BOOTSTRAP_DRAWS = 2_000
LACKING_MOST = 0.2
"""Where more of the draws lack a class, no bootstrap interval is given: its draws are of different metrics."""
SEPARATES_P = 0.05
EXACT_FLIPS = 14
"""Up to so many groups all 2^G sign flips are counted; the smallest two-sided p is 2 / 2^G."""
FLIP_DRAWS = 10_000


@dataclass(frozen=True)
class Interval:
    """A value and what new patients may make of it."""

    value: float
    low: float | None
    """None where the groups cannot carry an interval; `method` says why."""
    high: float | None
    groups: int
    method: str
    bootstrap: tuple[float, float] | None = None
    bootstrap_lacking: float | None = None
    """Share of the draws that lack a class of the set or leave the metric undefined; None where none were drawn."""


@dataclass(frozen=True)
class Difference:
    """A paired difference between two rows on the same groups."""

    value: float
    low: float | None
    high: float | None
    p: float | None
    """Two-sided, by sign flips of the groups' pseudo-values; None for too few groups."""

    @property
    def separates(self) -> bool:
        """True if the whole interval lies above zero; where all groups differ alike there is none, and p decides."""
        if self.low is not None:
            return self.low > 0
        return self.p is not None and self.p < SEPARATES_P and self.value > 0


def interval(
    statistic: Statistic,
    groups: int,
    *,
    bounds: tuple[float, float] = (0.0, 1.0),
    seed: int = 0,
    held: NDArray[np.int64] | None = None,
) -> Interval:
    """The value on all groups with its interval for new groups.

    Args:
        statistic: [N, G] weights to [N] values.
        groups: G, at least 1.
        bounds: range of the metric; the interval is clipped to it.
        seed: of the bootstrap draws.
        held: [G, k], images of each class in each group: draws are stratified by the rarest class of a group.
    """
    value = float(statistic(np.ones((1, groups)))[0])
    if groups < MIN_GROUPS:
        return Interval(value, None, None, groups, f"none: {groups} groups, at least {MIN_GROUPS} are needed")
    pseudo = pseudo_values(statistic, groups)
    if not np.isfinite(pseudo).all():
        return Interval(value, None, None, groups, "none: undefined without one of the groups")
    if _alike(pseudo):
        return Interval(value, None, None, groups, "none: all groups score alike, so their spread says nothing")
    low, high = _student(pseudo, bounds, value)
    if groups < BOOTSTRAP_GROUPS:
        return Interval(value, low, high, groups, "jackknife-t")
    held = np.ones((groups, 1), dtype=np.int64) if held is None else held
    return Interval(value, low, high, groups, "jackknife-t", *_percentile(statistic, held, seed))


def difference(ours: Statistic, other: Statistic, groups: int, *, seed: int = 0) -> Difference:
    """ours - other with the interval of the difference, both taken on the same groups each time."""

    def delta(weights: Float) -> Float:
        return ours(weights) - other(weights)

    value = float(delta(np.ones((1, groups)))[0])
    if groups < MIN_GROUPS:
        return Difference(value, None, None, None)
    pseudo = pseudo_values(delta, groups)
    if not np.isfinite(pseudo).all():
        return Difference(value, None, None, None)
    p = sign_flip_p(pseudo, seed=seed)
    if _alike(pseudo):
        return Difference(value, None, None, p)
    return Difference(value, *_student(pseudo, (-1.0, 1.0), value), p)


def by_group(statistic: Statistic, groups: int) -> Float:
    """The value on each group alone, float64 [G]; what is listed where there are too few for an interval."""
    return statistic(np.eye(groups))


def pseudo_values(statistic: Statistic, groups: int) -> Float:
    """G t - (G - 1) t(-g), float64 [G]: for a mean over equal groups these are the groups' own values.

    Source: Tukey's jackknife; Efron and Tibshirani, An Introduction to the Bootstrap, chapter 11.
    """
    every = statistic(np.ones((1, groups)))
    without = statistic(1.0 - np.eye(groups))
    pseudo: Float = groups * every - (groups - 1) * without
    return pseudo


def sign_flip_p(values: Float, *, seed: int = 0) -> float:
    """Two-sided p of "the mean is 0" by flipping the signs of [G] values: all of them up to 14, else 10,000 draws."""
    count = len(values)
    observed = abs(values.sum())
    if count <= EXACT_FLIPS:
        signs = 1.0 - 2.0 * ((np.arange(2**count)[:, None] >> np.arange(count)) & 1)
        extreme = np.count_nonzero(np.abs(signs @ values) >= observed - 1e-12)
        return float(extreme / 2**count)
    generator = np.random.default_rng(seed)
    signs = generator.choice(np.array([-1.0, 1.0]), size=(FLIP_DRAWS, count))
    extreme = np.count_nonzero(np.abs(signs @ values) >= observed - 1e-12)
    return float((extreme + 1) / (FLIP_DRAWS + 1))


def holm(p: list[float]) -> list[float]:
    """p adjusted for a family (Holm 1979), in the order given."""
    order = sorted(range(len(p)), key=lambda i: p[i])
    adjusted, running = [0.0] * len(p), 0.0
    for rank, i in enumerate(order):
        running = max(running, min(1.0, (len(p) - rank) * p[i]))
        adjusted[i] = running
    return adjusted


def _student(pseudo: Float, bounds: tuple[float, float], value: float) -> tuple[float, float]:
    count = len(pseudo)
    half = float(stats.t.ppf(0.5 + LEVEL / 2, count - 1) * np.sqrt(pseudo.var(ddof=1) / count))
    return max(bounds[0], value - half), min(bounds[1], value + half)


def _alike(pseudo: Float) -> bool:
    return bool(np.ptp(pseudo) <= 1e-12)


def _percentile(statistic: Statistic, held: NDArray[np.int64], seed: int) -> tuple[tuple[float, float] | None, float]:
    """Percentiles over draws of groups, and the share of draws that lack a class or leave the metric undefined."""
    generator = np.random.default_rng(seed)
    images = held.sum(axis=0)
    rarest = np.where(held > 0, images, images.sum() + 1).argmin(axis=1)
    weights = np.zeros((BOOTSTRAP_DRAWS, len(held)))
    for stratum in np.unique(rarest):
        inside = np.flatnonzero(rarest == stratum)
        drawn = generator.multinomial(len(inside), np.full(len(inside), 1 / len(inside)), size=BOOTSTRAP_DRAWS)
        weights[:, inside] = drawn
    values = statistic(weights)
    lacking = ((weights @ held)[:, images > 0] == 0).any(axis=1) | ~np.isfinite(values)
    share = float(lacking.mean())
    if share > LACKING_MOST:
        return None, share
    low, high = np.nanquantile(values, [0.5 - LEVEL / 2, 0.5 + LEVEL / 2])
    return (float(low), float(high)), share
