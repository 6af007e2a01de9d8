"""Rows whose folder or name says "nothing here" under a label that says otherwise. Pure."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from endoeval.splits.doubles import examples, share_of_test
from endoeval.splits.finding import Finding, several
from endoeval.splits.names import Names
from endoeval.splits.rows import Rows

Bools = NDArray[np.bool_]
FOLDER = re.compile(
    r"(?:rest|others?|none|normals?|healthy|negatives?|neg|background|irrelevant|nothing|(?:no|non|without)[_\- ].*"
    r"|(?-i:(?:[Nn]on?|NO|[Ww]ithout)[A-Z][a-z].*))",
    re.IGNORECASE,
)
"""A folder of negatives; `NoPolyp` by its capitals."""
STEM = (
    r"(?i)(?:^|[_\- ])(?:no[_\- ][a-z]{3,}|non[_\- ][a-z]{3,}|(?-i:[Nn]on?[A-Z][a-z]{2,})|healthy|negatives?|neg"
    r"|irrelevant|background|rest)(?:[_\- ]|$)"
)
MOSTLY = 0.9
"""A label whose rows are negatives by name to this share, and that holds this share of a folder's negatives, is the
negatives' own."""


def negatives_under_a_label(rows: Rows, names: Names) -> list[Finding]:
    """Negatives by name whose label other rows carry too, or that share a folder with negatives of another label."""
    assert rows.labels is not None
    folders = pc.dictionary_encode(names.folder)
    folder = folders.indices.to_numpy(zero_copy_only=False)
    stem = pc.match_substring_regex(names.stem, STEM).to_numpy(zero_copy_only=False)
    negative = (_by_folder(rows, folders.dictionary.to_pylist(), folder) | stem) & (rows.labels >= 0)
    if not negative.any():
        return []
    by_name, all_rows = (
        np.bincount(rows.labels[where], minlength=len(rows.classes)) for where in (negative, rows.labels >= 0)
    )
    own = (by_name >= MOSTLY * all_rows)[rows.labels[negative]]
    cell = folder[negative].astype(np.int64) * len(rows.classes) + rows.labels[negative]
    _, at, times = np.unique(cell, return_inverse=True, return_counts=True)
    _, whole, sums = np.unique(folder[negative], return_inverse=True, return_counts=True)
    own &= times[at] >= MOSTLY * sums[whole]
    touched = np.flatnonzero(negative)[~own]
    if not len(touched):
        return []
    labels = np.unique(rows.labels[touched])
    text = (
        f"{several(len(touched), 'row lies', 'rows lie')} under a word for negatives (rest, none, no ...) and a label "
        "that other rows have as well, or beside negatives of another label: "
        f"{', '.join(examples(rows.classes, labels))}{', ...' if len(labels) > 5 else ''}"
    )
    where = np.zeros(len(negative), dtype=bool)
    where[touched] = True
    share = share_of_test(rows, where)
    return [Finding("negatives-under-a-label", "note", len(touched), share, text, examples(rows.names, touched))]


def _by_folder(rows: Rows, folders: Sequence[str], folder: NDArray[np.integer]) -> Bools:
    """[n] rows in a folder for negatives.

    A folder that all rows of a list lie in, whatever their label, says where the list was written.
    """
    assert rows.labels is not None
    parts = [name.split("/") for name in folders]
    words = {word for name in parts for word in name}
    said = {word for word in words if FOLDER.fullmatch(word)}
    made = np.zeros(len(folder), dtype=bool)
    for split in np.unique(rows.splits):
        here = rows.splits == split
        held = np.unique(folder[here])
        labels = rows.labels[here & (rows.labels >= 0)]
        alike = len(labels) == 0 or labels.min() == labels.max()
        skipped = 0 if alike else _in_front([parts[i] for i in held])
        negative = np.zeros(len(parts), dtype=bool)
        negative[[i for i in held if not said.isdisjoint(parts[i][skipped:])]] = True
        made |= here & negative[folder]
    return made


def _in_front(paths: Sequence[list[str]]) -> int:
    """Folders that all paths begin with: those that the first and the last in order share."""
    pairs = zip(min(paths), max(paths), strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
