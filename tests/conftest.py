"""Ground of all tests: where real frames lie, and how hypothesis draws."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("ENDOMAE_SHARED", str(ROOT.parent / "shared" / "data")))
"""Folder of real frames beside the clone; `ENDOMAE_SHARED` names another."""

settings.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile(
    "ci", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("ci" if os.environ.get("CI") else "here")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real frames; a test that asks for it bears the mark `real`."""
    if not SHARED.is_dir():
        pytest.skip(f"no real frames at {SHARED}; set ENDOMAE_SHARED")
    return SHARED


@pytest.fixture(scope="session")
def shared_tools() -> Path:
    """Folder of the scripts that compose procedures of known truth, beside the real frames."""
    tools = SHARED.parent / "tools"
    if not tools.is_dir():
        pytest.skip(f"no composing tools at {tools}; set ENDOMAE_SHARED")
    return tools
