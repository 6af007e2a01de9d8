"""The patient is found behind the picture's own number, and nothing else is taken for one."""

from __future__ import annotations

import pytest

from endoeval.splits import audit


def checks(found):
    return {finding.check: finding.count for finding in found.findings}


STYLES = [
    "{i:04d}_p{p:02d}.png", "IMG{i:04d}-pat{p}.png", "{i:03d}/{i:04d}_case_{p}.jpg", "{i:05d} P{p:03d}.png",
    "img_{i}_video{p}.png",
]  # fmt: skip


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("anew", [True, False])
def test_the_patient_behind_the_number_of_the_picture_is_found(style, anew):
    def rows(patients, pictures):
        return [(style.format(p=p, i=i + (0 if anew else 100 * p)), "ab"[(p + i) % 2]) for p in patients
                for i in pictures]  # fmt: skip

    found = audit(rows(range(10), range(4)), rows(range(8, 18), range(4, 8)))
    assert found.rule is not None
    assert found.rule.count == 18
    assert checks(found)["groups-train-test"] == 2


def test_a_handful_of_numbers_behind_that_of_the_picture_is_no_key():
    def rows(of):
        return [(f"IMG{i:04d}-case{i % 3}.png", "ab"[i * 7 % 5 % 2]) for i in of]

    assert audit(rows(range(60)), rows(range(60, 100))).rule is None


INSIDE = ["K{p:02d}_{i}_polyp{j}.jpg", "site{p}_{i:04d}_pat{j}.jpg", "K{p:02d}_720p_{j}{i}.jpg", "K{p}/{i}_p{j}.jpg"]


@pytest.mark.parametrize("style", INSIDE)
def test_numbers_that_count_inside_a_patient_join_no_patients(style):
    def rows(patients):
        return [(style.format(p=p, i=i * 7, j=(p + i) % 8), "ab"[(p + i) % 2]) for p in patients for i in range(12)]

    found = audit(rows(range(12)), rows(range(12, 20)))
    assert not found.faults
    assert found.rule is None or found.rule.count >= 20


@pytest.mark.parametrize("word", ["step", "crop", "top"])
def test_words_that_end_in_p_are_no_patients(word):
    def rows(of):
        return [(f"{i * 7919 % 10007:05d}x_{word}{i % 9}.png", "ab"[i * 7 % 5 % 2]) for i in of]

    assert audit(rows(range(60)), rows(range(60, 100))).rule is None
