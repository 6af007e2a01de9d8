"""How a corpus stands, from its markers and accounts alone: quick on any corpus. Standard library only."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

from endocur.account import DECIDING, counted, read_accounts
from endocur.configs import ShardConfig
from endocur.corpus import Corpus, UnitMarker, half_done, read_settings, unit_markers
from endocur.ground import GROUND, changed, ground_of, inputs_by_status
from endocur.redactions import pending
from endocur.select.wording import lower_filter, with_corpus
from endoshards.files import process_start

State = Literal["done", "stale", "unfinished", "not run"]

ROAD = ("extract", "filter", "dedup", "shard")
"""What `status` always names; other stages only where they ran."""

OTHERS = ("score", "embed", "report")


@dataclass(frozen=True)
class StageStanding:
    """One stage: its state, and what its last account says (zeros and empty where it never ran)."""

    name: str
    state: State
    seen: int = 0
    kept: int = 0
    dropped: Mapping[str, int] | None = None
    failed: int = 0
    finished: str = ""
    why: str = ""


@dataclass(frozen=True)
class Standing:
    """The whole corpus."""

    corpus: str
    corpus_id: str
    units: int
    videos: int
    frames: int
    inputs: Mapping[str, int]
    in_use: str
    stages: Sequence[StageStanding]
    next: str


def standing(corpus: Corpus) -> Standing:
    """Read markers, accounts and locks. Raises: BadInput if one of them is damaged."""
    markers, accounts = unit_markers(corpus), read_accounts(corpus)
    stages = [_extract(corpus, markers, accounts)]
    names = [name for name in (*DECIDING, "shard") if name in ROAD or name in accounts]
    broken = ""
    for name in names:
        stage = _stage(name, markers, accounts, broken)
        if stage.state == "not run" and (corpus.decisions / f"{name}.parquet").is_file():
            stage = replace(stage, state="unfinished", why="it did not come to its end")
        stages.append(stage)
        if stage.state == "stale":
            broken = broken or name
    stages += [_stage(name, markers, accounts, "") for name in OTHERS if name in accounts]
    return Standing(
        corpus=str(corpus.root),
        corpus_id=str(read_settings(corpus).get("corpus_id", "")),
        units=sum(marker.kind != "ignored" for marker in markers),
        videos=sum(marker.kind == "video" for marker in markers),
        frames=sum(marker.frames for marker in markers),
        inputs=inputs_by_status(markers),
        in_use=_in_use(corpus),
        stages=stages,
        next=with_corpus("endocur redact", corpus) if pending(corpus, markers) else _next(corpus, stages, accounts),
    )


def _extract(corpus: Corpus, markers: Sequence[UnitMarker], accounts: Mapping[str, Mapping[str, Any]]) -> StageStanding:
    open_units = len(half_done(corpus))
    said = accounts.get("extract")
    if not (open_units or said is None):
        return _told("extract", "done", said)
    if not markers and not open_units:
        return StageStanding("extract", "not run")
    why = f"{counted(open_units, 'video')} half done" if open_units else "it did not come to its end"
    return StageStanding("extract", "unfinished", why=why)


def _stage(
    name: str, markers: Sequence[UnitMarker], accounts: Mapping[str, Mapping[str, Any]], broken: str
) -> StageStanding:
    said = accounts.get(name)
    if said is None:
        return StageStanding(name, "not run")
    extra = said.get("extra", {})
    if broken:
        return _told(name, "stale", said, f"{broken} must be repeated first")
    why = changed(extra[GROUND], ground_of(markers, accounts, name)) if GROUND in extra else ""
    if why:
        return _told(name, "stale", said, why)
    if name == "shard" and not (Path(str(extra.get("out", ""))) / "index.json").is_file():
        return _told(name, "stale", said, f"there are no finished shards in {extra.get('out')}")
    return _told(name, "done", said)


def _told(name: str, state: State, said: Mapping[str, Any], why: str = "") -> StageStanding:
    counts = {field: int(said.get(field, 0)) for field in ("seen", "kept", "failed")}
    dropped = {str(reason): int(count) for reason, count in said.get("dropped", {}).items()}
    return StageStanding(name, state, **counts, dropped=dropped, finished=str(said.get("finished", "")), why=why)


def _next(corpus: Corpus, stages: Sequence[StageStanding], accounts: Mapping[str, Mapping[str, Any]]) -> str:
    """The first stage of the road that is not done, as a line to type; after the last, what that one's account says."""
    for stage in stages:
        if stage.name == "filter" and stage.state == "done" and not stage.kept:
            return lower_filter(corpus)
        if stage.state == "done" or stage.name in OTHERS:
            continue
        if stage.name == "extract":
            return (
                with_corpus("endocur extract videos/", corpus)
                if stage.state == "not run"
                else "endocur extract, as typed before"
            )
        return with_corpus(_line(stage.name, accounts.get(stage.name, {}).get("extra", {})), corpus)
    return str(accounts.get("shard", {}).get("next", ""))


def _line(stage: str, extra: Mapping[str, Any]) -> str:
    """The line that does a stage again as it was done, or for the first time."""
    if "again" in extra:
        return shlex.join(extra["again"])
    words = [f"endocur {stage}"]
    for option in fields(ShardConfig) if stage == "shard" else ():
        value = extra.get("config", {}).get(option.name)
        flag = f"--{option.name.replace('_', '-')}"
        if (
            value is None
            or value == option.default
            or value == list(option.default if isinstance(option.default, tuple) else ())
        ):
            continue
        if isinstance(value, bool):
            words.append(flag)
        else:
            words += [f"{flag} {shlex.quote(str(one))}" for one in (value if isinstance(value, list) else [value])]
    return " ".join(words)


def _in_use(corpus: Corpus) -> str:
    """Who holds a lock of this corpus, as one phrase; empty if nobody does, as far as this host can tell."""
    import socket

    for path in sorted(corpus.root.glob("lock-*")):
        try:
            owner = json.loads(path.read_text("utf-8"))
        except (OSError, json.JSONDecodeError, UnicodeDecodeError):
            continue
        here = owner.get("host") == socket.gethostname()
        if not here or process_start(int(owner.get("pid", -1))) == owner.get("started"):
            return f"process {owner.get('pid')} on {owner.get('host')}"
    return ""
