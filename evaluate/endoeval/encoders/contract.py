"""What every encoder promises: its input contract, its features, and the protocol that all code relies on.

Nothing else in the project may guess a size, a normalisation or a pooling: they stand in `Contract`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from endoshards.errors import BadInput

Pooling = Literal["cls", "mean", "cls+mean"]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True, kw_only=True)
class Contract:
    """How an encoder wants its images, and how its tokens become one vector."""

    size: int
    """Side of the square input in pixels; images are squashed to it, so no pixel is lost."""
    mean: tuple[float, float, float] = IMAGENET_MEAN
    """Subtracted from RGB in [0, 1]."""
    std: tuple[float, float, float] = IMAGENET_STD
    """Divided by afterwards; above 0."""
    frames: int = 1
    """Frames an input; 1 for an image encoder."""
    pooling: Pooling = "cls"
    """`cls` is the encoder's own vector, `mean` the mean of its tissue patches, `cls+mean` both, end to end."""
    uses_mask: bool = False
    """True where the encoder reads the tissue mask itself; else pooling over tissue patches is ours."""
    patch: int | None = None
    """Pixels of the input a side of one patch token; None where the encoder has no patches."""
    dim: int
    """Length of `Features.cls` and of a patch token."""

    def __post_init__(self) -> None:
        """Check. Raises: BadInput."""
        if self.pooling not in get_args(Pooling):
            raise BadInput(f"pooling is {self.pooling!r}; allowed: {', '.join(get_args(Pooling))}.")
        if self.size < 1 or self.dim < 1 or self.frames < 1:
            raise BadInput(f"size {self.size}, dim {self.dim}, frames {self.frames}: each must be at least 1.")
        if len(self.mean) != 3 or len(self.std) != 3 or min(self.std) <= 0:
            raise BadInput(f"mean {self.mean} and std {self.std} must hold three numbers each, std above 0.")

    @property
    def vector_dim(self) -> int:
        """Length of the pooled vector."""
        return 2 * self.dim if self.pooling == "cls+mean" else self.dim

    def to_json(self) -> dict[str, Any]:
        """Plain values, as `endomae.json` and result files keep them."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Contract:
        """Read what `to_json` wrote. Raises: BadInput for a missing or unknown field."""
        fields = set(cls.__dataclass_fields__)
        strangers, missing = set(value) - fields, {"size", "dim"} - set(value)
        if strangers or missing:
            raise BadInput(
                f"the contract has unknown fields {sorted(strangers)} and lacks {sorted(missing)}; "
                f"known: {', '.join(sorted(fields))}."
            )
        triples = {name: tuple(float(x) for x in value[name]) for name in ("mean", "std") if name in value}
        return cls(**{**value, **triples})


@dataclass(frozen=True)
class Features:
    """What an encoder gives for B images."""

    cls: NDArray[np.float32]
    """[B, D]; for an encoder without a class token, its own global vector."""
    patches: NDArray[np.float32] | None
    """[B, h, w, D], row-major over the squashed image; None where there are none."""


class Encoder(Protocol):
    """Pixels to features; frozen, deterministic, eval mode."""

    @property
    def name(self) -> str:
        """What a reader calls it, e.g. `random:vit_small_patch16_224@0`."""
        ...

    @property
    def encoder_id(self) -> str:
        """Slug of the name + 8 hex of weights and contract; `[a-z0-9_-]`, fit for a folder name."""
        ...

    @property
    def contract(self) -> Contract:
        """Input contract."""
        ...

    def encode(self, images: NDArray[np.uint8], tissue: NDArray[np.bool_] | None = None) -> Features:
        """Features of a batch.

        Args:
            images: uint8 [B, 3, H, W], RGB, any H and W (shared by the batch), 0-255.
            tissue: bool [B, H, W], True inside the view and outside overlays; None: all of it.
        Returns: float32 features, finite.
        """
        ...
