"""Checkpoints: a folder written whole or not at all; tensors as safetensors, numbers as JSON, no pickles."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn, optim

from endomae.train.groups import Group
from endomae.train.runs import RunFolder
from endoshards.errors import BadInput
from endoshards.files import TEMPORARY, read_json, sync_folder, write_atomic, write_json

MODEL, OPTIMISER, STATE = "model.safetensors", "optimizer.safetensors", "state.json"


def save(
    run: RunFolder, module: nn.Module, optimiser: optim.Optimizer, groups: list[Group], state: dict[str, Any]
) -> Path:
    """Write `checkpoints/step-<n>/` and let `last` name it.

    Args:
        run: the run.
        module: unwrapped, its names are the file's.
        optimiser: made of `groups`.
        groups: give the optimiser's tensors their names.
        state: plain JSON values; `step` among them.
    Returns: the folder.
    """
    name = f"step-{state['step']:08d}"
    temporary = run.checkpoints / f"{TEMPORARY}{secrets.token_hex(6)}"
    temporary.mkdir(parents=True)
    try:
        save_file({key: _plain(value) for key, value in module.state_dict().items()}, temporary / MODEL)
        save_file(_flatten(optimiser, groups), temporary / OPTIMISER)
        for file in (MODEL, OPTIMISER):
            with (temporary / file).open("rb+") as handle:
                os.fsync(handle.fileno())
        write_json(temporary / STATE, state)
        folder = run.checkpoints / name
        if folder.exists():  # written before a kill that came before `last` could name it
            shutil.rmtree(folder)
        temporary.rename(folder)
        sync_folder(run.checkpoints)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    write_atomic(run.root / "last", name + "\n")
    return folder


def name_best(run: RunFolder, folder: Path) -> None:
    """Let `best` name a checkpoint."""
    write_atomic(run.root / "best", folder.name + "\n")


def tidy(run: RunFolder) -> None:
    """Remove checkpoints that neither `last` nor `best` names, and what a kill left half-written."""
    kept = {run.named("last"), run.named("best")}
    for folder in run.checkpoints.iterdir() if run.checkpoints.is_dir() else ():
        ours = re.fullmatch(r"step-\d{8,}", folder.name) or folder.name.startswith(TEMPORARY)
        if ours and folder not in kept:
            shutil.rmtree(folder)


def read_state(folder: Path) -> dict[str, Any]:
    """The numbers of a checkpoint. Raises: BadInput if it is damaged."""
    try:
        state = read_json(folder / STATE)
    except FileNotFoundError:
        raise BadInput(f"{folder} holds no {STATE}; it is no checkpoint. Remove the run to start anew.") from None
    if not isinstance(state, dict) or not isinstance(state.get("step"), int):
        raise BadInput(f"{folder / STATE} names no step; it is no checkpoint of this project.")
    return state


def load(folder: Path, module: nn.Module, optimiser: optim.Optimizer, groups: list[Group]) -> None:
    """Put a checkpoint's tensors in place, every one of them or none.

    Raises: BadInput if the checkpoint is damaged or another model's.
    """
    weights = read_tensors(folder / MODEL)
    require_same(module.state_dict(), weights, folder / MODEL)
    tensors = read_tensors(folder / OPTIMISER)
    wanted = {
        f"{kind}.{name}": parameter
        for group in groups
        for name, parameter in zip(group.names, group.parameters, strict=True)
        for kind in ("exp_avg", "exp_avg_sq")
    }
    require_same(
        wanted, {name: value for name, value in tensors.items() if not name.startswith("step.")}, folder / OPTIMISER
    )
    module.load_state_dict(weights, strict=True)
    for group in groups:
        for name, parameter in zip(group.names, group.parameters, strict=True):
            moments = {kind: tensors[f"{kind}.{name}"].to(parameter.device) for kind in ("exp_avg", "exp_avg_sq")}
            # A fused AdamW keeps its count where the parameter is, another one on the CPU.
            optimiser.state[parameter] = {"step": tensors[f"step.{name}"].to(parameter.device), **moments}


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a safetensors file. Raises: BadInput if it is missing or damaged."""
    try:
        return load_file(path)
    except FileNotFoundError:
        raise BadInput(f"{path} is missing; the checkpoint is not whole.") from None
    except SafetensorError as error:
        raise BadInput(f"{path} is damaged or no safetensors file ({error}).") from None


def require_same(wanted: dict[str, Any], found: dict[str, Tensor], path: Path) -> None:
    """Compare names and shapes. Raises: BadInput with the first differences."""
    missing, foreign = sorted(wanted.keys() - found.keys()), sorted(found.keys() - wanted.keys())
    shapes = [
        f"{name} {tuple(found[name].shape)} instead of {tuple(wanted[name].shape)}"
        for name in sorted(wanted.keys() & found.keys())
        if found[name].shape != wanted[name].shape
    ]
    for words, names in (("it lacks", missing), ("it also holds", foreign), ("shapes differ:", shapes)):
        if names:
            shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
            raise BadInput(f"{path} is a checkpoint of another model: {words} {shown}.")


def _flatten(optimiser: optim.Optimizer, groups: list[Group]) -> dict[str, Tensor]:
    return {
        f"{kind}.{name}": _plain(value)
        for group in groups
        for name, parameter in zip(group.names, group.parameters, strict=True)
        for kind, value in optimiser.state[parameter].items()
    }


def _plain(value: Tensor) -> Tensor:
    return value.detach().cpu().contiguous()
