"""Whether a video shows endoscopy at all, told from its probe frames before anything is stored.

Slides, a room camera, an export of the wrong folder: such a file costs its full decode and gives nothing. The
verdict is careful, for a wrong one loses a whole recording: it wants several frames that can be judged, hardly one
of them inside the body, and all of them together far from it. What it lets pass, `endocur filter` drops frame by frame.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from endocur.extract.segments import Probe, Segment
from endocur.quality.body import in_body
from endocur.quality.scores import region

NOT_ENDOSCOPY = "not endoscopy"
"""Reason of an ignored input."""
LEAST_FRAMES = 5
"""So many probe frames must be judged."""
FEW = 0.05
"""At most this share of them reaches 0.5."""
LOW = 0.2
"""Their mean lies below."""


def shows_no_endoscopy(found: Probe) -> bool:
    """The verdict on a probed video."""
    return is_foreign([value for part in found.segments for value in _values(found, part)])


def is_foreign(values: Sequence[float | None]) -> bool:
    """The verdict on `in_body` of the probe frames; None where a frame says nothing."""
    judged = [value for value in values if value is not None]
    if len(judged) < LEAST_FRAMES:
        return False
    return sum(value >= 0.5 for value in judged) <= FEW * len(judged) and sum(judged) < LOW * len(judged)


def _values(found: Probe, part: Segment) -> list[float | None]:
    frames = found.frames[part.view_id]
    # Overlays count here: of slides, or of a room seen by a camera on a wall, most stands still and would be masked.
    where = region(_fitted(part.layout.view.mask, frames[0].shape))
    if where.is_empty:
        return [None] * len(frames)
    pictures = (cv2.resize(rgb, where.size, interpolation=cv2.INTER_AREA) for rgb in frames)
    return [in_body(rgb, cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), where.coarse) for rgb in pictures]


def _fitted(mask: NDArray[np.bool_], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """A mask over the shown frame at the probe's size."""
    size = (shape[1], shape[0])
    return np.asarray(cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0)
