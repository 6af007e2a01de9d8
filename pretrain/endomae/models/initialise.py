"""Start values of a masked autoencoder; they stand with the inference architectures, whose null rows need them."""

from __future__ import annotations

from endoeval.encoders.starts import initialise

__all__ = ["initialise"]
