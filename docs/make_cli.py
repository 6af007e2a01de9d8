"""Write docs/cli.md from what `--help` says: `make docs`. A test holds the page to it."""

from __future__ import annotations

import sys
from pathlib import Path

import typer.testing

import endocur.cli
import endomae.cli

PAGE = Path(__file__).resolve().parent / "cli.md"
HEAD = """# Commands

Two commands: `endocur` turns recordings into a curated corpus and shards, `endomae` trains and judges encoders.
This page is what `--help` says, written by `make docs`.

- Settings come in this order, the later wins: defaults, recipe, `--config FILE.toml`, the line.
  `--print-config` prints what is in force as TOML; that text is a valid `--config` file.
- Options marked repeatable are given several times: `--min sharpness=0.3 --min exposure=0.5`.
- Results go to stdout, progress and messages to stderr. Progress is a bar on a terminal, elsewhere a line every 30 s.
- The same line again goes on where the last one stopped. Finished work is not done twice.

| exit code | means |
|---|---|
| 0 | done |
| 1 | a bug of ours; one line is shown, the traceback is kept in a file it names |
| 2 | the line or a config file is malformed |
| 3 | refused: input, config or environment; the message says what to do |
| 4 | a check ran to its end and found faults |
| 5 | more inputs failed than `--allow-failed` permits |
| 75 | stopped on purpose; the same command goes on |
| 130 | ctrl-C |
"""
PROGRAMS = (("endocur", endocur.cli), ("endomae", endomae.cli))


def help_text(program: str, app: typer.Typer, words: tuple[str, ...]) -> str:
    """What `PROGRAM WORDS --help` prints on a terminal of 100 columns."""
    runner = typer.testing.CliRunner(env={"COLUMNS": "100", "TERMINAL_WIDTH": "100"})
    said = runner.invoke(app, [*words, "--help"], prog_name=program, max_content_width=100, terminal_width=100)
    return "\n".join(line.rstrip() for line in said.output.rstrip().splitlines())


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for program, module in PROGRAMS:
        parts.append(f"## {program}\n\n```text\n{help_text(program, module.app, ())}\n```\n")
        for name, _, doc in module.COMMANDS:
            shown = help_text(program, module.app, (name,))
            parts.append(f"### {program} {name}\n\n{doc}\n\n```text\n{shown}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{PAGE.name}: written\n")
