"""What is wrong with a list, or worth knowing: all checks that need no file, in one list of findings. Pure.

A check that finds nothing says nothing. A fault is what makes a score mean less than it says: the same row, group,
bytes or time in two splits, val = test, a row or nested times under two labels. All else is a note.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from endoeval.splits.class_checks import class_findings
from endoeval.splits.doubles import base_names, examples, rows_in_two, share_of_test, twice, two_labels, val_is_test
from endoeval.splits.finding import Finding, Kind, several
from endoeval.splits.names import Names, coded, cut
from endoeval.splits.overlaps import time_findings
from endoeval.splits.own_words import own_words
from endoeval.splits.rows import SPLITS, TEST, TRAIN, VAL, Rows
from endoeval.splits.spelling import ALONE, spelling_findings

Ints = NDArray[np.int64]
PAIRS = ((TRAIN, TEST), (VAL, TEST), (TRAIN, VAL))
"""Splits that are compared, (one, other): what is counted are the rows and groups of the other."""
FEW_GROUPS = 6
"""Fewer test groups than this give no interval (evaluation.md)."""


def find(
    rows: Rows, names: Names | None = None, *, same_bytes: bool = False, classes: int | None = None
) -> list[Finding]:
    """All findings on the rows, faults first.

    Args:
        rows: the lists.
        names: their names, cut; None: they are cut here.
        same_bytes: the files of val and test are equal byte for byte.
        classes: number of classes that the list is said to have; None: nothing was said.
    """
    names = names or cut(rows.names)
    codes = coded(names.path)
    equal = val_is_test(rows, codes, same_bytes)
    if equal is not None:
        # What follows from val = test is said once.
        found = find(subset(rows, np.flatnonzero(rows.splits != VAL)), classes=classes)
        return [equal, *found]
    findings = [finding for pair in PAIRS for finding in rows_in_two(rows, codes, *pair)]
    findings += two_labels(rows, codes)
    findings += [finding for pair in PAIRS for finding in _groups_in_two(rows, *pair)]
    findings += time_findings(rows, codes, PAIRS)
    findings += (
        twice(rows, codes) + base_names(rows, names, codes) + _groups(rows) + class_findings(rows, names, classes)
    )
    return sorted(findings, key=lambda finding: finding.kind != "fault")


def subset(rows: Rows, where: Ints) -> Rows:
    """The rows at the positions; classes and group names unchanged."""
    return Rows(
        pa.array(rows.names, pa.string()).take(pa.array(where)).to_pylist(),
        rows.splits[where],
        None if rows.labels is None else rows.labels[where],
        rows.classes,
        None if rows.groups is None else rows.groups[where],
        rows.group_names,
        rows.rule,
        None if rows.start is None else rows.start[where],
        None if rows.end is None else rows.end[where],
        None if rows.boxes is None else rows.boxes[where],
        None if rows.digests is None else [rows.digests[i] for i in where],
        None if rows.hashes is None else rows.hashes[where],
        rows.counts_only,
    )


def _groups_in_two(rows: Rows, one: int, other: int) -> list[Finding]:
    if rows.groups is None:
        return []
    here = rows.splits == other
    both = np.intersect1d(rows.groups[rows.splits == one], rows.groups[here])
    if not len(both):
        return []
    touched = here & np.isin(rows.groups, both)
    name, count = SPLITS[other], len(np.unique(rows.groups[here]))
    text = (
        f"{len(both):,} of the {several(count, 'group', 'groups')} of {name} stand in {SPLITS[one]} as well; "
        f"{int(touched.sum()):,} of {int(here.sum()):,} rows of {name} come from them"
    )
    share = float(touched.sum() / here.sum()) if other == TEST else None
    check = f"groups-{SPLITS[one]}-{name}"
    kind: Kind = "note" if rows.rule is not None and rows.rule.sites else "fault"
    return [Finding(check, kind, len(both), share, text, examples(rows.group_names, both))]


def _groups(rows: Rows) -> list[Finding]:
    if rows.groups is None:
        text = "no group key: independence cannot be shown"
        return [Finding("no-group-key", "note", len(rows.names), None, text, ())]
    findings = []
    held = np.unique(rows.groups[rows.splits == TEST])
    if 0 < len(held) < FEW_GROUPS:
        text = f"the test has {several(len(held), 'group', 'groups')}; fewer than {FEW_GROUPS} give no interval"
        findings.append(Finding("few-groups", "note", len(held), None, text, examples(rows.group_names, held)))
    if len(np.unique(rows.groups)) == len(rows.groups):
        text = f"each of the {len(rows.groups):,} rows is a group of its own: the key joins nothing"
        findings.append(Finding("groups-of-one", "note", len(rows.groups), None, text, ()))
    if rows.rule is not None and rows.rule.doubt:
        held = np.unique(rows.groups)
        shown = examples(rows.group_names, held)
        findings.append(Finding("groups-are-sites", "note", len(held), None, rows.rule.doubt, shown))
    findings += _alone(rows, rows.groups)
    findings += spelling_findings(rows.groups, rows.group_names, rows.splits)
    return findings + own_words(rows, rows.groups, PAIRS)


def _alone(rows: Rows, groups: Ints) -> list[Finding]:
    """Rows without a group: those that the key does not fit, and those whose given group nobody knows."""
    alone = pc.starts_with(pa.array(rows.group_names, pa.string()), ALONE).to_numpy(zero_copy_only=False)[groups]
    if not alone.any():
        return []
    count = int(alone.sum())
    text = (
        f"{several(count, 'row has no group and stands', 'rows have no group and stand')} alone: whose pictures they "
        "are cannot be told"
    )
    return [Finding("rows-without-group", "note", count, share_of_test(rows, alone), text, ())]
