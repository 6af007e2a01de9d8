"""`endocur shard`: the kept frames of a corpus as tar shards. Only what this command writes may leave."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from endocur import publish, tables
from endocur.account import Account, counted, read_accounts
from endocur.configs import ShardConfig, worker_count
from endocur.corpus import Corpus, corpus_lock, open_corpus, read_settings, unit_markers
from endocur.ground import GROUND, ground
from endocur.publish_set import COLUMNS, Loader, card, expected_bytes, sample_table, set_fingerprint
from endocur.select.wording import no_frames, with_corpus
from endocur.store import FrameReader
from endoshards.errors import BadInput
from endoshards.files import fingerprint, refuse_source_tree
from endoshards.index import INDEX, read_index
from endoshards.settings import config_fingerprint, what
from endoshards.writer import write_set


def run(config: ShardConfig) -> None:
    """Refuse what is stale or foreign, then write, or go on where a killed run stopped."""
    refuse_source_tree(config.out, "endocur shard --out study/shards")
    corpus = open_corpus(config.corpus)
    with corpus_lock(corpus):
        tables.require_fresh(corpus)
        account = Account("shard", corpus.log)
        account.note("start", fingerprint=config_fingerprint(config))
        rows = kept_rows(corpus, account)
        mine = fingerprint({"corpus_id": read_settings(corpus)["corpus_id"]})
        replace = may_replace(config.out, mine)
        units = {marker.name: marker.fingerprint for marker in unit_markers(corpus) if marker.frames}
        size = None if config.native_size else config.size
        sys.stderr.write(f"shard: {counted(len(rows), 'picture')}, about {expected_bytes(rows, size) / 1e6:,.1f} MB\n")
        with FrameReader(corpus) as reader, account.bar(len(rows)) as bar:
            load = Loader(corpus, reader, rows, size, config.jpeg_quality)
            index = write_set(
                config.out,
                load.keys,
                load,
                name=config.name,
                shard_bytes=config.shard_bytes,
                fingerprint=set_fingerprint(rows, what(config), units),
                samples=sample_table(rows, size),
                info={"corpus": mine} | provenance(corpus, config, account),
                card=card(rows, config.name, size),
                progress=bar.advance,
                workers=worker_count(config.workers),
                replace=replace,
            )
        facts = {"out": str(config.out), "shards": len(index.shards), "bytes": sum(one.bytes for one in index.shards)}
        again = {"config": what(config) | {"out": str(config.out)}, GROUND: ground(corpus, "shard")}
        account.finish(f"endomae pretrain --shards {shlex.quote(f'{config.out}/')}", index.fingerprint, facts | again)


def kept_rows(corpus: Corpus, account: Account) -> pa.Table:
    """Rows of the frames that every stage kept, COLUMNS, sorted by frame_id; the rest is counted in `account`.

    Raises: BadInput if there are none.
    """
    frames, verdict = tables.frames(corpus, list(COLUMNS)), tables.verdict(corpus)
    account.seen = len(frames)
    for step in tables.funnel(corpus):
        for reason, count in step["dropped"].items():
            account.drop(f"{step['stage']}: {reason}", count)
    kept = verdict.filter(pc.field("keep"))["frame_id"]
    rows = frames.filter(pc.is_in(frames["frame_id"], value_set=kept.combine_chunks())).combine_chunks()
    account.kept = len(rows)
    if not account.seen:
        raise no_frames(corpus)
    if not account.kept:
        said = ", ".join(f"{reason} {count:,}" for reason, count in sorted(account.dropped.items()))
        raise BadInput(
            f"all {account.seen:,} frames of {corpus.root} were dropped ({said}), so there is nothing to write; "
            f"lower a threshold and repeat: {with_corpus('endocur filter --min-quality 0.2', corpus)}"
        )
    return rows


def may_replace(out: Path, mine: str) -> bool:
    """True if what lies in `out` is an older set of this corpus, or nothing finished.

    Raises: BadInput if it is a file, or a set of another corpus or of another program.
    """
    if out.exists() and not out.is_dir():
        raise BadInput(f"{out} is a file; shards need a folder: --out OTHER.")
    if not (out / INDEX).is_file():
        return True
    if read_index(out).info.get("corpus") != mine:
        raise BadInput(f"{out} holds shards of another corpus; give these a folder of their own: --out OTHER.")
    return True


def provenance(corpus: Corpus, config: ShardConfig, account: Account) -> dict[str, object]:
    """What index.json keeps of how the set came to be: settings of each stage, the sum, what was not checked."""
    accounts = read_accounts(corpus)
    settings: dict[str, Any] = {"extract": read_settings(corpus)["extract"], "shard": what(config)}
    for stage in ("filter", "dedup"):
        if stage in accounts:
            settings[stage] = accounts[stage]["extra"].get("config", {})
    return {
        "publish_version": publish.VERSION,
        "settings": settings,
        "encoder": accounts.get("dedup", {}).get("extra", {}).get("encoder_id"),
        "leak_checks": "unchecked",
        "seen": account.seen,
        "kept": account.kept,
        "dropped": dict(sorted(account.dropped.items())),
    }
