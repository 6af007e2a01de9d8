"""What is to be done: which units the inputs make, which of them are finished, and what their rows should say now.

Pure: inputs, markers and config in, tasks out.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from endocur.configs import ExtractConfig
from endocur.corpus import STILLS_A_UNIT, InputRow, UnitMarker
from endocur.extract.groups import Groups
from endocur.extract.identify import Identified
from endocur.extract.inputs import Found
from endocur.extract.sequence_track import Timing
from endocur.extract.still_unit import StillItem, StillsTask
from endocur.extract.unit import VideoTask
from endocur.identity import Key
from endoshards.errors import BadInput
from endoshards.files import fingerprint
from endoshards.settings import config_fingerprint

IGNORED = "ignored"
"""Name and kind of the marker of all inputs that were left out: one, for there may be millions."""


@dataclass
class Plan:
    """Tasks of this run, and what is already there."""

    videos: list[VideoTask] = field(default_factory=list)
    stills: list[StillsTask] = field(default_factory=list)
    failed: list[UnitMarker] = field(default_factory=list)
    """Inputs that give nothing before a worker sees them."""
    finished: list[tuple[UnitMarker, UnitMarker]] = field(default_factory=list)
    """(as it stands, with the rows of this run) for units that need no work."""
    stale: list[str] = field(default_factory=list)
    """Names of failed markers that this run replaces by others."""
    unit_of: dict[str, str] = field(default_factory=dict)
    """source_id -> unit."""
    warnings: list[str] = field(default_factory=list)


def make_plan(
    inputs: Sequence[Identified],
    groups: Groups,
    markers: Sequence[UnitMarker],
    key: Key,
    config: ExtractConfig,
    *,
    clear_sheets: Path | None = None,
) -> Plan:
    """Sort inputs into units.

    A video or a sequence is a unit by its id. Stills not yet in a finished unit are batched by argument, by id.
    """
    plan = Plan()
    sources: dict[str, list[Identified]] = {}
    for one in inputs:
        sources.setdefault(one.id, []).append(one)
    rows = {id_: _rows(copies, groups, key, config, plan.warnings) for id_, copies in sources.items()}
    done = {marker.name: marker for marker in markers if marker.status != "failed"}
    done = {
        name: one
        for name, one in done.items()
        if one.fingerprint == unit_fingerprint(config, name, one.extras.get("timing"))
    }
    if config.keep_foreign:
        done = {name: one for name, one in done.items() if one.kind != "video" or one.status != "ignored"}
    still_unit = {row.id: one.name for one in done.values() if one.kind == "stills" for row in one.inputs}
    batches: dict[int, list[StillItem]] = {}
    touched: dict[str, dict[str, tuple[InputRow, ...]]] = {}
    for id_, copies in sources.items():
        first = copies[0]
        unit = id_ if id_ in done else still_unit.get(id_, "")
        timing = _timing(copies)
        if unit:
            _refuse_other_timing(done[unit], timing, first)
            touched.setdefault(unit, {})[id_] = rows[id_]
            plan.unit_of[id_] = unit
        elif first.reason:
            plan.failed.append(failed_marker(id_, first.reason, rows[id_], unit_fingerprint(config, id_)))
            plan.unit_of[id_] = id_
        elif first.item.kind in ("video", "sequence"):
            print_ = unit_fingerprint(config, id_, timing.facts() if timing else None)
            path, track = first.item.path, first.item.track
            task = VideoTask(config.corpus, path, id_, print_, rows[id_], config, clear_sheets, track, timing)
            plan.videos.append(task)
            plan.unit_of[id_] = id_
        else:
            folder = key.folder_key(str(first.item.path.absolute().parent))
            batches.setdefault(first.item.argument, []).append(StillItem(first.item.path, folder, rows[id_]))
    for _, items in sorted(batches.items()):
        plan.stills += _batches(items, config)
    plan.unit_of |= {item.rows[0].id: task.unit for task in plan.stills for item in task.items}
    plan.finished = [(done[unit], _renewed(done[unit], fresh)) for unit, fresh in sorted(touched.items())]
    planned = set(plan.unit_of)
    plan.stale = [
        marker.name
        for marker in markers
        if marker.status == "failed" and marker.kind == "stills" and all(row.id in planned for row in marker.inputs)
    ]
    return plan


def unit_fingerprint(config: ExtractConfig, unit: str, timing: Mapping[str, str] | None = None) -> str:
    """Over config, unit and the rate said of it; the version of the code is not in it: old units stay valid."""
    facts: dict[str, object] = {"config": config_fingerprint(config), "unit": unit}
    return fingerprint(facts | ({"timing": dict(timing)} if timing else {}))


def failed_marker(unit: str, reason: str, rows: Sequence[InputRow], print_: str, kind: str = "video") -> UnitMarker:
    """The marker of a unit that gave nothing."""
    failed = tuple(replace(row, status="failed", reason=reason) for row in rows)
    return UnitMarker(unit, "failed", reason, kind, 0, 0, print_, failed, {"seen": 0, "dropped": {}, "last_us": 0})


def ignored_marker(old: UnitMarker | None, ignored: Mapping[str, Found], here: Collection[str]) -> UnitMarker | None:
    """One marker for all files that were left out; None if there is none.

    Args:
        old: the marker of earlier runs; its rows stay, except of files that are in this run.
        ignored: id -> file this run leaves out.
        here: ids (`Key.unread_id`) of all files of this run.
    """
    rows = {row.id: row for row in (old.inputs if old else ()) if row.id not in here}
    rows |= {
        id_: InputRow(id_, "ignored", item.reason, position=item.position, group="") for id_, item in ignored.items()
    }
    inputs = tuple(row for _, row in sorted(rows.items()))
    return UnitMarker(IGNORED, "ignored", "", IGNORED, 0, 0, "", inputs, {}) if inputs else None


def in_part(size: int, part: str) -> bool:
    """Whether an input of so many bytes belongs to part `i/n`: by its size alone, so that byte copies stay together."""
    index, _, count = part.partition("/")
    return int(hashlib.sha256(str(size).encode("ascii")).hexdigest()[:8], 16) % int(count) == int(index)


def allowed_failures(share: float | None, inputs: int) -> int:
    """How many of `inputs` may fail: 1 % and at least one if nothing was said."""
    return max(1, inputs // 100) if share is None else int(share * inputs + 1e-9)


def _timing(copies: Sequence[Identified]) -> Timing | None:
    """The rate said of a source and its byte copies. Raises: BadInput if two were said."""
    said = {one.item.timing for one in copies}
    if len(said) > 1:
        places = ", ".join(str(one.item.position) for one in copies)
        raise BadInput(
            f"inputs {places} are copies of each other with different rates; say one rate, or --exclude some."
        )
    return said.pop()


def _refuse_other_timing(marker: UnitMarker, timing: Timing | None, one: Identified) -> None:
    """Frames that are there keep their times: another rate is never taken silently. Raises: BadInput."""
    was, now = marker.extras.get("timing"), timing.facts() if timing else None
    if was != now:
        raise BadInput(
            f"input {one.item.position} was extracted at {_rate_words(was)}, this run says {_rate_words(now)}; stored "
            "frames are never changed silently. Say the same, choose another --corpus, or --restart."
        )


def _rate_words(facts: Mapping[str, str] | None) -> str:
    if facts is None:
        return "its container's rate"
    step = "" if facts["step"] == "1" else f" and step {facts['step']}"
    return f"{facts['fps']} frames a second{step}"


def _rows(
    copies: Sequence[Identified], groups: Groups, key: Key, config: ExtractConfig, warnings: list[str]
) -> tuple[InputRow, ...]:
    """Rows of one source: the first is the source, the others are byte copies of it."""
    said = [groups.of(one.item) for one in copies]
    words = list(dict.fromkeys(one.group for one in said if one.group is not None))
    if len(words) > 1:
        places = ", ".join(str(one.item.position) for one in copies)
        warnings.append(f"inputs {places} are byte copies in different groups; the group of the first is taken")
    id_ = copies[0].id
    group = key.group_id(words[0]) if words else key.own_group_id(id_)
    columns = next((one.columns for one in said if one.columns), {})
    return tuple(
        InputRow(
            id=id_,
            status="ok",
            copy_of=id_ if number else "",
            position=one.item.position,
            group=group,
            extras=({"columns": columns} if columns else {})
            | ({"name": one.item.path.name} if config.keep_names else {}),
        )
        for number, one in enumerate(copies)
    )


def _shown(one: Identified) -> str:
    """The file's name as text; names need not be UTF-8."""
    return os.fsencode(one.item.path.name).decode("utf-8", "replace")


def _batches(items: list[StillItem], config: ExtractConfig) -> list[StillsTask]:
    items = sorted(items, key=lambda item: item.rows[0].id)
    tasks = []
    for start in range(0, len(items), STILLS_A_UNIT):
        batch = tuple(items[start : start + STILLS_A_UNIT])
        ids = ",".join(item.rows[0].id for item in batch)
        unit = f"stills-{hashlib.sha256(ids.encode('ascii')).hexdigest()[:16]}"
        tasks.append(StillsTask(config.corpus, unit, unit_fingerprint(config, unit), batch, config))
    return tasks


def _renewed(marker: UnitMarker, fresh: Mapping[str, tuple[InputRow, ...]]) -> UnitMarker:
    """A finished unit's marker with positions, copies and groups of this run; what became of it stays."""
    old = {row.id: row for row in reversed(marker.inputs)}
    rows: list[InputRow] = []
    for id_ in dict.fromkeys(row.id for row in marker.inputs):
        if id_ in fresh:
            rows += [replace(row, status=old[id_].status, reason=old[id_].reason) for row in fresh[id_]]
        else:
            rows += [row for row in marker.inputs if row.id == id_]
    return replace(marker, inputs=tuple(rows))
