"""Ground of the pretraining tests: a tiny drawn set of shards and a tiny recipe."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

sys.path.append(str(Path(__file__).parent))  # importlib mode puts no test folder on the path

import drawn_shards

from endomae.configs import PretrainConfig
from endomae.recipes import Recipe, resolve

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty drawn frames of twenty groups, with masks, in several shards."""
    return drawn_shards.write_shards(tmp_path_factory.mktemp("drawn") / "shards")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A recipe file that trains in a second."""
    path = tmp_path_factory.mktemp("recipe") / "tiny.toml"
    path.write_text(drawn_shards.TINY, encoding="utf-8")
    return str(path)


@pytest.fixture
def config(shards: Path, tiny: str, tmp_path: Path) -> Callable[..., PretrainConfig]:
    """Makes the settings of a tiny training in this test's folder."""

    def make(**changed: object) -> PretrainConfig:
        said = {"shards": shards, "recipe": tiny, "runs": tmp_path / "runs", "device": "cpu", "threads": 1}
        return PretrainConfig(**(said | changed))

    return make


@pytest.fixture
def recipe(tiny: str) -> Callable[..., Recipe]:
    """Makes the tiny recipe with some values changed."""

    def make(**changed: object) -> Recipe:
        return resolve(PretrainConfig(recipe=tiny, **changed), "cpu")[0]

    return make
