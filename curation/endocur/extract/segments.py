"""What stays of each frame of a video: views and overlays found from frames spread over the whole of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from endocur.extract.changes import Sign, chosen, signs, starts
from endocur.extract.geometry import Geometry, Shape, fit, shown_to_coded
from endocur.extract.learned import Learned, apply
from endocur.extract.planes import Planes, Stencil, stencil, to_rgb
from endocur.extract.source import Frame, Source, Unreadable
from endocur.extract.view import ALWAYS, PROBE_LINES, Detector, Layout, box_of, layout

PROBE_FRAMES = 60


@dataclass(frozen=True)
class Segment:
    """The frames of one layout: where they are cropped and what is masked."""

    view_id: str
    geometry: Geometry
    stencil: Stencil
    tissue: NDArray[np.bool_]
    """[H, W] over the coded frame."""
    layout: Layout
    """In upright, square pixels of the shown frame."""


@dataclass(frozen=True)
class Probe:
    """What frames looked at before any is stored tell. `segment_of` is asked for each frame in time order."""

    parts: dict[Shape, list[Segment]]
    """Layouts of each coded shape, in the order they begin."""
    frames: dict[str, list[NDArray[np.uint8]]]
    """view_id -> upright RGB of at most PROBE_LINES lines, for the sheet."""
    signs: dict[Shape, list[Sign]]
    """What tells the layouts of a shape apart, where it has more than one."""
    _current: dict[Shape, int] = field(default_factory=dict)

    @property
    def segments(self) -> list[Segment]:
        """All of them."""
        return [segment for part in self.parts.values() for segment in part]

    def segment_of(self, frame: Frame) -> Segment | None:
        """The layout of the next frame; None for a coded shape that the probe did not meet."""
        shape = frame.shape
        if shape not in self.parts:
            return None
        if shape in self.signs:
            fits = [sign.fits(frame.planes) for sign in self.signs[shape]]
            self._current[shape] = chosen(self._current.get(shape, 0), fits)
        return self.parts[shape][self._current.get(shape, 0)]

    def segment_now(self, frame: Frame) -> Segment | None:
        """The layout in force, without asking the frame."""
        parts = self.parts.get(frame.shape)
        return None if parts is None else parts[self._current.get(frame.shape, 0)]

    def state(self) -> list[int]:
        """Which layout of each shape is in force, for a run that goes on from here."""
        return [self._current.get(shape, 0) for shape in self.parts]

    def go_on(self, state: Sequence[int]) -> None:
        """Take a `state` up again."""
        self._current.update(zip(self.parts, state, strict=True))


def probe(source: Source, *, max_side: int, detector: Detector | None, known: Sequence[Learned] = ()) -> Probe:
    """Find views and overlays of a source: a stream may change its size, and its layout within one size.

    Args:
        source: looked at over its whole length.
        max_side: of stored frames, pixels.
        detector: for burned-in text; None relies on stillness alone.
        known: layouts learned from other videos of the room.
    Raises: Unreadable if no frame decodes.
    """
    frames: dict[Shape, list[NDArray[np.uint8]]] = {}
    for frame in source.probe(PROBE_FRAMES):
        if frame.shape.width >= 2 and frame.shape.height >= 2:
            frames.setdefault(frame.shape, []).append(probe_rgb(frame.planes, frame.shape))
    if not frames:
        raise Unreadable("no frame of at least 2 x 2 pixels can be decoded")
    parts: dict[Shape, list[Segment]] = {}
    shown: dict[str, list[NDArray[np.uint8]]] = {}
    told: dict[Shape, list[Sign]] = {}
    for shape, rgbs in frames.items():
        begins = starts(rgbs)
        pieces = [rgbs[first:end] for first, end in zip(begins, [*begins[1:], len(rgbs)], strict=True)]
        for piece in pieces:
            found = apply(layout(piece, size=shape.shown, detector=detector, often=ALWAYS), known)
            view_id = f"v{len(shown):03d}"
            shown[view_id] = piece
            parts.setdefault(shape, []).append(segment(view_id, shape, found, max_side))
        if len(pieces) > 1:
            told[shape] = signs(pieces, [part.layout.view.mask for part in parts[shape]], shape)
    return Probe(parts, shown, told)


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
