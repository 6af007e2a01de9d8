"""Strips of time, one a video: what was kept and what was dropped, and why, along its length. Pure; inline SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from endoshards.page import Html

BINS = 160
"""Columns a strip is cut into."""

WIDTH, LEFT, RIGHT, STEP, HIGH = 1032.0, 150.0, 84.0, 24.0, 18.0


@dataclass(frozen=True)
class Strip:
    """One video.

    `counts` is [bins][len(reasons)]: frames of each column by what became of them, in the order of the legend;
    `seconds` its length in presentation time.
    """

    label: str
    seconds: float
    counts: Sequence[Sequence[int]]


def strips(videos: Sequence[Strip], fates: Sequence[str]) -> Html:
    """All strips under one legend.

    Args:
        videos: in the order shown; each column is split in the proportion of its counts, kept lowest.
        fates: what the counts count: "kept" first, then the reasons; the first eight get a colour of their own.
    """
    if not videos:
        return Html('<p class="note">No video in this corpus.</p>')
    head, rows = _legend(fates)
    out = [*rows]
    for row, video in enumerate(videos):
        y = head + row * STEP
        out.append(_text(LEFT - 10, y + 13, video.label, "end"))
        out.append(f'<rect class="faint" x="{LEFT:.1f}" y="{y:.1f}" width="{_span():.1f}" height="{HIGH:.1f}"/>')
        out += _columns(video, y)
        out.append(_text(WIDTH - RIGHT + 10, y + 13, clock(video.seconds), "start", "soft"))
    height = head + len(videos) * STEP + 6
    box = f'viewBox="0 0 {WIDTH:.0f} {height:.0f}" style="max-width:{WIDTH:.0f}px" shape-rendering="crispEdges"'
    label = 'role="img" aria-label="kept and dropped along each video"'
    return Html(f'<div class="chart"><svg {box} {label}>{"".join(out)}</svg></div>')


def clock(seconds: float) -> str:
    """Seconds as h:mm:ss or m:ss."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def colour(fate: int) -> str:
    """The page's colour of the n-th fate: kept green, the rest in turn."""
    order = (2, 1, 0, 3, 4, 5, 6)
    return f"var(--c{order[fate]})" if fate < len(order) else "var(--c7)"


def _columns(video: Strip, y: float) -> list[str]:
    """Neighbouring columns of one fate become one rectangle: a long video stays a small picture."""
    out: list[str] = []
    width = _span() / max(1, len(video.counts))
    start = 0
    for column in range(1, len(video.counts) + 1):
        if column < len(video.counts) and _shares(video.counts[column]) == _shares(video.counts[start]):
            continue
        base = y + HIGH
        for fate, share in enumerate(_shares(video.counts[start])):
            if share <= 0:
                continue
            base -= share * HIGH
            out.append(
                f'<rect style="fill:{colour(fate)}" x="{LEFT + start * width:.1f}" y="{base:.1f}" '
                f'width="{(column - start) * width:.1f}" height="{share * HIGH:.1f}"/>'
            )
        start = column
    return out


def _shares(counts: Sequence[int]) -> tuple[float, ...]:
    total = sum(counts)
    return tuple(count / total for count in counts) if total else ()


def _legend(fates: Sequence[str]) -> tuple[float, list[str]]:
    """Its height, and its parts set in rows."""
    from endoshards.page.charts import text_width

    out, x, y = [], 0.0, 12.0
    for fate, name in enumerate(fates):
        needed = 20 + text_width(name) + 20
        if x and x + needed > WIDTH:
            x, y = 0.0, y + 20
        out.append(f'<rect style="fill:{colour(fate)}" x="{x:.1f}" y="{y - 10:.1f}" width="12" height="12" rx="2"/>')
        out.append(_text(x + 18, y, name, "start"))
        x += needed
    return y + 16, out


def _span() -> float:
    return WIDTH - LEFT - RIGHT


def _text(x: float, y: float, text: str, anchor: str, css: str = "") -> str:
    kind = f' class="{css}"' if css else ""
    return f'<text{kind} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
