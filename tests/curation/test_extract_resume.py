"""A kill in a long video costs a chapter: what was finished is not decoded or written again, bytes are the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from drawn_videos import textures, write_video

import endocur.extract.unit
from endocur.configs import ExtractConfig
from endocur.corpus import Corpus, InputRow, chapter_files
from endocur.extract.decode import Video
from endocur.extract.source import Frame
from endocur.extract.unit import VideoTask, extract_video

SOURCE = "0123456789abcdef"
WORKER = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
import endocur.extract.unit as unit
from test_extract_resume import task
unit.CHAPTER_S = 1.0
unit.extract_video(task(Path(sys.argv[1]), Path(sys.argv[2])))
"""


def task(path: Path, root: Path, **options: object) -> VideoTask:
    options = {"all_frames": True} | options
    config = ExtractConfig(inputs=(path,), corpus=root, text_detection=False, **options)  # type: ignore[arg-type]
    return VideoTask(root, path, SOURCE, "f" * 16, (InputRow(SOURCE, "ok", group="g" * 16),), config)


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def unfinish(root: Path, first: int, last: int) -> None:
    """As a kill leaves it: no marker from chapter `first` on, and none of the unit."""
    corpus = Corpus(root)
    (corpus.units / f"{SOURCE}.json").unlink()
    for number in range(first, last):
        chapter_files(corpus, SOURCE, number).marker.unlink()
    chapter_files(corpus, SOURCE, first).frames_tar.write_bytes(b"half")


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Moments of all frames that a unit is made of, in the order they come; those of the probe are not among them."""
    seen: list[int] = []

    def watched(kind: Callable[..., Iterator[Frame] | None]) -> Callable[..., Iterator[Frame] | None]:
        def frames(self: Video, *words: int) -> Iterator[Frame] | None:
            found = kind(self, *words)
            return None if found is None else noted(found)

        return frames

    def noted(found: Iterator[Frame]) -> Iterator[Frame]:
        for frame in found:
            seen.append(frame.moment.us)
            yield frame

    monkeypatch.setattr(Video, "frames", watched(Video.frames))
    monkeypatch.setattr(Video, "frames_from", watched(Video.frames_from))
    monkeypatch.setattr(endocur.extract.unit, "CHAPTER_S", 1.0)
    return seen


def fields(count: int) -> list[np.ndarray]:
    moments = textures(2 * count, (320, 240))
    for first, second in zip(moments[::2], moments[1::2], strict=True):
        first[1::2] = second[1::2]
    return moments[::2]


@pytest.mark.parametrize(
    ("name", "make", "options"),
    [
        ("a.mp4", {"gop": 10, "options": {"bf": "2", "preset": "fast"}}, {}),
        ("a.mkv", {"gop": 30, "codec": "libx265", "options": {"x265-params": "log-level=none:bframes=3"}}, {}),
        ("a.ts", {"gop": 12, "options": {"bf": "2", "preset": "fast"}}, {"all_frames": False, "fps": 3.0}),
        ("a.mp4", {"gop": 10}, {"all_frames": False, "fps": 2.0}),
        ("a.mp4", {"gop": 10}, {"all_frames": False, "fps": 2.0, "sampling": "exact"}),
        ("a.mkv", {"gop": 12, "interlaced": True}, {}),
    ],
)
def test_a_run_that_goes_on_decodes_from_the_missing_chapter_and_gives_the_same_bytes(
    tmp_path: Path, decoded: list[int], name: str, make: dict[str, object], options: dict[str, object]
) -> None:
    interlaced = bool(make.pop("interlaced", False))
    shown = fields(150) if interlaced else textures(150)
    shown[60:68] = [shown[60]] * 8  # a freeze across nothing, and one across the end of a chapter
    shown[121:131] = [shown[121]] * 10
    path = write_video(tmp_path / name, shown, **make)  # type: ignore[arg-type]
    job = task(path, tmp_path / "c", **options)
    whole = extract_video(job)
    assert whole.chapters == 6
    unbroken = files(tmp_path / "c")
    for first in (5, 3):
        unfinish(tmp_path / "c", first, 6)
        decoded.clear()
        assert extract_video(job) == whole
        assert files(tmp_path / "c") == unbroken
        assert min(decoded) >= (first - 2) * 1_000_000 and max(decoded) >= 5_000_000
    make["interlaced"] = interlaced


@pytest.mark.parametrize("kind", ["no stamps", "damaged", "intra refresh"])
def test_a_file_that_cannot_be_entered_in_the_middle_is_decoded_from_its_beginning(
    tmp_path: Path, decoded: list[int], kind: str
) -> None:
    path = tmp_path / ("a.h264" if kind == "no stamps" else "a.mkv")
    more = {"x264-params": "intra-refresh=1:keyint=20", "bf": "0"} if kind == "intra refresh" else {}
    write_video(path, textures(100), gop=20, options=more)
    if kind == "damaged":
        data = bytearray(path.read_bytes())
        at = len(data) // 10
        data[at : at + 200] = np.random.default_rng(0).bytes(200)
        path.write_bytes(bytes(data))
    job = task(path, tmp_path / "c")
    whole = extract_video(job)
    unbroken = files(tmp_path / "c")
    unfinish(tmp_path / "c", 3, whole.chapters)
    decoded.clear()
    assert extract_video(job) == whole
    assert files(tmp_path / "c") == unbroken
    assert min(decoded) == 0


def test_kill_9_in_a_video_of_many_chapters_loses_one_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "a.mp4", textures(500), gop=25)
    words = [sys.executable, "-c", WORKER.format(tests=str(Path(__file__).parent)), str(path)]
    killed = tmp_path / "killed"
    corpus = Corpus(killed)
    lost = 0
    for chapter in (4, 9, 14):
        with subprocess.Popen([*words, str(killed)], stdout=subprocess.DEVNULL) as worker:
            until = time.monotonic() + 60
            while not chapter_files(corpus, SOURCE, chapter).marker.is_file() and time.monotonic() < until:
                time.sleep(0.002)
            os.kill(worker.pid, signal.SIGKILL)
        assert not (corpus.units / f"{SOURCE}.json").exists()
        there = [number for number in range(20) if chapter_files(corpus, SOURCE, number).marker.is_file()]
        assert there == list(range(len(there))) and len(there) > chapter
        stamps = [chapter_files(corpus, SOURCE, number).frames_tar.stat().st_mtime_ns for number in there]
        lost = max(lost, sum(1 for path_ in corpus.frames.glob("*.tar")) - len(there))
        before = stamps
    assert lost <= 1
    monkeypatch.setattr(endocur.extract.unit, "CHAPTER_S", 1.0)
    extract_video(task(path, killed))
    after = [chapter_files(corpus, SOURCE, number).frames_tar.stat().st_mtime_ns for number in range(len(before))]
    assert after == before
    extract_video(task(path, tmp_path / "whole"))
    left = {name: data for name, data in files(killed).items() if "/.tmp-" not in name}
    assert left == files(tmp_path / "whole")
