"""Numbered pictures as inputs: which are a sequence because the user says so, and what to ask where they only look so.

Whether pictures are a sequence is said, never guessed. Messages name inputs by place; names stay where they are.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import TypeVar

from endocur.account import counted
from endocur.extract.inputs import Found, Pictures, judge_content
from endocur.extract.sequence_guard import Look, look, may_be_run, same_moments
from endocur.extract.sequence_names import (
    FRAME_PATTERN,
    Tracks,
    differ_in_digits,
    has_digits,
    same_numbers,
    tracks_of,
    twins,
)
from endocur.extract.sequence_table import Row, Table
from endocur.extract.sequence_track import Entry, Track, make_track, refuse_times, spread
from endoshards.errors import BadInput

TWIN = "a mask, depth picture, other eye or another twin of a frame"
CUT_AWAY = "its number is in no range of --sequences"
LOOKED_AT = 64
"""Tracks whose pixels are looked at, evenly spread where there are more; by their numbers all are."""
SHOWN = 8

T = TypeVar("T")


@dataclass
class Sorted:
    """Inputs of a run after pictures were told apart."""

    found: list[Found]
    warnings: list[str] = field(default_factory=list)


@dataclass
class _Gathered:
    """Tracks with what was said of them, and files that are none."""

    tracks: list[tuple[Track, Row, int, tuple[str, str, str]]] = field(default_factory=list)
    others: list[Found] = field(default_factory=list)
    loose: int = 0
    """Pictures that are no member of a sequence, taken as stills."""
    used: dict[int, set[str]] = field(default_factory=dict)
    """Line of the table -> folders it was found to name."""


def said_sequences(
    found: Sequence[Found], apart: Iterable[Pictures], said: Row | Table, *, strict: bool, separate: str
) -> Sorted:
    """Make sequences of the pictures set apart, as `--sequence-fps` or `--sequences` says; others become stills.

    Args:
        found: the other inputs.
        apart: pictures by folder, unopened.
        said: of all folders, or of some.
        strict: doubts and rows without a folder end the run.
        separate: the command line that says that tracks of the same numbers are videos of their own.
    Raises: BadInput for what only the user can decide, and for times that cannot be.
    """
    folders = sorted(apart, key=lambda one: os.fsencode(one.folder))
    gathered = _Gathered([], list(found))
    left_out = twins({one.folder: [entry.name for entry in one.entries] for one in folders})
    for pictures in folders:
        wanted = []
        for entry in pictures.entries:
            if (pictures.folder, entry.name) in left_out:
                gathered.others.append(_file(pictures, entry, TWIN))
            else:
                wanted.append(entry)
        _sort_folder(replace(pictures, entries=wanted), said, gathered, separate)
    if isinstance(said, Table):
        gathered.others = [_with_rate(item, said, gathered) for item in gathered.others]
    everything = [*gathered.others, *map(_as_input, gathered.tracks)]
    everything.sort(key=lambda item: (item.argument, [os.fsencode(part) for part in item.path.parts], item.size))
    everything = [replace(item, position=position) for position, item in enumerate(everything, 1)]
    if not gathered.tracks and not gathered.used:
        option = "--sequences" if isinstance(said, Table) else "--sequence-fps"
        raise BadInput(
            f"{option} was given, but no picture named here is one of a numbered sequence; check the paths, or say "
            "how frames are named with --frame-pattern."
        )
    warnings = _notes(everything, gathered, said, left_out_count=len(left_out))
    doubts = doubtful(everything)
    missing = _rows_without_folder(said, gathered)
    if strict and (missing or doubts):
        raise BadInput(f"{missing or doubts} (--strict)")
    return Sorted(everything, [*warnings, *filter(None, (missing, doubts))])


def without_twins(found: Sequence[Found]) -> Sorted:
    """The inputs with twins among the stills left out."""
    names: dict[str, list[str]] = {}
    for item in found:
        if item.kind == "still":
            names.setdefault(str(item.path.parent), []).append(item.path.name)
    left_out = twins(names)
    if not left_out:
        return Sorted(list(found))
    kept = [
        replace(item, kind="ignored", reason=TWIN)
        if item.kind == "still" and (str(item.path.parent), item.path.name) in left_out
        else item
        for item in found
    ]
    return Sorted(kept, [_twins_note(len(left_out))])


def like_a_run(found: Sequence[Found], pattern: re.Pattern[str] | None = None) -> tuple[list[Found], Look] | None:
    """The first stills that look like a video that came as numbered pictures, and what they look like; None if none do.

    Args:
        found: inputs of which nothing was said.
        pattern: how frames are named.
    """
    folders: dict[str, dict[str, Found]] = {}
    for item in found:
        if item.kind == "still":
            folders.setdefault(str(item.path.parent), {})[item.path.name] = item
    tracks: list[Track] = []
    for folder, items in folders.items():
        entries = [Entry(name, item.size, item.mtime_ns, item.inode) for name, item in items.items()]
        named = tracks_of(folder, entries, pattern or re.compile(FRAME_PATTERN)).tracks
        tracks += [track for track in named if may_be_run(track.numbers)]
    for track in _some_of(tracks):
        seen = look(track)
        if seen.is_run:
            return [folders[track.folder][name] for name in track.names], seen
    return None


def between(items: Sequence[Found]) -> str:
    """The places of some inputs, in words."""
    places = [item.position for item in items]
    return f"inputs {min(places)} to {max(places)}"


def doubtful(found: Sequence[Found]) -> str:
    """One sentence about inputs that were said to be sequences and do not look it; empty if all do."""
    sequences = [item for item in found if item.track is not None and item.kind == "sequence"]
    doubts = [item.position for item in _some_of(sequences) if item.track is not None and look(item.track).is_none]
    if not doubts:
        return ""
    return (
        f"numbered stills? The neighbours in {counted(len(doubts), 'sequence')} are as unlike as any two pictures "
        f"(inputs {_listed(doubts)}); if they are unrelated, say --stills instead"
    )


def _sort_folder(pictures: Pictures, said: Row | Table, gathered: _Gathered, separate: str) -> None:
    """Sort one folder's pictures into tracks and others."""
    rows: Sequence[Row] = (said,) if isinstance(said, Row) else ()
    named = ""
    if isinstance(said, Table):
        rows, named = said.of(pictures.folder)
    taken: dict[str, Row] = {}
    numbered: set[str] = set()
    for row in rows:
        found = tracks_of(pictures.folder, pictures.entries, row.pattern)
        _refuse_doubled(found, pictures)
        _ask_about_same_numbers(found, row, separate)
        for whole, key in zip(found.tracks, found.keys, strict=True):
            numbered.update(whole.names)
            track = _cut(whole, row, {entry.name: entry for entry in pictures.entries}) if row.cuts else whole
            if track is None:
                continue
            if twice := next((taken[name] for name in track.names if name in taken), None):
                raise BadInput(
                    f"--sequences: lines {twice.line} and {row.line} take the same pictures; mend a pattern."
                )
            taken |= dict.fromkeys(track.names, row)
            refuse_times(row.timing, track.count(len(track) - 1), row.where)
            gathered.tracks.append((track, row, pictures.argument, key))
            gathered.used.setdefault(row.line, set()).add(named)
    for entry in pictures.entries:
        if entry.name in taken:
            continue
        if entry.name in numbered:
            gathered.others.append(_file(pictures, entry, CUT_AWAY))
        else:
            gathered.loose += 1
            gathered.others.append(judge_content(0, Path(pictures.folder, entry.name), pictures.argument))


def _cut(track: Track, row: Row, entries: dict[str, Entry]) -> Track | None:
    """The pictures whose numbers a row takes; None if it takes none."""
    members = [
        (number, entries[name])
        for number, name in zip(track.numbers, track.names, strict=True)
        if row.first <= number <= row.last
    ]
    return make_track(track.folder, members) if members else None


def _refuse_doubled(found: Tracks, pictures: Pictures) -> None:
    if found.doubled:
        raise BadInput(
            f"{counted(found.doubled, 'picture')} in one folder of argument {pictures.argument + 1} have a number that "
            "another picture of the same sequence has; leave one of each out with --exclude, or tell them apart by "
            "the group seq of --frame-pattern."
        )


def _ask_about_same_numbers(found: Tracks, row: Row, separate: str) -> None:
    """Two tracks of one folder with the same numbers: two eyes, a picture and its depth, or two videos? Ask."""
    if row.own_pattern:
        return  # the owner's pattern tells them apart, so they are said to be two
    pairs = combinations(range(len(found.tracks)), 2)
    for a, b in pairs:
        first, second = found.tracks[a], found.tracks[b]
        if not _may_be_same(first, second) or not same_numbers(first, second):
            continue
        if differ_in_digits(found.keys[a], found.keys[b]) and not same_moments(first, second):
            continue  # two runs of one naming, which restarts its numbers
        raise BadInput(
            f"two sequences of {len(first):,} and {len(second):,} pictures in one folder have the same numbers: two "
            "eyes of one scope, frames and something computed from them, or two videos?\n"
            "If one shows nothing of its own, leave it out: --exclude GLOB\n"
            f"If they are two videos, type: {separate}"
        )


def _may_be_same(a: Track, b: Track) -> bool:
    """A cheap look before the numbers are compared one by one."""
    overlap = a.numbers[0] <= b.numbers[-1] and b.numbers[0] <= a.numbers[-1]
    return overlap and len(a) <= 2 * len(b) and len(b) <= 2 * len(a)


def _with_rate(item: Found, table: Table, gathered: _Gathered) -> Found:
    """A video with the rate its row says."""
    if item.kind != "video":
        return item
    rows = table.of_file(str(item.path))
    if not rows:
        return item
    row = rows[0]
    if len(rows) > 1 or row.cuts or row.pattern.pattern != FRAME_PATTERN:
        raise BadInput(f"{row.where}: it names a video file; first, last and pattern are for folders of pictures.")
    gathered.used.setdefault(row.line, set()).add(str(item.path))
    return replace(item, timing=row.timing, group=row.group)


def _as_input(one: tuple[Track, Row, int, tuple[str, str, str]]) -> Found:
    track, row, argument, _ = one
    return Found(
        0,
        track.path(0),
        argument,
        "sequence",
        size=sum(track.sizes),
        mtime_ns=track.mtime_ns,
        inode=track.stamp,
        track=track,
        timing=row.timing,
        group=row.group,
    )


def _file(pictures: Pictures, entry: Entry, reason: str) -> Found:
    path = Path(pictures.folder, entry.name)
    return Found(0, path, pictures.argument, "ignored", reason, entry.size, entry.mtime_ns, entry.inode)


def _notes(found: Sequence[Found], gathered: _Gathered, said: Row | Table, *, left_out_count: int) -> list[str]:
    notes = [_twins_note(left_out_count)] if left_out_count else []
    if gathered.loose:
        notes.append(f"{counted(gathered.loose, 'picture')} of no sequence taken as stills")
        if isinstance(said, Table) and (run := like_a_run(found)) is not None:
            notes.append(
                f"{len(run[0]):,} of them look like a video ({between(run[0])}); no row of --sequences names them"
            )
    if isinstance(said, Table) and (wide := sorted(line for line, names in gathered.used.items() if len(names) > 1)):
        notes.append(
            f"--sequences: several folders for {counted(len(wide), 'row')}; write more of the paths "
            f"(lines {_listed(wide)})"
        )
    places: dict[tuple[str, str, str], set[str]] = {}
    for track, row, _, key in gathered.tracks:
        if has_digits(key) and not row.group:
            places.setdefault(key, set()).add(track.folder)
    if spread_out := sum(len(folders) > 1 for folders in places.values()):
        notes.append(
            f"{counted(spread_out, 'sequence name')} found in several folders, which may be one video; if so, put them "
            "into one group with --group-pattern or --groups"
        )
    return notes


def _rows_without_folder(said: Row | Table, gathered: _Gathered) -> str:
    if isinstance(said, Row):
        return ""
    missing = sorted(set(said.lines()) - gathered.used.keys())
    if not missing:
        return ""
    return f"--sequences: no input for {counted(len(missing), 'row')} (lines {_listed(missing)})"


def _twins_note(count: int) -> str:
    return f"{counted(count, 'picture')} left out: masks, depth, the other eye or other twins of frames"


def _some_of(items: Sequence[T]) -> list[T]:
    return [items[index] for index in spread(len(items), LOOKED_AT)]


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers[:SHOWN])) + (", …" if len(numbers) > SHOWN else "")
