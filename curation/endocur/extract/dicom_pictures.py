"""DICOM files whose pixels are pictures one by one: multi-frame files as a `Source`, single ones as a still.

JPEG, JPEG-LS and JPEG 2000 go through FFmpeg's decoders, as planes where they are coded so; uncompressed pixels and
RLE through pydicom. Colour: YBR_FULL is BT.601 of full range (DICOM PS3.3 C.7.6.3.1.2), RGB and palettes are RGB.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import accumulate
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from endocur.extract.colour import Colour
from endocur.extract.dicom.header import BIG_ENDIAN, PARSER_ERRORS, Header, read_header
from endocur.extract.dicom.payload import enter_pixels
from endocur.extract.geometry import Shape, sane_sar
from endocur.extract.media import planes_of
from endocur.extract.planes import Planes, from_rgb
from endocur.extract.source import Damage, Frame, Moment, Unreadable

UNSAID_RATE = Fraction(1)
"""Frames a second where no tag says when a frame is shown: captures, each of which may matter."""

CODECS = {
    "1.2.840.10008.1.2.4.50": "mjpeg",
    "1.2.840.10008.1.2.4.51": "mjpeg",
    "1.2.840.10008.1.2.4.57": "mjpeg",
    "1.2.840.10008.1.2.4.70": "mjpeg",
    "1.2.840.10008.1.2.4.80": "jpegls",
    "1.2.840.10008.1.2.4.81": "jpegls",
    "1.2.840.10008.1.2.4.90": "jpeg2000",
    "1.2.840.10008.1.2.4.91": "jpeg2000",
}
"""Transfer syntax -> FFmpeg's decoder. Source: DICOM PS3.5 A.4.1 to A.4.4."""
RLE = "1.2.840.10008.1.2.5"
BY_PYDICOM = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", BIG_ENDIAN, RLE)
"""Uncompressed (implicit, explicit, big endian) and RLE."""

_END_OF_IMAGE = b"\xff\xd9"
"""Closes JPEG, JPEG-LS and JPEG 2000 streams alike."""
_MAX_PIXELS = 100_000_000


class DicomPictures:
    """A multi-frame DICOM file as a `Source`."""

    def __init__(self, path: Path, pulse: Callable[[], None] | None = None) -> None:
        """`pulse` is called with every frame, so that a watchdog sees a long file live."""
        self.damage = Damage()
        self._path = path
        self._pulse = pulse or (lambda: None)

    def probe(self, count: int) -> Iterator[Frame]:
        """See `Source.probe`."""
        header = _checked(self._path)
        count = min(count, header.frames)
        wanted = {(2 * k + 1) * header.frames // (2 * count) for k in range(count)}
        given = 0
        for _, planes in _pictures(self._path, header, Damage(), wanted, self._pulse):
            given += 1
            yield Frame(Moment(0), _shape(planes, header), planes)
        if not given:
            raise Unreadable("no frame can be decoded")

    def frames(self) -> Iterator[Frame]:
        """See `Source.frames`."""
        header = _checked(self._path)
        self.damage = Damage()
        times = _Times(header)
        for index, planes in _pictures(self._path, header, self.damage, None, self._pulse):
            yield Frame(times.moment(index), _shape(planes, header), planes)


def dicom_still(path: Path) -> tuple[Planes, Shape]:
    """The one picture of a DICOM file.

    Raises: Unreadable with a reason that holds no name.
    """
    header = _checked(path)
    damage = Damage()
    for _, planes in _pictures(path, header, damage, {0}, lambda: None):
        return planes, _shape(planes, header)
    raise Unreadable("a DICOM picture that cannot be decoded")


class _Times:
    """When frame i of a file is shown: by its frame time vector, else by its rate."""

    def __init__(self, header: Header) -> None:
        self._starts = list(accumulate(header.steps_us, initial=0)) if header.steps_us else []
        self._rate = header.rate or UNSAID_RATE
        self._last_us = -1

    def moment(self, index: int) -> Moment:
        if index < len(self._starts):
            us, is_made = self._starts[index], False
        else:
            beyond = index - max(0, len(self._starts) - 1)
            us, is_made = (self._starts[-1] if self._starts else 0) + round(beyond * 1_000_000 / self._rate), True
        flag = ""
        if us <= self._last_us:
            us, flag = self._last_us + 1, "equal"
        self._last_us = us
        return Moment(us, is_made, flag)


def _checked(path: Path) -> Header:
    header = read_header(path)
    if header.columns * header.rows > _MAX_PIXELS:
        raise Unreadable(
            f"{header.columns} x {header.rows} pixels; at most {_MAX_PIXELS // 1_000_000} million are read"
        )
    if header.columns < 2 or header.rows < 2:
        raise Unreadable("fewer than 2 x 2 pixels")
    if header.syntax not in CODECS and header.syntax not in BY_PYDICOM:
        raise Unreadable(f"DICOM with transfer syntax {header.syntax or '(none)'}, which is not read")
    return header


def _shape(planes: Planes, header: Header) -> Shape:
    height, width = planes.y.shape
    return Shape(width, height, 0, sane_sar(*header.sar))


def _pictures(
    path: Path, header: Header, damage: Damage, wanted: set[int] | None, pulse: Callable[[], None]
) -> Iterator[tuple[int, Planes]]:
    """(index, planes) of the frames wanted, all if None; what cannot be decoded is counted in `damage`."""
    read = _uncompressed if header.syntax in BY_PYDICOM else _compressed
    seen = 0
    for index, planes in read(path, header, damage, wanted):
        pulse()
        seen = index + 1
        if planes is None:
            damage.unreadable += 1
        elif planes.y.shape != (header.rows, header.columns):
            damage.corrupt += 1
        else:
            yield index, planes
    last = header.frames if wanted is None else max(wanted) + 1
    damage.truncated = damage.truncated or seen < last


def _uncompressed(
    path: Path, header: Header, damage: Damage, wanted: set[int] | None
) -> Iterator[tuple[int, Planes | None]]:
    from pydicom import Dataset
    from pydicom.pixels.utils import iter_pixels

    there = min(header.frames, _frames_there(path, header))
    indices = [index for index in (range(header.frames) if wanted is None else sorted(wanted)) if index < there]
    described = Dataset()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pixels = iter_pixels(path, indices=indices, ds_out=described, number_of_frames=there)
        for index in indices:
            try:
                picture = next(pixels, None)
            except PARSER_ERRORS:
                picture = None
            if picture is None:
                damage.truncated = True
                return
            yield index, _planes_of_pixels(picture, header, described)


def _frames_there(path: Path, header: Header) -> int:
    """How many frames of an uncompressed file its bytes can hold; all that are announced where they are packed."""
    if header.syntax == RLE:
        return header.frames
    with path.open("rb") as file:
        enter_pixels(file, header)
        left = path.stat().st_size - file.tell()
    return left // max(1, header.frame_bytes)


def _compressed(
    path: Path, header: Header, damage: Damage, wanted: set[int] | None
) -> Iterator[tuple[int, Planes | None]]:
    from pydicom.encaps import generate_frames

    codec: Any = av.CodecContext.create(CODECS[header.syntax], "r")
    codec.thread_count = 1
    with path.open("rb") as file:
        enter_pixels(file, header)
        frames = generate_frames(file, number_of_frames=header.frames, extended_offsets=header.offsets)
        for index in range(header.frames):
            try:
                data = next(frames, None)
            except PARSER_ERRORS:
                data = None
            if data is None:
                damage.truncated = True
                return
            if wanted is None or index in wanted:
                yield index, _decoded(codec, data, header)


def _decoded(codec: Any, data: bytes, header: Header) -> Planes | None:
    if _END_OF_IMAGE not in data[-8:]:  # decoders fill what was cut off with grey
        return None
    try:
        frames = [*codec.decode(av.Packet(data)), *codec.decode(None)]
    except (av.error.FFmpegError, ValueError):
        frames = []
    codec.flush_buffers()
    if not frames or frames[0].is_corrupt:
        return None
    planes = planes_of(frames[0])
    if planes.u is None or planes.v is None:
        return _grey(planes.y, header, planes.bits)
    if planes.colour.matrix == "rgb":
        return planes
    if header.photometric == "RGB" and _is_rgb_jpeg(data, planes):
        return from_rgb(np.ascontiguousarray(np.stack([planes.y, planes.u, planes.v], axis=-1)))
    return replace(planes, colour=Colour("bt601", True, False))


def _is_rgb_jpeg(data: bytes, planes: Planes) -> bool:
    """Whether a JPEG said to be RGB is: files say so of YCbCr, too, but RGB is never subsampled, and JFIF or Adobe's
    marker with a transform mean YCbCr (ITU-T T.871, T.872)."""
    assert planes.u is not None
    adobe = data.find(b"Adobe", 0, 4096)
    if adobe > 0:
        return data[adobe + 11 : adobe + 12] == b"\0"
    return planes.u.shape == planes.y.shape and b"JFIF\0" not in data[:64]


def _planes_of_pixels(picture: NDArray[Any], header: Header, described: Any) -> Planes:
    """Planes of pydicom's array: [h, w] or [h, w, 3], colour already RGB; `described` holds the palettes."""
    if header.photometric == "PALETTE COLOR":
        from pydicom.pixels.processing import apply_color_lut

        picture = apply_color_lut(picture, described)
    if picture.ndim == 2:
        return _grey(picture, header, header.bits)
    return from_rgb(np.ascontiguousarray(_eight_bits(picture, 16 if picture.dtype.itemsize == 2 else 8)))


def _grey(samples: NDArray[Any], header: Header, bits: int) -> Planes:
    if header.signed:
        samples = samples.astype(np.int32) + (1 << bits - 1)
    grey = _eight_bits(samples, bits)
    if header.photometric == "MONOCHROME1":
        grey = 255 - grey
    return Planes(np.ascontiguousarray(grey), None, None, 8, Colour("grey", True, False))


def _eight_bits(samples: NDArray[Any], bits: int) -> NDArray[np.uint8]:
    if bits == 8:
        return np.clip(samples, 0, 255).astype(np.uint8)
    top = (1 << bits) - 1
    return ((np.clip(samples, 0, top).astype(np.uint32) * 255 + top // 2) // top).astype(np.uint8)
