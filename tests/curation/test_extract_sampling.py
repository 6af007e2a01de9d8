"""Sampling by time: the first frame at or after each tick, once."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from endocur.extract.sampling import Every, Ticks, chapter_of

CLOCKS = st.lists(st.integers(1, 3_000_000), min_size=1, max_size=60).map(
    lambda steps: [sum(steps[:count]) for count in range(len(steps))]
)


def picked(fps: float, times: list[int]) -> list[int]:
    ticks = Ticks(fps)
    return [us for us in times if ticks.wants(us)]


def test_one_frame_a_second_of_a_steady_video() -> None:
    assert picked(1.0, list(range(0, 5_000_000, 40_000))) == [0, 1_000_000, 2_000_000, 3_000_000, 4_000_000]


def test_asking_for_the_videos_own_rate_keeps_each_frame_although_stamps_are_rounded() -> None:
    times = [round(index * 1_000_000 / 30) for index in range(300)]
    assert picked(30.0, times) == times


def test_a_frame_after_a_hole_serves_all_ticks_it_has_passed() -> None:
    assert picked(1.0, [0, 400_000, 7_300_000, 7_900_000, 8_000_000]) == [0, 7_300_000, 8_000_000]


@given(times=CLOCKS, fps=st.sampled_from([0.1, 0.5, 1.0, 2.0, 12.5, 29.97]))
def test_each_tick_gets_the_first_frame_at_or_after_it_and_no_frame_comes_twice(times: list[int], fps: float) -> None:
    kept = picked(fps, times)
    expected = []
    last_tick = -1
    for us in times:  # by hand: a frame is kept if it reaches a tick that no earlier frame has reached
        tick = int((us + 1) * fps / 1_000_000 + 1e-9)
        if tick > last_tick:
            expected.append(us)
            last_tick = tick
    assert kept == expected
    assert all(before < after for before, after in pairwise(kept))


def test_every_keeps_every_frame() -> None:
    every = Every()
    assert all(every.wants(us) for us in (0, 1, 2, 10**9))


def test_chapters_are_cut_by_time() -> None:
    assert [chapter_of(us, 1200.0) for us in (0, 1_199_999_999, 1_200_000_000, 3_700_000_000)] == [0, 0, 1, 3]
