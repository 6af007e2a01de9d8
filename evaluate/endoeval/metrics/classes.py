"""Metrics of classification, all from confusion matrices (rows: truth, columns: predicted).

Each takes [..., k, k] and gives [...], so that thousands of resamplings are one call.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]


def confusions(
    labels: NDArray[np.int64], predicted: NDArray[np.int64], group: NDArray[np.int64], k: int
) -> NDArray[np.int64]:
    """One confusion matrix a group: int64 [G, k, k].

    Args:
        labels: int64 [n], 0 to k - 1.
        predicted: int64 [n], 0 to k - 1.
        group: int64 [n], 0 to G - 1.
        k: number of classes.
    """
    counts = np.zeros((int(group.max()) + 1, k, k), dtype=np.int64)
    np.add.at(counts, (group, labels, predicted), 1)
    return counts


def macro_f1(confusion: NDArray[np.generic]) -> Float:
    """Mean over the classes *present in the labels* of 2TP / (2TP + FP + FN).

    Classes that are only predicted do not enter (they cost the others their false positives); scikit-learn's
    default adds them as zeros. NaN where there is no label at all.
    """
    truth, claimed, hit = _margins(confusion)
    with np.errstate(divide="ignore", invalid="ignore"):
        f1 = 2 * hit / (truth + claimed)
    return _mean_present(f1, truth)


def balanced_accuracy(confusion: NDArray[np.generic]) -> Float:
    """Mean recall over the classes present in the labels. NaN where there is no label at all."""
    truth, _, hit = _margins(confusion)
    with np.errstate(divide="ignore", invalid="ignore"):
        recall = hit / truth
    return _mean_present(recall, truth)


def accuracy(confusion: NDArray[np.generic]) -> Float:
    """Share of samples that are right. NaN where there is no label at all."""
    truth, _, hit = _margins(confusion)
    with np.errstate(divide="ignore", invalid="ignore"):
        share: Float = hit.sum(axis=-1) / truth.sum(axis=-1)
    return share


def _margins(confusion: NDArray[np.generic]) -> tuple[Float, Float, Float]:
    counts = np.asarray(confusion, dtype=np.float64)
    return counts.sum(axis=-1), counts.sum(axis=-2), np.diagonal(counts, axis1=-2, axis2=-1)


def _mean_present(values: Float, truth: Float) -> Float:
    present = truth > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        mean: Float = np.where(present, values, 0.0).sum(axis=-1) / present.sum(axis=-1)
    return mean
