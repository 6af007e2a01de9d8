"""What may not stand in a tracked file: paths and registries of one machine, and other people's pictures."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).name
TEXT = {".py", ".md", ".toml", ".txt", ".yml", ".yaml", ".cff", ".json", ".svg", ".csv", ".html", ".sh", ""}
FORBIDDEN = {
    "a path of one machine": re.compile(r"(?<![\w.<])/(?:root|work|home|Users|mnt|workspace)/\w"),
    "a registry address": re.compile(
        r"(?:index-url|find-links|trusted-host)\s*[= ]\s*\S|localhost:\d|\b10\.\d+\.\d+\.\d+"
    ),
    "a key or token": re.compile(r"\b(?:ghp_|hf_|AKIA|sk-)[A-Za-z0-9]{16,}"),
    "a word on how the text came about": re.compile(
        r"\b(?:chat ?bot|language model|copilot|AI[- ]generated)\b", re.IGNORECASE
    ),
}
PICTURES = {
    ".jpg",
    ".jpeg",
    ".png",
    ".bmp",
    ".tif",
    ".tiff",
    ".mp4",
    ".avi",
    ".mkv",
    ".npy",
    ".npz",
    ".tar",
    ".parquet",
}
OUR_PICTURES = {"docs/report.png", "curation/endocur/quality/body.npz"}
"""A screenshot of a phantom's page; the numbers of a classifier, made by `curation/body_model/train.py`."""


def tracked() -> list[Path]:
    """The files of the repository; the test is skipped where this is no clone."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip("not a git clone")
    return [ROOT / name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_tracked_file_holds(what: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}"
        for path in tracked()
        if path.suffix in TEXT and path.name != HERE
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if FORBIDDEN[what].search(line)
    ]
    assert found == []


def test_no_picture_and_no_data_is_tracked_but_our_own_drawings() -> None:
    found = {str(path.relative_to(ROOT)) for path in tracked() if path.suffix.lower() in PICTURES}
    assert found - OUR_PICTURES == set()


def test_no_tracked_file_is_large() -> None:
    assert [str(path) for path in tracked() if path.stat().st_size > 1_000_000] == []


def test_no_unfinished_business_in_the_packages() -> None:
    unfinished = re.compile(r"\b(TODO|FIXME|XXX|HACK|NotImplementedError)\b")
    roots = tuple(str(ROOT / name) for name in ("shards", "evaluate", "curation", "pretrain"))
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in tracked()
        if path.suffix == ".py" and str(path).startswith(roots)
        for line in path.read_text("utf-8").splitlines()
        if unfinished.search(line)
    ]
    assert found == []
