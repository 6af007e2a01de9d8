"""Lists of pictures and masks: a path of a mask is no label, and no null row without pixels is said plainly."""

from __future__ import annotations

import json

import pytest

from endoeval.report.audit_files import as_json, markdown
from endoeval.report.audit_page import audit_page
from endoeval.report.audit_words import NO_MASK_NULL, verdict
from endoeval.splits import audit


def pair(p: int, i: int) -> tuple[str, str]:
    return f"images/case_{p:02d}_{i * 30}.png", f"masks/case_{p:02d}_{i * 30}.png"


HEADERS = ["image,mask", "image_path,mask_path", "image,label", "file,annotation", "img,gt", ""]


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("separator", [",", " "])
def test_paths_of_masks_are_no_labels(header, separator, tmp_path):
    for name, cases in (("train", range(10)), ("test", range(9, 18))):
        lines = [separator.join(pair(p, i)) for p in cases for i in range(5)]
        lines = [*([header.replace(",", separator)] if header else []), *lines]
        (tmp_path / f"{name}.csv").write_text("\n".join(lines) + "\n")
    found = audit(tmp_path / "train.csv", tmp_path / "test.csv", published=0.9)
    assert found.masks
    assert found.rows.labels is None
    assert found.nulls == ()
    assert {f.check: f.count for f in found.findings} == {"rows-train-test": 5, "groups-train-test": 1}
    assert NO_MASK_NULL == "no null row without pixels for masks: see endomae eval's mean mask"
    assert as_json(found)["no_null_rows"] == NO_MASK_NULL
    for text in (markdown(found), audit_page(found)):
        assert NO_MASK_NULL.partition(":")[0] in text.lower()
    assert "no null row without pixels for masks" in verdict(found)[1]
    assert "masks in" in found.understood[0]


def test_masks_of_json_rows_where_one_list_calls_them_labels(tmp_path):
    for name, cases, key in (("train", range(9), "mask"), ("test", range(9, 17), "label")):
        rows = [{"image": pair(p, i)[0], key: pair(p, i)[1]} for p in cases for i in range(5)]
        (tmp_path / f"{name}.json").write_text(json.dumps(rows))
    found = audit(tmp_path / "train.json", tmp_path / "test.json")
    assert found.masks
    assert found.findings == ()


def test_labels_beside_masks_stay_labels(tmp_path):
    for name, cases in (("train", range(10)), ("test", range(10, 18))):
        lines = ["image,mask,class", *(",".join((*pair(p, i), "ab"[i % 2])) for p in cases for i in range(5))]
        (tmp_path / f"{name}.csv").write_text("\n".join(lines) + "\n")
    found = audit(tmp_path / "train.csv", tmp_path / "test.csv")
    assert found.rows.classes == ("a", "b")
    assert [row.name for row in found.nulls][:1] == ["largest class"]
    assert as_json(found)["no_null_rows"] is None


@pytest.mark.parametrize(("pictures", "masks"), [("images", "masks"), ("Frames", "GT"), ("imgs", "labels")])
def test_folders_of_pictures_and_masks_are_no_classes(pictures, masks, tmp_path):
    for split, cases in (("train", range(8)), ("test", range(7, 14))):
        for p in cases:
            for i in range(5):
                for folder in (pictures, masks):
                    path = tmp_path / split / folder / f"case_{p:02d}_{i * 30}.png"
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.touch()
    found = audit(tmp_path / "train", tmp_path / "test")
    assert found.masks
    assert found.rows.labels is None
    assert len(found.rows.names) == 75
    assert {f.check: f.count for f in found.findings} == {"rows-train-test": 5, "groups-train-test": 1}
    assert any(f"pictures in {pictures}, masks in {masks}" in line for line in found.understood)


def test_class_folders_beside_one_called_masks_stay_classes(tmp_path):
    for split, cases in (("train", range(8)), ("test", range(8, 14))):
        for p in cases:
            for folder in ("polyp", "masks"):
                path = tmp_path / split / folder / f"case_{p:02d}_{folder}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
    assert audit(tmp_path / "train", tmp_path / "test").rows.classes == ("masks", "polyp")
