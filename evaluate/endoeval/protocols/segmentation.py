"""Linear segmentation on frozen patch tokens: what a single linear layer finds in them.

Each channel is standardised on the training part (a BatchNorm without parameters on the full batch), one
weight vector gives a logit a patch, logits are stretched four times (bilinear), and cross-entropy plus soft
Dice against the mask at that size is minimised by L-BFGS from zero. How many steps (early stopping is the
only penalty) and where to cut are chosen on the inner folds. Deterministic: full batch, no random start.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from endoeval.protocols.outcome import UNSCORED, MaskOutcome
from endoeval.protocols.thresholds import THRESHOLDS, best_threshold, dice_at
from endoeval.splits import Fold

STEPS = (5, 10, 20, 40, 80)
"""Candidates for the number of L-BFGS steps."""
DEFAULT_STEPS = 20
STRETCH = 4
"""Training resolution, in logits a side of a patch."""
SMOOTH = 1.0
"""Pixels added to both sides of the soft Dice, so that empty masks have a gradient."""

Float = NDArray[np.float64]


@dataclass(frozen=True)
class _Fit:
    mean: NDArray[np.float32]
    scale: NDArray[np.float32]
    path: tuple[tuple[NDArray[np.float32], float], ...]
    """Weights [d] and bias after each number of steps asked for."""


def segmentation(patches: NDArray[np.float16], truth: NDArray[np.float32], folds: Sequence[Fold]) -> MaskOutcome:
    """Predict a logit map for every test sample.

    Args:
        patches: float16 or float32 [n, h, w, d] patch tokens.
        truth: float32 [n, 4h, 4w], share of foreground in each cell, 0 to 1.
        folds: outer folds.
    Returns: maps of [n, 4h, 4w] logits with a threshold each.
    """
    count = len(patches)
    fold_of, thresholds = np.full(count, UNSCORED), np.full(count, np.nan)
    maps = np.zeros(truth.shape, dtype=np.float32)
    chosen = []
    for number, fold in enumerate(folds):
        steps, threshold = _choose(patches, truth, fold)
        fit = _fit(patches[fold.train], truth[fold.train], (steps,))
        maps[fold.test] = _predict(patches[fold.test], fit)[0]
        fold_of[fold.test], thresholds[fold.test] = number, np.log(threshold / (1.0 - threshold))
        chosen.append({"steps": float(steps), "threshold": float(threshold)})
    return MaskOutcome(fold_of, tuple(chosen), maps, thresholds)


def coarse_truth(masks: Sequence[NDArray[np.bool_]], grid: tuple[int, int]) -> NDArray[np.float32]:
    """Share of foreground in each cell of a grid laid over every mask: float32 [n, h, w]."""
    height, width = grid
    return np.stack(
        [cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA) for mask in masks]
    )


def _choose(patches: NDArray[np.float16], truth: NDArray[np.float32], fold: Fold) -> tuple[int, float]:
    if not fold.inner:
        return DEFAULT_STEPS, 0.5
    held = np.concatenate([hold for _, hold in fold.inner])
    logits = np.concatenate(
        [_predict(patches[hold], _fit(patches[fit], truth[fit], STEPS)) for fit, hold in fold.inner], axis=1
    )
    solid = truth[held] >= 0.5
    best = (-1.0, DEFAULT_STEPS, 0.5)
    for steps, map_ in zip(STEPS, logits, strict=True):
        probability = expit(map_)
        threshold = best_threshold(probability, solid)
        value = dice_at(probability, solid, threshold)
        # Among equals the fewest steps.
        if value > best[0]:
            best = (value, steps, threshold)
    return best[1], best[2]


def _fit(patches: NDArray[np.float16], truth: NDArray[np.float32], steps: tuple[int, ...]) -> _Fit:
    count, height, width, dim = patches.shape
    tokens = patches.reshape(-1, dim).astype(np.float32)
    mean = tokens.mean(axis=0, dtype=np.float64).astype(np.float32)
    tokens -= mean
    spread = np.sqrt(np.einsum("td,td->d", tokens, tokens) / len(tokens))
    scale = np.where(spread > 1e-6, spread, 1.0).astype(np.float32)
    tokens /= scale
    up, across = _stretch(height), _stretch(width)
    goal = truth.astype(np.float64)

    def loss(parameters: Float) -> tuple[float, Float]:
        weights = parameters[:dim].astype(np.float32)
        logits = (tokens @ weights).reshape(count, height, width).astype(np.float64) + parameters[dim]
        value, slope = _loss(up @ logits @ across.T, goal)
        back = up.T @ slope @ across
        gradient = tokens.T @ back.reshape(-1).astype(np.float32)
        return value, np.concatenate([gradient.astype(np.float64), [back.sum()]])

    return _Fit(mean, scale, tuple((p[:dim].astype(np.float32), float(p[dim])) for p in _descend(loss, dim, steps)))


def _descend(loss: object, dim: int, steps: tuple[int, ...]) -> list[Float]:
    """The parameters after each number of L-BFGS steps (after the last one where it converged before)."""
    trail: list[Float] = []
    result = minimize(
        loss,
        np.zeros(dim + 1),
        jac=True,
        method="L-BFGS-B",
        callback=lambda parameters: trail.append(np.array(parameters)),
        options={"maxiter": max(steps), "maxcor": 10},
    )
    trail = trail or [result.x]
    return [trail[min(number, len(trail)) - 1] for number in steps]


def _loss(logits: Float, goal: Float) -> tuple[float, Float]:
    """Mean cross-entropy + (1 - mean soft Dice of the images), and its slope by the logits [n, H, W]."""
    count = len(logits)
    probability = 1.0 / (1.0 + np.exp(-logits))
    entropy = (np.logaddexp(0.0, logits) - goal * logits).mean()
    both = (probability * goal).sum(axis=(1, 2), keepdims=True)
    total = probability.sum(axis=(1, 2), keepdims=True) + goal.sum(axis=(1, 2), keepdims=True) + SMOOTH
    dice = (2.0 * both + SMOOTH) / total
    slope = (probability - goal) / logits.size
    slope -= (2.0 * goal - dice) / total * probability * (1.0 - probability) / count
    return float(entropy + 1.0 - dice.mean()), slope


def _predict(patches: NDArray[np.float16], fit: _Fit) -> NDArray[np.float32]:
    """float32 [len(path), n, 4h, 4w] logits."""
    count, height, width, dim = patches.shape
    tokens = (patches.reshape(-1, dim).astype(np.float32) - fit.mean) / fit.scale
    up, across = _stretch(height), _stretch(width)
    maps = [(tokens @ weights + bias).reshape(count, height, width) for weights, bias in fit.path]
    return np.stack([(up @ map_.astype(np.float64) @ across.T).astype(np.float32) for map_ in maps])


def _stretch(cells: int) -> Float:
    """[4 cells, cells]: bilinear interpolation with half-pixel centres, edges held."""
    at = np.clip((np.arange(cells * STRETCH) + 0.5) / STRETCH - 0.5, 0, cells - 1)
    low = np.minimum(at.astype(np.int64), max(cells - 2, 0))
    matrix = np.zeros((cells * STRETCH, cells))
    rows = np.arange(cells * STRETCH)
    matrix[rows, low] += 1.0 - (at - low)
    matrix[rows, np.minimum(low + 1, cells - 1)] += at - low
    return matrix


__all__ = ["STEPS", "STRETCH", "THRESHOLDS", "coarse_truth", "segmentation"]
