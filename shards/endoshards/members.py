"""What lies beside a shard's tar: its member table (Parquet), and the same for DALI (.idx)."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from endoshards.errors import BadInput
from endoshards.files import write_atomic
from endoshards.tar import check_extension, check_key

DALI_VERSION = "v1.2"
_NOTE = b"endoshards"
_SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("extension", pa.string()),
        ("offset", pa.int64()),
        ("size", pa.int64()),
        ("xxh3", pa.uint64()),
    ]
)


@dataclass(frozen=True, slots=True, eq=False)
class MemberTable:
    """Where each member of one shard lies. Row = sample, column = extension; every sample has them all."""

    keys: tuple[str, ...]
    extensions: tuple[str, ...]
    """In the order of the tar."""
    offsets: NDArray[np.int64]
    """[samples, extensions], bytes from the tar's beginning to the member's data."""
    sizes: NDArray[np.int64]
    """[samples, extensions], bytes."""
    sums: NDArray[np.uint64]
    """[samples, extensions], xxh3_64 of the data."""


@dataclass(frozen=True, slots=True)
class ShardFacts:
    """What is known of a finished shard as a whole; kept in its member table's file."""

    bytes: int
    sha256: str
    layout: str
    """Fingerprint of what the writer was asked for: a shard of another call is not taken for this one's."""
    json_keys: dict[str, list[str]]
    """Extension -> sorted keys that every sample's JSON object has."""


def write_members(path: Path, table: MemberTable, facts: ShardFacts) -> None:
    """Write the member table; once it stands, the shard is finished."""
    samples, kinds = table.offsets.shape
    note = json.dumps(asdict(facts), sort_keys=True)
    columns = [
        pa.array(np.repeat(np.asarray(table.keys, dtype=object), kinds), pa.string()),
        pa.array(list(table.extensions) * samples, pa.string()),
        pa.array(table.offsets.ravel()),
        pa.array(table.sizes.ravel()),
        pa.array(table.sums.ravel()),
    ]
    rows = pa.Table.from_arrays(columns, schema=_SCHEMA.with_metadata({_NOTE: note.encode("ascii")}))
    write_atomic(path, parquet_bytes(rows))


def read_members(path: Path, sha256: str | None = None) -> tuple[MemberTable, ShardFacts]:
    """Read and check a member table.

    Args:
        path: its file.
        sha256: of the file's bytes, as the index has it; not compared if None.

    Raises: BadInput naming the file if it is missing, damaged or not ours.
    """
    raw = read_parquet(path, sha256)
    try:
        note = json.loads((raw.schema.metadata or {})[_NOTE])
        facts = ShardFacts(int(note["bytes"]), str(note["sha256"]), str(note["layout"]), dict(note["json_keys"]))
        return _table(raw.select(_SCHEMA.names).cast(_SCHEMA), facts.bytes), facts
    except (KeyError, TypeError, ValueError, pa.ArrowException) as error:
        raise BadInput(f"{path} is not the member table of a shard ({error}); write the shards again.") from None


def parquet_bytes(table: pa.Table) -> bytes:
    """A table as a Parquet file; equal tables give equal bytes (of one version of pyarrow)."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", row_group_size=131_072)
    return sink.getvalue()


def read_parquet(path: Path, sha256: str | None = None) -> pa.Table:
    """Read a table whose file has this SHA-256 (None: any). Raises: BadInput naming a file missing or damaged."""
    try:
        # Read whole and parsed in memory: no file stays mapped that somebody might cut meanwhile.
        data = path.read_bytes()
        if sha256 is not None and hashlib.sha256(data).hexdigest() != sha256:
            raise BadInput(f"{path} is not the file that index.json names (its SHA-256 differs); it was damaged.")
        return pq.read_table(pa.BufferReader(data))
    except FileNotFoundError:
        raise BadInput(f"{path} is missing; the shards are incomplete, write or copy them again.") from None
    except (pa.ArrowException, OSError, ValueError) as error:
        raise BadInput(
            f"{path} cannot be read ({_first_line(error)}); it was damaged, write the shards again."
        ) from None


def dali_index(table: MemberTable) -> str:
    """The member table in the form of DALI's `wds2idx`: a line a sample, `extension offset size name` a member."""
    lines = [f"{DALI_VERSION} {len(table.keys)}"]
    for key, offsets, sizes in zip(table.keys, table.offsets.tolist(), table.sizes.tolist(), strict=True):
        members = zip(table.extensions, offsets, sizes, strict=True)
        lines.append(" ".join(f"{kind} {offset} {size} {key}.{kind}" for kind, offset, size in members))
    return "\n".join(lines) + "\n"


def _table(raw: pa.Table, file_bytes: int) -> MemberTable:
    """Raises: ValueError (BadTar among them) where rows are not whole samples inside the file."""
    if raw.num_rows == 0 or any(column.null_count for column in raw.columns):
        raise ValueError("it has no rows, or empty cells")
    keys: list[Any] = raw["key"].to_pylist()
    kinds: list[Any] = raw["extension"].to_pylist()
    count = next((row for row, key in enumerate(keys) if key != keys[0]), len(keys))
    extensions, samples = tuple(kinds[:count]), len(keys) // count
    rows = {name: raw[name].to_numpy() for name in ("offset", "size", "xxh3")}
    whole = (
        len(keys) == samples * count
        and kinds == list(extensions) * samples
        and keys == [key for key in keys[::count] for _ in range(count)]
        and len(set(extensions)) == count
        and len(set(keys)) == samples
    )
    if not whole:
        raise ValueError("its samples do not all have the same members")
    if (rows["offset"] < 0).any() or (rows["size"] < 0).any() or (rows["size"] > file_bytes - rows["offset"]).any():
        raise ValueError("a member lies outside its shard")
    try:
        for extension in extensions:
            check_extension(extension)
        for key in keys[::count]:
            check_key(key)
    except BadInput as error:
        raise ValueError(str(error)) from None
    shape = (samples, count)
    return MemberTable(
        tuple(keys[::count]),
        extensions,
        rows["offset"].reshape(shape),
        rows["size"].reshape(shape),
        rows["xxh3"].reshape(shape),
    )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
