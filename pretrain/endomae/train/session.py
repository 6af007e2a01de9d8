"""One training from a command's settings to a finished run folder, in this process of the world."""

from __future__ import annotations

import contextlib
import platform
import time
from dataclasses import replace
from pathlib import Path

import torch

import endoshards
from endomae.configs import PretrainConfig
from endomae.recipes import Recipe, as_config
from endomae.train import checkpoints
from endomae.train.learner import Learner
from endomae.train.length import count_steps
from endomae.train.metrics import Curves
from endomae.train.outline import Say, describe, group_table, outline
from endomae.train.plan import Plan, build, build_method, feed
from endomae.train.report import write_report
from endomae.train.runs import RunFolder
from endomae.train.stop import StopSignals
from endomae.train.trainer import How, Progression, Rhythm, Trainer, tensors
from endomae.train.world import World, cores
from endomae.weights.export import export
from endoshards.errors import BadInput, Stopped
from endoshards.files import Lock, read_json, write_atomic, write_json
from endoshards.settings import load, to_toml


def train(the: Plan, world: World, signals: StopSignals, say: Say, *, begin: float) -> bool:
    """Begin, go on or find finished; at the end the run folder is whole.

    Args:
        the: see `plan`.
        world: the processes.
        signals: noted since the command began.
        say: tells the user a line; silent in all processes but the first.
        begin: `time.monotonic()` when the command began.
    Returns: True if there was something to train, False if the run was finished already.
    Raises: what `Trainer.train` does; BadInput if the run is of other data, or somebody else trains it.
    """
    if not the.run.settings.is_file():
        # Built once for nothing: what cannot be built is refused before there is a folder.
        build_method(the.recipe)
    world.wait()
    with contextlib.ExitStack() as stack:
        if world.is_first:
            stack.enter_context(Lock(the.run.lock))
        last = world.agree(the.run.named("last") if the.run.settings.is_file() else None)
        _require_same_data(the)
        if world.agree(the.run.state) == "finished":
            return False
        return _train_locked(the, world, signals, say, last, begin=begin)


def _train_locked(the: Plan, world: World, signals: StopSignals, say: Say, last: Path | None, *, begin: float) -> bool:
    run = the.run
    describe(the, world, say)
    if world.is_first:
        run.set_state("running")
    try:
        noted = _noted_steps(run) if last is not None else None
        steps = world.agree(noted or count_steps(the, world, begin, say))
        learner, views = build(the, world, steps)
        if world.is_first and last is None:
            levels = learner.levels(tensors(views.arrays or views.shown))
            _note(the, learner, levels)
            told = ", ".join(f"{name} {level:.4f}" for name, level in levels.items())
            say(f"losses without learning, on the {'held-out' if views.arrays else 'shown'} frames: {told}")
        at = _resume(learner, last, the, say) if last is not None else Progression()
        say(f"run {run.root}: {'from step ' + str(at.step) if last else 'new'}, to step {steps}")
        for line in outline(learner):
            say(line)
        with feed(the, world, learner.method, at.samples_seen) as batches, contextlib.ExitStack() as stack:
            curves = None
            if world.is_first:
                # A run without a checkpoint begins anew: nothing that was written before counts.
                kept = at.step if last is not None else -1
                curves = stack.enter_context(Curves(run.metrics, run.root / "tensorboard", kept))
            trainer = Trainer(learner, batches, views, run=run, at=at, how=_how(the, learner, signals))
            trainer.train(curves)
        if world.is_first:
            export(run, replace(the.recipe, steps=steps, epochs=None, minutes=None), "last", run.export)
            write_report(run)
            run.set_state("finished")
        world.wait()
    except (Stopped, KeyboardInterrupt):
        if world.is_first:
            run.set_state("stopped")
        raise
    except BaseException:
        if world.is_first:
            run.set_state("failed")
        raise
    return True


def _how(the: Plan, learner: Learner, signals: StopSignals) -> How:
    noted = {
        "seed": the.recipe.seed,
        "order_fingerprint": the.data.part.order_fingerprint,
        "steps": learner.steps,
        "processes": learner.world.ranks,
        "device": learner.world.device.type,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
    rhythm = Rhythm(steps=learner.steps, log=the.config.log_every, checkpoint=the.config.checkpoint_every)
    return How(rhythm=rhythm, noted=noted, signals=signals)


def _resume(learner: Learner, last: Path, the: Plan, say: Say) -> Progression:
    state = checkpoints.read_state(last)
    names = set(Progression.__dataclass_fields__)
    if missing := names - state.keys():
        raise BadInput(f"{last} lacks {', '.join(sorted(missing))}; it is no checkpoint of this version.")
    if state["samples_seen"] != state["step"] * the.recipe.batch:
        raise BadInput(f"{last} has seen {state['samples_seen']} samples in {state['step']} steps; it is damaged.")
    checkpoints.load(last, learner.module, learner.optimiser, learner.groups)
    world = learner.world
    here = {
        "processes": world.ranks,
        "threads": torch.get_num_threads(),
        "device": world.device.type,
        "torch": torch.__version__,
    }
    other = [f"{name} {state.get(name)} then, {value} now" for name, value in here.items() if state.get(name) != value]
    if other:
        say(f"note: {'; '.join(other)}: the run goes on, but not to the last bit as it would have.")
    return Progression(**{name: state[name] for name in names})


def _require_same_data(the: Plan) -> None:
    """Raises: BadInput if the run was begun on another order of samples."""
    if not the.run.facts.is_file():
        return
    noted = read_json(the.run.facts).get("data", {}).get("order_fingerprint")
    now = the.data.part.order_fingerprint
    if noted != now:
        raise BadInput(
            f"{the.run.root} was begun on other shards (order {noted}, {the.config.shards} has {now}); "
            "give those, or start another run with --again NAME."
        )


def _noted_steps(run: RunFolder) -> int:
    steps = load(PretrainConfig, {}, file=run.settings).steps
    if steps is None:
        raise BadInput(f"{run.settings} names no steps; it was changed. Start another run with --again NAME.")
    return steps


def _note(the: Plan, learner: Learner, levels: dict[str, float]) -> None:
    """Write `run.json` and `run.toml`: what is trained on what, for how long."""
    steps, method, world = learner.steps, learner.method, learner.world
    in_force = as_config(the.recipe, the.config, the.about, steps=steps, epochs=None, minutes=None)
    recipe = the.recipe
    facts = {
        "recipe": the.about.name,
        "again": the.config.again,
        "sources": the.about.sources,
        "cost": the.about.cost,
        "expected_first_loss": the.about.expected_first_loss,
        "asked": {"steps": recipe.steps, "epochs": recipe.epochs, "minutes": recipe.minutes},
        "steps": steps,
        "settings": {name: _plain(getattr(recipe, name)) for name in Recipe.__dataclass_fields__} | {"steps": steps},
        "data": the.data.facts(),
        "method": {
            "levels": levels,
            "views": list(method.views),
            "pictures_note": method.views_note,
            "shapes": dict(method.shapes),
            "groups": group_table(learner),
        },
        "machine": {
            "device": torch.cuda.get_device_name(world.device) if world.device.type == "cuda" else "cpu",
            "ranks": world.ranks,
            "cores": cores(),
            "platform": platform.platform(),
            "python": platform.python_version(),
            "torch": torch.__version__,
        },
        "endomae": endoshards.__version__,
    }
    write_json(the.run.facts, facts)
    write_atomic(the.run.settings, to_toml(in_force))


def dry_run(the: Plan, world: World, say: Say) -> None:
    """Shapes, groups, rates, memory and one step; nothing is written."""
    describe(the, world, say)
    steps = count_steps(the, world, time.monotonic(), say)
    learner, _ = build(the, world, world.agree(steps))
    for name, shape in learner.method.shapes.items():
        say(f"  {name}: {shape}")
    for line in outline(learner):
        say(line)
    numbers = sum(group.numbers for group in learner.groups)
    say(f"  weights, gradients and two averages: {numbers * 16 / 2**20:.0f} MiB a process, activations beside")
    with feed(the, world, learner.method, 0) as batches:
        means, _ = learner.step(0, (batch for batch, _ in batches)).read()
    expected = the.about.expected_first_loss
    said = f" (the recipe expects about {expected:g})" if expected else ""
    say("  first step: " + ", ".join(f"{name} {value:.4f}" for name, value in means.items()) + said)
    if world.device.type == "cuda":
        say(f"  peak memory: {torch.cuda.max_memory_allocated() / 2**30:.2f} GiB")


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value
