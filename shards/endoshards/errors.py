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
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path


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


def run_command(program: str, call: Callable[[], object], log: Path | None = None) -> None:
    """Run a command line and end the process with the exit code of DESIGN section 5.

    Args:
        program: name put before the message, e.g. "endocur".
        call: the Typer application.
        log: folder that keeps the traceback of a bug; the system's temporary folder if None or not there.
    """
    try:
        call()
    except EndoError as error:
        _say(f"{program}: {error}")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        _say(f"{program}: interrupted; the same command goes on from here.")
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        mended = from_os_error(error)
        if mended is None:
            _bug(program, error, log)
        _say(f"{program}: {mended}")
        sys.exit(BadInput.exit_code)
    except Exception as error:  # noqa: BLE001 - the one boundary where a bug becomes exit code 1
        _bug(program, error, log)


def _bug(program: str, error: BaseException, log: Path | None) -> None:
    folder = log if log is not None and log.is_dir() else Path(tempfile.gettempdir())
    kept = folder / f"{program}-bug-{os.getpid()}.txt"
    text = "".join(traceback.format_exception(error))
    try:
        kept.write_text(text, encoding="utf-8")
    except OSError:
        _say(text)
    _say(f"{program}: a bug of ours ({type(error).__name__}: {error}); the traceback is in {kept}.")
    sys.exit(1)


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
