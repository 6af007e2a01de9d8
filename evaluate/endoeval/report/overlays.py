"""Predicted and true outlines drawn on a picture."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

LONG_SIDE = 480
"""Pixels of the drawn picture."""
TRUTH = (0, 220, 90)
PREDICTED = (255, 170, 0)
"""RGB of the two outlines."""
QUALITY = 85


def overlay(image: NDArray[np.uint8], predicted: NDArray[np.bool_], truth: NDArray[np.bool_]) -> bytes:
    """A JPEG of the picture, at most 480 px long, with the true outline in green and the predicted one in orange.

    Args:
        image: uint8 [h, w, 3] RGB.
        predicted, truth: bool [h, w].
    """
    height, width = truth.shape
    scale = min(1.0, LONG_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    drawn = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    for mask, colour in ((truth, TRUTH), (predicted, PREDICTED)):
        small = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST_EXACT)
        lines, _ = cv2.findContours(small, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(drawn, lines, -1, colour, 2)
    done, jpeg = cv2.imencode(".jpg", cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    if not done:
        raise RuntimeError(f"a picture of {size} could not be encoded")
    return bytes(jpeg.tobytes())
