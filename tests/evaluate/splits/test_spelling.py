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


VARIANTS = (lambda p: f"P{p:02d}", lambda p: f"p{p}", lambda p: f"P{p:03d}")


@pytest.mark.parametrize("given", ["table", "pattern", "column", "folds"])
def test_spellings_of_given_groups_are_joined_and_named(given, tmp_path):
    lists = [rows(VARIANTS[0], range(8)), rows(VARIANTS[1], range(6, 14)), rows(VARIANTS[2], range(13, 20))]
    train, test, val = ([(name.replace("_", ".x"), label, group) for name, label, group in held] for held in lists)
    if given == "folds":
        columns = ("file", "label", "group", "fold")
        all_rows = [(*row, str(fold)) for fold, held in enumerate((train, test, val)) for row in held]
        found = audit(dict(zip(columns, map(list, zip(*all_rows, strict=True)), strict=True)))
        assert {f.check: f.count for f in found.findings}["groups-of-several-folds"] == 3
    else:
        options = {
            "table": {"groups": {name: group for held in (train, test, val) for name, _, group in held}},
            "pattern": {"group_pattern": r"^([Pp]\d+)"},
            "column": {},
        }[given]
        width = 3 if given == "column" else 2
        found = audit(*([row[:width] for row in held] for held in (train, test, val)), **options)
        shared = {f.check: f.count for f in found.findings if f.check.startswith("groups")}
        assert shared == {"groups-train-test": 2, "groups-val-test": 1}
    assert found.rule is not None
    assert found.rule.count == 20
    assert (
        "3 ids that the lists spell differently (case, separators, zeros in front) are taken as one" in found.rule.why
    )
    assert set(found.rule.joined) == {"P06 = p6", "P07 = p7", "P013 = p13"}


def test_spellings_inside_one_list_stay_apart_and_are_noted():
    train = [*rows(lambda p: f"P{p:02d}", range(8)), *rows(lambda p: f"p{p}", range(1))]
    test = rows(lambda p: f"P{p:03d}", [0, *range(9, 16)])
    groups = {name: group for name, _, group in [*train, *test]}
    found = audit([row[:2] for row in train], [row[:2] for row in test], groups=groups)
    assert found.rule is not None
    assert found.rule.count == 17
    (note,) = [f for f in found.findings if f.check == "group-spellings"]
    assert (note.kind, note.count, note.examples) == ("note", 1, ("P00 / P000 / p0",))
    assert note.text == (
        "1 id stands in several spellings (case, separators, zeros in front) and is taken as different groups, for one "
        "list holds two of them; were it one group, it would stand in two splits"
    )


def test_rows_without_a_group_are_not_joined_by_the_spelling_of_their_names():
    train = [("A01.jpg", "a", ""), ("B1.jpg", "b", "x"), *rows(lambda p: f"P{p}", range(6))]
    test = [("a1.jpg", "a", ""), ("C1.jpg", "b", "y"), *rows(lambda p: f"P{p}", range(6, 12))]
    assert not audit(train, test).faults


def test_shared_reports_name_no_spelling():
    from endoeval.report.audit_words import without_names

    groups = {f"{k}{p}.jpg": spell(p) for k, spell in (("a", lambda p: f"{p:03d}"), ("b", str)) for p in range(10, 20)}
    names = [(name, "ab"[i % 2]) for i, name in enumerate(groups)]
    shown = without_names(audit(names[:10], names[10:], groups=groups))
    assert shown.rule is not None
    assert shown.rule.joined == ()
    assert "10 ids that the lists spell differently" in shown.rule.why
