"""A freeze is one picture: found, tagged, counted; one frame of it is left at the end of the road."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
from corpus_maker import endocur
from drawn_videos import texture, write_video
from hypothesis import given
from hypothesis import strategies as st

from endocur.configs import ExtractConfig
from endocur.corpus import Corpus, InputRow, UnitMarker, chapter_files
from endocur.extract.counts import Counts, Freezes, counts_of
from endocur.extract.unit import VideoTask, extract_video
from endocur.store import read_chapter_table

SOURCE = "0123456789abcdef"
SIZE = (320, 240)


def extract(path: Path, root: Path) -> tuple[UnitMarker, list[dict[str, object]]]:
    config = ExtractConfig(inputs=(path,), corpus=root, text_detection=False, all_frames=True)
    marker = extract_video(VideoTask(root, path, SOURCE, "f" * 16, (InputRow(SOURCE, "ok", group="g" * 16),), config))
    return marker, read_chapter_table(chapter_files(Corpus(root), SOURCE, 0).frames_table).to_pylist()


def disc(index: int) -> np.ndarray:
    mask = np.zeros(SIZE[::-1], np.uint8)
    cv2.circle(mask, (160, 120), 104, 1, -1)
    return np.ascontiguousarray(texture(index, SIZE) * mask[..., None])


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("a.mp4", {"options": {"crf": "18"}}),
        ("a.mkv", {"codec": "libx265", "options": {"x265-params": "log-level=none", "crf": "26"}}),
        ("a.mpg", {"codec": "mpeg2video", "tags": {"bit_rate": 8_000_000}}),
    ],
)
def test_each_repeat_is_tagged_over_key_frames_and_runs_are_counted(
    tmp_path: Path, name: str, make: dict[str, object]
) -> None:
    at = [*range(10), *[10] * 30, *range(40, 50), 50, 50, *range(52, 60)]
    path = write_video(tmp_path / name, [disc(index) for index in at], gop=12, **make)  # type: ignore[arg-type]
    marker, rows = extract(path, tmp_path / "c")
    truth = [before == now for before, now in zip([-1, *at], at, strict=False)]
    tagged = [bool(row["is_frozen"]) for row in rows]
    assert not any(said and not true for said, true in zip(tagged, truth, strict=True))
    assert sum(tagged) >= 0.9 * sum(truth)  # the encoder mends the first repeats: some change as much as a slow move
    told = marker.extras["freezes"]
    assert told["frames"] == sum(tagged)
    assert told["runs"] == sum(now and not before for before, now in zip([False, *tagged], tagged, strict=False))
    assert 0.9 * 29 * 0.04 <= told["longest_s"] <= 29 * 0.04


def test_a_picture_that_shows_nothing_is_not_called_frozen(tmp_path: Path) -> None:
    shown = [disc(index) for index in range(40)]
    for index in range(15, 30):
        shown[index] = (shown[15] > 0) * np.uint8([170, 30, 30])  # a red-out: the encoder repeats it by itself
    marker, rows = extract(write_video(tmp_path / "a.mp4", shown), tmp_path / "c")
    assert not any(row["is_frozen"] for row in rows)
    assert marker.extras["freezes"] == {"runs": 0, "frames": 0, "longest_s": 0.0}


def test_after_dedup_one_frame_of_a_freeze_is_left_and_names_itself_as_evidence(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    at = [*range(0, 60, 4), *[60] * 20, *range(120, 180, 4)]
    write_video(tmp_path / "videos" / "a.mp4", [disc(index) for index in at], gop=12, options={"crf": "16"})
    endocur(tmp_path, "extract", "videos", "--all-frames", "--no-text-detection")
    endocur(tmp_path, "filter", "--min-quality", "0")
    endocur(tmp_path, "dedup")
    [table] = (tmp_path / "corpus" / "frames").glob("*.parquet")
    rows = pq.read_table(table, partitioning=None).to_pylist()
    run = [row["frame_id"] for number, row in enumerate(rows) if 15 <= number < 35]
    assert sum(row["is_frozen"] for row in rows[16:35]) >= 15
    decided = pq.read_table(tmp_path / "corpus" / "decisions" / "dedup.parquet", partitioning=None).to_pylist()
    kept = {row["frame_id"] for row in decided if row["keep"]}
    assert len(kept & set(run)) <= 1
    evidence = {row["evidence"].split(",")[0] for row in decided if row["frame_id"] in run and not row["keep"]}
    assert evidence <= kept


@given(frozen=st.lists(st.one_of(st.none(), st.booleans()), max_size=40))
def test_runs_and_repeats_add_up_and_survive_a_restart(frozen: list[bool | None]) -> None:
    counts, again = Counts(), Counts()
    for number, is_frozen in enumerate(frozen):
        counts.freezes.see(40_000 * number, is_frozen)
        again.freezes.see(40_000 * number, is_frozen)
        again = counts_of(again.value())
    told = counts.freezes.told()
    assert again == counts
    assert told["frames"] == sum(one is True for one in frozen)
    starts = [one is True and before is not True for before, one in zip([None, *frozen], frozen, strict=False)]
    assert told["runs"] == sum(starts)
    assert (Freezes().told()["runs"], Freezes().told()["longest_s"]) == (0, 0.0)
