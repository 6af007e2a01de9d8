"""A hospital is no patient: such keys rank below finer ones, and alone they are said to be sites."""

from __future__ import annotations

import pytest

from endoeval.report.audit_words import SITES, state, verdict
from endoeval.splits import audit
from endoeval.splits.sites import are_sites, is_site_column

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


def test_words_of_sites_inside_other_names_are_none():
    assert not are_sites(["case01_site2", "case02_site1"], 100)
    assert not are_sites(["patient1", "patient2"], 100)
    assert not are_sites(["opposite1", "opposite2"], 100)
    assert not are_sites(["clinic_patient1", "clinic_patient2"], 100)
    assert not are_sites(["hospital_K03", "hospital_x04"], 100)
    assert not are_sites(
        [f"site{i % 2}_{name}" for i, name in enumerate("smith jones brown li weber roy".split())], 100
    )
    assert are_sites(["site-1", "site-2", "SiteA"], 100)
    assert are_sites(["hospA1", "hosp_02", "Klinik 3b"], 100)
    assert are_sites(["Nord/center1", "Nord/center2"], 100)


def test_patients_behind_a_word_for_a_site_keep_their_faults():
    def rows(patients, stills):
        return [(f"clinic_patient_{p:02d}_{i * 9}.jpg", "ab"[(p + i) % 2]) for p in patients for i in stills]

    found = audit(rows(range(12), range(8)), rows(range(10, 20), range(20, 28)))
    assert {f.check: (f.kind, f.count) for f in found.findings} == {"groups-train-test": ("fault", 2)}


@pytest.mark.parametrize("style", ["site{}", "Hospital_{}", "center-{}", "Klinik {}", "hosp0{}", "Scanner{}"])
def test_sites_in_both_lists_are_no_fault_and_not_clean(style):
    def stills(word, count):
        return [(f"{style.format(i % 3 + 1)}/{word}{i * 7919 % 100_003:06d}x.jpg", "ab"[i % 2]) for i in range(count)]

    found = audit(stills("p", 300), stills("q", 120))
    assert not found.faults
    assert state(found) == SITES


@pytest.mark.parametrize("column", ["hospital", "Center_ID", "clinic", "site no", "scanner-name"])
def test_a_column_of_sites_is_taken_as_said_and_its_meaning_is_said(column):
    lists = [{"file": [f"{w}{i}.jpg" for i in range(n)], "label": ["a", "b"] * (n // 2),
              column: [f"h{i % 8}" for i in range(n)]} for w, n in (("p", 80), ("q", 40))]  # fmt: skip
    found = audit(*lists, group_column=column)
    kinds = {f.check: f.kind for f in found.findings if f.check.startswith("groups-")}
    assert kinds == {"groups-train-test": "fault", "groups-are-sites": "note"}


@pytest.mark.parametrize("column", ["patient", "website", "opposite_id", "site_patient"])
def test_other_columns_are_no_sites(column):
    assert not is_site_column(column)
