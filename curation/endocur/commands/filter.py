"""`endocur filter`: which frames lie outside the body, then by their scores which others stay, and why the rest goes.

Two stages in one command: `privacy` (`endocur.select.body`) is decided and written first, `filter` on what it keeps.
"""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import get_args

import pyarrow as pa
import pyarrow.compute as pc

from endocur import tables
from endocur.account import Account, counted, read_accounts
from endocur.configs import SCORE_NAMES, FilterConfig, OutOfBody
from endocur.corpus import Corpus, corpus_lock, half_done, open_corpus, unit_markers
from endocur.ground import GROUND, ground
from endocur.select import body
from endocur.select.filter import VERSION, decide
from endocur.select.wording import lower_filter, no_frames, with_corpus
from endoshards.errors import BadInput
from endoshards.files import remove_temporaries
from endoshards.settings import config_fingerprint, what


def run(config: FilterConfig) -> None:
    """Read scores, decide, write decisions, give account: of privacy, then of the filter."""
    corpus = open_corpus(config.corpus)
    with corpus_lock(corpus):
        tables.require_fresh(corpus, before="privacy")
        remove_temporaries(corpus.decisions)
        frames = tables.frames(corpus, ["frame_id", *SCORE_NAMES, "is_blank", *_BODY])
        if not len(frames):
            raise no_frames(corpus)
        config = replace(config, out_of_body=config.out_of_body or _decided_before(corpus))
        _privacy(config, corpus, frames)
        tables.require_fresh(corpus, before="filter")
        _filter(config, corpus, frames)


def _decided_before(corpus: Corpus) -> OutOfBody | None:
    """What the privacy decision in force was asked: a filter that says nothing of it must not let those frames back."""
    told = read_accounts(corpus).get("privacy", {}).get("extra", {}).get("config", {}).get("out_of_body")
    return told if told in get_args(OutOfBody) else None


_BODY = ("source_id", "unit", "pts_us", "in_body", "body_version")


def _privacy(config: FilterConfig, corpus: Corpus, frames: pa.Table) -> None:
    """Decide what lies outside the body; `off` removes what an earlier run decided."""
    account = Account("privacy", corpus.log)
    if config.out_of_body is None:
        return
    if config.out_of_body == "off":
        account.forget()
        (corpus.decisions / "privacy.parquet").unlink(missing_ok=True)
        return
    if missing := frames["body_version"].null_count:
        raise BadInput(
            f"{counted(missing, 'frame')} of {len(frames):,} were scored before in_body was measured, and "
            f"--out-of-body {config.out_of_body} needs it; run: {with_corpus('endocur score', corpus)}"
        )
    stills = frozenset(marker.name for marker in unit_markers(corpus) if marker.kind == "stills")
    decisions = body.decide(frames, stills, config.out_of_body)
    settings = {"out_of_body": config.out_of_body, "version": body.VERSION}
    fingerprint = tables.stage_fingerprint(corpus, "privacy", settings)
    again = _again(config)
    account.note("start", fingerprint=fingerprint)
    account.forget()
    tables.write_decisions(corpus, "privacy", decisions, fingerprint, command=shlex.join(again))
    _count(account, decisions)
    if not account.kept:
        account.warnings.append(
            "no frame is inside the body; look at the sheets, and if they show endoscopy: "
            + with_corpus("endocur filter --out-of-body off", corpus)
        )
    account.finish(None, fingerprint, {"config": settings, "again": again, GROUND: ground(corpus, "privacy")})


def _filter(config: FilterConfig, corpus: Corpus, frames: pa.Table) -> None:
    """Decide by scores on what privacy kept."""
    account = Account("filter", corpus.log)
    account.note("start", fingerprint=config_fingerprint(config))
    frames = frames.filter(pc.is_in(frames["frame_id"], value_set=tables.kept_before(corpus, "filter")))
    thresholds = config.thresholds()
    decisions = decide(frames, thresholds)
    fingerprint = tables.stage_fingerprint(corpus, "filter", {"thresholds": thresholds, "version": VERSION})
    again = _again(config)
    account.forget()
    tables.write_decisions(corpus, "filter", decisions, fingerprint, command=shlex.join(again))
    _count(account, decisions)
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


def _count(account: Account, decisions: pa.Table) -> None:
    dropped = decisions.filter(pc.invert(decisions["keep"]))
    for pair in pc.value_counts(dropped["reason"].combine_chunks()):
        account.drop(pair["values"].as_py(), pair["counts"].as_py())
    account.seen, account.kept = len(decisions), len(decisions) - len(dropped)


def _again(config: FilterConfig) -> list[str]:
    """The line that decides the same again, less `--corpus`."""
    thresholds = config.thresholds()
    words = ["endocur", "filter", "--min-quality", f"{thresholds['quality']:g}"]
    for name, value in thresholds.items():
        words += [] if name == "quality" else ["--min", f"{name}={value:g}"]
    return words + (["--out-of-body", config.out_of_body] if config.out_of_body in ("standard", "strict") else [])
