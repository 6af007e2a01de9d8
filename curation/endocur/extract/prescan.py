"""What a file's packets say before anything is decoded: how many there are, how dense its key frames are, whether its
clock can be trusted. Technical numbers only; no name and no tag of the file is read.

Fed by the pass over the packets that the probe makes anyway, at some 50 us a packet.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from typing import Any

from endocur.extract.clock import LEAP_US, microseconds

INDEXED = ("mov", "matroska")
"""Containers with an index of their frames (mp4, mov, mkv, webm): the only ones in which a seek is tried."""

GAP_STEPS, GAP_US = 2.5, 500_000
"""A step of time of more than so many usual ones, and of more than half a second, is a gap."""

VFR_SHARE = 0.01
"""Of the steps that are no gaps, so many may differ from the usual one before the rate counts as variable."""


@dataclass(frozen=True)
class Key:
    """A key packet."""

    pts: int
    us: int
    """When it is shown, in microseconds after the first shown frame."""


@dataclass(frozen=True)
class Facts:
    """What the packets of one video stream say."""

    packets: int
    """With data, those that an edit list hides left out: pictures that can be shown at most."""
    keys: tuple[Key, ...]
    """Key packets in order of time; empty if `odd`."""
    times: array[int]
    """When each picture is shown, sorted, in microseconds after the first; empty if `odd`."""
    container: str
    codec: str
    indexed: bool
    odd: tuple[str, ...]
    """Why times cannot be told from the packets alone, in words; empty for a plain file."""
    key_count: int
    step_us: int
    """Usual time from a frame to the next."""
    vfr: bool
    gaps: int
    """Steps of time that are gaps: see GAP_STEPS."""
    longest_gap_us: int
    key_gap_us: int
    """Usual time from a key frame to the next; 0 if there is one key frame or none."""
    longest_key_gap_us: int
    hidden: int = 0
    """Packets an edit list hides."""

    def told(self) -> dict[str, object]:
        """For the unit's marker: numbers and words of ours."""
        return {
            "container": self.container,
            "codec": self.codec,
            "indexed": self.indexed,
            "packets": self.packets,
            "hidden": self.hidden,
            "key_frames": self.key_count,
            "key_gap_s": self.key_gap_us / 1e6,
            "longest_key_gap_s": self.longest_key_gap_us / 1e6,
            "frame_s": self.step_us / 1e6,
            "vfr": self.vfr,
            "gaps": self.gaps,
            "longest_gap_s": self.longest_gap_us / 1e6,
            "odd": list(self.odd),
        }

    def shown_before(self, us: int | None) -> int:
        """Pictures shown before a moment; all if None."""
        return len(self.times) if us is None else bisect_left(self.times, us)


@dataclass
class Prescan:
    """Collects packets, in the order of the file."""

    time_base: Fraction
    container: str
    codec: str
    packets: int = 0
    hidden: int = 0
    headless: int = 0
    corrupt: int = 0
    _pts: array[int] = field(default_factory=lambda: array("q"))
    _keys: array[int] = field(default_factory=lambda: array("q"))
    _without: int = 0
    _falls: int = 0
    _dts: int | None = None
    _key_count: int = 0

    def see(self, packet: Any) -> None:
        """One packet; the empty one at the end is passed over."""
        if not packet.size:
            return
        self.corrupt += packet.is_corrupt
        pts, dts, is_key = packet.pts, packet.dts, packet.is_keyframe
        if packet.is_discard:
            self.hidden += 1
            return
        self.packets += 1
        self._key_count += is_key
        self.headless += not self._key_count
        if dts is not None:
            self._falls += self._dts is not None and dts <= self._dts
            self._dts = dts
        if pts is None:
            self._without += 1
            return
        self._pts.append(pts)
        if is_key:
            self._keys.append(pts)

    def facts(self, *, broken: bool) -> Facts:
        """What was seen; `broken`: the file ends before it says it does, or the container gave an error."""
        stamps = sorted(self._pts)
        first = stamps[0] if stamps else 0
        times = array("q", (microseconds(pts - first, self.time_base) for pts in stamps))
        keys = tuple(Key(pts, microseconds(pts - first, self.time_base)) for pts in sorted(self._keys))
        steps = sorted(after - before for before, after in pairwise(times))
        step = steps[len(steps) // 2] if steps else 0
        even = [length for length in steps if length <= max(GAP_STEPS * step, GAP_US)]
        rounding = 1 + microseconds(1, self.time_base)  # stamps in whole milliseconds are 33 or 34 apart
        uneven = sum(abs(length - step) > max(rounding, step // 50) for length in even)
        key_steps = sorted(after.us - before.us for before, after in pairwise(keys))
        odd = self._odd(stamps, keys, steps, broken)
        return Facts(
            packets=self.packets,
            keys=() if odd else keys,
            times=array("q") if odd else times,
            container=self.container,
            codec=self.codec,
            indexed=self.container in INDEXED,
            odd=odd,
            key_count=self._key_count,
            step_us=step,
            vfr=uneven > VFR_SHARE * max(1, len(even)),
            gaps=len(steps) - len(even),
            longest_gap_us=steps[-1] if len(even) < len(steps) else 0,
            key_gap_us=key_steps[len(key_steps) // 2] if key_steps else 0,
            longest_key_gap_us=key_steps[-1] if key_steps else 0,
            hidden=self.hidden,
        )

    def _odd(self, stamps: list[int], keys: tuple[Key, ...], steps: list[int], broken: bool) -> tuple[str, ...]:
        found = {
            "the file is broken off": broken,
            "it has no time stamps, or not everywhere": bool(self._without) or not stamps,
            "its clock falls or stands still": bool(self._falls) or 0 in steps,
            "its clock leaps by more than a day": bool(steps) and steps[-1] > LEAP_US,
            "it has packets before the first key frame": bool(self.headless),
            "the container calls packets damaged": bool(self.corrupt),
            "its first shown frame is no key frame": not keys or keys[0].us != 0,
        }
        return tuple(words for words, holds in found.items() if holds)
