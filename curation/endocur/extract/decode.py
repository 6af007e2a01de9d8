"""Video files through PyAV: every frame with its exact time stamp, damage dropped and counted.

Everything is decoded in the order of the file, unless key frames are what is wanted and the file was proven to give
them alone (`keys`). Nothing else seeks: a seek returns wrong frames without a word in transport and program streams,
and in some HEVC files.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from itertools import dropwhile, takewhile
from pathlib import Path
from typing import Any

import av

from endocur.extract.clock import Clock, PlainClock
from endocur.extract.container import is_truncated
from endocur.extract.interlace import MOST_FRAMES, RUN_FRAMES, RUNS, Deinterlacer, FieldOrder, field_order
from endocur.extract.keys import KeyReader, Proof, prove, same_from, stretches
from endocur.extract.media import Shapes, alone, declared_rate, demux, opened, planes_of
from endocur.extract.planes import Samples
from endocur.extract.prescan import Facts, Prescan
from endocur.extract.sampling import Asked, Reading, Ticks, reading
from endocur.extract.source import Damage, Frame, Moment, Unreadable

ENOUGH_KEYS = 24
"""Key frames from which the probe needs no others."""

PROBE_BYTES = 64_000_000
"""Key packets held while a file is scanned for the probe."""

DAMAGE_FRAMES = 250
"""Frames dropped after damage where no key frame comes (streams that refresh bit by bit)."""

LEAD_FRAMES = 4
"""Frames decoded before a moment at which a file is entered: the deinterlacer looks at one on either side of each, and
motion at the one before."""

COLUMNS = 256
"""Columns of a frame in which interlace is looked for."""

SAFE_DELAY = 2
"""Frames held back at least: a damaged reference is shown after the frames built on it were decoded."""


class Video:
    """A video file as a `Source`."""

    def __init__(self, path: Path, pulse: Callable[[], None] | None = None, asked: Asked | None = None) -> None:
        """`pulse` is called every few packets, so that a watchdog sees a long scan live; `asked`: all if None."""
        self.damage = Damage()
        self._path = path
        self._pulse = pulse or (lambda: None)
        self._asked = asked or Asked()

    def probe(self, count: int) -> Iterator[Frame]:
        """Frames from key frames alone where they are many, else from a whole decode. See `Source.probe`."""
        given = 0
        with opened(self._path) as (container, stream):
            damage = Damage()
            scan = _prescan(container, stream)
            keys, packets = _thinned_keys(_seen(demux(container, stream, damage, self._pulse), scan), count)
            self.__dict__["facts"] = scan.facts(broken=bool(damage.notes) or is_truncated(self._path))
            if len(keys) >= ENOUGH_KEYS:
                shape = Shapes(stream)
                for index in _spread(len(keys), count):
                    for frame in alone(keys[index]):
                        given += 1
                        yield Frame(Moment(0), shape.of(frame), planes_of(frame))
        if given < ENOUGH_KEYS // 2:
            wanted = set(_spread(packets, max(0, count - given)))
            for index, frame in enumerate(Video(self._path, self._pulse)._in_order("progressive")):
                if index in wanted:
                    given += 1
                    yield frame
        if not given:
            raise Unreadable("no frame can be decoded")

    @cached_property
    def facts(self) -> Facts:
        """What the packets say; found on the way by `probe`. Raises: Unreadable if it cannot be opened."""
        with opened(self._path) as (container, stream):
            damage = Damage()
            scan = _prescan(container, stream)
            for packet in demux(container, stream, damage, self._pulse):
                scan.see(packet)
        return scan.facts(broken=bool(damage.notes) or is_truncated(self._path))

    @cached_property
    def field_order(self) -> FieldOrder:
        """Found by content, from frames of at most RUNS places. Raises: Unreadable if it cannot be opened."""
        starts = _spread(self.facts.key_count, RUNS)
        if not starts:
            return "progressive"
        count = min(MOST_FRAMES, max(RUN_FRAMES, RUNS * RUN_FRAMES // len(starts)))
        return field_order(stretches(self._path, self.facts, starts, count, look=_luma, pulse=self._pulse))

    @cached_property
    def reading(self) -> tuple[Reading, Proof]:
        """How the file is read, and what was proven on it. Raises: Unreadable if it cannot be opened."""
        plan = reading(self._asked, self.facts, interlaced=self.field_order != "progressive")
        if not plan.alone:
            return plan, Proof(False, False, 0)
        proof = prove(self._path, self.facts, self._pulse)
        if not proof.alone:
            why = "its key frames decoded alone are not those decoded in order"
            plan = Reading(self._asked.sampling == "keyframes", False, why)
        return plan, proof

    def told(self) -> dict[str, object]:
        """What the unit's marker says of the file and of how it was read: numbers and words of ours."""
        plan, proof = self.reading
        return self.facts.told() | {
            "field_order": self.field_order,
            "frames": "key frames" if plan.keys_only else "any",
            "decoded": "key frames alone" if plan.alone else "all in order",
            "seeks": proof.seek and plan.alone,
            "places_proven": proof.places,
            "why": plan.why,
        }

    def frames(self) -> Iterator[Frame]:
        """All good frames in the order they are shown, or the key frames that ticks reach. See `Source.frames`."""
        plan, proof = self.reading
        if plan.alone:
            return self._keys_alone(proof.seek)
        return self._in_order(self.field_order, keys_only=plan.keys_only)

    def frames_from(self, us: int) -> Iterator[Frame] | None:
        """The frames from a moment on, equal to those of `frames`, and before them some that they are built on.

        Returns: None where that would not be sure: then all must be decoded.
        """
        plan, proof = self.reading
        if plan.alone:
            return self._keys_alone(proof.seek, us)
        facts = self.facts
        lead = facts.shown_before(us) - LEAD_FRAMES
        keys = [key.us for key in facts.keys]
        index = bisect_right(keys, facts.times[lead]) - 1 if 0 <= lead < len(facts.times) else 0
        if index < 1 or not same_from(self._path, facts, index, self._pulse):
            return None
        return self._in_order(self.field_order, keys_only=plan.keys_only, first=index)

    def candidates_before(self, us: int) -> Iterator[int]:
        """When the frames that may be kept are shown, up to a moment; nothing of a file whose clock is odd."""
        keys_only = self.reading[0].keys_only
        times = [key.us for key in self.facts.keys] if keys_only else self.facts.times
        return takewhile(lambda time: time < us, times)

    def _in_order(self, order: FieldOrder, *, keys_only: bool = False, first: int = 0) -> Iterator[Frame]:
        """Decode all, or all from key frame `first` on."""
        self.damage = Damage(truncated=is_truncated(self._path))
        with opened(self._path) as (container, stream):
            clock: Clock | PlainClock = Clock(declared_rate(stream))
            packets = demux(container, stream, self.damage, self._pulse)
            from_pts = None
            if first:
                key = self.facts.keys[first]
                clock, from_pts = PlainClock(self.facts.keys[0].pts), key.pts
                packets = dropwhile(lambda packet: not packet.is_keyframe or packet.pts != key.pts, packets)
            shape = Shapes(stream)
            deinterlacer = None if order == "progressive" else Deinterlacer(order)
            for frame in good_frames(packets, stream, self.damage, from_pts=from_pts):
                pts = frame.pts if frame.pts is not None else frame.dts
                told = clock.moment(pts, frame.time_base), shape.of(frame), not keys_only or bool(frame.key_frame)
                if deinterlacer is None:
                    yield Frame(told[0], told[1], planes_of(frame), may_be_kept=told[2])
                    continue
                for out, (moment, form, may_be_kept) in deinterlacer.push(frame, told):
                    yield Frame(moment, form, planes_of(out), may_be_kept=may_be_kept)
            if deinterlacer is not None:
                for out, (moment, form, may_be_kept) in deinterlacer.finish():
                    yield Frame(moment, form, planes_of(out), may_be_kept=may_be_kept)

    def _keys_alone(self, seek: bool, begin_us: int = 0) -> Iterator[Frame]:
        """Decode the key frames that ticks reach; a damaged one is left out, and the next serves in its place."""
        self.damage = Damage()
        assert self._asked.fps is not None, "key frames are picked by ticks"
        ticks = Ticks(self._asked.fps)
        with opened(self._path) as (container, stream):
            shape = Shapes(stream)
            reader = KeyReader(container, stream, seek=seek, pulse=self._pulse, damage=self.damage)
            for key in self.facts.keys:
                if not ticks.reaches(key.us):
                    continue
                if key.us < begin_us:
                    ticks.wants(key.us)
                    continue
                packet = reader.packet(key)
                frame = next(iter(alone(packet)), None) if packet is not None else None
                if frame is None or frame.pts != key.pts:
                    self.damage.corrupt += 1
                    continue
                ticks.wants(key.us)
                yield Frame(Moment(key.us), shape.of(frame), planes_of(frame), follows=False)


def _luma(frame: Any) -> tuple[Samples, int]:
    """Some columns of a frame's luma: combing is a matter of lines."""
    planes = planes_of(frame)
    return planes.y[:, :: max(1, frame.width // COLUMNS)].copy(), planes.bits


def _prescan(container: Any, stream: Any) -> Prescan:
    return Prescan(stream.time_base, container.format.name.split(",")[0], stream.codec_context.name)


def _seen(packets: Iterator[Any], scan: Prescan) -> Iterator[Any]:
    for packet in packets:
        scan.see(packet)
        yield packet


def good_frames(packets: Iterable[Any], stream: Any, damage: Damage, *, from_pts: int | None = None) -> Iterator[Any]:
    """Decoded frames, less those damaged and those built on them; none shown before `from_pts`.

    Decoders hide damage by copying from neighbours and mark only the frame where it began, so everything from there
    to the next key frame goes, and so do the few frames before it that were decoded after it.
    """
    held: deque[Any] = deque()
    dropping = 0
    headless = 0
    seen_key = False
    for packet in packets:
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
            if from_pts is not None and frame.pts < from_pts:
                continue
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


def _spread(n: int, count: int) -> list[int]:
    """At most `count` indices spread evenly over range(n), middles of equal parts."""
    if n <= count:
        return list(range(n))
    return [int((2 * k + 1) * n // (2 * count)) for k in range(count)]
