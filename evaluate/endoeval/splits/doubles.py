"""Rows, paths, base names and stems that stand twice: across splits, inside one, under two labels. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from endoeval.splits.finding import Finding, several
from endoeval.splits.names import Names, coded
from endoeval.splits.rows import SPLITS, TEST, VAL, Rows

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


def share_of_test(rows: Rows, touched: Bools) -> float | None:
    """Share of the test rows that are touched; None without test rows."""
    test = rows.splits == TEST
    return float(touched[test].mean()) if test.any() else None


def examples(words: Sequence[str], positions: NDArray[np.integer]) -> tuple[str, ...]:
    """Up to five by name."""
    return tuple(words[int(i)] for i in positions[:5])


def val_is_test(rows: Rows, codes: Ints, same_bytes: bool) -> Finding | None:
    """Val and test hold the same: as files (`same_bytes`), or as sets of names."""
    val, test = (np.unique(codes[rows.splits == split]) for split in (VAL, TEST))
    if not len(val) or not (same_bytes or np.array_equal(val, test)):
        return None
    how = "byte for byte" if same_bytes else "as sets of names"
    text = f"val and test are equal {how} ({len(test):,} names): what is chosen on val is chosen on the test"
    shown = examples(rows.names, np.flatnonzero(rows.splits == TEST))
    return Finding("val-equals-test", "fault", len(test), 1.0, text, shown)


def rows_in_two(rows: Rows, codes: Ints, one: int, other: int) -> list[Finding]:
    """Names of split `other` that stand in split `one` too."""
    here = rows.splits == other
    both = here & np.isin(codes, codes[rows.splits == one])
    if not both.any():
        return []
    count = len(np.unique(codes[both]))
    text = f"{count:,} of {len(np.unique(codes[here])):,} names of {SPLITS[other]} stand in {SPLITS[one]} as well"
    share = share_of_test(rows, both) if other == TEST else None
    shown = examples(rows.names, _firsts(codes, both))
    return [Finding(f"rows-{SPLITS[one]}-{SPLITS[other]}", "fault", count, share, text, shown)]


def two_labels(rows: Rows, codes: Ints) -> list[Finding]:
    """Names under more than one label, in any splits; pictures with boxes may hold several."""
    if rows.labels is None or rows.boxes is not None:
        return []
    told = rows.labels >= 0
    pairs = np.unique(codes[told] * (len(rows.classes) + 1) + rows.labels[told]) // (len(rows.classes) + 1)
    values, times = np.unique(pairs, return_counts=True)
    wrong = values[times > 1]
    if not len(wrong):
        return []
    touched = np.isin(codes, wrong)
    text = f"{several(len(wrong), 'name stands', 'names stand')} under two or more labels"
    shown = examples(rows.names, _firsts(codes, touched))
    return [Finding("two-labels", "fault", len(wrong), share_of_test(rows, touched), text, shown)]


def twice(rows: Rows, codes: Ints) -> list[Finding]:
    """Rows that repeat name, split and label of an earlier one."""
    if rows.boxes is not None:
        return []
    label = rows.labels if rows.labels is not None else np.zeros(len(codes), dtype=np.int64)
    again = _repeats((codes * len(SPLITS) + rows.splits) * (len(rows.classes) + 2) + label + 1)
    if not again.any():
        return []
    text = f"{several(again.sum(), 'row repeats', 'rows repeat')} a row of the same split"
    shown = examples(rows.names, np.flatnonzero(again))
    return [Finding("rows-twice", "note", int(again.sum()), share_of_test(rows, again), text, shown)]


def base_names(rows: Rows, names: Names, codes: Ints) -> list[Finding]:
    """Base names in several folders, and names that differ by their ending alone; not between groups.

    In different groups equal base names are no news: each folder has its frame 1.
    """
    firsts = np.sort(np.unique(codes, return_index=True)[1])
    findings = []
    for check, one, many in (
        ("base-names", "base name stands", "base names stand"),
        ("stems", "name stands", "names stand"),
    ):
        if check == "base-names" and len(pc.unique(names.folder)) < 2:
            continue
        if check == "stems" and names.endings < 2:
            continue
        whole = pc.binary_join_element_wise(names.folder, names.stem, "/")
        key = pc.replace_substring_regex(names.path, "^.*/", "") if check == "base-names" else whole
        index = coded(key)
        if rows.groups is not None:
            index = index * (len(rows.group_names) + 1) + rows.groups
        again = _repeats(index[firsts])
        if again.any():
            keys = np.unique(index[firsts][again])
            touched = np.isin(index, keys)
            where = "in more than one folder" if check == "base-names" else "under more than one ending"
            text = f"{several(len(keys), one, many)} {where}"
            shown = examples(rows.names, np.flatnonzero(touched))
            findings.append(Finding(check, "note", len(keys), share_of_test(rows, touched), text, shown))
    return findings


def _repeats(keys: Ints) -> Bools:
    """True for each row whose key stood in a row before."""
    again = np.ones(len(keys), dtype=bool)
    again[np.unique(keys, return_index=True)[1]] = False
    return again


def _firsts(codes: Ints, where: Bools) -> Ints:
    """The first row of each code among the rows of the mask."""
    positions = np.flatnonzero(where)
    return np.sort(positions[np.unique(codes[positions], return_index=True)[1]])
