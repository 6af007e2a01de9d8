"""What lies in the folders, files and globs a user names: videos, stills, and what is neither, told by content.

Names decide whether a file that is no media is ignored or was meant to be media and failed, and, where the user says
that pictures are sequences, which files are set apart unopened: of 100,000 numbered pictures few are ever read.
"""

from __future__ import annotations

import glob
import os
import shlex
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from endocur.extract.dicom.header import is_dicom
from endocur.extract.dicom.kind import kind_of
from endocur.extract.patterns import Patterns
from endocur.extract.sequence_names import LITTER_FOLDERS
from endocur.extract.sequence_track import Entry, Timing, Track
from endoshards.errors import BadInput

InputKind = Literal["video", "still", "sequence", "ignored", "failed"]

HEAD_BYTES = 4096

VIDEO_SUFFIXES = frozenset(
    (
        "mp4 m4v mov qt avi mkv webm mpg mpeg mpe m1v m2v m2p vob ts m2ts mts tp trp mxf wmv asf flv f4v 3gp "
        "3g2 ogv ogg dv dif h264 264 avc h265 265 hevc ivf obu av1 rm rmvb divx mjpg mjpeg nut gxf wtv dvr-ms "
        "y4m mod tod"
    ).split()
)
PICTURE_SUFFIXES = frozenset(("jpg jpeg jpe jfif png bmp dib tif tiff gif webp jp2 j2k ppm pgm pnm").split())
ARCHIVES = {
    "zip": "unzip",
    "tar": "tar -xf",
    "tgz": "tar -xf",
    "tbz2": "tar -xf",
    "txz": "tar -xf",
    "gz": "gunzip",
    "bz2": "bunzip2",
    "xz": "unxz",
    "7z": "7z x",
    "rar": "unrar x",
    "zst": "unzstd",
}
_JUNK_NAMES = frozenset({"thumbs.db", "desktop.ini", "ehthumbs.db"})
_UNFINISHED = (".part", ".crdownload", ".download", ".partial", ".tmp", "~")
_MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"styp")
_BMP_HEADERS = (12, 40, 52, 56, 64, 108, 124)
_ASF = bytes.fromhex("3026b2758e66cf11")
_WTV = bytes.fromhex("b7d800203749da11")


@dataclass(frozen=True)
class Found:
    """One input, in its place in the sorted list of all."""

    position: int
    """From 1; how logs and errors name it."""
    path: Path
    argument: int
    """Index of the argument it was found under, from 0."""
    kind: InputKind
    reason: str = ""
    size: int = 0
    mtime_ns: int = 0
    inode: int = 0
    track: Track | None = None
    """The pictures of a sequence; its path is that of the first."""
    timing: Timing | None = None
    """Rate the user said, of a sequence, or of a video whose container has it wrong."""
    group: str = ""
    """Patient or procedure as the table of sequences says; never stored."""


@dataclass
class Pictures:
    """Picture files of one folder, by name alone, set apart unopened."""

    folder: str
    argument: int
    entries: list[Entry] = field(default_factory=list)


def find_inputs(
    arguments: Sequence[Path],
    *,
    patterns: Patterns,
    own: Sequence[Path] = (),
    apart: dict[str, Pictures] | None = None,
) -> list[Found]:
    """Everything under the arguments, in one order on every machine: by argument, then by path.

    Args:
        arguments: folders (walked to their ends, links followed once), files, or globs.
        patterns: what is included and excluded; the rest is listed as ignored.
        own: folders of ours (the corpus) that are never walked.
        apart: if given, files that are named as pictures go in here, by folder, and not into the list.
    Raises: BadInput for an argument that is not there, is an archive, is a corpus or lies inside one.
    """
    found: list[Found] = []
    seen: set[tuple[int, int]] = set()
    skip = {_identity(path) for path in own if path.is_dir()}
    in_corpus = _InCorpus(own)
    for argument, typed in enumerate(arguments):
        for root in _expand(argument, typed):
            if in_corpus.holds(root):
                if root != typed:
                    continue  # one of a glob's many
                raise BadInput(
                    f"argument {argument + 1} is a corpus or lies inside one, which holds no recordings; "
                    "keep the recordings outside it."
                )
            for path in _walk(root, seen, skip):
                if apart is not None and _set_apart(path, root, argument, patterns, apart):
                    continue
                position = len(found) + 1
                found.append(_judge(position, path, argument, patterns, root))
    return found


def judge_content(position: int, path: Path, argument: int) -> Found:
    """What a file that was set apart is after all, by its first bytes."""
    try:
        status = path.stat()
        kind, reason = sniff(_head(path), path.suffix[1:].lower())
    except OSError:
        return Found(position, path, argument, "failed", "no permission to read it")
    return Found(position, path, argument, kind, reason, status.st_size, status.st_mtime_ns, status.st_ino)


def sniff(head: bytes, suffix: str, stem: str = "") -> tuple[InputKind, str]:
    """What a file is by its first bytes.

    Args:
        head: its first HEAD_BYTES bytes, or all.
        suffix: of its name, lower case, without dot.
        stem: its name before that; tells `x.tar.gz` from `x.gz`.
    Returns: kind and, where it is not taken, the reason.
    """
    if suffix in ("mjpg", "mjpeg") and head.startswith(b"\xff\xd8\xff"):
        return "video", ""
    if _is_picture(head, suffix):
        return "still", ""
    if _is_video(head):
        return "video", ""
    if suffix in ARCHIVES and _is_archive(head):
        return "failed", f"an archive; unpack it first ({unpacks(suffix, stem)} …)"
    if not head and suffix in VIDEO_SUFFIXES | PICTURE_SUFFIXES:
        return "failed", "empty file"
    if suffix in VIDEO_SUFFIXES:
        return "video", ""  # FFmpeg knows more formats than these few bytes tell; it has the last word
    if suffix in PICTURE_SUFFIXES:
        return "failed", "no picture"
    return "ignored", "no media"


def unpacks(suffix: str, stem: str = "") -> str:
    """The command that unpacks an archive of this extension; `x.tar.gz` is a tar."""
    return "tar -xf" if stem.lower().endswith(".tar") else ARCHIVES[suffix]


def _expand(argument: int, typed: Path) -> list[Path]:
    """The paths an argument stands for. Raises: BadInput if there are none."""
    if os.path.lexists(typed):
        if typed.is_file() and typed.suffix[1:].lower() in ARCHIVES and _is_archive(_head(typed)):
            unpack = unpacks(typed.suffix[1:].lower(), typed.stem)
            raise BadInput(
                f"argument {argument + 1} is an archive; unpack it first: {unpack} {shlex.quote(str(typed))}"
            )
        return [typed]
    hits = sorted(glob.glob(str(typed), recursive=True), key=os.fsencode)  # noqa: PTH207 - absolute globs too
    if not hits:
        raise BadInput(f"{typed}: no such file or folder, and no glob that matches one.")
    return [Path(hit) for hit in hits]


def _set_apart(path: Path, root: Path, argument: int, patterns: Patterns, apart: dict[str, Pictures]) -> bool:
    """Put a file that is named as a picture, and wanted, to those of its folder."""
    name = path.name
    if path.suffix[1:].lower() not in PICTURE_SUFFIXES or name.startswith("."):
        return False
    try:
        status = path.stat()
    except OSError:
        return False
    if not stat.S_ISREG(status.st_mode) or not patterns.takes(path, root):
        return False
    folder = str(path.parent)
    pictures = apart.setdefault(folder, Pictures(folder, argument))
    pictures.entries.append(Entry(name, status.st_size, status.st_mtime_ns, status.st_ino))
    return True


class _InCorpus:
    """Whether a path is or lies below a folder of ours; asked for each hit of a glob, so answers are kept by folder."""

    def __init__(self, own: Sequence[Path]) -> None:
        self._own = {path.resolve() for path in own}
        self._known: dict[Path, bool] = {}

    def holds(self, path: Path) -> bool:
        """True if `path` or a folder above it is one of `own` or any corpus."""
        place = Path(os.path.realpath(path))  # that of pathlib does not bear a link to itself
        return self._is(place) or self._below(place.parent)

    def _below(self, folder: Path) -> bool:
        if folder not in self._known:
            self._known[folder] = self._is(folder) or (folder != folder.parent and self._below(folder.parent))
        return self._known[folder]

    def _is(self, place: Path) -> bool:
        return place in self._own or _identity(place / "corpus.toml") is not None


def _walk(root: Path, seen: set[tuple[int, int]], skip: set[tuple[int, int] | None]) -> Iterator[Path]:
    """Files under `root` sorted by name bytes; each folder and file once, however often it is linked to."""
    if not root.is_dir():
        identity = _identity(root)
        if identity is None or identity not in seen:
            if identity is not None:
                seen.add(identity)
            yield root
        return
    identity = _identity(root)
    if identity is None or identity in seen or identity in skip or (root / "corpus.toml").is_file():
        return
    seen.add(identity)
    try:
        names = sorted(os.listdir(root), key=os.fsencode)  # noqa: PTH208 - names as bytes
    except PermissionError:
        yield root
        return
    for name in names:
        path = root / name
        litter = name.startswith(".") or name.lower() in LITTER_FOLDERS
        if litter and path.is_dir() and not path.is_symlink():
            yield path
        else:
            yield from _walk(path, seen, skip)


def _identity(path: Path) -> tuple[int, int] | None:
    """(device, inode) of what a path leads to; None if it leads nowhere."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _judge(position: int, path: Path, argument: int, patterns: Patterns, root: Path) -> Found:
    def left_out(kind: InputKind, reason: str) -> Found:
        return Found(position, path, argument, kind, reason)

    name = path.name.lower()
    try:
        status = path.stat()
    except OSError:
        return (
            left_out("failed", "a link to nothing") if path.is_symlink() else left_out("failed", "cannot be looked at")
        )
    if not patterns.takes(path, root):
        return left_out("ignored", "excluded")
    if stat.S_ISDIR(status.st_mode):
        if name.startswith(".") or name in LITTER_FOLDERS:
            return left_out("ignored", "hidden folder" if name.startswith(".") else "litter of another program")
        return left_out("failed", "a folder that may not be read")
    if not stat.S_ISREG(status.st_mode):
        return left_out("ignored", "no regular file")
    if name.startswith("._") or (
        path != root and (name.startswith(".") or name in _JUNK_NAMES or name.endswith(_UNFINISHED))
    ):
        return left_out("ignored", "hidden, unfinished or litter")
    try:
        head = _head(path)
        suffix, stem = path.suffix[1:].lower(), path.stem
        kind, reason = kind_of(path, head) if is_dicom(head) else sniff(head, suffix, stem)
    except OSError:
        return left_out("failed", "no permission to read it")
    return Found(position, path, argument, kind, reason, status.st_size, status.st_mtime_ns, status.st_ino)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)


def _is_picture(head: bytes, suffix: str) -> bool:
    return (
        head.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*"))
        or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")
        or (head[4:12] == b"jP  \r\n\x87\n")
        or (head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADERS)
        or (suffix in ("ppm", "pgm", "pnm") and head[:1] == b"P" and head[1:2] in b"23456")
    )


def _is_video(head: bytes) -> bool:
    return (
        head[4:8] in _MP4_BOXES
        or head.startswith((b"\x1a\x45\xdf\xa3", b"OggS", b"FLV\x01", b".RMF", b"DKIF", b"YUV4MPEG2", _ASF, _WTV))
        or (head[:4] == b"RIFF" and head[8:12] in (b"AVI ", b"AVIX"))
        or head.startswith((b"\0\0\1\xba", b"\0\0\1\xb3", b"\x06\x0e\x2b\x34"))
        or (head.startswith((b"\0\0\0\1", b"\0\0\1")) and len(head) > 64)
        or (len(head) > 376 and {head[0], head[188], head[376]} == {0x47})
        or (len(head) > 388 and {head[4], head[196], head[388]} == {0x47})
    )


def _is_archive(head: bytes) -> bool:
    return (
        head.startswith(
            (b"PK\x03\x04", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"7z\xbc\xaf\x27\x1c", b"Rar!", b"\x28\xb5\x2f\xfd")
        )
        or head[257:262] == b"ustar"
    )
