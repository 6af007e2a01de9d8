"""One clip to bytes: an MP4 with a key frame a second and no sound, or a run of JPEGs."""

from __future__ import annotations

import io
from collections.abc import Sequence
from fractions import Fraction
from typing import Literal

import av
import numpy as np
import simplejpeg
from av.video.frame import PictureType

from endocur.publish import Planes

Form = Literal["mp4", "jpg"]
SECOND_US = 1_000_000
TIME_BASE = Fraction(1, SECOND_US)
_FULL_RANGE, _BT601 = 2, 5
"""FFmpeg's numbers: full range; BT.470BG, whose matrix is that of BT.601."""


class Mp4Clip:
    """H.264 in MP4: times are those of the frames, a key frame opens every second, each frame refers back only.

    One thread, no tags, no clock of this machine: equal frames give equal bytes with one version of the encoder.
    """

    def __init__(self, width: int, height: int, rate: float, crf: int) -> None:
        self._bytes = io.BytesIO()
        self._out = av.open(self._bytes, "w", format="mp4", options={"fflags": "+bitexact"})
        stream = self._out.add_stream("libx264", rate=Fraction(rate).limit_denominator(1001))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.time_base = stream.codec_context.time_base = TIME_BASE
        stream.codec_context.color_range, stream.codec_context.colorspace = _FULL_RANGE, _BT601
        stream.codec_context.thread_count = 1
        stream.options = {
            "crf": str(crf),
            "preset": "veryfast",
            "x264-params": "bframes=0:scenecut=0:keyint=infinite:force-cfr=0:threads=1",
            "forced-idr": "1",
        }
        self._stream = stream
        self._start_us: int | None = None
        self._second = -1

    def add(self, planes: Planes, us: int) -> None:
        """Append a frame of full-range BT.601 planes, even in width and height, shown at `us`."""
        height, width = planes.y.shape
        flat = np.concatenate([planes.y.ravel(), planes.cb.ravel(), planes.cr.ravel()])
        frame = av.VideoFrame.from_ndarray(flat.reshape(height * 3 // 2, width), format="yuv420p")
        self._start_us = us if self._start_us is None else self._start_us
        frame.pts, frame.time_base = us - self._start_us, TIME_BASE
        frame.color_range, frame.colorspace = _FULL_RANGE, _BT601
        second = (us - self._start_us) // SECOND_US
        if second > self._second:
            frame.pict_type = PictureType.I
            self._second = second
        self._out.mux(self._stream.encode(frame))

    def finish(self) -> bytes:
        """The file."""
        self._out.mux(self._stream.encode(None))
        self._out.close()
        return self._bytes.getvalue()


def jpegs(frames: Sequence[Planes], quality: int) -> list[bytes]:
    """Each frame as a 4:2:0 JPEG."""
    return [
        bytes(simplejpeg.encode_jpeg_yuv_planes(frame.y, frame.cb, frame.cr, quality=quality, fastdct=False))
        for frame in frames
    ]
