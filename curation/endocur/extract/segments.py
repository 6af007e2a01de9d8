"""What stays of each frame of a video: view and overlays found once from frames spread over the whole of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from endocur.extract.geometry import Geometry, Shape, fit, shown_to_coded
from endocur.extract.planes import Planes, Stencil, stencil, to_rgb
from endocur.extract.source import Source, Unreadable
from endocur.extract.view import PROBE_LINES, Detector, Layout, box_of, layout

PROBE_FRAMES = 60


@dataclass(frozen=True)
class Segment:
    """The frames of one coded shape: where they are cropped and what is masked."""

    view_id: str
    geometry: Geometry
    stencil: Stencil
    tissue: NDArray[np.bool_]
    """[H, W] over the coded frame."""
    layout: Layout
    """In upright, square pixels of the shown frame."""


@dataclass(frozen=True)
class Probe:
    """Frames looked at before any is stored."""

    segments: dict[Shape, Segment]
    frames: dict[Shape, list[NDArray[np.uint8]]]
    """Upright RGB of at most PROBE_LINES lines, for the sheet."""


def probe(source: Source, *, max_side: int, detector: Detector | None) -> Probe:
    """Find view and overlays of a source, one segment a coded shape (a stream may change its size).

    Args:
        source: looked at over its whole length.
        max_side: of stored frames, pixels.
        detector: for burned-in text; None relies on stillness alone.
    Raises: Unreadable if no frame decodes.
    """
    frames: dict[Shape, list[NDArray[np.uint8]]] = {}
    for frame in source.probe(PROBE_FRAMES):
        if frame.shape.width >= 2 and frame.shape.height >= 2:
            frames.setdefault(frame.shape, []).append(probe_rgb(frame.planes, frame.shape))
    if not frames:
        raise Unreadable("no frame of at least 2 x 2 pixels can be decoded")
    segments = {
        shape: segment(f"v{number:03d}", shape, layout(rgbs, size=shape.shown, detector=detector), max_side)
        for number, (shape, rgbs) in enumerate(frames.items())
    }
    return Probe(segments, frames)


def segment(view_id: str, shape: Shape, found: Layout, max_side: int) -> Segment:
    """A layout over the shown frame brought to the coded and the stored frame."""
    view = shown_to_coded(found.view.mask, shape)
    overlay = shown_to_coded(found.overlay, shape)
    geometry = fit(shape, box_of(view), max_side)
    return Segment(view_id, geometry, stencil(view, overlay, geometry), view & ~overlay, found)


def probe_rgb(planes: Planes, shape: Shape) -> NDArray[np.uint8]:
    """The whole frame as `layout` wants it: upright, square pixels, at most PROBE_LINES lines."""
    height, width = shape.shown
    if height > PROBE_LINES:
        height, width = PROBE_LINES, max(1, round(width * PROBE_LINES / height))
    return to_rgb(planes, shape, (height, width))
