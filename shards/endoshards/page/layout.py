"""The page around the charts: head and style, sections, tables, fact lists, pictures."""

from __future__ import annotations

import base64
import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib.resources import files

import jinja2


class Html(str):
    """Text that is already HTML: `table`, `facts` and `paragraph` pass it on as it is, all else is escaped.

    Joined with plain text it becomes plain text again.
    """

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Section:
    """One headed part of a page."""

    title: str
    html: str
    """HTML made by the helpers of this package, one after the other."""


def page(title: str, sections: Sequence[Section], *, note: str = "") -> str:
    """The whole page as text: style inside, no script, no address it would fetch anything from.

    Args:
        title: heading and window title.
        sections: in order; four or more get a list of links at the top.
        note: one line under the heading, e.g. what made the page.
    """
    anchored = [(f"s{number}", section) for number, section in enumerate(sections, 1)]
    return _template().render(title=title, sections=anchored, note=note, style=_read("page.css"))


def paragraph(text: str) -> Html:
    """One paragraph."""
    return Html(f"<p>{_cell(text)}</p>")


def facts(pairs: Iterable[tuple[str, object]]) -> Html:
    """A list of names and values, e.g. the settings that made a corpus."""
    rows = "".join(f"<div><dt>{escape(name)}</dt><dd>{_cell(value)}</dd></div>" for name, value in pairs)
    return Html(f'<dl class="facts">{rows}</dl>')


def table(headers: Sequence[str], rows: Iterable[Sequence[object]], *, numeric: Collection[int] = ()) -> Html:
    """A table. Numbers get thousands separators, None a dash.

    Args:
        headers: one text a column.
        rows: as many cells a row; text, numbers, None, or `Html`.
        numeric: columns (from 0) set flush right.
    """
    side = ['class="n"' if column in numeric else "" for column in range(len(headers))]
    head = "".join(f"<th {side[column]}>{escape(text)}</th>" for column, text in enumerate(headers))
    body = "".join(
        "<tr>" + "".join(f"<td {kind}>{_cell(value)}</td>" for kind, value in zip(side, row, strict=True)) + "</tr>"
        for row in rows
    )
    return Html(f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>')


def heat(
    matrix: Sequence[Sequence[float]],
    row_labels: Sequence[str],
    col_labels: Sequence[str],
    *,
    corner: str = "true / predicted",
) -> Html:
    """A matrix of counts or shares, each row coloured by its cells' share of the row: a confusion matrix."""
    head = "".join(f'<th class="n">{escape(label)}</th>' for label in col_labels)
    body = []
    for label, row in zip(row_labels, matrix, strict=True):
        total = sum(value for value in row if math.isfinite(value)) or 1.0
        cells = "".join(
            f'<td class="n" style="--h:{max(0.0, min(1.0, value / total)) if math.isfinite(value) else 0:.3f}">'
            f"{_cell(value)}</td>"
            for value in row
        )
        body.append(f"<tr><th>{escape(label)}</th>{cells}</tr>")
    return Html(
        f'<div class="wide"><table class="heat"><thead><tr><th>{escape(corner)}</th>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def image(data: bytes, mime: str, *, alt: str, width: int | None = None) -> Html:
    """A picture inside the page (data URI).

    Args:
        data: the file's bytes.
        mime: e.g. "image/jpeg".
        alt: what it shows, for who cannot see it.
        width: shown width in CSS pixels; its own, at most the page's, if None.
    """
    size = f' width="{width}"' if width else ""
    text = base64.b64encode(data).decode("ascii")
    return Html(f'<img src="data:{escape(mime)};base64,{text}" alt="{escape(alt)}"{size} loading="lazy">')


def gallery(items: Iterable[tuple[str, str]]) -> Html:
    """Pictures side by side.

    Args:
        items: (HTML of a picture or chart, caption).
    """
    cells = "".join(f"<figure>{picture}<figcaption>{escape(text)}</figcaption></figure>" for picture, text in items)
    return Html(f'<div class="gallery">{cells}</div>')


def number(value: float) -> str:
    """A number as people read it: 12,345 · 0.873 · 1.2e-05; a dash for what is not finite."""
    if not math.isfinite(value):
        return "–"
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 1 else f"{value:.4g}"


def _cell(value: object) -> str:
    if isinstance(value, Html):
        return value
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return number(value)
    return escape(str(value))


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    return environment.from_string(_read("page.html"))


@cache
def _read(name: str) -> str:
    return (files("endoshards.page") / name).read_text("utf-8")
