"""The audit finds what was planted, each thing exactly, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from endoeval.splits import audit

FORMS = {
    "case": "case_{:04d}_{}.jpg",
    "video": "clips/video{:03d}/part_{}.mp4",
    "hexadecimal": "{:016x}_{}.jpg",
    "study and video": "{0:03d}-001_{1}.jpg",
    "last number": "A{:03d}B_{}.png",
    "folder": "set/K{:03d}/{}.png",
}
Row = tuple[str, str]


def hexadecimal(group: int) -> int:
    """A number whose 16 digits look like no counter."""
    return (group + 1) * 0x9E3779B97F4A7C15 % 2**64


def row(form: str, group: int, at: str, label: int) -> Row:
    number = hexadecimal(group) if form == "hexadecimal" else group
    return FORMS[form].format(number, at), f"class {label}"


def rows_of(form: str, group: int, frames: range, *, intervals: bool = False) -> list[Row]:
    """Rows 100 apart, so that none touches another; labels in turn."""
    made = []
    for i in frames:
        at = f"{i * 100:06d}-{i * 100 + 40:06d}" if intervals else f"{i * 100:06d}"
        made.append(row(form, group, at, (group + i) % 3))
    return made


def clean(form: str, counts: tuple[int, int, int], each: int = 6, *, intervals: bool = False) -> list[list[Row]]:
    """Train, val and test of distinct groups."""
    bounds = np.cumsum([0, *counts])
    return [
        [r for g in range(bounds[i], bounds[i + 1]) for r in rows_of(form, g, range(each), intervals=intervals)]
        for i in range(3)
    ]


def found(train: list[Row], val: list[Row] | None, test: list[Row]) -> dict[str, int]:
    return {finding.check: finding.count for finding in audit(train, test, val).findings}


forms = st.sampled_from(sorted(FORMS))
sizes = st.tuples(st.integers(7, 20), st.integers(6, 10), st.integers(7, 12))


@given(form=forms, counts=sizes, each=st.integers(3, 9), intervals=st.booleans(), seed=st.integers(0, 99))
def test_clean_lists_give_no_finding_in_any_order(form, counts, each, intervals, seed):
    train, val, test = clean(form, counts, each, intervals=intervals)
    np.random.default_rng(seed).shuffle(train)
    assert found([tuple(r) for r in train], val, test) == {}


@given(form=forms, counts=sizes, k=st.integers(1, 6))
def test_shared_groups_are_found_exactly(form, counts, k):
    train, val, test = clean(form, counts)
    first = counts[0] + counts[1]
    for group in range(first, first + k):
        train += rows_of(form, group, range(50, 53))
    result = audit(train, test, val)
    assert {f.check: f.count for f in result.findings} == {"groups-train-test": k}
    assert result.findings[0].test_share == pytest.approx(k * 6 / len(test))
    assert result.faults


@given(form=forms, counts=sizes, k=st.integers(1, 5))
def test_groups_of_val_and_test_are_found_apart_from_those_of_train(form, counts, k):
    train, val, test = clean(form, counts)
    for group in range(counts[0], counts[0] + k):
        test += rows_of(form, group, range(50, 52))
    train += rows_of(form, counts[0] + counts[1], range(50, 51))
    assert found(train, val, test) == {"groups-train-test": 1, "groups-val-test": k}


@given(form=forms, counts=sizes, k=st.integers(1, 6))
def test_intervals_that_touch_across_splits_are_found_exactly(form, counts, k):
    train, val, test = clean(form, counts, intervals=True)
    first = counts[0] + counts[1]
    for group in range(first, first + k):
        # The test row of frame 0 ends at 40.
        train.append(row(form, group, "000040-000060", group % 3))
    assert found(train, val, test) == {"groups-train-test": k, "times-touch-train-test": k}


@given(form=forms, counts=sizes, k=st.integers(1, 6), inside=st.booleans())
def test_intervals_that_overlap_across_splits_are_found_exactly(form, counts, k, inside):
    train, val, test = clean(form, counts, intervals=True)
    first = counts[0] + counts[1]
    for group in range(first, first + k):
        train.append(row(form, group, "000010-000020" if inside else "000030-000060", group % 3))
    assert found(train, val, test) == {"groups-train-test": k, "times-overlap-train-test": k}


@given(form=forms, counts=sizes, k=st.integers(1, 6))
def test_frames_that_follow_across_splits_are_found_exactly(form, counts, k):
    train, val, test = clean(form, counts)
    first = counts[0] + counts[1]
    for group in range(first, first + k):
        train.append(row(form, group, "000201", (group + 2) % 3))
    assert found(train, val, test) == {"groups-train-test": k, "times-touch-train-test": k}


@given(form=forms, counts=sizes, k=st.integers(1, 6))
def test_nested_intervals_under_two_labels_are_found_exactly(form, counts, k):
    train, val, test = clean(form, counts, intervals=True)
    first = counts[0] + counts[1]
    for group in range(first, first + k):
        test.append(row(form, group, "000110-000130", (group + 2) % 3))
    assert found(train, val, test) == {"nested-labels": k}


@given(form=forms, counts=sizes, k=st.integers(1, 6))
def test_nested_intervals_of_one_label_and_split_are_a_note(form, counts, k):
    train, val, test = clean(form, counts, intervals=True)
    first = counts[0] + counts[1]
    for group in range(first, first + k):
        test.append(row(form, group, "000110-000130", (group + 1) % 3))
    result = audit(train, test, val)
    assert {f.check: f.count for f in result.findings} == {"times-inside-split": k}
    assert not result.faults


@given(form=forms, counts=sizes, k=st.integers(1, 6))
def test_rows_of_test_that_stand_in_train_are_found_exactly(form, counts, k):
    train, val, test = clean(form, counts)
    train += test[: 6 * k : 6]
    assert found(train, val, test) == {"rows-train-test": k, "groups-train-test": k}


@given(form=forms, counts=sizes, k=st.integers(1, 6))
def test_rows_that_stand_twice_in_one_split_are_a_note(form, counts, k):
    train, val, test = clean(form, counts)
    train += train[:k]
    assert found(train, val, test) == {"rows-twice": k}


@given(form=forms, counts=sizes, k=st.integers(1, 6))
def test_rows_under_two_labels_are_found_exactly(form, counts, k):
    train, val, test = clean(form, counts)
    train += [(name, f"class {(int(label[-1]) + 1) % 3}") for name, label in train[: 6 * k : 6]]
    assert found(train, val, test) == {"two-labels": k}


@given(form=forms, counts=sizes, seed=st.integers(0, 9))
def test_val_that_is_test_is_said_once(form, counts, seed):
    train, _, test = clean(form, counts)
    val = [test[i] for i in np.random.default_rng(seed).permutation(len(test))]
    assert found(train, val, test) == {"val-equals-test": len(test)}


@pytest.mark.parametrize("intervals", [False, True])
@pytest.mark.parametrize("form", sorted(FORMS))
def test_a_hundred_thousand_clean_rows_give_no_finding(form, intervals):
    each = 200 if form == "study and video" else 100
    groups = 100_000 // each
    counts = (groups * 7 // 10, groups // 10, groups * 2 // 10)
    lists = clean(form, counts, each, intervals=intervals)
    result = audit(lists[0], lists[2], lists[1])
    assert result.findings == ()
    assert result.rule is not None
    assert result.rule.count == groups
