"""DICOM files made on the spot: video streams wrapped as they are, and pictures one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import generate_uid

VIDEO_ENDOSCOPIC = "1.2.840.10008.5.1.4.1.1.77.1.1.1"
ENDOSCOPIC = "1.2.840.10008.5.1.4.1.1.77.1.1"
CT = "1.2.840.10008.5.1.4.1.1.2"
H264, HEVC, MPEG2 = (f"1.2.840.10008.1.2.4.{number}" for number in (102, 107, 101))
IMPLICIT, EXPLICIT, BIG_ENDIAN, RLE = (
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2.2",
    "1.2.840.10008.1.2.5",
)
JPEG, JPEG_LS, JPEG_2000 = (f"1.2.840.10008.1.2.4.{number}" for number in (50, 80, 90))


def write_dicom(
    path: Path,
    pixels: bytes,
    *,
    syntax: str,
    size: tuple[int, int],
    frames: int = 1,
    sop_class: str = VIDEO_ENDOSCOPIC,
    tags: Mapping[str, object] = {},
) -> Path:
    """Write a file.

    Args:
        pixels: the value of the pixel data element, encapsulated where the syntax wants it.
        size: (width, height).
        tags: further tags by keyword; they replace those below.
    """
    said = Dataset()
    said.file_meta = FileMetaDataset()
    said.file_meta.MediaStorageSOPClassUID = sop_class
    said.file_meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[path.name])
    said.file_meta.TransferSyntaxUID = syntax
    said.SOPClassUID, said.SOPInstanceUID = sop_class, said.file_meta.MediaStorageSOPInstanceUID
    said.Columns, said.Rows = size
    said.NumberOfFrames = frames
    said.SamplesPerPixel, said.PhotometricInterpretation, said.PlanarConfiguration = 3, "RGB", 0
    said.BitsAllocated, said.BitsStored, said.HighBit, said.PixelRepresentation = 8, 8, 7, 0
    for keyword, value in tags.items():
        setattr(said, keyword, value)
    said.PixelData = pixels
    is_packed = syntax not in (IMPLICIT, EXPLICIT, BIG_ENDIAN)
    said["PixelData"].is_undefined_length = is_packed
    said["PixelData"].VR = "OB" if said.BitsAllocated == 8 or is_packed else "OW"
    said.save_as(path, enforce_file_format=True)
    return path


def wrap_video(
    path: Path, stream: bytes, *, syntax: str, size: tuple[int, int], fragment: int = 0, **more: object
) -> Path:
    """A video stream in a DICOM file, in fragments of so many bytes (one if 0)."""
    step = fragment or len(stream)
    parts = [stream[start : start + step] for start in range(0, len(stream), step)]
    return write_dicom(
        path, items(parts), syntax=syntax, size=size, tags={"PhotometricInterpretation": "YBR_PARTIAL_420"} | more
    )


def items(parts: Sequence[bytes]) -> bytes:
    """Fragments behind an empty offset table, padded to even lengths; the end is written by the writer."""
    out = [b"\xfe\xff\x00\xe0\0\0\0\0"]
    for part in parts:
        padded = part + b"\0" * (len(part) % 2)
        out.append(b"\xfe\xff\x00\xe0" + len(padded).to_bytes(4, "little") + padded)
    return b"".join(out)


def wrap_pictures(path: Path, coded: Sequence[bytes], *, syntax: str, size: tuple[int, int], **more: object) -> Path:
    """Coded pictures, one fragment each."""
    tags = {"FrameTime": "40"} | more
    return write_dicom(path, encapsulate(list(coded)), syntax=syntax, size=size, frames=len(coded), tags=tags)


def wrap_pixels(path: Path, pictures: np.ndarray, *, syntax: str = EXPLICIT, **more: object) -> Path:
    """Uncompressed [n, h, w] or [n, h, w, 3], uint8 or uint16."""
    order = ">" if syntax == BIG_ENDIAN else "<"
    data = pictures.astype(pictures.dtype.newbyteorder(order)).tobytes()
    bits = 8 * pictures.dtype.itemsize
    tags: dict[str, object] = {
        "BitsAllocated": bits,
        "BitsStored": bits,
        "HighBit": bits - 1,
        "FrameTime": "40",
    }
    if pictures.ndim == 3:
        tags |= {"SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2"}
    height, width = pictures.shape[1:3]
    return write_dicom(
        path,
        data + b"\0" * (len(data) % 2),
        syntax=syntax,
        size=(width, height),
        frames=len(pictures),
        tags=tags | more,
    )
