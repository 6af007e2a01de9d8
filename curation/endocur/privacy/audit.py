"""The audit of a set: what was checked, what was found, signed by the owner's key. Counts and boxes, never text."""

from __future__ import annotations

import hmac
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from endocur.identity import Key
from endocur.privacy import readback
from endoshards.errors import BadInput, CheckFailed
from endoshards.files import fingerprint, read_json, sha256_file, write_json
from endoshards.index import INDEX, SAMPLES, Index

FORMAT = 1
SIGNATURE = "signature"
LEVEL = 0.95
TOLD = 20
"""Frames whose boxes are named on the terminal; all of them stand in the audit."""


@dataclass(frozen=True)
class Fault:
    """Something beside the pixels that a set may not hold. Nothing of its content is repeated."""

    file: str
    """The set's file; `a file of another name` is only counted."""
    frame_id: str
    """The sample, where it is one's."""
    kind: str
    """header, member, name, json, jpeg, png, table, index, card, stray."""
    detail: str


@dataclass(frozen=True)
class Marked:
    """A frame with text in its final pixels."""

    frame_id: str
    shard: str
    width: int
    height: int
    """Of the published picture."""
    boxes: tuple[tuple[int, int, int, int], ...]
    """x, y, width, height of each line of text, in pixels of the published picture."""
    accepted: bool = False
    """A person looked at it and says that there is no text (`--accepted`)."""


@dataclass(frozen=True)
class Reading:
    """What was read of a set's pixels."""

    frames: int
    """Of the set."""
    drawn: int
    """Read of the random part; all frames with --all."""
    forced: int
    """Read beside it, for layouts and groups that it left out."""
    drawn_with_text: int
    forced_with_text: int
    unclear: int
    """Read frames where the detector found something that the recogniser made nothing of."""
    upper_bound: float
    """Of the share of frames with text, at LEVEL, from the random part."""


def audit_value(
    key: Key, folder: Path, index: Index, *, reading: Reading, faults: Sequence[Fault], marked: Sequence[Marked]
) -> dict[str, Any]:
    """The audit as JSON values, signed.

    Args:
        key: of the owner.
        folder: of the set.
        index: of the set.
        reading: counts.
        faults: beside the pixels.
        marked: frames with text.
    """
    told = {
        "audit": FORMAT,
        "key_check": key.check,
        "set": identity_of(folder, index),
        "read": asdict(reading)
        | {
            "level": LEVEL,
            "whole": reading.drawn == reading.frames,
            "reader": readback.VERSION,
            "legible": readback.LEGIBLE,
            "characters": readback.CHARACTERS,
            "scripts": list(readback.SCRIPTS),
        },
        "faults": [asdict(one) for one in faults],
        "faults_by_kind": dict(sorted(Counter(one.kind for one in faults).items())),
        "text": [asdict(one) | {"boxes": [list(box) for box in one.boxes]} for one in marked],
        "passed": not faults and all(one.accepted for one in marked),
    }
    return told | {SIGNATURE: key.signed(_message(told))}


def identity_of(folder: Path, index: Index) -> dict[str, Any]:
    """What makes a set this set: the sums of its files. The index vouches for the tars, whose bytes were compared."""
    beside = {name: sha256_file(folder / name) for name in (INDEX, SAMPLES, "README.md", "_info.json")}
    dali = [sha256_file(folder / shard.name.replace(".tar", ".idx")) for shard in index.shards]
    return {"content_fingerprint": index.content_fingerprint, "sha256": beside, "dali": fingerprint(dali)}


def audit_path(folder: Path) -> Path:
    """Where the audit of a set lies: beside its folder, never in it."""
    return folder.resolve().parent / f"{folder.resolve().name}.audit.json"


def write_audit(path: Path, value: dict[str, Any]) -> None:
    """Write it atomically."""
    write_json(path, value)


def read_audit(path: Path, key: Key) -> dict[str, Any]:
    """An audit of ours, its signature compared.

    Raises: BadInput if there is none, or it is no audit; CheckFailed if another key signed it or it was changed since.
    """
    try:
        value = read_json(path)
    except FileNotFoundError:
        raise BadInput(f"there is no audit at {path}; make one: endocur verify --privacy SHARDS") from None
    if not isinstance(value, dict) or not isinstance(value.get(SIGNATURE), str) or "audit" not in value:
        raise BadInput(f"{path} is no audit; make one: endocur verify --privacy SHARDS")
    if value.get("key_check") != key.check:
        raise CheckFailed(
            f"the audit {path} was signed with another key; pass that one with --key FILE, or audit anew."
        )
    told = {name: one for name, one in value.items() if name != SIGNATURE}
    if not hmac.compare_digest(value[SIGNATURE], key.signed(_message(told))):
        raise CheckFailed(
            f"the audit {path} was changed after it was signed; audit anew: endocur verify --privacy SHARDS"
        )
    if value["audit"] != FORMAT:
        raise BadInput(f"{path} is of format {value['audit']}, this version reads {FORMAT}; audit anew.")
    return value


def require_passed(path: Path, key: Key, folder: Path, index: Index) -> dict[str, Any]:
    """The audit of exactly these bytes, signed and passed. Raises: BadInput or CheckFailed with what to do.

    The bytes of the tars are those of the index only where `endoshards.verify` found no fault; call it before.
    """
    value = read_audit(path, key)
    if value["set"] != identity_of(folder, index):
        raise CheckFailed(
            f"the audit {path} is of other bytes than {folder} holds; audit these: endocur verify --privacy {folder}"
        )
    if not value["passed"]:
        raise CheckFailed(f"the audit {path} did not pass: {in_words(value, path)}")
    return value


def in_words(value: dict[str, Any], path: Path) -> str:
    """Why an audit did not pass, and what to do, as one sentence."""
    open_ = [one["frame_id"] for one in value["text"] if not one["accepted"]]
    parts = []
    if open_:
        first = ", ".join(open_[:TOLD]) + (f" and {len(open_) - TOLD:,} more" if len(open_) > TOLD else "")
        parts.append(
            f"{len(open_):,} of {value['read']['drawn'] + value['read']['forced']:,} frames read show text ({first}); "
            f"look at them, mask them with: endocur redact --from-audit {path}, decide and shard again, and read all "
            "frames then (--all)"
        )
    if value["faults"]:
        kinds = ", ".join(f"{kind} {count:,}" for kind, count in value["faults_by_kind"].items())
        parts.append(
            f"beside the pixels it holds what is not in the list of allowed things ({kinds}; each of them in {path}); "
            "write the shards anew: endocur shard"
        )
    return "; ".join(parts) + "."


def _message(told: dict[str, Any]) -> bytes:
    return json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode("ascii")
