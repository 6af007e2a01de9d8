"""What a DICOM file is to extract: a video, a still, or something that is no endoscopy."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from endocur.extract.dicom.header import DIRECTORY_CLASS, PICTURE_CLASSES, VIDEO_CLASSES, class_of, read_header
from endocur.extract.source import Unreadable


def kind_of(path: Path, head: bytes) -> tuple[Literal["video", "still", "ignored", "failed"], str]:
    """Kind and, where it is not taken, the reason.

    Args:
        path: the file.
        head: its first 4 kB.
    """
    sop_class = class_of(head)
    if sop_class == DIRECTORY_CLASS:
        return "ignored", "a directory of DICOM files"
    if sop_class and sop_class not in VIDEO_CLASSES and sop_class not in PICTURE_CLASSES:
        return "ignored", "DICOM of another kind than endoscopic or photographic pictures"
    try:
        header = read_header(path)
    except Unreadable as error:
        return "failed", str(error)
    if not header.sop_class:
        return "failed", "a DICOM file that does not say its kind"
    return ("video" if header.is_video or header.frames > 1 else "still"), ""
