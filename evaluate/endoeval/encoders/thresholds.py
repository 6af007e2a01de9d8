"""From which cosine on two frames are called duplicates: one constant an encoder, each with its evidence.

A cosine means nothing across encoders, so there is no general number. An encoder enters this table when its
threshold was measured on pairs of known overlap; the evidence stands in docs/dedup.md. For all others the user
chooses: `endocur dedup` refuses to guess.
"""

from __future__ import annotations

DUPLICATE_COSINE = {"builtin:descriptor": 0.90}
"""Encoder spec -> cosine of the pooled, unit vectors at or above which two frames are duplicates."""


def duplicate_cosine(spec: str) -> float | None:
    """The measured constant of an encoder spec, or None where there is no evidence."""
    return DUPLICATE_COSINE.get(spec)
