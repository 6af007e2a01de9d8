"""Single pictures: strictly decoded, 8 bits a channel, with the turn that shows them upright."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from endocur.extract.geometry import Shape
from endocur.extract.planes import Planes, from_rgb
from endocur.extract.source import Unreadable

MAX_PIXELS = 100_000_000
"""A header that announces more is refused before anything is decoded: a few kilobytes can ask for gigabytes."""

_TURNS = {3: 180, 4: 180, 5: 90, 6: 90, 7: 270, 8: 270}
"""EXIF orientation -> degrees clockwise that show it upright. Mirrored kinds (4, 5, 7; 2) are turned, not mirrored."""

_ORIENTATION, _WIDTH, _HEIGHT = 0x0112, 0x0100, 0x0101


@dataclass(frozen=True)
class Still:
    """One picture."""

    planes: Planes
    shape: Shape
    note: str = ""
    """What was left out, e.g. the later pictures of an animation."""


def read_still(data: bytes) -> Still:
    """Decode a picture file.

    16 bits a channel are scaled to 8, CMYK and palettes become RGB, alpha is left out, of an animation the first
    picture is taken.

    Args:
        data: the whole file.
    Raises: Unreadable with a reason that holds no name.
    """
    width, height = picture_size(data)
    if width * height > MAX_PIXELS:
        raise Unreadable(f"{width} x {height} pixels; at most {MAX_PIXELS // 1_000_000} million are read")
    _refuse_cut(data)
    rgb = _decode(data)
    grey = np.array_equal(rgb[..., 0], rgb[..., 1]) and np.array_equal(rgb[..., 1], rgb[..., 2])
    shape = Shape(rgb.shape[1], rgb.shape[0], _TURNS.get(orientation(data), 0))
    note = "first picture of an animation" if _is_animated(data) else ""
    return Still(from_rgb(rgb, "grey" if grey else "rgb"), shape, note)


def picture_size(data: bytes) -> tuple[int, int]:
    """(width, height) as the header says, (0, 0) for a format it cannot be read from."""
    if data.startswith(b"\x89PNG"):
        return struct.unpack(">II", data[16:24].ljust(8, b"\0"))
    if data.startswith(b"\xff\xd8"):
        try:
            height, width = simplejpeg.decode_jpeg_header(data)[:2]
        except ValueError:
            raise Unreadable("a JPEG without a readable header") from None
        return int(width), int(height)
    if data.startswith(b"GIF8"):
        return struct.unpack("<HH", data[6:10].ljust(4, b"\0"))
    if data.startswith(b"BM"):
        width, height = struct.unpack("<ii", data[18:26].ljust(8, b"\0"))
        return abs(width), abs(height)
    if data.startswith((b"II*\0", b"MM\0*")):
        tags = _tiff_tags(data)
        return tags.get(_WIDTH, 0), tags.get(_HEIGHT, 0)
    if data[12:16] == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if data[12:16] == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    return 0, 0


def orientation(data: bytes) -> int:
    """The EXIF orientation, 1 to 8; 1 where the file has none."""
    if data.startswith((b"II*\0", b"MM\0*")):
        block = data
    elif data.startswith(b"\xff\xd8"):
        at = data.find(b"Exif\0\0", 0, 1 << 16)
        block = data[at + 6 :] if at > 0 else b""
    elif data.startswith(b"\x89PNG"):
        at = data.find(b"eXIf", 0, 1 << 16)
        block = data[at + 4 :] if at > 0 else b""
    else:
        block = b""
    value = _tiff_tags(block).get(_ORIENTATION, 1)
    return value if 1 <= value <= 8 else 1


def _decode(data: bytes) -> NDArray[np.uint8]:
    how = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    if data.startswith((b"II*\0", b"MM\0*")):
        data = _without_turn(data)
    try:
        bgr = cv2.imdecode(np.frombuffer(data, np.uint8), how)
    except cv2.error:
        bgr = None
    if bgr is None or bgr.size == 0:
        raise Unreadable("a picture that cannot be decoded")
    if bgr.shape[0] < 2 or bgr.shape[1] < 2:
        raise Unreadable("fewer than 2 x 2 pixels")
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


def _refuse_cut(data: bytes) -> None:
    """Decoders fill what is missing with grey; a cut file is not a good picture."""
    if data.startswith(b"\xff\xd8"):
        try:
            colour = "CMYK" if simplejpeg.decode_jpeg_header(data)[2] == "CMYK" else "GRAY"
            simplejpeg.decode_jpeg(data, colour, strict=True, min_factor=8)
        except ValueError as error:
            if "remature" in str(error):
                raise Unreadable("a JPEG that was cut off") from None
    elif data.startswith(b"\x89PNG") and b"IEND" not in data[-64:]:
        raise Unreadable("a PNG that was cut off")


def _without_turn(data: bytes) -> bytes:
    """A TIFF whose orientation says upright: OpenCV turns this format even when told not to."""
    for tag, _, at in _tiff_entries(data):
        if tag == _ORIENTATION:
            return data[:at] + (b"\1\0" if data[:2] == b"II" else b"\0\1") + data[at + 2 :]
    return data


def _is_animated(data: bytes) -> bool:
    if data.startswith(b"GIF8"):
        return data.count(b"\x00\x21\xf9\x04") > 1
    return (data[12:16] == b"VP8X" and bool(data[20] & 2)) or (data.startswith(b"\x89PNG") and b"acTL" in data[:4096])


def _tiff_tags(block: bytes) -> dict[int, int]:
    """Whole-number tags of the first directory of a TIFF structure; empty if it is none."""
    return {tag: value for tag, value, _ in _tiff_entries(block)}


def _tiff_entries(block: bytes) -> Iterator[tuple[int, int, int]]:
    """(tag, value, where the value stands) of the whole-number tags of the first directory."""
    order: Literal["little", "big"] = "little" if block[:2] == b"II" else "big"
    if block[:2] not in (b"II", b"MM") or len(block) < 8:
        return
    at = int.from_bytes(block[4:8], order)
    for index in range(int.from_bytes(block[at : at + 2], order)):
        start = at + 2 + 12 * index
        if start + 12 > len(block):
            return
        tag, kind = (int.from_bytes(block[place : place + 2], order) for place in (start, start + 2))
        if kind in (3, 4):
            yield tag, int.from_bytes(block[start + 8 : start + (10 if kind == 3 else 12)], order), start + 8
