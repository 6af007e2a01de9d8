"""`endocur verify`: check shards to the last byte; with `--privacy` audit what they show and say."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

from endocur.account import Account, counted
from endocur.configs import VerifyConfig, worker_count
from endoshards.errors import BadInput, CheckFailed
from endoshards.index import read_index
from endoshards.verify import Finding, verify

SHOWN = 50
"""Faults printed; all of them are in --json."""


def run(config: VerifyConfig) -> None:
    """Check, print the faults, then the audit if one was asked for.

    Raises: CheckFailed (exit 4) if there are faults, BadInput (exit 3) without an index or a key.
    """
    samples = 0

    def count(more: int) -> None:
        nonlocal samples
        samples += more
        bar.advance(more)

    with Account("verify", config.shards).bar(None, "samples") as bar:
        found = verify(config.shards, decode=config.decode, progress=count)
    count_of_faults = counted(len(found), "fault")
    value: dict[str, object] = {"samples": samples, "decoded": config.decode, "faults": list(map(asdict, found))}
    if not config.json:
        sys.stdout.write(lines(found) + f"{samples:,} samples checked, {count_of_faults}\n")
    if found:
        if config.json:
            _write_json(value)
        raise CheckFailed(
            f"{config.shards} has {count_of_faults}; copy it again from where it "
            f"came, or write it anew: rm -r {config.shards}, then endocur shard --out {config.shards}"
        )
    if config.privacy:
        _audit(config, value)
    elif config.check_audit:
        _check_audit(config, value)
    elif config.json:
        _write_json(value)


def _audit(config: VerifyConfig, value: dict[str, object]) -> None:
    """Audit a set that was found whole. Raises: CheckFailed if it does not pass."""
    from endocur.identity import open_key
    from endocur.privacy import gate
    from endocur.privacy.audit import audit_path, in_words, write_audit

    key = open_key(config.key, outside=config.shards, may_make=False)
    accepted = gate.read_accepted(config.accepted)
    path = config.audit or audit_path(config.shards)
    if path.resolve().parent.is_relative_to(config.shards.resolve()):
        raise BadInput(f"--audit {path} lies among the shards, which leave without it; choose a place beside them.")
    account = Account("privacy audit", config.shards)
    with gate.progress(account) as begin:
        said = gate.audit_set(
            config.shards,
            key,
            sample=config.sample,
            whole=config.all,
            accepted=accepted,
            workers=worker_count(config.workers),
            begin=begin,
        )
    write_audit(path, said)
    if config.json:
        _write_json(value | {"audit": said})
    else:
        sys.stdout.write(gate.account_of(said) + f"audit: {path}\n")
    if not said["passed"]:
        raise CheckFailed(f"{config.shards} did not pass the privacy audit: {in_words(said, path)}")


def _check_audit(config: VerifyConfig, value: dict[str, object]) -> None:
    """Compare a set that was found whole with the audit there is. Raises: CheckFailed if it is not of these bytes."""
    from endocur.identity import open_key
    from endocur.privacy.audit import audit_path, require_passed

    key = open_key(config.key, outside=config.shards, may_make=False)
    path = config.audit or audit_path(config.shards)
    said = require_passed(path, key, config.shards, read_index(config.shards))
    if config.json:
        _write_json(value | {"audit": said})
    else:
        sys.stdout.write(f"audit: {path} is signed, is of these bytes, and passed\n")


def _write_json(value: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(value, indent=1, ensure_ascii=False) + "\n")


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
