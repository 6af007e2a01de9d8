"""Layouts that change inside a video: where the probe splits, and which layout a frame belongs to.

A scope or processor change moves the border. Between two layouts there are places that are border in one and picture in
the other; those tell them apart, in the probe and in each frame. Dark pictures tell nothing and change nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from endocur.extract.geometry import Shape, shown_to_coded, upright
from endocur.extract.moments import Moments, moments
from endocur.extract.overlays import MIN_MOMENTS
from endocur.extract.planes import Planes, grey_scale
from endocur.extract.view import Mask, find_view, probe_frame

U8 = NDArray[np.uint8]
CELLS = (64, 48)
"""Width and height at which the probe is compared in time."""
LEAST = 6
"""Probe frames of a layout at least: of 60, a tenth of the video."""
MOST = 6
"""Layouts of one coded shape in a video at most."""
STILL, MOVES = 7, 18
"""Levels of luma up to which a place is still, and from which it moves between the 10th and the 90th percentile."""
SHARE = 0.01
"""Share of the frame that is still before a change and moves after it, or the other way, at least."""
LIT = 0.05
"""Share of the frame brighter than 40 from which a probe frame tells something."""
CLEAR = 0.8
"""Share of what two views do not have in common that is still in one and moves in the other."""
SAME_VIEW = 0.95
"""Overlap of two views from which they are one."""
POINTS = 400
"""Points of a frame that are compared with each layout."""
CLOSE = 14
"""Levels within which a point is as the layout has it."""
FITS, FAILS = 0.85, 0.6
"""Share of points from which a frame fits another layout, and up to which it does not fit the one in force."""


def starts(frames: Sequence[U8]) -> list[int]:
    """Where layouts begin: indices into the probe, the first 0.

    Args:
        frames: uint8 [h, w, 3] RGB each of one size, upright, in time order over the whole video.
    """
    small = np.stack([cv2.resize(_grey(frame), CELLS, interpolation=cv2.INTER_AREA) for frame in frames])
    out = [0]
    parts = [(0, len(frames))]
    while parts and len(out) < MOST:
        first, end = parts.pop(0)
        place = _change(small[first:end])
        if place is None or not _differ(frames[first : first + place], frames[first + place : end]):
            continue
        out.append(first + place)
        parts += [(first, first + place), (first + place, end)]
    return sorted(out)


def _change(small: U8) -> int | None:
    """The likeliest place of a change among the frames [n, h, w], or None."""
    lit = np.flatnonzero((small > 40).mean(axis=(1, 2)) >= LIT)
    best, score = None, 0.0
    for k in range(LEAST, len(lit) - LEAST + 1):
        (still, moving), (still_after, moving_after) = (_still_and_moving(small[part]) for part in (lit[:k], lit[k:]))
        before, after = int((still & moving_after).sum()), int((still_after & moving).sum())
        worth = float(before * k + after * (len(lit) - k))  # each place counts for as long as it is still
        if before + after > SHARE * small[0].size and worth > score:
            best, score = int(lit[k]), worth
    return best


def _still_and_moving(frames: U8) -> tuple[Mask, Mask]:
    """Places that never move, in any frame: one of another layout would show; and places that often do."""
    ordered = np.sort(frames, axis=0).astype(np.int16)
    last = len(ordered) - 1
    often = ordered[round(0.9 * last)] - ordered[round(0.1 * last)]
    return np.asarray(ordered[-1] - ordered[0] <= STILL), np.asarray(often >= MOVES)


def _differ(before: Sequence[U8], after: Sequence[U8]) -> bool:
    """Whether the views of both parts, each found by itself, are two.

    What is border in one and picture in the other has to be still in the one and to move in the other: dark corners
    and a resting scope are neither.
    """
    one, other = (moments([probe_frame(frame) for frame in part]) for part in (before, after))
    if min(one.frames, other.frames) < MIN_MOMENTS:
        return False
    views = [find_view(found)[0] for found in (one, other)]
    if any(view.shape == "data" for view in views):
        return False
    first, second = (view.mask for view in views)
    if float((first & second).sum()) >= SAME_VIEW * float((first | second).sum()):
        return False
    kernel = np.ones((7, 7), np.uint8)
    telling = [
        (cv2.erode((inside & ~outside).astype(np.uint8), kernel) > 0, moving, still)
        for inside, outside, moving, still in ((first, second, one, other), (second, first, other, one))
    ]
    shares = [
        float(((still.range[where] <= STILL + 1) & (moving.range[where] >= MOVES)).mean())
        for where, moving, still in telling
        if where.mean() >= SHARE
    ]
    return bool(shares) and min(shares) >= CLEAR


@dataclass(frozen=True)
class Sign:
    """Points that tell a layout, in the coded frame: row, column, full-range luma."""

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    levels: NDArray[np.int16]

    def fits(self, planes: Planes) -> float | None:
        """Share of the points that are as the layout has them; None without points."""
        if not len(self.rows):
            return None
        gain, offset = grey_scale(planes)
        seen = planes.y[self.rows, self.columns] * gain + offset
        return float((np.abs(seen - self.levels) <= CLOSE).mean())


def signs(parts: Sequence[Sequence[U8]], views: Sequence[Mask], shape: Shape) -> list[Sign]:
    """What tells the layouts of one coded shape apart.

    Args:
        parts: probe frames of each layout, as in `starts`.
        views: bool [H, W] of each layout, over the shown frame.
        shape: of the frames.
    """
    found = [moments([probe_frame(frame) for frame in part]) for part in parts]
    size = found[0].high.shape[::-1]
    small = [cv2.resize(view.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0 for view in views]
    return [_sign(one, small[k], [small[j] for j in range(len(small)) if j != k], shape) for k, one in enumerate(found)]


def _sign(found: Moments, view: Mask, others: Sequence[Mask], shape: Shape) -> Sign:
    kernel = np.ones((7, 7), np.uint8)
    border = cv2.erode((~view & (found.range <= STILL + 1)).astype(np.uint8), kernel, borderValue=1) > 0
    elsewhere = np.any([cv2.erode(other.astype(np.uint8), kernel) > 0 for other in others], axis=0)
    coded = shown_to_coded(_whole((border & elsewhere).astype(np.uint8), shape) > 0, shape)
    rows, columns = np.nonzero(coded)
    chosen = np.random.default_rng(0).permutation(len(rows))[:POINTS]
    rows, columns = rows[chosen], columns[chosen]
    levels = upright(_whole(found.median, shape), -shape.rotation % 360)
    levels = np.asarray(cv2.resize(levels, (shape.width, shape.height), interpolation=cv2.INTER_NEAREST), np.uint8)
    return Sign(rows, columns, levels[rows, columns].astype(np.int16))


def _whole(picture: U8, shape: Shape) -> U8:
    height, width = shape.shown
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_NEAREST), np.uint8)


def chosen(current: int, fits: Sequence[float | None]) -> int:
    """Which layout a frame has: the one in force, unless another fits and this one does not.

    Args:
        current: index of the layout in force.
        fits: of each layout, `Sign.fits`; a layout without points (a picture that fills the frame) is what no other is.
    """
    known = [fit for fit in fits if fit is not None]
    scores = [fit if fit is not None else 1.0 - max(known, default=0.0) for fit in fits]
    best = int(np.argmax(scores))
    return best if scores[best] >= FITS and scores[current] <= FAILS else current


def _grey(frame: U8) -> U8:
    return np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), np.uint8)
