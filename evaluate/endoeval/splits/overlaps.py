"""Times of one group that touch, overlap or lie inside one another: across splits, and under two labels. Pure.

All in sorts and running maxima, so that a million rows take seconds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from endoeval.splits.finding import Finding, several
from endoeval.splits.rows import SPLITS, TEST, Rows

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
A_FRAME_S = 0.04
"""Intervals in seconds touch within one frame of 25 a second; those in whole numbers within 1."""


def time_findings(rows: Rows, codes: Ints, pairs: Sequence[tuple[int, int]]) -> list[Finding]:
    """Findings on times; none where groups or times are unknown, or numbers merely count stills.

    Args:
        rows: the lists.
        codes: [n] one number a name.
        pairs: (one, other) indices into SPLITS to compare.
    """
    if rows.groups is None or rows.start is None or rows.end is None or rows.counts_only:
        return []
    known = np.isfinite(rows.start) & np.isfinite(rows.end)
    findings = [finding for pair in pairs for finding in _across(rows, codes, known, pair)]
    if rows.labels is not None and rows.boxes is None:
        findings += _two_labels(rows, known & (rows.labels >= 0))
    return findings + _inside_one_split(rows, codes, known)


def touching(groups: Ints, times: tuple[Floats, Floats], one: Bools, other: Bools, gap: float) -> tuple[Bools, Bools]:
    """Rows of `other` whose time overlaps that of a row of `one` in their group, and rows that only touch one.

    Args:
        groups: [n] group of each row.
        times: start and end [n], finite where `one` or `other`.
        one, other: [n] masks.
        gap: distance up to which ends touch.
    Returns: overlap [n], touch [n]; equal single frames overlap, an end that is the next begin only touches.
    """
    start, end = times
    overlap, touch = np.zeros(len(groups), dtype=bool), np.zeros(len(groups), dtype=bool)
    mine = np.flatnonzero(other)
    if not one.any() or not len(mine):
        return overlap, touch
    low = min(start[one].min(), start[mine].min())
    span = max(end[one].max(), end[mine].max()) - low + 2 * gap + 4
    place = groups * span - low + gap + 1
    starts, ends = np.sort((place + start)[one]), np.sort((place + end)[one])
    points = np.sort((place + start)[one & (start == end)])
    s, e = (place + start)[mine], (place + end)[mine]
    # Reals open at their ends: begun before my end, less ended by my begin. A point needs its own place.
    crossing = np.searchsorted(starts, e, "left") - np.searchsorted(ends, s, "right") > 0
    equal = np.searchsorted(points, e, "right") - np.searchsorted(points, s, "left") > 0
    inside = (s == e) & (np.searchsorted(starts, e, "right") - np.searchsorted(ends, s, "left") > 0)
    overlap[mine] = crossing | equal | inside
    near = np.searchsorted(starts, e + gap, "right") - np.searchsorted(ends, s - gap, "left") > 0
    touch[mine] = near & ~overlap[mine]
    return overlap, touch


def nested(groups: Ints, start: Floats, end: Floats, labels: Ints) -> tuple[Bools, Bools, Bools]:
    """Intervals of one group under different labels.

    Args: [n] each; start < end.
    Returns: [n] lies inside one of another label; holds one of another label; partly overlaps one of another label by
        more than a frame. Equal intervals lie inside each other.
    """
    n = len(groups)
    inner, outer, partly = (np.zeros(n, dtype=bool) for _ in range(3))
    order = np.lexsort((-end, start, groups))
    columns = [column[order].tolist() for column in (groups, start, end, labels)]
    group = -1
    best: tuple[float, int, int] = (-np.inf, -1, -1)
    next_best = best
    for i, (g, s, e, label) in enumerate(zip(*columns, strict=True)):
        if g != group:
            group, best, next_best = g, (-np.inf, -1, -1), (-np.inf, -1, -1)
        ahead = next_best if best[1] == label else best
        if ahead[0] >= e:
            inner[order[i]] = True
        elif ahead[0] > s + 1:
            partly[order[i]] = True
        if e > best[0]:
            next_best = best if best[1] != label else next_best
            best = (e, label, i)
        elif label != best[1] and e > next_best[0]:
            next_best = (e, label, i)
    # The same from the other side: the shortest end to come, begins falling.
    back = np.lexsort((end, -start, groups))
    columns = [column[back].tolist() for column in (groups, end, labels)]
    group, low, next_low = -1, (np.inf, -1), (np.inf, -1)
    for i, (g, e, label) in enumerate(zip(*columns, strict=True)):
        if g != group:
            group, low, next_low = g, (np.inf, -1), (np.inf, -1)
        ahead_end = next_low[0] if low[1] == label else low[0]
        if ahead_end <= e:
            outer[back[i]] = True
        if e < low[0]:
            next_low = low if low[1] != label else next_low
            low = (e, label)
        elif label != low[1] and e < next_low[0]:
            next_low = (e, label)
    # Of two equal intervals either sweep sees one only.
    same, times = _equal_intervals(groups, start, end)
    if (times > 1).any():
        for mask in (inner, outer):
            mixed = np.zeros(len(times), dtype=bool)
            mixed[same[mask & (times[same] > 1) & _mixed(same, labels)[same]]] = True
            mask |= mixed[same]
    return inner, outer, partly


def gap_of(start: Floats, end: Floats) -> float:
    """1 for whole numbers, a frame of 25 a second for seconds with decimals."""
    whole = bool((np.mod(start, 1) == 0).all() and (np.mod(end, 1) == 0).all())
    return 1.0 if whole else A_FRAME_S + 1e-9


def _across(rows: Rows, codes: Ints, known: Bools, pair: tuple[int, int]) -> list[Finding]:
    assert rows.groups is not None
    assert rows.start is not None
    assert rows.end is not None
    if not known.any():
        return []
    one, other = pair
    here, there = known & (rows.splits == other), known & (rows.splits == one)
    # A name that stands in both splits is a finding of its own.
    here &= ~np.isin(codes, codes[there])
    gap = gap_of(rows.start[known], rows.end[known])
    overlap, touch = touching(rows.groups, (rows.start, rows.end), there, here, gap)
    findings = []
    name = SPLITS[other]
    for check, touched, one_does, all_do in (
        ("times-overlap", overlap, "overlaps", "overlap"),
        ("times-touch", touch, "touches", "touch"),
    ):
        if touched.any():
            count = int(touched.sum())
            said = several(count, f"row of {name} {one_does}", f"rows of {name} {all_do}")
            text = f"{said} a row of {SPLITS[one]} in time, in the same group"
            share = float(touched[rows.splits == TEST].mean()) if other == TEST else None
            shown = tuple(rows.names[i] for i in np.flatnonzero(touched)[:5])
            findings.append(Finding(f"{check}-{SPLITS[one]}-{SPLITS[other]}", "fault", count, share, text, shown))
    return findings


def _two_labels(rows: Rows, known: Bools) -> list[Finding]:
    assert rows.groups is not None
    assert rows.start is not None
    assert rows.end is not None
    assert rows.labels is not None
    where = np.flatnonzero(known & (rows.end > rows.start))
    if not len(where):
        return []
    inner, outer, partly = nested(rows.groups[where], rows.start[where], rows.end[where], rows.labels[where])
    findings = []
    either = inner | outer
    if inner.any():
        said = several(inner.sum(), "row lies", "rows lie")
        text = f"{said} inside the time of a row of another label in the same group"
        findings.append(_marked(rows, where[inner], "nested-labels", "fault", text))
    partly &= ~either
    if partly.any():
        text = (
            f"{several(partly.sum(), 'row begins', 'rows begin')} before a row of another label in the group has ended"
        )
        findings.append(_marked(rows, where[partly], "overlap-labels", "note", text))
    return findings


def _inside_one_split(rows: Rows, codes: Ints, known: Bools) -> list[Finding]:
    """Intervals of one split, group and label that overlap: the same footage counts twice."""
    assert rows.groups is not None
    assert rows.start is not None
    assert rows.end is not None
    where = np.flatnonzero(known & (rows.end > rows.start))
    if len(where) < 2:
        return []
    label = rows.labels[where] + 1 if rows.labels is not None else np.zeros(len(where), dtype=np.int64)
    key = (rows.groups[where] * len(SPLITS) + rows.splits[where]) * (len(rows.classes) + 2) + label
    order = np.lexsort((rows.start[where], key))
    k, s, e = key[order], rows.start[where][order], rows.end[where][order]
    _, rank = np.unique(k, return_inverse=True)
    span = e.max() - s.min() + 1
    before = np.maximum.accumulate(rank * span + e - s.min())[:-1]
    again = np.r_[False, (rank[1:] == rank[:-1]) & (before > rank[1:] * span + s[1:] - s.min())]
    again[1:] &= codes[where[order][1:]] != codes[where[order][:-1]]
    if not again.any():
        return []
    said = several(again.sum(), "row overlaps", "rows overlap")
    text = f"{said} an earlier row of the same group, split and label: neighbours in time inside one split"
    return [_marked(rows, np.sort(where[order][again]), "times-inside-split", "note", text)]


def _marked(rows: Rows, positions: NDArray[np.integer], check: str, kind: str, text: str) -> Finding:
    test = rows.splits == TEST
    share = float(np.isin(positions, np.flatnonzero(test)).sum() / test.sum()) if test.any() else None
    shown = tuple(rows.names[i] for i in positions[:5])
    return Finding(check, "fault" if kind == "fault" else "note", len(positions), share, text, shown)


def _equal_intervals(groups: Ints, start: Floats, end: Floats) -> tuple[Ints, Ints]:
    """A number for each distinct (group, start, end), and how often each stands."""
    order = np.lexsort((end, start, groups))
    g, s, e = groups[order], start[order], end[order]
    new = np.r_[True, (g[1:] != g[:-1]) | (s[1:] != s[:-1]) | (e[1:] != e[:-1])]
    number = np.empty(len(order), dtype=np.int64)
    number[order] = np.cumsum(new) - 1
    return number, np.bincount(number)


def _mixed(same: Ints, labels: Ints) -> Bools:
    """Distinct intervals that stand under more than one label."""
    pairs = np.unique(same * (int(labels.max()) + 1) + labels)
    return np.bincount(pairs // (int(labels.max()) + 1), minlength=int(same.max()) + 1) > 1
