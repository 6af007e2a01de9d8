"""Is a stored frame inside the body? One number from its colours and its structure; a room, a towel, a beaker are out.

A tiny classifier (a few thousand numbers in `body.npz`, made by `curation/body_model/train.py` from drawn frames and
capsule frames under CC BY 4.0) looks at the picture at a sixteenth of the scores' pixels. It sees which share of the
tissue mask has which colour (ratios of red to green and green to blue, so that exposure does not count), and how
light, colour and edges go together: light that falls off into redder depth, soft shading, no straight borders of
different materials. It knows nothing of the frame's neighbours: smoothing over time is the filter's
(`endocur.select.body`).

Where there is too little light or colour to tell (black, white, blank), it says nothing: None. Such frames go with
their neighbours.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from io import BytesIO
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

SPACING_US = 190_000
"""Frames of a video that follow a measured one more closely are left to it."""
VERSION = "1"
"""Raised whenever `in_body` of any frame may change; stands in every row."""

DARK, WHITE = 40, 224
"""Largest channel below which a pixel is too dark, and smallest from which it is too bright, to have a colour."""
MIN_COLOURED = 0.15
"""A frame with a smaller share of pixels that have a colour says nothing."""

_RED_GREEN = np.array([-0.5, -0.2, -0.08, 0.0, 0.08, 0.18, 0.3, 0.45, 0.6, 0.8, 1.1, 1.6])
_GREEN_BLUE = np.array([-0.5, -0.2, -0.08, 0.08, 0.25, 0.5, 0.9])
"""Edges, in octaves, of the cells that colours are counted in: log2 of red / green, log2 of green / blue."""
_CELLS = (len(_RED_GREEN) + 1) * (len(_GREEN_BLUE) + 1)
_FLOOR = 6.0
"""Levels added to each channel before a ratio is taken, so that noise in the dark is no colour."""
_STEPS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32)
_STEP_SCALE = 790.0
_STEP_EDGES = [0, *(int(step * _STEP_SCALE) + 1 for step in _STEPS)]
"""Borders between steps of light and of colour, in octaves a pixel, and as levels that are counted."""
_COHERENT = (0.3, 0.6, 0.85)
"""Of a structure tensor over 5 x 5 pixels: 0 no direction, 1 a straight edge."""
_PEAKS = (3.0, 6.0)
"""Multiples of the mean size of fine detail."""
FEATURES = _CELLS + 2 + 2 * (len(_STEPS) + 1) + len(_COHERENT) + 1 + 8 + 2 * len(_PEAKS)


class Model(NamedTuple):
    """Standardisation and two layers; made by the training script."""

    mean: NDArray[np.float32]
    """[f]"""
    scale: NDArray[np.float32]
    """[f]"""
    hidden: NDArray[np.float32]
    """[f, h]"""
    hidden_bias: NDArray[np.float32]
    """[h]"""
    out: NDArray[np.float32]
    """[h]"""
    out_bias: NDArray[np.float32]
    """[1]"""


class Turns:
    """Which frames of a chapter `in_body` is measured on: five a second are plenty for a vote over 1.5 s.

    Ask for each stored frame once, in stored order. Stills, which have no time, are all measured.
    """

    def __init__(self) -> None:
        self._last_us = -SPACING_US

    def takes(self, us: int) -> bool:
        """Whether the next frame, shown at `us`, is measured."""
        if self._last_us < us < self._last_us + SPACING_US:
            return False
        self._last_us = us
        return True


def in_body(rgb: NDArray[np.uint8], luma: NDArray[np.uint8], inside: NDArray[np.uint8]) -> float | None:
    """How surely a picture shows the inside of the body.

    Args:
        rgb: uint8 [h, w, 3], as it is scored.
        luma: uint8 [h, w], its grey.
        inside: uint8 [ceil(h / 4), ceil(w / 4)], 255 where tissue is; some of it.
    Returns: a fraction in [0, 1], rounded to 1e-4, None where nothing can be said.
    """
    seen = features(rgb, luma, inside)
    return None if seen is None else probability(seen, packaged())


def probability(seen: NDArray[np.float32], model: Model) -> float:
    """The classifier's answer to `features`, rounded to 1e-4."""
    # Products are summed in float64: the last bit of a float32 sum depends on the processor.
    hidden = np.tanh(((seen - model.mean) * model.scale).astype(np.float64) @ model.hidden + model.hidden_bias)
    return round(float(1.0 / (1.0 + np.exp(-(hidden @ model.out + model.out_bias[0])))), 4)


@lru_cache(maxsize=1)
def packaged() -> Model:
    """The classifier that ships with the package."""
    with np.load(BytesIO(files("endocur.quality").joinpath("body.npz").read_bytes()), allow_pickle=False) as stored:
        return Model(*(stored[name].astype(np.float32) for name in Model._fields))


def features(rgb: NDArray[np.uint8], luma: NDArray[np.uint8], inside: NDArray[np.uint8]) -> NDArray[np.float32] | None:
    """What the classifier sees: float32 [FEATURES], shares and their likes; None where nothing can be said.

    Args: as `in_body`.
    """
    where = np.flatnonzero(inside)
    small = _quarter(rgb, inside.shape)
    cell = _CELL_OF.take(_codes(small).ravel().take(where))
    counts = np.bincount(cell, minlength=_CELLS + 2)
    coloured = len(where) - int(counts[_CELLS:].sum())
    if not len(where) or coloured < MIN_COLOURED * len(where):
        return None
    shares = np.sqrt(counts)
    shares[:_CELLS] /= np.sqrt(coloured)
    shares[_CELLS:] /= np.sqrt(len(where))
    light = cv2.LUT(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), _LIGHT)
    red, green, blue = cv2.split(cv2.LUT(small, _LOGS))
    first, second = cv2.subtract(red, green), cv2.subtract(green, blue)
    told = where[cell < _CELLS]
    parts = [shares, _edges(light, first, inside), _together((light, first, second), told), _peaks(luma, where)]
    return np.concatenate(parts).astype(np.float32)


def _quarter(rgb: NDArray[np.uint8], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """A quarter of the size in two steps, each of which sees every pixel."""
    half = cv2.resize(rgb, ((rgb.shape[1] + 1) // 2, (rgb.shape[0] + 1) // 2), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.resize(half, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR))


def _codes(small: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """5 bits a channel: places in `_CELL_OF`."""
    red, green, blue = cv2.split(small >> 3)
    return np.asarray((red.astype(np.uint16) << 10) | (green.astype(np.uint16) << 5) | blue)


def _edges(light: NDArray[np.float32], ratio: NDArray[np.float32], inside: NDArray[np.uint8]) -> NDArray[np.float64]:
    """How steep, how coloured and how straight the edges are: shares of pixels by step, share of straight energy."""
    across, down = _gradient(light)
    xx, xy, yy = (
        cv2.boxFilter(cv2.multiply(*part), -1, (5, 5)) for part in ((across, across), (across, down), (down, down))
    )
    total = cv2.copyTo(cv2.add(xx, yy), inside)
    size = cv2.magnitude(cv2.subtract(xx, yy), cv2.add(xy, xy))
    above = [float(total.sum(dtype=np.float64))]
    for edge in _COHERENT:
        straight = (size > np.float32(edge) * (total + np.float32(1e-4))).view(np.uint8)
        above.append(cv2.mean(total, straight)[0] * cv2.countNonZero(straight))
    shares = -np.diff([*above, 0.0]) / (above[0] + 1e-9)
    return np.concatenate([_steps((across, down), inside), _steps(_gradient(ratio), inside), shares])


def _steps(gradient: tuple[NDArray[np.float32], NDArray[np.float32]], inside: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Shares of pixels whose step lies between the `_STEPS`, in octaves a pixel."""
    size = cv2.convertScaleAbs(cv2.magnitude(*gradient), alpha=_STEP_SCALE)
    counts = np.add.reduceat(cv2.calcHist([size], [0], inside, [256], [0, 256]).ravel(), _STEP_EDGES)
    return np.asarray(counts / counts.sum(), np.float64)


def _peaks(luma: NDArray[np.uint8], where: NDArray[np.intp]) -> NDArray[np.float64]:
    """Shares of fine detail that is many times its mean, darker and brighter apart: wet walls glint."""
    fine = cv2.Laplacian(luma, cv2.CV_16S)[::4, ::4].ravel().take(where)
    mean = int(np.abs(fine).sum(dtype=np.int64)) / len(fine) + 0.5
    shares = [
        np.count_nonzero(fine < -peak * mean if sign < 0 else fine > peak * mean) / len(fine)
        for sign in (1, -1)
        for peak in _PEAKS
    ]
    return np.sqrt(shares)


def _gradient(plane: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Octaves a pixel of the small picture, along and down."""
    return cv2.Scharr(plane, cv2.CV_32F, 1, 0, scale=1 / 32), cv2.Scharr(plane, cv2.CV_32F, 0, 1, scale=1 / 32)


def _together(planes: tuple[NDArray[np.float32], ...], where: NDArray[np.intp]) -> NDArray[np.float64]:
    """Means and spreads of light and colours, and how they go together; of light, red / green, green / blue."""
    table = np.ones((4, len(where)))
    for row, plane in zip(table[1:], planes, strict=True):
        row[:] = plane.ravel().take(where)
    sums = table @ table.T / len(where)
    mean = sums[0, 1:]
    spread = sums[1:, 1:] - np.outer(mean, mean)
    deviation = np.sqrt(np.maximum(np.diag(spread), 0)) + 0.02
    together = [spread[i, j] / (deviation[i] * deviation[j]) for i, j in ((0, 1), (0, 2), (1, 2))]
    return np.array([mean[1], mean[2], *deviation, *together])


def _cells() -> NDArray[np.uint8]:
    """For each colour of 5 bits a channel its cell: by its two ratios in octaves, or too dark, or too bright."""
    level = np.arange(32) * 8.0 + 3.5
    red, green, blue = (part.ravel() for part in np.meshgrid(level, level, level, indexing="ij"))
    first, second = np.log2((red + _FLOOR) / (green + _FLOOR)), np.log2((green + _FLOOR) / (blue + _FLOOR))
    cell = np.searchsorted(_RED_GREEN, first) * (len(_GREEN_BLUE) + 1) + np.searchsorted(_GREEN_BLUE, second)
    cell[np.maximum(np.maximum(red, green), blue) < DARK] = _CELLS
    cell[np.minimum(np.minimum(red, green), blue) > WHITE] = _CELLS + 1
    return cell.astype(np.uint8)


_CELL_OF = _cells()
_LOGS = np.log2(np.arange(256) + _FLOOR).astype(np.float32)
_LIGHT = np.log2(np.arange(256) + 16.0).astype(np.float32)
