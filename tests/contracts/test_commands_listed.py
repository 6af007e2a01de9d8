"""Every command of the table has a module that runs it, and every command module stands in the table."""

from __future__ import annotations

import dataclasses
import inspect
import tomllib
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Literal, get_args, get_origin, get_type_hints

import pytest

import endocur.cli
import endomae.cli
from endoshards.settings import config_fingerprint, load, to_toml

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS: dict[str, tuple[ModuleType, Path]] = {
    "endocur": (endocur.cli, ROOT / "curation/endocur/commands"),
    "endomae": (endomae.cli, ROOT / "pretrain/endomae/commands"),
}
COMMANDS = [(program, name, kind) for program, (cli, _) in PROGRAMS.items() for name, kind, _ in cli.COMMANDS]


@pytest.mark.parametrize("program", PROGRAMS)
def test_table_and_modules_name_the_same_commands(program: str) -> None:
    cli, folder = PROGRAMS[program]
    assert {name.replace("-", "_") for name, _, _ in cli.COMMANDS} == {file.stem for file in folder.glob("[a-z]*.py")}


@pytest.mark.parametrize(("program", "name", "kind"), COMMANDS)
def test_a_command_module_runs_its_config(program: str, name: str, kind: type) -> None:
    run = import_module(f"{program}.commands.{name.replace('-', '_')}").run
    parameters = list(inspect.signature(run).parameters.values())
    assert parameters, f"{program} {name}: run() takes no config"
    assert parameters[0].annotation in (kind, kind.__name__)


@pytest.mark.parametrize(("program", "name", "kind"), COMMANDS)
def test_the_printed_settings_are_a_valid_config_file(program: str, name: str, kind: type, tmp_path: Path) -> None:
    wanted = [field for field in dataclasses.fields(kind) if field.default is dataclasses.MISSING]
    hints = get_type_hints(kind)
    words = {f.name: get_args(hints[f.name])[0] for f in wanted if get_origin(hints[f.name]) is Literal}
    required = {f.name: (Path("videos"),) if "tuple" in str(f.type) else Path("videos") for f in wanted} | words
    config = load(kind, required)
    file = tmp_path / "settings.toml"
    file.write_text(to_toml(config), encoding="utf-8")
    assert tomllib.loads(file.read_text("utf-8"))  # it is TOML and not empty
    assert load(kind, {}, file) == config
    assert config_fingerprint(load(kind, {}, file)) == config_fingerprint(config)
