"""`endocur verify`: check shards to the last byte."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

from endocur.account import Account
from endocur.configs import VerifyConfig
from endoshards.errors import CheckFailed
from endoshards.verify import Finding, verify

SHOWN = 50
"""Faults printed; all of them are in --json."""


def run(config: VerifyConfig) -> None:
    """Check, print the faults. Raises: CheckFailed (exit 4) if there are any, BadInput (exit 3) without an index."""
    samples = 0

    def count(more: int) -> None:
        nonlocal samples
        samples += more
        bar.advance(more)

    with Account("verify", config.shards).bar(None, "samples") as bar:
        found = verify(config.shards, decode=config.decode, progress=count)
    count_of_faults = f"{len(found):,} fault{'' if len(found) == 1 else 's'}"
    if config.json:
        faults = [asdict(finding) for finding in found]
        value = {"samples": samples, "decoded": config.decode, "faults": faults}
        sys.stdout.write(json.dumps(value, indent=1, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write(lines(found) + f"{samples:,} samples checked, {count_of_faults}\n")
    if found:
        raise CheckFailed(
            f"{config.shards} has {count_of_faults}; copy it again from where it "
            f"came, or write it anew: rm -r {config.shards}, then endocur shard --out {config.shards}"
        )


def lines(found: Sequence[Finding]) -> str:
    """The first faults as a table, and how many more there are of which kind."""
    if not found:
        return ""
    rows = [("shard", "sample", "fault", "detail")]
    rows += [(one.shard or "-", one.key or "-", one.kind, one.detail) for one in found[:SHOWN]]
    wide = [max(len(row[column]) for row in rows) for column in range(3)]
    out = [
        "  ".join([f"{cell:<{width}}" for cell, width in zip(row[:3], wide, strict=True)] + [row[3]]) for row in rows
    ]
    if len(found) > SHOWN:
        kinds = Counter(one.kind for one in found)
        counts = ", ".join(f"{kind} {count:,}" for kind, count in sorted(kinds.items()))
        out.append(f"and {len(found) - SHOWN:,} more; in all: {counts}; each of them: --json")
    return "\n".join(out) + "\n"
