"""The page: self-contained, escaped, and charts whose text stays inside them."""

from __future__ import annotations

import math
import re
import shutil
import subprocess
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from endoshards.page import (
    Section,
    bars,
    facts,
    forest,
    gallery,
    heat,
    histogram,
    image,
    lines,
    page,
    paragraph,
    table,
)
from endoshards.page.charts import WIDTH, fitted, text_width, ticks

EVIL = '<script>alert("x")</script>&'
TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=60)
NUMBERS = st.floats(-1e9, 1e9) | st.sampled_from([math.nan, math.inf, 0.0, 1e-12])


class Tags(HTMLParser):
    """Collects tags and attributes; complains of tags that are not closed."""

    VOID = ("meta", "img", "br")

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag, attrs) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag) -> None:
        assert self.open.pop() == tag


def tags(html: str) -> Tags:
    parser = Tags()
    parser.feed(html)
    parser.close()
    assert parser.open == []
    return parser


def everything(word: str) -> list[Section]:
    return [
        Section(f"one {word}", paragraph(word) + facts([(word, word), ("n", 1234), ("none", None)])),
        Section("two", table([word, "n"], [[word, 1234.5], [None, True]], numeric={1})),
        Section("three", bars([(word, 3), ("b", 0)], unit=word, marks=[(word, 2)])),
        Section("four", histogram([0, 1, 2], [5, 7], marks={word: 0.5}, x_label=word, y_label=word)),
        Section("five", lines({word: [(0, 1), (1, 2)]}, x_label=word, y_label=word, marks={word: 1.5})),
        Section("six", forest([(word, 0.5, 0.4, 0.6), ("b", 0.3, None, None)], x_label=word, reference=0.4)),
        Section("seven", heat([[3, 1], [0, 4]], [word, "b"], ["a", word])),
        Section("eight", gallery([(image(b"\x00", "image/png", alt=word), word)])),
    ]


def test_every_text_is_escaped() -> None:
    html = page(EVIL, everything(EVIL), note=EVIL)
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert not {tag for tag, _ in tags(html).seen} & {"script", "link", "iframe"}


def test_the_page_fetches_nothing() -> None:
    html = page("t", everything("word"))
    for _, attributes in tags(html).seen:
        for name in ("src", "href"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:"))
    assert "http" not in html
    assert "url(" not in html
    assert "@import" not in html


def test_equal_content_gives_equal_bytes_dark_and_light_and_links_to_many_sections() -> None:
    html = page("t", everything("word"))
    assert html == page("t", everything("word"))
    assert "prefers-color-scheme: dark" in html
    assert html.count('<a href="#s') == 8
    assert "<nav>" not in page("t", everything("word")[:3])


def test_numbers_are_written_as_people_read_them() -> None:
    html = table(["n"], [[1234567], [0.12345], [1234.5], [3.0], [None], [math.nan], [True], [0.00001234]])
    assert re.findall(r"<td[^>]*>([^<]*)</td>", html) == [
        "1,234,567", "0.123", "1,234", "3", "–", "–", "yes", "1.23e-05",
    ]  # fmt: skip


def test_a_table_row_of_another_length_is_a_bug() -> None:
    with pytest.raises(ValueError, match="zip"):
        table(["a", "b"], [[1]])


def texts_inside(html: str) -> None:
    """Each text of a chart lies inside its box, by the width that is assumed for it."""
    for svg in re.findall(r"<svg.*?</svg>", html, flags=re.S):
        root = ElementTree.fromstring(svg)
        _, _, width, height = map(float, root.attrib["viewBox"].split())
        assert width == WIDTH
        for text in root.iter("text"):
            x, y = float(text.attrib["x"]), float(text.attrib["y"])
            long = text_width(text.text or "")
            begin = x - {"start": 0, "middle": long / 2, "end": long}[text.attrib["text-anchor"]]
            assert begin >= -1
            assert begin + long <= width + 1, text.text
            assert 8 <= y <= height
        for shape in root.iter("rect"):
            assert float(shape.attrib["width"]) >= 0
            assert float(shape.attrib["height"]) >= 0
        for node in root.iter():
            assert not any("nan" in node.attrib.get(name, "") for name in ("x", "y", "d", "cx", "cy", "width"))


@given(rows=st.lists(st.tuples(TEXTS, st.floats(0, 1e9) | st.just(math.nan)), max_size=6), unit=TEXTS, mark=TEXTS)
def test_bars_keep_their_text_inside(rows, unit, mark) -> None:
    texts_inside(bars(rows, unit=unit[:12], marks=[(mark, 5.0), ("b", 1e9)]))


@given(
    counts=st.lists(st.integers(0, 10**9), min_size=1, max_size=40),
    low=st.floats(-1e6, 1e6),
    width=st.floats(1e-3, 1e6),
    label=TEXTS,
)
def test_histograms_keep_their_text_inside(counts, low, width, label) -> None:
    edges = [low + width * step for step in range(len(counts) + 1)]
    texts_inside(
        histogram(edges, counts, marks={label: low, "end": edges[-1], "far": 1e12}, x_label=label, y_label=label)
    )


@given(
    series=st.dictionaries(TEXTS, st.lists(st.tuples(NUMBERS, NUMBERS), max_size=8), max_size=9),
    label=TEXTS,
    level=NUMBERS,
)
def test_curves_keep_their_text_inside(series, label, level) -> None:
    texts_inside(lines(series, x_label=label, y_label=label, marks={label: level}))


@given(
    rows=st.lists(st.tuples(TEXTS, NUMBERS, st.none() | NUMBERS, st.none() | NUMBERS), max_size=6),
    label=TEXTS,
    reference=st.none() | st.floats(-1e6, 1e6),
)
def test_forest_plots_keep_their_text_inside(rows, label, reference) -> None:
    texts_inside(forest(rows, x_label=label, reference=reference))


def test_nothing_to_draw_is_said() -> None:
    for html in (bars([]), lines({"a": []}, x_label="", y_label=""), forest([], x_label=""), histogram([0, 0], [1])):
        assert "Nothing to draw" in html


def test_edges_that_do_not_fit_the_counts_are_a_bug() -> None:
    with pytest.raises(ValueError, match="2 edges for 2 counts"):
        histogram([0, 1], [1, 2])


def test_ticks_are_round_and_inside() -> None:
    assert ticks(0, 1, 5) == [0, 0.2, 0.4, 0.6, 0.8, 1]
    assert ticks(-3, 12, 6) == [0, 5, 10]
    assert ticks(5, 5) == [5]


@given(low=st.floats(-1e9, 1e9), share=st.floats(1e-6, 1e6))
def test_ticks_of_any_range_are_few_and_inside(low, share) -> None:
    width = max(abs(low), 1e-3) * share
    found = ticks(low, low + width)
    assert len(found) <= 12
    assert all(low - width * 1e-6 <= tick <= low + width * (1 + 1e-6) for tick in found)


def test_a_long_text_is_cut_with_an_ellipsis_and_kept_as_a_title() -> None:
    assert fitted("short", 100) == "short"
    assert fitted("a very long label indeed", 60).endswith("…")
    assert text_width(fitted("W" * 50, 60)) <= 60
    assert "<title>" + "w" * 200 + "</title>" in bars([("w" * 200, 1)])


@pytest.mark.browser
def test_in_a_browser_no_text_leaves_its_chart_and_no_page_scrolls_sideways(tmp_path) -> None:
    """What the widths assumed here are worth: measured by Chromium, on a wide and a narrow window."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium here")
    probe = """<script>
    const out = [];
    for (const text of document.querySelectorAll('svg text')) {
      const t = text.getBoundingClientRect(), s = text.ownerSVGElement.getBoundingClientRect();
      const wide = t.left < s.left - 1 || t.right > s.right + 1, high = t.top < s.top - 1 || t.bottom > s.bottom + 1;
      if (wide || high) out.push(text.textContent);
    }
    if (document.documentElement.scrollWidth > innerWidth + 1) out.push('page ' + document.documentElement.scrollWidth);
    document.title = 'measured ' + JSON.stringify(out);
    </script></body>"""
    path = tmp_path / "page.html"
    long = "WWMM the quick brown fox jumps over the lazy dog 0123456789 " * 3
    path.write_text(page(long, everything(long) + everything("illi")).replace("</body>", probe))
    for width in (1200, 500):
        done = subprocess.run(
            [chromium, "--headless", "--no-sandbox", f"--window-size={width},900", "--dump-dom", path.as_uri()],
            capture_output=True, text=True, timeout=120, check=True,
        )  # fmt: skip
        assert re.findall("<title>(measured .*?)</title>", done.stdout) == ["measured []"]
