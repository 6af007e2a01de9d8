"""With the files at hand: byte copies are faults, look-alikes notes, and missing files are said."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from endoeval.splits import audit
from endoeval.splits.copies import copy_findings
from endoeval.splits.propose import propose
from endoeval.splits.rows import TEST, TRAIN
from endomae.commands.audit_split import run
from endomae.configs import AuditSplitConfig
from endoshards.errors import BadInput


def picture(seed: int) -> np.ndarray:
    """Smooth colour noise: no two alike."""
    noise = np.random.default_rng(seed).normal(128, 60, (12, 12, 3))
    return np.clip(cv2.resize(noise, (160, 120), interpolation=cv2.INTER_CUBIC), 0, 255).astype(np.uint8)


def write(root: Path, name: str, pixels: np.ndarray, quality: int = 95) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])


@pytest.fixture
def drawn(tmp_path: Path) -> tuple[Path, list[tuple[str, str]], list[tuple[str, str]]]:
    rows = [(f"data/case_{p:02d}_{i * 50}.jpg", "ab"[(p + i) % 2]) for p in range(16) for i in range(3)]
    for i, (name, _) in enumerate(rows):
        write(tmp_path, name.removeprefix("data/"), picture(i))
    return tmp_path, rows[:24], rows[24:]


def test_different_pictures_give_no_finding(drawn):
    root, train, test = drawn
    assert audit(train, test, data_root=root).findings == ()


def test_byte_copies_between_splits_are_faults(drawn):
    root, train, test = drawn
    for (source, _), (copy, _) in zip(train[:3], test[:3], strict=True):
        (root / copy.removeprefix("data/")).write_bytes((root / source.removeprefix("data/")).read_bytes())
    (finding,) = audit(train, test, data_root=root).findings
    assert (finding.check, finding.kind, finding.count) == ("bytes-train-test", "fault", 3)
    assert finding.test_share == pytest.approx(3 / 24)
    assert finding.examples == tuple(name.removeprefix("data/") for name, _ in test[:3])


def test_other_encodings_with_a_dark_border_are_near_copies(drawn):
    root, train, test = drawn
    for i, (name, _) in enumerate(test[:4]):
        bordered = cv2.copyMakeBorder(picture(i), 15, 5, 30, 20, cv2.BORDER_CONSTANT, value=(4, 4, 4))
        write(root, name.removeprefix("data/"), cv2.convertScaleAbs(bordered, alpha=1.1), quality=60)
    (finding,) = audit(train, test, data_root=root).findings
    assert (finding.check, finding.kind, finding.count) == ("near-train-test", "note", 4)


def test_missing_files_are_counted_and_none_at_all_is_refused(drawn, tmp_path):
    root, train, test = drawn
    (root / test[0][0].removeprefix("data/")).unlink()
    (finding,) = audit(train, test, data_root=root).findings
    assert finding.text == "1 of 48 listed files are not under the data root: no copy of them is seen"
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(BadInput, match="none of the 48 listed files lies under"):
        audit(train, test, data_root=empty)


@pytest.mark.parametrize("alone", [False, True], ids=["two folders", "one folder"])
def test_copies_between_class_folders_are_found_from_the_folder_above(tmp_path, alone):
    for p in range(6):
        split = "train" if p < 3 else "test"
        for i in range(4):
            write(tmp_path, f"{split}/{'ab'[i % 2]}/case_{p:02d}_{i * 50}.jpg", picture(4 * p + i))
    copy = tmp_path / "test/a/case_03_0.jpg"
    copy.write_bytes((tmp_path / "train/a/case_00_0.jpg").read_bytes())
    given = (tmp_path,) if alone else (tmp_path / "train", tmp_path / "test")
    found = audit(*given, data_root=tmp_path).findings
    assert [(f.check, f.count) for f in found if f.check.startswith(("bytes", "near", "files"))] == [
        ("bytes-train-test", 1)
    ]


def darker(pixels: np.ndarray) -> np.ndarray:
    return cv2.convertScaleAbs(pixels, alpha=0.85)


def test_a_proposal_keeps_near_copies_in_one_part(tmp_path):
    rows = [(f"case_{p:02d}_{i * 50}.jpg", "ab"[(p + i) % 2]) for p in range(24) for i in range(3)]
    for i, (name, _) in enumerate(rows):
        # Cases 12 to 19 hold a picture of cases 0 to 7, encoded again and darker.
        p, j = divmod(i, 3)
        twin = 3 * (p - 12) + j if 12 <= p < 20 and j == 0 else None
        write(tmp_path, name, picture(i) if twin is None else darker(picture(twin)), 95 if twin is None else 60)
    found = audit(rows[:36], rows[36:], data_root=tmp_path)
    assert {f.check: f.count for f in found.findings} == {"near-train-test": 8}
    for seed in range(5):
        made = propose(found.rows, seed)
        assert copy_findings(made.rows) == []
        assert "8 groups that hold a near copy of another's picture stay with it." in made.not_kept
        assert {int((made.rows.splits == split).sum()) for split in (TRAIN, TEST)} == {36}


def test_near_copies_that_chain_all_groups_are_left_apart_and_said(tmp_path):
    rows = [(f"case_{p:02d}_{i * 50}.jpg", "ab"[(p + i) % 2]) for p in range(8) for i in range(3)]
    for i, (name, _) in enumerate(rows):
        write(tmp_path, name, picture(0 if i % 3 == 0 else i), 60 + i)
    found = audit(rows[:12], rows[12:], data_root=tmp_path)
    made = propose(found.rows)
    assert "Near copies join all groups into one: they are left on both sides." in made.not_kept
    assert [f.check for f in copy_findings(made.rows)] == ["near-train-test"]


def test_the_command_puts_the_proposal_to_the_copies_check(tmp_path, capsys):
    for p in range(12):
        for i in range(3):
            pixels = picture(3 * p + i) if p != 9 or i else darker(picture(0))
            write(tmp_path, f"data/images/case_{p:02d}_{i * 50}.jpg", pixels, 60 + p)
    for name, cases in (("train", range(6)), ("test", range(6, 12))):
        lines = [f"images/case_{p:02d}_{i * 50}.jpg,{'ab'[(p + i) % 2]}" for p in cases for i in range(3)]
        (tmp_path / f"{name}.csv").write_text("file,label\n" + "\n".join(lines) + "\n")
    run(
        AuditSplitConfig(
            train=tmp_path / "train.csv", test=tmp_path / "test.csv", data_root=tmp_path / "data",
            propose=tmp_path / "clean", out=tmp_path / "out",
        )
    )  # fmt: skip
    said = capsys.readouterr().out
    assert "note: 1 row of test looks like a row of train" in said
    assert "  the same audit on it: clean" in said
    assert "  copies between its lists: no equal bytes, no near copies" in said
