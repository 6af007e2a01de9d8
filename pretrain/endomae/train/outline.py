"""What a training tells before its first step: data, parameter groups, learning rates."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

from endomae.train.groups import table
from endomae.train.learner import Learner
from endomae.train.plan import Plan
from endomae.train.schedules import landmarks
from endomae.train.world import World

Say = Callable[[str], None]
"""Tells the user a line; silent in all processes but the first."""


def describe(the: Plan, world: World, say: Say) -> None:
    """What is trained on what, before anything is built."""
    data, recipe, about = the.data, the.recipe, the.about
    split = data.split
    say(f"recipe {about.name}: {recipe.method} with {recipe.encoder}, {recipe.size} px, batch {recipe.batch}")
    if about.cost:
        say(f"cost: {about.cost}")
    say(
        f"data: {_number(data.whole.total, 'sample')} of {_number(split.groups, 'group')} in "
        f"{_number(len(data.whole.shards), 'shard')}; held out: {_number(len(split.held_out), 'sample')} of "
        f"{_number(split.held_out_groups, 'group')}; "
        f"tissue masks: {'yes' if data.has_masks else 'no, whole frames count'}"
    )
    processes = "1 process" if world.ranks == 1 else f"{world.ranks} processes"
    say(f"machine: {world.device}, {processes}, decoding threads each: {the.threads}")
    if recipe.held_out > 0 and not len(split.held_out):
        say(
            "warning: no group is small enough to be held out, so there is no held-out loss, "
            "and pictures show frames that are trained on."
        )
    if len(split.trained) < recipe.batch:
        say(
            f"warning: {len(split.trained)} samples are fewer than a batch of {recipe.batch}; each comes several times."
        )


def group_table(learner: Learner) -> tuple[list[str], list[list[str]]]:
    """Headers and rows of the parameter groups."""
    fixed_numbers = sum(p.numel() for p in learner.module.parameters() if not p.requires_grad)
    return table(learner.groups, fixed_numbers, learner.recipe.peak_lr)


def outline(learner: Learner) -> Iterator[str]:
    """Parameter groups and learning rates, as lines of text."""
    recipe = learner.recipe
    headers, rows = group_table(learner)
    widths = [max(len(row[column]) for row in [headers, *rows]) for column in range(len(headers))]
    for row in [headers, *rows]:
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    rule = "as given" if recipe.lr is not None else f"{recipe.base_lr:g} x {recipe.batch} / 256"
    yield f"  peak rate {recipe.peak_lr:.3g} ({rule}), warm-up {learner.warmup} steps, then half a cosine:"
    yield "  " + ", ".join(f"step {s}: {learner.rate(s):.3g}" for s in landmarks(learner.steps, learner.warmup))


def say_to_stderr(text: str) -> None:
    """A line for the user; progress and messages go to stderr, results to stdout."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def silent(_text: str) -> None:
    """What all processes but the first say."""


def _number(count: int, word: str) -> str:
    return f"{count:,} {word}" + ("" if count == 1 else "s")
