"""Features of all stored frames on disk: `embeddings/<encoder_id>/<chapter>.npy`, float16, a row a frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from endocur.corpus import Corpus, UnitMarker, chapter_files, chapter_name, unit_markers
from endocur.select.wording import damaged_picture
from endocur.store import FrameReader, read_chapter_table, read_masks, without_boxes
from endoshards.errors import BadInput
from endoshards.files import atomic_path, remove_temporaries

if TYPE_CHECKING:
    from endoeval.encoders import Encoder

BATCH = 64
"""Frames an encoder sees at a time where nobody says otherwise."""

Picture = tuple[NDArray[np.uint8], NDArray[np.bool_]]
"""uint8 [3, h, w] and tissue bool [h, w]."""


def embedding_path(corpus: Corpus, encoder_id: str, unit: str, chapter: int) -> Path:
    """Where the features of a chapter lie, or will."""
    return corpus.embeddings / encoder_id / f"{chapter_name(unit, chapter)}.npy"


def unfinished(corpus: Corpus, encoder_id: str) -> list[tuple[str, int]]:
    """(unit, chapter) of all that has no features of this encoder yet, or not as many as frames."""
    found = []
    for marker in unit_markers(corpus):
        for chapter in range(marker.chapters if marker.frames else 0):
            path = embedding_path(corpus, encoder_id, marker.name, chapter)
            if _rows(path) != _frames(corpus, marker, chapter):
                found.append((marker.name, chapter))
    return found


def embed_chapter(
    corpus: Corpus,
    encoder: Encoder,
    unit: str,
    chapter: int,
    *,
    batch: int = BATCH,
    threads: int = 1,
    progress: Callable[[int], None] | None = None,
) -> int:
    """Write the features of one chapter, all or nothing. Returns: its frames.

    Args:
        corpus: any corpus.
        encoder: `endoeval.encoders.load(spec)`.
        unit, chapter: which.
        batch: frames an encoder sees at a time.
        threads: pictures decoded at a time.
        progress: told how many frames are done.
    Raises: BadInput for a damaged picture, or features that float16 cannot hold.
    """
    from endoeval.encoders import vectors

    rows = read_chapter_table(chapter_files(corpus, unit, chapter).frames_table)
    features = np.zeros((len(rows), encoder.contract.vector_dim), np.float16)
    with FrameReader(corpus) as reader, ThreadPoolExecutor(threads) as pool:
        decode = _Decode(corpus, reader, rows, encoder.contract.size)
        for places, pictures in _batches(rows, decode, pool, batch):
            images, tissue = (np.stack(planes) for planes in zip(*pictures, strict=True))
            with np.errstate(over="ignore"):
                features[places] = vectors(encoder, images, tissue).astype(np.float16)
            if progress is not None:
                progress(len(places))
    if not np.isfinite(features).all():
        raise BadInput(f"{encoder.name} gives features that are not finite in float16; it cannot be used for dedup.")
    with (
        atomic_path(embedding_path(corpus, encoder.encoder_id, unit, chapter)) as temporary,
        temporary.open("wb") as file,
    ):
        np.lib.format.write_array(file, features, allow_pickle=False)
    return len(rows)


def embed_corpus(
    corpus: Corpus,
    encoder: Encoder,
    *,
    batch: int = BATCH,
    threads: int = 1,
    progress: Callable[[int], None] | None = None,
) -> int:
    """Write what `unfinished` names; call with the corpus lock held. Returns: frames that were embedded."""
    remove_temporaries(corpus.embeddings / encoder.encoder_id)
    return sum(
        embed_chapter(corpus, encoder, unit, chapter, batch=batch, threads=threads, progress=progress)
        for unit, chapter in unfinished(corpus, encoder.encoder_id)
    )


class Vectors:
    """Features of frames in an order of one's own, read as they are asked for."""

    def __init__(self, corpus: Corpus, encoder_id: str, frames: pa.Table) -> None:
        """Args: frames: columns unit, chapter, row; one row a frame, in the order wanted."""
        self._row = frames["row"].to_numpy()
        names = list(zip(frames["unit"].to_pylist(), frames["chapter"].to_pylist(), strict=True))
        places = {name: number for number, name in enumerate(sorted(set(names)))}
        self._file = np.array([places[name] for name in names], np.int64)
        self._paths = [embedding_path(corpus, encoder_id, unit, chapter) for unit, chapter in places]
        self.dim = int(_open(self._paths[0]).shape[1]) if self._paths else 0

    def __call__(self, start: int, stop: int) -> NDArray[np.float16]:
        """Rows start to stop, float16 [stop - start, dim]. Raises: BadInput if a file is damaged."""
        out = np.zeros((stop - start, self.dim), np.float16)
        files, row = self._file[start:stop], self._row[start:stop]
        for number in np.unique(files):
            mine = np.flatnonzero(files == number)
            stored = _open(self._paths[number])
            if row[mine].max() >= len(stored) or stored.shape[1] != self.dim:
                raise _damaged(self._paths[number])
            out[mine] = stored[row[mine]]
        if not np.isfinite(out).all():
            raise _damaged(self._paths[int(files[0])].parent)
        return out


class _Decode:
    """Pictures of a frame table by their place in it; called from several threads."""

    def __init__(self, corpus: Corpus, reader: FrameReader, rows: pa.Table, size: int) -> None:
        self._corpus, self._reader, self._size = corpus, reader, size
        names = ("frame_id", "unit", "chapter", "offset", "size", "view_id", "overlay_boxes")
        self._columns = {name: rows[name].to_pylist() for name in names}

    def __call__(self, place: int) -> Picture:
        row = {name: column[place] for name, column in self._columns.items()}
        jpeg = self._reader.jpeg(row["unit"], row["chapter"], row["offset"], row["size"])
        view = read_masks(self._corpus, row["unit"], row["chapter"], row["view_id"]).tissue
        tissue = without_boxes(view, row["overlay_boxes"])
        try:
            return decode_for(jpeg, tissue, self._size)
        except ValueError:
            raise damaged_picture(self._corpus, row["unit"], row["frame_id"]) from None


def _batches(
    rows: pa.Table, decode: _Decode, pool: ThreadPoolExecutor, batch: int
) -> Iterator[tuple[NDArray[np.int64], Sequence[Picture]]]:
    """Places in the chapter and their pictures; those of one call share a size. The next batch decodes meanwhile."""
    shape = np.stack([rows["height"].to_numpy(), rows["width"].to_numpy()], axis=1).reshape(len(rows), 2)
    groups: list[NDArray[np.int64]] = []
    for one in np.unique(shape, axis=0):
        alike = np.flatnonzero((shape == one).all(axis=1))
        groups += [alike[start : start + batch] for start in range(0, len(alike), batch)]
    waiting: list[tuple[NDArray[np.int64], list[Future[Picture]]]] = []
    for places in groups:
        waiting.append((places, [pool.submit(decode, int(place)) for place in places]))
        if len(waiting) > 1:
            now, futures = waiting.pop(0)
            yield now, [future.result() for future in futures]
    for now, futures in waiting:
        yield now, [future.result() for future in futures]


def decode_for(jpeg: bytes, tissue: NDArray[np.bool_], size: int) -> Picture:
    """A stored picture at the smallest of 1/1, 1/2, 1/4, 1/8 that is at least twice `size` on its short side.

    An encoder squashes its input to `size` anyway: from twice as many pixels the result is the same to the eye,
    and decoding costs a third.
    Raises: ValueError if the bytes are no JPEG or not of the size of `tissue`.
    """
    import cv2
    import simplejpeg

    height, width = tissue.shape
    if simplejpeg.decode_jpeg_header(jpeg)[:2] != (height, width):
        raise ValueError("not of the size of its mask")
    shrink = next(factor for factor in (8, 4, 2, 1) if min(height, width) >= 2 * size * factor or factor == 1)
    small = (-(-height // shrink), -(-width // shrink))
    rgb = simplejpeg.decode_jpeg(jpeg, "RGB", min_height=small[0], min_width=small[1])
    if shrink > 1:
        share = cv2.resize(tissue.astype(np.uint8) * 255, small[::-1], interpolation=cv2.INTER_AREA)
        tissue = share >= 128
    return np.ascontiguousarray(rgb.transpose(2, 0, 1)), tissue


def _frames(corpus: Corpus, marker: UnitMarker, chapter: int) -> int:
    """Frames of a chapter; read from its table's head only where the unit has several."""
    if marker.chapters == 1:
        return marker.frames
    import pyarrow.parquet as pq

    return int(pq.read_metadata(chapter_files(corpus, marker.name, chapter).frames_table).num_rows)


def _rows(path: Path) -> int:
    """Rows of a features file; -1 if it is not there or not whole."""
    try:
        return len(_open(path))
    except BadInput:
        return -1


def _open(path: Path) -> NDArray[np.float16]:
    """The file, mapped. Raises: BadInput if it is missing or damaged."""
    try:
        stored = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, FileNotFoundError):
        raise _damaged(path) from None
    if stored.ndim != 2 or stored.dtype != np.float16:
        raise _damaged(path)
    return stored


def _damaged(path: Path) -> BadInput:
    return BadInput(f"{path} is missing or damaged; delete it and run: endocur embed")
