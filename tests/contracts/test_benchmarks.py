"""The form that every benchmark prints, and that every script in benchmarks/ takes part in it."""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


def load(name: str) -> ModuleType:
    sys.path.append(str(FOLDER))
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


form = load("form")
quick = load("run_quick")


@pytest.mark.parametrize(
    ("value", "goal", "better", "missed"),
    [
        (0.8, 0.8, "higher", False),
        (0.79, 0.8, "higher", True),
        (0.4, 0.4, "lower", False),
        (0.41, 0.4, "lower", True),
        (math.nan, 0.4, "lower", True),
        (5.0, None, "higher", False),
    ],
)
def test_a_figure_meets_its_goal_on_the_good_side_only(
    value: float, goal: float | None, better: str, missed: bool
) -> None:
    assert form.Figure("speed", value, goal=goal, better=better).missed is missed


def test_the_last_line_is_json_of_the_form(capsys: pytest.CaptureFixture[str]) -> None:
    figures = [form.Figure("speed", 0.5, goal=0.8, unit="ratio"), form.Figure("lost", math.inf, unit="s")]
    form.finish("cars", figures, argparse.Namespace(quick=True, json=True))
    *table, last = capsys.readouterr().out.strip().splitlines()
    assert any(re.search(r"speed .*0\.5.*≥ 0\.8.*missed", line) for line in table)
    told = json.loads(last)
    assert set(told) == {"benchmark", "commit", "machine", "figures"}
    assert told["figures"]["speed"] == {"value": 0.5, "goal": 0.8, "better": "higher", "unit": "ratio"}
    assert told["figures"]["lost"]["value"] is None


def test_the_machine_is_described_without_its_name() -> None:
    import socket

    assert re.search(r"\d+ cores?, .*Python 3", form.machine())
    assert socket.gethostname() not in form.machine()


def test_the_quick_round_lists_what_misses() -> None:
    figures = {
        "met": {"value": 1.0, "goal": 0.8, "better": "higher"},
        "missed": {"value": 0.7, "goal": 0.8, "better": "higher"},
        "none": {"value": None, "goal": 2, "better": "lower"},
        "informs": {"value": 3.0, "goal": None, "better": "higher"},
    }
    assert quick.misses("cars", figures) == [["cars", "missed", "0.7", "≥ 0.8"], ["cars", "none", "none", "≤ 2"]]


@pytest.mark.parametrize("script", quick.benchmarks(), ids=lambda path: path.stem)
def test_a_benchmark_has_the_two_options_and_ends_in_the_form(script: Path) -> None:
    said = subprocess.run([sys.executable, str(script), "--help"], capture_output=True, text=True, check=True).stdout
    assert "--quick" in said
    assert "--json" in said
    assert re.search(r"\bfinish\(", script.read_text("utf-8"))
