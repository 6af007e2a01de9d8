"""What is to be trained, as asked and as found on disk, and the parts made of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import torch

from endomae.configs import PretrainConfig
from endomae.methods import METHODS, Method
from endomae.models.encoder import build_encoder
from endomae.recipes import About, Recipe, asked, resolve
from endomae.train.feed import Data, Feed, Views, fixed, open_data
from endomae.train.learner import Learner
from endomae.train.runs import RunFolder
from endomae.train.world import World, cores
from endoshards.errors import BadOption
from endoshards.files import refuse_source_tree


@dataclass(frozen=True)
class Plan:
    """What is to be trained, as asked and as found on disk."""

    config: PretrainConfig
    recipe: Recipe
    about: About
    data: Data
    run: RunFolder
    threads: int


def plan(config: PretrainConfig, device: str, ranks: int) -> Plan:
    """Resolve the settings and open the data; writes nothing.

    Args:
        config: what the command was told.
        device: "cpu" or "cuda".
        ranks: processes of the training.
    Raises: BadOption for settings that do not fit together; BadInput for data that cannot be read.
    """
    recipe, about = resolve(config, device)
    if recipe.method not in METHODS:
        raise BadOption(f"--method is {recipe.method!r}; allowed: {', '.join(METHODS)}.")
    if recipe.batch % (ranks * recipe.accumulate):
        raise BadOption(
            f"--batch {recipe.batch} cannot be shared by {ranks} processes x {recipe.accumulate} micro-batches; "
            f"take a multiple of {ranks * recipe.accumulate}."
        )
    refuse_source_tree(config.runs, "--runs study/runs, a folder outside the source code")
    data = open_data(config.shards, recipe.held_out)
    slug = re.sub(r"[^a-z0-9_-]+", "-", Path(about.name).stem.lower())
    run = RunFolder(config.runs / f"{slug}-{asked(recipe, config.again)}")
    threads = config.threads or max(1, min(8, cores() // ranks))
    return Plan(config, recipe, about, data, run, threads)


def build(the: Plan, world: World, steps: int) -> tuple[Learner, Views]:
    """Method, learner and fixed views of a plan, with seeded start weights."""
    method = build_method(the.recipe)
    return Learner(method, the.recipe, world, steps), fixed(the.data, the.recipe, method)


def build_method(recipe: Recipe) -> Method:
    """The method of a recipe with seeded or given start weights, on the CPU."""
    encoder = build_encoder(recipe, recipe.seed)
    if recipe.init is not None:
        from endomae.weights.start import start_from

        start_from(encoder, recipe.init)
    torch.manual_seed(recipe.seed + 1)
    return METHODS[recipe.method](recipe, encoder)


def feed(the: Plan, world: World, method: Method, samples_seen: int) -> Feed:
    """This process's batches from a point of the order on."""
    return Feed(
        the.data,
        the.recipe,
        method,
        world,
        samples_seen=samples_seen,
        threads=the.threads,
        max_bad=the.config.max_bad_samples,
    )
