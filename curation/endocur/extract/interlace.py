"""Interlaced pictures found by what they show, never by a flag, and made progressive.

Interlaced: the two fields of a frame (even and odd lines) show two moments. Three ways to weave fields of two frames
that follow each other are compared by their combing: lines of the first frame as it came; odd lines of the first with
even lines of the second; and the other way round. In progressive pictures the first is by far the smoothest. In
interlaced ones the first is no better than the weave of the two fields that follow each other in time, and the other,
three field times apart, is worse: that tells the order of the fields too. What stands still tells nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, Literal

import av
import numpy as np

from endocur.extract.planes import Samples

FieldOrder = Literal["progressive", "tff", "bff"]

RUNS, RUN_FRAMES, MOST_FRAMES = 10, 4, 24
"""Runs of frames looked at, and frames of a run; of files with fewer key frames the runs are longer."""

NOISE_LEVELS = 10
"""Levels of 255 by which a line must stand out to count: noise of sensor and encoding does so in every weave."""

APART = 1.25
"""A weave is worse than another if it is combed so many times as much."""

PROGRESSIVE = 2.0
"""The frame as it came is the smoothest if the better of the other two weaves is combed so many times as much. On
composed procedures of 11 encodings (8 s each, 2 seeds) and real clips, interlaced files had 19 to 24 pairs for their
field order, the others at most 1 for any."""

VOTES = 3
"""Pairs of frames that must say so before a file is called interlaced."""

LEAST_COMBING = 0.02
"""Levels below which no weave is combed at all."""

LEAST_LINES = 32


def combing(even: Samples, odd: Samples, bits: int = 8) -> float:
    """Mean size of what stands out line by line where even lines come from one picture and odd ones from another.

    Args:
        even, odd: [h, w] luma; the even lines of the first and the odd lines of the second are woven.
        bits: of a sample.
    """
    rows = (min(len(even), len(odd)) - 1) // 2
    above = even[0 : 2 * rows : 2].astype(np.int32)
    below = even[2 : 2 * rows + 2 : 2].astype(np.int32)
    between = odd[1 : 2 * rows + 1 : 2].astype(np.int32)
    step = 1 << (bits - 8)
    # a line between two that differ lies on a slope, not in a comb: their difference is no evidence
    out = np.abs(2 * between - above - below) - np.abs(above - below) - NOISE_LEVELS * step
    return float(np.maximum(out, 0).mean()) / step


def vote(first: Samples, second: Samples, bits: int = 8) -> FieldOrder | None:
    """What two frames that follow each other say; None if nothing moves between them."""
    own = min(combing(first, first, bits), combing(second, second, bits))
    top_first = combing(second, first, bits)  # odd lines of the first, then even lines of the second
    bottom_first = combing(first, second, bits)
    near, far = sorted((top_first, bottom_first))
    if near > PROGRESSIVE * own:
        return "progressive"
    if far > APART * near and far > LEAST_COMBING:
        return "tff" if top_first < bottom_first else "bff"
    return None


def field_order(runs: Iterable[Sequence[tuple[Samples, int]]]) -> FieldOrder:
    """The field order of a file.

    Args:
        runs: luma [h, w] and bits of a sample of frames that follow each other, from several places of the file.
    """
    votes = [
        word
        for run in runs
        for (first, bits), (second, _) in pairwise(run)
        if first.shape == second.shape and len(first) >= LEAST_LINES and (word := vote(first, second, bits)) is not None
    ]
    fields = [word for word in votes if word != "progressive"]
    if len(fields) < VOTES or 2 * len(fields) <= len(votes):
        return "progressive"
    return "tff" if 2 * fields.count("tff") >= len(fields) else "bff"


class Deinterlacer:
    """FFmpeg's bwdif: one frame out for each frame in, in order; the lines of the first field stay as they are."""

    def __init__(self, order: FieldOrder) -> None:
        self._parity = order
        self._graph: Any = None
        self._form: tuple[object, ...] = ()
        self._waiting: deque[Any] = deque()
        self._count = 0

    def push(self, frame: Any, tag: Any) -> Iterator[tuple[Any, Any]]:
        """Give a frame; (frame, tag) of those that are ready come back."""
        form = (frame.width, frame.height, frame.format.name)
        if form != self._form:
            yield from self.finish()
            self._form = form
        if frame.height < LEAST_LINES:
            yield frame, tag
            return
        if self._graph is None:
            self._graph = self._build(frame)
        self._waiting.append(tag)
        self._count += 1
        frame.pts = self._count  # the filter wants stamps that rise; moments travel in the tags
        self._graph.push(frame)
        yield from self._pull()

    def finish(self) -> Iterator[tuple[Any, Any]]:
        """What is still inside."""
        if self._graph is not None:
            self._graph.push(None)
            yield from self._pull()
            self._graph = None
            self._waiting.clear()

    def _build(self, frame: Any) -> Any:
        graph = av.filter.Graph()
        source = graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format.name, time_base=frame.time_base
        )
        bwdif = graph.add("bwdif", f"mode=send_frame:parity={self._parity}:deint=all")
        sink = graph.add("buffersink")
        source.link_to(bwdif)
        bwdif.link_to(sink)
        graph.configure()
        return graph

    def _pull(self) -> Iterator[tuple[Any, Any]]:
        while self._waiting:
            try:
                frame = self._graph.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            yield frame, self._waiting.popleft()
