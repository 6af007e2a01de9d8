"""`builtin:descriptor`: what is where in a frame, without training, weights, torch or a network.

Two frames get a cosine near 1 when they show the same tissue from nearly the same place, near 0 when they do not.
A picture is squashed to `SIDE` pixels a side, so that a copy in another shape stays a copy, and two maps of
`GRID` x `GRID` cells are read from it:

- directions of brightness change: in each cell, how much of each of eight directions there is (histograms of
  oriented gradients, Dalal and Triggs, CVPR 2005, of log luma, softly pooled). Folds, vessels and outlines;
- hue: how red and blue a cell is against the frame's own mean (colour layout, MPEG-7).

What all endoscopic frames share would make all of them alike, so it is taken out: the overall amount of texture,
the overall direction of light, and the fall of light from the middle to the rim. Gains and lamps cancel in log
luma. Only tissue counts: pixels outside the view and under overlays change nothing, and cells without tissue
weigh nothing. Descriptor, centring and weights are ours; docs/dedup.md has the evidence.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from endoeval.encoders.contract import Contract, Features
from endoshards.files import fingerprint

VERSION = "1"
SIDE = 64
GRID = 8
DIRECTIONS = 8
HUE_WEIGHT = 0.3

_LUMA = np.array([[0.299, 0.587, 0.114]], np.float32)
_DARK = 8.0
"""Added to luma before the logarithm: noise of black pixels stays small."""
_SMOOTH = 2.0
_AROUND = 8.0
_POOL = 4.0
"""Standard deviations in pixels of SIDE: of the picture before its gradient is taken, of the neighbourhood whose
mean gradient it is compared with, and of the pooling."""
_FAINT = 0.01
_NOTHING = 1e-4
"""Gradients of log luma a pixel: of noise, as which each neighbourhood counts at least; of rounding, which is none."""
_LEAST_COVER = 0.3
"""Cells covered less by tissue (square root of the share) say nothing."""


class Descriptor:
    """The training-free encoder, behind the Encoder protocol."""

    name = "builtin:descriptor"
    contract = Contract(
        size=SIDE,
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
        pooling="cls",
        uses_mask=True,
        dim=GRID * GRID * (DIRECTIONS + 2),
    )

    @property
    def encoder_id(self) -> str:
        """Names version and contract: another descriptor never reuses these files."""
        return f"builtin-descriptor-{fingerprint([VERSION, self.contract.to_json()])[:8]}"

    def encode(self, images: NDArray[np.uint8], tissue: NDArray[np.bool_] | None = None) -> Features:
        """Unit vectors of uint8 [B, 3, H, W] pictures; zeros where a picture shows no structure at all.

        Args:
            images: RGB.
            tissue: bool [B, H, W]; None: all of it.
        Raises: ValueError for wrong shapes.
        """
        if images.ndim != 4 or images.shape[1] != 3 or images.dtype != np.uint8:
            raise ValueError(f"images are {images.dtype} {images.shape}; uint8 [B, 3, H, W] is wanted")
        if tissue is None:
            tissue = np.ones((len(images), *images.shape[2:]), np.bool_)
        elif tissue.shape != (len(images), *images.shape[2:]):
            raise ValueError(f"tissue is {tissue.shape} for images of {images.shape}")
        vectors = np.zeros((len(images), self.contract.dim), np.float32)
        for row, (image, mask) in enumerate(zip(images, tissue, strict=True)):
            vectors[row] = describe(image, mask)
        return Features(vectors, None)


def describe(image: NDArray[np.uint8], tissue: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The unit vector of one picture, uint8 [3, H, W]; zeros if no structure is seen."""
    share = cv2.resize(tissue.astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    lit = np.ascontiguousarray((image * tissue).transpose(1, 2, 0)).astype(np.float32)
    rgb = cv2.resize(lit, (SIDE, SIDE), interpolation=cv2.INTER_AREA) / np.maximum(share, 1e-3)[:, :, None]
    directions = _unit(_directions(rgb, share))
    if not directions.any():
        return np.zeros(GRID * GRID * (DIRECTIONS + 2), np.float32)
    return _unit(np.concatenate([directions, HUE_WEIGHT * _unit(_hues(rgb, share))]))


def _directions(rgb: NDArray[np.float32], share: NDArray[np.float32]) -> NDArray[np.float32]:
    """Amount of each direction in each cell, less what all frames share; [DIRECTIONS * GRID * GRID]."""
    luma = cv2.transform(rgb, _LUMA) + np.float32(_DARK)
    luma = _masked_blur(np.log(luma), share, _SMOOTH)
    x, y = cv2.Scharr(luma, cv2.CV_32F, 1, 0, scale=1 / 32), cv2.Scharr(luma, cv2.CV_32F, 0, 1, scale=1 / 32)
    whole = (share > 0.99).astype(np.float32)
    inside = cv2.erode(whole, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0)
    length = np.sqrt(x * x + y * y)
    # Against what lies around, and its square root: faint vessels speak beside the dark lumen and strong folds.
    usual = np.sqrt(_masked_blur(length * length, inside, _AROUND))
    strength = np.sqrt(np.maximum(length - np.float32(_NOTHING), 0) / (usual + np.float32(_FAINT))) * inside
    x, y = x / np.maximum(length, 1e-9), y / np.maximum(length, 1e-9)
    cover = _pooled(inside)
    along = np.maximum(0, x[:, :, None] * _COSINE + y[:, :, None] * _SINE)
    lobes = along * along * along * strength[:, :, None]
    cells = (_pooled(lobes) / np.maximum(cover, 1e-3)[:, :, None]).transpose(2, 0, 1).astype(np.float32)
    weight = np.sqrt(np.clip(cover / _FULL_COVER, 0, 1))
    weight[weight < _LEAST_COVER] = 0
    return _centred(cells, weight).ravel()


def _centred(cells: NDArray[np.float32], weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """Without the amount of texture of a cell, the fall of light to the rim, and the direction of light."""
    counts = weight * weight
    total = max(float(counts.sum()), 1e-9)
    cells = cells - cells.mean(axis=0)
    towards = float((cells * _INWARD * counts).sum()) / max(float((_INWARD * _INWARD * counts).sum()), 1e-9)
    cells = cells - towards * _INWARD
    overall = (cells * counts).sum(axis=(1, 2)) / total
    return ((cells - overall[:, None, None]) * weight).astype(np.float32)


def _hues(rgb: NDArray[np.float32], share: NDArray[np.float32]) -> NDArray[np.float32]:
    """Red and blue of each cell as shares of brightness, less the frame's mean; [2 * GRID * GRID]."""
    total = rgb.sum(axis=2) + np.float32(3 * _DARK)
    hue = rgb[:, :, ::2] / total[:, :, None]
    mean = (hue * share[:, :, None]).sum(axis=(0, 1), dtype=np.float64) / max(float(share.sum()), 1e-9)
    return _pooled((hue - mean.astype(np.float32)) * share[:, :, None]).ravel()


def _pooled(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    """Gaussian-weighted mean about each cell's centre: [SIDE, SIDE, ...] to [GRID, GRID, ...]."""
    step = SIDE // GRID
    blurred = cv2.GaussianBlur(plane, (0, 0), _POOL, borderType=cv2.BORDER_CONSTANT)
    # A cell's centre lies between four pixels.
    low, high = blurred[step // 2 - 1 :: step], blurred[step // 2 :: step]
    both = low + high
    return (both[:, step // 2 - 1 :: step] + both[:, step // 2 :: step]) / np.float32(4)


def _masked_blur(plane: NDArray[np.float32], share: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """Blur that sees tissue only."""
    return cv2.GaussianBlur(plane * share, (0, 0), sigma) / np.maximum(cv2.GaussianBlur(share, (0, 0), sigma), 1e-3)


def _unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of length 1; zeros stay zeros."""
    length = float(np.sqrt((vector.astype(np.float64) ** 2).sum()))
    return (vector / length).astype(np.float32) if length > 1e-6 else np.zeros_like(vector)


def _inward() -> NDArray[np.float32]:
    """What light that falls off from the middle to the rim puts into the cells."""
    y, x = np.mgrid[:GRID, :GRID] - (GRID - 1) / 2
    angle, radius = np.arctan2(-y, -x), np.hypot(x, y) / (GRID / 2)
    turns = 2 * np.pi * np.arange(DIRECTIONS) / DIRECTIONS
    pattern = np.maximum(0, np.cos(angle - turns[:, None, None])) ** 3 * radius
    return (pattern - pattern.mean(axis=0)).astype(np.float32)


_COSINE = np.cos(2 * np.pi * np.arange(DIRECTIONS) / DIRECTIONS).astype(np.float32)
_SINE = np.sin(2 * np.pi * np.arange(DIRECTIONS) / DIRECTIONS).astype(np.float32)
_INWARD = _inward()
_FULL_COVER = _pooled(np.ones((SIDE, SIDE), np.float32))
