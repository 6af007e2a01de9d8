"""A set of shards for users of the `webdataset` library; the one module here that needs torch."""

from __future__ import annotations

from pathlib import Path

import webdataset

from endoshards.index import open_set


def as_webdataset(folder: Path, *, shuffled_shards: int = 100, seed: int = 0) -> webdataset.WebDataset:
    """The set as a `webdataset.WebDataset`, not yet decoded: go on with `.decode("rgb8")`, `.to_tuple("jpg", …)`.

    Samples were shuffled when they were written, so a small buffer (`.shuffle(1000)`) is enough. One epoch of it
    is what that library makes it: use `endoshards.stream.Stream` for exact epochs and exact resume.

    Args:
        folder: a finished set, see `open_set`, which checks that its shards are whole.
        shuffled_shards: shards shuffled with each other; 0 for the order of the index.
        seed: of that shuffle.
    """
    shards = open_set(folder)
    return webdataset.WebDataset(
        [str(folder / shard.name) for shard in shards.shards],
        shardshuffle=shuffled_shards or False,
        detshuffle=shuffled_shards > 0,
        seed=seed,
        nodesplitter=webdataset.split_by_node,
        # A set of fewer shards than workers leaves some without work; that is no fault.
        empty_check=False,
    )
