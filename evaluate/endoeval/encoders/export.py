"""An exported encoder as a folder: `config.json` and `model.safetensors` (timm's layout) and `endomae.json`.

`endomae.json` = {"contract": {size, mean, std, pooling, ...}, "provenance": {"method": ..., ...}}. A folder of
timm's layout without it is read too, where its `pretrained_cfg` says size, mean and std. Tensors come from
safetensors only.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from endoeval.encoders import architectures
from endoeval.encoders.contract import Contract
from endoeval.encoders.network import Network, patch_side, probe, resolve_device
from endoeval.encoders.proof import fill
from endoshards.errors import BadInput
from endoshards.files import read_json

CONFIG, WEIGHTS, CONTRACT = "config.json", "model.safetensors", "endomae.json"


def load_folder(folder: Path, device: str = "auto") -> Network:
    """The encoder of a run or export folder, with the proof of its load.

    Raises: BadInput for a folder that is neither, an unknown architecture, or weights of another model.
    """
    name, folder = find_export(folder)
    config = _object(folder / CONFIG)
    architecture, model_args = str(config.get("architecture")), dict(config.get("model_args") or {})
    architectures.check(architecture, model_args)
    said = _object(folder / CONTRACT) if (folder / CONTRACT).is_file() else {}
    provenance = said.get("provenance") or {}
    start = str(provenance.get("method", "timm"))
    model = architectures.build(architecture, model_args, seed=0, start=start)
    contract = _contract(said.get("contract"), config, model, folder)
    proof = fill(model, read_tensors(folder / WEIGHTS), probe(contract), str(folder / WEIGHTS))
    return Network(name, architecture, contract, model, resolve_device(device), model_args, proof, provenance, start)


def find_export(folder: Path) -> tuple[str, Path]:
    """The name of a run or export and the folder that holds its three files. Raises: BadInput."""
    folder = folder.resolve()
    if (folder / CONFIG).is_file():
        return (folder.parent.name if folder.name == "export" else folder.name), folder
    if (folder / "export" / CONFIG).is_file():
        return folder.name, folder / "export"
    if (folder / "run.toml").is_file():
        raise BadInput(f"run {folder.name} has no export yet; let it finish, or type: endomae export {folder}")
    raise BadInput(f"{folder} is no run and no export: an export holds {CONFIG}, {WEIGHTS} and {CONTRACT}.")


def read_tensors(path: Path) -> dict[str, Any]:
    """All tensors of a safetensors file. Raises: BadInput if it is missing or damaged."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except FileNotFoundError:
        raise BadInput(f"{path} is missing; an export holds {CONFIG}, {WEIGHTS} and {CONTRACT}.") from None
    except SafetensorError as error:
        raise BadInput(f"{path} is damaged or no safetensors file ({error}); export the run again.") from None


def _contract(said: Any, config: Mapping[str, Any], model: Any, folder: Path) -> Contract:
    if said is None:
        record = config.get("pretrained_cfg") or {}
        if not {"input_size", "mean", "std"} <= set(record):
            raise BadInput(
                f"{folder} says neither in {CONTRACT} nor in pretrained_cfg of {CONFIG} which size, mean and std "
                "the encoder wants; nothing here guesses them."
            )
        pooling = "cls" if config.get("global_pool", "token") == "token" else "mean"
        said = {"size": record["input_size"][-1], "mean": record["mean"], "std": record["std"], "pooling": pooling}
    size = int(said.get("size", 0))
    patch = patch_side(model, size)
    contract = Contract.from_json({"dim": model.num_features, "patch": patch, **said})
    built = model.patch_embed.img_size[0]
    if contract.dim != model.num_features or contract.patch != patch or contract.size != built:
        raise BadInput(
            f"{folder}: the contract says {contract.size} px, patch {contract.patch}, {contract.dim} numbers; "
            f"the architecture has {built} px, patch {patch}, {model.num_features}."
        )
    return contract


def _object(path: Path) -> dict[str, Any]:
    value = read_json(path)
    if not isinstance(value, dict):
        raise BadInput(f"{path} holds {type(value).__name__}; a JSON object is wanted.")
    return value
