"""What a protocol takes and gives back: labelled vectors in; predictions, and what was chosen on the way, out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

UNSCORED = -1
"""In `fold`: a sample that is in no test part (the training part of a published split)."""


@dataclass(frozen=True)
class LabelledVectors:
    """n samples of a classification set as one encoder sees them."""

    values: NDArray[np.float32]
    """[n, d]."""
    labels: NDArray[np.int64]
    """[n], 0 to classes - 1."""
    groups: NDArray[np.int64]
    """[n], whom a sample is of."""
    classes: int
    """Number of classes."""


@dataclass(frozen=True)
class Outcome:
    """Common to both tasks; n samples in the order of the set."""

    fold: NDArray[np.int64]
    """[n], which fold predicted the sample; -1: none did, it is not scored."""
    chosen: tuple[Mapping[str, float], ...]
    """What each fold chose, in order."""

    @property
    def scored(self) -> NDArray[np.int64]:
        """Positions of the scored samples."""
        return np.flatnonzero(self.fold != UNSCORED)


@dataclass(frozen=True)
class ClassOutcome(Outcome):
    """Predicted classes."""

    predicted: NDArray[np.int64]
    """[n]; -1 where unscored."""
    scores: NDArray[np.float64]
    """[n, k], each row sums to 1; NaN where unscored."""


@dataclass(frozen=True)
class MaskOutcome(Outcome):
    """Predicted maps, to be stretched (bilinear) to each picture's own size and cut at its threshold."""

    maps: NDArray[np.float32]
    """[n, h, w], row-major over the squashed picture."""
    thresholds: NDArray[np.float64]
    """[n]; foreground is at or above. NaN where unscored."""
