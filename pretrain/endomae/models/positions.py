"""Fixed 2-D sine and cosine positions."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def sincos_positions(width: int, side: int, *, class_token: bool = True) -> Tensor:
    """Positions of a square grid of patches.

    Args:
        width: features a position, a multiple of 4; the first half encodes the column, the second the row.
        side: patches a side.
        class_token: put a zero row before the grid.
    Returns: float32 [1, side * side + class_token, width].
    Source: Vaswani et al. 2017, as facebookresearch/mae lays it out for images.
    Raises: ValueError if `width` is no multiple of 4.
    """
    if width % 4:
        raise ValueError(f"width is {width}; a multiple of 4 is wanted, for sines and cosines of two axes")
    frequencies = 1.0 / 10000 ** (np.arange(width // 4, dtype=np.float64) / (width // 4))
    rows, columns = np.mgrid[0:side, 0:side].astype(np.float64)
    halves = []
    for axis in (columns, rows):
        angles = np.outer(axis.reshape(-1), frequencies)
        halves += [np.sin(angles), np.cos(angles)]
    grid = np.concatenate(halves, axis=1)
    if class_token:
        grid = np.concatenate([np.zeros((1, width)), grid])
    return torch.from_numpy(grid.astype(np.float32))[None]
