"""`endocur shard`: the kept frames of a corpus as tar shards. Only what this command writes may leave."""

from __future__ import annotations

import hashlib
import sys
import threading
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from endocur import publish, tables
from endocur.account import Account, read_accounts
from endocur.configs import ShardConfig, worker_count
from endocur.corpus import Corpus, corpus_lock, open_corpus, read_settings, unit_markers
from endocur.ground import GROUND, ground
from endocur.select.wording import no_frames, with_corpus
from endocur.store import FrameReader, read_masks
from endoshards.errors import BadInput
from endoshards.files import fingerprint, refuse_source_tree
from endoshards.index import INDEX, read_index
from endoshards.settings import what
from endoshards.writer import write_set

COLUMNS = (
    "frame_id",
    "source_id",
    "group_id",
    "unit",
    "chapter",
    "offset",
    "size",
    "width",
    "height",
    "pts_us",
    "pts_made",
    "src_width",
    "src_height",
    "crop_x",
    "crop_y",
    "crop_w",
    "crop_h",
    "rotation",
    "sar_num",
    "sar_den",
    "scale_x",
    "scale_y",
    "view_id",
    "score_version",
    *publish.SCORES,
)
"""What a published sample depends on; all of it enters the fingerprint of the set."""

TOLD = ("frame_id", "source_id", "group_id", "pts_us", "pts_made", "view_id", *publish.SCORES, "score_version")
"""Columns that go into samples.parquet as they are; where a frame lies in the corpus is nobody else's business."""

WINDOWS = 24
"""Views kept worked out: about 5 MB each for a stored picture of 960 x 960."""


def run(config: ShardConfig) -> None:
    """Refuse what is stale or foreign, then write, or go on where a killed run stopped."""
    refuse_source_tree(config.out, f"endocur shard --out {config.out.parent / 'study-shards'}")
    corpus = open_corpus(config.corpus)
    with corpus_lock(corpus):
        tables.require_fresh(corpus)
        account = Account("shard", corpus.log)
        rows = kept_rows(corpus, account)
        mine = fingerprint({"corpus_id": read_settings(corpus)["corpus_id"]})
        replace = may_replace(config.out, mine)
        size = None if config.native_size else config.size
        load = Loader(corpus, rows, size, config.jpeg_quality)
        sys.stderr.write(f"shard: {len(rows):,} pictures, about {megabytes(expected_bytes(rows, size))}\n")
        with account.bar(len(rows)) as bar:
            index = write_set(
                config.out,
                load.keys,
                load,
                name=config.name,
                shard_bytes=config.shard_bytes,
                fingerprint=set_fingerprint(corpus, config, rows),
                samples=sample_table(rows, size),
                info={"corpus": mine} | provenance(corpus, config, account),
                card=card(config, rows),
                progress=bar.advance,
                workers=worker_count(config.workers),
                replace=replace,
            )
        facts = {"out": str(config.out), "shards": len(index.shards), "bytes": sum(one.bytes for one in index.shards)}
        again = {"config": what(config) | {"out": str(config.out)}, GROUND: ground(corpus, "shard")}
        account.finish(f"endomae pretrain --shards {config.out}/", index.fingerprint, facts | again)


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


def set_fingerprint(corpus: Corpus, config: ShardConfig, rows: pa.Table) -> str:
    """16 hex digits over settings, rows and the units the pictures come from: equal means equal bytes."""
    digest = hashlib.sha256()
    for name in COLUMNS:
        column = rows[name]
        text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
        data = "\n".join(column.to_pylist()).encode() if text else np.ascontiguousarray(column.to_numpy()).tobytes()
        digest.update(f"{name} {len(data)}\n".encode() + data)
    used = set(pc.unique(rows["unit"]).to_pylist())
    return fingerprint(
        {
            "version": publish.VERSION,
            "settings": what(config),
            "rows": digest.hexdigest(),
            "units": {marker.name: marker.fingerprint for marker in unit_markers(corpus) if marker.name in used},
        }
    )


def sample_table(rows: pa.Table, size: int | None) -> pa.Table:
    """What goes into samples.parquet, a row a sample: `key`, TOLD, published and source size; its JSON has the rest."""
    stored = zip(rows["width"].to_pylist(), rows["height"].to_pylist(), strict=True)
    width, height = zip(*(publish.fit(*one, size) for one in stored), strict=True)
    told = rows.select(TOLD).add_column(0, "key", rows["frame_id"])
    told = told.append_column("width", pa.array(width, pa.int32())).append_column(
        "height", pa.array(height, pa.int32())
    )
    return told.append_column("source_width", rows["src_width"]).append_column("source_height", rows["src_height"])


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


def card(config: ShardConfig, rows: pa.Table) -> dict[str, str]:
    """Lines of the data card."""
    size = "as stored" if config.native_size else f"short side at most {config.size} px"
    return {
        "pretty_name": config.name,
        "Pictures": f"{len(rows):,} endoscopic frames, {size}, black outside the view and under burned-in text",
        "Sources": f"{pc.count_distinct(rows['source_id']).as_py():,} videos or stills",
        "Groups": f"{pc.count_distinct(rows['group_id']).as_py():,} patients or procedures; split by group_id only",
        "Members": "`.jpg` picture · `.json` ids, scores, geometry · `.mask.png` white where there is tissue",
        "Leak checks": "unchecked: not compared with any benchmark",
    }


def expected_bytes(rows: pa.Table, size: int | None) -> float:
    """A guess of the set's size: stored bytes, less in proportion to the pixels; 2 kB a sample for the rest."""
    width, height, stored = (rows[name].to_numpy().astype(float) for name in ("width", "height", "size"))
    short = np.minimum(width, height)
    share = np.ones_like(short) if size is None else np.minimum(1.0, size / np.maximum(short, 1.0)) ** 2
    # Small pictures need more bytes a pixel: measured 1.4 to 1.8 times at a third of the side.
    return float((stored * share * np.where(share < 1, 1.6, 1.0)).sum() + 2048 * len(rows))


def megabytes(count: float) -> str:
    """Bytes as people read them, e.g. "31 MB"."""
    return f"{max(1.0, count / 1e6):,.0f} MB"


class Loader:
    """Gives the members of any kept frame; called from the writer's threads."""

    def __init__(self, corpus: Corpus, rows: pa.Table, size: int | None, quality: int) -> None:
        self.keys: Sequence[str] = rows["frame_id"].to_pylist()
        self._corpus, self._size, self._quality = corpus, size, quality
        self._columns = {name: rows[name].combine_chunks() for name in COLUMNS}
        self._reader = FrameReader(corpus)
        self._lock = threading.Lock()
        self._windows: OrderedDict[tuple[str, int, str], publish.Window] = OrderedDict()

    def __call__(self, key: str) -> Mapping[str, bytes]:
        """Extension -> bytes. Raises: BadInput where the corpus is damaged."""
        place = bisect_left(self.keys, key)
        row = {name: column[place].as_py() for name, column in self._columns.items()}
        view = self._window(row["unit"], row["chapter"], row["view_id"])
        jpeg = self._reader.jpeg(row["unit"], row["chapter"], row["offset"], row["size"])
        return {
            "jpg": publish.picture(jpeg, view, self._quality),
            "json": publish.sample_json(row, view.width, view.height),
            "mask.png": view.mask_png,
        }

    def _window(self, unit: str, chapter: int, view_id: str) -> publish.Window:
        name = (unit, chapter, view_id)
        with self._lock:
            found = self._windows.get(name)
            if found is not None:
                self._windows.move_to_end(name)
                return found
        # Worked out outside the lock; two threads may do the same once, with the same result.
        made = publish.window(read_masks(self._corpus, unit, chapter, view_id).tissue, self._size)
        with self._lock:
            self._windows[name] = made
            while len(self._windows) > WINDOWS:
                self._windows.popitem(last=False)
        return made
