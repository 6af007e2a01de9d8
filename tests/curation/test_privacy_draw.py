"""Which frames are read, and the bound on those that are not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from endocur.privacy.draw import Row, draw, upper_bound

KEY = bytes(range(32))


def row(source: int, second: int, view: str = "v000", group: int | None = None) -> Row:
    said = source if group is None else group
    return Row(f"{source:016x}-{second:012d}", f"{source:016x}", f"{said:016x}", view, 0, second)


VIDEOS = [row(source, second, f"v{second // 40:03d}", source // 2) for source in range(8) for second in range(100)]


def test_equal_key_and_rows_draw_the_same_frames_and_another_key_others() -> None:
    assert draw(VIDEOS, 30, KEY) == draw(VIDEOS, 30, KEY)
    assert draw(VIDEOS, 30, KEY).random != draw(VIDEOS, 30, KEY[::-1]).random
    assert len(draw(VIDEOS, 30, KEY).random) == 30


@given(count=st.integers(1, 60))
def test_every_layout_of_every_video_and_every_group_is_read(count: int) -> None:
    drawn = draw(VIDEOS, count, KEY)
    read = [VIDEOS[place] for place in (*drawn.random, *drawn.forced)]
    assert {(one.source_id, one.view_id) for one in read} == {(one.source_id, one.view_id) for one in VIDEOS}
    assert {one.group_id for one in read} == {one.group_id for one in VIDEOS}
    assert len({one.frame_id for one in read}) == len(read)
    assert len(drawn.forced) <= 8 * 3


def test_a_layout_of_one_frame_is_read_too() -> None:
    rows = [row(0, second) for second in range(500)] + [row(0, 500, "v001")]
    drawn = draw(rows, 1, KEY)
    assert 500 in (*drawn.random, *drawn.forced)


def test_stills_are_drawn_at_random_and_not_forced_one_by_one() -> None:
    stills = [row(source, 0, f"s{source:04d}") for source in range(400)]
    assert draw(stills, 50, KEY).forced == ()
    assert len(draw(stills, 1000, KEY).random) == 400


def test_the_draw_is_even() -> None:
    """Over many keys each of 20 frames is drawn about as often: within four standard deviations of its mean."""
    rows = [row(source, 0) for source in range(20)]
    hits = np.zeros(20)
    for number in range(2000):
        hits[list(draw(rows, 5, number.to_bytes(4, "big")).random)] += 1
    assert np.abs(hits - 500).max() < 4 * np.sqrt(2000 * 0.25 * 0.75)


@pytest.mark.parametrize(("hits", "drawn", "wanted"), [(0, 300, 0.00994), (0, 59, 0.0495), (1, 300, 0.01572)])
def test_the_bound_is_that_of_the_tables(hits: int, drawn: int, wanted: float) -> None:
    assert upper_bound(hits, drawn, 10**6) == pytest.approx(wanted, rel=2e-3)


@given(drawn=st.integers(1, 400), share=st.floats(0, 1))
def test_at_the_bound_so_few_hits_have_a_chance_of_five_percent(drawn: int, share: float) -> None:
    hits = min(int(share * drawn), drawn - 1)
    assert binom.cdf(hits, drawn, upper_bound(hits, drawn, 10**7)) == pytest.approx(0.05, abs=1e-6)


def test_a_sample_that_is_the_whole_set_has_its_own_share_as_bound() -> None:
    assert upper_bound(0, 50, 50) == 0
    assert upper_bound(2, 50, 50) == 0.04
    assert upper_bound(50, 50, 60) == 1


@pytest.mark.parametrize(("hits", "drawn", "population"), [(3, 2, 5), (0, 6, 5), (0, 0, 0), (-1, 2, 5)])
def test_counts_that_cannot_be_are_refused(hits: int, drawn: int, population: int) -> None:
    with pytest.raises(ValueError, match="is wanted"):
        upper_bound(hits, drawn, population)
