"""What one published sample is made of: size, planes, rim, mask and JSON."""

import json

import cv2
import numpy as np
import pytest
import simplejpeg
from hypothesis import given, settings
from hypothesis import strategies as st

from endocur import publish
from endoshards.errors import BadInput

ROW = {
    "frame_id": "0123456789abcdef-000001500000",
    "source_id": "0123456789abcdef",
    "group_id": "fedcba9876543210",
    "pts_us": 1_500_000,
    "pts_made": False,
    "width": 600,
    "height": 500,
    "src_width": 1920,
    "src_height": 1080,
    "crop_x": 360,
    "crop_y": 40,
    "crop_w": 1200,
    "crop_h": 1000,
    "rotation": 0,
    "sar_num": 1,
    "sar_den": 1,
    "scale_x": 0.5,
    "scale_y": 0.5,
    "view_id": "0123456789abcdef-0",
    "score_version": "1",
} | dict.fromkeys(publish.SCORES, 0.123456)


def disc(width: int, height: int) -> np.ndarray:
    tissue = np.zeros((height, width), np.uint8)
    cv2.circle(tissue, (width // 2, height // 2), min(width, height) * 2 // 5, 1, -1)
    return tissue.astype(bool)


def stored(width: int, height: int, tissue: np.ndarray, colour: tuple[int, int, int] = (200, 90, 60)) -> bytes:
    rgb = np.zeros((height, width, 3), np.uint8)
    rgb[tissue] = colour
    return simplejpeg.encode_jpeg(rgb, quality=95, colorsubsampling="420")


@given(st.integers(16, 4000), st.integers(16, 4000), st.integers(16, 1000))
def test_the_short_side_becomes_the_size_and_nothing_is_enlarged(width: int, height: int, size: int) -> None:
    to_width, to_height = publish.fit(width, height, size)
    assert min(to_width, to_height) == min(size, width, height)
    assert to_width <= width + 1 and to_height <= height + 1
    assert (to_width <= to_height) == (width <= height) or to_width == to_height
    if (to_width, to_height) != (width, height):
        assert abs(max(to_width, to_height) - max(width, height) * size / min(width, height)) <= 1.0


def test_a_small_picture_keeps_its_bytes_and_native_size_keeps_all() -> None:
    tissue = disc(120, 100)
    jpeg = stored(120, 100, tissue)
    assert publish.picture(jpeg, publish.window(tissue, 100), 90) == jpeg
    assert publish.picture(jpeg, publish.window(tissue, None), 90) == jpeg
    assert publish.picture(jpeg, publish.window(tissue, 64), 90) != jpeg


@settings(deadline=None, max_examples=25)
@given(st.integers(90, 200), st.integers(90, 200), st.sampled_from([33, 48, 64]))
def test_the_rim_neither_bleeds_nor_rings(width: int, height: int, size: int) -> None:
    tissue = disc(width, height)
    view = publish.window(tissue, size)
    luma = publish.decode_planes(publish.picture(stored(width, height, tissue), view, 100)).y.astype(int)
    level = round(0.299 * 200 + 0.587 * 90 + 0.114 * 60)
    assert luma.shape == (view.height, view.width)
    assert abs(luma[view.tissue] - level).max() <= 6
    assert luma[~view.tissue].max() <= 6


def test_a_shrunk_picture_equals_the_area_mean_of_its_planes() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (128, 160), np.uint8)
    noise = cv2.GaussianBlur(noise, (0, 0), 2)
    jpeg = simplejpeg.encode_jpeg(np.dstack([noise] * 3), quality=100, colorsubsampling="420")
    view = publish.window(np.ones((128, 160), bool), 64)
    luma = publish.decode_planes(publish.picture(jpeg, view, 100)).y.astype(float)
    truth = noise.reshape(64, 2, 80, 2).mean((1, 3))
    assert np.abs(luma - truth).max() <= 2.0


def test_colour_survives_within_two_levels_of_chroma() -> None:
    tissue = np.ones((96, 128), bool)
    planes = publish.decode_planes(publish.picture(stored(128, 96, tissue), publish.window(tissue, 48), 90))
    before = publish.decode_planes(stored(128, 96, tissue))
    assert abs(int(planes.cb[10, 10]) - int(before.cb[10, 10])) <= 2
    assert abs(int(planes.cr[10, 10]) - int(before.cr[10, 10])) <= 2


def test_the_mask_is_a_one_bit_png_of_the_published_size() -> None:
    tissue = disc(200, 160)
    view = publish.window(tissue, 80)
    mask = cv2.imdecode(np.frombuffer(view.mask_png, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert mask.shape == (80, 100)
    assert set(np.unique(mask)) == {0, 255}
    assert np.array_equal(mask > 0, view.tissue)
    assert abs(view.tissue.mean() - tissue.mean()) < 0.01


def test_a_frame_without_any_tissue_is_black_not_a_crash() -> None:
    tissue = np.zeros((96, 96), bool)
    planes = publish.decode_planes(publish.picture(stored(96, 96, ~tissue), publish.window(tissue, 32), 90))
    assert planes.y.max() <= 2
    assert np.abs(planes.cr.astype(int) - publish.NEUTRAL).max() <= 1


@pytest.mark.parametrize("subsampling", ["444", "422"])
def test_a_picture_that_extract_did_not_write_is_refused(subsampling: str) -> None:
    rgb = np.zeros((96, 96, 3), np.uint8)
    jpeg = simplejpeg.encode_jpeg(rgb, colorsubsampling=subsampling)
    with pytest.raises(BadInput, match="no 4:2:0 JPEG"):
        publish.picture(jpeg, publish.window(np.ones((96, 96), bool), 32), 90)


def test_a_mask_of_another_size_is_refused() -> None:
    jpeg = stored(96, 96, np.ones((96, 96), bool))
    with pytest.raises(BadInput, match="96 x 96 and its mask 100 x 96"):
        publish.picture(jpeg, publish.window(np.ones((96, 100), bool), 32), 90)


def test_truncated_bytes_are_refused() -> None:
    with pytest.raises(BadInput, match="decode"):
        publish.picture(b"\xff\xd8\xff", publish.window(np.ones((96, 96), bool), 32), 90)


def test_the_json_says_where_each_pixel_came_from() -> None:
    value = json.loads(publish.sample_json(ROW, 300, 250))
    assert value["view"]["scale"] == [0.25, 0.25]
    assert value["view"]["crop"] == [360, 40, 1200, 1000]
    assert (value["width"], value["height"]) == (300, 250)
    assert value["scores"] == dict.fromkeys(publish.SCORES, 0.1235)


def test_the_scale_of_a_turned_picture_follows_the_coded_axes() -> None:
    turned = ROW | {"rotation": 90, "width": 500, "height": 600, "scale_x": 0.5, "scale_y": 0.5}
    value = json.loads(publish.sample_json(turned, 250, 150))
    # Coded x runs down the stored picture: it was shrunk by 150 / 600, coded y by 250 / 500.
    assert value["view"]["scale"] == [0.125, 0.25]
