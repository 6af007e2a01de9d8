"""Signals that ask a training to end: noted at once, obeyed between two steps."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType


class StopSignals:
    """While entered, SIGTERM, SIGUSR1 and SIGINT are noted; a second SIGINT interrupts at once.

    `noted` is 0 or the number of the last signal.
    """

    def __init__(self) -> None:
        self.noted = 0
        self._before: dict[int, object] = {}

    def __enter__(self) -> StopSignals:
        for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT):
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGINT == self.noted:
            raise KeyboardInterrupt
        self.noted = number
