"""`table.md`: one table a labelled set, and beneath it the lines that may be quoted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from endoeval.report.words import (
    METRIC_WORDS,
    PROTOCOL_WORDS,
    also,
    by_group,
    delta,
    estimate,
    report_line,
    shown,
    verdict,
)
from endoeval.results import Results
from endoeval.rows import Row

FOOT = """\
Intervals: 95 %, delete-one-group jackknife with Student's t over groups (patients or videos), never over images.
Random weights, majority class, mean mask and lookups are null rows: what anybody gets without training. A row separates
only if the whole interval of its paired difference to the best null row lies above zero. Pool: whether images of
these sets, or their patients, were in the pretraining data was not checked.
"""


def markdown(results: Results) -> str:
    """The whole file."""
    parts = ["# Evaluation\n"]
    for name in dict.fromkeys(row.set for row in results.rows):
        rows = [row for row in results.rows if row.set == name]
        parts.append(f"## {name}\n\n{set_sentence(rows[0])}\n")
        parts.append(_table(rows, results))
        parts += [f"- {note}" for note in rows[0].value["notes"]]
        parts.append("")
        for row in rows:
            comparison = results.comparison(row)
            if comparison is not None:
                parts.append(f"- **{row.name}**, {PROTOCOL_WORDS[row.protocol]}: {report_line(comparison)}")
                if by_group(row):
                    parts.append(f"  {by_group(row)}")
        parts.append("")
    parts += [f"- Skipped: {skip.encoder} on {skip.set}, {skip.protocol}: {skip.reason}." for skip in results.skipped]
    return "\n".join([*parts, FOOT])


def set_sentence(row: Row) -> str:
    """What a set is, in one sentence."""
    about, scored = row.value["set"], row.value["scored"]
    what = f"{len(about['classes'])} classes ({', '.join(about['classes'])})" if about["classes"] else "masks"
    splits = {"official": "its own split", "as-published": "its own split as published, groups on both sides"}
    split = splits.get(about["split"], f"{about['folds']} folds by group")
    groups = {"none": "no groups", "pattern": "groups by pattern", "groups.csv": "groups from groups.csv"}
    return (
        f"{about['samples']} images, {what}; {groups[about['grouping']]}; {split}; "
        f"scored: {scored['samples']} images of {scored['groups']} groups."
    )


def table_rows(rows: Sequence[Row], results: Results) -> list[list[str]]:
    """Cells of a set's table: judged, protocol, headline, other metrics, difference, verdict."""
    cells = []
    for row in rows:
        comparison = results.comparison(row)
        cells.append(
            [
                shown(row),
                PROTOCOL_WORDS[row.protocol],
                estimate(row.headline),
                also(row),
                delta(comparison) if comparison else "–",
                verdict(comparison) if comparison else "null row",
            ]
        )
    return cells


def headers(row: Row) -> list[str]:
    """Titles of `table_rows`."""
    metric = METRIC_WORDS[row.value["headline"]]
    return ["judged", "protocol", metric, "also", "paired difference to the best null row", "verdict"]


def _table(rows: Sequence[Row], results: Results) -> str:
    titles = headers(rows[0])
    lines: Iterable[Sequence[str]] = [titles, ["---"] * len(titles), *table_rows(rows, results)]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"
