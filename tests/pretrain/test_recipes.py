"""Recipes: data that says what it is from, amended by the line."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from endomae.configs import PretrainConfig
from endomae.recipes import FOR_DEVICE, Recipe, as_config, asked, names, resolve
from endoshards.errors import BadOption
from endoshards.settings import load, to_toml


def test_the_recipes_that_come_with_the_package() -> None:
    assert names() == ["mae-cpu", "mae-vit-b", "mae-vit-s"]
    assert set(FOR_DEVICE.values()) <= set(names())


@pytest.mark.parametrize("name", ["mae-cpu", "mae-vit-b", "mae-vit-s"])
def test_every_recipe_resolves_and_names_sources_cost_and_first_loss(name: str) -> None:
    recipe, about = resolve(PretrainConfig(recipe=name), "cpu")
    assert recipe.norm_pix
    assert recipe.mask_ratio == 0.75
    assert about.sources and about.cost
    assert about.expected_first_loss is not None and 1.0 < about.expected_first_loss < 2.5


def test_every_setting_of_a_recipe_is_an_option_of_the_command() -> None:
    options = {field.name: field for field in dataclasses.fields(PretrainConfig)}
    for field in dataclasses.fields(Recipe):
        assert field.name in options
        assert not options[field.name].metadata["how"], field.name


def test_the_line_wins_over_the_recipe_and_one_length_replaces_another() -> None:
    recipe, _ = resolve(PretrainConfig(recipe="mae-cpu", steps=7, batch=4), "cpu")
    assert (recipe.steps, recipe.minutes, recipe.epochs, recipe.batch) == (7, None, None, 4)
    with pytest.raises(BadOption, match="exclude each other"):
        PretrainConfig(steps=7, minutes=1.0)


def test_a_recipe_may_name_its_seed_and_the_line_wins_over_it(tiny: str, tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text("seed = 5\n" + Path(tiny).read_text())
    assert resolve(PretrainConfig(recipe=str(own)), "cpu")[0].seed == 5
    assert resolve(PretrainConfig(recipe=str(own), seed=6), "cpu")[0].seed == 6
    assert resolve(PretrainConfig(recipe=tiny), "cpu")[0].seed == 0


def test_the_device_chooses_the_recipe() -> None:
    assert resolve(PretrainConfig(), "cpu")[1].name == "mae-cpu"
    assert resolve(PretrainConfig(), "cuda")[1].name == "mae-vit-b"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nonsense = 1", "'nonsense' is no setting"),
        ("batch = 'many'", "batch is 'many'"),
        ("steps = 3", "is not complete"),
        ("=", "is not TOML"),
        ("[about]\nauthor = 'me'", r"\[about\] may hold"),
    ],
)
def test_a_bad_recipe_file_is_a_bad_option(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(text)
    with pytest.raises(BadOption, match=message):
        resolve(PretrainConfig(recipe=str(path)), "cpu")
    with pytest.raises(BadOption, match="allowed: mae-cpu, mae-vit-b"):
        resolve(PretrainConfig(recipe="mae-vit-x"), "cpu")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"decoder_width": 30}, "--decoder-width is 30"),
        ({"batch": 9, "accumulate": 2}, "cannot be cut into 2"),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(changed: dict[str, int], message: str, tiny: str) -> None:
    with pytest.raises(BadOption, match=message):
        resolve(PretrainConfig(recipe=tiny, **changed), "cpu")


def test_what_was_asked_has_one_name_and_how_it_is_done_does_not_matter(tiny: str) -> None:
    def name(**given: object) -> str:
        return asked(resolve(PretrainConfig(recipe=tiny, **given), "cpu")[0], None)

    assert name() == name(threads=3, log_every=7, shards=Path("elsewhere"))
    assert len({name(), name(seed=1), name(batch=4), name(steps=13)}) == 4
    recipe = resolve(PretrainConfig(recipe=tiny), "cpu")[0]
    assert asked(recipe, "second") != asked(recipe, None)


def test_settings_in_force_are_a_valid_config_file_that_resolves_to_the_same(tiny: str, tmp_path: Path) -> None:
    config = PretrainConfig(recipe=tiny, mask_ratio=0.6, init="runs/x")
    recipe, about = resolve(config, "cpu")
    path = tmp_path / "run.toml"
    path.write_text(to_toml(as_config(recipe, config, about)))
    assert resolve(load(PretrainConfig, {}, path), "cpu")[0] == recipe


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"mask_ratio": 1.0}, "--mask-ratio is 1"),
        ({"batch": 0}, "--batch is 0"),
        ({"lr": float("inf")}, "--lr is inf"),
        ({"warmup": 1.5}, "--warmup is 1.5"),
        ({"held_out": 0.9}, "--held-out is 0.9"),
        ({"crop_scale": (0.5, 0.2)}, "--crop-scale is"),
        ({"betas": (0.9, 1.0)}, "--betas are"),
        ({"std": (0.1, 0.0, 0.1)}, "--std is"),
        ({"again": "a/b"}, "--again is 'a/b'"),
    ],
)
def test_values_out_of_range_are_refused_with_the_value(changed: dict[str, object], message: str) -> None:
    with pytest.raises(BadOption, match=message):
        PretrainConfig(**changed)
