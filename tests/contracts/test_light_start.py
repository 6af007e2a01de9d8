"""`--help` and `status` answer at once: they load no numeric library. Seen in fresh processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("numpy", "pyarrow", "torch", "cv2", "faiss", "av", "timm", "sklearn", "scipy", "pandas", "onnxruntime")
PROBE = """
import sys
from {program}.cli import app
try:
    app({words!r})
except SystemExit:
    pass
except Exception as error:
    from endoshards.errors import EndoError
    if not isinstance(error, EndoError):
        raise
sys.stderr.write("LOADED " + " ".join(sorted(set({heavy!r}) & set(sys.modules))))
"""


def loaded(program: str, words: list[str], folder: Path) -> set[str]:
    """The heavy libraries that a command had loaded when it ended."""
    code = PROBE.format(program=program, words=words, heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    return set(done.stderr.rpartition("LOADED ")[2].split())


@pytest.mark.parametrize("program", ["endocur", "endomae"])
@pytest.mark.parametrize("words", [["--help"], ["status", "--help"], ["status"], ["no-such-command"]])
def test_help_and_status_load_no_heavy_library(program: str, words: list[str], tmp_path: Path) -> None:
    assert loaded(program, words, tmp_path) == set()


@pytest.mark.parametrize(
    ("program", "command"), [("endocur", "extract"), ("endocur", "shard"), ("endomae", "pretrain")]
)
def test_the_help_and_settings_of_a_heavy_command_are_light(program: str, command: str, tmp_path: Path) -> None:
    assert loaded(program, [command, "--help"], tmp_path) == set()
    assert (
        loaded(program, [command, *(["videos"] if command == "extract" else []), "--print-config"], tmp_path) == set()
    )


@pytest.mark.parametrize(
    "module", ["endoshards", "endocur", "endoeval", "endomae", "endocur.extract", "endocur.corpus"]
)
def test_importing_a_package_loads_no_torch(module: str, tmp_path: Path) -> None:
    code = f"import sys, {module}; sys.exit(' '.join({{'torch', 'timm', 'faiss', 'sklearn'}} & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
