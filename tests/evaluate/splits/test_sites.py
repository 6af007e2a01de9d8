"""A hospital is no patient: such keys rank below finer ones, and alone they are said to be sites."""

from __future__ import annotations

import pytest

from endoeval.report.audit_words import SITES, state, verdict
from endoeval.splits import audit

FINER = {
    "folder over a number": lambda p, i: f"center_{p % 3}/{p:03d}_{i}.jpg",
    "in the stem": lambda p, i: f"hospital{p % 3}_{p:03d}_{i}.jpg",
    "folder over a folder": lambda p, i: f"site{p % 3}/K{p:03d}/{i}.jpg",
    "folder over a patient": lambda p, i: f"site_{p % 3}/patient_{p:03d}_{i}.jpg",
}


@pytest.mark.parametrize("style", sorted(FINER))
def test_a_finer_key_goes_before_a_site(style):
    rows = [(FINER[style](p, i), "ab"[(p + i) % 2], p) for p in range(60) for i in range(6)]
    found = audit([r[:2] for r in rows if r[2] < 40], [r[:2] for r in rows if r[2] >= 40])
    assert found.rule is not None
    assert found.rule.count == 60
    assert found.rule.doubt == ""
    assert state(found) == "clean"


ALONE = {
    "folder": lambda p, i: f"hospital_{p}/{i:04d}.jpg",
    "stem": lambda p, i: f"site{p}_{i:04d}.jpg",
    "short word": lambda p, i: f"CHU{p}-{i:04d}.jpg",
}


@pytest.mark.parametrize("style", sorted(ALONE))
def test_sites_alone_are_said_to_be_sites_and_show_nothing_of_patients(style):
    rows = [(ALONE[style](p, i), "ab"[i % 2], i) for p in range(3) for i in range(100)]
    found = audit([r[:2] for r in rows if r[2] < 70], [r[:2] for r in rows if r[2] >= 70])
    assert found.rule is not None
    assert found.rule.count == 3
    (note,) = [f for f in found.findings if f.check == "groups-are-sites"]
    assert note.kind == "note"
    assert note.text.startswith("the 3 groups look like sites (hospitals, centres), not patients")
    assert not found.faults
    assert "groups-train-test" in {f.check for f in found.findings}
    assert state(found) == SITES
    assert "sites" in verdict(found)[0]


def test_sites_that_are_apart_keep_patients_apart():
    rows = [(f"hospital_{p}/{i:04d}.jpg", "ab"[i % 2], p) for p in range(12) for i in range(50)]
    found = audit([r[:2] for r in rows if r[2] < 6], [r[:2] for r in rows if r[2] >= 6])
    assert state(found) == "clean"
    assert "groups-are-sites" in {f.check for f in found.findings}


def test_a_given_column_of_sites_is_taken_and_noted():
    rows = [(f"{i}.jpg", "ab"[i % 2], f"site{i % 3}") for i in range(400)]
    found = audit(rows[:300], rows[300:])
    checks = {f.check: f.kind for f in found.findings}
    assert checks["groups-are-sites"] == "note"
    assert checks["groups-train-test"] == "fault"


def test_a_handful_of_groups_for_hundreds_of_rows_is_a_note():
    rows = [(f"K{p}/{i:04d}.jpg", "ab"[i % 2], i) for p in range(3) for i in range(100)]
    found = audit([r[:2] for r in rows if r[2] < 70], [r[:2] for r in rows if r[2] >= 70])
    checks = {f.check: f.kind for f in found.findings}
    assert checks["groups-are-sites"] == "note"
    assert checks["groups-train-test"] == "fault"


def test_three_videos_are_videos():
    rows = [(f"video_{p}/{i:04d}.jpg", "ab"[i % 2], p) for p in range(3) for i in range(100)]
    found = audit([r[:2] for r in rows if r[2] < 2], [r[:2] for r in rows if r[2] == 2])
    assert "groups-are-sites" not in {f.check for f in found.findings}
