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
    """The most frequent class of the scored samples for each of them: the best constant answer, by macro F1 too.

    Not that of the training part: where classes are balanced, leaving a group out makes the other class the more
    frequent one, and the row would be wrong on every sample, a null row that anything is above of.
    """
    count = len(labels)
    fold_of, predicted = np.full(count, UNSCORED), np.full(count, UNSCORED)
    scores = np.full((count, k_classes), np.nan)
    scored = np.concatenate([fold.test for fold in folds])
    shares = np.bincount(labels[scored], minlength=k_classes) / len(scored)
    best = int(shares.argmax())
    predicted[scored], scores[scored] = best, shares
    for number, fold in enumerate(folds):
        fold_of[fold.test] = number
    return ClassOutcome(fold_of, ({"class": float(best)},) * len(folds), predicted, scores)


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
