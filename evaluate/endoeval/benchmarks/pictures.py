"""Bytes of a labelled picture or mask to arrays. Pixels as stored: EXIF orientation is ignored, as masks ignore it.

TIFF goes through tifffile: OpenCV 5 returns the TIFFs of CVC-ClinicDB in grey, and says nothing (measured).
"""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from endoshards.errors import BadInput

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"})
"""Endings of pictures, in any case."""

JPEG_SUFFIXES = frozenset({".jpg", ".jpeg"})
MAX_INDEX = 31
"""A lossless mask whose greatest value is at most this holds class numbers: all above 0 is foreground."""

_JPEG_END = b"\xff\xd9"
_TAIL = 4096
"""Bytes searched for the end mark of a JPEG; some writers append a little after it."""


def read_picture(path: Path, key: str) -> NDArray[np.uint8]:
    """A picture as uint8 [h, w, 3] RGB. Raises: BadInput naming `key` if it cannot be read whole."""
    values = _decode(path, key, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if values.dtype == np.uint16:
        values = (values >> 8).astype(np.uint8)
    if values.ndim == 2:
        values = np.repeat(values[..., None], 3, axis=2)
    return np.ascontiguousarray(values[..., :3])


def read_mask(path: Path, key: str) -> NDArray[np.bool_]:
    """A mask as bool [h, w], True on the foreground.

    JPEG: any channel at 128 or above (compression leaves other values). Palette PNG: any colour but that of
    entry 0. Else class numbers (nothing above 31): above 0; else at or above half of the type's range.

    Raises: BadInput naming `key` if it cannot be read whole.
    """
    values = _decode(path, key, cv2.IMREAD_UNCHANGED)
    background = _palette_background(path)
    if background is not None and values.ndim == 3:
        foreground: NDArray[np.bool_] = (values[..., :3] != np.array(background, values.dtype)).any(axis=2)
        return foreground
    if values.ndim == 3:
        # A fourth channel is transparency, not a label; two are grey and transparency.
        values = values[..., : 3 if values.shape[2] >= 3 else 1].max(axis=2)
    top = int(values.max())
    if path.suffix.lower() in JPEG_SUFFIXES:
        return values >= 128
    if top <= MAX_INDEX:
        return values > 0
    return values >= (128 if top <= 255 else 1 << 15)


def _decode(path: Path, key: str, flags: int) -> NDArray[Any]:
    data = path.read_bytes()
    suffix = path.suffix.lower()
    if suffix in JPEG_SUFFIXES and data[:2] == b"\xff\xd8" and _JPEG_END not in data[-_TAIL:]:
        raise BadInput(f"{key} is cut off: its JPEG has no end; replace the file or take it out of the set.")
    values = _decode_tiff(data) if suffix in (".tif", ".tiff") else _decode_cv2(data, flags)
    if values is None or values.size == 0 or values.dtype not in (np.uint8, np.uint16):
        raise BadInput(f"{key} cannot be read as a picture; replace the file or take it out of the set.")
    return values


def _decode_cv2(data: bytes, flags: int) -> NDArray[Any] | None:
    if not data:
        return None
    try:
        values = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        return None
    if values is not None and values.ndim == 3 and values.shape[2] >= 3:
        values = np.concatenate([values[..., 2::-1], values[..., 3:]], axis=2)
    return values


def _decode_tiff(data: bytes) -> NDArray[Any] | None:
    from tifffile import TiffFileError, imread

    try:
        values = np.asarray(imread(io.BytesIO(data)))
    except (TiffFileError, ValueError, OSError):
        return None
    if values.dtype == np.bool_:
        values = values.astype(np.uint8) * 255
    if values.ndim == 3 and values.shape[0] in (3, 4) and values.shape[2] not in (3, 4):
        values = np.moveaxis(values, 0, 2)
    return values if values.ndim in (2, 3) else None


def _palette_background(path: Path) -> tuple[int, int, int] | None:
    """RGB of entry 0 of a palette PNG, else None."""
    with path.open("rb") as handle:
        head = handle.read(4096)
    if head[:8] != b"\x89PNG\r\n\x1a\n" or head[25] != 3:
        return None
    found = re.search(rb"PLTE(...)", head, re.DOTALL)
    return (found[1][0], found[1][1], found[1][2]) if found else None
