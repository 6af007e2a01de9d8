"""An encoder as a folder that `timm.create_model("local-dir:PATH", pretrained=True)` loads.

    config.json         timm's layout: architecture, arguments, input size, mean and std
    model.safetensors   the encoder's tensors, nothing else
    endomae.json        input contract, and where the weights come from

Without `pretrained=True` timm gives random weights from such a folder and says nothing: `README.md` warns of it.
"""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

import endoshards
from endoeval.encoders.contract import Contract
from endoeval.encoders.export import CONFIG, CONTRACT, WEIGHTS
from endomae.methods import METHODS
from endomae.models.encoder import build_encoder, model_args
from endomae.recipes import Recipe
from endomae.train.checkpoints import MODEL, read_state, read_tensors, require_same
from endomae.train.runs import RunFolder
from endoshards.errors import BadInput
from endoshards.files import TEMPORARY, read_json, sync_folder, write_atomic, write_json

PREFIX = "encoder."
README = """# {name}

An encoder trained by endomae (`{method}`, {steps} steps). Load it by

    import timm
    encoder = timm.create_model("local-dir:PATH/OF/THIS/FOLDER", pretrained=True)

`pretrained=True` is needed: without it timm gives random weights, without a word. The input is RGB, {size} x {size}
pixels, in [0, 1], minus mean {mean}, divided by std {std}. `endomae.json` says where the weights come from.

If `import timm` itself fails (`operator torchvision::nms does not exist`), torchvision is of another build than torch:
`endomae doctor` says how to install the matching one.
"""


def export(run: RunFolder, recipe: Recipe, which: str, out: Path) -> Path:
    """Write the encoder of a run's checkpoint.

    Args:
        run: with at least one checkpoint.
        recipe: the run's.
        which: "last" or "best".
        out: folder to write; an export that stands there is replaced, anything else is refused.
    Returns: `out`.
    Raises: BadInput if there is no checkpoint, or `out` holds something else.
    """
    folder = run.named(which)
    if folder is None:
        raise BadInput(f"{run.root} has no {which} checkpoint yet; train it first: endomae pretrain")
    if out.exists() and any(out.iterdir()) and not (out / CONTRACT).is_file():
        raise BadInput(f"{out} is not empty and no export; choose another folder with --out.")
    weights = read_tensors(folder / MODEL)
    encoder = build_encoder(recipe, seed=recipe.seed)
    method = METHODS[recipe.method](recipe, encoder)
    require_same(method.module.state_dict(), weights, folder / MODEL)
    encoder.load_state_dict({name.removeprefix(PREFIX): value for name, value in weights.items() if _ours(name)})
    contract = Contract(
        size=recipe.size,
        mean=recipe.mean,
        std=recipe.std,
        pooling=method.pooling,  # type: ignore[arg-type]
        patch=int(encoder.patch_embed.patch_size[0]),
        dim=int(encoder.embed_dim),
    )
    state = read_state(folder)
    facts: dict[str, Any] = read_json(run.facts) if run.facts.is_file() else {}
    provenance = {
        "run": run.name,
        "recipe": facts.get("recipe"),
        "method": recipe.method,
        "checkpoint": folder.name,
        "step": state["step"],
        "samples_seen": state["samples_seen"],
        "held_out_loss": state.get("best_held_out") if which == "best" else None,
        "settings": facts.get("settings"),
        "data": facts.get("data"),
        "endomae": endoshards.__version__,
    }
    _write(out, encoder.state_dict(), recipe, contract, provenance)
    return out


def _ours(name: str) -> bool:
    return name.startswith(PREFIX)


def _write(
    out: Path, tensors: dict[str, Tensor], recipe: Recipe, contract: Contract, provenance: dict[str, Any]
) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(f"{TEMPORARY}{secrets.token_hex(6)}")
    temporary.mkdir()
    try:
        plain = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
        save_file(plain, temporary / WEIGHTS, metadata={"format": "pt"})
        with (temporary / WEIGHTS).open("rb+") as handle:
            os.fsync(handle.fileno())
        write_json(temporary / CONFIG, config(recipe, contract))
        write_json(temporary / CONTRACT, {"contract": contract.to_json(), "provenance": provenance})
        values = {"name": provenance["run"], "steps": provenance["step"], "method": recipe.method}
        sides = {"size": contract.size, "mean": list(contract.mean), "std": list(contract.std)}
        write_atomic(temporary / "README.md", README.format(**values, **sides))
        if out.exists():
            shutil.rmtree(out)
        temporary.rename(out)
        sync_folder(out.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def config(recipe: Recipe, contract: Contract) -> dict[str, Any]:
    """timm's `config.json` of an encoder without a head."""
    return {
        "architecture": recipe.encoder,
        "num_classes": 0,
        "num_features": contract.dim,
        "global_pool": "token",
        "model_args": model_args(recipe),
        "pretrained_cfg": {
            "input_size": [3, contract.size, contract.size],
            "fixed_input_size": True,
            "interpolation": "bicubic",
            "crop_pct": 1.0,
            "crop_mode": "squash",
            "mean": list(contract.mean),
            "std": list(contract.std),
            "num_classes": 0,
            "pool_size": None,
            "first_conv": "patch_embed.proj",
            "classifier": "head",
        },
    }
