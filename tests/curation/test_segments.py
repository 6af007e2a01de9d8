"""Layouts that change inside a video: each frame has the masks of its own layout, from the first frame on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from drawn_videos import write_video
from drawn_views import Painter, disc, moving, octagon, overlap, recording, text_at
from hypothesis import given
from hypothesis import strategies as st

from endocur.configs import ExtractConfig
from endocur.corpus import Corpus, InputRow, chapter_files
from endocur.extract.changes import chosen, starts
from endocur.extract.decode import Video
from endocur.extract.segments import probe
from endocur.extract.unit import VideoTask, extract_video
from endocur.store import read_chapter_table, read_masks

HEIGHT, WIDTH = 240, 320
LEFT = disc(110, 120, 100)
RIGHT = octagon(110, 8, 312, 232, 40)
FULL = np.ones((HEIGHT, WIDTH), bool)
NAME = [text_at("Muster Eva", (150, 60), scale=0.5)]


def look(view: np.ndarray, count: int, seed: int, painters: Sequence[Painter] = ()) -> list[np.ndarray]:
    return list(recording(view, count=count, seed=seed, painters=painters, border=10))


@pytest.mark.parametrize(("one", "other"), [(LEFT, RIGHT), (RIGHT, LEFT), (FULL, RIGHT), (LEFT, FULL)])
def test_a_change_of_scope_is_found_at_its_frame(one: np.ndarray, other: np.ndarray) -> None:
    assert starts(look(one, 20, 1) + look(other, 16, 2)) == [0, 20]


def test_three_layouts_are_three() -> None:
    assert starts(look(LEFT, 16, 1) + look(RIGHT, 16, 2) + look(FULL, 16, 3)) == [0, 16, 32]


@pytest.mark.parametrize("view", [LEFT, RIGHT, FULL])
def test_one_layout_stays_one_through_rests_and_dark_pictures(view: np.ndarray) -> None:
    frames = look(view, 40, 4)
    frames[10:20] = [frames[10]] * 10
    frames[25:32] = [np.full_like(frames[0], 10)] * 7
    assert starts(frames) == [0]


def test_a_dim_corner_for_a_while_is_no_change() -> None:
    frames = look(FULL, 40, 5)
    shade = np.linspace(0.05, 1, WIDTH)[None, :, None].clip(0.05, 1) ** 2
    frames[20:] = [(frame * shade).astype(np.uint8) for frame in frames[20:]]
    assert starts(frames) == [0]


BT709, BT601 = {"colorspace": 1, "color_range": 1}, {"colorspace": 5, "color_range": 2}


def film(
    path: Path, one: np.ndarray, other: np.ndarray, change: int, count: int, tags: Mapping[str, int] = BT601
) -> Path:
    """A video whose tissue moves by a few pixels a frame and whose layout changes at frame `change`."""

    def pictures() -> Iterator[np.ndarray]:
        looks = np.concatenate([moving(8, count, HEIGHT, WIDTH)])
        rng = np.random.default_rng(3)
        for index, tissue in enumerate(looks):
            view = one if index < change else other
            frame = np.where(view[..., None], tissue, 12) + rng.normal(0, 1.0, tissue.shape)
            frame = np.clip(frame, 0, 255).astype(np.uint8)
            for paint in NAME if index >= change else []:
                paint(frame, index)
            yield frame

    return write_video(path, pictures(), gop=5, tags=tags)


@pytest.mark.parametrize(("one", "other", "tags"), [(LEFT, RIGHT, BT601), (LEFT, FULL, BT709), (FULL, LEFT, BT709)])
def test_each_frame_has_the_masks_of_its_own_layout_from_the_first_on(
    one: np.ndarray, other: np.ndarray, tags: Mapping[str, int], tmp_path: Path
) -> None:
    change, count = 83, 180  # not at a key frame
    path = film(tmp_path / "a.mp4", one, other, change, count, tags)
    config = ExtractConfig(inputs=(path,), corpus=tmp_path / "c", all_frames=True, text_detection=False)
    row = InputRow(id="0123456789abcdef", status="ok", reason="", copy_of="", position=1, group="g")
    extract_video(VideoTask(tmp_path / "c", path, row.id, "f", (row,), config))
    corpus = Corpus(tmp_path / "c")
    rows = read_chapter_table(chapter_files(corpus, row.id, 0).frames_table).to_pylist()
    assert [r["view_id"] for r in rows] == ["v000"] * change + ["v001"] * (count - change)
    for index, view in ((0, one), (change, other)):
        masks, found = read_masks(corpus, row.id, 0, rows[index]["view_id"]), np.zeros((HEIGHT, WIDTH), bool)
        x, y, w, h = (rows[index][f"crop_{side}"] for side in "xywh")
        found[y : y + h, x : x + w] = masks.view
        assert overlap(found, view) >= 0.97
    assert not read_masks(corpus, row.id, 0, "v000").overlay.any()
    assert read_masks(corpus, row.id, 0, "v001").overlay.any() == bool(other[50:60, 150:220].any())


def test_the_probe_names_both_layouts_for_the_marker_and_the_sheets(tmp_path: Path) -> None:
    found = probe(Video(film(tmp_path / "a.mp4", LEFT, RIGHT, 80, 160)), max_side=960, detector=None)
    assert [segment.view_id for segment in found.segments] == ["v000", "v001"]
    assert set(found.frames) == {"v000", "v001"}
    assert all(found.frames.values())


fits = st.lists(st.one_of(st.none(), st.floats(0, 1)), min_size=2, max_size=4)


@given(fits=fits, current=st.integers(0, 1))
def test_a_frame_that_the_layout_in_force_fits_changes_nothing(fits: list[float | None], current: int) -> None:
    fits[current] = 0.9
    assert chosen(current, fits) == current


def test_dark_pictures_fit_every_border_and_change_nothing() -> None:
    assert chosen(0, [1.0, 1.0]) == 0
    assert chosen(1, [1.0, 1.0]) == 1
