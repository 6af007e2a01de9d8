"""Batches without end: threads read, decode and fill rows of preallocated arrays, in the order of `Order`.

Which sample stands where is a function of (seed, position) alone, so threads and ranks change nothing but speed,
and a job's only loader state is the number of samples it has trained on: pass it as `start`.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from endoshards.errors import BadInput
from endoshards.index import BadSample, Sample, ShardSet
from endoshards.order import LANES, WINDOW, Draws, Order

Row: TypeAlias = dict[str, NDArray[Any]]
"""One sample's place in a batch: name -> array of the shape asked for."""
Fill: TypeAlias = Callable[[Sample, np.random.Generator, Row], None]
"""fill(sample, generator, row): decode the sample into the row.

Called from several threads at once. It writes every element of the row, which holds an older sample. All chance
comes from the generator, which belongs to (seed, position) and is not to be kept. ValueError says that the sample
cannot be read: another one takes its place. Anything else it raises ends the stream.
"""
Out: TypeAlias = Mapping[str, tuple[tuple[int, ...], DTypeLike]] | tuple[tuple[int, ...], DTypeLike]

SINGLE = "image"
"""Name of the array where `out` is one (shape, dtype)."""
JOIN_S = 5.0
"""A thread whose `fill` does not return is left behind after so long; it is a daemon and ends with the process."""
ROWS_A_TURN = 8
"""Rows a thread takes at a time: few, so that all threads work on the batch that is wanted next."""


@dataclass(frozen=True, slots=True)
class Bad:
    """A sample that could not be read; another one filled its position."""

    position: int
    key: str
    shard: str
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """One rank's share of a step."""

    arrays: dict[str, NDArray[Any]]
    """Name -> [batch, …]; overwritten when the `prefetch`-th batch after this one is asked for."""
    positions: NDArray[np.int64]
    """Endless position of each row."""
    keys: list[str]
    """Key of the sample in each row, the replacement's where one was bad."""


class Stream:
    """An endless iterator of batches; also a context manager.

    Batch t of rank r holds the endless positions `start + (t * batch * ranks + r) + ranks * [0 .. batch)`.
    A batch's arrays stay as they are until the `prefetch`-th batch after it is asked for: copy what is kept longer.
    Its threads do not survive a fork: make it in the process that reads it.

    Args:
        shards: an open set.
        fill: decodes one sample into one row, see `Fill`.
        out: name -> (shape of a row, dtype), or one such pair, then named "image".
        batch: rows of this rank's share.
        seed: of order and draws.
        start: samples that all ranks together have trained on.
        rank: of this process, below `ranks`.
        ranks: processes that share the positions.
        threads: that read and decode.
        extensions: members read of each sample, no others.
        prefetch: batches filled ahead; twice as many arrays are kept.
        max_bad: bad samples borne before the stream ends.
        lanes, window: see `Order`; both change the order.
    """

    def __init__(
        self,
        shards: ShardSet,
        fill: Fill,
        *,
        out: Out,
        batch: int,
        seed: int,
        extensions: Collection[str],
        start: int = 0,
        rank: int = 0,
        ranks: int = 1,
        threads: int = 2,
        prefetch: int = 4,
        max_bad: int = 100,
        lanes: int = LANES,
        window: int = WINDOW,
    ) -> None:
        share = _Share(start, batch, rank, ranks)
        _check(share, threads, prefetch, max_bad)
        for kind in extensions:
            if kind not in shards.extensions:
                raise BadInput(
                    f"samples of {shards.folder} have no member .{kind}; they have {', '.join(shards.extensions)}."
                )
        order = Order([shard.samples for shard in shards.shards], seed=seed, lanes=lanes, window=window)
        self.bad: list[Bad] = []
        """Bad samples of the batches handed out so far."""
        self.wait_s = 0.0
        """Seconds `next` waited for a batch to be filled."""
        self._next = 0
        self._max_bad = max_bad
        self._share = share
        reader = _Reader(shards, fill, order, seed, tuple(extensions), max_bad)
        self._work = _Work(reader, order, self._share, _named(out), prefetch)
        self._threads = [
            threading.Thread(target=self._work.run, name=f"stream-{number}", daemon=True) for number in range(threads)
        ]
        # Threads hold the work, not the stream: one that is forgotten ends them, too.
        self._finalizer = weakref.finalize(self, self._work.stop)
        for thread in self._threads:
            thread.start()

    @property
    def samples_seen(self) -> int:
        """Samples of the batches handed out, of all ranks, `start` included: the `start` of a stream that goes on."""
        return self._share.start + self._next * self._share.batch * self._share.ranks

    @property
    def decode_s(self) -> float:
        """Seconds that all threads together spent in reading and filling."""
        return self._work.decode_s

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        """The next batch.

        Raises: BadInput for more bad samples than `max_bad`, or a shard that was cut; what `fill` raised, if it
        was no ValueError; RuntimeError after `close`.
        """
        begin = time.perf_counter()
        try:
            ready = self._work.wait_for(self._next)
        finally:
            self.wait_s += time.perf_counter() - begin
        self.bad += sorted(ready.bad, key=lambda bad: bad.position)
        if ready.error is not None:
            self.close()
            raise ready.error
        if len(self.bad) > self._max_bad:
            self.close()
            raise too_many_bad(self.bad, self._max_bad)
        self._next += 1
        return Batch(ready.arrays, ready.positions, ready.keys)

    def close(self) -> None:
        """Stop the threads; one that is inside `fill` ends when it returns. Twice is harmless."""
        self._finalizer()
        until = time.monotonic() + JOIN_S
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(timeout=max(0.0, until - time.monotonic()))

    def __enter__(self) -> Stream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def too_many_bad(bad: Collection[Bad], most: int) -> BadInput:
    """The error that ends a job, with the first few bad samples named."""
    named = "; ".join(f"{one.key} in {one.shard}: {one.reason}" for one in list(bad)[:3])
    return BadInput(
        f"{len(bad)} samples could not be read, {most} are allowed; first: {named}. "
        "Look with endocur verify, or allow more."
    )


@dataclass(frozen=True, slots=True)
class _Share:
    """Which positions are this rank's."""

    start: int
    batch: int
    rank: int
    ranks: int

    def positions(self, number: int) -> NDArray[np.int64]:
        first = self.start + number * self.batch * self.ranks + self.rank
        return first + self.ranks * np.arange(self.batch, dtype=np.int64)


def _check(share: _Share, threads: int, prefetch: int, max_bad: int) -> None:
    """Raises: ValueError naming what is out of range."""
    for name, value, least in (
        ("batch", share.batch, 1),
        ("start", share.start, 0),
        ("ranks", share.ranks, 1),
        ("threads", threads, 1),
        ("prefetch", prefetch, 1),
        ("max_bad", max_bad, 0),
    ):
        if value < least:
            raise ValueError(f"{name} is {value}; at least {least} is wanted")
    if not 0 <= share.rank < share.ranks:
        raise ValueError(f"rank is {share.rank}; 0 to {share.ranks - 1} is wanted")


@dataclass(frozen=True, slots=True)
class _Reader:
    """Fills single rows; without state, so that any thread may use it."""

    shards: ShardSet
    fill: Fill
    order: Order
    seed: int
    extensions: tuple[str, ...]
    max_bad: int

    def row(self, position: int, place: tuple[int, int], draws: Draws, row: Row, bad: list[Bad]) -> str:
        """Fill a row with the sample at `place`, or with the first replacement that can be read.

        Returns: the key of the sample that filled it.
        """
        attempt = 0
        while True:
            try:
                sample = self.shards.read(*place, self.extensions)
                self.fill(sample, draws.at(position), row)
                return sample.key
            except (BadSample, ValueError) as error:
                shard, index = place
                key, name = self.shards.keys(shard)[index], self.shards.shards[shard].name
                bad.append(Bad(position, key, name, str(error) or type(error).__name__))
            attempt += 1
            if len(bad) > self.max_bad:
                raise too_many_bad(bad, self.max_bad)
            if attempt > self.order.replacements(position):
                raise BadInput(f"no sample of {self.shards.folder} can be read: {bad[-1].key}: {bad[-1].reason}")
            place = self.order.replacement(position, attempt)


@dataclass(slots=True, eq=False)
class _Slot:
    """One batch in the making."""

    arrays: dict[str, NDArray[Any]]
    number: int = -1
    positions: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    places: list[tuple[int, int]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    bad: list[Bad] = field(default_factory=list)
    error: BaseException | None = None
    unfilled: int = 0
    """Rows not yet done; the batch is ready at zero."""


class _Work:
    """What the threads share; changed under `_changed` only, but for rows, each of which is one thread's.

    Batch n is filled in slot n mod (2 * prefetch), and begun once batch n - prefetch is asked for. So it overwrites
    batch n - 2 * prefetch only when the prefetch-th batch after that one is asked for.
    """

    def __init__(
        self,
        reader: _Reader,
        order: Order,
        share: _Share,
        out: Mapping[str, tuple[tuple[int, ...], DTypeLike]],
        prefetch: int,
    ) -> None:
        self._reader, self._order, self._share, self._prefetch = reader, order, share, prefetch
        self._slots = [
            _Slot({name: np.empty((share.batch, *shape), dtype) for name, (shape, dtype) in out.items()})
            for _ in range(2 * prefetch)
        ]
        self._changed = threading.Condition()
        self._stopped = False
        self._failure: BaseException | None = None
        self._asked = 0
        self._begun = -1
        self._next_row = share.batch
        """Of the batch begun last; those before have all their rows given out."""
        self.decode_s = 0.0

    def wait_for(self, number: int) -> _Slot:
        """The slot of a batch once all its rows are done. Raises: RuntimeError if the stream is closed."""
        slot = self._slots[number % len(self._slots)]
        with self._changed:
            self._asked = number
            self._changed.notify_all()
            while not (self._stopped or self._failure or (slot.number == number and slot.unfilled == 0)):
                self._changed.wait()
            if self._failure is not None:
                raise self._failure
            if self._stopped:
                raise RuntimeError("the stream is closed")
        return slot

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def run(self) -> None:
        """What each thread does: take a few rows, fill them, hand them in. What it cannot bear, the consumer raises."""
        try:
            draws = Draws(self._reader.seed)
            while (turn := self._take()) is not None:
                self._hand_in(*turn, draws)
        except BaseException as error:  # noqa: BLE001 - the thread's boundary
            with self._changed:
                self._failure = error
                self._changed.notify_all()

    def _hand_in(self, slot: _Slot, rows: range, draws: Draws) -> None:
        begin, error = time.perf_counter(), None
        try:
            self._fill(slot, rows, draws)
        except BaseException as raised:  # noqa: BLE001 - kept until its batch is asked for
            error = raised
        with self._changed:
            self.decode_s += time.perf_counter() - begin
            slot.error = slot.error or error
            slot.unfilled -= len(rows)
            if slot.unfilled == 0:
                self._changed.notify_all()

    def _take(self) -> tuple[_Slot, range] | None:
        """Some rows of the earliest batch that has any left; None once the stream is closed."""
        with self._changed:
            while not self._stopped:
                if self._next_row < self._share.batch:
                    first = self._next_row
                    self._next_row = min(first + ROWS_A_TURN, self._share.batch)
                    return self._slots[self._begun % len(self._slots)], range(first, self._next_row)
                if self._begun < self._asked + self._prefetch:
                    self._begin(self._begun + 1)
                    self._changed.notify_all()
                else:
                    self._changed.wait()
        return None

    def _begin(self, number: int) -> None:
        slot = self._slots[number % len(self._slots)]
        slot.number, slot.error, slot.unfilled = number, None, self._share.batch
        slot.positions = self._share.positions(number)
        shard, index = self._order.positions(slot.positions)
        slot.places = list(zip(shard.tolist(), index.tolist(), strict=True))
        slot.keys, slot.bad = [""] * self._share.batch, []
        self._begun, self._next_row = number, 0

    def _fill(self, slot: _Slot, rows: range, draws: Draws) -> None:
        for row in rows:
            if self._stopped:
                return
            # [row, ...] and not [row]: a view also where a row is a single number.
            views = {name: array[row, ...] for name, array in slot.arrays.items()}
            slot.keys[row] = self._reader.row(int(slot.positions[row]), slot.places[row], draws, views, slot.bad)


def _named(out: Out) -> Mapping[str, tuple[tuple[int, ...], DTypeLike]]:
    named = {SINGLE: out} if isinstance(out, tuple) else dict(out)
    if not named:
        raise ValueError("out names no array; give (shape, dtype) or {name: (shape, dtype)}")
    return named
