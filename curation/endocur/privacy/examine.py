"""Everything of a set that is not a pixel, against the list of what may be there: names, headers, fields, tables."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from endocur import publish, publish_set
from endocur.privacy import fields
from endocur.privacy.audit import Fault
from endocur.privacy.pictures import jpeg_fault, png_fault
from endoshards.card import data_card
from endoshards.files import read_json
from endoshards.index import INDEX, SAMPLES, Index
from endoshards.members import parquet_bytes
from endoshards.tar import BLOCK, header, scan

OURS = re.compile(r"shard-[0-9]{6,}\.(tar|idx|parquet)|samples\.parquet|index\.json|_info\.json|README\.md|\.lock")
OTHER = "a file of another name"

_CREATED = re.compile(r"parquet-cpp-arrow version [0-9.]+")
_MEMBERS = {
    "key": pa.string(),
    "extension": pa.string(),
    "offset": pa.int64(),
    "size": pa.int64(),
    "xxh3": pa.uint64(),
}
_TEXT = {
    "key": fields.FRAME_ID,
    "frame_id": fields.FRAME_ID,
    "source_id": fields.HEX16,
    "group_id": fields.HEX16,
    "view_id": fields.VIEW_ID,
    "score_version": fields.VERSION,
    "extension": re.compile(r"jpg|json|mask\.png"),
}
"""Form of each text column."""


def examine(folder: Path, index: Index) -> list[Fault]:
    """Faults of a set whose bytes were found whole (`endoshards.verify`).

    Args:
        folder: of the set.
        index: of the set.
    """
    found = list(_beside(folder, index))
    form = fields.sample_form(publish.SCORES)
    for shard in index.shards:
        found += _tar_faults(folder / shard.name, form)
        found += _table_faults(folder / shard.members, _MEMBERS, {b"endoshards": _is_note})
    return found


def _beside(folder: Path, index: Index) -> Iterator[Fault]:
    """The files beside the tars, and whatever else lies in the folder."""
    others = sum(not OURS.fullmatch(path.name) for path in folder.iterdir())
    if others:
        yield Fault(OTHER, "", "stray", f"{others} of them lie in the folder")
    for text in fields.index_faults(read_json(folder / INDEX)):
        yield Fault(INDEX, "", "index", text)
    columns = {name: None for name in ("key", "shard", "index", *publish_set.TOLD)}
    columns |= dict.fromkeys(("width", "height", "source_width", "source_height"))
    yield from _table_faults(folder / SAMPLES, columns, {})
    yield from _card_faults(folder, index)


def _card_faults(folder: Path, index: Index) -> Iterator[Fault]:
    """The data card is made of the set alone, so it can be made again and compared."""
    shard = index.info.get("settings", {}).get("shard", {})
    size = None if shard.get("native_size") else shard.get("size")
    rows = pq.read_table(folder / SAMPLES, partitioning=None)
    if not {"source_id", "group_id"} <= set(rows.column_names):
        return
    wanted = data_card(index, publish_set.card(rows, index.name, size)).encode("utf-8")
    said = (folder / "README.md").read_bytes() if (folder / "README.md").is_file() else b""
    if said != wanted:
        known = set(wanted.splitlines())
        strange = sum(line not in known for line in said.splitlines())
        yield Fault("README.md", "", "card", f"{strange} lines are not those of the card that this set has")


def _tar_faults(path: Path, form: fields.Form) -> Iterator[Fault]:
    """Each member of a tar: its header to the byte, its name, and what it holds beside pixels."""
    with path.open("rb", buffering=0) as handle:
        number = handle.fileno()
        size = os.fstat(number).st_size

        def read(offset: int, count: int) -> bytes:
            return os.pread(number, count, offset)

        for member in scan(read, size):
            name = f"{member.key}.{member.extension}"
            key = member.key if fields.FRAME_ID.fullmatch(member.key) else ""
            if not key:
                yield Fault(path.name, "", "name", f"the member at byte {member.offset} is not named by a frame id")
            if read(member.offset - BLOCK, BLOCK) != header(name, member.size):
                yield Fault(path.name, key, "header", "its tar header has an owner, a time or other words of its own")
            yield from _member_faults(path.name, key, member.extension, read(member.offset, member.size), form)


def _member_faults(shard: str, key: str, extension: str, data: bytes, form: fields.Form) -> Iterator[Fault]:
    if extension == "jpg":
        text = jpeg_fault(data)
        if text:
            yield Fault(shard, key, "jpeg", text)
    elif extension == "mask.png":
        text = png_fault(data)
        if text:
            yield Fault(shard, key, "png", text)
    elif extension == "json":
        for text in fields.sample_faults(data, form):
            yield Fault(shard, key, "json", text)
    else:
        yield Fault(shard, key, "member", "has a member that sets of endocur shard do not have")


def _table_faults(
    path: Path, columns: Mapping[str, pa.DataType | None], notes: Mapping[bytes, Callable[[bytes], bool]]
) -> Iterator[Fault]:
    """Columns, types, metadata, the form of text, and that the file holds no byte beside what a table needs."""
    data = path.read_bytes()
    file = pq.ParquetFile(io.BytesIO(data))
    schema = file.schema_arrow
    strange = [name for name in schema.names if name not in columns]
    if strange:
        yield Fault(path.name, "", "table", f"has {len(strange)} columns that are not ours")
    kinds = sum(columns.get(name) not in (None, schema.field(name).type) for name in schema.names)
    if kinds:
        yield Fault(path.name, "", "table", f"has {kinds} columns of another type than ours")
    if any(set(field.metadata or {}) - {b"PARQUET:field_id"} for field in schema):
        yield Fault(path.name, "", "table", "has notes at its columns")
    said = {**(file.metadata.metadata or {}), **(schema.metadata or {})}
    if any(name != b"ARROW:schema" and not notes.get(name, _never)(value) for name, value in said.items()):
        yield Fault(path.name, "", "table", "has notes in its head that are not ours")
    if not _CREATED.fullmatch(file.metadata.created_by):
        yield Fault(path.name, "", "table", "was written by another program")
    table = pq.read_table(io.BytesIO(data), partitioning=None)
    for name in table.column_names:
        if pa.types.is_string(table.schema.field(name).type) and not _well_formed(table[name], _TEXT.get(name)):
            yield Fault(path.name, "", "table", f"column {columns_name(name)} holds text of another form than ours")
    ours = file.metadata.created_by.removeprefix("parquet-cpp-arrow version ") == pa.__version__
    if ours and not strange and parquet_bytes(table) != data:
        yield Fault(path.name, "", "table", "holds bytes beside its rows")


def columns_name(name: str) -> str:
    """The name of a column if it is one of ours."""
    return name if name in _TEXT or name in _MEMBERS or name in publish_set.TOLD else "of another name"


def _well_formed(column: pa.ChunkedArray, form: re.Pattern[str] | None) -> bool:
    if form is None:
        return False
    good = pc.match_substring_regex(column, f"^(?:{form.pattern})$")
    return bool(pc.all(good, min_count=0).as_py()) and not column.null_count


def _is_note(data: bytes) -> bool:
    """The note of a member table: sum, size, layout, JSON keys."""
    import json

    try:
        note: Any = json.loads(data)
    except ValueError:
        return False
    form = {
        "bytes": fields.whole,
        "sha256": fields.matches(fields.HEX64),
        "layout": fields.matches(fields.HEX16),
        "json_keys": {"json": (fields.matches(fields.WORD),)},
    }
    return not list(fields.faults(note, form))


def _never(_: bytes) -> bool:
    return False
