"""True paths, beside the key and nowhere else: which file has which id, and what is known of its bytes already."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from endoshards.errors import BadInput
from endoshards.files import atomic_path

COLUMNS = pa.schema(
    [
        ("path", pa.binary()),  # as the file system has it; names need not be UTF-8
        ("position", pa.int64()),  # in the input list of the last run that saw it, from 1
        ("source_id", pa.string()),
        ("status", pa.string()),
        ("reason", pa.string()),
        ("unit", pa.string()),
        ("copy_of", pa.string()),
        ("size", pa.int64()),
        ("mtime_ns", pa.int64()),
        ("inode", pa.int64()),
        ("sha256", pa.string()),
    ]
)


@dataclass(frozen=True)
class SourceRow:
    """One file of the owner and what became of it."""

    path: bytes
    position: int
    source_id: str
    status: str
    reason: str
    unit: str
    copy_of: str
    size: int
    mtime_ns: int
    inode: int
    sha256: str

    @property
    def stamp(self) -> tuple[bytes, int, int, int]:
        """While this stays the same, so do the file's bytes."""
        return self.path, self.size, self.mtime_ns, self.inode


class PrivateFolder:
    """`<beside the key>/private/<corpus id>/`: readable by its owner only."""

    def __init__(self, base: Path, corpus_id: str, *, outside: Path) -> None:
        """Raises: BadInput if it would lie inside the corpus."""
        self.path = base / corpus_id
        if self.path.resolve().is_relative_to(outside.resolve()):
            raise BadInput(f"{base} lies inside the corpus, which others may read; pass another folder with --private.")

    def read(self) -> dict[bytes, SourceRow]:
        """All rows of all parts by path."""
        rows: dict[bytes, SourceRow] = {}
        for file in sorted(self.path.glob("sources-*.parquet")):
            try:
                table = pq.read_table(file, schema=COLUMNS, partitioning=None)
            except pa.ArrowInvalid:
                raise BadInput(f"{file} is damaged; delete it, files are then hashed again.") from None
            rows |= {row["path"]: SourceRow(**row) for row in table.to_pylist()}
        return rows

    def write(self, part: int, rows: Iterable[SourceRow]) -> Path:
        """Replace one part's table; rows sorted by path. Returns its path."""
        ordered = sorted(rows, key=lambda row: row.path)
        columns = {name: [getattr(row, name) for row in ordered] for name in COLUMNS.names}
        file = self.path / f"sources-{part}.parquet"
        self._make()
        with atomic_path(file) as temporary:
            pq.write_table(pa.table(columns, schema=COLUMNS), temporary, compression="zstd")
            temporary.chmod(0o600)
        return file

    def sheets(self) -> Path:
        """The folder for sheets that show what is masked, made here."""
        folder = self.path / "sheets"
        self._make()
        folder.mkdir(exist_ok=True)
        return folder

    def write_detail(self, unit: str, text: str) -> Path:
        """Keep the traceback of a failed unit; it may hold names."""
        file = self.path / "failures" / f"{unit}.txt"
        self._make()
        with atomic_path(file) as temporary:
            temporary.write_text(text, encoding="utf-8", errors="surrogateescape")
            temporary.chmod(0o600)
        return file

    def _make(self) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        self.path.chmod(0o700)
