"""What the names of pictures tell: numbers, tracks, litter, and twins (masks, depth, the other eye) beside frames.

A name can never prove that pictures are a sequence; here they are only sorted by it. Pure.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from endocur.extract.sequence_track import Entry, Track, make_track

LITTER_FOLDERS = frozenset({"__macosx", ".ipynb_checkpoints", "@eadir"})
"""Folders, in lower case, that archivers, notebooks and network disks leave behind."""

FRAME_PATTERN = r"^(?P<seq>.*?)(?P<frame>[0-9]{1,18})(?:\.0)?(?P<kind>_(?:endo|color|image))?$"
"""How a frame is named if nothing was said, on the name without its extension: digits last, but for a tail `.0` (some
sets were numbered by a float) and a word that tells frames from their masks."""

_TWIN_WORD = re.compile(
    r"^(?:mask(?:_[a-z_]+)?|depth_|normals?_)(?=[0-9])"
    r"|(?:_mask.*|_gt|_label|_corrected|_depth|_normals|_occlusion|_endo_(?:color_|watershed_)?mask)$",
    re.IGNORECASE,
)
# not all that begins with "anno": an Italian clinic's folders of years are called so
_TWIN_FOLDER = re.compile(
    r"^(?:masks?.*|gt|labels?|ground_truth|annot.*|annos|merged|edge|scribble|polygon|bbox.*|depth|right_frames)$",
    re.IGNORECASE,
)
TWIN_FOLDER_SHARE = 0.5
"""A folder of twins has this share of its stems in a folder beside it."""

SAME_NUMBERS = 0.9
"""Two tracks of one folder have the same numbers if they share this part of all numbers of both."""

_SUFFIXES = {"jpeg": "jpg", "jpe": "jpg", "tiff": "tif"}
_DIGITS = re.compile("[0-9]+")


@dataclass
class Tracks:
    """What one pattern finds in one folder."""

    tracks: list[Track] = field(default_factory=list)
    keys: list[tuple[str, str, str]] = field(default_factory=list)
    """(seq, extension, kind) of each; names, so for comparing only."""
    rest: list[Entry] = field(default_factory=list)
    """Pictures without a number, or alone with theirs."""
    doubled: int = 0
    """Pictures whose number another of their track has."""


def tracks_of(folder: str, entries: Iterable[Entry], pattern: re.Pattern[str], *, least: int = 2) -> Tracks:
    """Sort the pictures of a folder into tracks: one for each (seq, extension, kind).

    Args:
        folder: as the file system has it.
        entries: its pictures, twins and litter left out.
        pattern: searched in names without extension; group `frame` is the number, `seq` and `kind` tell tracks apart.
        least: pictures of a track; fewer are no sequence.
    """
    found = Tracks()
    sorted_in: dict[tuple[str, str, str], dict[int, Entry]] = {}
    groups = pattern.groupindex
    for entry in entries:
        stem, suffix = stem_and_suffix(entry.name)
        match = pattern.search(stem)
        digits = match["frame"] if match else None
        if match is None or digits is None or not _DIGITS.fullmatch(digits) or len(digits) > 18:
            found.rest.append(entry)
            continue
        seq = (match["seq"] or "") if "seq" in groups else ""
        kind = (match["kind"] or "") if "kind" in groups else ""
        members = sorted_in.setdefault((seq, suffix, kind.lower()), {})
        found.doubled += int(digits) in members
        members[int(digits)] = entry
    for key, members in sorted_in.items():
        if len(members) < least:
            found.rest += members.values()
        else:
            found.tracks.append(make_track(folder, members.items()))
            found.keys.append(key)
    return found


def stem_and_suffix(name: str) -> tuple[str, str]:
    """A name without its extension, and the extension in lower case, in its usual spelling, without the dot."""
    stem, suffix = os.path.splitext(name)  # noqa: PTH122 - as fast as it gets, for names by the hundred thousand
    suffix = suffix[1:].lower()
    return stem, _SUFFIXES.get(suffix, suffix)


def twins(folders: Mapping[str, Sequence[str]]) -> set[tuple[str, str]]:
    """Pictures that show no frame of their own but say something about one, or show it for the other eye.

    A name is a twin's if it says so and a picture of the same number, or of the same name without that word, lies in
    the folder; a folder is one of twins if its name says so and a folder beside it has the same names.

    Args:
        folders: path -> names of its pictures.
    Returns: (folder, name).
    """
    found: set[tuple[str, str]] = set()
    bare = {folder: {name: _bare(stem_and_suffix(name)[0]) for name in names} for folder, names in folders.items()}
    for folder, names in bare.items():
        plain = {stem for stem, is_twin in names.values() if not is_twin}
        numbers = {_number(stem) for stem in plain} - {None}
        found |= {
            (folder, name)
            for name, (stem, is_twin) in names.items()
            if is_twin and (stem in plain or _number(stem) in numbers)
        }
    for folder in _twin_folders({folder: {stem for stem, _ in names.values()} for folder, names in bare.items()}):
        found |= {(folder, name) for name in folders[folder]}
    return found


def same_numbers(a: Track, b: Track) -> bool:
    """Whether two tracks have the same numbers but for a few."""
    first, second = set(a.numbers), set(b.numbers)
    return len(first & second) >= SAME_NUMBERS * len(first | second)


def differ_in_digits(a: tuple[str, str, str], b: tuple[str, str, str]) -> bool:
    """Whether two keys are the same but for digits: runs of one naming, as `run1_` and `run2_`."""
    return a[1:] == b[1:] and _DIGITS.sub("0", a[0]) == _DIGITS.sub("0", b[0])


def has_digits(key: tuple[str, str, str]) -> bool:
    """Whether what stands before the frame's number has a number itself, so that it may name a video."""
    return _DIGITS.search(key[0]) is not None


def _bare(stem: str) -> tuple[str, bool]:
    """The stem without the word that makes it a twin's, and whether there was one."""
    bare = _TWIN_WORD.sub("", stem)
    return bare, bare != stem


_FRAME = re.compile(FRAME_PATTERN)


def _number(stem: str) -> int | None:
    match = _FRAME.search(stem)
    return int(match["frame"]) if match else None


def _twin_folders(stems: Mapping[str, set[str]]) -> set[str]:
    """Folders named for twins that have their stems beside them, at whatever height of the path the name stands."""
    beside: dict[tuple[tuple[str, ...], int, tuple[str, ...]], list[str]] = {}
    parts = {folder: Path(folder).parts for folder in stems}
    for folder, path in parts.items():
        for at, part in enumerate(path):
            if not _TWIN_FOLDER.match(part):
                beside.setdefault((path[:at], len(path), _words(path[at + 1 :])), []).append(folder)
    found = set()
    for folder, path in parts.items():
        for at, part in enumerate(path):
            if not _TWIN_FOLDER.match(part):
                continue
            others = beside.get((path[:at], len(path), _words(path[at + 1 :])), ())
            shared = max((len(stems[folder] & stems[other]) for other in others), default=0)
            if shared and shared >= TWIN_FOLDER_SHARE * len(stems[folder]):
                found.add(folder)
    return found


def _words(parts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(part.lower() for part in parts)
