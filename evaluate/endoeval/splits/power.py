"""What a test list could show at best: the interval to expect from its groups, before anything is trained.

The interval is that of this project, the delete-one-group jackknife with Student's t (`endoeval.statistics`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from endoeval.splits.rows import TEST, Rows
from endoeval.statistics import LEVEL, MIN_GROUPS

ACCURACIES = (0.6, 0.8, 0.95)
CORRELATIONS = (0.0, 0.2)
"""Intra-group correlations: 0 as if the rows of a patient had nothing in common, 0.2 as is common in the field."""


@dataclass(frozen=True)
class Expected:
    """One cell of the table."""

    accuracy: float
    correlation: float
    half_width: float | None
    """Of the 95 % interval; None below `MIN_GROUPS` groups, which carry none."""


@dataclass(frozen=True)
class Power:
    """What the groups of a test list can carry."""

    groups: int | None
    """None: no group key."""
    rows: int
    table: tuple[Expected, ...]
    smallest_p: float | None
    """Smallest two-sided p of a paired comparison by sign flips, 2 / 2^groups; None without a group key."""
    text: str
    """The same in one sentence."""


def expected(rows: Rows, *, joins_nothing: bool = False) -> Power:
    """What the test rows can carry at best.

    Without a group key only a bound is given: as if each row were a patient of its own.

    Args:
        rows: the lists.
        joins_nothing: the key gives each row a group of its own, which is as good as none.
    """
    test = rows.splits == TEST
    count = int(test.sum())
    if rows.groups is None or joins_nothing:
        at_best = half_width(np.ones(count, dtype=np.int64), 0.8, 0.0) if count >= MIN_GROUPS else None
        bound = "" if at_best is None else f" the half-width at accuracy 0.8 would be {at_best:.3f} at the very best,"
        return Power(
            None,
            count,
            (),
            None,
            f"No group key, so nobody knows how many patients stand behind {count:,} test rows:{bound} "
            "were each row a patient of its own.",
        )
    sizes = np.bincount(rows.groups[test])
    return power(sizes[sizes > 0])


def power(sizes: NDArray[np.int64]) -> Power:
    """The same from the number of rows of each test group, [G]."""
    groups, count = len(sizes), int(sizes.sum())
    table = tuple(
        Expected(accuracy, correlation, half_width(sizes, accuracy, correlation) if groups >= MIN_GROUPS else None)
        for accuracy in ACCURACIES
        for correlation in CORRELATIONS
    )
    smallest = min(1.0, math.ldexp(2.0, -groups)) if groups else 1.0
    return Power(groups, count, table, smallest, _sentence(groups, count, table, smallest))


def half_width(sizes: NDArray[np.int64], accuracy: float, correlation: float) -> float:
    """Half-width of the 95 % jackknife-t interval of accuracy that these groups make one expect.

    t(G - 1) × sqrt((G - 1) / G × sum v w): the root of its mean square over repetitions.
    v = p (1 - p) m (1 + (m - 1) r) is the variance of a group's hits, a = 1 / (N - m) their weight where that group is
    left out, and w = A2 - a² - (A1 - a)² / G what they add to the squares of the leave-outs about their mean (A1 and A2
    are the sums of a and a²).
    Source: the jackknife variance (Efron and Stein 1981, The Jackknife Estimate of Variance), its expectation for
    independent groups; docs/audit-split.md.

    Args:
        sizes: rows of each group m, [G], G ≥ 2, all above 0.
        accuracy: p, 0 to 1.
        correlation: r of two rows of one group, 0 to 1.
    """
    from scipy import stats

    groups, m = len(sizes), sizes.astype(np.float64)
    hits = accuracy * (1 - accuracy) * m * (1 + (m - 1) * correlation)
    left_out = 1 / (m.sum() - m)
    weight = (left_out**2).sum() - left_out**2 - (left_out.sum() - left_out) ** 2 / groups
    variance = (groups - 1) / groups * float(hits @ weight)
    return float(stats.t.ppf(0.5 + LEVEL / 2, groups - 1) * math.sqrt(variance))


def _sentence(groups: int, rows: int, table: tuple[Expected, ...], smallest: float) -> str:
    who = f"{rows:,} test rows are {groups:,} {'group' if groups == 1 else 'groups'}"
    cell = next(cell for cell in table if cell.accuracy == 0.8 and cell.correlation == 0.2)
    if cell.half_width is None:
        return f"{who}: fewer than {MIN_GROUPS}, so no interval can be given and no difference can be shown."
    p = "below 0.001" if smallest < 0.001 else f"{smallest:.4f}"
    return (
        f"{who}: at accuracy 0.8 expect an interval of ± {cell.half_width:.3f} if rows of a group correlate by 0.2; "
        f"the smallest p a paired comparison can reach is {p}."
    )
