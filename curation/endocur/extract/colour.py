"""Which colours a picture's numbers mean: the written rule for what files leave unsaid, and the way to JPEG's own.

The rule: a tag is believed. Without a matrix tag: BT.709 from 720 lines on, BT.601 below. Without a range tag:
full for `yuvj*` and grey, limited otherwise. What was assumed is stored with the frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

HD_LINES = 720

KR_KB: dict[str, tuple[float, float]] = {
    "bt601": (0.299, 0.114),
    "bt709": (0.2126, 0.0722),
    "bt2020": (0.2627, 0.0593),
    "fcc": (0.30, 0.11),
    "smpte240m": (0.212, 0.087),
}
"""Luma weights of red and blue. Source: ITU-R BT.601, BT.709, BT.2020; ITU-T H.273 table 4."""

_MATRIX_TAGS = {1: "bt709", 4: "fcc", 5: "bt601", 6: "bt601", 7: "smpte240m", 9: "bt2020", 10: "bt2020"}
"""ITU-T H.273 matrix coefficients as FFmpeg numbers them; constant-luminance BT.2020 is read as the common form."""

_LIMITED, _FULL = 1, 2


@dataclass(frozen=True)
class Colour:
    """How to read a picture's planes."""

    matrix: str
    """A key of KR_KB; `rgb` and `grey` for pictures that came without chroma planes."""
    full_range: bool
    assumed: bool
    """Matrix or range was not said by the file."""


def colour_of(matrix_tag: int, range_tag: int, pixel_format: str, lines: int) -> Colour:
    """The rule.

    Args:
        matrix_tag: matrix coefficients by ITU-T H.273 (FFmpeg's numbers); 2 is unspecified.
        range_tag: 1 limited, 2 full, 0 unspecified (FFmpeg's numbers).
        pixel_format: FFmpeg's name, e.g. `yuvj420p`.
        lines: coded height.
    """
    always_full = pixel_format.startswith(("yuvj", "gray"))
    range_said = range_tag in (_LIMITED, _FULL) or pixel_format.startswith("yuvj")
    full = range_tag == _FULL or (always_full and range_tag != _LIMITED)
    if pixel_format.startswith("gray"):
        return Colour("grey", full, not range_said)
    matrix = _MATRIX_TAGS.get(matrix_tag)
    if matrix is None:
        return Colour("bt709" if lines >= HD_LINES else "bt601", full, True)
    return Colour(matrix, full, not range_said)


@dataclass(frozen=True)
class ToJpeg:
    """Affine map from a source's code values to full-range BT.601 of 8 bit, row by row (Y, Cb, Cr).

    Y' = y[0] Y + y[1] Cb + y[2] Cr + y[3];  Cb' = cb[0] Cb + cb[1] Cr + cb[2];  Cr' likewise. Chroma never needs
    luma: both spaces have the same grey axis.
    """

    neutral: float
    """Code value of a chroma sample without colour."""
    y: tuple[float, float, float, float]
    cb: tuple[float, float, float]
    cr: tuple[float, float, float]


@lru_cache(maxsize=64)
def to_jpeg(matrix: str, full_range: bool, bits: int) -> ToJpeg:
    """The map for planes of `bits` bits a sample. Source: ITU-R BT.601/709/2020 and JFIF (T.871), exact arithmetic."""
    top = (1 << bits) - 1
    step = 1 << (bits - 8)
    luma_gain, luma_zero = (1 / top, 0.0) if full_range else (1 / (219 * step), 16.0 * step)
    chroma_gain, chroma_zero = (1 / top if full_range else 1 / (224 * step)), 128.0 * step
    if matrix == "grey":
        return ToJpeg(
            chroma_zero, (255 * luma_gain, 0.0, 0.0, -255 * luma_gain * luma_zero), (0.0, 0.0, 128.0), (0.0, 0.0, 128.0)
        )
    own = "bt601" if matrix == "rgb" else matrix  # what came as RGB was made into JPEG's planes already
    mixed = _ycc_from_rgb("bt601") @ np.linalg.inv(_ycc_from_rgb(own))
    gains = np.array([luma_gain, chroma_gain, chroma_gain])
    zeros = np.array([luma_zero, chroma_zero, chroma_zero])
    scaled = 255 * mixed * gains
    offsets = np.array([0.0, 128.0, 128.0]) - scaled @ zeros
    (yy, yb, yr), (_, bb, br), (_, rb, rr) = scaled.round(12).tolist()
    y0, b0, r0 = (offsets.round(9) + 0.0).tolist()
    return ToJpeg(chroma_zero, (yy, yb, yr, y0), (bb, br, b0), (rb, rr, r0))


def _ycc_from_rgb(matrix: str) -> NDArray[np.float64]:
    """RGB in [0, 1] to Y in [0, 1], Cb and Cr in [-0.5, 0.5]."""
    red, blue = KR_KB[matrix]
    luma = np.array([red, 1 - red - blue, blue])
    cb = (np.array([0.0, 0.0, 1.0]) - luma) / (2 * (1 - blue))
    cr = (np.array([1.0, 0.0, 0.0]) - luma) / (2 * (1 - red))
    return np.stack([luma, cb, cr])
