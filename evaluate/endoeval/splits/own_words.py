"""Group keys that hold the word of their own list: train_case03, TestCase3. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from endoeval.splits.doubles import examples
from endoeval.splits.finding import Finding, several
from endoeval.splits.names import SPLIT_WORDS, coded, trimmed
from endoeval.splits.rows import Rows
from endoeval.splits.spelling import folded

Ints = NDArray[np.int64]
_LETTERS = re.compile("[a-z]+")
_LONG = 3
"""Letters of a split's word from which on it may stand at an end of a longer word: `traincase`."""
_WORDS = sorted(SPLIT_WORDS, key=len, reverse=True)
_LONG_WORDS = "|".join(word for word in _WORDS if len(word) >= _LONG)
_WHOLE = f"(^|[^a-z])(?:{'|'.join(_WORDS)})([^a-z]|$)"
_BEGIN, _END = f"(^|[^a-z])(?:{_LONG_WORDS})", f"(?:{_LONG_WORDS})([^a-z]|$)"


def own_words(rows: Rows, groups: Ints, pairs: Sequence[tuple[int, int]]) -> list[Finding]:
    """A note on keys such as train_case03, of which nobody can tell whether they are case 3 of the other list.

    Args:
        rows: the lists.
        groups: [n] group of each row.
        pairs: splits that are compared, (one, other).
    """
    splits = np.unique(rows.splits)
    for split in splits:
        keys = (rows.group_names[group] for group in np.unique(groups[rows.splits == split]))
        own = [word for word, number in SPLIT_WORDS.items() if number == split]
        if not all(_holds_one_of(own, key.lower()) for key in keys):
            return _namesakes(rows, groups, pairs)
    if len(splits) < 2:
        return []
    held = np.unique(groups)
    text = "each list's group keys hold the list's own word: whether two of them are one patient cannot be told"
    return [Finding("own-words", "note", len(held), None, text, examples(rows.group_names, held))]


def _holds_one_of(words: Sequence[str], key: str) -> bool:
    ends = tuple(word for word in words if len(word) >= _LONG)
    return any(run in words or run.startswith(ends) or run.endswith(ends) for run in _LETTERS.findall(key))


def _namesakes(rows: Rows, groups: Ints, pairs: Sequence[tuple[int, int]]) -> list[Finding]:
    """Where some keys alone hold a list's word: those that are a key of another list but for it."""
    names = pa.array(rows.group_names, pa.string())
    lower = pc.utf8_lower(names)
    worded = pc.match_substring_regex(lower, "|".join((_WHOLE, _BEGIN, _END))).to_numpy(zero_copy_only=False)
    if not worded.any():
        return []
    less = lower
    for pattern, kept in ((_BEGIN, r"\1"), (_END, r"\1"), (_WHOLE, r"\1\2")):
        less = pc.replace_substring_regex(less, pattern, kept)
    plain = coded(folded(trimmed(less, lower)))
    touched = np.zeros(len(names), dtype=bool)
    for one, other in pairs:
        theirs, mine = (np.unique(groups[rows.splits == split]) for split in (one, other))
        theirs, mine = np.setdiff1d(theirs, mine), np.setdiff1d(mine, theirs)
        met = np.isin(plain[mine], plain[theirs[worded[theirs]]])
        met |= worded[mine] & np.isin(plain[mine], plain[theirs])
        touched[mine[met]] = True
    held = np.flatnonzero(touched)
    if not len(held):
        return []
    said = several(len(held), "group has a namesake", "groups have namesakes")
    text = (
        f"{said} in another list but for a list's word (train, test ...) in the key: whether the two are one patient "
        "cannot be told"
    )
    return [Finding("own-words", "note", len(held), None, text, examples(rows.group_names, held))]
