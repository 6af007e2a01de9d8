"""Perceptual hashes that are near: which rows look like others, and which groups hold such rows. Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
NEAR_BITS = 4
"""Pictures whose hashes differ by this many bits or fewer count as near copies."""
BLOCK = 2048


def near(mine: Hashes, theirs: Hashes) -> NDArray[np.bool_]:
    """[n] hashes of `mine` that are near one of `theirs` [m]."""
    found = np.zeros(len(mine), dtype=bool)
    if len(theirs):
        theirs = np.unique(theirs)
        for begin in range(0, len(mine), BLOCK):
            for low in range(0, len(theirs), BLOCK):
                bits = np.bitwise_count(mine[begin : begin + BLOCK, None] ^ theirs[None, low : low + BLOCK])
                found[begin : begin + BLOCK] |= (bits <= NEAR_BITS).any(axis=1)
    return found


def near_pairs(hashes: Hashes, groups: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Pairs of groups that hold near copies of each other, each once.

    Args:
        hashes: [n], 0 for none.
        groups: [n] group of each.
    """
    known = np.flatnonzero(hashes)
    made: set[tuple[int, int]] = set()
    for begin in range(0, len(known), BLOCK):
        mine = known[begin : begin + BLOCK]
        for low in range(0, begin + 1, BLOCK):
            theirs = known[low : low + BLOCK]
            alike = np.bitwise_count(hashes[mine, None] ^ hashes[None, theirs]) <= NEAR_BITS
            alike &= groups[mine, None] != groups[None, theirs]
            one, other = np.nonzero(alike)
            made |= set(zip(groups[mine[one]].tolist(), groups[theirs[other]].tolist(), strict=True))
    return sorted(made)
