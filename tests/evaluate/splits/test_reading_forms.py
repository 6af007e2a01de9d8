"""Path, space and label under a header or in single quotes; JSON whose keys are columns, classes or neither."""

from __future__ import annotations

import json

import pytest

from endoeval.splits import audit
from endoeval.splits.read import read
from endoshards.errors import BadInput

ROWS = [(f"my set/case {p}/f {i}.jpg", ("polyp", "normal")[(p + i) % 2]) for p in range(8) for i in range(4)]
NAMES = [name.removeprefix("my set/") for name, _ in ROWS]
SPACED = {
    "header": "path label\n" + "".join(f"{n} {w}\n" for n, w in ROWS),
    "header, quoted paths": "path label\n" + "".join(f'"{n}" {w}\n' for n, w in ROWS),
    "header, numbers": "file class\n" + "".join(f"{n} {('polyp', 'normal').index(w)}\n" for n, w in ROWS),
    "header of three": "file_name class-name patient\n" + "".join(f"{n} {w} p{n[12]}\n" for n, w in ROWS),
    "header, label of two words": "path label\n" + "".join(f"{n} a {w}\n" for n, w in ROWS),
    "single quotes": "".join(f"'{n}' {w}\n" for n, w in ROWS),
    "single quotes, header": "path label\n" + "".join(f"'{n}' {w}\n" for n, w in ROWS),
    "single quotes, numbers": "".join(f"'{n}' {('polyp', 'normal').index(w)}\n" for n, w in ROWS),
}


@pytest.mark.parametrize("form", sorted(SPACED))
def test_a_path_and_a_label_parted_by_a_space_may_have_a_header_and_single_quotes(form, tmp_path):
    path = tmp_path / "l.txt"
    path.write_text(SPACED[form])
    table = read(path)
    assert table.names == NAMES
    assert table.labels is not None
    assert [label.removeprefix("a ") for label in table.labels] == [
        str(("polyp", "normal").index(w)) if "numbers" in form else w for _, w in ROWS
    ]
    assert ("with a header" in table.understood[0]) == ("header" in form)
    assert table.groups == ([f"p{i // 4}" for i in range(32)] if form == "header of three" else None)


def test_names_without_an_ending_under_a_header_keep_their_numbers_as_labels(tmp_path):
    path = tmp_path / "l.txt"
    path.write_text("name label\n" + "".join(f"case{p}_{i} {i % 2}\n" for p in range(4) for i in range(4)))
    table = read(path)
    assert table.names[:2] == ["case0_0", "case0_1"]
    assert table.labels == [str(i % 2) for _ in range(4) for i in range(4)]


KEYED = {
    "columns": {"image": [n for n, _ in ROWS], "label": [w for _, w in ROWS]},
    "columns, plural, beside other keys": {
        "name": "set", "images": [n for n, _ in ROWS], "labels": [w for _, w in ROWS], "width": [9] * len(ROWS)
    },
    "one hot": {
        "image": [n for n, _ in ROWS], **{k: [int(w == k) for _, w in ROWS] for k in ("polyp", "normal")}
    },
    "classes": {k: [n for n, w in ROWS if w == k] for k in ("polyp", "normal")},
    "classes, one called as a column may be": {k: [n for n, w in ROWS if (w == "polyp") == (k == "lesion")]
                                               for k in ("lesion", "normal")},
}  # fmt: skip


@pytest.mark.parametrize("form", sorted(KEYED))
def test_keys_of_a_json_object_may_be_columns_or_classes(form, tmp_path):
    path = tmp_path / "l.json"
    path.write_text(json.dumps(KEYED[form]))
    table = read(path)
    assert table.labels is not None
    assert table.folds is None
    word = "lesion" if "called" in form else "polyp"
    wanted = sorted((name, word if w == "polyp" else w) for name, (_, w) in zip(NAMES, ROWS, strict=True))
    assert sorted(zip(table.names, table.labels, strict=True)) == wanted


@pytest.mark.parametrize(
    ("held", "message"),
    [
        ({"image": ["a.jpg", "b.jpg"], "label": ["x"]}, r"columns of unequal length \(image 2, label 1\)"),
        ({"polyp": ["a.jpg"], "normal": [{"file": "b.jpg"}]}, "holds lists under polyp, normal; allowed keys: splits"),
    ],
)
def test_keys_of_a_json_object_that_say_nothing_are_refused(held, message, tmp_path):
    path = tmp_path / "l.json"
    path.write_text(json.dumps(held))
    with pytest.raises(BadInput, match=message):
        read(path)


def test_a_comma_behind_every_line_hides_no_header(tmp_path):
    path = tmp_path / "l.csv"
    path.write_text("file,label,\n" + "".join(f"{n},{w},\n" for n, w in ROWS))
    table = read(path)
    assert table.names == NAMES
    assert table.labels == [w for _, w in ROWS]


def test_splits_of_a_json_object_may_map_names_to_labels(tmp_path):
    path = tmp_path / "l.json"
    path.write_text(json.dumps({"train": dict(ROWS[:20]), "test": dict(ROWS[20:])}))
    table = read(path)
    assert table.names == NAMES
    assert table.labels == [w for _, w in ROWS]
    assert table.splits.tolist() == [0] * 20 + [2] * (len(ROWS) - 20)


def test_a_label_that_is_no_word_is_refused_in_few_words(tmp_path):
    path = tmp_path / "l.json"
    path.write_text(json.dumps([{"file": n, "label": {"name": "x" * 500}} for n, _ in ROWS]))
    with pytest.raises(BadInput, match="have the label") as caught:
        audit(path)
    assert len(str(caught.value)) < 300


COCO = {
    "no image_id": ({"annotations": [{"bbox": [1, 2, 3, 4]}]}, "annotation 1 has no image_id"),
    "no id": ({"images": [{"file_name": "a.jpg"}]}, "image 1 has no id"),
    "words for numbers": ({"annotations": [{"image_id": 1, "bbox": ["a", 2, 3, 4]}]}, "annotation 1 has the bbox"),
    "three numbers": ({"annotations": [{"image_id": 1, "bbox": [2, 3, 4]}]}, "annotation 1 has the bbox"),
    "names for images": ({"images": ["a.jpg"], "annotations": ["x"]}, "image 1 has no id"),
    "a category without id": ({"categories": [{"name": "polyp"}]}, "category 1 has no id"),
    "a size that is a word": ({"images": [{"id": 1, "file_name": "a.jpg", "width": "w"}]}, "image 1 has the width w"),
    "no list": ({"annotations": {"a": 1}}, "annotations is no list"),
}


@pytest.mark.parametrize("fault", sorted(COCO))
def test_coco_that_is_broken_is_refused(fault, tmp_path):
    held, message = COCO[fault]
    whole = {"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": [], "categories": []} | held
    (tmp_path / "l.json").write_text(json.dumps(whole))
    with pytest.raises(BadInput, match=message):
        read(tmp_path / "l.json")


def test_boxes_of_no_listed_picture_are_counted(tmp_path):
    held = {"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": [{"image_id": i, "bbox": [1, 2, 3, 4]} for i in
            (1, 2, 2)]}  # fmt: skip
    (tmp_path / "l.json").write_text(json.dumps(held))
    assert "2 boxes are left out: no listed picture holds them" in read(tmp_path / "l.json").understood


def test_columns_of_unequal_length_in_memory_are_refused():
    with pytest.raises(BadInput, match=r"the train list has columns of unequal length \(file 2, label 1\)"):
        audit({"file": ["a", "b"], "label": ["x"]}, {"file": ["c"], "label": ["x"]})


@pytest.mark.parametrize("nothing", [None, float("nan")])
def test_no_label_in_memory_is_no_class(nothing):
    rows = [(f"case_{p}_{i * 50}.jpg", "ab"[(p + i) % 2]) for p in range(16) for i in range(4)]
    found = audit([(name, nothing if i % 4 == 3 else label) for i, (name, label) in enumerate(rows[:32])], rows[32:])
    assert found.rows.classes == ("a", "b")
    assert int((found.rows.labels < 0).sum()) == 8
