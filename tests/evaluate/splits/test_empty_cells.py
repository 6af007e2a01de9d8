"""Cells that say nothing, columns that one list lacks, and lists that are no lists."""

from __future__ import annotations

import json

import numpy as np
import pytest

from endoeval.splits import audit
from endoeval.splits.propose import propose
from endoshards.errors import BadInput


def rows(cases, each=4):
    return [(f"case{c:02d}_{i * 9}.jpg", "ab"[(c + i) % 2]) for c in cases for i in range(each)]


def written(path, value):
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


@pytest.mark.parametrize("nothing", ["nan", "NaN"])
def test_a_label_that_is_not_a_number_is_none(nothing):
    train = [(name, nothing if i % 8 == 3 else str(i % 2)) for i, (name, _) in enumerate(rows(range(8)))]
    test = [(name, str(i % 2)) for i, (name, _) in enumerate(rows(range(8, 16)))]
    found = audit(train, test)
    assert found.rows.classes == ("0", "1")
    assert found.rows.labels is not None
    assert np.flatnonzero(found.rows.labels < 0).tolist() == [3, 11, 19, 27]
    assert "4 rows have no label" in found.understood


def test_a_row_without_a_label_contradicts_none_and_the_labelled_one_is_kept():
    train = [*rows(range(8)), ("case20_1.jpg", "")]
    test = [*rows(range(8, 16)), ("case20_1.jpg", "b")]
    made = propose(audit(train, test).rows)
    assert "1 row that stood twice is listed once." in made.not_kept
    assert not any("two labels" in line for line in made.not_kept)
    assert made.rows.labels is not None
    at = list(made.rows.names).index("case20_1.jpg")
    assert made.rows.classes[made.rows.labels[at]] == "b"
    assert made.kept.tolist() == sorted(made.kept)


@pytest.mark.parametrize("header", ["file,file", "image,label,Label"])
def test_a_header_with_one_name_twice_is_refused(tmp_path, header):
    width = header.count(",")
    table = written(tmp_path / "a.csv", "\n".join([header, *(",".join([n, *[k] * width]) for n, k in rows(range(4)))]))
    with pytest.raises(BadInput, match=r"two columns named (file|Label)"):
        audit(table, rows(range(4, 8)))


def test_objects_inside_an_object_are_no_list(tmp_path):
    nested = written(tmp_path / "a.json", {"data": {"train": ["a.jpg"], "test": ["b.jpg"]}})
    with pytest.raises(BadInput, match="holds objects inside an object; a list of objects, or lists under train"):
        audit(nested, rows(range(4)))


@pytest.mark.parametrize("bare", [{}, {"categories": None}])
def test_coco_without_categories_keeps_their_numbers(tmp_path, bare):
    images = [{"id": i, "file_name": f"video{i // 4}_{i * 9}.jpg", "width": 100, "height": 80} for i in range(40)]
    boxes = [{"image_id": i, "category_id": 1 + i % 4, "bbox": [1, 2, 30, 40]} for i in range(0, 40, 2)]
    halves = [
        written(tmp_path / f"{k}.json", {"images": images[20 * k :][:20], "annotations": boxes} | bare)
        for k in range(2)
    ]
    found = audit(*halves)
    assert found.box is not None
    assert found.rows.classes == ("1", "3")


def test_a_group_column_that_one_list_lacks_is_not_used_and_that_is_said():
    held = [dict(zip(("file", "label"), map(list, zip(*rows(of), strict=True)), strict=True)) for of in
            (range(10), range(10, 20))]  # fmt: skip
    held[0]["patient"] = [f"p{i // 8}" for i in range(40)]
    found = audit(*held)
    assert found.rule is not None
    assert found.rule.name == "a case's number in the names"
    assert "train alone has a column of groups, test has none: it is not used" in found.understood


SAME_ID = [("M\u00fcller 7", "Mu\u0308ller 7"), ("12.0", "12"), ("\uff30\uff11\uff12", "P12")]


@pytest.mark.parametrize(("one", "other"), SAME_ID)
def test_ids_in_another_unicode_form_or_with_decimals_are_one(one, other):
    train = [(f"p{i}.jpg", "ab"[i % 2], one if i < 5 else f"A{i // 5}") for i in range(40)]
    test = [(f"q{i}.jpg", "ab"[i % 2], other if i < 5 else f"B{i // 5}") for i in range(40)]
    found = audit(train, test)
    assert {f.check: f.count for f in found.findings} == {"groups-train-test": 1}
    assert found.rule is not None
    assert {frozenset(pair.split(" = ")) for pair in found.rule.joined} == {frozenset((one, other))}
