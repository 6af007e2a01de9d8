"""Which stills share a view: those of one folder, coded size and border outline, when there are enough of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from endocur.extract.lit import BRIGHTEST_BORDER

GROUP_MEMBERS = 20
"""Fewer stills than this say too little about what stands still: each then stands alone."""
GRID = 16
"""The outline is seen on a grid of 16 x 16 cells."""
ALIKE = 8
"""Cells of 256 in which two outlines of one group may differ: a dark fold at the rim hides a few."""
ABOVE = 12
"""Levels above its border from which a pixel is picture."""


@dataclass(frozen=True)
class StillOutline:
    """What decides which group a still joins."""

    folder_key: str
    """Any name of its folder that is equal for equal folders; a keyed hash will do."""
    size: tuple[int, int]
    """(height, width) as coded."""
    outline: int
    """256 bits by `border_outline`."""


def border_outline(rgb: NDArray[np.uint8]) -> int:
    """256 bits: bit 16 * row + column is set where that cell of a 16 x 16 grid is dark border, not picture.

    Args:
        rgb: uint8 [h, w, 3]; a reduced picture gives nearly the same bits as the full one.
    """
    small = cv2.resize(rgb, (GRID * 4, GRID * 4), interpolation=cv2.INTER_AREA).max(axis=2)
    edge = np.concatenate([small[0], small[-1], small[:, 0], small[:, -1]])
    dark = edge[edge <= BRIGHTEST_BORDER]
    level = int(np.argmax(np.bincount(dark))) if len(dark) else 0
    cells = (small > level + ABOVE).reshape(GRID, 4, GRID, 4).mean(axis=(1, 3)) < 0.5
    border = _reached_from_outside(cells)
    return int(sum(1 << int(bit) for bit in np.flatnonzero(border)))


def still_groups(stills: Sequence[StillOutline], *, members: int = GROUP_MEMBERS) -> list[list[int]]:
    """Indices of the stills that share view and still regions.

    Of one folder and size, the outline round which most stills lie, at most ALIKE cells off, takes them; what is left
    is grouped again. The result depends on the set of stills alone, not on their order.

    Returns: every index exactly once; a list of one is a still that stands alone. Groups are ordered by their first
        member, members ascend.
    """
    groups: list[list[int]] = []
    for key in {(still.folder_key, still.size) for still in stills}:
        left = [index for index, still in enumerate(stills) if (still.folder_key, still.size) == key]
        while left:
            group = _most_alike(left, stills)
            if len(group) < members:
                groups += [[index] for index in left]
                break
            groups.append(group)
            left = sorted(set(left) - set(group))
    return sorted(groups)


def _most_alike(left: Sequence[int], stills: Sequence[StillOutline]) -> list[int]:
    """The largest set of stills that lie round one outline; ties go to the commoner, then the smaller outline."""
    common = Counter(stills[index].outline for index in left)
    best = max(common, key=lambda one: (sum(n for o, n in common.items() if _alike(o, one)), common[one], -one))
    return [index for index in left if _alike(stills[index].outline, best)]


def _alike(one: int, other: int) -> bool:
    return (one ^ other).bit_count() <= ALIKE


def _reached_from_outside(dark: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Dark cells connected to the frame's edge; a dark lumen in the middle is picture."""
    count, labels = cv2.connectedComponents(np.pad(dark, 1, constant_values=True).astype(np.uint8), connectivity=4)
    inner = labels[1:-1, 1:-1]
    return np.asarray((inner == labels[0, 0]) & dark) if count > 1 else np.zeros_like(dark)
