"""A media file through PyAV: opened without trusting it, its packets, and a decoded frame's planes without a copy."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container.core import Flags

from endocur.extract.colour import colour_of
from endocur.extract.geometry import Shape, sane_sar
from endocur.extract.planes import Planes, from_rgb
from endocur.extract.source import Damage, Unreadable

FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpegtsraw,mpeg,mpegvideo,h264,hevc,vvc,av1,obu,ivf,m4v,mjpeg,"
    "cavsvideo,vc1,flv,asf,asf_o,ogg,mxf,gxf,dv,nut,rm,wtv,yuv4mpegpipe,lxf,nsv,live_flv,dirac,h263,h261,avs,avs2,avs3"
)
"""Demuxers a file may choose. Playlists (hls, dash, concat) are not among them: they open other files and addresses."""

WITHOUT_PTS = ("avi",)
"""Containers that store decoding time only. FFmpeg would make presentation stamps up, wrong ones where frames are
reordered; the decoding stamps of frames in the order they are shown are right."""

_PLANAR = {
    f"{kind}{sub}p{bits}{order}": int(bits or 8)
    for kind in ("yuv", "yuva")
    for sub in ("420", "422", "440", "444")
    for bits, order in (("", ""), ("9", "le"), ("10", "le"), ("12", "le"), ("14", "le"), ("16", "le"))
} | {"yuvj420p": 8, "yuvj422p": 8, "yuvj440p": 8, "yuvj444p": 8}
_GREY = {"gray": 8, "gray9le": 9, "gray10le": 10, "gray12le": 12, "gray14le": 14, "gray16le": 16}


@contextmanager
def opened(path: Path) -> Iterator[tuple[Any, Any]]:
    """(container, stream) of a file's first real video stream, one decoding thread.

    Raises: Unreadable with a reason that holds no name.
    """
    try:
        container = av.open(
            os.path.abspath(path),  # noqa: PTH100 - an absolute name is never taken for a protocol; links stay
            metadata_errors="replace",
            options={"format_whitelist": FORMATS, "protocol_whitelist": "file"},
        )
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise Unreadable(_open_reason(error)) from None
    with container:
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


class Shapes:
    """Shape of each frame; asked of the container again only when the size changes."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._last: Shape | None = None
        self._rotation = 0

    def of(self, frame: Any) -> Shape:
        """Coded size, rotation in degrees clockwise, pixel shape."""
        turned = -round(frame.rotation / 90) * 90 % 360
        last = self._last
        if last is None or (last.width, last.height, last.rotation) != (frame.width, frame.height, turned):
            ratio = self._stream.sample_aspect_ratio or self._stream.codec_context.sample_aspect_ratio
            sar = sane_sar(ratio.numerator, ratio.denominator) if ratio else (1, 1)
            last = self._last = Shape(frame.width, frame.height, turned, sar)
        return last


def demux(container: Any, stream: Any, damage: Damage, pulse: Callable[[], None]) -> Iterator[Any]:
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


def alone(packet: Any) -> list[Any]:
    """What a key packet decodes to by itself; damaged frames and errors give nothing."""
    codec = packet.stream.codec_context
    try:
        frames = [*packet.decode(), *codec.decode(None)]
    except av.error.FFmpegError:
        frames = []
    codec.flush_buffers()
    return [frame for frame in frames if not frame.is_corrupt][:1]


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
