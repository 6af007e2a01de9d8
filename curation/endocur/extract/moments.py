"""What stays and what moves over distant moments of one source: the ground on which view and overlays are found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

SAME_MOMENT = 2.5
"""Mean luma difference over the lit part below which two probe frames show one moment: frozen pictures differ by
up to 1.8 levels after a codec, the slowest moving ones by 2.5 (measured on composed procedures)."""
LOW, HIGH = 0.10, 0.90
"""Percentiles over time: up to a tenth of the probe may be titles, colour bars or black-outs."""


@dataclass(frozen=True)
class Moments:
    """Per-pixel statistics of luma over the distinct frames of a probe; all [h, w]."""

    low: NDArray[np.uint8]
    median: NDArray[np.uint8]
    high: NDArray[np.uint8]
    edge: NDArray[np.float32]
    """Mean over time of the gradient's length, in levels a pixel: high where edges are frequent."""
    lasting: NDArray[np.float32]
    """Length of the gradient's mean over time, in levels a pixel: high only where the same edge is always there."""
    times: NDArray[np.uint16]
    """Number of frames that show that lasting edge at at least half its mean length."""
    frames: int
    """Distinct frames they were made from."""

    @property
    def range(self) -> NDArray[np.uint8]:
        """How far luma moves at a pixel between the low and the high percentile."""
        return self.high - self.low


def moments(frames: Sequence[NDArray[np.uint8]]) -> Moments:
    """Statistics of the distinct moments of a probe.

    Args:
        frames: uint8 [h, w, 3] RGB each, in time order, at least one.
    """
    luma = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames])
    kept = distinct(luma)
    low, median, high = _percentiles(luma[kept], (LOW, 0.5, HIGH))
    edge, lasting, times = _edges(luma[kept])
    # a blue logo can be as bright as the tissue round it: its edge is in red less luma
    red = np.stack([cv2.subtract(frames[index][..., 0], luma[index]) for index in kept])
    _, red_lasting, red_times = _edges(red)
    redder = red_lasting > lasting
    return Moments(
        low, median, high, edge, np.where(redder, red_lasting, lasting), np.where(redder, red_times, times), len(kept)
    )


def _edges(planes: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.uint16]]:
    """Mean length of the gradient, length of its mean, and in how many planes it points that way, all [h, w]."""
    edge = np.zeros(planes.shape[1:], np.float32)
    mean_x, mean_y = np.zeros_like(edge), np.zeros_like(edge)
    for plane in planes:
        along_x, along_y = gradient(plane)
        edge += cv2.magnitude(along_x, along_y)
        mean_x += along_x
        mean_y += along_y
    share = np.float32(1 / len(planes))
    lasting = np.asarray(cv2.magnitude(mean_x, mean_y), np.float32) * share
    unit = share / np.maximum(lasting, np.float32(1e-3))
    mean_x *= unit
    mean_y *= unit
    times = np.zeros(edge.shape, np.uint16)
    least = np.maximum(np.float32(0.5) * lasting, np.float32(4))
    for plane in planes:
        along_x, along_y = gradient(plane)
        times += along_x * mean_x + along_y * mean_y >= least
    return edge * share, lasting, times


def gradient(picture: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Slope along x and y in levels a pixel."""
    # Scharr's kernel answers 32 to a slope of 1
    return (
        np.asarray(cv2.Scharr(picture, cv2.CV_32F, 1, 0, scale=1 / 32), np.float32),
        np.asarray(cv2.Scharr(picture, cv2.CV_32F, 0, 1, scale=1 / 32), np.float32),
    )


def distinct(luma: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Indices of the frames that show another moment than the one kept before them: freezes and rests go first.

    Args:
        luma: uint8 [n, h, w] in time order, n >= 1.
    """
    small = np.stack([cv2.resize(frame, (96, 72), interpolation=cv2.INTER_AREA) for frame in luma]).astype(np.int16)
    lit = small.max(axis=0) > 32
    if not lit.any():
        return np.zeros(1, np.intp)
    kept = [0]
    for index in range(1, len(small)):
        if np.abs(small[index] - small[kept[-1]])[lit].mean() >= SAME_MOMENT:
            kept.append(index)
    return np.array(kept, np.intp)


def _percentiles(frames: NDArray[np.uint8], shares: tuple[float, ...]) -> list[NDArray[np.uint8]]:
    """Nearest-rank percentiles over time, in bands of rows so that the sorted copy stays small."""
    count, height, width = frames.shape
    out = [np.empty((height, width), np.uint8) for _ in shares]
    for top in range(0, height, 64):
        band = np.sort(frames[:, top : top + 64], axis=0)
        for plane, share in zip(out, shares, strict=True):
            plane[top : top + 64] = band[round(share * (count - 1))]
    return out
