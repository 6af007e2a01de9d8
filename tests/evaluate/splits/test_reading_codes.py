"""Codes that lists write differently: labels as 0 and 0.0, fold numbers beside the word test, headers of one list."""

from __future__ import annotations

import pytest

from endoeval.splits import audit
from endoeval.splits.rows import TEST
from endoshards.errors import BadInput


def listed(path, cases, label, header="file,label", more=""):
    lines = [f"case_{p:02d}_{i * 50}.jpg,{label((p + i) % 2)}{more}" for p in cases for i in range(6)]
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


LABELS = {
    "decimals": (lambda k: f"{k}.0", str, ("0", "1")),
    "zeros in front": (lambda k: f"{k:02d}", str, ("0", "1")),
    "case": (("Polyp", "Normal").__getitem__, ("polyp", "normal").__getitem__, ("Normal", "Polyp")),
    "separators": (("flat polyp", "no polyp").__getitem__, ("flat_polyp", "no_polyp").__getitem__,
                   ("flat polyp", "no polyp")),
}  # fmt: skip


@pytest.mark.parametrize("code", sorted(LABELS))
def test_labels_that_two_lists_spell_differently_are_one_and_said(code, tmp_path):
    one, other, classes = LABELS[code]
    found = audit(listed(tmp_path / "a.csv", range(8), one), listed(tmp_path / "b.csv", range(8, 16), other))
    assert set(found.rows.classes) == set(classes)
    assert found.findings == ()
    assert found.nulls[0].accuracy == 0.5
    assert any(line.startswith("2 labels that the lists write differently are taken as one: ")
               for line in found.understood)  # fmt: skip


def test_labels_as_0_and_0_0_inside_one_list_are_one(tmp_path):
    lines = [f"case_{p:02d}_{i * 50}.jpg,{(p + i) % 2}{'.0' * (i > 2)}" for p in range(8) for i in range(6)]
    (tmp_path / "a.csv").write_text("file,label\n" + "\n".join(lines))
    found = audit(tmp_path / "a.csv", listed(tmp_path / "b.csv", range(8, 16), str))
    assert found.rows.classes == ("0", "1")


def test_labels_that_one_list_tells_apart_stay_apart(tmp_path):
    train = listed(tmp_path / "a.csv", range(8), ("t1", "T1").__getitem__)
    found = audit(train, listed(tmp_path / "b.csv", range(8, 16), ("t1", "T1").__getitem__))
    assert found.rows.classes == ("T1", "t1")


def folds(path, word):
    lines = [f"case_{p:02d}_{i * 50}.jpg,{'ab'[(p + i) % 2]},{word(p)}" for p in range(16) for i in range(6)]
    path.write_text("\n".join(["file,label,fold", *lines]) + "\n")
    return path


@pytest.mark.parametrize("fold", ["{}", "fold{}", "{}.0"])
@pytest.mark.parametrize("test", ["test", "Test", "testing"])
def test_fold_numbers_beside_the_word_test_are_train(fold, test, tmp_path):
    found = audit(folds(tmp_path / "l.csv", lambda p: test if p > 11 else fold.format(p % 3)))
    assert found.folds == ()
    assert int((found.rows.splits == TEST).sum()) == 24
    assert "fold numbers 0, 1, 2 beside the word test: their rows are train" in found.understood


@pytest.mark.parametrize(("words", "sizes"), [("val", (72, 0, 24)), ("val test", (72, 12, 12))])
def test_folds_beside_val_are_train(words, sizes, tmp_path):
    first, last = words.split()[0], words.split()[-1]
    found = audit(folds(tmp_path / "l.csv", lambda p: p % 3 if p < 12 else first if p < 14 else last))
    assert found.folds == ()
    assert tuple(int((found.rows.splits == split).sum()) for split in range(3)) == sizes
    assert (
        f"fold numbers 0, 1, 2 beside the word {' and '.join(words.split())}: their rows are train" in found.understood
    )


@pytest.mark.parametrize("below", ["-1", "-1.0", "fold -1", "Fold_-1"])
def test_a_fold_of_minus_one_is_refused_and_never_taken_for_fold_1(below, tmp_path):
    with pytest.raises(BadInput, match=f"holds {below} beside fold numbers, which some take for always train and some"):
        audit(folds(tmp_path / "l.csv", lambda p: below if p > 11 else p % 3))


@pytest.mark.parametrize("option", ["label_column", "file_column", "split_column", "group_column"])
def test_columns_are_refused_for_one_folder_that_holds_train_and_test(option, tmp_path):
    for split, cases in (("train", range(4)), ("test", range(4, 8))):
        for p in cases:
            path = tmp_path / split / "ab"[p % 2] / f"case_{p}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    with pytest.raises(BadInput, match=f"is a folder and has no columns; leave out --{option.replace('_', '-')} kind"):
        audit(tmp_path, **{option: "kind"})


def test_a_header_word_in_every_video_of_train_alone_is_noted():
    def rows(videos, header):
        return [
            (f"video_{p:02d}_{i * 100}.jpg", "Phase" if header and i == 0 else "abc"[(i + p) % 3])
            for p in videos for i in range(6)
        ]  # fmt: skip

    found = audit(rows(range(14), True), rows(range(14, 26), False))
    (note,) = [f for f in found.findings if f.check == "class-once-a-group"]
    assert note.text.startswith(
        "1 class occurs exactly once in each of the 14 groups of train and nowhere else (Phase)"
    )
    assert audit(rows(range(14), False), rows(range(14, 26), False)).findings == ()


def test_a_list_without_folders_is_compared_by_base_names(tmp_path):
    def rows(cases, folder):
        return [
            (f"{folder.format(p)}case_{p:02d}_{i * 50}.jpg", "ab"[(p + i) % 2]) for p in cases for i in range(4)
        ]  # fmt: skip

    train, test = rows(range(10), "/net/x/{}/"), rows(range(8, 14), "")
    for name, _ in train:
        (tmp_path / name.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name.lstrip("/")).write_bytes(name.encode())
    for lists in ((train, test), (rows(range(8, 14), ""), train[:24] + train[32:])):
        found = audit(*lists, data_root=tmp_path)
        checks = {f.check: f.count for f in found.findings if f.kind == "fault"}
        assert checks == {"rows-train-test": 8, "groups-train-test": 2}
        assert any(line.startswith("folders are left out of all names") for line in found.understood)
        assert sum(digest != "" for digest in found.rows.digests) == len(lists[0] if lists[0] is train else lists[1])


def test_folders_whose_base_names_recur_are_kept():
    train = [(f"case_{p:02d}/{i * 50}.jpg", "ab"[(p + i) % 2]) for p in range(10) for i in range(4)]
    found = audit(train, [(f"{i * 50}.jpg", "ab"[i % 2]) for i in range(10)])
    assert found.rows.names[0] == "case_00/0.jpg"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["c/0.jpg,p0", "c/0.jpg,p7"], r"names c/0.jpg twice, with groups p0 and p7; every name wants one group"),
        (["0.jpg,p0"], r"the name 0.jpg of .* fits 2 rows, d/0.jpg and c/0.jpg; write names as the lists have them"),
    ],
)
def test_a_table_that_says_two_things_is_refused(lines, message, tmp_path):
    rows = [(f"{folder}/{i}.jpg", "ab"[i % 2]) for folder in "cd" for i in range(4)]
    told = [f"{name},p{i}" for i, (name, _) in enumerate(rows) if name not in ("c/0.jpg", "d/0.jpg")]
    told += [] if lines == ["0.jpg,p0"] else ["d/0.jpg,p1"]
    (tmp_path / "g.csv").write_text("\n".join(["file,group", *told, *lines]))
    with pytest.raises(BadInput, match=message.replace("d/0.jpg and c/0.jpg", "./0.jpg and ./0.jpg")):
        audit(rows[:6], rows[6:], groups=tmp_path / "g.csv")
