"""Docs that cannot drift: the command page is what `--help` says, and what a page tells to type exists."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
import typer
from typer.testing import CliRunner

import endocur.cli
import endomae.cli

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = {"endocur": endocur.cli, "endomae": endomae.cli}
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def _maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_cli", ROOT / "docs/make_cli.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_command_page_equals_help() -> None:
    written = (ROOT / "docs/cli.md").read_text("utf-8")
    assert written == _maker().page(), "docs/cli.md is stale; run: make docs"


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_command_and_every_option_has_help(program: str) -> None:
    app: typer.Typer = PROGRAMS[program].app
    for name, _, doc in PROGRAMS[program].COMMANDS:
        assert doc.endswith("."), name
        said = CliRunner().invoke(app, [name, "--help"])
        assert said.exit_code == 0, said.output
        bare = re.findall(r"^\s+(--[a-z-]+)[^\S\n]*(?:<\S+>)?[^\S\n]*\n(?=\s+--|\s*$)", said.output, re.MULTILINE)
        assert bare == [], f"{program} {name}: options without help: {bare}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_tells_to_type_only_what_exists(page: Path) -> None:
    wrong: list[str] = []
    for line in _typed(page.read_text("utf-8")):
        program, _, rest = line.partition(" ")
        words = rest.split()
        names = {name for name, _, _ in PROGRAMS[program].COMMANDS}
        if words and not words[0].startswith("-") and words[0] not in names:
            wrong.append(line)
        elif words and words[0] in names:
            known = CliRunner().invoke(PROGRAMS[program].app, [words[0], "--help"]).output
            wrong += [f"{line}: {w}" for w in words[1:] if re.match(r"--[a-z]", w) and w.split("=")[0] not in known]
    assert wrong == []


def test_links_between_pages_lead_somewhere() -> None:
    dead: list[str] = []
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
            if not re.match(r"[a-z]+:", target) and not (page.parent / target).exists():
                dead.append(f"{page.relative_to(ROOT)}: {target}")
    assert dead == []


def test_every_page_of_the_docs_is_in_the_navigation() -> None:
    nav = (ROOT / "mkdocs.yml").read_text("utf-8")
    pages = [str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").glob("*.md")]
    assert [page for page in pages if page not in nav] == []


def test_every_measured_page_is_in_the_list_of_them() -> None:
    listed = (ROOT / "docs/results/index.md").read_text("utf-8")
    pages = {page.name for page in (ROOT / "docs/results").glob("*.md")} - {"index.md"}
    assert {name for name in pages if f"({name})" not in listed} == set()


def test_every_make_target_that_a_page_names_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = {(page.name, word) for page in PAGES for word in re.findall(r"`make ([a-z]+)", page.read_text("utf-8"))}
    assert {(page, word) for page, word in named if word not in targets} == set()


def test_the_version_is_the_same_wherever_it_stands() -> None:
    from endoshards import __version__

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["dynamic"] == ["version"]
    assert f"version: {__version__}\n" in (ROOT / "CITATION.cff").read_text("utf-8")
    assert "## Unreleased" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def _typed(text: str) -> list[str]:
    """Lines of code blocks, and inline code, that begin with one of the two commands."""
    blocks = re.findall(r"```(?:bash|sh|shell|console)\n(.*?)```", text, re.DOTALL)
    lines = [line.strip().removeprefix("$ ").split(" #")[0].strip() for block in blocks for line in block.splitlines()]
    lines += re.findall(r"`((?:endocur|endomae) [^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    return [line for line in lines if line.split(" ")[0] in PROGRAMS]
