"""Overlays: text, plates, logos and insets are covered through time, tissue is not."""

from __future__ import annotations

import re
from collections.abc import Sequence

import cv2
import numpy as np
import pytest
from drawn_views import Painter, box, canvas, disc, moving, octagon, recording, text_at, touched
from hypothesis import given
from hypothesis import strategies as st

from endocur.extract.lines import blocks, confirm
from endocur.extract.overlays import boxed, compact, enlarged, flat_panels
from endocur.extract.view import Layout, layout, member_layout, still_layout

HEIGHT, WIDTH = 480, 640
VIEW = octagon(100, 20, 600, 460, 90, HEIGHT, WIDTH)
NAME = "Muster, Eva 1961"
Quad = np.ndarray


def covered(found: Layout, painters: Sequence[Painter], index: int, view: np.ndarray = VIEW) -> float:
    """Share of the drawn pixels inside the view that are masked."""
    drawn = touched(painters, index, HEIGHT, WIDTH) & view
    return float((drawn & (found.overlay | ~found.view.mask)).sum() / max(1, drawn.sum()))


def lost(found: Layout, painters: Sequence[Painter], index: int, view: np.ndarray = VIEW) -> float:
    """Share of the tissue that is masked."""
    tissue = view & ~touched(painters, index, HEIGHT, WIDTH)
    return float((tissue & found.overlay).sum() / tissue.sum())


def upright(x0: float, y0: float, x1: float, y1: float) -> Quad:
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], np.float32)


class Scripted:
    """A detector that answers what it was told to, frame by frame."""

    def __init__(self, *answers: list[Quad]) -> None:
        self.answers, self.asked = list(answers), 0

    def boxes(self, rgb: np.ndarray) -> list[Quad]:
        self.asked += 1
        return self.answers[(self.asked - 1) % len(self.answers)]


STYLES: dict[str, Painter] = {
    **{
        f"font {font}": text_at(NAME, (130, 140), font=font, scale=scale)
        for font, scale in ((0, 0.6), (1, 1.1), (2, 0.6), (3, 0.6), (5, 0.7), (6, 0.7), (7, 0.8))
    },
    "outlined": text_at(NAME, (130, 140), scale=0.6, outline=True),
    "on a plate": text_at(NAME, (130, 140), scale=0.6, plate=True),
    "yellow": text_at(NAME, (130, 140), scale=0.6, colour=(255, 230, 60)),
    "red as tissue": text_at(NAME, (130, 140), scale=0.6, colour=(200, 60, 40)),
    "black": text_at(NAME, (130, 140), scale=0.6, colour=(0, 0, 0)),
    "half transparent": text_at(NAME, (130, 140), scale=0.6, alpha=0.5),
    "on a half transparent plate": text_at(NAME, (130, 140), scale=0.6, alpha=0.6, plate=True),
    "tiny": text_at(NAME, (130, 140), scale=0.35),
}


@pytest.mark.parametrize("style", STYLES)
def test_text_that_stands_still_is_covered_in_any_style(style: str) -> None:
    painters = [STYLES[style]]
    found = layout(recording(VIEW, painters=painters, jpeg=80))
    assert covered(found, painters, 0) >= 0.99
    assert lost(found, painters, 0) <= 0.03
    assert len(found.boxes) == 1


@pytest.mark.parametrize("plate", [False, True])
def test_a_ticking_clock_is_covered_with_all_its_digits(plate: bool) -> None:
    clock = text_at(lambda i: f"09:{20 + i // 3:02d}:{i * 17 % 60:02d}", (380, 200), scale=0.6, plate=plate)
    found = layout(recording(VIEW, count=30, painters=[clock], jpeg=80))
    assert min(covered(found, [clock], index) for index in range(0, 30, 3)) >= 0.97
    assert lost(found, [clock], 0) <= 0.02


def test_a_counter_of_which_every_digit_changes_is_covered() -> None:
    counter = text_at(lambda i: f"{i * 7919 % 100000:05d}", (380, 200), scale=0.6)
    found = layout(recording(VIEW, count=30, painters=[counter], jpeg=80))
    assert min(covered(found, [counter], index) for index in range(0, 30, 3)) >= 0.95


def test_a_line_of_text_is_masked_as_a_box_so_that_letters_leave_no_shape() -> None:
    found = layout(recording(VIEW, painters=[STYLES["font 0"]]))
    (x0, y0, x1, y1) = found.boxes[0]
    assert found.overlay[y0:y1, x0:x1].mean() >= 0.95


def test_a_logo_as_bright_as_the_tissue_is_covered() -> None:
    def logo(frame: np.ndarray, index: int) -> None:
        cv2.ellipse(frame, (220, 360), (40, 20), 0, 0, 360, (40, 110, 200), -1)

    found = layout(recording(VIEW, painters=[logo], jpeg=80))
    assert covered(found, [logo], 0) >= 0.97


@pytest.mark.parametrize("at", [(300, 200), (110, 300)])
def test_the_moving_picture_inside_an_inset_goes_with_its_frame(at: tuple[int, int]) -> None:
    x, y = at
    guide = moving(5, 24, 77, 117)

    def inset(frame: np.ndarray, index: int) -> None:
        cv2.rectangle(frame, (x, y), (x + 120, y + 80), (240, 240, 240), 2)
        frame[y + 2 : y + 79, x + 2 : x + 119] = guide[index]

    found = layout(recording(VIEW, painters=[inset], jpeg=80))
    assert covered(found, [inset], 0) >= 0.98
    assert lost(found, [inset], 0) <= 0.02


def test_text_across_the_rim_is_covered_inside_and_left_out_outside() -> None:
    words = [text_at("ID 40 55 1234", (60, 240), scale=0.6)]
    found = layout(recording(VIEW, painters=words, jpeg=80))
    assert covered(found, words, 0) >= 0.97
    assert not (found.overlay & ~found.view.mask).any()


def shade(reach: float, share: float, view: np.ndarray = VIEW) -> Painter:
    """The lens's own dark rim: tissue within `reach` pixels of the outline keeps `share` of its light."""
    inside = cv2.distanceTransform(np.pad(view.astype(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    light = np.where(inside > reach, 1.0, share)
    light = cv2.GaussianBlur(np.where(view, light, 1.0), (0, 0), 0.8)[..., None]

    def paint(frame: np.ndarray, index: int) -> None:
        frame[:] = (frame * light).astype(np.uint8)

    return paint


@pytest.mark.parametrize("reach", [3, 6, 9])
@pytest.mark.parametrize("view", [VIEW, disc(330, 240, 225, HEIGHT, WIDTH), np.ones((HEIGHT, WIDTH), bool)])
def test_an_edge_that_runs_along_the_outline_is_the_lens_and_no_overlay(view: np.ndarray, reach: int) -> None:
    found = layout(recording(view, painters=[shade(reach, 0.6, view)], jpeg=80))
    assert found.overlay.sum() <= 0.002 * view.sum()


@pytest.mark.parametrize("at", [(200, 38), (200, 50), (200, 452), (110, 240)])
def test_text_close_to_the_outline_is_covered_although_its_strokes_run_along_it(at: tuple[int, int]) -> None:
    words = [shade(6, 0.6), text_at("HE 1961 FLEET", at, scale=0.6)]
    found = layout(recording(VIEW, painters=words, jpeg=80))
    assert covered(found, words[1:], 0) >= 0.99
    assert lost(found, words[1:], 0) <= 0.02


@pytest.mark.parametrize("x", [102, 108, 114])
def test_an_inset_whose_side_runs_along_the_outline_is_covered_with_its_picture(x: int) -> None:
    guide = moving(5, 24, 77, 117)

    def inset(frame: np.ndarray, index: int) -> None:
        cv2.rectangle(frame, (x, 200), (x + 120, 280), (240, 240, 240), 2)
        frame[202:279, x + 2 : x + 119] = guide[index]

    found = layout(recording(VIEW, painters=[inset], jpeg=80))
    assert covered(found, [inset], 0) >= 0.98
    assert lost(found, [inset], 0) <= 0.02


def test_without_overlays_nothing_is_masked() -> None:
    found = layout(recording(VIEW, jpeg=80))
    assert found.overlay.mean() == 0
    assert found.boxes == []
    assert found.counts["still_regions"] == 0


def jittered(amplitude: float, count: int = 24) -> np.ndarray:
    """One place under a scope that only trembles, uint8 frames."""
    rng = np.random.default_rng(3)
    picture, soft = canvas(3, 1400), cv2.GaussianBlur(VIEW.astype(np.float32), (0, 0), 0.7)[..., None]
    out = []
    for _ in range(count):
        dx, dy = rng.normal(0, amplitude, 2).round().astype(int)
        place = picture[400 + dy : 400 + dy + HEIGHT, 400 + dx : 400 + dx + WIDTH]
        frame = place * soft + 8 * (1 - soft) + rng.normal(0, 1.2, place.shape)
        out.append(np.clip(frame, 0, 255).astype(np.uint8))
    return np.stack(out)


@pytest.mark.parametrize("amplitude", [0, 1, 2, 4, 8])
def test_tissue_under_a_resting_scope_is_no_overlay(amplitude: float) -> None:
    found = layout(jittered(amplitude))
    assert (found.overlay & VIEW).sum() <= 0.05 * VIEW.sum()


def test_a_scope_that_rests_for_most_of_the_recording_does_not_hide_the_text() -> None:
    words = [STYLES["font 0"]]
    frames = recording(VIEW, count=40, painters=words, jpeg=80)
    frames[10:] = frames[10]
    found = layout(frames)
    assert found.counts["used"] <= 12
    assert covered(found, words, 0) >= 0.97
    assert lost(found, words, 0) <= 0.05


def test_a_lumen_that_stays_in_the_middle_is_tissue() -> None:
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    dark = np.exp(-((np.hypot(x - 350, y - 240) / 70) ** 2))[..., None]

    def lumen(frame: np.ndarray, index: int) -> None:
        frame[:] = (frame * (1 - dark) + 8 * dark).astype(np.uint8)

    found = layout(recording(VIEW, painters=[lumen], jpeg=80))
    assert not found.overlay[200:280, 310:390].any()


def test_few_moments_say_nothing_of_what_stands_still() -> None:
    found = layout(recording(VIEW, count=4, painters=[STYLES["font 0"]]))
    assert not found.overlay.any()


def test_the_detector_is_asked_on_eight_frames_at_most() -> None:
    detector = Scripted([])
    layout(recording(VIEW, count=24), detector=detector)
    assert detector.asked == 8
    detector = Scripted([])
    layout(recording(VIEW, count=3), detector=detector)
    assert detector.asked == 3


def test_text_that_the_detector_sees_twice_is_added() -> None:
    found = layout(recording(VIEW, count=4), detector=Scripted([upright(200, 200, 320, 220)]))
    assert found.overlay[203:217, 205:315].all()
    assert found.boxes == [(200, 200, 321, 221)]
    assert found.counts["text_boxes"] == 4


def test_a_box_whose_letters_are_known_already_adds_no_margin() -> None:
    still = box(200, 200, 300, 220, HEIGHT, WIDTH)
    added, left = confirm(still, [[upright(190, 192, 310, 228)]], VIEW)
    assert added == left == []


def test_passing_text_is_masked_as_long_as_it_takes_little_room() -> None:
    """Labels of a moving box, each seen once: the longest lines first, two hundredths of the view together."""
    labels = [[upright(250, 60 + 45 * k, 340 + k, 75 + 45 * k)] for k in range(8)]
    added, left = confirm(np.zeros_like(VIEW), labels, VIEW)
    assert 0 < len(added) < 8
    assert len(added) + len(left) == 8
    assert sum((quad[2] - quad[0]).prod() for quad in added) <= 0.021 * VIEW.sum()
    assert min(quad[1, 0] for quad in added) > max(quad[1, 0] for quad in left)


def test_a_square_find_in_one_frame_is_a_highlight() -> None:
    added, left = confirm(np.zeros_like(VIEW), [[upright(300, 200, 330, 222)], []], VIEW)
    assert added == left == []


def test_boxes_beyond_the_view_cost_nothing() -> None:
    added, left = confirm(np.zeros_like(VIEW), [[upright(5, 5, 80, 20)]] * 2, VIEW)
    assert added == left == []


def test_a_flat_panel_in_a_still_is_covered_with_what_is_drawn_in_it() -> None:
    still = recording(VIEW, count=1, jpeg=90)[0]
    still[300:400, 140:260] = (25, 160, 135)
    cv2.polylines(still, [np.array([[170, 380], [180, 340], [230, 320]])], False, (10, 40, 35), 2, cv2.LINE_AA)
    panel = box(140, 300, 260, 400, HEIGHT, WIDTH)
    found = still_layout(still)
    assert found.overlay[panel & VIEW].mean() >= 0.99
    assert (found.overlay & ~panel).sum() <= 0.01 * VIEW.sum()


def test_blue_dye_on_tissue_is_no_panel() -> None:
    still = moving(2, 1, HEIGHT, WIDTH)[0][..., ::-1].copy()
    assert not flat_panels(still).any()


def test_a_still_of_a_group_has_the_regions_of_the_group_and_its_own_text() -> None:
    group = layout(recording(VIEW, painters=[STYLES["font 0"]]))
    still = recording(VIEW, count=1, seed=9)[0]
    found = member_layout(group, still, detector=Scripted([upright(300, 300, 420, 322)]))
    assert (found.overlay >= group.overlay).all()
    assert found.overlay[303:319, 305:415].all()
    assert not group.overlay[303:319, 305:415].any()
    assert found.view is group.view


def rows(*lines: tuple[float, float, float]) -> list[Quad]:
    """Lines 14 px high from (x0, x1, y0)."""
    return [upright(x0, y0, x1, y0 + 14) for x0, x1, y0 in lines]


def test_lines_of_one_column_cover_what_the_detector_passed_over_between_and_beside_them() -> None:
    """The second line was read to its middle only, the third not at all, and short ones above and below are missing."""
    read = rows((220, 310, 100), (220, 260, 118), (220, 300, 154))
    found = still_layout(recording(VIEW, count=1)[0], detector=Scripted(read))
    assert found.overlay[84:184, 220:310].all()
    assert found.overlay.sum() <= 0.06 * VIEW.sum()


def test_words_side_by_side_belong_to_the_column_below() -> None:
    (block,) = blocks(rows((20, 60, 100), (80, 120, 100), (20, 100, 118)))
    assert block.min(axis=0)[0] <= 20
    assert block.max(axis=0)[0] >= 120


def test_lines_that_stand_apart_make_no_block() -> None:
    assert blocks(rows((20, 110, 100), (20, 110, 180), (300, 390, 118), (20, 110, 300))) == []
    assert blocks([upright(20, 100, 110, 114), upright(20, 118, 300, 160)]) == []


@given(dx=st.integers(-40, 40), dy=st.integers(-40, 40), factor=st.floats(0.5, 3))
def test_blocks_move_and_grow_with_their_lines(dx: int, dy: int, factor: float) -> None:
    read = rows((60, 150, 100), (60, 120, 118), (60, 140, 154))
    moved = [quad * np.float32(factor) + np.array([dx, dy], np.float32) for quad in read]
    (one,), (other,) = blocks(read), blocks(moved)
    np.testing.assert_allclose(other, one * factor + [dx, dy], atol=0.01)


def test_boxes_are_those_of_the_connected_regions_from_top_to_bottom() -> None:
    mask = box(10, 60, 30, 70, 100, 100) | box(50, 5, 60, 25, 100, 100)
    assert boxed(mask).boxes == [(50, 5, 60, 25), (10, 60, 30, 70)]


def test_an_arc_along_an_outline_is_not_compact_but_a_plate_is() -> None:
    ring = disc(100, 100, 80, 200, 200) & ~disc(100, 100, 76, 200, 200)
    plate = box(80, 90, 120, 110, 200, 200)
    assert (compact(ring | plate) == plate).all()


def test_an_enlarged_mask_never_uncovers_a_pixel() -> None:
    mask = np.random.default_rng(0).random((30, 40)) > 0.8
    large = enlarged(mask, 90, 120)
    assert large[mask.repeat(3, axis=0).repeat(3, axis=1)].mean() >= 0.99
    assert enlarged(mask, 30, 40) is mask


def test_counts_hold_numbers_and_never_words() -> None:
    found = layout(recording(VIEW, painters=[STYLES["font 0"]]), detector=Scripted([]))
    assert set(found.counts) == {"probe", "used", "still_regions", "text_boxes", "passing_text"}
    assert not re.search("muster|eva", repr(found.counts) + repr(found.view.parameters), re.IGNORECASE)
