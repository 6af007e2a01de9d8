"""Fields of others in `index.json`: kept when the index of the same set is written again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def foreign_fields(said: Mapping[str, Any], ours: Mapping[str, Any]) -> dict[str, Any]:
    """What an index says beside what we would write: `index` for the whole, `shards` by the shard's name.

    Args:
        said: content of an `index.json`.
        ours: what `Index.to_json` gives for it.
    """
    known = {entry["url"]: entry for entry in ours["shardlist"]}
    more = {entry["url"]: _beside(entry, known[entry["url"]]) for entry in said["shardlist"]}
    return {"index": _beside(said, ours), "shards": {url: fields for url, fields in more.items() if fields}}


def with_foreign(ours: Mapping[str, Any], foreign: Mapping[str, Any]) -> dict[str, Any]:
    """The index to be written: ours, then theirs; what we write wins over a field of the same name."""
    shards = foreign.get("shards", {})
    entries = [entry | _beside(shards.get(entry["url"], {}), entry) for entry in ours["shardlist"]]
    return {**ours, "shardlist": entries} | _beside(foreign.get("index", {}), ours)


def _beside(said: Mapping[str, Any], ours: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in said.items() if name not in ours}
