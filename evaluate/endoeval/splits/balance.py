"""Whole groups put into parts so that each part holds of each class what is wanted, as near as groups allow."""

from __future__ import annotations

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
SIZE_WEIGHT = 1.0
"""Of a part's size beside its classes."""


def assign(groups: Float, targets: Float, seed: int) -> Ints:
    """The part of each group.

    The cost is the squared distance to what is wanted over what is wanted, summed over parts, classes and sizes.

    Args:
        groups: rows of each class in each group, [G, K], no empty group.
        targets: rows of each class wanted in each part, [S, K]; G ≥ S.
        seed: of the order among groups that are equal.
    Returns: int64 [G]; no part is empty.
    """
    table = np.column_stack([groups, groups.sum(axis=1)])
    wanted = np.column_stack([targets, targets.sum(axis=1)])
    weight = 1.0 / np.maximum(wanted, 1.0)
    weight[:, -1] *= SIZE_WEIGHT
    part, held = _alike_at_once(table, wanted, seed)
    _greedy(table, wanted, weight, part, held)
    _fill_empty(table, part, held)
    if len(table) <= MOST_MOVED:
        _improve(table, wanted, weight, part, held)
    return part


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


def _greedy(table: Float, wanted: Float, weight: Float, part: Ints, held: Float) -> None:
    """The rest, groups of the rarest class first, then the largest, each where it costs least."""
    rest = np.flatnonzero(part < 0)
    rarity = np.where(table[:, :-1] > 0, table[:, :-1].sum(axis=0), np.inf).min(axis=1)
    for group in rest[np.lexsort((rest, -table[rest, -1], rarity[rest]))]:
        row = table[group]
        cost = (weight * (2 * row * (held - wanted) + row**2)).sum(axis=1)
        best = int(cost.argmin())
        part[group] = best
        held[best] += row


def _fill_empty(table: Float, part: Ints, held: Float) -> None:
    """Each part gets a group: the smallest of the part that has most groups."""
    for empty in np.flatnonzero(np.bincount(part, minlength=len(held)) == 0):
        donor = int(np.bincount(part, minlength=len(held)).argmax())
        members = np.flatnonzero(part == donor)
        _move(int(members[table[members, -1].argmin()]), int(empty), table, part, held)


def _improve(table: Float, wanted: Float, weight: Float, part: Ints, held: Float) -> None:
    squares = table**2
    into = squares @ weight.T
    for _ in range(STEPS):
        pull = 2 * table @ (weight * (held - wanted)).T
        own = np.arange(len(table)), part
        change = (pull + into) + (into[own] - pull[own])[:, None]
        change[own] = 0.0
        alone = np.bincount(part, minlength=len(held))[part] == 1
        change[alone] = 0.0
        group, target = np.unravel_index(int(change.argmin()), change.shape)
        if change[group, target] < -1e-9:
            _move(int(group), int(target), table, part, held)
        elif len(table) > MOST_SWAPPED or not _swap(table, wanted, weight, part, held):
            return


def _swap(table: Float, wanted: Float, weight: Float, part: Ints, held: Float) -> bool:
    """The best exchange of two groups, if it helps."""
    best, pair = -1e-9, None
    for left in range(len(held)):
        for right in range(left + 1, len(held)):
            a, b = np.flatnonzero(part == left), np.flatnonzero(part == right)
            gain = table[b][None] - table[a][:, None]
            tilt = 2 * (weight[left] * (held - wanted)[left] - weight[right] * (held - wanted)[right])
            change = gain @ tilt + gain**2 @ (weight[left] + weight[right])
            at = np.unravel_index(int(change.argmin()), change.shape)
            if change[at] < best:
                best, pair = float(change[at]), (int(a[at[0]]), int(b[at[1]]))
    if pair is None:
        return False
    first, second = pair
    to_first, to_second = int(part[second]), int(part[first])
    _move(first, to_first, table, part, held)
    _move(second, to_second, table, part, held)
    return True


def _move(group: int, target: int, table: Float, part: Ints, held: Float) -> None:
    held[part[group]] -= table[group]
    held[target] += table[group]
    part[group] = target
