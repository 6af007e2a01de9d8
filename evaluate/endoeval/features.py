"""Features of a labelled set by an encoder, kept on disk by encoder and pixels: computed once, read ever after."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from endoeval.benchmarks.folders import LabelledSet, Sample
from endoeval.benchmarks.pictures import read_picture
from endoeval.encoders import Encoder, pool
from endoshards.errors import BadInput
from endoshards.files import atomic_path

Kind = Literal["vectors", "patches"]
Progress = Callable[[int, int], None]
"""Called with (done, total)."""

HALF_MAX = 6e4
"""Patch tokens above this do not fit half precision and are kept whole."""


def vectors_of(
    encoder: Encoder, data: LabelledSet, cache: Path, *, batch: int, progress: Progress
) -> NDArray[np.float32]:
    """One pooled vector a sample, float32 [n, d]. Raises: BadInput for a picture that cannot be read."""
    return _kept("vectors", encoder, data, cache, batch=batch, progress=progress)


def patches_of(
    encoder: Encoder, data: LabelledSet, cache: Path, *, batch: int, progress: Progress
) -> NDArray[np.float16]:
    """Patch tokens, float16 [n, h, w, d] (float32 where half precision overflows), memory-mapped.

    Raises: BadInput for a picture that cannot be read, ValueError for an encoder without patch tokens.
    """
    return _kept("patches", encoder, data, cache, batch=batch, progress=progress)


def _kept(
    kind: Kind, encoder: Encoder, data: LabelledSet, cache: Path, *, batch: int, progress: Progress
) -> NDArray[Any]:
    path = cache / encoder.encoder_id / f"{data.name}-{data.pixels_fingerprint}.{kind}.npy"
    values = _read(path, len(data.samples))
    if values is None:
        made = _embed(kind, encoder, data, batch, progress)
        with atomic_path(path) as temporary, temporary.open("wb") as handle:
            np.save(handle, made, allow_pickle=False)
        # Read back, so that a first run and a repeated one work on the very same numbers.
        values = _read(path, len(data.samples))
        if values is None:
            raise BadInput(f"{path} could not be read back; check the disk.")
    return values


def _read(path: Path, count: int) -> NDArray[Any] | None:
    try:
        values: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (FileNotFoundError, ValueError, EOFError):
        return None
    return values if len(values) == count else None


def _embed(kind: Kind, encoder: Encoder, data: LabelledSet, batch: int, progress: Progress) -> NDArray[Any]:
    made: list[NDArray[Any] | None] = [None] * len(data.samples)
    done = 0
    for positions, images in _batches(data.samples, batch):
        features = encoder.encode(images)
        if kind == "vectors":
            values = pool(features, None, encoder.contract.pooling)
        elif features.patches is None:
            raise ValueError(f"{encoder.name} has no patch tokens")
        else:
            fits = float(np.abs(features.patches).max()) <= HALF_MAX
            values = features.patches.astype(np.float16 if fits else np.float32)
        for position, value in zip(positions, values, strict=True):
            made[position] = value
        done += len(positions)
        progress(done, len(data.samples))
    return np.stack([value for value in made if value is not None])


def _batches(samples: tuple[Sample, ...], batch: int) -> Iterator[tuple[list[int], NDArray[np.uint8]]]:
    """Pictures of equal size together, in an order that depends on the set and `batch` alone."""
    waiting: dict[tuple[int, ...], list[tuple[int, NDArray[np.uint8]]]] = {}
    for position, sample in enumerate(samples):
        image = read_picture(sample.image, sample.key)
        same = waiting.setdefault(image.shape, [])
        same.append((position, image))
        # Sets of many sizes would pile up in memory: the fullest heap goes early.
        if len(same) < batch and sum(map(len, waiting.values())) >= 4 * batch:
            same = max(waiting.values(), key=len)
        if len(same) >= batch or sum(map(len, waiting.values())) >= 4 * batch:
            yield _stacked(same)
            del waiting[same[0][1].shape]
    for same in waiting.values():
        yield _stacked(same)


def _stacked(same: list[tuple[int, NDArray[np.uint8]]]) -> tuple[list[int], NDArray[np.uint8]]:
    images = np.stack([image.transpose(2, 0, 1) for _, image in same])
    return [position for position, _ in same], images
