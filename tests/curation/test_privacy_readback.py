"""Text read back: what is legible is found, nothing of it is kept, tissue is let be."""

from __future__ import annotations

import subprocess
import sys

import cv2
import numpy as np
import pytest
from drawn_views import moving

from endocur.privacy.readback import Line, TextReader


@pytest.fixture(scope="module")
def reader() -> TextReader:
    return TextReader()


def written(words: str, scale: float = 0.6, font: int = 0, turn: int = 0) -> np.ndarray:
    frame = (moving(1, 1, 320, 400)[0] // 2).astype(np.uint8)
    frame = np.ascontiguousarray(np.rot90(frame, -turn // 90))
    cv2.putText(frame, words, (40, 160), font, scale, (235, 235, 235), 1, cv2.LINE_AA)
    return np.ascontiguousarray(np.rot90(frame, turn // 90))


@pytest.mark.parametrize("font", [0, 2, 3])
@pytest.mark.parametrize("words", ["EVA", "MUSTERMANN", "1961-04-12"])
def test_a_string_of_three_characters_or_more_is_text_where_it_stands(
    reader: TextReader, words: str, font: int
) -> None:
    found = [line for line in reader.lines(written(words, font=font)) if line.is_text]
    assert len(found) >= 1
    x, y, width, height = found[0].box
    assert 30 <= x <= 50 and 135 <= y <= 155 and height <= 40
    assert width >= cv2.getTextSize(words, font, 0.6, 1)[0][0] * 0.7


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_turned_text_is_text(reader: TextReader, turn: int) -> None:
    assert any(line.is_text for line in reader.lines(written("MUSTERMANN", 0.8, turn=turn)))


def test_tissue_holds_no_text(reader: TextReader) -> None:
    assert [line for frame in moving(4, 3, 320, 400) for line in reader.lines(frame) if line.is_text] == []


def test_one_letter_and_what_the_recogniser_doubts_are_no_text() -> None:
    box = (0, 0, 30, 10)
    assert not Line(box, 0.99, 2, 0.9).is_text
    assert not Line(box, 0.59, 9, 0.9).is_text
    assert Line(box, 0.6, 3, 0.3).is_text
    assert Line(box, 0.2, 9, 0.9).is_unclear and not Line(box, 0.2, 9, 0.4).is_unclear
    assert not Line((0, 0, 12, 10), 0.2, 9, 0.9).is_unclear, "a spot is no line"


def test_what_was_read_stays_in_no_attribute(reader: TextReader) -> None:
    lines = reader.lines(written("QUASTENBICHLER"))
    assert any(line.is_text for line in lines)
    held = repr([vars(line) for line in lines]) + repr({k: v for k, v in vars(reader).items() if k != "_model"})
    assert "QUAST" not in held.upper()


def test_the_models_come_from_the_installed_package_without_network_and_say_nothing() -> None:
    code = (
        "import socket\n"
        "def refuse(*a, **k): raise OSError('no network in this test')\n"
        "socket.socket.connect = refuse; socket.create_connection = refuse; socket.getaddrinfo = refuse\n"
        "import cv2, numpy as np\n"
        "from endocur.privacy.readback import TextReader\n"
        "frame = np.zeros((240, 320, 3), np.uint8)\n"
        "cv2.putText(frame, 'MUSTER', (40, 80), 0, 0.6, (255, 255, 255), 1)\n"
        "print(sum(line.is_text for line in TextReader().lines(frame)))\n"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "1"
    assert "MUSTER" not in said.stdout + said.stderr
