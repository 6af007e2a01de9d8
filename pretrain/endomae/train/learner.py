"""A method's module, its optimiser, and the step between them: one process is the same code as many."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from inspect import signature
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from endomae.methods import Batch, Method, Pictures
from endomae.recipes import Recipe
from endomae.train.groups import adamw, parameter_groups
from endomae.train.schedules import rate_at, warmup_steps
from endomae.train.world import World
from endoshards.order import hashed

_SIGNATURE = signature(DistributedDataParallel.__init__).parameters
_NEW_WORD = "forward_sync_buffers"
_KEEP_BUFFERS: Any = {_NEW_WORD if _NEW_WORD in _SIGNATURE else "broadcast_buffers": False}
"""What says that buffers, which never change here, are not sent around each step: torch 2.13 warns of the old word."""
CHANCE = 71
"""What the hash of a step's random state is for; shared with no other use."""


@dataclass(frozen=True)
class StepSums:
    """What one optimiser step summed over the global batch; `values` stays on the device until it is read."""

    names: tuple[str, ...]
    """`loss`, then what the method shows."""
    values: Tensor
    """float64 [2 * names + 1]: sum and count of each name, then how many processes were asked to stop."""

    def read(self) -> tuple[dict[str, float], bool]:
        """Means by name, and whether any process was asked to stop. Waits for the device."""
        values = self.values.tolist()
        means = {
            name: values[2 * index] / values[2 * index + 1] if values[2 * index + 1] else 0.0
            for index, name in enumerate(self.names)
        }
        return means, values[-1] > 0


class Learner:
    """Trains a method's module step by step."""

    def __init__(self, method: Method, recipe: Recipe, world: World, steps: int) -> None:
        """Move the module to the device, wrap it if there are several processes, and make the optimiser.

        Args:
            method: built whole.
            recipe: its rates, decay, precision, compile and accumulation are read.
            world: the processes.
            steps: of the whole run; the rate's schedule depends on it.
        """
        self.method, self.recipe, self.world, self.steps = method, recipe, world, steps
        self.module = method.module.to(world.device)
        if recipe.compile and world.device.type == "cuda":
            for block in method.blocks:
                block.compile()
        self.groups = parameter_groups(self.module, recipe.weight_decay)
        self.optimiser = adamw(self.groups, recipe.betas)
        self._wrapped: nn.Module = self.module
        if world.ranks > 1:
            ids = [world.device.index] if world.device.type == "cuda" else None
            self._wrapped = DistributedDataParallel(
                self.module, device_ids=ids, gradient_as_bucket_view=True, **_KEEP_BUFFERS
            )
        on_gpu = world.device.type == "cuda"
        self._bf16 = recipe.precision == "bf16" or (recipe.precision == "auto" and on_gpu)

    @property
    def warmup(self) -> int:
        """Steps in which the rate rises."""
        return warmup_steps(self.recipe.warmup, self.steps)

    def rate(self, step: int) -> float:
        """Learning rate of a step, counted from 0."""
        recipe = self.recipe
        return rate_at(step, steps=self.steps, warmup=self.warmup, peak=recipe.peak_lr, floor=recipe.min_lr)

    def step(self, number: int, batches: Iterator[Batch], *, asked_to_stop: bool = False) -> StepSums:
        """One optimiser step over `accumulate` micro-batches of every process.

        The loss is the sum over the global batch divided by its count, exactly: gradients of sums are added up
        and scaled once by the count that all processes found together.

        Args:
            number: of the step, from 0.
            batches: gives this process's micro-batches.
            asked_to_stop: this process was sent a signal; all learn of it with the sums.
        """
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate(number)
        # Chance inside the module depends on the step alone: nothing of it need be saved.
        torch.manual_seed(int(hashed(CHANCE, self.recipe.seed, number, self.world.rank)) >> 1)
        self.optimiser.zero_grad(set_to_none=True)
        names: tuple[str, ...] = ()
        sums: Tensor | None = None
        for micro in range(self.recipe.accumulate):
            with self._alone(last=micro == self.recipe.accumulate - 1):
                with self._autocast():
                    terms = self._wrapped(next(batches))
                terms.loss_sum.backward()
            names = ("loss", *terms.shown)
            pairs = [(terms.loss_sum, terms.counted), *terms.shown.values()]
            found = torch.stack([value.detach().to(torch.float64) for pair in pairs for value in pair])
            sums = found if sums is None else sums + found
        assert sums is not None  # accumulate is at least 1
        values = self.world.sum_(torch.cat([sums, sums.new_tensor([float(asked_to_stop)])]))
        # Several processes' gradients were averaged, so the sum is that times their number.
        scale = (self.world.ranks / values[1].clamp(min=1.0)).to(torch.float32)
        gradients = [parameter.grad for parameter in self.module.parameters() if parameter.grad is not None]
        torch._foreach_mul_(gradients, scale)
        self.optimiser.step()
        return StepSums(names, values)

    @torch.no_grad()
    def evaluate(self, arrays: dict[str, Tensor]) -> dict[str, float]:
        """Means of loss and of what the method shows over fixed views, on this process alone.

        Args:
            arrays: on the CPU, [n, ...]; n at least 1.
        """
        sums: dict[str, tuple[float, float]] = {}
        self.module.eval()
        try:
            for batch in self._parts(arrays):
                with self._autocast():
                    terms = self.module(batch)
                for name, (value, count) in {"loss": (terms.loss_sum, terms.counted), **terms.shown}.items():
                    before = sums.get(name, (0.0, 0.0))
                    sums[name] = (before[0] + float(value), before[1] + float(count))
        finally:
            self.module.train()
        return {name: value / count if count else 0.0 for name, (value, count) in sums.items()}

    def levels(self, arrays: dict[str, Tensor]) -> dict[str, float]:
        """What predictors without learning reach on fixed views; `arrays` as for `evaluate`."""
        return dict(self.method.levels(self._parts(arrays)))

    @torch.no_grad()
    def pictures(self, arrays: dict[str, Tensor]) -> Pictures:
        """What the method shows of fixed frames; `arrays` are on the CPU, [n, ...]."""
        self.module.eval()
        try:
            with self._autocast():
                return self.method.pictures({name: array.to(self.world.device) for name, array in arrays.items()})
        finally:
            self.module.train()

    def _parts(self, arrays: dict[str, Tensor]) -> Iterator[Batch]:
        """Fixed views on the device, as many at a time as a micro-batch holds."""
        share = max(1, self.recipe.batch // (self.recipe.accumulate * self.world.ranks))
        for start in range(0, len(next(iter(arrays.values()))), share):
            yield {name: array[start : start + share].to(self.world.device) for name, array in arrays.items()}

    def _autocast(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.world.device.type, dtype=torch.bfloat16) if self._bf16 else nullcontext()

    def _alone(self, *, last: bool) -> AbstractContextManager[Any]:
        """Gradients of all but the last micro-batch are not yet exchanged."""
        if isinstance(self._wrapped, DistributedDataParallel) and not last:
            return self._wrapped.no_sync()
        return nullcontext()
