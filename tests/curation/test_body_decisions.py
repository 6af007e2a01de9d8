"""From `in_body` to decisions: smoothing by time stamps, runs, undecided frames, stills, words."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from endocur.select.body import MAJORITY, RUN_S, decide, judge_stills, judge_video, share_inside

NAN = float("nan")


def out(values: list[float], mode: str = "standard", step_s: float = 1.0) -> str:
    """One letter a frame: `x` out, `.` in."""
    pts = (np.arange(len(values)) * step_s * 1e6).astype(np.int64)
    found = judge_video(pts, np.array(values, np.float32), mode)  # type: ignore[arg-type]
    return "".join("x" if one else "." for one in found.out)


def test_one_doubtful_frame_among_sure_ones_stays() -> None:
    assert out([1, 1, 1, 0.1, 1, 1, 1]) == "......."


def test_the_border_stays_where_it_is_at_any_rate() -> None:
    for step in (1.0, 0.5, 0.1):
        count = round(6 / step)
        assert out([0.0] * count + [0.9] * count, step_s=step) == "x" * count + "." * count
        assert out([0.5] * count + [0.0] * count, step_s=step) == "." * count + "x" * count


def test_a_stay_outside_within_a_procedure_is_out() -> None:
    assert out([1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1]) == "....xxxx...."


def test_before_the_first_and_after_the_last_run_of_three_seconds_all_is_out() -> None:
    values = [0, 0, 1, 1, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 1, 1]
    assert out(values) == "xxxxxxx....xxxxx"
    pts = (np.arange(len(values)) * 1e6).astype(np.int64)
    assert judge_video(pts, np.array(values, np.float32), "standard").outer.sum() == 4


def test_a_run_is_counted_in_seconds_and_not_in_frames() -> None:
    blip = [0.0] * 20 + [1.0] * 8 + [0.0] * 20
    assert set(out(blip, step_s=0.1)) == {"x"}, "0.8 s is no run"
    assert "." in out(blip, step_s=0.5)


def test_black_and_white_frames_go_with_their_neighbours() -> None:
    assert out([1, 1, 1, NAN, NAN, NAN, NAN, NAN, 1, 1, 1]) == "..........."
    assert out([0, 0, NAN, NAN, NAN, NAN, NAN, 0, 0, 1, 1, 1, 1]) == "xxxxxxxxx...."


def test_of_frames_that_nothing_can_be_said_of_standard_keeps_all_and_strict_none() -> None:
    assert out([NAN] * 5) == "....."
    assert out([NAN] * 5, "strict") == "xxxxx"
    assert judge_stills(np.array([NAN, 0.0, 1.0], np.float32), "standard").out.tolist() == [False, True, False]
    assert judge_stills(np.array([NAN, 0.0, 1.0], np.float32), "strict").out.tolist() == [True, True, False]


def test_a_clip_shorter_than_a_run_is_judged_by_its_frames_alone() -> None:
    assert out([1, 1]) == ".."
    assert out([1]) == "."
    assert out([0]) == "x"


def test_a_video_that_is_never_inside_for_three_seconds_is_out_as_a_whole() -> None:
    assert set(out([0, 0, 1, 0, 0, 0, 1, 0, 0])) == {"x"}


def test_strict_asks_for_more_and_keeps_a_distance() -> None:
    values = [0.5] * 8
    assert set(out(values)) == {"."} and set(out(values, "strict")) == {"x"}
    assert out([1, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1], "strict") == "....xxxxx...."


VALUES = st.lists(st.one_of(st.just(NAN), st.integers(0, 10_000).map(lambda v: v / 10_000)), min_size=1, max_size=60)


@given(values=VALUES, gaps=st.lists(st.integers(1, 4_000_000), min_size=60, max_size=60))
def test_strict_drops_whatever_standard_drops(values: list[float], gaps: list[int]) -> None:
    pts = np.cumsum(np.array(gaps[: len(values)], np.int64))
    value = np.array(values, np.float32)
    standard, strict = judge_video(pts, value, "standard"), judge_video(pts, value, "strict")
    assert not (standard.out & ~strict.out).any()
    kept = ~standard.out & ~np.isnan(standard.share)
    assert (standard.share[kept] >= MAJORITY).all()


@given(values=VALUES)
def test_the_share_is_that_of_all_judged_frames_within_reach(values: list[float]) -> None:
    pts = (np.arange(len(values)) * 1_000_000).astype(np.int64)
    value = np.array(values, np.float32)
    for place, share in enumerate(share_inside(pts, value, 0.35)):
        near = value[max(0, place - 1) : place + 2]
        near = near[~np.isnan(near)]
        assert np.isnan(share) if not len(near) else abs(share - (near >= np.float32(0.35)).mean()) < 1e-9


def test_each_video_is_judged_by_itself_and_stills_by_none_but_themselves() -> None:
    def rows(source: str, unit: str, values: list[float | None]) -> list[dict[str, object]]:
        return [
            {"frame_id": f"{source}-{k:02d}", "source_id": source, "unit": unit, "pts_us": k * 10**6, "in_body": value}
            for k, value in enumerate(values)
        ]

    frames = pa.Table.from_pylist(
        rows("a", "a", [1.0] * 5)
        + rows("b", "b", [0.0] * 5)
        + rows("c", "stills-1", [1.0])
        + rows("d", "stills-1", [0.1])
        + rows("e", "stills-1", [None])
    )
    decided = decide(frames, frozenset({"stills-1"}), "standard").to_pylist()
    assert [row["keep"] for row in decided] == [True] * 5 + [False] * 5 + [True, False, True]
    assert {row["reason"] for row in decided if not row["keep"]} == {"out_of_body"}
    assert (
        decided[5]["evidence"] == "in_body < 0.35 in 100% of what lies within 1.5 s"
        and decided[-2]["evidence"] == "in_body 0.1000 < 0.35"
    )
    assert RUN_S == 3.0 and decided[0]["evidence"] == ""
