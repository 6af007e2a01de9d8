"""What a stage stood on when it ran, told from unit markers and accounts alone. Standard library only.

`endocur.tables` says the same from the tables themselves and is what commands go by; this is for `status`, which
must answer at once. A stage keeps its ground in its account; where the ground has changed since, it is stale.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from endocur.account import DECIDING, read_accounts
from endocur.corpus import Corpus, UnitMarker, unit_markers
from endoshards.files import fingerprint

GROUND = "ground"
"""Name of the entry in an account's `extra`."""


def ground(corpus: Corpus, stage: str) -> dict[str, Any]:
    """Frames and groups (16 hex digits), versions of the scores, fingerprints of earlier decisions, as they are now.

    Args:
        corpus: any corpus.
        stage: one of DECIDING, or any other word for what comes after all of them (shard, report).
    """
    from endocur.packs import score_versions

    # Extract scores too, and by its own version: only the score tables know which versions a corpus holds.
    return ground_of(unit_markers(corpus), read_accounts(corpus), stage) | {"scores": score_versions(corpus)}


def ground_of(markers: Iterable[UnitMarker], accounts: Mapping[str, Mapping[str, Any]], stage: str) -> dict[str, Any]:
    """The same from what was read already, without a library.

    `scores` is what the last `endocur score`, whose fingerprint is `scored`, made of all frames; empty if there
    was none. What extract added later does not show here: `changed` asks only whether `score` ran since.
    """
    before = DECIDING[: DECIDING.index(stage)] if stage in DECIDING else DECIDING
    units = [
        [marker.name, marker.made, marker.frames, sorted({(row.id, row.group) for row in marker.inputs})]
        for marker in markers
        if marker.frames
    ]
    score = accounts.get("score", {})
    return {
        "frames": fingerprint(units),
        "scored": score.get("fingerprint", ""),
        "scores": [score["extra"]["score_version"]] if score else [],
        "before": {name: accounts[name]["fingerprint"] for name in before if name in accounts},
    }


def changed(then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """What differs between two grounds, as a phrase; empty if nothing does."""
    if then.get("frames") != now["frames"]:
        return "frames or groups changed since"
    if now["scored"] not in ("", then.get("scored")) and now["scores"] != then.get("scores"):
        return "frames were scored again since"
    before, after = then.get("before", {}), now["before"]
    other = [name for name in DECIDING if before.get(name) != after.get(name)]
    return f"{' and '.join(other)} changed since" if other else ""


def inputs_by_status(markers: Iterable[UnitMarker]) -> dict[str, int]:
    """Status -> inputs; byte copies are counted apart."""
    counts = Counter(
        "copy" if row.copy_of and row.status != "failed" else row.status for marker in markers for row in marker.inputs
    )
    return dict(sorted((+counts).items()))
