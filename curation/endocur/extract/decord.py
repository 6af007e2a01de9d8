"""Video files through decord, for those who ask for it, on files where it is proven exact; refused elsewhere.

decord picks frames by index and seeks on its own: in transport and program streams and in HEVC it returns wrong
frames without a word. Here it decodes in order only, and its time stamps must equal those of the packets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from endocur.extract.clock import Clock
from endocur.extract.container import is_truncated
from endocur.extract.decode import Video
from endocur.extract.geometry import Shape
from endocur.extract.media import declared_rate, opened
from endocur.extract.planes import from_rgb, to_rgb
from endocur.extract.source import Damage, Frame, Unreadable
from endoshards.errors import BadInput

CONTAINERS = ("mov", "matroska")
COMPARED = 12
"""Frames from the start on whose pixels must agree with the other decoder."""

PIXEL_LEVELS = 2.0
"""Mean difference of RGB up to which two conversions of one frame are the same frame."""


class DecordVideo:
    """A video file as a `Source`: probed by `Video`, decoded by decord."""

    def __init__(self, path: Path, pulse: Callable[[], None] | None = None) -> None:
        """Raises: BadInput if the extra is not installed."""
        try:
            import decord
        except ImportError:
            raise BadInput("--decoder decord needs its extra; type: pip install 'endomae[decord]'") from None
        self._decord: Any = decord
        self._path = path
        self._pulse = pulse or (lambda: None)
        self.damage = Damage()

    def probe(self, count: int) -> Iterator[Frame]:
        """See `Source.probe`."""
        return Video(self._path, self._pulse).probe(count)

    def frames(self) -> Iterator[Frame]:
        """All frames in time order. Raises: Unreadable with the reason why decord is not exact on this file."""
        stamps, time_base, clock = self._refuse_by_header()
        first = list(islice(Video(self._path).frames(), COMPARED))
        try:
            reader = self._decord.VideoReader(str(self._path), ctx=self._decord.cpu(0), num_threads=1)
        except (RuntimeError, self._decord.DECORDError):
            raise Unreadable("decord cannot open it; leave --decoder out") from None
        if len(reader) != len(stamps):
            raise Unreadable(f"decord counts {len(reader)} frames, the file has {len(stamps)}; leave --decoder out")
        shape, colour = first[0].shape, first[0].planes.colour
        if shape != Shape(shape.width, shape.height) or colour.full_range or colour.assumed:
            # decord gives RGB by its own rules: rotation is not applied, untagged colours are read as BT.601.
            raise Unreadable(
                "decord is exact on upright, square-pixel, limited-range files with colour tags; leave --decoder out"
            )
        for index, pts in enumerate(stamps):
            rgb = np.asarray(reader.next().asnumpy(), np.uint8)
            if index < len(first):
                expected = to_rgb(first[index].planes, shape, (shape.height, shape.width))
                if rgb.shape != expected.shape or np.abs(rgb.astype(int) - expected).mean() > PIXEL_LEVELS:
                    raise Unreadable("decord gives other frames than the file holds; leave --decoder out")
            yield Frame(clock.moment(pts, time_base), shape, from_rgb(rgb))

    def _refuse_by_header(self) -> tuple[list[int], Any, Clock]:
        if is_truncated(self._path):
            raise Unreadable("decord is not exact on damaged files; leave --decoder out")
        with opened(self._path) as (container, stream):
            codec, name = stream.codec_context.name, container.format.name.split(",")[0]
            if name not in CONTAINERS or codec != "h264" or stream.codec_context.pix_fmt != "yuv420p":
                raise Unreadable(f"decord is exact on 8-bit H.264 in mp4 or mkv, this is {codec}; leave --decoder out")
            stamps = []
            for packet in container.demux(stream):
                if packet.size:
                    if packet.pts is None or packet.is_discard or packet.is_corrupt:
                        raise Unreadable("decord is not exact on files with edits or damage; leave --decoder out")
                    stamps.append(int(packet.pts))
            return sorted(stamps), stream.time_base, Clock(declared_rate(stream))
