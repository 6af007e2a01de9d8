"""One batch of stills to a finished unit, run in a worker: who shares a view, then each picture as stored."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from endocur.account import counted
from endocur.configs import ExtractConfig
from endocur.corpus import Corpus, InputRow, UnitMarker, write_marker
from endocur.engine import beat
from endocur.extract.chapters import EXTRACT_VERSION, ChapterWriter, Picture
from endocur.extract.dicom.header import is_dicom
from endocur.extract.dicom_pictures import dicom_still
from endocur.extract.planes import encode, mask_planes, stored_planes, to_rgb
from endocur.extract.segments import PROBE_FRAMES, Segment, probe_rgb, segment
from endocur.extract.source import Moment, Unreadable
from endocur.extract.still_groups import StillOutline, border_outline, still_groups
from endocur.extract.stills import Still, read_still
from endocur.extract.text import TextDetector
from endocur.extract.view import Layout, layout, member_layout
from endoshards.errors import in_words


@dataclass(frozen=True)
class StillItem:
    """One still of a batch."""

    path: Path
    folder_key: str
    """Equal for stills of one folder; keyed, not a name."""
    rows: tuple[InputRow, ...]
    """The still and its byte copies."""


@dataclass(frozen=True)
class StillsTask:
    """What a worker needs to extract a batch of stills."""

    root: Path
    unit: str
    fingerprint: str
    items: tuple[StillItem, ...]
    """Sorted by id."""
    config: ExtractConfig


@dataclass(frozen=True)
class _Shared:
    """What stills of one group have in common."""

    name: str
    layout: Layout
    has_text: bool
    """Each member is looked at on its own for text."""


def extract_stills(task: StillsTask) -> UnitMarker:
    """Extract a batch, write its chapter and its marker. A still that fails is a row of the marker."""
    detector = TextDetector() if task.config.text_detection else None
    failed: dict[int, str] = {}
    views = _Views(_shared_layouts(task, failed, detector), task.config.max_side, detector)
    notes: dict[int, str] = {}
    frames = 0
    with ChapterWriter(Corpus(task.root), task.unit, 0) as writer:
        for index, item in enumerate(task.items):
            beat(1)
            if index in failed:
                continue
            try:
                still = _read(item.path)
            except Unreadable as error:
                failed[index] = str(error)
                continue
            notes[index] = still.note
            writer.add(_picture(task, index, still, views.of(index, still)))
        if writer.frames:
            frames = writer.finish(task.fingerprint)
    marker = _marker(task, frames, failed, notes)
    write_marker(Corpus(task.root), marker)
    return marker


def _shared_layouts(task: StillsTask, failed: dict[int, str], detector: TextDetector | None) -> dict[int, _Shared]:
    """Index of a still -> what it shares with its group; stills that stand alone are not in it."""
    outlines: list[StillOutline] = []
    indices: list[int] = []
    for index, item in enumerate(task.items):
        beat()
        try:
            still = _read(item.path)
        except Unreadable as error:
            failed[index] = str(error)
            continue
        outline = border_outline(probe_rgb(still.planes, still.shape))
        outlines.append(StillOutline(item.folder_key, still.shape.shown, outline))
        indices.append(index)
    shared: dict[int, _Shared] = {}
    for number, group in enumerate(group for group in still_groups(outlines) if len(group) > 1):
        members = [indices[place] for place in group]
        # Every probe is asked: in a folder of pictures a few may bear a name, and then all are looked at.
        found = layout(_probe(task, members), size=outlines[group[0]].size, detector=detector, looks=PROBE_FRAMES)
        has_text = found.counts.get("text_boxes", 0) > 0 or found.counts.get("still_regions", 0) > 0
        shared |= dict.fromkeys(members, _Shared(f"g{number:03d}", found, has_text))
        beat()
    return shared


def _probe(task: StillsTask, members: list[int]) -> list[NDArray[np.uint8]]:
    """Up to PROBE_FRAMES members, evenly by id."""
    count = min(PROBE_FRAMES, len(members))
    chosen = [members[place * len(members) // count] for place in range(count)]
    stills = [_read(task.items[index].path) for index in chosen]
    return [probe_rgb(still.planes, still.shape) for still in stills]


class _Views:
    """The segment of each still: its group's, its group's with its own text, or its own."""

    def __init__(self, shared: dict[int, _Shared], max_side: int, detector: TextDetector | None) -> None:
        self._shared, self._max_side, self._detector = shared, max_side, detector
        self._known: dict[str, Segment] = {}

    def of(self, index: int, still: Still) -> Segment:
        shape, shared, detector = still.shape, self._shared.get(index), self._detector
        if shared is None:
            found = layout([probe_rgb(still.planes, shape)], size=shape.shown, detector=detector)
        elif detector is not None and shared.has_text:
            found = member_layout(shared.layout, to_rgb(still.planes, shape, shape.shown), detector=detector)
        else:
            name = f"{shared.name}r{shape.rotation:03d}"
            if name not in self._known:
                self._known[name] = segment(name, shape, shared.layout, self._max_side)
            return self._known[name]
        return segment(f"s{index:04d}", shape, found, self._max_side)


def _picture(task: StillsTask, index: int, still: Still, where: Segment) -> Picture:
    row, colour = task.items[index].rows[0], still.planes.colour
    planes = mask_planes(stored_planes(still.planes, where.geometry), where.stencil)
    return Picture(
        jpeg=encode(planes, task.config.jpeg_quality),
        source_id=row.id,
        group_id=row.group,
        moment=Moment(0),
        geometry=where.geometry,
        stencil=where.stencil,
        view_id=where.view_id,
        matrix=colour.matrix,
        full_range=colour.full_range,
        colour_assumed=colour.assumed,
    )


def _marker(task: StillsTask, frames: int, failed: dict[int, str], notes: dict[int, str]) -> UnitMarker:
    rows = [
        InputRow(
            **{
                **vars(row),
                "status": "failed" if index in failed else "ok",
                "reason": failed.get(index, notes.get(index, "")),
            }
        )
        for index, item in enumerate(task.items)
        for row in item.rows
    ]
    status = "ok" if not failed else "partial" if frames else "failed"
    return UnitMarker(
        name=task.unit,
        status=status,
        reason=f"{len(failed)} of {counted(len(task.items), 'still')} failed" if failed else "",
        kind="stills",
        chapters=1 if frames else 0,
        frames=frames,
        fingerprint=task.fingerprint,
        inputs=tuple(rows),
        extras={"seen": frames, "dropped": {}, "last_us": 0, "version": EXTRACT_VERSION},
    )


def _read(path: Path) -> Still:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Unreadable(f"cannot be read ({in_words(error)})") from None
    if is_dicom(data):
        planes, shape = dicom_still(path)
        return Still(planes, shape)
    return read_still(data)
