"""`--sequences CSV`: which folders hold videos that came as numbered pictures, and which rates are wrong.

Columns `folder,fps` and, where needed, `group,step,pattern,first,last`. A row that names a video file gives its true
rate. Messages name lines, not folders.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from endocur.extract.sequence_names import FRAME_PATTERN
from endocur.extract.sequence_track import MAX_FPS, Timing
from endoshards.errors import BadInput, BadOption, in_words

NEEDED = ("folder", "fps")
COLUMNS = (*NEEDED, "group", "step", "pattern", "first", "last")
LOWEST, HIGHEST = 0, 10**18


@dataclass(frozen=True)
class Row:
    """What was said of a folder or a video file."""

    line: int
    """In the table, from 1; 0 for --sequence-fps, which is said of all folders."""
    timing: Timing
    group: str = ""
    pattern: re.Pattern[str] = re.compile(FRAME_PATTERN)
    own_pattern: bool = False
    """The pattern was given, so tracks that it tells apart are videos of their own."""
    first: int = LOWEST
    last: int = HIGHEST

    @property
    def cuts(self) -> bool:
        """It takes some of the numbers only."""
        return (self.first, self.last) != (LOWEST, HIGHEST)

    @property
    def where(self) -> str:
        """How an error names it."""
        return f"--sequences, line {self.line}" if self.line else "--sequence-fps"


class Table:
    """Rows by folder."""

    def __init__(self, rows: Mapping[tuple[str, ...], Sequence[Row]]) -> None:
        """`rows`: last parts of a path -> what was said of it."""
        self._rows = rows
        self._longest = max(map(len, rows), default=0)

    def of(self, folder: str) -> tuple[Sequence[Row], str]:
        """Rows that name this folder, else the nearest folder above it, and which that is; the longest name wins."""
        parts = _parts(folder)
        for end in range(len(parts), 0, -1):
            if rows := self._ending(parts[:end]):
                return rows, "/".join(parts[:end])
        return (), ""

    def of_file(self, path: str) -> Sequence[Row]:
        """Rows that name this very file."""
        return self._ending(_parts(path))

    def _ending(self, parts: Sequence[str]) -> Sequence[Row]:
        for start in range(max(0, len(parts) - self._longest), len(parts)):
            if rows := self._rows.get(tuple(parts[start:])):
                return rows
        return ()

    def lines(self) -> Iterator[int]:
        """Of all rows."""
        return (row.line for rows in self._rows.values() for row in rows)


def _parts(path: str) -> Sequence[str]:
    return Path(os.path.abspath(path)).parts[1:]  # noqa: PTH100 - links stay as they are typed


def read_table(path: Path, pattern: str | None) -> Table:
    """Read `--sequences`.

    Args:
        path: the table, UTF-8.
        pattern: `--frame-pattern`, for rows without one.
    Raises: BadInput for a table that cannot be used, with the line; BadOption for the pattern.
    """
    common = frame_pattern(pattern)
    rows: dict[tuple[str, ...], list[Row]] = {}
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            reader = csv.DictReader(file, skipinitialspace=True)
            names = [name.strip() for name in reader.fieldnames or []]
            reader.fieldnames = names
            _refuse_columns(path, names)
            for said in reader:
                if any(value and value.strip() for value in said.values() if isinstance(value, str)):
                    folder, row = _row(f"--sequences {path}, line {reader.line_num}", reader.line_num, said, common)
                    rows.setdefault(folder, []).append(row)
    except OSError as error:
        raise BadInput(f"--sequences {path} cannot be read ({in_words(error)}).") from None
    except csv.Error as error:
        raise BadInput(f"--sequences {path} is no CSV table ({error}).") from None
    if not rows:
        raise BadInput(f"--sequences {path} has no row; write a line folder,fps for each sequence.")
    for same in rows.values():
        _refuse_overlap(path, same)
    return Table(rows)


def frame_pattern(text: str | None) -> re.Pattern[str] | None:
    """The compiled pattern; None for None. Raises: BadOption for what is none, or lacks the group `frame`."""
    if text is None:
        return None
    try:
        compiled = re.compile(text)
    except re.error as error:
        raise BadOption(f"--frame-pattern {text!r} is no regular expression: {error}.") from None
    if "frame" not in compiled.groupindex:
        raise BadOption(
            f"--frame-pattern {text!r} has no group frame; write the number as (?P<frame>[0-9]+) and what tells "
            "sequences apart as (?P<seq>...)."
        )
    return compiled


def _refuse_columns(path: Path, names: Sequence[str]) -> None:
    shown = ", ".join(names) or "(none)"
    if not set(NEEDED) <= set(names):
        raise BadInput(f"--sequences {path} has the columns {shown}; folder and fps are needed.")
    if strange := [name for name in names if name not in COLUMNS]:
        raise BadInput(
            f"--sequences {path} has the column {strange[0]!r}, which means nothing here; known: {', '.join(COLUMNS)}."
        )


def _row(
    where: str, line: int, said: Mapping[str, object], common: re.Pattern[str] | None
) -> tuple[tuple[str, ...], Row]:
    if None in said:
        raise BadInput(f"{where}: more values than columns; put those with a comma in double quotes.")
    text = {name: value.strip() if isinstance(value, str) else "" for name, value in said.items()}
    folder = tuple(part for part in text["folder"].replace(os.sep, "/").split("/") if part not in ("", "."))
    if not folder or ".." in folder:
        raise BadInput(f"{where}: folder must be a path, or the end of one, without '..'.")
    fps = _fraction(where, "fps", text["fps"])
    if fps > MAX_FPS:
        raise BadInput(f"{where}: fps is {text['fps']}; at most {MAX_FPS:g} is allowed.")
    step = _fraction(where, "step", text.get("step") or "1")
    try:
        pattern = frame_pattern(text.get("pattern") or None)
    except BadOption as error:
        raise BadInput(f"{where}: {str(error).replace('--frame-pattern', 'pattern')}") from None
    first, last = _number(where, "first", text, LOWEST), _number(where, "last", text, HIGHEST)
    if first > last:
        raise BadInput(f"{where}: first {first} is after last {last}.")
    own = pattern or common
    row = Row(
        line,
        Timing(fps, step),
        text.get("group", ""),
        own or re.compile(FRAME_PATTERN),
        own is not None,
        first,
        last,
    )
    return folder, row


def _fraction(where: str, name: str, text: str) -> Fraction:
    """A number above 0, as 25, 29.97 or 30000/1001."""
    try:
        value = Fraction(text)
    except (ValueError, ZeroDivisionError):
        value = Fraction(0)
    if value <= 0:
        raise BadInput(f"{where}: {name} is {text!r}; a number above 0 is wanted, as 25, 29.97 or 30000/1001.")
    return value


def _number(where: str, name: str, text: Mapping[str, str], default: int) -> int:
    said = text.get(name, "")
    if not said:
        return default
    if not (said.isascii() and said.isdigit() and int(said) <= HIGHEST):
        raise BadInput(f"{where}: {name} is {said!r}; a whole number from 0 is wanted.")
    return int(said)


def _refuse_overlap(path: Path, rows: Sequence[Row]) -> None:
    """Rows of one folder must not take the same numbers, unless their patterns tell them apart."""
    by_pattern: dict[str, list[Row]] = {}
    for row in rows:
        by_pattern.setdefault(row.pattern.pattern, []).append(row)
    for same in by_pattern.values():
        for a, b in pairwise(sorted(same, key=lambda row: (row.first, row.line))):
            if b.first <= a.last:
                raise BadInput(
                    f"--sequences {path}: lines {a.line} and {b.line} name one folder and the same numbers; "
                    "cut it with first and last."
                )
