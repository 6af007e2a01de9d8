"""How much a frame moved since the one decoded before it: the columns that later stages cannot compute.

Measured on luma averaged over cells of the tissue, in full-range levels, so that codec noise averages out.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from endocur.extract.colour import to_jpeg
from endocur.extract.geometry import Geometry
from endocur.extract.planes import Planes

CELLS = 128
"""Cells along the longer side of the view, at most."""

MIN_CELL = 4
"""Pixels of a cell's side in small pictures: fewer would not average codec noise out."""

STILL_LEVELS = 1.0
"""A cell that changed by less stands still."""

FROZEN_LEVELS = 1.25
"""A frame is frozen if 99 of 100 tissue cells changed by less. In composed procedures of six encodings the 99th
percentile of change was at most 1.95 in frozen frames (median 0.4) and at least 2.0 in moving ones."""


FLAT_LEVELS = 0.7
"""A picture shows too little for a repeat to differ from a move if half of its neighbouring tissue cells differ by
less: black, white, covered by a red-out, or so dark that the encoder repeats it. Measured: at most 0.15 where such
pictures of composed procedures were taken for freezes, at least 3.5 in their freezes, at least 1.1 in real clips."""

POP_LEVELS, POP_AFTER = 5.0, 3
"""A key frame in the middle of a freeze is coded anew and changes by more: after so many repeats in a row one frame
may, and repeats must follow before another may. Measured: up to 4.0."""


class Motion(NamedTuple):
    """Change since the frame decoded before; all None where there is none of the same view."""

    motion: float | None
    """Mean absolute luma change over tissue, as a fraction of full range."""
    stillness: float | None
    """Share of tissue cells that changed by less than STILL_LEVELS of 255."""
    is_frozen: bool | None
    """The frame repeats its predecessor up to codec noise."""


UNKNOWN = Motion(None, None, None)


class MotionMeter:
    """Measures each decoded frame against the one before; ask for every decoded frame in order."""

    def __init__(self) -> None:
        self._view: object = None
        self._last: NDArray[np.float32] | None = None
        self._repeats = 0

    def forget(self) -> None:
        """The next frame does not follow the last one: nothing is known of how it moved."""
        self._last, self._repeats = None, 0

    def measure(self, planes: Planes, geometry: Geometry, tissue: NDArray[np.bool_]) -> Motion:
        """Change since the last frame.

        Args:
            planes: of the frame.
            geometry: its crop; one object a view: another object starts anew.
            tissue: bool over the coded frame.
        """
        x, y, width, height = geometry.crop
        if self._view is not geometry:
            self._view, self._last, self._repeats = geometry, None, 0
            self._set_cells(width, height)
            inside = self._cells(tissue[y : y + height, x : x + width].astype(np.uint8) * 255)
            self._counted = (inside > 254).astype(np.uint8)
            self._count = int(np.count_nonzero(self._counted))
            self._pairs = (self._counted[:, 1:] & self._counted[:, :-1]).astype(bool)
        gain = to_jpeg(planes.colour.matrix, planes.colour.full_range, planes.bits).y[0]
        now = self._cells(planes.y[y : y + height, x : x + width])
        last, self._last = self._last, now
        if last is None or not self._count:
            return UNKNOWN
        change = np.asarray(cv2.absdiff(now, last), np.float32)
        motion = cv2.mean(change, self._counted)[0] * gain / 255.0
        return Motion(motion, self._below(change, STILL_LEVELS / gain), self._is_frozen(now, change, gain))

    def _is_frozen(self, now: NDArray[np.float32], change: NDArray[np.float32], gain: float) -> bool:
        repeats = self._below(change, FROZEN_LEVELS / gain) >= 0.99
        pops = self._repeats >= POP_AFTER and self._below(change, POP_LEVELS / gain) >= 0.99
        shows = (repeats or pops) and self._shows_something(now, gain)
        self._repeats = self._repeats + 1 if repeats and shows else 0
        return shows

    def _shows_something(self, now: NDArray[np.float32], gain: float) -> bool:
        across = np.abs(now[:, 1:] - now[:, :-1])[self._pairs]
        return bool(across.size and float(np.median(across)) * gain >= FLAT_LEVELS)

    def _below(self, change: NDArray[np.float32], level: float) -> float:
        """Share of tissue cells that changed by less than `level`."""
        return cv2.countNonZero(cv2.bitwise_and(cv2.compare(change, level, cv2.CMP_LT), self._counted)) / self._count

    def _set_cells(self, width: int, height: int) -> None:
        side = max(MIN_CELL, -(-max(width, height) // CELLS))
        self._side = side + side % 2  # rows of one field where a file is interlaced
        self._size = max(1, width // self._side), -(-height // self._side)

    def _cells(self, plane: NDArray[np.uint8] | NDArray[np.uint16]) -> NDArray[np.float32]:
        """Means over one row of each square cell: as telling as the whole cell, and eight times cheaper."""
        across = plane.shape[1] // self._side * self._side or plane.shape[1]
        rows = plane[:: self._side, :across].astype(np.float32)
        return cv2.resize(rows, self._size, interpolation=cv2.INTER_AREA)
