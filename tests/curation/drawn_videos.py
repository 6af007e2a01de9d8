"""Tiny videos and pictures with known content, drawn on the spot through PyAV."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import av
import cv2
import numpy as np

RATE = 25


def texture(index: int, size: tuple[int, int] = (160, 120), seed: int = 0) -> np.ndarray:
    """RGB uint8 [h, w, 3]: smooth reddish noise that moves by 3 pixels a frame; fills the frame."""
    width, height = size
    x, y = (3 * index) % 600, index % 60
    return _surface(size, seed)[y : y + height, x : x + width].copy()


@lru_cache(maxsize=16)
def _surface(size: tuple[int, int], seed: int) -> np.ndarray:
    shape = size[1] + 64, size[0] + 640
    noise = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), 4)
    colours = (noise / noise.std())[:, :, None] * np.float32([22, 16, 14]) + np.float32([170, 100, 90])
    return np.clip(colours, 30, 240).astype(np.uint8)


def textures(count: int, size: tuple[int, int] = (160, 120), seed: int = 0) -> list[np.ndarray]:
    """`count` of them."""
    return [texture(index, size, seed) for index in range(count)]


def write_video(
    path: Path,
    pictures: Iterable[np.ndarray],
    *,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    pts: Sequence[int] | None = None,
    time_base: Fraction = Fraction(1, RATE),
    gop: int = 12,
    rotation: int | None = None,
    sar: Fraction | None = None,
    tags: Mapping[str, int] = {},
    options: Mapping[str, str] = {},
    container: Mapping[str, str] = {},
    metadata: Mapping[str, str] = {},
) -> Path:
    """Encode RGB pictures.

    Args:
        pts: in units of `time_base`; 0, 1, 2, … if None.
        rotation: degrees counter-clockwise, as the display matrix has it.
        tags: attributes of the codec context, e.g. colorspace, color_range.
    """
    pictures = list(pictures)
    height, width = pictures[0].shape[:2]
    with av.open(str(path), "w", options=dict(container)) as out:
        out.metadata.update(metadata)
        stream = out.add_stream(codec, rate=RATE)
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = width, height, pix_fmt, gop
        if codec in ("libx264", "libx265"):
            stream.options = {"crf": "12", "preset": "ultrafast"} | dict(options)
        stream.codec_context.time_base = time_base
        if sar is not None:
            stream.codec_context.sample_aspect_ratio = sar
        for name, value in tags.items():
            setattr(stream.codec_context, name, value)
        if rotation is not None:
            stream.set_display_rotation(rotation)
        for index, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame = frame.reformat(
                format=pix_fmt,
                dst_colorspace=tags.get("colorspace", 5),
                dst_color_range=tags.get("color_range", 1),
            )
            for name, value in tags.items():
                if name in ("colorspace", "color_range"):
                    setattr(frame, name, value)
            frame.pts, frame.time_base = (index if pts is None else pts[index]), time_base
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def write_planes(path: Path, planes: Sequence[np.ndarray], pix_fmt: str, tags: Mapping[str, int]) -> Path:
    """One losslessly coded frame of given planes (8 or 16 bits a sample) in Matroska."""
    height, width = planes[0].shape
    with av.open(str(path), "w") as out:
        stream = out.add_stream("ffv1", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
        for name, value in tags.items():
            setattr(stream.codec_context, name, value)
        frame = av.VideoFrame(width, height, pix_fmt)
        for plane, values in zip(frame.planes, planes, strict=True):
            rows = np.frombuffer(plane, values.dtype).reshape(plane.height, -1)
            rows.flags.writeable = True
            rows[:, : plane.width] = values
        for name, value in tags.items():
            setattr(frame, name, value)
        frame.pts = 0
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path
