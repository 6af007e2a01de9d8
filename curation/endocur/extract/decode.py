"""Video files through PyAV: one pass, every frame with its exact time stamp, damage dropped and counted.

No seeking: it returns wrong frames without a word in transport and program streams, and in some HEVC files.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container.core import Flags

from endocur.extract.clock import Clock
from endocur.extract.colour import colour_of
from endocur.extract.container import is_truncated
from endocur.extract.dicom.payload import Payload, readable
from endocur.extract.geometry import Shape, sane_sar
from endocur.extract.planes import Planes, from_rgb
from endocur.extract.source import Damage, Frame, Moment, Unreadable

FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpegtsraw,mpeg,mpegvideo,h264,hevc,vvc,av1,obu,ivf,m4v,mjpeg,"
    "cavsvideo,vc1,flv,asf,asf_o,ogg,mxf,gxf,dv,nut,rm,wtv,yuv4mpegpipe,lxf,nsv,live_flv,dirac,h263,h261,avs,avs2,avs3"
)
"""Demuxers a file may choose. Playlists (hls, dash, concat) are not among them: they open other files and addresses."""

WITHOUT_PTS = ("avi",)
"""Containers that store decoding time only. FFmpeg would make presentation stamps up, wrong ones where frames are
reordered; the decoding stamps of frames in the order they are shown are right."""

ENOUGH_KEYS = 24
"""Key frames from which the probe needs no others."""

PROBE_BYTES = 64_000_000
"""Key packets held while a file is scanned for the probe."""

DAMAGE_FRAMES = 250
"""Frames dropped after damage where no key frame comes (streams that refresh bit by bit)."""

SAFE_DELAY = 2
"""Frames held back at least: a damaged reference is shown after the frames built on it were decoded."""

_PLANAR = {
    f"{kind}{sub}p{bits}{order}": int(bits or 8)
    for kind in ("yuv", "yuva")
    for sub in ("420", "422", "440", "444")
    for bits, order in (("", ""), ("9", "le"), ("10", "le"), ("12", "le"), ("14", "le"), ("16", "le"))
} | {"yuvj420p": 8, "yuvj422p": 8, "yuvj440p": 8, "yuvj444p": 8}
_GREY = {"gray": 8, "gray9le": 9, "gray10le": 10, "gray12le": 12, "gray14le": 14, "gray16le": 16}


class Video:
    """A video file as a `Source`."""

    def __init__(self, path: Path, pulse: Callable[[], None] | None = None) -> None:
        """`pulse` is called every few packets, so that a watchdog sees a long scan live."""
        self.damage = Damage()
        self._path = path
        self._pulse = pulse or (lambda: None)

    def probe(self, count: int) -> Iterator[Frame]:
        """Frames from key frames alone where they are many, else from a whole decode. See `Source.probe`."""
        given = 0
        with opened(self._path) as (container, stream):
            keys, packets = _thinned_keys(_demux(container, stream, Damage(), self._pulse), count)
            if len(keys) >= ENOUGH_KEYS:
                shape = _Shapes(stream)
                for index in _spread(len(keys), count):
                    for frame in _alone(keys[index]):
                        given += 1
                        yield Frame(Moment(0), shape.of(frame), planes_of(frame))
        if given < ENOUGH_KEYS // 2:
            wanted = set(_spread(packets, max(0, count - given)))
            for index, frame in enumerate(Video(self._path, self._pulse).frames()):
                if index in wanted:
                    given += 1
                    yield frame
        if not given:
            raise Unreadable("no frame can be decoded")

    def frames(self) -> Iterator[Frame]:
        """All good frames in the order they are shown. See `Source.frames`."""
        self.damage = Damage(truncated=is_truncated(self._path))
        with opened(self._path) as (container, stream):
            clock = Clock(declared_rate(stream))
            shape = _Shapes(stream)
            for frame in _good(container, stream, self.damage, self._pulse):
                pts = frame.pts if frame.pts is not None else frame.dts
                yield Frame(clock.moment(pts, frame.time_base), shape.of(frame), planes_of(frame))


@contextmanager
def opened(path: Path) -> Iterator[tuple[Any, Any]]:
    """(container, stream) of a file's first real video stream, one decoding thread.

    Raises: Unreadable with a reason that holds no name.
    """
    with ExitStack() as stack:
        target = stack.enter_context(readable(path))
        try:
            container = av.open(
                # an absolute name is never taken for a protocol; links stay
                os.path.abspath(target) if isinstance(target, Path) else target,  # noqa: PTH100
                metadata_errors="replace",
                options={"format_whitelist": FORMATS, "protocol_whitelist": "file"} | _said_rate(target),
            )
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise Unreadable(_open_reason(error)) from None
        stack.enter_context(container)
        if container.format.name in WITHOUT_PTS:
            container.flags &= ~Flags.gen_pts.value
        streams = [stream for stream in container.streams.video if not _is_cover(stream)]
        if not streams:
            raise Unreadable("no video stream")
        stream = streams[0]
        if stream.codec_context is None:
            raise Unreadable("its video codec is not known")
        stream.thread_type = "NONE"
        stream.codec_context.thread_count = 1
        yield container, stream


def _said_rate(target: Path | Payload) -> dict[str, str]:
    """The rate beside the video, for streams that have no time of their own; others never ask."""
    return {"framerate": str(target.rate)} if isinstance(target, Payload) and target.rate else {}


def declared_rate(stream: Any) -> Fraction:
    """Frames a second by the header; 25 where it says nothing usable."""
    for rate in (stream.guessed_rate, stream.average_rate, stream.base_rate):
        if rate and 0 < rate <= 1000:
            return Fraction(rate)
    return Fraction(25)


def planes_of(frame: Any) -> Planes:
    """A decoded frame's planes without copying where its format has them; others are converted first."""
    name = frame.format.name
    bits = _PLANAR.get(name) or _GREY.get(name)
    if bits is None:
        if frame.format.is_rgb or frame.format.has_palette:
            return from_rgb(frame.to_ndarray(format="rgb24"))
        frame = _to_planar(frame)
        name, bits = frame.format.name, 8
    colour = colour_of(int(frame.colorspace), int(frame.color_range), name, frame.height)
    components = [_samples(frame.planes[index], bits) for index in range(1 if name in _GREY else 3)]
    if len(components) == 1:
        return Planes(components[0], None, None, bits, colour)
    return Planes(components[0], components[1], components[2], bits, colour)


def _samples(plane: Any, bits: int) -> Any:
    kind, bytes_each = (np.uint8, 1) if bits == 8 else (np.dtype("<u2"), 2)
    rows = np.frombuffer(plane, kind).reshape(-1, plane.line_size // bytes_each)
    return rows[: plane.height, : plane.width]


def _to_planar(frame: Any) -> Any:
    """Packed and unusual YCbCr formats as 8-bit planes; code values stay what they mean."""
    return frame.reformat(
        format="yuv444p",
        src_colorspace=frame.colorspace,
        dst_colorspace=frame.colorspace,
        src_color_range=frame.color_range,
        dst_color_range=frame.color_range,
    )


class _Shapes:
    """Shape of each frame; asked of the container again only when the size changes."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._last: Shape | None = None
        self._rotation = 0

    def of(self, frame: Any) -> Shape:
        turned = -round(frame.rotation / 90) * 90 % 360
        last = self._last
        if last is None or (last.width, last.height, last.rotation) != (frame.width, frame.height, turned):
            ratio = self._stream.sample_aspect_ratio or self._stream.codec_context.sample_aspect_ratio
            sar = sane_sar(ratio.numerator, ratio.denominator) if ratio else (1, 1)
            last = self._last = Shape(frame.width, frame.height, turned, sar)
        return last


def _good(container: Any, stream: Any, damage: Damage, pulse: Callable[[], None]) -> Iterator[Any]:
    """Decoded frames, less those damaged and those built on them.

    Decoders hide damage by copying from neighbours and mark only the frame where it began, so everything from there
    to the next key frame goes, and so do the few frames before it that were decoded after it.
    """
    held: deque[Any] = deque()
    dropping = 0
    headless = 0
    seen_key = False
    for packet in _demux(container, stream, damage, pulse):
        if packet.size and not seen_key:
            seen_key = packet.is_keyframe
            headless += not seen_key
        try:
            frames = packet.decode()
        except av.error.FFmpegError:
            damage.unreadable += 1
            dropping = DAMAGE_FRAMES
            continue
        for frame in frames:
            if frame.is_corrupt:
                damage.corrupt += len(held) + 1
                held.clear()
                dropping = DAMAGE_FRAMES
            elif dropping and not frame.key_frame:
                damage.corrupt += 1
                dropping -= 1
            else:
                dropping = 0
                held.append(frame)
        delay = max(SAFE_DELAY, int(stream.codec_context.has_b_frames))
        while len(held) > delay:
            yield held.popleft()
    damage.headless = headless if seen_key else 0
    yield from held


def _demux(container: Any, stream: Any, damage: Damage, pulse: Callable[[], None]) -> Iterator[Any]:
    """Packets of the stream, the empty one that flushes last; an error of the container ends it, counted."""
    packets = container.demux(stream)
    count = 0
    while True:
        try:
            packet = next(packets, None)
        except (av.error.FFmpegError, OSError):
            damage.notes.append("the container broke off with an error")
            packet = None
        if packet is None:
            return
        count += 1
        if count % 256 == 0:
            pulse()
        yield packet


def _thinned_keys(packets: Iterator[Any], count: int) -> tuple[list[Any], int]:
    """Evenly spread key packets (about `count` to twice that), and how many packets there are in all."""
    kept: list[Any] = []
    held_bytes = keys = total = 0
    stride = 1
    for packet in packets:
        total += packet.size > 0
        if not packet.is_keyframe or not packet.size:
            continue
        if keys % stride == 0:
            kept.append(packet)
            held_bytes += packet.size
        keys += 1
        while len(kept) > 2 * count or (held_bytes > PROBE_BYTES and len(kept) > ENOUGH_KEYS):
            kept, stride = kept[::2], stride * 2
            held_bytes = sum(packet.size for packet in kept)
    return kept, total


def _alone(packet: Any) -> list[Any]:
    """What a key packet decodes to by itself; damaged frames and errors give nothing."""
    codec = packet.stream.codec_context
    try:
        frames = [*packet.decode(), *codec.decode(None)]
    except av.error.FFmpegError:
        frames = []
    codec.flush_buffers()
    return [frame for frame in frames if not frame.is_corrupt][:1]


def _spread(n: int, count: int) -> list[int]:
    """At most `count` indices spread evenly over range(n), middles of equal parts."""
    if n <= count:
        return list(range(n))
    return [int((2 * k + 1) * n // (2 * count)) for k in range(count)]


def _is_cover(stream: Any) -> bool:
    return bool(stream.disposition & stream.disposition.attached_pic)


def _open_reason(error: Exception) -> str:
    if isinstance(error, av.error.InvalidDataError):
        return "no video that FFmpeg can read"
    if isinstance(error, PermissionError):
        return "no permission to read it"
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    return f"cannot be opened ({type(error).__name__})"
