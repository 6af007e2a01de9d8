"""The list of what a published set may say: what we write passes, all else is a fault without its content."""

from __future__ import annotations

import json
from typing import Any

import known_corpus
import pytest
from hypothesis import given
from hypothesis import strategies as st

from endocur import publish
from endocur.configs import DedupConfig, ExtractConfig, FilterConfig, ShardConfig
from endocur.privacy import fields
from endoshards.settings import what

ROW = known_corpus._row(0, 3) | dict.fromkeys(publish.SCORES, 0.5) | {"score_version": "1"}
DATA = publish.sample_json(ROW, 128, 96)
FORM = fields.sample_form(publish.SCORES)
NAME = "Quastenbichler"


def test_what_a_sample_says_is_in_the_list() -> None:
    assert fields.sample_faults(DATA, FORM) == []


def test_every_field_of_a_sample_is_judged() -> None:
    """Each leaf in turn is replaced by a name: none passes."""

    def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        if isinstance(value, dict):
            return [leaf for key, one in value.items() for leaf in leaves(one, (*path, key))]
        if isinstance(value, list):
            return [leaf for key, one in enumerate(value) for leaf in leaves(one, (*path, key))]
        return [path]

    for path in leaves(json.loads(DATA)):
        said = json.loads(DATA)
        inner = said
        for step in path[:-1]:
            inner = inner[step]
        inner[path[-1]] = NAME
        (fault,) = fields.sample_faults(json.dumps(said, separators=(",", ":")).encode(), FORM)
        assert NAME not in fault


@pytest.mark.parametrize("where", [(), ("view",), ("scores",)])
def test_a_field_of_another_name_is_counted_and_not_repeated(where: tuple[str, ...]) -> None:
    said = json.loads(DATA)
    inner = said
    for step in where:
        inner = inner[step]
    inner[NAME] = 1
    found = fields.sample_faults(json.dumps(said).encode(), FORM)
    assert len(found) == 1 and "1 field that is not ours" in found[0] and NAME not in found[0]


def test_a_missing_field_is_a_fault() -> None:
    said = json.loads(DATA)
    del said["view"]["id"]
    assert fields.sample_faults(json.dumps(said).encode(), FORM) == ["view lacks id"]


@pytest.mark.parametrize("data", [DATA + b" ", b" " + DATA, DATA.replace(b'{"frame_id"', b'{"pts_us":1,"frame_id"', 1)])
def test_blanks_and_doubled_fields_are_faults(data: bytes) -> None:
    assert fields.sample_faults(data, FORM) == ["is written in another way than ours: blanks, or a field twice"]


@given(data=st.binary(max_size=60))
def test_noise_is_a_fault_and_never_a_crash(data: bytes) -> None:
    assert fields.sample_faults(data, FORM)


@given(
    value=st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(), lambda one: st.lists(one) | st.dictionaries(st.text(), one)
    )
)
def test_any_value_is_judged_in_words(value: Any) -> None:
    assert all(isinstance(text, str) for text in fields.index_faults(value))
    assert fields.index_faults(value)


def test_settings_of_every_stage_pass_with_their_defaults() -> None:
    from pathlib import Path

    stages = {
        "extract": what(ExtractConfig(inputs=(Path("videos"),))),
        "filter": what(FilterConfig(min=("sharpness=0.2",))) | {"thresholds": {"quality": 0.4}},
        "dedup": what(DedupConfig()),
        "shard": what(ShardConfig()),
    }
    assert fields._settings(json.loads(json.dumps(stages)))


@pytest.mark.parametrize("text", ["runs/Quastenbichler", "a b", "../x", "C:\\x", "", "x" * 65, "Ä"])
def test_a_setting_that_may_be_a_path_is_withheld(text: str) -> None:
    told = fields.publishable({"encoder": text, "threshold": 0.9, "min": [text, "a=1"], "inner": {"deep": text}})
    assert told == {"encoder": "withheld", "threshold": 0.9, "min": ["withheld", "a=1"], "inner": {"deep": "withheld"}}
    assert fields._settings({"dedup": {"encoder": told["encoder"]}})
    assert not fields._settings({"dedup": {"encoder": text}})
