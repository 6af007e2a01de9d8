"""Inputs of `endocur extract`: failed ones, left out ones, copies, groups, stills."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
from corpus_maker import draw_still, endocur
from extract_study import (
    QUICK,
    contents,
    frame_rows,
    jpegs,
    markers,
    statuses,
)


def test_failed_inputs_beyond_what_is_allowed_end_with_5_and_keep_what_was_extracted(fresh: Path) -> None:
    for number in range(2):
        (fresh / "videos" / f"bad{number}.mp4").write_bytes(b"no video at all" + bytes([number]) * 100)
    done = endocur(fresh, "extract", "videos", *QUICK, check=False)
    assert done.returncode == 5
    assert "2 of 8 inputs failed, 1 may" in done.stderr
    assert len(re.findall(r"^input \d+ \(id [0-9a-f]{16}\) failed: no video", done.stderr, re.MULTILINE)) == 2
    assert len(frame_rows(fresh)) == 3 * 10 + 3
    again = endocur(fresh, "extract", "videos", *QUICK, "--allow-failed", "0.25")
    assert "warning: 2 of 8 inputs failed; 2 may" in again.stdout


def test_what_failed_and_was_mended_or_excluded_is_a_failure_no_more(fresh: Path) -> None:
    videos = fresh / "videos"
    whole = (videos / "a.mp4").read_bytes()
    (videos / "a.mp4").write_bytes(whole[:200])
    (videos / "bad.mp4").write_bytes(b"no video at all" * 9)
    endocur(fresh, "extract", "videos", *QUICK, "--allow-failed", "0.5")
    assert sorted(statuses(fresh).values()).count("failed") == 2
    (videos / "a.mp4").write_bytes(whole)
    assert "inputs failed                    1" in endocur(fresh, "extract", "videos", *QUICK).stdout
    assert sorted(statuses(fresh).values()).count("failed") == 1  # one failed input is always allowed
    endocur(fresh, "extract", "videos", *QUICK, "--exclude", "bad.mp4")
    assert Counter(statuses(fresh).values()) == {"ok": 4, "ignored": 1}


def test_strict_ends_at_the_first_failed_input_and_says_where_its_name_stands(fresh: Path) -> None:
    (fresh / "videos" / "bad.mp4").write_bytes(b"no video at all" * 10)
    done = endocur(fresh, "extract", "videos", *QUICK, "--strict", "--workers", "1", check=False)
    assert done.returncode == 5
    assert "(--strict); which file that is stands in " in done.stderr
    rows = pq.read_table(done.stderr.rsplit("stands in ", 1)[1].strip(), partitioning=None).to_pylist()
    by_name = {Path(os.fsdecode(row["path"])).name: row for row in rows}
    assert (by_name["bad.mp4"]["status"], len(rows)) == ("failed", 7)
    assert f"input {by_name['bad.mp4']['position']} (id {by_name['bad.mp4']['source_id']}) failed" in done.stderr
    assert not list((fresh / "corpus").rglob(".tmp-*"))
    (fresh / "videos" / "bad.mp4").unlink()
    endocur(fresh, "extract", "videos", *QUICK, "--strict")
    assert Counter(statuses(fresh).values()) == {"ok": 4, "failed": 1}


def test_the_only_input_that_fails_is_called_so(fresh: Path) -> None:
    (fresh / "bad.mp4").write_bytes(b"no video at all" * 10)
    done = endocur(fresh, "extract", "bad.mp4", *QUICK, check=False)
    assert done.returncode == 5
    assert "endocur: the only input failed, so nothing came of this run" in done.stderr
    assert "may" not in done.stderr


def test_include_and_exclude_take_globs_folders_and_lists(fresh: Path) -> None:
    (fresh / "left_out.txt").write_text("videos/b.mp4\n\nstills\n")
    done = endocur(fresh, "extract", "videos", *QUICK, "--exclude", "@left_out.txt", "--exclude", "*.avi")
    assert "inputs ignored" in done.stdout
    assert "warning: --exclude: no input for 1 pattern (pattern 2)\n" in done.stdout
    assert sorted(statuses(fresh).values()) == ["ignored", "ok", "ok"]
    left_out = json.loads((fresh / "corpus" / "units" / "ignored.json").read_text())["inputs"]
    assert {(row["status"], row["reason"]) for row in left_out} == {("ignored", "excluded")}
    endocur(fresh, "extract", "videos", *QUICK)
    assert sorted(statuses(fresh).values()) == ["ok"] * 4
    endocur(fresh, "extract", "videos", *QUICK, "--include", "stills/*.jpg", "--corpus", "other")
    assert len(jpegs(fresh, "other")) == 3


def test_a_byte_copy_is_named_as_one_and_its_frames_count_once(fresh: Path) -> None:
    shutil.copy(fresh / "videos" / "a.mp4", fresh / "videos" / "z.mp4")
    shutil.copy(fresh / "videos" / "stills" / "one.jpg", fresh / "videos" / "stills" / "z.jpg")
    said = endocur(fresh, "extract", "videos", *QUICK).stdout
    assert "inputs copy                      2" in said
    assert len(frame_rows(fresh)) == 3 * 10 + 3
    rows = [row for marker in markers(fresh) for row in marker["inputs"]]
    copies = [row for row in rows if row["copy_of"]]
    assert [(row["status"], row["copy_of"] == row["id"]) for row in copies] == [("ok", True)] * 2
    assert len({row["position"] for row in rows}) == len(rows) == 8


def test_groups_are_read_from_a_table_and_regrouping_changes_tables_but_no_stored_frame(study: Path) -> None:
    before = contents(study)
    (study / "groups.csv").write_text("file,group,site\na.mp4,p1,x\nvideos/b.mp4,p1,x\nc.mp4,p2,y\nd.mp4,p3,y\n")
    done = endocur(study, "extract", "videos", *QUICK, "--groups", "groups.csv")
    assert "--groups: no input for 1 row (lines 5)" in done.stdout
    assert "--groups: no row for 3 inputs, taken alone (inputs 4, 5, 6)" in done.stdout
    after = contents(study)
    changed = {name for name in after if after[name] != before[name]}
    assert changed
    assert {Path(name).suffix for name in changed} == {".json", ".parquet"}
    assert not any(name.startswith(("scores", "views")) for name in changed)
    videos = [marker for marker in markers(study) if marker["kind"] == "video"]
    groups = sorted((marker["inputs"][0]["group"], marker["name"]) for marker in videos)
    assert len({group for group, _ in groups}) == 2
    assert {row["group_id"] for row in frame_rows(study) if row["unit"] == groups[0][1]} == {groups[0][0]}
    assert sorted(marker["inputs"][0]["extras"]["columns"]["site"] for marker in videos) == ["x", "x", "y"]
    assert all(b"p1" not in data for name, data in after.items() if name.endswith(".json"))
    shutil.rmtree(study / "corpus")
    endocur(study, "extract", "videos", *QUICK, "--groups", "groups.csv")
    assert contents(study) == after


def test_a_group_pattern_takes_its_first_group_from_the_path(study: Path) -> None:
    endocur(study, "extract", "videos", *QUICK, "--group-pattern", r"videos/([ab])?")
    groups = [marker["inputs"][0]["group"] for marker in markers(study) if marker["kind"] == "video"]
    assert len(set(groups)) == 3
    done = endocur(study, "extract", "videos", *QUICK, "--group-pattern", "videos", check=False)
    assert (done.returncode, "( )" in done.stderr) == (2, True)


def test_stills_that_come_later_make_a_new_unit_and_leave_the_old_one(study: Path) -> None:
    before = contents(study)
    draw_still(study / "videos" / "stills" / "late.jpg", seed=77)
    endocur(study, "extract", "videos", *QUICK)
    after = contents(study)
    assert len([name for name in after if name.startswith("frames/stills-") and name.endswith(".tar")]) == 2
    assert all(after[name] == data for name, data in before.items() if not name.startswith("units/"))
