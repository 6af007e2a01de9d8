"""`endocur extract` as a user types it: real processes on drawn videos; what may not change is compared by byte."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
from corpus_maker import draw_still, draw_video, endocur, environment

from endocur.corpus import Corpus, corpus_lock

QUICK = ("--fps", "5", "--no-text-detection")


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`videos/` with three videos and three stills of one folder."""
    videos = tmp_path_factory.mktemp("recordings") / "videos"
    (videos / "stills").mkdir(parents=True)
    for seed, name in enumerate(("a", "b", "c")):
        draw_video(videos / f"{name}.mp4", seed=seed, seconds=2.0)
    for seed, name in enumerate(("one", "two", "three")):
        draw_still(videos / "stills" / f"{name}.jpg", seed=20 + seed)
    return videos


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One key for all studies of this file, so that their ids can be compared."""
    path = tmp_path_factory.mktemp("key") / "key"
    path.write_text(f"endomae-key-1 {'5e' * 32}\n")
    return path


@pytest.fixture
def fresh(tmp_path: Path, recordings: Path, key: Path) -> Path:
    """A study with `videos/` and the key, nothing extracted."""
    study = tmp_path / "study"
    shutil.copytree(recordings, study / "videos")
    (study / "home" / ".config" / "endomae").mkdir(parents=True)
    shutil.copy(key, study / "home" / ".config" / "endomae" / "key")
    return study


@pytest.fixture(scope="module")
def extracted(tmp_path_factory: pytest.TempPathFactory, recordings: Path, key: Path) -> Path:
    """The same, extracted by one unbroken command. Look, do not write."""
    study = tmp_path_factory.mktemp("whole") / "study"
    shutil.copytree(recordings, study / "videos")
    (study / "home" / ".config" / "endomae").mkdir(parents=True)
    shutil.copy(key, study / "home" / ".config" / "endomae" / "key")
    (study / "said.txt").write_text(endocur(study, "extract", "videos", *QUICK, "--workers", "1").stdout)
    return study


@pytest.fixture
def study(extracted: Path, tmp_path: Path) -> Path:
    """An extracted study to do anything to; time stamps are kept, so files count as unchanged."""
    folder = tmp_path / "study"
    shutil.copytree(extracted, folder)
    return folder


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
        if any((fresh / "corpus" / "frames").glob("*.tar")):
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


@pytest.mark.parametrize(
    ("words", "field"),
    [
        (("--fps", "2", "--no-text-detection"), "fps = 5.0, this run says 2.0"),
        ((*QUICK, "--max-side", "640"), "max-side = 960, this run says 640"),
        ((*QUICK, "--minutes", "1"), "minutes = (not set), this run says 1.0"),
    ],
)
def test_another_config_is_refused_and_the_field_named(study: Path, words: tuple[str, ...], field: str) -> None:
    before = contents(study)
    done = endocur(study, "extract", "videos", *words, check=False)
    assert done.returncode == 3
    assert field in done.stderr
    assert "--restart" in done.stderr
    assert "another --corpus" in done.stderr
    assert contents(study) == before


def test_restart_extracts_anew_with_the_new_config_and_drops_what_was_derived(study: Path) -> None:
    (study / "corpus" / "decisions").mkdir()
    (study / "corpus" / "decisions" / "filter.parquet").write_bytes(b"old")
    endocur(study, "extract", "videos", "--fps", "2", "--no-text-detection", "--restart")
    assert len(frame_rows(study)) == 3 * 4 + 3
    assert not (study / "corpus" / "decisions").exists()
    assert tomllib.loads((study / "corpus" / "corpus.toml").read_text())["extract"]["fps"] == 2.0


def test_another_key_is_refused_also_with_restart(study: Path, tmp_path: Path) -> None:
    before = contents(study)
    (tmp_path / "new").write_text(f"endomae-key-1 {'7a' * 32}\n")
    for words in ((), ("--restart",)):
        done = endocur(study, "extract", "videos", *QUICK, *words, "--key", str(tmp_path / "new"), check=False)
        assert done.returncode == 3
        assert "was made with another key file" in done.stderr
    assert contents(study) == before


def test_a_corpus_whose_key_is_missing_gets_no_new_one(study: Path) -> None:
    before = contents(study)
    key = study / "home" / ".config" / "endomae" / "key"
    key.rename(study / "backup")
    for words, place in (((), key), (("--key", "typo"), "typo"), (("--restart",), key)):
        done = endocur(study, "extract", "videos", *QUICK, *words, check=False)
        assert done.returncode == 3
        assert f"the key of this corpus is missing at {place}; restore it from its backup or pass" in done.stderr
    assert not key.exists() and not (study / "typo").exists()
    endocur(study, "extract", "videos", *QUICK, "--key", "backup")
    assert contents(study) == before


def test_a_folder_of_other_things_becomes_no_corpus_and_loses_nothing(fresh: Path) -> None:
    (fresh / "nf" / "frames").mkdir(parents=True)
    (fresh / "nf" / "frames" / "mine.mp4").write_bytes(b"mine")
    (fresh / "home" / ".config" / "endomae" / "key").unlink()
    for folder in ("nf", "videos", "."):
        for words in ((), ("--restart",)):
            done = endocur(fresh, "extract", "videos/a.mp4", *QUICK, "--corpus", folder, *words, check=False)
            assert done.returncode == 3
            assert "no corpus (it has no corpus.toml), but not empty" in done.stderr
    assert [path.name for path in (fresh / "nf").rglob("*")] == ["frames", "mine.mp4"]
    assert not (fresh / "home" / ".config" / "endomae" / "key").exists()


def test_a_corpus_within_the_folder_of_recordings_is_no_recording(fresh: Path, extracted: Path) -> None:
    for where in (".", "."):
        endocur(fresh, "extract", where, *QUICK, "--exclude", "home")
    found = contents(fresh)
    del found["units/ignored.json"]
    assert found.keys() == contents(extracted).keys()


def test_a_key_inside_the_corpus_and_a_file_that_is_no_key_are_refused(fresh: Path) -> None:
    inside = endocur(fresh, "extract", "videos", "--key", "corpus/key", check=False)
    assert (inside.returncode, "lies inside the corpus" in inside.stderr) == (3, True)
    (fresh / "note").write_text("not a key")
    other = endocur(fresh, "extract", "videos", "--key", "note", check=False)
    assert (other.returncode, "is no key file" in other.stderr) == (3, True)
    assert not (fresh / "corpus" / "units").exists()


def test_a_second_command_on_one_corpus_is_refused(study: Path) -> None:
    with corpus_lock(Corpus(study / "corpus")):
        done = endocur(study, "extract", "videos", *QUICK, check=False)
    assert done.returncode == 3
    assert "corpus" in done.stderr
    assert str(os.getpid()) in done.stderr


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("nowhere",), "nowhere: no such file or folder"),
        (("empty",), "empty: no video and no picture among 0 files"),
        (("notes",), "notes: no video and no picture among 1 files"),
        (("videos", "--include", "*.mkv"), "no video and no picture"),
        (("videos", "--exclude", "@nowhere.txt"), "@nowhere.txt: the list cannot be read (no such file or directory)."),
        (("videos", "--groups", "nowhere.csv"), "--groups nowhere.csv cannot be read (no such file or directory)."),
        (("videos.zip",), "unpack it first: unzip"),
        (("videos", "--corpus", "notes/readme.md"), "a file lies where a folder is wanted"),
    ],
)
def test_what_cannot_be_extracted_is_refused_with_one_sentence(fresh: Path, words: tuple[str, ...], text: str) -> None:
    (fresh / "empty").mkdir()
    (fresh / "notes").mkdir()
    (fresh / "notes" / "readme.md").write_text("hello")
    (fresh / "videos.zip").write_bytes(b"PK\x03\x04" + bytes(100))
    done = endocur(fresh, "extract", *words, check=False)
    assert done.returncode == 3, done.stderr
    assert text in done.stderr
    assert "Traceback" not in done.stderr
    assert not (fresh / "corpus" / "frames").exists()


@pytest.mark.parametrize(
    "words",
    [("--fps", "0"), ("--part", "2/2"), ("--allow-failed", "2"), ("--jpeg-quality", "500"), ("--decoder", "magic")],
)
def test_a_malformed_option_ends_with_2(fresh: Path, words: tuple[str, ...]) -> None:
    done = endocur(fresh, "extract", "videos", *words, check=False)
    assert done.returncode == 2
    assert words[1] in done.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_output_that_may_not_be_written_is_refused(fresh: Path) -> None:
    (fresh / "locked").mkdir(mode=0o500)
    done = endocur(fresh, "extract", "videos", "--corpus", "locked/corpus", check=False)
    assert done.returncode == 3
    assert "no permission" in done.stderr


def test_a_full_disk_is_refused_names_the_file_and_holds_no_half_written_one(fresh: Path) -> None:
    (fresh / "small").mkdir()
    work = 'mount -t tmpfs -o size=200k none small && { "$@"; code=$?; find small -name ".tmp-*"; exit $code; }'
    mount = ["unshare", "-rm", "sh", "-c", work, "sh"]
    try:
        subprocess.run([*mount, "true"], cwd=fresh, check=True, capture_output=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip("no small file system can be mounted here")
    line = [sys.executable, "-m", "endocur", "extract", "videos", *QUICK, "--workers", "2", "--corpus", "small/corpus"]
    done = subprocess.run(
        [*mount, *line], cwd=fresh, env=environment(fresh), capture_output=True, text=True, check=False
    )
    assert done.returncode == 3
    assert re.match(r"endocur: small/corpus/\S+: the disk is full; free some space", done.stderr.splitlines()[-1])
    assert "MB are free; make room" in done.stderr
    assert ".tmp-" not in done.stdout


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


def test_all_frames_and_another_rate_are_one_too_many_and_a_rate_that_does_not_count_is_not_compared(
    fresh: Path,
) -> None:
    line = ("extract", "videos/a.mp4", "--no-text-detection", "--all-frames")
    both = endocur(fresh, *line, "--fps", "4", check=False)
    assert (both.returncode, "--all-frames and --fps 4 were both given" in both.stderr) == (2, True)
    endocur(fresh, *line)
    settings = fresh / "corpus" / "corpus.toml"
    settings.write_text(settings.read_text().replace("fps = 1.0", "fps = 4.0"))
    endocur(fresh, *line)
    assert endocur(fresh, *line[:-1], check=False).returncode == 3


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


def test_numbered_pictures_must_be_said_to_be_stills(tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for number in range(6):
        draw_still(pictures / f"frame_{number:04d}.jpg", seed=number)
    done = endocur(tmp_path, "extract", "pictures", *QUICK, "--corpus", "my corpus", check=False)
    assert done.returncode == 3
    line = re.search("type: (endocur extract .*)", done.stderr)[1]
    assert line == "endocur extract pictures --corpus 'my corpus' --fps 5 --stills --no-text-detection"
    endocur(tmp_path, "extract", "pictures", *QUICK, "--stills")
    assert len(jpegs(tmp_path)) == 6


def test_stills_that_come_later_make_a_new_unit_and_leave_the_old_one(study: Path) -> None:
    before = contents(study)
    draw_still(study / "videos" / "stills" / "late.jpg", seed=77)
    endocur(study, "extract", "videos", *QUICK)
    after = contents(study)
    assert len([name for name in after if name.startswith("frames/stills-") and name.endswith(".tar")]) == 2
    assert all(after[name] == data for name, data in before.items() if not name.startswith("units/"))


def test_a_corpus_is_not_written_into_a_source_tree(fresh: Path) -> None:
    clone = fresh.rename(fresh.with_name("clone"))
    (clone / "curation").mkdir()
    (clone / "pyproject.toml").write_text('[project]\nname = "endomae"\n')
    for words in ((), ("--corpus", "curation"), ("--corpus", "curation/corpus")):
        done = endocur(clone, "extract", "videos", *QUICK, *words, check=False)
        assert done.returncode == 3
        assert "type instead: endocur extract … --corpus ../study/corpus" in done.stderr
    assert list((clone / "curation").iterdir()) == [] and not (clone / "corpus").exists()


def contents(study: Path, corpus: str = "corpus") -> dict[str, bytes]:
    """Every file of the corpus but its log; corpus.toml without the name that comes from its place."""
    root = study / corpus
    files = {str(path.relative_to(root)): path for path in sorted(root.rglob("*")) if path.is_file()}
    found = {name: path.read_bytes() for name, path in files.items() if not name.startswith("log/")}
    found["corpus.toml"] = re.sub(rb'corpus_id = "[0-9a-f]+"', b"", found["corpus.toml"])
    return found


def times(study: Path) -> dict[str, int]:
    """When each file of the corpus was written."""
    root = study / "corpus"
    return {
        str(path): path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file() and path.parent.name != "log"
    }


def frame_rows(study: Path) -> list[dict[str, object]]:
    """All rows of all frame tables."""
    tables = sorted((study / "corpus" / "frames").glob("*.parquet"))
    return [row for table in tables for row in pq.read_table(table, partitioning=None).to_pylist()]


def jpegs(study: Path, corpus: str = "corpus") -> dict[str, bytes]:
    """Stored frames by name."""
    found: dict[str, bytes] = {}
    for path in sorted((study / corpus / "frames").glob("*.tar")):
        with tarfile.open(path) as archive:
            for member in archive:
                file = archive.extractfile(member)
                found[member.name] = file.read() if file else b""
    return found


def markers(study: Path) -> list[dict[str, object]]:
    """Markers of units, sorted by name."""
    folder = study / "corpus" / "units"
    return [json.loads((folder / f"{name}.json").read_text()) for name in unit_markers(study / "corpus")]


def unit_markers(corpus: Path) -> list[str]:
    """Names of units that have their own marker, those of chapters apart."""
    return sorted(path.stem for path in (corpus / "units").glob("[!.]*.json") if "." not in path.stem)


def statuses(study: Path) -> dict[str, str]:
    """Unit -> status."""
    return {str(marker["name"]): str(marker["status"]) for marker in markers(study)}


def kill_when(moment: Callable[[], bool], study: Path, *words: str) -> bool:
    """Start the command and kill -9 it as soon as the moment has come. Returns: whether it was killed at work."""
    process = start(study, *words)
    for _ in ticking(process):
        if moment():
            process.send_signal(signal.SIGKILL)
            break
    return process.wait() == -signal.SIGKILL


def start(study: Path, *words: str, errors: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    """Start the command and go on."""
    line = [sys.executable, "-m", "endocur", *words]
    return subprocess.Popen(
        line,
        cwd=study,
        env=environment(study),
        stdout=subprocess.DEVNULL,
        stderr=errors,
        start_new_session=True,  # a process group of its own
    )


def ticking(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Every other millisecond while the process lives."""
    while process.poll() is None:
        yield
        time.sleep(0.002)
