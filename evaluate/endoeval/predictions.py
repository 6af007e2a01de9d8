"""Predictions a sample: one CSV a row of the table, so that runs of other days can be paired by file and group.

From a table of predictions every metric is a function of group weights (`statistics.Statistic`).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from endoeval.metrics import classes, masks
from endoeval.statistics import Statistic
from endoshards.errors import BadInput
from endoshards.files import write_atomic

Float = NDArray[np.float64]

CLASS_METRICS = {
    "macro_f1": classes.macro_f1,
    "balanced_accuracy": classes.balanced_accuracy,
    "accuracy": classes.accuracy,
}
MASK_METRICS = ("dice", "iou", "dice_by_group", "dice_pooled", "dice_positives", "negatives_left_empty")
HEADLINE: Mapping[Literal["classes", "masks"], str] = {"classes": "macro_f1", "masks": "dice"}
"""The metric that is compared and drawn."""


@dataclass(frozen=True)
class ClassPredictions:
    """n scored samples of a classification set, in the order of the set."""

    files: tuple[str, ...]
    groups: tuple[str, ...]
    folds: NDArray[np.int64]
    labels: NDArray[np.int64]
    predicted: NDArray[np.int64]
    scores: Float
    """[n, k] shares."""
    names: tuple[str, ...]
    """The k classes."""

    def statistic(self, metric: str) -> Statistic:
        """A metric of `CLASS_METRICS` as a function of group weights."""
        name, group = np.unique(self.groups, return_inverse=True)
        k = len(self.names)
        counts = classes.confusions(self.labels, self.predicted, group, k).reshape(len(name), k * k)
        function = CLASS_METRICS[metric]
        return lambda weights: function((weights @ counts.astype(np.float64)).reshape(len(weights), k, k))

    def metrics(self) -> tuple[str, ...]:
        """Names of its metrics."""
        return tuple(CLASS_METRICS)

    def held(self) -> NDArray[np.int64]:
        """int64 [G, k]: images of each class in each group, groups sorted by name."""
        return _counts(self.groups, self.labels, len(self.names))

    def confusion(self) -> NDArray[np.int64]:
        """int64 [k, k], rows truth."""
        one = np.zeros(len(self.labels), dtype=np.int64)
        matrix: NDArray[np.int64] = classes.confusions(self.labels, self.predicted, one, len(self.names))[0]
        return matrix

    def no_signal(self) -> str:
        """Why these predictions show that nothing was learnt, or ""."""
        said = np.unique(self.predicted)
        if len(said) == 1:
            return f"every prediction is {self.names[int(said[0])]}"
        right = int(np.count_nonzero(self.labels == self.predicted))
        for label, name in enumerate(self.names):
            if right and right == np.count_nonzero(self.labels == label):
                return f"accuracy equals the share of {name}"
        return ""

    def rows(self) -> list[dict[str, object]]:
        """One dictionary a sample, plain values."""
        return [
            {
                "file": file,
                "group": self.groups[i],
                "fold": int(self.folds[i]),
                "label": self.names[self.labels[i]],
                "predicted": self.names[self.predicted[i]],
                **{f"share of {name}": f"{self.scores[i, k]:.6f}" for k, name in enumerate(self.names)},
            }
            for i, file in enumerate(self.files)
        ]


@dataclass(frozen=True)
class MaskPredictions:
    """n scored samples of a set of masks, as pixel counts at each picture's own size."""

    files: tuple[str, ...]
    groups: tuple[str, ...]
    folds: NDArray[np.int64]
    both: NDArray[np.int64]
    predicted: NDArray[np.int64]
    truth: NDArray[np.int64]
    pixels: NDArray[np.int64]
    """[n], of the whole picture."""

    def statistic(self, metric: str) -> Statistic:
        """A metric of `MASK_METRICS` as a function of group weights.

        `dice`, `iou`: mean over images. `dice_by_group`: mean over groups of their images' mean. `dice_pooled`:
        all pixels as one image. `dice_positives`: mean over images that hold foreground. `negatives_left_empty`:
        share of images without foreground on which nothing was predicted (NaN where there are none).
        """
        name, group = np.unique(self.groups, return_inverse=True)
        above, below = self._parts(metric)
        tops, bottoms = np.zeros(len(name)), np.zeros(len(name))
        np.add.at(tops, group, above)
        np.add.at(bottoms, group, below)
        if metric == "dice_by_group":
            tops, bottoms = tops / bottoms, np.ones(len(name))

        def ratio(weights: Float) -> Float:
            with np.errstate(divide="ignore", invalid="ignore"):
                value: Float = (weights @ tops) / (weights @ bottoms)
            return value

        return ratio

    def _parts(self, metric: str) -> tuple[Float, Float]:
        one = np.ones(len(self.files))
        if metric in ("dice", "dice_by_group"):
            return self.dice(), one
        if metric == "iou":
            return masks.iou(self.both, self.predicted, self.truth), one
        if metric == "dice_pooled":
            return 2.0 * self.both.astype(np.float64), (self.predicted + self.truth).astype(np.float64)
        if metric == "dice_positives":
            return self.dice() * (self.truth > 0), (self.truth > 0).astype(np.float64)
        empty = (self.truth == 0).astype(np.float64)
        return empty * (self.predicted == 0), empty

    def dice(self) -> Float:
        """Dice of each image, float64 [n]."""
        return masks.dice(self.both, self.predicted, self.truth)

    def metrics(self) -> tuple[str, ...]:
        """Names of its metrics; that of negatives only where the set has some."""
        return MASK_METRICS if (self.truth == 0).any() else MASK_METRICS[:-1]

    def held(self) -> NDArray[np.int64]:
        """int64 [G, 2]: images without and with foreground in each group, groups sorted by name."""
        return _counts(self.groups, (self.truth > 0).astype(np.int64), 2)

    def no_signal(self) -> str:
        """Why these predictions show that nothing was learnt, or ""."""
        if not self.predicted.any():
            return "every predicted mask is empty"
        return "every predicted mask is the whole picture" if (self.predicted == self.pixels).all() else ""

    def rows(self) -> list[dict[str, object]]:
        """One dictionary a sample, plain values."""
        dice = self.dice()
        return [
            {
                "file": file,
                "group": self.groups[i],
                "fold": int(self.folds[i]),
                "both_px": int(self.both[i]),
                "predicted_px": int(self.predicted[i]),
                "truth_px": int(self.truth[i]),
                "picture_px": int(self.pixels[i]),
                "dice": f"{dice[i]:.6f}",
            }
            for i, file in enumerate(self.files)
        ]


Predictions = ClassPredictions | MaskPredictions


def write(path: Path, predictions: Predictions) -> None:
    """Write one CSV row a sample, atomically; equal predictions give equal bytes."""
    rows = predictions.rows()
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomic(path, text.getvalue())


def read(path: Path, names: Sequence[str]) -> Predictions:
    """Read what `write` wrote.

    Args:
        path: the CSV.
        names: classes of the set; empty for masks.
    Raises: BadInput if it is missing or damaged.
    """
    try:
        rows = list(csv.DictReader(io.StringIO(path.read_text("utf-8"))))
        files, groups = tuple(row["file"] for row in rows), tuple(row["group"] for row in rows)
        if names:
            order = {name: i for i, name in enumerate(names)}
            return ClassPredictions(
                files,
                groups,
                _integers(rows, "fold"),
                np.array([order[row["label"]] for row in rows]),
                np.array([order[row["predicted"]] for row in rows]),
                np.array([[float(row[f"share of {name}"]) for name in names] for row in rows]),
                tuple(names),
            )
        counts = (_integers(rows, name) for name in ("fold", "both_px", "predicted_px", "truth_px", "picture_px"))
        return MaskPredictions(files, groups, *counts)
    except (FileNotFoundError, KeyError, ValueError) as error:
        raise BadInput(f"{path} is missing or damaged ({error}); remove it and its .json, and run again.") from None


def _counts(groups: Sequence[str], labels: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    name, group = np.unique(groups, return_inverse=True)
    counts = np.zeros((len(name), k), dtype=np.int64)
    np.add.at(counts, (group, labels), 1)
    return counts


def _integers(rows: Sequence[Mapping[str, str]], name: str) -> NDArray[np.int64]:
    return np.array([int(row[name]) for row in rows], dtype=np.int64)
