"""Which stills share a view: those of one folder, coded size and border outline, when there are enough of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

GROUP_MEMBERS = 20
"""Fewer stills than this say too little about what stands still: each then stands alone."""


@dataclass(frozen=True)
class StillOutline:
    """What decides which group a still joins."""

    folder_key: str
    """Any name of its folder that is equal for equal folders; a keyed hash will do."""
    size: tuple[int, int]
    """(height, width) as coded."""
    outline: int
    """64 bits by `border_outline`: which cells of an 8 x 8 grid are border."""


def border_outline(rgb: NDArray[np.uint8]) -> int:
    """64 bits: bit 8 * row + column is set where that cell of an 8 x 8 grid is dark border, not picture.

    Args:
        rgb: uint8 [h, w, 3].
    """
    grey = np.asarray(cv2.resize(rgb.max(axis=2), (64, 64), interpolation=cv2.INTER_AREA))
    cells = (grey > 24).reshape(8, 8, 8, 8).mean(axis=(1, 3)) < 0.5
    return int(sum(1 << int(bit) for bit in np.flatnonzero(cells)))


def still_groups(stills: Sequence[StillOutline], *, members: int = GROUP_MEMBERS) -> list[list[int]]:
    """Indices of the stills that share view and still regions.

    Every index comes exactly once; a list of one is a still that stands alone. Groups are ordered by their
    first member, members ascend.
    """
    found: dict[tuple[str, tuple[int, int], int], list[int]] = {}
    for index, still in enumerate(stills):
        found.setdefault((still.folder_key, still.size, still.outline), []).append(index)
    groups: list[list[int]] = []
    for group in found.values():
        groups.extend([group] if len(group) >= members else [[index] for index in group])
    return sorted(groups)
