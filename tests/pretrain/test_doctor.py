"""`endomae doctor`: what it says of timm is what a user's own Python will meet."""

from __future__ import annotations

import subprocess
import sys

import pytest

from endomae.commands import doctor


@pytest.fixture(scope="module")
def facts() -> dict[str, str]:
    return doctor.look()


def test_import_timm_is_said_to_work_where_a_bare_python_imports_it_and_only_there(facts: dict[str, str]) -> None:
    bare = subprocess.run([sys.executable, "-c", "import timm"], capture_output=True, check=False)
    assert facts["import timm"].startswith("works" if bare.returncode == 0 else "fails (")
    if bare.returncode:
        assert "endomae's own commands work all the same" in facts["import timm"]
        assert "pip install --force-reinstall --no-deps torchvision" in facts["import timm"]


def test_a_failing_import_is_told_by_its_last_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "PLAIN_IMPORT", "raise RuntimeError('operator torchvision::nms does not exist')")
    assert doctor.plain_timm().startswith("fails (RuntimeError: operator torchvision::nms does not exist)")
    monkeypatch.setattr(doctor, "PLAIN_IMPORT", "pass")
    assert doctor.plain_timm() == "works"


def test_torchvision_s_operators_are_not_praised_for_timm(facts: dict[str, str]) -> None:
    assert "timm and transforms work" not in facts["torchvision operators"]
