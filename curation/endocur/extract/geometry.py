"""Where a stored pixel comes from: crop in coded pixels, rotation, pixel shape, scale; and masks both ways."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Box = tuple[int, int, int, int]
"""x0, y0, x1, y1 in coded pixels; x1 and y1 are one past the last."""

_TURNS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}
MAX_PIXEL_SHAPE = 4.0
"""A pixel wider or higher than this is a damaged header, not a picture."""


@dataclass(frozen=True)
class Shape:
    """How a source's frames are coded and shown."""

    width: int
    height: int
    rotation: int = 0
    """Degrees clockwise that show a frame upright: 0, 90, 180 or 270."""
    sar: tuple[int, int] = (1, 1)
    """Width : height of a coded pixel."""

    @property
    def pixel_scale(self) -> tuple[float, float]:
        """Factors along the coded axes that make pixels square without enlarging."""
        num, den = self.sar
        return (1.0, den / num) if num >= den else (num / den, 1.0)

    @property
    def shown(self) -> tuple[int, int]:
        """(height, width) of the upright frame of square pixels."""
        x, y = self.pixel_scale
        width, height = max(1, round(self.width * x)), max(1, round(self.height * y))
        return (width, height) if self.rotation in (90, 270) else (height, width)


@dataclass(frozen=True)
class Geometry:
    """Crop and size of a stored frame."""

    shape: Shape
    crop: tuple[int, int, int, int]
    """x, y, width, height in coded pixels; even, so that chroma is cut between its samples."""
    scaled: tuple[int, int]
    """Width and height after scaling, before rotation; even."""

    @property
    def scale(self) -> tuple[float, float]:
        """Stored pixels for each coded pixel, along the coded axes."""
        return self.scaled[0] / self.crop[2], self.scaled[1] / self.crop[3]

    @property
    def stored(self) -> tuple[int, int]:
        """(height, width) of the stored, upright frame."""
        width, height = self.scaled
        return (width, height) if self.shape.rotation in (90, 270) else (height, width)

    def to_coded(self, x: float, y: float) -> tuple[float, float]:
        """The point of the coded frame that a point of the stored frame shows; (0, 0) is the first pixel's corner."""
        width, height = self.scaled
        u, v = {
            0: (x, y),
            90: (y, height - x),
            180: (width - x, height - y),
            270: (width - y, x),
        }[self.shape.rotation]
        return self.crop[0] + u / self.scale[0], self.crop[1] + v / self.scale[1]


def sane_sar(num: int, den: int) -> tuple[int, int]:
    """The pixel shape a header gives, 1:1 where it is unset or absurd."""
    if num <= 0 or den <= 0 or not 1 / MAX_PIXEL_SHAPE <= num / den <= MAX_PIXEL_SHAPE:
        return 1, 1
    return num, den


def fit(shape: Shape, box: Box, max_side: int) -> Geometry:
    """Crop to `box` and shrink so that the long side is at most `max_side`; never enlarged.

    Args:
        box: the view in coded pixels; widened to even borders inside the frame. An odd last row or column of the
            frame is left out.
        max_side: pixels.
    Raises: ValueError for a frame of fewer than 2 x 2 pixels.
    """
    if shape.width < 2 or shape.height < 2:
        raise ValueError(f"a frame of {shape.width} x {shape.height} pixels; at least 2 x 2 are needed.")
    x0, y0 = min(box[0], shape.width - 2) & ~1, min(box[1], shape.height - 2) & ~1
    width = min(box[2] + (box[2] & 1), shape.width) - x0 & ~1
    height = min(box[3] + (box[3] & 1), shape.height) - y0 & ~1
    width, height = max(2, width), max(2, height)
    x_scale, y_scale = shape.pixel_scale
    factor = min(1.0, max_side / max(width * x_scale, height * y_scale))
    scaled = _even(width * x_scale * factor, max_side), _even(height * y_scale * factor, max_side)
    return Geometry(shape, (x0, y0, width, height), scaled)


def upright(picture: NDArray[np.uint8], rotation: int) -> NDArray[np.uint8]:
    """The picture turned clockwise by `rotation`."""
    return picture if rotation == 0 else np.asarray(cv2.rotate(picture, _TURNS[rotation]), np.uint8)


def shown_to_coded(mask: NDArray[np.bool_], shape: Shape) -> NDArray[np.bool_]:
    """A mask over the upright frame of square pixels as one over the coded frame."""
    coded = upright(mask.astype(np.uint8), -shape.rotation % 360)
    if coded.shape != (shape.height, shape.width):
        coded = cv2.resize(coded, (shape.width, shape.height), interpolation=cv2.INTER_NEAREST)
    return coded.astype(bool)


def coded_to_stored(mask: NDArray[np.bool_], geometry: Geometry, *, share: float) -> NDArray[np.bool_]:
    """A mask over the coded frame as one over the stored frame.

    Args:
        share: a stored pixel is True where at least this share of what it shows is; 0 takes any touch.
    """
    x, y, width, height = geometry.crop
    part = np.ascontiguousarray(mask[y : y + height, x : x + width]).astype(np.uint8) * 255
    if geometry.scaled != (width, height):
        part = cv2.resize(part, geometry.scaled, interpolation=cv2.INTER_AREA)
    return upright(part, geometry.shape.rotation) > (255 * share if share else 0)


def _even(side: float, most: int) -> int:
    """The nearest even number of pixels, at least 2, at most `most`."""
    return max(2, min(round(side / 2) * 2, most & ~1))
