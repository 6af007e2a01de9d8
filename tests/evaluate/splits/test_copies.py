"""With the files at hand: byte copies are faults, look-alikes notes, and missing files are said."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from endoeval.splits import audit
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
