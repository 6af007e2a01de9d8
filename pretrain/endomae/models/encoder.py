"""The encoder to be trained: an architecture of `endoeval.encoders`, with fixed positions and MAE's start values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from endoeval.encoders import architectures
from endomae.models.initialise import initialise
from endomae.models.positions import sincos_positions
from endoshards.errors import BadInput

if TYPE_CHECKING:
    from endomae.recipes import Recipe


def model_args(recipe: Recipe) -> dict[str, int]:
    """What differs from the named architecture, in timm's words; an export repeats it."""
    said = {
        "img_size": recipe.size,
        "embed_dim": recipe.encoder_width,
        "depth": recipe.encoder_depth,
        "num_heads": recipe.encoder_heads,
    }
    return {name: value for name, value in said.items() if value is not None}


def build_encoder(recipe: Recipe, seed: int) -> Any:
    """A vision transformer in training mode, on the CPU, with seeded start values.

    Positions are fixed 2-D sines and cosines: no gradient reaches them, yet they stand in the state as timm's
    `pos_embed`, so that an export needs no code of ours.

    Args:
        recipe: names the architecture and what differs.
        seed: of the start values.
    Raises: BadInput if the size is no multiple of the patch, or widths and heads do not fit.
    """
    try:
        encoder = architectures.build(recipe.encoder, model_args(recipe), seed=seed)
    except AssertionError as error:
        raise BadInput(f"encoder {recipe.encoder} cannot be built with {model_args(recipe)}: {error}.") from None
    patch = int(encoder.patch_embed.patch_size[0])
    if recipe.size % patch:
        raise BadInput(f"--size is {recipe.size}; a multiple of the patch of {recipe.encoder}, {patch} px, is wanted.")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        initialise(encoder)
    with torch.no_grad():
        encoder.pos_embed.copy_(sincos_positions(int(encoder.embed_dim), recipe.size // patch))
    encoder.pos_embed.requires_grad_(False)
    return encoder.train()
