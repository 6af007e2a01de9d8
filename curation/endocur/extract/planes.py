"""Pixels from a decoder's planes to a stored JPEG: crop, scale, one affine step to full-range BT.601, mask, encode.

No RGB on the way: JPEG wants planes, decoders give planes, and the step between two YCbCr spaces is affine. Scaling
comes before that step because both are linear and there is less to convert after it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from endocur.extract.colour import Colour, ToJpeg, to_jpeg
from endocur.extract.geometry import Geometry, Shape, coded_to_stored, upright

U8 = NDArray[np.uint8]
Samples = NDArray[np.uint8] | NDArray[np.uint16]

AREA_FROM = 1.5
"""Reduced by area averaging from this factor on; below, bilinear is as close to the ideal (49.5 dB against 49.3 at
1.125) at a sixth of the cost."""

NEUTRAL = 128
_FINE = 3.0
"""Steps a level of the chroma part of luma, which is at most 42 levels either way (BT.709 green)."""


@dataclass(frozen=True)
class Planes:
    """A decoded frame: luma and chroma as coded, and how to read them."""

    y: Samples
    """[h, w]"""
    u: Samples | None
    """[h, w], or half of either, rounded up; None for grey."""
    v: Samples | None
    bits: int
    colour: Colour


@dataclass(frozen=True)
class Stencil:
    """What stays of a stored frame, ready for the hot loop."""

    labels: U8
    """[h, w] of store.OUTSIDE, TISSUE, OVERLAY: as written to `views/`."""
    tissue: NDArray[np.bool_]
    """[h, w]"""
    luma: U8
    """[h, w]: 255 where tissue, else 0."""
    chroma: U8
    """[h / 2, w / 2]: 255 where any of its four pixels is tissue, else 0."""


def stencil(view: NDArray[np.bool_], overlay: NDArray[np.bool_], geometry: Geometry) -> Stencil:
    """Masks of the coded frame brought to the stored frame.

    Args:
        view: bool [H, W] over the coded frame.
        overlay: likewise; a stored pixel that shows any of it is masked.
    """
    inside = coded_to_stored(view, geometry, share=0.5)
    covered = coded_to_stored(overlay, geometry, share=0.0) & inside
    tissue = inside & ~covered
    labels = inside.astype(np.uint8) + covered.astype(np.uint8)
    height, width = tissue.shape
    blocks = np.asarray(tissue.reshape(height // 2, 2, width // 2, 2).any(axis=(1, 3)))
    return Stencil(labels, tissue, tissue.astype(np.uint8) * 255, blocks.astype(np.uint8) * 255)


def stored_planes(planes: Planes, geometry: Geometry) -> tuple[U8, U8, U8]:
    """Cropped, scaled, upright full-range BT.601 planes; chroma at half size.

    Returns: Y [h, w], Cb and Cr [h / 2, w / 2], uint8, (h, w) = `geometry.stored`.
    """
    x, y, width, height = geometry.crop
    luma = _resize(planes.y[y : y + height, x : x + width], geometry.scaled)
    convert = to_jpeg(planes.colour.matrix, planes.colour.full_range, planes.bits)
    half = geometry.scaled[0] // 2, geometry.scaled[1] // 2
    if planes.u is None or planes.v is None:
        grey = np.full(half[::-1], NEUTRAL, np.uint8)
        out = _affine(luma, convert.y[0], convert.y[3]), grey, grey
    else:
        part = _chroma_box(planes, geometry.crop)
        out = _convert(luma, _resize(planes.u[part], half), _resize(planes.v[part], half), convert)
    rotation = geometry.shape.rotation
    return upright(out[0], rotation), upright(out[1], rotation), upright(out[2], rotation)


def stored_luma(planes: Planes, geometry: Geometry) -> U8:
    """Luma alone as stored, but for what chroma adds to it in another matrix: to look at, not to store.

    Returns: uint8 [h, w], (h, w) = `geometry.stored`; it may be the decoder's memory.
    """
    x, y, width, height = geometry.crop
    luma = _resize(planes.y[y : y + height, x : x + width], geometry.scaled)
    return upright(_affine(luma, *grey_scale(planes)), geometry.shape.rotation)


def grey_scale(planes: Planes) -> tuple[float, float]:
    """Gain and offset that bring luma of a grey pixel from coded values to 0-255."""
    convert = to_jpeg(planes.colour.matrix, planes.colour.full_range, planes.bits)
    return convert.y[0], convert.y[3] + (convert.y[1] + convert.y[2]) * convert.neutral


def mask_planes(planes: tuple[U8, U8, U8], stencil: Stencil) -> tuple[U8, U8, U8]:
    """Black outside the view and under overlays; changed in place where memory is ours, not the decoder's."""
    y, cb, cr = planes
    dark = cv2.bitwise_and(y, stencil.luma, dst=y if y.flags.owndata and y.flags.writeable else None)
    return np.asarray(dark), _neutral_outside(cb, stencil.chroma), _neutral_outside(cr, stencil.chroma)


def encode(planes: tuple[U8, U8, U8], quality: int) -> bytes:
    """A 4:2:0 JPEG of full-range BT.601 planes."""
    y, cb, cr = (np.ascontiguousarray(plane) for plane in planes)
    # the exact DCT: libjpeg-turbo's "fast" one is less precise and, on today's processors, a little slower
    return bytes(simplejpeg.encode_jpeg_yuv_planes(y, cb, cr, quality=quality, fastdct=False))


def to_rgb(planes: Planes, shape: Shape, size: tuple[int, int]) -> U8:
    """The whole frame upright, with square pixels, as RGB.

    Args:
        size: (height, width) of the result, no larger than `shape.shown`.
    Returns: uint8 [height, width, 3].
    """
    height, width = size if shape.rotation in (0, 180) else size[::-1]
    luma = _resize(planes.y, (width, height))
    convert = to_jpeg(planes.colour.matrix, planes.colour.full_range, planes.bits)
    if planes.u is None or planes.v is None:
        grey = upright(_affine(luma, convert.y[0], convert.y[3]), shape.rotation)
        return np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB), np.uint8)
    u, v = _resize(planes.u, (width, height)), _resize(planes.v, (width, height))
    y, cb, cr = _convert(luma, u, v, convert)
    ycc = upright(np.asarray(cv2.merge((y, cr, cb)), np.uint8), shape.rotation)
    return np.asarray(cv2.cvtColor(ycc, cv2.COLOR_YCrCb2RGB), np.uint8)


def from_rgb(rgb: U8, matrix: str = "rgb") -> Planes:
    """Planes of a picture that came as RGB, in JPEG's own space.

    Args:
        rgb: uint8 [h, w, 3].
        matrix: what the frame row says: `rgb` or `grey`.
    """
    y, cr, cb = cv2.split(cv2.cvtColor(rgb, cv2.COLOR_RGB2YCrCb))
    if matrix == "grey":
        return Planes(np.asarray(y, np.uint8), None, None, 8, Colour("grey", True, False))
    colour = Colour("rgb", True, False)
    return Planes(np.asarray(y, np.uint8), np.asarray(cb, np.uint8), np.asarray(cr, np.uint8), 8, colour)


def _convert(luma: Samples, u: Samples, v: Samples, to: ToJpeg) -> tuple[U8, U8, U8]:
    """The affine step; `u` and `v` have the size of the result's chroma: luma's, or half of it both ways."""
    cb = _mix(u, to.cb[0], v, to.cb[1], to.cb[2])
    cr = _mix(u, to.cr[0], v, to.cr[1], to.cr[2])
    if max(abs(to.y[1]), abs(to.y[2])) < 1e-9:
        return _affine(luma, to.y[0], to.y[3]), cb, cr
    # The chroma part of luma, made at chroma's size as 8 bits around 128, then added to the pixels each sample covers.
    grey = (to.y[1] + to.y[2]) * to.neutral
    part = _mix(u, _FINE * to.y[1], v, _FINE * to.y[2], NEUTRAL - _FINE * grey)
    offset = to.y[3] + grey - NEUTRAL / _FINE
    if part.shape == luma.shape:
        return _mix(luma, to.y[0], part, 1 / _FINE, offset), cb, cr
    wide = np.asarray(cv2.merge((part, part))).reshape(part.shape[0], -1)
    y = np.empty(luma.shape, np.uint8)
    for row in (0, 1):
        cv2.addWeighted(luma[row::2], to.y[0], wide, 1 / _FINE, offset, dst=y[row::2], dtype=cv2.CV_8U)
    return y, cb, cr


def _mix(a: Samples, gain_a: float, b: Samples, gain_b: float, offset: float) -> U8:
    """gain_a * a + gain_b * b + offset, rounded and saturated to 8 bits."""
    return np.asarray(cv2.addWeighted(a, gain_a, b, gain_b, offset, dtype=cv2.CV_8U), np.uint8)


def _affine(plane: Samples, gain: float, offset: float) -> U8:
    if plane.dtype == np.uint8 and gain == 1.0 and offset == 0.0:
        return np.asarray(plane, np.uint8)
    return _mix(plane, gain, plane, 0.0, offset)


def _resize(plane: Samples, size: tuple[int, int]) -> Samples:
    """To (width, height); see AREA_FROM."""
    height, width = plane.shape
    if (width, height) == size:
        return plane
    factor = max(width / size[0], height / size[1])
    how = cv2.INTER_AREA if factor >= AREA_FROM else cv2.INTER_LINEAR
    return cv2.resize(plane, size, interpolation=how)


def _chroma_box(planes: Planes, crop: tuple[int, int, int, int]) -> tuple[slice, slice]:
    """Rows and columns of the chroma planes that belong to a crop with even borders."""
    assert planes.u is not None
    x, y, width, height = crop
    down = 2 if planes.u.shape[0] < planes.y.shape[0] else 1
    across = 2 if planes.u.shape[1] < planes.y.shape[1] else 1
    return slice(y // down, (y + height) // down), slice(x // across, (x + width) // across)


def _neutral_outside(plane: U8, keep: U8) -> U8:
    out = np.full_like(plane, NEUTRAL)
    return np.asarray(cv2.copyTo(plane, keep, out), np.uint8)
