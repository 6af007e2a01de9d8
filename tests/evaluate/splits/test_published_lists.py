"""Counts on published lists, as the README beside them gives them, counted there by another script."""

from __future__ import annotations

from pathlib import Path

import pytest

from endoeval.splits import Audit, audit

pytestmark = pytest.mark.real


def checks(found: Audit) -> dict[str, int]:
    return {finding.check: finding.count for finding in found.findings if finding.kind == "fault"}


def three(shared_data: Path, name: str) -> Audit:
    folder = shared_data / "splits" / name
    return audit(folder / "train.csv", folder / "test.csv", folder / "val.csv")


def null(found: Audit, name: str) -> float:
    return next(row.accuracy for row in found.nulls if row.name == name)


def text(found: Audit, check: str) -> str:
    return next(finding.text for finding in found.findings if finding.check == check)


def test_hyperkvasir_clips_share_their_videos_and_a_lookup_knows_all(shared_data):
    found = three(shared_data, "surgrec_hyperkvasir")
    assert found.rule is not None
    assert found.rule.name == "the UUID in the names"
    assert text(found, "groups-train-test").endswith("640 of 654 rows of test come from them")
    assert checks(found)["val-equals-test"] == 654
    assert null(found, "group lookup") == 1.0


def test_colonoscopic_shares_12_of_15_lesions(shared_data):
    found = three(shared_data, "surgrec_colonoscopic")
    assert checks(found)["groups-train-test"] == 12
    assert text(found, "groups-train-test").startswith("12 of the 15 groups of test")
    assert null(found, "group lookup") == pytest.approx(0.867, abs=5e-4)
    assert "val-equals-test" not in checks(found)


@pytest.mark.parametrize("name", ["surgrec_hyperkvasir", "surgrec_cholec80", "surgrec_m2cai16", "surgrec_cat21"])
def test_val_is_the_test_byte_for_byte(name, shared_data):
    assert "byte for byte" in text(three(shared_data, name), "val-equals-test")


@pytest.mark.parametrize(("name", "groups"), [("cholec80", 80), ("m2cai16", 41), ("cat21", 21)])
def test_the_surgical_lists_share_no_video(name, groups, shared_data):
    found = three(shared_data, f"surgrec_{name}")
    assert found.rule is not None
    assert found.rule.count == groups
    assert set(checks(found)) == {"val-equals-test"}


def test_the_halves_of_kvasir_capsule_share_7_of_43_videos(shared_data):
    folder = shared_data / "splits" / "kvasir_capsule"
    found = audit(folder / "split_0.csv", folder / "split_1.csv")
    assert found.rule is not None
    assert (found.rule.name, found.rule.count) == ("the hexadecimal id in the names", 43)
    assert checks(found)["groups-train-test"] == 7
    # Counted with awk: names of split_1.csv that stand there twice, as Erosion and as Pylorus.
    assert checks(found)["two-labels"] == 8


def test_endofm_cvc_shares_7_of_9_sequences_and_121_of_171_frames(shared_data):
    folder = shared_data / "splits" / "endofm_cvc"
    found = audit(folder / "train.csv", folder / "test.csv", group_column="sequence")
    assert checks(found) == {"rows-train-test": 121, "groups-train-test": 7}
    assert text(found, "groups-train-test") == (
        "7 of the 9 groups of test stand in train as well; 121 of 171 rows of test come from them"
    )


def test_hyperkvasir_images_have_no_group_in_their_names(shared_data):
    found = audit(shared_data / "splits" / "hyperkvasir" / "5_fold_split.csv")
    assert found.rule is None
    assert len(found.folds) == 5
    assert sum(int((fold.rows.splits == 2).sum()) for fold in found.folds) == 10_662
    assert [finding.check for finding in found.findings] == ["no-group-key"]


def test_a_constant_box_has_a_frame_f1_of_99_53_on_kumc(shared_data):
    found = audit(shared_data / "splits" / "kumc" / "val2019_boxes.csv")
    assert found.box is not None
    assert round(100 * found.box.frame_f1, 2) == 99.53
