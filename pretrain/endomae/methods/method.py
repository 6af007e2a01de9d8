"""What the trainer asks of a method: a module that gives its loss as a sum and a count, and what to show of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

Batch = Mapping[str, Tensor]
"""One micro-batch on the device: `image` uint8 [B, H, W, 3], RGB; `tissue` uint8 [B, H, W], 1 inside the view and
outside overlays, absent where the shards hold no masks; `draws` float32 [B, draws] in [0, 1), keyed by the sample's
position, so that a method's chance does not depend on processes, micro-batches or a resume."""


class Terms(NamedTuple):
    """What a method's module returns for one micro-batch; the trainer divides sums by counts over the global batch."""

    loss_sum: Tensor
    """Scalar, float32, differentiable: the sum of the loss over everything counted."""
    counted: Tensor
    """Scalar, float32: over how many terms; 0 where the micro-batch held nothing to learn from."""
    shown: dict[str, tuple[Tensor, Tensor]]
    """More to log, name -> (sum, count); the same names in every micro-batch."""


class Pictures(NamedTuple):
    """What a reader should see of a method for a few fixed frames."""

    views: tuple[str, ...]
    """What each view of a frame shows, in order."""
    images: NDArray[np.uint8]
    """uint8 [frames, views, H, W, 3], RGB."""


@dataclass(frozen=True, kw_only=True)
class Method:
    """A method as the trainer sees it."""

    module: nn.Module
    """Called with a Batch, returns Terms; holds everything that is trained."""
    encoder: nn.Module
    """The part of `module` that is exported."""
    draws: int
    """Random numbers a sample needs."""
    pooling: str
    """How the exported encoder's tokens become one vector: `cls`, `mean` or `cls+mean`."""
    levels: Callable[[Iterable[Batch]], Mapping[str, float]]
    """Losses a reader needs beside the curve of given frames, by what reaches them without any learning."""
    views: tuple[str, ...]
    """What its pictures show of a frame, in order."""
    views_note: str
    """What a reader must know not to misread them; a sentence or nothing."""
    pictures: Callable[[Batch], Pictures]
    """What to show for fixed frames; no gradient, no side effect."""
    blocks: tuple[nn.Module, ...]
    """Repeated parts that `torch.compile` may take one by one."""
    shapes: Mapping[str, Any]
    """Facts of the built method for the dry run and the report, e.g. tokens seen."""
