"""Weighted nearest neighbours on frozen vectors: no training, so the plainest judge of an embedding.

Vectors are centred on the training part, then L2-normalised; a neighbour weighs exp(cosine / T). Never a
neighbour of the query's own group. Centring is ours: vectors of masked autoencoders share one large common
direction, which leaves all cosines near 1. Source of the rest: DINO and DINOv2, `knn.py`, T = 0.07.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from endoeval.metrics.classes import confusions, macro_f1
from endoeval.protocols.outcome import UNSCORED, ClassOutcome, LabelledVectors
from endoeval.splits import Fold, Indices

TEMPERATURE = 0.07
NEIGHBOURS = (1, 5, 10, 20, 50)
"""Candidates for k; none above half of the training part."""

_BLOCK = 1024
"""Queries at once: bounds the similarity matrix."""


def knn(data: LabelledVectors, folds: Sequence[Fold]) -> ClassOutcome:
    """Predict every test sample by its neighbours in the training part; k by macro F1 on the inner folds."""
    count = len(data.labels)
    fold_of, predicted = np.full(count, UNSCORED), np.full(count, UNSCORED)
    scores = np.full((count, data.classes), np.nan)
    chosen = []
    for number, fold in enumerate(folds):
        k = _choose(data, fold)
        votes = _votes(data, fold.train, fold.test, (k,))[:, 0]
        fold_of[fold.test], predicted[fold.test], scores[fold.test] = number, votes.argmax(axis=1), votes
        chosen.append({"k": float(k)})
    return ClassOutcome(fold_of, tuple(chosen), predicted, scores)


def _choose(data: LabelledVectors, fold: Fold) -> int:
    if not fold.inner:
        return 1
    smallest = min(len(fit) for fit, _ in fold.inner)
    candidates = tuple(k for k in NEIGHBOURS if k <= max(1, smallest // 2))
    guess = np.concatenate([_votes(data, fit, hold, candidates).argmax(axis=2) for fit, hold in fold.inner])
    truth = data.labels[np.concatenate([hold for _, hold in fold.inner])]
    one = np.zeros(len(truth), dtype=np.int64)
    values = [float(macro_f1(confusions(truth, column, one, data.classes)[0])) for column in guess.T]
    # Among equals the larger k: the smoother rule.
    return max(zip(values, candidates, strict=True))[1]


def _votes(data: LabelledVectors, fit: Indices, query: Indices, neighbours: tuple[int, ...]) -> NDArray[np.float64]:
    """float64 [q, len(neighbours), classes]: shares of the weighted vote for each k."""
    centre = data.values[fit].mean(axis=0, dtype=np.float64).astype(np.float32)
    known, asked = _unit(data.values[fit] - centre), _unit(data.values[query] - centre)
    depth = min(max(neighbours), len(fit))
    onehot = np.eye(data.classes)[data.labels[fit]]
    votes = np.zeros((len(query), len(neighbours), data.classes))
    for start in range(0, len(query), _BLOCK):
        part = slice(start, start + _BLOCK)
        cosine = asked[part] @ known.T
        cosine[data.groups[query[part]][:, None] == data.groups[fit][None, :]] = -np.inf
        nearest = np.argsort(-cosine, axis=1, kind="stable")[:, :depth]
        weight = np.exp((np.take_along_axis(cosine, nearest, axis=1).astype(np.float64) - 1.0) / TEMPERATURE)
        running = (weight[..., None] * onehot[nearest]).cumsum(axis=1)
        votes[part] = running[:, [min(k, depth) - 1 for k in neighbours]]
    total = votes.sum(axis=2, keepdims=True)
    shares: NDArray[np.float64] = np.where(total > 0, votes / np.where(total > 0, total, 1.0), 1.0 / data.classes)
    return shares


def _unit(values: NDArray[np.float32]) -> NDArray[np.float32]:
    length = np.linalg.norm(values, axis=1, keepdims=True)
    unit: NDArray[np.float32] = values / np.maximum(length, np.float32(1e-12))
    return unit
