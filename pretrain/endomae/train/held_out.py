"""Which samples are never trained on: whole groups, chosen by a keyed hash, so that nothing leaks.

A group is what must not be split: `group_id`, else `source_id`, else what comes before the last dash of the key
(a frame id is source and time). Groups are walked in the order of their hashes, and taken while they keep the
held-out share small, until it is reached: so the choice does not depend on the order of shards, and a few new
groups change little of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from endoshards.index import Sample, ShardSet, keys_sha256

MOST = 2.0
"""A group is taken while the held-out samples stay within this multiple of the wanted share."""
FEW_GROUPS_SHARE = 1 / 3
"""With few, large groups the smallest one is held out if it is no more than this share of all samples."""


@dataclass(frozen=True)
class Split:
    """Rows of the set's sample table, each ascending."""

    trained: NDArray[np.int64]
    held_out: NDArray[np.int64]
    groups: int
    """Groups of the whole set."""
    held_out_groups: int


def split_by_group(groups: Sequence[str], share: float) -> Split:
    """Hold out about `share` of the samples, whole groups only.

    Args:
        groups: of each sample, in the order of the table.
        share: wanted, in [0, 0.5]; 0 holds out nothing.
    Returns: the split; nothing is held out where no group is small enough (one or two groups).
    """
    names, codes, sizes = np.unique(np.asarray(groups, dtype=np.str_), return_inverse=True, return_counts=True)
    total = len(codes)
    chosen: list[int] = []
    if share > 0 and len(names) > 1:
        held = 0
        for group in sorted(range(len(names)), key=lambda g: _hash(str(names[g]))):
            if held >= share * total:
                break
            if held + sizes[group] <= MOST * share * total:
                chosen.append(group)
                held += int(sizes[group])
        smallest = int(np.argmin(sizes))
        if not chosen and sizes[smallest] <= FEW_GROUPS_SHARE * total:
            chosen = [smallest]
    is_held = np.isin(codes, chosen)
    return Split(np.flatnonzero(~is_held), np.flatnonzero(is_held), len(names), len(chosen))


def group_column(table: Any) -> list[str]:
    """The group of each row of a sample table (pyarrow)."""
    for name in ("group_id", "source_id"):
        if name in table.column_names:
            return [str(value) for value in table[name].to_pylist()]
    return [key.rpartition("-")[0] or key for key in table["key"].to_pylist()]


class TrainingPart(ShardSet):
    """A set without its held-out samples: fewer samples a shard, an order fingerprint of its own."""

    def __init__(self, whole: ShardSet, kept: NDArray[np.int64]) -> None:
        """The part of `whole` that holds the rows `kept` of its sample table (ascending, at least one)."""
        self._whole = whole
        sizes = np.array([info.samples for info in whole.shards])
        starts = np.cumsum(sizes) - sizes
        owner = np.searchsorted(starts, kept, side="right") - 1
        self._numbers = [int(shard) for shard in np.unique(owner)]
        self._rows = [(kept[owner == shard] - starts[shard]).astype(np.int64) for shard in self._numbers]
        infos = []
        for shard, rows in zip(self._numbers, self._rows, strict=True):
            info = whole.shards[shard]
            if len(rows) < info.samples:
                keys = whole.keys(shard)
                info = replace(info, samples=len(rows), keys_sha256=keys_sha256([keys[row] for row in rows]))
            infos.append(info)
        super().__init__(whole.folder, replace(whole.index, shards=tuple(infos)))

    def read(self, shard: int, index: int, extensions: Any = None) -> Sample:
        """See `ShardSet.read`; `index` counts the part's samples."""
        return self._whole.read(self._numbers[shard], int(self._rows[shard][index]), extensions)

    def keys(self, shard: int) -> tuple[str, ...]:
        """Keys of the part's samples of a shard."""
        keys = self._whole.keys(self._numbers[shard])
        return tuple(keys[row] for row in self._rows[shard])


def _hash(group: str) -> bytes:
    return hashlib.blake2b(group.encode("utf-8"), key=b"endomae held out", digest_size=16).digest()
