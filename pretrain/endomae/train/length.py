"""How many steps a run has: as said, by epochs, or by minutes measured here and now."""

from __future__ import annotations

import math
import statistics
import time

from endomae.train.outline import Say
from endomae.train.plan import Plan, build, feed
from endomae.train.trainer import LEAST_STEPS, PASSES, tensors
from endomae.train.world import World

MEASURED_S = 8.0
MEASURED_STEPS = (4, 40)
"""Steps that are timed to turn minutes into steps: at least, at most, and until about `MEASURED_S` have gone by."""
FINISHING_S = 8.0
"""Kept back from a budget of minutes for export and report."""
SHARE = 0.1
"""Of a short budget no larger share goes into measuring, and none into what is kept back."""
SLACK = 1.05
"""Steps are taken to last so much longer than measured."""


def count_steps(the: Plan, world: World, begin: float, say: Say) -> int:
    """Steps of a new run.

    Args:
        the: see `plan`.
        world: all processes call this together, and the first one's measure holds.
        begin: `time.monotonic()` when the command began; a budget of minutes counts from there.
        say: told what minutes came to.
    """
    recipe = the.recipe
    if recipe.steps is not None:
        return recipe.steps
    if recipe.epochs is not None:
        return max(1, math.ceil(recipe.epochs * len(the.data.split.trained) / recipe.batch))
    assert recipe.minutes is not None  # the recipe holds exactly one of the three
    budget = recipe.minutes * 60.0
    step_s, judge_s = measure(the, world, min(MEASURED_S, SHARE * budget))
    left = budget - (time.monotonic() - begin) - min(FINISHING_S, SHARE * budget)
    steps = steps_in(left, step_s * SLACK, judge_s)
    say(f"{recipe.minutes:g} minutes come to {steps} steps of {step_s:.3f} s (measured here and now)")
    return steps


def steps_in(left: float, step_s: float, judge_s: float) -> int:
    """Steps that fit into `left` seconds with their held-out passes, at least 1.

    A pass comes before the first step and after the last, and between them every `LEAST_STEPS` steps, or `PASSES`
    times where that is less often.
    """
    many = (left - (PASSES + 2) * judge_s) / step_s
    few = (left - 2 * judge_s) / (step_s + judge_s / LEAST_STEPS)
    return max(1, int(max(many, few)))


def measure(the: Plan, world: World, seconds: float) -> tuple[float, float]:
    """Seconds a step, and seconds a held-out pass, on weights that are then thrown away.

    The run itself starts anew from its seed, so that it is the run `--steps` would have given. Steps are timed for
    about `seconds`.
    """
    learner, views = build(the, world, MEASURED_STEPS[1])
    times: list[float] = []
    with feed(the, world, learner.method, 0) as batches:
        source = (batch for batch, _ in batches)
        begin = time.monotonic()
        for number in range(MEASURED_STEPS[1]):
            before = time.monotonic()
            learner.step(number, source).read()
            times.append(time.monotonic() - before)
            done = number + 1 >= MEASURED_STEPS[0] and time.monotonic() - begin > seconds
            if world.agree(done):
                break
    judge_s = 0.0
    if views.arrays and world.is_first:
        learner.evaluate(tensors(views.shown))  # the first pass is slow, as the first steps are
        begin = time.monotonic()
        learner.evaluate(tensors(views.arrays))
        judge_s = time.monotonic() - begin
    # The first steps fill caches and start threads.
    return statistics.mean(times[2:]), judge_s
