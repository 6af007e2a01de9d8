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
