"""A mask added to a stored picture: the pixels under it are overwritten and encoded anew, never covered only."""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil

import numpy as np
from numpy.typing import NDArray

from endocur.extract.planes import NEUTRAL, encode
from endocur.publish import decode_planes
from endocur.store import OVERLAY, TISSUE

GRID = 8
"""Side of a JPEG block in pixels: boxes are widened to whole blocks, for the rings of a letter fill its blocks."""

Box = tuple[int, int, int, int]
"""x, y, width, height in pixels."""


def widened(box: Box, width: int, height: int) -> Box:
    """The box on the block grid, clipped to a picture of `width` x `height`; without area if it lies outside."""
    x0, y0 = min(width, box[0] // GRID * GRID), min(height, box[1] // GRID * GRID)
    x1 = min(width, -(-(box[0] + box[2]) // GRID) * GRID)
    y1 = min(height, -(-(box[1] + box[3]) // GRID) * GRID)
    return x0, y0, max(0, x1 - x0), max(0, y1 - y0)


def with_boxes(labels: NDArray[np.uint8], boxes: Iterable[Box]) -> NDArray[np.uint8]:
    """Labels [h, w] of a view (`store.OUTSIDE`, `TISSUE`, `OVERLAY`) where tissue under the boxes became overlay."""
    out = labels.copy()
    height, width = labels.shape
    for box in boxes:
        x, y, across, down = widened(box, width, height)
        part = out[y : y + down, x : x + across]
        part[part == TISSUE] = OVERLAY
    return out


def masked(jpeg: bytes, labels: NDArray[np.uint8], quality: int) -> bytes:
    """The stored picture with everything but tissue black, encoded anew.

    Args:
        jpeg: 4:2:0, of the size of `labels`.
        labels: uint8 [h, w].
        quality: JPEG quality, 1 to 100.
    Raises: BadInput if it is no 4:2:0 JPEG; ValueError for another size.
    """
    planes = decode_planes(jpeg)
    if planes.y.shape != labels.shape:
        raise ValueError(f"the picture is {planes.y.shape}, its labels are {labels.shape}")
    tissue = labels == TISSUE
    height, width = tissue.shape
    even = np.pad(tissue, ((0, height % 2), (0, width % 2)))
    blocks = even.reshape(even.shape[0] // 2, 2, even.shape[1] // 2, 2).any(axis=(1, 3))
    y = np.where(tissue, planes.y, 0).astype(np.uint8)
    cb, cr = (np.where(blocks, plane, NEUTRAL).astype(np.uint8) for plane in (planes.cb, planes.cr))
    return encode((y, cb, cr), quality)


def stored_box(box: Box, published: tuple[int, int], stored: tuple[int, int]) -> Box:
    """A box of an audit in stored pixels, a quarter of its height wider on each side.

    Args:
        box: in pixels of the published picture.
        published: width and height of the published picture.
        stored: width and height of the stored one.
    """
    across, down = stored[0] / published[0], stored[1] / published[1]
    margin = min(box[2], box[3]) / 4 + 1
    x0, y0 = max(0, int((box[0] - margin) * across)), max(0, int((box[1] - margin) * down))
    x1 = min(stored[0], ceil((box[0] + box[2] + margin) * across))
    y1 = min(stored[1], ceil((box[1] + box[3] + margin) * down))
    return x0, y0, max(1, x1 - x0), max(1, y1 - y0)
