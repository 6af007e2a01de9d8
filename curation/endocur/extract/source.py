"""What extract asks of anything that has frames in time: a video file or numbered pictures.

View, motion, chapters and sampling are written against this alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from endocur.extract.geometry import Shape
from endocur.extract.planes import Planes


class Unreadable(Exception):
    """The source gives no frame; the text is the reason, without names."""


@dataclass(frozen=True)
class Moment:
    """When a frame is shown."""

    us: int
    """Microseconds after the first shown frame; strictly increasing."""
    made: bool = False
    """The source has no time stamps: index divided by its declared rate."""
    flag: str = ""
    """"equal": 1 us after a frame with the same time stamp; "clock": the clock fell or leapt before it; "gap": a
    sequence has a hole of more than ten seconds before it."""


@dataclass(frozen=True)
class Frame:
    """A decoded frame; its planes are views of the decoder's memory, good until the next frame is asked for."""

    moment: Moment
    shape: Shape
    planes: Planes
    follows: bool = True
    """The frame before it is the one shown just before it: what moved between them can be measured."""
    may_be_kept: bool = True
    """False for frames that were decoded on the way and are none of those asked for."""


@dataclass
class Damage:
    """What was wrong with a source; anything in here makes it `partial`."""

    corrupt: int = 0
    """Frames the decoder gave but called damaged, and those built on them."""
    unreadable: int = 0
    """Packets that gave an error instead of a frame."""
    headless: int = 0
    """Packets before the first key frame."""
    truncated: bool = False
    """The file is shorter than it says itself."""
    notes: list[str] = field(default_factory=list)

    def reason(self) -> str:
        """One line without names; empty if nothing was wrong."""
        parts = []
        if self.truncated:
            parts.append("the file ends before what its header announces")
        if self.headless:
            parts.append(f"{self.headless} packets before the first key frame")
        if self.corrupt:
            parts.append(f"{self.corrupt} damaged frames left out")
        if self.unreadable:
            parts.append(f"{self.unreadable} packets could not be decoded")
        return "; ".join(parts + self.notes)


class Source(Protocol):
    """Frames in time."""

    damage: Damage
    """Filled while frames are read."""

    def probe(self, count: int) -> Iterator[Frame]:
        """About `count` frames spread evenly over the whole source, in time order. Their moments mean nothing.

        Raises: Unreadable if there is none.
        """

    def frames(self) -> Iterator[Frame]:
        """Frames in time order: all that can be shown, or at least those that will be kept.

        Raises: Unreadable if the source cannot be opened.
        """
