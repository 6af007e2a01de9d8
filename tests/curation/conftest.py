"""Studies for the tests of the curation commands: drawn and extracted once a session, copied for each test."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))  # importlib mode puts no test folder on the path

import corpus_maker


@pytest.fixture(scope="session")
def extracted_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study with `videos/` and an extracted `corpus/`. Look, do not write: see `study`."""
    folder = tmp_path_factory.mktemp("extracted")
    corpus_maker.make_study(folder)
    return folder


@pytest.fixture(scope="session")
def curated_study(extracted_study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same after filter and dedup. Look, do not write: see `study`."""
    folder = tmp_path_factory.mktemp("curated") / "study"
    shutil.copytree(extracted_study, folder)
    corpus_maker.endocur(folder, "filter", "--min-quality", "0.4")
    corpus_maker.endocur(folder, "dedup")
    return folder


@pytest.fixture
def study(curated_study: Path, tmp_path: Path) -> Path:
    """A curated study to do anything to."""
    folder = tmp_path / "study"
    shutil.copytree(curated_study, folder)
    return folder
