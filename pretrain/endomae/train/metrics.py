"""Curves: `metrics.jsonl`, append-only and safe from a kill, and the same numbers for TensorBoard."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import TracebackType
from typing import Any


def cut_after(path: Path, step: int) -> None:
    """Make `metrics.jsonl` what it was at a checkpoint: lines of later steps and a torn last line go.

    Args:
        path: the file; nothing happens if there is none.
        step: of the checkpoint.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return
    kept = 0
    for line in data.splitlines(keepends=True):
        if not line.endswith(b"\n") or _step(line) is None or _step(line) > step:  # type: ignore[operator]
            break
        kept += len(line)
    if kept < len(data):
        with path.open("rb+") as handle:
            handle.truncate(kept)
            os.fsync(handle.fileno())


def _step(line: bytes) -> int | None:
    try:
        row = json.loads(line)
    except (json.JSONDecodeError, UnicodeDecodeError):
        return None
    return int(row["step"]) if isinstance(row, dict) and "step" in row else None


class Curves:
    """Writes rows of numbers to `metrics.jsonl` and, name by name, to TensorBoard."""

    def __init__(self, path: Path, tensorboard: Path, step: int) -> None:
        """Open for appending after `step`; what was written beyond it is cut off first."""
        from torch.utils.tensorboard import SummaryWriter

        cut_after(path, step)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lines = path.open("ab", buffering=0)
        self._board = SummaryWriter(str(tensorboard), purge_step=step + 1)

    def __enter__(self) -> Curves:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lines.close()
        self._board.close()

    def write(self, row: dict[str, Any]) -> None:
        """Append one row; it holds `step`. One write call, so that a kill tears the last line at most."""
        self._lines.write(json.dumps(row, allow_nan=False).encode() + b"\n")
        for name, value in row.items():
            if name != "step":
                self._board.add_scalar(name, value, row["step"])

    def sync(self) -> None:
        """Make what was written durable; called before a checkpoint is."""
        os.fsync(self._lines.fileno())
        self._board.flush()
