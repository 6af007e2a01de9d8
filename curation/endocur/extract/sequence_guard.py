"""Do numbered pictures look like the frames of a video? Told by names and pixels together, of a few pictures each.

Nothing is decided by it: it asks the user who said nothing, and doubts what looks like a slip. How the thresholds were
measured stands in docs/results/sequence-guard.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from endocur.extract.sequence_track import Track, spread
from endocur.extract.source import Unreadable
from endocur.extract.stills import MAX_PIXELS, picture_size

LEAST = 12
"""Pictures from which a run of numbers is looked at."""

EQUAL_STEPS = 0.8
"""Share of the steps from number to number that are the commonest step."""

NEARER = 0.5
"""Neighbours that differ by less than this part of what distant pictures differ by look like a video: seen in all real
clips up to a fifth of a second between pictures, never in 30 unrelated stills."""

ALIKE = 0.6
"""So do neighbours whose thumbnails correlate by this much: a short run of one polyp, where distant pictures are alike
too. One draw in 400 of unrelated stills came to it."""

NO_NEARER, UNLIKE = 0.7, 0.5
"""Neighbours that differ by more than this part of distant ones, and correlate by less, look like no video."""

LIT = 20
"""Level above which a pixel of either thumbnail is compared: what is black in both is border."""

PAIRS = 16
"""Neighbours compared; twice as many pictures are opened."""

SIDE = 32
"""Of a thumbnail in pixels."""

TOLD = 2.0
"""Distant pictures must differ by so many levels of 255: where all are black nothing can be told."""

Thumb = NDArray[np.float32]
Seen = tuple[Thumb, tuple[int, int]]
"""A thumbnail, and width and height of its picture."""


@dataclass(frozen=True)
class Look:
    """What a track looks like."""

    pictures: int
    equal_steps: float
    """Share of the commonest step."""
    one_size: bool
    """All pictures looked at have one size."""
    ratio: float | None
    """Difference of neighbours over that of distant pictures; None where nothing can be told."""
    likeness: float | None
    """Median correlation of neighbours over what is lit; None likewise."""

    @property
    def is_run(self) -> bool:
        """It looks like a video."""
        by_name = self.pictures >= LEAST and self.equal_steps >= EQUAL_STEPS
        return by_name and self.one_size and self.ratio is not None and self._near

    @property
    def is_none(self) -> bool:
        """It looks like no video: many pictures, and neighbours are as unlike as distant ones."""
        if self.pictures < LEAST or self.ratio is None or self.likeness is None:
            return False
        return self.ratio > NO_NEARER and self.likeness < UNLIKE

    @property
    def _near(self) -> bool:
        return (self.ratio is not None and self.ratio < NEARER) or (
            self.likeness is not None and self.likeness >= ALIKE
        )


def may_be_run(numbers: Sequence[int]) -> bool:
    """Whether numbers alone would allow a video; opens nothing."""
    return len(numbers) >= LEAST and equal_steps(numbers) >= EQUAL_STEPS


def equal_steps(numbers: Sequence[int]) -> float:
    """Share of the commonest step between ascending numbers; 0 for fewer than two."""
    steps = Counter(after - before for before, after in pairwise(numbers))
    return steps.most_common(1)[0][1] / (len(numbers) - 1) if steps else 0.0


def look(track: Track) -> Look:
    """Open up to 2 x PAIRS pictures of a track. What cannot be read is left out."""
    firsts = looked_at(len(track))
    wanted = sorted({*firsts, *(index + 1 for index in firsts)})
    return judged(track.numbers, {index: _read(track.path(index)) for index in wanted})


def looked_at(n: int) -> list[int]:
    """Places of the pictures of a track of `n` that are looked at, each together with the next."""
    return spread(n - 1, PAIRS)


def judged(numbers: Sequence[int], seen: Mapping[int, Seen | None]) -> Look:
    """What is said of a track.

    Args:
        numbers: of all its pictures, ascending.
        seen: thumbnail and size of those at `looked_at` and after each; None for what is no picture.
    """
    firsts = looked_at(len(numbers))
    thumbs = {index: one[0] for index, one in seen.items() if one is not None}
    sizes = {one[1] for one in seen.values() if one is not None}
    pairs = [(thumbs[i], thumbs[i + 1]) for i in firsts if i in thumbs and i + 1 in thumbs]
    ratio, alike = compared(pairs, [thumbs.get(i) for i in firsts])
    return Look(len(numbers), equal_steps(numbers), len(sizes) == 1, ratio, alike)


def compared(pairs: Sequence[tuple[Thumb, Thumb]], spaced: Sequence[Thumb | None]) -> tuple[float | None, float | None]:
    """(ratio, likeness) as `Look` has them.

    Args:
        pairs: thumbnails of neighbours.
        spaced: thumbnails in order, evenly spaced over the track; those a quarter of it apart are distant.
    Returns: None and None if there are none, or if distant ones differ by less than TOLD.
    """
    apart = max(1, len(spaced) // 4)
    far = [
        difference(a, b) for i, a in enumerate(spaced) for b in spaced[i + apart :] if a is not None and b is not None
    ]
    if not pairs or not far or np.median(far) < TOLD:
        return None, None
    near = [difference(a, b) for a, b in pairs]
    return float(np.median(near) / np.median(far)), float(np.median([likeness(a, b) for a, b in pairs]))


def same_moments(a: Track, b: Track) -> bool:
    """Whether two tracks of the same numbers show the same moments, as the two eyes of a stereo scope do."""
    common = sorted(set(a.numbers) & set(b.numbers))
    places = {number: index for index, number in enumerate(a.numbers)}, {n: i for i, n in enumerate(b.numbers)}
    pairs = []
    for at in spread(len(common), PAIRS):
        first, second = (_read(track.path(place[common[at]])) for track, place in zip((a, b), places, strict=True))
        if first is not None and second is not None:
            pairs.append((first[0], second[0]))
    ratio, alike = compared(pairs, [first for first, _ in pairs])
    return ratio is not None and alike is not None and (ratio < NEARER or alike >= ALIKE)


def difference(a: Thumb, b: Thumb) -> float:
    """Mean absolute difference of two thumbnails in levels of 255."""
    return float(np.abs(a - b).mean())


def likeness(a: Thumb, b: Thumb) -> float:
    """Correlation of two thumbnails where either is lit, -1 to 1; 0 where next to nothing is."""
    lit = np.maximum(a, b) > LIT
    if np.count_nonzero(lit) < SIDE:
        return 0.0
    x, y = a[lit] - a[lit].mean(), b[lit] - b[lit].mean()
    return float((x * y).sum() / max(1e-6, float(np.sqrt((x * x).sum() * (y * y).sum()))))


def thumbnail(data: bytes) -> Seen | None:
    """A grey thumbnail, float32 [SIDE, SIDE], and (width, height) as the header says; None for what is no picture."""
    try:
        width, height = picture_size(data)
    except Unreadable:
        return None
    if width * height > MAX_PIXELS:
        return None
    how = cv2.IMREAD_REDUCED_GRAYSCALE_4 if min(width, height) >= 8 * SIDE else cv2.IMREAD_GRAYSCALE
    try:
        grey = cv2.imdecode(np.frombuffer(data, np.uint8), how)
    except cv2.error:
        grey = None
    if grey is None:
        return None
    small = cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32), (width or grey.shape[1], height or grey.shape[0])


def _read(path: Path) -> Seen | None:
    try:
        return thumbnail(path.read_bytes())
    except OSError:
        return None
