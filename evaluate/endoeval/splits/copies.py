"""Copies between splits, where the files are at hand: equal bytes, and pictures that look alike by a perceptual hash.

The hash is a first net: copies of another encoding or brightness are found, shifted and cropped ones mostly not
(64-bit DCT hash inside the trimmed border: different pictures differ by 14 bits or more, copies by 2 at most).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from endoeval.splits.columns import split_number
from endoeval.splits.finding import Finding, several
from endoeval.splits.naming import NamesRows
from endoeval.splits.near import NEAR_BITS, Hashes, near
from endoeval.splits.rows import SPLITS, TEST, TRAIN, VAL, Rows

DARK = 24
LIT_SHARE = 0.2
"""Rows and columns with fewer pixels above `DARK` than this share are border; more than the ringing of JPEG lights."""
PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")


def folders_of(splits: NDArray[np.int8], train: object, val: object, test: object) -> list[tuple[Path, ...]]:
    """Class folders that the names of each row are relative to, () for rows of lists.

    Args:
        splits: [n] index into SPLITS.
        train, val, test: what was given; a folder alone may hold one a split (`read.read`).
    """
    given = {TRAIN: train, VAL: val, TEST: test}
    folders = {n: Path(source) for n, source in given.items() if isinstance(source, str | Path)}
    of: dict[int, tuple[Path, ...]] = {n: (path,) for n, path in folders.items() if path.is_dir()}
    if test is None and TRAIN in of:
        inside = [(split_number(path.name), path) for path in sorted(of[TRAIN][0].iterdir()) if path.is_dir()]
        whole = of[TRAIN]
        of = {n: (*(path for number, path in inside if number == n), *whole) for n in given}
    return [of.get(split, ()) for split in splits.tolist()]


def byte_digests(
    listed: Sequence[str], names: Sequence[str], root: Path, folders: Sequence[tuple[Path, ...]]
) -> list[str]:
    """SHA-256 of each row's file in its class folder or under `root`, "" where there is none.

    Raises: BadInput where no file of the lists lies there.
    """
    made: dict[Path, str] = {}
    digests = []
    for row, name, own in zip(listed, names, folders, strict=True):
        path = find_file(root, row, name, own)
        if path is not None and path not in made:
            with path.open("rb") as file:
                made[path] = hashlib.file_digest(file, "sha256").hexdigest()
        digests.append(made[path] if path is not None else "")
    if not made:
        raise NamesRows(
            f"none of the {len(names):,} listed files lies under {root}; {names[0]} was looked for, for one.", names[0]
        )
    return digests


def find_file(root: Path, listed: str, name: str, folders: Sequence[Path] = ()) -> Path | None:
    """The file of a row: in its class folder, else its listed path, its stripped one, or the listed one less its first
    folders, under `root`."""
    for folder in folders:
        if (folder / listed).is_file():
            return folder / listed
    parts = listed.split("/")
    for tail in (name, *("/".join(parts[i:]) for i in range(len(parts)))):
        path = root / tail.lstrip("/")
        if path.is_file():
            return path
    return None


def copy_findings(rows: Rows) -> list[Finding]:
    """Equal bytes (faults) and near copies (notes) between splits; files that are missing are a note.

    Args:
        rows: the lists, with `digests` and `hashes`.
    """
    assert rows.digests is not None
    assert rows.hashes is not None
    digests = np.array(rows.digests)
    there = digests != ""
    findings = []
    if not there.all():
        missing = np.flatnonzero(~there)
        text = f"{len(missing):,} of {len(there):,} listed files are not under the data root: no copy of them is seen"
        findings.append(Finding("files-missing", "note", len(missing), None, text, _names(rows, missing)))
    hashes, hashed = rows.hashes, rows.hashes != 0
    for one, other in ((TRAIN, TEST), (VAL, TEST), (TRAIN, VAL)):
        a, b = (np.flatnonzero((rows.splits == split) & there) for split in (one, other))
        if not len(a) or not len(b):
            continue
        # Bytes under equal names are the same row, which has a finding of its own.
        names = {rows.names[int(i)] for i in a}
        b = np.array([i for i in b if rows.names[int(i)] not in names], dtype=np.int64)
        equal = b[np.isin(digests[b], digests[a])]
        pair = f"{SPLITS[one]}-{SPLITS[other]}"
        if len(equal):
            text = (
                f"{len(equal):,} rows of {SPLITS[other]} are byte copies of a row of {SPLITS[one]} under another name"
            )
            findings.append(
                Finding(f"bytes-{pair}", "fault", len(equal), _share(rows, equal, other), text, _names(rows, equal))
            )
        rest = np.setdiff1d(b, equal)
        rest = rest[hashed[rest]]
        alike = rest[near(hashes[rest], hashes[a[hashed[a]]])]
        if len(alike):
            look = several(len(alike), f"row of {SPLITS[other]} looks", f"rows of {SPLITS[other]} look")
            text = f"{look} like a row of {SPLITS[one]} (hashes within {NEAR_BITS} of 64 bits)"
            findings.append(
                Finding(f"near-{pair}", "note", len(alike), _share(rows, alike, other), text, _names(rows, alike))
            )
    return findings


def picture_hash(grey: NDArray[np.uint8]) -> int:
    """64-bit DCT hash [h, w] -> bits of the low frequencies above their median, dark borders trimmed first.

    Source: the pHash of Zauner 2010: 32 x 32 DCT, its 8 x 8 corner.
    """
    import cv2

    rows, columns = (np.flatnonzero((grey > DARK).mean(axis=axis) > LIT_SHARE) for axis in (1, 0))
    if len(rows) > 8 and len(columns) > 8:
        grey = grey[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    small = cv2.resize(grey, (32, 32), interpolation=cv2.INTER_AREA).astype(np.float32)
    low = cv2.dct(small)[:8, :8].ravel()
    bits = low > np.median(low[1:])
    return int(np.packbits(bits).view(">u8")[0])


def picture_hashes(rows: Rows, listed: Sequence[str], root: Path, folders: Sequence[tuple[Path, ...]]) -> Hashes:
    """Hash of each row's picture [n], 0 where there is no picture or a plain one.

    Args:
        rows: the lists, with `digests`.
        listed, root, folders: as those of `byte_digests`.
    """
    import cv2

    assert rows.digests is not None
    hashes = np.zeros(len(rows.digests), dtype=np.uint64)
    for i in np.flatnonzero(np.array(rows.digests) != "").tolist():
        if not rows.names[i].lower().endswith(PICTURES):
            continue
        path = find_file(root, listed[i], rows.names[i], folders[i])
        raw = np.frombuffer(path.read_bytes(), dtype=np.uint8) if path else None
        grey = cv2.imdecode(raw, cv2.IMREAD_GRAYSCALE) if raw is not None and len(raw) else None
        # A plain picture has no bits to compare.
        if grey is not None and grey.std() > 2:
            hashes[i] = picture_hash(grey)
    return hashes


def _share(rows: Rows, positions: NDArray[np.int64], other: int) -> float | None:
    return float(len(positions) / np.count_nonzero(rows.splits == TEST)) if other == TEST else None


def _names(rows: Rows, positions: NDArray[np.int64]) -> tuple[str, ...]:
    return tuple(rows.names[i] for i in positions[:5])
