"""The view: found from frames spread over a recording, whatever its shape, its border and what else was recorded."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from drawn_views import HEIGHT, WIDTH, Mask, box, disc, moving, octagon, overlap, polygon, recording, text_at, touched
from hypothesis import given, settings
from hypothesis import strategies as st

from endocur.extract.decode import Video
from endocur.extract.segments import probe
from endocur.extract.view import PROBE_LINES, box_of, layout, probe_frame, still_layout

SHAPES: dict[str, tuple[Mask, str]] = {
    "circle": (disc(160, 120, 110), "circle"),
    "circle cut by the frame": (disc(160, 120, 140), "circle"),
    "circle with flattened sides": (disc(160, 120, 105) & box(80, 0, 240, 240), "cut_circle"),
    "circle cut on all sides": (disc(160, 120, 130) & box(40, 10, 290, 230), "cut_circle"),
    "octagon": (octagon(50, 12, 280, 230, 45), "octagon"),
    "octagon with a notch": (octagon(50, 12, 280, 230, 45) & ~box(50, 170, 110, 230), "notched_octagon"),
    "octagon with a notch right": (octagon(50, 12, 280, 230, 45) & ~box(230, 160, 280, 230), "notched_octagon"),
    "rectangle": (box(70, 10, 300, 225), "rectangle"),
    "rectangle beside a panel": (box(0, 0, 240, 240), "rectangle"),
    "full frame": (np.ones((HEIGHT, WIDTH), bool), "full"),
    "full frame with dark corners": (octagon(0, 0, 320, 240, 40), "octagon"),
    "a shape of no processor": (disc(110, 110, 70) | disc(210, 110, 70), "data"),
}
CIRCLE = SHAPES["circle"][0]


def colour_bars() -> np.ndarray:
    colours = [(191, 191, 191), (191, 191, 0), (0, 191, 191), (0, 191, 0), (191, 0, 191), (191, 0, 0), (0, 0, 191)]
    return np.array(colours, np.uint8)[np.arange(WIDTH) * 7 // WIDTH][None].repeat(HEIGHT, axis=0)


def inside(view: Mask, frames: np.ndarray, level: int) -> np.ndarray:
    """The frames with one level all over the view: a black-out, a white-out."""
    return np.where(view[..., None], np.uint8(level), frames)


@pytest.mark.parametrize("name", SHAPES)
def test_each_shape_is_found_to_a_hundredth_and_named(name: str) -> None:
    truth, shape = SHAPES[name]
    found = layout(recording(truth)).view
    assert overlap(found.mask, truth) >= 0.99
    assert found.shape == shape
    assert found.box == box_of(found.mask)
    assert bool(found.parameters) == (shape not in ("full", "data"))


def test_rounded_corners_are_a_rectangle_with_a_radius() -> None:
    truth = cv2.dilate(box(60, 40, 260, 200).astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (51, 51)))
    found = layout(recording(truth > 0)).view
    assert overlap(found.mask, truth > 0) >= 0.99
    assert found.shape == "rectangle"
    assert found.parameters["radius"] == pytest.approx(25, abs=3)


@pytest.mark.parametrize(("border", "noise"), [(0, 0), (8, 1.2), (14, 2), (16, 3), (30, 2), (60, 2), (110, 2)])
def test_any_dark_or_grey_border_with_its_own_noise_is_outside(border: int, noise: float) -> None:
    truth = SHAPES["octagon"][0]
    found = layout(recording(truth, border=border, noise=noise, jpeg=80)).view
    assert overlap(found.mask, truth) >= 0.98


@given(border=st.integers(0, 60), noise=st.floats(0, 3), seed=st.integers(0, 50))
@settings(max_examples=8)
def test_the_brightness_of_the_border_changes_nothing(border: int, noise: float, seed: int) -> None:
    found = layout(recording(CIRCLE, count=12, border=border, noise=noise, seed=seed)).view
    assert overlap(found.mask, CIRCLE) >= 0.98


@given(dx=st.integers(-40, 40), dy=st.integers(-20, 20), radius=st.integers(60, 98), seed=st.integers(0, 50))
@settings(max_examples=8)
def test_a_circle_is_found_wherever_and_however_large_it_is(dx: int, dy: int, radius: int, seed: int) -> None:
    truth = disc(160 + dx, 120 + dy, radius)
    found = layout(recording(truth, count=12, seed=seed)).view
    assert overlap(found.mask, truth) >= 0.98


@given(factor=st.floats(1.2, 3.0), name=st.sampled_from(["circle", "octagon with a notch", "a shape of no processor"]))
@settings(max_examples=8)
def test_masks_have_the_coded_size_and_scale_with_it(factor: float, name: str) -> None:
    truth, shape = SHAPES[name]
    size = (round(HEIGHT * factor), round(WIDTH * factor))
    found = layout(recording(truth, count=12), size=size)
    wanted = cv2.resize(truth.astype(np.float32), size[::-1], interpolation=cv2.INTER_LINEAR) >= 0.5
    assert found.view.mask.shape == found.overlay.shape == size
    assert found.view.shape == shape
    assert overlap(found.view.mask, wanted) >= 0.98


def test_an_anamorphic_circle_is_found_as_an_ellipse() -> None:
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH] + 0.5
    truth = ((x - 160) / 120) ** 2 + ((y - 120) / 100) ** 2 <= 1
    assert overlap(layout(recording(truth)).view.mask, truth) >= 0.98


DISTURBED = {
    "the first tenth is dark": lambda frames: np.concatenate([np.full_like(frames[:4], 10), frames[4:]]),
    "colour bars come first": lambda frames: np.concatenate([colour_bars()[None].repeat(8, axis=0), frames[8:]]),
    "a title comes first": lambda frames: np.concatenate([titled(frames[:4]), frames[4:]]),
    "a third is black": lambda frames: np.concatenate([inside(CIRCLE, frames[:13], 3), frames[13:]]),
    "two thirds are black": lambda frames: np.concatenate([frames[:14], inside(CIRCLE, frames[14:], 3)]),
    "a quarter is white": lambda frames: np.concatenate([frames[:30], inside(CIRCLE, frames[30:], 252)]),
    "the scope is held out of the body": lambda frames: np.concatenate([outside_body(frames[:10]), frames[10:]]),
    "half of it is one frozen picture": lambda frames: np.concatenate([frames[:20], frames[20:21].repeat(20, axis=0)]),
    "it is all one frozen picture": lambda frames: frames[:1].repeat(40, axis=0),
    "all of it is very dim": lambda frames: (frames * 0.2).astype(np.uint8),
}


def titled(frames: np.ndarray) -> np.ndarray:
    out = np.full_like(frames, 30)
    for frame in out:
        cv2.putText(frame, "CASE 12", (60, 120), cv2.FONT_HERSHEY_SIMPLEX, 1.5, (255, 255, 255), 3)
    return out


def outside_body(frames: np.ndarray) -> np.ndarray:
    room = moving(77, len(frames))[..., ::-1]  # blueish, bright
    return np.where(CIRCLE[..., None], np.clip(room.astype(int) + 60, 0, 255), frames).astype(np.uint8)


@pytest.mark.parametrize("name", DISTURBED)
def test_what_else_was_recorded_does_not_break_the_view(name: str) -> None:
    found = layout(DISTURBED[name](recording(CIRCLE, count=40))).view
    assert overlap(found.mask, CIRCLE) >= 0.97


def panel(frame: np.ndarray, index: int) -> None:
    for row, words in enumerate(("MUSTER", "EVA", "1961", "ID 88", "Gr: N", f"09:{index:02d}")):
        text_at(words, (4, 40 + 24 * row), scale=0.4)(frame, index)


def test_a_text_panel_beside_the_picture_is_cropped_away() -> None:
    truth = box(82, 0, 320, 240)
    found = layout(recording(truth, painters=[panel]))
    assert overlap(found.view.mask, truth) >= 0.99
    assert found.view.box[0] == pytest.approx(82, abs=1)


def test_a_grey_panel_beside_the_picture_is_cropped_away() -> None:
    def grey(frame: np.ndarray, index: int) -> None:
        frame[:, :82] = (70, 75, 80)
        panel(frame, index)

    truth = box(82, 0, 320, 240)
    assert overlap(layout(recording(truth, painters=[grey])).view.mask, truth) >= 0.99


def test_an_inset_that_hangs_on_the_rim_is_not_picture() -> None:
    guide = moving(5, 41, 50, 60)

    def inset(frame: np.ndarray, index: int) -> None:
        cv2.rectangle(frame, (10, 150), (74, 204), (240, 240, 240), 2)
        frame[152:202, 12:72] = guide[index]

    found = layout(recording(CIRCLE, count=40, painters=[inset]))
    assert overlap(found.view.mask, CIRCLE) >= 0.98


def test_dark_plates_over_the_rim_leave_the_shape_whole() -> None:
    plates = [text_at("2024/03/05", (185, 40), plate=True), text_at("09:41:07", (205, 58), plate=True)]
    found = layout(recording(CIRCLE, painters=plates))
    assert found.view.shape == "circle"
    assert overlap(found.view.mask, CIRCLE) >= 0.98


@pytest.mark.parametrize("name", ["octagon", "circle with flattened sides", "rectangle", "full frame"])
def test_a_single_still_shows_its_view(name: str) -> None:
    truth, shape = SHAPES[name]
    found = still_layout(recording(truth, count=1, seed=1, jpeg=85)[0]).view
    assert overlap(found.mask, truth) >= 0.98
    assert found.shape == shape


def test_a_still_without_border_keeps_its_dark_tissue() -> None:
    """Dark folds at the edge of a full-frame still fade; they are no border."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    light = np.clip(np.hypot(x - 320, y - 20) / 250, 0.12, 1)[..., None]
    still = (moving(3, 1)[0] * (1.12 - light)).astype(np.uint8)
    assert still_layout(still).view.shape == "full"


@pytest.mark.parametrize("level", [0, 12, 255])
def test_an_empty_still_has_the_whole_frame_as_view(level: int) -> None:
    found = still_layout(np.full((120, 160, 3), level, np.uint8))
    assert found.view.shape == "full"
    assert found.view.mask.all()
    assert not found.overlay.any()


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (3, 50), (50, 3), (17, 23)])
def test_tiny_frames_have_a_layout_too(shape: tuple[int, int]) -> None:
    frames = np.random.default_rng(0).integers(0, 255, (6, *shape, 3), dtype=np.uint8)
    found = layout(frames)
    assert found.view.mask.shape == shape
    assert found.view.mask.any()


def test_the_same_frames_give_the_same_layout() -> None:
    frames = recording(SHAPES["octagon"][0], painters=[panel])
    one, two = layout(frames), layout(frames.copy())
    assert one.view.parameters == two.view.parameters
    assert (one.view.mask == two.view.mask).all()
    assert (one.overlay == two.overlay).all()
    assert one.boxes == two.boxes


def test_a_probe_frame_is_reduced_to_the_lines_looked_at() -> None:
    assert probe_frame(np.zeros((1080, 1920, 3), np.uint8)).shape == (PROBE_LINES, 960, 3)
    small = np.zeros((480, 640, 3), np.uint8)
    assert probe_frame(small) is small


def test_no_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="0 probe frames; at least one is needed and all of one size"):
        layout([])


def test_frames_of_two_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="2 probe frames; at least one is needed and all of one size"):
        layout([np.zeros((9, 9, 3), np.uint8), np.zeros((9, 8, 3), np.uint8)])


def test_a_polygon_with_three_sides_is_still_found() -> None:
    truth = polygon([(20, 220), (300, 220), (160, 15)])
    assert overlap(layout(recording(truth)).view.mask, truth) >= 0.96


@pytest.mark.real
@pytest.mark.parametrize(
    ("folder", "shapes", "share"),
    [
        ("bkai", {"circle", "cut_circle"}, (0.80, 0.92)),
        ("cvc", {"octagon", "cut_circle", "notched_octagon"}, (0.60, 0.75)),
        ("wce", {"circle", "octagon", "cut_circle"}, (0.70, 0.97)),
        ("sinus", {"circle", "cut_circle"}, (0.35, 0.45)),
    ],
)
def test_real_stills_have_the_view_of_their_scope(
    shared_data: Path, folder: str, shapes: set[str], share: tuple[float, float]
) -> None:
    paths = sorted((shared_data / "pool" / folder).iterdir())
    for path in paths[:: max(1, len(paths) // 6)]:
        rgb = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        view = still_layout(rgb).view
        assert view.shape in shapes, path.name
        assert share[0] <= view.mask.mean() <= share[1], path.name


@pytest.mark.parametrize("words", ["Large polyp at splenic flexure", "LARGE POLYP AT THE SPLENIC FLEXURE OF"])
def test_a_caption_over_a_whole_side_of_the_view_does_not_move_that_side(words: str) -> None:
    """It comes in the middle of the recording, and nothing else is still there by which to tell the side."""
    view = octagon(42, 20, 600, 460, 80, 480, 640)

    def caption(frame: np.ndarray, index: int) -> None:
        if index >= 12:
            text_at(words, (100, 38), scale=0.8)(frame, index)

    found = layout(recording(view, painters=[caption], jpeg=80))
    assert overlap(found.view.mask, view) >= 0.98
    drawn = touched([caption], 12, 480, 640) & view
    assert (found.overlay | ~found.view.mask)[drawn].mean() >= 0.99


@pytest.mark.real
@pytest.mark.parametrize("clip", ["laparo_720p.mp4", "cholec_circle.mp4", "colon_octagon.mp4"])
def test_real_recordings_without_overlays_lose_no_tissue(shared_data: Path, clip: str) -> None:
    """Laparoscopes draw a second dark edge some pixels inside the first."""
    (found,) = probe(Video(shared_data / "clips" / clip), max_side=960, detector=None).segments
    assert found.layout.overlay.sum() <= 0.005 * found.layout.view.mask.sum()
