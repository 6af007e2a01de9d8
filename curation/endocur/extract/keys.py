"""Key frames decoded without the frames between them, after a proof on that file that this gives the same pictures.

Some files call frames key frames that need earlier ones, and a seek may land on another frame without a word. So at a
few places of each file the key frame is decoded in order and alone, and reached by a seek where the container has an
index; pixels and time stamps must be equal. What fails is not done: no seek, or no key frames alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, Generic, TypeVar

import av
import numpy as np

from endocur.extract.media import alone, demux, opened, planes_of
from endocur.extract.prescan import Facts, Key
from endocur.extract.source import Damage

T = TypeVar("T")

PLACES = 3
"""Where a file is proven: its second key frame, one in the middle, its last."""

COMPARED = 12
"""Frames from a key frame on that must be equal before a file is entered there."""


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
    path: Path, facts: Facts, starts: Sequence[int], count: int, *, look: Callable[[Any], T], pulse: Callable[[], None]
) -> Iterator[list[T]]:
    """Runs of frames decoded in order from some key frames on.

    A container with an index is entered by seeks, of which each must land on its key packet; else, or if one does not,
    all packets are passed over once.

    Args:
        path: the file.
        facts: its facts.
        starts: indices of key packets in the order of the file, from 0, ascending.
        count: frames of a run at least, if there are; a run may end early where the next start comes.
        look: what is kept of a frame; frames themselves are not, for they are large.
        pulse: see `demux`.
    Returns: for each start what was seen, in the order shown, from the key frame on; empty if anything was damaged.
    """
    if facts.indexed and facts.keys:
        runs = _by_seek(path, [facts.keys[start] for start in starts], count, look, pulse)
        if runs is not None:
            yield from runs
            return
    with opened(path) as (container, stream):
        index, run = -1, _Run[T](look)
        for packet in demux(container, stream, Damage(), pulse):
            if packet.size and packet.is_keyframe and not packet.is_discard:
                index += 1
                if index in starts:
                    if run.first is not None:
                        yield run.end(stream.codec_context)
                    run = _Run(look, packet)
            if run.first is None or not packet.size:
                continue
            run.feed(packet)
            if len(run.seen) >= count:
                yield run.end(stream.codec_context)
                run = _Run(look)
        if run.first is not None:
            yield run.end(stream.codec_context)


def _by_seek(
    path: Path, keys: Sequence[Key], count: int, look: Callable[[Any], T], pulse: Callable[[], None]
) -> list[list[T]] | None:
    """The runs of `stretches`; None if a seek did not land on its key packet."""
    runs = []
    with opened(path) as (container, stream):
        for key in keys:
            packet = sought(container, stream, key)
            if packet is None:
                return None
            run = _Run(look, packet)
            run.feed(packet)
            for packet in demux(container, stream, Damage(), pulse):
                if len(run.seen) >= count or not packet.size:
                    break
                run.feed(packet)
            runs.append(run.end(stream.codec_context))
    return runs


@dataclass
class _Run(Generic[T]):
    """Frames from a key packet on."""

    look: Callable[[Any], T]
    first: Any = None
    seen: list[T] = field(default_factory=list)
    is_damaged: bool = False

    def feed(self, packet: Any) -> None:
        try:
            self._take(packet.decode())
        except av.error.FFmpegError:
            self.is_damaged = True

    def end(self, codec: Any) -> list[T]:
        """What was seen, with what the decoder still holds; the decoder is ready for another run."""
        try:
            self._take(codec.decode(None))
        except av.error.FFmpegError:
            self.is_damaged = True
        codec.flush_buffers()
        return [] if self.is_damaged else self.seen

    def _take(self, frames: Sequence[Any]) -> None:
        shown = [frame for frame in frames if _from(self.first, frame)]
        self.is_damaged = self.is_damaged or any(frame.is_corrupt for frame in shown)
        self.seen += [self.look(frame) for frame in shown]


def _from(first: Any, frame: Any) -> bool:
    """Whether a frame is shown with a key packet's or after it; without stamps it is taken to be."""
    return frame.pts is None or first.pts is None or bool(frame.pts >= first.pts)


def prove(path: Path, facts: Facts, pulse: Callable[[], None]) -> Proof:
    """Decode key frames at a few places in order, alone, and by a seek; compare time stamps and pixels."""
    wanted = places(len(facts.keys))
    ordered = [_ordered(path, facts, index, pulse) for index in wanted]
    by_seek = _each_alone(path, facts, wanted, pulse, seek=True) if facts.indexed else []
    if facts.indexed and by_seek == ordered and None not in ordered:
        return Proof(True, True, len(wanted))
    by_pass = _each_alone(path, facts, wanted, pulse, seek=False)
    return Proof(by_pass == ordered and None not in ordered, False, len(wanted))


def _ordered(path: Path, facts: Facts, index: int, pulse: Callable[[], None]) -> Print:
    """Time stamp and pixels of a key frame decoded after all from the key frame before it on."""
    before, key = facts.keys[index - 1], facts.keys[index]
    count = facts.shown_before(key.us) - facts.shown_before(before.us) + 1

    def look(frame: Any) -> Print:
        return _print([frame]) if frame.pts == key.pts else None

    seen = next(stretches(path, facts, [index - 1], count, look=look, pulse=pulse), [])
    return next((print_ for print_ in seen if print_ is not None), None)


def _each_alone(
    path: Path, facts: Facts, wanted: Sequence[int], pulse: Callable[[], None], *, seek: bool
) -> list[Print]:
    """Time stamp and pixels of key frames decoded from their own packets only."""
    with opened(path) as (container, stream):
        reader = KeyReader(container, stream, seek=seek, pulse=pulse, damage=Damage(), may_pass=not seek)
        packets = (reader.packet(facts.keys[index]) for index in wanted)
        return [None if packet is None else _print(alone(packet)) for packet in packets]


def same_from(path: Path, facts: Facts, index: int, pulse: Callable[[], None]) -> bool:
    """Whether decoding may begin at key frame `index`: it and the frames after it equal those decoded from the key
    frame before it on."""
    before, key = facts.keys[index - 1], facts.keys[index]
    between = facts.shown_before(key.us) - facts.shown_before(before.us)
    runs = []
    for start, count in ((index - 1, between + COMPARED), (index, COMPARED)):
        seen = next(stretches(path, facts, [start], count, look=lambda frame: _print([frame]), pulse=pulse), [])
        runs.append([print_ for print_ in seen if print_ is not None and print_[0] >= key.pts][:COMPARED])
    return bool(runs[0]) and runs[0] == runs[1]


Print = tuple[int, str] | None


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

    def __init__(
        self,
        container: Any,
        stream: Any,
        *,
        seek: bool,
        pulse: Callable[[], None],
        damage: Damage,
        may_pass: bool = True,
    ) -> None:
        """`may_pass`: whether packets may be passed over where no seek is wanted or one did not land."""
        self._may_pass = may_pass
        self._container, self._stream, self._seek = container, stream, seek
        self._pulse, self._damage = pulse, damage
        self._packets = demux(container, stream, damage, pulse)

    def packet(self, key: Key) -> Any:
        """The packet of a key frame shown after the last one asked for; None if it does not come any more."""
        self._pulse()
        if self._seek:
            found = sought(self._container, self._stream, key)
            if found is not None or not self._may_pass:
                return found
            self._start_anew()
        wanted = (p for p in self._packets if p.size and p.is_keyframe and not p.is_discard and p.pts == key.pts)
        return next(wanted, None)

    def _start_anew(self) -> None:
        """A seek that failed although it was proven elsewhere: from here on without."""
        self._seek = False
        self._container.seek(0)
        self._packets = demux(self._container, self._stream, self._damage, self._pulse)
