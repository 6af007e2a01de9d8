"""`endocur verify`: check shards to the last byte."""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import asdict

from endocur.configs import VerifyConfig
from endoshards.errors import BadInput, CheckFailed
from endoshards.files import read_json

SHOWN = 50
"""Findings printed; all of them are in --json."""


def run(config: VerifyConfig) -> None:
    """Check, print the findings. Raises: CheckFailed (exit 4) with faults, BadInput (exit 3) without an index."""
    from endoshards.verify import verify

    if not (config.shards / "index.json").is_file():
        raise BadInput(f"{config.shards} holds no index.json, so no finished shards; make some: endocur shard.")
    found = verify(config.shards, decode=config.decode)
    index = read_json(config.shards / "index.json")
    listed = index.get("shardlist", []) if isinstance(index, dict) else []
    samples = sum(int(shard.get("nsamples", 0)) for shard in listed)
    if config.json:
        value = {
            "shards": len(listed),
            "samples": samples,
            "decoded": config.decode,
            "findings": [asdict(finding) for finding in found],
        }
        sys.stdout.write(json.dumps(value, indent=1, ensure_ascii=False) + "\n")
    else:
        kinds = Counter(finding.kind for finding in found)
        rows = [(finding.shard, finding.key or "-", finding.kind, finding.detail) for finding in found[:SHOWN]]
        if rows:
            sys.stdout.write(_table([("shard", "key", "fault", "detail"), *rows]))
        if len(found) > SHOWN:
            counts = ", ".join(f"{kind} {count:,}" for kind, count in sorted(kinds.items()))
            sys.stdout.write(f"and {len(found) - SHOWN:,} more; in all: {counts}. All of them: --json.\n")
        sys.stdout.write(f"{len(listed):,} shards, {samples:,} samples, {len(found):,} faults\n")
    if found:
        raise CheckFailed(
            f"{config.shards} has {len(found):,} faults; write it again: remove the folder and type endocur shard."
        )


def _table(rows: list[tuple[str, ...]]) -> str:
    wide = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    return "".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, wide, strict=False)) + f"  {row[-1]}\n" for row in rows
    )
