"""A labelled set made ready to be judged on: every picture read once, folds laid, truth at hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from endoeval.benchmarks.folders import LabelledSet
from endoeval.benchmarks.pictures import read_mask, read_picture
from endoeval.metrics.masks import overlap
from endoeval.predictions import ClassPredictions, MaskPredictions
from endoeval.protocols.outcome import ClassOutcome, LabelledVectors, MaskOutcome
from endoeval.protocols.segmentation import coarse_truth
from endoeval.splits.folds import Fold, cross_validation, official, shared_groups
from endoshards.errors import BadInput

MIN_CLASS_GROUPS = 3
"""A class in fewer groups leans on so few patients that the table says it."""


@dataclass(frozen=True)
class ReadyTask:
    """A set with its folds. `sizes` are the pictures' (height, width), read from the pictures themselves."""

    data: LabelledSet
    folds: tuple[Fold, ...]
    sizes: tuple[tuple[int, int], ...]
    notes: tuple[str, ...]
    """What a reader of its numbers must know, one sentence each."""
    as_published: bool = False
    """The set's own split, in which groups stand on both sides: marked, and never a number of new patients."""
    _grids: dict[tuple[int, int], NDArray[np.float32]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def scored(self) -> NDArray[np.int64]:
        """Positions of the samples that are scored: the test parts, each once."""
        return np.sort(np.concatenate([fold.test for fold in self.folds]))

    def vectors(self, values: NDArray[np.float32]) -> LabelledVectors:
        """The set as one encoder sees it."""
        _, group = np.unique(self.data.groups, return_inverse=True)
        return LabelledVectors(np.asarray(values), np.asarray(self.data.labels), group, len(self.data.classes))

    def truth_on(self, grid: tuple[int, int]) -> NDArray[np.float32]:
        """Share of foreground in each cell of a grid over every mask, float32 [n, h, w]; made once a grid."""
        if grid not in self._grids:
            self._grids[grid] = np.concatenate(
                [coarse_truth([self._mask(i)], grid) for i in range(len(self.data.samples))]
            )
        return self._grids[grid]

    def class_predictions(self, outcome: ClassOutcome) -> ClassPredictions:
        """The scored samples of an outcome; every sample of the test parts, none else."""
        at = self._checked(outcome.scored)
        return ClassPredictions(
            *self._names(at),
            outcome.fold[at],
            np.asarray(self.data.labels)[at],
            outcome.predicted[at],
            outcome.scores[at],
            self.data.classes,
        )

    def mask_predictions(self, outcome: MaskOutcome) -> MaskPredictions:
        """Stretch each map to its picture's size, cut it, count pixels."""
        at = self._checked(outcome.scored)
        counts = np.zeros((len(at), 4), dtype=np.int64)
        for row, i in enumerate(at):
            predicted, truth = self.predicted_mask(outcome, i)
            counts[row] = *overlap(predicted, truth), truth.size
        return MaskPredictions(*self._names(at), outcome.fold[at], *counts.T)

    def predicted_mask(
        self, outcome: MaskOutcome, position: np.int64 | int
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Predicted and true mask of one sample, at its picture's size."""
        cutting = float(outcome.thresholds[position])
        return cut(outcome.maps[position], cutting, self.sizes[position]), self._mask(position)

    def _mask(self, position: np.int64 | int) -> NDArray[np.bool_]:
        sample = self.data.samples[position]
        if sample.mask is None:
            raise ValueError(f"{self.data.name} is no set of masks")
        return _fitted(read_mask(sample.mask, f"{self.data.name}/masks/{sample.mask.name}"), self.sizes[position])

    def _checked(self, scored: NDArray[np.int64]) -> NDArray[np.int64]:
        if not np.array_equal(scored, self.scored):
            unlike = np.setxor1d(scored, self.scored)
            named = ", ".join(self.data.samples[i].key for i in unlike[:5])
            raise RuntimeError(
                f"{len(scored)} samples were scored, {len(self.scored)} are listed; on one side only: {named}"
            )
        return scored

    def _names(self, at: NDArray[np.int64]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        samples = [self.data.samples[i] for i in at]
        return tuple(sample.key for sample in samples), tuple(sample.group for sample in samples)


def prepare(data: LabelledSet, folds: int, seed: int, *, as_published: bool = False) -> ReadyTask:
    """Read every picture and mask once, and lay the folds: a fault is found before anything is scored.

    Args:
        data: the set.
        folds: wanted number where it has no split of its own.
        seed: of the folds.
        as_published: keep an official split in which groups stand on both sides, and mark it.
    Raises: BadInput for a picture or mask that cannot be read, a group in two splits, or too few groups.
    """
    sizes, resized = [], []
    for sample in data.samples:
        size = read_picture(sample.image, f"{data.name}/{sample.key}").shape[:2]
        sizes.append((int(size[0]), int(size[1])))
        if sample.mask is not None:
            mask = read_mask(sample.mask, f"{data.name}/masks/{sample.mask.name}")
            if mask.shape != size:
                resized.append(sample.key)
    if data.splits is None:
        made = cross_validation(data.labels, data.groups, folds, seed)
    else:
        made = official(data.splits, data.labels, data.groups, seed, as_published=as_published)
    shared = shared_groups(data.groups, data.splits) if data.splits is not None else {}
    notes = [*_shared_notes(data, shared), *_grouping_notes(data, made), *_class_notes(data, made)]
    if data.splits is None and len(made) < folds:
        notes.append(
            f"{folds} folds were asked for; there are {len(made)} groups, so {len(made)} folds were laid, "
            "one group each."
        )
    if resized:
        notes.append(f"{len(resized)} masks had another size than their picture and were resized (nearest).")
    return ReadyTask(data, made, tuple(sizes), tuple(notes), bool(shared))


def cut(map_: NDArray[np.float32], threshold: float, size: tuple[int, int]) -> NDArray[np.bool_]:
    """A map stretched (bilinear) to (height, width) and cut: True at or above the threshold."""
    stretched = cv2.resize(map_, (size[1], size[0]), interpolation=cv2.INTER_LINEAR)
    above: NDArray[np.bool_] = stretched >= threshold
    return above


def _fitted(mask: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.bool_]:
    if mask.shape == size:
        return mask
    resized = cv2.resize(mask.astype(np.uint8), (size[1], size[0]), interpolation=cv2.INTER_NEAREST_EXACT)
    return resized > 0


def _shared_notes(data: LabelledSet, shared: Mapping[str, Sequence[str]]) -> list[str]:
    if not shared:
        return []
    return [
        f"As published: {len(shared)} of {len(set(data.groups))} groups stand on both sides of the split, so these "
        "are no numbers of new patients."
    ]


def _grouping_notes(data: LabelledSet, folds: Sequence[Fold]) -> list[str]:
    notes = []
    if data.grouping == "none":
        notes.append("Ungrouped: every picture counts as its own patient, so the interval is too narrow.")
    if data.splits is not None:
        notes.append("The set's own split was kept (splits.csv).")
    few = min(len(fold.inner) for fold in folds)
    if few == 0:
        notes.append("A training part has one group only: nothing could be chosen in it, defaults were used.")
    return notes


def _class_notes(data: LabelledSet, folds: Sequence[Fold]) -> list[str]:
    if data.task != "classes":
        return []
    tested = np.concatenate([fold.test for fold in folds])
    groups, labels = np.asarray(data.groups), np.asarray(data.labels)
    absent = [name for k, name in enumerate(data.classes) if not (labels[tested] == k).any()]
    if len(absent) >= len(data.classes) - 1:
        raise BadInput(f"{data.folder}: the test part holds one class only; two or more are needed to tell apart.")
    notes = [f"No scored sample is {', '.join(absent)}: not in the mean over classes."] if absent else []
    rare = [
        name
        for k, name in enumerate(data.classes)
        if name not in absent and len(set(groups[tested][labels[tested] == k])) < MIN_CLASS_GROUPS
    ]
    if rare:
        notes.append(
            f"Classes of fewer than {MIN_CLASS_GROUPS} groups, which a few patients decide: {', '.join(rare)}."
        )
    return notes
