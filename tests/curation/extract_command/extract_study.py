"""What the tests of `endocur extract` ask of a study: its bytes, rows and markers; a command that is killed."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
from corpus_maker import environment

QUICK = ("--fps", "5", "--no-text-detection")


def contents(study: Path, corpus: str = "corpus") -> dict[str, bytes]:
    """Every file of the corpus but its log; corpus.toml without the name that comes from its place."""
    root = study / corpus
    files = {str(path.relative_to(root)): path for path in sorted(root.rglob("*")) if path.is_file()}
    found = {name: path.read_bytes() for name, path in files.items() if not name.startswith("log/")}
    found["corpus.toml"] = re.sub(rb'corpus_id = "[0-9a-f]+"', b"", found["corpus.toml"])
    return found


def times(study: Path) -> dict[str, int]:
    """When each file of the corpus was written."""
    root = study / "corpus"
    return {
        str(path): path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file() and path.parent.name != "log"
    }


def frame_rows(study: Path) -> list[dict[str, object]]:
    """All rows of all frame tables."""
    tables = sorted((study / "corpus" / "frames").glob("*.parquet"))
    return [row for table in tables for row in pq.read_table(table, partitioning=None).to_pylist()]


def jpegs(study: Path, corpus: str = "corpus") -> dict[str, bytes]:
    """Stored frames by name."""
    found: dict[str, bytes] = {}
    for path in sorted((study / corpus / "frames").glob("*.tar")):
        with tarfile.open(path) as archive:
            for member in archive:
                file = archive.extractfile(member)
                found[member.name] = file.read() if file else b""
    return found


def markers(study: Path) -> list[dict[str, object]]:
    """Markers of units, sorted by name."""
    folder = study / "corpus" / "units"
    return [json.loads((folder / f"{name}.json").read_text()) for name in unit_markers(study / "corpus")]


def unit_markers(corpus: Path) -> list[str]:
    """Names of units that have their own marker, those of chapters apart."""
    return sorted(path.stem for path in (corpus / "units").glob("[!.]*.json") if "." not in path.stem)


def statuses(study: Path) -> dict[str, str]:
    """Unit -> status."""
    return {str(marker["name"]): str(marker["status"]) for marker in markers(study)}


def kill_when(moment: Callable[[], bool], study: Path, *words: str) -> bool:
    """Start the command and kill -9 it as soon as the moment has come. Returns: whether it was killed at work."""
    process = start(study, *words)
    for _ in ticking(process):
        if moment():
            process.send_signal(signal.SIGKILL)
            break
    return process.wait() == -signal.SIGKILL


def start(study: Path, *words: str, errors: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    """Start the command and go on."""
    line = [sys.executable, "-m", "endocur", *words]
    return subprocess.Popen(
        line,
        cwd=study,
        env=environment(study),
        stdout=subprocess.DEVNULL,
        stderr=errors,
        start_new_session=True,  # a process group of its own
        # a shell that runs the tests in the background has ctrl-C ignored, which children inherit
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no threads here
    )


def ticking(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Every other millisecond while the process lives."""
    while process.poll() is None:
        yield
        time.sleep(0.002)
