"""The rows of train, val and test lists as arrays: what every check and null row is computed from. Never reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SPLITS = ("train", "val", "test")
"""What `Rows.splits` counts: 0, 1, 2."""
TRAIN, VAL, TEST = range(3)


@dataclass(frozen=True)
class GroupRule:
    """Where the groups come from, in words a reader can weigh."""

    name: str
    """Short: "column sequence", "stem before the last number"."""
    why: str
    """Why this rule was taken, in one sentence."""
    count: int
    """Number of groups it makes."""
    examples: tuple[str, ...]
    """Up to five groups by name."""
    second: str
    """The second best rule; "" where there was none."""
    change: str
    """What would change under the second best; "" where there was none."""
    joined: tuple[str, ...] = ()
    """Up to five ids whose spellings were joined: "P01 = p1"."""
    doubt: str = ""
    """Why the groups may be no patients, in a sentence; "" where nothing speaks for that."""
    unknown: int = 0
    """Rows whose given group is empty or says that nobody knows it; each stands alone."""
    sites: bool = False
    """The key was read off names and looks like hospitals: what they share is no fault, and shows nothing."""


@dataclass(frozen=True)
class Rows:
    """n rows in the order listed: train first, then val, then test (or as a single list with a split column has them).

    Every array has length n. Fields are None where nothing is known of any row.
    """

    names: Sequence[str]
    """Path or id of each row as listed, a foreign prefix that all rows share stripped."""
    splits: NDArray[np.int8]
    """[n] index into `SPLITS`."""
    labels: NDArray[np.int64] | None
    """[n] index into `classes`; -1: this row has no label. None: no list has labels."""
    classes: tuple[str, ...]
    """Labels as listed, sorted; () without labels."""
    groups: NDArray[np.int64] | None
    """[n] index into `group_names`; None: no group key was found."""
    group_names: Sequence[str]
    rule: GroupRule | None
    """Where groups come from; None: no group key was found."""
    start: NDArray[np.float64] | None
    """[n] place in time inside the group (frame number or seconds); nan: unknown."""
    end: NDArray[np.float64] | None
    """[n] end of an interval, never below `start`; equal to it for single frames."""
    boxes: NDArray[np.float64] | None
    """[n, 4] x0 y0 x1 y1 as shares of the picture; nan: no box in that row. A frame with k boxes has k rows."""
    digests: Sequence[str] | None
    """SHA-256 of the file of each row, "" where it was not found; None without `--data-root`."""
    hashes: NDArray[np.uint64] | None = None
    """[n] perceptual hash of each row's picture, 0 where there is none; None without `--data-root`."""
    counts_only: bool = False
    """Numbers in the names merely count stills: `start` is an order inside the group, and no time."""
