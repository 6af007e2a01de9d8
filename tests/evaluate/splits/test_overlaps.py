"""Times that touch, overlap or lie inside one another, against the definition written out pair by pair."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from endoeval.splits.names import cut
from endoeval.splits.overlaps import nested, touching
from endoeval.splits.times import places

INTERVALS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 12), st.integers(0, 5), st.integers(0, 2), st.booleans()),
    min_size=1,
    max_size=25,
)


def overlap(a: tuple[int, int], b: tuple[int, int]) -> bool:
    """Closed where one is a single frame, open else: an end that is the next begin is no overlap."""
    if a[0] == a[1] or b[0] == b[1]:
        return a[0] <= b[1] and b[0] <= a[1]
    return a[0] < b[1] and b[0] < a[1]


@given(drawn=INTERVALS, gap=st.integers(0, 2))
def test_touching_is_what_the_pairs_say(drawn, gap):
    groups = np.array([g for g, *_ in drawn])
    start = np.array([s for _, s, *_ in drawn], dtype=float)
    end = start + np.array([length for _, _, length, *_ in drawn])
    one = np.array([side for *_, side in drawn])
    over, touch = touching(groups, (start, end), one, ~one, float(gap))
    for i in range(len(drawn)):
        there = [(start[j], end[j]) for j in range(len(drawn)) if one[j] and groups[j] == groups[i]]
        here = (start[i], end[i])
        crosses = not one[i] and any(overlap(here, other) for other in there)
        near = not one[i] and any(here[0] - gap <= b and a <= here[1] + gap for a, b in there)
        assert over[i] == crosses
        assert touch[i] == (near and not crosses)


@given(drawn=INTERVALS)
def test_nested_under_two_labels_is_what_the_pairs_say(drawn):
    groups = np.array([g for g, *_ in drawn])
    start = np.array([s for _, s, *_ in drawn], dtype=float)
    end = start + 1 + np.array([length for _, _, length, *_ in drawn])
    labels = np.array([label for *_, label, _ in drawn])
    inner, outer, _ = nested(groups, start, end, labels)
    for i in range(len(drawn)):
        others = [j for j in range(len(drawn)) if groups[j] == groups[i] and labels[j] != labels[i]]
        assert inner[i] == any(start[j] <= start[i] and end[i] <= end[j] for j in others)
        assert outer[i] == any(start[i] <= start[j] and end[j] <= end[i] for j in others)


@pytest.mark.parametrize(
    ("names", "start", "end"),
    [
        (["v1_000000-022529.mp4", "v1_022530-030000.mp4"], [0, 22530], [22529, 30000]),
        (["A_1.53_3.77_G2.mp4", "A_3.80_9.00_G1.mp4"], [1.53, 3.8], [3.77, 9.0]),
        (["p_00027-00124.mp4", "p_00124-00200.mp4"], [27, 124], [124, 200]),
        (["case_1_phase_007_8197_8496", "case_1_phase_009_9000_9100"], [8197, 9000], [8496, 9100]),
        (["0a1b_20404.jpg", "0a1b_20403.jpg"], [20404, 20403], [20404, 20403]),
        (["x_12.0.jpg", "x_13.0.jpg"], [12, 13], [12, 13]),
        (["image (3).png", "image (10).png"], [3, 10], [3, 10]),
        (["frame0007_polyp.png", "frame0009_polyp.png"], [7, 9], [7, 9]),
    ],
)
def test_times_are_read_off_stems(names, start, end):
    found = places(cut(names).stem, np.zeros(2, dtype=np.int64))
    assert found is not None
    assert found[0].tolist() == start
    assert found[1].tolist() == end


def test_a_video_and_a_frame_number_are_no_interval():
    names = [f"{video:02d}_{frame:04d}.jpg" for video in range(1, 6) for frame in range(10, 40)]
    groups = np.repeat(np.arange(5), 30)
    found = places(cut(names).stem, groups)
    assert found is not None
    assert (found[0] == found[1]).all()
    assert found[0][:3].tolist() == [10, 11, 12]


def test_counts_that_begin_anew_under_each_word_are_no_time():
    names = [f"case_1_{word}_{i}.mp4" for word in ("suction", "cutting", "rest") for i in range(5)]
    assert places(cut(names).stem, np.zeros(15, dtype=np.int64)) is None


def test_the_same_number_in_all_rows_of_a_group_is_no_time():
    names = [f"patient_{p}.{kind}" for p in range(4) for kind in ("jpg", "png")]
    assert places(cut(names).stem, np.repeat(np.arange(4), 2)) is None
