"""Where text is burned in: the detection model of RapidOCR, loaded when first asked, offline from inside its wheel.

Only boxes leave this module. Nothing is ever recognised, so no name can reach a log or a table.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

DETECT_LINES = 540
"""Height at which the model runs: 0.75 CPU-s and 475 MB a frame; 1,080 lines take twice that and find no more."""


class TextDetector:
    """Text boxes of a frame. Building it costs nothing; the model (10 MB) loads with the first call."""

    def __init__(self, *, threads: int = 1) -> None:
        self._threads = threads
        self._model: Any = None

    def boxes(self, rgb: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """Quadrilaterals round lines of text.

        Args:
            rgb: uint8 [h, w, 3]; reduced to DETECT_LINES lines inside, never enlarged.
        Returns: float32 [4, 2] (x, y) in pixels of `rgb`, one a line of text.
        """
        if self._model is None:
            self._model = _load(self._threads)
        factor = min(1.0, DETECT_LINES / rgb.shape[0])
        small = cv2.resize(rgb, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA) if factor < 1 else rgb
        found = self._model(np.ascontiguousarray(small[..., ::-1]))
        if found.boxes is None:
            return []
        return [np.asarray(quad, np.float32) / np.float32(factor) for quad in found.boxes]


def _load(threads: int) -> Any:
    import rapidocr

    return rapidocr.RapidOCR(
        params={
            "Global.use_cls": False,
            "Global.use_rec": False,
            "Global.log_level": "error",
            "Det.limit_type": "min",
            "Det.limit_side_len": 32,  # the library's own 736 would enlarge what was just reduced
            "EngineConfig.onnxruntime.intra_op_num_threads": threads,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
    )
