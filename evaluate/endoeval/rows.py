"""One row of the table: a (set, encoder, protocol, seed) with its metrics, as one JSON file written last.

A row is finished when its `.json` stands; its predictions lie beside it as `.csv`. Equal fingerprint: the row
is not computed again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from endoeval import predictions as tables
from endoeval.encoders import Encoder
from endoeval.encoders.network import Network
from endoeval.predictions import HEADLINE, ClassPredictions, Predictions
from endoeval.statistics import MIN_GROUPS, Interval, by_group, interval
from endoeval.task import ReadyTask
from endoshards.errors import BadInput
from endoshards.files import fingerprint, read_json, write_atomic, write_json

FORMAT = 1
"""Version of a row file and of results.json."""
CODE = 2
"""Raised when a protocol, a metric or an interval changes its numbers: old rows are then computed again."""

Role = Literal["encoder", "random", "null"]


@dataclass(frozen=True)
class Judged:
    """What is judged in a row: an encoder, its random twin, or a rule that looks at no pixel."""

    name: str
    id: str
    """Fit for a file name; of weights and contract for encoders."""
    role: Role
    """Why it is in this table; it enters no row file, for one network may be asked for and be a twin too."""
    facts: Mapping[str, Any]
    """Plain values: contract, architecture, proof of the load, provenance."""


@dataclass(frozen=True)
class Job:
    """A row to be made."""

    task: ReadyTask
    who: Judged
    protocol: str
    seed: int
    folds: int
    """Asked for; a set with few groups or its own split has others."""

    @property
    def fingerprint(self) -> str:
        """What the row's numbers depend on."""
        return fingerprint([CODE, self.task.data.fingerprint, self.who.id, self.protocol, self.seed, self.folds])

    def path(self, folder: Path) -> Path:
        """`<set>.<id>.<protocol>.seed<k>.json`."""
        return folder / f"{self.task.data.name}.{self.who.id}.{self.protocol}.seed{self.seed}.json"


@dataclass(frozen=True)
class Row:
    """A finished row, read back from its file."""

    path: Path
    value: Mapping[str, Any]
    role: Role

    @property
    def judged_id(self) -> str:
        """Id of what is judged."""
        return str(self.value["encoder"]["id"])

    @property
    def name(self) -> str:
        """Name of what is judged."""
        return str(self.value["encoder"]["name"])

    @property
    def set(self) -> str:
        """Name of the labelled set."""
        return str(self.value["set"]["name"])

    @property
    def protocol(self) -> str:
        """knn, logistic, segmentation, majority, group_lookup, nearest_in_time or mean_mask."""
        return str(self.value["protocol"])

    @property
    def headline(self) -> Mapping[str, Any]:
        """Value and interval of the metric that is compared."""
        metric: Mapping[str, Any] = self.value["metrics"][self.value["headline"]]
        return metric

    def predictions(self) -> Predictions:
        """The samples' predictions. Raises: BadInput if the CSV is missing or damaged."""
        return tables.read(self.path.with_suffix(".csv"), self.value["set"]["classes"])

    def pictures(self) -> list[tuple[str, Path]]:
        """(word, JPEG) of the overlays of a row of masks: worst, median, best."""
        found = [(word, self.path.with_suffix(f".{word}.jpg")) for word in ("worst", "median", "best")]
        return [(word, path) for word, path in found if path.is_file()]


def judged(encoder: Encoder, role: Role = "encoder") -> Judged:
    """Facts of an encoder for its rows."""
    facts: dict[str, Any] = {"contract": encoder.contract.to_json()}
    if isinstance(encoder, Network):
        facts["architecture"], facts["model_args"] = encoder.architecture, dict(encoder.model_args)
        facts["parameters"] = sum(int(tensor.numel()) for tensor in encoder.model.parameters())
        facts["proof"] = asdict(encoder.proof) if encoder.proof else None
        facts["provenance"] = dict(encoder.provenance)
    return Judged(encoder.name, encoder.encoder_id, role, facts)


def read_row(job: Job, folder: Path) -> Row | None:
    """The row if it stands with the fingerprint of this job, else None."""
    path = job.path(folder)
    try:
        value = read_json(path)
    except (FileNotFoundError, BadInput):
        return None
    if not isinstance(value, dict) or value.get("fingerprint") != job.fingerprint:
        return None
    return Row(path, value, job.who.role) if path.with_suffix(".csv").is_file() else None


@dataclass(frozen=True)
class Made:
    """What a protocol made of a job."""

    predictions: Predictions
    chosen: tuple[Mapping[str, float], ...]
    """What each fold chose."""
    trained: int
    """Trained parameters a fold."""
    pictures: Mapping[str, bytes]
    """Overlays as JPEG by their word; empty for classes."""


def write_row(job: Job, folder: Path, made: Made) -> Row:
    """Score predictions and write the row: CSV and pictures first, the JSON last."""
    path, data, predicted = job.path(folder), job.task.data, made.predictions
    value = {
        "format": FORMAT,
        "fingerprint": job.fingerprint,
        "protocol": job.protocol,
        "seed": job.seed,
        "encoder": {"name": job.who.name, "id": job.who.id, **job.who.facts},
        "set": {
            "name": data.name,
            "task": data.task,
            "classes": list(data.classes),
            "samples": len(data.samples),
            "groups": len(set(data.groups)),
            "grouping": data.grouping,
            "split": _split(job.task),
            "folds": len(job.task.folds),
            "fingerprint": data.fingerprint,
        },
        "scored": {"samples": len(predicted.files), "groups": len(set(predicted.groups))},
        "headline": HEADLINE[data.task],
        "metrics": _metrics(predicted),
        "by_group": _by_group(predicted, HEADLINE[data.task]),
        "confusion": predicted.confusion().tolist() if isinstance(predicted, ClassPredictions) else None,
        "no_signal": predicted.no_signal(),
        "notes": list(job.task.notes),
        "chosen": [{name: round(float(x), 6) for name, x in fold.items()} for fold in made.chosen],
        "trained_parameters": made.trained,
    }
    # A row that is made again must not stand beside predictions that are not its own, were we killed between.
    path.unlink(missing_ok=True)
    tables.write(path.with_suffix(".csv"), predicted)
    for word, jpeg in made.pictures.items():
        write_atomic(path.with_suffix(f".{word}.jpg"), jpeg)
    write_json(path, value)
    # Read back, so that a first run and a repeated one show the very same values.
    return Row(path, read_json(path), job.who.role)


def _split(task: ReadyTask) -> str:
    if task.data.splits is None:
        return "by group"
    return "as-published" if task.as_published else "official"


def _metrics(predicted: Predictions) -> dict[str, Any]:
    groups, held = len(set(predicted.groups)), predicted.held()
    return {name: plain(interval(predicted.statistic(name), groups, held=held)) for name in predicted.metrics()}


def _by_group(predicted: Predictions, headline: str) -> dict[str, float | None] | None:
    """The headline metric of each group where there are too few for an interval, else None."""
    names = sorted(set(predicted.groups))
    if len(names) >= MIN_GROUPS:
        return None
    values = by_group(predicted.statistic(headline), len(names))
    return {name: number(float(value)) for name, value in zip(names, values, strict=True)}


def plain(value: Interval) -> dict[str, Any]:
    """An interval for JSON: six decimals, null for what is not defined."""
    return {
        "value": number(value.value),
        "low": number(value.low),
        "high": number(value.high),
        "groups": value.groups,
        "method": value.method,
        "bootstrap": [number(x) for x in value.bootstrap] if value.bootstrap else None,
        "bootstrap_lacking": number(value.bootstrap_lacking),
    }


def number(value: float | None) -> float | None:
    """Six decimals; None for None and for what is not finite."""
    return None if value is None or not math.isfinite(value) else round(value, 6) + 0.0
