"""Lists as people write them are understood, and what was understood is said; others are refused in one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from endoeval.report.audit_files import as_json
from endoeval.splits import audit
from endoeval.splits.listed import read_list
from endoeval.splits.read import read
from endoshards.errors import BadInput, BadOption, EndoError

ROWS = [(f'my set/case {p}/it\'s "{i}", so.jpg', ("polyp", "normal")[(p + i) % 2]) for p in range(8) for i in range(4)]
PLAIN = [(f"case_{p}/{i:03d}.jpg", ("polyp", "normal")[(p + i) % 2]) for p in range(8) for i in range(4)]


def quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


FORMS = {
    "csv, header": ("l.csv", "file,label\n" + "".join(f"{quoted(n)},{w}\n" for n, w in ROWS)),
    "csv, no header": ("l.csv", "".join(f"{quoted(n)},{w}\n" for n, w in ROWS)),
    "csv, label first": ("l.csv", "Label,Image Path\n" + "".join(f"{w},{quoted(n)}\n" for n, w in ROWS)),
    "csv, blanks after commas": ("l.csv", "file, label\n" + "".join(f"{quoted(n)}, {w}\n" for n, w in ROWS)),
    "tsv": ("l.tsv", "filename\tclass\n" + "".join(f"{n}\t{w}\n" for n, w in ROWS)),
    "semicolons": ("l.csv", "file-name;class-name\n" + "".join(f"{n};{w}\n" for n, w in ROWS)),
    "bars": ("l.txt", "".join(f"{n}|{w}\n" for n, w in ROWS)),
    "path, space, label": ("l.txt", "".join(f"{n} {w}\n" for n, w in ROWS)),
    "quoted path, space, label": ("l.txt", "".join(f'"{n}" {w}\n' for n, w in PLAIN)),
    "BOM": ("l.csv", "\ufefffile,label\n" + "".join(f"{quoted(n)},{w}\n" for n, w in ROWS)),
    "CR": ("l.csv", "file,label\r" + "".join(f"{quoted(n)},{w}\r" for n, w in ROWS)),
    "CRLF, blank lines": ("l.csv", "file,label\r\n\r\n" + "".join(f"{quoted(n)},{w}\r\n\r\n" for n, w in ROWS)),
    "no newline at the end": ("l.csv", "file,label\n" + "\n".join(f"{quoted(n)},{w}" for n, w in ROWS)),
    "JSON list of objects": ("l.json", json.dumps([{"image": n, "label": w} for n, w in ROWS])),
    "JSON list of pairs": ("l.json", json.dumps(ROWS)),
    "JSON object": ("l.json", json.dumps(dict(ROWS), indent=1)),
    "JSON lines": ("l.jsonl", "".join(json.dumps({"path": n, "class": w, "score": 1}) + "\n" for n, w in ROWS)),
    "one hot": (
        "l.csv",
        "image,polyp,normal\n" + "".join(f"{quoted(n)},{int(w == 'polyp')},{int(w == 'normal')}\n" for n, w in ROWS),
    ),
    "more columns": (
        "l.csv",
        "id,age,file,label\n" + "".join(f"{i},{i % 5},{quoted(n)},{w}\n" for i, (n, w) in enumerate(ROWS)),
    ),
    "unnamed columns": ("l.csv", ",a,b\n" + "".join(f"{i},{quoted(n)},{w}\n" for i, (n, w) in enumerate(ROWS))),
    "backslashes": ("l.csv", "file,label\n" + "".join(f"{quoted(n.replace('/', chr(92)))},{w}\n" for n, w in ROWS)),
}


def listed(tmp_path: Path, form: str) -> Path:
    name, text = FORMS[form]
    path = tmp_path / name
    path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize("form", sorted(FORMS))
def test_a_list_in_any_form_gives_its_rows(form, tmp_path):
    table = read(listed(tmp_path, form))
    wanted = PLAIN if form == "quoted path, space, label" else ROWS
    names = [name.removeprefix("my set/") for name, _ in wanted]
    assert table.names == names
    assert table.labels == [word for _, word in wanted]
    assert any("32 rows" in line for line in table.understood)


def test_utf_16_is_read_and_another_encoding_is_refused_with_the_line_that_mends_it(tmp_path):
    text = "file,label\nÖsophagus/1.jpg,a\nÖsophagus/2.jpg,b\n"
    path = tmp_path / "l.csv"
    path.write_text(text, "utf-16")
    assert read(path).names == ["1.jpg", "2.jpg"]
    path.write_text(text, "latin-1")
    with pytest.raises(BadInput, match=r"is not UTF-8 \(byte 0xd6\); .*iconv -f WINDOWS-1252 -t UTF-8 l.csv"):
        read(path)


def test_names_that_differ_in_unicode_form_and_slashes_are_one(tmp_path):
    train = [("Kolon/pölyp 1.jpg", "a"), ("Kolon/2.jpg", "b")]
    test = [(".\\Kolon\\po\u0308lyp 1.jpg", "a"), ("./Kolon/3.jpg", "b")]
    assert {f.check: f.count for f in audit(train, test).findings if f.kind == "fault"} == {"rows-train-test": 1}


@pytest.mark.parametrize(
    ("fronts", "shared"),
    [
        (("/disk/a/data/img/", "/net/b/data/img/"), True),
        (("/disk/a/img/", ""), True),
        (("C:\\disk\\img\\", "D:/img/"), True),
        (("__ROOT__/img/", "__ROOT__/img/"), True),
        (("train/", "test/"), False),
        (("patient_01/", "patient_02/"), False),
    ],
)
def test_a_root_that_differs_is_stripped_and_a_folder_that_tells_apart_is_not(fronts, shared):
    train = [(f"{fronts[0]}{i // 5}/{i}.jpg" if shared else f"{fronts[0]}{i}.jpg", "ab"[i % 2]) for i in range(20)]
    test = [(f"{fronts[1]}{i // 5}/{i}.jpg" if shared else f"{fronts[1]}{i}.jpg", "ab"[i % 2]) for i in range(20)]
    checks = {f.check: f.count for f in audit(train, test).findings}
    assert checks.get("rows-train-test", 0) == (20 if shared else 0)


@pytest.mark.parametrize(
    ("words", "column"),
    [
        (("train", "val", "test"), "split"),
        (("Training", "Validation", "Testing"), "set"),
        (("train_set", "valid", "test-set"), "subset"),
        (("tr", "dev", "holdout"), "anything"),
    ],
)
def test_a_split_column_parts_one_list(words, column, tmp_path):
    rows = [(f"case_{p}_{i}.jpg", "ab"[(p + i) % 2], words[p // 8]) for p in range(24) for i in range(4)]
    path = tmp_path / "all.csv"
    path.write_text(f"file,label,{column}\n" + "".join(",".join(row) + "\n" for row in rows))
    found = audit(path)
    assert np.bincount(found.rows.splits).tolist() == [32, 32, 32]
    assert found.findings == ()


def test_train_and_val_alone_are_scored_on_val(tmp_path):
    path = tmp_path / "all.csv"
    path.write_text(
        "file,label,split\n" + "".join(f"{i}.jpg,{'ab'[i % 2]},{'train' if i < 20 else 'val'}\n" for i in range(30))
    )
    assert np.bincount(audit(path).rows.splits).tolist() == [20, 0, 10]


def test_fold_numbers_put_each_fold_against_the_rest(tmp_path):
    rows = [(f"case_{p:02d}_{i * 50}.jpg", "ab"[(p + i) % 2], p % 5) for p in range(40) for i in range(4)]
    rows += [("case_07_900.jpg", "a", 3), ("case_07_950.jpg", "b", 3)]
    path = tmp_path / "folds.csv"
    path.write_text("name;label;fold\n" + "".join(";".join(map(str, row)) + "\n" for row in rows))
    found = audit(path)
    assert len(found.folds) == 5
    assert [sorted(f.check for f in fold.findings) for fold in found.folds] == [
        [], [], ["groups-train-test"], ["groups-train-test"], []
    ]  # fmt: skip
    finding, shared = found.findings
    assert (shared.check, shared.kind, shared.count) == ("groups-of-several-folds", "note", 1)
    assert shared.text == "1 of 40 groups stand in two folds or more"
    counts = [fold["counts"] for fold in as_json(found)["folds"]]
    assert counts == [{}, {}, {"groups-train-test": 1}, {"groups-train-test": 1}, {}]
    assert finding.text == (
        "fold 2 against the rest: 1 of the 8 groups of test stand in train as well; 4 of 32 rows of test come from "
        "them (found in 2 of 5 folds, here the most)"
    )
    assert found.understood[-1] == "5 folds, each audited as the test against the rest"


@pytest.mark.parametrize("keys", [("train", "val", "test"), ("training", "validation", "testing")])
def test_a_json_object_of_lists_names_its_splits(keys, tmp_path):
    path = tmp_path / "dataset.json"
    parts = {
        key: [{"image": f"case_{8 * k + p}/{i}.png", "label": (p + i) % 2} for p in range(8) for i in range(4)]
        for k, key in enumerate(keys)
    }
    path.write_text(json.dumps({"name": "set", "numTraining": 32} | parts))
    found = audit(path)
    assert np.bincount(found.rows.splits).tolist() == [32, 32, 32]
    assert found.findings == ()


def test_class_folders_are_lists(tmp_path):
    for split, cases in (("train", range(7)), ("test", range(7, 14))):
        for p in cases:
            for i, kind in enumerate(("polyp", "normal", "polyp", "normal")):
                path = tmp_path / split / kind / f"case_{p}_{i * 10}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(path), np.full((8, 8), 10 * p, np.uint8))
    for found in (audit(tmp_path), audit(tmp_path / "train", tmp_path / "test")):
        assert found.rows.classes == ("normal", "polyp")
        assert np.bincount(found.rows.splits).tolist() == [28, 0, 28]
        assert found.findings == ()


def test_coco_gives_a_row_a_box(tmp_path):
    def coco(first: int) -> str:
        images = [
            {"id": i, "file_name": f"case_{i // 3}_{i}.jpg", "width": 100, "height": 50}
            for i in range(first, first + 21)
        ]
        boxes = [{"id": i, "image_id": i, "category_id": 1, "bbox": [10, 5, 20, 10]} for i in range(first, first + 20)]
        boxes.append({"id": 99, "image_id": first, "category_id": 2, "bbox": [50, 25, 50, 25]})
        return json.dumps(
            {
                "images": images,
                "annotations": boxes,
                "categories": [{"id": 1, "name": "polyp"}, {"id": 2, "name": "tool"}],
            }
        )

    for name, first in (("train", 0), ("test", 21)):
        (tmp_path / f"{name}.json").write_text(coco(first))
    found = audit(tmp_path / "train.json", tmp_path / "test.json")
    assert found.rows.boxes is not None
    assert found.rows.boxes.shape == (44, 4)
    assert found.rows.boxes[0].tolist() == pytest.approx([0.1, 0.1, 0.3, 0.3])
    assert found.rows.boxes[1].tolist() == [0.5, 0.5, 1.0, 1.0]
    assert np.isnan(found.rows.boxes[21]).all()
    assert not found.faults
    assert found.box is not None


def test_times_may_stand_in_columns(tmp_path):
    path = tmp_path / "all.csv"
    lines = [
        f"v{v}_{i},{'ab'[(v + i) % 2]},v{v},{i * 10},{i * 10 + 5},{'train' if v < 8 else 'test'}"
        for v in range(16)
        for i in range(4)
    ]
    lines.append("v9_x,a,v9,12,14,test")
    path.write_text("clip,label,video,start,end,split\n" + "\n".join(lines))
    found = audit(path)
    assert found.rule is not None
    assert found.rule.name == "column video"
    assert {f.check for f in found.findings} == {"nested-labels"} or {f.check for f in found.findings} == {
        "times-inside-split"
    }


def test_a_test_without_labels_is_read_and_said(tmp_path):
    train = [(f"case_{i // 4}_{i}.jpg", "ab"[i % 2]) for i in range(40)]
    found = audit(train, [f"case_{10 + i // 4}_{i}.jpg" for i in range(40)])
    assert "test has no labels: label checks leave it out" in found.understood
    assert not found.faults
    assert found.nulls == ()


REFUSED = {
    "empty file": (
        lambda d: (d("a.csv", ""), d("b.csv", "x.jpg,a\n")),
        "is empty; a list with at least one row is wanted",
    ),
    "header alone": (lambda d: (d("a.csv", "file,label\n"), d("b.csv", "x.jpg,a\n")), "at least one row is wanted"),
    "one class": (
        lambda d: (d("a.csv", "x.jpg,a\ny.jpg,a\n"), d("b.csv", "z.jpg,a\nw.jpg,a\n")),
        "all 4 rows have the label a; at least two classes are wanted",
    ),
    "numbers here, words there": (
        lambda d: (d("a.csv", "x.jpg,0\ny.jpg,1\n"), d("b.csv", "z.jpg,polyp\nw.jpg,normal\n")),
        r"the labels of .*a.csv are numbers, those of .*b.csv are words; one code in all lists is wanted",
    ),
    "the same file twice": (
        lambda d: (d("a.csv", "x.jpg,0\ny.jpg,1\n"),) * 2,
        "a.csv was given as train and as test; give two lists",
    ),
    "ragged rows": (
        lambda d: (d("a.csv", "x.jpg,a,1\ny.jpg,b\nz.jpg,a,b,c,d\n"), d("b.csv", "z.jpg,a\nw.jpg,b\n")),
        "row 3 has 5 fields where the first has 3; every row wants the same number",
    ),
    "no text": (lambda d: (d("a.csv", "PK\x00\x01\x00"), d("b.csv", "z.jpg,a\n")), "a.csv is no text"),
    "missing": (
        lambda d: (d("a.csv", "x.jpg,a\n").with_name("c.csv"), d("b.csv", "z.jpg,a\n")),
        "c.csv does not exist",
    ),
    "folder": (
        lambda d: (d("a.csv", "x.jpg,a\n").parent, d("b.csv", "z.jpg,a\n")),
        "is a folder without class folders of pictures or videos; a list is wanted; it holds the lists a.csv, b.csv",
    ),
    "split words": (
        lambda d: (d("a.csv", "file,label,split\nx.jpg,a,north\ny.jpg,b,south\n"), None),
        "the split column holds north, south; allowed:",
    ),
    "broken JSON": (lambda d: (d("a.json", '{"a": 1\n'), d("b.csv", "z.jpg,a\n")), "a.json, line 1 is no JSON"),
    "a row without a name": (
        lambda d: (d("a.csv", "file,label\nx.jpg,a\n,b\n"), d("b.csv", "z.jpg,a\n")),
        "row 2 has no name in column file",
    ),
}


@pytest.mark.parametrize("fault", sorted(REFUSED))
def test_what_cannot_be_understood_is_refused_in_one_sentence(fault, tmp_path):
    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    make, message = REFUSED[fault]
    with pytest.raises(BadInput, match=message):
        audit(*make(write))


TRAIN, TEST = (
    [(f"p{i // 4}_{i}.jpg", "ab"[i % 2]) for i in range(40)],
    [(f"p{i // 4}_{i}.jpg", "ab"[i % 2]) for i in range(40, 60)],
)


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"group_pattern": "zebra"}, BadInput, "matches 0 of 60 names, not p0_0.jpg; it must match every name"),
        ({"group_pattern": ".*jpg|p"}, None, ""),
        ({"group_pattern": "p"}, BadInput, r"puts all 60 rows into one group \(p\); at least two groups are wanted"),
        ({"group_pattern": "("}, BadOption, "is no regular expression"),
        ({"group_column": "patient"}, BadInput, "has no column patient; its columns are name, label"),
        (
            {"groups": {"p0_0.jpg": "p0"}},
            BadInput,
            "the groups names 1 of 60 rows, not p0_1.jpg; every row wants one group",
        ),
        ({"published": 55.28}, BadOption, "scores run from 0 to 1: write 55.28 % as 0.5528"),
        ({"group_pattern": "p", "groups": {}}, BadOption, "--groups and --group-pattern are given"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, kind, message):
    if kind is None:
        assert "groups-of-one" in {f.check for f in audit(TRAIN, TEST, **options).findings}
        return
    with pytest.raises(kind, match=message):
        audit(TRAIN, TEST, **options)


def test_a_quote_that_never_closes_swallows_no_line(tmp_path):
    path = tmp_path / "l.csv"
    path.write_text('"a 1.jpg,x\nb 2.jpg,y\nc 3.jpg,x\n')
    assert read_list(path).columns["column 2"] == ["x", "y", "x"]


def test_twice_the_million_rows_of_one_group_each_are_a_note():
    train = [(f"case_{i}.jpg", "ab"[i % 2], f"p{i}") for i in range(2000)]
    found = audit(train[:1500], train[1500:])
    assert [f.text for f in found.findings] == ["each of the 2,000 rows is a group of its own: the key joins nothing"]


FRAMES = {
    "video and frame": ("video,frame,label\n", lambda v, i: f"v{v},{i * 30},{'ab'[(v + i) % 2]}\n"),
    "video file and frame": ("video,frame,label\n", lambda v, i: f"x/case{v}.mp4,{i * 30},{'ab'[(v + i) % 2]}\n"),
    "clips of one file, no header": ("", lambda v, i: f"x/case{v}.mp4 {i * 30} {i * 30 + 9} {(v + i) % 2}\n"),
    "start and end": (
        "clip,start,end,label\n",
        lambda v, i: f"case{v}.mp4,{i * 30},{i * 30 + 9},{'ab'[(v + i) % 2]}\n",
    ),
}


@pytest.mark.parametrize("form", sorted(FRAMES))
def test_rows_that_a_video_and_a_number_name_together_are_told_apart(form, tmp_path):
    header, row = FRAMES[form]
    train, test = tmp_path / "train.txt", tmp_path / "test.txt"
    train.write_text(header + "".join(row(v, i) for v in range(10) for i in range(6)))
    test.write_text(header + "".join(row(v, i) for v in range(8, 18) for i in range(6)))
    found = audit(train, test)
    assert found.rule is not None
    assert found.rule.count == 18
    assert {f.check: f.count for f in found.findings} == {"rows-train-test": 12, "groups-train-test": 2}


def test_folds_as_nnu_net_writes_them(tmp_path):
    path = tmp_path / "splits_final.json"
    cases = [[f"case_{p}_{i}" for p in range(k, 30, 3) for i in range(2)] for k in range(3)]
    folds = [{"train": [c for j in range(3) if j != k for c in cases[j]], "val": cases[k]} for k in range(3)]
    path.write_text(json.dumps(folds))
    found = audit(path)
    assert len(found.folds) == 3
    assert found.findings == ()


def test_of_columns_without_a_header_the_one_with_fewest_values_is_the_label(tmp_path):
    path = tmp_path / "l.csv"
    path.write_text("".join(f"{i}.jpg,P{i // 4:02d},{i % 3},7\n" for i in range(48)))
    table = read(path)
    assert table.labels == [str(i % 3) for i in range(48)]
    assert "not used: column 2, column 4" in table.understood[0]


@given(st.one_of(st.text(max_size=200), st.binary(max_size=200)))
def test_whatever_a_file_holds_it_is_read_or_refused(tmp_path_factory, held):
    path = tmp_path_factory.mktemp("lists") / "l.csv"
    path.write_bytes(held if isinstance(held, bytes) else held.encode("utf-8", "surrogatepass"))
    try:
        audit(path)
    except EndoError as error:
        assert str(error).endswith((".", "csv"))


ALPHABET = st.sampled_from(
    ["a", "1", ",", ";", "\t", " ", "\n", '"', "/", ".jpg", "file", "label", "{", "[", "]", "}", ":"]
)


@given(st.lists(ALPHABET, max_size=60))
def test_whatever_looks_like_a_list_is_read_or_refused(tmp_path_factory, parts):
    path = tmp_path_factory.mktemp("lists") / "l.csv"
    path.write_text("".join(parts))
    try:
        found = audit(path)
    except EndoError as error:
        assert str(error)  # one sentence, no bug
    else:
        assert len(found.rows.names) > 0


def test_json_that_is_nested_without_end_is_refused(tmp_path):
    path = tmp_path / "deep.json"
    path.write_text("[" * 100_000 + "]" * 100_000)
    with pytest.raises(BadInput, match="nested too deep"):
        audit(path, path.with_name("none.csv"))
