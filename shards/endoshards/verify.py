"""The full check of a set: are the tars, their sums, their tables and the index one and the same, to the last byte?"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import xxhash

from endoshards.card import timm_info
from endoshards.decode import check_member
from endoshards.errors import BadInput
from endoshards.index import INDEX, SAMPLES, Index, NewerFormat, ShardInfo, keys_sha256, read_index
from endoshards.members import MemberTable, dali_index, read_members, read_parquet
from endoshards.tar import BadTar, Member, Read, scan
from endoshards.tarwriter import json_object_keys
from endoshards.writer import order_hash

_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault.

    `kind` is one of: index, missing, truncated, size, sha256, header, member, name, padding, end (the tar);
    members, idx, samples, info (the files beside it); extensions, json, duplicate, order, checksum, decode
    (samples); gap, stray (the folder); read (the disk).
    """

    shard: str
    """File name of the tar; empty where the fault is the set's."""
    key: str
    """The sample; empty where the fault is the shard's."""
    kind: str
    detail: str


def verify(folder: Path, *, decode: bool = True, progress: Callable[[int], None] | None = None) -> list[Finding]:
    """Read every byte of a set and compare it with what index and tables say.

    Args:
        folder: of the set.
        decode: decode each picture, too.
        progress: told how many more samples were read.

    Returns:
        all faults found; damage is a finding and never raises.

    Raises:
        BadInput if there is no folder, or no index.json in it: no finished set, so nothing to check. NewerFormat, which
        is one too, if a newer version wrote it.
    """
    if not (folder / INDEX).is_file():
        read_index(folder)
    try:
        index = read_index(folder)
    except BadInput as error:
        if isinstance(error, NewerFormat):
            raise
        return [Finding("", "", "index", str(error))]
    found = list(_folder(folder, index))
    seen = _Order()
    for shard in index.shards:
        check = _ShardCheck(folder, index, shard, decode)
        check.run()
        found += check.found
        found += seen.findings(shard.name, check.keys)
        if progress is not None:
            progress(len(check.keys))
    return found


def _folder(folder: Path, index: Index) -> Iterator[Finding]:
    """What lies in the folder, and the files of the set as a whole."""
    listed = {shard.name for shard in index.shards}
    for number, shard in enumerate(index.shards):
        if shard.name != f"shard-{number:06d}.tar":
            yield Finding(shard.name, "", "gap", f"stands where shard-{number:06d}.tar is wanted")
    for path in sorted(folder.glob("shard-*")):
        if path.with_suffix(".tar").name not in listed:
            yield Finding(path.name, "", "stray", "is not in index.json")
    try:
        info = (folder / "_info.json").read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        yield Finding("", "", "info", f"_info.json cannot be read ({error})")
    else:
        if info != timm_info(index):
            yield Finding("", "", "info", "_info.json does not say what index.json says")
    try:
        rows = read_parquet(folder / SAMPLES, index.samples_sha256)
    except BadInput as error:
        yield Finding("", "", "samples", str(error))
    else:
        if rows.num_rows != index.total:
            yield Finding("", "", "samples", f"{SAMPLES} has {rows.num_rows} rows for {index.total} samples")


class _ShardCheck:
    """The check of one shard: `run`, then `found` and `keys`."""

    def __init__(self, folder: Path, index: Index, shard: ShardInfo, decode: bool) -> None:
        self._folder, self._index, self._shard, self._decode = folder, index, shard, decode
        self.found: list[Finding] = []
        self.keys: list[str] = []
        """In the tar's order, as far as it can be read."""

    def run(self) -> None:
        try:
            table = self._members()
            with (self._folder / self._shard.name).open("rb", buffering=0) as handle:
                self._tar(handle.fileno(), table)
        except FileNotFoundError:
            self._report("missing", "index.json lists it")
        except OSError as error:
            self._report("read", str(error))

    def _report(self, kind: str, detail: str, key: str = "") -> None:
        self.found.append(Finding(self._shard.name, key, kind, detail))

    def _members(self) -> MemberTable | None:
        """The member table, if it can be read."""
        shard = self._shard
        try:
            table, facts = read_members(self._folder / shard.members, shard.members_sha256)
        except BadInput as error:
            self._report("members", str(error))
            return None
        if (facts.sha256, facts.bytes) != (shard.sha256, shard.bytes):
            self._report("members", f"{shard.members} belongs to another tar")
        path = (self._folder / shard.name).with_suffix(".idx")
        if not path.is_file() or path.read_bytes() != dali_index(table).encode("ascii"):
            self._report("idx", f"{path.name} is missing, or does not say what {shard.members} says")
        return table

    def _tar(self, handle: int, table: MemberTable | None) -> None:
        def read(offset: int, count: int) -> bytes:
            return os.pread(handle, count, offset)

        shard, size = self._shard, os.fstat(handle).st_size
        if size != shard.bytes:
            kind = "truncated" if size < shard.bytes else "size"
            self._report(kind, f"has {size} bytes, index.json says {shard.bytes}")
        digest = hashlib.sha256()
        for offset in range(0, size, _BLOCK):
            digest.update(read(offset, _BLOCK))
        if digest.hexdigest() != shard.sha256:
            self._report("sha256", "does not have the SHA-256 of index.json")
        try:
            for sample in _samples(scan(read, size)):
                self._sample(sample, read, table)
                self.keys.append(sample[0].key)
        except BadTar as error:
            self._report(error.kind, str(error))
        if len(self.keys) != shard.samples:
            self._report("index", f"{len(self.keys)} samples can be read, index.json says {shard.samples}")
        elif keys_sha256(self.keys) != shard.keys_sha256:
            self._report("index", "does not hold the keys that index.json knows")

    def _sample(self, sample: list[Member], read: Read, table: MemberTable | None) -> None:
        key, row = sample[0].key, len(self.keys)
        extensions = tuple(member.extension for member in sample)
        if extensions != self._index.extensions:
            wanted = ", ".join(self._index.extensions)
            self._report("extensions", f"has {', '.join(extensions)}, every sample has {wanted}", key)
        known = self._row(table, row, sample)
        for column, member in enumerate(sample):
            data = read(member.offset, member.size)
            if known is not None and xxhash.xxh3_64_intdigest(data) != known.sums[row, column]:
                self._report("checksum", f".{member.extension} does not have its checksum", key)
            self._content(member, data)

    def _row(self, table: MemberTable | None, row: int, sample: list[Member]) -> MemberTable | None:
        """The table, if it has this sample at this row and place."""
        if table is None:
            return None
        key = sample[0].key
        there = (
            row < len(table.keys)
            and table.keys[row] == key
            and table.extensions == tuple(member.extension for member in sample)
            and table.offsets[row].tolist() == [member.offset for member in sample]
            and table.sizes[row].tolist() == [member.size for member in sample]
        )
        if not there:
            self._report("members", f"{self._shard.members} does not have it at this place", key)
            return None
        return table

    def _content(self, member: Member, data: bytes) -> None:
        wanted = self._index.json_keys.get(member.extension)
        if wanted is not None:
            try:
                found = json_object_keys(member.key, member.extension, data)
            except BadInput as error:
                self._report("json", str(error), member.key)
                return
            if found != list(wanted):
                self._report("json", f".{member.extension} has the keys {', '.join(found)}", member.key)
        elif self._decode:
            try:
                check_member(member.extension, data)
            except ValueError as error:
                self._report("decode", f".{member.extension}: {error}", member.key)


def _samples(members: Iterator[Member]) -> Iterator[list[Member]]:
    """Members that stand together under one key; those before a fault of the scan that may be cut are left out."""
    sample: list[Member] = []
    for member in members:
        # The same extension again begins another sample of the same key.
        if sample and (member.key != sample[0].key or member.extension in {one.extension for one in sample}):
            yield sample
            sample = []
        sample.append(member)
    if sample:
        yield sample


class _Order:
    """Keys stand in the order of their hashes; in it, equal ones are neighbours, so no set of all keys is kept."""

    def __init__(self) -> None:
        self._last = (-1, "")

    def findings(self, shard: str, keys: Sequence[str]) -> list[Finding]:
        found = []
        for key in keys:
            place = order_hash(key)
            if place == self._last:
                found.append(Finding(shard, key, "duplicate", "comes twice"))
            elif place < self._last:
                found.append(Finding(shard, key, "order", f"stands behind {self._last[1]}, with which it was changed"))
            self._last = max(self._last, place)
        return found
