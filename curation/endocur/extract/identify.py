"""Ids of inputs: the SHA-256 of their bytes under the owner's key, from the private table where it still holds.

Of a sequence not all bytes are read: numbers, sizes and some pictures stand for them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from endocur.extract.inputs import Found
from endocur.extract.sequence_track import HASHED, sequence_sha256, spread
from endocur.identity import Key
from endocur.private import SourceRow
from endoshards.errors import in_words
from endoshards.files import sha256_file


@dataclass(frozen=True)
class Identified:
    """An input with its id."""

    item: Found
    id: str
    sha256: str
    """Empty where there were no bytes to read."""
    reason: str = ""
    """Why it gives nothing; empty for what can be tried."""


def identify(
    inputs: Sequence[Found],
    key: Key,
    known: Mapping[bytes, SourceRow],
    *,
    workers: int,
    progress: Callable[[int], None],
) -> list[Identified]:
    """Hash what is not known yet.

    Args:
        inputs: videos, sequences, stills and failed inputs.
        key: the owner's.
        known: rows of the private table by path; empty to hash everything again.
        workers: threads; hashing runs outside Python's lock.
        progress: called with the bytes of each file as it is done, from any thread.
    Returns: in the order of `inputs`.
    """

    def one(item: Found) -> Identified:
        row = known.get(path_bytes(item))
        stamp = (path_bytes(item), item.size, item.mtime_ns, item.inode)
        try:
            known_hash = row.sha256 if row is not None and row.stamp == stamp else ""
            sha256 = known_hash or _sha256(item)
        except OSError as error:
            reason = item.reason or f"cannot be read ({in_words(error)})"
            return Identified(item, key.unread_id(item.path), "", reason)
        finally:
            progress(item.size)
        return Identified(item, key.source_id(sha256), sha256, item.reason if item.kind == "failed" else "")

    with ThreadPoolExecutor(max_workers=workers) as threads:
        return list(threads.map(one, inputs))


def _sha256(item: Found) -> str:
    """Of a file's bytes, or what stands for those of a sequence."""
    if item.track is None:
        return sha256_file(item.path)
    hashes = [sha256_file(item.track.path(index)) for index in spread(len(item.track), HASHED)]
    return sequence_sha256(item.track.numbers, item.track.sizes, hashes)


def path_bytes(item: Found) -> bytes:
    """The absolute path as the file system has it."""
    return os.fsencode(os.path.abspath(item.path))  # noqa: PTH100 - links stay as they are typed
