"""Proof that a file's weights are in the model: every tensor set, none of another model, features moved.

Released evaluation code has scored encoders of which not one tensor was loaded and said "loaded
successfully"; a name match with `strict=False` is how that happens.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from endoshards.errors import BadInput

ROLES: Mapping[str, tuple[str, ...]] = {
    "head": ("head.", "fc.", "fc_norm."),
    "decoder": ("decoder",),
    "mask token": ("mask_token",),
    "projector": ("projector.",),
    "predictor": ("predictor.",),
}
"""Name starts of tensors that no encoder has a place for, by what they are: listed. Any other refuses the file."""
NOT_ENCODER = tuple(start for starts in ROLES.values() for start in starts)

FEATURES_MOVED = 1e-3
"""Least distance of loaded from seeded features, as a share of the latter's size."""


@dataclass(frozen=True)
class Proof:
    """What a load did."""

    tensors: int
    """Tensors of the architecture; all of them were set."""
    changed: int
    """Of these, how many differ from the seeded start."""
    unchanged: tuple[str, ...]
    """The others by name: equal to the start, as biases of zeros may be, or never set by who loaded them."""
    unused: tuple[str, ...]
    """Tensors of the file that the encoder has no place for (heads, decoders)."""
    unused_by_role: Mapping[str, tuple[str, ...]]
    """The same by what they are."""
    feature_distance: float
    """Mean absolute distance of features before and after, over the mean absolute size before."""


def fill(model: Any, tensors: Mapping[str, Any], probe: Callable[[Any], Any], where: str) -> Proof:
    """Set every tensor of `model` from `tensors`, or refuse.

    Args:
        model: a seeded model, changed in place.
        tensors: names to torch tensors.
        probe: gives the features of one fixed input as a float tensor.
        where: the file, for messages.
    Raises: BadInput for a missing, misshapen, foreign or non-finite tensor, and for weights that change nothing.
    """
    import torch

    wanted: dict[str, Any] = model.state_dict()
    missing = sorted(set(wanted) - set(tensors))
    if missing:
        raise _another_model(where, f"it lacks {_few(missing)}")
    shapes = [
        f"{name} is {tuple(tensors[name].shape)} where {tuple(wanted[name].shape)} is wanted"
        for name in sorted(wanted)
        if tensors[name].shape != wanted[name].shape
    ]
    if shapes:
        raise _another_model(where, _few(shapes))
    unused = tuple(sorted(set(tensors) - set(wanted)))
    foreign = [name for name in unused if not name.startswith(NOT_ENCODER)]
    if foreign:
        raise _another_model(where, f"it also holds {_few(foreign)}")
    for name in sorted(wanted):
        if tensors[name].is_floating_point() and not bool(torch.isfinite(tensors[name]).all()):
            raise BadInput(f"{where}: tensor {name} holds values that are not finite; take an earlier checkpoint.")
    unchanged = tuple(
        name for name in sorted(wanted) if torch.equal(tensors[name].to(wanted[name].dtype), wanted[name])
    )
    changed = len(wanted) - len(unchanged)
    before = probe(model)
    model.load_state_dict({name: tensors[name] for name in wanted}, strict=True)
    return Proof(len(wanted), changed, unchanged, unused, by_role(unused), moved(before, probe(model), changed, where))


def by_role(unused: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Tensors of `ROLES`, those roles only that hold one."""
    found = {role: tuple(name for name in unused if name.startswith(starts)) for role, starts in ROLES.items()}
    return {role: names for role, names in found.items() if names}


def moved(before: Any, after: Any, changed: int, where: str) -> float:
    """Relative distance of two feature tensors. Raises: BadInput if the load left the features as they were."""
    distance = float((after - before).abs().mean() / before.abs().mean().clamp_min(1e-12))
    if changed == 0 or not distance > FEATURES_MOVED:
        raise BadInput(
            f"{where}: {changed} tensors differ from random weights and features moved by {distance:.1e}; "
            "these are untrained weights, so nothing is scored. Use random:NAME to score random weights."
        )
    return distance


def weights_digest(model: Any) -> str:
    """Hex SHA-256 over names, types, shapes and bytes of all tensors, in the order of their names."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        array = tensor.detach().cpu().contiguous().numpy()
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _few(names: list[str]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"


def _another_model(where: str, evidence: str) -> BadInput:
    return BadInput(
        f"{where} holds the weights of another model: {evidence}. "
        "Nothing is scored; give the export of the model that config.json names."
    )
