"""The road from encoders and labelled sets to a table: check everything, compute the missing rows, compare, write.

A row lives in `rows/` of the result folder, features in `features/`; the same line again computes nothing and
writes the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from endoeval import encoders
from endoeval.benchmarks.folders import find_sets
from endoeval.benchmarks.pictures import read_picture
from endoeval.compare import compare
from endoeval.encoders import Encoder
from endoeval.encoders.network import Network, random_like, resolve_device
from endoeval.features import patches_of, vectors_of
from endoeval.protocols.knn import knn
from endoeval.protocols.logistic import logistic
from endoeval.protocols.nulls import GRID, frame_numbers, group_lookup, majority, mean_mask, nearest_in_time
from endoeval.protocols.outcome import ClassOutcome, MaskOutcome
from endoeval.protocols.segmentation import STRETCH, segmentation
from endoeval.report.files import write_results
from endoeval.report.overlays import overlay
from endoeval.results import MASK_PROTOCOLS, PROTOCOLS_OF, Request, Results, Skipped
from endoeval.rows import Job, Judged, Made, Row, judged, read_row, write_row
from endoeval.task import ReadyTask, prepare
from endoshards.errors import BadInput
from endoshards.files import Lock, refuse_source_tree, remove_temporaries

OURS = ("rows", "features", "results.json")
"""One of these in a folder says that it is a result folder."""
Progress = Callable[[str, int, int], None]
"""Told (what, done, total)."""


def _silent(what: str, done: int, total: int) -> None:  # noqa: ARG001 - the form of Progress
    return None


def run_eval(request: Request, progress: Progress = _silent) -> Results:
    """Judge every encoder on every set and write the result folder.

    Everything is checked before anything is scored: sets, folds, pictures, and the load of every encoder.

    Raises: BadInput for what a user can mend, among it a checkpoint of another model and CUDA where there is none.
    """
    refuse_source_tree(request.out, "endomae eval --out study/results, a folder outside the source code")
    _refuse_foreign(request.out)
    device = resolve_device(request.device)
    tasks = _tasks(request, progress)
    judges = _judges(request)
    with Lock(request.out / ".lock"):
        rows_folder = request.out / "rows"
        rows_folder.mkdir(parents=True, exist_ok=True)
        for folder in (request.out, rows_folder, *sorted((request.out / "features").glob("*"))):
            remove_temporaries(folder)
        work = _Work(request, rows_folder, progress)
        for task in tasks:
            work.blind(task)
            for judge in judges:
                work.encoder(task, judge)
        twins = {judge.encoder.encoder_id: [twin.encoder_id for twin in judge.twins] for judge in judges}
        comparisons = tuple(compare(work.rows, twins))
        results = Results(request, tuple(work.rows), comparisons, tuple(work.skipped), work.computed, device)
        write_results(results)
    return results


@dataclass(frozen=True)
class _Judge:
    encoder: Encoder
    twins: tuple[Network, ...]


@dataclass
class _Work:
    """The rows as they come."""

    request: Request
    folder: Path
    progress: Progress
    rows: list[Row] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    computed: int = 0

    def blind(self, task: ReadyTask) -> None:
        """The null rows that look at no pixel: more of them where a published split has groups on both sides."""
        classes = task.data.task == "classes"
        name, protocol = ("majority class", "majority") if classes else ("mean mask", "mean_mask")
        who = Judged(name, f"null-{protocol}", "null", {})

        def make() -> Made:
            labels = np.asarray(task.data.labels)
            if classes:
                return _made_classes(task, majority(labels, task.folds, len(task.data.classes)), 0)
            return _made_masks(task, mean_mask(task.truth_on((GRID, GRID)), task.folds), 0)

        self._row(task, who, protocol, make)
        if classes and task.as_published:
            self._lookups(task)

    def _lookups(self, task: ReadyTask) -> None:
        labels, k = np.asarray(task.data.labels), len(task.data.classes)
        _, group = np.unique(task.data.groups, return_inverse=True)

        def looked() -> Made:
            return _made_classes(task, group_lookup(labels, group, task.folds, k), 0)

        self._row(task, Judged("group lookup", "null-group_lookup", "null", {}), "group_lookup", looked)
        times = frame_numbers([sample.key for sample in task.data.samples])
        if times is None:
            return

        def near() -> Made:
            return _made_classes(task, nearest_in_time(labels, group, times, task.folds, k), 0)

        self._row(task, Judged("nearest in time", "null-nearest_in_time", "null", {}), "nearest_in_time", near)

    def encoder(self, task: ReadyTask, judge: _Judge) -> None:
        """All rows of one encoder on one set, its random twins after it."""
        for protocol in PROTOCOLS_OF[task.data.task]:
            if protocol not in self.request.protocols:
                continue
            if protocol in MASK_PROTOCOLS and judge.encoder.contract.patch is None:
                reason = "the encoder has no patch tokens"
                self.skipped.append(Skipped(judge.encoder.name, task.data.name, protocol, reason))
                continue
            self._judged_row(task, judge.encoder, judged(judge.encoder), protocol)
            for twin in judge.twins:
                self._judged_row(task, twin, judged(twin, "random"), protocol)

    def _judged_row(self, task: ReadyTask, encoder: Encoder, who: Judged, protocol: str) -> None:
        cache, batch = self.request.out / "features", self.request.batch
        what = f"{task.data.name}: features of {encoder.name}"

        def tell(done: int, total: int) -> None:
            self.progress(what, done, total)

        def make() -> Made:
            if protocol == "segmentation":
                patches = patches_of(encoder, task.data, cache, batch=batch, progress=tell)
                self.progress(f"{task.data.name}: {protocol} on {encoder.name}", 0, 1)
                grid = (patches.shape[1] * STRETCH, patches.shape[2] * STRETCH)
                outcome = segmentation(patches, task.truth_on(grid), task.folds)
                return _made_masks(task, outcome, patches.shape[-1] + 1)
            data = task.vectors(vectors_of(encoder, task.data, cache, batch=batch, progress=tell))
            self.progress(f"{task.data.name}: {protocol} on {encoder.name}", 0, 1)
            if protocol == "knn":
                return _made_classes(task, knn(data, task.folds), 0)
            return _made_classes(task, logistic(data, task.folds), (data.values.shape[1] + 1) * data.classes)

        self._row(task, who, protocol, make)

    def _row(self, task: ReadyTask, who: Judged, protocol: str, make: Callable[[], Made]) -> None:
        job = Job(task, who, protocol, self.request.seed, self.request.folds)
        row = read_row(job, self.folder)
        if row is None:
            row = write_row(job, self.folder, make())
            self.computed += 1
        standing = {other.path: i for i, other in enumerate(self.rows)}
        if row.path not in standing:
            self.rows.append(row)
        elif row.role == "encoder":
            # A twin of one encoder that was asked for by name too: it is judged like the others.
            self.rows[standing[row.path]] = row


def _tasks(request: Request, progress: Progress) -> list[ReadyTask]:
    sets = find_sets(request.data_root, request.sets, request.group_pattern)
    if not any(protocol in request.protocols for data in sets for protocol in PROTOCOLS_OF[data.task]):
        asked = ", ".join(f"--protocol {protocol}" for protocol in request.protocols)
        there = ", ".join(f"{data.name} ({data.task})" for data in sets)
        fit = "; ".join(f"{' and '.join(words)} for {task}" for task, words in PROTOCOLS_OF.items())
        raise BadInput(f"no labelled set here fits {asked}: {there}. There is {fit}.")
    tasks = []
    for number, data in enumerate(sets):
        progress("reading labelled sets", number, len(sets))
        tasks.append(prepare(data, request.folds, request.seed, as_published=request.as_published))
    progress("reading labelled sets", len(sets), len(sets))
    return tasks


def _refuse_foreign(out: Path) -> None:
    """Raises: BadInput for a folder with things in it, none of which says that it is a result folder."""
    if not out.is_dir() or any((out / name).exists() for name in OURS):
        return
    strange = sum(1 for path in out.iterdir() if not path.name.startswith("."))
    if strange:
        raise BadInput(f"{out} holds other things than results ({strange}); choose an empty or new folder with --out.")


def _judges(request: Request) -> list[_Judge]:
    """Load every encoder, so that a bad one ends the command before anything is scored."""
    if not request.encoders:
        raise BadInput("no encoder was given; name a run, an export, timm:NAME, random:NAME or builtin:descriptor.")
    found: dict[str, _Judge] = {}
    for spec in request.encoders:
        encoder = encoders.load(spec, request.device)
        found.setdefault(encoder.encoder_id, _Judge(encoder, _twins(encoder, request.random_seeds)))
    return list(found.values())


def _twins(encoder: Encoder, seeds: int) -> tuple[Network, ...]:
    """Untrained networks to stand beside a trained one; none beside random weights or what has no weights."""
    if not isinstance(encoder, Network) or encoder.proof is None:
        return ()
    return tuple(random_like(encoder, seed) for seed in range(seeds))


def _made_classes(task: ReadyTask, outcome: ClassOutcome, trained: int) -> Made:
    return Made(task.class_predictions(outcome), outcome.chosen, trained, {})


def _made_masks(task: ReadyTask, outcome: MaskOutcome, trained: int) -> Made:
    predictions = task.mask_predictions(outcome)
    order = np.argsort(predictions.dice(), kind="stable")
    places: dict[str, Any] = {"worst": order[0], "median": order[len(order) // 2], "best": order[-1]}
    pictures = {word: _drawn(task, outcome, outcome.scored[place]) for word, place in places.items()}
    return Made(predictions, outcome.chosen, trained, pictures)


def _drawn(task: ReadyTask, outcome: MaskOutcome, position: np.int64) -> bytes:
    sample = task.data.samples[position]
    predicted, truth = task.predicted_mask(outcome, position)
    return overlay(read_picture(sample.image, sample.key), predicted, truth)
