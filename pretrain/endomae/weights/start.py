"""Start an encoder from other weights: every tensor of it is set, or the start is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from endoeval.encoders import load
from endoeval.encoders.export import WEIGHTS, find_export, read_tensors
from endoeval.encoders.proof import NOT_ENCODER
from endoshards.errors import BadInput


def start_from(encoder: Any, spec: str) -> int:
    """Set an encoder's tensors.

    Args:
        encoder: a timm VisionTransformer, changed in place.
        spec: a run or export folder, or timm:NAME (published weights; fetched by timm).
    Returns: how many tensors were set: all of them.
    Raises: BadInput if the spec names nothing, or the tensors are another model's.
    """
    tensors = _published(spec) if spec.startswith("timm:") else _exported(Path(spec))
    wanted = encoder.state_dict()
    missing = sorted(wanted.keys() - tensors.keys())
    foreign = sorted(name for name in tensors.keys() - wanted.keys() if not name.startswith(NOT_ENCODER))
    shapes = sorted(
        f"{name} {tuple(tensors[name].shape)} instead of {tuple(wanted[name].shape)}"
        for name in wanted.keys() & tensors.keys()
        if tensors[name].shape != wanted[name].shape
    )
    for words, names in (("it lacks", missing), ("it also holds", foreign), ("shapes differ:", shapes)):
        if names:
            shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
            raise BadInput(
                f"--init {spec} holds the weights of another model: {words} {shown}. "
                "Choose the recipe whose encoder and size it was trained with."
            )
    encoder.load_state_dict({name: tensors[name] for name in wanted}, strict=True)
    return len(wanted)


def _published(spec: str) -> dict[str, Any]:
    model: Any = getattr(load(spec, "cpu"), "model")  # noqa: B009 - the protocol does not promise it, this kind has it
    state: dict[str, Any] = model.state_dict()
    return state


def _exported(folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        raise BadInput(f"--init {folder}: no such folder; allowed: a run, an export or timm:NAME.")
    return read_tensors(find_export(folder)[1] / WEIGHTS)
