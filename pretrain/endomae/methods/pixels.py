"""Pixels as patches, the targets made of them, and the loss. Pure functions over tensors."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

VARIANCE_FLOOR = 1e-6
"""Added to a patch's variance before its root is taken: a flat patch has target exactly 0."""


def normalise(image: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Images as the network sees them.

    Args:
        image: uint8 [B, H, W, 3], RGB.
        mean, std: float32 [3], in units of [0, 1].
    Returns: float32 [B, 3, H, W].
    """
    return ((image.to(torch.float32) / 255.0 - mean) / std).permute(0, 3, 1, 2).contiguous()


def patchify(pixels: Tensor, patch: int) -> Tensor:
    """[B, 3, H, W] -> [B, L, patch * patch * 3]: patches row by row; in a patch row, column, channel last."""
    count, channels, height, width = pixels.shape
    rows, columns = height // patch, width // patch
    cells = pixels.reshape(count, channels, rows, patch, columns, patch)
    return torch.einsum("nchpwq->nhwpqc", cells).reshape(count, rows * columns, patch * patch * channels)


def unpatchify(patches: Tensor, patch: int) -> Tensor:
    """The inverse of `patchify` for square images."""
    count, length, values = patches.shape
    side, channels = int(length**0.5 + 0.5), values // (patch * patch)
    cells = patches.reshape(count, side, side, patch, patch, channels)
    return torch.einsum("nhwpqc->nchpwq", cells).reshape(count, channels, side * patch, side * patch)


def targets(patches: Tensor, norm_pix: bool) -> Tensor:
    """What hidden patches are to be predicted as.

    Args:
        patches: float32 [B, L, V], V = patch * patch * 3 normalised values.
        norm_pix: subtract each patch's mean and divide by its deviation, over all V values together.
    """
    if not norm_pix:
        return patches
    # Taken from the first value: the rounded mean of a flat patch, divided by 1e-3, would not be 0.
    shifted = patches - patches[..., :1]
    mean, deviation = patch_statistics(shifted)
    return (shifted - mean) / deviation


def patch_statistics(patches: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and sqrt(unbiased variance + 1e-6) of each patch, each [B, L, 1]. Source: facebookresearch/mae."""
    mean = patches.mean(dim=-1, keepdim=True)
    return mean, (patches.var(dim=-1, keepdim=True, unbiased=True) + VARIANCE_FLOOR).sqrt()


def pooled_loss(prediction: Tensor, target: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
    """Squared error of hidden patches, as a sum and a count, to be divided over the whole global batch.

    Args:
        prediction, target: [B, L, V].
        hidden: bool [B, L].
    Returns: sum over hidden patches of the mean over V (float32 scalar), number of hidden patches (float32 scalar).
    """
    per_patch = (prediction.to(torch.float32) - target).square().mean(dim=-1)
    weight = hidden.to(torch.float32)
    return (per_patch * weight).sum(), weight.sum()


def spread(rows: Iterable[Tensor]) -> tuple[float, float] | None:
    """Loss of predicting zero for every target, and of predicting the best single target for all of them.

    Args:
        rows: targets in parts, float32 [n, V].
    Returns: the mean square, and the mean square about the mean row; None if there is no row at all.
    """
    count, values, squares = 0, 1, 0.0
    total: Tensor | float = 0.0
    for part in rows:
        values = part.shape[1]
        count += len(part)
        squares += float(part.to(torch.float64).square().sum())
        total = total + part.sum(dim=0, dtype=torch.float64)
    if not count:
        return None
    zero = squares / (count * values)
    return zero, zero - float((torch.as_tensor(total) / count).square().mean())
