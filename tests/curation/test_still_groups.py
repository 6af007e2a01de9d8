"""Stills share a view when folder, coded size and border outline agree and there are enough of them."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_views import disc, octagon, recording
from hypothesis import given
from hypothesis import strategies as st

from endocur.extract.still_groups import ALIKE, GROUP_MEMBERS, StillOutline, border_outline, still_groups

STILLS = st.lists(
    st.builds(
        StillOutline,
        folder_key=st.sampled_from(["a", "b"]),
        size=st.sampled_from([(480, 640), (576, 720)]),
        outline=st.sampled_from([0, 0b1111, (1 << 40) - 1, (1 << 256) - 1]),
    ),
    max_size=80,
)


def still(folder: str = "a", size: tuple[int, int] = (480, 640), outline: int = 0) -> StillOutline:
    return StillOutline(folder, size, outline)


def test_twenty_stills_of_one_folder_size_and_outline_are_a_group() -> None:
    assert still_groups([still()] * GROUP_MEMBERS) == [list(range(GROUP_MEMBERS))]


def test_nineteen_stand_alone() -> None:
    assert still_groups([still()] * (GROUP_MEMBERS - 1)) == [[index] for index in range(GROUP_MEMBERS - 1)]


@pytest.mark.parametrize("other", [still(folder="b"), still(size=(576, 720)), still(outline=(1 << 60) - 1)])
def test_another_folder_size_or_outline_joins_no_group(other: StillOutline) -> None:
    assert still_groups([other, *[still()] * GROUP_MEMBERS]) == [[0], list(range(1, GROUP_MEMBERS + 1))]


def test_a_dark_fold_at_the_rim_does_not_part_a_still_from_its_group() -> None:
    stills = [still()] * GROUP_MEMBERS + [still(outline=(1 << ALIKE) - 1), still(outline=(1 << (2 * ALIKE + 1)) - 1)]
    assert still_groups(stills) == [list(range(GROUP_MEMBERS + 1)), [GROUP_MEMBERS + 1]]


def test_no_still_is_no_group() -> None:
    assert still_groups([]) == []


@given(stills=STILLS, members=st.integers(2, 20))
def test_every_still_comes_once_and_groups_are_alike(stills: list[StillOutline], members: int) -> None:
    groups = still_groups(stills, members=members)
    assert sorted(index for group in groups for index in group) == list(range(len(stills)))
    for group in groups:
        assert len(group) == 1 or len(group) >= members
        assert len({(stills[index].folder_key, stills[index].size) for index in group}) == 1


@given(stills=STILLS, members=st.integers(2, 20), seed=st.integers(0, 99))
def test_the_order_of_the_stills_changes_no_group(stills: list[StillOutline], members: int, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(stills)).tolist()
    shuffled = still_groups([stills[index] for index in order], members=members)
    one = {frozenset(group) for group in still_groups(stills, members=members)}
    assert {frozenset(order[index] for index in group) for group in shuffled} == one


def test_stills_of_one_scope_have_nearly_one_outline_whatever_they_show() -> None:
    for view in (disc(160, 120, 110), octagon(50, 12, 280, 230, 45)):
        outlines = [border_outline(frame) for frame in recording(view, count=12, border=14, noise=2)]
        usual = max(set(outlines), key=outlines.count)
        assert np.median([(one ^ usual).bit_count() for one in outlines]) <= ALIKE


def test_two_views_have_two_outlines() -> None:
    one = border_outline(recording(disc(160, 120, 110), count=1)[0])
    other = border_outline(recording(octagon(20, 5, 300, 235, 30), count=1)[0])
    assert (one ^ other).bit_count() > ALIKE


def test_a_dark_lumen_in_the_middle_is_no_border() -> None:
    frame = np.full((240, 320, 3), 150, np.uint8)
    frame[90:150, 120:200] = 2
    assert border_outline(frame) == 0


@pytest.mark.parametrize("level", [0, 20, 255])
def test_an_even_still_is_all_border_or_none(level: int) -> None:
    assert border_outline(np.full((60, 80, 3), level, np.uint8)) in (0, (1 << 256) - 1)
