"""Columns that headers tell, boxes among them, and columns that are named but not there."""

from __future__ import annotations

import pytest

from endoeval.splits import audit
from endoshards.errors import BadInput

ROWS = {"train": [(f"case_{i // 4}_{i}.jpg", "ab"[i % 2]) for i in range(40)],
        "val": [(f"case_{i // 4}_{i}.jpg", "ab"[i % 2]) for i in range(40, 60)],
        "test": [(f"case_{i // 4}_{i}.jpg", "ab"[i % 2]) for i in range(60, 80)]}  # fmt: skip


@pytest.mark.parametrize(
    ("header", "four", "size"),
    [
        ("x,y,w,h", "10,5,20,10", ""),
        ("x,y,width,height", "10,5,20,10", ""),
        ("X,Y,W,H,width,height", "10,5,20,10", ",100,50"),
        ("xmin,ymin,xmax,ymax", "10,5,30,15", ""),
    ],
)
def test_boxes_may_be_a_corner_with_width_and_height(header, four, size, tmp_path):
    for name, cases in (("train", range(8)), ("test", range(8, 16))):
        lines = [f"case_{p}_{i}.jpg,polyp,{four}{size}" for p in cases for i in range(4)]
        lines.append(f"case_{cases[0]}_9.jpg,polyp,{'80,40,20,10' if 'max' not in header else '80,40,100,50'}{size}")
        (tmp_path / f"{name}.csv").write_text(f"image,label,{header}\n" + "\n".join(lines))
    found = audit(tmp_path / "train.csv", tmp_path / "test.csv")
    assert found.rows.boxes is not None
    assert found.rows.boxes[0].tolist() == pytest.approx([0.1, 0.1, 0.3, 0.3])
    assert found.rows.boxes[32].tolist() == pytest.approx([0.8, 0.8, 1.0, 1.0])
    assert found.rows.classes == ("polyp",)
    assert found.box is not None


def written(folder, **headers):
    for name, rows in ROWS.items():
        lines = "".join(",".join(row) + "\n" for row in rows)
        (folder / f"{name}.csv").write_text(f"{headers.get(name, 'path,kind')}\n{lines}")
    return folder / "train.csv", folder / "test.csv", folder / "val.csv"


@pytest.mark.parametrize("option", ["label_column", "file_column", "group_column", "split_column"])
def test_a_column_that_no_list_has_is_refused(option, tmp_path):
    with pytest.raises(BadInput, match=r"train.csv has no column lable; its columns are path, kind"):
        audit(*written(tmp_path), **{option: "lable"})


def test_a_label_column_that_one_list_alone_lacks_is_refused(tmp_path):
    with pytest.raises(BadInput, match=r"all.csv has no column lable; its columns are path, kind"):
        audit(written(tmp_path)[0].rename(tmp_path / "all.csv"), label_column="lable")


def test_a_split_column_of_two_lists_is_refused_for_one_of_them_would_be_ignored(tmp_path):
    train, test, val = written(tmp_path)
    with pytest.raises(BadInput, match=r"--split-column kind belongs to one list, and train and test were given apart"):
        audit(train, test, split_column="kind")
    with pytest.raises(BadInput, match=r"--split-column kind belongs to one list"):
        audit(train, test, val, split_column="kind")


def test_a_label_column_that_val_lacks_is_refused(tmp_path):
    with pytest.raises(BadInput, match=r"val.csv has no column kind; its columns are path, other"):
        audit(*written(tmp_path, val="path,other"), label_column="kind")


def test_a_label_column_that_only_the_test_lacks_is_left_out_there(tmp_path):
    train, test, val = written(tmp_path)
    test.write_text("path\n" + "".join(f"{name}\n" for name, _ in ROWS["test"]))
    found = audit(train, test, val, label_column="kind")
    assert "test has no labels: label checks leave it out" in found.understood


def test_a_column_named_for_class_folders_is_refused(tmp_path):
    for kind in "ab":
        (tmp_path / kind).mkdir()
        (tmp_path / kind / "case_1.jpg").touch()
    with pytest.raises(BadInput, match=r"is a folder and has no columns; leave out --label-column kind"):
        audit(tmp_path, tmp_path / "a", label_column="kind")
