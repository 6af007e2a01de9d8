"""Near copies: one greedy pass over all frames, best first; a frame goes only for a frame that stays.

Whoever comes first in the order stays unless a frame kept before it is as near as the threshold or nearer. So
every dropped frame has a finally kept one to show for it, no chain of small steps can carry a frame away from
all that is kept (a slow pan keeps several), and the result depends on the order and the vectors alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from endocur.select.search import SLACK, Search, cosine, unit

VERSION = "1"
"""Raised when the same vectors and threshold may give other decisions or words."""

BLOCK = 2048
"""Frames judged at a time; bounds memory, changes nothing else."""


@dataclass(frozen=True)
class Duplicates:
    """Who stays. Positions are places in the order that was given."""

    of: NDArray[np.int64]
    """Position of the kept frame each dropped one is a copy of; -1: it stays itself."""
    cosine: NDArray[np.float64]
    """To that frame, rounded to 1e-4; 0 for kept ones."""

    @property
    def keep(self) -> NDArray[np.bool_]:
        """bool [n]."""
        return self.of < 0


def find_duplicates(
    count: int,
    load: Callable[[int, int], NDArray[np.float16]],
    threshold: float,
    search: Search,
    *,
    block: int = BLOCK,
    progress: Callable[[int], None] | None = None,
) -> Duplicates:
    """Drop what a better frame already shows.

    Args:
        count: frames, in their order: best first.
        load: (start, stop) -> float16 [stop - start, d] vectors of these positions, any length, finite.
        threshold: cosine, rounded to 1e-4, at or above which two frames are copies; above 0.
        search: empty; see `make_search`.
        block: frames judged at a time.
        progress: told how many more are done.
    Returns: for each position the kept frame nearest to it among those before it (of equals the first), or -1.
    """
    nearest = _Nearest(count, threshold)
    kept = _Kept()
    for start in range(0, count, block):
        stop = min(start + block, count)
        vectors = load(start, stop)
        units = unit(vectors)
        row, number = search.near(units, threshold - SLACK)
        nearest.offer(start + row, kept.position(number), kept.cosine(vectors, row, number))
        stays = _judge(vectors, units, start, nearest)
        kept.add(vectors[stays], start + stays)
        search.add(units[stays])
        if progress is not None:
            progress(stop - start)
    return Duplicates(nearest.of, nearest.cosine)


def _judge(
    vectors: NDArray[np.float16], units: NDArray[np.float32], start: int, nearest: _Nearest
) -> NDArray[np.int64]:
    """Judge the frames of one block against those of it that stay; returns the rows that do, in order."""
    near = units @ units.T >= nearest.threshold - SLACK
    stays = np.zeros(len(vectors), np.bool_)
    for row in range(len(vectors)):
        other = np.flatnonzero(near[row, :row] & stays[:row])
        if len(other):
            me = np.full(len(other), row)
            nearest.offer(start + me, start + other, cosine(vectors[me], vectors[other]))
        stays[row] = nearest.of[start + row] < 0
    return np.flatnonzero(stays)


class _Nearest:
    """For each position the nearest kept frame so far that is near enough."""

    def __init__(self, count: int, threshold: float) -> None:
        self.threshold = threshold
        self.of = np.full(count, -1, np.int64)
        self.cosine = np.zeros(count, np.float64)

    def offer(self, position: NDArray[np.int64], kept: NDArray[np.int64], value: NDArray[np.float64]) -> None:
        """Kept frames for these positions: the nearest wins, of equals the first in the order."""
        enough = value >= self.threshold
        position, kept, value = position[enough], kept[enough], value[enough]
        order = np.lexsort((kept, -value, position))
        position, kept, value = position[order], kept[order], value[order]
        first = np.ones(len(position), np.bool_)
        first[1:] = position[1:] != position[:-1]
        position, kept, value = position[first], kept[first], value[first]
        # What was offered before comes earlier in the order: it wins a tie.
        better = value > self.cosine[position]
        self.of[position[better]], self.cosine[position[better]] = kept[better], value[better]


class _Kept:
    """Vectors and positions of the frames that stay, by the number `search` has for them."""

    def __init__(self) -> None:
        self._vectors: list[NDArray[np.float16]] = []
        self._starts = [0]
        self._positions = np.zeros(0, np.int64)

    def add(self, vectors: NDArray[np.float16], positions: NDArray[np.int64]) -> None:
        self._vectors.append(vectors)
        self._starts.append(self._starts[-1] + len(positions))
        self._positions = np.concatenate([self._positions, positions])

    def position(self, number: NDArray[np.int64]) -> NDArray[np.int64]:
        return self._positions[number]

    def cosine(
        self, vectors: NDArray[np.float16], row: NDArray[np.int64], number: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Exact cosine of pairs (row of `vectors`, number), some thousand pairs at a time."""
        value = np.zeros(len(row), np.float64)
        home = np.searchsorted(np.array(self._starts), number, side="right") - 1
        for part in np.unique(home):
            mine = np.flatnonzero(home == part)
            for piece in np.array_split(mine, -(-len(mine) // 4096)):
                other = self._vectors[part][number[piece] - self._starts[part]]
                value[piece] = cosine(vectors[row[piece]], other)
        return value
