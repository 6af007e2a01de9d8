"""`endocur embed`: features of an encoder for each stored frame."""

from __future__ import annotations

import shlex
import sys

from endocur.account import Account, counted
from endocur.configs import EmbedConfig, worker_count
from endocur.corpus import corpus_lock, open_corpus, unit_markers
from endocur.select.embeddings import embed_corpus
from endocur.select.wording import no_frames, with_corpus
from endoshards.settings import config_fingerprint, what


def run(config: EmbedConfig) -> None:
    """Load the encoder, write what is missing, give account."""
    corpus = open_corpus(config.corpus)
    with corpus_lock(corpus):
        account = Account("embed", corpus.log)
        account.note("start", fingerprint=config_fingerprint(config))
        total = sum(marker.frames for marker in unit_markers(corpus))
        if not total:
            raise no_frames(corpus)
        from endoeval.encoders import load

        encoder = load(config.encoder, config.device)
        size = 2 * encoder.contract.vector_dim * total / 1e6
        sys.stderr.write(f"embed: {counted(total, 'frame')} by {encoder.name}, {size:,.0f} MB when all are done\n")
        with account.bar(total) as bar:
            written = embed_corpus(
                corpus, encoder, batch=config.batch, threads=worker_count(None), progress=bar.advance
            )
        account.seen = account.kept = total
        facts = {"encoder_id": encoder.encoder_id, "embedded now": written, "there before": total - written}
        account.finish(
            with_corpus(next_line(config.encoder), corpus), encoder.encoder_id, {**facts, "config": what(config)}
        )


def next_line(spec: str) -> str:
    """`endocur dedup` with this encoder; one without a measured threshold begins where docs/dedup.md begins."""
    from endoeval.encoders import duplicate_cosine

    words = [] if spec == EmbedConfig().encoder else ["--encoder", spec]
    words += [] if duplicate_cosine(spec) is not None else ["--threshold", "0.98"]
    return shlex.join(["endocur", "dedup", *words])
