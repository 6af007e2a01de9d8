"""Where the picture is: the view of a video or a still, and the one call that also finds what is burned in.

Pure functions over arrays; nothing here reads a file, a clock or a random number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

PROBE_LINES = 540
"""Lines of a probe frame: enough for text of 14 px at 1080 lines, and 93 MB for 60 frames of 16:9."""

Shape = Literal["circle", "cut_circle", "octagon", "notched_octagon", "rectangle", "full", "data"]
Box = tuple[int, int, int, int]
"""x0, y0, x1, y1 in pixels; x1 and y1 are one past the last."""


class Detector(Protocol):
    """What `layout` asks of a text detector: `text.TextDetector`, or a stand-in in tests."""

    def boxes(self, rgb: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """Quadrilaterals [4, 2] (x, y) around text in uint8 [h, w, 3] RGB."""


@dataclass(frozen=True)
class View:
    """The lit region of a source, in coded pixels before rotation."""

    mask: NDArray[np.bool_]
    """[h, w]: True where the picture is."""
    shape: Shape
    box: Box
    """Smallest box round the mask: the crop."""
    parameters: dict[str, float] = field(default_factory=dict)
    """Numbers of the fitted shape in pixels of the mask; empty for `full` and `data`."""


@dataclass(frozen=True)
class Layout:
    """View and overlays of one source; both masks have the size asked for."""

    view: View
    overlay: NDArray[np.bool_]
    """[h, w]: True where something is burned in; only inside the view."""
    boxes: list[Box]
    """One box a connected overlay."""
    counts: dict[str, int]
    """`probe` frames given, `used` of them that were judged distinct, `still_regions`, `text_boxes`."""


def probe_frame(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A frame as `layout` wants it: at most PROBE_LINES lines; smaller frames come back unchanged.

    Args:
        rgb: uint8 [H, W, 3] in coded orientation.
    """
    height, width = rgb.shape[:2]
    if height <= PROBE_LINES:
        return rgb
    size = (max(1, round(width * PROBE_LINES / height)), PROBE_LINES)
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)


def layout(
    probe: NDArray[np.uint8] | Sequence[NDArray[np.uint8]],
    *,
    size: tuple[int, int] | None = None,
    detector: Detector | None = None,
) -> Layout:
    """View and overlays of one video (or of one group of like stills).

    Args:
        probe: uint8 [n, h, w, 3] or n frames [h, w, 3], RGB, spread evenly over the whole video, in coded
            orientation and time order; about 60 of them, reduced by `probe_frame` one by one so that 60 frames
            of any source stay below 100 MB. n >= 1; one frame is treated as a still.
        size: (height, width) of the coded frame; the masks have this size. The probe's own size if None.
        detector: asked on at most 8 of the frames; None leaves overlays to the stillness test alone.
    Raises: ValueError for no frame or frames of unequal size.
    """
    frames = [probe_frame(frame) for frame in probe]
    if not frames or any(frame.shape != frames[0].shape for frame in frames):
        raise ValueError(f"{len(frames)} probe frames; at least one is needed and all of one size.")
    height, width = size or frames[0].shape[:2]
    luma = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames])
    high = np.percentile(luma, 90, axis=0).astype(np.uint8)
    view = find_view(high, luma)
    mask = cv2.resize(view.mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_LINEAR) > 0
    full = View(mask, view.shape, box_of(mask))
    return Layout(full, np.zeros((height, width), bool), [], {"probe": len(frames)})


def still_layout(rgb: NDArray[np.uint8], *, detector: Detector | None = None) -> Layout:
    """View and overlays of a still that stands alone: no time, so text is what the detector says.

    Args:
        rgb: uint8 [H, W, 3] at full size; it is reduced inside, the masks have its size.
        detector: None finds no overlay.
    """
    return layout([rgb], size=(rgb.shape[0], rgb.shape[1]), detector=detector)


def find_view(high: NDArray[np.uint8], probe: NDArray[np.uint8], *, ignore: NDArray[np.bool_] | None = None) -> View:
    """The lit region from the per-pixel high percentile of the probe's lumas.

    Args:
        high: uint8 [h, w].
        probe: uint8 [n, h, w] lumas, for where the picture moves.
        ignore: bool [h, w], still regions (text, logos) that must not count as picture.
    """
    lit = high > 24
    if ignore is not None:
        lit &= ~ignore
    count, labels, stats, _ = cv2.connectedComponentsWithStats(lit.astype(np.uint8))
    if count < 2:
        full = np.ones(high.shape, bool)
        return View(full, "full", box_of(full))
    mask = labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    return View(mask, "data", box_of(mask))


def box_of(mask: NDArray[np.bool_]) -> Box:
    """Smallest box round the True pixels; the whole picture if there are none."""
    ys, xs = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(ys):
        return 0, 0, mask.shape[1], mask.shape[0]
    return int(xs[0]), int(ys[0]), int(xs[-1]) + 1, int(ys[-1]) + 1
