"""The processes of one training: one of them is the same code as many.

A foreign launcher (torchrun) is respected: RANK and WORLD_SIZE in the environment say which process this is.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
from torch import Tensor, distributed

from endoshards.errors import BadInput, BadOption

T = TypeVar("T")
TIMEOUT = timedelta(minutes=30)
"""How long a process waits for the others: the first one may be measuring, or compiling."""


@dataclass(frozen=True)
class World:
    """Who this process is."""

    rank: int
    ranks: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """True for the process that writes and speaks."""
        return self.rank == 0

    def sum_(self, values: Tensor) -> Tensor:
        """Sum over all processes, in place."""
        if self.ranks > 1:
            distributed.all_reduce(values)
        return values

    def agree(self, value: T) -> T:
        """What the first process says."""
        if self.ranks == 1:
            return value
        box = [value]
        distributed.broadcast_object_list(box, src=0, device=self.device)
        return box[0]

    def gather(self, value: T) -> list[T]:
        """What every process says, in their order."""
        if self.ranks == 1:
            return [value]
        box: list[T | None] = [None] * self.ranks
        distributed.all_gather_object(box, value)
        return [said for said in box if said is not None]

    def wait(self) -> None:
        """Until all processes are here."""
        if self.ranks > 1:
            distributed.barrier()


def choose_device(word: str) -> str:
    """ "cpu" or "cuda". Raises: BadOption for another word; BadInput if CUDA is asked for where there is none."""
    if word not in ("auto", "cpu", "cuda"):
        raise BadOption(f"--device is {word!r}; allowed: auto, cpu, cuda.")
    there = torch.cuda.is_available()
    if word == "cuda" and not there:
        raise BadInput("--device cuda was asked for and this machine has no CUDA device; use --device cpu or auto.")
    return "cuda" if there and word != "cpu" else "cpu"


def device_count(device: str) -> int:
    """GPUs this machine shows, or 1 for the CPU."""
    return torch.cuda.device_count() if device == "cuda" else 1


def cores() -> int:
    """CPU cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def join(device: str) -> Iterator[World]:
    """Become a process of the training, and leave it at the end.

    Args:
        device: "cpu" or "cuda".
    """
    ranks, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    here = int(os.environ.get("LOCAL_RANK", rank))
    if device == "cuda":
        if here >= torch.cuda.device_count():
            raise BadInput(
                f"process {here} has no GPU: this machine shows {torch.cuda.device_count()}; start fewer processes."
            )
        torch.cuda.set_device(here)
    elif ranks > 1 and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, cores() // int(os.environ.get("LOCAL_WORLD_SIZE", ranks))))
    world = World(rank, ranks, torch.device(device, here) if device == "cuda" else torch.device("cpu"))
    if ranks == 1:
        yield world
        return
    distributed.init_process_group("nccl" if device == "cuda" else "gloo", timeout=TIMEOUT)
    try:
        yield world
    finally:
        distributed.destroy_process_group()
