"""Rows and groups of each class by split: how many patients stand behind a class. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from endoeval.splits.rows import SPLITS, Rows


@dataclass(frozen=True)
class ClassCount:
    """What one split holds of one class."""

    name: str
    """The class as listed."""
    split: str
    rows: int
    groups: int | None
    """Groups with a row of the class in this split; None: no group key."""


def class_table(rows: Rows) -> tuple[ClassCount, ...]:
    """Every class in every split that holds rows, classes in their order; () without labels."""
    if rows.labels is None:
        return ()
    known = rows.labels >= 0
    cell = rows.labels * len(SPLITS) + rows.splits
    size = len(rows.classes) * len(SPLITS)
    counts = np.bincount(cell[known], minlength=size).tolist()
    groups = None
    if rows.groups is not None:
        held = len(rows.group_names) + 1
        pairs = np.unique(cell[known].astype(np.int64) * held + rows.groups[known])
        groups = np.bincount(pairs // held, minlength=size).tolist()
    there = np.unique(rows.splits).tolist()
    return tuple(
        ClassCount(name, SPLITS[split], counts[at], None if groups is None else groups[at])
        for number, name in enumerate(rows.classes)
        for split in there
        for at in [number * len(SPLITS) + split]
    )
