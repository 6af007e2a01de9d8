"""What a user installs: four packages, their data files, two commands, and nothing else."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {
    "endoshards": ROOT / "shards/endoshards",
    "endoeval": ROOT / "evaluate/endoeval",
    "endocur": ROOT / "curation/endocur",
    "endomae": ROOT / "pretrain/endomae",
}


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Names inside a wheel built from this tree, without the network."""
    pytest.importorskip("hatchling")
    out = tmp_path_factory.mktemp("wheel")
    line = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "-w",
        str(out),
        str(ROOT),
    ]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = out.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_holds_every_file_of_the_four_packages(names: set[str]) -> None:
    wanted = {
        f"{package}/{file.relative_to(folder)}"
        for package, folder in PACKAGES.items()
        for file in folder.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert {f"{package}/py.typed" for package in PACKAGES} <= wanted
    assert any(re.fullmatch(r"endomae/recipes/.+\.toml", name) for name in wanted)
    assert wanted - names == set()


def test_the_wheel_holds_nothing_beside_the_packages_and_its_own_record(names: set[str]) -> None:
    assert {name.split("/")[0] for name in names} - set(PACKAGES) == {
        next(name.split("/")[0] for name in names if ".dist-info/" in name)
    }


def test_every_dependency_is_pinned_by_the_constraints() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = {_plain(line) for line in [*project["dependencies"], *extras["cpu"], *extras["dev"]]}
    pinned = {_plain(line) for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines() if line.strip()}
    assert wanted - pinned == set()


def _plain(requirement: str) -> str:
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match is not None, requirement
    return re.sub(r"[-_.]+", "-", match[0]).lower()
