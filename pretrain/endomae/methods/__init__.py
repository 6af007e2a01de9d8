"""Training methods: pure losses over tensors, and the closed table of those there are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from torch import nn

from endomae.methods import mae
from endomae.methods.method import Batch, Method, Pictures, Terms

if TYPE_CHECKING:
    from endomae.recipes import Recipe

__all__ = ["METHODS", "Batch", "Method", "Pictures", "Terms"]

METHODS: Mapping[str, Callable[[Recipe, nn.Module], Method]] = {"mae": mae.build}
"""Recipe's word -> function from (recipe, encoder) to the method, built whole before anything wraps it."""
