"""Where text is burned in: the detection model of RapidOCR, loaded when first asked, offline from inside its wheel.

Only boxes leave this module. Nothing is ever recognised, so no name can reach a log or a table.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

DETECT_LINES = 540
"""Height at which the model runs: about 0.25 CPU-s a frame. Lower frames are enlarged to it: on stills of 300 lines
that finds 2.7 times as many lines of text."""
MAX_WIDTH = 1920
"""A panorama is reduced to this width instead."""
INK, CERTAIN = 0.2, 0.35
"""Score of a pixel, and mean score of a box, from which they are text. The model's own 0.3 and 0.5 leave one pixel in
twenty-five of the text on stills; a highlight is boxed in 2 of 55 stills without text with either."""
EDGE = 0.06
"""Share of the frame's height by which it is mirrored outwards on each side: letters that the frame cuts off become
whole signs, which the model finds."""
TALLEST = 0.15
"""A line of text is lower than this share of the frame. On 64 stills of six sources letters took up to 0.08 with their
margin, and what was taken for text in tissue (a fold, the view itself) more than 0.2."""
UPRIGHT = 0.15
"""Slope up to which a box counts as level or as plumb: burned-in text does not tilt."""


class TextDetector:
    """Text boxes of a frame. Building it costs nothing; the model (10 MB) loads with the first call."""

    def __init__(self, *, threads: int = 1) -> None:
        self._threads = threads
        self._model: Any = None

    def boxes(self, rgb: NDArray[np.uint8], *, of: int | None = None) -> list[NDArray[np.float32]]:
        """Quadrilaterals round lines of text.

        Args:
            rgb: uint8 [h, w, 3]; brought to DETECT_LINES lines inside.
            of: lines of the whole frame, if `rgb` is a part of one: the part is scaled as the whole would be, and costs
                its share.
        Returns: float32 [4, 2] (x, y) in pixels of `rgb`, one a line of text, top to bottom.
        """
        if self._model is None:
            self._model = _load(self._threads)
        height, width = rgb.shape[:2]
        whole = height if of is None else of
        factor = min(DETECT_LINES / whole, MAX_WIDTH / width)
        how = cv2.INTER_CUBIC if factor > 1 else cv2.INTER_AREA
        resized = cv2.resize(rgb, (max(32, round(width * factor)), max(32, round(height * factor))), interpolation=how)
        margin = min(round(EDGE * whole * factor), min(resized.shape[:2]) - 1)
        wider = cv2.copyMakeBorder(resized, margin, margin, margin, margin, cv2.BORDER_REFLECT_101)
        found = self._model(np.ascontiguousarray(wider[..., ::-1]))
        if found.boxes is None:
            return []
        back = np.array([width / resized.shape[1], height / resized.shape[0]], np.float32)
        quads = [(np.asarray(quad, np.float32) - margin) * back for quad in found.boxes]
        limit = np.array([width, height], np.float32)
        inside = [np.clip(quad, 0, limit) for quad in quads if is_line(quad, whole)]
        return [quad for quad in inside if np.ptp(quad, axis=0).min() > 1]  # others lie in the mirror alone


def evened(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The frame [h, w, 3] with contrast evened out over places: letters on a highlight stand out from it."""
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB)
    lab[..., 0] = cv2.createCLAHE(clipLimit=3, tileGridSize=(6, 6)).apply(lab[..., 0])
    return np.asarray(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), np.uint8)


def is_line(quad: NDArray[np.float32], height: int) -> bool:
    """Whether a box can be a line of burned-in text: low, level or (in a turned recording) plumb, longer than high.

    Args:
        quad: float32 [4, 2] corners in order round the box.
        height: lines of the frame.
    """
    along, down = quad[1] - quad[0], quad[2] - quad[1]
    if np.hypot(*along) < np.hypot(*down):
        along, down = down, along
    long, short = float(np.hypot(*along)), float(np.hypot(*down))
    level = abs(along[1]) <= UPRIGHT * abs(along[0])
    plumb = abs(along[0]) <= UPRIGHT * abs(along[1])
    return short <= TALLEST * height and (level or (plumb and long > 3 * short))


def _load(threads: int) -> Any:
    import rapidocr

    return rapidocr.RapidOCR(
        params={
            "Global.use_cls": False,
            "Global.use_rec": False,
            "Global.log_level": "error",
            "Det.limit_type": "min",
            "Det.thresh": INK,
            "Det.box_thresh": CERTAIN,
            "Det.limit_side_len": 32,  # the library's own 736 would enlarge once more
            "EngineConfig.onnxruntime.intra_op_num_threads": threads,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
    )
