"""Key frames decoded without the frames between them, after a proof on that file that this gives the same pictures.

Some files call frames key frames that need earlier ones, and a seek may land on another frame without a word. So at a
few places of each file the key frame is decoded in order and alone, and reached by a seek where the container has an
index; pixels and time stamps must be equal. What fails is not done: no seek, or no key frames alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import av
import numpy as np

from endocur.extract.media import alone, demux, opened, planes_of
from endocur.extract.prescan import Facts, Key
from endocur.extract.source import Damage

PLACES = 3
"""Where a file is proven: its second key frame, one in the middle, its last."""

SEEK_FROM = 4
"""Seek to a key frame that lies so many key frames on or more; nearer ones are reached by reading on."""


@dataclass(frozen=True)
class Proof:
    """What held on a file."""

    alone: bool
    """Key frames decoded alone equal those decoded in order."""
    seek: bool
    """A seek to a key frame's time stamp lands on that key frame."""
    places: int


def places(keys: int, count: int = PLACES) -> list[int]:
    """Indices of at most `count` key frames but the first, the second and the last among them."""
    if keys < 2:
        return []
    return sorted({1 + round(k * (keys - 2) / max(1, count - 1)) for k in range(count)})


def pixels(frame: Any) -> str:
    """A hash of a frame's size and samples, without what lies between its rows."""
    planes = planes_of(frame)
    digest = blake2b(f"{frame.width}x{frame.height} {frame.format.name}".encode("ascii"), digest_size=16)
    for part in (planes.y, planes.u, planes.v):
        if part is not None:
            digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()


def stretches(
    path: Path, starts: Collection[int], count: int, pulse: Callable[[], None]
) -> Iterator[tuple[int, Any, list[Any]]]:
    """Runs of frames decoded in order from some key frames on, in one pass over the packets.

    Args:
        path: the file.
        starts: indices of key packets in the order of the file, from 0.
        count: frames of a run at least, if there are; runs never overlap: the next start ends one.
        pulse: see `demux`.
    Returns: (index of the key packet, that packet, its run in the order shown, from the key frame on). A run in which
        anything is damaged is empty.
    """
    with opened(path) as (container, stream):
        codec = stream.codec_context
        index = -1
        start: tuple[int, Any] | None = None
        run: list[Any] = []
        for packet in demux(container, stream, Damage(), pulse):
            if packet.size and packet.is_keyframe and not packet.is_discard:
                index += 1
                if index in starts:
                    if start is not None:
                        yield *start, _ended(codec, start[1], run)
                    start, run = (index, packet), []
            if start is None or not packet.size:
                continue
            try:
                run += packet.decode()
            except av.error.FFmpegError:
                run.clear()
                codec.flush_buffers()
                start = None
                continue
            if sum(_from(start[1], frame) for frame in run) >= count:
                yield *start, _ended(codec, start[1], run)
                start, run = None, []
        if start is not None:
            yield *start, _ended(codec, start[1], run)


def _ended(codec: Any, first: Any, run: list[Any]) -> list[Any]:
    """The run with what the decoder still holds, from its key frame on; the decoder is ready for another."""
    try:
        run += codec.decode(None)
    except av.error.FFmpegError:
        run.clear()
    codec.flush_buffers()
    run = [frame for frame in run if _from(first, frame)]
    return [] if any(frame.is_corrupt for frame in run) else run


def _from(first: Any, frame: Any) -> bool:
    """Whether a frame is shown with a key packet's or after it; without stamps it is taken to be."""
    return frame.pts is None or first.pts is None or bool(frame.pts >= first.pts)


def prove(path: Path, facts: Facts, pulse: Callable[[], None]) -> Proof:
    """Decode key frames at a few places in order, alone, and by a seek; compare time stamps and pixels."""
    wanted = places(len(facts.keys))
    by_order = _in_order(path, wanted, pulse)
    if len(by_order) < len(wanted):
        return Proof(False, False, len(by_order))
    is_alone = all(own == ordered for own, ordered in by_order.values())
    is_seek = is_alone and facts.indexed
    if is_seek:
        with opened(path) as (container, stream):
            for at in reversed(wanted):
                packet = sought(container, stream, facts.keys[at])
                is_seek = is_seek and packet is not None and _print(alone(packet)) == by_order[facts.keys[at].pts][1]
    return Proof(is_alone, is_seek, len(wanted))


Print = tuple[int, str] | None


def _in_order(path: Path, wanted: Sequence[int], pulse: Callable[[], None]) -> dict[int, tuple[Print, Print]]:
    """Key pts -> (time stamp and pixels decoded alone, the same decoded after the key frame before it)."""
    targets: dict[int, Any] = {}
    ordered: dict[int, Print] = {}
    with opened(path) as (container, stream):
        codec, index, fed = stream.codec_context, -1, False
        for packet in demux(container, stream, Damage(), pulse):
            if packet.size and packet.is_keyframe and not packet.is_discard:
                index += 1
                fed = fed or index + 1 in wanted
                if index in wanted:
                    targets[packet.pts] = packet
            if not fed:
                continue
            ordered |= {frame.pts: _print([frame]) for frame in _decoded(packet) if frame.pts in targets}
            if len(ordered) == len(targets) and index + 1 not in wanted:
                fed = False
                codec.flush_buffers()
        return {pts: (_print(alone(targets[pts])), print_) for pts, print_ in ordered.items()}


def _decoded(packet: Any) -> list[Any]:
    """What comes out of the decoder for a packet, the empty one that flushes included."""
    try:
        return list(packet.decode())
    except av.error.FFmpegError:
        return []


def _print(frames: list[Any]) -> Print:
    return (frames[0].pts, pixels(frames[0])) if frames and not frames[0].is_corrupt else None


def sought(container: Any, stream: Any, key: Key) -> Any:
    """The key packet reached by a seek to its time stamp; None if the seek landed anywhere else."""
    try:
        container.seek(key.pts, stream=stream, backward=True)
        for packet in container.demux(stream):
            if packet.size:
                return packet if packet.is_keyframe and packet.pts == key.pts else None
    except (av.error.FFmpegError, OSError):
        return None  # a seek that gives an error is a seek that failed
    return None


class KeyReader:
    """Key packets of a file in order of time, reached by seeks where they are proven, else by passing over packets."""

    def __init__(self, container: Any, stream: Any, *, seek: bool, pulse: Callable[[], None], damage: Damage) -> None:
        self._container, self._stream, self._seek = container, stream, seek
        self._pulse, self._damage = pulse, damage
        self._packets = demux(container, stream, damage, pulse)
        self._at = -1

    def packet(self, index: int, key: Key) -> Any:
        """The packet of key frame `index`, greater than the last asked for; None if it does not come any more."""
        if self._seek and index - self._at >= SEEK_FROM:
            found = sought(self._container, self._stream, key)
            if found is not None:
                self._packets = demux(self._container, self._stream, self._damage, self._pulse)
                self._at = index
                return found
            self._start_anew()
        for packet in self._packets:
            if packet.size and packet.is_keyframe and not packet.is_discard:
                self._at += 1
                if packet.pts == key.pts:
                    self._at = index
                    return packet
        return None

    def _start_anew(self) -> None:
        """A seek that failed although it was proven elsewhere: from here on without."""
        self._seek = False
        self._container.seek(0)
        self._packets = demux(self._container, self._stream, self._damage, self._pulse)
