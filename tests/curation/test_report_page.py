"""The corpus page from drawn facts: it adds up, keeps quiet where asked, and stays the same."""

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import simplejpeg
from hypothesis import given
from hypothesis import strategies as st

from endocur.report import facts as f
from endocur.report.corpus_page import corpus_page
from endocur.report.pictures import by_lot, thumbnail
from endocur.report.timeline import Strip, clock, strips

IDS = [f"{source:016x}-{second * 1_000_000:012d}" for source in (0xA1, 0xB2) for second in range(30)]


def drawn(level: int, width: int = 320, height: int = 240) -> bytes:
    ramp = np.linspace(0, level, width).astype(np.uint8)
    rgb = np.dstack([np.tile(ramp, (height, 1)), np.full((height, width), level // 3), np.full((height, width), 40)])
    return simplejpeg.encode_jpeg(rgb.astype(np.uint8), quality=90)


def picture(index: int) -> f.Picture:
    return f.Picture(
        IDS[index], thumbnail(drawn(60 + 5 * index)), f"quality 0.{index:02d} · {IDS[index][:8]} at 0:{index:02d}"
    )


def about() -> f.Facts:
    rising = [index / 20 for index in range(21)]
    return f.Facts(
        corpus_id="3f2a91c07bd4e855",
        inputs={"ok": 5, "copy": 1, "partial": 1, "failed": 1, "ignored": 2},
        sources=6,
        groups=4,
        video_seconds=4210.0,
        decoded=f.Stage("decode", 1502, 60, {"not sampled": 1440, "damaged": 2}),
        stages=[
            f.Stage("extract", 60, 60, {}),
            f.Stage("filter", 60, 44, {"quality": 12, "blank": 4}),
            f.Stage("dedup", 44, 31, {"duplicate": 13}),
        ],
        scores=[
            f.Score("quality", rising, list(range(20)), 0.61, 0.4, 28),
            f.Score("sharpness", rising, list(range(20)), 0.52),
        ],
        failures=[
            f.Failure(3, "00000000000000c3", "failed", "no video stream"),
            f.Failure(7, "00000000000000d4", "partial", "the stream breaks off at 0:12"),
        ],
        strips=[
            Strip("00000000000000a1", 30.0, [[2, 0, 0, 0]] * 80 + [[0, 1, 0, 1]] * 40 + [[0, 0, 0, 0]] * 40),
            Strip("00000000000000b2", 4180.0, [[1, 0, 3, 0]] * 160),
        ],
        fates=["kept", "filter: quality", "filter: blank", "dedup: duplicate"],
        videos=2,
        settings={"extract": {"fps": 1.0, "all_frames": False}, "filter": {"min_quality": 0.4, "min": ()}},
        galleries=[
            f.Gallery("kept", 31, [picture(index) for index in range(8)]),
            f.Gallery("filter: quality", 12, [picture(index) for index in range(8, 12)]),
            f.Gallery("filter: blank", 2, [picture(12), picture(13)]),
        ],
        pairs=[f.Pair(picture(index), picture(index + 1), 0.97 + index / 1000) for index in range(4)],
        pair_count=13,
    )


def test_the_page_says_that_kept_and_dropped_add_up_to_seen() -> None:
    page = corpus_page(about(), share=False)
    assert "1,502 frames in the inputs = 60 taken + 2 damaged + 1,440 not sampled." in page
    assert "60 seen = 31 kept + 29 dropped." in page
    for reason, count, share in (("duplicate", 13, "21.7 %"), ("quality", 12, "20.0 %"), ("blank", 4, "6.7 %")):
        assert re.search(rf"<td >{reason}</td><td class=\"n\">{count}</td><td class=\"n\">{share}", page)


def test_the_threshold_in_force_is_marked_on_its_histogram_alone() -> None:
    page = corpus_page(about(), share=False)
    assert page.count("kept from 0.4") == 1
    assert "28 of 190 frames lie below 0.4." in page


def test_the_page_fetches_nothing_and_holds_no_script() -> None:
    page = corpus_page(about(), share=False)
    assert "<script" not in page
    assert not re.findall(r"(?:src|href)=\"(?!data:|#)", page)


def test_a_page_to_share_holds_no_picture_and_no_id() -> None:
    page = corpus_page(about(), share=True)
    assert "data:image" not in page and "<img" not in page
    assert not re.search(r"[0-9a-f]{16}", page)
    assert "no video stream" in page and "video 1" in page
    assert "60 seen = 31 kept + 29 dropped." in page


def test_equal_facts_give_equal_bytes() -> None:
    assert corpus_page(about(), share=False) == corpus_page(about(), share=False)


def test_a_corpus_of_stills_alone_has_no_timeline() -> None:
    page = corpus_page(replace(about(), strips=[], videos=0, video_seconds=0.0), share=False)
    assert "Along each video" not in page and "Video time" not in page


def test_many_failures_are_cut_off_with_their_number() -> None:
    failures = [f.Failure(index, f"{index:016x}", "failed", "no video stream") for index in range(250)]
    page = corpus_page(replace(about(), failures=failures), share=False)
    assert "And 50 more" in page


def test_text_from_outside_cannot_become_html() -> None:
    failures = [f.Failure(1, "00000000000000c3", "failed", "<script>alert(1)</script>")]
    assert "<script" not in corpus_page(replace(about(), failures=failures), share=True)


@given(st.sets(st.integers(0, 10**6), max_size=60), st.integers(0, 20))
def test_the_lot_depends_on_nothing_but_the_ids(numbers: set[int], count: int) -> None:
    ids = [f"{number:029d}" for number in numbers]
    drawn_ids = by_lot(ids, count)
    assert drawn_ids == by_lot(reversed(ids), count) == sorted(set(drawn_ids))
    assert len(drawn_ids) == min(count, len(ids)) and set(drawn_ids) <= set(ids)


def test_adding_frames_only_displaces_what_they_beat_in_the_lot() -> None:
    few, more = by_lot(IDS[:40], 10), by_lot(IDS, 10)
    assert set(more) - set(few) <= set(IDS[40:])


@pytest.mark.parametrize(
    ("width", "height", "expected"), [(960, 720, (200, 150)), (90, 120, (90, 120)), (300, 900, (67, 200))]
)
def test_a_thumbnail_is_at_most_200_pixels_and_never_enlarged(
    width: int, height: int, expected: tuple[int, int]
) -> None:
    shown = simplejpeg.decode_jpeg_header(thumbnail(drawn(120, width, height)))
    assert (shown[1], shown[0]) == expected


def test_neighbouring_columns_of_one_fate_become_one_rectangle() -> None:
    drawn_strip = strips([Strip("a", 60.0, [[1, 0]] * 160)], ["kept", "filter: quality"])
    assert drawn_strip.count("<rect") == 2 + 1 + 1  # legend, ground, one stretch


def test_times_read_like_a_clock() -> None:
    assert [clock(seconds) for seconds in (0, 59.6, 3599, 36061)] == ["0:00", "1:00", "59:59", "10:01:01"]


@pytest.mark.browser
def test_a_browser_shows_every_section_of_the_page(tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")
    if browser is None:
        pytest.skip("no Chromium on this machine")
    target = tmp_path / "page.html"
    target.write_text(corpus_page(about(), share=False), encoding="utf-8")
    dump = subprocess.run(
        [
            browser,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={tmp_path / 'profile'}",
            "--dump-dom",
            target.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    ).stdout
    heads = re.findall(r"<h2>(.*?)</h2>", dump)
    assert heads == [
        "In short", "What was kept", "Inputs", "Scores", "Along each video",
        "Kept frames", "Dropped frames", "Near copies", "Settings in force",
    ]  # fmt: skip
    assert dump.count("<img") == 14 + 2 * 4
    assert dump.count("<svg") == 4
