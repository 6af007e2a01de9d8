"""Ids that lists spell differently: `case_05`, `case-5` and `CASE_05` are one, where no list tells them apart. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from endoeval.splits.names import Strings, coded

Ints = NDArray[np.int64]
SAID = "ids that the lists spell differently (case, separators, zeros in front) are taken as one"


def one_spelling(keys: Ints, names: Sequence[str], splits: NDArray[np.int8]) -> tuple[Ints, Sequence[str], str]:
    """Keys with those joined that differ in case, separators and zeros in front alone.

    Two spellings inside one split are two ids to whoever wrote the list; nothing is joined then.

    Args:
        keys: [n] index into names, each of which has a row.
        names: sorted and distinct.
        splits: [n] index into SPLITS.
    Returns: keys, names (of each id the first spelling), and a sentence where any were joined, else "".
    """
    folded = coded(_folded(pa.array(names, pa.string())))
    _, first = np.unique(folded, return_index=True)
    if len(first) == len(names):
        return keys, names, ""
    joined = folded[keys]
    if _pairs(joined, splits) < _pairs(keys, splits):
        return keys, names, ""
    return joined, [names[i] for i in first], SAID


def _folded(texts: Strings) -> Strings:
    texts = pc.replace_substring_regex(pc.utf8_lower(texts), r"[\s_\-]+", "_")
    texts = pc.replace_substring_regex(texts, r"([^\W\d_])_([0-9])", r"\1\2")
    return pc.replace_substring_regex(texts, r"(^|[^0-9])0+([0-9])", r"\1\2")


def _pairs(keys: Ints, splits: NDArray[np.int8]) -> int:
    return len(np.unique(keys * 8 + splits))
