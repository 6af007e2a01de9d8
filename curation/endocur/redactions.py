"""What people found and want masked: `redactions.json` of a corpus, and which units still wait for it.

The list is written before any pixel is touched and outlives `extract --restart`: frames made anew wait for the same
masks, and until they bear them no later stage goes on. Standard library only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from endocur.corpus import Corpus, UnitMarker, unit_markers
from endoshards.errors import BadInput
from endoshards.files import fingerprint, read_json, write_json

FORMAT = 1
LIST = "redactions.json"
WORK = "redact"
"""Folder of units that are being rewritten: `<unit>/` staged files, `<unit>.json` once they are whole."""
ADDED = "+"
"""Stands in a view_id before the sum of the masks that were added to that view by hand."""


@dataclass(frozen=True, order=True)
class Redaction:
    """One box that a person, or an audit, wants masked: in one frame, or in all frames of a unit's view."""

    frame: str
    """frame_id; empty for a whole view."""
    unit: str
    view: str
    """view_id as extract wrote it; both empty for one frame."""
    box: tuple[int, int, int, int]
    """x, y, width, height in stored pixels."""
    size: tuple[int, int]
    """Width and height of the stored frame the box was said for."""

    @property
    def place(self) -> str:
        """The unit it is for, or the source of its frame."""
        return self.unit or self.frame[:16]

    def replaces(self, old: Redaction) -> bool:
        """Whether `old` was said for the same frame or view when its picture had another size."""
        same = (self.frame, self.unit, self.view) == (old.frame, old.unit, old.view)
        return same and self.size != old.size

    def covers(self, frame_id: str, view_id: str) -> bool:
        """Whether it is for this frame of a unit that it concerns."""
        return frame_id == self.frame if self.frame else base_view(view_id) == self.view


def base_view(view_id: str) -> str:
    """The view_id as extract wrote it."""
    return view_id.partition(ADDED)[0]


def read_list(corpus: Corpus) -> list[Redaction]:
    """All that was asked for, sorted. Raises: BadInput if the list is damaged."""
    path = corpus.root / LIST
    if not path.is_file():
        return []
    try:
        value = read_json(path)
        rows = [_row(one) for one in value["redactions"]]
    except (KeyError, TypeError, ValueError):
        raise BadInput(f"{path} is no list of redactions; restore it from a backup.") from None
    if value["format"] > FORMAT:
        raise BadInput(f"{path} was written by a later version; update endomae.")
    return rows


def write_list(corpus: Corpus, rows: Iterable[Redaction]) -> None:
    """Replace the list; equal rows give equal bytes."""
    write_json(corpus.root / LIST, {"format": FORMAT, "redactions": [asdict(row) for row in sorted(set(rows))]})


def by_place(rows: Iterable[Redaction]) -> dict[str, list[Redaction]]:
    """Redactions by `place`, so that a corpus of many units is looked through once."""
    found: dict[str, list[Redaction]] = {}
    for row in rows:
        found.setdefault(row.place, []).append(row)
    return found


def wanted_by(marker: UnitMarker, placed: Mapping[str, Sequence[Redaction]]) -> list[Redaction]:
    """The redactions of one unit, sorted; `placed` by `by_place`."""
    places = {marker.name, *(row.id for row in marker.inputs)}
    found = [row for place in places for row in placed.get(place, ())]
    return sorted(row for row in found if not row.unit or row.unit == marker.name)


def sum_of(rows: Sequence[Redaction]) -> str:
    """16 hex digits over redactions; stands in the marker of a unit that bears them."""
    return fingerprint([list(asdict(row).values()) for row in sorted(set(rows))])


def pending(corpus: Corpus, markers: Sequence[UnitMarker] | None = None) -> list[str]:
    """Units that wait for a redaction, or were left half rewritten by a kill; sorted."""
    rows = read_list(corpus)
    waiting = {path.stem for path in (corpus.root / WORK).glob("[!.]*.json")}
    if not rows:
        return sorted(waiting)
    placed = by_place(rows)
    for marker in unit_markers(corpus) if markers is None else markers:
        mine = wanted_by(marker, placed) if marker.frames else []
        if mine and marker.redacted != sum_of(mine):
            waiting.add(marker.name)
    return sorted(waiting)


def record_path(corpus: Corpus, unit: str) -> Path:
    """Where the record of a staged unit lies."""
    return corpus.root / WORK / f"{unit}.json"


def _row(value: dict[str, Any]) -> Redaction:
    x, y, width, height = map(int, value["box"])
    across, down = map(int, value["size"])
    frame, unit, view = (str(value[name]) for name in ("frame", "unit", "view"))
    return Redaction(frame, unit, view, (x, y, width, height), (across, down))
