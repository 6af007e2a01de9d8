"""Which frames are kept: the first at or after each tick of `--fps`, by presentation time alone; of all frames, or of
the key frames only. What is kept never depends on how a file is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from endocur.extract.prescan import Facts

ROUNDING_US = 1
"""Time stamps are rounded to microseconds, so a frame this much before a tick is on it."""

DENSE, LATE, LATE_SHARE = 1.0, 1.1, 0.01
"""Key frames are as dense as asked if each frame that exact sampling keeps has one less than DENSE tick intervals after
it. One in a hundred may be LATE: a key frame every 30 frames of 29.97 a second is 1.001 s apart."""

Sampling = Literal["auto", "exact", "keyframes"]


@dataclass(frozen=True)
class Asked:
    """Which frames of a video are wanted."""

    sampling: Sampling = "exact"
    fps: float | None = None
    """Ticks a second; None asks for each frame."""


class Ticks:
    """Picks frames by time: the first at or after each k / fps seconds; one frame serves all ticks it has passed."""

    def __init__(self, fps: float) -> None:
        self._per_us = Fraction(fps).limit_denominator(1_000_000) / 1_000_000
        self._next = 0

    def reaches(self, us: int) -> bool:
        """Whether the frame at `us` microseconds would be kept; changes nothing."""
        return (us + ROUNDING_US) * self._per_us >= self._next

    def wants(self, us: int) -> bool:
        """Whether the frame at `us` microseconds is kept; ask for each frame once, in time order."""
        ticks = (us + ROUNDING_US) * self._per_us
        if ticks < self._next:
            return False
        self._next = int(ticks) + 1
        return True


class Every:
    """Keeps each frame (`--all-frames`)."""

    def wants(self, us: int) -> bool:
        """True."""
        return us >= 0


def chapter_of(us: int, chapter_s: float) -> int:
    """Number of the chapter that a moment lies in, from 0."""
    return int(us // round(chapter_s * 1_000_000))


def keys_are_dense(times: Sequence[int], keys: Sequence[int], fps: float) -> bool:
    """Whether each frame that exact sampling keeps has a key frame soon enough after it.

    Args:
        times: of all frames in microseconds, sorted, the first 0.
        keys: of the key frames, likewise.
        fps: ticks a second.
    Returns: see DENSE; the last of them may have none if the file ends before.
    """
    tick_us = 1_000_000 / fps
    ticks = Ticks(fps)
    picked = [us for us in times if ticks.wants(us)]
    at = late = 0
    for us in picked:
        while at < len(keys) and keys[at] < us:
            at += 1
        wait_us = (keys[at] if at < len(keys) else times[-1]) - us
        if wait_us >= LATE * tick_us or (at == len(keys) and us != picked[-1]):
            return False
        late += wait_us >= DENSE * tick_us
    return late <= LATE_SHARE * len(picked)


@dataclass(frozen=True)
class Reading:
    """How a file is read."""

    keys_only: bool
    """The frames kept are key frames. False: any frame may be."""
    alone: bool
    """Key frames are decoded without the others; False: everything is decoded in the order of the file."""
    why: str


def reading(asked: Asked, facts: Facts, *, interlaced: bool) -> Reading:
    """How to read a file of these facts, before anything was proven on it."""
    if asked.sampling == "exact" or asked.fps is None:
        return Reading(False, False, "each frame is asked for" if asked.fps is None else "exact sampling is asked for")
    keys_only = asked.sampling == "keyframes"
    if facts.odd:
        return Reading(keys_only, False, facts.odd[0])
    if interlaced:
        return Reading(keys_only, False, "it is interlaced: a frame needs its neighbours")
    if keys_only:
        return Reading(True, True, "key frames are asked for")
    if not keys_are_dense(facts.times, [key.us for key in facts.keys], asked.fps):
        return Reading(False, False, "its key frames are too far apart")
    return Reading(True, True, "its key frames are as dense as asked")
