"""`endocur doctor` names what is missing, what clashes, and what to type."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from endocur.commands import doctor
from endocur.configs import DoctorConfig
from endocur.report import machine
from endocur.report.machine import Finding
from endoshards.errors import BadInput

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


def test_each_dependency_of_the_project_is_looked_for() -> None:
    wanted = tomllib.loads(PYPROJECT.read_text("utf-8"))["project"]["dependencies"]
    assert set(machine.NEEDED) == {re.split(r"[<>=!~ ;\[]", line)[0] for line in wanted}


def test_an_absent_package_is_named_with_its_use_and_the_line_to_type() -> None:
    found = machine.packages({"numpy": "2.5.1"}, {"numpy": "arrays", "av": "reads video"})
    assert found == [
        Finding("packages", "numpy 2.5.1"),
        Finding("av", "not installed", "missing", "reads video; type: pip install av"),
    ]


def test_two_faiss_in_one_environment_are_a_fault() -> None:
    found = machine.faiss({"faiss-cpu": "1.15.1", "faiss-gpu": "1.15.1"})
    assert found.state == "missing" and "pip uninstall -y faiss-cpu faiss-gpu" in found.advice


def test_no_faiss_is_no_fault_for_there_is_an_exact_stand_in() -> None:
    found = machine.faiss({})
    assert found.state == "note" and "matrix products" in found.advice


def test_two_opencv_wheels_overwrite_each_other_and_one_is_right() -> None:
    clash = machine.opencv({"opencv-python": "5.0.0", "opencv-python-headless": "5.0.0"})
    assert clash.state == "missing" and "pip uninstall -y opencv-python opencv-python-headless" in clash.advice
    assert machine.opencv({"opencv-python-headless": "5.0.0"}).state == "ok"
    assert machine.opencv({}).state == "missing"


def test_the_decoder_is_proved_by_reading_frames_back() -> None:
    found = machine._decoder()
    assert found.state == "ok" and "h264" in found.value


def test_a_key_that_others_can_read_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = tmp_path / "key"
    key.write_text("x")
    monkeypatch.setattr("endocur.identity.default_key_path", lambda: key)
    key.chmod(0o644)
    assert machine._key().advice == f"type: chmod 600 {key}"
    key.chmod(0o600)
    assert machine._key() == Finding("key file", str(key))
    key.unlink()
    assert "none yet" in machine._key().value


def test_something_missing_ends_with_exit_code_3(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    found = [Finding("Python", "3.11"), Finding("av", "not installed", "missing", "type: pip install av")]
    monkeypatch.setattr(doctor, "examine", lambda folder: found)
    with pytest.raises(BadInput, match="av: needed and not usable here"):
        doctor.run(DoctorConfig())
    assert capsys.readouterr().out == (
        "ok      Python  3.11\nMISSING av      not installed\n                -> type: pip install av\n"
    )


def test_the_command_speaks_json_and_finds_this_environment_sound() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "endocur", "doctor", "--json"], capture_output=True, text=True, check=False
    )
    value = json.loads(done.stdout)
    assert done.returncode == (0 if value["ok"] else 3)
    names = [finding["name"] for finding in value["findings"]]
    assert {"Python", "decoder", "faiss", "OpenCV", "GPU", "key file", "free disk here"} <= set(names)
