"""Numbered pictures as a source: which are opened, when they are shown, and the same frames as from a video file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import drawn_sequences as drawn
import numpy as np
import pyarrow.parquet as pq
import pytest
from drawn_videos import texture, textures, write_video

from endocur.configs import ExtractConfig
from endocur.corpus import Corpus, InputRow, UnitMarker, chapter_files
from endocur.extract.decode import Video
from endocur.extract.gather import gather
from endocur.extract.identify import Identified, identify, path_bytes
from endocur.extract.patterns import read_patterns
from endocur.extract.sequence_names import FRAME_PATTERN, tracks_of
from endocur.extract.sequence_source import NumberedPictures, Retimed, picked
from endocur.extract.sequence_track import Entry, Timing, Track
from endocur.extract.source import Unreadable
from endocur.extract.unit import VideoTask, extract_video
from endocur.identity import Key
from endocur.private import SourceRow
from endocur.quality.table import read_scores
from endocur.store import FrameReader, read_chapter_table, read_masks
from endoshards.files import sha256_file

SOURCE = "0123456789abcdef"


def track_of(folder: Path) -> Track:
    entries = [Entry(path.name, path.stat().st_size, 0, 0) for path in folder.iterdir()]
    (found,) = tracks_of(str(folder), entries, re.compile(FRAME_PATTERN)).tracks
    return found


def pictures(folder: Path, fps: str = "25", step: str = "1", **options: object) -> NumberedPictures:
    config = ExtractConfig(inputs=(folder,), **options)  # type: ignore[arg-type]
    return NumberedPictures(track_of(folder), Timing(Fraction(fps), Fraction(step)), config)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Names of the pictures whose bytes were asked for."""
    names: list[str] = []
    read = Path.read_bytes

    def note(path: Path) -> bytes:
        names.append(path.name)
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", note)
    yield names


def test_time_comes_from_the_number_and_holes_stay_holes(tmp_path: Path) -> None:
    folder = drawn.draw_run(tmp_path / "s", (225, 226, 228, 240))
    moments = [frame.moment for frame in pictures(folder, "2", "5", all_frames=True).frames()]
    assert [moment.us for moment in moments] == [0, 2_500_000, 7_500_000, 37_500_000]
    assert [moment.made for moment in moments] == [True] * 4
    assert [moment.flag for moment in moments] == ["", "", "", "gap"]


def test_only_the_pictures_that_are_kept_are_opened(tmp_path: Path, opened: list[str]) -> None:
    folder = drawn.draw_run(tmp_path / "s", range(1, 91))
    source = pictures(folder, "30")
    kept = list(source.frames())
    assert opened == ["f_1.png", "f_31.png", "f_61.png"]
    assert [frame.moment.us for frame in kept] == [0, 1_000_000, 2_000_000]
    assert (source.passed, source.last_us) == (87, 2_966_667)
    assert not any(frame.follows for frame in kept)
    assert picked(track_of(folder), Timing(Fraction(30)), ExtractConfig(inputs=(folder,))) == 3


def test_minutes_end_a_sequence_and_all_frames_follow_each_other(tmp_path: Path) -> None:
    folder = drawn.draw_run(tmp_path / "s", [*range(20), *range(400, 410)])
    source = pictures(folder, "10", all_frames=True)
    frames = list(source.frames())
    assert [index for index, frame in enumerate(frames) if not frame.follows] == [0, 20]
    assert len(list(pictures(folder, "10", all_frames=True, minutes=1 / 60).frames())) == 10


def test_the_next_picture_takes_the_place_of_a_damaged_one(tmp_path: Path, opened: list[str]) -> None:
    folder = drawn.draw_run(tmp_path / "s", range(30))
    for number in (10, 11):
        (folder / f"f_{number}.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    source = pictures(folder, "10")
    assert [frame.moment.us for frame in source.frames()] == [0, 1_200_000, 2_000_000]
    assert opened == ["f_0.png", "f_10.png", "f_11.png", "f_12.png", "f_20.png"]
    assert (source.damage.corrupt, source.damage.reason()) == (2, "2 damaged frames left out")
    assert source.passed + source.damage.corrupt + 3 == 30


def test_a_sequence_without_a_picture_fails_with_a_reason(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    folder.mkdir()
    for number in range(20):
        (folder / f"frame{number}.jpg").write_bytes(b"\xff\xd8 nothing more")
    with pytest.raises(Unreadable, match="no picture of it can be read"):
        list(pictures(folder).probe(60))


def test_the_probe_is_spread_over_the_whole(tmp_path: Path, opened: list[str]) -> None:
    folder = drawn.draw_run(tmp_path / "s", range(100))
    assert len(list(pictures(folder).probe(10))) == 10
    assert opened == [f"f_{number}.png" for number in range(5, 100, 10)]


def test_a_video_at_another_rate_is_timed_by_the_place_of_its_frames(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", textures(10))
    moments = [frame.moment for frame in Retimed(Video(path), Timing(Fraction(2))).frames()]
    assert [moment.us for moment in moments] == [500_000 * index for index in range(10)]
    assert all(moment.made for moment in moments)


def scene(index: int) -> np.ndarray:
    """A disc of moving tissue on black, 160 x 120, with a still line of marks."""
    disc = np.zeros((120, 160, 1), np.uint8)
    cv2.circle(disc, (80, 60), 52, 1, -1)
    shown = texture(index, (160, 120), seed=3 + index // 40) * disc
    cv2.rectangle(shown, (4, 4), (20, 10), (250, 250, 250), 1)
    return shown


def lossless(path: Path, count: int, rate: int) -> Path:
    """RGB kept bit by bit in an mp4: H.264's own planes of red, green and blue."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264rgb", rate=rate)
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = 160, 120, "rgb24", 60
        stream.options = {"crf": "0", "preset": "ultrafast"}
        for index in range(count):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(scene(index), format="rgb24")))
        out.mux(stream.encode(None))
    return path


def extract(root: Path, path: Path, *, track: Track | None = None, timing: Timing | None = None, **options: object):
    options = {"text_detection": False} | options
    config = ExtractConfig(inputs=(path,), corpus=root, **options)  # type: ignore[arg-type]
    rows = (InputRow(SOURCE, "ok", group="g" * 16),)
    return extract_video(VideoTask(root, path, SOURCE, "f" * 16, rows, config, None, track, timing))


def stored(root: Path, marker: UnitMarker) -> tuple[list[dict[str, object]], list[bytes], list[object]]:
    corpus = Corpus(root)
    files = chapter_files(corpus, marker.name, 0)
    rows = read_chapter_table(files.frames_table).to_pylist()
    reader = FrameReader(corpus)
    data = [reader.jpeg(SOURCE, 0, row["offset"], row["size"]) for row in rows]
    masks = [read_masks(corpus, SOURCE, 0, view).tissue.tobytes() for view in sorted({row["view_id"] for row in rows})]
    return rows, data, [*masks, read_scores(files.scores).to_pylist()]


def test_the_same_procedure_as_mp4_and_as_png_gives_the_same_bytes(tmp_path: Path) -> None:
    """To the last bit: RGB is kept in both, and both probes look at the same 60 frames."""
    video = lossless(tmp_path / "v.mp4", 120, 25)
    folder = tmp_path / "frames"
    folder.mkdir()
    for index in range(120):
        drawn.write(folder / f"{index + 1}.png", scene(index))
    for options in ({"fps": 5.0}, {"all_frames": True}):
        name = "all" if "all_frames" in options else "some"
        one, two = tmp_path / f"{name}-mp4", tmp_path / f"{name}-png"
        a = extract(one, video, **options)
        b = extract(two, folder / "1.png", track=track_of(folder), timing=Timing(Fraction(25)), **options)
        rows_a, jpegs_a, rest_a = stored(one, a)
        rows_b, jpegs_b, rest_b = stored(two, b)
        assert len(jpegs_a) == (120 if "all_frames" in options else 24)
        assert jpegs_a == jpegs_b
        assert rest_a == rest_b
        unlike = {name for x, y in zip(rows_a, rows_b, strict=True) for name in x if x[name] != y[name]}
        # times were made; only neighbours that were opened tell of motion
        assert unlike == {"pts_made"} | (set() if "all_frames" in options else {"motion", "stillness", "is_frozen"})
        assert a.extras["seen"] == b.extras["seen"] == 120
        assert a.extras["views"] == b.extras["views"]
    assert (b.extras["timing"], b.extras["pictures"], b.extras["holes"]) == ({"fps": "25", "step": "1"}, 120, 0)


def test_pictures_decoded_from_an_ordinary_mp4_differ_by_rounding_only(tmp_path: Path) -> None:
    """4:2:0 to RGB and back: chroma is resampled, everything rounded twice, and FFmpeg's usual way to RGB darkens by a
    level, so levels may differ by two on average; views, times and decisions may not."""
    video = write_video(tmp_path / "v.mp4", [scene(index) for index in range(60)], tags={"colorspace": 5})
    folder = tmp_path / "frames"
    folder.mkdir()
    with av.open(str(video)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            drawn.write(folder / f"{index:05d}.png", frame.to_ndarray(format="rgb24"))
    a = extract(tmp_path / "a", video, fps=5.0)
    b = extract(tmp_path / "b", folder, track=track_of(folder), timing=Timing(Fraction(25)), fps=5.0)
    rows_a, jpegs_a, (mask_a, scores_a) = stored(tmp_path / "a", a)
    rows_b, jpegs_b, (mask_b, scores_b) = stored(tmp_path / "b", b)
    assert [row["pts_us"] for row in rows_a] == [row["pts_us"] for row in rows_b]
    view_a, view_b = np.frombuffer(mask_a, bool), np.frombuffer(mask_b, bool)
    assert view_a.size == view_b.size
    assert (view_a & view_b).sum() >= 0.99 * (view_a | view_b).sum()
    for one, two in zip(jpegs_a, jpegs_b, strict=True):
        x, y = (cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE) for data in (one, two))
        assert np.abs(x.astype(int) - y).mean() <= 2.0
    for x, y in zip(scores_a, scores_b, strict=True):
        assert x["quality"] == pytest.approx(y["quality"], abs=0.02)
        assert (x["quality"] >= 0.4) == (y["quality"] >= 0.4)


def test_a_rate_that_was_said_stands_in_rows_and_marker(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", textures(10))
    marker = extract(tmp_path / "c", path, timing=Timing(Fraction(2)))
    rows = pq.read_table(chapter_files(Corpus(tmp_path / "c"), SOURCE, 0).frames_table, partitioning=None).to_pylist()
    assert [row["pts_us"] for row in rows] == [0, 1_000_000, 2_000_000, 3_000_000, 4_000_000]
    assert all(row["pts_made"] for row in rows)
    assert marker.extras["timing"] == {"fps": "2", "step": "1"}


def test_an_id_reads_sixteen_pictures_and_none_if_nothing_changed(tmp_path: Path, opened_bytes: list[str]) -> None:
    folder = drawn.draw_run(tmp_path / "s", range(100))
    key = Key(tmp_path / "key", False, b"\2" * 32)

    def identified(known: dict[bytes, SourceRow]) -> Identified:
        config = ExtractConfig(inputs=(folder,), corpus=tmp_path / "corpus", sequence_fps=25.0)
        (item,) = gather(config, read_patterns((), ())).found
        opened_bytes.clear()
        (one,) = identify([item], key, known, workers=1, progress=lambda _: None)
        return one

    first = identified({})
    assert len(set(opened_bytes)) == 16
    item = first.item
    stamp = item.size, item.mtime_ns, item.inode
    row = SourceRow(path_bytes(item), 1, first.id, "ok", "", first.id, "", *stamp, first.sha256)
    assert identified({row.path: row}).id == first.id
    assert opened_bytes == []
    with (folder / "f_50.png").open("ab") as file:
        file.write(b"more")
    assert identified({row.path: row}).id != first.id
    (folder / "f_99.png").unlink()
    assert len({first.id, identified({row.path: row}).id}) == 2


@pytest.fixture
def opened_bytes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that were hashed."""
    names: list[str] = []

    def note(path: Path) -> str:
        names.append(path.name)
        return sha256_file(path)

    monkeypatch.setattr("endocur.extract.identify.sha256_file", note)
    return names
