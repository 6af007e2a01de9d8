"""What may stand in a published picture's file beside its pixels: nothing. Bytes in, words out.

A JPEG of ours has a JFIF head without a thumbnail, tables, one baseline frame and one scan; a mask is a one-bit PNG
of three chunks. Everything else (EXIF, XMP, comments, ICC, text chunks, bytes behind the end) can hold a name.
"""

from __future__ import annotations

import re
import struct
import zlib

_TABLES = {0xDB, 0xC4, 0xC0, 0xDD}
"""Quantisation, Huffman, baseline frame, restart interval."""
_JFIF = re.compile(rb"JFIF\x00\x01[\x00-\x02][\x00-\x02].{4}\x00\x00", re.DOTALL)
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7]", re.DOTALL)
_NAMES = {0xE1: "EXIF or XMP", 0xE2: "ICC profile", 0xED: "IPTC", 0xFE: "comment"}
_PNG = b"\x89PNG\r\n\x1a\n"


def jpeg_fault(data: bytes) -> str:
    """What of a JPEG is not our encoder's; empty for a clean one. Never a byte of the content itself."""
    if data[:2] != b"\xff\xd8":
        return "is no JPEG"
    place, heads = 2, 0
    while data[place : place + 1] == b"\xff" and place + 4 <= len(data):
        kind, (size,) = data[place + 1], struct.unpack(">H", data[place + 2 : place + 4])
        body = data[place + 4 : place + 2 + size]
        if kind == 0xDA:
            return _scan_fault(data, place + 2 + size)
        if kind == 0xE0:
            heads += 1
            if heads > 1 or not _JFIF.fullmatch(body):
                return "has an APP0 segment that is not the plain JFIF head"
        elif kind not in _TABLES:
            return f"has a segment FF{kind:02X}" + (f" ({_NAMES[kind]})" if kind in _NAMES else "")
        place += 2 + size
    return "is cut off or damaged before its scan"


def png_fault(data: bytes) -> str:
    """What of a mask's PNG is not our encoder's; empty for a clean one."""
    if data[:8] != _PNG:
        return "is no PNG"
    place, kinds, packed, wanted = 8, [], b"", 0
    while place + 12 <= len(data):
        size, kind = struct.unpack(">I4s", data[place : place + 8])
        kinds.append(kind)
        body = data[place + 8 : place + 8 + size]
        if kind == b"IHDR":
            if body[8:10] != b"\x01\x00" or len(body) != 13:
                return "is no one-bit grey picture"
            width, height = struct.unpack(">II", body[:8])
            wanted = ((width + 7) // 8 + 1) * height
        elif kind == b"IDAT":
            packed += body
        place += 12 + size
        if kind == b"IEND":
            break
    if not kinds or kinds[0] != b"IHDR" or kinds[-1] != b"IEND" or place > len(data):
        return "is cut off or damaged"
    others = sum(kind != b"IDAT" for kind in kinds[1:-1])
    if others:
        return f"has {others} chunk{'s' if others > 1 else ''} beside its pixels"
    if place < len(data):
        return f"has {len(data) - place} bytes behind its end"
    return _packed_fault(packed, wanted)


def _packed_fault(packed: bytes, wanted: int) -> str:
    """A mask's rows fill its compressed stream, to the byte."""
    stream = zlib.decompressobj()
    try:
        rows = stream.decompress(packed, wanted + 1)
    except zlib.error:
        return "is cut off or damaged"
    clean = stream.eof and not stream.unused_data and len(rows) == wanted
    return "" if clean else "holds more or less than its pixels"


def _scan_fault(data: bytes, start: int) -> str:
    """Behind the scan's head stand its pixels and the end; a second scan or a segment between is not ours."""
    found = _MARKER.search(data, start)
    if found is None:
        return "is cut off in its scan"
    if found[0] != b"\xff\xd9":
        return f"has a segment FF{found[0][1]:02X} behind its scan"
    behind = len(data) - found.end()
    return f"has {behind} bytes behind its end" if behind else ""
