"""A clean list from a faulty one."""

import time
from dataclasses import replace

import numpy as np
import pytest
from hand_rows import rows_of
from hypothesis import given
from hypothesis import strategies as st

from endoeval.splits.propose import propose
from endoeval.splits.rows import TEST, TRAIN, VAL
from endoshards.errors import BadInput

NAN = float("nan")


def shared(rows):
    """Groups that stand in two splits."""
    pairs = np.unique(np.stack([rows.groups, rows.splits]), axis=1)
    return int((np.unique(pairs[0], return_counts=True)[1] > 1).sum())


@given(st.integers(0, 2**32 - 1), st.integers(2, 30), st.integers(1, 4), st.booleans())
def test_no_group_stands_in_two_splits_and_every_row_is_kept_once(seed, groups, classes, with_val):
    generator = np.random.default_rng(seed)
    words = ["train", "test", "val"] if with_val else ["train", "test"]
    listed = [("train", "first", "0", "0", NAN), ("test", "last", "0", "1", NAN)]
    for row in range(generator.integers(5, 200)):
        group, label = generator.integers(groups), generator.integers(classes)
        listed.append((words[generator.integers(len(words))], f"r{row}", str(label), str(group), NAN))
    rows = rows_of(listed)
    made = propose(rows)
    assert shared(made.rows) == 0
    assert sorted(made.rows.names) == sorted(rows.names)
    assert (made.rows.splits == TRAIN).any()
    assert (made.rows.splits == TEST).any()
    assert [rows.names[i] for i in made.kept] == list(made.rows.names)
    assert np.array_equal(propose(rows).rows.splits, made.rows.splits)


def test_sizes_and_class_shares_are_kept_where_the_groups_allow():
    generator = np.random.default_rng(0)
    listed = [
        ("test" if generator.random() < 0.2 else "train", f"r{i}", "polyp" if i % 3 else "normal", f"g{i % 120}", NAN)
        for i in range(1200)
    ]
    rows = rows_of(listed)
    made = propose(rows)
    for split in (TRAIN, TEST):
        before, after = rows.splits == split, made.rows.splits == split
        assert abs(int(before.sum()) - int(after.sum())) <= 10
        assert abs(rows.labels[before].mean() - made.rows.labels[after].mean()) < 0.02


def test_val_that_was_test_becomes_a_list_of_its_own():
    listed = [("train", f"a{i}", "x", f"a{i}", NAN) for i in range(40)]
    for word in ("val", "test"):
        listed += [(word, f"b{i}", "x", f"b{i}", NAN) for i in range(20)]
    made = propose(rows_of(listed))
    assert [int((made.rows.splits == split).sum()) for split in (TRAIN, VAL, TEST)] == [30, 15, 15]
    assert made.not_kept[0] == "20 rows that stood twice are listed once."
    assert "test has 15 rows instead of 20." in made.not_kept


def test_what_contradicts_itself_is_left_out_and_said():
    listed = [(word, f"{word}{i}", "xy"[i % 2], f"{word}{i}", NAN) for word in ("train", "test") for i in range(8)]
    made = propose(rows_of([*listed, ("train", "two", "x", "train0", NAN), ("test", "two", "y", "train0", NAN)]))
    assert "two" not in made.rows.names
    assert "1 name that stands under two labels: left out." in made.not_kept


def test_nested_stretches_under_two_labels_are_left_out_and_touching_ones_stay():
    listed = [
        ("train", "v_0_100", "a", "v", 0),
        ("train", "v_20_30", "b", "v", 20),
        ("train", "v_100_120", "b", "v", 100),
        ("test", "w_0_5", "a", "w", 0),
        ("test", "w_5_9", "b", "w", 5),
    ]
    rows = rows_of(listed)
    made = propose(replace(rows, end=np.array([100.0, 30, 120, 5, 9])))
    assert list(made.rows.names) == ["v_100_120", "w_0_5", "w_5_9"]
    assert made.not_kept[0] == "2 stretches of time in or around another one under another label: left out."


def test_groups_with_the_same_bytes_go_to_one_side():
    rows = rows_of([(("train", "test")[i % 2], f"r{i}", "x", f"g{i}", NAN) for i in range(12)])
    digests = [f"{i}" for i in range(12)]
    digests[3] = digests[8] = digests[5] = "same"
    made = propose(replace(rows, digests=digests))
    assert len({int(made.rows.splits[i]) for i in (3, 5, 8)}) == 1


def test_a_class_of_one_group_cannot_be_on_both_sides():
    listed = [
        ("train" if i % 2 else "test", f"r{i}", "rare" if i < 4 else "usual", f"g{i // 4}", NAN) for i in range(40)
    ]
    made = propose(rows_of(listed))
    assert any("holds no row of rare: too few groups hold that class." in said for said in made.not_kept)


def test_two_groups_for_three_splits_leave_val_empty():
    listed = [(word, f"{word}{g}", "x", g, NAN) for word in ("train", "val", "test") for g in "ab"]
    made = propose(rows_of(listed))
    assert not (made.rows.splits == VAL).any()
    assert shared(made.rows) == 0
    assert made.not_kept[0] == "There are 2 groups for 3 splits: val stays empty."


def test_what_cannot_be_split_is_refused():
    with pytest.raises(BadInput, match="no group key"):
        propose(rows_of([("train", "a", "x", None, NAN), ("test", "b", "x", None, NAN)]))
    with pytest.raises(BadInput, match="test rows only"):
        propose(rows_of([("test", "a", "x", "a", NAN), ("test", "b", "x", "b", NAN)]))
    with pytest.raises(BadInput, match="one group"):
        propose(rows_of([("train", "a", "x", "a", NAN), ("test", "b", "x", "a", NAN)]))


def test_a_hundred_thousand_groups_take_seconds():
    generator = np.random.default_rng(0)
    listed = [
        (("train", "test")[int(generator.random() < 0.2)], f"r{i}", str(generator.integers(5)), f"g{i // 3}", NAN)
        for i in range(300_000)
    ]
    rows = rows_of(listed)
    began = time.perf_counter()
    made = propose(rows)
    assert time.perf_counter() - began < 20
    assert shared(made.rows) == 0
    assert abs(int((made.rows.splits == TEST).sum()) - int((rows.splits == TEST).sum())) <= 3


def test_train_gets_a_rare_class_before_test_and_test_before_val():
    listed = [(word, f"{word}{i}", "usual", f"{word}{i}", NAN) for word in ("train", "val", "test") for i in range(20)]
    listed += [(word, f"rare-{word}", "rare", f"rare-{word}", NAN) for word in ("val", "test")]
    listed += [("train", f"rare-{i}", "rare", "rare-val", NAN) for i in range(3)]
    made = propose(rows_of(listed))
    rare = {int(split) for split, label in zip(made.rows.splits, made.rows.labels, strict=True) if label == 0}
    assert rare == {TRAIN, TEST}
