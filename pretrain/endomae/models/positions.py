"""Fixed 2-D sine and cosine positions; they stand with the inference architectures, whose null rows need them."""

from __future__ import annotations

from endoeval.encoders.starts import sincos_positions

__all__ = ["sincos_positions"]
