"""The training loop: steps, curves, held-out passes, pictures, checkpoints, and an orderly end."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from endomae.methods import Batch
from endomae.train import checkpoints
from endomae.train.bad_samples import BadSamples
from endomae.train.feed import Feed, Views
from endomae.train.learner import Learner, StepSums
from endomae.train.metrics import Curves
from endomae.train.pictures import write_pictures
from endomae.train.progress import Moment, Progress
from endomae.train.runs import RunFolder
from endomae.train.stop import StopSignals
from endoshards.errors import BadInput, CheckFailed, Stopped

PASSES = 20
"""Held-out passes of a run, each with a checkpoint, beside those asked for."""
LEAST_STEPS = 10
"""Steps between two of them, at least."""
CUDA_PATIENCE = 10
"""Steps whose sums may wait on the GPU before they are read; reading makes the CPU wait for it."""
NAMED_KEYS = 8
"""Samples named where a loss is not finite."""


@dataclass
class Progression:
    """What a checkpoint keeps beside tensors: where the run stands, and the sums of the running log line."""

    step: int = 0
    samples_seen: int = 0
    elapsed_s: float = 0.0
    best_held_out: float | None = None
    window: dict[str, float] = field(default_factory=dict)
    """Sums of step means since the last line of metrics.jsonl."""
    window_steps: int = 0

    def to_json(self) -> dict[str, Any]:
        """Plain values; floats come back exactly."""
        return dict(vars(self))


@dataclass(frozen=True, kw_only=True)
class Rhythm:
    """How often what is done, in steps."""

    steps: int
    """Of the whole run."""
    log: int
    checkpoint: int

    def logs(self, step: int) -> bool:
        """A line is written after this step, counted from 1."""
        return step % self.log == 0 or step == self.steps

    def saves(self, step: int) -> bool:
        """A held-out pass and a checkpoint come after this step: as asked, about twenty times a run, and at its end."""
        own = max(LEAST_STEPS, self.steps // PASSES)
        return step % self.checkpoint == 0 or step % own == 0 or step == self.steps


@dataclass(frozen=True, kw_only=True)
class How:
    """What surrounds a training."""

    rhythm: Rhythm
    signals: StopSignals
    """Asked between steps."""
    noted: Mapping[str, Any]
    """What every checkpoint notes beside the progression, e.g. seed and order fingerprint."""


@dataclass(frozen=True)
class _Pending:
    step: int
    sums: StepSums
    keys: list[str]


class Trainer:
    """Trains a learner to its last step, or to a signal."""

    def __init__(
        self, learner: Learner, feed: Feed, views: Views, *, run: RunFolder, at: Progression, how: How
    ) -> None:
        """Put together; see `train`.

        Args:
            learner: with the weights of `at`.
            feed: starts at `at.samples_seen`.
            views: fixed frames to judge and show.
            run: where everything is written, by the first process only.
            at: where the run stands; kept up to date.
            how: rhythm, signals, and what checkpoints note.
        """
        self.learner, self.feed, self.run, self.at = learner, feed, run, at
        self.rhythm, self.signals, self.noted = how.rhythm, how.signals, how.noted
        self.world = learner.world
        self._held_out, self._shown = tensors(views.arrays), tensors(views.shown)
        self._keys: list[str] = []
        self._pending: list[_Pending] = []
        self._judged: tuple[int, float] | None = None
        """Step and loss of the last held-out pass."""
        self._marked = (time.monotonic(), 0.0, at.step)
        self._bad = BadSamples(run.bad_samples, at.samples_seen, views.bad) if self.world.is_first else None
        self._patience = CUDA_PATIENCE if self.world.device.type == "cuda" else 1

    def train(self, curves: Curves | None) -> None:
        """Run to the last step.

        Args:
            curves: of the first process, open at `at.step`; None in the others.
        Raises: CheckFailed for a loss that is not finite; Stopped or KeyboardInterrupt after a signal, once
            everything is saved; BadInput if too many samples are unreadable or the GPU's memory is too small.
        """
        steps, batches = self.learner.steps, self._remember_keys()
        if self.at.step == 0:
            self._judge(curves)
        with Progress(steps, self.at.step, shown=curves is not None) as progress:
            self._marked = (time.monotonic(), self.feed.wait_s, self.at.step)
            while self.at.step < steps:
                self._step(batches)
                logs, saves = self.rhythm.logs(self.at.step), self.rhythm.saves(self.at.step)
                reads = logs or saves or len(self._pending) >= self._patience
                stops = reads and self._read_pending()
                if saves or stops:
                    self._require_finite_weights()
                if logs or saves or stops:
                    self._note_bad()
                if logs:
                    self._log(curves, progress)
                if saves:
                    self._judge(curves)
                if saves or stops:
                    self._save(curves)
                if stops and self.at.step < steps:
                    self._stop()

    def _step(self, batches: Iterator[Batch]) -> None:
        self._keys = []
        try:
            sums = self.learner.step(self.at.step, batches, asked_to_stop=bool(self.signals.noted))
        except torch.cuda.OutOfMemoryError:
            raise BadInput(self._too_large()) from None
        self.at.step += 1
        self.at.samples_seen += self.learner.recipe.batch
        self._pending.append(_Pending(self.at.step, sums, self._keys))

    def _remember_keys(self) -> Iterator[Batch]:
        try:
            for batch, keys in self.feed:
                self._keys.extend(keys)
                yield batch
        except BadInput:
            if self._bad is not None:
                self._bad.add(self.feed.take_bad())
            raise

    def _read_pending(self) -> bool:
        """Take in what the last steps summed; True if a process was asked to stop."""
        stops = False
        for pending in self._pending:
            means, asked = pending.sums.read()
            if not math.isfinite(means["loss"]):
                raise CheckFailed(self._not_finite(f"loss became {means['loss']} at", pending.step, pending.keys))
            for name, value in means.items():
                self.at.window[name] = self.at.window.get(name, 0.0) + value
            self.at.window_steps += 1
            stops = stops or asked
        self._pending = []
        return stops

    def _note_bad(self) -> None:
        """Every process's unreadable samples; all of them call it at the same step."""
        bad = [one for part in self.world.gather(self.feed.take_bad()) for one in part]
        if self._bad is not None:
            self._bad.add(bad)

    def _log(self, curves: Curves | None, progress: Progress) -> None:
        now, waited = time.monotonic(), self.feed.wait_s
        took, made = max(now - self._marked[0], 1e-9), self.at.step - self._marked[2]
        wait, self._marked = (waited - self._marked[1]) / took, (now, waited, self.at.step)
        self.at.elapsed_s += took
        means = {name: value / self.at.window_steps for name, value in self.at.window.items()}
        self.at.window, self.at.window_steps = {}, 0
        if curves is None:
            return
        row = {
            "step": self.at.step,
            "samples": self.at.samples_seen,
            **means,
            "rate": self.learner.rate(self.at.step - 1),
            "images_per_s": made * self.learner.recipe.batch / took,
            "seconds_a_step": took / max(1, made),
            "data_wait": min(1.0, max(0.0, wait)),
            "bad_samples": self._bad.count if self._bad else 0,
            "elapsed_s": self.at.elapsed_s,
        }
        if self.world.device.type == "cuda":
            row["peak_gib"] = torch.cuda.max_memory_allocated() / 2**30
        curves.write(row)
        left = (self.learner.steps - self.at.step) * self.at.elapsed_s / self.at.step
        held = self._judged[1] if self._judged else None
        progress.show(Moment(self.at.step, means["loss"], held, row["images_per_s"], row["data_wait"], left))

    def _judge(self, curves: Curves | None) -> None:
        """A held-out pass and new pictures by the first process; the others wait for what it says.

        Raises: CheckFailed if the held-out loss is not finite: the weights are no good to be saved.
        """
        means: dict[str, float] = {}
        if curves is not None and self._held_out:
            means = self.learner.evaluate(self._held_out)
        loss = self.world.agree(means.get("loss", 0.0))
        if not math.isfinite(loss):
            raise CheckFailed(self._not_finite(f"held-out loss became {loss} after", self.at.step, self._keys))
        if curves is None:
            return
        if means:
            self._judged = (self.at.step, loss)
            curves.write({"step": self.at.step, **{f"held_out_{name}": value for name, value in means.items()}})
        pictures = self.learner.pictures(self._shown)
        write_pictures(self.run.pictures / f"step-{self.at.step:08d}.png", pictures.images)

    def _save(self, curves: Curves | None) -> None:
        if curves is None:
            return
        curves.sync()
        # After a signal there is no pass of this very step, and an unbroken run would not have saved here.
        held = self._judged[1] if self._judged and self._judged[0] == self.at.step else None
        improves = held is not None and (self.at.best_held_out is None or held < self.at.best_held_out)
        if improves:
            self.at.best_held_out = held
        state = {**self.at.to_json(), **self.noted}
        folder = checkpoints.save(self.run, self.learner.module, self.learner.optimiser, self.learner.groups, state)
        if improves or not self._held_out or self.run.named("best") is None:
            checkpoints.name_best(self.run, folder)
        checkpoints.tidy(self.run)

    def _stop(self) -> None:
        self.world.wait()
        if self.signals.noted == signal.SIGINT:
            raise KeyboardInterrupt
        raise Stopped(
            f"{self.run.root} was stopped at step {self.at.step} of {self.learner.steps} and is saved; "
            "the same command goes on from there."
        )

    def _require_finite_weights(self) -> None:
        """A finite loss may still have given an endless gradient: no checkpoint of that is written."""
        weights = self.learner.module.named_parameters()
        broken = [name for name, weight in weights if not bool(torch.isfinite(weight).all())]
        if broken:
            raise CheckFailed(
                self._not_finite(f"weights ({broken[0]} first) are not finite after", self.at.step, self._keys)
            )

    def _not_finite(self, what: str, step: int, own: list[str]) -> str:
        """The sentence that ends a run; every process calls it, for the keys are everybody's."""
        keys = [key for part in self.world.gather(own) for key in part]
        more = f" and {len(keys) - NAMED_KEYS} more" if len(keys) > NAMED_KEYS else ""
        last = self.run.named("last")
        kept = f"{last} is kept." if last else "There is no checkpoint yet."
        return (
            f"the {what} step {step}, with the samples {', '.join(keys[:NAMED_KEYS])}{more}. {kept} "
            f"Lower --lr (it was {self.learner.rate(max(0, step - 1)):.3g}) or look at these samples."
        )

    def _too_large(self) -> str:
        recipe, world = self.learner.recipe, self.world
        share = recipe.batch // (recipe.accumulate * world.ranks)
        return (
            f"a micro-batch of {share} images of {recipe.size} px does not fit the GPU's memory "
            f"(peak {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB). --accumulate {recipe.accumulate * 2} halves "
            "it with the same result; a smaller --batch or --size needs less too."
        )


def tensors(arrays: dict[str, Any]) -> dict[str, Tensor]:
    """Arrays as tensors that share their memory."""
    return {name: torch.from_numpy(array) for name, array in arrays.items()}
