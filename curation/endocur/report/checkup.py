"""What is odd about one video, and whether it reads the same way twice: for `endocur doctor --decode FILE`.

The file is decoded in order twice, and frames of it are fetched by seeks as a program would that trusts the container.
Says numbers and words of ours; nothing of the file's tags.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.codec.hwaccel import HWAccel, hwdevices_available

from endocur.account import duration
from endocur.extract.container import is_truncated
from endocur.extract.decode import Video, good_frames
from endocur.extract.keys import pixels
from endocur.extract.media import Shapes, declared_rate, demux, opened, planes_of
from endocur.extract.sampling import Asked
from endocur.extract.source import Damage
from endocur.report.machine import Finding

DECODED = 6000
"""Frames decoded twice at most: four minutes of 25 frames a second."""

SOUGHT = 12
"""Frames fetched by seeks."""

COMPARED = 50
"""Frames compared between processor and graphics card."""

GPU_LEVELS = 1.0
"""Mean difference of a sample up to which two decoders of one standard agree; the standards ask for none."""

DURATION_SHARE = 0.05
"""A header's duration may be off by so much before it is told."""


@dataclass(frozen=True)
class Shown:
    """A decoded frame, as far as it is compared."""

    pts: int | None
    pixels: str
    flagged: bool
    """The stream calls it interlaced."""


def check_up(path: Path, fps: float = 1.0) -> list[Finding]:
    """All findings about a file; `missing` marks what is wrong.

    Args:
        path: the video.
        fps: the rate for which the way of reading is told.
    Raises: Unreadable with the reason if no frame can be read.
    """
    video = Video(path, asked=Asked("auto", fps))
    shown, damage = _decoded(path)
    again, _ = _decoded(path)
    return [
        _what(path, video, shown),
        _twice(shown, again),
        _seek(path, video, shown),
        _extract(video, fps),
        _gpu(path),
        *_odd(path, video, shown, damage),
    ]


def _decoded(path: Path) -> tuple[list[Shown], Damage]:
    """The first frames, decoded in order."""
    damage = Damage(truncated=is_truncated(path))
    with opened(path) as (container, stream):
        frames = islice(good_frames(demux(container, stream, damage, lambda: None), stream, damage), DECODED)
        return [Shown(frame.pts, pixels(frame), bool(frame.interlaced_frame)) for frame in frames], damage


def _what(path: Path, video: Video, shown: list[Shown]) -> Finding:
    facts = video.facts
    with opened(path) as (_, stream):
        size, layout = f"{stream.width} x {stream.height}", stream.codec_context.pix_fmt
    rate = f"a frame every {facts.step_us / 1000:g} ms" if facts.step_us else "one frame"
    keys = f"a key frame every {facts.key_gap_us / 1e6:g} s" if facts.key_gap_us else "one key frame"
    length = duration(facts.times[-1] / 1e6) if facts.times else "a length that only decoding tells"
    value = f"{facts.codec} in {facts.container}, {size}, {layout}, {facts.packets:,} frames, {rate}, {keys}, {length}"
    return Finding("file", value if shown else f"{value}; no frame of it can be decoded", "ok" if shown else "missing")


def _twice(shown: list[Shown], again: list[Shown]) -> Finding:
    name = "two decodes"
    if shown == again:
        return Finding(name, f"{len(shown):,} frames decoded in order twice are equal")
    differ = sum(one != other for one, other in zip(shown, again, strict=False)) + abs(len(shown) - len(again))
    return Finding(name, f"{differ:,} of {len(shown):,} frames differ", "missing", "memory or decoder is at fault")


def _seek(path: Path, video: Video, shown: list[Shown]) -> Finding:
    """Frames as a program gets them that seeks to a time stamp and decodes up to it."""
    name, places = "seek", _spread(shown)
    if not places:
        return Finding(name, "cannot be tried: the frames have no time stamps of their own", "note")
    wrong = 0
    with opened(path) as (container, stream):
        for place in reversed(places):
            wrong += _sought(container, stream, place) != (place.pts, place.pixels)
    value = f"{wrong} of {len(places)} frames fetched by a seek are not those decoded in order"
    if not wrong:
        return Finding(name, f"{len(places)} frames fetched by seeks equal those decoded in order")
    use = "extract is not misled: it reads this file in order, or seeks to proven key frames only"
    return Finding(name, value, "note", use if video.facts.indexed else "extract never seeks in this container")


def _spread(shown: list[Shown]) -> list[Shown]:
    """Frames to fetch: spread over the file, each with a time stamp that no other has."""
    stamps = [one.pts for one in shown]
    if None in stamps or len(set(stamps)) < len(stamps):
        return []
    count = min(SOUGHT, len(shown))
    return [shown[(2 * k + 1) * len(shown) // (2 * count)] for k in range(count)]


def _sought(container: Any, stream: Any, place: Shown) -> tuple[int | None, str]:
    try:
        container.seek(place.pts, stream=stream, backward=True)
        for frame in container.decode(stream):
            if frame.pts is not None and frame.pts >= (place.pts or 0):
                return frame.pts, pixels(frame)
    except (av.error.FFmpegError, OSError) as error:
        return None, type(error).__name__
    return None, "end of file"


def _extract(video: Video, fps: float) -> Finding:
    told = video.told()
    kept = "key frames" if told["frames"] == "key frames" else "the first frame at or after each tick"
    value = f"at --fps {fps:g} extract keeps {kept} and decodes {told['decoded']}, for {told['why']}"
    if told["seeks"]:
        value += "; it seeks to key frames that lie far apart"
    if told["places_proven"]:
        value += f"; key frames proven at {told['places_proven']} places"
    return Finding("reading", value)


def _gpu(path: Path) -> Finding:
    """Processor against graphics card, where FFmpeg finds one."""
    if "cuda" not in hwdevices_available():
        return Finding("CPU and GPU", "this FFmpeg knows no NVIDIA decoder", "note")
    try:
        with av.open(str(path), hwaccel=HWAccel("cuda", allow_software_fallback=False)) as container:
            theirs = [_luma(frame) for frame in islice(container.decode(video=0), COMPARED)]
    except (av.error.FFmpegError, RuntimeError, ValueError):
        return Finding("CPU and GPU", "no graphics card here decodes this file; the processor does", "note")
    with opened(path) as (container, stream):
        ours = [_luma(frame) for frame in islice(container.decode(stream), COMPARED)]
    return compare(ours, theirs)


def compare(ours: list[Any], theirs: list[Any]) -> Finding:
    """How far two decodes lie apart. Args: luma [h, w] in levels of 255, frame by frame."""
    if len(ours) != len(theirs) or any(one.shape != other.shape for one, other in zip(ours, theirs, strict=True)):
        return Finding("CPU and GPU", f"{len(ours)} frames against {len(theirs)}, or other sizes", "missing")
    apart = max((float(np.abs(one - other).mean()) for one, other in zip(ours, theirs, strict=True)), default=0.0)
    value = f"{len(ours)} frames differ by {apart:.2f} levels of 255 at most (mean of a frame)"
    return Finding("CPU and GPU", value, "ok" if apart <= GPU_LEVELS else "missing")


def _luma(frame: Any) -> Any:
    if frame.format.name in ("nv12", "p010le", "p016le"):
        frame = frame.reformat(format="yuv420p" if frame.format.name == "nv12" else "yuv420p10le")
    planes = planes_of(frame)
    return planes.y.astype(np.float32) / (1 << (planes.bits - 8))


def _odd(path: Path, video: Video, shown: list[Shown], damage: Damage) -> Iterator[Finding]:
    """One finding for each thing that readers stumble over."""
    facts = video.facts
    for words in facts.odd:
        yield Finding("odd", words, "note")
    if reason := damage.reason():
        yield Finding("odd", reason, "note", "extract leaves out what is damaged and calls the file partial")
    if facts.vfr:
        yield Finding("odd", "its frame rate is variable: times are read from stamps, never counted", "note")
    if facts.gaps:
        yield Finding("odd", f"{facts.gaps} gaps in time, the longest {facts.longest_gap_us / 1e6:g} s", "note")
    if facts.hidden:
        yield Finding("odd", f"{facts.hidden} frames are hidden by an edit list", "note")
    flagged = sum(one.flagged for one in shown)
    if video.field_order != "progressive" or flagged:
        found = "progressive" if video.field_order == "progressive" else f"interlaced ({video.field_order})"
        called = f"{flagged:,} of {len(shown):,} frames are flagged as interlaced"
        yield Finding("odd", f"by what they show the pictures are {found}; {called}", "note")
    yield from _header(path, video, len(shown))


def _header(path: Path, video: Video, decoded: int) -> Iterator[Finding]:
    facts = video.facts
    with opened(path) as (container, stream):
        count, length_s, rate = stream.frames, (container.duration or 0) / 1e6, float(declared_rate(stream))
        frame = next(iter(container.decode(stream)), None)
        if frame is not None:
            shape, colour = Shapes(stream).of(frame), planes_of(frame).colour
            if shape.rotation:
                yield Finding("odd", f"it is shown turned by {shape.rotation} degrees", "note")
            if shape.sar != (1, 1):
                yield Finding("odd", f"its pixels are not square: {shape.sar[0]} : {shape.sar[1]}", "note")
            if colour.assumed:
                span = "full" if colour.full_range else "limited"
                yield Finding("odd", f"its colours are not tagged: {colour.matrix}, {span} range are assumed", "note")
    if count and count != facts.packets + facts.hidden:
        yield Finding("odd", f"its header counts {count:,} frames, it has {facts.packets + facts.hidden:,}", "note")
    real_s = facts.times[-1] / 1e6 + facts.step_us / 1e6 if facts.times else facts.packets / rate
    if length_s and abs(length_s - real_s) > max(1.0, DURATION_SHARE * real_s):
        said = f"its header says {duration(length_s)}, its frames last {duration(real_s)}"
        yield Finding("odd", said, "note")
    if decoded < min(facts.packets, DECODED):
        yield Finding("odd", f"{decoded:,} good frames come out of {facts.packets:,} packets", "note")
