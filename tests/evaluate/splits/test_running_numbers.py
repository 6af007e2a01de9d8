"""Stills that are merely counted have no times: their shared groups are found, and no touching times beside them."""

from __future__ import annotations

import hashlib
import random

import pytest

from endoeval.splits import audit

PATIENTS, STILLS = 20, 10


def dealt(spell, column: bool = True):
    """Stills of every patient dealt to train and test: (name, label, group)."""
    rows = [(spell(p, i), "ab"[(p + i) % 2], f"p{p:02d}") for p in range(PATIENTS) for i in range(STILLS)]
    random.Random(1).shuffle(rows)
    rows = [row if column else row[:2] for row in rows]
    return rows[:140], rows[140:]


COUNTED = {
    "flat, through the whole list": (lambda p, i: f"{p * STILLS + i}.jpg", True),
    "flat, patients in turn": (lambda p, i: f"{i * PATIENTS + p}.jpg", True),
    "flat, with a word": (lambda p, i: f"images/img_{p * STILLS + i:04d}.png", True),
    "anew in each folder": (lambda p, i: f"patient_{p:02d}/{i}.jpg", False),
    "anew behind each patient": (lambda p, i: f"P{p:02d}_{i + 1}.jpg", False),
    "with some left out": (lambda p, i: f"P{p:02d}_{i + (i > 3) + 2 * (i > 6)}", False),
}


@pytest.mark.parametrize("style", sorted(COUNTED))
def test_running_numbers_of_stills_are_no_times(style):
    spell, column = COUNTED[style]
    found = audit(*dealt(spell, column))
    assert {f.check for f in found.findings} == {"groups-train-test"}
    assert "numbers in the names merely count stills: they are taken as an order, not as times" in found.understood


TIMED = {
    "the word frame": (lambda p, i: f"P{p:02d}_frame_{i:04d}.jpg", False),
    "frames of a video": (lambda p, i: f"video_{p:02d}/{i}.jpg", False),
    "clips": (lambda p, i: f"P{p:02d}_{i}.mp4", False),
    "a hole between most": (lambda p, i: f"P{p:02d}_{i // 2 * 50 + i % 2}.jpg", False),
    "far from the first": (lambda p, i: f"P{p:02d}_{4000 + i}.jpg", False),
}


@pytest.mark.parametrize("style", sorted(TIMED))
def test_numbers_that_tell_time_still_touch(style):
    spell, column = TIMED[style]
    found = audit(*dealt(spell, column))
    assert "times-touch-train-test" in {f.check for f in found.findings}
    assert not any("merely count" in line for line in found.understood)


def test_a_column_of_frames_or_of_sequences_is_time():
    train, test = dealt(lambda p, i: f"{p * STILLS + i}.jpg")
    as_columns = [dict(zip(("file", "label", "sequence"), map(list, zip(*rows, strict=True)), strict=True))
                  for rows in (train, test)]  # fmt: skip
    assert "times-touch-train-test" in {f.check for f in audit(*as_columns).findings}


def test_numbers_that_begin_anew_in_each_list_are_not_even_an_order():
    def through(word, patients):
        return [(f"{word}/{k}.jpg", "ab"[k % 2], f"p{patients[k // 7]}") for k in range(7 * len(patients))]

    # Patient 3 lies beside himself by number: 21 to 27 in train, 28 to 34 in test.
    found = audit(through("a", range(20)), through("b", [30, 31, 32, 33, 3, *range(34, 40)]))
    assert {f.check: f.count for f in found.findings} == {"groups-train-test": 1}
    assert found.rows.start is None
    assert not found.rows.counts_only


def test_frames_of_videos_in_a_column_keep_their_time():
    def rows(videos, frames):
        return [(f"v{v}_{i}.jpg", "ab"[i // 10 % 2], f"v{v}") for v in videos for i in frames]

    found = audit(rows(range(10), range(0, 50, 10)), rows(range(8, 16), range(1, 50, 10)))
    assert {f.check: f.count for f in found.findings} == {"groups-train-test": 2, "times-touch-train-test": 10}


def test_digits_of_a_random_id_are_no_time():
    def name(p, i):
        person, picture = (hashlib.sha256(text.encode()).hexdigest()[:12] for text in (f"{p}", f"{p} {i}"))
        return f"{person}_{picture}.png"

    def rows(patients, pictures):
        return [(name(p, i), "ab"[(p + i) % 2]) for p in patients for i in pictures]

    found = audit(rows(range(30), range(9)), rows(range(20, 50), range(9, 18)))
    assert {f.check: f.count for f in found.findings} == {"groups-train-test": 10}
    assert found.rows.start is None
