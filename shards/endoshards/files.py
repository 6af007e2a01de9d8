"""Files that survive a kill: atomic writes, hashes, fingerprints, and a lock with a heartbeat."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import secrets
import socket
import threading
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from endoshards.errors import BadInput, told_of

TEMPORARY = ".tmp-"
"""Temporary names hold this; whatever bears it was left by a kill and may be removed by the lock's holder."""

HEARTBEAT_S = 30.0
ABANDONED_S = 600.0
"""A lock of another host without a beat for so long is free (DESIGN section 4)."""

SET_ASIDE = ("demo", "benchmarks/.cache")
"""Folders of a clone that hold no source: `make demo` works in the first, the benchmarks keep inputs in the other."""


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; on success it is synced to disk and renamed onto `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{TEMPORARY}{secrets.token_hex(6)}")
    try:
        with told_of(path):
            yield temporary
            with temporary.open("rb+") as handle:
                os.fsync(handle.fileno())
            temporary.replace(path)
            sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def write_atomic(path: Path, data: bytes | str) -> None:
    """Write all of `data` to `path` or nothing."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data.encode("utf-8") if isinstance(data, str) else data)


def write_json(path: Path, value: object) -> None:
    """Write JSON atomically, in the form of `json_bytes`."""
    write_atomic(path, json_bytes(value))


def json_bytes(value: object) -> bytes:
    """JSON in one form: sorted keys, UTF-8, a newline at the end, so that equal values give equal bytes."""
    return (json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode("utf-8")


def read_json(path: Path) -> Any:
    """Read a JSON file. Raises: BadInput if it is not JSON (FileNotFoundError passes)."""
    try:
        return json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path} is not valid JSON ({error}); it was damaged or is not ours.") from None


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_temporaries(folder: Path) -> int:
    """Remove what a kill left in `folder` (not below); only the holder of its lock may call this."""
    left = [path for path in folder.glob(f"{TEMPORARY}*") if path.is_file()] if folder.is_dir() else []
    for path in left:
        path.unlink(missing_ok=True)
    return len(left)


def sha256_file(path: Path, block: int = 1 << 20) -> str:
    """Hex SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while data := handle.read(block):
            digest.update(data)
    return digest.hexdigest()


def fingerprint(value: object) -> str:
    """16 hex digits of SHA-256 over canonical JSON. Raises: TypeError for what JSON cannot hold."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:16]


def refuse_source_tree(folder: Path, instead: str) -> None:
    """Refuse to write into this project's own source: its packages, or anywhere in a clone of it.

    Args:
        folder: where a command is about to write, there or not.
        instead: the line to type; the word `study` in it becomes the way to a folder beside the clone.
    Raises: BadInput with that line.
    """
    place = folder.resolve()
    clone = next((above for above in (place, *place.parents) if _is_our_clone(above)), None)
    if clone is not None and not any(place.is_relative_to(clone / name) for name in SET_ASIDE):
        study = os.path.relpath(clone.parent / "study")
        line = re.sub(r"\bstudy\b", lambda _: study, instead)
        raise BadInput(f"{folder} lies in this project's source code, no place for data; type instead: {line}")
    if any((folder / name / "__init__.py").is_file() for name in ("endoshards", "endocur", "endoeval", "endomae")):
        raise BadInput(f"{folder} holds this project's source code, not data; type instead: {instead}")


def _is_our_clone(folder: Path) -> bool:
    try:
        return bool(tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]["name"] == "endomae")
    except (OSError, ValueError, KeyError, TypeError):
        return False


class Lock:
    """One writer a part: a file with host, boot id, pid, start time, and a beat every 30 s.

    Free again as soon as its process is gone (same host and boot), or, written by another host, after
    10 minutes without a beat. Use as a context manager. Raises: BadInput if somebody holds it.
    """

    def __init__(self, path: Path, heartbeat_s: float = HEARTBEAT_S, abandoned_s: float = ABANDONED_S) -> None:
        self.path = path
        self._heartbeat_s = heartbeat_s
        self._abandoned_s = abandoned_s
        self._token = secrets.token_hex(8)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Lock:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        for _ in range(5):
            if self._create():
                self._thread = threading.Thread(target=self._beat, name="lock-heartbeat", daemon=True)
                self._thread.start()
                return self
            self._remove_if_abandoned()
        raise BadInput(f"{self.path}: another process took this lock at the same moment; try again.")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        if self._owner().get("token") == self._token:
            self.path.unlink(missing_ok=True)

    def _create(self) -> bool:
        me = {
            "host": socket.gethostname(),
            "boot": _boot_id(),
            "pid": os.getpid(),
            "started": process_start(os.getpid()),
            "token": self._token,
        }
        # Written whole under another name, then linked: nobody ever sees a half-written lock.
        temporary = self.path.with_name(f"{TEMPORARY}{self._token}")
        temporary.write_text(json.dumps(me), encoding="utf-8")
        try:
            os.link(temporary, self.path)
        except (FileExistsError, FileNotFoundError):
            # Not found: the holder has just swept its folder of temporary names.
            return False
        finally:
            temporary.unlink(missing_ok=True)
        return True

    def _owner(self) -> dict[str, Any]:
        try:
            owner = json.loads(self.path.read_text("utf-8"))
        except (FileNotFoundError, json.JSONDecodeError, UnicodeDecodeError):
            return {}
        return owner if isinstance(owner, dict) else {}

    def _remove_if_abandoned(self) -> None:
        """Remove the lock if its holder is gone. Raises: BadInput if it is held."""
        try:
            judged = os.open(self.path, os.O_RDONLY)
        except FileNotFoundError:
            return
        try:
            # Several may find it abandoned. One at a time may go on, and only while the file it judged is still the
            # one of this name: else the slower would remove the fresh lock of the faster.
            with suppress(OSError):  # some network disks have no flock; the inode is compared there, too
                fcntl.flock(judged, fcntl.LOCK_EX)
            self._refuse_if_held(os.fstat(judged).st_mtime)
            if self.path.stat().st_ino == os.fstat(judged).st_ino:
                self.path.unlink()
        except FileNotFoundError:
            return
        finally:
            os.close(judged)

    def _refuse_if_held(self, beat: float) -> None:
        silent_s = time.time() - beat
        owner = self._owner()
        if owner.get("host") == socket.gethostname():
            gone = owner.get("boot") != _boot_id() or process_start(int(owner.get("pid", -1))) != owner.get("started")
        else:
            gone = silent_s > self._abandoned_s
        if not gone:
            raise BadInput(
                f"{self.path.parent} is in use by process {owner.get('pid', '?')} on {owner.get('host', '?')}; "
                "wait for it to end, or give this command another output folder."
            )

    def _beat(self) -> None:
        while not self._stop.wait(self._heartbeat_s):
            try:
                os.utime(self.path)
            except OSError:
                return


def process_start(pid: int) -> str | None:
    """A word that tells this process from a later one with the same pid; None if there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8")
        return stat.rsplit(")", 1)[1].split()[19]
    except (FileNotFoundError, ProcessLookupError):
        if Path("/proc/self/stat").exists():
            return None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        return "unknown"
    return "unknown"


def _boot_id() -> str:
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text("utf-8").strip() if path.exists() else "unknown"
