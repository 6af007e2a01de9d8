"""Frames on their way from the decoder to a chapter: each waits until it is known what came and went over it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from endocur.extract.colour import Colour
from endocur.extract.geometry import Geometry
from endocur.extract.motion import Motion
from endocur.extract.passing import U8, Box, Watch, cover
from endocur.extract.planes import Stencil, mask_planes, stored_luma, stored_planes
from endocur.extract.source import Frame, Moment
from endocur.extract.view import Detector


class Masked(Protocol):
    """A view: where frames are cropped and what is masked in each of them; a `Segment`, or what is stored of one."""

    @property
    def view_id(self) -> str:
        """Its name."""

    @property
    def geometry(self) -> Geometry:
        """Crop and size."""

    @property
    def stencil(self) -> Stencil:
        """Masks at stored size."""


@dataclass(frozen=True)
class Held:
    """A frame that is to be stored, free of the decoder's memory."""

    moment: Moment
    segment: Masked
    colour: Colour
    motion: Motion
    planes: tuple[U8, U8, U8]
    """Masked, as stored, but for what comes and goes."""


@dataclass(frozen=True)
class Ready:
    """A frame with everything masked."""

    held: Held
    boxes: tuple[Box, ...]
    """What comes and goes, in stored pixels; black in `planes`."""
    planes: tuple[U8, U8, U8]


class Watched:
    """Gives frames back in the order they came in, about a second later; a new view lets all of the old one go."""

    def __init__(self, detector: Detector | None) -> None:
        """`detector` is asked about places where edges stay; None leaves it to stillness."""
        self._detector = detector
        self._segment: Masked | None = None
        self._watch: Watch[Held] | None = None

    def take(self, frame: Frame, segment: Masked, motion: Motion | None) -> Iterator[Ready]:
        """Look at a decoded frame, and give those that have waited long enough.

        Args:
            frame: any decoded frame, in time order.
            segment: its view.
            motion: of a frame to be stored; None for one that is only looked at.
        """
        if segment is not self._segment or self._watch is None:
            yield from self.rest()
            self._segment, self._watch = segment, Watch(segment.stencil.tissue, self._detector)
        watch, us = self._watch, frame.moment.us
        looked = watch.due(us)
        luma = np.array(stored_luma(frame.planes, segment.geometry)) if looked else None
        planes = None
        if motion is not None:
            # masking leaves nothing that is the decoder's memory, so the frame may wait
            planes = mask_planes(stored_planes(frame.planes, segment.geometry), segment.stencil)
        if luma is not None:
            watch.look(us, luma, planes[1:] if planes is not None else None)
        if planes is not None and motion is not None:
            watch.add(us, Held(frame.moment, segment, frame.planes.colour, motion, planes))
        if looked:
            yield from map(_done, watch.ready())

    def forget(self) -> None:
        """What was seen so far is not known any more; ask for `rest` first."""
        self._segment = self._watch = None

    def rest(self) -> Iterator[Ready]:
        """All frames that still wait."""
        if self._watch is not None:
            yield from map(_done, self._watch.rest())


def _done(one: tuple[Held, list[Box]]) -> Ready:
    held, boxes = one
    tissue = held.segment.stencil.tissue
    told = tuple(box for box in boxes if tissue[box[1] : box[3], box[0] : box[2]].any())
    return Ready(held, told, cover(held.planes, told))
