"""Thresholds on scores: who stays, the reason and evidence of who goes, and the command."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pytest
from drawn_corpus import add_unit, canvas, look, make_corpus
from hypothesis import given
from hypothesis import strategies as st

from endocur import tables
from endocur.commands import dedup as dedup_command
from endocur.commands import filter as filter_command
from endocur.configs import SCORE_NAMES, DedupConfig, FilterConfig
from endocur.corpus import Corpus
from endocur.select.filter import decide
from endoshards.errors import BadInput, BadOption
from endoshards.files import write_json

SHARP = [look(canvas(seed)) for seed in range(3)]
BLURRED = [cv2.GaussianBlur(frame, (0, 0), 4) for frame in SHARP]
BLACK = np.zeros_like(SHARP[0])


def frames(*rows: dict[str, float], blank: bool = False) -> pa.Table:
    columns = {name: np.array([row.get(name, 0.9) for row in rows], np.float32) for name in SCORE_NAMES}
    return pa.table({"frame_id": [f"f{k}" for k in range(len(rows))], **columns, "is_blank": [blank] * len(rows)})


def decided(table: pa.Table, **limits: float) -> list[tuple[bool, str, str]]:
    rows = decide(table, limits).to_pylist()
    assert [row["frame_id"] for row in rows] == table["frame_id"].to_pylist()
    return [(row["keep"], row["reason"], row["evidence"]) for row in rows]


def test_a_frame_at_the_threshold_stays_and_one_below_goes_with_its_evidence() -> None:
    table = frames({"quality": 0.4}, {"quality": 0.31, "sharpness": 0.33})
    assert decided(table, quality=0.4) == [
        (True, "", ""),
        (False, "quality", "quality 0.31 < 0.40; weakest: sharpness 0.33"),
    ]


def test_beside_a_low_quality_stands_what_is_to_blame() -> None:
    table = frames(
        {"quality": 0.3, "exposure": 0.3},
        {"quality": 0.3, "contrast": 0.3},
        {"quality": 0.3, "contrast": 0.5, "colour": 0.0},
        {"quality": 0.3, "sharpness": 0.3, "contrast": 0.9, "colour": 0.1},
    )
    blamed = [evidence.partition("weakest: ")[2] for _, _, evidence in decided(table, quality=0.4)]
    assert blamed == ["exposure 0.30", "contrast 0.30", "colour 0.00", "sharpness 0.30"]


def test_the_reason_is_the_lowest_of_the_scores_that_fail() -> None:
    table = frames({"quality": 0.35, "exposure": 0.2, "colour": 0.1})
    assert decided(table, quality=0.4, exposure=0.3) == [(False, "exposure", "exposure 0.20 < 0.30")]
    assert decided(table, quality=0.4, exposure=0.1)[0][1] == "quality"
    assert decided(table, quality=0.3, exposure=0.1) == [(True, "", "")]


def test_of_equally_low_scores_the_first_in_the_list_is_named() -> None:
    table = frames(dict.fromkeys(("sharpness", "contrast", "colour"), 0.2))
    assert decided(table, colour=0.5, contrast=0.5, sharpness=0.5)[0][1] == "sharpness"


def test_a_blank_frame_goes_as_blank_and_stays_where_nothing_is_asked() -> None:
    table = frames(dict.fromkeys(SCORE_NAMES, 0.0), blank=True)
    assert decided(table, quality=0.4) == [(False, "blank", "quality 0.00 < 0.40")]
    assert decided(table, quality=0.0) == [(True, "", "")]


def test_evidence_has_as_many_digits_as_show_the_difference() -> None:
    table = frames({"quality": 0.3996, "exposure": 0.5})
    assert decided(table, quality=0.4)[0][2] == "quality 0.3996 < 0.4000; weakest: exposure 0.50"


def test_no_frames_no_decisions() -> None:
    assert decide(frames(), {"quality": 0.4}).num_rows == 0


@given(
    rows=st.lists(st.tuples(*[st.integers(0, 100)] * len(SCORE_NAMES)), max_size=30),
    limits=st.dictionaries(st.sampled_from(SCORE_NAMES), st.integers(0, 100), min_size=1),
)
def test_each_frame_is_judged_alone_by_the_thresholds_given(
    rows: list[tuple[int, ...]], limits: dict[str, int]
) -> None:
    table = frames(*[dict(zip(SCORE_NAMES, [value / 100 for value in row], strict=True)) for row in rows])
    result = decided(table, **{name: value / 100 for name, value in limits.items()})
    for row, (keep, reason, evidence) in zip(rows, result, strict=True):
        scores = dict(zip(SCORE_NAMES, row, strict=True))
        failing = [name for name in SCORE_NAMES if name in limits and scores[name] < limits[name]]
        assert keep == (not failing)
        assert reason == min(failing, key=scores.__getitem__, default="")
        assert bool(evidence) == bool(failing)


# ---------------------------------------------------------------- the command


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    """Three sharp frames, three blurred, a black one."""
    made = make_corpus(tmp_path / "corpus")
    add_unit(made, "a", [*SHARP, *BLURRED, BLACK])
    return made


def run(corpus: Corpus, **options: object) -> None:
    filter_command.run(FilterConfig(corpus=corpus.root, **options))  # type: ignore[arg-type]


def test_the_command_writes_decisions_and_an_account_that_adds_up(
    corpus: Corpus, capsys: pytest.CaptureFixture[str]
) -> None:
    run(corpus)
    said = capsys.readouterr().out
    assert f"next: endocur dedup --corpus {corpus.root}" in said
    verdict = tables.verdict(corpus).to_pylist()
    assert [row["reason"] for row in verdict] == ["", "", "", "quality", "quality", "quality", "blank"]
    account = json.loads((corpus.log / "filter.json").read_text())
    assert (account["seen"], account["kept"]) == (7, 3)
    assert account["dropped"] == {"blank": 1, "quality": 3}
    assert account["extra"]["config"]["thresholds"] == {"quality": 0.4}
    assert account["fingerprint"] == tables.decided_with(corpus, "filter")


def test_a_video_that_is_half_extracted_is_not_passed_over_in_silence(
    corpus: Corpus, capsys: pytest.CaptureFixture[str]
) -> None:
    run(corpus)
    assert "half extracted" not in capsys.readouterr().out
    for name in ("0123456789abcdef.000", "0123456789abcdef.001"):
        write_json(corpus.units / f"{name}.json", {"frames": 1, "fingerprint": "f"})
    run(corpus)
    assert (
        "warning: 1 video half extracted and left out; finish with the line of extract, repeat"
        in capsys.readouterr().out
    )


def test_deciding_the_same_again_gives_equal_bytes_and_leaves_later_stages_fresh(corpus: Corpus) -> None:
    run(corpus)
    dedup_command.run(DedupConfig(corpus=corpus.root))
    first = (corpus.decisions / "filter.parquet").read_bytes()
    run(corpus)
    assert (corpus.decisions / "filter.parquet").read_bytes() == first
    assert tables.stale(corpus) == []
    run(corpus, min_quality=0.3)
    assert tables.stale(corpus) == ["dedup"]


def test_any_score_may_be_asked_for(corpus: Corpus) -> None:
    run(corpus, min_quality=0.0, min=("sharpness=0.45",))
    verdict = tables.verdict(corpus).to_pylist()
    assert [row["reason"] for row in verdict] == ["", "", "", "sharpness", "sharpness", "sharpness", "blank"]
    add_unit(corpus, "b", SHARP[:1])
    with pytest.raises(BadInput, match=rf"endocur filter --min-quality 0 --min sharpness=0\.45 --corpus {corpus.root}"):
        tables.require_fresh(corpus)


def test_a_filter_that_keeps_nothing_warns_and_dedup_after_it_is_refused(
    corpus: Corpus, capsys: pytest.CaptureFixture[str]
) -> None:
    run(corpus, min_quality=1.0)
    said = capsys.readouterr().out
    assert (
        "warning: no frame is left; lower the thresholds, for example: endocur filter --min-quality 0.2 --corpus"
        in said
    )
    assert "next:" not in said
    with pytest.raises(BadInput, match=r"all 7 frames of .* were dropped before dedup; lower a threshold") as refused:
        dedup_command.run(DedupConfig(corpus=corpus.root))
    assert refused.value.exit_code == 3


def spoilt(table: bytes) -> bytes:
    """A Parquet file whose head and foot are whole and whose rows are not."""
    return table[:8] + b"\x5a" * (len(table) // 4) + table[8 + len(table) // 4 :]


def test_damaged_decisions_are_decided_anew(corpus: Corpus) -> None:
    run(corpus)
    path = corpus.decisions / "filter.parquet"
    whole = path.read_bytes()
    for damage in (b"", whole[:200], spoilt(whole)):
        path.write_bytes(damage)
        run(corpus)
        assert path.read_bytes() == whole


def test_a_damaged_pack_of_rows_is_packed_anew(corpus: Corpus) -> None:
    run(corpus)
    path = corpus.tables / "frames.parquet"
    whole = path.read_bytes()
    for damage in (b"", whole[:200], spoilt(whole)):
        path.write_bytes(damage)
        run(corpus)
        assert path.read_bytes() == whole


def test_damaged_scores_are_refused_with_the_line_that_mends_them(corpus: Corpus) -> None:
    (path,) = corpus.scores.iterdir()
    whole = path.read_bytes()
    for damage in (b"", whole[:200], spoilt(whole)):
        path.write_bytes(damage)
        with pytest.raises(BadInput, match=r"cannot be read .*; make it anew: endocur score --corpus"):
            run(corpus)


def test_a_corpus_without_frames_is_refused(tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path / "corpus")
    with pytest.raises(BadInput, match="holds no frames; extract some first: endocur extract videos/"):
        run(corpus)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"min_quality": 40.0}, r"--min-quality is 40; scores run from 0 to 1. For 40 % write --min-quality 0\.4"),
        ({"min": ("sharpnes=0.3",)}, "'sharpnes' is no score; known: quality, sharpness"),
        ({"min": ("sharpness",)}, "write NAME=VALUE with a value from 0 to 1, for example --min sharpness=0.3"),
        ({"min": ("sharpness=3",)}, "write NAME=VALUE with a value from 0 to 1"),
        ({"min": ("sharpness=nan",)}, "write NAME=VALUE with a value from 0 to 1"),
        ({"min": ("colour=0.1", "colour=0.2")}, r"--min colour=0\.2: colour has a threshold already, 0\.1; say one\."),
        ({"min": ("quality=0.3",)}, r"--min quality=0\.3: quality has its own option; write --min-quality 0\.3\."),
    ],
)
def test_a_malformed_threshold_is_named_with_what_is_allowed(options: dict[str, object], text: str) -> None:
    with pytest.raises(BadOption, match=text):
        FilterConfig(**options)  # type: ignore[arg-type]
