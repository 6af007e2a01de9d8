"""Metrics of binary masks, foreground only, from pixel counts of each image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]


def overlap(predicted: NDArray[np.bool_], truth: NDArray[np.bool_]) -> tuple[int, int, int]:
    """Pixels of (both, predicted, truth). Raises: ValueError for unequal shapes."""
    if predicted.shape != truth.shape:
        raise ValueError(f"predicted mask is {predicted.shape}, truth {truth.shape}; equal shapes are wanted")
    return int(np.count_nonzero(predicted & truth)), int(np.count_nonzero(predicted)), int(np.count_nonzero(truth))


def dice(both: NDArray[np.int64], predicted: NDArray[np.int64], truth: NDArray[np.int64]) -> Float:
    """2|P∩G| / (|P| + |G|) of each image; both empty 1, one empty 0.

    Args: int64 [...] pixel counts. Returns: float64 [...], 0 to 1.
    """
    return _ratio(2 * np.asarray(both), np.asarray(predicted) + np.asarray(truth))


def iou(both: NDArray[np.int64], predicted: NDArray[np.int64], truth: NDArray[np.int64]) -> Float:
    """|P∩G| / |P∪G| of each image, = Dice / (2 - Dice); both empty 1, one empty 0."""
    return _ratio(np.asarray(both), np.asarray(predicted) + np.asarray(truth) - np.asarray(both))


def _ratio(above: NDArray[np.int64], below: NDArray[np.int64]) -> Float:
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio: Float = np.where(below > 0, above / below, 1.0)
    return ratio
