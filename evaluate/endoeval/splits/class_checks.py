"""Classes that a test cannot judge: absent from one side, of one group; names that contradict their label. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from endoeval.splits.doubles import examples
from endoeval.splits.finding import Finding, several
from endoeval.splits.names import Names
from endoeval.splits.negatives import negatives_under_a_label
from endoeval.splits.rows import SPLITS, TEST, TRAIN, Rows

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
ONCE_GROUPS = 10
"""Fewer groups than this say nothing about a class that each of them holds once."""


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
    return findings + negatives_under_a_label(rows, names)


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
        return _once_a_group_of_one_split(rows)
    text = (
        f"{several(len(once), 'class occurs', 'classes occur')} exactly once in each of the {groups:,} groups "
        f"({_list(rows.classes, once)}): a step that every video has once, or a header's word taken for a class"
    )
    return [_note("class-once-a-group", len(once), text, examples(rows.classes, once))]


def _once_a_group_of_one_split(rows: Rows) -> list[Finding]:
    """The same of classes that one split alone holds: a header may stand in the files of one list only."""
    assert rows.labels is not None
    findings = []
    counts = {split: _histogram(rows, rows.splits == split) for split in np.unique(rows.splits).tolist()}
    for split, count in counts.items() if len(counts) > 1 else ():
        owner, times, groups = _by_group(rows, (rows.labels >= 0) & (rows.splits == split))
        most = np.zeros(len(rows.classes))
        np.maximum.at(most, owner, times)
        alone = count == sum(counts.values())
        once = np.flatnonzero((most == 1) & alone & (np.bincount(owner, minlength=len(most)) == groups))
        if groups >= ONCE_GROUPS and 0 < len(once) < np.count_nonzero(most):
            text = (
                f"{several(len(once), 'class occurs', 'classes occur')} exactly once in each of the {groups:,} groups "
                f"of {SPLITS[split]} and nowhere else ({_list(rows.classes, once)}): a header's word for a class?"
            )
            findings.append(_note("class-once-a-group", len(once), text, examples(rows.classes, once)))
    return findings


def _by_group(rows: Rows, where: Bools) -> tuple[Ints, NDArray[np.float64], int]:
    """Of each (class, group) that occurs: class and number of rows; and the number of groups."""
    assert rows.labels is not None
    assert rows.groups is not None
    count = len(rows.group_names) + 1
    pairs, times = np.unique(rows.labels[where] * count + rows.groups[where], return_counts=True)
    return pairs // count, times.astype(np.float64), len(np.unique(rows.groups[where]))


def _histogram(rows: Rows, where: Bools) -> Ints:
    assert rows.labels is not None
    return np.bincount(rows.labels[where & (rows.labels >= 0)], minlength=len(rows.classes))


def _list(words: Sequence[str], which: NDArray[np.integer]) -> str:
    return ", ".join(examples(words, which)) + (", ..." if len(which) > 5 else "")


def _note(check: str, count: int, text: str, shown: tuple[str, ...]) -> Finding:
    return Finding(check, "note", count, None, text, shown)
