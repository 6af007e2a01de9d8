"""One thing a check found on a list: a fault or a note, with count, share and examples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, SupportsInt

Kind = Literal["fault", "note"]
"""A fault makes a score on the list mean less than it says; a note is what a reader should know."""


@dataclass(frozen=True)
class Finding:
    """What one check found; a check that found nothing makes none."""

    check: str
    """Name of the check, stable: "groups-train-test"."""
    kind: Kind
    count: int
    """How many (groups, rows, pairs: `text` says which); at least 1."""
    test_share: float | None
    """Share of the test rows it touches, 0 to 1; None where test rows have no part in it."""
    text: str
    """One sentence in plain words, numbers inside."""
    examples: tuple[str, ...]
    """Up to five, by name."""


def several(count: SupportsInt, one: str, many: str) -> str:
    """`1 row lies`, `1,200 rows lie`."""
    return f"{int(count):,} {one if int(count) == 1 else many}"
