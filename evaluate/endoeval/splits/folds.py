"""Splits by group: folds that never cut a patient in two, stratified by class, the same for the same seed.

Pure: arrays in, arrays out. A group is what must not be split: a patient, else a video, else a cluster of
near-duplicates.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from endoshards.errors import BadInput

Indices = NDArray[np.int64]

INNER_FOLDS = 3
"""Folds inside a training part on which k, C, steps and thresholds are chosen."""


@dataclass(frozen=True)
class Fold:
    """One outer fold: fit on `train`, choose on the pairs of `inner`, predict `test` once."""

    train: Indices
    """Positions in the set; validation samples of an official split are among them."""
    test: Indices
    inner: tuple[tuple[Indices, Indices], ...]
    """(fit, hold) pairs of positions in the set, both inside `train`, no group on both sides."""


def group_folds(labels: Sequence[int], groups: Sequence[str], folds: int, seed: int) -> Indices:
    """The fold of every sample: no group in two folds, classes spread as evenly as whole groups allow.

    Greedy: groups in order of their rarest class, then size, then a keyed hash; each goes where it leaves
    the classes most even (the idea of scikit-learn's StratifiedGroupKFold).

    Args:
        labels: class of each sample; all equal where there are no classes.
        groups: group of each sample.
        folds: wanted number; fewer are made where there are fewer groups.
        seed: of the order among equals.
    Returns: int64 [n], 0 to folds - 1, every fold holding at least one group.
    Raises: BadInput for fewer than two groups.
    """
    names, group = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    if len(names) < 2:
        raise BadInput(f"all {len(groups)} samples are of one group; at least two groups are needed to hold one out.")
    folds = min(folds, len(names))
    _, label = np.unique(np.asarray(labels), return_inverse=True)
    counts = np.zeros((len(names), int(label.max()) + 1))
    np.add.at(counts, (group, label), 1)
    share = counts / counts.sum(axis=0)
    rarity = np.where(counts > 0, counts.sum(axis=0), np.inf).min(axis=1)
    size = counts.sum(axis=1)
    order = sorted(range(len(names)), key=lambda g: (rarity[g], -size[g], _key(str(names[g]), seed)))
    held = np.zeros((folds, counts.shape[1]))
    filled = np.zeros(folds)
    members = np.zeros(folds, dtype=np.int64)
    fold_of = np.zeros(len(names), dtype=np.int64)
    for done, g in enumerate(order):
        left = len(order) - done
        empty = np.flatnonzero(members == 0)
        # As many groups as empty folds: each of them must still get one.
        allowed = empty if left <= len(empty) else np.arange(folds)
        cost = ((held[allowed] + share[g]) ** 2 - held[allowed] ** 2).sum(axis=1)
        best = min(zip(cost.round(12), filled[allowed], allowed, strict=True))[2]
        fold_of[g] = best
        held[best] += share[g]
        filled[best] += size[g]
        members[best] += 1
    return fold_of[group]


def cross_validation(labels: Sequence[int], groups: Sequence[str], folds: int, seed: int) -> tuple[Fold, ...]:
    """k-fold by group; every sample is in exactly one test part. Raises: BadInput for fewer than two groups."""
    fold = group_folds(labels, groups, folds, seed)
    return folds_of(fold, labels, groups, seed)


def folds_of(fold: Indices, labels: Sequence[int], groups: Sequence[str], seed: int) -> tuple[Fold, ...]:
    """Outer folds from a fold number a sample (ours or an official one)."""
    made = []
    for number in np.unique(fold):
        train = np.flatnonzero(fold != number)
        made.append(Fold(train, np.flatnonzero(fold == number), inner_folds(train, labels, groups, seed)))
    return tuple(made)


def inner_folds(
    train: Indices, labels: Sequence[int], groups: Sequence[str], seed: int
) -> tuple[tuple[Indices, Indices], ...]:
    """Group-exclusive (fit, hold) pairs inside `train`; none where it has a single group."""
    inside = [groups[i] for i in train]
    if len(set(inside)) < 2:
        return ()
    fold = group_folds([labels[i] for i in train], inside, INNER_FOLDS, seed)
    return tuple((train[fold != number], train[fold == number]) for number in np.unique(fold))


def official(
    splits: Sequence[str], labels: Sequence[int], groups: Sequence[str], seed: int, *, as_published: bool = False
) -> tuple[Fold, ...]:
    """The folds of a published split: train (val) test, or whole numbers for published folds.

    With `val`, choices are made on it and the final fit uses train and val together.

    Args:
        splits, labels, groups: of each sample.
        seed: of the inner folds.
        as_published: keep a split in which groups stand on both sides; its numbers are none of new patients.
    Raises: BadInput for a group in two splits, or words that are neither.
    """
    if not as_published:
        refuse_shared_groups(groups, splits)
    words = set(splits)
    position = np.asarray(splits, dtype=str)
    if all(word.isdigit() for word in words) and len(words) >= 2:
        return folds_of(position.astype(np.int64), labels, groups, seed)
    if not {"train", "test"} <= words <= {"train", "val", "test"}:
        raise BadInput(
            f"the split holds {', '.join(sorted(words)[:5])}; allowed: train, test and val (train and test at "
            "least), or two or more whole numbers for folds."
        )
    train, val = np.flatnonzero(position == "train"), np.flatnonzero(position == "val")
    test = np.flatnonzero(position == "test")
    inner = ((train, val),) if len(val) else inner_folds(train, labels, groups, seed)
    return (Fold(np.sort(np.concatenate([train, val])), test, inner),)


def shared_groups(groups: Sequence[str], splits: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Groups that stand in more than one split, sorted, each with its splits."""
    seen: dict[str, set[str]] = {}
    for group, split in zip(groups, splits, strict=True):
        seen.setdefault(group, set()).add(split)
    return {group: tuple(sorted(seen[group])) for group in sorted(seen) if len(seen[group]) > 1}


def refuse_shared_groups(groups: Sequence[str], splits: Sequence[str]) -> None:
    """Raises: BadInput naming groups that stand in more than one split."""
    shared = shared_groups(groups, splits)
    if shared:
        first = ", ".join(f"{group} ({' and '.join(where)})" for group, where in list(shared.items())[:5])
        more = f" and {len(shared) - 5} more" if len(shared) > 5 else ""
        raise BadInput(
            f"{len(shared)} of {len(set(groups))} groups stand in more than one split: {first}{more}. "
            "A number from such a split is no number of new patients; move each group to one side, or pass "
            "--as-published to repeat it as it is, marked, with its null rows beside it."
        )


def _key(name: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}\n{name}".encode()).digest()
