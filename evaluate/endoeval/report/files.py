"""`results.json`, `table.md` and `report.html` of a result folder. Equal rows give equal bytes."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from endoeval.compare import Comparison
from endoeval.report.page import report_page
from endoeval.report.table import markdown
from endoeval.results import Results
from endoeval.rows import FORMAT, Row, number
from endoshards.files import write_atomic, write_json

LIBRARIES = ("torch", "timm", "numpy", "scipy", "scikit-learn", "opencv-python-headless")
"""Whose versions, with processor and device, make the numeric class in which bytes repeat."""


def write_results(results: Results) -> None:
    """Write the three files, each atomically; the page last."""
    write_json(results.request.out / "results.json", as_json(results))
    write_atomic(results.table, markdown(results))
    write_atomic(results.report, report_page(results))


def as_json(results: Results) -> dict[str, Any]:
    """The schema of docs/results-format.md."""
    return {
        "format": FORMAT,
        "numeric_class": {
            "machine": platform.machine(),
            "device": results.device,
            "batch": results.request.batch,
            "libraries": {name: version(name) for name in LIBRARIES},
        },
        "rows": [_row(row) for row in results.rows],
        "comparisons": [_comparison(comparison) for comparison in results.comparisons],
        "skipped": [
            {"encoder": skip.encoder, "set": skip.set, "protocol": skip.protocol, "reason": skip.reason}
            for skip in results.skipped
        ],
    }


def _row(row: Row) -> Mapping[str, Any]:
    return {**row.value, "role": row.role, "file": f"rows/{row.path.name}"}


def _comparison(comparison: Comparison) -> Mapping[str, Any]:
    delta = comparison.difference
    return {
        "row": f"rows/{comparison.row.path.name}",
        "nulls": [f"rows/{row.path.name}" for row in comparison.nulls],
        "best_null": f"rows/{comparison.best.path.name}",
        "metric": comparison.row.value["headline"],
        "difference": {
            "value": number(delta.value),
            "low": number(delta.low),
            "high": number(delta.high),
            "p": number(delta.p),
            "p_holm": number(comparison.p_holm),
        },
        "separates": comparison.separates,
        "no_signal": comparison.row.value["no_signal"],
        "pool": "not checked",
    }
