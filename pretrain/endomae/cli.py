"""The command `endomae`. Each command is a thin shell: its work is imported when it runs."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

import typer

from endomae import configs
from endoshards.errors import run_command
from endoshards.settings import command

app = typer.Typer(
    name="endomae",
    help="Train encoders on shards, and judge any encoder with intervals by patient.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)

COMMANDS: tuple[tuple[str, type, str], ...] = (
    ("pretrain", configs.PretrainConfig, "Train an encoder on shards; the same line again resumes."),
    ("eval", configs.EvalConfig, "Judge encoders on labelled sets, with intervals by patient and null rows."),
    (
        "audit-split",
        configs.AuditSplitConfig,
        "Say whether a score on these lists can mean anything; no picture needed.",
    ),
    ("status", configs.RunsConfig, "Say how the runs stand."),
    ("export", configs.ExportConfig, "Write a run's encoder as a folder that timm loads."),
    ("doctor", configs.DoctorConfig, "Say what this machine has and what is missing."),
    ("demo", configs.DemoConfig, "The whole road on drawn procedures, by the commands a user types."),
)


def _runner(name: str) -> Any:
    def run(config: Any) -> None:
        import_module(f"endomae.commands.{name.replace('-', '_')}").run(config)

    return run


for _name, _kind, _doc in COMMANDS:
    app.command(_name)(command(_kind, _runner(_name), _doc))


def main() -> None:
    """Entry point of `endomae`."""
    # Read when torch loads its OpenMP. Where other work shares the cores, threads that spin while they wait for each
    # other cost ten times the work itself: 6.3 s a step of mae-cpu at a load of 11, against 1.0 s when they sleep.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # The same of numpy's OpenBLAS: eval of two small encoders took 155 s at a load of 5, 22 s when they sleep.
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")
    run_command("endomae", app)
