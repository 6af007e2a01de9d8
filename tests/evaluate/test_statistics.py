"""Intervals over groups: worked by hand, against libraries, and by simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from endoeval.statistics import MIN_GROUPS, difference, holm, interval, pseudo_values, sign_flip_p


def mean_of(values, counts=None):
    """The statistic "mean over all images" for groups with these sums and sizes."""
    counts = np.ones(len(values)) if counts is None else np.asarray(counts, float)
    sums = np.asarray(values, float) * counts
    return lambda weights: (weights @ sums) / (weights @ counts)


def test_for_equal_groups_the_jackknife_is_the_t_interval_of_the_group_means():
    values = [0.1, 0.2, 0.4, 0.5, 0.6, 0.6]
    got = interval(mean_of(values), 6)
    half = stats.t.ppf(0.975, 5) * np.std(values, ddof=1) / np.sqrt(6)
    assert got.value == pytest.approx(0.4)
    assert (got.low, got.high) == pytest.approx((0.4 - half, 0.4 + half))
    assert got.method == "jackknife-t"


def test_a_ratio_of_three_unequal_groups_has_the_pseudo_values_worked_by_hand():
    # 1 of 2, 3 of 4, 0 of 2: all 4/8; without them 3/6, 1/4, 4/6; 3t - 2t(-g):
    statistic = mean_of([0.5, 0.75, 0.0], [2, 4, 2])
    assert pseudo_values(statistic, 3) == pytest.approx([1.5 - 1.0, 1.5 - 0.5, 1.5 - 4 / 3])


def test_an_interval_is_clipped_to_the_metric_s_range():
    got = interval(mean_of([1, 1, 1, 1, 1, 0.2]), 6)
    assert got.high == 1.0
    assert got.low < 0.7


@pytest.mark.parametrize("groups", range(1, MIN_GROUPS))
def test_fewer_than_six_groups_carry_no_interval(groups):
    got = interval(mean_of(np.linspace(0.2, 0.8, groups)), groups)
    assert (got.low, got.high) == (None, None)
    assert got.method == f"none: {groups} groups, at least 6 are needed"


def test_from_twenty_groups_a_percentile_bootstrap_stands_beside_and_is_the_same_each_time():
    values = np.random.default_rng(1).random(20)
    assert interval(mean_of(values[:19]), 19).bootstrap is None
    first, again = (interval(mean_of(values), 20, seed=3) for _ in range(2))
    assert first == again
    low, high = first.bootstrap
    assert first.low < low < first.value < high < first.high


def test_a_draw_takes_as_many_groups_of_each_rarest_class_as_there_are():
    # One group holds the only image of class 1: drawn unstratified, it would be missing in 36 % of the draws.
    held = np.array([[4, 0]] * 19 + [[3, 1]])
    seen = []

    def share_of_the_last(weights):
        seen.append(weights)
        return weights[:, -1] / weights.sum(axis=1)

    got = interval(share_of_the_last, 20, held=held)
    assert got.bootstrap == (0.05, 0.05)
    assert got.bootstrap_lacking == 0.0
    assert (seen[-1].sum(axis=1) == 20).all()


def test_the_share_of_draws_that_lack_a_class_is_told_and_a_large_one_leaves_no_bootstrap():
    # Class 0 lies in one group only, which also holds the rarer class 2, as one other does: a draw of these two
    # groups takes the other one twice a time in four.
    held = np.array([[0, 9, 0]] * 18 + [[0, 9, 1], [3, 0, 1]])
    got = interval(mean_of(np.random.default_rng(1).random(20)), 20, held=held)
    assert got.bootstrap_lacking == pytest.approx(0.25, abs=0.03)
    assert got.bootstrap is None
    assert got.low is not None


def test_a_draw_on_which_a_metric_is_undefined_counts_as_lacking():
    values = np.random.default_rng(1).random(20)

    def undefined_without_the_first_two(weights):
        return np.where(weights[:, :2].sum(axis=1) > 0, mean_of(values)(weights), np.nan)

    got = interval(undefined_without_the_first_two, 20)
    assert got.bootstrap_lacking == pytest.approx(0.9**20, abs=0.03)
    assert got.bootstrap is not None


def test_groups_that_all_score_alike_say_nothing_about_their_spread():
    got = interval(mean_of([1.0] * 8), 8)
    assert got.value == 1.0
    assert got.low is None
    assert "alike" in got.method


def test_a_paired_difference_is_narrower_than_either_row():
    generator = np.random.default_rng(0)
    base = generator.random(13) * 0.8
    ours, other = mean_of(base + 0.1), mean_of(base + generator.normal(0, 0.01, 13))
    got = difference(ours, other, 13)
    alone = interval(ours, 13)
    assert got.high - got.low < (alone.high - alone.low) / 5
    assert got.separates
    assert got.p == pytest.approx(2 / 2**13)


def test_a_row_does_not_separate_from_itself():
    values = mean_of(np.random.default_rng(2).random(10))
    got = difference(values, values, 10)
    assert (got.value, got.low, got.high, got.p) == (0.0, None, None, 1.0)
    assert not got.separates


def test_a_difference_that_is_alike_in_all_groups_has_no_interval_and_only_its_p_decides():
    got = difference(mean_of([1.0] * 8), mean_of([0.25] * 8), 8)
    assert (got.value, got.low, got.high) == (0.75, None, None)
    assert got.p == pytest.approx(2 / 2**8)
    assert got.separates
    assert not difference(mean_of([0.25] * 8), mean_of([1.0] * 8), 8).separates


def test_five_groups_never_separate_however_far_apart():
    got = difference(mean_of([0.9] * 5), mean_of([0.1] * 5), 5)
    assert not got.separates
    assert got.p is None


def test_sign_flips_of_three_values_worked_by_hand():
    # |sums| of the eight flips of 1, 2, 4: 7 5 3 1 1 3 5 7; two reach 7.
    assert sign_flip_p(np.array([1.0, 2.0, 4.0])) == 2 / 8


def test_many_groups_are_flipped_by_draws_that_agree_with_the_library():
    values = np.random.default_rng(5).normal(0.3, 1.0, 40)
    library = stats.permutation_test(
        (values,), np.mean, permutation_type="samples", n_resamples=20_000, rng=np.random.default_rng(1)
    )
    assert sign_flip_p(values) == pytest.approx(library.pvalue, abs=0.01)
    assert sign_flip_p(values, seed=4) == sign_flip_p(values, seed=4)


def test_holm_worked_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_never_lowers_a_p_and_never_passes_one(p):
    assert all(raw <= adjusted <= 1.0 for raw, adjusted in zip(p, holm(p), strict=True))


@pytest.mark.parametrize("groups", [6, 9, 20])
def test_nominal_95_percent_covers_new_groups(groups):
    """Accuracy, 20 images a group, intra-group correlation 0.16: what an image bootstrap covers 67 % of the time."""
    generator = np.random.default_rng(groups)
    a = 0.7 * (1 / 0.16 - 1)
    b = 0.3 * (1 / 0.16 - 1)
    repeats, inside, naive = 400, 0, 0
    for _ in range(repeats):
        right = generator.binomial(20, generator.beta(a, b, groups)) / 20
        got = interval(mean_of(right, [20] * groups), groups)
        inside += got.low is None or got.low <= 0.7 <= got.high
        error = 1.96 * np.sqrt(got.value * (1 - got.value) / (20 * groups))
        naive += abs(got.value - 0.7) <= error
    assert inside / repeats >= 0.90
    assert naive / repeats <= 0.80
