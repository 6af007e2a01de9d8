"""A drawn study for the tests of the road: see `road_study`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))  # importlib mode puts no test folder on the path

from road_study import Study


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A study with tiny drawn recordings and labelled sets, and nothing else."""
    root = tmp_path_factory.mktemp("road")
    study = Study(root / "study", root / "home")
    study.home.mkdir()
    study.folder.mkdir()
    study.type("endocur phantom --videos 2 --seconds 4 --images 26 --seed 3")
    return study
