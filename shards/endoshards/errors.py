"""The errors a user can mend, each with its exit code, and the one place where a command ends.

    EndoError            3  base; refused: input, config, environment
      BadInput           3  wrong path, other config, lock held, foreign checkpoint, disk full
      BadOption          2  a malformed value on the command line or in a TOML file
      CheckFailed        4  a check ran and found faults
      TooManyFailed      5  more inputs failed than allowed
      Stopped           75  stopped on purpose; the same command continues

Everything else that is raised is a bug of ours: exit 1, the traceback kept in a file, one line shown.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType


class EndoError(Exception):
    """A fault the user can mend: what came, what is allowed, what to do."""

    exit_code = 3


class BadInput(EndoError):
    """Input, config or environment is refused."""


class BadOption(EndoError):
    """A value on the line or in a config file is malformed or out of range."""

    exit_code = 2


class CheckFailed(EndoError):
    """A check (verify, leaks, privacy) ran to its end and found faults."""

    exit_code = 4


class TooManyFailed(EndoError):
    """More inputs failed than `--allow-failed` permits."""

    exit_code = 5


class Stopped(EndoError):
    """Stopped on purpose (a signal); the same command goes on from here."""

    exit_code = 75


SHOWN = 160
"""Letters of a bug's own words on the terminal; the traceback has all."""
INTERRUPTED = 130
"""Exit code of ctrl-C."""
MENDABLE_OS_ERRORS = {
    errno.ENOSPC: "the disk is full; free some space and run the same command again, nothing finished is lost",
    errno.EDQUOT: "the disk quota is used up; free some space and run the same command again, nothing finished is lost",
    errno.EROFS: "the folder is on a read-only file system; choose another output folder",
    errno.EACCES: "no permission; choose another folder or change its permissions",
    errno.EPERM: "not permitted; choose another folder or change its permissions",
    errno.EEXIST: "a file lies where a folder is wanted; choose another path",
    errno.ENOTDIR: "a file lies where a folder is wanted; choose another path",
    errno.EISDIR: "a folder lies where a file is wanted; choose another path",
}


def from_os_error(error: OSError) -> BadInput | None:
    """The one-sentence form of an operating system error a user can mend, else None."""
    advice = MENDABLE_OS_ERRORS.get(error.errno or 0)
    if advice is None:
        return None
    name = error.filename2 or error.filename  # of a rename: where to, for the other is a temporary name
    where = f"{name}: " if name else ""
    return BadInput(f"{where}{advice}.")


def in_words(error: Exception) -> str:
    """Why a file could not be read, without its name: `no such file or directory`; `damaged` where bytes are wrong."""
    number = error.errno if isinstance(error, OSError) else None
    if number is None or number not in errno.errorcode:
        return "damaged"
    text = os.strerror(number)
    return text[:1].lower() + text[1:]


@contextmanager
def told_of(path: Path) -> Iterator[None]:
    """An OSError that is raised inside and names no file, as one of a write does, is about `path`."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


def run_command(program: str, call: Callable[[], object], *, words: bool = True) -> None:
    """Run a command line and end the process with the exit code of DESIGN section 5.

    Args:
        program: name put before the message, e.g. "endocur".
        call: the Typer application.
        words: show and keep what a bug's exceptions say. False where that may be a patient's name, as part of a path:
            types and places in our code are kept then, nothing else.
    """
    try:
        with _stopped_by_sigterm():
            call()
    except EndoError as error:
        _say(f"{program}: {error}")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        _interrupted(program)
    except SystemExit as leaving:
        # Typer turns ctrl-C into a silent exit of this code
        if leaving.code == INTERRUPTED:
            _interrupted(program)
        raise
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        mended = from_os_error(error)
        if mended is None:
            _bug(program, error, words)
        _say(f"{program}: {mended}")
        sys.exit(BadInput.exit_code)
    except Exception as error:  # noqa: BLE001 - the one boundary where a bug becomes exit code 1
        _bug(program, error, words)


@contextmanager
def bugs_kept_in(folder: Path) -> Iterator[None]:
    """The traceback of a bug that is raised inside goes to `folder`, if it is there by then."""
    try:
        yield
    except Exception as error:
        error.endo_log = folder  # type: ignore[attr-defined]
        raise


@contextmanager
def _stopped_by_sigterm() -> Iterator[None]:
    """While entered, SIGTERM raises Stopped in the main thread, so that workers are ended and locks let go.

    A command may set a handler of its own meanwhile; one that was there before stays.
    """
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _stop(_number: int, _frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once: a second one must not break into the tidying
    raise Stopped("stopped by SIGTERM; the same command goes on from here.")


def _interrupted(program: str) -> None:
    _say(f"{program}: interrupted; the same command goes on from here.")
    sys.exit(INTERRUPTED)


def _bug(program: str, error: BaseException, words: bool) -> None:
    log: Path | None = getattr(error, "endo_log", None)
    folder = log if log is not None and log.is_dir() else Path(tempfile.gettempdir())
    kept = folder / f"{program}-bug-{os.getpid()}.txt"
    text = "".join(traceback.format_exception(error)) if words else _places(error)
    try:
        kept.write_text(text, encoding="utf-8")
    except OSError:
        _say(text)
    first = str(error).partition("\n")[0]
    said = f"{type(error).__name__}: {first[:SHOWN]}" if words and first else type(error).__name__
    _say(f"{program}: a bug of ours ({said}); the traceback is in {kept}.")
    sys.exit(1)


def _places(error: BaseException) -> str:
    """A traceback without what the exceptions say: types and lines of code, first cause first."""
    before = error.__cause__ or error.__context__
    stack = "".join(traceback.format_tb(error.__traceback__))
    return (_places(before) if before else "") + f"{stack}{type(error).__name__}\n"


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
