"""Which stretches of a video become clips. Pure: times and fates of its stored frames in, windows out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

FORBIDDEN = ("privacy", "leaks", "withdraw")
"""Stages whose word holds for what lies between the stored frames, too: one such frame and the stretch is out."""

LAST_FRAME_US = 200_000
"""How long a video's last frame is taken to be shown at most: that of five frames a second."""

KEPT = ""
FEW, FORBIDS, VIEW, SHORT, EMPTY = (
    "too few of its frames are kept",
    "a frame was dropped for privacy, leaks or withdrawal",
    "the view changes",
    "cut short by the end",
    "no frame was sampled",
)


@dataclass(frozen=True)
class Sampled:
    """A stored frame and what became of it."""

    us: int
    view_id: str
    stage: str
    """That dropped it; "" if it is kept."""


@dataclass(frozen=True)
class Window:
    """A stretch of a video: from `start_us` up to, but without, `end_us`."""

    start_us: int
    end_us: int
    sampled: int
    kept: int
    view_id: str
    reason: str
    """KEPT, or why it is no clip."""


def windows(frames: Sequence[Sampled], last_us: int, *, seconds: float, min_kept: float) -> list[Window]:
    """Cut a video into stretches of equal length, end to end from its start.

    A stretch becomes a clip if at least `min_kept` of its stored frames are kept, none was dropped for privacy,
    leaks or withdrawal, and the view is one and the same from the stored frame before it to the one after it: what
    lies between two stored frames of one view has that view's mask.

    Args:
        frames: in time order.
        last_us: time of the last frame of the video, stored or not.
        seconds: length of a stretch.
        min_kept: share in (0, 1].
    """
    length = round(seconds * 1_000_000)
    out, at = [], 0
    for start in range(0, last_us + 1, length):
        until = at
        while until < len(frames) and frames[until].us < start + length:
            until += 1
        inside, around = frames[at:until], frames[max(0, at - 1) : until + 1]
        kept = sum(not frame.stage for frame in inside)
        is_short = last_us + LAST_FRAME_US < start + length
        reason = SHORT if is_short else _reason(inside, around, kept / max(1, len(inside)) >= min_kept)
        out.append(Window(start, start + length, len(inside), kept, inside[0].view_id if inside else "", reason))
        at = until
    return out


def _reason(inside: Sequence[Sampled], around: Sequence[Sampled], is_enough: bool) -> str:
    if not inside:
        return EMPTY
    if any(frame.stage in FORBIDDEN for frame in around):
        return FORBIDS
    if len({frame.view_id for frame in around}) > 1:
        return VIEW
    return KEPT if is_enough else FEW
