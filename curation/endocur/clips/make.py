"""The clips of one recording: decoded once more, cropped and masked as its stored frames are, written to one tar."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa

from endocur.clips.encode import Mp4Clip, jpegs
from endocur.clips.windows import VIEW, Window
from endocur.configs import ClipsConfig, ExtractConfig
from endocur.corpus import Corpus
from endocur.engine import UnitFailed, beat
from endocur.extract.geometry import Geometry, Shape
from endocur.extract.motion import UNKNOWN
from endocur.extract.planes import Stencil
from endocur.extract.sampling import Asked, Ticks
from endocur.extract.sequence_track import Timing
from endocur.extract.source import Frame, Source, Unreadable
from endocur.extract.text import TextDetector
from endocur.extract.unit import open_source
from endocur.extract.watched import AS_PLANES, Ready, StoredPlanes, Watched
from endocur.identity import frame_id
from endocur.publish import Planes, shrunk, window
from endocur.store import Masks, read_masks, write_table
from endoshards.errors import told_of
from endoshards.files import TEMPORARY, sync_folder, write_json
from endoshards.tar import END, header, padding

VERSION = "1"
"""Enters the fingerprint; raised when the same frames would give other bytes."""

GAP_US = 500_000
"""A pause between two frames of a clip from which it is no film of what happened."""
GAP = "its times have a gap"
BEHIND_US = 2_500_000
"""So long the watch looks on behind the end of a clip."""
GONE = "the recording is not where it was; extract again from where it is now"
CHANGED = "the recording has changed since it was extracted; extract again"

CLIP_COLUMNS = pa.schema(
    [
        ("clip_id", pa.string()),  # frame id of its first frame: <source_id>-<pts us, 12 digits>
        ("source_id", pa.string()),
        ("group_id", pa.string()),
        ("unit", pa.string()),
        ("view_id", pa.string()),
        ("start_us", pa.int64()),  # time of its first frame
        ("end_us", pa.int64()),  # time of its last frame
        ("frames", pa.int32()),
        ("width", pa.int16()),
        ("height", pa.int16()),
        ("sampled", pa.int16()),  # stored frames of its stretch
        ("kept", pa.int16()),
        ("form", pa.string()),  # mp4, jpg
        ("offset", pa.int64()),  # first byte of the mp4, or of the first JPEG, in clips/<unit>.tar
        ("size", pa.int64()),  # bytes of the mp4, or of all JPEGs without their headers
    ]
)


@dataclass(frozen=True)
class View:
    """How the frames of one view are cut out of coded frames; from a row of the frame table."""

    geometry: Geometry
    chapter: int


@dataclass(frozen=True)
class ClipsTask:
    """What a worker needs to cut one recording."""

    root: Path
    unit: str
    group_id: str
    path: Path
    views: Mapping[str, View]
    windows: tuple[Window, ...]
    """Those that become clips, in time order."""
    dropped: Mapping[str, int]
    """Stretches left out so far, by reason."""
    fingerprint: str
    config: ClipsConfig
    stamp: tuple[int, int] | None
    """Size and mtime in ns of the recording when it was hashed; None if nobody knows where it is."""
    text_detection: bool = True
    """Whether a text detector is asked, as at extract."""
    timing: Timing | None = None
    """The rate the user said at extract."""


def view_of(row: Mapping[str, Any]) -> View:
    """The view of a row of the frame table."""
    shape = Shape(row["src_width"], row["src_height"], row["rotation"], (row["sar_num"], row["sar_den"]))
    stored = (row["width"], row["height"])
    scaled = stored[::-1] if shape.rotation in (90, 270) else stored
    return View(Geometry(shape, (row["crop_x"], row["crop_y"], row["crop_w"], row["crop_h"]), scaled), row["chapter"])


def make_clips(task: ClipsTask) -> dict[str, int]:
    """Write a recording's clips, their table and the marker. Returns: stretches left out, by reason.

    Raises: UnitFailed with a reason that holds no name.
    """
    corpus = Corpus(task.root)
    _refuse_other_recording(task)
    dropped = dict(task.dropped)
    rows: list[dict[str, object]] = []
    with _tar(corpus.clips / f"{task.unit}.tar") as tar:
        for made in _clips(task, corpus):
            if isinstance(made, str):
                dropped[made] = dropped.get(made, 0) + 1
            else:
                rows.append(made.write(tar, task))
    columns = {name: [row[name] for row in rows] for name in CLIP_COLUMNS.names}
    write_table(corpus.clips / f"{task.unit}.parquet", pa.table(columns, schema=CLIP_COLUMNS))
    write_json(
        corpus.clips / f"{task.unit}.json",
        {
            "unit": task.unit,
            "clips": len(rows),
            "dropped": dict(sorted(dropped.items())),
            "fingerprint": task.fingerprint,
            "version": VERSION,
        },
    )
    return dropped


def _refuse_other_recording(task: ClipsTask) -> None:
    """Masks of one recording must not be laid on another. Raises: UnitFailed."""
    try:
        there = task.path.stat()
    except OSError:
        raise UnitFailed(GONE) from None
    if task.stamp is None:
        raise UnitFailed(GONE)
    if task.stamp != (there.st_size, there.st_mtime_ns):
        raise UnitFailed(CHANGED)


class _Clip:
    """A clip while its frames come."""

    def __init__(self, task: ClipsTask, stretch: Window, segment: _Segment) -> None:
        config = task.config
        self.stretch, self.segment = stretch, segment
        self._view = window(segment.stencil.tissue, config.size)
        size = self._view.width, self._view.height
        self._mp4 = Mp4Clip(*size, config.fps, config.crf) if config.form == "mp4" else None
        self._jpegs: list[bytes] = []
        self._quality = config.jpeg_quality
        self._ticks = Ticks(config.fps)
        self.times: list[int] = []
        self.reason = ""

    def wants(self, frame: Frame) -> bool:
        """Whether a frame is part of it; ask for each frame once, in time order."""
        us = frame.moment.us
        if self.reason or us >= self.stretch.end_us or not self._ticks.wants(us - self.stretch.start_us):
            return False
        if frame.shape != self.segment.geometry.shape:
            self.reason = VIEW
        return not self.reason

    def add(self, ready: Ready[StoredPlanes]) -> None:
        """Append a frame with everything masked."""
        small = shrunk(Planes(*ready.picture), self._view)
        us = ready.held.moment.us
        self.times.append(us)
        if self._mp4 is not None:
            self._mp4.add(small, us)
        else:
            self._jpegs += jpegs([small], self._quality)

    def finish(self) -> str:
        """End it. Returns: why it is no clip, "" if it is one."""
        edges = [self.stretch.start_us, *self.times, self.stretch.end_us]
        if not self.reason and max(after - before for before, after in pairwise(edges)) > GAP_US:
            self.reason = GAP
        if self._mp4 is not None:
            self._jpegs = [self._mp4.finish()]
        return self.reason

    def write(self, tar: IO[bytes], task: ClipsTask) -> dict[str, object]:
        """Append its members. Returns: its row."""
        key = frame_id(task.unit, self.times[0])
        form = task.config.form
        names = [f"{key}.mp4"] if form == "mp4" else [f"{key}.{index:03d}.jpg" for index in range(len(self._jpegs))]
        offset = tar.tell() + 512
        for name, data in zip(names, self._jpegs, strict=True):
            _append(tar, name, data)
        row: dict[str, object] = {
            "clip_id": key,
            "source_id": task.unit,
            "group_id": task.group_id,
            "unit": task.unit,
            "view_id": self.stretch.view_id,
            "start_us": self.times[0],
            "end_us": self.times[-1],
            "frames": len(self.times),
            "width": self._view.width,
            "height": self._view.height,
            "sampled": self.stretch.sampled,
            "kept": self.stretch.kept,
            "form": form,
            "offset": offset,
            "size": sum(map(len, self._jpegs)),
        }
        told = {name: row[name] for name in CLIP_COLUMNS.names if name not in ("offset", "size", "unit", "form")}
        said = told | {"pts_us": self.times}
        _append(tar, f"{key}.json", json.dumps(said, separators=(",", ":"), allow_nan=False).encode("ascii"))
        return row


def _clips(task: ClipsTask, corpus: Corpus) -> Iterator[_Clip | str]:
    """The clips of a recording in time order; a reason in the place of one that came to nothing.

    Frames pass through the same watch for what comes and goes as those of extract. It begins anew with each clip, and
    looks on for a while behind its end, because it knows a line of text only after it stayed.
    """
    todo = list(task.windows)
    if not todo:
        return
    watched = Watched(TextDetector() if task.text_detection else None, AS_PLANES)
    now: _Clip | None = None
    try:
        for frame in _source(task).frames():
            beat(1)
            us = frame.moment.us
            if now is not None and (us >= now.stretch.end_us + BEHIND_US or (todo and us >= todo[0].start_us)):
                yield _finished(now, watched)
                now = None
            while todo and us >= todo[0].end_us:
                todo.pop(0)
                yield GAP
            if now is None and not todo:
                return
            if now is None and us >= todo[0].start_us:
                stretch = todo.pop(0)
                now = _Clip(task, stretch, _segment(corpus, task, stretch.view_id))
            if now is not None and frame.shape == now.segment.geometry.shape:
                for ready in watched.take(frame, now.segment, UNKNOWN if now.wants(frame) else None):
                    now.add(ready)
            elif now is not None:
                now.wants(frame)
    except Unreadable as error:
        raise UnitFailed(str(error)) from None
    if now is not None:
        yield _finished(now, watched)
    for _ in todo:
        yield GAP


def _finished(clip: _Clip, watched: Watched[StoredPlanes]) -> _Clip | str:
    for ready in watched.rest():
        clip.add(ready)
    watched.forget()
    return clip.finish() or clip


def _source(task: ClipsTask) -> Source:
    config = ExtractConfig(inputs=(task.path,), corpus=task.root)
    return open_source(task.path, config, Asked("exact", None), timing=task.timing)


@dataclass(frozen=True)
class _Segment:
    """A view of the recording as it is stored, ready for the hot loop."""

    view_id: str
    geometry: Geometry
    stencil: Stencil


def _segment(corpus: Corpus, task: ClipsTask, view_id: str) -> _Segment:
    view = task.views[view_id]
    masks = read_masks(corpus, task.unit, view.chapter, view_id)
    return _Segment(view_id, view.geometry, stencil_of(masks))


def stencil_of(masks: Masks) -> Stencil:
    """The stencil of masks at stored size, even in width and height."""
    tissue = masks.tissue
    height, width = tissue.shape
    blocks = np.asarray(tissue.reshape(height // 2, 2, width // 2, 2).any(axis=(1, 3)))
    labels = masks.view.astype(np.uint8) + (masks.view & masks.overlay).astype(np.uint8)
    return Stencil(labels, tissue, tissue.astype(np.uint8) * 255, blocks.astype(np.uint8) * 255)


@contextmanager
def _tar(path: Path) -> Iterator[IO[bytes]]:
    """A tar that is there only when it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{TEMPORARY}{secrets.token_hex(6)}")
    try:
        with told_of(path), temporary.open("wb") as file:
            yield file
            file.write(END)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _append(tar: IO[bytes], name: str, data: bytes) -> None:
    tar.writelines((header(name, len(data)), data, bytes(padding(len(data)))))


def finished(corpus: Corpus, unit: str, fingerprint: str) -> Mapping[str, Any] | None:
    """The marker of clips made with this fingerprint; None if there is none."""
    try:
        marker = json.loads((corpus.clips / f"{unit}.json").read_text("ascii"))
    except (OSError, ValueError):
        return None
    return marker if isinstance(marker, dict) and marker.get("fingerprint") == fingerprint else None
