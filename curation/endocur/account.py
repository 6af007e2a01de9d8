"""What a stage did, counted: a bar while it runs, a table that adds up at its end, and both files of its log.

`log/<stage>.json` is the account of the last run, `log/<stage>.jsonl` has a line for each thing that happened in any
run. Neither holds a name.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from endocur.corpus import Corpus
from endoshards.files import read_json, write_json

DECIDING = ("privacy", "filter", "leaks", "dedup", "balance", "review", "withdraw")
"""Stages that decide, in order (`endocur.tables.STAGES`; a test compares)."""

_LOGGER = logging.getLogger("endocur")

QUIET_LINE_S = 30.0
"""Where there is no terminal, progress is one line so often."""


class Account:
    """Counts of one stage: what came, what was kept, what was dropped and why, what failed.

    `kept + sum(dropped) == seen` is checked by `finish`; a stage that loses a frame is a bug.
    """

    def __init__(self, stage: str, log: Path) -> None:
        self.stage = stage
        self.seen = 0
        self.kept = 0
        self.dropped: dict[str, int] = {}
        self.failed = 0
        self.warnings: list[str] = []
        self._log = log
        self._started = time.monotonic()

    def forget(self) -> None:
        """Remove the stage's last account, before its results are replaced.

        A kill in between then leaves new results without an account, which `status` calls unfinished, and never an
        old account that passes for theirs.
        """
        (self._log / f"{self.stage}.json").unlink(missing_ok=True)

    def drop(self, reason: str, n: int = 1) -> None:
        """Count `n` dropped for `reason`."""
        if n:
            self.dropped[reason] = self.dropped.get(reason, 0) + n

    def note(self, event: str, **facts: object) -> None:
        """Append a line to `log/<stage>.jsonl`, which `-v` shows on stderr; ids and numbers only, no name, no path.

        Args:
            event: start, unit or end.
            facts: values JSON can hold.
        """
        line = json.dumps({"time": _now(), "event": event, **facts})
        self._log.mkdir(parents=True, exist_ok=True)
        with (self._log / f"{self.stage}.jsonl").open("a", encoding="ascii") as file:
            file.write(line + "\n")
        _LOGGER.info("%s: %s", self.stage, line)

    @contextmanager
    def bar(self, total: float | None, unit: str = "frames") -> Iterator[Bar]:
        """A progress bar on stderr: drawn on a terminal, a line every 30 s elsewhere."""
        bar = _TerminalBar(self.stage, total, unit) if sys.stderr.isatty() else Bar(self.stage, total, unit)
        try:
            yield bar
        finally:
            bar.close()

    def finish(self, next_command: str | None, fingerprint: str = "", extra: Mapping[str, Any] | None = None) -> None:
        """Check the sum, write `log/<stage>.json`, print the table and the next command on stdout.

        Args:
            next_command: what to type next; None prints no such line.
            fingerprint: of the stage's inputs and config.
            extra: further facts for the JSON file; numbers and words among them are printed too.
        Raises: AssertionError if kept and dropped do not add up to seen.
        """
        if self.kept + sum(self.dropped.values()) != self.seen:
            raise AssertionError(
                f"{self.stage}: seen {self.seen} is not kept {self.kept} + dropped {sum(self.dropped.values())}"
            )
        seconds = time.monotonic() - self._started
        facts = {
            "stage": self.stage,
            "seen": self.seen,
            "kept": self.kept,
            "dropped": dict(sorted(self.dropped.items())),
            "failed": self.failed,
            "warnings": self.warnings,
            "seconds": round(seconds, 3),
            "finished": _now(),
            "fingerprint": fingerprint,
            "next": next_command or "",
            "extra": dict(extra or {}),
        }
        write_json(self._log / f"{self.stage}.json", facts)
        self.note("end", **{name: facts[name] for name in ("seen", "kept", "dropped", "failed", "seconds")})
        rows = [("seen", f"{self.seen:,}"), ("kept", f"{self.kept:,}")]
        rows += [(f"dropped: {reason}", f"{count:,}") for reason, count in sorted(self.dropped.items())]
        rows += [("failed", f"{self.failed:,}")]
        rows += [(name, _shown(value)) for name, value in (extra or {}).items() if isinstance(value, int | float | str)]
        rows += [("time", duration(seconds))]
        if self.seen and seconds > 0:
            rows += [("rate", f"{self.seen / seconds:,.1f} a second")]
        width = max(len(name) for name, _ in rows)
        out = [self.stage] + [f"  {name:<{width}}  {value:>12}" for name, value in rows]
        out += [f"warning: {text}" for text in self.warnings]
        if next_command:
            out.append(f"next: {next_command}")
        sys.stdout.write("\n".join(out) + "\n")
        sys.stdout.flush()


def read_accounts(corpus: Corpus) -> dict[str, dict[str, Any]]:
    """Stage -> its last account, of all `log/*.json` that are accounts.

    Accounts of decisions that are gone do not count: `extract --restart` removes those, and the log stays.
    """
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(corpus.log.glob("[!.]*.json")) if corpus.log.is_dir() else []:
        value = read_json(path)
        if isinstance(value, dict) and "stage" in value and "seen" in value:
            found[str(value["stage"])] = value
    gone = [name for name in DECIDING if not (corpus.decisions / f"{name}.parquet").is_file()]
    return {stage: account for stage, account in found.items() if stage not in gone}


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def counted(n: int, noun: str) -> str:
    """`1 video`, `2,000 videos`."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def duration(seconds: float) -> str:
    """`4.2 s`, `3 min 05 s`, `2 h 10 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


class Bar:
    """Progress as lines: done / total, rate, time left, every 30 s on stderr."""

    def __init__(self, stage: str, total: float | None, unit: str) -> None:
        self.stage, self.total, self.unit = stage, total, unit
        self.done = 0.0
        self._started = self._said = time.monotonic()

    def advance(self, n: float = 1, note: str = "") -> None:
        """`n` more are done; `note` is shown beside."""
        self.done += n
        now = time.monotonic()
        if now - self._said >= QUIET_LINE_S:
            self._said = now
            sys.stderr.write(self._line(now, note) + "\n")
            sys.stderr.flush()

    def close(self) -> None:
        """No more lines."""

    def _line(self, now: float, note: str) -> str:
        rate = self.done / max(now - self._started, 1e-9)
        line = f"{self.stage}: {self.done:,.0f}"
        if self.total:
            line += f" of {self.total:,.0f} {self.unit}, {rate:,.1f} a second"
            if rate > 0:
                line += f", {duration(max(0.0, self.total - self.done) / rate)} left"
        else:
            line += f" {self.unit}, {rate:,.1f} a second"
        return f"{line}  {note}".rstrip()


class _TerminalBar(Bar):
    """The same on a terminal, drawn by rich."""

    def __init__(self, stage: str, total: float | None, unit: str) -> None:
        super().__init__(stage, total, unit)
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn(unit),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=Console(stderr=True),
        )
        self._task = self._progress.add_task(stage, total=total, note="")
        self._progress.start()

    def advance(self, n: float = 1, note: str = "") -> None:
        self.done += n
        self._progress.update(self._task, advance=n, note=note)

    def close(self) -> None:
        self._progress.stop()


def _shown(value: float | str) -> str:
    if isinstance(value, str):
        return value
    return f"{value:,}" if isinstance(value, int) else f"{value:,.3g}"
