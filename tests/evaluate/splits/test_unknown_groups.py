"""Rows whose patient nobody knows join no group, are counted, and no list with such rows is clean."""

from __future__ import annotations

import json

import pytest

from endoeval.report.audit_files import as_json, write_lists
from endoeval.report.audit_words import WITHOUT, state, verdict
from endoeval.splits import audit
from endoeval.splits.propose import propose


def checks(found):
    return {finding.check: finding.count for finding in found.findings}


def lists(missing, every=4):
    return [
        [(f"{w}{i}.jpg", "ab"[i % 2], missing if i % every == 0 else f"{w}{i // 5}") for i in range(n)]
        for w, n in (("p", 60), ("q", 40))
    ]


@pytest.mark.parametrize("missing", ["nan", "", "Unknown", "N/A", " none", "<NA>", None, float("nan")])
@pytest.mark.parametrize("given", ["column", "table"])
def test_rows_whose_group_nobody_knows_join_none_and_are_never_clean(missing, given):
    train, test = lists(missing)
    if given == "table":
        held = {name: group for name, _, group in [*train, *test]}
        found = audit([row[:2] for row in train], [row[:2] for row in test], groups=held)
    else:
        found = audit(train, test)
    assert checks(found) == {"rows-without-group": 25}
    assert found.findings[0].test_share == 0.25
    assert state(found) == WITHOUT
    assert verdict(found)[0] == "Rows without a group: independence cannot be shown."
    assert found.rule is not None
    assert found.rule.unknown == 25
    assert found.rule.count == 20 + 25  # each of the 20 patients keeps a row whose group is known
    assert json.loads(json.dumps(as_json(found)))["state"] == WITHOUT


def test_one_row_whose_group_nobody_knows_is_enough():
    train, test = lists("?", every=1000)
    found = audit(train, test)
    assert checks(found) == {"rows-without-group": 2}
    assert state(found) == WITHOUT


def test_faults_go_before_rows_without_a_group():
    train, test = lists("nan")
    found = audit(train, [*test, ("q99.jpg", "a", "p3")])
    assert checks(found) == {"groups-train-test": 1, "rows-without-group": 25}
    assert state(found) == "faults found"


def test_a_few_names_that_the_key_does_not_fit_are_counted():
    def rows(cases):
        return [(f"case{c:02d}_{i * 9}.jpg", "ab"[(c + i) % 2]) for c in cases for i in range(10)]

    found = audit([*rows(range(12)), ("cover.jpg", "a")], rows(range(12, 20)))
    assert checks(found) == {"rows-without-group": 1}
    assert found.rule is not None
    assert (found.rule.count, found.rule.unknown) == (21, 0)
    assert state(found) == "clean"


def test_names_that_the_key_does_not_fit_are_not_joined_by_their_spelling():
    def rows(cases, other):
        return [(f"case{c:02d}_{i * 9}.jpg", "ab"[(c + i) % 2]) for c in cases for i in range(10)] + [(other, "a")]

    found = audit(rows(range(12), "cover_01.jpg"), rows(range(12, 20), "COVER-1.jpg"))
    assert checks(found) == {"rows-without-group": 2}


def test_proposed_lists_with_rows_whose_group_nobody_knows_are_not_clean_either(tmp_path):
    train, test = lists("unknown")
    found = audit(train, [*test, ("q99.jpg", "a", "p3")])
    files = write_lists(propose(found.rows).rows, tmp_path)
    again = audit(*files, group_column="group")
    assert checks(again) == {"rows-without-group": 25}
    assert state(again) == WITHOUT
