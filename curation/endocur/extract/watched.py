"""Frames on their way from the decoder to a chapter: each waits until it is known what came and went over it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np

from endocur.extract.colour import Colour
from endocur.extract.geometry import Geometry
from endocur.extract.motion import Motion
from endocur.extract.passing import U8, Box, Watch, cover
from endocur.extract.planes import Stencil, encode, mask_planes, stored_luma, stored_planes
from endocur.extract.source import Frame, Moment
from endocur.extract.view import Detector
from endocur.publish import decode_planes

P = TypeVar("P")
StoredPlanes = tuple[U8, U8, U8]


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
class Held(Generic[P]):
    """A frame that is to be stored, free of the decoder's memory."""

    moment: Moment
    segment: Masked
    colour: Colour
    motion: Motion
    picture: P
    """As stored, but for what comes and goes."""


@dataclass(frozen=True)
class Ready(Generic[P]):
    """A frame with everything masked."""

    held: Held[P]
    boxes: tuple[Box, ...]
    """What comes and goes, in stored pixels; black in `picture`."""
    picture: P


@dataclass(frozen=True)
class Packing(Generic[P]):
    """In which form frames wait: as planes, or packed at once while their pixels are at hand."""

    pack: Callable[[StoredPlanes], P]
    """From masked planes, which are ours."""
    cover: Callable[[P, Sequence[Box]], P]
    """Black under boxes."""


AS_PLANES: Packing[StoredPlanes] = Packing(lambda planes: planes, cover)


def as_jpeg(quality: int) -> Packing[bytes]:
    """Frames wait as the JPEGs they become: thirty frames of planes would push all else out of the processor's cache.

    One over which something came is opened again, blackened there and encoded a second time.
    """

    def covered(jpeg: bytes, boxes: Sequence[Box]) -> bytes:
        opened = decode_planes(jpeg)
        y, cb, cr = (np.array(plane) for plane in (opened.y, opened.cb, opened.cr))
        return encode(cover((y, cb, cr), boxes), quality)

    return Packing(lambda planes: encode(planes, quality), covered)


class Watched(Generic[P]):
    """Gives frames back in the order they came in, about a second later; a new view lets all of the old one go."""

    def __init__(self, detector: Detector | None, packing: Packing[P]) -> None:
        """`detector` is asked about places where edges stay; None leaves it to stillness."""
        self._detector, self._packing = detector, packing
        self._segment: Masked | None = None
        self._watch: Watch[Held[P]] | None = None

    def take(self, frame: Frame, segment: Masked, motion: Motion | None) -> Iterator[Ready[P]]:
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
        looked = watch.due(us, stored=motion is not None)
        luma = np.array(stored_luma(frame.planes, segment.geometry)) if looked else None
        planes = None
        if motion is not None:
            # masking leaves nothing that is the decoder's memory, so the frame may wait
            planes = mask_planes(stored_planes(frame.planes, segment.geometry), segment.stencil)
        if luma is not None:
            watch.look(us, luma, planes[1:] if planes is not None else None)
        if planes is not None and motion is not None:
            picture = self._packing.pack(planes)
            watch.add(us, Held(frame.moment, segment, frame.planes.colour, motion, picture))
        if looked:
            yield from map(self._done, watch.ready())

    def forget(self) -> None:
        """What was seen so far is not known any more; ask for `rest` first."""
        self._segment = self._watch = None

    def rest(self) -> Iterator[Ready[P]]:
        """All frames that still wait."""
        if self._watch is not None:
            yield from map(self._done, self._watch.rest())

    def _done(self, one: tuple[Held[P], list[Box]]) -> Ready[P]:
        held, boxes = one
        tissue = held.segment.stencil.tissue
        told = tuple(box for box in boxes if tissue[box[1] : box[3], box[0] : box[2]].any())
        return Ready(held, told, self._packing.cover(held.picture, told) if told else held.picture)
