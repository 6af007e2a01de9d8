"""One self-contained HTML page: sections of tables, galleries and charts; no network, dark and light.

Every helper escapes the text it is given and returns HTML; `page` puts the sections together. Standard
library and jinja2 only.
"""

from endoshards.page.charts import bars, forest, histogram, lines
from endoshards.page.layout import Html, Section, facts, gallery, heat, image, page, paragraph, table

__all__ = [
    "Html",
    "Section",
    "bars",
    "facts",
    "forest",
    "gallery",
    "heat",
    "histogram",
    "image",
    "lines",
    "page",
    "paragraph",
    "table",
]
