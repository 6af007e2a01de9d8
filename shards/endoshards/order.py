"""The order of samples as a pure function of (shard sizes, seed, position): no state, no table of N entries.

An endless position P names epoch and place, `epoch, p = divmod(P, N)`. Within an epoch every sample comes
exactly once, whoever asks for which positions: ranks, workers and threads only divide the positions among
themselves, and a job resumes at any of them. Three steps find the sample of place p:

1. the shards are permuted by a key hashed from (seed, epoch); their samples, end to end, make a line;
2. the line is cut into L lanes of equal length (± 1), fewer where a lane would be shorter than a window; p lies
   in lane p mod L at step p div L;
3. a lane is cut into windows, and inside a window the steps are permuted by a keyed Feistel network.

So few shards are open at once (about one a lane), and a window holds what is mixed. The mixing functions are
pinned in docs/shard-format.md with test vectors: changing them would silently break each job's resume.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Ints: TypeAlias = NDArray[np.int64]
Words: TypeAlias = NDArray[np.uint64]

LANES = 48
WINDOW = 2048
ROUNDS = 4
"""Rounds of the Feistel network, two on each half."""

# What a hash is for; part of it, so that no two uses share a key.
SHARDS, WINDOWS, REPLACEMENT, DRAWS = 1, 2, 3, 4

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


def mix(words: Words) -> Words:
    """SplitMix64's finaliser: a bijection of 64-bit words in which each input bit moves every output bit.

    Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014 (variant 13 by Stafford).
    """
    words = (words ^ (words >> np.uint64(30))) * _FIRST
    words = (words ^ (words >> np.uint64(27))) * _SECOND
    return words ^ (words >> np.uint64(31))


def absorb(state: Words | np.uint64, words: Words) -> Words:
    """The hash of what `state` has taken in, then `words`; arrays broadcast."""
    return mix(state ^ mix(words + _GOLDEN))


def hashed(purpose: int, *numbers: int) -> np.uint64:
    """A 64-bit hash of whole numbers, each taken modulo 2^64: `absorb` one after the other, from `purpose`."""
    state = np.full(1, purpose, np.uint64)
    for number in numbers:
        state = absorb(state, np.full(1, number % 2**64, np.uint64))
    return state[0]


def permute(steps: Ints, sizes: Ints, keys: Words) -> Ints:
    """Keyed bijection of [0, size) for each element: Feistel on the next power of two, walked until inside.

    Args:
        steps: in [0, size).
        sizes: at least 1.
        keys: 64 bits; elements with one key and size see one bijection.
    """
    bits = _bit_length(sizes - 1)
    low_bits = bits - bits // 2
    out = _feistel(steps.astype(np.uint64), bits // 2, low_bits, keys)
    limit = sizes.astype(np.uint64)
    # The power of two is less than twice the size, so that on average fewer than two walks are needed.
    outside = np.flatnonzero(out >= limit)
    while outside.size:
        out[outside] = _feistel(out[outside], bits[outside] // 2, low_bits[outside], keys[outside])
        outside = outside[out[outside] >= limit[outside]]
    return out.astype(np.int64)


class Draws:
    """The random numbers of one endless position: the same on any rank, thread and call.

    Philox with key (hash of the seed, 0) and counter (0, 0, position, 0); its two lowest words count on.
    """

    def __init__(self, seed: int) -> None:
        self._bits = np.random.Philox(key=int(hashed(DRAWS, seed)))
        self._start = self._bits.state
        self._generator = np.random.Generator(self._bits)

    def at(self, position: int) -> np.random.Generator:
        """The generator of a position; one object, set anew by the next call: a thread has its own `Draws`."""
        # Setting the state takes 1 µs, a new Philox 8: two hundredths of a small picture's decoding.
        self._start["state"]["counter"][2] = position
        self._bits.state = self._start
        return self._generator


class Order:
    """Which sample stands at which endless position.

    Args:
        shard_sizes: samples a shard, in the index's order; each at least 1.
        seed: any whole number.
        lanes: most lanes an epoch is cut into; a number of ranks that divides it touches its own lanes only.
        window: samples mixed with each other.

    Raises: ValueError for an empty set or a lane or window below 1.
    """

    def __init__(self, shard_sizes: Sequence[int], *, seed: int, lanes: int = LANES, window: int = WINDOW) -> None:
        self._sizes = np.asarray(shard_sizes, np.int64)
        if self._sizes.ndim != 1 or not self._sizes.size or int(self._sizes.min()) < 1:
            raise ValueError(
                f"every shard needs at least one sample, and there must be a shard; got {shard_sizes!r:.200}"
            )
        if lanes < 1 or window < 1:
            raise ValueError(f"lanes and window must be at least 1; got {lanes} and {window}")
        self.total = int(self._sizes.sum())
        self.seed = seed
        self.window = window
        # A set of fewer than lanes x windows takes fewer lanes, so that a small set is shuffled as a whole.
        self.lanes = max(1, min(lanes, self.total // window))
        self._lines: dict[int, _Line] = {}

    def positions(self, positions: Ints) -> tuple[Ints, Ints]:
        """The samples at endless positions.

        Args:
            positions: int64, at least 0, in any order, of any epochs.

        Returns:
            (shard int64[], index in shard int64[]).
        """
        epochs, places = np.divmod(np.atleast_1d(np.asarray(positions, np.int64)), self.total)
        window = self._windows(epochs, places)
        return self._samples(epochs, window.start + permute(window.step, window.size, window.key))

    def replacement(self, position: int, attempt: int) -> tuple[int, int]:
        """The sample that fills a position whose own cannot be read.

        The others of its window come first, each once, in a keyed order; then all others of its epoch.

        Args:
            position: endless position.
            attempt: from 1, at most `replacements(position)`.

        Returns:
            (shard, index in shard), never the position's own sample.
        """
        here = np.asarray([position], np.int64)
        epochs, places = np.divmod(here, self.total)
        window = self._windows(epochs, places)
        own = int(permute(window.step, window.size, window.key)[0])
        start, size = int(window.start[0]), int(window.size[0])
        if not 1 <= attempt <= size - 1 + self.total - 1:
            raise ValueError(f"attempt is {attempt}; 1 to {size - 1 + self.total - 1} is possible")
        key = hashed(REPLACEMENT, self.seed, position)
        if attempt > size - 1:
            start, own, size, attempt = 0, start + own, self.total, attempt - (size - 1)
            key = hashed(REPLACEMENT, self.seed, position, 1)
        other = permute(np.asarray([attempt - 1]), np.asarray([size - 1]), np.full(1, key))
        slot = start + (own + 1 + other) % size
        shard, index = self._samples(epochs, slot)
        return int(shard[0]), int(index[0])

    def replacements(self, position: int) -> int:
        """How many attempts `replacement` knows for a position: its window's others, then its epoch's."""
        here = np.asarray([position], np.int64)
        return int(self._windows(*np.divmod(here, self.total)).size[0]) - 1 + self.total - 1

    def _windows(self, epochs: Ints, places: Ints) -> _Windows:
        steps, lanes = np.divmod(places, self.lanes)
        short, longer = divmod(self.total, self.lanes)
        lane_start = lanes * short + np.minimum(lanes, longer)
        lane_size = short + (lanes < longer)
        # Lane l's first window is cut to a share (l + 1) / L, so that the lanes do not all change windows at once.
        first = np.maximum(1, self.window * (lanes + 1) // self.lanes)
        later = np.maximum(steps - first, 0) // self.window
        in_first = steps < first
        number = np.where(in_first, 0, later + 1)
        begin = np.where(in_first, 0, first + later * self.window)
        end = np.where(in_first, first, begin + self.window)
        return _Windows(
            start=lane_start + begin,
            size=np.minimum(end, lane_size) - begin,
            step=steps - begin,
            key=absorb(absorb(self._epoch_keys(epochs), lanes.astype(np.uint64)), number.astype(np.uint64)),
        )

    def _epoch_keys(self, epochs: Ints) -> Words:
        return absorb(hashed(WINDOWS, self.seed), epochs.astype(np.uint64))

    def _samples(self, epochs: Ints, slots: Ints) -> tuple[Ints, Ints]:
        """The samples at slots of each epoch's line of shards."""
        shards, indices = np.empty_like(slots), np.empty_like(slots)
        if epochs.size and epochs.min() == epochs.max():
            return self._line(int(epochs[0])).samples(slots)
        for epoch in np.unique(epochs):
            here = epochs == epoch
            shards[here], indices[here] = self._line(int(epoch)).samples(slots[here])
        return shards, indices

    def _line(self, epoch: int) -> _Line:
        line = self._lines.get(epoch)
        if line is None:
            key = hashed(SHARDS, self.seed, epoch)
            ranks = absorb(key, np.arange(self._sizes.size, dtype=np.uint64))
            # `absorb` is a bijection of the shard's number, so no two ranks are equal and any sort gives one order.
            shards = np.argsort(ranks)
            ends = np.cumsum(self._sizes[shards])
            line = _Line(shards, ends, ends - self._sizes[shards])
            # Two epochs meet at a border. A new dict each time: threads may read the old one meanwhile.
            kept = dict(list(self._lines.items())[-1:])
            self._lines = kept | {epoch: line}
        return line


@dataclass(frozen=True, slots=True)
class _Windows:
    """For each position: where its window starts on the line, its size, the step inside, the window's key."""

    start: Ints
    size: Ints
    step: Ints
    key: Words


@dataclass(frozen=True, slots=True)
class _Line:
    """One epoch's shards laid end to end."""

    shards: Ints
    ends: Ints
    starts: Ints

    def samples(self, slots: Ints) -> tuple[Ints, Ints]:
        place = np.searchsorted(self.ends, slots, side="right")
        return self.shards[place], slots - self.starts[place]


def _feistel(words: Words, high_bits: Ints, low_bits: Ints, keys: Words) -> Words:
    """Four rounds over unequal halves; each round changes one half by a hash of the other, so it can be undone."""
    shift = low_bits.astype(np.uint64)
    one = np.uint64(1)
    low_mask = (one << shift) - one
    high_mask = (one << high_bits.astype(np.uint64)) - one
    high, low = words >> shift, words & low_mask
    key = keys
    for round_ in range(ROUNDS):
        key = key + _GOLDEN
        if round_ % 2 == 0:
            high = high ^ (mix(key ^ low) & high_mask)
        else:
            low = low ^ (mix(key ^ high) & low_mask)
    return (high << shift) | low


def _bit_length(numbers: Ints) -> Ints:
    """Bits a number ≥ 0 takes; exact below 2^53."""
    return np.frexp(numbers.astype(np.float64))[1].astype(np.int64)
