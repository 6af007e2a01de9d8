"""`endocur filter`: by their scores, which frames stay, and why the others go."""

from __future__ import annotations

import shlex

import pyarrow.compute as pc

from endocur import tables
from endocur.account import Account, counted
from endocur.configs import SCORE_NAMES, FilterConfig
from endocur.corpus import corpus_lock, half_done, open_corpus
from endocur.ground import GROUND, ground
from endocur.select.filter import VERSION, decide
from endocur.select.wording import lower_filter, no_frames, with_corpus
from endoshards.files import remove_temporaries
from endoshards.settings import config_fingerprint, what


def run(config: FilterConfig) -> None:
    """Read scores, decide, write decisions, give account."""
    corpus = open_corpus(config.corpus)
    with corpus_lock(corpus):
        tables.require_fresh(corpus, before="filter")
        account = Account("filter", corpus.log)
        account.note("start", fingerprint=config_fingerprint(config))
        remove_temporaries(corpus.decisions)
        frames = tables.frames(corpus, ["frame_id", *SCORE_NAMES, "is_blank"])
        frames = frames.filter(pc.is_in(frames["frame_id"], value_set=tables.kept_before(corpus, "filter")))
        if not len(frames):
            raise no_frames(corpus)
        thresholds = config.thresholds()
        decisions = decide(frames, thresholds)
        fingerprint = tables.stage_fingerprint(corpus, "filter", {"thresholds": thresholds, "version": VERSION})
        again = _again(thresholds)
        account.forget()
        tables.write_decisions(corpus, "filter", decisions, fingerprint, command=shlex.join(again))
        dropped = decisions.filter(pc.invert(decisions["keep"]))
        for pair in pc.value_counts(dropped["reason"].combine_chunks()):
            account.drop(pair["values"].as_py(), pair["counts"].as_py())
        account.seen, account.kept = len(decisions), len(decisions) - len(dropped)
        if begun := half_done(corpus):
            account.warnings.append(
                f"{counted(len(begun), 'video')} half extracted and left out; finish with the line of extract, repeat"
            )
        if not account.kept:
            account.warnings.append(f"no frame is left; lower the thresholds, for example: {lower_filter(corpus)}")
        account.finish(
            with_corpus("endocur dedup", corpus) if account.kept else None,
            fingerprint,
            {
                "config": {**what(config), "thresholds": thresholds},
                "again": again,
                GROUND: ground(corpus, "filter"),
            },
        )


def _again(thresholds: dict[str, float]) -> list[str]:
    """The line that decides the same again, less `--corpus`."""
    words = ["endocur", "filter", "--min-quality", f"{thresholds['quality']:g}"]
    for name, value in thresholds.items():
        words += [] if name == "quality" else ["--min", f"{name}={value:g}"]
    return words
