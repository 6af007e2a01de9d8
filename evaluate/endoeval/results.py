"""What is asked of an evaluation, and what it gives: plain frozen values that the orchestrator and the report share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from endoeval.benchmarks.folders import Task
from endoeval.compare import Comparison
from endoeval.rows import Row

CLASS_PROTOCOLS = ("knn", "logistic")
MASK_PROTOCOLS = ("segmentation",)
PROTOCOLS_OF: Mapping[Task, tuple[str, ...]] = {"classes": CLASS_PROTOCOLS, "masks": MASK_PROTOCOLS}
"""Protocols by what a set is labelled with."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is to be judged, on what, how; the words are those of `endomae eval`."""

    encoders: tuple[str, ...]
    """Specs of `endoeval.encoders.load`, at least one."""
    data_root: Path
    out: Path
    sets: tuple[str, ...] = ()
    """Names of folders in `data_root`; all if empty."""
    protocols: tuple[str, ...] = (*CLASS_PROTOCOLS, *MASK_PROTOCOLS)
    group_pattern: str | None = None
    folds: int = 5
    as_published: bool = False
    """Official splits in which groups stand on both sides are kept, and marked."""
    seed: int = 0
    random_seeds: int = 1
    """Rows of random weights beside each trained encoder."""
    device: str = "auto"
    batch: int = 32


@dataclass(frozen=True)
class Skipped:
    """A row that cannot be, and why."""

    encoder: str
    set: str
    protocol: str
    reason: str


@dataclass(frozen=True)
class Results:
    """All rows of one request, in the order of the table."""

    request: Request
    rows: tuple[Row, ...]
    comparisons: tuple[Comparison, ...]
    skipped: tuple[Skipped, ...]
    computed: int
    """Rows made now; the others stood already."""
    device: Literal["cpu", "cuda"]
    """Where the encoders ran."""

    @property
    def table(self) -> Path:
        """The Markdown table."""
        return self.request.out / "table.md"

    @property
    def report(self) -> Path:
        """The page."""
        return self.request.out / "report.html"

    def comparison(self, row: Row) -> Comparison | None:
        """The row beside its null rows, or None if it is one of them."""
        return next((found for found in self.comparisons if found.row.path == row.path), None)
