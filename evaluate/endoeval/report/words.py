"""The words that stand for numbers, the same in the terminal, the Markdown table and the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from endoeval.compare import Comparison
from endoeval.results import Results
from endoeval.rows import Row

METRIC_WORDS = {
    "macro_f1": "macro F1",
    "balanced_accuracy": "balanced accuracy",
    "accuracy": "accuracy",
    "dice": "Dice",
    "iou": "IoU",
    "dice_by_group": "Dice by group",
    "dice_pooled": "Dice, pixels pooled",
    "dice_positives": "Dice, images with foreground",
    "negatives_left_empty": "empty images left empty",
}
PROTOCOL_WORDS = {
    "knn": "kNN",
    "logistic": "logistic",
    "segmentation": "linear seg.",
    "majority": "–",
    "group_lookup": "–",
    "nearest_in_time": "–",
    "mean_mask": "–",
}
ALSO = ("balanced_accuracy", "accuracy", "iou", "dice_by_group")
"""Metrics that stand beside the headline in a table; the JSON has all."""


def estimate(metric: Mapping[str, Any]) -> str:
    """`0.71 [0.63, 0.78]`, or the value alone where there is no interval."""
    if metric["value"] is None:
        return "undefined"
    if metric["low"] is None:
        return f"{metric['value']:.2f} [no interval]"
    return f"{metric['value']:.2f} [{metric['low']:.2f}, {metric['high']:.2f}]"


def also(row: Row) -> str:
    """The other metrics of a row that a table has room for."""
    metrics = row.value["metrics"]
    return "; ".join(f"{METRIC_WORDS[name]} {estimate(metrics[name])}" for name in ALSO if name in metrics)


def shown(row: Row) -> str:
    """What a row judges, as a reader calls it."""
    return f"random weights @{row.name.rpartition('@')[2]}" if row.role == "random" else row.name


def delta(comparison: Comparison) -> str:
    """`Δ to mean mask +0.19 [+0.10, +0.28], p 0.003 (Holm 0.006)`."""
    d = comparison.difference
    text = f"Δ to {shown(comparison.best)} {signed(d.value)}"
    text += " [no interval]" if d.low is None or d.high is None else f" [{signed(d.low)}, {signed(d.high)}]"
    if d.p is None:
        return text
    text += f", p {p_value(d.p)}"
    return text if comparison.p_holm in (None, d.p) else f"{text} (Holm {p_value(comparison.p_holm)})"


def signed(value: float) -> str:
    """Two decimals with a sign; three where two would show a zero that is none."""
    return f"{value:+.3f}" if 0.0 < abs(value) < 0.005 else f"{value + 0.0:+.2f}"


def p_value(p: float | None) -> str:
    """Three decimals; `< 0.001` below; a dash for none."""
    if p is None:
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def verdict(comparison: Comparison) -> str:
    """What the row shows, in three words or so."""
    if comparison.row.value["no_signal"]:
        return f"no signal: {comparison.row.value['no_signal']}"
    if not comparison.separates:
        return "does not separate"
    # Without a random twin (no weights, or random ones) the blind row is all there is to be above of.
    return "above every null row" if len(comparison.nulls) > 1 else f"above {shown(comparison.best)}"


def report_line(comparison: Comparison) -> str:
    """Value, what it stands on, its null rows, and the difference: the line that may be quoted."""
    row = comparison.row
    nulls = "; ".join(f"{shown(other)} {estimate(other.headline)}" for other in comparison.nulls)
    parts = [counts(row), nulls, delta(comparison), "pool: not checked", verdict(comparison)]
    return f"{estimate(row.headline)} ({'; '.join(parts)})"


def by_group(row: Row) -> str:
    """The groups' own results where they are too few for an interval, else ""."""
    found: Mapping[str, float | None] | None = row.value["by_group"]
    if found is None:
        return ""
    listed = ", ".join(f"{name} {'undefined' if value is None else f'{value:.2f}'}" for name, value in found.items())
    return f"by group, too few for an interval: {listed}"


def counts(row: Row) -> str:
    """`13 groups, 138 images, seed 0`, and whether the split is one that shares groups."""
    scored = row.value["scored"]
    unit = "groups" if row.value["set"]["grouping"] != "none" else "single pictures as groups"
    mark = ", as-published: groups on both sides" if row.value["set"]["split"] == "as-published" else ""
    return f"{scored['groups']} {unit}, {scored['samples']} images, seed {row.value['seed']}{mark}"


def heading(row: Row) -> str:
    """`seg_cvc · linear seg. · Dice`."""
    metric = METRIC_WORDS[str(row.value["headline"])]
    return f"{row.set} · {PROTOCOL_WORDS[row.protocol]} · {metric}"


def describe(results: Results) -> list[str]:
    """The lines a terminal shows: two a row that is judged, its null rows in them; what a reader must know of a set."""
    lines = []
    for comparison in results.comparisons:
        lines += [f"{heading(comparison.row)} · {comparison.row.name}", f"  {report_line(comparison)}"]
        if by_group(comparison.row):
            lines.append(f"  {by_group(comparison.row)}")
    notes = {row.set: row.value["notes"] for row in results.rows}
    lines += [f"{name}: {note}" for name, said in notes.items() for note in said]
    return lines + [
        f"{skip.set} · {skip.protocol} · {skip.encoder}: skipped, {skip.reason}" for skip in results.skipped
    ]
