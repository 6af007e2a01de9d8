"""Which frames are kept: the first at or after each tick of `--fps`, by presentation time alone."""

from __future__ import annotations

from fractions import Fraction

ROUNDING_US = 1
"""Time stamps are rounded to microseconds, so a frame this much before a tick is on it."""


class Ticks:
    """Picks frames by time: the first at or after each k / fps seconds; one frame serves all ticks it has passed."""

    def __init__(self, fps: float) -> None:
        self._per_us = Fraction(fps).limit_denominator(1_000_000) / 1_000_000
        self._next = 0

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
