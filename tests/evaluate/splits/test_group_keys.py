"""Group keys read off names: which rule wins, on names as public sets have them, and when there is none."""

from __future__ import annotations

import hashlib
import uuid

import numpy as np
import pytest

from endoeval.splits import audit

PATIENTS = range(12)
FRAMES = range(7)


def hexadecimal(i: int, digits: int = 16) -> str:
    return hashlib.sha256(str(i).encode()).hexdigest()[:digits]


def unique_id(i: int) -> str:
    return str(uuid.UUID(hexadecimal(i, 32)))


STYLES = {
    "UUID and frame": lambda p, i: f"{unique_id(p)}_{i}.avi",
    "UUID folder": lambda p, i: f"{unique_id(p)}/frame_{i:05d}.png",
    "hexadecimal and frame": lambda p, i: f"{hexadecimal(p)}_{i * 37}.jpg",
    "hexadecimal, upper case, under class folders": lambda p, i: (
        f"{('polyp', 'normal')[i % 2]}/{hexadecimal(p).upper()}-{i}.jpg"
    ),
    "patient folder, video folder": lambda p, i: f"patient_{p:02d}/video_{i % 2}/{i:06d}.png",
    "patient over case": lambda p, i: f"Patient {p}/case{i // 2}/img ({i}).png",
    "subject in the stem": lambda p, i: f"subject{p}_{i}.png",
    "case and frame": lambda p, i: f"data/images/case_{p}_frame_{i:04d}.jpg",
    "case under class folders": lambda p, i: (
        f"{('Rhexis', 'Phako', 'Incision')[i % 3]}/case_{p:02d}_training_{i:04d}.mp4"
    ),
    "case with a class word": lambda p, i: f"case_{p}_{('polyp', 'normal')[i % 2]}_{i}.jpg",
    "video number": lambda p, i: f"workflow_video_{p:02d}_{'abcdefghi'[i]}_phase.mp4",
    "VID": lambda p, i: f"frames/VID{p:02d}/{i:06d}.jpg",
    "sequence": lambda p, i: f"seq{p}/images/{i}.jpg",
    "REAL-Colon": lambda p, i: f"{p % 4 + 1:03d}-{p // 4 + 1:03d}_frames/{p % 4 + 1:03d}-{p // 4 + 1:03d}_{i * 10}.jpg",
    "REAL-Colon with .0": lambda p, i: f"{p % 4 + 1:03d}-{p // 4 + 1:03d}_{i}.0.jpg",
    "numbered folder": lambda p, i: f"{p + 1}/{i:04d}.jpg",
    "numbered folder under class folders": lambda p, i: f"{('bleeding', 'normal')[p % 2]}/{p:03d}/{i:04d}.jpg",
    "letters and number folder": lambda p, i: (
        f"bern/phase/BBP{p:02d}/BBP{p:02d}_phase_{i:03d}_step_{i * 90:06d}-{i * 90 + 50:06d}.mp4"
    ),
    "stem less its last number": lambda p, i: f"cholec80_{p:02d}_{i + 1}.mp4",
    "stem less its last two numbers": lambda p, i: f"B{p}_{i // 3}_{i}.jpg",
    "interval in seconds": lambda p, i: f"Suturing_B{p:03d}_{i * 9}.53_{i * 9 + 5}.77_G{i}.mp4",
    "interval in frames": lambda p, i: f"{p}_{i * 90}_{i * 90 + 30}_polyps.mp4",
    "split words in the stem": lambda p, i: (
        f"m2cai_{'train' if p < 8 else 'test'}_video_{p % 8:02d}_{'abcdefghi'[i]}.mp4"
    ),
    "light": lambda p, i: f"{('WL', 'NBI', 'BLI')[i % 3]}({p}).mp4" if i < 3 else f"LCI({p}).mp4",
    "side": lambda p, i: f"eye{p}_{('left', 'right')[i % 2]}.png",
    "light before the case": lambda p, i: f"{('WL', 'NBI')[i % 2]}_lesion_{p}_{i}.png",
    "light folders": lambda p, i: f"{('WLI', 'NBI')[i % 2]}/K{p:03d}_{i}.png",
    "spaces and quotes": lambda p, i: f'Dr. O\'Hara "set"/case {p} ({i}).jpg',
}


def lists(style: str) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Train and test of patients 0 to 7 and 8 to 11; labels vary inside a patient."""
    made: tuple[list[tuple[str, str]], list[tuple[str, str]]] = ([], [])
    for p in PATIENTS:
        rows = [(STYLES[style](p, i), ("polyp", "normal")[(p + i + i // 3) % 2]) for i in FRAMES]
        made[p >= 8].extend(dict(rows).items())
    return made


@pytest.mark.parametrize("style", sorted(STYLES))
def test_patients_are_told_apart_by_their_names(style):
    train, test = lists(style)
    rows = audit(train, test).rows
    assert rows.groups is not None
    truth = [p for p in PATIENTS for _ in {STYLES[style](p, i) for i in FRAMES}]
    pairs = {(int(group), p) for group, p in zip(rows.groups, truth, strict=True)}
    assert len(pairs) == len(rows.group_names) == len(PATIENTS), rows.rule


NO_KEY = {
    "a UUID a row": lambda i: f"{unique_id(i)}.jpg",
    "numbers": lambda i: f"{i + 1}.tif",
    "padded numbers": lambda i: f"images/{i:06d}.png",
    "numbers under class folders": lambda i: f"{('polyp', 'normal')[i % 2]}/{i // 2}.jpg",
    "class and number": lambda i: f"{('polyp', 'normal')[i % 2]}_{i:03d}.jpg",
    "class number and number": lambda i: f"{i % 2:02d}_suction/{i % 2:02d}_{i:02d}.mp4",
    "letters": lambda i: f"{'ABCDEFGHIJ'[i % 10]}{i:02d}{'QRSTUVWXYZ'[i // 10]}.mp4",
    "a case a row": lambda i: f"case_{i}.jpg",
}


@pytest.mark.parametrize("style", sorted(NO_KEY))
def test_names_that_join_nothing_give_no_key_and_are_never_called_clean(style):
    rows = [(NO_KEY[style](i), ("polyp", "normal")[i % 2]) for i in range(100)]
    found = audit(rows[:70], rows[70:])
    assert found.rule is None
    assert "no group key: independence cannot be shown" in [finding.text for finding in found.findings]


def test_the_choice_is_explained_with_examples_and_what_would_change():
    train = [(f"case_{p}/video_{v}_{i}.jpg", "ab"[(p + i) % 2]) for p in range(6) for v in range(2) for i in range(4)]
    test = [(f"case_{p}/video_{v}_{i}.jpg", "ab"[(p + i) % 2]) for p in range(6, 9) for v in range(2) for i in range(4)]
    rule = audit(train, test).rule
    assert rule is not None
    assert rule.name == "a case's number in the names"
    assert rule.count == 9
    assert rule.why == (
        "read off the names: it holds for the rows and makes 9 groups of 72 rows; "
        "0% of rows have the label of the other rows of their group"
    )
    assert rule.examples == ("case_0", "case_1", "case_2", "case_3", "case_4")
    assert rule.second == "a video's number in the names"
    assert rule.change == (
        "18 groups instead of 9; 0 of them in train and test (0.0% of the test rows), instead of 0 (0.0%)"
    )


def test_numbers_that_begin_anew_in_each_class_folder_are_other_lesions():
    rows = [
        (f"{kind}/{light}({i}).mp4", kind)
        for kind in ("adenoma", "serrated")
        for i in range(20)
        for light in ("WL", "NBI")
    ]
    found = audit([r for r in rows if "WL" in r[0]], [r for r in rows if "NBI" in r[0]])
    assert found.rule is not None
    assert found.rule.count == 40


def test_blocks_of_unique_ids_that_meet_by_chance_are_no_group():
    rows = [(f"{unique_id(i)}.jpg", "ab"[i % 2]) for i in range(3000)]
    rows += [(f"{unique_id(i)[:8]}{unique_id(i + 7000)[8:]}.jpg", "ab"[i % 2]) for i in range(20)]
    assert audit(rows[:2500], rows[2500:]).rule is None


def test_a_few_pairs_of_sides_among_single_rows_are_joined():
    left = [(f"{i:04d}_left.jpg", "ab"[i % 2]) for i in range(100)]
    right = [(f"{i:04d}_right.jpg", "ab"[i % 2]) for i in range(90, 200)]
    assert {f.check: f.count for f in audit(left, right).findings} == {"groups-train-test": 10}


def test_a_few_shared_cases_among_single_rows_are_found():
    train = [(f"case_{i}_a.jpg", "ab"[i % 2]) for i in range(300)]
    test = [(f"case_{i}_b.jpg", "ab"[i % 2]) for i in range(297, 400)]
    assert {f.check: f.count for f in audit(train, test).findings} == {"groups-train-test": 3}


def test_numbers_that_run_through_all_class_folders_are_one_count():
    rows = [(f"{kind}/case_{i}_{j}.jpg", kind) for j, kind in enumerate(("polyp", "ulcer")) for i in range(20)]
    found = audit(rows[:30], rows[30:])
    assert found.rule is not None
    assert found.rule.count == 20


def test_videos_counted_anew_in_each_split_folder_are_not_shared():
    def rows(split: str, videos: int) -> list[tuple[str, str]]:
        return [(f"{split}/video_{v:02d}/{i:04d}.jpg", "ab"[(v + i) % 2]) for v in range(videos) for i in range(5)]

    assert "groups-train-test" not in {f.check for f in audit(rows("train", 10), rows("test", 7)).findings}


def test_videos_whose_frames_are_dealt_to_split_folders_are_shared():
    rows = [(f"{v:02d}", i, "ab"[(v + i) % 2]) for v in range(10) for i in range(10)]
    train = [(f"train/video_{v}/{i:04d}.jpg", label) for v, i, label in rows if i % 3]
    test = [(f"test/video_{v}/{i:04d}.jpg", label) for v, i, label in rows if not i % 3]
    assert {f.check: f.count for f in audit(train, test).findings if f.check.startswith("groups")} == {
        "groups-train-test": 10
    }


def test_groups_come_from_a_column_a_table_or_a_pattern(tmp_path):
    train = [(f"{i}.jpg", "ab"[i % 2], f"p{i // 4}") for i in range(40)]
    test = [(f"{i}.jpg", "ab"[i % 2], f"p{i // 4}") for i in range(36, 64)]
    by_column = audit([(r[0], r[1], r[2]) for r in train[:36]], test)
    assert {f.check: f.count for f in by_column.findings} == {}
    table = tmp_path / "groups.csv"
    table.write_text("file,patient\n" + "".join(f"images/{i}.jpg,p{i // 5}\n" for i in range(64)))
    by_table = audit([r[:2] for r in train[:36]], [r[:2] for r in test], groups=table)
    assert {f.check: f.count for f in by_table.findings}["groups-train-test"] == 1
    by_pattern = audit([r[:2] for r in train[:36]], [r[:2] for r in test], group_pattern=r"^(\d?)\d\.jpg")
    assert by_pattern.rule is not None
    assert by_pattern.rule.name == r"pattern ^(\d?)\d\.jpg"
    assert {f.check for f in by_pattern.findings} >= {"groups-train-test"}


def test_left_out_rows_are_judged_by_the_others_of_their_group():
    from endoeval.splits.groups import left_out

    groups = np.array([0, 0, 0, 1, 1, 2, 3, 3, 3])
    labels = np.array([0, 0, 1, 0, 1, 1, 1, 1, 1])
    # Group 0: rows 0 and 1 see one of each, a tie; row 2 sees 0. Group 1: wrong both. Group 2: alone. Group 3: right.
    assert left_out(labels, groups) == pytest.approx((0.5 + 0.5 + 0 + 0 + 0 + 0 + 3) / 9)
