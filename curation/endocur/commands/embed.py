"""`endocur embed`: features of an encoder for each stored frame."""

from __future__ import annotations

import sys

from endocur.account import Account
from endocur.configs import EmbedConfig, worker_count
from endocur.corpus import corpus_lock, open_corpus, unit_markers
from endocur.select.embeddings import embed_corpus
from endocur.select.wording import no_frames, with_corpus
from endoshards.settings import what


def run(config: EmbedConfig) -> None:
    """Load the encoder, write what is missing, give account."""
    corpus = open_corpus(config.corpus)
    with corpus_lock(corpus):
        account = Account("embed", corpus.log)
        total = sum(marker.frames for marker in unit_markers(corpus))
        if not total:
            raise no_frames(corpus)
        from endoeval.encoders import load

        encoder = load(config.encoder, config.device)
        size = 2 * encoder.contract.vector_dim * total / 1e6
        sys.stderr.write(f"embed: {total:,} frames by {encoder.name}, {size:,.0f} MB when all are done\n")
        with account.bar(total) as bar:
            written = embed_corpus(
                corpus, encoder, batch=config.batch, threads=worker_count(None), progress=bar.advance
            )
        account.seen = account.kept = total
        line = (
            "endocur dedup" if config.encoder == EmbedConfig().encoder else f"endocur dedup --encoder {config.encoder}"
        )
        facts = {"encoder_id": encoder.encoder_id, "embedded now": written, "there before": total - written}
        account.finish(with_corpus(line, corpus), encoder.encoder_id, {**facts, "config": what(config)})
