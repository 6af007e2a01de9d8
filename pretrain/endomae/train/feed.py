"""From a folder of shards to batches on the device."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from endomae.methods import Method
from endomae.recipes import Recipe
from endomae.train.held_out import Split, TrainingPart, group_column, split_by_group
from endomae.train.images import IMAGE, MASK, Crops, fixed_views, layout
from endomae.train.world import World
from endoshards.errors import BadInput
from endoshards.index import ShardSet, open_set
from endoshards.stream import Bad, Stream

HELD_OUT_MOST = 512
"""Held-out samples that a held-out pass looks at, spread evenly over all of them."""
SHOWN = 8
"""Frames whose pictures are drawn."""


@dataclass(frozen=True)
class Data:
    """A set of shards, divided into what is trained on and what is not."""

    whole: ShardSet
    part: TrainingPart
    split: Split

    @property
    def extensions(self) -> tuple[str, ...]:
        """Members that training reads."""
        return (IMAGE, MASK) if self.has_masks else (IMAGE,)

    @property
    def has_masks(self) -> bool:
        """True where each sample has a tissue mask."""
        return MASK in self.whole.extensions

    def facts(self) -> dict[str, Any]:
        """What a run notes of its data, as plain JSON values."""
        return {
            "name": self.whole.name,
            "samples": self.whole.total,
            "shards": len(self.whole.shards),
            "order_fingerprint": self.part.order_fingerprint,
            "content_fingerprint": self.whole.content_fingerprint,
            "trained_samples": len(self.split.trained),
            "held_out_samples": len(self.split.held_out),
            "groups": self.split.groups,
            "held_out_groups": self.split.held_out_groups,
            "has_masks": self.has_masks,
            "info": dict(self.whole.info),
        }


def open_data(folder: Path, held_out: float) -> Data:
    """Open a set and hold out a share of it by group.

    Raises: BadInput if there is no finished set, or its samples have no JPEG.
    """
    whole = open_set(folder)
    if IMAGE not in whole.extensions:
        raise BadInput(
            f"samples of {folder} have {', '.join('.' + kind for kind in whole.extensions)}; pretraining reads .{IMAGE}"
            " (and .mask.png)."
        )
    split = split_by_group(group_column(whole.samples()), held_out)
    return Data(whole, TrainingPart(whole, split.trained), split)


@dataclass(frozen=True)
class Views:
    """Fixed views of frames that are judged and shown during training."""

    arrays: dict[str, NDArray[Any]]
    """As of `images.layout`, [n, ...]; empty where nothing is held out."""
    shown: dict[str, NDArray[Any]]
    """Of the frames whose pictures are drawn: held-out ones where there are any."""
    bad: tuple[Bad, ...] = ()
    """Held-out frames that could not be read."""


def fixed(data: Data, recipe: Recipe, method: Method) -> Views:
    """The held-out frames, and those that are shown: held out too where there are any."""
    held = _spread(data.split.held_out, HELD_OUT_MOST)
    bad: list[Bad] = []
    arrays = fixed_views(data.whole, held, recipe.size, method.draws, bad)
    if len(held):
        chosen = _spread(np.arange(len(arrays["image"])), SHOWN)
        return Views(arrays, {name: array[chosen] for name, array in arrays.items()}, tuple(bad))
    # Those that are shown here are trained on: an unreadable one is told when it comes.
    return Views({}, fixed_views(data.whole, _spread(data.split.trained, SHOWN), recipe.size, method.draws, bad))


class Feed:
    """This process's micro-batches, endless, from any point of the order on."""

    def __init__(
        self,
        data: Data,
        recipe: Recipe,
        method: Method,
        world: World,
        *,
        samples_seen: int,
        threads: int,
        max_bad: int,
    ) -> None:
        """Start reading.

        Args:
            data: see `open_data`.
            recipe: its size, crops, batch, accumulation and seed are read.
            method: says how many random numbers a sample wants.
            world: this process takes every `ranks`-th position.
            samples_seen: endless position of the first sample.
            threads: that decode.
            max_bad: unreadable samples before the stream ends with BadInput.
        """
        self._device, self._told = world.device, 0
        self._stream = Stream(
            data.part,
            Crops(recipe.size, recipe.crop_scale, method.draws),
            out=layout(recipe.size, method.draws, data.has_masks),
            batch=recipe.batch // (world.ranks * recipe.accumulate),
            seed=recipe.seed,
            start=samples_seen,
            rank=world.rank,
            ranks=world.ranks,
            threads=threads,
            extensions=data.extensions,
            max_bad=max_bad,
        )

    def __enter__(self) -> Feed:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()

    def __iter__(self) -> Iterator[tuple[dict[str, Tensor], list[str]]]:
        """Micro-batches on the device with the keys of their samples."""
        for batch in self._stream:
            yield to_device(batch.arrays, self._device), batch.keys

    @property
    def wait_s(self) -> float:
        """Seconds the training has waited for data."""
        return self._stream.wait_s

    def take_bad(self) -> list[Bad]:
        """What was replaced since the last call, in this process's batches."""
        new = self._stream.bad[self._told :]
        self._told += len(new)
        return new


def to_device(arrays: dict[str, NDArray[Any]], device: torch.device) -> dict[str, Tensor]:
    """Arrays as tensors; to a GPU through pinned memory, without waiting for it."""
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    if device.type == "cuda":
        return {name: tensor.pin_memory().to(device, non_blocking=True) for name, tensor in tensors.items()}
    return tensors


def _spread(rows: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """At most `most` of the rows, evenly spaced."""
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).round().astype(np.int64)]
