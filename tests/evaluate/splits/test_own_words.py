"""Namesakes under the words of two lists: nobody can tell whether they are one patient, so they are never clean."""

from __future__ import annotations

import pytest

from endoeval.report.audit_words import OWN_WORDS, state
from endoeval.splits import audit


def checks(found):
    return {finding.check: finding.count for finding in found.findings}


def rows(spell, cases):
    return [(f"{spell(c)}_{i}.jpg", "ab"[(c + i) % 2]) for c in cases for i in range(4)]


BARE = [
    (lambda c: f"train_case{c:02d}", lambda c: f"case{c:02d}"),
    (lambda c: f"case{c:02d}", lambda c: f"test_case{c:02d}"),
    (lambda c: f"TrainCase{c}", lambda c: f"case_{c}"),
    (lambda c: f"train-Case{c:02d}", lambda c: f"Case{c:02d}"),
]


@pytest.mark.parametrize(("one", "other"), BARE)
def test_namesakes_are_counted_whichever_list_lacks_the_word(one, other):
    # Val was cut from train and kept its word.
    found = audit(rows(one, range(12)), rows(other, range(10)), rows(one, range(12, 18)))
    assert checks(found) == {"own-words": 10}
    assert state(found) == OWN_WORDS
    (note,) = found.findings
    assert note.kind == "note"
    assert "10 groups have namesakes in another list but for a list's word" in note.text


def test_given_groups_with_the_word_of_one_list_are_counted():
    held = [[(f"{k}{i}.jpg", "ab"[i % 2], f"{word}P{i // 5}") for i in range(40)] for k, word in
            (("p", "train_"), ("q", ""))]  # fmt: skip
    held[1] += [(f"r{i}.jpg", "ab"[i % 2], f"P{90 + i // 5}") for i in range(40)]
    found = audit(*held)
    assert checks(found) == {"own-words": 8}
    assert state(found) == OWN_WORDS


def test_other_numbers_under_two_words_are_other_cases():
    found = audit(
        rows(lambda c: f"train_case{c:02d}", range(12)), rows(lambda c: f"test_case{c:02d}", range(12, 20))
    )  # fmt: skip
    assert checks(found) == {}
    assert state(found) == "clean"


def test_a_word_inside_another_name_makes_no_namesake():
    train = [(f"p{i}.jpg", "ab"[i % 2], f"valve{i // 5}") for i in range(40)]
    test = [(f"q{i}.jpg", "ab"[i % 2], f"vessel{i // 5}") for i in range(40)]
    found = audit(train, test)
    assert checks(found) == {}
    assert state(found) == "clean"
