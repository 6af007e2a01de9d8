"""Score tables on disk: `scores/<chapter>.parquet`, one row a stored frame, in the order of its frame table."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from endocur.quality import body
from endocur.quality.scores import VERSION, Scores
from endocur.store import write_table
from endoshards.errors import BadInput, in_words

TABLE_VERSION = f"{VERSION}+{body.VERSION}"
"""Of a table as a whole: of the scores and of `in_body`. Tables from before `in_body` have the first alone."""

SCORE_COLUMNS = pa.schema(
    [("frame_id", pa.string())]
    + [(name, pa.bool_() if name == "is_blank" else pa.float32()) for name in Scores._fields]
    + [("score_version", pa.string()), ("body_version", pa.string())],
    metadata={"score_version": VERSION, "body_version": body.VERSION},
)
"""`in_body` and `body_version` are null in tables from before they were; such tables stay valid."""


def score_table(rows: Iterable[tuple[str, Scores]]) -> pa.Table:
    """Columns SCORE_COLUMNS of (frame_id, scores) in the order given."""
    ids, scores = zip(*rows, strict=True) if (rows := list(rows)) else ((), ())
    columns = {name: [getattr(one, name) for one in scores] for name in Scores._fields}
    return pa.table(
        {"frame_id": ids, **columns, "score_version": [VERSION] * len(ids), "body_version": [body.VERSION] * len(ids)},
        schema=SCORE_COLUMNS,
    )


def write_scores(path: Path, rows: Iterable[tuple[str, Scores]]) -> None:
    """Write a chapter's score table atomically; equal scores give equal bytes with one version of pyarrow."""
    write_table(path, score_table(rows))


def read_scores(path: Path) -> pa.Table:
    """One score table, columns SCORE_COLUMNS. Raises: BadInput if it is missing or damaged."""
    try:
        return pq.read_table(path, schema=SCORE_COLUMNS, partitioning=None)
    except (pa.ArrowInvalid, OSError) as error:
        raise _unreadable(path, error) from None


def version_of(path: Path) -> str:
    """Version of a table, as TABLE_VERSION, from its head alone. Raises: BadInput if it is missing or damaged."""
    try:
        metadata = pq.read_schema(path).metadata or {}
    except (pa.ArrowInvalid, OSError) as error:
        raise _unreadable(path, error) from None
    parts = (metadata.get(name, b"").decode("ascii", "replace") for name in (b"score_version", b"body_version"))
    return "+".join(filter(None, parts))


def _unreadable(path: Path, error: Exception) -> BadInput:
    corpus = shlex.quote(str(path.parents[1]))
    return BadInput(f"{path} cannot be read ({in_words(error)}); make it anew: endocur score --corpus {corpus}")
