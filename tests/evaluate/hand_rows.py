"""Rows made by hand, for what is computed from lists."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from endoeval.splits.rows import SPLITS, GroupRule, Rows

Listed = tuple[str, str, str | None, str | None, float]
"""(split, name, label, group, time)."""


def rows_of(listed: Sequence[Listed], boxes: Sequence[Sequence[float]] | None = None) -> Rows:
    """`Rows` of a short list; without any group or label those fields are None."""
    split, names, labels, groups, times = zip(*listed, strict=True)
    classes = tuple(sorted({label for label in labels if label is not None}))
    owners = sorted({group for group in groups if group is not None})
    at = {group: number for number, group in enumerate(owners)}
    time = np.array(times, dtype=np.float64)
    return Rows(
        names=names,
        splits=np.array([SPLITS.index(word) for word in split], dtype=np.int8),
        labels=np.array([classes.index(x) if x is not None else -1 for x in labels]) if classes else None,
        classes=classes,
        groups=np.array([at[x] for x in groups]) if owners else None,
        group_names=owners,
        rule=GroupRule("by hand", "A test says so.", len(owners), tuple(owners[:5]), "", "") if owners else None,
        start=time if np.isfinite(time).any() else None,
        end=time if np.isfinite(time).any() else None,
        boxes=np.array(boxes, dtype=np.float64) if boxes is not None else None,
        digests=None,
    )
