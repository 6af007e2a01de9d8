"""A finished set of shards: its index, and reading any sample by (shard, number), from any thread."""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import xxhash

from endoshards.errors import BadInput
from endoshards.files import fingerprint, read_json
from endoshards.members import MemberTable, read_members, read_parquet
from endoshards.tar import check_extension

INDEX = "index.json"
SAMPLES = "samples.parquet"
FORMAT = 1
WIDS_VERSION = 1
OPEN_SHARDS = 192
"""Shards whose file and member table are kept open; an epoch reads from about one a lane."""

_URL = re.compile(r"shard-[0-9]{6,}\.tar")
_FACTS = {"url": str, "nsamples": int, "filesize": int, "sha256": str, "members_sha256": str, "keys_sha256": str}


class BadSample(BadInput):
    """A sample's bytes are not those that were written; a stream replaces it."""


class NewerFormat(BadInput):
    """The set was written by a newer version: nothing is wrong with it, this version is too old."""


@dataclass(frozen=True, slots=True)
class ShardInfo:
    """One shard, as the index has it."""

    name: str
    """File name of its tar."""
    samples: int
    bytes: int
    sha256: str
    members_sha256: str
    """Of its member table's file."""
    keys_sha256: str
    """Of its keys, each followed by a newline."""

    @property
    def members(self) -> str:
        """File name of its member table."""
        return self.name.removesuffix(".tar") + ".parquet"


@dataclass(frozen=True, slots=True)
class Index:
    """What `index.json` says: a wids index with our fields beside."""

    name: str
    shards: tuple[ShardInfo, ...]
    extensions: tuple[str, ...]
    """Of every sample, in the order of the tar."""
    json_keys: Mapping[str, Sequence[str]]
    """Extension -> sorted keys that every sample's JSON object has."""
    samples_sha256: str
    """Of samples.parquet."""
    fingerprint: str
    """What the writer's caller gave: its settings and inputs."""
    layout: str
    """Of all that decides the bytes of the shards: fingerprint, keys, aimed-at size, format."""
    info: Mapping[str, Any]
    """What the writer's caller noted, e.g. leak checks."""

    @property
    def total(self) -> int:
        """Samples of the set."""
        return sum(shard.samples for shard in self.shards)

    @property
    def order_fingerprint(self) -> str:
        """Of what a job's order of samples depends on: samples and keys of each shard."""
        return fingerprint([[shard.samples, shard.keys_sha256] for shard in self.shards])

    @property
    def content_fingerprint(self) -> str:
        """Of the bytes of all shards."""
        return fingerprint([shard.sha256 for shard in self.shards])

    def to_json(self) -> dict[str, Any]:
        """The content of `index.json`."""
        return {
            "wids_version": WIDS_VERSION,
            "__kind__": "wids-shard-index-v1",
            "name": self.name,
            "shardlist": [
                {
                    "url": shard.name,
                    "nsamples": shard.samples,
                    "filesize": shard.bytes,
                    "sha256": shard.sha256,
                    "members_sha256": shard.members_sha256,
                    "keys_sha256": shard.keys_sha256,
                }
                for shard in self.shards
            ],
            "endoshards": {
                "format": FORMAT,
                "samples": self.total,
                "extensions": list(self.extensions),
                "json_keys": {kind: list(keys) for kind, keys in self.json_keys.items()},
                "order_fingerprint": self.order_fingerprint,
                "content_fingerprint": self.content_fingerprint,
                "samples_sha256": self.samples_sha256,
                "fingerprint": self.fingerprint,
                "layout": self.layout,
                "info": dict(self.info),
            },
        }


@dataclass(frozen=True, slots=True)
class Sample:
    """The members of one sample that were asked for."""

    key: str
    members: dict[str, bytes]
    """Extension -> the member's bytes."""


def read_index(folder: Path) -> Index:
    """Read and check `index.json`; no other file is touched.

    Raises: BadInput if it is missing, damaged, or names a shard outside its folder; NewerFormat, which is one too.
    """
    path = folder / INDEX
    if not folder.is_dir():
        raise BadInput(f"there is no folder {folder}; shards are written by: endocur shard")
    if not path.is_file():
        raise BadInput(f"{folder} has no index.json, so it is no finished set of shards; finish it with: endocur shard")
    said = read_json(path)
    try:
        ours = said["endoshards"]
        if ours["format"] > FORMAT:
            raise NewerFormat(
                f"{path} was made by a newer version (format {ours['format']}, this one reads up to {FORMAT}); "
                "install a newer endomae."
            )
        index = Index(
            name=_typed(said["name"], str),
            shards=tuple(_shard(entry) for entry in said["shardlist"]),
            extensions=tuple(_typed(kind, str) for kind in ours["extensions"]),
            json_keys={kind: tuple(map(str, keys)) for kind, keys in ours["json_keys"].items()},
            samples_sha256=_typed(ours["samples_sha256"], str),
            fingerprint=_typed(ours["fingerprint"], str),
            layout=_typed(ours["layout"], str),
            info=dict(ours["info"]),
        )
        for kind in index.extensions:
            check_extension(kind)
        if not index.shards or not index.extensions:
            raise ValueError("it lists nothing")
        if index.total != ours["samples"] or index.order_fingerprint != ours["order_fingerprint"]:
            raise ValueError("its sums do not agree")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        what = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
        raise BadInput(f"{path} is not the index of a set of shards ({what}); write the shards again.") from None
    return index


def open_set(folder: Path) -> ShardSet:
    """Open a finished set of shards for reading.

    Raises: BadInput if there is no index, or a shard is missing or has another size than the index says.
    """
    index = read_index(folder)
    for shard in index.shards:
        path = folder / shard.name
        try:
            size = path.stat().st_size
        except FileNotFoundError:
            raise BadInput(f"{path} is missing, index.json lists it; copy or write the shards again.") from None
        if size != shard.bytes:
            word = "truncated" if size < shard.bytes else "changed"
            raise BadInput(
                f"{path} is {word}: {size} bytes, index.json says {shard.bytes}; copy or write the shards again."
            )
    return ShardSet(folder, index)


class ShardSet:
    """Random access to the samples of a set; made by `open_set`. Every method may be called from any thread."""

    def __init__(self, folder: Path, index: Index) -> None:
        self.folder = folder
        self.index = index
        self._open: OrderedDict[int, _OpenShard] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """The set's name."""
        return self.index.name

    @property
    def shards(self) -> tuple[ShardInfo, ...]:
        """Its shards in order."""
        return self.index.shards

    @property
    def total(self) -> int:
        """Samples of the set."""
        return self.index.total

    @property
    def extensions(self) -> tuple[str, ...]:
        """Members that every sample has."""
        return self.index.extensions

    @property
    def info(self) -> Mapping[str, Any]:
        """What the writer's caller noted."""
        return self.index.info

    @property
    def order_fingerprint(self) -> str:
        """See `Index.order_fingerprint`."""
        return self.index.order_fingerprint

    @property
    def content_fingerprint(self) -> str:
        """See `Index.content_fingerprint`."""
        return self.index.content_fingerprint

    def read(self, shard: int, index: int, extensions: Collection[str] | None = None) -> Sample:
        """The members of one sample, read from disk and compared with their checksums.

        Args:
            shard: number of the shard in the index.
            index: number of the sample in its shard.
            extensions: members wanted; all if None. No other byte is read.

        Raises:
            BadSample if a member's bytes are not those that were written.
            BadInput for a shard that was cut since, or a member that the set does not have.
            IndexError for a shard or sample that does not exist.
        """
        source = self._shard(shard)
        table = source.table
        if not 0 <= index < len(table.keys):
            raise IndexError(f"shard {shard} has samples 0 to {len(table.keys) - 1}; {index} was asked for")
        members = {}
        for column, kind in enumerate(table.extensions) if extensions is None else self._columns(table, extensions):
            size = int(table.sizes[index, column])
            data = os.pread(source.file, size, int(table.offsets[index, column]))
            if len(data) != size:
                path = self.folder / self.shards[shard].name
                raise BadInput(f"{path} is truncated: {table.keys[index]}.{kind} cannot be read; copy it again.")
            if xxhash.xxh3_64_intdigest(data) != table.sums[index, column]:
                raise BadSample(
                    f"{table.keys[index]}.{kind} in {self.shards[shard].name} does not have its checksum; "
                    f"the file was damaged. See: endocur verify {self.folder}"
                )
            members[kind] = data
        return Sample(table.keys[index], members)

    def keys(self, shard: int) -> tuple[str, ...]:
        """Keys of a shard's samples, in order."""
        return self._shard(shard).table.keys

    def members(self, shard: int) -> MemberTable:
        """Where the members of a shard lie."""
        return self._shard(shard).table

    def samples(self) -> pa.Table:
        """The set's table: key, shard, index and what the writer was given, one row a sample, in order."""
        return read_parquet(self.folder / SAMPLES, self.index.samples_sha256)

    def _columns(self, table: MemberTable, extensions: Collection[str]) -> list[tuple[int, str]]:
        for kind in extensions:
            if kind not in table.extensions:
                raise BadInput(
                    f"samples of {self.folder} have no member .{kind}; they have {', '.join(table.extensions)}."
                )
        return [(column, kind) for column, kind in enumerate(table.extensions) if kind in extensions]

    def _shard(self, shard: int) -> _OpenShard:
        with self._lock:
            found = self._open.get(shard)
            if found is not None:
                self._open.move_to_end(shard)
                return found
        # Opened outside the lock, so that threads do not wait for each other's disks; twice is harmless.
        opened = self._open_shard(shard)
        with self._lock:
            kept = self._open.setdefault(shard, opened)
            self._open.move_to_end(shard)
            while len(self._open) > OPEN_SHARDS:
                self._open.popitem(last=False)
        return kept

    def _open_shard(self, shard: int) -> _OpenShard:
        if not 0 <= shard < len(self.shards):
            raise IndexError(f"the set has shards 0 to {len(self.shards) - 1}; {shard} was asked for")
        info = self.shards[shard]
        table, facts = read_members(self.folder / info.members, info.members_sha256)
        if facts.sha256 != info.sha256 or len(table.keys) != info.samples or table.extensions != self.extensions:
            raise BadInput(
                f"{self.folder / info.members} belongs to another shard than index.json lists; copy it again."
            )
        try:
            return _OpenShard(self.folder / info.name, table)
        except FileNotFoundError:
            raise BadInput(f"{self.folder / info.name} is missing; copy or write the shards again.") from None


class _OpenShard:
    """A shard's open file and member table. The file closes with the last thread that still uses it."""

    def __init__(self, path: Path, table: MemberTable) -> None:
        self.file = os.open(path, os.O_RDONLY)
        self.table = table

    def __del__(self) -> None:
        file = getattr(self, "file", None)
        if file is not None:
            os.close(file)


def check_shard_name(url: object) -> str:
    """A shard's file name, beside its index. Raises: ValueError for commands, addresses, and other folders."""
    text = str(url)
    if text.startswith("pipe:"):
        raise ValueError(f"{text!r:.100} would run a command, `pipe:` is refused")
    if "://" in text:
        raise ValueError(f"{text!r:.100} is an address, shards are read from the index's own folder")
    if text.startswith("/") or ".." in text.split("/"):
        raise ValueError(f"{text!r:.100} leads out of the index's folder, absolute names and `..` are refused")
    if not _URL.fullmatch(text):
        raise ValueError(f"{text!r:.100} is no name of a shard, shard-000000.tar would be")
    return text


def keys_sha256(keys: Iterable[str]) -> str:
    """SHA-256 of keys, each followed by a newline."""
    return hashlib.sha256("".join(f"{key}\n" for key in keys).encode("ascii")).hexdigest()


def _shard(entry: Mapping[str, Any]) -> ShardInfo:
    facts = [_typed(entry[name], kind) for name, kind in _FACTS.items()]
    info = ShardInfo(*facts)
    check_shard_name(info.name)
    if info.samples < 1 or info.bytes < 1:
        raise ValueError(f"{info.name} has {info.samples} samples in {info.bytes} bytes")
    return info


def _typed(value: Any, kind: type) -> Any:
    if not isinstance(value, kind) or isinstance(value, bool):
        raise TypeError(f"{value!r:.100} stands where {kind.__name__} is wanted")
    return value
