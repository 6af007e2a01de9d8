"""Which rows belong to one patient, case or video: keys read off the names, ranked by what speaks for them. Pure.

A key is a candidate; none of them is proof. The strongest kind of identity that holds for all rows wins (a patient's
number, a hexadecimal or UUID stem, a case or video number, a folder, the stem less its last numbers); inside a kind,
labels and neighbours decide: how often the other rows of a row's group share its label, and how many rows have a
neighbour in their group. A key that gives each row its own group, one group to all, or one group a class or split, is
none.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from endoeval.splits.dates import are_months
from endoeval.splits.names import Names, Strings, has_modality, trimmed, without_modality
from endoeval.splits.paths import Kept, kept_paths
from endoeval.splits.rows import TEST, TRAIN, GroupRule
from endoeval.splits.sites import are_sites, doubt
from endoeval.splits.spelling import ALONE, one_spelling
from endoeval.splits.times import TWO_NUMBERS, are_intervals

Ints = NDArray[np.int64]
HEXADECIMAL = "the hexadecimal id in the names"
PATIENT = "patient|patients|pat|pt|subject|subj|person"
CASE = "case|procedure|proc|exam|examination|study|lesion|polyp|operation|surgery|op|bowel|session"
VIDEO = "video|vid|sequence|seq|movie|rarp|v"
_ANY, _SHORT = r"\d+)(?P<rest>.*)$", r"\d{1,4})(?P<rest>(?:[^0-9a-z].*)?)$"
"""What follows a word: any number and anything; a short number that ends a word."""
_NUMBERED = r"(?i)^(?P<key>(?:.*?[^a-z])??(?:WORDS)[_\- #]?\d+)(?P<rest>.*)$"
PATTERNS: tuple[tuple[str, float, str], ...] = (
    ("a patient's number in the names", 6, _NUMBERED.replace("WORDS", PATIENT)),
    (
        "the UUID in the names",
        5,
        r"(?i)(?P<key>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})(?P<rest>.*)$",
    ),
    (
        HEXADECIMAL,
        5,
        r"(?:^|[^0-9a-zA-Z])(?P<key>[0-9a-fA-F]{8,64})(?P<rest>(?:[^0-9a-zA-Z].*)?)$",
    ),
    ("a case's number in the names", 4, _NUMBERED.replace("WORDS", CASE)),
    ("a video's number in the names", 3, _NUMBERED.replace("WORDS", VIDEO)),
    (
        "the number behind p in the names",
        1.7,
        _NUMBERED.replace(_ANY, _SHORT).replace("[^a-z]", "[^0-9a-z]").replace("WORDS", "p"),
    ),
    ("the stem less its last two numbers", 1, r"^(?P<key>.*[^0-9])(?P<rest>\d+[^0-9]+\d+[^0-9]*)$"),
    ("the stem less its last number", 1, r"^(?P<key>.*[^0-9])(?P<rest>\d+[^0-9]*)$"),
    (
        "the first word of the stem that holds a number",
        1,
        r"^(?P<key>(?:.*/)?[^0-9/]*\d+[A-Za-z]*)(?P<rest>[_\-. ].*)$",
    ),
)
"""Name, kind of identity (higher is stronger) and expression, on paths without class and split folders."""
STUDY_VIDEO = r"(?:^|[^0-9.])(?P<key>\d{3}-\d{3})(?P<rest>(?:[^0-9.-].*)?)$"
BEFORE_INTERVAL = r"^(?P<key>.*[^0-9.])(?P<rest>" + TWO_NUMBERS + r")$"
TIERS = (6, 5, 4, 3, 2.5, 2, 1.7, 1.5, 1)
"""Kinds of identity: patient, unique id, case, video, folder, what stands before an interval, `p` and a number, words
left out, rest."""
BEHIND = r"(?i)(?:^|[^0-9a-z])(?P<key>(?:WORDS)[_\- #]?\d+)(?P<rest>.*)$"
"""Word and number without what stands before them: `IMG0001-pat3`, where the number of the picture comes first."""
WORDS_OF = {6: PATIENT, 4: CASE, 3: VIDEO, 1.7: "p"}
LEAST_BEHIND = 6
"""So many groups, at most, of a number behind that of the picture may be anything."""
COVERAGE = 0.98
"""A pattern that fewer rows match is no key."""
PROBE_FRONTS = 2000
"""Rows of which what stands before a key is looked at."""
PROBE = 20_000
"""Rows on which a pattern is tried before it is run on all."""
WEAK_SHARE = 0.8
"""Groups a distinct name, at most, of a key that is only a form of the stem."""


@dataclass(frozen=True)
class Grouping:
    """Groups of n rows under one rule."""

    groups: Ints
    """[n] index into `names`."""
    names: tuple[str, ...]
    rule: GroupRule
    rest: Strings | None
    """[n] what the key leaves of each stem: where time may stand. None: the whole stem."""


@dataclass(frozen=True)
class _Candidate:
    name: str
    tier: float
    keys: Ints
    names: Any
    rest: Strings | None
    """What the key leaves of the stem."""
    labels: float = 0.0
    neighbours: float = 0.0

    @property
    def sites(self) -> bool:
        """True where the groups look like hospitals."""
        return are_sites(self.names, len(self.keys))


def from_names(
    names: Names, splits: NDArray[np.int8], labels: Ints | None, classes: Sequence[str], folds: Ints | None = None
) -> Grouping | None:
    """The best group key that the names hold.

    Args:
        names: n names, cut.
        splits: [n] index into SPLITS.
        labels: [n] index into classes, -1 for none; or None.
        classes: names of the classes.
        folds: [n] fold numbers, where `splits` says nothing.
    Returns: groups with their rule; None where no key is plausible.
    """
    kept = kept_paths(names, labels, classes)
    distinct = pc.count_distinct(names.path).as_py()
    found: list[_Candidate] = []
    for tier in TIERS:
        made = [c for c in _candidates(kept, tier, distinct) if _is_plausible(c, splits, labels)]
        made = [_weighed(c, labels) for c in made]
        found += sorted(made, key=lambda c: (-round(c.labels + c.neighbours, 2), len(c.names)))
        found.sort(key=lambda c: c.sites)  # a hospital's number is a weaker kind than any other
        if not found[:1] or found[0].sites:
            continue
        if any(not _same(c.keys, found[0].keys) for c in found):
            break  # weaker kinds could come third at best
    if not found:
        return None
    joined = one_spelling(found[0].keys, found[0].names, splits if folds is None else folds)
    best = replace(found[0], keys=joined.keys, names=joined.names)
    second = next((c for c in found[1:] if not _same(c.keys, best.keys)), None)
    rule = _rule(best, second, splits, labels, joined.said)
    # Few numbered videos or patients are few videos or patients; few folders may be anything.
    said = doubt(best.sites, rule.count, len(best.keys) if best.tier <= 2.5 else 0)
    rule = replace(rule, joined=joined.examples, doubt=said, sites=best.sites)
    return Grouping(best.keys, tuple(best.names), rule, best.rest)


def indexed(values: Sequence[str]) -> tuple[Ints, tuple[str, ...]]:
    """Index of each value among the sorted distinct ones."""
    keys, names = _encoded(pa.array(values, pa.string()))
    return keys, tuple(names)


def shared_share(groups: Ints, splits: NDArray[np.int8], one: int = TRAIN, other: int = TEST) -> tuple[int, float]:
    """Groups with rows in both splits, and the share of `other`'s rows that they hold."""
    held = np.zeros(int(groups.max(initial=0)) + 1, dtype=bool)
    held[groups[splits == one]] = True
    inside = groups[splits == other]
    both = held[inside]
    return len(np.unique(inside[both])), float(both.mean()) if len(inside) else 0.0


def left_out(labels: Ints, keys: Ints) -> float:
    """Share of labelled rows whose label is the commonest among the other rows of their group (ties count half).

    A row alone in its group has no others and is missed.
    """
    rows = labels >= 0
    label, key = labels[rows], keys[rows]
    if not len(label):
        return 0.0
    pair, counts = np.unique(key * (int(label.max()) + 1) + label, return_counts=True)
    owner = pair // (int(label.max()) + 1)
    first = np.flatnonzero(np.r_[True, owner[1:] != owner[:-1]])
    top = np.maximum.reduceat(counts, first)
    at_top = np.add.reduceat((counts == np.repeat(top, np.diff(np.r_[first, len(owner)]))).astype(int), first)
    group_of = np.repeat(np.arange(len(first)), np.diff(np.r_[first, len(owner)]))
    second = np.where(counts == top[group_of], 0, counts)
    runner_up = np.maximum.reduceat(second, first)
    # Without the row itself, its label must still be the most frequent of its group.
    others = np.where(at_top[group_of] > 1, top[group_of], runner_up[group_of])
    mine = counts - 1
    won = (counts == top[group_of]) & (mine > 0)
    hit = np.where(won & (mine > others), 1.0, np.where(won & (mine == others), 0.5, 0.0))
    return float((hit * counts).sum() / len(label))


def _candidates(kept: Kept, tier: float, distinct: int) -> list[_Candidate]:
    """The keys of one kind that join rows; `distinct` names are there to be joined."""
    limit = distinct - 1 if tier > 1 else int(WEAK_SHARE * distinct)
    patterns = [(name, pattern) for name, of, pattern in PATTERNS if of == tier]
    made = [_by_pattern(name, tier, kept.path, pattern, limit) for name, pattern in patterns]
    if tier in WORDS_OF and made == [None]:
        # With all that stands before it, the number makes each picture a group: it stands behind that of the picture.
        pattern = (BEHIND.replace(_ANY, _SHORT) if tier < 3 else BEHIND).replace("WORDS", WORDS_OF[tier])
        behind = _by_pattern(patterns[0][0], tier, kept.path, pattern, int(WEAK_SHARE * distinct))
        made = [behind if behind and len(behind.names) > LEAST_BEHIND and _after_a_count(kept.path, pattern) else None]
    if tier == 5:
        study = _by_pattern("study and video number (SSS-VVV)", tier, kept.path, STUDY_VIDEO, limit)
        # An interval `012-345` looks like a study and a video number.
        made.append(study if study is not None and not are_intervals(kept.stem) else None)
    elif tier == 2.5:
        made.append(_by_folder(kept, limit))
    elif tier == 2 and are_intervals(kept.stem):
        made.append(_by_pattern("the stem before its interval", tier, kept.path, BEFORE_INTERVAL, limit))
    elif tier == 1.5:
        made.append(_without_words(kept, limit))
    return [candidate for candidate in made if candidate is not None]


def _by_pattern(name: str, tier: float, texts: Strings, pattern: str, limit: int) -> _Candidate | None:
    """A key of at most `limit` groups, or None."""
    rows = np.random.default_rng(0).permutation(len(texts))[:PROBE]
    probe = pc.extract_regex(texts.take(pa.array(rows)), pattern)
    if probe.null_count > (1 - COVERAGE) * len(probe):
        return None
    if name == HEXADECIMAL and not _is_hexadecimal(pc.struct_field(probe, "key"), pc.struct_field(probe, "rest")):
        return None
    # Were a fifth of a million rows joined, some dozens of pairs would show among so many.
    if tier <= 1 and pc.count_distinct(pc.struct_field(probe, "key")).as_py() == PROBE:
        return None
    found = pc.extract_regex(texts, pattern)
    if found.null_count > (1 - COVERAGE) * len(texts):
        return None
    keys = pc.struct_field(found, "key")
    # A row without the pattern is a group of its own, by its name.
    keys = pc.coalesce(keys, pc.binary_join_element_wise(ALONE, texts, ")", "")) if found.null_count else keys
    rest = pc.fill_null(pc.struct_field(found, "rest"), "")
    return _made(name, tier, trimmed(without_modality(keys), texts), rest, limit)


def _after_a_count(texts: Strings, pattern: str) -> bool:
    """True where one number, the picture's, and the same words stand before the key: else it may count inside others.

    In `K07_12_polyp2` the second polyp is one of patient 7.
    """
    rows = np.random.default_rng(0).permutation(len(texts))[:PROBE_FRONTS]
    fronts = pc.replace_substring_regex(texts.take(pa.array(rows)), pattern, "").to_pylist()
    shapes = Counter(re.sub(r"\d+", "#", front) for front in fronts)
    counts = sum(len(set(map(int, re.findall(r"\d+", front)))) == 1 for front in fronts)
    return min(counts, shapes.most_common(1)[0][1]) >= COVERAGE * len(fronts)


def _is_hexadecimal(keys: Strings, rest: Strings) -> bool:
    """Dates and counters have digits alone; the first block of a UUID is no id, and random blocks of eight meet."""
    letters = pc.mean(pc.match_substring_regex(keys, "[a-fA-F]")).as_py() or 0
    blocks = pc.mean(pc.match_substring_regex(rest, "^-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-")).as_py() or 0
    return bool(letters >= 0.8 and blocks < 0.2)


def _by_folder(kept: Kept, limit: int) -> _Candidate | None:
    folders = pc.unique(kept.folder).to_pylist()
    if sum(any(c.isdigit() for c in folder) for folder in folders) < 0.5 * len(folders):
        return None
    return _made("the folder", 2.5, kept.folder, kept.stem, limit)


def _without_words(kept: Kept, limit: int) -> _Candidate | None:
    """The whole stem less words of light or side, where such words are there."""
    if pc.sum(has_modality(kept.stem)).as_py() < 0.1 * len(kept.stem):
        return None
    nothing = pa.nulls(len(kept.stem), pa.string())
    keys = trimmed(without_modality(kept.path), kept.path)
    return _made("the stem without words of light or side", 1.5, keys, nothing, limit)


def _made(name: str, tier: float, keys: Strings, rest: Strings, limit: int) -> _Candidate | None:
    if not 2 <= pc.count_distinct(keys).as_py() <= limit:
        return None
    index, words = _encoded(keys)
    return _Candidate(name, tier, index, words, rest)


def _encoded(texts: Strings) -> tuple[Ints, list[str]]:
    """Index of each text among the sorted distinct ones."""
    coded = pc.dictionary_encode(texts)
    coded = coded.combine_chunks() if isinstance(coded, pa.ChunkedArray) else coded
    words = coded.dictionary
    order = pc.sort_indices(words).to_numpy(zero_copy_only=False).astype(np.int64)
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    index = coded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return place[index], words.take(pa.array(order)).to_pylist()


def _is_plausible(candidate: _Candidate, splits: NDArray[np.int8], labels: Ints | None) -> bool:
    keys, count = candidate.keys, len(candidate.names)
    # Several groups must hold more than one row, or it is a key of single rows with a few doubles.
    if candidate.tier <= 1 and np.count_nonzero(np.bincount(keys) > 1) < 0.1 * count:
        return False
    if _is_code_of(keys, splits.astype(np.int64)):
        return False
    if labels is not None and (labels >= 0).any() and _is_code_of(keys[labels >= 0], labels[labels >= 0]):
        return False
    if are_months(candidate.names, candidate.rest, weak=candidate.tier <= 2.5):
        return False
    words = candidate.names[:2000]
    return candidate.tier > 2.5 or float(np.mean([any(c.isdigit() for c in word) for word in words])) >= 0.5


def _is_code_of(keys: Ints, other: Ints) -> bool:
    """True where keys and classes (or splits) are one thing under two names: no value of one meets two of the other."""
    pairs = np.unique(np.stack([keys, other]), axis=1).shape[1] if len(keys) < 50_000 else _pairs(keys, other)
    return pairs == len(np.unique(keys)) == len(np.unique(other)) and pairs > 1


def _pairs(keys: Ints, other: Ints) -> int:
    return len(np.unique(keys * (int(other.max()) + 2) + other))


def _weighed(candidate: _Candidate, labels: Ints | None) -> _Candidate:
    sizes = np.bincount(candidate.keys)
    neighbours = float(sizes[sizes > 1].sum() / len(candidate.keys))
    gain = 0.0
    if labels is not None and (labels >= 0).any():
        base = np.bincount(labels[labels >= 0]).max() / np.count_nonzero(labels >= 0)
        gain = max(0.0, left_out(labels, candidate.keys) - base) / max(1 - base, 1e-9)
    return replace(candidate, labels=gain, neighbours=neighbours)


def _same(one: Ints, other: Ints) -> bool:
    if one.max() != other.max():
        return False
    return _pairs(one, other) == int(one.max()) + 1


def _rule(
    best: _Candidate, second: _Candidate | None, splits: NDArray[np.int8], labels: Ints | None, said: str
) -> GroupRule:
    count, n = len(best.names), len(best.keys)
    why = f"read off the names: it holds for the rows and makes {count:,} groups of {n:,} rows"
    if labels is not None and (labels >= 0).any():
        why += f"; {left_out(labels, best.keys):.0%} of rows have the label of the other rows of their group"
    why += f"; {said}" if said else ""
    change = ""
    if second is not None:
        change = f"{len(second.names):,} groups instead of {count:,}"
        if (splits == TRAIN).any() and (splits == TEST).any():
            shared, share = shared_share(second.keys, splits)
            here, part = shared_share(best.keys, splits)
            change += f"; {shared:,} of them in train and test ({share:.1%} of the test rows)"
            change += f", instead of {here:,} ({part:.1%})"
    step = max(1, count // 5)
    return GroupRule(best.name, why, count, tuple(best.names[::step][:5]), second.name if second else "", change)
