"""Frame tables, stored JPEGs and masks of a corpus: the columns, and how to read them."""

from __future__ import annotations

import os
import threading
import zipfile
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import BufferedReader, BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from endocur.corpus import Corpus, chapter_files
from endoshards.errors import BadInput, in_words
from endoshards.files import atomic_path

FRAME_COLUMNS = pa.schema(
    [
        ("frame_id", pa.string()),  # <source_id>-<pts us, 12 digits>
        ("source_id", pa.string()),
        ("group_id", pa.string()),  # patient or procedure, else the source: what a split must not part
        ("unit", pa.string()),
        ("chapter", pa.int16()),
        ("row", pa.int32()),  # index in the chapter
        ("offset", pa.int64()),  # first byte of the JPEG in frames/<chapter>.tar
        ("size", pa.int32()),  # bytes of the JPEG
        ("width", pa.int16()),  # stored pixels
        ("height", pa.int16()),
        ("pts_us", pa.int64()),  # microseconds after the first shown frame
        ("pts_made", pa.bool_()),  # the file has no time stamps: index / declared rate
        ("pts_flag", pa.string()),  # "", "equal" (+ 1 us), "clock" (it fell or leapt before), "gap" (a hole before)
        ("src_width", pa.int32()),  # coded pixels
        ("src_height", pa.int32()),
        ("crop_x", pa.int32()),  # box of the view in coded pixels, before rotation
        ("crop_y", pa.int32()),
        ("crop_w", pa.int32()),
        ("crop_h", pa.int32()),
        ("rotation", pa.int16()),  # degrees clockwise that show the frame upright: 0, 90, 180, 270
        ("sar_num", pa.int32()),  # shape of a coded pixel, width : height
        ("sar_den", pa.int32()),
        ("scale_x", pa.float64()),  # stored pixels for each coded pixel, along the coded axes
        ("scale_y", pa.float64()),
        ("view_id", pa.string()),  # its masks in views/<chapter>.npz
        ("matrix", pa.string()),  # colour matrix the frame was read with: bt601, bt709, bt2020, rgb, grey
        ("full_range", pa.bool_()),
        ("colour_assumed", pa.bool_()),  # the source did not say: rule of docs/corpus-format.md
        ("motion", pa.float32()),  # see extract/motion.py; null where neighbours were not decoded
        ("stillness", pa.float32()),
        ("is_frozen", pa.bool_()),
        ("extract_version", pa.string()),
        ("overlay_boxes", pa.list_(pa.int16())),  # x0, y0, x1, y1 of each box masked in this frame beside its view's
    ]
)

OUTSIDE, TISSUE, OVERLAY = 0, 1, 2
"""Values of a mask picture in `views/<chapter>.npz`."""

_OPEN_FILES = 64
_CACHED_MASKS = 64


@dataclass(frozen=True)
class Masks:
    """Masks of one view at stored size."""

    view: NDArray[np.bool_]
    """[h, w]: the lit region."""
    overlay: NDArray[np.bool_]
    """[h, w]: text and graphics inside the view."""

    @property
    def tissue(self) -> NDArray[np.bool_]:
        """[h, w]: view without overlays."""
        return self.view & ~self.overlay


def read_chapter_table(path: Path) -> pa.Table:
    """One frame table, columns FRAME_COLUMNS, in stored order. Raises: BadInput if it is damaged."""
    try:
        return pq.read_table(path, schema=FRAME_COLUMNS, partitioning=None)
    except (pa.ArrowInvalid, OSError) as error:
        raise BadInput(f"{path} cannot be read ({in_words(error)}); run endocur extract again.") from None


def write_chapter_table(path: Path, columns: Mapping[str, list[object]]) -> None:
    """Write a frame table atomically; equal rows give equal bytes with one version of pyarrow."""
    write_table(path, pa.table(columns, schema=FRAME_COLUMNS))


def write_table(path: Path, table: pa.Table) -> None:
    """Write any Parquet table atomically, the same way everywhere."""
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary, compression="zstd", row_group_size=131_072)


class FrameReader:
    """Stored JPEGs by (unit, chapter, offset, size). Any number of threads may read at once."""

    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus
        self._lock = threading.Lock()
        self._files: OrderedDict[tuple[str, int], BufferedReader] = OrderedDict()

    def jpeg(self, unit: str, chapter: int, offset: int, size: int) -> bytes:
        """The stored bytes. Raises: BadInput if the tar is missing or shorter than the table says."""
        file = self._open(unit, chapter)
        data = os.pread(file.fileno(), size, offset)
        if len(data) != size:
            raise BadInput(f"{file.name} is shorter than its table says; delete the unit's marker and extract again.")
        return data

    def close(self) -> None:
        """Let go of all files."""
        with self._lock:
            self._files.clear()

    def __enter__(self) -> FrameReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self, unit: str, chapter: int) -> BufferedReader:
        # A file that leaves the cache is closed when its last reader lets go of it, never under a reader.
        with self._lock:
            file = self._files.get((unit, chapter))
            if file is None:
                path = chapter_files(self._corpus, unit, chapter).frames_tar
                try:
                    file = path.open("rb")
                except FileNotFoundError:
                    raise BadInput(f"{path} is missing; delete the unit's marker and extract again.") from None
                self._files[unit, chapter] = file
                if len(self._files) > _OPEN_FILES:
                    self._files.popitem(last=False)
            else:
                self._files.move_to_end((unit, chapter))
            return file


def without_boxes(tissue: NDArray[np.bool_], boxes: Sequence[int] | None) -> NDArray[np.bool_]:
    """A frame's own tissue: that of its view without what came and went over this frame.

    Args:
        tissue: bool [h, w] at stored size.
        boxes: the row's `overlay_boxes`, four numbers a box; None and an empty one leave the mask itself.
    """
    if not boxes:
        return tissue
    out = tissue.copy()
    for x0, y0, x1, y1 in zip(*[iter(boxes)] * 4, strict=True):
        out[y0:y1, x0:x1] = False
    return out


def write_masks(path: Path, masks: Iterable[tuple[str, NDArray[np.uint8]]]) -> None:
    """Write `views/<chapter>.npz`: (view_id, uint8 [h, w] of OUTSIDE, TISSUE, OVERLAY) each. Deterministic bytes."""
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for view_id, labels in masks:
            buffer = BytesIO()
            np.lib.format.write_array(buffer, labels, allow_pickle=False)
            # Time stamps of a fixed year; level 1, since masks are long runs and stills have thousands of them.
            archive.writestr(
                zipfile.ZipInfo(f"{view_id}.npy"), buffer.getvalue(), zipfile.ZIP_DEFLATED, compresslevel=1
            )


def read_masks(corpus: Corpus, unit: str, chapter: int, view_id: str) -> Masks:
    """Masks of a view at stored size; the last 64 are kept in memory. Raises: BadInput if there are none."""
    path = chapter_files(corpus, unit, chapter).views
    return _MASKS.get(path, view_id)


class _MaskCache:
    """Opened npz files and read masks: stills have a view each, thousands a file."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._archives: OrderedDict[tuple[str, int, int], zipfile.ZipFile] = OrderedDict()
        self._masks: OrderedDict[tuple[tuple[str, int, int], str], Masks] = OrderedDict()

    def get(self, path: Path, view_id: str) -> Masks:
        with self._lock:
            archive_key = self._open(path)
            key = archive_key, view_id
            masks = self._masks.get(key)
            if masks is None:
                try:
                    data = self._archives[archive_key].read(f"{view_id}.npy")
                except (KeyError, zipfile.BadZipFile):
                    raise BadInput(
                        f"{path} holds no view {view_id!r}; delete the unit's marker and extract again."
                    ) from None
                labels = np.lib.format.read_array(BytesIO(data), allow_pickle=False)
                masks = self._masks[key] = Masks(labels != OUTSIDE, labels == OVERLAY)
                if len(self._masks) > _CACHED_MASKS:
                    self._masks.popitem(last=False)
            else:
                self._masks.move_to_end(key)
            return masks

    def _open(self, path: Path) -> tuple[str, int, int]:
        try:
            stat = path.stat()
            key = str(path), stat.st_mtime_ns, stat.st_ino
            if key not in self._archives:
                self._archives[key] = zipfile.ZipFile(path)
                if len(self._archives) > _OPEN_FILES:
                    self._archives.popitem(last=False)[1].close()
        except (FileNotFoundError, zipfile.BadZipFile):
            raise BadInput(f"{path} is missing or damaged; delete the unit's marker and extract again.") from None
        self._archives.move_to_end(key)
        return key


_MASKS = _MaskCache()
