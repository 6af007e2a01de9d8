"""The text detector: loaded late, offline, boxes only."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from drawn_views import box, moving, overlap, recording, text_at, touched
from hypothesis import given
from hypothesis import strategies as st

from endocur.extract.lines import blocks, same_ink
from endocur.extract.text import TextDetector, is_line
from endocur.extract.view import still_layout


@pytest.fixture(scope="module")
def detector() -> TextDetector:
    return TextDetector()


def turned(long: float, short: float, degrees: float) -> np.ndarray:
    """A box of two lengths about (100, 100), turned clockwise."""
    return cv2.boxPoints(((100.0, 100.0), (long, short), degrees)).astype(np.float32)


def mask_of(quads: list[np.ndarray], height: int, width: int) -> np.ndarray:
    canvas = np.zeros((height, width), np.uint8)
    for quad in quads:
        cv2.fillPoly(canvas, [quad.round().astype(np.int32)], 1)
    return canvas > 0


def test_lines_of_text_are_boxed_in_pixels_of_the_frame(detector: TextDetector) -> None:
    frame = moving(1, 1, 480, 640)[0]
    text_at("MUSTER, Eva", (60, 80), scale=1.0, outline=True)(frame, 0)
    text_at("1961/04/12", (380, 420), scale=0.9, outline=True)(frame, 0)
    found = mask_of(detector.boxes(frame), 480, 640)
    assert found[65:78, 70:230].mean() >= 0.95
    assert found[405:418, 390:520].mean() >= 0.95
    assert found.mean() <= 0.06


def test_small_frames_are_enlarged_so_that_small_text_is_found(detector: TextDetector) -> None:
    frame = moving(1, 1, 240, 320)[0]
    text_at("ID 40551234", (20, 40), scale=0.4, outline=True)(frame, 0)
    assert mask_of(detector.boxes(frame), 240, 320)[32:39, 24:90].mean() >= 0.9


def test_tissue_without_text_is_left_alone(detector: TextDetector) -> None:
    """A highlight may be taken for a letter here and there: a thousandth of the frame at most, a line takes ten."""
    assert max(mask_of(detector.boxes(frame), 240, 320).mean() for frame in moving(4, 3, 240, 320)) <= 0.001


def test_a_still_that_stands_alone_is_masked_by_the_detector(detector: TextDetector) -> None:
    view = box(0, 0, 320, 240)
    still = recording(view, count=1, painters=[text_at("MUSTER, Eva", (30, 60), scale=0.7, outline=True)])[0]
    found = still_layout(still, detector=detector)
    assert found.overlay[48:58, 36:150].mean() >= 0.95
    assert found.counts["text_boxes"] >= 1


@given(long=st.floats(30, 300), short=st.floats(5, 29), degrees=st.floats(-6, 6))
def test_level_boxes_longer_than_high_are_lines(long: float, short: float, degrees: float) -> None:
    assert is_line(turned(long, short, degrees), height=300)


@given(long=st.floats(60, 300), short=st.floats(5, 19), degrees=st.floats(84, 96))
def test_plumb_boxes_are_lines_of_a_turned_recording_if_they_are_long(
    long: float, short: float, degrees: float
) -> None:
    assert is_line(turned(long, short, degrees), height=300) == (long > 3 * short)


@given(long=st.floats(40, 300), short=st.floats(5, 29), degrees=st.floats(15, 75))
def test_slanted_boxes_are_folds_and_instruments(long: float, short: float, degrees: float) -> None:
    assert not is_line(turned(long, short, degrees), height=300)


def test_boxes_higher_than_a_seventh_of_the_frame_are_no_lines() -> None:
    assert not is_line(turned(200, 46, 0), height=300)


def test_words_in_the_ink_of_a_found_line_are_found_too() -> None:
    frame = moving(1, 1, 240, 320)[0] // 2
    for words, at in (("MUSTER 1961", (40, 60)), ("II MM", (40, 84))):
        text_at(words, at, scale=0.5)(frame, 0)
    line = np.array([[38, 46], [140, 46], [140, 64], [38, 64]], np.float32)
    added = mask_of(same_ink(frame, [line]), 240, 320)
    (wide, high), _ = cv2.getTextSize("II MM", cv2.FONT_HERSHEY_SIMPLEX, 0.5, 1)
    assert overlap(added[70:92, 36:110], box(4, 14 - high, 4 + wide, 16, 22, 74)) >= 0.5


def test_a_lone_highlight_beside_a_line_stays_tissue() -> None:
    frame = np.full((240, 320, 3), (120, 50, 40), np.uint8)
    text_at("MUSTER 1961", (40, 60), scale=0.5)(frame, 0)
    cv2.circle(frame, (80, 90), 4, (255, 255, 255), -1)
    line = np.array([[38, 46], [140, 46], [140, 64], [38, 64]], np.float32)
    assert not mask_of(same_ink(frame, [line]), 240, 320)[84:96].any()


@pytest.mark.parametrize("font", [0, 2, 3])
def test_the_end_of_a_line_that_the_frame_cuts_off_is_found(detector: TextDetector, font: int) -> None:
    frame = moving(1, 1, 480, 640)[0] // 2
    (wide, _), _ = cv2.getTextSize("MUSTER 19", font, 0.7, 1)
    text_at("MUSTER 19", (26 - wide, 100), font=font, scale=0.7)(frame, 0)
    assert mask_of(detector.boxes(frame), 480, 640)[88:100, 2:22].mean() >= 0.9


@pytest.mark.parametrize("font", [0, 2, 3])
def test_text_on_a_highlight_nearly_as_bright_is_found_in_a_still(detector: TextDetector, font: int) -> None:
    still = moving(2, 1, 480, 640)[0]
    glare = np.clip(1.6 - np.hypot(*(np.mgrid[0:480, 0:640] - np.array([240, 160])[:, None, None])) / 150, 0, 1)
    still = (still + (250.0 - still) * glare[..., None]).astype(np.uint8)
    words = [text_at("MUSTER, Eva", (80, 230), font=font, scale=0.7, colour=(240, 240, 240))]
    words[0](still, 0)
    drawn = touched(words, 0, 480, 640)
    found = still_layout(still, detector=detector)
    assert found.overlay[drawn].mean() >= 0.95
    assert found.overlay.mean() <= 0.03


def test_lines_seen_twice_count_once() -> None:
    line = np.array([[40, 40], [140, 40], [140, 54], [40, 54]], np.float32)
    below = line + np.float32([0, 18])
    (block,) = blocks([line, below, line + 1, below - 1])
    assert block[:, 1].min() >= 39
    assert block[:, 1].max() <= 73


def test_building_a_detector_loads_no_model() -> None:
    code = "import sys\nfrom endocur.extract.text import TextDetector\nTextDetector()\nprint('rapidocr' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "False"


def test_the_model_comes_from_the_installed_package_without_network() -> None:
    """Sockets are taken away before anything loads: what would download fails."""
    code = (
        "import socket\n"
        "def refuse(*a, **k): raise OSError('no network in this test')\n"
        "socket.socket.connect = refuse; socket.create_connection = refuse; socket.getaddrinfo = refuse\n"
        "import cv2, numpy as np\n"
        "from endocur.extract.text import TextDetector\n"
        "frame = np.zeros((240, 320, 3), np.uint8)\n"
        "cv2.putText(frame, 'MUSTER', (40, 80), 0, 0.6, (255, 255, 255), 1)\n"
        "print(len(TextDetector().boxes(frame)))\n"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "1"
    assert "MUSTER" not in said.stdout + said.stderr


def test_the_detector_leaves_no_trace_and_asks_nobody(tmp_path: Path) -> None:
    """Its runtime would keep a device id in the user's cache and report to its maker."""
    code = (
        "import numpy as np\n"
        "from endocur.extract.text import TextDetector\n"
        "TextDetector().boxes(np.zeros((540, 720, 3), np.uint8))\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    environment |= {"HOME": str(tmp_path), "XDG_CACHE_HOME": "", "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []
