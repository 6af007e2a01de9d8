"""The audit of a split: lists in, what can be said of a score on them out. Reads; writes nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from endoeval.splits.checks import find
from endoeval.splits.constant_box import BoxNull, box_null, scaled
from endoeval.splits.copies import byte_digests, copy_findings, folders_of, picture_hashes
from endoeval.splits.finding import Finding
from endoeval.splits.given_groups import Groups, as_given, from_pattern, from_table
from endoeval.splits.groups import Grouping, from_names, indexed
from endoeval.splits.names import Names, cut
from endoeval.splits.nulls import METRICS, Metric, NullRow, null_rows
from endoeval.splits.parts import Source
from endoeval.splits.read import Table, read
from endoeval.splits.rows import TEST, TRAIN, GroupRule, Rows
from endoeval.splits.times import COUNTED, count_each_list, merely_count, places
from endoshards.errors import BadInput, BadOption

if TYPE_CHECKING:
    from endoeval.splits.power import Power


@dataclass(frozen=True)
class Audit:
    """What is known of one split."""

    rows: Rows
    understood: tuple[str, ...]
    """What was read, in lines: form and columns of each list, samples, classes."""
    rule: GroupRule | None
    findings: tuple[Finding, ...]
    """Faults first."""
    nulls: tuple[NullRow, ...]
    box: BoxNull | None
    power: Power
    published: float | None
    folds: tuple[Audit, ...] = ()
    """Of a list with fold numbers: the audit of each fold against the rest. The fields above are those of the fold with
    the largest share of test rows under a fault, its findings those of all folds."""

    published_metric: Metric = "accuracy"
    masks: bool = False
    """The lists name masks instead of labels."""

    @property
    def faults(self) -> bool:
        """True where a check found a fault."""
        return any(finding.kind == "fault" for finding in self.findings)


def audit(
    train: Source,
    test: Source | None = None,
    val: Source | None = None,
    groups: Groups | None = None,
    *,
    group_column: str | None = None,
    group_pattern: str | None = None,
    split_column: str | None = None,
    file_column: str | None = None,
    label_column: str | None = None,
    classes: int | None = None,
    data_root: Path | None = None,
    published: float | None = None,
    published_metric: Metric = "accuracy",
) -> Audit:
    """Can the score on these lists mean anything? No picture is needed.

    Args:
        train: a list file, a class folder, names, (name, label) pairs or columns; with `test` None, one list with a
            split column (fold numbers: each fold against the rest), or a test list alone.
        test, val: the other lists.
        groups: group of each name, or a CSV with the columns file and group.
        group_column: column that holds the group; group_pattern: expression on the name, its group 1 (or what it
            matches) is the group. Without any of the three, the names are searched.
        split_column, file_column, label_column: columns that headers don't tell.
        classes: number of classes that the list is said to have.
        data_root: folder of the files, for copies.
        published: a score in [0, 1] to put beside the null rows.
        published_metric: what that score is; of boxes it is F1 of frame presence.
    Raises: BadInput for lists that can't be understood; BadOption for a malformed pattern or score.
    """
    _refuse_options(
        {"--groups": groups, "--group-column": group_column, "--group-pattern": group_pattern},
        published,
        published_metric,
    )
    table = read(
        train,
        test,
        val,
        file_column=file_column,
        label_column=label_column,
        group_column=group_column,
        split_column=split_column,
    )
    sizes_known = True
    if table.boxes is not None:
        boxes, sizes_known = scaled(table.boxes, [count for count, _ in table.roots])
        table = replace(table, boxes=boxes)
    codes, words = indexed(table.labels) if table.labels is not None else (None, ())
    codes, words = _labels(codes, words)
    _refuse_one_class(words, table)
    names = cut(table.names)
    grouping = _grouping(table, names, (codes, words), groups, group_pattern)
    rows = _rows(table, names, codes, words, grouping)
    if data_root is not None:
        folders = folders_of(table.splits, train, val, test)
        listed = table.listed()
        rows = replace(rows, digests=byte_digests(listed, table.names, data_root, folders))
        rows = replace(rows, hashes=picture_hashes(rows, listed, data_root, folders))

    def of(rows: Rows) -> Audit:
        from endoeval.splits.power import expected  # scipy.stats takes a second to load; folds alone don't need it

        findings = find(rows, names, same_bytes=table.same_bytes, classes=classes)
        if data_root is not None:
            findings += copy_findings(rows)
            findings.sort(key=lambda finding: finding.kind != "fault")
        power = expected(rows, joins_nothing=any(finding.check == "groups-of-one" for finding in findings))
        nulls, box = null_rows(rows), box_null(rows, sizes_known=sizes_known)
        said = (*table.understood, *([COUNTED] if rows.counts_only else []))
        about = (published, (), published_metric, table.masks)
        return Audit(rows, said, rows.rule, tuple(findings), nulls, box, power, *about)

    return of(rows) if table.folds is None else _of_folds(rows, table.folds, of)


def _refuse_options(keys: Mapping[str, object], published: float | None, metric: str) -> None:
    given = [word for word, value in keys.items() if value is not None]
    if len(given) > 1:
        raise BadOption(f"{' and '.join(given)} are given; one of them says what a group is.")
    if published is not None and not 0 <= published <= 1:
        raise BadOption(f"the published score is {published:g}; scores run from 0 to 1: write 55.28 % as 0.5528.")
    if metric not in METRICS:
        raise BadOption(f"the published metric is {metric}; allowed: {', '.join(METRICS)}.")


def _of_folds(rows: Rows, folds: NDArray[np.int64], of: Callable[[Rows], Audit]) -> Audit:
    """Each fold as the test, the rest as train; a finding is that of its worst fold."""
    numbers = [int(number) for number in np.unique(folds)]
    audits = [of(replace(rows, splits=np.where(folds == n, TEST, TRAIN).astype(np.int8))) for n in numbers]
    by_check: dict[str, list[tuple[int, Finding]]] = {}
    for number, found in zip(numbers, audits, strict=True):
        for finding in found.findings:
            by_check.setdefault(finding.check, []).append((number, finding))
    merged = [_worst(found, len(numbers)) for found in by_check.values()]
    merged += _in_several(rows, folds)
    merged.sort(key=lambda finding: finding.kind != "fault")
    top = max(audits, key=lambda a: max((f.test_share or 0.0 for f in a.findings if f.kind == "fault"), default=0.0))
    said = (*top.understood, f"{len(numbers)} folds, each audited as the test against the rest")
    return replace(top, understood=said, findings=tuple(merged), folds=tuple(audits))


def _in_several(rows: Rows, folds: NDArray[np.int64]) -> list[Finding]:
    """How many groups the folds share in all; that they do is a fault of each fold already."""
    if rows.groups is None:
        return []
    numbers, fold = np.unique(folds, return_inverse=True)
    held = np.unique(rows.groups * len(numbers) + fold) // len(numbers)
    groups, times = np.unique(held, return_counts=True)
    several = groups[times > 1]
    if not len(several):
        return []
    text = f"{len(several):,} of {len(groups):,} groups stand in two folds or more"
    names = tuple(str(rows.group_names[group]) for group in several[:5])
    return [Finding("groups-of-several-folds", "note", len(several), None, text, names)]


def _worst(found: Sequence[tuple[int, Finding]], folds: int) -> Finding:
    number, worst = max(found, key=lambda item: (item[1].test_share or 0.0, item[1].count))
    if len(found) == folds and all(finding == worst for _, finding in found):
        return worst
    text = f"fold {number} against the rest: {worst.text} (found in {len(found)} of {folds} folds, here the most)"
    return replace(worst, text=text)


def _labels(
    codes: NDArray[np.int64] | None, words: tuple[str, ...]
) -> tuple[NDArray[np.int64] | None, tuple[str, ...]]:
    """Classes in the order of their numbers where all are numbers; rows without a label get -1."""
    if codes is None:
        return None, ()
    order = list(range(len(words)))
    if all(re.fullmatch(r"[+-]?\d+(\.\d+)?", word) for word in words if word):
        order.sort(key=lambda i: float(words[i] or 0))
    kept = [i for i in order if words[i]]
    place = np.full(len(words), -1, dtype=np.int64)
    place[kept] = np.arange(len(kept))
    return place[codes], tuple(words[i] for i in kept)


def _grouping(
    table: Table,
    names: Names,
    labels: tuple[NDArray[np.int64] | None, tuple[str, ...]],
    groups: Groups | None,
    pattern: str | None,
) -> Grouping | None:
    """What was given, else a column that is named so, else what the names hold."""
    splits = table.splits if table.folds is None else table.folds
    if groups is not None:
        return from_table(table.names, table.listed(), splits, groups)
    if pattern is not None:
        return from_pattern(table.names, table.listed(), splits, pattern)
    if table.groups is not None:
        return as_given(
            table.groups, table.names, splits, f"column {table.group_column}", "a column of the lists says so"
        )
    return from_names(names, table.splits, *labels, table.folds)


def _refuse_one_class(classes: tuple[str, ...], table: Table) -> None:
    if len(classes) == 1 and table.boxes is None:
        raise BadInput(
            f"all {len(table.names):,} rows have the label {classes[0][:60]}; at least two classes are wanted, "
            "for any score on one class is 1. Name another column with --label-column."
        )


def _rows(
    table: Table, names: Names, labels: NDArray[np.int64] | None, classes: tuple[str, ...], grouping: Grouping | None
) -> Rows:
    start, end, counts_only = table.start, table.end, False
    if start is None and grouping is not None:
        where = grouping.rest if grouping.rest is not None else names.stem
        start, end = places(where, grouping.groups) or (None, None)
        if start is not None and end is not None and (start == end).sum() == np.isfinite(start).sum():
            key = grouping.rule.why if grouping.rule.name.startswith("table ") else grouping.rule.name
            if count_each_list(names, grouping.groups, start, key, table.splits):
                start = end = None
            else:
                counts_only = merely_count(names, grouping.groups, start, key)
    elif start is not None and end is not None:
        end = np.maximum(start, end)
    return Rows(
        table.names,
        table.splits,
        labels,
        classes,
        grouping.groups if grouping else None,
        grouping.names if grouping else (),
        grouping.rule if grouping else None,
        start,
        end,
        table.boxes,
        None,
        None,
        counts_only,
    )
