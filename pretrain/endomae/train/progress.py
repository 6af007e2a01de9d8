"""What a person sees while a training runs: a bar on a terminal, a line every 30 s elsewhere. On stderr."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Any

EVERY_S = 30.0


@dataclass(frozen=True)
class Moment:
    """Where a training stands."""

    step: int
    loss: float
    held_out_loss: float | None
    images_per_s: float
    data_wait: float
    """Share of the time spent waiting for data."""
    seconds_left: float

    def words(self) -> str:
        """Everything but the step and the time left."""
        held = "" if self.held_out_loss is None else f" · held-out {self.held_out_loss:.4f}"
        return f"loss {self.loss:.4f}{held} · {self.images_per_s:.0f} images/s · data wait {self.data_wait:.0%}"


class Progress:
    """Shows the moments it is given; use as a context manager."""

    def __init__(self, steps: int, start: int, *, shown: bool) -> None:
        """A bar over `steps` that starts at `start`; nothing at all unless `shown`."""
        self._steps, self._start, self._shown = steps, start, shown
        self._bar: Any = None
        self._task: Any = None
        self._next = time.monotonic()

    def __enter__(self) -> Progress:
        if self._shown and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
            from rich.progress import Progress as Bar

            self._bar = Bar(
                TextColumn("step"),
                MofNCompleteColumn(),
                BarColumn(),
                TextColumn("{task.description}"),
                console=Console(stderr=True),
            )
            self._bar.start()
            self._task = self._bar.add_task("starting", total=self._steps, completed=self._start)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, moment: Moment) -> None:
        """Bring the bar up to date, or write a line if 30 s have gone by since the last or it is the end."""
        if self._bar is not None:
            text = f"{clock(moment.seconds_left)} left · {moment.words()}"
            self._bar.update(self._task, completed=moment.step, description=text)
        elif self._shown and (time.monotonic() >= self._next or moment.step == self._steps):
            self._next = time.monotonic() + EVERY_S
            share = moment.step / self._steps
            sys.stderr.write(
                f"step {moment.step}/{self._steps} ({share:.0%}) · {clock(moment.seconds_left)} left · "
                f"{moment.words()}\n"
            )
            sys.stderr.flush()


def clock(seconds: float) -> str:
    """`3:07`, `2:10:00`, `4 d 03:10:00`."""
    whole = max(0, round(seconds))
    days, hours, minutes = whole // 86400, whole // 3600 % 24, whole // 60 % 60
    if days:
        return f"{days} d {hours:02d}:{minutes:02d}:{whole % 60:02d}"
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"
