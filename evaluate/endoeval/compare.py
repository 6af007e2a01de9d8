"""Is a row better than what anybody gets for free? Each encoder against the best of its null rows, paired by group."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from endoeval.rows import Row
from endoeval.statistics import Difference, difference, holm


@dataclass(frozen=True)
class Comparison:
    """An encoder's row beside its null rows."""

    row: Row
    nulls: tuple[Row, ...]
    """Majority class or mean mask, then random weights of the same architecture."""
    best: Row
    """The highest of them."""
    difference: Difference
    """row - best, on the headline metric."""
    p_holm: float | None
    """Adjusted over all encoders of the same set and protocol."""

    @property
    def separates(self) -> bool:
        """True if the whole interval of the difference lies above zero and the predictions show signal."""
        return self.difference.separates and not self.row.value["no_signal"]


def compare(rows: Sequence[Row], twins: Mapping[str, Collection[str]]) -> list[Comparison]:
    """All encoders' rows against their null rows, in the order given; p adjusted within (set, protocol).

    Args:
        rows: every row of the table.
        twins: encoder id to the ids of the same architecture with random weights.
    """
    found = [_compare(row, _nulls(row, rows, twins.get(row.judged_id, ()))) for row in rows if row.role == "encoder"]
    adjusted: dict[int, float] = {}
    families: dict[tuple[str, str], list[int]] = {}
    for i, (row, _, _, delta) in enumerate(found):
        if delta.p is not None:
            families.setdefault((row.set, row.protocol), []).append(i)
    for family in families.values():
        p = holm([found[i][3].p or 0.0 for i in family])
        adjusted |= dict(zip(family, p, strict=True))
    return [Comparison(*parts, adjusted.get(i)) for i, parts in enumerate(found)]


def _nulls(row: Row, rows: Sequence[Row], twins: Collection[str]) -> tuple[Row, ...]:
    here = [other for other in rows if other.set == row.set]
    blind = [other for other in here if other.role == "null"]
    random = [other for other in here if other.judged_id in twins and other.protocol == row.protocol]
    return (*blind, *random)


def _compare(row: Row, nulls: tuple[Row, ...]) -> tuple[Row, tuple[Row, ...], Row, Difference]:
    best = max(nulls, key=lambda other: (other.headline["value"], other.judged_id))
    ours, other = row.predictions(), best.predictions()
    if ours.files != other.files or ours.groups != other.groups:
        raise RuntimeError(f"{row.path.name} and {best.path.name} scored different samples")
    metric = str(row.value["headline"])
    delta = difference(ours.statistic(metric), other.statistic(metric), len(set(ours.groups)))
    return row, nulls, best, delta
