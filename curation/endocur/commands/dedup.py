"""`endocur dedup`: drops near copies of better frames, each with the kept frame as evidence."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from endocur import tables
from endocur.account import Account
from endocur.configs import DedupConfig, worker_count
from endocur.corpus import Corpus, corpus_lock, open_corpus, unit_markers
from endocur.ground import GROUND, ground
from endocur.select.dedup import VERSION, find_duplicates
from endocur.select.embeddings import Vectors, embed_corpus, unfinished
from endocur.select.search import make_search
from endocur.select.wording import lower_filter, no_frames, with_corpus
from endoshards.errors import BadInput
from endoshards.files import remove_temporaries
from endoshards.settings import config_fingerprint, what

if TYPE_CHECKING:
    from endoeval.encoders import Encoder

REASON = "duplicate"


def run(config: DedupConfig) -> None:
    """Embed what is missing, compare, write decisions, give account."""
    from endoeval.encoders import load, require_known

    require_known(config.encoder)
    corpus = open_corpus(config.corpus)
    with corpus_lock(corpus):
        tables.require_fresh(corpus, before="dedup")
        account = Account("dedup", corpus.log)
        account.note("start", fingerprint=config_fingerprint(config))
        remove_temporaries(corpus.decisions)
        frames = best_first(corpus)
        threshold = threshold_of(config)
        encoder = load(config.encoder, config.device)
        settings = {"encoder": encoder.encoder_id, "threshold": threshold, "version": VERSION}
        fingerprint = tables.stage_fingerprint(corpus, "dedup", settings)
        again = _again(config)
        decisions = tables.decided_so(corpus, "dedup", fingerprint)
        if decisions is None:
            embed_missing(corpus, encoder, account)
            decisions = decide(corpus, encoder, frames, threshold, account)
            account.forget()
            tables.write_decisions(corpus, "dedup", decisions, fingerprint, command=shlex.join(again))
        account.seen, account.kept = len(decisions), pc.sum(decisions["keep"].cast(pa.int64())).as_py()
        account.drop(REASON, account.seen - account.kept)
        account.finish(
            with_corpus("endocur shard", corpus),
            fingerprint,
            {
                "encoder_id": encoder.encoder_id,
                "threshold": threshold,
                "config": {**what(config), "threshold": threshold},
                "again": again,
                GROUND: ground(corpus, "dedup"),
            },
        )


def best_first(corpus: Corpus) -> pa.Table:
    """Frames that came this far, by quality descending, then frame_id: frame_id, quality, unit, chapter, row.

    Raises: BadInput if there are none.
    """
    frames = tables.frames(corpus, ["frame_id", "quality", "unit", "chapter", "row"])
    if not len(frames):
        raise no_frames(corpus)
    seen = len(frames)
    frames = frames.filter(pc.is_in(frames["frame_id"], value_set=tables.kept_before(corpus, "dedup")))
    if not len(frames):
        raise BadInput(
            f"all {seen:,} frames of {corpus.root} were dropped before dedup; "
            f"lower a threshold and go on from there: {lower_filter(corpus)}"
        )
    return frames.take(pc.sort_indices(frames, [("quality", "descending"), ("frame_id", "ascending")]))


def threshold_of(config: DedupConfig) -> float:
    """`--threshold`, or the encoder's measured constant. Raises: BadInput if there is neither."""
    from endoeval.encoders import duplicate_cosine

    threshold = config.threshold if config.threshold is not None else duplicate_cosine(config.encoder)
    if threshold is None:
        raise BadInput(
            f"no threshold is known for the encoder {config.encoder}: cosines of two encoders do not compare. "
            "Say --threshold, for example 0.98; docs/dedup.md tells how to choose one."
        )
    return threshold


def embed_missing(corpus: Corpus, encoder: Encoder, account: Account) -> None:
    """Features of the frames that have none yet."""
    todo = unfinished(corpus, encoder.encoder_id)
    if todo:
        total = sum(marker.frames for marker in unit_markers(corpus) if marker.name in {unit for unit, _ in todo})
        sys.stderr.write(f"dedup: up to {total:,} frames have no features of {encoder.name} yet; making them first\n")
        with account.bar(total) as bar:
            embed_corpus(corpus, encoder, threads=worker_count(None), progress=bar.advance)


def decide(corpus: Corpus, encoder: Encoder, frames: pa.Table, threshold: float, account: Account) -> pa.Table:
    """Decisions about `frames`, which come best first."""
    vectors = Vectors(corpus, encoder.encoder_id, frames)
    with account.bar(len(frames)) as bar:
        found = find_duplicates(len(frames), vectors, threshold, make_search(vectors.dim), progress=bar.advance)
    ids = frames["frame_id"].combine_chunks()
    evidence = np.full(len(frames), "", object)
    dropped = np.flatnonzero(~found.keep)
    kept_ids = ids.take(pa.array(found.of[dropped])).to_pylist()
    evidence[dropped] = [
        f"{name}, cosine {value:.4f}" for value, name in zip(found.cosine[dropped], kept_ids, strict=True)
    ]
    return pa.table(
        {
            "frame_id": ids,
            "keep": pa.array(found.keep),
            "reason": pa.array(np.where(found.keep, "", REASON).astype(object), pa.string()),
            "evidence": pa.array(evidence, pa.string()),
        }
    )


def _again(config: DedupConfig) -> list[str]:
    """The line that decides the same again, less `--corpus`; a threshold only where one was given."""
    words = ["endocur", "dedup"]
    words += [] if config.encoder == DedupConfig().encoder else ["--encoder", config.encoder]
    return words + ([] if config.threshold is None else ["--threshold", f"{config.threshold:g}"])
