"""Ids that lists spell differently: `case_05`, `case-5` and `CASE_05` are one, where no list tells them apart. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from endoeval.splits.finding import Finding, several
from endoeval.splits.names import Strings, coded

Ints = NDArray[np.int64]
SAID = "that the lists spell differently (case, separators, zeros in front) are taken as one"
ALONE = "(row "
"""How the groups of rows without one begin; each stands alone, however its name is spelt."""
FEW_TOLD_APART = 0.1
"""Of the ids in several spellings, the share that one list may hold in two of them while the others are joined."""


@dataclass(frozen=True)
class Joined:
    """Ids with their spellings joined."""

    keys: Ints
    """[n] index into names."""
    names: Sequence[str]
    """Of each id the first spelling, sorted."""
    said: str
    """How many were joined, in words; "" for none."""
    examples: tuple[str, ...]
    """Up to five, by all spellings: "P01 = p1"."""


def one_spelling(keys: Ints, names: Sequence[str], splits: NDArray[np.integer]) -> Joined:
    """Keys with those joined that differ in case, separators and zeros in front alone.

    Two spellings inside one split are two ids to whoever wrote the list: they stay apart, and where that is so of more
    than `FEW_TOLD_APART` of such ids, nothing is joined.

    Args:
        keys: [n] index into names, each of which has a row.
        names: sorted and distinct.
        splits: [n] the split (or fold) of each row.
    """
    nothing = Joined(keys, names, "", ())
    family, several_ = _families(names)
    if not several_.any():
        return nothing
    apart = _told_apart(keys, family, splits)
    if apart.sum() > FEW_TOLD_APART * several_.sum():
        return nothing
    alone = apart[family]
    number = np.where(alone, len(several_) + np.arange(len(names)), family)
    _, first, index = np.unique(number, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")  # names stay sorted
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    joined = np.flatnonzero(several_ & ~apart)
    said = f"{several(len(joined), 'id', 'ids')} {SAID}"
    return Joined(place[index][keys], [names[i] for i in first[order]], said, _spelt(joined, family, names, " = "))


def spelling_findings(keys: Ints, names: Sequence[str], splits: NDArray[np.integer]) -> list[Finding]:
    """A note on ids that stand in several spellings and were not joined.

    Args: as those of `one_spelling`.
    """
    family, several_ = _families(names)
    held = np.zeros(len(names), dtype=bool)
    held[keys] = True
    left = np.flatnonzero(several_ & (np.bincount(family[held], minlength=len(several_)) > 1))
    if not len(left):
        return []
    owner = np.unique(family[keys] * 8 + splits) // 8
    across = int((np.bincount(owner, minlength=len(several_))[left] > 1).sum())
    one = len(left) == 1
    text = (
        f"{several(len(left), 'id stands', 'ids stand')} in several spellings (case, separators, zeros in front) and "
        f"{'is' if one else 'are'} taken as different groups, for one list holds two of them"
    )
    if across:
        it, would = ("it", "it would") if one else ("each", f"{across:,} would")
        text += f"; were {it} one group, {would} stand in two splits"
    return [Finding("group-spellings", "note", len(left), None, text, _spelt(left, family, names, " / "))]


def _families(names: Sequence[str]) -> tuple[Ints, NDArray[np.bool_]]:
    """Family of each name, and which families hold several."""
    texts = pa.array(names, pa.string())
    family = coded(pc.if_else(pc.starts_with(texts, ALONE), texts, folded(texts)))
    return family, np.bincount(family) > 1


def _told_apart(keys: Ints, family: Ints, splits: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Families of which one split holds two spellings."""
    _, split = np.unique(splits, return_inverse=True)
    count = int(split.max(initial=0)) + 1
    spelt = np.unique(keys * count + split)
    cells, times = np.unique(family[spelt // count] * count + spelt % count, return_counts=True)
    made = np.zeros(int(family.max()) + 1, dtype=bool)
    made[cells[times > 1] // count] = True
    return made


def _spelt(which: Ints, family: Ints, names: Sequence[str], between: str) -> tuple[str, ...]:
    return tuple(between.join(names[int(i)] for i in np.flatnonzero(family == number)) for number in which[:5])


def folded(texts: Strings) -> Strings:
    """Texts in one case, one Unicode form, one kind of separator, without zeros in front."""
    texts = pc.utf8_lower(pc.utf8_normalize(texts, form="NFKC"))
    texts = pc.replace_substring_regex(texts, r"^(\d+)\.0+$", r"\1")  # numbers of a column with holes
    texts = pc.replace_substring_regex(texts, r"[\s_\-]+", "_")
    texts = pc.replace_substring_regex(texts, r"([^\W\d_])_([0-9])", r"\1\2")
    return pc.replace_substring_regex(texts, r"(^|[^0-9])0+([0-9])", r"\1\2")
