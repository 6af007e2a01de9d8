"""What a test list gives away without a single pixel: the largest class, the group's label, the neighbour in time.

A score at or below these rows cannot show that pixels were used. Pure: `Rows` in, numbers out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from endoeval.splits.constant_box import BoxNull
from endoeval.splits.rows import TEST, TRAIN, Rows

Ints = NDArray[np.int64]


Metric = Literal["accuracy", "balanced_accuracy", "macro_f1"]
"""What a published score may be."""
METRICS: Mapping[Metric, str] = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
}


@dataclass(frozen=True)
class NullRow:
    """One rule that looks at no pixel, scored on the labelled test rows."""

    name: str
    accuracy: float
    balanced_accuracy: float
    """Mean recall over the classes that the test holds."""
    macro_f1: float
    """Mean F1 over the classes that the test holds; classes that are only predicted do not enter."""
    rows: int
    """Test rows it was scored on."""
    note: str
    """How many rows the rule itself decided, in one sentence."""


def score(row: NullRow, metric: Metric) -> float:
    """The row's score in a metric."""
    return {"accuracy": row.accuracy, "balanced_accuracy": row.balanced_accuracy, "macro_f1": row.macro_f1}[metric]


def null_rows(rows: Rows) -> tuple[NullRow, ...]:
    """The rows that anybody gets for free on this test list; val is left aside.

    Args:
        rows: lists with labels of two classes or more in train and test; others give no row.
    Returns: largest class; with a group key the group lookup; with known times the nearest in time.
    """
    if rows.labels is None or len(rows.classes) < 2:
        return ()
    train = np.flatnonzero((rows.splits == TRAIN) & (rows.labels >= 0))
    test = np.flatnonzero((rows.splits == TEST) & (rows.labels >= 0))
    if not len(train) or not len(test):
        return ()
    k, truth = len(rows.classes), rows.labels[test]
    sizes = np.bincount(rows.labels[train], minlength=k)
    largest = int(sizes.argmax())
    constant = np.full(len(test), largest)
    made = [_scored("largest class", truth, constant, k, f"every test row is called {rows.classes[largest]}")]
    if rows.groups is None:
        return tuple(made)
    looked = group_lookup(rows.labels[train], rows.groups[train], rows.groups[test], k)
    found = looked >= 0
    made.append(
        _scored("group lookup", truth, np.where(found, looked, largest), k, _decided(found, "whose group is in train"))
    )
    if rows.start is not None and rows.end is not None:
        middle = (rows.start + rows.end) / 2
        near = nearest_in_time(rows.labels[train], rows.groups[train], middle[train], rows.groups[test], middle[test])
        timed = near >= 0
        if np.isfinite(middle[test]).any() and np.isfinite(middle[train]).any():
            guess = np.where(timed, near, np.where(found, looked, largest))
            said = _decided(timed, "with a neighbour of their group in train")
            made.append(_scored("nearest in time", truth, guess, k, said))
    return tuple(made)


def group_lookup(labels: Ints, groups: Ints, wanted: Ints, k: int) -> Ints:
    """The majority label of each wanted group among the training rows; -1 where train does not hold the group.

    Args:
        labels: int64 [n] of train, 0 to k - 1.
        groups: int64 [n] of train.
        wanted: int64 [m], the groups of the test rows.
        k: number of classes. Of classes that are equally frequent in a group the one that is larger in train is taken.
    Returns: int64 [m].
    """
    pairs, counts = np.unique(groups * k + labels, return_counts=True)
    group, label = np.divmod(pairs, k)
    sizes = np.bincount(labels, minlength=k)
    order = np.lexsort((-label, sizes[label], counts, group))
    group, label = group[order], label[order]
    last = np.flatnonzero(np.append(group[1:] != group[:-1], True))
    names, best = group[last], label[last]
    at = np.minimum(np.searchsorted(names, wanted), len(names) - 1)
    return np.where(names[at] == wanted, best[at], -1)


def nearest_in_time(
    labels: Ints, groups: Ints, times: NDArray[np.float64], wanted: Ints, when: NDArray[np.float64]
) -> Ints:
    """The label of the training row of the same group that is nearest in time; -1 where there is none.

    Args:
        labels, groups, times: [n] of train; `times` are middles of intervals, nan where unknown.
        wanted, when: [m], group and time of the test rows.
    Returns: int64 [m]; of two that are equally near the earlier.
    """
    known = np.flatnonzero(np.isfinite(times))
    asked = np.flatnonzero(np.isfinite(when))
    answer = np.full(len(wanted), -1)
    if not len(known) or not len(asked):
        return answer
    # One line of all rows in order of group and time; each test row then looks left and right for a training row.
    group = np.concatenate([groups[known], wanted[asked]])
    time = np.concatenate([times[known], when[asked]])
    order = np.lexsort((np.arange(len(time)), time, group))
    size, is_train = len(order), order < len(known)
    place = np.arange(size)
    left = np.maximum.accumulate(np.where(is_train, place, -1))
    right = np.minimum.accumulate(np.where(is_train, place, size)[::-1])[::-1]
    here = np.flatnonzero(~is_train)
    gaps = np.stack([_gap(side[here], order[here], order, group, time) for side in (left, right)])
    pick = np.where(gaps[0] <= gaps[1], left[here], right[here])
    with_one = np.isfinite(gaps.min(axis=0))
    rows = order[here[with_one]] - len(known)
    answer[asked[rows]] = labels[known[order[pick[with_one]]]]
    return answer


def against_nulls(
    published: float, nulls: Sequence[NullRow], box: BoxNull | None = None, metric: Metric = "accuracy"
) -> str:
    """What a published score says beside the null rows, in one sentence.

    Args:
        published: a share; beside boxes F1 of frame presence.
        nulls: null rows of the list.
        box: the constant box, for lists of boxes.
        metric: what the score is, of lists without boxes.
    """
    name_of = "" if metric == "accuracy" or box is not None else f"{METRICS[metric]} "
    if box is not None:
        best, name = box.frame_f1, "one constant box a frame"
        what = "that boxes were found"
    elif nulls:
        top = max(nulls, key=lambda row: score(row, metric))
        best, name = score(top, metric), f"the {top.name}"
        what = "that pixels were used"
    else:
        return f"Nothing stands beside the published {published:.4f}: the lists give no null row."
    if published > best:
        return f"The published {name_of}{published:.4f} is above {name} ({best:.4f}) by {published - best:.4f}."
    word = "below" if published < best else "equal to"
    return f"The published {name_of}{published:.4f} is {word} {name} ({best:.4f}): this list cannot show {what}."


def _gap(
    place: NDArray[np.intp],
    here: NDArray[np.intp],
    order: NDArray[np.intp],
    group: Ints,
    time: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Distance in time to the training row at `place`; inf where there is none or it is of another group."""
    inside = (place >= 0) & (place < len(order))
    other = order[np.clip(place, 0, len(order) - 1)]
    return np.where(inside & (group[other] == group[here]), np.abs(time[other] - time[here]), np.inf)


def _scored(name: str, truth: Ints, predicted: Ints, k: int, note: str) -> NullRow:
    hit = np.bincount(truth[truth == predicted], minlength=k)
    true, claimed = np.bincount(truth, minlength=k), np.bincount(predicted, minlength=k)
    present = true > 0
    return NullRow(
        name=name,
        accuracy=float(hit.sum() / len(truth)),
        balanced_accuracy=float((hit[present] / true[present]).mean()),
        macro_f1=float((2 * hit[present] / (true + claimed)[present]).mean()),
        rows=len(truth),
        note=note,
    )


def _decided(by_rule: NDArray[np.bool_], which: str) -> str:
    count = int(by_rule.sum())
    if not count:
        return f"no test row {which}: the same as the largest class"
    return f"{count:,} of {len(by_rule):,} test rows {which}"
