"""Words of split and class inside file names are no part of a group, unless numbers begin anew behind them."""

from __future__ import annotations

import pytest

from endoeval.report.audit_files import markdown
from endoeval.report.audit_page import audit_page
from endoeval.report.audit_words import OWN_WORDS, state
from endoeval.splits import audit

CASES = range(8)
FRAMES = range(10)
SPLIT_STYLES = {
    "case": lambda word, p, i: f"{word}_case{p:02d}_{i}.jpg",
    "video": lambda word, p, i: f"{word}-video_{p:02d}_{i}.jpg",
    "patient": lambda word, p, i: f"{word}_patient{p:02d}_{i:03d}.png",
    "two numbers": lambda word, p, i: f"{word}_{p:03d}_{i:03d}.jpg",
    "study and video": lambda word, p, i: f"{word}_{p:03d}-001_{i}.jpg",
    "at the end": lambda word, p, i: f"case{p:02d}_{i}_{word}.jpg",
    "a folder too": lambda word, p, i: f"{word}/{word}_case{p:02d}_{i}.jpg",
}
CLASS_STYLES = {
    "before the case": lambda word, p, i: f"{word}_case{p:02d}_{i}.jpg",
    "behind the patient": lambda word, p, i: f"P{p}_{word}_{i}.jpg",
    "before the patient": lambda word, p, i: f"{word}_P{p:02d}_{i}.jpg",
    "a folder too": lambda word, p, i: f"{word}/{word}_{p:03d}_{i:03d}.jpg",
}
WORDS = ("polyp", "normal", "ulcer")


@pytest.mark.parametrize("style", sorted(SPLIT_STYLES))
def test_the_word_of_the_split_hides_no_shared_case(style):
    rows = [(p, i, WORDS[(p + i) % 2]) for p in CASES for i in FRAMES]
    train = [(SPLIT_STYLES[style]("train", p, i), word) for p, i, word in rows if p < 6 and i < 7]
    test = [(SPLIT_STYLES[style]("test", p, i + 250), word) for p, i, word in rows if p >= 4 and i >= 7]
    shared = {f.check: f.count for f in audit(train, test).findings if f.check.startswith("groups")}
    assert shared == {"groups-train-test": 2}


def test_cases_counted_anew_behind_the_word_of_the_split_are_not_shared():
    def rows(word: str, cases: int) -> list[tuple[str, str]]:
        return [(f"{word}_case{p:02d}_{i}.jpg", WORDS[(p + i) % 2]) for p in range(cases) for i in FRAMES]

    found = audit(rows("train", 8), rows("test", 5))
    assert found.rule is not None
    assert found.rule.count == 13


@pytest.mark.parametrize("spell", ["{}_case{}", "{}Case{}", "{}case{}", "{}{:03d}", "{}/case{}", "set{}-{}"])
@pytest.mark.parametrize("words", [("train", "test"), ("Train", "Test"), ("TRAIN", "TEST"), ("training", "validation")])
def test_keys_that_hold_the_word_of_their_own_list_are_never_clean(spell, words):
    def rows(word: str, cases: int) -> list[tuple[str, str]]:
        return [(f"{spell.format(word, p)}_{i}.jpg", WORDS[(p + i) % 2]) for p in range(cases) for i in FRAMES]

    train, other = rows(words[0], 9), rows(words[1], 8)
    found = audit(train, other) if words[1].lower() == "test" else audit(train, rows("test", 7), other)
    assert state(found) == OWN_WORDS
    assert "own-words" in {f.check for f in found.findings}
    assert OWN_WORDS in markdown(found)
    assert OWN_WORDS in audit_page(found)


@pytest.mark.parametrize("labels", ["the words", "numbers"])
@pytest.mark.parametrize("style", sorted(CLASS_STYLES))
def test_the_word_of_the_class_is_no_part_of_a_group(style, labels):
    rows = [(p, i, (p + i) % 3) for p in CASES for i in FRAMES]
    named = [
        (CLASS_STYLES[style](WORDS[k], p, i), WORDS[k] if labels == "the words" else str(k), p) for p, i, k in rows
    ]
    train = [(name, label) for name, label, p in named if p < 5]
    test = [(name, label) for name, label, p in named if p >= 5]
    found = audit(train, test)
    assert found.rule is not None
    assert found.rule.count == len(CASES)


def test_a_class_of_two_words_is_found_as_stems_spell_it():
    rows = [(f"{('lower-gi', 'upper_gi')[i % 2]}_case{p}_{i}.jpg", ("Lower GI", "Upper GI")[i % 2], p) for p in CASES
            for i in FRAMES]  # fmt: skip
    found = audit([r[:2] for r in rows if r[2] < 5], [r[:2] for r in rows if r[2] >= 5])
    assert found.rule is not None
    assert found.rule.count == len(CASES)


def test_cases_counted_anew_behind_the_word_of_the_class_are_others():
    rows = [(f"{word}_case{p}_{i}.jpg", word, p) for word in WORDS for p in CASES for i in FRAMES]
    found = audit([r[:2] for r in rows if r[2] < 5], [r[:2] for r in rows if r[2] >= 5])
    assert found.rule is not None
    assert found.rule.count == len(CASES) * len(WORDS)
