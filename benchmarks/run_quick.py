"""Run the quick form of every benchmark and print what misses its goal."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from form import CANNOT_RUN, table

HERE = Path(__file__).resolve().parent
ITSELF = {"form.py", "run_quick.py"}
LIMIT_S = 600
"""Far over the two minutes a quick form may take: what hangs is ended and named."""


def main() -> None:
    """Exit 0, with the misses printed; 1 where a benchmark broke."""
    missed: list[list[object]] = []
    broke: list[str] = []
    left_out: list[str] = []
    slow: list[str] = []
    for script in benchmarks():
        begin = time.perf_counter()
        code, figures, words = run(script)
        took = time.perf_counter() - begin
        print(words, flush=True)
        if code == CANNOT_RUN:
            left_out.append(f"{script.stem}: {words.strip().splitlines()[-1] if words.strip() else 'no reason given'}")
        elif code != 0 or figures is None:
            broke.append(f"{script.stem}: exit {code}")
        else:
            missed += misses(script.stem, figures)
            if took > 120:
                slow.append(f"{script.stem}: {took:.0f} s, more than the two minutes a quick form may take")
    print("\n## What misses its goal (quick forms: small inputs, look at the full run before you act)\n")
    print(table(["benchmark", "figure", "value", "goal"], missed) if missed else "nothing")
    for title, lines in (("Not run here", left_out), ("Slow", slow), ("Broke", broke)):
        if lines:
            print(f"\n{title}:\n" + "\n".join(f"- {text}" for text in lines))
    sys.exit(1 if broke else 0)


def benchmarks() -> list[Path]:
    """The scripts that end in the one form; others (the long road on real frames) are typed by hand."""
    return [
        path
        for path in sorted(HERE.glob("*.py"))
        if path.name not in ITSELF and "from form import" in path.read_text("utf-8")
    ]


def run(script: Path) -> tuple[int, dict[str, dict[str, object]] | None, str]:
    """Run one script. Returns: exit code, its figures (None without a JSON line), and what it said besides."""
    try:
        done = subprocess.run(
            [sys.executable, str(script), "--quick", "--json"],
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return 124, None, f"{script.stem}: no end after {LIMIT_S} s"
    lines = done.stdout.rstrip().splitlines()
    if done.returncode == 0 and lines and lines[-1].startswith("{"):
        return 0, json.loads(lines[-1])["figures"], "\n".join(lines[:-1])
    return done.returncode, None, done.stdout + done.stderr


def misses(benchmark: str, figures: dict[str, dict[str, object]]) -> list[list[object]]:
    """The rows of figures that do not reach their goal; a figure without a value misses."""
    rows: list[list[object]] = []
    for name, figure in figures.items():
        value, goal = figure["value"], figure["goal"]
        if not isinstance(goal, (int, float)):
            continue
        sign = "≥" if figure["better"] == "higher" else "≤"
        reached = isinstance(value, (int, float)) and (value >= goal if sign == "≥" else value <= goal)
        if not reached:
            rows.append([benchmark, name, "none" if value is None else f"{value:.4g}", f"{sign} {goal:g}"])
    return rows


if __name__ == "__main__":
    main()
