"""Negatives by name under a label that says otherwise are noted; negatives under their own label are not."""

from __future__ import annotations

import pytest
from hand_rows import rows_of

from endoeval.splits.names import cut
from endoeval.splits.negatives import negatives_under_a_label

NAN = float("nan")


def found(*kinds: tuple[str, str, int]) -> list[tuple[int, str]]:
    """Findings on train rows of (folder, label, how many)."""
    listed = [
        ("train", f"{folder}/{at}-{i}.png", label, None, NAN)
        for at, (folder, label, count) in enumerate(kinds)
        for i in range(count)
    ]
    rows = rows_of(listed)
    return [(finding.count, finding.text) for finding in negatives_under_a_label(rows, cut(rows.names))]


def test_a_folder_of_negatives_under_two_labels_is_noted_even_where_one_label_has_little_else():
    ((count, text),) = found(("rest", "1", 200), ("rest", "0", 100), ("polyp", "1", 10))
    assert count == 300
    assert text.endswith(": 0, 1")


def test_one_row_astray_is_noted_alone():
    ((count, text),) = found(("rest", "0", 200), ("rest", "1", 1), ("polyp", "1", 200))
    assert count == 1
    assert text.endswith(": 1")


def test_negatives_under_a_positive_label_are_noted():
    assert [count for count, _ in found(("rest", "1", 20), ("polyp", "1", 100), ("ulcer", "0", 100))] == [20]


@pytest.mark.parametrize("word", ["NoPolyp", "no_polyp", "nonPolyp", "healthy", "negative", "Normal", "no-lesion"])
def test_words_for_negatives(word):
    assert found((word, "0", 50), ("polyp", "1", 50)) == []
    assert [count for count, _ in found((word, "1", 20), ("polyp", "1", 50), ("ulcer", "0", 50))] == [20]


@pytest.mark.parametrize("word", ["nodule", "Nodule", "NBI", "north", "Nose", "NODULE"])
def test_words_that_only_begin_so(word):
    assert found((word, "1", 20), ("polyp", "1", 50), ("ulcer", "0", 50)) == []


def test_a_folder_that_a_whole_list_lies_in_is_where_it_was_written():
    assert found(("mnt/other/train/polyp", "1", 50), ("mnt/other/train/ulcer", "0", 50)) == []
    inside = found(("other/train/rest", "1", 20), ("other/train/polyp", "1", 50), ("other/train/ulcer", "0", 50))
    assert [count for count, _ in inside] == [20]


def test_two_folders_of_negatives_with_a_label_each_are_their_own():
    assert found(("no polyp", "no polyp", 50), ("normal", "normal", 50), ("polyp", "polyp", 50)) == []


def test_a_list_of_negatives_alone_lies_in_their_folder():
    listed = [("train", f"{word}/{i}.png", word, None, NAN) for word in ("rest", "polyp") for i in range(50)]
    listed += [("test", f"rest/{i}.png", "rest", None, NAN) for i in range(50, 80)]
    rows = rows_of(listed)
    assert negatives_under_a_label(rows, cut(rows.names)) == []
