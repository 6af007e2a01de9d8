"""Names of rows as they stand in lists: made comparable, foreign roots stripped, cut into folder and stem. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Strings = Any
"""A pyarrow string array; pyarrow ships no types."""

VIDEOS = "mp4 avi mov mkv mpg mpeg wmv m4v webm ts mts m2ts vob mjpeg".split()
"""Endings of videos, lower case."""
PICTURES = "jpg jpeg jpe jfif png bmp tif tiff gif webp jp2 dcm ppm pgm npy nii nii.gz h5".split()
MEDIA = PICTURES + VIDEOS
"""Endings of pictures and videos, lower case."""
ENDING = re.compile(r"(?:\.nii\.gz|\.[A-Za-z][A-Za-z0-9]{1,4})$")
"""An ending of a name; it begins with a letter, so that the seconds of `_1.53_3.77` stay."""
SPLIT_WORDS = {
    "train": 0, "training": 0, "tr": 0, "trn": 0, "trainset": 0,
    "val": 1, "valid": 1, "validation": 1, "dev": 1, "vali": 1, "tune": 1, "valset": 1,
    "test": 2, "testing": 2, "tst": 2, "te": 2, "holdout": 2, "eval": 2, "testset": 2,
}  # fmt: skip
"""Words that name a split, lower case, to its number in `SPLITS`."""
CONTAINERS = frozenset(
    "images image imgs img frames frame pictures pics jpegs jpeg jpg png data dataset original originals raw videos "
    "video clips clip movies all rgb phase".split()
)
"""Folders that say what kind of file lies in them; no part of an identity."""
MODALITY = "wl wli wle nbi bli lci fice tsi vist rdi afi i-scan iscan cromo chromo left right lt rt"
"""Words of light or side, which two pictures of one lesion may differ in; no part of an identity."""

_MODALITY = r"(?i)(^|[^a-z])(?:" + "|".join(MODALITY.split()) + r")([^a-z]|$)"


@dataclass(frozen=True)
class Names:
    """n names cut up, each a string array [n]."""

    path: Strings
    """As compared: `/` between folders."""
    folder: Strings
    """All before the last `/`; "" without one."""
    stem: Strings
    """Base name without its ending."""
    endings: int
    """Number of distinct endings."""


def tidy(names: Sequence[str]) -> list[str]:
    """Names that compare as they were meant: one kind of slash, no leading `./`, one Unicode form."""
    return [_tidy(name) for name in names]


def cut(names: Sequence[str]) -> Names:
    """Folder and stem of each name."""
    folders, stems = [], []
    endings: set[str] = set()
    known: dict[str, str] = {}
    for name in names:
        folder, _, base = name.rpartition("/")
        folders.append(known.setdefault(folder, folder))
        found = ENDING.search(base)
        stem, ending = (base[: found.start()], found[0]) if found else (base, "")
        stems.append(stem)
        endings.add(ending)
    path, folder, stem = (pa.array(column, pa.string()) for column in (names, folders, stems))
    return Names(path, folder, stem, len(endings))


def coded(texts: Strings) -> NDArray[np.int64]:
    """[n] one number a distinct text, in the order of their first rows; -1 for null."""
    made = pc.dictionary_encode(texts)
    made = made.combine_chunks() if isinstance(made, pa.ChunkedArray) else made
    return np.asarray(pc.fill_null(made.indices, -1).to_numpy(zero_copy_only=False), dtype=np.int64)


def without_modality(texts: Strings) -> Strings:
    """Texts without words of light or side."""
    return pc.replace_substring_regex(texts, _MODALITY, r"\1\2")


def has_modality(texts: Strings) -> Strings:
    """Boolean array [n]: a word of light or side stands in the text."""
    return pc.match_substring_regex(texts, _MODALITY)


def trimmed(keys: Strings, texts: Strings) -> Strings:
    """Keys without separators at their ends; where nothing is left, the whole text, so that such rows stay apart."""
    keys = pc.replace_substring_regex(keys, r"^[\s_\-./]+|[\s_\-./]+$", "")
    return pc.if_else(pc.equal(keys, ""), texts, keys)


def strip_roots(lists: Sequence[list[str]]) -> tuple[list[list[str]], list[str]]:
    """Lists whose paths begin at the same place.

    What all lists share in front is dropped. Where lists begin differently (`/disk/a/data/img/` and `/net/data/img/`),
    each loses what stands before the folders that they share; where one list begins at once with names that another has
    below a folder, that folder goes. A folder that only one list has (`patient_01/`) stays.

    Returns: the lists, and for each the root that was dropped ("" for none).
    """
    filled = [names for names in lists if names]
    fronts = [_front(names) for names in filled]
    together = _shared(fronts)
    fronts = [front[len(together) :] for front in fronts]
    tail = _tail(fronts)
    drops = []
    for front, names in zip(fronts, filled, strict=True):
        whole = not tail and front and _is_foreign(together, front, list(zip(fronts, filled, strict=True)), names)
        foreign = front if whole else front[: len(front) - tail] if tail else []
        drops.append("".join(f"{part}/" for part in [*together, *foreign]))
    roots = iter(drops)
    made = [(next(roots) if names else "") for names in lists]
    return [
        [name[len(root) :] for name in names] if root else names for names, root in zip(lists, made, strict=True)
    ], made


def without_folders(lists: Sequence[list[str]]) -> list[list[str]] | None:
    """Base names of lists of which some have folders and one has none, and some of whose base names meet.

    Returns: None where all have folders, or none; where base names recur inside a list (each folder has its frame 1);
        and where no list without folders shares a base name with one that has some.
    """
    bare = [all("/" not in name for name in names) for names in lists]
    if all(bare) or not any(bare):
        return None
    made = [[name.rpartition("/")[2] for name in names] for names in lists]
    if any(len(set(short)) < len(set(names)) for short, names in zip(made, lists, strict=True)):
        return None
    without = {name for short, is_bare in zip(made, bare, strict=True) if is_bare for name in short}
    meet = any(name in without for short, is_bare in zip(made, bare, strict=True) if not is_bare for name in short)
    return made if meet else None


def _tidy(name: str) -> str:
    name = name.strip()
    if "\\" in name:
        name = name.replace("\\", "/")
    if "//" in name:
        name = re.sub("/{2,}", "/", name)
    while name.startswith("./"):
        name = name[2:]
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def _front(names: Sequence[str]) -> list[str]:
    """Folders that all names of a list begin with."""
    low, high = min(names), max(names)
    return _shared([low.split("/")[:-1], high.split("/")[:-1]])


def _shared(fronts: Sequence[list[str]]) -> list[str]:
    shared = []
    for parts in zip(*fronts, strict=False):
        if len(set(parts)) > 1:
            break
        shared.append(parts[0])
    return shared


def _is_foreign(
    together: Sequence[str], front: Sequence[str], lists: Sequence[tuple[list[str], list[str]]], names: Sequence[str]
) -> bool:
    """True where names less their front stand in a list that has no front of its own."""
    shared = sum(len(part) + 1 for part in together)
    length = shared + sum(len(part) + 1 for part in front)
    less = {name[length:] for name in names}
    return any(not other and any(name[shared:] in less for name in listed) for other, listed in lists)


def _tail(fronts: Sequence[list[str]]) -> int:
    """Number of folders at the end that all fronts share."""
    return len(_shared([front[::-1] for front in fronts])) if len(fronts) > 1 else 0
