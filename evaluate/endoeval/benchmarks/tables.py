"""The two small CSV files beside a labelled set: `groups.csv` (file,group) and `splits.csv` (file,split)."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Mapping
from pathlib import Path

from endoshards.errors import BadInput


def read_column(path: Path, column: str, keys: Collection[str], prefix: str) -> dict[str, str] | None:
    """The value of every file, or None if the table does not exist.

    Args:
        path: the CSV; UTF-8 with or without a byte order mark, any line ends, a header with `file` and `column`,
            further columns ignored.
        column: name of the wanted column.
        keys: relative paths of all files of the set.
        prefix: folder that a `file` may name first or leave out (`images/`), or "".
    Returns: key to value, one for every key.
    Raises: BadInput for a missing column, an empty value, a file named twice, a row without file, a file without row.
    """
    if not path.is_file():
        return None
    values: dict[str, str] = {}
    for number, row in _rows(path, column):
        file = (row["file"] or "").strip().replace("\\", "/").removeprefix("./")
        file = file if file in keys else file.removeprefix(prefix)
        value = (row[column] or "").strip()
        if not file or not value:
            raise BadInput(f"{path}, line {number}: file and {column} must both be filled in.")
        if file in values:
            raise BadInput(f"{path}, line {number}: {file} is listed twice; keep one row a file.")
        values[file] = value
    _refuse_unlike(path, values, keys)
    return values


def _rows(path: Path, column: str) -> list[tuple[int, Mapping[str, str | None]]]:
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise BadInput(f"{path} is not UTF-8; save it as UTF-8.") from None
    reader = csv.DictReader(io.StringIO(text, newline=None))
    header = [name.strip() for name in reader.fieldnames or []]
    if not {"file", column} <= set(header):
        hint = "; its columns are parted by semicolons, commas are wanted" if ";" in "".join(header) else ""
        raise BadInput(f"{path} has the columns {', '.join(header) or 'none'}; file,{column} are wanted{hint}.")
    reader.fieldnames = header
    return [(reader.line_num, row) for row in reader if any((value or "").strip() for value in _cells(row))]


def _cells(row: Mapping[str, object]) -> list[str]:
    return [value for value in row.values() if isinstance(value, str)]


def _refuse_unlike(path: Path, values: Mapping[str, str], keys: Collection[str]) -> None:
    strangers, missing = sorted(set(values) - set(keys)), sorted(set(keys) - set(values))
    said = []
    if strangers:
        said.append(f"lists {len(strangers)} files that are not there ({_first(strangers)})")
    if missing:
        said.append(f"lacks {len(missing)} files that are ({_first(missing)})")
    if said:
        raise BadInput(f"{path} {' and '.join(said)}; every file of the set wants exactly one row.")


def _first(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
