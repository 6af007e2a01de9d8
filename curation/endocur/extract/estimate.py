"""How long an extract will take and how much it will write, guessed from headers of some of the inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from endocur.account import counted, duration
from endocur.configs import ExtractConfig
from endocur.extract.media import declared_rate, opened
from endocur.extract.source import Unreadable

SAMPLED = 24
"""Videos whose headers are opened; the others are taken to be like them, by bytes."""

LOWEST_BITRATE = 20_000
"""Bits a second below which a header's duration is not believed."""

MEGAPIXEL_S, STORED_S, STILL_S, VIDEO_S, TEXT_S, TEXT_FRAMES = 2.3e-3, 6.0e-3, 20e-3, 2.0, 0.75, 8
"""CPU-seconds: decode a megapixel, store a frame, store a still, probe a video and find its view, look for text in a
frame; text frames a video. Measured on one core of a shared server; a guess for others."""

START_S = 2.0
"""Seconds until the first worker works."""

STORED_BYTES = 100_000
"""A stored frame of 960 x 960 at quality 92."""


@dataclass(frozen=True)
class Estimate:
    """A guess."""

    frames: int
    """Frames to decode and stills to read."""
    stored: int
    seconds: float
    disk_bytes: int

    def line(self) -> str:
        """One line before a long stage."""
        return (
            f"about {counted(self.frames, 'frame')} to read and {self.stored:,} to store: "
            f"roughly {duration(self.seconds)} and {max(1, round(self.disk_bytes / 1e6)):,} MB; "
            "--limit 3 or --minutes 5 to try"
        )

    def lacks(self, free_bytes: int) -> str:
        """One sentence if it will not fit on the disk; empty if it will."""
        if self.disk_bytes <= free_bytes:
            return ""
        return (
            f"about {self.disk_bytes / 1e6:,.0f} MB will be written and {free_bytes / 1e6:,.0f} MB are free; "
            "make room, or choose another disk with --corpus"
        )


def estimate(
    videos: Sequence[tuple[Path, int]], stills: int, config: ExtractConfig, workers: int, *, pictures: int = 0
) -> Estimate:
    """Guess from headers.

    Args:
        videos: (path, bytes) of those to extract.
        stills: how many of them.
        config: decides what is stored.
        workers: processes.
        pictures: of sequences, to be read and stored.
    """
    step = max(1, len(videos) // SAMPLED)
    sampled_bytes = frames = 0
    seconds = megapixels = 0.0
    for path, size in videos[::step]:
        facts = _header(path, size)
        if facts is None:
            continue
        length_s, rate, pixels = facts
        if config.minutes is not None:
            length_s = min(length_s, config.minutes * 60)
        sampled_bytes += size
        seconds += length_s
        frames += round(length_s * rate)
        megapixels += length_s * rate * pixels / 1e6
    whole = sum(size for _, size in videos) / sampled_bytes if sampled_bytes else 0.0
    stored = frames if config.all_frames else min(frames, round(seconds * config.fps) + len(videos[::step]))
    stored_all = round(stored * whole) + stills + pictures
    text = TEXT_S * (TEXT_FRAMES * len(videos) + stills) if config.text_detection else 0.0
    cpu_s = megapixels * whole * MEGAPIXEL_S + stored * whole * STORED_S + (stills + pictures) * STILL_S
    cpu_s += len(videos) * VIDEO_S + text
    frame_bytes = STORED_BYTES * (config.max_side / 960) ** 2
    return Estimate(
        round(frames * whole) + stills + pictures,
        stored_all,
        START_S + cpu_s / workers,
        round(stored_all * frame_bytes),
    )


def _header(path: Path, size: int) -> tuple[float, float, int] | None:
    """(seconds, frames a second, pixels a frame) as far as a header can be believed."""
    try:
        with opened(path) as (container, stream):
            length_s = (container.duration or 0) / 1_000_000
            return min(length_s, size * 8 / LOWEST_BITRATE), float(declared_rate(stream)), stream.width * stream.height
    except Unreadable:
        return None
