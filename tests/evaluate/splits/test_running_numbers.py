"""Stills that are merely counted have no times: their shared groups are found, and no touching times beside them."""

from __future__ import annotations

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
