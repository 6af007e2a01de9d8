"""Which stretches become clips."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from endocur.clips.windows import EMPTY, FEW, FORBIDS, KEPT, SHORT, VIEW, Sampled, windows

SECOND = 1_000_000


def sampled(fates: str, view: str = "v000") -> list[Sampled]:
    """One frame a second: k kept, f dropped by filter, d by dedup, p by privacy."""
    stages = {"k": "", "f": "filter", "d": "dedup", "p": "privacy"}
    return [Sampled(index * SECOND, view, stages[fate]) for index, fate in enumerate(fates)]


def reasons(frames: list[Sampled], last_us: int, min_kept: float = 0.8) -> list[str]:
    return [one.reason for one in windows(frames, last_us, seconds=5, min_kept=min_kept)]


def test_four_of_five_are_enough_and_three_are_not() -> None:
    assert reasons(sampled("kkkkkkfkkkkfkdk"), 14_960_000) == [KEPT, KEPT, FEW]


def test_one_frame_dropped_for_privacy_takes_its_neighbours_along() -> None:
    """Between two stored frames nobody looked: what one of them shows may have begun just after the other."""
    assert reasons(sampled("kkkkkkkpkkkkkkk"), 14_960_000) == [KEPT, FORBIDS, KEPT]
    assert reasons(sampled("kkkkkpkkkkkkkkk"), 14_960_000) == [FORBIDS, FORBIDS, KEPT]


def test_a_change_of_view_takes_the_stretches_on_both_sides_of_it() -> None:
    frames = sampled("k" * 10) + [Sampled(us, "v001", "") for us in range(10 * SECOND, 20 * SECOND, SECOND)]
    assert reasons(frames, 19_960_000) == [KEPT, VIEW, VIEW, KEPT]


def test_a_stretch_that_the_end_cuts_short_is_none() -> None:
    assert reasons(sampled("k" * 8), 7_960_000) == [KEPT, SHORT]
    assert reasons(sampled("k" * 10), 9_960_000) == [KEPT, KEPT]


def test_a_stretch_without_a_stored_frame_is_none() -> None:
    frames = [frame for frame in sampled("k" * 20) if not 5 * SECOND <= frame.us < 10 * SECOND]
    assert reasons(frames, 19_960_000) == [KEPT, EMPTY, KEPT, KEPT]


@given(
    st.lists(st.sampled_from(["", "filter", "dedup", "privacy"]), max_size=60),
    st.floats(0.5, 9),
    st.floats(0.01, 1),
)
def test_stretches_cover_the_video_once_and_each_frame_counts_once(
    stages: list[str], seconds: float, min_kept: float
) -> None:
    frames = [Sampled(index * 700_000, "v000", stage) for index, stage in enumerate(stages)]
    last_us = len(frames) * 700_000
    cut = windows(frames, last_us, seconds=seconds, min_kept=min_kept)
    assert cut[0].start_us == 0
    assert cut[-1].end_us > last_us
    assert all(before.end_us == after.start_us for before, after in pairwise(cut))
    assert sum(one.sampled for one in cut) == len(frames)
    for one in cut:
        inside = [frame for frame in frames if one.start_us <= frame.us < one.end_us]
        assert one.kept == sum(not frame.stage for frame in inside)
        if one.reason == KEPT:
            assert one.kept >= min_kept * len(inside) - 1e-9
            assert not any(frame.stage == "privacy" for frame in inside)
