"""Rewrites the frames of a unit with masks added by hand: staged whole, recorded, then put in place, markers last.

    redact/<unit>/<chapter>.tar .parquet .npz .scores.parquet    staged, each synced
    redact/<unit>.json                                           the record: from here on it is only carried out

Carrying out removes the markers first, so that a unit half in place does not exist for anybody; then each staged file
is renamed onto its target, embeddings and pictures made of the old pixels go, the markers come back, the record goes.
A kill at any moment and `endocur redact` again give the bytes of an unbroken run. If extract wrote the unit anew in
between, its files are its own: the record is thrown away and the masks are put on those.
"""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from endocur.corpus import (
    Chapter,
    Corpus,
    UnitMarker,
    chapter_files,
    marker_of,
    marker_value,
    read_marker,
    write_marker,
)
from endocur.privacy.mask import masked, with_boxes
from endocur.quality.body import Turns
from endocur.quality.scores import Scores, score_jpeg
from endocur.quality.table import TABLE_VERSION, read_scores, score_table, version_of
from endocur.redactions import ADDED, WORK, Redaction, base_view, record_path, sum_of
from endocur.store import TISSUE, FrameReader, without_boxes, write_masks, write_table
from endoshards.errors import BadInput
from endoshards.files import atomic_path, read_json, remove_temporaries, sync_folder, write_json
from endoshards.tar import BLOCK, END, header, padding

KINDS = ("tar", "parquet", "npz", "scores.parquet")


@dataclass
class Rewritten:
    """What became of the frames that redactions name."""

    frames: int = 0
    """Named."""
    masked: int = 0
    """Encoded anew now; the others bore the masks already."""
    pixels: int = 0
    """Tissue pixels that were masked now."""
    bare: int = 0
    """Frames that have no tissue left."""
    outside: int = 0
    """Boxes under which a frame has no tissue now or before: they mask nothing there."""


def finish_pending(corpus: Corpus) -> int:
    """Carry out what a kill left recorded, throw away what it left half staged. Returns: units put in place."""
    folder = corpus.root / WORK
    if len(list(corpus.root.glob("lock-*"))) <= 1:  # no other part is writing beside us
        remove_temporaries(corpus.units)
    if not folder.is_dir():
        return 0
    remove_temporaries(folder)
    done = 0
    for path in sorted(folder.glob("[!.]*.json")):
        done += _carry_out(corpus, path.stem)
    for left in folder.glob("*/"):
        shutil.rmtree(left)
    _tidy(corpus)
    return done


def rewrite_unit(corpus: Corpus, marker: UnitMarker, wanted: Sequence[Redaction], quality: int) -> Rewritten:
    """Put masks on the frames of one unit; call with the corpus lock held, after `finish_pending`.

    Args:
        corpus: any corpus.
        marker: of the unit.
        wanted: all redactions of the unit, those it bears already among them.
        quality: JPEG quality of stored frames.
    Raises: BadInput if a box was said for a frame of another size than the corpus holds now.
    """
    told, staged = Rewritten(), corpus.root / WORK / marker.name
    chapters = [
        number
        for number in range(marker.chapters)
        if _Stage(corpus, marker.name, number, wanted, quality).run(told, staged)
    ]
    new = replace(marker, extras={**marker.extras, "redacted": sum_of(wanted)})
    write_json(
        record_path(corpus, marker.name),
        {
            "old": marker_value(marker),
            "new": marker_value(new),
            "chapters": {
                str(number): read_json(chapter_files(corpus, marker.name, number).marker)
                if chapter_files(corpus, marker.name, number).marker.is_file()
                else {}
                for number in chapters
            },
        },
    )
    _carry_out(corpus, marker.name)
    _tidy(corpus)
    return told


class _Stage:
    """One chapter: which frames are masked, and the four files with them."""

    def __init__(self, corpus: Corpus, unit: str, number: int, wanted: Sequence[Redaction], quality: int) -> None:
        self._corpus, self._unit, self._number, self._quality = corpus, unit, number, quality
        self._files = chapter_files(corpus, unit, number)
        self._wanted = wanted
        self._table = _whole_table(self._files.frames_table)
        wanted_columns = ("frame_id", "view_id", "offset", "size", "width", "height", "pts_us", "overlay_boxes")
        there = [name for name in wanted_columns if name in self._table.column_names]  # older tables have no boxes
        self._rows: list[dict[str, Any]] = self._table.select(there).to_pylist()
        self._labels_of = _Views(self._files.views)
        self._new: dict[str, NDArray[np.uint8]] = {}
        """view_id -> labels that this run makes."""
        self._lost: dict[str, int] = {}
        """view_id -> tissue pixels that the new labels mask."""
        self._views: dict[int, str] = {}
        """Row -> view_id of its new labels."""

    def run(self, told: Rewritten, folder: Path) -> bool:
        """Stage the chapter; False if all its frames bear the masks already."""
        with closing(self._labels_of):
            return self._run(told, folder)

    def _run(self, told: Rewritten, folder: Path) -> bool:
        made: dict[tuple[str, tuple[Redaction, ...]], str] = {}
        for place, row in enumerate(self._rows):
            mine = tuple(one for one in self._wanted if one.covers(row["frame_id"], row["view_id"]))
            if not mine:
                continue
            told.frames += 1
            key = row["view_id"], mine
            if key not in made:
                made[key] = self._labels(row, mine, told)
            if made[key] != row["view_id"]:
                told.masked += 1
                told.bare += not (self._new[made[key]] == TISSUE).any()
                self._views[place] = made[key]
        if self._views:
            self._write(folder, told)
        return bool(self._views)

    def _labels(self, row: Mapping[str, Any], mine: Sequence[Redaction], told: Rewritten) -> str:
        """The view_id of a row's labels with these boxes; its own if they change nothing."""
        size = (row["width"], row["height"])
        if any(one.size != size for one in mine):
            raise BadInput(
                f"a mask of frame {row['frame_id']} was said for a picture of {mine[0].size[0]} x {mine[0].size[1]}, "
                f"it is {size[0]} x {size[1]} now; say the boxes of that frame, or of its unit and view, again: they "
                "replace those of the other size."
            )
        old = self._labels_of(row["view_id"])
        new = with_boxes(old, [one.box for one in mine])
        told.outside += sum(bool((with_boxes(old, [one.box]) == old).all()) for one in mine)
        if (new == old).all():
            return str(row["view_id"])
        name = f"{base_view(row['view_id'])}{ADDED}{hashlib.sha256(new.tobytes()).hexdigest()[:8]}"
        self._new[name] = new
        self._lost[name] = int((old == TISSUE).sum() - (new == TISSUE).sum())
        return name

    def _write(self, folder: Path, told: Rewritten) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        base = folder / str(self._number)
        scores = self._old_scores()
        offsets, sizes = [], []
        turns = Turns()
        at = 0
        with (
            FrameReader(self._corpus) as reader,
            atomic_path(Path(f"{base}.tar")) as temporary,
            temporary.open("wb") as tar,
        ):
            for place, row in enumerate(self._rows):
                jpeg = reader.jpeg(self._unit, self._number, row["offset"], row["size"])
                with_body = turns.takes(row["pts_us"])
                if place in self._views:
                    labels = self._new[self._views[place]]
                    told.pixels += self._lost[self._views[place]]
                    jpeg = masked(jpeg, labels, self._quality)
                    tissue = without_boxes(labels == TISSUE, row.get("overlay_boxes"))
                    scores[place] = score_jpeg(jpeg, tissue, with_body=with_body)
                elif scores[place] is None:
                    tissue = without_boxes(self._labels_of(row["view_id"]) == TISSUE, row.get("overlay_boxes"))
                    scores[place] = score_jpeg(jpeg, tissue, with_body=with_body)
                tar.writelines([header(f"{row['frame_id']}.jpg", len(jpeg)), jpeg, bytes(padding(len(jpeg)))])
                offsets.append(at + BLOCK)
                sizes.append(len(jpeg))
                at += BLOCK + len(jpeg) + padding(len(jpeg))
            tar.write(END)
        views = [self._views.get(place, row["view_id"]) for place, row in enumerate(self._rows)]
        table = self._table
        for name, values in (("offset", offsets), ("size", sizes), ("view_id", views)):
            where = table.schema.get_field_index(name)
            table = table.set_column(where, table.schema.field(name), pa.array(values, table.schema.field(name).type))
        write_table(Path(f"{base}.parquet"), table)
        write_masks(Path(f"{base}.npz"), self._masks(set(views)))
        ids = [row["frame_id"] for row in self._rows]
        write_table(Path(f"{base}.scores.parquet"), score_table(zip(ids, scores, strict=True)))  # type: ignore[arg-type]

    def _old_scores(self) -> list[Scores | None]:
        """Scores as they are; None for all where an older version made them, so that a table has one version."""
        if version_of(self._files.scores) != TABLE_VERSION:
            return [None] * len(self._rows)
        table = read_scores(self._files.scores)
        return [Scores(*row) for row in zip(*(table[name].to_pylist() for name in Scores._fields), strict=True)]

    def _masks(self, names: set[str]) -> Iterator[tuple[str, NDArray[np.uint8]]]:
        """One view at a time: stills have thousands a chapter."""
        for name in sorted(names):
            yield name, self._new[name] if name in self._new else self._labels_of(name)


def _carry_out(corpus: Corpus, unit: str) -> int:
    """Put a recorded unit in place, or throw the record away if extract wrote the unit anew. Returns: 1 or 0."""
    path = record_path(corpus, unit)
    record = read_json(path)
    staged, marker = corpus.root / WORK / unit, corpus.units / f"{unit}.json"
    chapters = {int(number): value for number, value in record["chapters"].items()}
    files = {number: chapter_files(corpus, unit, number) for number in chapters}
    new = marker_of(record["new"])
    now = marker_value(read_marker(marker)) if marker.is_file() else None
    whole = all((staged / f"{number}.{kind}").is_file() for number in chapters for kind in KINDS)
    if now is None:
        # The chapters' markers go before the unit's: one that is there alone is extract's, or ours already.
        ours = all(not one.marker.is_file() or _is_new(one.marker, new) for one in files.values())
    else:
        # Extract may have written the very same unit anew: then only a whole staged set may replace it.
        ours = now == record["new"] or (now == record["old"] and whole)
    if ours and now != record["new"]:
        for one in files.values():
            if not _is_new(one.marker, new):
                one.marker.unlink(missing_ok=True)
        sync_folder(corpus.units)
        marker.unlink(missing_ok=True)
        sync_folder(corpus.units)
        for number, one in files.items():
            _into_place(staged, number, one)
            for features in corpus.embeddings.glob(f"*/{one.name}.npy"):
                features.unlink()
        _forget_pictures(corpus, unit)
        for number, one in files.items():
            if chapters[number]:
                write_json(one.marker, chapters[number] | {"redacted": new.redacted})
        write_marker(corpus, new)
    path.unlink()
    if staged.is_dir():
        shutil.rmtree(staged)
    return int(ours)


def _tidy(corpus: Corpus) -> None:
    """The folder of work goes when it is empty."""
    with suppress(OSError):
        (corpus.root / WORK).rmdir()


def _into_place(staged: Path, number: int, files: Chapter) -> None:
    """Rename what is still staged of a chapter; what is gone is in place."""
    targets = (files.frames_tar, files.frames_table, files.views, files.scores)
    for kind, target in zip(KINDS, targets, strict=True):
        source = staged / f"{number}.{kind}"
        if source.is_file():
            source.replace(target)
            sync_folder(target.parent)


def _forget_pictures(corpus: Corpus, unit: str) -> None:
    """Sheets and pages show pixels as they were before the mask."""
    for pattern in (f"sheets/{unit}.*.jpg", "corpus*.html"):
        for path in corpus.reports.glob(pattern):
            path.unlink()


def _is_new(marker: Path, new: UnitMarker) -> bool:
    return marker.is_file() and read_json(marker).get("redacted") == new.redacted


def _whole_table(path: Path) -> pa.Table:
    """A frame table with all its columns, also those that this version does not know."""
    try:
        return pq.read_table(path, partitioning=None)
    except (pa.ArrowInvalid, OSError):
        raise BadInput(f"{path} is missing or damaged; run endocur extract again.") from None


class _Views:
    """Labels of the views of one chapter, uint8 [h, w] of OUTSIDE, TISSUE, OVERLAY; stills have thousands of them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._archive: zipfile.ZipFile | None = None

    def __call__(self, view_id: str) -> NDArray[np.uint8]:
        """Raises: BadInput if there is no such view."""
        try:
            if self._archive is None:
                self._archive = zipfile.ZipFile(self._path)
            data = self._archive.read(f"{view_id}.npy")
        except (KeyError, zipfile.BadZipFile, FileNotFoundError):
            raise BadInput(
                f"{self._path} holds no view {view_id!r}; delete the unit's marker and extract again."
            ) from None
        return np.asarray(np.lib.format.read_array(BytesIO(data), allow_pickle=False), np.uint8)

    def close(self) -> None:
        """Let go of the file."""
        if self._archive is not None:
            self._archive.close()
