"""`endocur extract` on numbered pictures as a user types it: asked, said, killed, run again; no name leaves."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import sys
from pathlib import Path

import av
import cv2
import drawn_sequences as drawn
import numpy as np
import pyarrow.parquet as pq
import pytest
from corpus_maker import endocur, tissue
from drawn_videos import texture

sys.path.append(str(Path(__file__).parent / "extract_command"))

from extract_study import contents, frame_rows, jpegs, kill_when, markers, times

QUICK = ("--no-text-detection", "--workers", "1")
NAME = "miller_hans_1961"


def shown(index: int) -> np.ndarray:
    """A disc of tissue that moves, is out of focus for a while, and stands still at the end."""
    disc = np.zeros((120, 160, 1), np.uint8)
    cv2.circle(disc, (80, 60), 52, 1, -1)
    picture = texture(min(index, 90), (160, 120), seed=3)
    return (cv2.GaussianBlur(picture, (0, 0), 9) if 40 <= index < 60 else picture) * disc


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("key") / "key"
    path.write_text(f"endomae-key-1 {'7a' * 32}\n")
    return path


def with_key(study: Path, key: Path) -> Path:
    (study / "home" / ".config" / "endomae").mkdir(parents=True)
    shutil.copy(key, study / "home" / ".config" / "endomae" / "key")
    return study


@pytest.fixture
def frames(tmp_path: Path, key: Path) -> Path:
    """A study with one procedure of 120 pictures; the camera stands still at its end."""
    study = with_key(tmp_path / "study", key)
    for index in range(120):
        path = study / "videos" / NAME / f"{NAME}_{index + 1}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        drawn.write(path, shown(index))
    return study


def test_asked_then_told_by_the_line_it_printed_then_the_same_again(frames: Path) -> None:
    asked = endocur(frames, "extract", "videos", *QUICK, check=False)
    assert asked.returncode == 3
    assert NAME not in asked.stderr
    (line,) = re.findall("in place of 25: endocur (extract .*)", asked.stderr)
    said = endocur(frames, *shlex.split(line)).stdout
    assert "1 video and 0 stills to extract: about 5 frames to read" in said
    (marker,) = markers(frames)
    assert (marker["kind"], marker["status"], marker["frames"]) == ("video", "ok", 5)
    extras = marker["extras"]
    assert (extras["pictures"], extras["holes"], extras["timing"]) == (120, 0, {"fps": "25", "step": "1"})
    assert (extras["seen"], extras["dropped"]) == (120, {"not decoded": 115})
    assert [row["pts_us"] for row in frame_rows(frames)] == [1_000_000 * second for second in range(5)]
    before, written = contents(frames), times(frames)
    again = endocur(frames, *shlex.split(line)).stdout
    assert re.search(r"units already there +1\n", again)
    assert (contents(frames), times(frames)) == (before, written)
    other = endocur(frames, *shlex.split(line.replace("25", "30")), check=False)
    assert other.returncode == 3
    assert "input 1 was extracted at 25 frames a second, this run says 30 frames a second" in other.stderr


def test_no_name_of_a_folder_or_picture_leaves(frames: Path) -> None:
    (frames / "videos" / NAME / f"{NAME}_50.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (frames / "videos" / NAME / f"{NAME}_cover.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    done = endocur(
        frames, "extract", "videos", "--sequence-fps", "25", "--all-frames", *QUICK, "--allow-failed", "1", check=False
    )
    assert done.returncode == 0, done.stderr
    assert "partial: 1 damaged frames left out" in done.stderr
    for name, data in contents(frames).items():
        assert NAME.encode() not in data, name
    for path in (frames / "corpus" / "log").iterdir():
        assert NAME not in path.read_text(), path
    assert NAME not in done.stdout + done.stderr
    (table,) = (frames / "home").rglob("sources-0.parquet")
    rows = pq.read_table(table, partitioning=None).to_pylist()
    assert sorted(row["status"] for row in rows) == ["failed", "partial"]
    assert all(NAME.encode() in row["path"] for row in rows)


def test_the_same_pictures_under_other_names_are_one_source_and_another_range_is_another(frames: Path) -> None:
    for path in sorted((frames / "videos" / NAME).iterdir()):
        copy = frames / "videos" / "b" / f"frame{int(path.stem.rpartition('_')[2]):06d}.png"
        copy.parent.mkdir(exist_ok=True)
        shutil.copy(path, copy)
    said = endocur(frames, "extract", "videos", "--sequence-fps", "25", *QUICK).stdout
    assert "inputs copy                      1" in said
    assert len(jpegs(frames)) == 5
    (frames / "s.csv").write_text(f"folder,fps,group,first,last\n{NAME},25,p1,1,60\n{NAME},25,p2,61,120\n")
    endocur(frames, "extract", f"videos/{NAME}", "--sequences", "s.csv", "--corpus", "cut", *QUICK)
    ids = {
        json.loads(path.read_text())["name"]
        for path in (frames / "cut" / "units").glob("*.json")
        if "." not in path.stem
    }
    assert len(ids) == 2
    assert not ids & {str(marker["name"]) for marker in markers(frames)}


def test_kill_9_in_a_sequence_and_the_same_command_again_give_the_bytes_of_an_unbroken_run(
    frames: Path, tmp_path: Path
) -> None:
    whole = tmp_path / "whole"
    shutil.copytree(frames, whole)
    words = ("extract", "videos", "--sequence-fps", "25", "--all-frames", *QUICK)
    endocur(whole, *words)
    corpus = frames / "corpus"
    for moment in (
        (corpus / "corpus.toml").exists,
        lambda: any((corpus / "frames").glob(".*")),
        lambda: any((corpus / "frames").glob("*.tar")),
        lambda: any((corpus / "views").glob("*.npz")),
    ):
        assert kill_when(moment, frames, *words)
    endocur(frames, *words)
    assert contents(frames) == contents(whole)


def test_the_same_procedure_as_mp4_and_as_png_gives_the_same_decisions(tmp_path: Path, key: Path) -> None:
    shown_at = [tissue(5, min(index, 60), blurred=20 <= index < 40) for index in range(80)]
    video, frames = with_key(tmp_path / "video", key), with_key(tmp_path / "frames", key)
    for study in (video, frames):
        (study / "videos").mkdir()
    with av.open(str(video / "videos" / "v.mp4"), "w") as out:
        stream = out.add_stream("libx264rgb", rate=25)
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = 160, 120, "rgb24", 120
        stream.options = {"crf": "0", "preset": "ultrafast"}
        for index, picture in enumerate(shown_at):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            drawn.write(frames / "videos" / f"{index}.png", picture)
        out.mux(stream.encode(None))
    decided = []
    for study, words in ((video, ()), (frames, ("--sequence-fps", "25"))):
        endocur(study, "extract", "videos", "--fps", "10", *words, *QUICK)
        endocur(study, "filter", "--min-quality", "0.4")
        endocur(study, "dedup")
        tables = [
            pq.read_table(study / "corpus" / "decisions" / f"{stage}.parquet", partitioning=None).to_pylist()
            for stage in ("filter", "dedup")
        ]
        rows = [(row["frame_id"][17:], row["keep"], row["reason"]) for table in tables for row in table]
        decided.append((rows, list(jpegs(study).values())))
    assert decided[0] == decided[1]
    reasons = {reason for _, keep, reason in decided[0][0] if not keep}
    assert len(reasons) == 2, "both stages had something to drop"


def test_a_line_that_fits_nothing_ends_with_3_and_one_that_contradicts_itself_with_2(frames: Path) -> None:
    for words, code in (
        (("--sequence-fps", "25", "--stills"), 2),
        (("--sequence-fps", "-1"), 2),
        (("--sequence-fps", "fast"), 2),
        (("--frame-pattern", "("), 2),
        (("--sequences", "none.csv"), 3),
        (("--sequence-fps", "25", "--frame-pattern", r"^x(?P<frame>\d+)"), 3),
    ):
        done = endocur(frames, "extract", "videos", *QUICK, *words, check=False)
        assert done.returncode == code, (words, done.stderr)
        assert "Traceback" not in done.stderr
        assert NAME not in done.stderr


def test_stills_later_said_to_be_a_sequence_are_another_source(frames: Path) -> None:
    endocur(frames, "extract", "videos", "--stills", *QUICK)
    endocur(frames, "extract", "videos", "--sequence-fps", "25", *QUICK)
    kinds = sorted(str(marker["kind"]) for marker in markers(frames))
    assert kinds == ["stills", "video"]
