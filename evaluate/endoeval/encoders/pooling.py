"""From class token and patch tokens to the one vector an encoder's contract asks for."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from endoeval.encoders.contract import Encoder, Features, Pooling

VALID_SHARE = 0.5
"""A patch counts as tissue when at least this share of its pixels does (the rule of pretraining too)."""


def vectors(
    encoder: Encoder, images: NDArray[np.uint8], tissue: NDArray[np.bool_] | None = None
) -> NDArray[np.float32]:
    """One vector an image, pooled as the encoder's contract says.

    Args:
        encoder: any encoder.
        images: uint8 [B, 3, H, W].
        tissue: bool [B, H, W] or None.
    Returns: float32 [B, contract.vector_dim].
    """
    return pool(encoder.encode(images, tissue), tissue, encoder.contract.pooling)


def pool(features: Features, tissue: NDArray[np.bool_] | None, pooling: Pooling) -> NDArray[np.float32]:
    """Pool tokens to one vector an image: `cls`, the mean of tissue patches, or both end to end.

    Raises: ValueError if the mean is asked for and there are no patches.
    """
    if pooling == "cls":
        return features.cls
    if features.patches is None:
        raise ValueError(f"pooling {pooling!r} needs patch tokens; this encoder has none")
    count, height, width, dim = features.patches.shape
    tokens = features.patches.reshape(count, height * width, dim)
    if tissue is None:
        mean = tokens.mean(axis=1, dtype=np.float64)
    else:
        valid = valid_patches(tissue, (height, width)).reshape(count, height * width, 1)
        mean = (tokens * valid).sum(axis=1, dtype=np.float64) / valid.sum(axis=1)
    pooled = mean.astype(np.float32)
    return pooled if pooling == "mean" else np.concatenate([features.cls, pooled], axis=1)


def valid_patches(tissue: NDArray[np.bool_], grid: tuple[int, int]) -> NDArray[np.bool_]:
    """Which patches are tissue; an image with none keeps its best ones, so that every image has a vector.

    Args:
        tissue: bool [B, H, W].
        grid: (h, w) of the patch tokens; the mask is squashed to it exactly as the image is.
    Returns: bool [B, h, w], at least one True an image.
    """
    height, width = grid
    share = np.stack(
        [cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA) for mask in tissue]
    )
    best = share.max(axis=(1, 2), keepdims=True)
    valid: NDArray[np.bool_] = share >= np.minimum(np.float32(VALID_SHARE), best)
    return valid
