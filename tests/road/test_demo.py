"""`endomae demo`: the lines a user types, each printed; foreign folders refused; the same line again resumes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from road_study import Study

from endomae.commands.demo import lines

README = Path(__file__).resolve().parents[2] / "README.md"


@pytest.fixture
def study(tmp_path: Path) -> Study:
    made = Study(tmp_path / "study", tmp_path / "home")
    made.folder.mkdir()
    made.home.mkdir()
    return made


def test_the_demo_types_the_commands_of_the_readme_in_their_order() -> None:
    block = README.read_text("utf-8").split("## On your own recordings")[1]
    asked = [line for line in block.splitlines() if re.match(r"endo(cur|mae) ", line)][:6]
    typed = [" ".join(line) for line in lines(0)]
    # The demo cuts training short; all else is as it stands.
    typed = [re.sub(r" --minutes \S+", "", line) for line in typed]
    assert [line for line in typed if line in asked] == asked


def test_a_folder_with_other_things_is_refused_and_left_alone(study: Study) -> None:
    kept = study.folder / "mine" / "notes.txt"
    kept.parent.mkdir()
    kept.write_text("mine", encoding="utf-8")
    said = study.type("endomae demo mine", expect=3)
    assert "holds other things than a demo" in said
    assert [path.name for path in kept.parent.iterdir()] == ["notes.txt"]


def test_a_file_in_place_of_the_folder_is_refused(study: Study) -> None:
    (study.folder / "mine").write_text("", encoding="utf-8")
    assert "is a file" in study.type("endomae demo mine", expect=3)


def test_a_command_that_fails_ends_the_demo_with_its_exit_code(study: Study) -> None:
    (study.folder / "demo").mkdir()
    (study.folder / "demo/phantom.json").write_text("{not json", encoding="utf-8")
    said = study.type("endomae demo", expect=3)
    assert "$ endocur phantom" in said
    assert "`endocur phantom` in demo ended with exit code 3" in said
    assert "$ endocur extract" not in said


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_the_whole_demo_and_the_same_line_again(study: Study) -> None:
    said = study.type("endomae demo", timeout_s=1200)
    for line in lines(0):
        assert f"$ {' '.join(line)}" in said
    pages = re.findall(r"^\s+(/\S+\.html)", said, re.MULTILINE)
    assert [Path(page).is_file() for page in pages] == [True, True, True]
    weights = next(study.folder.glob("demo/runs/*/export/model.safetensors"))
    before = weights.read_bytes()
    again = study.type("endomae demo", timeout_s=600)
    assert "already holds this phantom" in again
    assert weights.read_bytes() == before
    assert len(list(study.folder.glob("demo/runs/*/run.toml"))) == 1
