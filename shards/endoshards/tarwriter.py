"""Writing one tar: samples loaded ahead by threads, checked, laid end to end, hashed beside."""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import xxhash

from endoshards.errors import BadInput
from endoshards.files import atomic_path
from endoshards.members import MemberTable, ShardFacts
from endoshards.tar import BLOCK, END, MAX_SIZE, header, padding

Members: TypeAlias = Mapping[str, bytes]
"""Extension -> bytes, all of one sample."""
Load: TypeAlias = Callable[[str], Members]
"""key -> the sample's members."""

LOOK_AHEAD = 8
"""Samples a worker loads before they are written."""
HASHED_BEHIND = 32
"""Samples written before they are hashed."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Settled before the first shard is written."""

    layout: str
    """Fingerprint of all that decides the shards' bytes."""
    counts: tuple[int, ...]
    """Samples of each shard."""
    extensions: tuple[str, ...]
    """Of every sample, sorted: the order in the tar."""
    json_keys: Mapping[str, Sequence[str]]
    """JSON extension -> sorted keys of every sample's object."""
    foreign: Mapping[str, Any] = field(default_factory=dict)
    """Fields of others in the set's index, see `foreign`."""


class Threads:
    """Threads of one call: some that load, one that hashes, since SHA-256 is slower than the disk."""

    def __init__(self, workers: int) -> None:
        self.look_ahead = LOOK_AHEAD * workers if workers > 1 else 0
        self.load = ThreadPoolExecutor(workers, thread_name_prefix="shard-load")
        self.hash = ThreadPoolExecutor(1, thread_name_prefix="shard-hash")

    def close(self) -> None:
        """End the threads; what waits is dropped."""
        self.load.shutdown(cancel_futures=True)
        self.hash.shutdown(cancel_futures=True)


class Loader:
    """Samples in their order, loaded ahead by threads, each checked against the plan."""

    def __init__(self, load: Load, threads: Threads) -> None:
        self._load = load
        self._threads = threads
        self._probed: dict[str, Members] = {}

    def probe(self, keys: Sequence[str], most_bytes: int) -> dict[str, Members]:
        """The first samples, until they fill `most_bytes` of a tar; `samples` does not load them again."""
        seen = 0
        with closing(self._members(keys)) as members:
            for key, found in members:
                self._probed[key] = found
                seen += tar_bytes(found)
                if seen > most_bytes:
                    break
        return dict(self._probed)

    def samples(self, keys: Sequence[str], plan: Plan) -> Generator[tuple[str, Members]]:
        """(key, members) in order. Raises: BadInput at a sample that is not like the others."""
        with closing(self._members(keys)) as members:
            for key, found in members:
                check_sample(key, found, plan.extensions, plan.json_keys)
                yield key, found

    def _members(self, keys: Sequence[str]) -> Generator[tuple[str, Members]]:
        waiting: deque[tuple[str, Future[Members]]] = deque()
        try:
            for key in keys:
                if key in self._probed:
                    found: Future[Members] = Future()
                    found.set_result(self._probed.pop(key))
                elif self._threads.look_ahead:
                    found = self._threads.load.submit(self._load, key)
                else:
                    found = Future()
                    found.set_result(self._load(key))
                waiting.append((key, found))
                if len(waiting) > self._threads.look_ahead:
                    first, future = waiting.popleft()
                    yield first, future.result()
            while waiting:
                first, future = waiting.popleft()
                yield first, future.result()
        finally:
            for _, future in waiting:
                future.cancel()


def tar_bytes(members: Members) -> int:
    """What a sample takes in a tar."""
    return sum(BLOCK + len(data) + padding(len(data)) for data in members.values())


def write_tar(
    tar: Path,
    samples: Iterable[tuple[str, Members]],
    plan: Plan,
    threads: Threads,
    told: Callable[[int], None],
) -> tuple[MemberTable, ShardFacts]:
    """Write a tar atomically.

    Args:
        tar: its path.
        samples: (key, members) in the order wanted.
        plan: what all samples have in common.
        threads: hash it meanwhile.
        told: called with 1 after each sample.
    """
    digest = _Digest(threads)
    keys: list[str] = []
    rows: list[tuple[int, int, int]] = []
    offset = 0
    with atomic_path(tar) as temporary, temporary.open("wb") as handle:
        for key, members in samples:
            parts = []
            for kind in plan.extensions:
                data = members[kind]
                if len(data) > MAX_SIZE:
                    raise BadInput(f"{key}.{kind} has {len(data)} bytes; a member holds at most {MAX_SIZE}.")
                head = header(f"{key}.{kind}", len(data))
                rows.append((offset + len(head), len(data), xxhash.xxh3_64_intdigest(data)))
                parts += [head, data, bytes(padding(len(data)))]
                offset += sum(map(len, parts[-3:]))
            keys.append(key)
            block = b"".join(parts)
            handle.write(block)
            digest.update(block)
            told(1)
        handle.write(END)
        digest.update(END)
    shape = (len(keys), len(plan.extensions))
    table = MemberTable(
        tuple(keys),
        plan.extensions,
        np.asarray([row[0] for row in rows], np.int64).reshape(shape),
        np.asarray([row[1] for row in rows], np.int64).reshape(shape),
        np.asarray([row[2] for row in rows], np.uint64).reshape(shape),
    )
    json_keys = {kind: list(wanted) for kind, wanted in plan.json_keys.items()}
    return table, ShardFacts(offset + len(END), digest.hexdigest(), plan.layout, json_keys)


def check_sample(key: str, members: Members, extensions: Sequence[str], json_keys: Mapping[str, Sequence[str]]) -> None:
    """Raises: BadInput unless a sample has the extensions and JSON keys of the others."""
    if tuple(sorted(members)) != tuple(extensions):
        raise BadInput(
            f"sample {key} has the members {', '.join(sorted(members))}, the others {', '.join(extensions)}; "
            "every sample of a set needs the same."
        )
    for kind, wanted in json_keys.items():
        found = json_object_keys(key, kind, members[kind])
        if found != list(wanted):
            raise BadInput(
                f"{key}.{kind} has the keys {', '.join(found)}, the others {', '.join(wanted)}; "
                "every sample of a set needs the same (null where there is no value)."
            )


def json_object_keys(key: str, kind: str, data: bytes) -> list[str]:
    """Sorted keys of a JSON member. Raises: BadInput unless it is one object."""
    try:
        said = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{key}.{kind} is not JSON ({error}).") from None
    if not isinstance(said, dict):
        raise BadInput(f"{key}.{kind} is no JSON object; a member of kind .json holds one.")
    return sorted(said)


class _Digest:
    """SHA-256 of blocks, computed in order by another thread, which may lag a little."""

    def __init__(self, threads: Threads) -> None:
        self._digest = hashlib.sha256()
        self._threads = threads
        self._waiting: deque[Future[None]] = deque()

    def update(self, block: bytes) -> None:
        self._waiting.append(self._threads.hash.submit(self._digest.update, block))
        if len(self._waiting) > HASHED_BEHIND:
            self._waiting.popleft().result()

    def hexdigest(self) -> str:
        for future in self._waiting:
            future.result()
        return self._digest.hexdigest()
