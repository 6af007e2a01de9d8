"""The private list of inputs: true paths, hashes, ids, and how each ended. Beside the key, never in a corpus.

One file a part, `private/<corpus id>/sources-<part>.parquet`. A file whose path, size, time and inode are known is
not read again to be hashed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from endocur.extract.inputs import Found
from endoshards.errors import BadInput
from endoshards.files import atomic_path, sha256_file

COLUMNS = pa.schema(
    [
        ("position", pa.int64()),
        ("path", pa.binary()),
        ("size", pa.int64()),
        ("mtime_ns", pa.int64()),
        ("inode", pa.int64()),
        ("sha256", pa.string()),
        ("id", pa.string()),
        ("unit", pa.string()),
        ("kind", pa.string()),
        ("status", pa.string()),
        ("reason", pa.string()),
        ("copy_of", pa.string()),
    ]
)
"""`path` as bytes: names need not be UTF-8."""

Stamp = tuple[bytes, int, int, int]


@dataclass(frozen=True)
class LedgerRow:
    """One input of a run, named by its true path."""

    found: Found
    sha256: str
    id: str
    unit: str
    status: str
    reason: str
    copy_of: str


class Ledger:
    """The list of one part of a corpus."""

    def __init__(self, folder: Path, part: int) -> None:
        """Open.

        Args:
            folder: `private/<corpus id>`.
            part: number of the part.
        Raises: BadInput if the file is damaged.
        """
        self._path = folder / f"sources-{part}.parquet"
        self._known: dict[Stamp, str] = {}
        if self._path.is_file():
            try:
                rows = pq.read_table(self._path, schema=COLUMNS).to_pylist()
            except (pa.ArrowInvalid, pa.ArrowTypeError, OSError) as error:
                raise BadInput(
                    f"{self._path} is damaged ({type(error).__name__}); delete it; inputs are then hashed again."
                ) from None
            self._known = {
                (row["path"], row["size"], row["mtime_ns"], row["inode"]): row["sha256"]
                for row in rows
                if row["sha256"]
            }

    def sha256(self, found: Found, *, rehash: bool) -> str:
        """Hex SHA-256 of a file, from the list where nothing about the file changed. Raises: OSError."""
        known = None if rehash else self._known.get(stamp(found))
        return known or sha256_file(found.path)

    def write(self, rows: Iterable[LedgerRow]) -> None:
        """Replace the list by the inputs of this run; hashes of files not among them are kept no longer."""
        table = pa.Table.from_pylist([_plain(row) for row in rows], schema=COLUMNS)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(self._path) as temporary:
            pq.write_table(table, temporary)
            temporary.chmod(0o600)


def stamp(found: Found) -> Stamp:
    """What must be equal for a file to be taken as unchanged."""
    return os.fsencode(found.path.absolute()), found.size, found.mtime_ns, found.inode


def _plain(row: LedgerRow) -> dict[str, object]:
    path, size, mtime_ns, inode = stamp(row.found)
    return {
        "position": row.found.position,
        "path": path,
        "size": size,
        "mtime_ns": mtime_ns,
        "inode": inode,
        "sha256": row.sha256,
        "id": row.id,
        "unit": row.unit,
        "kind": row.found.kind,
        "status": row.status,
        "reason": row.reason,
        "copy_of": row.copy_of,
    }
