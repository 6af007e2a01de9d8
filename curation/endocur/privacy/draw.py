"""Which frames of a set are read, and what the result says of those that were not."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One sample of a set, as far as drawing needs it."""

    frame_id: str
    source_id: str
    group_id: str
    view_id: str
    shard: int
    index: int


@dataclass(frozen=True)
class Drawn:
    """Places in the list of rows, each sorted."""

    random: tuple[int, ...]
    """Drawn from all frames alike: the bound rests on these."""
    forced: tuple[int, ...]
    """One of each group, and of each view of each video, that the random ones left out."""


def draw(rows: Sequence[Row], count: int, key: bytes) -> Drawn:
    """A random sample by key, and one frame of every layout and group that it does not touch.

    A frame's rank is a keyed hash of its id: who has not the key cannot foresee which frames are read. A video whose
    layout changes has a view a layout, so each layout is read at least once. Stills are sources of one frame each;
    theirs are covered by the random part and by their groups, where these hold several frames.

    Args:
        rows: of the set.
        count: of the random part; all rows if there are no more.
        key: up to 64 bytes, of the owner's key and the set's content.
    """
    ranks = [hashlib.blake2b(row.frame_id.encode("ascii"), digest_size=16, key=key).digest() for row in rows]
    order = sorted(range(len(rows)), key=ranks.__getitem__)
    random = order[:count]
    sources = Counter(row.source_id for row in rows)
    groups = Counter(row.group_id for row in rows)

    def wanted(row: Row) -> set[tuple[str, ...]]:
        several = {("view", row.source_id, row.view_id)} if sources[row.source_id] > 1 else set()
        return several | ({("group", row.group_id)} if groups[row.group_id] > 1 else set())

    seen: set[tuple[str, ...]] = set().union(*(wanted(rows[place]) for place in random))
    forced: list[int] = []
    for place in order[count:]:
        if not wanted(rows[place]) <= seen:
            forced.append(place)
            seen |= wanted(rows[place])
    return Drawn(tuple(sorted(random)), tuple(sorted(forced)))


def upper_bound(hits: int, drawn: int, population: int, level: float = 0.95) -> float:
    """Clopper-Pearson's one-sided upper bound of a share; 0 hits of n give about 3 / n, the rule of three.

    It speaks of what is not read, so a sample that is the whole population has no bound but its own share. For a
    sample of a finite population it is on the safe side.

    Args:
        hits: drawn frames that show text.
        drawn: frames of the random sample.
        population: frames of the set.
        level: of confidence.
    Raises: ValueError for counts that cannot be.
    """
    if not 0 <= hits <= drawn <= population or not population:
        raise ValueError(f"{hits} hits of {drawn} drawn from {population}; 0 <= hits <= drawn <= population is wanted.")
    if drawn == population:
        return hits / population
    if hits == drawn:
        return 1.0
    from scipy.stats import beta

    return float(beta.ppf(level, hits + 1, drawn - hits))
