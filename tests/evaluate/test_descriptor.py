"""The training-free descriptor: likeness of place, blind to light, border and overlays."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from endoeval.encoders import duplicate_cosine, load, vectors
from endoeval.encoders.descriptor import Descriptor, describe

THRESHOLD = 0.9
SIDE = 240


def tissue(seed: int) -> np.ndarray:
    """Drawn tissue, RGB uint8 [700, 700, 3]: folds and vessels."""
    random = np.random.default_rng(seed)
    grey = np.zeros((700, 700), np.float32)
    for sigma, strength in ((50.0, 34.0), (18.0, 18.0), (6.0, 8.0)):
        layer = cv2.GaussianBlur(random.standard_normal(grey.shape).astype(np.float32), (0, 0), sigma)
        grey += strength * layer / layer.std()
    for _ in range(20):
        points = np.cumsum(random.normal(0, 30, (12, 2)), axis=0) + random.uniform(0, 700, 2)
        cv2.polylines(grey, [np.int32(points)], False, float(grey.min()), 2, cv2.LINE_AA)
    rgb = np.array([172, 98, 84], np.float32) + grey[:, :, None] * np.array([1.0, 0.9, 0.8], np.float32)
    return np.clip(rgb, 0, 255).astype(np.uint8)


def view(picture: np.ndarray, x: int = 230, y: int = 230) -> np.ndarray:
    return picture[y : y + SIDE, x : x + SIDE]


def disc() -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), np.uint8)
    cv2.circle(mask, (SIDE // 2, SIDE // 2), SIDE // 2 - 4, 1, -1)
    return mask > 0


def vector(picture: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
    mask = np.ones(picture.shape[:2], bool) if mask is None else mask
    return describe(np.ascontiguousarray(picture.transpose(2, 0, 1)), mask)


def alike(a: np.ndarray, b: np.ndarray, mask: np.ndarray | None = None) -> float:
    return float(vector(a, mask) @ vector(b, mask))


PLACES = [tissue(seed) for seed in range(8)]


@pytest.mark.parametrize(
    "change",
    [
        lambda p: cv2.imdecode(cv2.imencode(".jpg", p, [cv2.IMWRITE_JPEG_QUALITY, 50])[1], 1),
        lambda p: cv2.resize(p, (352, 288), interpolation=cv2.INTER_AREA),
        lambda p: cv2.resize(p, (120, 120), interpolation=cv2.INTER_AREA),
        lambda p: (p * 0.5).astype(np.uint8),
        lambda p: np.clip(p * 1.25, 0, 255).astype(np.uint8),
        lambda p: cv2.GaussianBlur(p, (0, 0), 1.5),
        lambda p: np.clip(p + np.random.default_rng(0).normal(0, 6, p.shape), 0, 255).astype(np.uint8),
    ],
    ids=["recoded", "squashed", "halved", "darker", "brighter", "softer", "noisier"],
)
def test_a_copy_of_a_frame_is_a_duplicate(change: Callable[[np.ndarray], np.ndarray]) -> None:
    for place in PLACES:
        assert alike(view(place), change(view(place))) > THRESHOLD


def test_likeness_falls_as_the_camera_moves_away() -> None:
    for place in PLACES:
        steps = [alike(view(place), view(place, 230 + shift), disc()) for shift in (0, 8, 20, 40, 120)]
        assert steps[0] == pytest.approx(1.0, abs=1e-5)
        assert steps[1] > THRESHOLD and steps[4] < 0.5
        assert steps[:4] == sorted(steps[:4], reverse=True)


def test_different_places_are_not_alike() -> None:
    values = [alike(view(a), view(b), disc()) for k, a in enumerate(PLACES) for b in PLACES[:k]]
    assert max(values) < 0.7 and abs(float(np.median(values))) < 0.2


def test_the_lamp_and_the_dark_rim_make_no_likeness() -> None:
    """All frames are bright in the middle or on one side; that is no common place."""
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    for fall in (1 - 0.5 * (x**2 + y**2), 0.7 + 0.3 * x):
        lit = [np.clip(view(place) * fall[:, :, None], 0, 255).astype(np.uint8) for place in PLACES]
        values = [alike(a, b, disc()) for k, a in enumerate(lit) for b in lit[:k]]
        assert max(values) < 0.75


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=15)
def test_what_lies_outside_the_tissue_changes_nothing(seed: int) -> None:
    mask = disc()
    mask[100:130, 60:200] = False  # an overlay
    frame = view(PLACES[0]).copy()
    other = np.random.default_rng(seed).integers(0, 256, frame.shape, np.uint8)
    other[mask] = frame[mask]
    assert np.array_equal(vector(other, mask), vector(frame, mask))


@pytest.mark.parametrize("level", [0, 90, 255])
def test_a_frame_without_structure_is_like_no_other(level: int) -> None:
    flat = vector(np.full((SIDE, SIDE, 3), level, np.uint8))
    assert not flat.any()
    assert not vector(view(PLACES[0]), np.zeros((SIDE, SIDE), bool)).any()


@given(height=st.integers(1, 90), width=st.integers(1, 90), seed=st.integers(0, 2**32 - 1), share=st.floats(0, 1))
@settings(max_examples=40)
def test_any_picture_has_a_finite_vector_of_length_one_or_none(
    height: int, width: int, seed: int, share: float
) -> None:
    random = np.random.default_rng(seed)
    picture = random.integers(0, 256, (height, width, 3), np.uint8)
    found = vector(picture, random.random((height, width)) < share)
    assert np.isfinite(found).all()
    assert float(np.linalg.norm(found)) == pytest.approx(1.0, abs=1e-5) or not found.any()


def test_it_keeps_the_promises_of_an_encoder() -> None:
    encoder = load("builtin:descriptor")
    assert isinstance(encoder, Descriptor) and encoder.contract.uses_mask
    assert re.fullmatch(r"builtin-descriptor-[0-9a-f]{8}", encoder.encoder_id)
    images = np.stack([view(place).transpose(2, 0, 1) for place in PLACES[:3]])
    masks = np.stack([disc()] * 3)
    features = encoder.encode(images, masks)
    assert features.patches is None and features.cls.dtype == np.float32
    assert features.cls.shape == (3, encoder.contract.dim) == vectors(encoder, images, masks).shape
    single = np.concatenate([encoder.encode(images[k : k + 1], masks[k : k + 1]).cls for k in range(3)])
    assert np.array_equal(single, features.cls), "a batch is its singles"
    whole = encoder.encode(images).cls
    assert np.array_equal(whole, encoder.encode(images, np.ones_like(masks)).cls)


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"uint8 \[B, 3, H, W\] is wanted"):
        Descriptor().encode(np.zeros((2, 8, 8, 3), np.uint8))
    with pytest.raises(ValueError, match="tissue is"):
        Descriptor().encode(np.zeros((2, 3, 8, 8), np.uint8), np.ones((2, 4, 4), bool))


def test_only_measured_encoders_have_a_threshold() -> None:
    assert duplicate_cosine("builtin:descriptor") == THRESHOLD
    assert duplicate_cosine("timm:vit_small_patch16_224") is None


def test_it_needs_no_torch() -> None:
    code = (
        "from endoeval.encoders import load; load('builtin:descriptor'); import sys; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
