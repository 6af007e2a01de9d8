"""One set of recordings, extracted once, for the tests of `endocur extract` as a user types it."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))  # importlib mode puts no test folder on the path

from corpus_maker import draw_still, draw_video, endocur
from extract_study import QUICK


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`videos/` with three videos and three stills of one folder."""
    videos = tmp_path_factory.mktemp("recordings") / "videos"
    (videos / "stills").mkdir(parents=True)
    for seed, name in enumerate(("a", "b", "c")):
        draw_video(videos / f"{name}.mp4", seed=seed, seconds=2.0)
    for seed, name in enumerate(("one", "two", "three")):
        draw_still(videos / "stills" / f"{name}.jpg", seed=20 + seed)
    return videos


@pytest.fixture(scope="session")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One key for all studies of this file, so that their ids can be compared."""
    path = tmp_path_factory.mktemp("key") / "key"
    path.write_text(f"endomae-key-1 {'5e' * 32}\n")
    return path


@pytest.fixture
def fresh(tmp_path: Path, recordings: Path, key: Path) -> Path:
    """A study with `videos/` and the key, nothing extracted."""
    study = tmp_path / "study"
    shutil.copytree(recordings, study / "videos")
    (study / "home" / ".config" / "endomae").mkdir(parents=True)
    shutil.copy(key, study / "home" / ".config" / "endomae" / "key")
    return study


@pytest.fixture(scope="session")
def extracted(tmp_path_factory: pytest.TempPathFactory, recordings: Path, key: Path) -> Path:
    """The same, extracted by one unbroken command. Look, do not write."""
    study = tmp_path_factory.mktemp("whole") / "study"
    shutil.copytree(recordings, study / "videos")
    (study / "home" / ".config" / "endomae").mkdir(parents=True)
    shutil.copy(key, study / "home" / ".config" / "endomae" / "key")
    (study / "said.txt").write_text(endocur(study, "extract", "videos", *QUICK, "--workers", "1").stdout)
    return study


@pytest.fixture
def study(extracted: Path, tmp_path: Path) -> Path:
    """An extracted study to do anything to; time stamps are kept, so files count as unchanged."""
    folder = tmp_path / "study"
    shutil.copytree(extracted, folder)
    return folder
