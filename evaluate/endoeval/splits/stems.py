"""Words of class and split inside stems, which two pictures of one patient may differ in. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from endoeval.splits.names import SPLIT_WORDS, Strings, coded

Ints = NDArray[np.int64]
MANY_CLASSES = 1000
"""More classes than this are not looked for in stems."""
_AFTER = r"(?:[_\-. ]+|(?P<after>[^a-z])|$)"
_WORD = r"(?:^|[_\-. ])(?P<word>[A-Za-z]{2,})(?:[_\-. ]|$)"
_FIRST, _LAST = _WORD, r"^.*" + _WORD


def split_words(stems: Strings) -> list[str]:
    """An expression for the words that name a split, where such stand in the stems."""
    return _if_found(stems, _expression(sorted(SPLIT_WORDS, key=len, reverse=True)))


def label_words(stems: Strings, labels: Ints | None, classes: Sequence[str]) -> list[str]:
    """Expressions for the words of the stems that are names of classes, or that stand for the labels one to one.

    Args:
        stems: n stems.
        labels: [n] index into classes, -1 for none; or None.
        classes: names of the classes.
    """
    if labels is None or len(classes) > MANY_CLASSES:
        return []
    named = [_spelled(name) for name in classes if len(re.findall("[A-Za-z]", name)) > 1]
    made = _if_found(stems, _expression(sorted(named, key=len, reverse=True))) if named else []
    for pattern in (_FIRST, _LAST):
        words = pc.struct_field(pc.extract_regex(stems, pattern), "word")
        distinct = pc.unique(words).to_pylist()
        if None not in distinct and 1 < len(distinct) <= len(classes) and _is_code_of(coded(words), labels):
            made.append(_expression([re.escape(word) for word in distinct]))
    return made


def without(stems: Strings, pattern: str) -> tuple[Strings, Strings]:
    """Stems less the words of an expression (whole where nothing else is left), and the first such word of each."""
    word = pc.fill_null(pc.utf8_lower(pc.struct_field(pc.extract_regex(stems, pattern), "word")), "")
    less = pc.replace_substring_regex(stems, pattern, r"\1\3")
    less = pc.replace_substring_regex(less, r"^[_\-. ]+|[_\-. ]+$", "")
    return pc.if_else(pc.or_(pc.equal(word, ""), pc.equal(less, "")), stems, less), word


def _expression(words: Sequence[str]) -> str:
    return r"(?i)(?P<before>^|[^a-z])(?P<word>" + "|".join(words) + ")" + _AFTER


def _spelled(name: str) -> str:
    """A class as stems may spell it: any separator or none between its words; a number at its end is whole."""
    return r"[_\-. ]?".join(map(re.escape, re.findall(r"[^\W_]+", name))) + (r"\b" if name[-1].isdigit() else "")


def _if_found(stems: Strings, pattern: str) -> list[str]:
    return [pattern] if pc.any(pc.match_substring_regex(stems, pattern)).as_py() else []


def _is_code_of(words: Ints, labels: Ints) -> bool:
    """True where every label has one word and every word one label."""
    if (labels < 0).any():
        return False
    pairs = np.unique(words * (int(labels.max()) + 1) + labels)
    return len(pairs) == int(words.max()) + 1 == len(np.unique(labels))
