"""JSON lists as columns: objects, lists, names, one value a line, folds as nnU-Net writes them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from endoeval.splits.columns import ROLES, split_number
from endoeval.splits.naming import NamesRows
from endoshards.errors import BadInput

FOLD = re.compile(r"(?i)(?:fold|split)?[ _-]*\d+")
"""A key that numbers a fold."""


def parsed(path: Path, encoding: str) -> tuple[Any, str]:
    """What the file holds, and "JSON" or "JSON lines". Raises: BadInput for what is no JSON."""
    text = path.read_text(encoding)
    try:
        return _parsed(path, text)
    except RecursionError:
        raise BadInput(f"{path} is nested too deep for a list; JSON, or one JSON value a line, is wanted.") from None


def _parsed(path: Path, text: str) -> tuple[Any, str]:
    try:
        found = json.loads(text)
        form = "JSON"
    except json.JSONDecodeError:
        found, form = [], "JSON lines"
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip():
                try:
                    found.append(json.loads(line))
                except json.JSONDecodeError as error:
                    raise BadInput(
                        f"{path}, line {number} is no JSON ({error.msg}); JSON, or one JSON value a line, is wanted."
                    ) from None
    return found, form


def is_fold(entry: Any) -> bool:
    """`{"train": [...], "val": [...]}`, as nnU-Net writes its splits."""
    return isinstance(entry, dict) and {"train", "val"} <= set(entry) and holds_lists(entry)


def fold_columns(found: Sequence[dict[str, Any]]) -> dict[str, list[str]]:
    """Each name with the number of the entry that validates on it."""
    held = [(cell(name), str(number)) for number, entry in enumerate(found) for name in entry["val"]]
    return {"name": [name for name, _ in held], "fold": [fold for _, fold in held]}


def holds_lists(found: dict[str, Any]) -> bool:
    """True where a key holds a list that is not empty."""
    return bool(found) and any(isinstance(value, list) and value for value in found.values())


def keyed_columns(path: Path, lists: dict[str, list[Any]]) -> dict[str, list[str]] | None:
    """Columns of an object of lists: its keys are the columns, or the labels of the names that each list holds.

    Returns: None where keys are splits or folds, or one key stands alone.
    Raises: BadInput for columns of unequal length, and for keys that are none of these.
    """
    if len(lists) < 2 or any(split_number(key) is not None or FOLD.fullmatch(key) for key in lists):
        return None
    roles = [key for key in lists if _plain(key) in ROLES or _plain(key).removesuffix("s") in ROLES]
    words = all(isinstance(value, str) for values in lists.values() for value in values)
    lengths = {key: len(values) for key, values in lists.items()}
    if len(roles) > 1 or (roles and not words):
        if len(set(lengths.values())) > 1:
            said = ", ".join(f"{key} {length:,}" for key, length in lengths.items())
            raise BadInput(f"{path} holds columns of unequal length ({said}); every column wants the same number.")
        return {key: [cell(value) for value in values] for key, values in lists.items()}
    if not words:
        raise NamesRows(
            f"{path} holds lists under {', '.join(list(lists)[:5])}; allowed keys: splits (train, val, test), columns "
            "(image, label) of equal length, or classes with a list of names each.",
            *list(lists)[:5],
        )
    pairs = [(name, key) for key, names in lists.items() for name in names]
    return {"name": [name for name, _ in pairs], "label": [key for _, key in pairs]}


def _plain(key: str) -> str:
    return re.sub(r"[^a-z0-9]", "", key.lower())


def columns_of(path: Path, rows: Sequence[Any]) -> dict[str, list[str]]:
    """Rows (objects, equal lists, or names) as columns of text. Raises: BadInput for a mixture."""
    if all(isinstance(row, dict) for row in rows):
        keys = list(dict.fromkeys(key for row in rows for key in row))
        return {key: [cell(row.get(key)) for row in rows] for key in keys}
    if all(isinstance(row, list) and len(row) == len(rows[0]) and row for row in rows):
        return {f"column {i + 1}": [cell(row[i]) for row in rows] for i in range(len(rows[0]))}
    if all(isinstance(row, str | int | float) for row in rows):
        return {"column 1": [cell(row) for row in rows]}
    raise BadInput(f"{path} mixes kinds of rows; a list of names, of equal lists, or of objects is wanted.")


def cell(value: Any) -> str:
    """A value as text; "" for null."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)
