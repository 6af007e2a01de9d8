"""Logistic regression on frozen vectors: standardised on the training part, strength of the penalty chosen inside it.

Standardising first keeps encoders of large norm from winning by a weaker penalty. Source of the path over C:
DINOv2, `log_regression.py` (45 values, 10 % of images held out); here 15 values and whole groups held out.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from endoeval.metrics.classes import confusions, macro_f1
from endoeval.protocols.outcome import UNSCORED, ClassOutcome, LabelledVectors
from endoeval.splits import Fold, Indices

PATH = tuple(float(c) for c in np.logspace(-5, 2, 15))
"""Candidates for C, weak fits first; each starts where the last one ended."""
DEFAULT_C = PATH[6]
"""Where the training part has a single group and nothing can be held out."""
MAX_ITERATIONS = 500


def logistic(data: LabelledVectors, folds: Sequence[Fold]) -> ClassOutcome:
    """Predict every test sample by a multinomial regression; C by macro F1 on the inner folds, then all of train."""
    count = len(data.labels)
    fold_of, predicted = np.full(count, UNSCORED), np.full(count, UNSCORED)
    scores = np.full((count, data.classes), np.nan)
    chosen = []
    for number, fold in enumerate(folds):
        c = _choose(data, fold)
        shares = _path(data, fold.train, fold.test, tuple(value for value in PATH if value <= c))[-1]
        fold_of[fold.test], predicted[fold.test], scores[fold.test] = number, shares.argmax(axis=1), shares
        chosen.append({"C": c})
    return ClassOutcome(fold_of, tuple(chosen), predicted, scores)


def _choose(data: LabelledVectors, fold: Fold) -> float:
    if not fold.inner:
        return DEFAULT_C
    guess = np.concatenate([_path(data, fit, hold, PATH).argmax(axis=2) for fit, hold in fold.inner], axis=1)
    truth = data.labels[np.concatenate([hold for _, hold in fold.inner])]
    one = np.zeros(len(truth), dtype=np.int64)
    values = [float(macro_f1(confusions(truth, row, one, data.classes)[0])) for row in guess]
    # Among equals the strongest penalty.
    return PATH[int(np.argmax(values))]


def _path(data: LabelledVectors, fit: Indices, query: Indices, path: tuple[float, ...]) -> NDArray[np.float64]:
    """float64 [len(path), q, classes]: class shares of the queries at each C."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    known, asked = _standardised(data.values[fit], data.values[query])
    labels = data.labels[fit]
    present = np.unique(labels)
    shares = np.zeros((len(path), len(query), data.classes))
    if len(present) == 1:
        shares[:, :, present[0]] = 1.0
        return shares
    model = LogisticRegression(warm_start=True, max_iter=MAX_ITERATIONS, tol=1e-5)
    with warnings.catch_warnings():
        # At the loosest C a separable set has no optimum; the path is still a path.
        warnings.simplefilter("ignore", ConvergenceWarning)
        for i, c in enumerate(path):
            model.set_params(C=c).fit(known, labels)
            shares[i][:, present] = model.predict_proba(asked)
    return shares


def _standardised(
    known: NDArray[np.float32], asked: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Zero mean and unit spread on `known`; then, where it has fewer rows than columns, turned into their span.

    The penalty does not change under a rotation and nothing outside the span is ever used, so the fit is the
    same and cheaper.
    """
    mean, spread = known.mean(axis=0, dtype=np.float64), known.std(axis=0, dtype=np.float64)
    scale = np.where(spread > 1e-8, spread, 1.0)
    fitted, queried = (known - mean) / scale, (asked - mean) / scale
    if fitted.shape[0] < fitted.shape[1]:
        basis = np.linalg.svd(fitted, full_matrices=False)[2]
        return fitted @ basis.T, queried @ basis.T
    return fitted, queried
