"""The command `endocur`. Each command is a thin shell: its work is imported when it runs."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

import typer

from endocur import configs
from endocur.configs import CORPUS
from endoshards.errors import bugs_kept_in, run_command
from endoshards.settings import command

app = typer.Typer(
    name="endocur",
    help="Raw endoscopy video and stills in, a curated corpus and shards out.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)

COMMANDS: tuple[tuple[str, type, str], ...] = (
    ("extract", configs.ExtractConfig, "Decode, find the view, mask borders and burned-in text, score, store."),
    ("mask", configs.MaskConfig, "Learn the layouts of a room from its videos, or draw what is masked."),
    ("score", configs.ScoreConfig, "Score the stored frames again; equal bytes unless the scores changed."),
    ("filter", configs.FilterConfig, "Decide by score which frames stay, and write why the others go."),
    ("embed", configs.EmbedConfig, "Write the features of an encoder for each frame."),
    ("dedup", configs.DedupConfig, "Drop near copies of better frames, each with the kept frame as evidence."),
    ("clips", configs.ClipsConfig, "Cut masked clips for video pretraining out of the recordings."),
    ("shard", configs.ShardConfig, "Write the kept frames as tar shards."),
    ("run", configs.RunConfig, "extract, filter, dedup and shard in a row."),
    ("verify", configs.VerifyConfig, "Check shards to the last byte; with --privacy audit what they show and say."),
    ("redact", configs.RedactConfig, "Mask by hand what was missed, in stored frames; score them again."),
    ("status", configs.StatusConfig, "Say what a corpus holds and what to type next."),
    ("report", configs.ReportConfig, "One page: funnel, histograms, galleries, failures."),
    ("doctor", configs.DoctorConfig, "Say what this machine has and what is missing."),
    ("phantom", configs.PhantomConfig, "Draw short procedures and a labelled set to try everything on."),
)


def _runner(name: str) -> Any:
    def run(config: Any) -> None:
        with bugs_kept_in(getattr(config, "corpus", CORPUS) / "log"):
            import_module(f"endocur.commands.{name}").run(config)

    return run


for _name, _kind, _doc in COMMANDS:
    app.command(_name)(command(_kind, _runner(_name), _doc))


def main() -> None:
    """Entry point of `endocur`."""
    # Read when a library loads its OpenMP or OpenBLAS: threads that spin while they wait for each other cost many times
    # the work itself where the cores are shared.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")
    # what an exception says may be a path, and a path a patient's name
    run_command("endocur", app, words=False)
