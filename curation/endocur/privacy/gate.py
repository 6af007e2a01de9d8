"""The audit of a set from end to end: what is beside the pixels, the draw, the pixels themselves, the signed result."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from endocur.account import Account, counted, duration
from endocur.engine import Failure, beat, map_units
from endocur.identity import Key
from endocur.privacy.audit import LEVEL, Marked, Reading, audit_value
from endocur.privacy.draw import Drawn, Row, draw, upper_bound
from endocur.privacy.examine import examine
from endocur.privacy.fields import FRAME_ID
from endocur.privacy.readback import Line, TextReader
from endoshards.errors import BadInput
from endoshards.index import Index, open_set, read_index

CHUNK = 64
"""Frames a worker reads before it gives its result back."""
TIMEOUT_S = 600.0
SECONDS_A_FRAME = 0.25
"""CPU-seconds, for the estimate: docs/results/privacy-audit.md."""


@dataclass(frozen=True)
class ReadTask:
    """What a worker needs to read some frames of a set."""

    folder: Path
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class FrameText:
    """What was read in one frame."""

    frame_id: str
    shard: int
    width: int
    height: int
    boxes: tuple[tuple[int, int, int, int], ...]
    """Of text."""
    unclear: bool


def audit_set(
    folder: Path,
    key: Key,
    *,
    sample: int,
    whole: bool,
    accepted: Collection[str] = (),
    workers: int = 1,
    begin: Callable[[int], Callable[[int], None]],
) -> dict[str, Any]:
    """The signed audit of a set whose bytes were found whole.

    Args:
        folder: of the set.
        key: of its owner.
        sample: frames drawn at random; layouts and groups that they leave out come beside.
        whole: read all frames instead.
        accepted: ids of frames that a person looked at and found without text.
        workers: processes that read.
        begin: told how many frames will be read; gives what is told of progress.
    """
    index = read_index(folder)
    rows = set_rows(folder)
    faults = examine(folder, index)
    drawn = Drawn(tuple(range(len(rows))), ()) if whole else draw(rows, sample, key.draw_key(index.content_fingerprint))
    chosen = [rows[place] for place in (*drawn.random, *drawn.forced)]
    read = _read(folder, chosen, workers, begin(len(chosen)))
    reading = _counts(read, len(drawn.random), len(rows), accepted)
    return audit_value(key, folder, index, reading=reading, faults=faults, marked=_marked(read, index, accepted))


@contextmanager
def progress(account: Account) -> Iterator[Callable[[int], Callable[[int], None]]]:
    """What `audit_set` is told of as `begin`: one line with the time to expect, then a bar."""
    with ExitStack() as stack:

        def begin(frames: int) -> Callable[[int], None]:
            guess = duration(SECONDS_A_FRAME * frames)
            sys.stderr.write(f"{account.stage}: {counted(frames, 'frame')} to read, about {guess} of one core\n")
            return stack.enter_context(account.bar(frames)).advance

        yield begin


def account_of(said: Mapping[str, Any]) -> str:
    """An audit as lines for the terminal; which frames show text stands in the audit and in the refusal."""
    read = said["read"]
    shown = read["drawn_with_text"] + read["forced_with_text"]
    accepted = sum(one["accepted"] for one in said["text"])
    how = "all" if read["whole"] else f"{read['drawn']:,} drawn and {read['forced']:,} of other layouts or groups"
    bound = (
        f"{read['upper_bound']:.2%} of all frames"
        if read["whole"]
        else f"with 95 % certainty at most {read['upper_bound']:.2%} of all frames, as far as text can be read back"
    )
    rows = [
        ("frames read", f"{how}, of {read['frames']:,}"),
        ("with text", f"{shown:,}; {bound}"),
        ("accepted by a person", f"{accepted:,}"),
        ("unclear", f"{read['unclear']:,} with something like a line, not legible"),
        ("beside the pixels", counted(len(said["faults"]), "fault")),
        ("passed", "yes" if said["passed"] else "no"),
    ]
    wide = max(len(name) for name, _ in rows)
    return "".join(f"  {name:<{wide}}  {text}\n" for name, text in rows)


def set_rows(folder: Path) -> list[Row]:
    """All samples of a set. Raises: BadInput if its table lacks what a draw needs: not a set of `endocur shard`."""
    table = open_set(folder).samples()
    names = ("key", "source_id", "group_id", "view_id", "shard", "index")
    if lacking := [name for name in names if name not in table.column_names]:
        raise BadInput(
            f"the samples of {folder} have no {lacking[0]}; the privacy audit reads sets that endocur shard wrote."
        )
    return [Row(*row) for row in zip(*(table[name].to_pylist() for name in names), strict=True)]


def read_frames(task: ReadTask) -> list[FrameText]:
    """What a worker does: the picture of each frame and, once each, the mask it shares with others."""
    shards, reader = open_set(task.folder), TextReader()
    known: dict[bytes, list[Line]] = {}
    found = []
    for row in task.rows:
        sample = shards.read(row.shard, row.index, ["jpg", "mask.png"])
        picture = cv2.imdecode(np.frombuffer(sample.members["jpg"], np.uint8), cv2.IMREAD_COLOR)
        if picture is None:
            raise BadInput(f"the picture of {row.frame_id} cannot be decoded; check the set: endocur verify")
        lines = reader.lines(np.asarray(picture[..., ::-1], np.uint8))
        mask = sample.members["mask.png"]
        if mask not in known:
            known[mask] = _mask_lines(reader, mask)
        boxes = tuple(line.box for line in (*lines, *known[mask]) if line.is_text)
        height, width = picture.shape[:2]
        unclear = any(line.is_unclear for line in lines)
        found.append(FrameText(row.frame_id, row.shard, width, height, boxes, unclear))
        beat(1)
    return found


def read_accepted(path: Path | None) -> frozenset[str]:
    """Ids of frames that a person found without text, a line each. Raises: BadInput naming the line that is none."""
    if path is None:
        return frozenset()
    try:
        lines = [line.strip() for line in path.read_text("utf-8").splitlines()]
    except FileNotFoundError:
        raise BadInput(f"--accepted {path}: no such file; it holds a frame id a line.") from None
    except UnicodeDecodeError:
        raise BadInput(f"--accepted {path} is no text; a frame id a line is wanted.") from None
    for number, line in enumerate(lines, 1):
        if line and not FRAME_ID.fullmatch(line):
            raise BadInput(f"--accepted {path}: line {number} is no frame id (16 hex digits, -, 12 digits).")
    return frozenset(filter(None, lines))


def _mask_lines(reader: TextReader, png: bytes) -> list[Line]:
    """A mask that follows strokes could be read itself."""
    mask = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    return [] if mask is None else reader.lines(np.asarray(mask, np.uint8))


def _read(folder: Path, rows: Sequence[Row], workers: int, told: Callable[[int], None]) -> list[FrameText]:
    """In the order of `rows`."""
    chunk = max(1, min(CHUNK, -(-len(rows) // workers)))
    tasks = [ReadTask(folder, tuple(rows[start : start + chunk])) for start in range(0, len(rows), chunk)]
    parts: dict[int, list[FrameText]] = {}
    for number, result, _ in map_units(read_frames, tasks, workers=workers, timeout_s=TIMEOUT_S, progress=told):
        if isinstance(result, Failure):
            raise BadInput(f"frames could not be read ({result.reason}); check the set first: endocur verify {folder}")
        parts[number] = result
    return [one for number in range(len(tasks)) for one in parts[number]]


def _counts(read: Sequence[FrameText], drawn: int, frames: int, accepted: Collection[str]) -> Reading:
    """The first `drawn` of `read` are the random part."""
    shown = [bool(one.boxes) and one.frame_id not in accepted for one in read]
    hits = sum(shown[:drawn])
    return Reading(
        frames=frames,
        drawn=drawn,
        forced=len(read) - drawn,
        drawn_with_text=hits,
        forced_with_text=sum(shown) - hits,
        unclear=sum(one.unclear for one in read),
        upper_bound=round(upper_bound(hits, drawn, frames, LEVEL), 6),
    )


def _marked(read: Sequence[FrameText], index: Index, accepted: Collection[str]) -> list[Marked]:
    """Frames with text, by id."""
    return [
        Marked(one.frame_id, index.shards[one.shard].name, one.width, one.height, one.boxes, one.frame_id in accepted)
        for one in sorted(read, key=lambda one: one.frame_id)
        if one.boxes
    ]
