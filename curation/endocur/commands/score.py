"""`endocur score`: the scores of all stored frames anew; equal bytes unless the scores themselves changed."""

from __future__ import annotations

from pathlib import Path

from endocur.account import Account
from endocur.configs import ScoreConfig, worker_count
from endocur.corpus import Corpus, chapter_files, chapter_name, corpus_lock, open_corpus, unit_markers
from endocur.engine import Failure, beat, map_units
from endocur.quality.body import Turns
from endocur.quality.scores import score_jpeg
from endocur.quality.table import TABLE_VERSION, write_scores
from endocur.select.wording import damaged_picture, no_frames, with_corpus
from endocur.store import FrameReader, read_chapter_table, read_masks, without_boxes
from endoshards.errors import BadInput
from endoshards.files import fingerprint, remove_temporaries
from endoshards.settings import config_fingerprint

TIMEOUT_S = 600.0


def run(config: ScoreConfig) -> None:
    """Score each chapter in a worker; say what comes next."""
    corpus = open_corpus(config.corpus)
    with corpus_lock(corpus):
        account = Account("score", corpus.log)
        account.note("start", fingerprint=config_fingerprint(config))
        remove_temporaries(corpus.scores)
        markers = [marker for marker in unit_markers(corpus) if marker.frames]
        if not markers:
            raise no_frames(corpus)
        chapters = [(config.corpus, marker.name, k) for marker in markers for k in range(marker.chapters)]
        with account.bar(sum(marker.frames for marker in markers)) as bar:
            for index, count, seconds in map_units(
                score_chapter,
                chapters,
                workers=worker_count(config.workers),
                timeout_s=TIMEOUT_S,
                progress=bar.advance,
            ):
                if isinstance(count, Failure):
                    raise BadInput(f"chapter {index + 1} of {len(chapters)} could not be scored: {count.reason}.")
                name = chapter_name(*chapters[index][1:])
                account.note("unit", id=name, status="ok", frames=count, seconds=round(seconds, 3))
                account.seen += count
                account.kept += count
        account.finish(
            with_corpus("endocur filter --min-quality 0.4", corpus),
            fingerprint({"version": TABLE_VERSION, "units": [marker.fingerprint for marker in markers]}),
            {"score_version": TABLE_VERSION},
        )


def score_chapter(what: tuple[Path, str, int]) -> int:
    """Write the scores of one chapter. Returns: its frames. Raises: BadInput if a picture is damaged."""
    root, unit, k = what
    corpus = Corpus(root)
    files = chapter_files(corpus, unit, k)
    rows = read_chapter_table(files.frames_table).select(
        ["frame_id", "offset", "size", "view_id", "overlay_boxes", "pts_us"]
    )
    scored, turns = [], Turns()
    with FrameReader(corpus) as reader:
        for row in rows.to_pylist():
            tissue = without_boxes(read_masks(corpus, unit, k, row["view_id"]).tissue, row["overlay_boxes"])
            jpeg, with_body = reader.jpeg(unit, k, row["offset"], row["size"]), turns.takes(row["pts_us"])
            try:
                scored.append((row["frame_id"], score_jpeg(jpeg, tissue, with_body=with_body)))
            except ValueError:
                raise damaged_picture(corpus, unit, row["frame_id"]) from None
            beat(1)
    write_scores(files.scores, scored)
    return len(scored)
