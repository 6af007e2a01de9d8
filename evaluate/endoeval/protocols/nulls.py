"""Rows that look at no pixel: what anybody gets for free. A result below them is no result."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from endoeval.protocols.outcome import UNSCORED, ClassOutcome, MaskOutcome
from endoeval.protocols.thresholds import best_threshold
from endoeval.splits import Fold
from endoeval.splits.nulls import group_lookup as lookup
from endoeval.splits.nulls import nearest_in_time as nearest

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


def group_lookup(
    labels: NDArray[np.int64], groups: NDArray[np.int64], folds: Sequence[Fold], k_classes: int
) -> ClassOutcome:
    """The majority label of the sample's group in the training part; its largest class where the group is not there.

    For published splits in which groups stand on both sides: what knowing the patient alone is worth.
    """
    return _looked_up(
        labels, folds, k_classes, lambda fold: lookup(labels[fold.train], *_sides(groups, fold), k_classes)
    )


def nearest_in_time(
    labels: NDArray[np.int64],
    groups: NDArray[np.int64],
    times: NDArray[np.float64],
    folds: Sequence[Fold],
    k_classes: int,
) -> ClassOutcome:
    """The label of the nearest training frame of the same group; where there is none, what `group_lookup` says.

    Args:
        labels, groups, times: [n]; a time is a place inside its group, nan where unknown.
        folds: outer folds.
        k_classes: number of classes.
    """

    def look(fold: Fold) -> NDArray[np.int64]:
        near = nearest(labels[fold.train], groups[fold.train], times[fold.train], groups[fold.test], times[fold.test])
        return np.where(near >= 0, near, lookup(labels[fold.train], *_sides(groups, fold), k_classes))

    return _looked_up(labels, folds, k_classes, look)


def frame_numbers(keys: Sequence[str]) -> NDArray[np.float64] | None:
    """The last number of each file's stem, as a place in time inside its group; None where some have none."""
    found = [re.search(r"(\d+)\D*$", PurePosixPath(key).stem) for key in keys]
    return None if None in found else np.array([float(match[1]) for match in found if match])


def _sides(groups: NDArray[np.int64], fold: Fold) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return groups[fold.train], groups[fold.test]


def _looked_up(
    labels: NDArray[np.int64], folds: Sequence[Fold], k_classes: int, look: Callable[[Fold], NDArray[np.int64]]
) -> ClassOutcome:
    count = len(labels)
    fold_of, predicted = np.full(count, UNSCORED), np.full(count, UNSCORED)
    scores = np.full((count, k_classes), np.nan)
    for number, fold in enumerate(folds):
        found = look(fold)
        largest = int(np.bincount(labels[fold.train], minlength=k_classes).argmax())
        fold_of[fold.test], predicted[fold.test] = number, np.where(found >= 0, found, largest)
        scores[fold.test] = np.eye(k_classes)[predicted[fold.test]]
    return ClassOutcome(fold_of, tuple({} for _ in folds), predicted, scores)


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
