"""A stored pixel can be traced back to the coded pixel it shows, whatever turned, squeezed or cropped it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from drawn_videos import texture, write_video
from hypothesis import given
from hypothesis import strategies as st

from endocur.extract.decode import Video
from endocur.extract.geometry import Shape, coded_to_stored, fit, sane_sar, shown_to_coded
from endocur.extract.planes import mask_planes, stencil, stored_planes

SHAPES = st.builds(
    Shape,
    st.integers(16, 400),
    st.integers(16, 400),
    st.sampled_from([0, 90, 180, 270]),
    st.sampled_from([(1, 1), (16, 15), (12, 11), (4, 3), (3, 4)]),
)


@given(shape=SHAPES, data=st.data(), max_side=st.integers(64, 500))
def test_stored_frames_are_even_never_enlarged_and_within_the_longest_side(
    shape: Shape, data: st.DataObject, max_side: int
) -> None:
    x0, y0 = data.draw(st.integers(0, shape.width - 4)), data.draw(st.integers(0, shape.height - 4))
    box = x0, y0, data.draw(st.integers(x0 + 2, shape.width)), data.draw(st.integers(y0 + 2, shape.height))
    geometry = fit(shape, box, max_side)
    x, y, width, height = geometry.crop
    assert all(value % 2 == 0 for value in (*geometry.crop, *geometry.stored))
    assert 0 <= x <= x0 and 0 <= y <= y0 and x + width <= shape.width and y + height <= shape.height
    assert x + width >= min(box[2], shape.width & ~1) and y + height >= min(box[3], shape.height & ~1)
    assert max(geometry.stored) <= max_side
    assert geometry.scaled[0] <= width and geometry.scaled[1] <= height


@given(shape=SHAPES, x=st.floats(0, 1), y=st.floats(0, 1))
def test_corners_of_the_stored_frame_are_corners_of_the_crop(shape: Shape, x: float, y: float) -> None:
    geometry = fit(shape, (4, 6, shape.width, shape.height), 200)
    height, width = geometry.stored
    u, v = geometry.to_coded(x * width, y * height)
    left, top, crop_width, crop_height = geometry.crop
    assert left - 1e-6 <= u <= left + crop_width + 1e-6
    assert top - 1e-6 <= v <= top + crop_height + 1e-6


@pytest.mark.parametrize("rotation", [None, 90, 180, 270])
@pytest.mark.parametrize("sar", [None, Fraction(16, 15), Fraction(3, 4)])
def test_what_is_seen_at_a_stored_pixel_lies_at_its_coded_pixel(
    tmp_path: Path, rotation: int | None, sar: Fraction | None
) -> None:
    picture = np.zeros((120, 160, 3), np.uint8)
    marks = {(40, 30): (250, 30, 30), (120, 30): (30, 250, 30), (40, 90): (30, 30, 250), (120, 90): (250, 250, 250)}
    for (x, y), colour in marks.items():
        picture[y - 6 : y + 6, x - 6 : x + 6] = colour
    path = write_video(tmp_path / "marks.mp4", [picture], rotation=rotation, sar=sar)
    [frame] = list(Video(path).frames())
    geometry = fit(frame.shape, (10, 8, 150, 112), 100)
    luma = stored_planes(frame.planes, geometry)[0]
    assert luma.shape == geometry.stored
    found = 0
    coded = np.asarray(frame.planes.y)
    for y in range(0, luma.shape[0]):
        for x in range(0, luma.shape[1]):
            u, v = geometry.to_coded(x + 0.5, y + 0.5)
            around = coded[max(0, int(v) - 2) : int(v) + 3, max(0, int(u) - 2) : int(u) + 3]
            if np.ptp(around) < 12:  # away from edges, where scaling mixes neighbours
                found += 1
                assert abs(int(luma[y, x]) - (float(coded[int(v), int(u)]) - 16) * 255 / 219) <= 12
    assert found > 0.5 * luma.size


def test_an_upright_frame_of_square_pixels_is_what_a_player_shows(tmp_path: Path) -> None:
    picture = np.zeros((120, 160, 3), np.uint8)
    picture[:40, :40] = 255
    corners = {}
    for rotation in (0, 90, 180, 270):
        path = write_video(tmp_path / f"{rotation}.mp4", [picture], rotation=rotation or None)
        [frame] = list(Video(path).frames())
        luma = stored_planes(frame.planes, fit(frame.shape, (0, 0, 160, 120), 960))[0]
        bright = [luma[10, 10], luma[10, -10], luma[-10, -10], luma[-10, 10]]
        corners[rotation] = luma.shape, int(np.argmax(bright))
    # The display matrix turns counter-clockwise: the mark of the upper left goes to the lower left, and on.
    assert corners == {0: ((120, 160), 0), 90: ((160, 120), 3), 180: ((120, 160), 2), 270: ((160, 120), 1)}


@given(shape=SHAPES)
def test_masks_go_to_the_coded_frame_and_back(shape: Shape) -> None:
    height, width = shape.shown
    shown = np.zeros((height, width), bool)
    shown[height // 4 : height - height // 4, width // 3 :] = True
    coded = shown_to_coded(shown, shape)
    assert coded.shape == (shape.height, shape.width)
    geometry = fit(shape, (0, 0, shape.width, shape.height), max(shape.width, shape.height))
    stored = coded_to_stored(coded, geometry, share=0.5)
    assert stored.shape == geometry.stored
    assert abs(stored.mean() - shown.mean()) < 0.15


def test_outside_the_view_and_under_overlays_a_stored_frame_is_black_and_colourless() -> None:
    shape = Shape(64, 48)
    view = np.zeros((48, 64), bool)
    view[4:44, 8:56] = True
    overlay = np.zeros((48, 64), bool)
    overlay[10:20, 10:30] = True
    geometry = fit(shape, (8, 4, 56, 44), 960)
    part = stencil(view, overlay, geometry)
    planes = tuple(np.full(size, 200, np.uint8) for size in ((40, 48), (20, 24), (20, 24)))
    y, cb, cr = mask_planes(planes, part)  # type: ignore[arg-type]
    assert (y[6:16, 2:22] == 0).all() and (cb[3:8, 1:11] == 128).all() and (cr[3:8, 1:11] == 128).all()
    assert (y[20:, 24:] == 200).all() and (cb[10:, 12:] == 200).all()
    assert part.tissue.sum() == 40 * 48 - 200


def test_one_pixel_of_text_masks_every_stored_pixel_that_shows_it() -> None:
    shape = Shape(1000, 1000)
    overlay = np.zeros((1000, 1000), bool)
    overlay[501, 333] = True
    part = stencil(np.ones((1000, 1000), bool), overlay, fit(shape, (0, 0, 1000, 1000), 300))
    assert 1 <= (~part.tissue).sum() <= 4


@pytest.mark.parametrize("ratio", [(0, 1), (1, 0), (-1, 1), (1, 1000)])
def test_an_absurd_pixel_shape_is_taken_as_square(ratio: tuple[int, int]) -> None:
    assert sane_sar(*ratio) == (1, 1)


def test_a_still_texture_survives_cropping_to_the_pixel(tmp_path: Path) -> None:
    path = write_video(tmp_path / "t.mkv", [texture(0)], codec="ffv1", pix_fmt="yuv444p")
    [frame] = list(Video(path).frames())
    whole = stored_planes(frame.planes, fit(frame.shape, (0, 0, 160, 120), 960))
    part = stored_planes(frame.planes, fit(frame.shape, (20, 10, 100, 90), 960))
    assert np.array_equal(part[0], whole[0][10:90, 20:100])
    assert np.array_equal(part[1], whole[1][5:45, 10:50])
