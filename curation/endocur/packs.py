"""All frame rows of a corpus with their scores: packs in `tables/`, derived, brought up to date when they are read."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from endocur.corpus import Corpus, UnitMarker, chapter_files, unit_markers
from endocur.quality.table import SCORE_COLUMNS, read_scores, version_of
from endocur.store import FRAME_COLUMNS, read_chapter_table, write_table
from endoshards.errors import BadInput
from endoshards.files import fingerprint, remove_temporaries

TABLE_COLUMNS = pa.schema(
    [*FRAME_COLUMNS, *(field for field in SCORE_COLUMNS if field.name not in FRAME_COLUMNS.names)]
)
"""Columns of `frames`: those of the frame tables, then the scores."""

ROW_GROUP = 131_072
PACK_ROWS = 4 * ROW_GROUP
"""Rows in a pack, about, before packs are split sixteenfold: what a new unit can make be written again."""


def frames(corpus: Corpus, columns: Sequence[str] | None = None) -> pa.Table:
    """Frame rows with scores of all finished units, each frame once, sorted by frame_id.

    Brings the packs up to date first; call with the corpus lock held.

    Args:
        corpus: any corpus.
        columns: some of TABLE_COLUMNS; all if None.
    Raises: BadInput if a chapter's files are missing or damaged.
    """
    names = list(columns) if columns is not None else TABLE_COLUMNS.names
    wanted = names if "frame_id" in names else [*names, "frame_id"]
    schema = pa.schema([TABLE_COLUMNS.field(name) for name in wanted])
    packs = [_read_pack(corpus, path, wanted) for path in update_packs(corpus)]
    table = pa.concat_tables([pack.cast(schema) for pack in packs]) if packs else schema.empty_table()
    return _in_order(table).select(names)


def _read_pack(corpus: Corpus, path: Path, columns: Sequence[str]) -> pa.Table:
    """One pack; where its bytes are damaged it is made again first, for it is derived."""
    try:
        return pq.read_table(path, columns=columns, partitioning=None)
    except (pa.ArrowInvalid, OSError) as error:
        if not is_damage(error):
            raise
    path.unlink()
    update_packs(corpus)
    return pq.read_table(path, columns=columns, partitioning=None)


def update_packs(corpus: Corpus) -> list[Path]:
    """Write the packs that are missing or whose units changed; remove the others. Returns: their paths."""
    units = [marker for marker in unit_markers(corpus) if marker.frames]
    total = sum(marker.frames for marker in units)
    digits = 0
    while total > PACK_ROWS * 16**digits and digits < 3:
        digits += 1
    members: dict[str, list[UnitMarker]] = {}
    for marker in units:
        members.setdefault(_pack_name(marker.name, digits), []).append(marker)
    paths = [corpus.tables / name for name in sorted(members)]
    remove_temporaries(corpus.tables)
    for path in paths:
        # With the columns: a pack of an earlier version of this program may lack some.
        content = fingerprint([TABLE_COLUMNS.names, [_unit_content(corpus, marker) for marker in members[path.name]]])
        if (head_of(path) or {}).get("content") != content:
            rows = _in_order(pa.concat_tables([_unit_rows(corpus, marker) for marker in members[path.name]]))
            write_table(path, rows.replace_schema_metadata({"content": content}))
    for path in corpus.tables.glob("frames*.parquet"):
        if path not in paths:
            path.unlink()
    return paths


def contents(corpus: Corpus) -> list[object]:
    """What decides the rows of each finished unit, sorted by name, for fingerprints."""
    return [_unit_content(corpus, marker) for marker in unit_markers(corpus) if marker.frames]


def score_versions(corpus: Corpus) -> list[str]:
    """Versions of the score tables of all finished units (`quality.table.TABLE_VERSION`), sorted.

    Raises: BadInput if a score table is not there.
    """
    units = [marker for marker in unit_markers(corpus) if marker.frames]
    return sorted({version for marker in units for version in _chapter_versions(corpus, marker)})


def head_of(path: Path) -> dict[str, str] | None:
    """What we wrote into a table's head; {} if the file is not there, None if it is damaged."""
    try:
        head = pq.read_schema(path).metadata or {}
    except FileNotFoundError:
        return {}
    except (pa.ArrowInvalid, OSError) as error:
        if not is_damage(error):
            raise
        return None
    return {key.decode("utf-8"): value.decode("utf-8", "replace") for key, value in head.items()}


def is_damage(error: Exception) -> bool:
    """An OSError with a number is the disk's or the rights'; pyarrow's own about bytes it cannot read has none."""
    return getattr(error, "errno", None) is None


def _pack_name(unit: str, digits: int) -> str:
    """By the unit's own name and the number of packs alone: the same corpus has the same packs, whatever came first."""
    return "frames.parquet" if not digits else f"frames-{hashlib.sha256(unit.encode()).hexdigest()[:digits]}.parquet"


def _unit_content(corpus: Corpus, marker: UnitMarker) -> list[object]:
    """What decides a unit's rows: how its frames were made, its groups, the version of its scores."""
    groups = sorted({(row.id, row.group) for row in marker.inputs})
    return [marker.name, marker.made, marker.frames, _chapter_versions(corpus, marker), groups]


def _chapter_versions(corpus: Corpus, marker: UnitMarker) -> list[str]:
    return [version_of(chapter_files(corpus, marker.name, k).scores) for k in range(marker.chapters)]


def _unit_rows(corpus: Corpus, marker: UnitMarker) -> pa.Table:
    """Rows of one unit, TABLE_COLUMNS. Raises: BadInput if frames and scores do not belong together."""
    parts = [TABLE_COLUMNS.empty_table()]
    for k in range(marker.chapters):
        files = chapter_files(corpus, marker.name, k)
        rows, scores = read_chapter_table(files.frames_table), read_scores(files.scores)
        if not rows["frame_id"].equals(scores["frame_id"]):
            raise BadInput(f"{files.scores} belongs to other frames than {files.frames_table}; run: endocur score")
        for name in TABLE_COLUMNS.names[len(FRAME_COLUMNS) :]:
            rows = rows.append_column(TABLE_COLUMNS.field(name), scores[name])
        parts.append(_regrouped(rows, marker).cast(TABLE_COLUMNS))
    return pa.concat_tables(parts)


def _regrouped(rows: pa.Table, marker: UnitMarker) -> pa.Table:
    """With the groups as the marker has them: new groups change the marker, never the frame tables."""
    groups = {row.id: row.group for row in marker.inputs if row.group}
    if not groups:
        return rows
    known = pc.index_in(rows["source_id"], value_set=pa.array(list(groups), pa.string()))
    said = pc.take(pa.array(list(groups.values()), pa.string()), known)
    return rows.set_column(rows.schema.get_field_index("group_id"), "group_id", pc.coalesce(said, rows["group_id"]))


def _in_order(table: pa.Table) -> pa.Table:
    """Sorted by frame_id, of equal ids the first only (a picture that came in two batches of stills)."""
    ids = table["frame_id"].combine_chunks()
    if len(ids) < 2:
        return table.combine_chunks()
    if not pc.all(pc.less(ids[:-1], ids[1:])).as_py():
        order = pc.sort_indices(ids).to_numpy()
        ids = ids.take(pa.array(order))
        first = np.concatenate([[True], pc.not_equal(ids[1:], ids[:-1]).to_numpy(zero_copy_only=False)])
        table = table.take(pa.array(order[first]))
    return table.combine_chunks()
