"""How long a container says it is, by its own outermost sizes: a copy that broke off is told from a whole file.

Durations in headers are not asked: they lie too often, in both directions.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from endocur.extract.dicom.payload import Payload, readable

Readable = BinaryIO | Payload

_EBML = b"\x1a\x45\xdf\xa3"
_SEGMENT = b"\x18\x53\x80\x67"
_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"moof", b"styp", b"sidx", b"uuid", b"meta")


def is_truncated(path: Path) -> bool:
    """Whether the file is shorter than its container announces; False for containers that announce nothing."""
    with readable(path) as target:
        if isinstance(target, Payload):
            return target.is_cut or _is_cut(target, target.size)
        with target.open("rb") as file:
            return _is_cut(file, target.stat().st_size)


def _is_cut(file: Readable, size: int) -> bool:
    head = file.read(12)
    if head[:4] == _EBML:
        return _matroska_end(file) > size
    if head[:4] == b"RIFF":
        return 8 + int.from_bytes(head[4:8], "little") > size + 1
    if head[4:8] in _BOXES:
        return _boxes_end(file, size) > size
    return False


def _boxes_end(file: Readable, size: int) -> int:
    """Where the last top-level box of an MP4 or QuickTime file would end."""
    at = 0
    while at + 8 <= size:
        file.seek(at)
        head = file.read(16)
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if length == 0 or not head[4:8].isalnum():
            return at
        if length < 8:
            return at
        at += length
    return at


def _matroska_end(file: Readable) -> int:
    """Where the segment of a Matroska or WebM file would end; 0 if it was written as a stream of unknown length."""
    file.seek(0)
    at = 0
    for _ in range(8):
        file.seek(at)
        head = file.read(16)
        id_length = _vint_length(head[:1])
        value_length = _vint_length(head[id_length : id_length + 1])
        if not id_length or not value_length:
            return 0
        raw = head[id_length : id_length + value_length]
        value = int.from_bytes(raw, "big") & ((1 << 7 * value_length) - 1)
        start = at + id_length + value_length
        if head[:4] == _SEGMENT:
            return 0 if value == (1 << 7 * value_length) - 1 else start + value
        at = start + value
    return 0


def _vint_length(first: bytes) -> int:
    """Bytes of an EBML number by its first byte; 0 if it is none."""
    return 9 - first[0].bit_length() if first and first[0] else 0
