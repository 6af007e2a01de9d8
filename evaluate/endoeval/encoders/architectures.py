"""The closed table of image architectures an export may name, and how one is built. Names are timm's.

An export holds a name, a few numbers and tensors, never code. `endomae.models` builds its encoders here too.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from endoeval.encoders.timm_import import import_timm
from endoshards.errors import BadInput

ARCHITECTURES = (
    "vit_tiny_patch16_224",
    "vit_small_patch16_224",
    "vit_base_patch16_224",
    "vit_large_patch16_224",
    "vit_huge_patch14_224",
)
"""timm vision transformers with a class token; other sizes by `MODEL_ARGS`."""

MODEL_ARGS = ("img_size", "patch_size", "embed_dim", "depth", "num_heads", "mlp_ratio")
"""What may differ from the named architecture, e.g. a small one for a CPU: 128 px, width 192."""


def build(architecture: str, model_args: Mapping[str, Any] | None = None, *, seed: int = 0, start: str = "timm") -> Any:
    """An encoder of the table with seeded random weights, without a head, in eval mode, on the CPU.

    Args:
        architecture: a name of `ARCHITECTURES`.
        model_args: numbers of `MODEL_ARGS` that differ from it.
        seed: of the weights; the caller's random state is left as it was.
        start: a method of `starts.STARTS`, whose start values it gets; timm's own for any other word.
    Returns: a `torch.nn.Module` of timm: `forward_features` gives [B, 1 + patches, D], class token first.
    Raises: BadInput for a name or an argument that is not in the table, or numbers that do not fit together.
    """
    check(architecture, model_args or {})
    try:
        return build_timm(architecture, model_args or {}, seed=seed, start=start)
    except (AssertionError, ValueError) as error:
        said = ", ".join(f"{name} {value}" for name, value in (model_args or {}).items())
        raise BadInput(f"{architecture} cannot be built with {said}: {error}.") from None


def check(architecture: str, model_args: Mapping[str, Any]) -> None:
    """Refuse what the table does not hold. Raises: BadInput naming what is allowed."""
    if architecture not in ARCHITECTURES:
        raise BadInput(f"architecture {architecture!r} is not known; allowed: {', '.join(ARCHITECTURES)}.")
    for name, value in model_args.items():
        if name not in MODEL_ARGS:
            raise BadInput(f"model argument {name!r} is not known; allowed: {', '.join(MODEL_ARGS)}.")
        if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
            raise BadInput(f"model argument {name} is {value!r}; a number above 0 is wanted.")


def build_timm(name: str, model_args: Mapping[str, Any], *, seed: int, start: str = "timm") -> Any:
    """Any timm model with seeded random weights, without a head, in eval mode.

    Raises: BadInput if timm has no such model.
    """
    import torch

    from endoeval.encoders.starts import STARTS

    timm = import_timm()
    check_timm_name(timm, name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = timm.create_model(name, pretrained=False, num_classes=0, **model_args)
        if start in STARTS:
            torch.manual_seed(seed)
            STARTS[start](model)
    return model.eval()


def check_timm_name(timm: Any, name: str) -> None:
    """Raises: BadInput with near names if timm has no model of this name."""
    if timm.is_model(name):
        return
    near = get_close_matches(name, timm.list_models(), n=3)
    hint = f"did you mean {', '.join(near)}?" if near else "`timm.list_models()` lists them."
    raise BadInput(f"timm has no model {name!r}; {hint}")
