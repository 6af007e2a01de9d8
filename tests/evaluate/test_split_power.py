"""What the groups of a test list can carry."""

import numpy as np
import pytest
from hand_rows import rows_of
from scipy import stats

from endoeval.splits.power import expected, half_width, power
from endoeval.statistics import pseudo_values

NAN = float("nan")


@pytest.mark.parametrize(("accuracy", "correlation"), [(0.6, 0.0), (0.8, 0.2), (0.95, 0.2)])
@pytest.mark.parametrize(
    "sizes",
    [[20] * 12, [5, 10, 15, 20, 25, 30] * 5, [1, 2, 3, 5, 5, 5, 50, 60], [1, 1, 1, 1, 1, 200]],
    ids=["equal", "unequal", "two rule", "one rules"],
)
def test_the_formula_is_what_the_jackknife_gives_on_simulated_tests(sizes, accuracy, correlation):
    """Root mean square of the half-widths of 2,000 simulated tests, within 6 %."""
    generator, sizes = np.random.default_rng(0), np.array(sizes)
    groups, squares = len(sizes), []
    t = stats.t.ppf(0.975, groups - 1)
    for _ in range(2_000):
        chance = np.full(groups, accuracy)
        if correlation:
            total = 1 / correlation - 1
            chance = generator.beta(accuracy * total, (1 - accuracy) * total, groups)
        hits = generator.binomial(sizes, chance)
        pseudo = pseudo_values(lambda weights: (weights @ hits) / (weights @ sizes), groups)  # noqa: B023
        squares.append(t**2 * pseudo.var(ddof=1) / groups)
    assert half_width(sizes, accuracy, correlation) == pytest.approx(np.sqrt(np.mean(squares)), rel=0.06)


def test_more_rows_of_the_same_patients_buy_almost_nothing():
    few, many = (half_width(np.full(30, rows), 0.8, 0.2) for rows in (20, 2_000))
    assert few > many > 0.85 * few


def test_fifteen_groups_by_hand():
    made = power(np.full(15, 1))
    cells = {(cell.accuracy, cell.correlation): cell.half_width for cell in made.table}
    assert len(cells) == 6
    assert cells[0.8, 0.0] == cells[0.8, 0.2] == pytest.approx(2.144787 * np.sqrt(0.16 / 15), rel=1e-6)
    assert made.smallest_p == 2 / 2**15
    assert (made.groups, made.rows) == (15, 15)


def test_five_groups_carry_no_interval():
    made = power(np.array([100, 90, 80, 70, 60]))
    assert all(cell.half_width is None for cell in made.table)
    assert made.smallest_p == 0.0625
    assert "fewer than 6" in made.text


def test_only_the_groups_of_the_test_count():
    listed = [("train", "a", "x", "a", NAN)] + [("test", f"t{i}", "x", f"g{i % 7}", NAN) for i in range(21)]
    made = expected(rows_of(listed))
    assert (made.groups, made.rows) == (7, 21)


def test_without_a_group_key_nothing_but_a_bound_is_given():
    made = expected(rows_of([("test", f"t{i}", "x", None, NAN) for i in range(100)]))
    assert (made.groups, made.table, made.smallest_p) == (None, (), None)
    assert made.text == (
        "No group key, so nobody knows how many patients stand behind 100 test rows: the half-width at accuracy 0.8 "
        "would be 0.079 at the very best, were each row a patient of its own."
    )
