"""Recipes: full settings of a training, as TOML files in this folder, and how a recipe is found and amended.

A recipe's keys are options of `endomae pretrain`; what the line or `--config` says wins over it. Standard
library only.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from endomae.configs import PretrainConfig
from endoshards.errors import BadOption
from endoshards.files import fingerprint
from endoshards.settings import load

FOLDER = Path(__file__).parent
FOR_DEVICE = {"cpu": "mae-cpu", "cuda": "mae-vit-b"}
"""The recipe of a user who names none."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything a training needs, resolved: each field is an option of `endomae pretrain` (same name, same help).

    Raises: BadOption where two fields do not fit together.
    """

    method: str
    encoder: str
    encoder_width: int | None = None
    encoder_depth: int | None = None
    encoder_heads: int | None = None
    decoder_width: int
    decoder_depth: int
    decoder_heads: int
    size: int
    mask_ratio: float
    norm_pix: bool
    crop_scale: tuple[float, float] = (0.2, 1.0)
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    batch: int
    accumulate: int = 1
    steps: int | None = None
    epochs: float | None = None
    minutes: float | None = None
    base_lr: float
    lr: float | None = None
    min_lr: float = 0.0
    warmup: float = 0.05
    weight_decay: float = 0.05
    betas: tuple[float, float] = (0.9, 0.95)
    precision: str = "auto"
    compile: bool = False
    held_out: float = 0.05
    init: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Check what one option alone cannot tell."""
        if sum(value is not None for value in (self.steps, self.epochs, self.minutes)) != 1:
            raise BadOption("exactly one of --steps, --epochs and --minutes says how long to train.")
        if self.decoder_width % self.decoder_heads or self.decoder_width % 4:
            raise BadOption(
                f"--decoder-width is {self.decoder_width}; a multiple of 4 and of its {self.decoder_heads} heads is "
                "wanted."
            )
        if self.batch % self.accumulate:
            raise BadOption(f"--batch {self.batch} cannot be cut into {self.accumulate} equal parts (--accumulate).")

    @property
    def peak_lr(self) -> float:
        """The learning rate after warm-up: as said, or base rate x batch / 256."""
        return self.lr if self.lr is not None else self.base_lr * self.batch / 256


@dataclass(frozen=True, kw_only=True)
class About:
    """What a recipe says of itself; shown, never computed with."""

    name: str
    sources: str = ""
    cost: str = ""
    expected_first_loss: float | None = None
    """Loss before the first step: variance of the targets plus variance of the predictions."""


def names() -> list[str]:
    """The recipes that come with the package."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def resolve(config: PretrainConfig, device: str) -> tuple[Recipe, About]:
    """The full settings: recipe, amended by what was given.

    Args:
        config: the line and `--config`, unset fields None.
        device: "cpu" or "cuda"; chooses the recipe where none is named.
    Raises: BadOption for an unknown recipe, an unknown key or values that do not fit together.
    """
    about, values = _read(config.recipe or FOR_DEVICE[device])
    base = load(PretrainConfig, {}, base=values)
    given = {
        field.name: getattr(config, field.name) for field in fields(Recipe) if getattr(config, field.name) is not None
    }
    merged = {
        field.name: getattr(base, field.name) for field in fields(Recipe) if getattr(base, field.name) is not None
    }
    if given.keys() & {"steps", "epochs", "minutes"}:
        for name in ("steps", "epochs", "minutes"):
            merged.pop(name, None)
    if "base_lr" in given and "lr" not in given:
        merged.pop("lr", None)
    try:
        return Recipe(**(merged | given)), about
    except TypeError as error:
        raise BadOption(f"recipe {about.name} is not complete: {error}.") from None


def asked(recipe: Recipe, again: str | None) -> str:
    """8 hex digits of what was asked for: the same line finds the same run."""
    values = {field.name: _plain(getattr(recipe, field.name)) for field in fields(Recipe)}
    return fingerprint({"recipe": values, "again": again})[:8]


def as_config(recipe: Recipe, config: PretrainConfig, about: About, **changed: Any) -> PretrainConfig:
    """The settings in force as a config: what `run.toml` holds and `--config` takes.

    Args:
        recipe: resolved.
        config: where the *how* fields come from.
        about: names the recipe.
        changed: fields that training found out, e.g. the steps that minutes came to.
    """
    values = {field.name: getattr(recipe, field.name) for field in fields(Recipe)}
    return replace(config, **(values | {"recipe": about.name} | changed))


def _read(name: str) -> tuple[About, dict[str, object]]:
    file = Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml"
    if not file.is_file():
        raise BadOption(f"--recipe {name}: allowed: {', '.join(names())}, or a TOML file.")
    try:
        said = tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadOption(f"--recipe {name} is not TOML: {error}.") from None
    about = said.pop("about", {})
    known = {field.name for field in fields(About)} - {"name"}
    if not isinstance(about, dict) or about.keys() - known:
        raise BadOption(f"--recipe {name}: [about] may hold {', '.join(sorted(known))}.")
    return About(name=str(file) if name.endswith(".toml") else name, **about), said


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value
