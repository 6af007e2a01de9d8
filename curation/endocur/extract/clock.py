"""From a file's time stamps to moments: exact, strictly increasing, whatever the file's clock does."""

from __future__ import annotations

from fractions import Fraction

from endocur.extract.source import Moment

LEAP_US = 24 * 3600 * 1_000_000
"""A gap of more than a day inside a recording is a broken clock, not a pause."""


class Clock:
    """Moments of shown frames, asked for in the order they are shown.

    A clock that falls or leaps starts a new segment one frame after the last; its frames are flagged "clock".
    """

    def __init__(self, rate: Fraction) -> None:
        """`rate`: frames a second as the file declares it, for what has no time stamps."""
        self._rate = rate
        self._index = -1
        self._stamped = False
        self._last_raw = 0
        self._last_us = -1
        self._zero_raw = 0
        self._zero_us = 0
        self._segments = 0

    def moment(self, pts: int | None, time_base: Fraction | None) -> Moment:
        """When the next frame is shown.

        Args:
            pts: presentation time stamp; None where the file has none.
            time_base: seconds of one step of `pts`.
        """
        self._index += 1
        if pts is None or time_base is None:
            return self._made()
        if not self._stamped:  # frames without a stamp may come first
            self._stamped, self._zero_us = True, self._last_us + self._frame_us() if self._index else 0
            self._zero_raw = self._last_raw = pts
        step_us = microseconds(pts - self._last_raw, time_base)
        if step_us < 0 or step_us > LEAP_US:
            self._segments += 1
            self._zero_raw, self._zero_us = pts, self._last_us + self._frame_us()
        us = self._zero_us + microseconds(pts - self._zero_raw, time_base)
        self._last_raw = pts
        flag = "clock" if self._segments else ""
        if us <= self._last_us:
            us, flag = self._last_us + 1, "equal"
        self._last_us = us
        return Moment(us, False, flag)

    def _made(self) -> Moment:
        """Index over rate; in a file that has stamps elsewhere, one frame after the last."""
        us = self._last_us + self._frame_us() if self._stamped else microseconds(self._index, 1 / self._rate)
        flag = ""
        if us <= self._last_us:
            us, flag = self._last_us + 1, "equal"
        self._last_us = us
        return Moment(us, True, flag)

    def _frame_us(self) -> int:
        return max(1, microseconds(1, 1 / self._rate))


class PlainClock:
    """Moments in a file whose stamps only rise and never leap, from anywhere in it; equal to those of `Clock`."""

    def __init__(self, first: int) -> None:
        """`first`: stamp of the first shown frame."""
        self._first = first

    def moment(self, pts: int, time_base: Fraction) -> Moment:
        """When a frame is shown."""
        return Moment(microseconds(pts - self._first, time_base))


def microseconds(steps: int, time_base: Fraction) -> int:
    """Microseconds, rounded half up, in whole numbers: no float ever holds a time stamp."""
    return (2 * steps * time_base.numerator * 1_000_000 + time_base.denominator) // (2 * time_base.denominator)
