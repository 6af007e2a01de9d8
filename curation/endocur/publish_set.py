"""What a published set is made of: its rows, fingerprint, table and card, and the members of each sample.

Tables in, values out; only `Loader` reads files, those of the corpus.
"""

from __future__ import annotations

import hashlib
import json
import threading
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from endocur import publish
from endocur.corpus import Corpus
from endocur.store import FrameReader, read_masks, without_boxes
from endoshards.files import fingerprint

COLUMNS = (
    "frame_id",
    "source_id",
    "group_id",
    "unit",
    "chapter",
    "offset",
    "size",
    "width",
    "height",
    "pts_us",
    "pts_made",
    "src_width",
    "src_height",
    "crop_x",
    "crop_y",
    "crop_w",
    "crop_h",
    "rotation",
    "sar_num",
    "sar_den",
    "scale_x",
    "scale_y",
    "view_id",
    "overlay_boxes",
    "score_version",
    *publish.SCORES,
)
"""What a published sample depends on; all of it enters the fingerprint of the set."""

TOLD = ("frame_id", "source_id", "group_id", "pts_us", "pts_made", "view_id", *publish.SCORES, "score_version")
"""Columns that go into samples.parquet as they are; where a frame lies in the corpus is nobody else's business."""

WINDOWS = 24
"""Views kept worked out: about 5 MB each for a stored picture of 960 x 960."""


def set_fingerprint(rows: pa.Table, settings: Mapping[str, object], units: Mapping[str, str]) -> str:
    """16 hex digits over all that decides the bytes of a set.

    Args:
        rows: COLUMNS of the frames to publish.
        settings: of the command.
        units: name -> fingerprint of each unit of the corpus; those the rows come from count.
    """
    digest = hashlib.sha256()
    for name in COLUMNS:
        column = rows[name]
        if pa.types.is_list(column.type):
            if column.null_count == len(column):
                continue  # rows of an older version: their set keeps its fingerprint
            data = json.dumps(column.to_pylist()).encode()
            digest.update(f"{name} {len(data)}\n".encode() + data)
            continue
        text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
        data = "\n".join(column.to_pylist()).encode() if text else np.ascontiguousarray(column.to_numpy()).tobytes()
        digest.update(f"{name} {len(data)}\n".encode() + data)
    used = set(pc.unique(rows["unit"]).to_pylist())
    return fingerprint(
        {
            "version": publish.VERSION,
            "settings": dict(settings),
            "rows": digest.hexdigest(),
            "units": {name: made for name, made in units.items() if name in used},
        }
    )


def sample_table(rows: pa.Table, size: int | None) -> pa.Table:
    """What goes into samples.parquet, a row a sample: `key`, TOLD, published and source size; its JSON has the rest."""
    stored = zip(rows["width"].to_pylist(), rows["height"].to_pylist(), strict=True)
    width, height = zip(*(publish.fit(*one, size) for one in stored), strict=True)
    told = rows.select(TOLD).add_column(0, "key", rows["frame_id"])
    told = told.append_column("width", pa.array(width, pa.int32())).append_column(
        "height", pa.array(height, pa.int32())
    )
    return told.append_column("source_width", rows["src_width"]).append_column("source_height", rows["src_height"])


def card(rows: pa.Table, name: str, size: int | None) -> dict[str, str]:
    """Lines of the data card of the set `name`; size as in `publish.fit`."""
    sized = "as stored" if size is None else f"short side at most {size} px"
    return {
        "pretty_name": name,
        "Pictures": f"{len(rows):,} endoscopic frames, {sized}, black outside the view and under burned-in text",
        "Sources": f"{pc.count_distinct(rows['source_id']).as_py():,} videos or stills",
        "Groups": f"{pc.count_distinct(rows['group_id']).as_py():,} patients or procedures; split by group_id only",
        "Members": "`.jpg` picture · `.json` ids, scores, geometry · `.mask.png` white where there is tissue",
        "Leak checks": "unchecked: not compared with any benchmark",
    }


def expected_bytes(rows: pa.Table, size: int | None) -> float:
    """A guess of the set's size: stored bytes, less in proportion to the pixels; 2 kB a sample for the rest."""
    width, height, stored = (rows[name].to_numpy().astype(float) for name in ("width", "height", "size"))
    short = np.minimum(width, height)
    share = np.ones_like(short) if size is None else np.minimum(1.0, size / np.maximum(short, 1.0)) ** 2
    # Small pictures need more bytes a pixel: measured 1.4 to 1.8 times at a third of the side.
    return float((stored * share * np.where(share < 1, 1.6, 1.0)).sum() + 2048 * len(rows))


class Loader:
    """Gives the members of any kept frame; called from the writer's threads."""

    def __init__(self, corpus: Corpus, reader: FrameReader, rows: pa.Table, size: int | None, quality: int) -> None:
        self.keys: Sequence[str] = rows["frame_id"].to_pylist()
        self._corpus, self._reader, self._size, self._quality = corpus, reader, size, quality
        self._columns = {name: rows[name].combine_chunks() for name in COLUMNS}
        self._lock = threading.Lock()
        self._windows: OrderedDict[tuple[str, int, str, tuple[int, ...]], publish.Window] = OrderedDict()

    def __call__(self, key: str) -> Mapping[str, bytes]:
        """Extension -> bytes. Raises: BadInput where the corpus is damaged."""
        place = bisect_left(self.keys, key)
        row = {name: column[place].as_py() for name, column in self._columns.items()}
        view = self._window(row["unit"], row["chapter"], row["view_id"], row["overlay_boxes"] or ())
        jpeg = self._reader.jpeg(row["unit"], row["chapter"], row["offset"], row["size"])
        return {
            "jpg": publish.picture(jpeg, view, self._quality),
            "json": publish.sample_json(row, view.width, view.height),
            "mask.png": view.mask_png,
        }

    def _window(self, unit: str, chapter: int, view_id: str, boxes: Sequence[int]) -> publish.Window:
        name = (unit, chapter, view_id, tuple(boxes))
        with self._lock:
            found = self._windows.get(name)
            if found is not None:
                self._windows.move_to_end(name)
                return found
        # Worked out outside the lock; two threads may do the same once, with the same result.
        tissue = without_boxes(read_masks(self._corpus, unit, chapter, view_id).tissue, boxes)
        made = publish.window(tissue, self._size)
        with self._lock:
            self._windows[name] = made
            while len(self._windows) > WINDOWS:
                self._windows.popitem(last=False)
        return made
