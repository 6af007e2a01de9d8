"""Start values of an encoder, by the method that trains it: what "the same model with random weights" means.

The null row of a trained encoder is its own untrained start. timm's start is no stand-in: on real polyp masks
the untrained start of a masked autoencoder (fixed sine positions, Xavier matrices) reached Dice 0.45 where
timm's start of the same architecture reached 0.39, so a run that learnt nothing would have looked trained.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


def initialise(module: nn.Module) -> None:
    """Start values of a masked autoencoder: Xavier for matrices, 0 for biases, normal 0.02 for tokens.

    Source: facebookresearch/mae. Fixed positions are left alone.
    """
    for part in module.modules():
        if isinstance(part, nn.Linear):
            nn.init.xavier_uniform_(part.weight)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
        elif isinstance(part, nn.LayerNorm):
            nn.init.ones_(part.weight)
            nn.init.zeros_(part.bias)
        elif isinstance(part, nn.Conv2d):
            nn.init.xavier_uniform_(part.weight.view(part.weight.shape[0], -1))
            if part.bias is not None:
                nn.init.zeros_(part.bias)
    for name, parameter in module.named_parameters():
        if name.endswith(("cls_token", "mask_token")):
            nn.init.normal_(parameter, std=0.02)


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


def start_mae(encoder: Any) -> None:
    """A timm vision transformer as masked autoencoding starts it: `initialise`, and fixed sine positions."""
    initialise(encoder)
    side = encoder.patch_embed.grid_size[0]
    with torch.no_grad():
        encoder.pos_embed.copy_(sincos_positions(int(encoder.embed_dim), side))


STARTS: Mapping[str, Callable[[Any], None]] = {"mae": start_mae}
"""By method (`provenance.method` of an export); any other keeps timm's own start."""
