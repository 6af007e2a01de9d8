"""Which patient or procedure an input belongs to, as its owner says: by a CSV table or a pattern on the path."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from endocur.account import counted
from endocur.extract.inputs import Found
from endoshards.errors import BadInput, BadOption, in_words


@dataclass(frozen=True)
class Said:
    """What the owner said of one input."""

    group: str | None
    """As written; never stored. None: the input is its own group."""
    columns: dict[str, str] = field(default_factory=dict)
    """Further columns (site, procedure), kept as they are for stratified splits."""


@dataclass(frozen=True)
class Groups:
    """By position of an input."""

    said: dict[int, Said]
    warnings: list[str]

    def of(self, item: Found) -> Said:
        """What was said of an input; where these say nothing, by the table of sequences."""
        return self.said.get(item.position, Said(item.group or None))


def read_groups(table: Path | None, pattern: str | None, inputs: Sequence[Found]) -> Groups:
    """Join the owner's table, or pattern, with the inputs.

    Args:
        table: CSV with the columns `file` and `group`; `file` is a path or the end of one.
        pattern: regular expression searched in the path; its first group is the group.
        inputs: videos and stills.
    Raises: BadInput for a table that cannot be used, BadOption for a pattern that is none.
    """
    groups = Groups({}, [])
    if table is not None:
        groups = _join(_rows(table), inputs)
    elif pattern is not None:
        groups = _by_pattern(_compiled(pattern), inputs)
    for item in inputs:
        said = groups.said.get(item.position)
        if item.group and said is not None and said.group != item.group:
            option = "--groups" if table is not None else "--group-pattern"
            raise BadInput(f"{option} and --sequences give input {item.position} two groups; mend one of them.")
    return groups


def _rows(table: Path) -> dict[str, tuple[int, Said]]:
    """`file` in posix form -> (line, what is said)."""
    try:
        with table.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            reader = csv.DictReader(file)
            names = reader.fieldnames or []
            if not {"file", "group"} <= set(names):
                raise BadInput(
                    f"--groups {table} has the columns {', '.join(names) or '(none)'}; file and group are needed."
                )
            rows = [(reader.line_num, row) for row in reader]
    except OSError as error:
        raise BadInput(f"--groups {table} cannot be read ({in_words(error)}).") from None
    found: dict[str, tuple[int, Said]] = {}
    for line, row in rows:
        file_name, group = (row["file"] or "").strip(), (row["group"] or "").strip()
        if not file_name or not group:
            raise BadInput(f"--groups {table}, line {line}: file or group is empty.")
        columns = {
            _text(name): _text(value or "") for name, value in row.items() if name not in (None, "file", "group")
        }
        key = "/".join(part for part in file_name.replace(os.sep, "/").split("/") if part not in ("", ".", ".."))
        if key in found and found[key][1].group != group:
            raise BadInput(f"--groups {table}: lines {found[key][0]} and {line} give one file two groups.")
        found[key] = line, Said(group, columns)
    return found


def _join(rows: dict[str, tuple[int, Said]], inputs: Sequence[Found]) -> Groups:
    said: dict[int, Said] = {}
    matched: dict[int, int] = {}
    for item in inputs:
        parts = os.path.abspath(item.path).replace(os.sep, "/").split("/")[1:]  # noqa: PTH100 - links stay as typed
        row = _row_of(parts, rows)
        if row is None and item.kind == "sequence":
            row = _row_of(parts[:-1], rows)  # its folder; a folder of several sequences is no slip
        elif row is not None:
            matched[row[0]] = matched.get(row[0], 0) + 1
        if row is not None:
            said[item.position] = row[1]
            matched.setdefault(row[0], 1)
    warnings = []
    if alone := [line for line, _ in rows.values() if line not in matched]:
        warnings.append(f"--groups: no input for {counted(len(alone), 'row')} (lines {_some(alone)})")
    if bare := [item.position for item in inputs if item.position not in said and not item.group]:
        warnings.append(f"--groups: no row for {counted(len(bare), 'input')}, taken alone (inputs {_some(bare)})")
    if many := [line for line, count in matched.items() if count > 1]:
        warnings.append(
            f"--groups: several files for {counted(len(many), 'row')}; write more of the paths (lines {_some(many)})"
        )
    return Groups(said, warnings)


def _row_of(parts: Sequence[str], rows: Mapping[str, tuple[int, Said]]) -> tuple[int, Said] | None:
    """The row that names the whole path or the longest end of it."""
    tails = ("/".join(parts[start:]) for start in range(len(parts)))
    return next((rows[tail] for tail in tails if tail in rows), None)


def _by_pattern(pattern: re.Pattern[str], inputs: Sequence[Found]) -> Groups:
    said: dict[int, Said] = {}
    for item in inputs:
        match = pattern.search(str(item.path))
        if match and match[1]:
            said[item.position] = Said(match[1])
    bare = [item.position for item in inputs if item.position not in said and not item.group]
    warning = f"--group-pattern: no match in {counted(len(bare), 'input')}, taken alone (inputs {_some(bare)})"
    return Groups(said, [warning] if bare else [])


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise BadOption(f"--group-pattern {pattern!r} is no regular expression: {error}.") from None
    if compiled.groups < 1:
        raise BadOption(f"--group-pattern {pattern!r} has no group; put the part that names the patient in ( ).")
    return compiled


def _text(value: str) -> str:
    """Bytes that are no UTF-8 become question marks; these columns are stored."""
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _some(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers[:8])) + (", …" if len(numbers) > 8 else "")
