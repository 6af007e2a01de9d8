"""Whole groups put into parts so that each part holds of each class what is wanted, as near as groups allow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Ints = NDArray[np.int64]

STEPS = 500
"""Moves and swaps at most after the greedy pass."""
MOST_MOVED = 50_000
"""Groups up to which single moves are looked for; the greedy pass leaves little for more of them."""
MOST_SWAPPED = 300
"""Groups up to which swaps of two are looked for: their number is squared."""


def assign(groups: Float, targets: Float, seed: int, first: Sequence[int]) -> Ints:
    """The part of each group.

    A class that fewer groups hold than parts want goes to the parts that come first.

    The cost is the squared distance to what is wanted over what is wanted, summed over parts, classes and sizes.

    Args:
        groups: rows of each class in each group, [G, K], no empty group.
        targets: rows of each class wanted in each part, [S, K]; G ≥ S.
        seed: of the order among groups that are equal.
        first: the S parts in the order in which they must hold a class.
    Returns: int64 [G]; no part is empty.
    """
    table = np.column_stack([groups, groups.sum(axis=1)])
    wanted = np.column_stack([targets, targets.sum(axis=1)])
    part, held = _alike_at_once(table, wanted, seed)
    state = _State(table, wanted, 1.0 / np.maximum(wanted, 1.0), part, held)
    _greedy(state)
    _fill_empty(state)
    _cover(state, first)
    if len(table) <= MOST_MOVED:
        _improve(state)
    return part


@dataclass
class _State:
    """Who is where. The last column of each table is the size."""

    table: Float
    """[G, K + 1]."""
    wanted: Float
    """[S, K + 1]."""
    weight: Float
    """[S, K + 1], of squared distances."""
    part: Ints
    """[G], changed in place."""
    held: Float
    """[S, K + 1], changed in place."""

    @property
    def members(self) -> Ints:
        """Groups in each part."""
        return np.bincount(self.part[self.part >= 0], minlength=len(self.held))

    def move(self, group: int, target: int) -> None:
        """Put a group into another part."""
        self.held[self.part[group]] -= self.table[group]
        self.held[target] += self.table[group]
        self.part[group] = target


def _alike_at_once(table: Float, wanted: Float, seed: int) -> tuple[Ints, Float]:
    """Groups that hold the same are dealt out in proportion, whole numbers only; -1: left for the greedy pass."""
    part = np.full(len(table), -1)
    held = np.zeros_like(wanted)
    kinds, kind, count = np.unique(table, axis=0, return_inverse=True, return_counts=True)
    share = wanted / np.maximum(wanted.sum(axis=0), 1e-300)
    order = np.random.default_rng(seed).permutation(len(table))
    by_kind = order[np.argsort(kind[order], kind="stable")]
    first = np.concatenate([[0], np.cumsum(count)])
    for number in np.flatnonzero(count > 1):
        held_by = kinds[number, :-1]
        split = share[:, :-1] @ held_by / held_by.sum()
        members = by_kind[first[number] : first[number + 1]]
        at = 0
        for which, size in enumerate(np.floor(split * count[number] + 1e-9).astype(int)):
            part[members[at : at + size]] = which
            held[which] += size * kinds[number]
            at += size
    return part, held


def _greedy(state: _State) -> None:
    """The rest, groups of the rarest class first, then the largest, each where it costs least."""
    table = state.table
    rest = np.flatnonzero(state.part < 0)
    rarity = np.where(table[:, :-1] > 0, table[:, :-1].sum(axis=0), np.inf).min(axis=1)
    for group in rest[np.lexsort((rest, -table[rest, -1], rarity[rest]))]:
        row = table[group]
        cost = (state.weight * (2 * row * (state.held - state.wanted) + row**2)).sum(axis=1)
        best = int(cost.argmin())
        state.part[group] = best
        state.held[best] += row


def _fill_empty(state: _State) -> None:
    """Each part gets a group: the smallest of the part that has most groups."""
    for empty in np.flatnonzero(state.members == 0):
        members = np.flatnonzero(state.part == int(state.members.argmax()))
        state.move(int(members[state.table[members, -1].argmin()]), int(empty))


def _cover(state: _State, first: Sequence[int]) -> None:
    """Each class stands in as many parts that want it as there are groups of it, the first parts before the others."""
    holds = state.table[:, :-1] > 0
    for klass in np.argsort(holds.sum(axis=0), kind="stable"):
        members = np.flatnonzero(holds[:, klass])
        for rank, lacking in enumerate(first):
            if state.held[lacking, klass] > 0 or state.wanted[lacking, klass] <= 0:
                continue
            part = state.part[members]
            count = np.bincount(part, minlength=len(state.held))
            # From a part that holds the class twice, or comes later; it is not emptied and loses no other class.
            may = ((count[part] > 1) | np.isin(part, list(first)[rank + 1 :])) & (state.members[part] > 1)
            free = [group for group in members[may] if not _is_last(state, holds, int(group), int(klass))]
            if free:
                state.move(int(min(free, key=lambda group: state.table[group, -1])), lacking)


def _is_last(state: _State, holds: NDArray[np.bool_], group: int, but: int) -> bool:
    """True if the group is the last in its part to hold a class, `but` left aside."""
    here = state.part == state.part[group]
    return any(int((holds[:, klass] & here).sum()) == 1 for klass in np.flatnonzero(holds[group]) if klass != but)


def _improve(state: _State) -> None:
    """The best single move again and again, and where none helps the best exchange of two."""
    into = state.table**2 @ state.weight.T
    for _ in range(STEPS):
        pull = 2 * state.table @ (state.weight * (state.held - state.wanted)).T
        own = np.arange(len(state.table)), state.part
        change = (pull + into) + (into[own] - pull[own])[:, None]
        change[own] = 0.0
        kept = _only_ones(state)
        change[kept] = 0.0
        group, target = np.unravel_index(int(change.argmin()), change.shape)
        if change[group, target] < -1e-9:
            state.move(int(group), int(target))
        elif len(state.table) > MOST_SWAPPED or not _swap(state, kept):
            return


def _only_ones(state: _State) -> NDArray[np.bool_]:
    """Groups that a part cannot lose: its only one, or the only one there of a class."""
    holds = np.column_stack([state.table[:, :-1] > 0, np.ones(len(state.table), dtype=bool)])
    members = np.zeros(state.held.shape)
    np.add.at(members, state.part, holds)
    only: NDArray[np.bool_] = (holds & (members[state.part] == 1)).any(axis=1)
    return only


def _swap(state: _State, kept: NDArray[np.bool_]) -> bool:
    """The best exchange of two groups, if it helps; `kept` stay."""
    best, pair = -1e-9, None
    slope = 2 * state.weight * (state.held - state.wanted)
    for left in range(len(state.held)):
        for right in range(left + 1, len(state.held)):
            a, b = (np.flatnonzero((state.part == side) & ~kept) for side in (left, right))
            if not len(a) or not len(b):
                continue
            gain = state.table[b][None] - state.table[a][:, None]
            change = gain @ (slope[left] - slope[right]) + gain**2 @ (state.weight[left] + state.weight[right])
            at = np.unravel_index(int(change.argmin()), change.shape)
            if change[at] < best:
                best, pair = float(change[at]), (int(a[at[0]]), int(b[at[1]]))
    if pair is None:
        return False
    sides = int(state.part[pair[1]]), int(state.part[pair[0]])
    for group, side in zip(pair, sides, strict=True):
        state.move(group, side)
    return True
