"""Where everything lies in a corpus folder, and what its finished units say. Standard library only.

What has no marker `units/<unit>.json` does not exist: markers are written last. A video is written in
chapters of 20 minutes, `<unit>.<kkk>.*`, each with its own marker `units/<unit>.<kkk>.json`.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from endoshards.errors import BadInput
from endoshards.files import Lock, read_json, write_json

FORMAT = 1
"""Version of the folder's layout; a higher one was written by a later version of this program."""

CHAPTER_S = 1200.0
"""Seconds of presentation time in a chapter: what a kill can cost of a long video."""

STILLS_A_UNIT = 4096

Kind = Literal["video", "stills"]
Status = Literal["ok", "partial", "failed", "ignored"]

_CHAPTER_MARKER = re.compile(r"\.\d{3,}$")


@dataclass(frozen=True)
class Corpus:
    """A corpus folder: frames as stored, their tables, scores and decisions. Internal data of its owner."""

    root: Path

    @property
    def toml(self) -> Path:
        """Format version, corpus id, check value of the key, extract config in force."""
        return self.root / "corpus.toml"

    @property
    def units(self) -> Path:
        """Markers: `<unit>.json`, `<unit>.<kkk>.json`."""
        return self.root / "units"

    @property
    def frames(self) -> Path:
        """`<chapter>.tar` of JPEGs and `<chapter>.parquet`, one row a frame."""
        return self.root / "frames"

    @property
    def views(self) -> Path:
        """`<chapter>.npz`: masks of view and overlays."""
        return self.root / "views"

    @property
    def scores(self) -> Path:
        """`<chapter>.parquet`: quality scores."""
        return self.root / "scores"

    @property
    def embeddings(self) -> Path:
        """`<encoder_id>/<chapter>.npy`."""
        return self.root / "embeddings"

    @property
    def decisions(self) -> Path:
        """`<stage>.parquet`."""
        return self.root / "decisions"

    @property
    def clips(self) -> Path:
        """`<unit>.tar` of clips, `<unit>.parquet`, one row a clip, and the marker `<unit>.json`."""
        return self.root / "clips"

    @property
    def tables(self) -> Path:
        """Derived packs of all rows."""
        return self.root / "tables"

    @property
    def reports(self) -> Path:
        """Pages and sheets."""
        return self.root / "reports"

    @property
    def log(self) -> Path:
        """Accounts `<stage>.json` and logs."""
        return self.root / "log"


@dataclass(frozen=True)
class Chapter:
    """The files of one chapter."""

    name: str
    frames_tar: Path
    frames_table: Path
    views: Path
    scores: Path
    marker: Path


@dataclass(frozen=True)
class InputRow:
    """One input of a unit: a video file or one still."""

    id: str
    """source_id: 16 hex digits keyed by the owner's key."""
    status: str
    reason: str = ""
    copy_of: str = ""
    """source_id of the input whose byte copy this is; always its own id, kept apart by position."""
    position: int = 0
    """Place in the sorted list of inputs of the run that wrote the row, from 1."""
    group: str = ""
    """group_id: keyed pseudonym of patient or procedure, else of the source."""
    extras: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class UnitMarker:
    """What `units/<unit>.json` says."""

    name: str
    status: str
    reason: str
    kind: str
    chapters: int
    frames: int
    fingerprint: str
    inputs: tuple[InputRow, ...]
    extras: dict[str, Any] = field(default_factory=dict)
    """Counts (`seen`, `dropped`), the version that wrote it, the source's facts."""

    @property
    def redacted(self) -> str:
        """Sum of the masks that were added by hand; empty if there are none."""
        return str(self.extras.get("redacted", ""))

    @property
    def made(self) -> str:
        """What decides its stored pixels: the fingerprint, and the masks that were added by hand."""
        return f"{self.fingerprint}+{self.redacted}" if self.redacted else self.fingerprint


def chapter_name(unit: str, k: int) -> str:
    """`<unit>.<kkk>`."""
    return f"{unit}.{k:03d}"


def chapter_files(corpus: Corpus, unit: str, k: int) -> Chapter:
    """Paths of chapter `k` of a unit, there or not."""
    name = chapter_name(unit, k)
    return Chapter(
        name=name,
        frames_tar=corpus.frames / f"{name}.tar",
        frames_table=corpus.frames / f"{name}.parquet",
        views=corpus.views / f"{name}.npz",
        scores=corpus.scores / f"{name}.parquet",
        marker=corpus.units / f"{name}.json",
    )


def open_corpus(root: Path) -> Corpus:
    """The corpus at `root`. Raises: BadInput if there is none or a later version made it."""
    corpus = Corpus(root)
    if not corpus.toml.is_file():
        raise BadInput(f"no corpus at {root}; make one first: endocur extract videos/ --corpus {root}")
    read_settings(corpus)
    return corpus


def read_settings(corpus: Corpus) -> dict[str, Any]:
    """`corpus.toml` as a dict: format, corpus_id, key_check, keep_names, extract (config in force).

    Raises: BadInput if it is damaged or of a later format.
    """
    try:
        settings = tomllib.loads(corpus.toml.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"{corpus.toml} is damaged ({error}); restore it from a backup.") from None
    if int(settings.get("format", 0)) > FORMAT:
        raise BadInput(
            f"{corpus.root} has corpus format {settings['format']}; this version reads up to {FORMAT}. Update endomae."
        )
    return settings


def corpus_lock(corpus: Corpus, part: int = 0) -> Lock:
    """The lock of one part of a corpus: one writer a part."""
    return Lock(corpus.root / f"lock-{part}")


def unit_markers(corpus: Corpus) -> list[UnitMarker]:
    """Markers of all units that exist, sorted by name; failed ones among them."""
    if not corpus.units.is_dir():
        return []
    paths = [path for path in corpus.units.glob("[!.]*.json") if not _CHAPTER_MARKER.search(path.stem)]
    return [read_marker(path) for path in sorted(paths)]


def half_done(corpus: Corpus) -> list[str]:
    """Videos that have finished chapters but no marker of their own: they do not exist until extract went on."""
    names = {path.stem for path in corpus.units.glob("[!.]*.json")}
    return sorted({_CHAPTER_MARKER.sub("", name) for name in names if _CHAPTER_MARKER.search(name)} - names)


def read_marker(path: Path) -> UnitMarker:
    """One marker. Raises: BadInput if the file is damaged."""
    value = read_json(path)
    try:
        return marker_of(value)
    except (TypeError, KeyError) as error:
        raise BadInput(f"{path} is no unit marker ({error}); delete it and run endocur extract again.") from None


def write_marker(corpus: Corpus, marker: UnitMarker) -> None:
    """Write `units/<unit>.json`; from then on the unit exists."""
    write_json(corpus.units / f"{marker.name}.json", marker_value(marker))


def marker_of(value: dict[str, Any]) -> UnitMarker:
    """The marker of JSON values as `marker_value` gives them. Raises: TypeError or KeyError for others."""
    return UnitMarker(**{**value, "inputs": tuple(InputRow(**row) for row in value["inputs"])})


def marker_value(marker: UnitMarker) -> dict[str, Any]:
    """The marker as plain JSON values."""
    return {**vars(marker), "inputs": [vars(row) for row in marker.inputs]}
