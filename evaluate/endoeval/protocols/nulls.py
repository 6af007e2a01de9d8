"""Rows that look at no pixel: what anybody gets for free. A result below them is no result."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from endoeval.protocols.outcome import UNSCORED, ClassOutcome, MaskOutcome
from endoeval.protocols.thresholds import best_threshold
from endoeval.splits import Fold

GRID = 64
"""Cells a side on which masks are averaged."""


def majority(labels: NDArray[np.int64], folds: Sequence[Fold], k_classes: int) -> ClassOutcome:
    """The most frequent class of the training part for every test sample."""
    count = len(labels)
    fold_of, predicted = np.full(count, UNSCORED), np.full(count, UNSCORED)
    scores = np.full((count, k_classes), np.nan)
    chosen = []
    for number, fold in enumerate(folds):
        shares = np.bincount(labels[fold.train], minlength=k_classes) / len(fold.train)
        fold_of[fold.test], predicted[fold.test], scores[fold.test] = number, int(shares.argmax()), shares
        chosen.append({"class": float(shares.argmax())})
    return ClassOutcome(fold_of, tuple(chosen), predicted, scores)


def mean_mask(truth: NDArray[np.float32], folds: Sequence[Fold]) -> MaskOutcome:
    """The mean mask of the training part for every test sample, cut where it fits the training masks best.

    Args:
        truth: float32 [n, GRID, GRID], share of foreground in each cell.
        folds: outer folds.
    """
    count = len(truth)
    fold_of, thresholds = np.full(count, UNSCORED), np.full(count, np.nan)
    maps = np.zeros(truth.shape, dtype=np.float32)
    chosen = []
    for number, fold in enumerate(folds):
        mean = truth[fold.train].mean(axis=0)
        threshold = best_threshold(np.broadcast_to(mean, truth[fold.train].shape), truth[fold.train] >= 0.5)
        maps[fold.test], fold_of[fold.test], thresholds[fold.test] = mean, number, threshold
        chosen.append({"threshold": threshold})
    return MaskOutcome(fold_of, tuple(chosen), maps, thresholds)
