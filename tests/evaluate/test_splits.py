"""Splits: a patient is never on both sides."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from endoeval.splits import cross_validation, group_folds, official
from endoshards.errors import BadInput

SETS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 9)), min_size=4, max_size=60).filter(
    lambda rows: len({group for _, group in rows}) > 1
)


@given(rows=SETS, seed=st.integers(0, 5), folds=st.integers(2, 6))
def test_every_sample_is_tested_once_and_no_group_is_on_two_sides(rows, seed, folds):
    labels, groups = [row[0] for row in rows], [f"p{row[1]}" for row in rows]
    made = cross_validation(labels, groups, folds, seed)
    group = np.array(groups)
    assert sorted(np.concatenate([fold.test for fold in made])) == list(range(len(rows)))
    assert len(made) == min(folds, len(set(groups)))
    for fold in made:
        assert not set(group[fold.train]) & set(group[fold.test])
        assert len(fold.train) + len(fold.test) == len(rows)
        for fit, hold in fold.inner:
            assert len(fit) and len(hold)
            assert not set(group[fit]) & set(group[hold])
            assert set(fit) | set(hold) == set(fold.train)


def test_the_same_seed_gives_the_same_folds_and_another_gives_others():
    groups = [f"p{i // 3}" for i in range(90)]
    first, again, other = (group_folds([0] * 90, groups, 5, seed) for seed in (0, 0, 1))
    assert (first == again).all()
    assert (first != other).any()


def test_the_order_of_the_samples_changes_nothing():
    groups = [f"p{i % 20}" for i in range(80)]
    labels = [i % 20 // 12 for i in range(80)]
    folds = group_folds(labels, groups, 5, 0)
    shuffled = np.random.default_rng(0).permutation(80)
    again = group_folds([labels[i] for i in shuffled], [groups[i] for i in shuffled], 5, 0)
    assert (again == folds[shuffled]).all()


def test_a_rare_class_is_spread_over_the_folds():
    groups = [f"p{i // 4}" for i in range(200)]
    labels = [1 if i // 4 < 5 else 0 for i in range(200)]
    folds = group_folds(labels, groups, 5, 0)
    for number in range(5):
        rare = np.count_nonzero((folds == number) & (np.array(labels) == 1))
        assert rare == 4
        assert np.count_nonzero(folds == number) == 40


def test_one_group_alone_cannot_be_held_out():
    with pytest.raises(BadInput, match="all 3 samples are of one group"):
        group_folds([0, 1, 0], ["p", "p", "p"], 5, 0)


def test_a_group_in_two_splits_is_refused_by_name():
    with pytest.raises(BadInput, match=r"1 of 2 groups stand in more than one split: p7 \(test and train\)"):
        official(["train", "test", "train"], [0, 1, 0], ["p7", "p7", "p8"], 0)


def test_an_official_split_keeps_its_test_part_and_chooses_on_its_validation_part():
    (fold,) = official(["test", "train", "val", "train"], [0, 1, 0, 1], ["a", "b", "c", "d"], 0)
    assert fold.test.tolist() == [0]
    assert fold.train.tolist() == [1, 2, 3]
    ((fit, hold),) = fold.inner
    assert (fit.tolist(), hold.tolist()) == ([1, 3], [2])


def test_numbers_are_published_folds():
    made = official(["0", "1", "2", "0"], [0, 1, 0, 1], ["a", "b", "c", "d"], 0)
    assert [fold.test.tolist() for fold in made] == [[0, 3], [1], [2]]


def test_words_that_are_no_split_are_refused():
    with pytest.raises(BadInput, match="the split holds holdout, train; allowed: train, test and val"):
        official(["train", "holdout"], [0, 1], ["a", "b"], 0)
