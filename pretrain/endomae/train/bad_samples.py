"""Samples that could not be read: each named in the run's `bad_samples.jsonl`, the first of them on the terminal."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from endomae.train.images import HELD_OUT
from endomae.train.outline import say_to_stderr
from endomae.train.runs import read_metrics
from endoshards.files import write_atomic
from endoshards.stream import Bad

SHOWN = 10
"""Samples warned of by name; the file has all."""


class BadSamples:
    """The file, one line a replaced position in their order; made with the first line, so none is a good sign.

    Held-out frames have the position `HELD_OUT`, stand first, and are told anew each time a run goes on.
    """

    def __init__(self, path: Path, samples_seen: int, held_out: Sequence[Bad]) -> None:
        """Go on where a checkpoint stood: lines of later positions and a torn last one go, for they come again.

        Args:
            path: of `bad_samples.jsonl`.
            samples_seen: endless position of the first sample that is trained on now.
            held_out: unreadable held-out frames, known before the first step; the first lines.
        """
        self.path = path
        kept = [row for row in read_metrics(path) if 0 <= row["position"] < samples_seen]
        self.count = len(kept)
        """Positions that got another sample."""
        self._keys = {row["key"] for row in kept}
        if held_out or path.is_file():
            write_atomic(path, _lines([*map(asdict, held_out), *kept]))
        self._warn(held_out)

    @property
    def keys(self) -> int:
        """Samples in the file, each counted once however often it came."""
        return len(self._keys)

    def add(self, bad: Sequence[Bad]) -> None:
        """Append replaced positions, and warn of samples that were not known before."""
        if not bad:
            return
        ordered = sorted(bad, key=lambda one: one.position)
        with self.path.open("ab") as handle:
            handle.write(_lines(map(asdict, ordered)).encode())
            handle.flush()
            os.fsync(handle.fileno())
        self.count += len(bad)
        self._warn(ordered)

    def _warn(self, bad: Sequence[Bad]) -> None:
        for one in bad:
            if one.key in self._keys:
                continue
            self._keys.add(one.key)
            if self.keys <= SHOWN:
                held = one.position == HELD_OUT
                fate = "it is left out of the held-out frames" if held else "another one takes its place"
                say_to_stderr(f"warning: {one.key} in {one.shard} cannot be read, {fate}: {one.reason}")
            elif self.keys == SHOWN + 1:
                say_to_stderr(f"warning: more samples cannot be read; all of them: {self.path}")


def _lines(rows: Iterable[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)
