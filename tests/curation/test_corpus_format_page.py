"""docs/corpus-format.md says what lies on disk: its tables name every column, its formula is the one in force."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from endocur.configs import ExtractConfig
from endocur.extract.geometry import Geometry, Shape
from endocur.private import COLUMNS
from endocur.store import FRAME_COLUMNS
from endoshards.settings import what

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "corpus-format.md").read_text("utf-8")
TYPES = {"double": "float64", "float": "float32", "list<item: int16>": "list of int16"}


def test_every_column_of_the_frame_table_stands_there_in_order_with_its_type() -> None:
    said: list[tuple[str, str]] = []
    for names, types in re.findall(r"^\| (`[\w`, ]+`) \| ([\w, ]+) \|", section("### The frame table"), re.MULTILINE):
        columns = re.findall(r"`(\w+)`", names)
        kinds = types.split(", ")
        said += zip(columns, kinds if len(kinds) > 1 else kinds * len(columns), strict=True)
    assert said == [(field.name, TYPES.get(str(field.type), str(field.type))) for field in FRAME_COLUMNS]


def test_every_column_of_the_private_table_stands_there() -> None:
    named = set(re.findall(r"`(\w+)`", section("## Ids, the key")))
    assert set(COLUMNS.names) <= named


def test_every_setting_that_is_refused_when_it_differs_stands_there() -> None:
    named = set(re.findall(r"`(\w+)`", section("## Units")))
    assert set(what(ExtractConfig(inputs=(Path("videos"),)))) <= named


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_the_formula_back_to_the_source_is_the_one_in_force(rotation: int) -> None:
    geometry = Geometry(Shape(720, 576, rotation, (16, 15)), (40, 20, 600, 500), (560, 500))
    height, width = geometry.stored
    [formula] = re.findall(rf"^rotation {rotation} +u, v = ([\w -]+, [\w -]+?)(?:  +.*)?$", PAGE, re.MULTILINE)
    x, y = 30.0, 70.0
    terms = {"x": x, "y": y, "width - x": width - x, "height - y": height - y}
    u, v = (terms[term] for term in formula.split(", "))
    scale_x, scale_y = geometry.scale
    assert geometry.to_coded(x, y) == pytest.approx((40 + u / scale_x, 20 + v / scale_y))


def section(title: str) -> str:
    """From a heading to the next of its rank."""
    rank = title.split(" ", maxsplit=1)[0]
    return PAGE[PAGE.index(title) :].split(f"\n{rank} ")[0]
