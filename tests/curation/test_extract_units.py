"""Units: what a video and a batch of stills become, chapter by chapter, and the same bytes again."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
from drawn_videos import texture, textures, write_video

import endocur.extract.unit
from endocur.configs import ExtractConfig
from endocur.corpus import Corpus, InputRow, chapter_files
from endocur.engine import UnitFailed
from endocur.extract.estimate import Estimate
from endocur.extract.still_unit import StillItem, StillsTask, extract_stills
from endocur.extract.unit import VideoTask, extract_video
from endocur.quality.table import read_scores
from endocur.store import FrameReader, read_chapter_table, read_masks

SOURCE = "0123456789abcdef"


def video_task(path: Path, root: Path, **options: object) -> VideoTask:
    options = {"text_detection": False, "all_frames": True} | options
    config = ExtractConfig(inputs=(path,), corpus=root, **options)  # type: ignore[arg-type]
    return VideoTask(root, path, SOURCE, "f" * 16, (InputRow(SOURCE, "ok", group="g" * 16),), config)


def stills_task(folder: Path, root: Path, **options: object) -> StillsTask:
    options = {"text_detection": False} | options
    items = tuple(
        StillItem(path, "folder", (InputRow(f"{number:016x}", "ok", position=number, group="g" * 16),))
        for number, path in enumerate(sorted(folder.iterdir()), 1)
    )
    return StillsTask(root, "stills-1", "f" * 16, items, ExtractConfig(inputs=(folder,), corpus=root, **options))  # type: ignore[arg-type]


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def disc(index: int) -> np.ndarray:
    """The moving texture in a round view on black."""
    picture = texture(index)
    mask = np.zeros((120, 160), np.uint8)
    cv2.circle(mask, (80, 60), 52, 1, -1)
    return picture * mask[..., None]


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """As on a disk that is full: what would make a file larger fails while it is written, and again as it is closed."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_where_the_disk_is_full_nothing_half_written_stays_and_the_file_is_named(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", [disc(index) for index in range(20)])
    with files_of_at_most(20_000), pytest.raises(OSError, match="too large") as caught:
        extract_video(video_task(path, tmp_path / "c"))
    assert caught.value.filename == str(tmp_path / "c" / "frames" / f"{SOURCE}.000.tar")
    assert files(tmp_path / "c") == {}


def test_what_will_not_fit_on_the_disk_is_said(tmp_path: Path) -> None:
    guess = Estimate(frames=100, stored=100, seconds=10.0, disk_bytes=50_000_000)
    assert guess.lacks(50_000_000) == ""
    assert "about 50 MB will be written and 49 MB are free" in guess.lacks(49_000_000)


def test_every_row_names_a_jpeg_of_its_size_its_masks_and_its_scores(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", [disc(index) for index in range(50)])
    marker = extract_video(video_task(path, tmp_path / "c", all_frames=False, fps=5.0))
    corpus = Corpus(tmp_path / "c")
    rows = read_chapter_table(chapter_files(corpus, SOURCE, 0).frames_table).to_pylist()
    assert (marker.status, marker.frames, marker.extras["seen"]) == ("ok", 10, 50)
    assert marker.extras["dropped"] == {"not sampled": 40}
    assert [row["pts_us"] for row in rows] == [200_000 * index for index in range(10)]
    assert [row["frame_id"] for row in rows] == [f"{SOURCE}-{200_000 * index:012d}" for index in range(10)]
    scores = read_scores(chapter_files(corpus, SOURCE, 0).scores)
    assert scores["frame_id"].to_pylist() == [row["frame_id"] for row in rows]
    with FrameReader(corpus) as reader:
        for row in rows:
            jpeg = reader.jpeg(SOURCE, 0, row["offset"], row["size"])
            picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
            masks = read_masks(corpus, SOURCE, 0, row["view_id"])
            assert picture.shape[:2] == (row["height"], row["width"]) == masks.view.shape
            assert 100 <= row["crop_w"] <= 112 and (row["crop_x"], row["src_width"]) == (28, 160)
            assert picture[~cv2.dilate(masks.view.astype(np.uint8), np.ones((5, 5))).astype(bool)].max() <= 24
            assert abs(masks.view.mean() - np.pi / 4) < 0.05
            assert not row["is_frozen"] and row["motion"] > 0 if row["pts_us"] else row["motion"] is None


def test_a_frame_that_repeats_the_one_before_is_frozen(tmp_path: Path) -> None:
    shown = [disc(index if index < 10 else 10 if index < 20 else index) for index in range(30)]
    extract_video(video_task(write_video(tmp_path / "v.mp4", shown, gop=60), tmp_path / "c"))
    rows = read_chapter_table(chapter_files(Corpus(tmp_path / "c"), SOURCE, 0).frames_table).to_pylist()
    assert [index for index, row in enumerate(rows) if row["is_frozen"]] == list(range(11, 20))
    assert all(row["stillness"] > 0.9 for row in rows[11:20])


def test_chapters_are_written_one_by_one_and_finished_ones_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endocur.extract.unit, "CHAPTER_S", 1.0)
    path = write_video(tmp_path / "v.mp4", [disc(index) for index in range(60)])
    task = video_task(path, tmp_path / "c")
    marker = extract_video(task)
    corpus = Corpus(tmp_path / "c")
    assert (marker.chapters, marker.frames) == (3, 60)
    counts = [pq.read_metadata(chapter_files(corpus, SOURCE, number).frames_table).num_rows for number in range(3)]
    assert counts == [25, 25, 10]
    before = files(tmp_path / "c")
    # As a kill leaves it: the last chapter and the unit have no marker, the first must not be written again.
    (corpus.units / f"{SOURCE}.json").unlink()
    chapter_files(corpus, SOURCE, 2).marker.unlink()
    chapter_files(corpus, SOURCE, 2).frames_tar.write_bytes(b"half")
    first = chapter_files(corpus, SOURCE, 0).frames_tar.stat().st_mtime_ns
    assert extract_video(task) == marker
    assert files(tmp_path / "c") == before
    assert chapter_files(corpus, SOURCE, 0).frames_tar.stat().st_mtime_ns == first


def test_minutes_end_a_video_early(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", textures(50))
    assert extract_video(video_task(path, tmp_path / "c", minutes=1 / 60)).frames == 25


def test_a_video_without_a_frame_fails_by_a_reason_and_leaves_no_file(tmp_path: Path) -> None:
    (tmp_path / "v.mp4").write_bytes(b"words" * 100)
    with pytest.raises(UnitFailed, match="no video that FFmpeg can read"):
        extract_video(video_task(tmp_path / "v.mp4", tmp_path / "c"))
    assert not (tmp_path / "c").exists() or files(tmp_path / "c") == {}


@pytest.mark.parametrize("name", ["v.ts", "v.mkv"])
def test_a_file_that_grows_while_it_is_read_fails_with_what_to_do_and_is_no_unit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = write_video(tmp_path / name, textures(50))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])

    def grow(done: int = 0) -> None:
        if done and path.stat().st_size < len(whole):
            with path.open("ab") as file:
                file.write(whole[path.stat().st_size :])

    monkeypatch.setattr(endocur.extract.unit, "beat", grow)
    with pytest.raises(UnitFailed, match="it changed while it was read; extract again when it is complete"):
        extract_video(video_task(path, tmp_path / "c"))
    assert not list(Corpus(tmp_path / "c").units.glob("*.json"))
    assert extract_video(video_task(path, tmp_path / "c")).frames == 50


def test_both_sizes_of_a_stream_that_changes_have_views_of_their_own(tmp_path: Path) -> None:
    data = [write_video(tmp_path / f"{w}.h264", textures(20, (w, 120))).read_bytes() for w in (160, 200)]
    (tmp_path / "v.h264").write_bytes(b"".join(data))
    marker = extract_video(video_task(tmp_path / "v.h264", tmp_path / "c"))
    rows = read_chapter_table(chapter_files(Corpus(tmp_path / "c"), SOURCE, 0).frames_table).to_pylist()
    assert {(row["src_width"], row["view_id"]) for row in rows} == {(160, "v000"), (200, "v001")}
    assert marker.frames == 40


def test_frames_stored_as_shown_when_turned_and_squeezed(tmp_path: Path) -> None:
    from fractions import Fraction

    path = write_video(tmp_path / "v.mp4", textures(12), rotation=90, sar=Fraction(4, 3))
    extract_video(video_task(path, tmp_path / "c"))
    row = read_chapter_table(chapter_files(Corpus(tmp_path / "c"), SOURCE, 0).frames_table).to_pylist()[0]
    assert (row["rotation"], row["sar_num"], row["sar_den"]) == (270, 4, 3)
    assert (row["width"], row["height"]) == (90, 160)
    assert (row["scale_x"], row["scale_y"]) == (1.0, 0.75)


def test_decord_gives_the_same_frames_or_refuses_with_the_reason(tmp_path: Path) -> None:
    pytest.importorskip("decord")
    tagged = write_video(tmp_path / "v.mp4", textures(25), tags={"colorspace": 1, "color_range": 1})
    one = extract_video(video_task(tagged, tmp_path / "c"))
    other = extract_video(video_task(tagged, tmp_path / "d", decoder="decord"))
    assert (one.frames, one.status) == (other.frames, other.status) == (25, "ok")
    tables = [read_chapter_table(chapter_files(Corpus(tmp_path / root), SOURCE, 0).frames_table) for root in "cd"]
    assert tables[0]["frame_id"].to_pylist() == tables[1]["frame_id"].to_pylist()
    for name, options, reason in (
        ("a.ts", {}, "8-bit H.264 in mp4 or mkv"),
        ("a.mp4", {}, "colour tags"),
        ("b.mp4", {"tags": {"colorspace": 1, "color_range": 1}, "rotation": 90}, "upright"),
        ("c.mkv", {"pix_fmt": "yuv420p10le"}, "8-bit H.264"),
    ):
        path = write_video(tmp_path / name, textures(6), **options)  # type: ignore[arg-type]
        with pytest.raises(UnitFailed, match=reason):
            extract_video(video_task(path, tmp_path / "e", decoder="decord"))


def test_stills_are_rows_in_order_of_id_without_time_or_motion(tmp_path: Path) -> None:
    folder = tmp_path / "stills"
    folder.mkdir()
    for index in range(3):
        cv2.imwrite(str(folder / f"{index}.png"), disc(index * 7)[..., ::-1])
    (folder / "cut.jpg").write_bytes(cv2.imencode(".jpg", texture(0))[1].tobytes()[:900])
    marker = extract_stills(stills_task(folder, tmp_path / "c"))
    assert (marker.status, marker.frames, marker.chapters) == ("partial", 3, 1)
    assert [(row.status, row.reason) for row in marker.inputs][-1] == ("failed", "a JPEG that was cut off")
    rows = read_chapter_table(chapter_files(Corpus(tmp_path / "c"), "stills-1", 0).frames_table).to_pylist()
    assert [row["frame_id"] for row in rows] == [f"{number:016x}-{0:012d}" for number in (1, 2, 3)]
    assert {row["motion"] for row in rows} == {row["is_frozen"] for row in rows} == {None}
    assert len({row["view_id"] for row in rows}) == 3  # too few to share


def test_twenty_stills_of_one_outline_share_a_view(tmp_path: Path) -> None:
    folder = tmp_path / "stills"
    folder.mkdir()
    for index in range(21):
        cv2.imwrite(str(folder / f"{index:02d}.png"), disc(index * 9)[..., ::-1])
    cv2.imwrite(str(folder / "zz.png"), texture(0, (200, 100))[..., ::-1])
    before = None
    for root in ("c", "d"):
        extract_stills(stills_task(folder, tmp_path / root))
        rows = read_chapter_table(chapter_files(Corpus(tmp_path / root), "stills-1", 0).frames_table).to_pylist()
        views = [row["view_id"] for row in rows]
        assert len(set(views[:21])) == 1 and views[21] != views[0]
        assert before in (None, files(tmp_path / root))
        before = files(tmp_path / root)


class WhiteBar:
    """Takes what is white for text."""

    def boxes(self, rgb: np.ndarray) -> list[np.ndarray]:
        rows, columns = np.nonzero(rgb.min(axis=2) > 250)
        if not rows.size:
            return []
        left, right, top, low = columns.min(), columns.max() + 1, rows.min(), rows.max() + 1
        return [np.array([[left, top], [right, top], [right, low], [left, low]], np.float32)]


def test_a_name_on_one_still_of_a_group_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "stills"
    folder.mkdir()
    for index in range(30):
        picture = np.minimum(disc(index * 9), 230)
        if index == 4:
            picture[50:58, 60:100] = 255
        cv2.imwrite(str(folder / f"{index:02d}.png"), picture[..., ::-1])
    monkeypatch.setattr("endocur.extract.still_unit.TextDetector", WhiteBar)
    extract_stills(stills_task(folder, tmp_path / "c", text_detection=True))
    corpus = Corpus(tmp_path / "c")
    rows = read_chapter_table(chapter_files(corpus, "stills-1", 0).frames_table).to_pylist()
    with FrameReader(corpus) as reader:
        luma = [
            cv2.imdecode(np.frombuffer(reader.jpeg("stills-1", 0, row["offset"], row["size"]), np.uint8), 0)
            for row in rows
        ]
    assert luma[4][46 - rows[4]["crop_y"] : 60 - rows[4]["crop_y"]].max() < 240
    assert np.mean([picture.mean() for picture in luma]) > 50


def test_a_batch_in_which_every_still_fails_has_no_chapter(tmp_path: Path) -> None:
    folder = tmp_path / "stills"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(b"\xff\xd8\xff\xe0 words")
    marker = extract_stills(stills_task(folder, tmp_path / "c"))
    assert (marker.status, marker.chapters, marker.frames) == ("failed", 0, 0)
