"""Encoders: pixels to features. `load(spec)` is the only door; a spec is

RUN or EXPORT   a folder that `endomae pretrain` or `endomae export` wrote
timm:NAME       a timm model with its published weights (fetched by timm; needs a network or a cache)
random:NAME     the same architecture with seeded random weights; `random:NAME@SEED`
builtin:descriptor   training-free colour and texture statistics, no network, no torch
"""

from __future__ import annotations

from pathlib import Path

from endoeval.encoders.contract import Contract, Encoder, Features
from endoeval.encoders.pooling import pool, vectors
from endoshards.errors import BadInput

__all__ = ["Contract", "Encoder", "Features", "duplicate_cosine", "load", "pool", "require_known", "vectors"]

DESCRIPTOR = "builtin:descriptor"


def require_known(spec: str) -> None:
    """Refuse what cannot name an encoder, before anything is loaded. Raises: BadInput."""
    kind, _, name = spec.partition(":")
    if spec != DESCRIPTOR and not (kind in ("timm", "random") and name) and not (spec and Path(spec).is_dir()):
        raise BadInput(
            f"{spec!r} names no encoder; allowed: a run or export folder that exists, timm:NAME, random:NAME, "
            f"{DESCRIPTOR}."
        )


def load(spec: str, device: str = "auto") -> Encoder:
    """The encoder a spec names, proven to be loaded.

    Args:
        spec: see the head of this module.
        device: "auto", "cpu" or "cuda".
    Raises: BadInput for an unknown spec, weights that are not there, a checkpoint of another model,
        or a device this machine lacks.
    """
    require_known(spec)
    kind, _, name = spec.partition(":")
    if spec == DESCRIPTOR:
        from endoeval.encoders.descriptor import Descriptor

        if device not in ("auto", "cpu"):
            raise BadInput(f"--device is {device}, but {DESCRIPTOR} runs on the processor; say auto or cpu.")
        return Descriptor()
    if kind == "timm" and name:
        from endoeval.encoders.network import load_timm

        return load_timm(name, device)
    if kind == "random" and name:
        from endoeval.encoders.network import load_random

        return load_random(name, device)
    from endoeval.encoders.export import load_folder

    return load_folder(Path(spec), device)


def duplicate_cosine(spec: str) -> float | None:
    """The cosine above which two frames count as duplicates, or None where no evidence exists for this encoder."""
    from endoeval.encoders.thresholds import duplicate_cosine as table

    return table(spec)
