"""The one form of every benchmark: a Markdown table, and with `--json` a last line that machines read.

A script asks one question, draws or reads its inputs, measures both sides in one run, and ends in `finish`:

    from form import Figure, finish, options

    def main() -> None:
        said = options(__doc__)                      # said.quick, said.json
        ...
        finish("loader_speed", [Figure("share_of_limit", 0.84, goal=0.8, unit="ratio")], said)

The last line then is {"benchmark", "commit", "machine", "figures": {NAME: {"value", "goal", "better", "unit"}}}.
A timing is a ratio of two sides of the same run, in CPU-seconds where cores are shared.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, NoReturn

ROOT = Path(__file__).resolve().parent.parent
CANNOT_RUN = 3
"""Exit code of a benchmark whose inputs are not on this machine."""


@dataclass(frozen=True)
class Figure:
    """One number of a benchmark.

    Args:
        name: a word without spaces; the key in the JSON line.
        value: what was measured.
        goal: what it has to reach; None where the figure only informs.
        better: the side of the goal that is good.
        unit: "ratio", "s", "MB", "ms", "share" ...
        note: a short word of context for the table, e.g. the spread.
    """

    name: str
    value: float
    goal: float | None = None
    better: Literal["higher", "lower"] = "higher"
    unit: str = "ratio"
    note: str = ""

    @property
    def missed(self) -> bool:
        """True where the goal is not reached; a value that is not a number reaches nothing."""
        if self.goal is None:
            return False
        reached = self.value >= self.goal if self.better == "higher" else self.value <= self.goal
        return not reached


def options(doc: str | None, more: Callable[[argparse.ArgumentParser], None] | None = None) -> argparse.Namespace:
    """Read the line: `--quick` (under two minutes), `--json`, and what `more` adds to the parser."""
    parser = argparse.ArgumentParser(description=(doc or "").strip().split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="smaller inputs, under two minutes")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    if more is not None:
        more(parser)
    return parser.parse_args()


def finish(benchmark: str, figures: Sequence[Figure], said: argparse.Namespace, *, note: str = "") -> None:
    """Print the table of figures, then `note`, then with `--json` the line for machines."""
    rows = [
        [figure.name, _number(figure.value), figure.unit, _goal(figure), _verdict(figure), figure.note]
        for figure in figures
    ]
    print(f"\n### {benchmark}{' (quick)' if said.quick else ''}\n")
    print(table(["figure", "value", "unit", "goal", "", "note"], rows))
    print(f"\ncommit {commit()}; {machine()}")
    if note:
        print(f"\n{note}")
    if said.json:
        print(json.dumps(line(benchmark, figures)), flush=True)


def line(benchmark: str, figures: Sequence[Figure]) -> dict[str, object]:
    """What the JSON line holds; a value that is not finite becomes null, for JSON has no word for it."""
    told: dict[str, object] = {}
    for figure in figures:
        entry = asdict(figure)
        entry["value"] = figure.value if math.isfinite(figure.value) else None
        told[figure.name] = {key: entry[key] for key in ("value", "goal", "better", "unit")}
    return {"benchmark": benchmark, "commit": commit(), "machine": machine(), "figures": told}


def table(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table with aligned columns."""
    cells = [[str(cell) for cell in row] for row in [headers, *rows]]
    widths = [max(3, *(len(row[i]) for row in cells)) for i in range(len(headers))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in cells
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


def commit() -> str:
    """Short hash of the checked-out commit, `+` behind it where tracked files differ; "unknown" outside a clone."""
    said = _git("rev-parse", "--short", "HEAD")
    if said is None:
        return "unknown"
    return said + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")


def machine() -> str:
    """Processor, cores this process may use, memory, system, Python: enough to compare, no host name."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    memory = ""
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        memory = f", {os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f} GiB"
    return (
        f"{_processor()}, {cores} core{'s' if cores != 1 else ''}{memory}, "
        f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    )


def cpu_seconds() -> float:
    """CPU-seconds of this process, all threads, and of its children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def measured(call: Callable[[], object]) -> tuple[float, float]:
    """Run `call`; give (CPU-seconds, wall-clock seconds)."""
    cpu, wall = cpu_seconds(), time.perf_counter()
    call()
    return cpu_seconds() - cpu, time.perf_counter() - wall


def interleaved(sides: dict[str, Callable[[], object]], rounds: int = 5) -> dict[str, list[tuple[float, float]]]:
    """Run all sides in turn, `rounds` times: what else the machine does meets each side alike."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, call in sides.items():
            times[name].append(measured(call))
    return times


def cannot_run(why: str) -> NoReturn:
    """End with the exit code that `make bench` reads as "not run here"."""
    sys.stderr.write(f"not run: {why}\n")
    sys.exit(CANNOT_RUN)


def shared(name: str) -> Path:
    """`data` or `tools` of the shared folder beside the clone; ends the benchmark where it is absent."""
    default = ROOT.parent / "shared" / "data"
    data = Path(os.environ.get("ENDOMAE_SHARED", str(default)))
    folder = data if name == "data" else data.parent / name
    if not folder.is_dir():
        cannot_run(f"there is no folder {name} beside the clone (../shared/{name}).")
    return folder


def _number(value: float) -> str:
    if value == int(value) if math.isfinite(value) else False:
        return f"{int(value):,}"
    return f"{value:.4g}"


def _goal(figure: Figure) -> str:
    if figure.goal is None:
        return "–"
    return f"{'≥' if figure.better == 'higher' else '≤'} {_number(figure.goal)}"


def _verdict(figure: Figure) -> str:
    if figure.goal is None:
        return ""
    return "missed" if figure.missed else "met"


def _git(*words: str) -> str | None:
    try:
        said = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        return None
    return said.stdout.strip()


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for text in info.read_text("utf-8", errors="replace").splitlines():
            if text.startswith("model name"):
                return text.partition(":")[2].strip()
    return platform.processor() or "unknown processor"
