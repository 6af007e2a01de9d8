"""A month or a year joins the patients of that time; it is no group key."""

from __future__ import annotations

import pytest

from endoeval.splits import audit

DAYS = {
    "2019-01": lambda m, d, h: f"2019-{m:02d}-{d:02d}_{h:02d}h.jpg",
    "2019_01": lambda m, d, h: f"2019_{m:02d}_{d:02d}_{h:02d}.jpg",
    "folders of months": lambda m, d, h: f"2019-{m:02d}/{d:02d}x{h:02d}y.jpg",
    "folders of years": lambda m, d, h: f"{2010 + m}/{d:02d}x{h:02d}y.jpg",
    "exams of a month": lambda m, d, h: f"exam_2019{m:02d}/{d:02d}x{h:02d}y.jpg",
    "exams by date": lambda m, d, h: f"exam_{2010 + m}-{d:02d}-{h:02d}.jpg",
}


@pytest.mark.parametrize("style", sorted(DAYS))
def test_a_month_or_a_year_is_no_patient(style):
    def rows(months):
        return [
            (DAYS[style](m, d, h), "ab"[(d + h) % 2]) for m in months for d in range(1, 9) for h in range(1, 4)
        ]  # fmt: skip

    found = audit(rows((1, 2, 3)), rows((4, 5)))
    assert found.rule is None or found.rule.count == 40


def test_cases_that_are_numbered_like_years_are_cases():
    def rows(cases):
        return [(f"case_{c}_{i * 9}.jpg", "ab"[(c + i) % 2]) for c in cases for i in range(4)]

    found = audit(rows(range(2001, 2013)), rows(range(2012, 2021)))
    assert found.rule is not None
    assert found.rule.count == 20
    assert found.faults
