"""`endomae eval`: judge encoders on labelled sets. All work is `endoeval.evaluate`; this reads, shows and says."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from endoeval.encoders.network import slug
from endoeval.evaluate import run_eval
from endoeval.report.words import describe
from endoeval.results import Request
from endomae.configs import EvalConfig
from endomae.train.runs import newest_finished
from endoshards.errors import BadInput

LINE_EVERY_S = 30.0
"""Seconds between lines of progress where there is no terminal."""


def run(config: EvalConfig) -> None:
    """Judge, show one line a row, name the files."""
    encoders = config.encoders or (_newest(config.runs),)
    out = config.out or Path("results") / slug(_short(encoders[0]))
    request = Request(
        encoders=encoders,
        data_root=config.data_root,
        out=out,
        sets=config.sets,
        protocols=config.protocols,
        group_pattern=config.group_pattern,
        folds=config.folds,
        as_published=config.as_published,
        seed=config.seed,
        random_seeds=config.random_seeds,
        device=config.device,
        batch=config.batch,
    )
    with _Progress() as progress:
        results = run_eval(request, progress.tell)
    stood = len(results.rows) - results.computed
    sys.stdout.write("\n".join(describe(results)) + "\n")
    sys.stdout.write(f"{results.computed} rows computed, {stood} stood already.\n")
    sys.stdout.write(f"table: {results.table}\nreport: {results.report}\n")


def _newest(runs: Path) -> str:
    run_folder = newest_finished(runs)
    if run_folder is None:
        raise BadInput(
            f"{runs} holds no finished run; finish one (endomae pretrain), or name an encoder: "
            "endomae eval builtin:descriptor"
        )
    sys.stdout.write(f"newest finished run: {run_folder}, beside the same model with random weights\n")
    sys.stdout.flush()
    return str(run_folder)


def _short(spec: str) -> str:
    path = Path(spec)
    if not path.is_dir():
        return spec
    path = path.resolve()
    return path.parent.name if path.name == "export" else path.name


class _Progress:
    """A bar on a terminal, a line every 30 s elsewhere; both on stderr."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import Progress

        console = Console(stderr=True)
        self._bar = Progress(console=console, transient=True) if console.is_terminal else None
        self._task = None if self._bar is None else self._bar.add_task("", total=None)
        self._said = time.monotonic()

    def __enter__(self) -> _Progress:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def tell(self, what: str, done: int, total: int) -> None:
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, description=what, completed=done, total=total)
        elif time.monotonic() - self._said >= LINE_EVERY_S:
            self._said = time.monotonic()
            sys.stderr.write(f"{what}: {done} of {total}\n")
