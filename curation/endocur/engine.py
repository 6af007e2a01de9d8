"""Maps a pure function over units in spawned processes, watched from outside. Knows nothing of endoscopy.

A worker that crashes, hangs or raises costs its unit only: the caller gets a `Failure` with a reason in its
place. What ends the whole command instead: errors the user can mend (`EndoError`, disk full).
"""

from __future__ import annotations

import errno
import multiprocessing as mp
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from ctypes import CDLL, c_longlong
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, TypeVar

from endoshards.errors import EndoError

T = TypeVar("T")
R = TypeVar("R")

RECYCLE_UNITS = 32
"""A worker ends after so many units: slow leaks of native libraries end with it."""

RECYCLE_RSS = 1_200_000_000
"""A worker that holds more bytes than this after a unit ends too."""

ENDS_ALL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""Nothing can be written any more: no unit's fault."""

_POLL_S = 0.5


@dataclass(frozen=True)
class Failure:
    """A unit that gave no result."""

    reason: str
    """One sentence without names or paths: fit for logs and markers."""
    detail: str = ""
    """Traceback; may hold paths, so it goes to private places only."""


class UnitFailed(Exception):
    """Raised by a task for a unit it cannot do; its text becomes the reason and must hold no name."""


def beat(done: int = 0) -> None:
    """Tell the watchdog that this worker lives, and that `done` more items of work are done."""
    if _PULSE is not None:
        _PULSE[0] += 1
        _PULSE[1] += done


def map_units(
    task: Callable[[T], R],
    items: Sequence[T],
    *,
    workers: int,
    timeout_s: float,
    progress: Callable[[int], None] | None = None,
) -> Generator[tuple[int, R | Failure, float], None, None]:
    """Run `task` on each item in `workers` spawned processes; yield (index, result, seconds) as they come.

    Args:
        task: a top-level function; items and results are pickled.
        workers: processes; 1 is still a process of its own, so that a crash never ends the command.
        timeout_s: a worker that neither ends its unit nor calls `beat` for so long is killed.
        progress: called with the number of items of work done since the last call (`beat(done)`).
    Raises: the EndoError or OSError (disk full, read-only) a task raised: it would hit every unit.
    """
    todo = list(reversed(range(len(items))))
    crew: list[_Worker] = []
    try:
        while todo or any(worker.index is not None for worker in crew):
            while todo and len([worker for worker in crew if worker.index is not None]) < workers:
                _idle_worker(crew, task).give(todo.pop(), items)
            busy = [worker for worker in crew if worker.index is not None]
            wait([worker.pipe for worker in busy], timeout=_POLL_S)
            for worker in busy:
                if progress is not None and (done := worker.new_work()):
                    progress(done)
                outcome = worker.outcome(timeout_s)
                if outcome is not None:
                    yield *outcome, time.monotonic() - worker.given_at
            for worker in [worker for worker in crew if worker.gone]:
                crew.remove(worker)
    finally:
        for worker in crew:
            worker.end()


def _idle_worker(crew: list[_Worker], task: Callable[..., object]) -> _Worker:
    for worker in crew:
        if worker.index is None and not worker.gone:
            return worker
    crew.append(_Worker(task))
    return crew[-1]


class _Worker:
    """One process and what it is doing, seen from the parent."""

    def __init__(self, task: Callable[..., object]) -> None:
        context = mp.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self._pulse: Any = context.RawArray(c_longlong, 2)
        self._process: BaseProcess = context.Process(target=_work, args=(theirs, self._pulse, os.getpid()), daemon=True)
        self._process.start()
        theirs.close()
        self.pipe.send(task)
        self.index: int | None = None
        self.gone = False
        self._beats = -1
        self._work = 0
        self.given_at = self._alive_at = time.monotonic()

    def give(self, index: int, items: Sequence[object]) -> None:
        self.index, self.given_at = index, time.monotonic()
        self._alive_at = self.given_at
        with suppress(OSError):  # it died while idle: `outcome` finds the pipe closed and says so
            self.pipe.send(items[index])

    def new_work(self) -> int:
        total = int(self._pulse[1])
        done, self._work = total - self._work, total
        return done

    def outcome(self, timeout_s: float) -> tuple[int, Any] | None:
        """What became of its unit, if anything by now."""
        index = self.index
        if index is None:
            return None
        try:
            message = self.pipe.recv() if self.pipe.poll() else None
        except (EOFError, OSError):
            return self._lost(index, "")
        if message is not None:
            kind, value, stays = message
            self.index, self.gone = None, not stays
            if not stays:
                self.end()
            if kind == "raise":
                raise value
            return index, value
        if int(self._pulse[0]) != self._beats:
            self._beats, self._alive_at = int(self._pulse[0]), time.monotonic()
        elif time.monotonic() - self._alive_at > timeout_s:
            return self._lost(index, f"no progress for {timeout_s:g} s; ended by the watchdog")
        return None

    def _lost(self, index: int, reason: str) -> tuple[int, Failure]:
        self.index, self.gone = None, True
        self.end()
        if not reason:
            code = self._process.exitcode
            reason = f"worker ended by signal {-code}" if code is not None and code < 0 else f"worker ended with {code}"
            if code == -signal.SIGKILL:
                reason += " (out of memory?)"
        return index, Failure(reason)

    def end(self) -> None:
        self.pipe.close()
        if self.gone or self.index is not None:
            self._process.join(0.2)
        if self._process.is_alive():
            self._process.kill()
        self._process.join()


ONE_THREAD = {
    name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")
}
"""Set in a worker before any library loads. Workers are the parallelism: a thread a core in each of them only adds cost
(OpenCV's, which spin while they wait: a tenth of extract on two cores, more on many)."""
_PULSE: Any = None


def _work(pipe: Connection, pulse: Any, parent: int) -> None:
    """Body of a worker: one unit after the other until the pipe closes."""
    global _PULSE  # noqa: PLW0603 - the pulse belongs to the process, not to a caller
    _PULSE = pulse
    _die_with(parent)
    for number in (signal.SIGINT, signal.SIGTERM):  # sent to the whole group they are the parent's to answer
        signal.signal(number, signal.SIG_IGN)
    for name, value in ONE_THREAD.items():
        os.environ.setdefault(name, value)
    task = pipe.recv()
    units = 0
    while True:
        try:
            item = pipe.recv()
        except EOFError:
            return
        kind, value = _run(task, item)
        units += 1
        stays = units < RECYCLE_UNITS and _resident() < RECYCLE_RSS
        try:
            pipe.send((kind, value, stays))
        except OSError:  # the parent has gone
            return
        if not stays:
            return


def _run(task: Callable[[Any], Any], item: Any) -> tuple[str, Any]:
    try:
        return "done", task(item)
    except UnitFailed as error:
        return "done", Failure(str(error))
    except EndoError as error:
        return "raise", error
    except MemoryError:
        return "done", Failure("not enough memory for this input")
    except Exception as error:  # noqa: BLE001 - the worker boundary: a unit becomes a row with a reason
        if isinstance(error, OSError) and error.errno in ENDS_ALL:
            return "raise", error
        return "done", Failure(f"unexpected {type(error).__name__}", "".join(traceback.format_exception(error)))


def _die_with(parent: int) -> None:
    """End when the parent is gone, however it went: an orphan must not write beside the next run."""
    if sys.platform.startswith("linux"):
        CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: works even inside a native loop

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


def _resident() -> int:
    """Bytes in RAM now; 0 where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
