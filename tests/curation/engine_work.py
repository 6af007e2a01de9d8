"""What workers do in the tests of the engine; a module of its own, for spawned processes import it by name."""

from __future__ import annotations

import errno
import os
import re
import signal
import time

from endocur.engine import UnitFailed, beat
from endoshards.errors import BadInput


def work(item: object) -> object:
    """What workers of these tests do, by a word."""
    word, _, value = str(item).partition(" ")
    if word == "square":
        beat(2)
        return int(value) ** 2
    if word == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if word == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if word == "hang":
        time.sleep(600)
    if word == "native":
        re.match(
            r"(a+)+$", "a" * 60 + "b"
        )  # years in C with the interpreter locked: no signal is heard, no thread runs
    if word == "slow":
        for _ in range(6):
            time.sleep(0.4)
            beat()
        return "done"
    if word == "unit":
        raise UnitFailed("no frame can be decoded")
    if word == "bug":
        raise KeyError("/videos/miller.mp4")
    if word == "memory":
        raise MemoryError
    if word == "full":
        raise OSError(errno.ENOSPC, "No space left on device")
    if word == "refuse":
        raise BadInput("the extra is not installed")
    if word == "pid":
        return os.getpid()
    if word == "threads":
        import cv2

        return cv2.getNumThreads()
    raise AssertionError(word)
