"""The video inside a DICOM file as a file of its own: its fragments laid end to end, nothing copied or re-encoded."""

from __future__ import annotations

import io
import os
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO, Literal

from endocur.extract.dicom.header import BIG_ENDIAN, Header, is_dicom_file, read_header
from endocur.extract.source import Unreadable

_ITEM, _END = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"
_PIXELS, _PIXELS_BIG = b"\xe0\x7f\x10\x00", b"\x7f\xe0\x00\x10"
_UNDEFINED = 0xFFFFFFFF
_LONG_VR = (b"OB", b"OW", b"UN")


class Payload(io.RawIOBase):
    """Read-only file over spans of another one."""

    def __init__(
        self, path: Path, spans: list[tuple[int, int]], *, is_cut: bool = False, rate: Fraction | None = None
    ) -> None:
        """
        Args:
            path: the file below.
            spans: (offset, length) of each fragment, in order.
            is_cut: they announce more than the file holds.
            rate: frames a second, as said beside the stream.
        """
        self.is_cut, self.rate = is_cut, rate
        self._file = path.open("rb")
        self._spans = spans
        self._ends = list(accumulate(length for _, length in spans))
        self._at = 0

    @property
    def size(self) -> int:
        """Bytes of the stream."""
        return self._ends[-1] if self._ends else 0

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """As any file."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        """As any file."""
        return self._at

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes across fragments, all that is left if negative; fewer at the end only."""
        wanted = max(0, self.size - self._at) if size < 0 else size
        parts: list[bytes] = []
        while wanted > 0 and self._at < self.size:
            index = bisect_right(self._ends, self._at)
            offset, length = self._spans[index]
            inside = self._at - (self._ends[index] - length)
            self._file.seek(offset + inside)
            part = self._file.read(min(wanted, length - inside))
            if not part:
                break
            parts.append(part)
            self._at += len(part)
            wanted -= len(part)
        return b"".join(parts)

    def close(self) -> None:
        """Close the file below, too."""
        self._file.close()
        super().close()


def open_payload(path: Path, header: Header) -> Payload:
    """The stream of a DICOM video.

    Raises: Unreadable if the pixel data element is not where it should be.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = enter_pixels(file, header)
        if length != _UNDEFINED:
            at = file.tell()
            return Payload(path, [(at, min(length, size - at))], is_cut=at + length > size, rate=header.rate)
        spans, is_cut = _fragments(file, size)
    announced = sum(length for _, length in spans)
    if header.total_bytes and announced - header.total_bytes == 1 and spans:
        spans[-1] = (spans[-1][0], spans[-1][1] - 1)  # the byte that makes a length even
    return Payload(path, spans, is_cut=is_cut, rate=header.rate)


@contextmanager
def readable(path: Path) -> Iterator[Path | Payload]:
    """What FFmpeg is to open for a file: itself, or the video inside it.

    Raises: Unreadable for a DICOM file without a video stream inside.
    """
    if not is_dicom_file(path):
        yield path
        return
    header = read_header(path)
    if not header.is_video:
        raise Unreadable("a DICOM file of single pictures, not of a video stream")
    with open_payload(path, header) as payload:
        yield payload


def enter_pixels(file: BinaryIO, header: Header) -> int:
    """Place the file at the first byte of the pixel data's value. Returns: its length as said.

    Raises: Unreadable if there is none.
    """
    file.seek(header.pixels_at)
    head = file.read(8)
    order: Literal["big", "little"] = "big" if header.syntax == BIG_ENDIAN else "little"
    if head[:4] != (_PIXELS_BIG if order == "big" else _PIXELS):
        raise Unreadable("a DICOM file without pixel data")
    return int.from_bytes(file.read(4) if head[4:6] in _LONG_VR else head[4:8], order)


def _fragments(file: BinaryIO, size: int) -> tuple[list[tuple[int, int]], bool]:
    """(offset, length) of the items behind the basic offset table, and whether the file ends before they do."""
    spans: list[tuple[int, int]] = []
    is_first = True
    while True:
        head = file.read(8)
        if head[:4] == _END:
            return spans, False
        if len(head) < 8 or head[:4] != _ITEM:
            return spans, True
        at, length = file.tell(), int.from_bytes(head[4:8], "little")
        if not is_first:
            spans.append((at, min(length, size - at)))
        is_first = False
        if at + length > size:
            return spans, True
        file.seek(at + length)
