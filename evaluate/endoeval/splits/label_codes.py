"""Labels that lists write differently: `0` and `0.0`, `01` and `1`, `Polyp` and `polyp`. Pure."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from endoeval.splits.groups import indexed
from endoeval.splits.spelling import one_spelling


def one_code(labels: list[str], splits: NDArray[np.integer]) -> tuple[list[str], list[str]]:
    """Labels with those joined that are one number, or that two lists spell differently and none has both of.

    Args:
        labels: [n], "" for none.
        splits: [n] split or fold of each row.
    Returns: labels, each in its shortest spelling, and a sentence where any were joined.
    """
    keys, words = indexed(labels)
    plain = [_less_decimals(word) for word in words]
    first: dict[str, int] = {}
    whole = np.array([first.setdefault(text, number) for number, text in enumerate(plain)], dtype=np.int64)
    joined = [f"{words[i]} = {words[j]}" for j, i in enumerate(whole.tolist()) if i != j]
    _, numbered = np.unique(whole, return_inverse=True)
    names = [words[i] for i in np.unique(whole)]
    spelt = one_spelling(numbered.astype(np.int64)[keys], names, splits)
    if not joined and not spelt.said:
        return labels, []
    count = len(words) - len(spelt.names)
    shown = ", ".join([*joined, *spelt.examples][:5])
    family = dict(zip(keys.tolist(), spelt.keys.tolist(), strict=True))
    shortest: dict[int, str] = {}
    for key in sorted(family, key=lambda key: (len(words[key]), words[key])):
        shortest.setdefault(family[key], words[key])
    made = [shortest[key] for key in spelt.keys.tolist()]
    one, are = ("label", "is") if count == 1 else ("labels", "are")
    return made, [f"{count} {one} that the lists write differently {are} taken as one: {shown}"]


def _less_decimals(word: str) -> str:
    found = re.fullmatch(r"([+-]?\d+)\.0+", word)
    return found[1] if found else word
