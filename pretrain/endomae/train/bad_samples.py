"""Samples that could not be read: each named in the run's `bad_samples.jsonl`, the first of them on the terminal."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from endomae.train.outline import say_to_stderr
from endomae.train.runs import read_metrics
from endoshards.files import write_atomic
from endoshards.stream import Bad

SHOWN = 10
"""Samples warned of by name; the file has all."""


class BadSamples:
    """The file, one line a replaced position in their order; made with the first line, so none is a good sign."""

    def __init__(self, path: Path, samples_seen: int) -> None:
        """Go on where a checkpoint stood: lines of later positions and a torn last one go, for they come again.

        Args:
            path: of `bad_samples.jsonl`.
            samples_seen: endless position of the first sample that is trained on now.
        """
        self.path, self.count = path, 0
        """Lines in the file: positions that got another sample."""
        self._keys: set[str] = set()
        if path.is_file():
            kept = [row for row in read_metrics(path) if row["position"] < samples_seen]
            self.count, self._keys = len(kept), {row["key"] for row in kept}
            write_atomic(path, "".join(json.dumps(row) + "\n" for row in kept))

    @property
    def keys(self) -> int:
        """Samples in the file, each counted once however often it came."""
        return len(self._keys)

    def add(self, bad: Sequence[Bad]) -> None:
        """Append, and warn of samples that were not known before."""
        if not bad:
            return
        for one in sorted(bad, key=lambda one: one.position):
            if one.key not in self._keys:
                self._keys.add(one.key)
                self._warn(one)
        lines = "".join(json.dumps(asdict(one)) + "\n" for one in sorted(bad, key=lambda one: one.position))
        with self.path.open("ab") as handle:
            handle.write(lines.encode())
            handle.flush()
            os.fsync(handle.fileno())
        self.count += len(bad)

    def _warn(self, one: Bad) -> None:
        if self.keys <= SHOWN:
            say_to_stderr(
                f"warning: {one.key} in {one.shard} cannot be read, another one takes its place: {one.reason}"
            )
        elif self.keys == SHOWN + 1:
            say_to_stderr(f"warning: more samples cannot be read; all of them: {self.path}")
