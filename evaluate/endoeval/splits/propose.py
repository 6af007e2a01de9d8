"""A clean list from a faulty one: the same rows split again by group, sizes and class shares as near as groups allow.

Greedy, then single moves and swaps while they help (`endoeval.splits.balance`). Pure: `Rows` in, `Rows` out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from endoeval.splits.balance import assign
from endoeval.splits.finding import several
from endoeval.splits.near import near_pairs
from endoeval.splits.rows import SPLITS, TEST, TRAIN, VAL, Rows
from endoshards.errors import BadInput

Ints = NDArray[np.int64]

MOST_CELLS = 30_000_000
"""Groups x classes that are balanced at once; beyond it the rarest classes count as one."""


@dataclass(frozen=True)
class Proposal:
    """A split by group."""

    rows: Rows
    """The rows that are kept, in the order listed, with their new splits."""
    kept: Ints
    """Their positions in the rows that were given."""
    not_kept: tuple[str, ...]
    """What differs from the old lists, one sentence each."""


def propose(rows: Rows, seed: int = 0) -> Proposal:
    """Split by group: no group, name or byte copy stands in two splits.

    Rows that stand twice are listed once; rows under two labels, and stretches of time that lie inside one another
    under two labels, are left out, for nobody can say which is right.

    Args:
        rows: lists with a group key and rows in two splits or more.
        seed: of the order among groups that are equal.
    Raises: BadInput without a group key, with one split only, or with fewer than two groups.
    """
    used = [split for split in (TRAIN, VAL, TEST) if (rows.splits == split).any()]
    if rows.groups is None:
        raise BadInput(
            "no group key was found, so no split by group can be proposed; name one with --group-column, --groups or "
            "--group-pattern."
        )
    if len(used) < 2:
        raise BadInput(f"the lists hold {SPLITS[used[0]]} rows only; a proposal wants train and test (and val).")
    codes = _coded(rows.names)
    kept, said = _without_doubles(rows, codes)
    owner = _merged(rows, codes, kept)
    owner, about_copies = _with_near_copies(rows, kept, owner)
    said += about_copies
    groups = int(owner.max(initial=-1)) + 1
    if groups < 2:
        raise BadInput(f"all {len(kept):,} rows belong to one group; at least two groups are needed to hold one out.")
    if groups < len(used):
        said.append(f"There are {groups} groups for {len(used)} splits: val stays empty.")
        used = [TRAIN, TEST]
    klass = _balanced_classes(rows, kept, groups)
    table = np.zeros((groups, int(klass.max()) + 1))
    np.add.at(table, (owner, klass), 1)
    targets = _targets(rows, codes, kept, klass, used)
    split = np.array(used, dtype=np.int8)[
        assign(table, targets, seed, [used.index(split) for split in (TRAIN, TEST, VAL) if split in used])
    ][owner]
    made = _subset(rows, kept, split)
    return Proposal(made, kept, tuple(said + _differences(rows, made)))


def _without_doubles(rows: Rows, codes: Ints) -> tuple[Ints, list[str]]:
    """Positions of the rows to keep, and what was left out."""
    size = len(codes)
    if rows.boxes is not None:
        return np.arange(size), []  # a frame with k boxes has k rows
    told = np.zeros(size, dtype=bool) if rows.labels is None else rows.labels >= 0
    # A row without a label contradicts none; of a name with both, the row with a label stays.
    order = np.lexsort((~told, codes))
    first = order[np.unique(codes[order], return_index=True)[1]]
    wrong = np.zeros(len(first), dtype=bool)
    if rows.labels is not None:
        wrong[codes[told & (rows.labels != rows.labels[first[codes]])]] = True
    nested = np.isin(first, np.array(sorted(_nested_under_two_labels(rows)), dtype=np.int64))
    said = []
    doubles = size - len(first)
    if doubles:
        said.append(f"{several(doubles, 'row that stood twice is', 'rows that stood twice are')} listed once.")
    if wrong.any():
        said.append(f"{several(wrong.sum(), 'name that stands', 'names that stand')} under two labels: left out.")
    left = int((nested & ~wrong).sum())
    if left:
        what = several(left, "stretch of time in or around another", "stretches of time in or around another")
        said.append(f"{what} one under another label: left out.")
    return np.sort(first[~wrong & ~nested]), said


def _nested_under_two_labels(rows: Rows) -> set[int]:
    """Positions of rows whose interval lies inside, or around, one of the same group under another label."""
    if rows.start is None or rows.end is None or rows.groups is None or rows.labels is None:
        return set()
    timed = np.flatnonzero((rows.end > rows.start) & (rows.labels >= 0))
    order = timed[np.lexsort((-rows.end[timed], rows.start[timed], rows.groups[timed]))]
    found: set[int] = set()
    around: list[int] = []
    group = -1
    for place in order.tolist():
        if rows.groups[place] != group:
            group, around = int(rows.groups[place]), []
        # Those that end before this one starts can hold nothing that comes later.
        around = [other for other in around if rows.end[other] > rows.start[place]]
        for other in around:
            if rows.end[other] >= rows.end[place] and rows.labels[other] != rows.labels[place]:
                found |= {other, place}
        around.append(place)
    return found


def _merged(rows: Rows, codes: Ints, kept: Ints) -> Ints:
    """A group number for each kept row, from 0: groups that share a name or the same bytes are one."""
    assert rows.groups is not None
    _, group = np.unique(rows.groups, return_inverse=True)
    group = group.astype(np.int64)
    pairs = _shared(codes, group)
    if rows.digests is not None:
        there = np.array([digest != "" for digest in rows.digests])
        pairs += _shared(_coded([digest for digest in rows.digests if digest]), group[there])
    _, numbered = np.unique(_joined(group, pairs)[kept], return_inverse=True)
    return numbered.astype(np.int64)


def _joined(group: Ints, pairs: list[tuple[int, int]]) -> Ints:
    """Group numbers with those of each pair made one."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not pairs:
        return group
    left, right = np.array(pairs).T
    size = int(group.max()) + 1
    _, part = connected_components(coo_array((np.ones(len(left)), (left, right)), shape=(size, size)))
    made: Ints = part[group].astype(np.int64)
    return made


def _with_near_copies(rows: Rows, kept: Ints, owner: Ints) -> tuple[Ints, list[str]]:
    """Owners with those joined that hold near copies of each other, and what is to be said of it."""
    if rows.hashes is None:
        return owner, []
    made = _joined(owner, near_pairs(rows.hashes[kept], owner))
    before, after = int(owner.max(initial=-1)) + 1, int(made.max(initial=-1)) + 1
    if before == after:
        return owner, []
    if after < 2:
        return owner, ["Near copies join all groups into one: they are left on both sides."]
    held = several(before - after, "group that holds", "groups that hold")
    return made, [f"{held} a near copy of another's picture {'stays' if before - after == 1 else 'stay'} with it."]


def _shared(codes: Ints, group: Ints) -> list[tuple[int, int]]:
    """Pairs of groups in which the same code stands."""
    first = np.unique(codes, return_index=True)[1]
    owner = group[first][codes]
    other = np.flatnonzero(owner != group)
    return list(zip(owner[other].tolist(), group[other].tolist(), strict=True))


def _coded(texts: Sequence[str]) -> Ints:
    """[n] one number a distinct text, in the order of their first rows."""
    at: dict[str, int] = {}
    return np.fromiter((at.setdefault(text, len(at)) for text in texts), dtype=np.int64, count=len(texts))


def _balanced_classes(rows: Rows, kept: Ints, groups: int) -> Ints:
    """The class of each kept row as it is balanced: no label is a class of its own."""
    if rows.labels is None:
        return np.zeros(len(kept), dtype=np.int64)
    _, klass = np.unique(rows.labels[kept], return_inverse=True)
    most = max(1, MOST_CELLS // groups)
    sizes = np.bincount(klass)
    if len(sizes) > most:
        rank = np.argsort(np.argsort(-sizes, kind="stable"), kind="stable")
        klass = np.minimum(rank, most - 1)[klass]
    return klass.astype(np.int64)


def _targets(rows: Rows, codes: Ints, kept: Ints, klass: Ints, used: list[int]) -> NDArray[np.float64]:
    """Rows wanted of each class in each split, [S, K]: those of the old lists, scaled to the rows there are.

    A row that stood in several splits is wanted in each of them, so that val = test asks for two lists of one size.
    """
    there = np.bincount(klass).astype(np.float64)
    wanted = np.zeros((len(used), len(there)))
    if rows.boxes is None:
        of = np.full(int(codes.max()) + 1, -1, dtype=np.int64)
        of[codes[kept]] = klass
        asked, split = np.divmod(np.unique(codes * len(SPLITS) + rows.splits), len(SPLITS))
        split, known = split[of[asked] >= 0], of[asked][of[asked] >= 0]
    else:
        split, known = rows.splits[kept], klass
    for number, which in enumerate(used):
        wanted[number] = np.bincount(known[split == which], minlength=len(there))
    total = wanted.sum(axis=0)
    scaled: NDArray[np.float64] = wanted * (there / np.where(total > 0, total, 1))
    # Rows that stood in a split that is not used any more (val, where there are too few groups).
    scaled[0] += np.where(total > 0, 0, there)
    return scaled


def _subset(rows: Rows, kept: Ints, split: NDArray[np.int8]) -> Rows:
    return replace(
        rows,
        names=[rows.names[place] for place in kept],
        splits=split,
        labels=None if rows.labels is None else rows.labels[kept],
        groups=None if rows.groups is None else rows.groups[kept],
        start=None if rows.start is None else rows.start[kept],
        end=None if rows.end is None else rows.end[kept],
        boxes=None if rows.boxes is None else rows.boxes[kept],
        digests=None if rows.digests is None else [rows.digests[place] for place in kept],
        hashes=None if rows.hashes is None else rows.hashes[kept],
    )


def _differences(old: Rows, new: Rows) -> list[str]:
    """Sizes and class shares that groups did not allow."""
    said = []
    worst, where = 0.0, ""
    for split, word in enumerate(SPLITS):
        before, after = old.splits == split, new.splits == split
        if before.sum() != after.sum():
            said.append(f"{word} has {int(after.sum()):,} rows instead of {int(before.sum()):,}.")
        if old.labels is None or new.labels is None or not before.any() or not after.any():
            continue
        k = len(old.classes)
        sides = ((old.labels, before), (new.labels, after))
        counts = [np.bincount(labels[inside & (labels >= 0)], minlength=k) for labels, inside in sides]
        lost = np.flatnonzero((counts[0] > 0) & (counts[1] == 0))
        if len(lost):
            named = ", ".join(old.classes[label] for label in lost[:5])
            more = f" and {len(lost) - 5} more" if len(lost) > 5 else ""
            said.append(f"{word} holds no row of {named}{more}: too few groups hold that class.")
        shares = [count / max(1, count.sum()) for count in counts]
        gap = np.abs(shares[0] - shares[1])
        if gap.max(initial=0.0) > worst:
            worst, where = float(gap.max()), f"{old.classes[int(gap.argmax())]} in {word}"
    if worst >= 0.005:
        said.append(f"Class shares differ by at most {100 * worst:.1f} points ({where}).")
    return said
