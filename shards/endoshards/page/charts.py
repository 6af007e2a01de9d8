"""Charts as inline SVG: bars, histogram, lines, forest plot. Text is measured, so that it never leaves its chart."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping, Sequence
from html import escape

from endoshards.page.layout import Html, number

WIDTH = 760.0
FONT = 12.0
COLOURS = 8
MOST_POINTS = 600
"""Points drawn a line; more are thinned evenly, first and last kept."""


def bars(rows: Sequence[tuple[str, float]], *, unit: str = "", marks: Sequence[tuple[str, float]] = ()) -> Html:
    """Horizontal bars, one a row, with their values.

    Args:
        rows: (label, value ≥ 0).
        unit: put behind each value, e.g. "frames".
        marks: (label, value) drawn as upright dashed lines, e.g. a goal.
    """
    rows = [(label, float(value)) for label, value in rows if math.isfinite(value)]
    if not rows:
        return _nothing()
    values = [fitted(f"{number(value)} {unit}".strip(), 200.0) for _, value in rows]
    left = min(240.0, max(text_width(label) for label, _ in rows)) + 12
    right = max(map(text_width, values)) + 12
    head = len(marks) * 18.0
    high = max([value for _, value in rows] + [value for _, value in marks] + [0.0]) or 1.0
    step, span = 28.0, WIDTH - left - right
    height = head + step * len(rows) + 8
    out = []
    for row, ((label, value), text) in enumerate(zip(rows, values, strict=True)):
        y, length = head + row * step + 5, max(0.0, value / high) * span
        out.append(_text(left - 12, y + 13, label, anchor="end", room=left - 12))
        out.append(f'<rect class="faint" x="{left:.1f}" y="{y:.1f}" width="{span:.1f}" height="18" rx="2"/>')
        out.append(f'<rect class="bar" x="{left:.1f}" y="{y:.1f}" width="{length:.1f}" height="18" rx="2"/>')
        out.append(_text(left + length + 8, y + 13, text, css="soft"))
    out += _upright_marks([(label, left + value / high * span) for label, value in marks], left, height - 8)
    return _chart(height, out, f"bars: {', '.join(label for label, _ in rows)}")


def histogram(
    edges: Sequence[float],
    counts: Sequence[float],
    *,
    marks: Mapping[str, float] | None = None,
    x_label: str = "",
    y_label: str = "",
) -> Html:
    """Counts between edges.

    Args:
        edges: rising, one more than counts.
        counts: ≥ 0.
        marks: {label: x} drawn as upright dashed lines, e.g. a threshold.
        x_label, y_label: what the axes count, with unit.
    """
    if len(edges) != len(counts) + 1:
        raise ValueError(f"{len(edges)} edges for {len(counts)} counts; one more edge than counts is wanted")
    if not len(counts) or edges[-1] <= edges[0]:
        return _nothing()
    named = list((marks or {}).items())
    frame = _Frame((edges[0], edges[-1]), (0.0, max(counts) or 1.0), x_label, y_label, height=240.0, marks=named)
    out = frame.axes()
    for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True):
        x, width = frame.x(low), frame.x(high) - frame.x(low)
        top = frame.y(count)
        gap = 1.0 if width > 4 else 0.0
        out.append(
            f'<rect class="bar" x="{x + gap / 2:.1f}" y="{top:.1f}" width="{width - gap:.1f}" '
            f'height="{frame.bottom - top:.1f}"><title>{number(low)} to {number(high)}: {number(count)}</title></rect>'
        )
    out += frame.upright(named)
    return _chart(frame.height, out, f"histogram of {x_label or 'values'}")


def lines(
    series: Mapping[str, Sequence[tuple[float, float]]],
    *,
    x_label: str,
    y_label: str,
    marks: Mapping[str, float] | None = None,
) -> Html:
    """Curves over a common x axis.

    Args:
        series: {name: [(x, y), …]}; points that are not finite leave a gap in the curve.
        x_label, y_label: with unit.
        marks: {label: y} drawn as level dashed lines, e.g. the zero predictor's loss.
    """
    points = [(x, y) for curve in series.values() for x, y in curve if math.isfinite(x) and math.isfinite(y)]
    if not points:
        return _nothing()
    levels = {label: y for label, y in (marks or {}).items() if math.isfinite(y)}
    ys = [y for _, y in points] + list(levels.values())
    legend = _legend_rows(list(series))
    frame = _Frame(
        _span([x for x, _ in points]), _span(ys, padded=True), x_label, y_label, height=300.0, head=18.0 * len(legend)
    )
    out = frame.axes()
    for label, y in levels.items():
        out.append(f'<path class="mark" d="M{frame.left:.1f} {frame.y(y):.1f}H{frame.right:.1f}"/>')
        above = frame.y(y) - 6 if frame.y(y) - 6 > frame.top + 10 else frame.y(y) + 15
        out.append(_text(frame.right - 4, above, label, anchor="end", css="marked", room=frame.right - frame.left))
    for colour, curve in enumerate(series.values()):
        stroke = f"stroke:var(--c{colour % COLOURS})"
        for run in _runs(_thinned(curve)):
            if len(run) == 1:
                x, y = run[0]
                out.append(f'<circle cx="{frame.x(x):.1f}" cy="{frame.y(y):.1f}" r="3" style="{stroke};fill:none"/>')
            else:
                path = "L".join(f"{frame.x(x):.1f} {frame.y(y):.1f}" for x, y in run)
                out.append(f'<path class="wire" style="{stroke}" d="M{path}"/>')
    for row, entries in enumerate(legend):
        for colour, name, x, room in entries:
            y = 12.0 + 18 * row
            out.append(f'<path class="wire" style="stroke:var(--c{colour % COLOURS})" d="M{x:.1f} {y - 4:.1f}h16"/>')
            out.append(_text(x + 22, y, name, room=room))
    return _chart(frame.height, out, f"{y_label} over {x_label}")


def forest(
    rows: Sequence[tuple[str, float, float | None, float | None]], *, x_label: str, reference: float | None = None
) -> Html:
    """A point and its interval a row, as evaluations are compared.

    Args:
        rows: (label, value, low or None, high or None); without an interval only the point is drawn.
        x_label: what is measured, with unit.
        reference: an upright dashed line, e.g. the best null row.
    """
    rows = [row for row in rows if math.isfinite(row[1])]
    if not rows:
        return _nothing()
    xs = [x for row in rows for x in row[1:] if x is not None and math.isfinite(x)]
    values = [fitted(_interval_text(*row[1:]), 260.0) for row in rows]
    left = min(280.0, max(text_width(row[0]) for row in rows)) + 16
    right = WIDTH - max(map(text_width, values)) - 20
    low, high = _span(xs + ([reference] if reference is not None else []), padded=True)
    step, top = 30.0, 6.0
    bottom = top + step * len(rows)
    height = bottom + 46
    out = []

    def place(x: float) -> float:
        return left + (x - low) / (high - low) * (right - left)

    for tick in _room_for(ticks(low, high), right - left):
        out.append(f'<path class="grid" d="M{place(tick):.1f} {top:.1f}V{bottom:.1f}"/>')
        out.append(_tick(place(tick), bottom + 17, number(tick)))
    out.append(f'<path class="axis" d="M{left:.1f} {bottom:.1f}H{right:.1f}"/>')
    if reference is not None:
        out.append(f'<path class="mark" d="M{place(reference):.1f} {top:.1f}V{bottom:.1f}"/>')
    for row, ((label, value, lower, upper), text) in enumerate(zip(rows, values, strict=True)):
        y = top + step * (row + 0.5)
        out.append(_text(left - 16, y + 4, label, anchor="end", room=left - 16))
        if lower is not None and upper is not None and math.isfinite(lower) and math.isfinite(upper):
            a, b = place(lower), place(upper)
            out.append(
                f'<path class="wire" style="stroke:var(--c0)" '
                f'd="M{a:.1f} {y:.1f}H{b:.1f}M{a:.1f} {y - 5:.1f}v10M{b:.1f} {y - 5:.1f}v10"/>'
            )
        out.append(f'<circle class="bar" cx="{place(value):.1f}" cy="{y:.1f}" r="4.5"/>')
        out.append(_text(WIDTH - 4, y + 4, text, anchor="end"))
    out.append(_text((left + right) / 2, height - 8, x_label, anchor="middle", css="soft", room=right - left))
    return _chart(height, out, f"{x_label}: {', '.join(row[0] for row in rows)}")


def ticks(low: float, high: float, wanted: int = 6) -> list[float]:
    """Round numbers (1, 2 or 5 × 10^n) inside [low, high], about `wanted` of them."""
    if not high - low > max(1e-300, 1e-12 * max(abs(low), abs(high))):
        return [low]
    rough = (high - low) / max(1, wanted)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next((factor * power for factor in (1, 2, 5) if factor * power >= rough), 10 * power)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    # Rounded, so that 0.30000000000000004 is 0.3; + 0.0, so that there is no -0.
    return [float(f"{index * step:.12g}") + 0.0 for index in range(first, last + 1)]


def text_width(text: str, size: float = FONT) -> float:
    """Pixels a text takes at most; no font is at hand to measure with, so the widths are DejaVu Sans's, a wide one."""
    ems = 0.0
    for letter in text:
        if letter in "iljtfrIJ.,:;'|!/-()[] ":
            ems += 0.42
        elif letter in "mwMW@%—…":
            ems += 1.0
        elif letter in "+=<>#^~&":
            ems += 0.84
        elif unicodedata.east_asian_width(letter) in "WF":
            ems += 1.05
        elif letter.isupper():
            ems += 0.79
        else:
            ems += 0.64
    return ems * size


def fitted(text: str, room: float) -> str:
    """The text, or its beginning with an ellipsis, within `room` pixels; nothing where not even that fits."""
    room += 0.01  # a room that was made for this very text may differ from its width by a rounding
    if text_width(text) <= room:
        return text
    while text and text_width(text + "…") > room:
        text = text[:-1]
    return text.rstrip() + "…" if text_width("…") <= room else ""


class _Frame:
    """Axes of a chart: where values lie, and the ticks, labels and grid that say so."""

    def __init__(
        self,
        x_range: tuple[float, float],
        y_range: tuple[float, float],
        x_label: str,
        y_label: str,
        *,
        height: float,
        head: float = 0.0,
        marks: Sequence[tuple[str, float]] = (),
    ) -> None:
        self.x_range, self.x_label, self.y_label = x_range, x_label, y_label
        self.y_ticks = ticks(*y_range, wanted=5)
        self.y_range = y_range
        head += 18.0 * len(marks)
        self.left = max(text_width(number(tick)) for tick in self.y_ticks) + 14
        self.right = WIDTH - 16
        self.top = head + (22.0 if y_label else 8.0)
        self.head = head
        self.bottom = self.top + height - 60
        self.height = self.bottom + (44.0 if x_label else 26.0)

    def x(self, value: float) -> float:
        low, high = self.x_range
        return self.left + (value - low) / (high - low) * (self.right - self.left)

    def y(self, value: float) -> float:
        low, high = self.y_range
        return self.bottom - (value - low) / (high - low) * (self.bottom - self.top)

    def axes(self) -> list[str]:
        out = []
        for tick in self.y_ticks:
            out.append(f'<path class="grid" d="M{self.left:.1f} {self.y(tick):.1f}H{self.right:.1f}"/>')
            out.append(_text(self.left - 8, self.y(tick) + 4, number(tick), anchor="end", css="soft"))
        for tick in _room_for(ticks(*self.x_range, wanted=8), self.right - self.left):
            out.append(f'<path class="axis" d="M{self.x(tick):.1f} {self.bottom:.1f}v4"/>')
            out.append(_tick(self.x(tick), self.bottom + 18, number(tick)))
        out.append(f'<path class="axis" d="M{self.left:.1f} {self.bottom:.1f}H{self.right:.1f}"/>')
        if self.y_label:
            out.append(_text(0, self.head + 12, self.y_label, css="soft", room=WIDTH))
        if self.x_label:
            out.append(
                _text(
                    (self.left + self.right) / 2,
                    self.height - 6,
                    self.x_label,
                    anchor="middle",
                    css="soft",
                    room=self.right - self.left,
                )
            )
        return out

    def upright(self, marks: Sequence[tuple[str, float]]) -> list[str]:
        low, high = self.x_range
        places = [(label, self.x(min(max(value, low), high))) for label, value in marks]
        return _upright_marks(places, self.left, self.bottom)


def _upright_marks(places: Sequence[tuple[str, float]], left: float, bottom: float) -> list[str]:
    """Dashed lines from above the plot to its bottom, each label in a row of its own so that none meet."""
    out = []
    for row, (label, x) in enumerate(places):
        y = 13.0 + 18 * row
        out.append(f'<path class="mark" d="M{x:.1f} {y - 10:.1f}V{bottom:.1f}"/>')
        to_the_right = x < (left + WIDTH) / 2
        room = (WIDTH - x if to_the_right else x) - 10
        out.append(
            _text(
                x + (6 if to_the_right else -6),
                y,
                label,
                anchor="start" if to_the_right else "end",
                css="marked",
                room=room,
            )
        )
    return out


def _legend_rows(names: Sequence[str]) -> list[list[tuple[int, str, float, float]]]:
    """Names set in rows: (colour, name, x, room for its text)."""
    rows: list[list[tuple[int, str, float, float]]] = [[]]
    x = 0.0
    for colour, name in enumerate(names):
        room = min(text_width(name), WIDTH - 40)
        if x and x + 22 + room > WIDTH:
            rows.append([])
            x = 0.0
        rows[-1].append((colour, name, x, room))
        x += 22 + room + 22
    return rows


def _room_for(values: Sequence[float], room: float) -> list[float]:
    """Each k-th tick, so that neighbouring numbers keep apart."""
    if not values:
        return []
    widest = max(text_width(number(value)) for value in values) + 14
    every = max(1, math.ceil(widest * len(values) / max(room, 1.0)))
    return list(values[::every])


def _span(values: Sequence[float], *, padded: bool = False) -> tuple[float, float]:
    low, high = min(values), max(values)
    if high - low <= 1e-9 * max(abs(low), abs(high), 1e-9):
        # One value, but for rounding: it stands in the middle.
        pad = abs(low) * 0.1 or 0.5
        return low - pad, high + pad
    pad = (high - low) * 0.05 if padded else 0.0
    return low - pad, high + pad


def _thinned(curve: Sequence[tuple[float, float]]) -> Sequence[tuple[float, float]]:
    if len(curve) <= MOST_POINTS:
        return curve
    last = len(curve) - 1
    return [curve[round(index * last / (MOST_POINTS - 1))] for index in range(MOST_POINTS)]


def _runs(curve: Sequence[tuple[float, float]]) -> list[list[tuple[float, float]]]:
    """Stretches of finite points."""
    runs: list[list[tuple[float, float]]] = [[]]
    for x, y in curve:
        if math.isfinite(x) and math.isfinite(y):
            runs[-1].append((x, y))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _interval_text(value: float, low: float | None, high: float | None) -> str:
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return f"{value:.3f}"
    return f"{value:.3f} [{low:.3f}, {high:.3f}]"


def _tick(x: float, y: float, text: str) -> str:
    """A tick's number below its tick, moved inwards where it would leave the chart."""
    half = text_width(text) / 2
    return _text(min(max(x, half), WIDTH - half), y, text, anchor="middle", css="soft")


def _text(x: float, y: float, text: str, *, anchor: str = "start", css: str = "", room: float | None = None) -> str:
    shown = text if room is None else fitted(text, room)
    more = f"<title>{escape(text)}</title>" if shown != text else ""
    kind = f' class="{css}"' if css else ""
    return f'<text{kind} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(shown)}{more}</text>'


def _chart(height: float, parts: Sequence[str], label: str) -> Html:
    return Html(
        f'<div class="chart"><svg viewBox="0 0 {WIDTH:.0f} {height:.0f}" role="img" aria-label="{escape(label)}">'
        f"{''.join(parts)}</svg></div>"
    )


def _nothing() -> Html:
    return Html('<p class="note">Nothing to draw.</p>')
