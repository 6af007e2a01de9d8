"""A video that came as numbered pictures: which pictures, in the order of their numbers, and when each is shown.

Standard library only; nothing here opens a file.
"""

from __future__ import annotations

import hashlib
import os
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from endocur.identity import MAX_PTS_US
from endoshards.errors import BadInput

HASHED = 16
"""Pictures of a sequence whose bytes enter its id, evenly spaced; of the others the number and the size do."""

MAX_FPS = 1000.0


class Entry(NamedTuple):
    """A picture file as its folder lists it."""

    name: str
    size: int
    mtime_ns: int
    inode: int


@dataclass(frozen=True)
class Timing:
    """When pictures, or the frames of a video whose container has the wrong rate, are shown."""

    fps: Fraction
    """Frames a second."""
    step: Fraction = Fraction(1)
    """Frames from one number to the next: 5 if every fifth frame was written and numbered 1, 2, 3, ..."""

    def us(self, count: int) -> int:
        """Microseconds after the first picture of the picture whose number is `count` higher, rounded half up."""
        above = count * self.step.numerator * self.fps.denominator * 1_000_000
        below = self.step.denominator * self.fps.numerator
        return (2 * above + below) // (2 * below)

    def facts(self) -> dict[str, str]:
        """As a unit's marker keeps it."""
        return {"fps": str(self.fps), "step": str(self.step)}


@dataclass(frozen=True)
class Track:
    """Pictures of one sequence. Numbers rise strictly; what is missing between them was never there."""

    folder: str
    names: tuple[str, ...]
    numbers: array[int]
    sizes: array[int]
    """Bytes."""
    mtime_ns: int
    """Of the picture that was changed last."""
    stamp: int
    """While it stays the same, so do all names, sizes, times and inodes."""

    def __len__(self) -> int:
        return len(self.names)

    def path(self, index: int) -> Path:
        """Of the picture at a place, from 0."""
        return Path(self.folder, self.names[index])

    def count(self, index: int) -> int:
        """How much higher its number is than the first."""
        return self.numbers[index] - self.numbers[0]

    @property
    def holes(self) -> int:
        """Numbers between first and last that are not there."""
        return self.count(len(self) - 1) + 1 - len(self)


def make_track(folder: str, members: Iterable[tuple[int, Entry]]) -> Track:
    """A track of pictures with their numbers, in any order, no number twice, at least one."""
    ordered = sorted(members, key=lambda member: member[0])
    digest = hashlib.blake2b(digest_size=7)  # fits a signed 64-bit column
    for number, entry in ordered:
        digest.update(f"{number} {entry.size} {entry.mtime_ns} {entry.inode} ".encode("ascii"))
        digest.update(os.fsencode(entry.name) + b"/")
    return Track(
        folder,
        tuple(entry.name for _, entry in ordered),
        array("q", (number for number, _ in ordered)),
        array("q", (entry.size for _, entry in ordered)),
        max(entry.mtime_ns for _, entry in ordered),
        int.from_bytes(digest.digest(), "big"),
    )


def spread(n: int, count: int) -> list[int]:
    """At most `count` indices spread evenly over range(n), middles of equal parts."""
    if n <= count:
        return list(range(n))
    return [(2 * k + 1) * n // (2 * count) for k in range(count)]


def sequence_sha256(numbers: Sequence[int], sizes: Sequence[int], hashes: Sequence[str]) -> str:
    """What stands for the bytes of a sequence, so that a terabyte need not be read to keep a frame in thirty.

    Args:
        numbers: of all its pictures, ascending.
        sizes: their bytes.
        hashes: hex SHA-256 of the pictures at `spread(len(numbers), HASHED)`.
    """
    digest = hashlib.sha256(b"endomae-sequence-1\n")
    for number, size in zip(numbers, sizes, strict=True):
        digest.update(b"%d %d\n" % (number, size))
    for one in hashes:
        digest.update(one.encode("ascii") + b"\n")
    return digest.hexdigest()


def refuse_times(timing: Timing, highest: int, where: str) -> None:
    """Refuse a rate at which two pictures are shown at once, or the last one later than a frame id can say.

    Args:
        highest: number of the last picture minus that of the first.
        where: what was said wrong, as the first words of the sentence.
    Raises: BadInput.
    """
    if timing.step / timing.fps < Fraction(1, 1_000_000):
        raise BadInput(f"{where}: pictures would follow each other within a microsecond; mend fps or step.")
    if timing.us(highest) > MAX_PTS_US:
        raise BadInput(
            f"{where}: the numbers of a sequence run over {highest:,}, more than 277 hours at this rate; give its "
            "true rate, or cut it by first and last in --sequences."
        )
