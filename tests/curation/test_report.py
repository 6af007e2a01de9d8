"""`endocur report` on a corpus of known truth: it adds up, shows what it may, refuses what is stale."""

from __future__ import annotations

import json
import re
from pathlib import Path

import known_corpus
import pyarrow as pa
import pytest
from corpus_maker import endocur
from known_corpus import frame, source

from endocur import tables
from endocur.commands import report
from endocur.configs import ReportConfig
from endocur.corpus import Corpus, InputRow, UnitMarker, write_marker
from endocur.report.gather import gather

BAD = {frame(video, second): ("quality", "") for video in range(3) for second in range(5)}
COPIES = {frame(video, 19): ("duplicate", f"{frame(video, 18)} 0.9712") for video in range(3)}
SETTINGS = {"thresholds": {"quality": 0.25}}


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    corpus = known_corpus.write_corpus(tmp_path / "corpus")
    known_corpus.decide(corpus, "filter", BAD, **SETTINGS)
    known_corpus.decide(corpus, "dedup", COPIES, threshold=0.95)
    return corpus


def page_of(corpus: Corpus, **options: object) -> str:
    report.run(ReportConfig(corpus=corpus.root, out=corpus.root / "page.html", **options))
    return (corpus.root / "page.html").read_text("utf-8")


def shown_ids(page: str) -> set[str]:
    return set(re.findall(r'alt="([0-9a-f]{16}-[0-9]{12})"', page))


def test_the_funnel_is_the_truth_and_adds_up(corpus: Corpus) -> None:
    about = gather(corpus, 4, share=False)
    assert [(stage.name, stage.seen, stage.kept, dict(stage.dropped)) for stage in about.stages] == [
        ("extract", 60, 60, {}),
        ("filter", 60, 45, {"quality": 15}),
        ("dedup", 45, 42, {"duplicate": 3}),
    ]
    assert (about.seen, about.kept) == (60, 42)
    assert about.seen == about.kept + sum(sum(stage.dropped.values()) for stage in about.stages)


def test_inputs_groups_and_failures_are_those_of_the_markers(corpus: Corpus) -> None:
    about = gather(corpus, 4, share=False)
    assert about.inputs == {"ok": 3, "failed": 1}
    assert (about.sources, about.groups, about.videos) == (3, 2, 3)
    failure = about.failures[0]
    assert (failure.position, failure.source_id, failure.reason) == (4, "00000000000000ff", "no frame can be decoded")


def test_histograms_count_every_frame_and_mark_the_threshold_in_force(corpus: Corpus) -> None:
    about = gather(corpus, 4, share=False)
    for score in about.scores:
        assert sum(score.counts) == 60
        assert score.threshold == (0.25 if score.name == "quality" else None)
    quality = about.scores[0]
    assert (quality.name, quality.below, quality.middle) == ("quality", 15, pytest.approx(0.475))


def test_the_strips_say_what_became_of_each_second(corpus: Corpus) -> None:
    about = gather(corpus, 4, share=False)
    assert about.fates == ["kept", "filter: quality", "dedup: duplicate"]
    assert [strip.label for strip in about.strips] == [source(video) for video in range(3)]
    for strip in about.strips:
        assert strip.counts == [[0, 1, 0]] * 5 + [[1, 0, 0]] * 14 + [[0, 0, 1]]


def test_galleries_show_frames_of_their_fate_and_pairs_their_evidence(corpus: Corpus) -> None:
    about = gather(corpus, 4, share=False)
    galleries = {gallery.fate: gallery for gallery in about.galleries}
    assert {fate: gallery.frames for fate, gallery in galleries.items()} == {
        "kept": 42,
        "filter: quality": 15,
        "dedup: duplicate": 3,
    }
    assert {picture.frame_id for picture in galleries["filter: quality"].pictures} <= BAD.keys()
    assert len(galleries["kept"].pictures) == 4
    assert about.pair_count == 3
    for pair in about.pairs:
        assert COPIES[pair.dropped.frame_id] == ("duplicate", f"{pair.kept.frame_id} 0.9712")
        assert pair.cosine == 0.9712


def test_what_the_threshold_would_take_next_is_shown_lowest_first(corpus: Corpus) -> None:
    about = gather(corpus, 6, share=False)
    assert [picture.frame_id for picture in about.just_kept] == [frame(video, 5) for video in range(3)]
    assert "Just kept: lowest quality first" in page_of(corpus)


@pytest.mark.parametrize("stage", ["privacy", "withdraw"])
def test_frames_dropped_for_privacy_or_withdrawn_are_never_shown(tmp_path: Path, stage: str) -> None:
    corpus = known_corpus.write_corpus(tmp_path / "corpus", videos=2)
    secret = {frame(0, second): ("face", "") for second in range(20)}
    if stage == "privacy":
        known_corpus.decide(corpus, "privacy", secret)
    # Filter drops some of them as well, and names one as evidence: that must not bring them back.
    low = {frame(video, second): ("quality", "") for video in (0, 1) for second in range(5)}
    known_corpus.decide(corpus, "filter", low, **SETTINGS)
    known_corpus.decide(corpus, "dedup", {frame(1, 19): ("duplicate", f"{frame(0, 19)} 0.99")}, threshold=0.95)
    if stage == "withdraw":
        known_corpus.decide(corpus, "withdraw", secret)
        # Decisions of withdraw name every frame, those that were dropped before it came too.
        rows = [{"frame_id": name, "keep": False, "reason": "consent", "evidence": ""} for name in sorted(secret)]
        table = pa.Table.from_pylist(rows, schema=tables.DECISION_COLUMNS)
        tables.write_decisions(corpus, "withdraw", table, tables.stage_fingerprint(corpus, "withdraw", {}))
    page = page_of(corpus, gallery=100)
    assert shown_ids(page)
    assert not shown_ids(page) & secret.keys()


def test_a_page_to_share_holds_no_pixel_and_no_id(corpus: Corpus) -> None:
    page = page_of(corpus, share=True)
    assert "data:" not in page
    assert not re.search(r"[0-9a-f]{12}", page)
    assert "60 seen = 42 kept + 18 dropped." in page


def test_the_same_corpus_gives_the_same_bytes(corpus: Corpus) -> None:
    assert page_of(corpus) == page_of(corpus)


def test_a_corpus_in_which_every_input_failed_still_says_why(tmp_path: Path) -> None:
    corpus = known_corpus.write_corpus(tmp_path / "corpus", videos=0)
    page = page_of(corpus)
    assert "no frame can be decoded" in page and "0 seen = 0 kept + 0 dropped." in page


def test_a_corpus_without_decisions_is_all_kept(tmp_path: Path) -> None:
    corpus = known_corpus.write_corpus(tmp_path / "corpus", videos=1)
    assert "20 seen = 20 kept + 0 dropped." in page_of(corpus)


def test_no_picture_is_asked_for_with_an_empty_gallery(corpus: Corpus) -> None:
    assert not shown_ids(page_of(corpus, gallery=0))


def test_a_failed_input_with_a_name_in_its_reason_is_shown_as_the_marker_has_it(corpus: Corpus) -> None:
    row = InputRow("00000000000000ee", "failed", "<b>odd</b> & stream", position=9)
    write_marker(corpus, UnitMarker(row.id, "failed", row.reason, "video", 0, 0, "e" * 16, (row,)))
    assert "&lt;b&gt;odd&lt;/b&gt; &amp; stream" in page_of(corpus)


def test_the_process_writes_the_page_into_the_corpus_and_accounts_for_all(corpus: Corpus) -> None:
    done = endocur(corpus.root.parent, "report")
    assert "corpus/reports/corpus.html" in done.stdout
    account = json.loads((corpus.log / "report.json").read_text())
    assert (account["seen"], account["kept"], account["failed"]) == (60, 42, 1)
    shared = endocur(corpus.root.parent, "report", "--share")
    assert "corpus/reports/corpus-to-share.html" in shared.stdout
    assert (corpus.reports / "corpus.html").is_file()


def test_a_stale_decision_is_refused_with_the_line_that_mends_it(corpus: Corpus) -> None:
    known_corpus.decide(corpus, "filter", {}, thresholds={"quality": 0.0})
    done = endocur(corpus.root.parent, "report", check=False)
    assert done.returncode == 3
    assert "endocur dedup" in done.stderr and done.stderr.count("\n") == 1
    assert not (corpus.reports / "corpus.html").exists()


def test_no_corpus_is_refused_with_the_line_that_makes_one(tmp_path: Path) -> None:
    done = endocur(tmp_path, "report", check=False)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("endocur: no corpus at corpus; make one first: endocur extract videos/")
