"""Classes that a test cannot judge: absent from one side, of one group; names that contradict their label. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from endoeval.splits.doubles import examples, share_of_test
from endoeval.splits.finding import Finding, several
from endoeval.splits.names import Names
from endoeval.splits.rows import TEST, TRAIN, Rows

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
ONCE_GROUPS = 10
"""Fewer groups than this say nothing about a class that each of them holds once."""
NEGATIVE_FOLDER = (
    r"(?i)^(?:rest|others?|none|normals?|negatives?|neg|background|irrelevant|nothing|(?:no|non|without)[_\- ].*)$"
)
NEGATIVE_STEM = (
    r"(?i)(?:^|[_\- ])(?:no[_\- ][a-z]{3,}|non[_\- ][a-z]{3,}|negatives?|neg|irrelevant|background|rest)(?:[_\- ]|$)"
)
MOSTLY = 0.9
"""A label whose rows are negatives by name to this share is the negatives' own label."""


def class_findings(rows: Rows, names: Names, said: int | None) -> list[Finding]:
    """All notes on classes; none without labels.

    Args:
        rows: the lists.
        names: their names, cut.
        said: number of classes that the list is said to have; None: nothing was said.
    """
    if rows.labels is None:
        return []
    findings = _absent(rows)
    if said is not None and said != len(rows.classes):
        text = f"{several(len(rows.classes), 'class is', 'classes are')} listed, {said} said"
        findings.append(_note("classes-said", abs(said - len(rows.classes)), text, tuple(rows.classes[:5])))
    if rows.groups is not None:
        findings += _of_one_group(rows) + _once_a_group(rows)
    return findings + _negatives(rows, names)


def _absent(rows: Rows) -> list[Finding]:
    train, test = (_histogram(rows, rows.splits == split) for split in (TRAIN, TEST))
    if not train.sum() or not test.sum():
        return []
    findings = []
    for check, here, there, word in (
        ("classes-without-test", train, test, "no test row"),
        ("classes-without-train", test, train, "no train row"),
    ):
        absent = np.flatnonzero((here > 0) & (there == 0))
        if len(absent):
            text = f"{several(len(absent), 'class has', 'classes have')} {word}: {_list(rows.classes, absent)}"
            findings.append(_note(check, len(absent), text, examples(rows.classes, absent)))
    return findings


def _of_one_group(rows: Rows) -> list[Finding]:
    """Classes with several rows, all of one group: of the whole list, else of the test."""
    assert rows.labels is not None
    findings = []
    known = np.zeros(len(rows.classes), dtype=bool)
    for check, where, word in (
        ("class-of-one-group", rows.labels >= 0, "rows"),
        ("class-of-one-test-group", (rows.labels >= 0) & (rows.splits == TEST), "test rows"),
    ):
        owner, times, groups = _by_group(rows, where)
        alone = (np.bincount(owner, minlength=len(known)) == 1) & ~known
        alone &= np.bincount(owner, times, minlength=len(known)) > 1
        known |= alone
        which = np.flatnonzero(alone)
        if len(which) and groups > 1:
            text = f"{several(len(which), 'class has', 'classes have')} all {word} from one group: "
            text += _list(rows.classes, which)
            findings.append(_note(check, len(which), text, examples(rows.classes, which)))
    return findings


def _once_a_group(rows: Rows) -> list[Finding]:
    """Classes that every group holds exactly once, where other classes are not so."""
    assert rows.labels is not None
    owner, times, groups = _by_group(rows, rows.labels >= 0)
    most = np.zeros(len(rows.classes))
    np.maximum.at(most, owner, times)
    once = np.flatnonzero((most == 1) & (np.bincount(owner, minlength=len(most)) == groups))
    if groups < ONCE_GROUPS or not 0 < len(once) < np.count_nonzero(most):
        return []
    text = (
        f"{several(len(once), 'class occurs', 'classes occur')} exactly once in each of the {groups:,} groups "
        f"({_list(rows.classes, once)}): a step that every video has once, or a header's word taken for a class"
    )
    return [_note("class-once-a-group", len(once), text, examples(rows.classes, once))]


def _by_group(rows: Rows, where: Bools) -> tuple[Ints, NDArray[np.float64], int]:
    """Of each (class, group) that occurs: class and number of rows; and the number of groups."""
    assert rows.labels is not None
    assert rows.groups is not None
    count = len(rows.group_names) + 1
    pairs, times = np.unique(rows.labels[where] * count + rows.groups[where], return_counts=True)
    return pairs // count, times.astype(np.float64), len(np.unique(rows.groups[where]))


def _negatives(rows: Rows, names: Names) -> list[Finding]:
    """Rows whose folder or name says "nothing here" under a label that other rows carry too."""
    assert rows.labels is not None
    folders = pc.dictionary_encode(names.folder)
    said = [
        bool(pc.any(pc.match_substring_regex(pa.array(folder.split("/")), NEGATIVE_FOLDER)).as_py())
        for folder in folders.dictionary.to_pylist()
    ]
    negative = np.array(said)[folders.indices.to_numpy(zero_copy_only=False)]
    negative |= pc.match_substring_regex(names.stem, NEGATIVE_STEM).to_numpy(zero_copy_only=False)
    by_name, all_rows = _histogram(rows, negative), _histogram(rows, np.ones(len(negative), dtype=bool))
    mixed = (by_name > 0) & (by_name < MOSTLY * all_rows)
    touched = negative & (rows.labels >= 0) & mixed[np.maximum(rows.labels, 0)]
    if not touched.any():
        return []
    text = (
        f"{several(touched.sum(), 'row lies', 'rows lie')} under a word for negatives (rest, none, no ...) and a label "
        f"that other rows have as well: {_list(rows.classes, np.flatnonzero(mixed))}"
    )
    shown = examples(rows.names, np.flatnonzero(touched))
    share = share_of_test(rows, touched)
    return [Finding("negatives-under-a-label", "note", int(touched.sum()), share, text, shown)]


def _histogram(rows: Rows, where: Bools) -> Ints:
    assert rows.labels is not None
    return np.bincount(rows.labels[where & (rows.labels >= 0)], minlength=len(rows.classes))


def _list(words: Sequence[str], which: NDArray[np.integer]) -> str:
    return ", ".join(examples(words, which)) + (", ..." if len(which) > 5 else "")


def _note(check: str, count: int, text: str, shown: tuple[str, ...]) -> Finding:
    return Finding(check, "note", count, None, text, shown)
