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

PITCH = 3.0
"""Lines of one block follow each other within this many line heights: one line may be empty or passed over."""
LIKE_HEIGHT = 1.7
"""Lines of one block are at most this many times as high as each other."""
BLOCK_LINES = 3
"""Lines from which a block is surely written: what else is taken for text does not stand in columns. One more line is
expected above and below it."""


def add_boxes(mask: Mask, quads: Sequence[Quad]) -> Mask:
    """A mask [h, w] with the quadrilaterals of a text detector (float32 [4, 2], x and y in its pixels) filled in."""
    canvas = mask.astype(np.uint8)
    for quad in quads:
        cv2.fillPoly(canvas, [np.round(quad).astype(np.int32)], 1)
    return np.asarray(canvas > 0)


def confirm(
    still: Mask, found: Sequence[Sequence[Quad]], view: Mask, *, often: float = 0.0
) -> tuple[list[Quad], list[Quad]]:
    """What a text detector adds to the still regions of a video.

    A box counts if it comes back at the same place in another frame, or touches a still region. Passing text (captions,
    the label of a moving box) counts as long as all of it takes PASSING_SHARE of the view at most, the longest lines
    first: masked for the whole video it would cost tissue without end.

    Args:
        still: bool [h, w], overlays by stillness.
        found: for each frame asked, float32 [4, 2] boxes in pixels of `still`.
        view: bool [h, w].
        often: share of the frames asked that must show a box. If it is more than 0, what comes and goes is masked frame
            by frame elsewhere and none of it is added here.
    Returns: boxes to add, and boxes of passing text that found no room.
    """
    added: list[Quad] = []
    passing: list[Quad] = []
    least = max(1, np.ceil(often * len(found)) - 1)
    for index, quads in enumerate(found):
        others = [more for other, more in enumerate(found) if other != index]
        for quad in quads:
            letters = add_boxes(np.zeros_like(view), [_without_margin(quad)]) & view
            covered = float((letters & still).sum()) / max(1, int(letters.sum()))
            if covered >= CONFIRMED or not letters.any():
                continue
            again = sum(any(_box_overlap(quad, other) >= 0.3 for other in more) for more in others)
            if covered > 0.1 or again >= least:
                added.append(quad)
            elif _length(quad)[0] >= PASSING_ASPECT * _height(quad):
                passing.append(quad)
    room = PASSING_SHARE * float(view.sum()) if not often else 0.0
    left: list[Quad] = []
    for quad in sorted(passing, key=_length, reverse=True):
        cost = float((add_boxes(np.zeros_like(view), [quad]) & view).sum())
        (added if cost <= room else left).append(quad)
        room -= cost if cost <= room else 0.0
    return added, left


def blocks(quads: Sequence[Quad]) -> list[Quad]:
    """Boxes round lines that stand together in a column, with what the detector passed over between and beside them.

    On a still nothing but the detector tells where text is, and it passes over short lines, faint ones and ends of
    lines on a highlight: on real stills a date was read to its middle, and the line below the last was missed.

    Args:
        quads: float32 [4, 2] (x, y), lines found in one frame.
    Returns: float32 [4, 2], an upright box for every two or more lines that belong together.
    """
    low, high = (np.array([side(quad) for quad in quads]).reshape(-1, 2) for side in (_low, _high))
    tall, middle = (high - low)[:, 1], (high + low)[:, 1] / 2
    left = set(range(len(quads)))
    out: list[Quad] = []
    while left:
        block = [left.pop()]
        for one in block:  # grows while it is walked
            near = [other for other in left if _together(low[[one, other]], high[[one, other]])]
            left.difference_update(near)
            block += near
        if len(block) > 1:
            unit = float(np.median(tall[block]))
            rows = 1 + int((np.diff(np.sort(middle[block])) > 0.5 * unit).sum())
            more = 1.3 * unit if rows >= BLOCK_LINES else 0.0
            (x0, y0), (x1, y1) = low[block].min(axis=0), high[block].max(axis=0)
            y0, y1 = y0 - more, y1 + more
            out.append(np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], np.float32))
    return out


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


def _together(low: NDArray[np.float32], high: NDArray[np.float32]) -> bool:
    """Whether two upright boxes, [2, 2] corners each, are lines of one block: alike in height, and near."""
    tall = (high - low)[:, 1]
    apart = low.max(axis=0) - high.min(axis=0)  # the gap along x and along y, negative where they overlap
    unit = float(tall.min())
    if tall.max() > LIKE_HEIGHT * unit:
        return False
    in_column = apart[1] <= (PITCH - 1) * unit and apart[0] < 0
    in_row = apart[1] <= -0.5 * unit and apart[0] <= PITCH * unit
    return bool(in_column or in_row)


def _low(quad: Quad) -> Quad:
    return quad.min(axis=0)


def _high(quad: Quad) -> Quad:
    return quad.max(axis=0)


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
