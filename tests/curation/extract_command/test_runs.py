"""`endocur extract` run, again, in parts, on several workers, killed: real processes, compared by byte."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import tarfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from corpus_maker import draw_video, endocur
from extract_study import (
    QUICK,
    contents,
    frame_rows,
    jpegs,
    kill_when,
    markers,
    start,
    statuses,
    ticking,
    times,
    unit_markers,
)


def test_a_run_stores_frames_that_can_be_found_by_their_rows_and_says_what_to_type_next(extracted: Path) -> None:
    rows = frame_rows(extracted)
    account = json.loads((extracted / "corpus" / "log" / "extract.json").read_text())
    assert account["seen"] == account["kept"] + sum(account["dropped"].values()) == 3 * 20 + 3
    assert account["kept"] == len(rows) == 3 * 10 + 3
    for row in rows:
        tar = (extracted / "corpus" / "frames" / f"{row['unit']}.{row['chapter']:03d}.tar").read_bytes()
        jpeg = tar[row["offset"] : row["offset"] + row["size"]]
        assert cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR).shape[:2] == (row["height"], row["width"])
        assert row["frame_id"] == f"{row['source_id']}-{row['pts_us']:012d}"
        with tarfile.open(fileobj=BytesIO(tar)) as archive:
            assert archive.getmembers()[row["row"]].name == f"{row['frame_id']}.jpg"
    videos = [row for row in rows if not row["unit"].startswith("stills-")]
    assert {row["pts_us"] for row in videos} == {200_000 * step for step in range(10)}
    assert "next: endocur filter --min-quality 0.4\n" in (extracted / "said.txt").read_text()


def test_the_same_command_again_does_no_work_and_leaves_every_byte(study: Path) -> None:
    before, written = contents(study), times(study)
    said = endocur(study, "extract", "videos", *QUICK).stdout
    assert re.search(r"units already there +4\n", said)
    assert contents(study) == before
    assert times(study) == written


def test_sheets_that_hide_nothing_are_written_beside_the_key_only_when_asked_for(fresh: Path, extracted: Path) -> None:
    assert list((extracted / "home").rglob("*.jpg")) == []
    endocur(fresh, "extract", "videos", *QUICK, "--private-sheets")
    assert contents(fresh) == contents(extracted)
    shown = sorted((fresh / "corpus" / "reports" / "sheets").glob("*.jpg"))
    (clear,) = (fresh / "home" / ".config" / "endomae" / "private").glob("*/sheets")
    assert [path.name for path in sorted(clear.glob("*"))] == [path.name for path in shown]
    assert len(shown) == 3
    assert all((clear / path.name).read_bytes() != path.read_bytes() for path in shown)
    assert clear.parent.stat().st_mode & 0o077 == 0


def test_two_workers_write_what_one_wrote(fresh: Path, extracted: Path) -> None:
    endocur(fresh, "extract", "videos", *QUICK, "--workers", "2")
    assert contents(fresh) == contents(extracted)


def test_kill_9_at_any_moment_and_the_same_command_again_give_the_bytes_of_an_unbroken_run(
    fresh: Path, extracted: Path
) -> None:
    corpus = fresh / "corpus"
    moments: list[Callable[[], bool]] = [
        (corpus / "lock-0").exists,
        (corpus / "corpus.toml").exists,
        lambda: any((corpus / "frames").glob(".*")),
        lambda: any((corpus / "frames").glob("*.tar")),
        lambda: len(unit_markers(corpus)) >= 2,
        lambda: len(unit_markers(corpus)) >= 4,
    ]
    killed = [kill_when(moment, fresh, "extract", "videos", *QUICK, "--workers", "2") for moment in moments]
    endocur(fresh, "extract", "videos", *QUICK, "--workers", "2")
    assert sum(killed) >= 4
    assert contents(fresh) == contents(extracted)


def test_whatever_a_kill_left_of_a_unit_is_written_anew(study: Path, extracted: Path) -> None:
    corpus = study / "corpus"
    first, second, third = [name for name in unit_markers(corpus) if not name.startswith("stills-")]
    [stills] = [name for name in unit_markers(corpus) if name.startswith("stills-")]
    (corpus / "units" / f"{first}.json").unlink()  # killed after the chapter, before the unit's marker
    for name in (second, third, stills):
        (corpus / "units" / f"{name}.json").unlink()
        (corpus / "units" / f"{name}.000.json").unlink()
    (corpus / "scores" / f"{second}.000.parquet").unlink()  # between masks and scores
    for folder in ("scores", "views", "frames"):  # after the tar
        for file in (corpus / folder).glob(f"{third}.000.[!t]*"):
            file.unlink()
    tar = corpus / "frames" / f"{stills}.000.tar"
    tar.write_bytes(tar.read_bytes()[:5000])
    (corpus / "frames" / ".tmp-1234").write_bytes(b"x" * 10_000)
    endocur(study, "extract", "videos", *QUICK)
    left = {path.name for path in (corpus / "frames").iterdir()} - {".tmp-1234"}
    assert left == {path.name for path in (extracted / "corpus" / "frames").iterdir()}
    (corpus / "frames" / ".tmp-1234").unlink(missing_ok=True)
    assert contents(study) == contents(extracted)


def test_a_killed_worker_is_a_row_and_is_tried_again_next_time(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    draw_video(tmp_path / "videos" / "long.mp4", seed=1, seconds=40.0)
    draw_video(tmp_path / "videos" / "short.mp4", seed=2, seconds=1.0)
    words = ("extract", "videos", *QUICK, "--workers", "1")
    process = start(tmp_path, *words)
    worker = None
    for _ in ticking(process):
        if worker is None and any((tmp_path / "corpus" / "frames").glob(".tmp-*")):
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            worker = next(int(pid) for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes())
            os.kill(worker, signal.SIGKILL)
    assert worker is not None
    assert process.wait() == 0  # one failed input is allowed
    reasons = {str(marker["status"]): marker["reason"] for marker in markers(tmp_path)}
    assert reasons == {"failed": "worker ended by signal 9 (out of memory?)", "ok": ""}
    endocur(tmp_path, *words)
    assert set(statuses(tmp_path).values()) == {"ok"}


def test_ctrl_c_ends_quietly_and_the_same_command_gives_the_bytes_of_an_unbroken_run(
    fresh: Path, extracted: Path
) -> None:
    process = start(fresh, "extract", "videos", *QUICK, "--workers", "1", errors=subprocess.PIPE)
    for _ in ticking(process):
        if any((fresh / "corpus" / "frames").glob(".tmp-*")):
            process.send_signal(signal.SIGINT)
            break
    _, said = process.communicate()
    assert process.returncode == 130
    assert b"Traceback" not in said
    endocur(fresh, "extract", "videos", *QUICK)
    assert contents(fresh) == contents(extracted)


def test_sigterm_to_all_processes_ends_with_75_leaves_no_litter_and_the_same_command_goes_on(
    fresh: Path, extracted: Path
) -> None:
    process = start(fresh, "extract", "videos", *QUICK, "--workers", "2", errors=subprocess.PIPE)
    corpus = fresh / "corpus"
    for _ in ticking(process):
        if any((corpus / "frames").glob("*.tar")):
            os.killpg(process.pid, signal.SIGTERM)
            break
    _, said = process.communicate()
    assert (process.returncode, said.decode().splitlines()[-1]) == (
        75,
        "endocur: stopped by SIGTERM; the same command goes on from here.",
    )
    assert not list(corpus.rglob(".tmp-*")) and not list(corpus.glob("lock-*"))
    assert "failed" not in statuses(fresh).values()
    endocur(fresh, "extract", "videos", *QUICK)
    assert contents(fresh) == contents(extracted)


def test_what_happens_is_logged_a_line_each_and_shown_when_asked_for(fresh: Path) -> None:
    (fresh / "videos" / "bad.mp4").write_bytes(b"no video at all" * 10)
    done = endocur(fresh, "extract", "videos", *QUICK, "-v")
    text = (fresh / "corpus" / "log" / "extract.jsonl").read_text()
    assert [line.removeprefix("extract: ") for line in done.stderr.splitlines() if line.startswith("extract: {")] == (
        text.splitlines()
    )
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["event"] for line in lines] == ["start", *["unit"] * 5, "end"]
    assert re.fullmatch("[0-9a-f]{16}", lines[0]["fingerprint"])
    units = {line["id"]: (line["status"], line["frames"]) for line in lines[1:-1]}
    assert units == {str(marker["name"]): (marker["status"], marker["frames"]) for marker in markers(fresh)}
    assert all(line["seconds"] > 0 for line in lines[1:-1] if line["status"] == "ok")
    assert (lines[-1]["kept"], lines[-1]["failed"]) == (33, 1)
    quiet = endocur(fresh, "extract", "videos", *QUICK)
    assert "extract: {" not in quiet.stderr
    endocur(fresh, "filter")
    assert (fresh / "corpus" / "log" / "filter.jsonl").read_text().count("\n") == 2


def test_where_the_sheets_lie_is_said(extracted: Path) -> None:
    assert "sheets: corpus/reports/sheets  (" in (extracted / "said.txt").read_text()


def test_the_inputs_of_a_part_are_told_from_the_frames_of_the_whole(study: Path) -> None:
    done = endocur(study, "extract", "videos", *QUICK, "--part", "0/2", "--exclude", "stills")
    account = json.loads((study / "corpus" / "log" / "extract.json").read_text())
    assert account["kept"] == 33
    assert not [name for name in account["extra"] if name.startswith("inputs ") and not name.endswith("of part 0/2")]
    assert "of part 0/2" in done.stdout


def test_limit_and_minutes_try_a_part(fresh: Path) -> None:
    said = endocur(fresh, "extract", "videos", *QUICK, "--limit", "2", "--minutes", "0.01").stdout
    assert len(statuses(fresh)) == 2
    assert {row["pts_us"] for row in frame_rows(fresh)} == {0, 200_000, 400_000}
    assert "kept                             6" in said


def test_parts_together_are_the_whole(fresh: Path, extracted: Path) -> None:
    for number in range(2):
        endocur(fresh, "extract", "videos", *QUICK, "--exclude", "stills", "--part", f"{number}/2")
    videos = {name: data for name, data in contents(extracted).items() if "stills-" not in name}
    assert {name: data for name, data in contents(fresh).items() if name != "units/ignored.json"} == videos


def test_stills_in_parts_are_other_units_of_the_same_frames(fresh: Path, extracted: Path) -> None:
    for number in range(2):
        endocur(fresh, "extract", "videos/stills", *QUICK, "--part", f"{number}/2", check=False)
    ours = jpegs(fresh)
    assert ours == {name: data for name, data in jpegs(extracted).items() if name in ours}
    assert len(ours) == 3
