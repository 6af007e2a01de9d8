"""`endomae status`: how the runs stand, read from their files alone. Imports nothing heavy."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

from endomae.configs import RunsConfig
from endomae.train.progress import clock
from endomae.train.runs import Standing, run_folders, standing

HEADERS = ("run", "state", "step", "loss", "held out", "time left")


def run(config: RunsConfig) -> None:
    """Print one line a run."""
    rows = [standing(folder) for folder in run_folders(config.runs)]
    if config.json:
        sys.stdout.write(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
        return
    if not rows:
        sys.stdout.write(f"no runs in {config.runs}; start one: endomae pretrain --shards shards/\n")
        return
    lines = [HEADERS, *map(_cells, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADERS))]
    for line in lines:
        sys.stdout.write("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() + "\n")


def _cells(row: Standing) -> tuple[str, ...]:
    return (
        row.run if row.again is None else f"{row.run} (again {row.again})",
        row.state,
        f"{row.step}/{row.steps if row.steps is not None else '?'}",
        "" if row.loss is None else f"{row.loss:.4f}",
        "" if row.held_out_loss is None else f"{row.held_out_loss:.4f}",
        "" if row.seconds_left is None else clock(row.seconds_left),
    )
