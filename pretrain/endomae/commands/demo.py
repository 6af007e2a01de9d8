"""`endomae demo`: the whole road on drawn procedures, by the very commands a user types.

Each command is its own process, printed before it runs; this module knows no more of `endocur` than its name.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import typer

from endomae.configs import DemoConfig
from endoshards.errors import BadInput, EndoError

PAGES = (
    ("what was kept, what was dropped and why", "corpus/reports/corpus.html"),
    ("how the training went, with reconstructions", "runs/*/report.html"),
    ("the numbers, with intervals by patient and null rows", "results/*/report.html"),
)
DRAWN = ("phantom.json", "phantom.begun.json")
"""A folder with one of these is a demo's own."""


def lines(seed: int) -> tuple[tuple[str, ...], ...]:
    """The commands of the road, as typed in the study folder."""
    return (
        ("endocur", "phantom", *(("--seed", str(seed)) if seed else ())),
        ("endocur", "extract", "videos/"),
        ("endocur", "filter", "--min-quality", "0.4"),
        ("endocur", "dedup"),
        ("endocur", "shard"),
        ("endocur", "report"),
        ("endomae", "pretrain", "--shards", "shards/", "--minutes", "3"),
        ("endomae", "eval"),
    )


def run(config: DemoConfig) -> None:
    """Draw a study in `config.folder` and walk the road on it; the same line again resumes.

    Raises: BadInput for a folder that holds other things; EndoError with the exit code of a command that failed.
    """
    folder = config.folder
    _refuse_foreign(folder)
    folder.mkdir(parents=True, exist_ok=True)
    typer.echo(f"Drawn procedures, no patients: the road in {folder}, as you would type it there.")
    took: list[tuple[str, float]] = []
    for line in lines(config.seed):
        typer.echo(f"\n$ {' '.join(line)}")
        begin = time.monotonic()
        code = subprocess.run([*_program(line[0]), *line[1:]], cwd=folder, check=False).returncode
        took.append((" ".join(line[:2]), time.monotonic() - begin))
        if code != 0:
            raise _failed(line, code, folder)
    typer.echo("\n" + ", ".join(f"{name} {seconds:.0f} s" for name, seconds in took))
    typer.echo(f"The road took {sum(seconds for _, seconds in took):.0f} s. Open in a browser:")
    for says, pattern in PAGES:
        for page in sorted(folder.glob(pattern), key=lambda path: path.stat().st_mtime)[-1:]:
            typer.echo(f"  {page.resolve()}  ({says})")
    typer.echo("The numbers are those of a phantom: they show that the road works, not how good an encoder is.")
    typer.echo("On your own recordings: the same commands, but the first, in a folder that holds videos/.")


def _refuse_foreign(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise BadInput(f"{folder} is a file; a folder to work in is wanted, for example: endomae demo demo")
    if folder.is_dir() and any(folder.iterdir()) and not any((folder / name).is_file() for name in DRAWN):
        raise BadInput(f"{folder} holds other things than a demo; give it a new folder, for example: endomae demo demo")


def _program(name: str) -> Sequence[str]:
    """The installed command beside this Python, so that a PATH without it does not matter; else the module."""
    beside = Path(sys.executable).parent / name
    return [str(beside)] if beside.is_file() else [sys.executable, "-m", name]


def _failed(line: Sequence[str], code: int, folder: Path) -> EndoError:
    error = EndoError(
        f"`{' '.join(line)}` in {folder} ended with exit code {code}; its message stands above. "
        "The same demo line goes on from there."
    )
    error.exit_code = code if code > 0 else 1
    return error
