"""What one published sample is made of: the shrunk picture, its tissue mask, its JSON.

Pure but for the codecs: bytes and arrays in, bytes out. Pictures are resized in their own planes, never by way
of RGB, and weighted by tissue, so that the black outside neither bleeds into the rim nor rings.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass

import av
import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from endoshards.errors import BadInput

VERSION = "1"
"""Enters the fingerprint of a set; raised when the same frames would give other bytes."""

EXTENSIONS = ("jpg", "json", "mask.png")
"""The members of each sample, the same for every sample of a set."""

SCORES = ("quality", "sharpness", "exposure", "contrast", "specular_free", "colour")
"""Scores that go into a sample's JSON, each in [0, 1], higher is better."""

NEUTRAL = 128
"""Chroma of grey in full-range BT.601, as JPEG has it."""

_thread = threading.local()


@dataclass(frozen=True)
class Planes:
    """A 4:2:0 picture in full-range planes: y [h, w], cb and cr [ceil(h/2), ceil(w/2)], uint8."""

    y: NDArray[np.uint8]
    cb: NDArray[np.uint8]
    cr: NDArray[np.uint8]


@dataclass(frozen=True)
class Window:
    """How the pictures of one view are shrunk, worked out once: tissue weights before, tissue after.

    width and height are those of the published picture; `tissue` is bool [height, width]; the weights are
    float32 in [0, 1] at the stored size (`near`) and summed at the published size (`far`), luma then chroma.
    `keeps_bytes` is True where the stored picture is published as it lies.
    """

    width: int
    height: int
    keeps_bytes: bool
    tissue: NDArray[np.bool_]
    mask_png: bytes
    near: tuple[NDArray[np.float32], NDArray[np.float32]]
    far: tuple[NDArray[np.float32], NDArray[np.float32]]


def fit(width: int, height: int, size: int | None) -> tuple[int, int]:
    """The published width and height in pixels of a stored picture.

    The short side becomes `size`, the long side follows, rounded to even (a 4:2:0 picture is made of 2 x 2
    blocks). A picture whose short side is at most `size` stays as it is, and so does all of them if size is None.
    """
    short = min(width, height)
    if size is None or short <= size:
        return width, height
    long = max(size, 2 * round(max(width, height) * size / short / 2))
    return (size, long) if width <= height else (long, size)


def window(tissue: NDArray[np.bool_], size: int | None) -> Window:
    """The `Window` of a view whose tissue is bool [h, w] at the stored size; size as in `fit`."""
    height, width = tissue.shape
    to_width, to_height = fit(width, height, size)
    if (to_width, to_height) == (width, height):
        empty = np.zeros((0, 0), np.float32)
        return Window(width, height, True, tissue, _png(tissue), (empty, empty), (empty, empty))
    luma = tissue.astype(np.float32)
    even = np.pad(luma, ((0, height % 2), (0, width % 2)), mode="edge") if height % 2 or width % 2 else luma
    chroma = _area(even, _half(width), _half(height))
    far = (_area(luma, to_width, to_height), _area(chroma, _half(to_width), _half(to_height)))
    small = far[0] >= 0.5
    return Window(to_width, to_height, False, small, _png(small), (luma, chroma), far)


def picture(jpeg: bytes, view: Window, quality: int) -> bytes:
    """The published JPEG of a stored one: shrunk in planes, black outside tissue, encoded once at `quality`.

    Raises: BadInput if the bytes are no 4:2:0 JPEG of the size the window was made for.
    """
    if view.keeps_bytes:
        return jpeg
    planes = decode_planes(jpeg)
    if planes.y.shape != view.near[0].shape:
        raise BadInput(
            f"a stored picture is {planes.y.shape[1]} x {planes.y.shape[0]} and its mask "
            f"{view.near[0].shape[1]} x {view.near[0].shape[0]}; the corpus is damaged: extract it again."
        )
    small = shrunk(planes, view)
    encoded: bytes = simplejpeg.encode_jpeg_yuv_planes(small.y, small.cb, small.cr, quality=quality)
    return encoded


def shrunk(planes: Planes, view: Window) -> Planes:
    """Stored planes at the published size, black outside tissue; as they are where the window keeps the size."""
    if view.keeps_bytes:
        return planes
    touched = _blocks(view.tissue)
    y = np.where(view.tissue, _weighted(planes.y, view.near[0], view.far[0]), 0)
    cb, cr = (
        np.where(touched, _weighted(plane, view.near[1], view.far[1]), NEUTRAL) for plane in (planes.cb, planes.cr)
    )
    return Planes(*(np.ascontiguousarray(plane, np.uint8) for plane in (y, cb, cr)))


def decode_planes(jpeg: bytes) -> Planes:
    """The planes of a 4:2:0 JPEG, without upsampling or conversion. Raises: BadInput for anything else."""
    try:
        frames = _decoder().decode(av.Packet(jpeg))
    except av.FFmpegError as error:
        raise BadInput(f"a stored picture cannot be decoded ({error}); the corpus is damaged.") from None
    if len(frames) != 1 or frames[0].format.name not in ("yuvj420p", "yuv420p"):
        raise BadInput("a stored picture is no 4:2:0 JPEG; the corpus was not written by this program.")
    planes = [
        np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]
        for plane in frames[0].planes
    ]
    return Planes(*planes)


def sample_json(row: Mapping[str, object], width: int, height: int) -> bytes:
    """The JSON member of a sample: the same keys, in the same order, for every sample; no name, no path.

    Args:
        row: a row of the corpus's frames with scores (`endocur.tables.frames`).
        width: of the published picture, pixels.
        height: of the published picture, pixels.
    """
    shrunk = (width / _int(row, "width"), height / _int(row, "height"))
    turned = _int(row, "rotation") % 180 == 90
    along = (shrunk[1], shrunk[0]) if turned else shrunk
    value = {
        "frame_id": row["frame_id"],
        "source_id": row["source_id"],
        "group_id": row["group_id"],
        "pts_us": row["pts_us"],
        "pts_made": row["pts_made"],
        "width": width,
        "height": height,
        "source_width": row["src_width"],
        "source_height": row["src_height"],
        "view": {
            "id": row["view_id"],
            "crop": [row["crop_x"], row["crop_y"], row["crop_w"], row["crop_h"]],
            "rotation": row["rotation"],
            "pixel_aspect": [row["sar_num"], row["sar_den"]],
            "scale": [round(_float(row, "scale_x") * along[0], 6), round(_float(row, "scale_y") * along[1], 6)],
        },
        "scores": {name: round(_float(row, name), 4) for name in SCORES},
        "score_version": row["score_version"],
    }
    return json.dumps(value, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode("ascii")


def _int(row: Mapping[str, object], name: str) -> int:
    return int(row[name])  # type: ignore[call-overload]


def _float(row: Mapping[str, object], name: str) -> float:
    return float(row[name])  # type: ignore[arg-type]


def _blocks(tissue: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """[ceil(h/2), ceil(w/2)]: whether any pixel of a 2 x 2 block is tissue."""
    height, width = tissue.shape
    even = np.pad(tissue, ((0, height % 2), (0, width % 2))) if height % 2 or width % 2 else tissue
    rows = even[0::2] | even[1::2]
    return np.asarray(rows[:, 0::2] | rows[:, 1::2], np.bool_)


def _half(side: int) -> int:
    return (side + 1) // 2


def _area(plane: NDArray[np.float32], width: int, height: int) -> NDArray[np.float32]:
    """Each pixel the mean of the area it covers: no kernel with negative lobes, so nothing rings."""
    return np.asarray(cv2.resize(plane, (width, height), interpolation=cv2.INTER_AREA), np.float32)


def _weighted(plane: NDArray[np.uint8], near: NDArray[np.float32], far: NDArray[np.float32]) -> NDArray[np.floating]:
    total = _area(plane * near, far.shape[1], far.shape[0])
    return np.rint(total / np.maximum(far, 1e-6))


def _png(tissue: NDArray[np.bool_]) -> bytes:
    """A one-bit PNG, white where there is tissue."""
    ok, data = cv2.imencode(".png", tissue.astype(np.uint8) * 255, [cv2.IMWRITE_PNG_BILEVEL, 1])
    if not ok:
        raise RuntimeError("OpenCV could not write a PNG")
    return bytes(data)


def _decoder() -> av.CodecContext:
    """One JPEG decoder a thread: a context must not be entered twice at once."""
    decoder = getattr(_thread, "decoder", None)
    if decoder is None:
        decoder = _thread.decoder = av.CodecContext.create("mjpeg", "r")
        decoder.thread_count = 1
    return decoder
