"""A strip a group: where its rows lie along time, one lane a split."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from endoeval.splits.rows import SPLITS, Rows
from endoshards.page import Html
from endoshards.page.charts import WIDTH, fitted, text_width

MOST_GROUPS = 30
BINS = 240
"""Places along a strip that are told apart."""
LANE, GAP = 7.0, 9.0
COLOURS = {"train": "--c0", "val": "--c2", "test": "--c1"}


def strips(rows: Rows, *, named: bool = True) -> Html:
    """The groups that stand in most splits, then the largest, at most `MOST_GROUPS`.

    Along time where it is known of every row of a group, else in the order listed.

    Args:
        rows: with groups.
        named: False writes "group 1" instead of names.
    """
    if rows.groups is None:
        return Html("")
    chosen = _chosen(rows)
    used = [split for split in range(len(SPLITS)) if (rows.splits == split).any()]
    labels = [str(rows.group_names[group]) if named else f"group {n}" for n, group in enumerate(chosen, 1)]
    members = _members(rows.groups, chosen)
    counts = [_count_text(rows.splits[inside]) for inside in members]
    left = min(220.0, max(map(text_width, labels))) + 12
    right = WIDTH - min(240.0, max(map(text_width, counts))) - 12
    step = LANE * len(used) + GAP
    parts = _legend(used)
    for number, (label, inside) in enumerate(zip(labels, members, strict=True)):
        y = 26 + number * step
        middle = y + LANE * len(used) / 2 + 4
        # Names of one list begin alike and differ at their end.
        parts.append(_text(left - 12, middle, label, left - 12, anchor="end", tail=True))
        parts.append(
            f'<rect class="faint" x="{left:.1f}" y="{y:.1f}" width="{right - left:.1f}" '
            f'height="{LANE * len(used):.1f}" rx="2"/>'
        )
        low, high = _places(rows, inside)
        for lane, split in enumerate(used):
            part = rows.splits[inside] == split
            for first, last in _runs(low[part], high[part]):
                x, width = left + first / BINS * (right - left), (last - first) / BINS * (right - left)
                parts.append(
                    f'<rect x="{x:.1f}" y="{y + lane * LANE:.1f}" width="{width:.1f}" height="{LANE - 1:.1f}" '
                    f'style="fill:var({COLOURS[SPLITS[split]]})"/>'
                )
        parts.append(_text(right + 8, middle, counts[number], WIDTH - right - 8, css="soft"))
    height = 26 + len(chosen) * step
    return Html(
        f'<div class="chart"><svg viewBox="0 0 {WIDTH:.0f} {height:.0f}" role="img" '
        f'aria-label="rows of {len(chosen)} groups by split">{"".join(parts)}</svg></div>'
    )


def groups_by_splits(rows: Rows) -> NDArray[np.int64]:
    """In how many splits each group stands, int64 [G]."""
    assert rows.groups is not None
    pairs = np.unique(rows.groups * len(SPLITS) + rows.splits)
    return np.bincount(pairs // len(SPLITS), minlength=len(rows.group_names))


def _chosen(rows: Rows) -> list[int]:
    assert rows.groups is not None
    size = np.bincount(rows.groups, minlength=len(rows.group_names))
    order = np.lexsort((np.arange(len(size)), -size, -groups_by_splits(rows)))
    return [int(group) for group in order[:MOST_GROUPS] if size[group]]


def _members(groups: NDArray[np.int64], chosen: Sequence[int]) -> list[NDArray[np.intp]]:
    return [np.flatnonzero(groups == group) for group in chosen]


def _places(rows: Rows, inside: NDArray[np.intp]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and last bin of each row; the last is not part of it."""
    start, end = np.arange(len(inside), dtype=np.float64), np.arange(1, len(inside) + 1, dtype=np.float64)
    if rows.start is not None and rows.end is not None and np.isfinite(rows.start[inside]).all():
        start, end = rows.start[inside], rows.end[inside]
        # A frame lasts until the next one is due, so that a sequence without holes is one bar.
        steps = np.diff(np.unique(start))
        end = np.where(end > start, end, start + (np.median(steps) if len(steps) else 0.0))
    low, high = float(start.min()), float(end.max())
    span = high - low or 1.0
    first = np.minimum(np.floor((start - low) / span * BINS), BINS - 1).astype(np.int64)
    last = np.ceil((end - low) / span * BINS).astype(np.int64)
    return first, np.maximum(last, first + 1)


def _runs(first: NDArray[np.int64], last: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Stretches of bins that are covered."""
    steps = np.zeros(BINS + 2, dtype=np.int64)
    np.add.at(steps, first, 1)
    np.add.at(steps, last, -1)
    covered = np.concatenate([[False], np.cumsum(steps) > 0])
    edges = np.flatnonzero(covered[1:] != covered[:-1])
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _count_text(splits: NDArray[np.int8]) -> str:
    counts = np.bincount(splits, minlength=len(SPLITS))
    return ", ".join(f"{word} {count:,}" for word, count in zip(SPLITS, counts.tolist(), strict=True) if count)


def _legend(used: Sequence[int]) -> list[str]:
    parts, x = [], 0.0
    for split in used:
        word = SPLITS[split]
        parts.append(f'<rect x="{x:.1f}" y="3" width="14" height="10" style="fill:var({COLOURS[word]})"/>')
        parts.append(_text(x + 20, 12, word, 60.0))
        x += 34 + text_width(word)
    return parts


def _text(
    x: float, y: float, text: str, room: float, *, anchor: str = "start", css: str = "", tail: bool = False
) -> str:
    shown = fitted(text[::-1], room)[::-1] if tail else fitted(text, room)
    more = f"<title>{escape(text)}</title>" if shown != text else ""
    return f'<text class="{css}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(shown)}{more}</text>'
