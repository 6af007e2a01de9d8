"""Run folders: what lies where, and how a run stands. Standard library only.

run.toml            settings in force, a valid `--config`
run.json            recipe, data set, machine, steps
metrics.jsonl       one line a log interval or held-out pass
bad_samples.jsonl   one line a sample that could not be read, if there was one
tensorboard/        the same curves
checkpoints/step-<n>/   last, best: text files that name one of them
reconstructions/    pictures of fixed held-out frames
state               running, stopped, finished or failed
export/  report.html
"""

from __future__ import annotations

import json
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from endoshards.files import process_start, read_json, write_atomic

StateWord = Literal["running", "stopped", "finished", "failed"]


@dataclass(frozen=True)
class RunFolder:
    """Paths of one run."""

    root: Path

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.root.resolve().name

    @property
    def settings(self) -> Path:
        """`run.toml`."""
        return self.root / "run.toml"

    @property
    def facts(self) -> Path:
        """`run.json`."""
        return self.root / "run.json"

    @property
    def metrics(self) -> Path:
        """`metrics.jsonl`."""
        return self.root / "metrics.jsonl"

    @property
    def bad_samples(self) -> Path:
        """`bad_samples.jsonl`; there only if a sample could not be read."""
        return self.root / "bad_samples.jsonl"

    @property
    def checkpoints(self) -> Path:
        """Folder of checkpoints."""
        return self.root / "checkpoints"

    @property
    def pictures(self) -> Path:
        """Folder of reconstructions."""
        return self.root / "reconstructions"

    @property
    def export(self) -> Path:
        """Folder of the exported encoder."""
        return self.root / "export"

    @property
    def report(self) -> Path:
        """`report.html`."""
        return self.root / "report.html"

    @property
    def lock(self) -> Path:
        """Lock of the process that trains."""
        return self.root / "lock"

    @property
    def state(self) -> StateWord | None:
        """The state word as written; None where there is no run yet."""
        try:
            word = (self.root / "state").read_text("utf-8").strip()
        except FileNotFoundError:
            return None
        return word if word in get_args(StateWord) else None  # type: ignore[return-value]

    def set_state(self, word: StateWord) -> None:
        """Write the state word."""
        write_atomic(self.root / "state", word + "\n")

    def named(self, which: str) -> Path | None:
        """The checkpoint that `last` or `best` names, if it is there."""
        try:
            folder = self.checkpoints / (self.root / which).read_text("utf-8").strip()
        except FileNotFoundError:
            return None
        return folder if folder.is_dir() else None


def newest_finished(runs: Path) -> Path | None:
    """The run that finished last, or None."""
    finished = [folder for folder in run_folders(runs) if folder.state == "finished"]
    if not finished:
        return None
    return max(finished, key=lambda folder: (folder.root / "state").stat().st_mtime_ns).root


def run_folders(runs: Path) -> list[RunFolder]:
    """All runs of a folder, by name."""
    if not runs.is_dir():
        return []
    return [RunFolder(path) for path in sorted(runs.iterdir()) if (path / "run.toml").is_file()]


@dataclass(frozen=True)
class Standing:
    """How a run stands; None where nothing is known yet."""

    run: str
    again: str | None
    """Name given to another run of the same settings."""
    recipe: str
    state: str
    step: int
    steps: int | None
    loss: float | None
    held_out_loss: float | None
    seconds_left: float | None


def standing(folder: RunFolder) -> Standing:
    """Read a run's state from its files alone."""
    facts: dict[str, Any] = read_json(folder.facts) if folder.facts.is_file() else {}
    rows = read_metrics(folder.metrics)
    trained: dict[str, Any] = next((row for row in reversed(rows) if "loss" in row), {})
    held: dict[str, Any] = next((row for row in reversed(rows) if "held_out_loss" in row), {})
    steps = facts.get("steps")
    word: str = folder.state or "unknown"
    if word == "running" and not is_held(folder.lock):
        word = "stopped"  # killed: nothing is lost but what came after the last checkpoint
    left = None
    if word == "running" and steps and trained.get("seconds_a_step"):
        left = (steps - trained["step"]) * trained["seconds_a_step"]
    return Standing(
        run=folder.name,
        again=facts.get("again"),
        recipe=str(facts.get("recipe", "unknown")),
        state=word,
        step=max(int(trained.get("step", 0)), int(held.get("step", 0))),
        steps=steps,
        loss=trained.get("loss"),
        held_out_loss=held.get("held_out_loss"),
        seconds_left=left,
    )


def is_held(lock: Path) -> bool:
    """True while the process that holds a lock lives, or where that cannot be told from this host."""
    try:
        owner = json.loads(lock.read_text("utf-8"))
    except (FileNotFoundError, json.JSONDecodeError, UnicodeDecodeError):
        return False
    if owner.get("host") != socket.gethostname():
        return True
    pid = int(owner.get("pid", -1))
    return pid == os.getpid() or process_start(pid) == owner.get("started")


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """All whole lines of a `metrics.jsonl` or `bad_samples.jsonl`; a last line torn by a kill is left out."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    rows = []
    for line in data.split(b"\n")[:-1]:
        try:
            row = json.loads(line)
        except (json.JSONDecodeError, UnicodeDecodeError):
            continue
        if isinstance(row, dict):
            rows.append(row)
    return rows
