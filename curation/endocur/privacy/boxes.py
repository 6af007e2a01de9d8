"""Boxes that a person says, on the line or in a CSV, and those of an audit, as redactions of a corpus's frames."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from endocur.privacy.fields import FRAME_ID
from endocur.privacy.mask import Box, stored_box, widened
from endocur.redactions import Redaction, base_view
from endoshards.errors import BadInput

FRAME_HEAD = ["frame", "x", "y", "w", "h"]
VIEW_HEAD = ["unit", "view", "x", "y", "w", "h"]


@dataclass(frozen=True)
class Said:
    """One box and whom it is for: a frame, or all frames of a view of a unit."""

    where: str
    """In words, for errors: the line it stands on."""
    box: Box
    frame: str = ""
    unit: str = ""
    view: str = ""


@dataclass(frozen=True)
class FrameRow:
    """What is known of a stored frame."""

    unit: str
    view_id: str
    width: int
    height: int


def read_csv(path: Path) -> list[Said]:
    """A box a line. Raises: BadInput with the line's number and what is wanted; what stands there is not repeated."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [[cell.strip() for cell in row] for row in csv.reader(file)]
    except FileNotFoundError:
        raise BadInput(f"--boxes {path}: no such file.") from None
    except (UnicodeDecodeError, csv.Error):
        raise BadInput(f"--boxes {path} is no CSV text.") from None
    head = rows[0] if rows else []
    if head not in (FRAME_HEAD, VIEW_HEAD):
        raise BadInput(
            f"--boxes {path}: its first line names other columns; {','.join(FRAME_HEAD)} or {','.join(VIEW_HEAD)} is "
            "wanted."
        )
    found = []
    for number, row in enumerate(rows[1:], 2):
        if not any(row):
            continue
        numbers = row[-4:]
        if len(row) != len(head) or not all(cell.isascii() and cell.isdigit() for cell in numbers):
            raise BadInput(f"--boxes {path}: line {number} is not {','.join(head)} with whole numbers.")
        x, y, width, height = map(int, numbers)
        if not width or not height:
            raise BadInput(f"--boxes {path}: the box of line {number} has no area.")
        named = dict(zip(head[:-4], row, strict=False))
        found.append(Said(f"line {number}", (x, y, width, height), **named))
    if not found:
        raise BadInput(f"--boxes {path} holds no box; a line a box is wanted.")
    return found


def of_audit(audit: Mapping[str, Any], frames: Mapping[str, FrameRow]) -> list[Said]:
    """The boxes an audit found in published pictures, in stored pixels; those a person accepted are left out.

    Raises: BadInput if its frames are not in the corpus.
    """
    open_ = [one for one in audit["text"] if not one["accepted"]]
    if not open_:
        raise BadInput("the audit names no frame with text, or a person accepted them all; there is nothing to mask.")
    if missing := sum(one["frame_id"] not in frames for one in open_):
        raise BadInput(f"{missing:,} of {len(open_):,} frames of the audit are not in this corpus; pass its --corpus.")
    found = []
    for one in open_:
        row = frames[one["frame_id"]]
        for box in one["boxes"]:
            stored = stored_box(tuple(box), (one["width"], one["height"]), (row.width, row.height))
            found.append(Said("the audit", stored, frame=one["frame_id"]))
    return found


def redactions(said: Iterable[Said], frames: Mapping[str, FrameRow]) -> list[Redaction]:
    """What was said, with the size of the pictures it is for.

    Args:
        said: boxes.
        frames: frame_id -> row, of the whole corpus.
    Raises: BadInput for a frame, unit or view that is not there, or a box outside its picture.
    """
    views = _views(frames.values())
    return [_redaction(one, frames, views) for one in said]


def _redaction(
    one: Said, frames: Mapping[str, FrameRow], views: Mapping[tuple[str, str], Sequence[tuple[int, int]]]
) -> Redaction:
    if one.frame or not one.unit:
        row = frames.get(one.frame)
        if row is None:
            known = "" if FRAME_ID.fullmatch(one.frame) else " (a frame id is 16 hex digits, -, 12 digits)"
            raise BadInput(f"{one.where}: there is no such frame in this corpus{known}; take ids as reports name them.")
        size, view, unit = (row.width, row.height), "", ""
    else:
        unit, view = one.unit, base_view(one.view)
        sizes = views.get((unit, view))
        if sizes is None:
            there = sorted(name for of, name in views if of == unit)
            raise BadInput(
                f"{one.where}: there is no such unit and view in this corpus; "
                + (f"views of that unit: {', '.join(there[:20])}." if there else "no unit has that id.")
            )
        size = sizes[0]
    if not all(widened(one.box, *size)[2:]) or one.box[0] >= size[0] or one.box[1] >= size[1]:
        box = ",".join(map(str, one.box))
        raise BadInput(f"{one.where}: the box {box} lies outside its picture of {size[0]} x {size[1]} pixels.")
    return Redaction(one.frame, unit, view, one.box, size)


def _views(rows: Iterable[FrameRow]) -> dict[tuple[str, str], list[tuple[int, int]]]:
    """(unit, view_id as extract wrote it) -> sizes of its frames."""
    found: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for row in rows:
        sizes = found.setdefault((row.unit, base_view(row.view_id)), [])
        if (row.width, row.height) not in sizes:
            sizes.append((row.width, row.height))
    return found


def line_boxes(frame: str | None, unit: str | None, view: str | None, boxes: Iterable[Box]) -> Iterator[Said]:
    """Boxes of the command line."""
    for box in boxes:
        yield Said("--box", box, frame=frame or "", unit=unit or "", view=view or "")
