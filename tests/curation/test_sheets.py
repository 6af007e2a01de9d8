"""Contact sheets: the view's outline and the boxes are seen, what is masked cannot be read."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from drawn_views import disc, recording, text_at
from hypothesis import given, settings
from hypothesis import strategies as st

from endocur.extract.sheets import BLOCK, BOX_COLOUR, CELL_WIDTH, VIEW_COLOUR, contact_sheet, mosaic
from endocur.extract.view import Layout, layout

VIEW = disc(160, 120, 110)


@pytest.fixture(scope="module")
def frames() -> list[np.ndarray]:
    words = [text_at("MUSTER", (100, 80), scale=0.8), text_at("ID 88", (2, 20), scale=0.5)]
    return list(recording(VIEW, painters=words))


@pytest.fixture(scope="module")
def found(frames: list[np.ndarray]) -> Layout:
    return layout(frames)


def picture(sheet: bytes) -> np.ndarray:
    return cv2.cvtColor(cv2.imdecode(np.frombuffer(sheet, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def near(rgb: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    return np.abs(rgb.astype(int) - colour).max(axis=2) <= 70


def sharpness(rgb: np.ndarray) -> float:
    return float(cv2.Laplacian(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), cv2.CV_64F).var())


def test_a_sheet_is_one_jpeg_with_a_grid_of_frames_and_a_line_of_facts(frames: list[np.ndarray], found: Layout) -> None:
    sheet = picture(contact_sheet(frames, found, count=6))
    assert sheet.shape == (2 * 240 + 22, 4 * CELL_WIDTH, 3)
    assert sheet[-22:].max() > 180


def test_the_outline_and_the_boxes_are_drawn(frames: list[np.ndarray], found: Layout) -> None:
    cell = picture(contact_sheet(frames, found, count=1))[:240]
    assert near(cell, VIEW_COLOUR).sum() >= 300
    x0, y0, x1, _ = found.boxes[0]
    assert near(cell[y0 - 1 : y0 + 2, x0 + 4 : x1 - 4], BOX_COLOUR).mean() >= 0.2


def test_masked_text_and_what_lies_beyond_the_view_are_mosaic(frames: list[np.ndarray], found: Layout) -> None:
    hidden = picture(contact_sheet(frames, found, count=1))
    clear = picture(contact_sheet(frames, found, count=1, clear=True))
    x0, y0, x1, y1 = found.boxes[0]
    text = np.s_[y0 + 3 : y1 - 3, x0 + 3 : x1 - 3]
    beyond = np.s_[4:24, 2:50]
    assert sharpness(hidden[text]) < 0.35 * sharpness(clear[text])
    assert sharpness(hidden[beyond]) < 0.35 * sharpness(clear[beyond])
    assert np.abs(hidden[150:200, 140:180].astype(int) - clear[150:200, 140:180]).mean() <= 2


def test_frames_of_another_size_than_the_masks_fit_too(frames: list[np.ndarray]) -> None:
    large = layout(frames, size=(960, 1280))
    sheet = picture(contact_sheet(frames, large, count=2))
    assert sheet.shape[1] == 2 * CELL_WIDTH
    assert near(sheet[:240, :CELL_WIDTH], VIEW_COLOUR).sum() >= 300


def test_the_same_frames_give_the_same_bytes(frames: list[np.ndarray], found: Layout) -> None:
    assert contact_sheet(frames, found, caption="a1") == contact_sheet(frames, found, caption="a1")


def test_no_frame_is_refused(found: Layout) -> None:
    with pytest.raises(ValueError, match="a contact sheet needs at least one frame"):
        contact_sheet([], found)


@given(height=st.integers(1, 50), width=st.integers(1, 50), seed=st.integers(0, 20))
@settings(max_examples=30)
def test_a_mosaic_has_one_colour_a_block_and_leaves_the_rest(height: int, width: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rgb = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    where = rng.random((height, width)) > 0.5
    done = mosaic(rgb, where)
    assert (done[~where] == rgb[~where]).all()
    for y in range(0, height, BLOCK):
        for x in range(0, width, BLOCK):
            block = done[y : y + BLOCK, x : x + BLOCK][where[y : y + BLOCK, x : x + BLOCK]]
            assert len(np.unique(block, axis=0)) <= 1
