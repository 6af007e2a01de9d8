"""Which folders of a path tell rows apart: those of classes, splits, light and kind of file do not. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from endoeval.splits.names import CONTAINERS, MODALITY, SPLIT_WORDS, Names, Strings, coded, without_modality
from endoeval.splits.stems import label_words, split_words, without

Ints = NDArray[np.int64]
RESTARTS = 0.1
"""Share of stems that stand in two class folders, from which on numbers begin anew in each of them."""
RESTARTS_BY_SPLIT = 0.5
"""The same for split folders, of the smaller one: fewer are copies, not a new count."""

MANY_WORDS = 50
"""More folders without a number than this are names (of patients, of sites), not classes."""


@dataclass(frozen=True)
class Kept:
    """Paths of n rows without the folders and words that are no part of an identity."""

    path: Strings
    folder: Strings
    stem: Strings


def kept_paths(names: Names, labels: Ints | None, classes: Sequence[str]) -> Kept:
    """Drop class, split, light and container folders, and words of class and split in the stems.

    A class or split stays where numbers begin anew in each.

    Args:
        names: n names, cut.
        labels: [n] index into classes, -1 for none; or None.
        classes: names of the classes.
    """
    which = coded(names.folder)
    folders = [folder.split("/") if folder else [] for folder in pc.unique(names.folder).to_pylist()]
    depth = max(map(len, folders), default=0)
    kinds = [
        _kind([f[level] if level < len(f) else "" for f in folders], which, labels, classes) for level in range(depth)
    ]
    drop = {level for level, kind in enumerate(kinds) if kind != "identity"}
    for kind, threshold in (("class", RESTARTS), ("split", RESTARTS_BY_SPLIT)):
        levels = [level for level, found in enumerate(kinds) if found == kind]
        for level in levels:
            tails = ["/".join(part for i, part in enumerate(f) if i not in drop) for f in folders]
            words = {f[level] if level < len(f) else "": 0 for f in folders}
            number = {word: i for i, word in enumerate(words)}
            here = np.array([number[f[level] if level < len(f) else ""] for f in folders], dtype=np.int64)[which]
            if _restart_share(tails, which, names.stem, here, smaller=kind == "split") >= threshold:
                drop.discard(level)
    kept = ["/".join(part for i, part in enumerate(f) if i not in drop and not _is_noise(part)) for f in folders]
    folder = pa.array(kept, pa.string()).take(pa.array(which))
    stem = names.stem
    for kind, threshold in (("split", RESTARTS_BY_SPLIT), ("class", RESTARTS)):
        for pattern in label_words(stem, labels, classes) if kind == "class" else split_words(stem):
            less, word = without(stem, pattern)
            if _restart_share(kept, which, less, coded(word), smaller=kind == "split") < threshold:
                stem = less
    path = pc.replace_substring_regex(pc.binary_join_element_wise(folder, stem, "/"), "^/", "")
    return Kept(path, folder, stem)


def _kind(parts: Sequence[str], which: Ints, labels: Ints | None, classes: Sequence[str]) -> str:
    """What the folders of one level are: identity, class, split, or noise."""
    words = sorted(set(parts))
    if all(_is_noise(word) for word in words):
        return "noise"
    if all(word.lower() in SPLIT_WORDS for word in words if word):
        return "split"
    number = {word: i for i, word in enumerate(words)}
    level = np.array([number[part] for part in parts], dtype=np.int64)[which]
    digits = sum(any(c.isdigit() for c in word) for word in words)
    if not digits and len(words) <= MANY_WORDS:
        return "class"
    if labels is None or not (labels >= 0).any() or len(words) * len(classes) > 5_000_000:
        return "identity"
    table = np.zeros((len(words), len(classes)), dtype=np.int64)
    np.add.at(table, (level[labels >= 0], labels[labels >= 0]), 1)
    pure = table.max(axis=1).sum() / table.sum()
    present = np.count_nonzero(table.sum(axis=0))
    known = {_plain(name) for name in classes}
    if all(_plain(word) in known for word in words if word) or (pure > 0.98 and len(words) == present):
        return "class"
    spoken = all(re.search("[A-Za-z]{4}", word) for word in words)
    return "class" if spoken and pure > 0.9 and len(words) <= 2 * present else "identity"


def _plain(word: str) -> str:
    return re.sub("[^a-z0-9]", "", word.lower())


def _is_noise(word: str) -> bool:
    return word.lower() in CONTAINERS or word.lower() in MODALITY.split() or not word


def _restart_share(tails: Sequence[str], which: Ints, stems: Strings, level: Ints, *, smaller: bool) -> float:
    """Share of rows whose remaining path stands in two folders of the level; `smaller`: of the rows of the smallest."""
    rest = pa.array(tails, pa.string()).take(pa.array(which))
    whole = pc.binary_join_element_wise(rest, without_modality(stems) if not smaller else stems, "/")
    key = coded(whole)
    _, place = np.unique(level, return_inverse=True)
    pairs = np.unique(key * (int(place.max()) + 1) + place)
    times = np.bincount(pairs // (int(place.max()) + 1), minlength=int(key.max()) + 1)
    both = times[key] > 1
    if not smaller:
        return float(both.mean())
    return float(max(both[place == number].mean() for number in np.unique(place)))
