"""Outlines of upright boxes drawn over the picture, found in one frame: four thin straight lines that meet."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

U8 = NDArray[np.uint8]
Rect = tuple[int, int, int, int]
"""x0, y0, x1, y1: middles of the four lines, stored pixels."""

RIDGE = 20
"""Levels of luma or chroma by which a line differs from both of its sides."""
ACROSS = 3
"""Pixels of half size to the side of a line where the picture must show again: lines up to 5 stored pixels wide."""
RUN = 0.04
"""Share of the picture's height that a line is long at least without a gap."""
SIDES = 0.7
"""Share of a box's outline that must be line."""
BAND = 6
"""Stored pixels masked to each side of a line's middle: its width, its blur and the codec's ringing."""
BUSY = 0.1
"""Share of the picture from which thin lines are texture, noise or combing, and no box could be told from it."""
NEAR = 4
"""Pixels of half size that a side may lie beside the ends of the others."""
MOST = 24
"""Runs considered in a direction, the longest first."""


def outlines(planes: Sequence[U8], inside: U8) -> list[Rect]:
    """Boxes drawn as outlines.

    Args:
        planes: uint8 [h, w] each of one size, half of the stored one: luma, and the chroma planes as they are.
        inside: uint8 [h, w], 255 where tissue is.
    Returns: rectangles in stored pixels, the middles of their lines.
    """
    least = max(8, round(RUN * inside.shape[0]))
    level = cv2.copyTo(_ridges(planes, 0), inside)
    if cv2.countNonZero(level) > BUSY * inside.size:
        return []
    flat = cv2.erode(level, np.ones((1, least), np.uint8))
    if cv2.countNonZero(flat) == 0:
        return []
    plumb_level = cv2.copyTo(_ridges(planes, 1), inside)
    plumb = cv2.erode(plumb_level, np.ones((least, 1), np.uint8))
    if cv2.countNonZero(plumb) == 0:
        return []
    rows = _runs(cv2.dilate(flat, np.ones((1, least), np.uint8)))
    columns = _runs(cv2.dilate(plumb, np.ones((least, 1), np.uint8)))
    if len(rows) + len(columns) < 3:
        return []
    level = cv2.copyTo(cv2.dilate(level, np.ones((3, 1), np.uint8)), inside)  # a line may lie a pixel beside its run
    plumb_level = cv2.copyTo(cv2.dilate(plumb_level, np.ones((1, 3), np.uint8)), inside)
    found = _boxes((rows, columns), (level, plumb_level), inside, least)
    for rect in _turned(_boxes((_turned(columns), _turned(rows)), (plumb_level.T, level.T), inside.T, least)):
        if not any(same_place(rect, other) for other in found):
            found.append(rect)
    return found


def _turned(boxes: Sequence[Rect]) -> list[Rect]:
    return [(y0, x0, y1, x1) for x0, y0, x1, y1 in boxes]


def frame_of(rect: Rect, size: tuple[int, ...]) -> list[Rect]:
    """The four bands that cover an outline, as boxes of even borders inside a picture of `size` (height, width)."""
    x0, y0, x1, y1 = rect
    bands = (
        (x0 - BAND, y0 - BAND, x1 + BAND, y0 + BAND),
        (x0 - BAND, y1 - BAND, x1 + BAND, y1 + BAND),
        (x0 - BAND, y0 - BAND, x0 + BAND, y1 + BAND),
        (x1 - BAND, y0 - BAND, x1 + BAND, y1 + BAND),
    )
    height, width = size
    return [
        (max(0, a) & ~1, max(0, b) & ~1, min(width, (c + 1) & ~1), min(height, (d + 1) & ~1)) for a, b, c, d in bands
    ]


def same_place(one: Rect, other: Rect) -> bool:
    """Whether two outlines overlap by more than a third: one box that moved."""
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    if wide <= 0 or high <= 0:
        return False
    both = wide * high
    whole = sum((r[2] - r[0]) * (r[3] - r[1]) for r in (one, other)) - both
    return both > whole / 3


def _ridges(planes: Sequence[U8], axis: int) -> U8:
    """255 where a pixel differs from both its sides across a line; axis 0: a level line, 1: a plumb one."""
    height, width = planes[0].shape
    step = (ACROSS, 0) if axis == 0 else (0, ACROSS)
    first = np.s_[: height - step[0], : width - step[1]]
    second = np.s_[step[0] :, step[1] :]
    change: U8 | None = None
    for plane in planes:
        one = np.asarray(cv2.absdiff(plane[first], plane[second]), np.uint8)
        change = one if change is None else np.asarray(cv2.max(change, one), np.uint8)
    assert change is not None
    out = np.zeros((height, width), np.uint8)
    both = cv2.min(change[: change.shape[0] - step[0], : change.shape[1] - step[1]], change[second])
    middle = np.s_[step[0] : height - step[0], step[1] : width - step[1]]
    out[middle] = cv2.compare(both, RIDGE, cv2.CMP_GT)
    return out


def _runs(mask: U8) -> list[Rect]:
    """Boxes of the connected runs, the longest first."""
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    sides = [cv2.boundingRect(contour) for contour in contours]
    boxes = [(int(x), int(y), int(x + w), int(y + h)) for x, y, w, h in sides]
    return sorted(boxes, key=lambda b: max(b[2] - b[0], b[3] - b[1]), reverse=True)[:MOST]


def _boxes(runs: tuple[list[Rect], list[Rect]], lines: tuple[U8, U8], inside: U8, least: int) -> list[Rect]:
    """Two rows and the columns that close them to a box whose outline is mostly line; one box a place, the best.

    Where the view ends before the box does, a side or a corner is missing; it is not asked for there.
    """
    (rows, columns), (level, plumb) = runs, lines
    found: list[tuple[float, Rect]] = []
    for k, one in enumerate(rows):
        for other in rows[k + 1 :]:
            above, below = sorted((one, other), key=lambda row: row[1] + row[3])
            y0, y1 = (above[1] + above[3]) // 2, (below[1] + below[3]) // 2
            if y1 - y0 < least or min(above[2], below[2]) - max(above[0], below[0]) < least // 2:
                continue
            sides = [(c[0] + c[2]) // 2 for c in columns if c[1] <= y1 and c[3] >= y0]
            lefts, rights = (
                {x for x in sides if min(abs(x - above[end]), abs(x - below[end])) <= NEAR}
                | {row[end] for row in (above, below) if _is_cut(inside, row, end)}
                for end in (0, 2)
            )
            for x0 in lefts:
                for x1 in rights:
                    share = _drawn(level, plumb, inside, (x0, y0, x1, y1), least) if x1 - x0 >= least else 0.0
                    if share >= SIDES:
                        found.append((share, (2 * x0 + 1, 2 * y0 + 1, 2 * x1 + 1, 2 * y1 + 1)))
    out: list[Rect] = []
    for _, rect in sorted(found, reverse=True):
        if not any(same_place(rect, other) for other in out):
            out.append(rect)
    return out


def _is_cut(inside: U8, row: Rect, end: int) -> bool:
    """Whether a row ends where the view does."""
    y, x = (row[1] + row[3]) // 2, row[end] + (NEAR if end else -NEAR)
    return not 0 <= x < inside.shape[1] or not inside[y, x]


def _drawn(level: U8, plumb: U8, inside: U8, box: Rect, least: int) -> float:
    """The least share of line along the sides of a box inside the view; 0 if fewer than three are long enough there."""
    x0, y0, x1, y1 = (max(0, v) for v in box)
    height, width = inside.shape
    y1, x1 = min(y1, height - 1), min(x1, width - 1)
    shares: list[float] = []
    for lines, part in (
        (level, np.s_[y0 : y0 + 1, x0:x1]),
        (level, np.s_[y1 : y1 + 1, x0:x1]),
        (plumb, np.s_[y0:y1, x0 : x0 + 1]),
        (plumb, np.s_[y0:y1, x1 : x1 + 1]),
    ):
        seen = cv2.countNonZero(inside[part])
        if seen >= least:
            shares.append(cv2.countNonZero(lines[part]) / seen)
            if shares[-1] < SIDES:
                break
    return min(shares) if len(shares) >= 3 else 0.0
