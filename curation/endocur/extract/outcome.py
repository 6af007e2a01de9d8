"""What became of the inputs of a run, told from the markers: counts, lines to show, private rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from endocur.corpus import Corpus, InputRow, UnitMarker, unit_markers
from endocur.extract.identify import Identified, path_bytes
from endocur.extract.inputs import Found
from endocur.extract.plan import IGNORED
from endocur.private import SourceRow

NOT_REACHED = "not reached"
"""Status of an input that --strict ended before."""


@dataclass
class Outcome:
    """What became of this run's inputs."""

    statuses: Counter[str] = field(default_factory=Counter)
    rows: list[SourceRow] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    @property
    def inputs(self) -> int:
        """How many there were, those left out not counted."""
        return sum(count for status, count in self.statuses.items() if status != "ignored")


def outcome_of(corpus: Corpus, identified: Sequence[Identified], left_out: Mapping[str, Found]) -> Outcome:
    """Status of each input.

    Args:
        corpus: after the run.
        identified: its inputs.
        left_out: id -> file it was told to leave out.
    """
    outcome = Outcome()
    markers = {marker.name: marker for marker in unit_markers(corpus)}
    by_place = {(row.id, row.position): (row, unit) for unit in markers.values() for row in unit.inputs}
    for one in identified:
        known = by_place.get((one.id, one.item.position))
        if known is None:
            outcome.statuses[NOT_REACHED] += 1
            outcome.rows.append(_source_row(one, InputRow(one.id, NOT_REACHED), ""))
            continue
        row, unit = known
        outcome.statuses["copy" if row.copy_of and row.status != "failed" else row.status] += 1
        if row.status != "ok":
            outcome.troubles.append(trouble(replace(unit, inputs=(row,))))
        outcome.rows.append(_source_row(one, row, unit.name))
    for id_, item in left_out.items():
        outcome.statuses["ignored"] += 1
        outcome.rows.append(_source_row(Identified(item, id_, ""), InputRow(id_, "ignored", item.reason), IGNORED))
    return outcome


def trouble(marker: UnitMarker) -> str:
    """One line about the first input of a marker; no name in it."""
    row = marker.inputs[0]
    return f"input {row.position} (id {row.id}) {row.status}: {row.reason or marker.reason}"


def _source_row(one: Identified, row: InputRow, unit: str) -> SourceRow:
    item = one.item
    return SourceRow(
        path_bytes(item),
        item.position,
        one.id,
        row.status,
        row.reason,
        unit,
        row.copy_of,
        item.size,
        item.mtime_ns,
        item.inode,
        one.sha256,
    )
