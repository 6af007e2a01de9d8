"""New groups for frames that are there: tables change, stored pixels never."""

from __future__ import annotations

import pyarrow as pa

from endocur.corpus import Corpus, UnitMarker, chapter_files
from endocur.store import read_chapter_table, write_table


def regroup(corpus: Corpus, old: UnitMarker, new: UnitMarker) -> None:
    """Rewrite the group column of a unit's frame tables where groups differ; the marker is written afterwards.

    A kill in between leaves tables of both kinds under the old marker: the next run does it again.
    """
    groups = {row.id: row.group for row in new.inputs}
    if groups == {row.id: row.group for row in old.inputs}:
        return
    for number in range(new.chapters):
        path = chapter_files(corpus, new.name, number).frames_table
        table = read_chapter_table(path)
        sources, before = table["source_id"].to_pylist(), table["group_id"].to_pylist()
        column = pa.array([groups.get(source, kept) for source, kept in zip(sources, before, strict=True)], pa.string())
        write_table(path, table.set_column(table.schema.get_field_index("group_id"), "group_id", column))
