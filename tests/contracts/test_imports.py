"""Who may import whom: the contracts of pyproject.toml, as `make lint` runs them."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {
    "endoshards": ROOT / "shards/endoshards",
    "endoeval": ROOT / "evaluate/endoeval",
    "endocur": ROOT / "curation/endocur",
    "endomae": ROOT / "pretrain/endomae",
}
DOORS = ("endoeval.encoders", "endoeval.probe", "endoeval.leaks", "endoeval.splits")


def test_the_import_contracts_hold() -> None:
    lint = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([str(lint), "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_curation_enters_the_evaluation_by_named_doors_inside_functions_only() -> None:
    wrong: list[str] = []
    for file in PACKAGES["endocur"].rglob("*.py"):
        tree = ast.parse(file.read_text("utf-8"))
        inside = {node for def_ in ast.walk(tree) if isinstance(def_, ast.FunctionDef) for node in ast.walk(def_)}
        wrong += [
            f"{file.relative_to(ROOT)}: {name}"
            for node, name in _imports(tree)
            if name.split(".")[0] == "endoeval"
            and not (name.startswith(DOORS) and (node in inside or _for_types_only(tree, node)))
        ]
    assert wrong == []


def test_the_outer_folders_are_no_packages() -> None:
    assert [str(p) for name in ("shards", "evaluate", "curation", "pretrain") for p in (ROOT / name).glob("*.py")] == []


def test_no_module_is_a_drawer_for_everything() -> None:
    drawers = {"utils", "util", "common", "helpers", "misc"}
    assert [str(p) for root in PACKAGES.values() for p in root.rglob("*.py") if p.stem in drawers] == []


def test_no_module_is_longer_than_500_lines_and_no_function_than_80() -> None:
    long: list[str] = []
    for file in (file for root in PACKAGES.values() for file in root.rglob("*.py")):
        text = file.read_text("utf-8")
        if text.count("\n") > 500:
            long.append(f"{file.relative_to(ROOT)}: {text.count(chr(10))} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > 80:
                    long.append(f"{file.relative_to(ROOT)}: {node.name} has {lines} lines")
    assert long == []


def _imports(tree: ast.AST) -> list[tuple[ast.AST, str]]:
    found: list[tuple[ast.AST, str]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(node, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            if node.module == "endoeval":
                found += [(node, f"endoeval.{alias.name}") for alias in node.names]
            else:
                found.append((node, node.module))
    return found


def _for_types_only(tree: ast.AST, wanted: ast.AST) -> bool:
    return any(
        wanted in ast.walk(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    )
