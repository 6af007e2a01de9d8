"""What comes and goes: captions, title cards, arrows, and the outline of moving boxes, as boxes of single frames.

Three cheap signs on pictures of half the stored size, a few times a second. Burned-in letters keep their edges while
the tissue under them moves on; where many edges of a small place stay for half a second a text detector is asked once,
about that place alone, and the edges themselves tell from then on whether the line is still there. A picture that rests
as a whole tells nothing that way: there the detector decides. Boxes that follow something are four straight thin lines
along the rows and columns, which tissue does not have.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from endocur.extract.outlines import Rect, frame_of, outlines, same_place
from endocur.extract.view import Detector

U8 = NDArray[np.uint8]
Box = tuple[int, int, int, int]
"""x0, y0, x1, y1 in stored pixels, even; x1 and y1 are one past the last."""
T = TypeVar("T")

LOOK_US = 190_000
"""Looks are at least this far apart: five a second."""
STAY_US = 550_000
"""Edges that stay for this long, over two looks at least, are a candidate."""
DELAY_US = 1_200_000
"""A frame waits this long, and for three later looks at least, before it is stored: a line is known after a while."""
MAX_LOOKS = 14
"""Looks a frame waits for at most."""
HARD = 24
"""Levels that luma steps over two pixels at an edge: letters step by 40 to 200, most tissue by less than 12."""
SAME = 14
"""Levels by which a pixel of something burned in changes at most while tissue moves behind it."""
CELL = 6
"""Side of the cells, in pixels of half size, in which lasting edges are counted: about a letter."""
DENSE = 0.2
"""Share of lasting edges in a cell from which it may hold a letter."""
RESTING = 3.5
"""Mean change in levels over STAY_US below which the picture rests and what stays may be tissue; noise makes 1 to 2."""
SEEN = 0.55
"""Share of a line's edges found again: it is still there. A place without it shows less than a fifth."""
MOVING = 8.0
"""Mean change in levels over STAY_US from which staying is a sign by itself, without letters."""
LIVE_US = 900_000
"""Edges that moving tissue did not carry away for this long are a graphic, with or without letters."""
SOLID = 0.75
"""Share of the edges staying for STAY_US that were there LIVE_US ago, for a graphic without letters."""
ASK_EVERY_US = 3_000_000
"""A place where the detector found nothing is not asked about again for so long."""
WHOLE_EVERY_US = 30_000_000
"""A resting picture is asked about as a whole this often at most; between, what appears in it is asked about."""
ASPECT, INKED = 1.5, 0.05
"""A line of text is this many times as long as high at least, and so much of its box is edges that stay. Captions
had 0.07 to 0.2, what was taken for text in tissue less than 0.02, or was square."""
MARGIN = 4
"""Stored pixels round a line for its outline, its shadow and the codec's ringing."""


@dataclass
class Look:
    """One picture looked at, at half the stored size."""

    us: int
    luma: U8
    """[h, w] at stored size, for the text detector."""
    small: U8
    """[h / 2, w / 2]."""
    codes: U8
    """[h / 2, w / 2]: bits for hard edges to the right, left, down, up; 0 on what is masked already."""
    rects: list[Rect]
    """Outlines of boxes, stored pixels."""
    stored: bool = False


@dataclass
class Line:
    """Something that came, and where its edges are."""

    box: Box
    template: U8
    """Codes within the box at half size."""
    at: tuple[slice, slice]
    first_us: int
    last_us: int
    """Looks that show it, first and last."""
    gone: int = 0
    """Looks since the last that shows it."""


@dataclass
class Waiting(Generic[T]):
    """A frame that waits for later looks."""

    us: int
    item: T
    looks: int = 0


@dataclass
class Watch(Generic[T]):
    """Finds what comes and goes in the frames of one view. Frames go in in time order and come out with their boxes."""

    keep: NDArray[np.bool_]
    """[h, w] at stored size: True where tissue is; the rest is masked already."""
    detector: Detector | None
    looks: deque[Look] = field(default_factory=deque)
    lines: list[Line] = field(default_factory=list)
    asked: int = 0
    """Times the text detector was asked."""

    def __post_init__(self) -> None:
        """Prepare masks at half size, eroded: the border's own edge is no graphic."""
        height, width = self.keep.shape
        inside = cv2.erode(np.pad(self.keep.astype(np.uint8), 1), np.ones((5, 5), np.uint8))[1:-1, 1:-1]
        small = cv2.resize(inside * 255, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
        self._inside = np.asarray((small == 255) * 255, np.uint8)
        self._waiting: deque[Waiting[T]] = deque()
        self._refused: list[tuple[int, Box]] = []
        self._whole_us = -WHOLE_EVERY_US

    def due(self, us: int, *, stored: bool) -> bool:
        """Whether a frame at this time should be looked at: five a second, and five a second of those to be stored, so
        that at lower rates each stored frame is looked at itself."""
        last = next((look.us for look in reversed(self.looks) if look.stored or not stored), None)
        return last is None or us - last >= LOOK_US

    def look(self, us: int, luma: U8, chroma: tuple[U8, U8] | None) -> None:
        """Take in one picture.

        Args:
            us: its time.
            luma: uint8 [h, w] at stored size.
            chroma: uint8 [h / 2, w / 2] each; None for a frame that is not stored: moving boxes are
                looked for in stored ones only.
        """
        small = cv2.resize(luma, self._inside.shape[::-1], interpolation=cv2.INTER_AREA)
        codes = cv2.copyTo(_codes(small), self._inside)
        rects = outlines((small, *chroma), self._inside) if chroma is not None else []
        self.looks.append(Look(us, luma, small, codes, rects, chroma is not None))
        self._follow()
        self._find()
        for frame in self._waiting:
            frame.looks += 1
        while len(self.looks) > MAX_LOOKS + 2:
            self.looks.popleft()

    def add(self, us: int, item: T) -> None:
        """A frame to be stored; it comes out of `ready` or `rest` later."""
        self._waiting.append(Waiting(us, item))

    def ready(self) -> Iterator[tuple[T, list[Box]]]:
        """Frames that waited long enough, in order, with the boxes to be masked in them."""
        while self._waiting and self._may_go(self._waiting[0]):
            frame = self._waiting.popleft()
            yield frame.item, self._boxes(frame.us)

    def rest(self) -> Iterator[tuple[T, list[Box]]]:
        """All frames that still wait: the video, or this view, is over."""
        while self._waiting:
            frame = self._waiting.popleft()
            yield frame.item, self._boxes(frame.us)

    def _may_go(self, frame: Waiting[T]) -> bool:
        waited = self.looks[-1].us - frame.us if self.looks else 0
        return frame.looks >= MAX_LOOKS or (frame.looks >= 3 and waited >= DELAY_US)

    def _follow(self) -> None:
        """Which of the known lines the newest look still shows."""
        newest = self.looks[-1]
        for line in self.lines:
            if _share(newest.codes[line.at], line.template) >= SEEN:
                line.last_us, line.gone = newest.us, 0
            else:
                line.gone += 1
        oldest = self._waiting[0].us if self._waiting else newest.us
        self.lines = [line for line in self.lines if line.gone < 3 or line.last_us >= oldest - 2 * DELAY_US]

    def _find(self) -> None:
        """New places where edges stay."""
        newest = self.looks[-1]
        window = _window(self.looks)
        if len(window) < 2 or newest.us - window[0].us < STAY_US:
            return
        stay = window[0].codes
        for look in window[1:]:
            stay = cv2.bitwise_and(stay, look.codes)
        change = cv2.absdiff(window[0].small, newest.small)
        stay = np.asarray(cv2.copyTo(stay, cv2.compare(change, SAME, cv2.CMP_LE)), np.uint8)
        if cv2.countNonZero(stay) < 24:
            return
        known = np.zeros_like(stay)
        for line in self.lines:
            if line.gone == 0:
                known[line.at] = 1
        fresh = np.where(known > 0, 0, stay)
        moved = cv2.mean(change, self._inside)[0]
        resting = moved < RESTING
        older = [look for look in self.looks if look.us < window[0].us]
        if resting:  # what appears is a caption, what was there is tissue
            fresh = cv2.bitwise_and(fresh, cv2.bitwise_not(older[-1].codes)) if older else np.zeros_like(fresh)
        for place in _places(fresh):
            self._judge(place, stay, moved >= MOVING)
        if resting and self.detector is not None and newest.us - self._whole_us >= WHOLE_EVERY_US:
            self._whole_us = newest.us
            for box in self._asked((0, 0, stay.shape[1], stay.shape[0])):
                if _is_written(box, stay):
                    self._start(box, stay)

    def _judge(self, place: Box, stay: U8, moving: bool) -> None:
        """Whether a place where edges stay holds letters, or a graphic."""
        newest = self.looks[-1]
        self._refused = [(us, box) for us, box in self._refused if newest.us - us < ASK_EVERY_US]
        if self.detector is not None and not any(_overlap(place, box) > 0.5 for _, box in self._refused):
            lines = [box for box in self._asked(place) if _is_written(box, stay)]
            for box in lines:
                self._start(box, stay)
            if lines:
                return
            self._refused.append((newest.us, place))
        x0, y0, x1, y1 = place
        area = np.s_[y0:y1, x0:x1]
        before = [look for look in self.looks if newest.us - look.us >= LIVE_US]
        if moving and before:
            held = cv2.bitwise_and(stay[area], before[-1].codes[area])
            if cv2.countNonZero(held) >= SOLID * cv2.countNonZero(stay[area]):
                self._start(_graphic(place, stay), stay)

    def _asked(self, place: Box) -> list[Box]:
        """Lines of text in a place of half size, in stored pixels."""
        assert self.detector is not None
        height, width = self.keep.shape
        x0, y0, x1, y1 = (2 * v for v in place)
        wide, high = max(24, y1 - y0), max(24, x1 - x0)  # a line goes on to its sides, or up and down where it is plumb
        wide, high = min(2 * wide, 160), min(2 * high, 160)
        x0, y0, x1, y1 = max(0, x0 - wide), max(0, y0 - high), min(width, x1 + wide), min(height, y1 + high)
        grey = self.looks[-1].luma[y0:y1, x0:x1]
        self.asked += 1
        quads = self.detector.boxes(
            np.asarray(cv2.cvtColor(np.ascontiguousarray(grey), cv2.COLOR_GRAY2RGB), np.uint8), of=height
        )
        boxes = []
        for quad in quads:
            low, high = np.floor(quad.min(axis=0)).astype(int), np.ceil(quad.max(axis=0)).astype(int)
            boxes.append((x0 + int(low[0]), y0 + int(low[1]), x0 + int(high[0]), y0 + int(high[1])))
        return boxes

    def _start(self, box: Box, stay: U8) -> None:
        """A new line: from the earliest look that shows it."""
        box = _whole(box, stay)
        at = (slice(max(0, box[1] // 2), -(-box[3] // 2)), slice(max(0, box[0] // 2), -(-box[2] // 2)))
        template = stay[at].copy()
        if cv2.countNonZero(template) < 12:
            return
        newest = self.looks[-1]
        first = newest.us
        for look in reversed(self.looks):
            if _share(look.codes[at], template) < 0.8 * SEEN:
                break
            first = look.us
        self.lines.append(Line(_even(box, MARGIN, self.keep.shape), template, at, first, newest.us))

    def _boxes(self, us: int) -> list[Box]:
        """What is masked at a moment: lines shown by the look before or after it, outlines of both."""
        out: list[Box] = []
        before = max((look.us for look in self.looks if look.us <= us), default=us)
        after = min((look.us for look in self.looks if look.us >= us), default=us)
        for line in self.lines:
            if line.first_us <= after and line.last_us >= before and line.box not in out:
                out.append(line.box)
        for rect in self._rects(us):
            out += [box for box in frame_of(rect, self.keep.shape) if box not in out]
        return out

    def _rects(self, us: int) -> list[Rect]:
        """Outlines of the looks round a moment; one look that misses them is bridged."""
        looks = [look for look in self.looks if look.stored]
        near = [look for look in looks if abs(look.us - us) <= LOOK_US + 60_000]
        out = [rect for look in near for rect in look.rects]
        wider = [look for look in looks if abs(look.us - us) <= 2 * LOOK_US + 120_000]
        earlier = [rect for look in wider if look.us <= us for rect in look.rects]
        later = [rect for look in wider if look.us >= us for rect in look.rects]
        out += [rect for rect in earlier if any(same_place(rect, other) for other in later)]
        out += [rect for rect in later if any(same_place(rect, other) for other in earlier)]
        return list(dict.fromkeys(out))


def cover(planes: tuple[U8, U8, U8], boxes: Sequence[Box]) -> tuple[U8, U8, U8]:
    """Black under boxes of even borders; changed in place.

    Args:
        planes: luma [h, w] and chroma [h / 2, w / 2], writeable.
        boxes: in pixels of luma.
    """
    luma, *chroma = planes
    for x0, y0, x1, y1 in boxes:
        luma[y0:y1, x0:x1] = 0
        for plane in chroma:
            plane[y0 // 2 : y1 // 2, x0 // 2 : x1 // 2] = 128
    return planes


def _codes(small: U8) -> U8:
    """A bit for each direction in which luma steps hard over two pixels."""
    out = np.zeros_like(small)
    left, right, top, bottom = small[1:-1, :-2], small[1:-1, 2:], small[:-2, 1:-1], small[2:, 1:-1]
    bits: U8 | None = None
    for bit, (high, low) in enumerate(((right, left), (left, right), (bottom, top), (top, bottom))):
        step = cv2.threshold(cv2.subtract(high, low), HARD, 1 << bit, cv2.THRESH_BINARY)[1]
        bits = np.asarray(step if bits is None else cv2.bitwise_or(bits, step), np.uint8)
    assert bits is not None
    out[1:-1, 1:-1] = bits
    return out


def _window(looks: Sequence[Look]) -> list[Look]:
    """The newest looks that span STAY_US."""
    out: list[Look] = []
    for look in reversed(looks):
        out.append(look)
        if len(out) >= 2 and out[0].us - look.us >= STAY_US:
            break
    return out[::-1]


def _places(stay: U8) -> list[Box]:
    """Boxes at half size where lasting edges are dense, at most eight, the largest first."""
    height, width = stay.shape
    cells = (-(-width // CELL), -(-height // CELL))
    ones = cv2.copyMakeBorder(
        cv2.compare(stay, 0, cv2.CMP_GT), 0, cells[1] * CELL - height, 0, cells[0] * CELL - width, cv2.BORDER_CONSTANT
    )
    dense = cv2.compare(cv2.resize(ones, cells, interpolation=cv2.INTER_AREA), 255 * DENSE, cv2.CMP_GT)
    if not cv2.countNonZero(dense):
        return []
    joined = cv2.morphologyEx(dense, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    count, _, stats, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
    places = [
        (int(area), (int(x) * CELL, int(y) * CELL, min(width, int(x + w) * CELL), min(height, int(y + h) * CELL)))
        for x, y, w, h, area in stats[1:count]
        if area >= 2
    ]
    return [box for _, box in sorted(places, reverse=True)[:8]]


def _share(codes: U8, template: U8) -> float:
    """Share of the template's edges that are there."""
    wanted = cv2.countNonZero(template)
    return cv2.countNonZero(cv2.bitwise_and(codes, template)) / wanted if wanted else 0.0


def _overlap(one: Box, other: Box) -> float:
    """Share of `one` that `other` covers."""
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    return max(0, wide) * max(0, high) / max(1, (one[2] - one[0]) * (one[3] - one[1]))


def _is_written(box: Box, stay: U8) -> bool:
    """Whether a find of the detector is a line full of edges that stay: a fold or a highlight is neither."""
    x0, y0, x1, y1 = (max(0, v // 2) for v in box)
    long, short = max(x1 - x0, y1 - y0), max(1, min(x1 - x0, y1 - y0))
    inked = cv2.countNonZero(stay[y0:y1, x0:x1]) if x1 > x0 and y1 > y0 else 0
    return long >= ASPECT * short and inked >= INKED * long * short


def _graphic(place: Box, stay: U8) -> Box:
    """Stored box of the lasting edges that hang together with those of a place at half size."""
    ones = cv2.compare(stay, 0, cv2.CMP_GT)
    _, labels = cv2.connectedComponents(cv2.dilate(ones, np.ones((7, 7), np.uint8)), connectivity=8)
    x0, y0, x1, y1 = place
    mine = np.unique(labels[y0:y1, x0:x1])
    ys, xs = np.nonzero(np.isin(labels, mine[mine > 0]) & (ones > 0))
    return 2 * int(xs.min()), 2 * int(ys.min()), 2 * int(xs.max()) + 2, 2 * int(ys.max()) + 2


def _whole(box: Box, stay: U8) -> Box:
    """A line with the lasting edges beside its ends: the detector drops a last letter, an underline, a plate's end."""
    x0, y0, x1, y1 = (v // 2 for v in box)
    plumb = y1 - y0 > 2 * (x1 - x0)
    strip = (stay.T[max(0, x0) : x1 + 1] if plumb else stay[max(0, y0) : y1 + 1]) > 0
    start, end, tall = (y0, y1, x1 - x0) if plumb else (x0, x1, y1 - y0)
    filled = np.flatnonzero(strip.sum(axis=0) >= 2)
    step = max(4, tall // 2)
    limit = start - 2 * tall, end + 2 * tall
    while len(near := filled[(filled < start) & (filled >= max(limit[0], start - step))]):
        start = int(near[0])
    while len(near := filled[(filled > end) & (filled <= min(limit[1], end + step))]):
        end = int(near[-1])
    return (box[0], 2 * start, box[2], 2 * end + 2) if plumb else (2 * start, box[1], 2 * end + 2, box[3])


def _even(box: Box, margin: int, size: tuple[int, ...]) -> Box:
    x0, y0, x1, y1 = box
    return (
        max(0, x0 - margin) & ~1,
        max(0, y0 - margin) & ~1,
        min(size[1], (x1 + margin + 1) & ~1),
        min(size[0], (y1 + margin + 1) & ~1),
    )
