"""The border round a picture, and the picture as luma alone shows it: the ground on which an outline is fitted."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from endocur.extract.moments import Moments

Mask = NDArray[np.bool_]

BRIGHTEST_BORDER = 30
"""Luma up to which a flat stretch along the edge of a single still may be border; in a video it is what never moves."""


def border(found: Moments) -> tuple[float, float, float] | None:
    """Luma of the border, the height above it that is no noise, and how far it moves; None if there is no border.

    It is the commonest level among what neither moves nor has texture along the frame's edges, if that is more than
    three hundredths of them: the corners of a full-frame octagon are about a fifth.
    """
    ring = np.ones(found.high.shape, bool)
    ring[3:-3, 3:-3] = False
    still = ring & (found.range <= 8) & (found.edge < 6)  # a noisy border of 3 levels' deviation is within both
    if found.frames == 1:
        still &= found.median <= BRIGHTEST_BORDER
    if still.sum() < 0.03 * ring.sum():
        return None
    levels = np.bincount(found.median[still], minlength=256)
    level = int(np.argmax(np.convolve(levels, np.ones(5), mode="same")))
    near = still & (np.abs(found.median.astype(np.int16) - level) <= 5)
    if near.sum() < 0.03 * ring.sum():
        return None
    above = float(np.quantile(found.high[near], 0.98)) - level
    return float(level), max(4.0, above + 2.0), float(np.quantile(found.range[near], 0.98))


def lit(found: Moments, level: float, above: float, sway: float, ignore: Mask) -> tuple[Mask, Mask]:
    """The data's own mask of the picture, and where it can be told."""
    high = found.high.astype(np.float32)
    bright = (np.abs(high - level) > above) & ~ignore
    typical = float(np.median(found.range[bright])) if bright.any() else 0.0
    known = ~ignore
    if found.frames > 1 and typical > 12:
        moving = found.range > max(sway + 1, 4)
        burned = bright & ~moving & (found.range <= min(12, 0.2 * typical))
        burned = cv2.morphologyEx(burned.astype(np.uint8), cv2.MORPH_OPEN, np.ones((2, 2), np.uint8)) > 0
        known &= ~(cv2.dilate(burned.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0)
        bright &= moving
    mask = _largest(bright)
    return _half_level(mask, high, level), known


def _largest(lit: Mask) -> Mask:
    """Largest component without thin bridges, its gaps closed and its holes filled."""
    opened = cv2.morphologyEx(lit.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(opened, connectivity=4)
    if count < 2:
        return np.zeros_like(lit)
    mask = (labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))).astype(np.uint8)
    mask = cv2.copyMakeBorder(mask, 16, 16, 16, 16, cv2.BORDER_REPLICATE)
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (15, 15)))
    mask = mask[16:-16, 16:-16]
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(mask, contours, -1, 1, cv2.FILLED)
    return np.asarray(mask > 0)


def _half_level(mask: Mask, high: NDArray[np.float32], level: float) -> Mask:
    """The mask with its edge where luma is half way between the border and the picture beside it."""
    inside = np.where(mask, high, level).astype(np.float32)
    beside = cv2.dilate(cv2.blur(inside, (5, 5)), np.ones((9, 9), np.uint8))
    half = np.abs(high - level) >= 0.5 * np.abs(beside - level)
    band = cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    sure = cv2.erode(mask.astype(np.uint8), np.ones((7, 7), np.uint8), borderValue=1) > 0
    return np.asarray(sure | (band & mask & half))
