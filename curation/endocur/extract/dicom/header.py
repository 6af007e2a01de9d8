"""The technical tags of a DICOM file, and where its pixels begin.

Only the tags in `TAGS` are parsed; names, dates, accession numbers, UIDs of studies, device serials and private tags
are skipped over as bytes.
"""

from __future__ import annotations

import logging
import struct
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from endocur.extract.source import Unreadable

MAGIC_AT, MAGIC = 128, b"DICM"
NEEDS_PYDICOM = "DICOM needs pydicom; install it: pip install 'endomae[dicom]'"

VIDEO_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.77.1.1.1": "Video Endoscopic Image",
    "1.2.840.10008.5.1.4.1.1.77.1.4.1": "Video Photographic Image",
    "1.2.840.10008.5.1.4.1.1.7.4": "Multi-frame True Color Secondary Capture",
}
PICTURE_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.77.1.1": "VL Endoscopic Image",
    "1.2.840.10008.5.1.4.1.1.77.1.4": "VL Photographic Image",
    "1.2.840.10008.5.1.4.1.1.7": "Secondary Capture",
}
"""SOP classes that are read. Source: DICOM PS3.4 B.5; of one frame, all are stills."""

DIRECTORY_CLASS = "1.2.840.10008.1.3.10"
VIDEO_SYNTAXES = tuple(f"1.2.840.10008.1.2.4.{number}" for number in range(100, 109))
"""MPEG-2, H.264 and HEVC payloads, each also with ".1" behind it (fragmentable). Source: DICOM PS3.5 A.4."""
BIG_ENDIAN = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"

TAGS = (
    "Rows Columns NumberOfFrames SamplesPerPixel BitsAllocated BitsStored PixelRepresentation "
    "PhotometricInterpretation PlanarConfiguration PixelAspectRatio FrameTime FrameTimeVector CineRate "
    "RecommendedDisplayFrameRate "
    "ExtendedOffsetTable ExtendedOffsetTableLengths EncapsulatedPixelDataValueTotalLength "
    "RedPaletteColorLookupTableDescriptor GreenPaletteColorLookupTableDescriptor "
    "BluePaletteColorLookupTableDescriptor RedPaletteColorLookupTableData GreenPaletteColorLookupTableData "
    "BluePaletteColorLookupTableData"
).split()
"""All that is ever read of a file, by keyword."""

MAX_FRAMES = 100_000_000

PARSER_ERRORS = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
)
"""What pydicom raises on files that lie about themselves."""


@dataclass(frozen=True)
class Header:
    """What the tags say; nothing in here tells a person, a place or a device."""

    sop_class: str
    """Its name in VIDEO_CLASSES or PICTURE_CLASSES; "" for any other."""
    syntax: str
    """UID of the transfer syntax."""
    columns: int
    rows: int
    frames: int
    photometric: str
    samples: int
    """A pixel."""
    bits: int
    """Bits stored a sample."""
    bits_allocated: int
    signed: bool
    rate: Fraction | None
    """Frames a second; None where the file says nothing."""
    steps_us: tuple[int, ...]
    """Microseconds from each frame to the next, of a frame time vector; empty where there is none."""
    sar: tuple[int, int]
    """Width : height of a pixel."""
    pixels_at: int
    """Where the pixel data element begins, in bytes."""
    total_bytes: int
    """Length of the encapsulated stream without padding; 0 where it is not said."""
    offsets: tuple[bytes, bytes] | None
    """Extended offset table and its lengths."""

    @property
    def frame_bytes(self) -> int:
        """Bytes of an uncompressed frame."""
        return self.columns * self.rows * self.samples * self.bits_allocated // 8

    @property
    def is_video(self) -> bool:
        """The pixels are a video stream, not pictures one by one."""
        return is_video_syntax(self.syntax)

    def facts(self) -> dict[str, object]:
        """What is recorded with the unit."""
        return {
            "sop_class": self.sop_class,
            "transfer_syntax": self.syntax,
            "columns": self.columns,
            "rows": self.rows,
            "frames": self.frames,
            "photometric": self.photometric,
            "bits_stored": self.bits,
            "frames_a_second": None if self.rate is None else round(float(self.rate), 6),
            "has_frame_times": bool(self.steps_us),
        }


def is_dicom(head: bytes) -> bool:
    """Whether a file's first bytes are those of a DICOM file (PS3.10)."""
    return head[MAGIC_AT : MAGIC_AT + 4] == MAGIC


def is_dicom_file(path: Path) -> bool:
    """The same of a file. Raises: OSError."""
    with path.open("rb") as file:
        return is_dicom(file.read(MAGIC_AT + 4))


def is_video_syntax(uid: str) -> bool:
    """Whether a transfer syntax carries a video stream."""
    return uid.removesuffix(".1") in VIDEO_SYNTAXES or uid in VIDEO_SYNTAXES


def read_header(path: Path) -> Header:
    """Read the technical tags.

    Raises: Unreadable with a reason that holds no name.
    """
    try:
        import pydicom
        from pydicom.errors import InvalidDicomError
    except ImportError:
        raise Unreadable(NEEDS_PYDICOM) from None
    logging.getLogger("pydicom").disabled = True  # its warnings quote values
    with path.open("rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            said = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=list(TAGS))
            pixels_at = file.tell()
            syntax = str(said.file_meta.get("TransferSyntaxUID", ""))
            sop_class = str(said.file_meta.get("MediaStorageSOPClassUID", ""))
            values = {keyword: said.get(keyword) for keyword in TAGS}
        except (InvalidDicomError, *PARSER_ERRORS):
            raise Unreadable("a DICOM file whose tags cannot be read") from None
    return _header(values, syntax, sop_class, pixels_at)


def class_of(head: bytes) -> str:
    """UID of the SOP class by the file meta group alone, from a file's first kilobytes; "" if it is not there.

    The group is explicit little endian in every DICOM file (PS3.10 7.1).
    """
    at = MAGIC_AT + 4
    while at + 8 <= len(head):
        group, element = (int.from_bytes(head[place : place + 2], "little") for place in (at, at + 2))
        if group != 2:
            break
        long = head[at + 4 : at + 6] in (b"OB", b"OW", b"UN", b"SQ", b"UT")
        length = int.from_bytes(head[at + 8 : at + 12] if long else head[at + 6 : at + 8], "little")
        start = at + (12 if long else 8)
        if element == 2:
            return head[start : start + length].rstrip(b"\0 ").decode("ascii", "replace")
        at = start + length
    return ""


def _header(values: Mapping[str, Any], syntax: str, sop_class: str, pixels_at: int) -> Header:
    try:
        rate, steps_us = _rate(values), _steps_us(values.get("FrameTimeVector"))
        header = Header(
            sop_class=VIDEO_CLASSES.get(sop_class) or PICTURE_CLASSES.get(sop_class, ""),
            syntax=syntax,
            columns=int(values["Columns"] or 0),
            rows=int(values["Rows"] or 0),
            frames=int(values["NumberOfFrames"] or 1),
            photometric=str(values["PhotometricInterpretation"] or "").strip().upper(),
            samples=int(values["SamplesPerPixel"] or 1),
            bits_allocated=int(values["BitsAllocated"] or 8),
            bits=int(values["BitsStored"] or values["BitsAllocated"] or 8),
            signed=bool(values["PixelRepresentation"]),
            rate=rate,
            steps_us=steps_us,
            sar=_sar(values.get("PixelAspectRatio")),
            pixels_at=pixels_at,
            total_bytes=_unsigned(values["EncapsulatedPixelDataValueTotalLength"]),
            offsets=_offsets(values),
        )
    except (TypeError, ValueError, ArithmeticError):
        raise Unreadable("a DICOM file whose technical tags make no sense") from None
    if not 0 < header.frames <= MAX_FRAMES:
        raise Unreadable(f"a DICOM file that announces {header.frames} frames")
    if syntax == DEFLATED:
        raise Unreadable("DICOM with deflated tags is not read; store it with another transfer syntax first")
    return header


def _rate(values: Mapping[str, Any]) -> Fraction | None:
    """Frames a second: frame time in ms, then cine rate, then the recommended display rate."""
    frame_ms = values.get("FrameTime")
    if frame_ms:
        rate = 1000 / Fraction(str(frame_ms)).limit_denominator(1_000_000)
        if 0 < rate <= 1000:
            # a time of 33.33 ms means 30 frames a second, 33.37 those of NTSC
            whole, ntsc = Fraction(max(1, round(rate))), Fraction(max(1, round(rate * 1001 / 1000)) * 1000, 1001)
            near = min(whole, ntsc, key=lambda known: abs(known - rate))
            return near if abs(near - rate) < rate / 2000 else rate
    for keyword in ("CineRate", "RecommendedDisplayFrameRate"):
        said = values.get(keyword)
        if said and 0 < int(said) <= 1000:
            return Fraction(int(said))
    return None


def _steps_us(vector: Any) -> tuple[int, ...]:
    if vector is None or isinstance(vector, (str, float)):
        return ()
    steps = tuple(round(1000 * float(step)) for step in vector)
    return steps[1:] if all(step >= 0 for step in steps) else ()


def _sar(ratio: Any) -> tuple[int, int]:
    """DICOM says vertical, then horizontal size of a pixel."""
    if ratio is None or len(ratio) != 2:
        return (1, 1)
    vertical, horizontal = int(ratio[0]), int(ratio[1])
    return (horizontal, vertical) if vertical > 0 and horizontal > 0 else (1, 1)


def _unsigned(value: Any) -> int:
    if isinstance(value, bytes):
        return int.from_bytes(value[:8], "little")
    return int(value or 0)


def _offsets(values: Mapping[str, Any]) -> tuple[bytes, bytes] | None:
    offsets, lengths = values.get("ExtendedOffsetTable"), values.get("ExtendedOffsetTableLengths")
    return (bytes(offsets), bytes(lengths)) if offsets and lengths else None
