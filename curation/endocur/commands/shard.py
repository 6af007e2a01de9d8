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
from endocur.identity import open_key
from endocur.privacy import gate
from endocur.privacy.audit import audit_path, in_words, require_passed, write_audit
from endocur.privacy.fields import publishable
from endocur.privacy.publication import aside, put_in_place, settle
from endocur.publish_set import COLUMNS, Loader, card, expected_bytes, sample_table, set_fingerprint
from endocur.select.wording import no_frames, with_corpus
from endocur.store import FrameReader
from endoshards.errors import BadInput, CheckFailed, EndoError
from endoshards.files import fingerprint, refuse_source_tree
from endoshards.index import INDEX, Index, read_index
from endoshards.settings import config_fingerprint, what
from endoshards.verify import verify
from endoshards.writer import write_set


def run(config: ShardConfig) -> None:
    """Refuse what is stale or foreign, then write, or go on where a killed run stopped."""
    refuse_source_tree(config.out, "endocur shard --out study/shards")
    corpus = open_corpus(config.corpus)
    with corpus_lock(corpus):
        tables.require_fresh(corpus)
        gate = _Gate(config, corpus) if config.require_audit else None
        account = Account("shard", corpus.log)
        account.note("start", fingerprint=config_fingerprint(config))
        rows = kept_rows(corpus, account)
        mine = fingerprint({"corpus_id": read_settings(corpus)["corpus_id"]})
        may_replace(config.out, mine)
        made = set_fingerprint(rows, what(config), {one.name: one.made for one in unit_markers(corpus) if one.frames})
        out = config.out if gate is None else gate.target(made)
        index = _write(config, corpus, account, rows, out=out, made=made, mine=mine)
        audited = {} if gate is None else gate.pass_(out, index)
        facts = {"out": str(config.out), "shards": len(index.shards), "bytes": sum(one.bytes for one in index.shards)}
        said = what(config) | {"out": str(config.out), "require_audit": config.require_audit}
        again = {"config": said, GROUND: ground(corpus, "shard")}
        following = f"endomae pretrain --shards {shlex.quote(f'{config.out}/')}"
        account.finish(following, index.fingerprint, facts | audited | again)


def _write(
    config: ShardConfig, corpus: Corpus, account: Account, rows: pa.Table, *, out: Path, made: str, mine: str
) -> Index:
    """Write the set, or take what stands of it."""
    size = None if config.native_size else config.size
    sys.stderr.write(f"shard: {counted(len(rows), 'picture')}, about {expected_bytes(rows, size) / 1e6:,.1f} MB\n")
    with FrameReader(corpus) as reader, account.bar(len(rows)) as bar:
        load = Loader(corpus, reader, rows, size, config.jpeg_quality)
        return write_set(
            out,
            load.keys,
            load,
            name=config.name,
            shard_bytes=config.shard_bytes,
            fingerprint=made,
            samples=sample_table(rows, size),
            info={"corpus": mine} | provenance(corpus, config, account),
            card=card(rows, config.name, size),
            progress=bar.advance,
            workers=worker_count(config.workers),
            replace=True,
        )


class _Gate:
    """`--require-audit`: the set is written aside, audited there, and put in its place only if it passes."""

    def __init__(self, config: ShardConfig, corpus: Corpus) -> None:
        """Raises: BadInput for a missing or another key, or a list of accepted frames that is none."""
        self._config, self._corpus = config, corpus
        self._key = open_key(config.key, outside=config.corpus, may_make=False)
        if self._key.check != read_settings(corpus)["key_check"]:
            raise BadInput(f"{config.corpus} was made with another key file; pass that one with --key FILE.")
        self._accepted = gate.read_accepted(config.accepted)
        self._audit = audit_path(config.out)

    def target(self, made: str) -> Path:
        """Where the set is written: aside, unless exactly this set is published already."""
        settle(self._config.out)
        published = self._config.out / INDEX
        if published.is_file() and read_index(self._config.out).fingerprint == made:
            return self._config.out
        return aside(self._config.out)

    def pass_(self, out: Path, index: Index) -> dict[str, object]:
        """Audit what lies in `out` and publish it. Returns: facts for the account. Raises: CheckFailed."""
        if found := verify(out, decode=False):
            raise CheckFailed(f"{out} has {counted(len(found), 'fault')}; remove it and type the same line again.")
        said = self._known(out, index) or self._made(out)
        sys.stdout.write(gate.account_of(said) + f"audit: {self._audit}\n")
        if not said["passed"]:
            where = f"{out} is not published" if out != self._config.out else f"{out} is published: take it back"
            raise CheckFailed(f"{where}, it did not pass the privacy audit: {in_words(said, self._audit)}")
        if out != self._config.out:
            put_in_place(self._config.out)
        return {"audit": str(self._audit), "frames read": said["read"]["drawn"] + said["read"]["forced"]}

    def _known(self, out: Path, index: Index) -> dict[str, Any] | None:
        """The audit there is, if it is of these bytes, as thorough as asked for, and passed."""
        try:
            said = require_passed(self._audit, self._key, out, index)
        except EndoError:
            return None  # none, or of other bytes, or changed: it is made anew, and that one decides
        wanted = index.total if self._config.audit_all else min(self._config.audit_sample, index.total)
        return said if said["read"]["drawn"] >= wanted else None

    def _made(self, out: Path) -> dict[str, Any]:
        with gate.progress(Account("privacy audit", self._corpus.log)) as begin:
            said = gate.audit_set(
                out,
                self._key,
                sample=self._config.audit_sample,
                whole=self._config.audit_all,
                accepted=self._accepted,
                workers=worker_count(self._config.workers),
                begin=begin,
            )
        write_audit(self._audit, said)
        return said


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


def may_replace(out: Path, mine: str) -> None:
    """Refuse to write over what is no older set of this corpus.

    Raises: BadInput if it is a file, or a set of another corpus or of another program.
    """
    if out.exists() and not out.is_dir():
        raise BadInput(f"{out} is a file; shards need a folder: --out OTHER.")
    if (out / INDEX).is_file() and read_index(out).info.get("corpus") != mine:
        raise BadInput(f"{out} holds shards of another corpus; give these a folder of their own: --out OTHER.")


def provenance(corpus: Corpus, config: ShardConfig, account: Account) -> dict[str, object]:
    """What index.json keeps of how the set came to be: settings of each stage, the sum, what was not checked."""
    accounts = read_accounts(corpus)
    settings: dict[str, Any] = {"extract": read_settings(corpus)["extract"], "shard": what(config)}
    for stage in ("filter", "dedup"):
        if stage in accounts:
            settings[stage] = accounts[stage]["extra"].get("config", {})
    return {
        "publish_version": publish.VERSION,
        "settings": {stage: publishable(said) for stage, said in settings.items()},
        "encoder": accounts.get("dedup", {}).get("extra", {}).get("encoder_id"),
        "leak_checks": "unchecked",
        "seen": account.seen,
        "kept": account.kept,
        "dropped": dict(sorted(account.dropped.items())),
    }
