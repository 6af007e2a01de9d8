"""`endocur redact`: mask in stored frames what was missed, and score them again."""

from __future__ import annotations

import sys

from endocur import tables
from endocur.account import Account, counted
from endocur.configs import RedactConfig
from endocur.corpus import Corpus, corpus_lock, open_corpus, read_settings, unit_markers
from endocur.identity import open_key
from endocur.privacy import boxes
from endocur.privacy.audit import read_audit
from endocur.privacy.rewrite import Rewritten, finish_pending, rewrite_unit
from endocur.redactions import Redaction, by_place, pending, read_list, sum_of, wanted_by, write_list
from endocur.report.standing import standing
from endocur.select.wording import no_frames, with_corpus
from endoshards.errors import BadInput
from endoshards.settings import config_fingerprint


def run(config: RedactConfig) -> None:
    """Write down what is to be masked, then mask it; without a box, finish what was written down before."""
    corpus = open_corpus(config.corpus)
    with corpus_lock(corpus):
        account = Account("redact", corpus.log)
        account.note("start", fingerprint=config_fingerprint(config))
        finish_pending(corpus)
        known = read_list(corpus)
        added = [one for one in _said(config, corpus) if one not in known]
        if not (known or added):
            raise BadInput(
                "nothing to mask was given; say a frame and a box: endocur redact --frame ID --box X,Y,W,H, "
                "or --boxes CSV, or --from-audit FILE."
            )
        if added:
            stay = [old for old in known if not any(new.replaces(old) for new in added)]
            write_list(corpus, [*stay, *added])
        told = _mask(corpus, account)
        _finish(corpus, account, told, len(added))


def _said(config: RedactConfig, corpus: Corpus) -> list[Redaction]:
    """The redactions this line asks for."""
    if not (config.box or config.boxes or config.from_audit):
        return []
    rows = tables.frames(corpus, ["frame_id", "unit", "view_id", "width", "height"])
    if not len(rows):
        raise no_frames(corpus)
    columns = [rows[name].to_pylist() for name in ("frame_id", "unit", "view_id", "width", "height")]
    frames = {name: boxes.FrameRow(*row) for name, *row in zip(*columns, strict=True)}
    said = list(boxes.line_boxes(config.frame, config.unit, config.view, config.box_numbers()))
    if config.boxes is not None:
        said += boxes.read_csv(config.boxes)
    if config.from_audit is not None:
        key = open_key(config.key, outside=config.corpus, may_make=False)
        said += boxes.of_audit(read_audit(config.from_audit, key), frames)
    return sorted(set(boxes.redactions(said, frames)))


def _mask(corpus: Corpus, account: Account) -> Rewritten:
    """Bring every unit up to the list."""
    quality = int(read_settings(corpus)["extract"].get("jpeg_quality", 92))
    placed, total = by_place(read_list(corpus)), Rewritten()
    waiting = set(pending(corpus))
    with account.bar(len(waiting), "units") as bar:
        for marker in unit_markers(corpus):
            if marker.name not in waiting:
                continue
            mine = wanted_by(marker, placed)
            told = rewrite_unit(corpus, marker, mine, quality)
            account.note("unit", id=marker.name, frames=told.frames, masked=told.masked, redacted=sum_of(mine))
            for name, value in vars(told).items():
                setattr(total, name, getattr(total, name) + value)
            bar.advance()
    return total


def _finish(corpus: Corpus, account: Account, told: Rewritten, added: int) -> None:
    account.seen = account.kept = told.frames
    if told.bare:
        account.warnings.append(f"{counted(told.bare, 'frame')} have no tissue left; filter drops them")
    if told.outside:
        account.warnings.append(f"masks that change nothing, for no tissue was left under them: {told.outside:,}")
    if told.masked:
        sys.stderr.write(
            "sheets and report pages that showed these frames were removed; shards written before still hold the old "
            "pixels: replace them\n"
        )
    facts = {"boxes added": added, "frames masked now": told.masked, "pixels masked now": told.pixels}
    following = standing(corpus).next or with_corpus("endocur shard", corpus)
    account.finish(following, sum_of(read_list(corpus)), facts)
