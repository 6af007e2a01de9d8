"""`endocur run`: extract, filter, dedup and shard in a row, as if typed one after the other."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

from endocur.account import Account, read_accounts
from endocur.configs import DedupConfig, ExtractConfig, FilterConfig, RunConfig, ShardConfig
from endocur.corpus import open_corpus
from endoshards.errors import EndoError
from endoshards.files import refuse_source_tree

ROAD: tuple[tuple[str, type], ...] = (
    ("extract", ExtractConfig),
    ("filter", FilterConfig),
    ("dedup", DedupConfig),
    ("shard", ShardConfig),
)


def run(config: RunConfig) -> None:
    """Run the four commands. Raises: the first error, with the stage in its text; later stages do not start."""
    _look_ahead(config)
    total = Account("run", config.corpus / "log")
    stages: list[tuple[str, Any]] = [(name, config.stage(kind)) for name, kind in ROAD]
    for number, (name, settings) in enumerate(stages, 1):
        sys.stderr.write(f"run: {name}, {number} of {len(stages)}\n")
        try:
            # The one place that enters other commands: it is their row, and each stays a command of its own.
            import_module(f"endocur.commands.{name}").run(settings)
        except EndoError as error:
            raise type(error)(f"stopped at {name}: {error}") from error
    _finish(config, total)


def _look_ahead(config: RunConfig) -> None:
    """Refuse before hours of extract what a later stage would refuse after them."""
    from endoeval.encoders import load

    refuse_source_tree(config.out, "endocur run … --out study/shards")
    dedup = config.stage(DedupConfig)
    load(dedup.encoder, dedup.device)
    import_module("endocur.commands.dedup").threshold_of(dedup)


def _finish(config: RunConfig, total: Account) -> None:
    """One sum over all stages, as `log/run.json` and on the terminal."""
    accounts = read_accounts(open_corpus(config.corpus))
    last = accounts["shard"]
    total.seen, total.kept = last["seen"], last["kept"]
    for reason, count in last["dropped"].items():
        total.drop(reason, count)
    total.failed = accounts["extract"]["failed"]
    total.finish(last["next"], last["fingerprint"], last["extra"])
