"""Out of the body by the real commands: decisions, accounts, files that are no endoscopy, corpora of before."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
from corpus_maker import FPS, SIZE, endocur, tissue
from drawn_videos import write_video

from endocur import tables
from endocur.corpus import Corpus

BEFORE_S, INSIDE_S, AFTER_S = 3, 7, 3
LINE = ("extract", "videos", "--stills", "--fps", "2", "--no-text-detection", "--workers", "1")


def room(index: int, seed: int = 0, boxes: int = 30) -> np.ndarray:
    """RGB [120, 160, 3]: a wall, a floor and boxes through the same disc as `tissue`, the camera turning."""
    generator = np.random.default_rng([seed, 5])
    rgb = np.full((120, 480, 3), (190, 194, 192), np.uint8)
    rgb[80:] = (96, 100, 104)
    for _ in range(boxes):
        x, y, w, h = generator.integers(0, [460, 110, 40, 40]).tolist()
        colour = [int(v) for v in generator.choice([[40, 70, 120], [220, 222, 224], [60, 62, 66], [30, 110, 100]])]
        cv2.rectangle(rgb, (x, y), (x + w + 5, y + h + 5), colour, -1)
    disc = cv2.circle(np.zeros((120, 160), np.uint8), (80, 60), 56, 1, -1)
    start = 2 * index % 300
    return np.ascontiguousarray(rgb[:, start : start + 160] * disc[..., None])


def draw(path: Path, *parts: tuple[int, Callable[[int], np.ndarray]]) -> None:
    """A video of (seconds, picture of a frame's number) one after the other."""
    pictures = [maker(index) for seconds, maker in parts for index in range(seconds * FPS)]
    write_video(path, pictures, pts=[index * (25 // 5) // 2 for index in range(len(pictures))])


@pytest.fixture(scope="module")
def extracted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A procedure with a room before and after it, a fuller room alone, a still of each; extracted."""
    study = tmp_path_factory.mktemp("body")
    (study / "videos" / "stills").mkdir(parents=True)
    inside = lambda index: tissue(1, index, blurred=False)  # noqa: E731
    draw(study / "videos" / "a.mp4", (BEFORE_S, room), (INSIDE_S, inside), (AFTER_S, room))
    draw(study / "videos" / "b.mp4", (8, lambda index: room(3 * index, 3, boxes=150)))
    for name, picture in (("one", tissue(4, 0, blurred=False)), ("two", room(9, 6))):
        cv2.imwrite(str(study / "videos" / "stills" / f"{name}.png"), picture[..., ::-1])
    (study / "said.txt").write_text("".join((done := endocur(study, *LINE)).stdout + done.stderr))
    return study


@pytest.fixture
def study(extracted: Path, tmp_path: Path) -> Path:
    """The same, to do anything to."""
    folder = tmp_path / "study"
    shutil.copytree(extracted, folder)
    return folder


def decided(study: Path, stage: str) -> list[dict[str, object]]:
    table = tables.read_decisions(Corpus(study / "corpus"), stage)
    assert table is not None
    return table.to_pylist()


def account(study: Path, stage: str) -> dict[str, object]:
    return json.loads((study / "corpus/log" / f"{stage}.json").read_text("utf-8"))


def marker_of_b(study: Path) -> dict[str, object]:
    found = [json.loads(path.read_text()) for path in (study / "corpus/units").glob("*.json") if "." not in path.stem]
    return next(one for one in found if one["kind"] == "video" and one["inputs"][0]["position"] == 2)


def test_a_video_without_endoscopy_is_ignored_named_by_id_and_counted(extracted: Path) -> None:
    said = (extracted / "said.txt").read_text()
    marker = marker_of_b(extracted)
    assert (marker["status"], marker["reason"], marker["frames"]) == ("ignored", "not endoscopy", 0)
    assert f"input 2 (id {marker['name']}) ignored: not endoscopy" in said and "b.mp4" not in said
    assert "1 video left out, for the probe shows no endoscopy; --keep-foreign reads them" in said
    assert account(extracted, "extract")["extra"]["inputs ignored"] == 1
    assert account(extracted, "extract")["failed"] == 0
    assert not list((extracted / "corpus/frames").glob(f"{marker['name']}*"))
    assert not list((extracted / "corpus/reports").rglob(f"{marker['name']}*")), "no picture of a room"


def test_keep_foreign_reads_it_and_leaves_the_rest_as_it_is(study: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (study / "corpus/frames").iterdir()}
    assert "not endoscopy" in endocur(study, *LINE).stderr, "the verdict stands without a second look"
    done = endocur(study, *LINE, "--keep-foreign")
    assert "not endoscopy" not in done.stdout + done.stderr
    marker = marker_of_b(study)
    assert marker["status"] == "ok" and marker["frames"] == 16
    assert {path: path.stat().st_mtime_ns for path in before} == before
    endocur(study, "filter", "--min-quality", "0", "--out-of-body", "standard")
    rows = [row for row in decided(study, "privacy") if str(row["frame_id"]).startswith(str(marker["name"]))]
    assert len(rows) == 16 and not any(row["keep"] for row in rows), "what the probe would have said, frame by frame"


def test_what_lies_before_and_after_the_stay_inside_is_dropped_for_privacy(study: Path) -> None:
    done = endocur(study, "filter", "--min-quality", "0", "--out-of-body", "standard")
    rows = [row for row in decided(study, "privacy") if not str(row["frame_id"]).endswith("-000000000000")]
    inside = {
        str(row["frame_id"]): BEFORE_S + 0.4 < int(str(row["frame_id"])[17:]) / 1e6 < BEFORE_S + INSIDE_S - 0.4
        for row in rows
    }
    sure = {
        name: is_in
        for name, is_in in inside.items()
        if min(abs(int(name[17:]) / 1e6 - border) for border in (BEFORE_S, BEFORE_S + INSIDE_S)) > 1.0
    }
    assert len(sure) >= 12 and set(sure.values()) == {True, False}
    assert {str(row["frame_id"]): row["keep"] for row in rows if str(row["frame_id"]) in sure} == sure
    assert {row["reason"] for row in rows if not row["keep"]} == {"out_of_body"}
    for stage in ("privacy", "filter"):
        told = account(study, stage)
        assert told["seen"] == told["kept"] + sum(told["dropped"].values())  # type: ignore[operator]
    assert account(study, "privacy")["kept"] == account(study, "filter")["seen"]
    assert re.search(r"^privacy\n", done.stdout, re.MULTILINE) and "dropped: out_of_body" in done.stdout


def test_stills_are_judged_one_by_one(study: Path) -> None:
    endocur(study, "filter", "--min-quality", "0", "--out-of-body", "standard")
    markers = [
        json.loads(path.read_text()) for path in (study / "corpus/units").glob("stills-*.json") if "." not in path.stem
    ]
    by_position = {row["position"]: row["id"] for row in markers[0]["inputs"]}
    keep = {str(row["frame_id"])[:16]: row["keep"] for row in decided(study, "privacy")}
    assert keep[by_position[3]] is True and keep[by_position[4]] is False


def test_the_report_counts_them_and_shows_none(study: Path) -> None:
    endocur(study, "filter", "--min-quality", "0", "--out-of-body", "standard")
    endocur(study, "report")
    page = (study / "corpus/reports/corpus.html").read_text("utf-8")
    assert "out_of_body" in page
    dropped = [str(row["frame_id"]) for row in decided(study, "privacy") if not row["keep"]]
    assert dropped and not any(name in page for name in dropped)


def test_strict_drops_at_least_as_much_and_off_takes_the_decision_back(study: Path) -> None:
    endocur(study, "filter")
    assert tables.read_decisions(Corpus(study / "corpus"), "privacy") is None, "unasked, nothing is decided"
    endocur(study, "filter", "--out-of-body", "standard")
    standard = {row["frame_id"] for row in decided(study, "privacy") if not row["keep"]}
    endocur(study, "filter", "--out-of-body", "strict")
    assert standard <= {row["frame_id"] for row in decided(study, "privacy") if not row["keep"]}
    assert account(study, "privacy")["extra"]["again"][-2:] == ["--out-of-body", "strict"]
    strict = decided(study, "privacy")
    endocur(study, "filter", "--min-quality", "0.1")
    assert decided(study, "privacy") == strict, "a filter that says nothing of it lets no frame back"
    endocur(study, "filter", "--out-of-body", "off", "--min-quality", "0")
    assert tables.read_decisions(Corpus(study / "corpus"), "privacy") is None
    assert account(study, "filter")["seen"] == account(study, "filter")["kept"]
    assert "privacy" not in endocur(study, "status").stdout


def test_a_corpus_from_before_stays_valid_and_score_adds_the_column(study: Path) -> None:
    for path in (study / "corpus/scores").iterdir():
        table = pq.read_table(path, partitioning=None).drop_columns(["in_body", "body_version"])
        pq.write_table(table.replace_schema_metadata({"score_version": "1"}), path)
    shutil.rmtree(study / "corpus/tables", ignore_errors=True)
    frames = tables.frames(Corpus(study / "corpus"), ["in_body", "body_version", "quality"])
    assert frames["body_version"].null_count == len(frames) > 0 and frames["quality"].null_count == 0
    refused = endocur(study, "filter", "--out-of-body", "standard", check=False)
    assert refused.returncode == 3 and "run: endocur score" in refused.stderr
    endocur(study, "filter", "--out-of-body", "off")
    endocur(study, "score", "--workers", "1")
    again = tables.frames(Corpus(study / "corpus"), ["in_body", "body_version"])
    assert again["body_version"].null_count == 0
    endocur(study, "filter", "--out-of-body", "standard")
    assert decided(study, "privacy")


def test_score_writes_the_bytes_that_extract_wrote(study: Path) -> None:
    before = {path.name: path.read_bytes() for path in (study / "corpus/scores").iterdir()}
    endocur(study, "score", "--workers", "1")
    assert {path.name: path.read_bytes() for path in (study / "corpus/scores").iterdir()} == before
    assert SIZE == (160, 120)


def test_a_wrong_word_is_refused(study: Path) -> None:
    done = endocur(study, "filter", "--out-of-body", "loose", check=False)
    assert done.returncode == 2 and "loose" in done.stderr
