"""`endocur report`: one page that says what a corpus holds, what was dropped and why, and what failed."""

from __future__ import annotations

from endocur import tables
from endocur.account import Account
from endocur.configs import ReportConfig
from endocur.corpus import corpus_lock, open_corpus
from endocur.ground import GROUND, ground
from endocur.report.corpus_page import corpus_page
from endocur.report.gather import gather
from endoshards.files import fingerprint, write_atomic
from endoshards.settings import config_fingerprint


def run(config: ReportConfig) -> None:
    """Refuse what is stale, gather, write the page, say where it lies."""
    corpus = open_corpus(config.corpus)
    target = config.out or corpus.reports / ("corpus-to-share.html" if config.share else "corpus.html")
    with corpus_lock(corpus):
        tables.require_fresh(corpus)
        account = Account("report", corpus.log)
        account.note("start", fingerprint=config_fingerprint(config))
        about = gather(corpus, config.gallery, share=config.share)
        page = corpus_page(about, share=config.share)
        write_atomic(target, page)
        account.seen, account.kept = about.seen, about.kept
        for stage in about.stages:
            for reason, count in stage.dropped.items():
                account.drop(f"{stage.name}: {reason}", count)
        account.failed = about.inputs.get("failed", 0)
        account.finish(None, fingerprint({"page": page}), {GROUND: ground(corpus, "report"), "page": str(target)})
