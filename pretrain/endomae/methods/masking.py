"""Which patches an image shows, hides and leaves out.

A patch whose tissue share is below `VALID_SHARE` is neither visible nor a target: the black border of a frame
carries JPEG noise which, normalised patch by patch, would weigh as much as tissue. Each image shows the same
share of *its own* valid patches; images with fewer of them are padded to the common length, and the padding is
masked in attention, so shapes are fixed and no image depends on its neighbours in the batch.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

VALID_SHARE = 0.5
"""A patch with at least this share of tissue pixels is valid."""


class Masking(NamedTuple):
    """Masks of B images of L patches, K of them at most visible."""

    visible: Tensor
    """int64 [B, K]: patches the encoder sees, in random order; entries that are not `real` are padding."""
    real: Tensor
    """bool [B, K]."""
    hidden: Tensor
    """bool [B, L]: the targets; valid and not visible."""
    valid: Tensor
    """bool [B, L]."""


def keep_count(patches: int, mask_ratio: float) -> int:
    """Patches that stay visible of `patches` valid ones: at least 1 of 1, 49 of 196 at 0.75."""
    # 1 - 0.9 is 0.09999...: without the nudge 0.9 of 10 patches would keep none.
    return min(patches, max(1, math.floor(patches * (1.0 - mask_ratio) + 1e-9)))


def patch_shares(tissue: Tensor, patch: int) -> Tensor:
    """Share of tissue pixels in each patch.

    Args:
        tissue: uint8 [B, H, W], 0 or 1; H and W multiples of `patch`.
        patch: side of a patch in pixels.
    Returns: float32 [B, L], patches in row-major order.
    """
    count, height, width = tissue.shape
    cells = tissue.reshape(count, height // patch, patch, width // patch, patch)
    return cells.sum(dim=(2, 4), dtype=torch.float32).flatten(1) / (patch * patch)


def choose(draws: Tensor, valid: Tensor, mask_ratio: float) -> Masking:
    """Hide a share of each image's valid patches, those with the largest random numbers.

    Args:
        draws: float32 [B, L] in [0, 1); equal draws give equal masks.
        valid: bool [B, L].
        mask_ratio: share of the valid patches that is hidden, in (0, 1).
    Source: He et al. 2022, "Masked Autoencoders Are Scalable Vision Learners" (argsort of noise, an image at a
        time); the rule for patches outside the view is ours.
    """
    patches = draws.shape[1]
    common = keep_count(patches, mask_ratio)
    order = torch.argsort(draws + 2.0 * (~valid), dim=1, stable=True)
    rank = torch.argsort(order, dim=1)
    counts = valid.sum(dim=1, keepdim=True)
    kept = torch.floor(counts * (1.0 - mask_ratio) + 1e-9).to(torch.int64).clamp(min=1).minimum(counts)
    real = torch.arange(common, device=draws.device)[None, :] < kept
    return Masking(visible=order[:, :common], real=real, hidden=valid & (rank >= kept), valid=valid)
