"""`in_body` of one frame: what it says of drawn walls and drawn rooms, and what it does not say."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import cv2
import numpy as np
import pytest
import simplejpeg
from hypothesis import given
from hypothesis import strategies as st

from endocur.extract.view import box_of, layout
from endocur.phantom.labelled import class_pictures
from endocur.quality.body import FEATURES, Turns, features, in_body, packaged
from endocur.quality.scores import region, score_jpeg
from endocur.select.body import LEAST

SIZE = 256


def said(rgb: np.ndarray, tissue: np.ndarray | None = None) -> float | None:
    """`in_body` of a picture as the corpus stores it."""
    mask = np.ones(rgb.shape[:2], bool) if tissue is None else tissue
    stored = np.ascontiguousarray(rgb * mask[..., None].astype(np.uint8))
    value = score_jpeg(simplejpeg.encode_jpeg(stored, 92), mask).in_body
    return None if value is None else float(value)


def disc(size: int = SIZE) -> np.ndarray:
    return cv2.circle(np.zeros((size, size), np.uint8), (size // 2, size // 2), size // 2 - 4, 1, -1) > 0


def room(seed: int) -> np.ndarray:
    """White wall, grey floor, boxes and a window: drawn for this test alone."""
    generator = np.random.default_rng([seed, 99])
    rgb = np.full((SIZE, SIZE, 3), (196, 200, 198), np.uint8)
    rgb[170:] = (104, 108, 112)
    for _ in range(9):
        x, y, w, h = generator.integers(0, [200, 190, 90, 90]).tolist()
        colour = [int(v) for v in generator.choice([[40, 70, 120], [220, 222, 224], [60, 62, 66], [30, 110, 100]])]
        cv2.rectangle(rgb, (x, y), (x + w + 10, y + h + 10), colour, -1)
    return rgb


def cloth(seed: int, colour: tuple[int, int, int]) -> np.ndarray:
    rows, columns = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32)
    wave = np.sin((rows + seed * columns) / 17) * 0.2 + np.sin(columns / 41) * 0.1
    return np.clip(np.float32(colour) * (0.85 + wave)[..., None], 0, 255).astype(np.uint8)


def test_drawn_walls_are_inside() -> None:
    values = [said(one.image, disc(one.image.shape[0])) for one in class_pictures(seed=3, count=18, patients=6)]
    assert all(value is not None and value >= LEAST["standard"] for value in values), values


def test_rooms_drapes_and_towels_are_outside() -> None:
    pictures = [room(seed) for seed in range(6)]
    pictures += [cloth(1, (40, 100, 160)), cloth(2, (60, 130, 120)), cloth(3, (200, 205, 200))]
    values = [said(picture, disc()) for picture in pictures]
    assert all(value is not None and value < LEAST["standard"] for value in values), values


@pytest.mark.parametrize("level", [0, 12, 250, 255])
def test_black_and_white_frames_say_nothing(level: int) -> None:
    generator = np.random.default_rng(level)
    noise = np.clip(level + generator.normal(0, 4, (SIZE, SIZE, 3)), 0, 255).astype(np.uint8)
    assert said(noise) is None
    assert said(np.full((SIZE, SIZE, 3), level, np.uint8)) is None


def test_a_frame_without_tissue_says_nothing() -> None:
    assert said(room(0), np.zeros((SIZE, SIZE), bool)) is None


def test_what_lies_outside_the_mask_does_not_count() -> None:
    picture, mask = next(class_pictures(seed=1, count=1, patients=1)).image, disc(240)
    other = np.where(mask[..., None], picture, room(2)[:240, :240])
    inside = region(mask).coarse
    one, two = (features(rgb, cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), inside) for rgb in (picture, other))
    assert one is not None and two is not None
    assert np.abs(one - two).max() < 0.02


@given(seed=st.integers(0, 2**32 - 1), width=st.integers(24, 400), height=st.integers(24, 400))
def test_any_picture_gives_a_rounded_fraction_or_nothing_and_twice_the_same(seed: int, width: int, height: int) -> None:
    generator = np.random.default_rng(seed)
    grid = generator.integers(0, 256, (5, 5, 3), np.uint8)
    rgb = cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
    first, second = said(rgb), said(rgb)
    assert first == second
    assert first is None or (0.0 <= first <= 1.0 and abs(first * 10_000 - round(first * 10_000)) < 1e-2)


def test_the_classifier_is_small_and_fits_what_it_sees() -> None:
    stored = files("endocur.quality").joinpath("body.npz").read_bytes()
    assert len(stored) <= 1_000_000
    model = packaged()
    assert model.mean.shape == model.scale.shape == (FEATURES,)
    assert model.hidden.shape == (FEATURES, len(model.out)) and model.out_bias.shape == (1,)
    assert all(np.isfinite(part).all() for part in model)


@pytest.mark.real
def test_real_stills_that_it_was_not_fitted_to_count_as_inside(shared_data: Path) -> None:
    paths = [
        path
        for folder in ("pool/kvasir", "pool/cholec", "pool/sinus", "pool/kvasir_v2", "seg_kvasir/images", "cls_bbps")
        for path in sorted((shared_data / folder).rglob("*.jpg"))[::6]
    ]
    values = []
    for path in paths:
        read = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        found = layout([read], size=read.shape[:2], detector=None)
        x, y, x1, y1 = box_of(found.view.mask)
        values.append(said(read[y:y1, x:x1], (found.view.mask & ~found.overlay)[y:y1, x:x1]))
    inside = [value is None or value >= LEAST["standard"] for value in values]
    assert len(inside) > 30
    assert np.mean(inside) >= 0.95


def test_in_body_answers_as_the_score_table_does() -> None:
    rgb = room(1)
    where = region(np.ones((SIZE, SIZE), bool))
    direct = in_body(rgb, cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), where.coarse)
    stored = said(rgb)
    assert direct is not None and stored is not None and abs(direct - stored) < 0.1


def test_five_frames_a_second_are_measured_and_every_still() -> None:
    turns = Turns()
    taken = [us for us in range(0, 2_000_000, 40_000) if turns.takes(us)]
    assert taken == list(range(0, 2_000_000, 200_000))
    assert all(Turns().takes(0) for _ in range(3))
    stills = Turns()
    assert [stills.takes(0) for _ in range(4)] == [True] * 4
