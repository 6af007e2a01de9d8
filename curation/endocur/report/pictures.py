"""Which frames are shown, drawn by lot from their ids, and their small pictures."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterable

THUMBNAIL = 200
"""Long side of a small picture in pixels."""


def by_lot(ids: Iterable[str], count: int) -> list[str]:
    """`count` of the ids, by the order of their hashes: no seed, no order of arrival decides; sorted.

    Source: smallest values of BLAKE2b over the id, which is a simple random sample for ids chosen without it.
    """
    return sorted(heapq.nsmallest(count, ids, key=_lot))


def thumbnail(jpeg: bytes, long_side: int = THUMBNAIL, quality: int = 75) -> bytes:
    """A small JPEG of a stored one; never enlarged."""
    import cv2
    import simplejpeg

    rgb = simplejpeg.decode_jpeg(jpeg, "RGB", min_height=long_side, min_width=long_side, min_factor=1)
    height, width = rgb.shape[:2]
    scale = long_side / max(width, height)
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        rgb = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    small: bytes = simplejpeg.encode_jpeg(rgb, quality=quality, colorsubsampling="420")
    return small


def _lot(frame_id: str) -> tuple[bytes, str]:
    return hashlib.blake2b(frame_id.encode("ascii"), digest_size=8).digest(), frame_id
