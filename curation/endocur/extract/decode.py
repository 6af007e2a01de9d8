"""Video files through PyAV: every frame with its exact time stamp, damage dropped and counted.

Everything is decoded in the order of the file, unless key frames are what is wanted and the file was proven to give
them alone (`keys`). Nothing else seeks: a seek returns wrong frames without a word in transport and program streams,
and in some HEVC files.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import av

from endocur.extract.clock import Clock
from endocur.extract.container import is_truncated
from endocur.extract.interlace import RUN_FRAMES, RUNS, Deinterlacer, FieldOrder, field_order
from endocur.extract.keys import KeyReader, Proof, prove, stretches
from endocur.extract.media import Shapes, alone, declared_rate, demux, opened, planes_of
from endocur.extract.prescan import Facts, Prescan
from endocur.extract.sampling import Asked, Reading, Ticks, reading
from endocur.extract.source import Damage, Frame, Moment, Unreadable

ENOUGH_KEYS = 24
"""Key frames from which the probe needs no others."""

PROBE_BYTES = 64_000_000
"""Key packets held while a file is scanned for the probe."""

DAMAGE_FRAMES = 250
"""Frames dropped after damage where no key frame comes (streams that refresh bit by bit)."""

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
        count = max(RUN_FRAMES, RUNS * RUN_FRAMES // len(starts))
        runs = []
        bits = 8
        for _, _, frames in stretches(self._path, set(starts), count, self._pulse):
            planes = [planes_of(frame) for frame in frames]
            runs.append([one.y.copy() for one in planes])
            bits = max([bits, *(one.bits for one in planes)])
        return field_order(runs, bits)

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

    def _in_order(self, order: FieldOrder, *, keys_only: bool = False) -> Iterator[Frame]:
        """Decode all."""
        self.damage = Damage(truncated=is_truncated(self._path))
        with opened(self._path) as (container, stream):
            clock = Clock(declared_rate(stream))
            shape = Shapes(stream)
            deinterlacer = None if order == "progressive" else Deinterlacer(order)
            for frame in good_frames(container, stream, self.damage, self._pulse):
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

    def _keys_alone(self, seek: bool) -> Iterator[Frame]:
        """Decode the key frames that ticks reach; a damaged one is left out, and the next serves in its place."""
        self.damage = Damage()
        assert self._asked.fps is not None, "key frames are picked by ticks"
        ticks = Ticks(self._asked.fps)
        with opened(self._path) as (container, stream):
            shape = Shapes(stream)
            reader = KeyReader(container, stream, seek=seek, pulse=self._pulse, damage=self.damage)
            for index, key in enumerate(self.facts.keys):
                if not ticks.reaches(key.us):
                    continue
                packet = reader.packet(index, key)
                frame = next(iter(alone(packet)), None) if packet is not None else None
                if frame is None or frame.pts != key.pts:
                    self.damage.corrupt += 1
                    continue
                ticks.wants(key.us)
                yield Frame(Moment(key.us), shape.of(frame), planes_of(frame), follows=False)


def _prescan(container: Any, stream: Any) -> Prescan:
    return Prescan(stream.time_base, container.format.name.split(",")[0], stream.codec_context.name)


def _seen(packets: Iterator[Any], scan: Prescan) -> Iterator[Any]:
    for packet in packets:
        scan.see(packet)
        yield packet


def good_frames(container: Any, stream: Any, damage: Damage, pulse: Callable[[], None]) -> Iterator[Any]:
    """Decoded frames, less those damaged and those built on them.

    Decoders hide damage by copying from neighbours and mark only the frame where it began, so everything from there
    to the next key frame goes, and so do the few frames before it that were decoded after it.
    """
    held: deque[Any] = deque()
    dropping = 0
    headless = 0
    seen_key = False
    for packet in demux(container, stream, damage, pulse):
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
