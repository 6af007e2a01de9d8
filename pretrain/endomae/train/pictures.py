"""Pictures of a method as one PNG: a column a frame, a row a view of it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from endoshards.files import write_atomic

GAP = 4
"""Pixels between pictures."""
BACKGROUND = 255


def grid(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Lay out pictures with gaps.

    Args:
        images: uint8 [frames, views, H, W, 3].
    Returns: uint8 [h, w, 3], a row for each view, white between them.
    """
    frames, views, height, width, _ = images.shape
    out = np.full((views * (height + GAP) - GAP, frames * (width + GAP) - GAP, 3), BACKGROUND, np.uint8)
    for frame in range(frames):
        for view in range(views):
            top, left = view * (height + GAP), frame * (width + GAP)
            out[top : top + height, left : left + width] = images[frame, view]
    return out


def png(image: NDArray[np.uint8]) -> bytes:
    """An RGB image as PNG bytes."""
    ok, data = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    if not ok:
        raise ValueError(f"an image of shape {image.shape} cannot be written as PNG")
    return data.tobytes()


def write_pictures(path: Path, images: NDArray[np.uint8]) -> None:
    """Write `grid(images)` as PNG, whole or not at all."""
    write_atomic(path, png(grid(images)))
