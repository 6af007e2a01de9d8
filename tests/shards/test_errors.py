"""How a command ends: exit code and one line for what a user can mend, a kept traceback for a bug of ours."""

from __future__ import annotations

import errno
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from endoshards.errors import (
    BadInput,
    BadOption,
    CheckFailed,
    EndoError,
    Stopped,
    TooManyFailed,
    bugs_kept_in,
    from_os_error,
    in_words,
    run_command,
)


@pytest.mark.parametrize(
    ("kind", "code"),
    [(EndoError, 3), (BadInput, 3), (BadOption, 2), (CheckFailed, 4), (TooManyFailed, 5), (Stopped, 75)],
)
def test_each_error_has_its_exit_code_and_prints_one_line(kind, code, capsys) -> None:
    def call() -> None:
        raise kind("videos/ is empty; put a video there.")

    with pytest.raises(SystemExit) as end:
        run_command("endocur", call)
    assert end.value.code == code
    assert capsys.readouterr().err == "endocur: videos/ is empty; put a video there.\n"


def test_why_a_file_cannot_be_read_is_said_in_words_without_its_name() -> None:
    for error, words in (
        (FileNotFoundError(errno.ENOENT, "x", "/d/jane_doe"), "no such file or directory"),
        (PermissionError(errno.EACCES, "cannot open /d/jane_doe"), "permission denied"),
        (OSError(1094995529, "Invalid data", "/d/jane_doe"), "damaged"),
        (ValueError("/d/jane_doe"), "damaged"),
    ):
        assert in_words(error) == words


def test_ctrl_c_ends_with_130(capsys) -> None:
    def call() -> None:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as end:
        run_command("endomae", call)
    assert end.value.code == 130
    assert capsys.readouterr().err == "endomae: interrupted; the same command goes on from here.\n"


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (
            errno.ENOSPC,
            "/d/f: the disk is full; free some space and run the same command again, nothing finished is lost.",
        ),
        (
            errno.EDQUOT,
            "/d/f: the disk quota is used up; free some space and run the same command again, nothing finished",
        ),
        (errno.EROFS, "/d/f: the folder is on a read-only file system; choose another output folder."),
        (errno.EACCES, "/d/f: no permission; choose another folder or change its permissions."),
    ],
)
def test_a_full_or_closed_disk_is_refused_in_words(number, text, capsys) -> None:
    def call() -> None:
        raise OSError(number, "x", "/d/f")

    with pytest.raises(SystemExit) as end:
        run_command("endocur", call)
    assert end.value.code == 3
    assert text in capsys.readouterr().err


def test_an_os_error_nobody_can_mend_is_a_bug(tmp_path, capsys) -> None:
    assert from_os_error(OSError(errno.EBADF, "x")) is None

    def call() -> None:
        raise OSError(errno.EBADF, "odd")

    with pytest.raises(SystemExit) as end:
        run_command("endocur", call)
    assert end.value.code == 1


NAME = "Jane Doe"


def buggy(folder: Path) -> Callable[[], None]:
    def call() -> None:
        with bugs_kept_in(folder):
            try:
                raise KeyError(NAME)
            except KeyError as error:
                raise ZeroDivisionError(NAME) from error

    return call


def test_a_bug_ends_with_1_one_line_and_a_kept_traceback(tmp_path, capsys) -> None:
    with pytest.raises(SystemExit) as end:
        run_command("endomae", buggy(tmp_path))
    assert end.value.code == 1
    (kept,) = tmp_path.iterdir()
    said = capsys.readouterr().err
    assert said == f"endomae: a bug of ours (ZeroDivisionError: {NAME}); the traceback is in {kept}.\n"
    assert "in call\n" in kept.read_text()


def test_a_bug_with_much_to_say_takes_one_line(tmp_path, capsys) -> None:
    def call() -> None:
        raise RuntimeError("size mismatch " * 400 + "\nfor every tensor")

    with pytest.raises(SystemExit):
        run_command("endomae", call)
    said = capsys.readouterr().err
    assert len(said) < 400 and said.count("\n") == 1
    Path(said.split("the traceback is in ")[1].strip().removesuffix(".")).unlink()


def test_where_words_may_be_names_a_bug_keeps_types_and_places_only(tmp_path, capsys) -> None:
    with pytest.raises(SystemExit) as end:
        run_command("endocur", buggy(tmp_path), words=False)
    assert end.value.code == 1
    (kept,) = tmp_path.iterdir()
    assert capsys.readouterr().err == f"endocur: a bug of ours (ZeroDivisionError); the traceback is in {kept}.\n"
    text = kept.read_text()
    assert text.count("in call\n") == 2
    assert "KeyError\n" in text and text.endswith("ZeroDivisionError\n")
    assert NAME not in text


def test_a_log_folder_that_is_not_there_does_not_hide_a_bug(tmp_path, capsys) -> None:
    with pytest.raises(SystemExit):
        run_command("endocur", buggy(tmp_path / "none"))
    kept = Path(capsys.readouterr().err.split("the traceback is in ")[1].strip().removesuffix("."))
    assert "ZeroDivisionError" in kept.read_text()
    kept.unlink()


def test_ctrl_c_ends_with_130_and_says_that_nothing_is_lost(capsys) -> None:
    app = typer.Typer()

    @app.command()
    def wait() -> None:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as end:
        run_command("endocur", lambda: app([]))
    assert end.value.code == 130
    assert capsys.readouterr().err == "endocur: interrupted; the same command goes on from here.\n"


STOPPED = """
import signal, sys, time
from pathlib import Path
from endoshards.errors import run_command
from endoshards.files import Lock

def call():
    with Lock(Path(sys.argv[1])):
        if sys.argv[2] == "own":
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
        try:
            print("at work", flush=True)
            time.sleep(60)
        finally:
            print("tidied", flush=True)

run_command("endocur", call)
"""


@pytest.mark.parametrize(
    ("handler", "code", "text"),
    [("none", 75, "endocur: stopped by SIGTERM; the same command goes on from here.\n"), ("own", 7, "")],
)
def test_sigterm_ends_with_75_tidied_and_says_so_unless_a_command_answers_it_itself(
    handler: str, code: int, text: str, tmp_path: Path
) -> None:
    line = [sys.executable, "-c", STOPPED, str(tmp_path / "lock"), handler]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "at work\n"
        process.send_signal(signal.SIGTERM)
        said, error = process.communicate(timeout=60)
    assert (process.returncode, said, error) == (code, "tidied\n", text)
    assert list(tmp_path.iterdir()) == []


def test_a_command_leaves_the_handler_of_sigterm_as_it_was() -> None:
    during: list[object] = []
    run_command("endocur", lambda: during.append(signal.getsignal(signal.SIGTERM)))
    assert during != [signal.SIG_DFL]
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_a_reader_that_goes_away_is_no_error() -> None:
    code = (
        "import sys\nfrom endoshards.errors import run_command\n"
        "def call():\n    for _ in range(100000): sys.stdout.write('line\\n')\n    sys.stdout.flush()\n"
        "run_command('endocur', call)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0
