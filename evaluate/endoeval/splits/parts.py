"""One source (a list in any form, a table in memory, class folders) as columns whose parts are told."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from endoeval.splits.coco import coco_rows
from endoeval.splits.columns import Columns, tell
from endoeval.splits.finding import several
from endoeval.splits.listed import Listed, read_list
from endoeval.splits.names import CONTAINERS, MEDIA, tidy
from endoeval.splits.naming import NamesRows
from endoeval.splits.rows import SPLITS, TEST
from endoshards.errors import BadInput

Source = str | Path | Sequence[Any] | Mapping[str, Sequence[Any]]
"""A file, a class folder, names, (name, label) pairs, or columns by name."""
MASK_FOLDERS = frozenset("mask masks label labels gt gts groundtruth ground_truth annotation annotations seg".split())
"""Folders beside a folder of pictures that hold their masks; no classes."""


@dataclass(frozen=True)
class Part:
    """One list with its parts told; columns of equal length."""

    source: str
    split: int
    names: list[str]
    said: str
    sha256: str = ""
    labels: list[str] | None = None
    groups: list[str] | None = None
    group_column: str = ""
    words: list[str] | None = None
    start: NDArray[np.float64] | None = None
    end: NDArray[np.float64] | None = None
    boxes: NDArray[np.float64] | None = None
    notes: list[str] = field(default_factory=list)
    roles: Columns | None = None
    masks: bool = False
    """A folder of masks lies beside the pictures."""


def parts_of(source: Source, split: int, told: dict[str, str | None], like: Columns | None = None) -> list[Part]:
    """The lists of a source: one, or one a key of a JSON object.

    Args:
        source: what was given.
        split: index into SPLITS, for words.
        told: column names that were said: file, label, group, split.
        like: what the columns of an earlier list mean.
    Raises: BadInput for an empty list, a column that is not there, a row without a name.
    """
    if isinstance(source, str | Path):
        path = Path(source)
        if path.is_dir():
            refuse_columns(told, str(path), "a folder")
            return [class_folders(path, split)]
        found = read_list(path)
        lists = found if isinstance(found, dict) else {"": found}
    else:
        lists = {"": _given(source, SPLITS[split])}
    made = []
    for key, listed in lists.items():
        if listed.coco:
            refuse_columns(told, listed.source, "COCO JSON")
        part = _coco(listed, split) if listed.coco else _part(listed, split, told, like)
        like = part.roles or like
        if key and len(lists) > 1 and part.words is None:
            part = replace(part, words=[key] * len(part.names), source=f"{part.source} ({key})")
        made.append(part)
    return made


def _given(source: Sequence[Any] | Mapping[str, Sequence[Any]], word: str) -> Listed:
    if isinstance(source, Mapping):
        columns = {name: [as_text(value) for value in values] for name, values in source.items()}
        if len({len(values) for values in columns.values()}) > 1:
            said = ", ".join(f"{name} {len(values):,}" for name, values in columns.items())
            raise BadInput(
                f"the {word} list has columns of unequal length ({said}); every column wants the same number."
            )
    else:
        rows = [row if isinstance(row, tuple | list) else (row,) for row in source]
        if len({len(row) for row in rows}) > 1:
            raise BadInput(f"the rows of {word} have unequal lengths; give names, or pairs of name and label.")
        columns = {
            title: [as_text(row[i]) for row in rows]
            for i, title in enumerate(("name", "label", "group")[: len(rows[0]) if rows else 1])
        }
    if not columns or not len(next(iter(columns.values()))):
        raise BadInput(f"the {word} list is empty; at least one row is wanted.")
    return Listed(f"the {word} list", columns, "given as a table", True, "")


def as_text(value: Any) -> str:
    """A value as text; "" for None and nan."""
    return "" if value is None or value != value else str(value)  # noqa: PLR0124 - nan alone differs from itself


def _part(listed: Listed, split: int, told: dict[str, str | None], like: Columns | None) -> Part:
    """One list; columns named as in the list before mean the same (`like`): a short list tells less than a long one."""
    if listed.rows == 0:
        raise BadInput(f"{listed.source} holds no row; a list with at least one row is wanted.")
    columns = listed.columns
    if like is not None:
        told = {word: told[word] or _if_there(getattr(like, word), columns) for word in told}
        if split == TEST:
            told |= {"label": _if_there(told["label"], columns)}  # only a test may lack its labels
    roles = tell(columns, listed.source, **told)
    names = tidy(columns[roles.file])
    empty = next((i for i, name in enumerate(names, 1) if not name), 0)
    if empty:
        raise BadInput(f"{listed.source}, row {empty} has no name in column {roles.file}; every row wants one.")
    names = _told_apart(names, columns, roles)
    labels = _one_hot_labels(columns, roles.one_hot) if roles.one_hot else None
    if roles.label:
        # What pandas writes where a cell is empty.
        labels = ["" if value.lower() == "nan" else value for value in columns[roles.label]]
    start = _numbers(columns[roles.start]) if roles.start else None
    end = _numbers(columns[roles.end]) if roles.end else None
    return Part(
        listed.source,
        split,
        names,
        f"{listed.form}; {_say_roles(roles, listed)}",
        listed.sha256,
        labels,
        columns[roles.group] if roles.group else None,
        roles.group or "",
        columns[roles.split] if roles.split else None,
        start,
        end if end is not None else start,
        _boxes(columns, roles),
        roles=roles,
    )


def _told_apart(names: list[str], columns: Mapping[str, Sequence[str]], roles: Columns) -> list[str]:
    """Frame numbers get their group in front; a video that recurs with times gets its interval behind."""
    if roles.group and all(name.isdigit() for name in names):
        names = [f"{group}/{name}" for group, name in zip(columns[roles.group], names, strict=True)]
    if roles.start and len(set(names)) < len(names):
        ends = columns[roles.end] if roles.end else columns[roles.start]
        names = [f"{n}#{a}-{b}" for n, a, b in zip(names, columns[roles.start], ends, strict=True)]
    return names


def _if_there(name: str | None, columns: Mapping[str, Sequence[str]]) -> str | None:
    return name if name in columns else None


def refuse_columns(told: dict[str, str | None], source: str, kind: str) -> None:
    """Raises: BadInput where a column is named for what has none."""
    named = next((f"--{word}-column {name}" for word, name in told.items() if name is not None), None)
    if named:
        raise BadInput(f"{source} is {kind} and has no columns; leave out {named}, or give lists with a header.")


def _say_roles(roles: Columns, listed: Listed) -> str:
    said = [f"names in {roles.file}"]
    said.append(
        f"labels in {roles.label or ', '.join(roles.one_hot[:5])}" if roles.label or roles.one_hot else "no labels"
    )
    said += [f"{word} in {name}" for word, name in (("groups", roles.group), ("splits", roles.split)) if name]
    said += [f"time in {roles.start}" + (f" to {roles.end}" if roles.end else "")] if roles.start else []
    said += [f"masks in {roles.mask}"] if roles.mask else []
    said += [f"boxes in {', '.join(roles.box)}"] if roles.box else []
    used = {roles.file, roles.label, roles.mask, roles.group, roles.split, roles.start, roles.end, *(roles.box or ())}
    left = [name for name in listed.columns if name not in used | set(roles.one_hot) | set(roles.size or ())]
    return ", ".join(said) + (f"; not used: {', '.join(left[:8])}" if left else "")


def _one_hot_labels(columns: Mapping[str, Sequence[str]], names: tuple[str, ...]) -> list[str]:
    held = np.array([[value in ("1", "1.0") for value in columns[name]] for name in names])
    patterns, which = np.unique(held, axis=1, return_inverse=True)
    words = ["+".join(n for n, on in zip(names, patterns[:, j], strict=True) if on) for j in range(patterns.shape[1])]
    return [words[j] for j in which.ravel()]


def _numbers(values: Sequence[str]) -> NDArray[np.float64]:
    made = np.full(len(values), np.nan)
    for i, value in enumerate(values):
        try:
            made[i] = float(value)
        except ValueError:
            continue
    return made


def _boxes(columns: Mapping[str, Sequence[str]], roles: Columns) -> NDArray[np.float64] | None:
    if roles.box is None:
        return None
    boxes = np.stack([_numbers(columns[name]) for name in roles.box], axis=1)
    if roles.extent:
        boxes[:, 2:] += boxes[:, :2]
    if roles.size:
        width, height = (_numbers(columns[name]) for name in roles.size)
        boxes = boxes / np.stack([width, height, width, height], axis=1)
    return boxes


def _coco(listed: Listed, split: int) -> Part:
    """A row a box; a picture without one has a row without box or label."""
    names, labels, boxes, said, left = coco_rows(listed.source, listed.coco or {})
    notes = [f"{several(left, 'box is', 'boxes are')} left out: no listed picture holds them"] if left else []
    return Part(listed.source, split, tidy(names), said, listed.sha256, labels, boxes=np.array(boxes), notes=notes)


def class_folders(path: Path, split: int) -> Part:
    """Pictures and videos in class folders. Raises: BadInput for a folder without any."""
    names = sorted(_media(path))
    nested = [name for name in names if "/" in name]
    if not nested:
        lists = sorted(
            p.name for p in path.iterdir() if p.suffix.lower() in {".csv", ".tsv", ".txt", ".json", ".jsonl"}
        )
        hint = f"; it holds the lists {', '.join(lists[:4])}: give one of them" if lists else ""
        raise NamesRows(
            f"{path} is a folder without class folders of pictures or videos; a list is wanted{hint}.", *lists[:4]
        )
    loose = len(names) - len(nested)
    notes = [f"{loose} files of {path} lie in no class folder and are left out"] if loose else []
    labels = [name.split("/", 1)[0] for name in nested]
    pictures = {kind for kind in set(labels) if kind.lower() in CONTAINERS}
    masks = {kind for kind in set(labels) - pictures if kind.lower() in MASK_FOLDERS}
    if pictures and masks and len(pictures) + len(masks) == len(set(labels)):
        rows = [name for name, kind in zip(nested, labels, strict=True) if kind in pictures]
        beside = f"pictures in {', '.join(sorted(pictures))}, masks in {', '.join(sorted(masks))}"
        said = f"{beside}; names are paths, no labels"
        return Part(str(path), split, tidy(rows), said, notes=notes, masks=True)
    said = "class folders; names are paths, labels the first folder"
    return Part(str(path), split, tidy(nested), said, labels=labels, notes=notes)


def _media(path: Path) -> Iterable[str]:
    for folder, _, files in os.walk(path):
        inside = Path(folder).relative_to(path).as_posix()
        for name in files:
            if not name.startswith(".") and name.lower().rsplit(".", 1)[-1] in MEDIA:
                yield name if inside == "." else f"{inside}/{name}"
