"""Files that survive a kill, fingerprints, and the lock: by real processes."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import endoshards.files
from endoshards.errors import BadInput
from endoshards.files import (
    TEMPORARY,
    Lock,
    atomic_path,
    fingerprint,
    json_bytes,
    process_start,
    read_json,
    refuse_source_tree,
    remove_temporaries,
    sha256_file,
    write_atomic,
    write_json,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def test_a_write_is_whole_or_not_at_all(tmp_path) -> None:
    path = tmp_path / "new" / "file.txt"
    write_atomic(path, "one")
    with pytest.raises(ZeroDivisionError), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError
    assert path.read_text() == "one"
    assert [left.name for left in path.parent.iterdir()] == ["file.txt"]
    write_atomic(path, b"\x00two")
    assert path.read_bytes() == b"\x00two"


def test_a_write_that_fails_names_the_file_that_was_wanted(tmp_path) -> None:
    path = tmp_path / "file.txt"
    with pytest.raises(OSError, match="file") as caught, atomic_path(path):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert caught.value.filename == str(path)
    with pytest.raises(FileNotFoundError) as other, atomic_path(path):
        (tmp_path / "other").read_bytes()
    assert other.value.filename == str(tmp_path / "other")


def test_killed_while_writing_the_old_file_stays_and_the_rest_can_be_swept(tmp_path) -> None:
    path = tmp_path / "file.txt"
    write_atomic(path, "old")
    code = (
        "import os, signal, sys; from pathlib import Path; from endoshards.files import atomic_path\n"
        f"with atomic_path(Path({str(path)!r})) as temporary:\n"
        "    temporary.write_text('half'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    assert path.read_text() == "old"
    assert remove_temporaries(tmp_path) == 1
    assert [left.name for left in tmp_path.iterdir()] == ["file.txt"]
    assert remove_temporaries(tmp_path / "not there") == 0


@given(JSON)
def test_json_has_one_form_and_is_read_back(value) -> None:
    data = json_bytes(value)
    assert json.loads(data) == value
    assert data.endswith(b"\n")
    if isinstance(value, dict):
        assert json_bytes(dict(reversed(list(value.items())))) == data


def test_damaged_json_is_refused_by_name(tmp_path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"b": 1, "a": "ü"})
    assert path.read_text("utf-8") == '{\n "a": "ü",\n "b": 1\n}\n'
    assert read_json(path) == {"a": "ü", "b": 1}
    for data in (b"{", b"\xff", b"[" * 100_000, b"9" * 5000):
        path.write_bytes(data)
        with pytest.raises(BadInput, match=r"a\.json is not valid JSON .*it was damaged or is not ours"):
            read_json(path)
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "none.json")


def test_sha256_of_a_file_is_that_of_its_bytes(tmp_path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"abc" * 10)
    assert sha256_file(path, block=7) == subprocess.run(
        ["sha256sum", str(path)], capture_output=True, text=True, check=True
    ).stdout.split()[0]  # fmt: skip


def test_a_fingerprint_depends_on_values_not_on_their_order() -> None:
    assert fingerprint({"a": 1, "b": [1, 2]}) == fingerprint({"b": [1, 2], "a": 1})
    assert fingerprint([1, 2]) != fingerprint([2, 1])
    assert fingerprint(1) != fingerprint("1")
    assert fingerprint({"fps": 1}) == "dca69e711b39486f"
    for odd in (float("nan"), {1, 2}, Path("a")):
        with pytest.raises((TypeError, ValueError)):
            fingerprint(odd)


def test_a_source_tree_is_refused_with_the_line_to_type(tmp_path) -> None:
    refuse_source_tree(tmp_path, "x")
    for package in ("endoshards", "endocur", "endoeval", "endomae"):
        folder = tmp_path / package
        (folder / package).mkdir(parents=True)
        (folder / package / "__init__.py").touch()
        with pytest.raises(
            BadInput, match="holds this project's source code, not data; type instead: endocur shard --out x"
        ):
            refuse_source_tree(folder, "endocur shard --out x")


def test_a_clone_is_no_place_for_data_but_for_what_it_sets_aside(tmp_path, monkeypatch) -> None:
    clone = tmp_path / "clone"
    (clone / "curation").mkdir(parents=True)
    (clone / "pyproject.toml").write_text('[project]\nname = "endomae"\n')
    monkeypatch.chdir(clone)
    for folder in (".", "corpus", "curation/corpus", "demo/../runs", str(clone / "shards"), "../clone/benchmarks/new"):
        with pytest.raises(BadInput, match=r"source code, no place for data; type instead: x --out \.\./study/shards"):
            refuse_source_tree(Path(folder), "x --out study/shards")
    monkeypatch.chdir(clone / "curation")
    with pytest.raises(BadInput, match=r"type instead: x \.\./\.\./study"):
        refuse_source_tree(Path("corpus"), "x study")
    for folder in (clone / "demo" / "corpus", clone / "benchmarks" / ".cache" / "set", tmp_path / "study"):
        refuse_source_tree(folder, "x")
    for text in ('[project]\nname = "other"\n', "no toml", "project = 1\n"):
        (clone / "pyproject.toml").write_text(text)
        refuse_source_tree(clone / "corpus", "x")


# --- lock ----------------------------------------------------------------------------------------------------------

HOLDER = """
import sys, time
from pathlib import Path
from endoshards.files import Lock
with Lock(Path(sys.argv[1]), heartbeat_s=float(sys.argv[2])):
    print("held", flush=True)
    sys.stdin.readline()
"""


@contextmanager
def held_by_a_process(path: Path, heartbeat_s: float = 30.0) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path), str(heartbeat_s)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        if process.poll() is None:
            process.stdin.write("\n")
            process.stdin.close()


def test_a_second_process_is_refused_with_who_holds_it(tmp_path) -> None:
    path = tmp_path / "corpus" / "lock"
    with held_by_a_process(path) as holder:
        with pytest.raises(BadInput) as caught, Lock(path):
            pass
        assert str(caught.value) == (
            f"{tmp_path}/corpus is in use by process {holder.pid} on {socket.gethostname()}; "
            "wait for it to end, or give this command another output folder."
        )
    with Lock(path):
        assert path.exists()
    assert list(path.parent.iterdir()) == []


def test_killed_its_process_frees_it_at_once(tmp_path) -> None:
    path = tmp_path / "lock"
    with held_by_a_process(path) as holder:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        assert path.exists()
        with Lock(path):
            assert json.loads(path.read_text())["pid"] == os.getpid()
    assert list(tmp_path.iterdir()) == []


def leave(path: Path, silent_s: float, **more: object) -> None:
    """A lock somebody left, whose last beat was so many seconds ago."""
    owner = {"host": socket.gethostname(), "boot": "?", "pid": os.getpid(), "started": "?", "token": "theirs"} | more
    path.write_text(json.dumps(owner))
    os.utime(path, (time.time() - silent_s, time.time() - silent_s))


def test_a_later_process_with_the_same_pid_or_another_boot_does_not_hold_it(tmp_path) -> None:
    path = tmp_path / "lock"
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    leave(path, 0, boot=boot, started="1")  # our own pid, but begun at another time
    with Lock(path):
        pass
    leave(path, 0, boot="another", started=process_start(os.getpid()))
    with Lock(path):
        pass
    leave(path, 0, boot=boot, started=process_start(os.getpid()))  # this very process
    with pytest.raises(BadInput, match="is in use by process"), Lock(path):
        pass


def test_on_another_host_it_is_free_after_ten_minutes_without_a_beat_and_not_before(tmp_path) -> None:
    path = tmp_path / "lock"
    leave(path, 590, host="elsewhere")
    with pytest.raises(BadInput, match="on elsewhere"), Lock(path):
        pass
    leave(path, 610, host="elsewhere")
    with Lock(path):
        assert json.loads(path.read_text())["host"] == socket.gethostname()
    assert not path.exists()


def test_a_lock_that_cannot_be_read_is_borne_for_ten_minutes(tmp_path) -> None:
    path = tmp_path / "lock"
    path.write_bytes(b"\xff{")
    with pytest.raises(BadInput, match=r"in use by process \? on \?"), Lock(path):
        pass
    os.utime(path, (time.time() - 610, time.time() - 610))
    with Lock(path):
        pass


def test_the_heart_beats_while_it_is_held(tmp_path) -> None:
    path = tmp_path / "lock"
    with held_by_a_process(path, heartbeat_s=0.05):
        os.utime(path, (1, 1))
        until = time.monotonic() + 20
        while path.stat().st_mtime < 2 and time.monotonic() < until:
            time.sleep(0.02)
        assert time.time() - path.stat().st_mtime < 60


def test_of_many_takers_of_an_abandoned_lock_one_wins_at_a_time(tmp_path) -> None:
    path = tmp_path / "lock"
    leave(path, 9999, host="elsewhere")
    inside, most, taken, refused = 0, 0, 0, 0
    guard, start = threading.Lock(), threading.Barrier(12)

    def take() -> None:
        nonlocal inside, most, taken, refused
        start.wait()
        try:
            with Lock(path):
                with guard:
                    inside, taken = inside + 1, taken + 1
                    most = max(most, inside)
                time.sleep(0.05)
                with guard:
                    inside -= 1
        except BadInput:
            with guard:
                refused += 1

    threads = [threading.Thread(target=take) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, taken + refused) == (1, 12)
    assert taken >= 1
    assert list(tmp_path.iterdir()) == []


def test_the_slower_of_two_takers_does_not_remove_the_fresh_lock_of_the_faster(tmp_path, monkeypatch) -> None:
    path = tmp_path / "lock"
    leave(path, 9999, host="elsewhere")
    faster = Lock(path)
    flock = endoshards.files.fcntl.flock

    def overtaken(file: int, how: int) -> None:
        # The slower one has opened the abandoned lock; before it goes on, the faster one takes over wholly.
        monkeypatch.setattr(endoshards.files.fcntl, "flock", flock)
        faster.__enter__()
        flock(file, how)

    monkeypatch.setattr(endoshards.files.fcntl, "flock", overtaken)
    with pytest.raises(BadInput, match="is in use by process"), Lock(path):
        pass
    assert json.loads(path.read_text())["token"] == faster._token
    faster.__exit__(None, None, None)
    assert list(tmp_path.iterdir()) == []


def test_a_lock_taken_over_by_another_host_is_not_removed_by_its_first_holder(tmp_path) -> None:
    path = tmp_path / "lock"
    with Lock(path):
        leave(path, 0, host="elsewhere")
    assert json.loads(path.read_text())["host"] == "elsewhere"


def test_sweeping_temporaries_while_another_waits_for_the_lock_breaks_nothing(tmp_path) -> None:
    path = tmp_path / "lock"
    stop = threading.Event()

    def sweep() -> None:
        while not stop.is_set():
            remove_temporaries(tmp_path)

    with held_by_a_process(path):
        sweeper = threading.Thread(target=sweep)
        sweeper.start()
        try:
            for _ in range(200):
                with pytest.raises(BadInput), Lock(path):
                    pass
        finally:
            stop.set()
            sweeper.join()
    assert not list(tmp_path.glob(f"{TEMPORARY}*"))


def test_process_start_tells_the_living_from_the_gone() -> None:
    assert process_start(os.getpid()) == process_start(os.getpid())
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    assert process_start(int(gone.stdout)) is None
