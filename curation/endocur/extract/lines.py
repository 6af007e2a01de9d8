"""Lines of text as boxes: which of those a detector gives count, and what belongs to them that it passed over."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Quad = NDArray[np.float32]

CONFIRMED = 0.8
"""A text box of whose letters this share is known already confirms and adds nothing: its margin is tissue."""
PASSING_ASPECT = 2.5
"""Text that was seen once is a line at least this many times as long as high; squarer finds are mostly highlights."""
PASSING_SHARE = 0.02
"""Share of the view given to text that was seen in one of the frames only."""


def add_boxes(mask: Mask, quads: Sequence[Quad]) -> Mask:
    """A mask [h, w] with the quadrilaterals of a text detector (float32 [4, 2], x and y in its pixels) filled in."""
    canvas = mask.astype(np.uint8)
    for quad in quads:
        cv2.fillPoly(canvas, [np.round(quad).astype(np.int32)], 1)
    return np.asarray(canvas > 0)


def confirm(still: Mask, found: Sequence[Sequence[Quad]], view: Mask) -> tuple[list[Quad], list[Quad]]:
    """What a text detector adds to the still regions of a video.

    A box counts if it comes back at the same place in another frame, or touches a still region. Passing text (captions,
    the label of a moving box) counts as long as all of it takes PASSING_SHARE of the view at most, the longest lines
    first: masked for the whole video it would cost tissue without end.

    Args:
        still: bool [h, w], overlays by stillness.
        found: for each frame asked, float32 [4, 2] boxes in pixels of `still`.
        view: bool [h, w].
    Returns: boxes to add, and boxes of passing text that found no room.
    """
    added: list[Quad] = []
    passing: list[Quad] = []
    for index, quads in enumerate(found):
        others = [quad for other, more in enumerate(found) if other != index for quad in more]
        for quad in quads:
            letters = add_boxes(np.zeros_like(view), [_without_margin(quad)]) & view
            covered = float((letters & still).sum()) / max(1, int(letters.sum()))
            if covered >= CONFIRMED or not letters.any():
                continue
            if covered > 0.1 or any(_box_overlap(quad, other) >= 0.3 for other in others):
                added.append(quad)
            elif _length(quad)[0] >= PASSING_ASPECT * _height(quad):
                passing.append(quad)
    room = PASSING_SHARE * float(view.sum())
    left: list[Quad] = []
    for quad in sorted(passing, key=_length, reverse=True):
        cost = float((add_boxes(np.zeros_like(view), [quad]) & view).sum())
        (added if cost <= room else left).append(quad)
        room -= cost if cost <= room else 0.0
    return added, left


def same_ink(rgb: NDArray[np.uint8], quads: Sequence[Quad]) -> list[Quad]:
    """Letters near found lines in the colour of those lines: short words and signs that the model passes over.

    A sign counts if it is about as high as the line, lies within a few line heights of it, and stands on one base
    with others: one on the row of the line itself, two elsewhere; so a highlight beside the text stays tissue.

    Args:
        rgb: uint8 [h, w, 3].
        quads: float32 [4, 2] (x, y), lines found in `rgb`.
    Returns: float32 [4, 2], upright boxes, one a row of signs.
    """
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    out: list[Quad] = []
    for quad in quads:
        low, high = np.floor(quad.min(axis=0)).astype(int), np.ceil(quad.max(axis=0)).astype(int)
        tall = int(min(high - low))
        x0, y0 = max(0, low[0] - 3 * tall), max(0, low[1] - 4 * tall)
        part = np.s_[y0 : high[1] + 4 * tall, x0 : high[0] + 8 * tall]
        kernel = np.ones((2 * (tall // 2) + 3, 2 * (tall // 2) + 3), np.uint8)
        stroke = cv2.morphologyEx(grey[part], cv2.MORPH_TOPHAT, kernel) > 25
        inside = np.zeros_like(stroke)
        inside[low[1] - y0 : high[1] - y0, low[0] - x0 : high[0] - x0] = True
        letters = rgb[part][stroke & inside]
        if len(letters) < 12:
            continue
        ink = np.percentile(letters, 75, axis=0)
        alike = stroke & (np.abs(rgb[part].astype(np.int16) - ink).max(axis=2) <= 45)
        middle = (low[1] + high[1]) / 2 - y0
        out += [row + np.array([x0, y0], np.float32) for row in _rows(alike, tall, middle)]
    return out


def _rows(strokes: NDArray[np.bool_], tall: int, line: float) -> list[Quad]:
    """Upright boxes round signs of about the height `tall` that stand on one base; `line` is where a line is known."""
    _, _, stats, _ = cv2.connectedComponentsWithStats(strokes.astype(np.uint8), connectivity=8)
    x, y, w, h, _ = stats.T
    sign = (h >= 0.3 * tall) & (h <= 1.2 * tall) & (w <= 1.5 * tall)
    sign[0] = False
    base = y + h
    boxes: list[Quad] = []
    for k in np.flatnonzero(sign):
        gap = np.maximum(x - (x[k] + w[k]), x[k] - (x + w))
        row = sign & (np.abs(base - base[k]) <= max(1, 0.1 * tall)) & (np.abs(h - h[k]) <= max(1, 0.2 * tall))
        near = row & (gap <= 1.2 * tall)
        known = abs(y[k] + h[k] / 2 - line) <= 0.3 * tall
        if near.sum() >= (2 if known else 3):
            left, right = x[near].min(), (x + w)[near].max()
            top, bottom = y[near].min(), base[near].max()
            boxes.append(np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32))
    return boxes


def _without_margin(quad: Quad) -> Quad:
    """The box of the letters themselves: a detector leaves about a fifth of the height free on each side."""
    low, high = quad.min(axis=0), quad.max(axis=0)
    free = np.float32(0.2) * (high - low).min()
    return np.array([low + free, [high[0] - free, low[1] + free], high - free, [low[0] + free, high[1] - free]])


def _height(quad: Quad) -> float:
    return float((quad.max(axis=0) - quad.min(axis=0)).min())


def _length(quad: Quad) -> tuple[float, float]:
    (x0, y0), (x1, y1) = quad.min(axis=0), quad.max(axis=0)
    return float(max(x1 - x0, y1 - y0)), float(-y0)


def _box_overlap(one: Quad, other: Quad) -> float:
    """Intersection over union of the upright boxes of two quadrilaterals."""
    low, high = np.maximum(one.min(axis=0), other.min(axis=0)), np.minimum(one.max(axis=0), other.max(axis=0))
    both = float(np.prod(np.maximum(high - low, 0)))
    areas = sum(float(np.prod(quad.max(axis=0) - quad.min(axis=0))) for quad in (one, other))
    return both / max(1e-6, areas - both)
