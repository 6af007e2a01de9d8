"""Ids that two lists spell differently are one, in names and in columns, unless one list has both spellings."""

from __future__ import annotations

import pytest

from endoeval.splits import audit

SPELLINGS = [
    (lambda p: f"case_{p:02d}", lambda p: f"case_{p}"),
    (lambda p: f"case_{p:02d}", lambda p: f"CASE_{p:02d}"),
    (lambda p: f"case-{p:02d}", lambda p: f"case_{p:02d}"),
    (lambda p: f"Case {p}", lambda p: f"case{p:03d}"),
]


def rows(spell, cases):
    return [(f"{spell(p)}_{i}.jpg", "ab"[(p + i) % 2], spell(p)) for p in cases for i in range(p % 3, 10)]


@pytest.mark.parametrize("column", [False, True])
@pytest.mark.parametrize(("one", "other"), SPELLINGS)
def test_ids_that_two_lists_spell_differently_are_one(one, other, column):
    train, test = rows(one, range(8)), rows(other, range(6, 14))
    if column:
        train, test = (
            [(f"{k}{i}.jpg", *row[1:]) for i, row in enumerate(held)] for k, held in (("a", train), ("b", test))
        )
    found = audit([row[: 2 + column] for row in train], [row[: 2 + column] for row in test])
    assert {f.check: f.count for f in found.findings if f.check.startswith("groups")} == {"groups-train-test": 2}
    assert found.rule is not None
    assert found.rule.count == 14
    assert any("spell differently" in text for text in (found.rule.why, *found.understood))


def test_two_spellings_in_one_list_are_two_ids():
    train = rows(lambda p: f"case_{p:02d}", range(6)) + rows(lambda p: f"case_{p}", range(6))
    found = audit([row[:2] for row in train], [row[:2] for row in rows(lambda p: f"CASE_{p:02d}", range(10, 16))])
    assert found.rule is not None
    assert found.rule.count == 18
    assert not found.faults


def test_numbers_that_a_separator_parts_are_not_joined():
    train = [(f"case_1_{p}/{i}.jpg", "ab"[i % 2], f"1_{p}") for p in range(6) for i in range(5)]
    test = [(f"case_1{p}/{i}.jpg", "ab"[i % 2], f"1{p}") for p in range(6) for i in range(5, 9)]
    assert not audit(train, test).faults
