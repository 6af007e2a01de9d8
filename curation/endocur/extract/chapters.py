"""Writes one chapter of a unit: the tar of JPEGs, the frame table, the masks, the scores, and last its marker."""

from __future__ import annotations

import os
import secrets
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from endocur.corpus import Corpus, chapter_files
from endocur.extract.geometry import Geometry
from endocur.extract.planes import Stencil
from endocur.extract.source import Moment
from endocur.identity import frame_id
from endocur.quality.body import Turns
from endocur.quality.scores import Region, Scores, region, score_inside
from endocur.quality.table import write_scores
from endocur.store import FRAME_COLUMNS, without_boxes, write_chapter_table, write_masks
from endoshards.errors import told_of
from endoshards.files import TEMPORARY, read_json, sync_folder, write_json
from endoshards.tar import END, header, padding

EXTRACT_VERSION = "3"
"""Raised whenever stored pixels or masks of any source may change; stands in every row."""


@dataclass(frozen=True)
class Picture:
    """One frame ready to be stored, and what its row says of it."""

    jpeg: bytes
    source_id: str
    group_id: str
    moment: Moment
    geometry: Geometry
    stencil: Stencil
    view_id: str
    matrix: str
    full_range: bool
    colour_assumed: bool
    motion: float | None = None
    stillness: float | None = None
    is_frozen: bool | None = None
    boxes: tuple[tuple[int, int, int, int], ...] | None = None
    """What came and went over this frame, in stored pixels, masked in `jpeg`; None where nobody looked."""


class ChapterWriter:
    """Collects a chapter's frames; nothing of it exists until `finish`. A context manager that cleans up."""

    def __init__(self, corpus: Corpus, unit: str, number: int) -> None:
        self._files = chapter_files(corpus, unit, number)
        self._unit, self._number = unit, number
        self._columns: dict[str, list[object]] = {name: [] for name in FRAME_COLUMNS.names}
        self._masks: dict[str, tuple[tuple[int, ...], bytes]] = {}
        self._scores: list[tuple[str, Scores]] = []
        self._region: tuple[Stencil, Region] | None = None
        self._turns = Turns()
        self._at = 0
        corpus.frames.mkdir(parents=True, exist_ok=True)
        self._temporary = corpus.frames / f"{TEMPORARY}{secrets.token_hex(6)}"
        self._tar: IO[bytes] | None = self._temporary.open("wb")

    def __enter__(self) -> ChapterWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._tar is not None:
            with suppress(OSError):  # on a full disk closing fails as writing did
                self._tar.close()
        self._temporary.unlink(missing_ok=True)

    @property
    def frames(self) -> int:
        """Frames added so far."""
        return len(self._scores)

    def add(self, picture: Picture) -> None:
        """Append a frame: its bytes to the tar, its row, its scores."""
        assert self._tar is not None, "the chapter is finished"
        name = frame_id(picture.source_id, picture.moment.us)
        data = header(f"{name}.jpg", len(picture.jpeg)), picture.jpeg, bytes(padding(len(picture.jpeg)))
        with told_of(self._files.frames_tar):
            self._tar.writelines(data)
        for column, value in self._row(name, picture).items():
            self._columns[column].append(value)
        if picture.view_id not in self._masks:  # packed at once: stills have a view each, thousands a chapter
            labels = picture.stencil.labels
            self._masks[picture.view_id] = labels.shape, zlib.compress(labels.tobytes(), 1)
        with_body = self._turns.takes(picture.moment.us)
        self._scores.append((name, score_inside(picture.jpeg, self._where(picture), with_body=with_body)))
        self._at += sum(map(len, data))

    def finish(self, fingerprint: str, until_here: Mapping[str, object] | None = None) -> int:
        """Put everything in its place, the marker last.

        Args:
            fingerprint: of settings and unit.
            until_here: counts of the unit up to the end of this chapter's time, for a run that goes on from here.
        Returns: number of frames.
        """
        assert self._tar is not None, "the chapter is finished"
        with told_of(self._files.frames_tar):
            self._tar.write(END)
            self._tar.flush()
            os.fsync(self._tar.fileno())
            self._tar.close()
        self._tar = None
        self._temporary.replace(self._files.frames_tar)
        sync_folder(self._files.frames_tar.parent)
        write_chapter_table(self._files.frames_table, self._columns)
        write_masks(self._files.views, self._unpacked())
        write_scores(self._files.scores, self._scores)
        facts = {"frames": self.frames, "fingerprint": fingerprint}
        write_json(self._files.marker, facts | ({} if until_here is None else {"until_here": dict(until_here)}))
        return self.frames

    def _where(self, picture: Picture) -> Region:
        """Where a picture is judged; the last view's region is at hand, for the frames of a video share theirs."""
        stencil, boxes = picture.stencil, _flat(picture.boxes)
        if boxes:
            return region(without_boxes(stencil.tissue, boxes))
        if self._region is None or self._region[0] is not stencil:
            self._region = stencil, region(stencil.tissue)
        return self._region[1]

    def _unpacked(self) -> Iterator[tuple[str, NDArray[np.uint8]]]:
        for view_id, (shape, packed) in sorted(self._masks.items()):
            yield view_id, np.frombuffer(zlib.decompress(packed), np.uint8).reshape(shape)

    def _row(self, name: str, picture: Picture) -> Mapping[str, object]:
        geometry, shape = picture.geometry, picture.geometry.shape
        (height, width), (x, y, crop_width, crop_height) = geometry.stored, geometry.crop
        return {
            "frame_id": name,
            "source_id": picture.source_id,
            "group_id": picture.group_id,
            "unit": self._unit,
            "chapter": self._number,
            "row": self.frames,
            "offset": self._at + 512,
            "size": len(picture.jpeg),
            "width": width,
            "height": height,
            "pts_us": picture.moment.us,
            "pts_made": picture.moment.made,
            "pts_flag": picture.moment.flag,
            "src_width": shape.width,
            "src_height": shape.height,
            "crop_x": x,
            "crop_y": y,
            "crop_w": crop_width,
            "crop_h": crop_height,
            "rotation": shape.rotation,
            "sar_num": shape.sar[0],
            "sar_den": shape.sar[1],
            "scale_x": geometry.scale[0],
            "scale_y": geometry.scale[1],
            "view_id": picture.view_id,
            "matrix": picture.matrix,
            "full_range": picture.full_range,
            "colour_assumed": picture.colour_assumed,
            "motion": picture.motion,
            "stillness": picture.stillness,
            "is_frozen": picture.is_frozen,
            "extract_version": EXTRACT_VERSION,
            "overlay_boxes": _flat(picture.boxes),
        }


def _flat(boxes: tuple[tuple[int, int, int, int], ...] | None) -> list[int] | None:
    return None if boxes is None else [side for box in boxes for side in box]


def chapter_facts(marker: Path, fingerprint: str) -> Mapping[str, Any] | None:
    """What the marker of a finished chapter of this fingerprint says; None if the chapter must be written."""
    if not marker.is_file():
        return None
    value: Mapping[str, Any] = read_json(marker)
    return value if value.get("fingerprint") == fingerprint else None
