"""Text read back from final pixels: the detector and the recogniser of RapidOCR, offline from inside its wheel.

What is recognised never leaves `TextReader.lines`: a line is a box, the recogniser's certainty and a number of
characters. No string can reach a log, a table, an error or a picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

VERSION = "1"
"""Enters every audit; raised when the same pixels might be read otherwise."""

LINES = 540
"""Height at which the detector runs; lower pictures are enlarged to it."""
MAX_WIDTH = 1920
INK, CERTAIN = 0.2, 0.3
"""Score of a pixel and mean score of a box from which the recogniser is asked: more boxes than text, on purpose."""
EDGE = 0.06
"""Share of the height by which the picture is mirrored outwards, so that letters cut off by its edge become whole."""

LEGIBLE = 0.6
"""The recogniser's certainty from which a line counts as text."""
CHARACTERS = 3
"""Letters and digits from which a line counts as text; a Chinese or Japanese sign counts as two. Both figures:
docs/results/privacy-audit.md."""
SLIM = 6.0
"""A line has at most so many characters for each of its heights, and two: in a fold the recogniser sees seventeen."""
TALL = 0.4
"""A line is lower than this share of the picture's shorter side: what is higher is a fold, or the view itself."""
UNCLEAR = 0.5
"""Mean score of a box from which it is counted as unclear where nothing legible was read in it."""

SCRIPTS = ("Latin with its accents", "digits", "Chinese", "Japanese", "Greek")
"""What the recogniser knows. Others (Cyrillic, Arabic, Hebrew, Korean, Thai, Devanagari) give boxes without text."""


@dataclass(frozen=True)
class Line:
    """One line of what may be text."""

    box: tuple[int, int, int, int]
    """x, y, width, height in pixels of the picture."""
    certainty: float
    """Of the recogniser, 0 to 1."""
    characters: int
    """Letters and digits it read, a Chinese or Japanese sign twice."""
    score: float
    """The detector's mean, 0 to 1."""

    @property
    def is_text(self) -> bool:
        """Whether a person could read it, as far as the recogniser can tell."""
        return self.certainty >= LEGIBLE and self.characters >= CHARACTERS

    @property
    def is_unclear(self) -> bool:
        """Shaped like a line and no text: a script that is not known, a blurred word, a fold."""
        return not self.is_text and self.score >= UNCLEAR and max(self.box[2:]) >= 2 * min(self.box[2:])


class TextReader:
    """Lines of text in a picture. Building it costs nothing; the models (31 MB) load with the first call."""

    def __init__(self, *, threads: int = 1) -> None:
        self._threads = threads
        self._model: Any = None

    def lines(self, rgb: NDArray[np.uint8]) -> list[Line]:
        """What the detector boxes, top to bottom, with what the recogniser makes of it.

        Args:
            rgb: uint8 [h, w, 3].
        """
        if self._model is None:
            self._model = _load(self._threads)
        height, width = rgb.shape[:2]
        factor = min(LINES / height, MAX_WIDTH / width)
        how = cv2.INTER_CUBIC if factor > 1 else cv2.INTER_AREA
        size = max(32, round(width * factor)), max(32, round(height * factor))
        resized = cv2.resize(rgb, size, interpolation=how)
        margin = round(EDGE * size[1])
        wider = cv2.copyMakeBorder(resized, margin, margin, margin, margin, cv2.BORDER_REFLECT_101)
        wider = np.ascontiguousarray(wider[..., ::-1])
        found = self._model(wider, use_det=True, use_cls=False, use_rec=False)
        if found.boxes is None:
            return []
        back = np.array([width / size[0], height / size[1]], np.float32)
        limit = np.array([width, height], np.float32)
        lines = []
        for corners, score in zip(found.boxes, found.scores, strict=True):
            quad = np.asarray(corners, np.float32)
            low = np.floor(np.clip((quad.min(axis=0) - margin) * back, 0, limit)).astype(int).tolist()
            high = np.ceil(np.clip((quad.max(axis=0) - margin) * back, 0, limit)).astype(int).tolist()
            box = (low[0], low[1], high[0] - low[0], high[1] - low[1])
            if min(box[2:]) > 1:  # others lie in the mirror alone
                crop = upright_crop(wider, quad)
                low_enough = min(crop.shape[:2]) <= TALL * min(size)
                said = self._legible(crop) if low_enough else (0.0, 0)
                lines.append(Line(box, *said, round(float(score), 3)))
        return lines

    def _legible(self, crop: NDArray[np.uint8]) -> tuple[float, int]:
        """(certainty, characters) of the better of a line and the same turned by half."""
        best = (0.0, 0)
        for picture in (crop, np.ascontiguousarray(crop[::-1, ::-1])):
            said = self._model(picture, use_det=False, use_cls=False, use_rec=True)
            for text, score in zip(said.txts or (), said.scores or (), strict=True):
                characters = sum(map(_weight, text))
                fits = 0 < characters <= SLIM * crop.shape[1] / crop.shape[0] + 2
                best = max(best, (float(score) if fits else 0.0, characters))
            if best[0] >= LEGIBLE and best[1] >= CHARACTERS:
                break  # no need to turn it
        return round(best[0], 3), best[1]


def upright_crop(picture: NDArray[np.uint8], quad: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The pixels [h, w, 3] of a quadrilateral, level; one that is much higher than wide is turned by a quarter.

    Args:
        picture: uint8 [H, W, 3].
        quad: float32 [4, 2] corners, clockwise from the upper left.
    """
    width = max(1, round(float(max(np.hypot(*(quad[1] - quad[0])), np.hypot(*(quad[2] - quad[3]))))))
    height = max(1, round(float(max(np.hypot(*(quad[3] - quad[0])), np.hypot(*(quad[2] - quad[1]))))))
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    turn = cv2.getPerspectiveTransform(quad, corners)
    crop = cv2.warpPerspective(picture, turn, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.ascontiguousarray(np.rot90(crop) if height >= 1.5 * width else crop, np.uint8)


def _weight(character: str) -> int:
    """0 for no letter or digit, 2 for a sign of which two make a name."""
    wide = "\u3040" <= character <= "\u9fff" or "\uf900" <= character <= "\ufaff"
    return (2 if wide else 1) if character.isalnum() else 0


def _load(threads: int) -> Any:
    import rapidocr

    return rapidocr.RapidOCR(
        params={
            "Global.log_level": "error",
            "Det.limit_type": "min",
            "Det.thresh": INK,
            "Det.box_thresh": CERTAIN,
            "Det.limit_side_len": 32,  # the library's own 736 would enlarge once more
            "EngineConfig.onnxruntime.intra_op_num_threads": threads,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
    )
