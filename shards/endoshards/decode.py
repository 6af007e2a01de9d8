"""Does a member hold what its extension says? One check a kind; none needs cv2, Pillow or torch."""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import Callable, Mapping

import numpy as np
import simplejpeg

MOST_PIXELS = 100_000_000
"""A damaged header may claim any size; pictures beyond this are not decoded but refused."""

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_PNG_DEPTHS = (1, 2, 4, 8, 16)


def check_member(extension: str, data: bytes) -> None:
    """Decode a member.

    Args:
        extension: its last part names the kind, see `endoshards.tar.KINDS`.
        data: the member's bytes, whatever they are.

    Raises: ValueError with what is wrong.
    """
    _CHECKS[extension.rpartition(".")[2]](data)


def jpg(data: bytes) -> None:
    """A JPEG whose every pixel decodes without a warning."""
    height, width, _, _ = simplejpeg.decode_jpeg_header(data)
    _few_pixels(height, width)
    simplejpeg.decode_jpeg(data)


def png(data: bytes) -> None:
    """A PNG: chunks and their checksums, and pixel data of exactly the size the head says."""
    if not data.startswith(_PNG):
        raise ValueError("no PNG signature")
    head, pixels, offset, kind = b"", [], len(_PNG), b""
    while kind != b"IEND":
        if len(data) < offset + 12:
            raise ValueError(f"ends inside a chunk at byte {offset}")
        length, kind = struct.unpack_from(">I4s", data, offset)
        body = data[offset + 8 : offset + 8 + length]
        checksum = data[offset + 8 + length : offset + 12 + length]
        if len(checksum) < 4:
            raise ValueError(f"ends inside chunk {kind!r} at byte {offset}")
        if zlib.crc32(kind + body) != int.from_bytes(checksum, "big"):
            raise ValueError(f"chunk {kind!r} at byte {offset} does not have its checksum")
        if (kind == b"IHDR") != (offset == len(_PNG)):
            raise ValueError("IHDR does not stand once, at the beginning")
        if kind == b"IHDR":
            head = body
        elif kind == b"IDAT":
            pixels.append(body)
        offset += 12 + length
    if offset != len(data):
        raise ValueError(f"{len(data) - offset} bytes lie behind its end")
    _png_pixels(head, b"".join(pixels))


def _png_pixels(head: bytes, packed: bytes) -> None:
    if len(head) != 13:
        raise ValueError(f"IHDR has {len(head)} bytes, not 13")
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", head)
    if colour not in _PNG_CHANNELS or depth not in _PNG_DEPTHS or interlaced > 1:
        raise ValueError(f"no PNG has depth {depth}, colour type {colour}, interlace {interlaced}")
    _few_pixels(height, width)
    bits = depth * _PNG_CHANNELS[colour]
    # Adam7's seven passes, or one: (first column, first row, column step, row step).
    passes = (
        [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
        if interlaced
        else [(0, 0, 1, 1)]
    )
    wanted = 0
    for left, top, across, down in passes:
        columns, rows = -(-(width - left) // across), -(-(height - top) // down)
        if columns > 0 and rows > 0:
            wanted += rows * (1 + -(-columns * bits // 8))
    unpacker = zlib.decompressobj()
    try:
        found = len(unpacker.decompress(packed, wanted + 1))
    except zlib.error as error:
        raise ValueError(f"its pixel data do not unpack ({error})") from None
    if found != wanted or not unpacker.eof:
        raise ValueError(f"its pixel data are not the {wanted} bytes that its head asks for")


def json_object(data: bytes) -> None:
    """One JSON object."""
    try:
        said = json.loads(data)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(said, dict):
        raise ValueError(f"a JSON {type(said).__name__}, not an object")


def whole_number(data: bytes) -> None:
    """A class: a whole number as text."""
    if not data.decode("ascii").strip().lstrip("-").isdigit():
        raise ValueError("not a whole number")


def text(data: bytes) -> None:
    """UTF-8."""
    data.decode("utf-8")


def npy(data: bytes) -> None:
    """A NumPy array without objects, whose data are all there."""
    try:
        np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
    except (EOFError, SyntaxError, TypeError, MemoryError, OverflowError) as error:
        raise ValueError(f"no NumPy array ({error})") from None


def mp4(data: bytes) -> None:
    """Begins as an MP4 file does; frames are not decoded."""
    if data[4:8] != b"ftyp":
        raise ValueError("does not begin as an MP4 file")


def _few_pixels(height: int, width: int) -> None:
    if not 0 < height * width <= MOST_PIXELS:
        raise ValueError(f"claims {width} x {height} pixels; up to {MOST_PIXELS} in all are decoded")


_CHECKS: Mapping[str, Callable[[bytes], None]] = {
    "jpg": jpg,
    "png": png,
    "json": json_object,
    "cls": whole_number,
    "txt": text,
    "npy": npy,
    "mp4": mp4,
}
