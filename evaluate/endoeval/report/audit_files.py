"""`audit.json`, `audit.md` and `audit.html` of an audit, and the lists of a proposal. Equal audits give equal bytes."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from endoeval.report.audit_page import FOOT, audit_page
from endoeval.report.audit_words import (
    class_rows,
    faults,
    percent,
    sentence,
    sizes,
    state,
    taken_as,
    verdict,
    without_names,
    without_nulls,
)
from endoeval.splits.audit import Audit
from endoeval.splits.class_table import class_table
from endoeval.splits.nulls import against_nulls
from endoeval.splits.propose import Proposal
from endoeval.splits.rows import SPLITS, Rows
from endoeval.splits.spelling import ALONE
from endoshards.files import write_atomic, write_json

FORMAT = 1
"""Version of audit.json."""


def write_audit(audit: Audit, folder: Path, *, share: bool = False, proposal: Proposal | None = None) -> Path:
    """Write the three files, each atomically, the page last; returns the page.

    Args:
        audit: what was found.
        folder: made if it is not there.
        share: leave out names of rows and groups.
        proposal: named on the page and in the JSON, if there is one; its lists are written by `write_lists`.
    """
    shown = without_names(audit) if share else audit
    said = None if proposal is None else proposal.not_kept
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "audit.json", as_json(shown, share=share, proposal=proposal))
    write_atomic(folder / "audit.md", markdown(shown, said))
    target = folder / "audit.html"
    write_atomic(target, audit_page(shown, said, named=not share))
    return target


def as_json(audit: Audit, *, share: bool = False, proposal: Proposal | None = None) -> dict[str, Any]:
    """The schema of docs/audit-split.md; shares with six decimals."""
    rows = audit.rows
    folds = [
        {
            "rows": sizes(fold.rows),
            "faults": [finding.check for finding in faults(fold)],
            "counts": {finding.check: finding.count for finding in fold.findings},
            "null_rows": [_rounded(asdict(row)) for row in fold.nulls],
        }
        for fold in audit.folds
    ]
    return {
        "format": FORMAT,
        "share": share,
        "state": state(audit),
        "verdict": list(verdict(audit)),
        "understood": list(audit.understood),
        "rows": sizes(rows),
        "classes": list(rows.classes),
        "class_table": [asdict(count) for count in class_table(rows)],
        "groups": None if audit.rule is None else asdict(audit.rule),
        "findings": [_rounded(asdict(finding)) for finding in audit.findings],
        "null_rows": [_rounded(asdict(row)) for row in audit.nulls],
        "no_null_rows": without_nulls(audit),
        "constant_box": None if audit.box is None else _rounded(asdict(audit.box)),
        "published": audit.published,
        "published_metric": audit.published_metric,
        "beside_null_rows": None
        if audit.published is None or audit.masks
        else against_nulls(audit.published, audit.nulls, audit.box, audit.published_metric),
        "power": {
            **asdict(audit.power),
            "table": [_rounded(asdict(cell)) for cell in audit.power.table],
        },
        "folds": folds,
        "proposal": None if proposal is None else {"rows": sizes(proposal.rows), "not_kept": list(proposal.not_kept)},
    }


def markdown(audit: Audit, proposed: Sequence[str] | None = None) -> str:
    """The whole of audit.md."""
    parts = [f"# Split audit: {state(audit)}", "", *verdict(audit), "", "## What was understood", ""]
    parts += [f"- {line}" for line in audit.understood]
    rule = audit.rule
    if rule is None:
        parts.append("- no group key: independence cannot be shown")
    else:
        parts.append(f"- group key: {rule.name}, {rule.count:,} groups. {sentence(rule.why)}")
        parts += [f"- examples: {', '.join(rule.examples)}"] if rule.examples else []
        parts += [f"- spellings taken as one: {', '.join(rule.joined)}"] if rule.joined else []
        parts += [f"- second best key: {rule.second}. {sentence(rule.change)}"] if rule.second else []
    titles, classes = class_rows(audit.rows)
    if classes:
        parts += ["", "## Rows and groups a class", ""]
        parts += _table(titles, [[str(cell) for cell in line] for line in classes], "")
    parts += ["", "## Checks", ""]
    notes = [finding for finding in audit.findings if finding.kind == "note"]
    found = [
        [f.kind, sentence(f.text) or f.check, f"{f.count:,}", percent(f.test_share), "; ".join(f.examples)]
        for f in [*faults(audit), *notes]
    ]
    parts += _table(["kind", "what was found", "count", "of the test", "examples"], found, "No check found anything.")
    parts += ["", "## Null rows: no pixel was looked at", ""]
    nulls = [
        [row.name, percent(row.accuracy), percent(row.balanced_accuracy), percent(row.macro_f1), row.note]
        for row in audit.nulls
    ]
    if audit.box is not None:
        box = audit.box
        parts.append(
            f"One constant box of score 0.5 in every frame: F1 of frame presence {percent(box.frame_f1)}, "
            f"AP50 {percent(box.ap50)}, AP {percent(box.ap)}; {box.positives:,} of {box.frames:,} frames hold a box."
            + ("" if box.sizes_known else " Sizes of pictures: unknown.")
        )
    else:
        titles = ["rule", "accuracy", "balanced accuracy", "macro F1", "decided by it"]
        parts += _table(titles, nulls, sentence(without_nulls(audit) or ""))
    if (said := taken_as(audit)) is not None:
        parts += ["", said]
    parts += ["", "## What this test could show at best", "", audit.power.text, ""]
    cells = [
        [f"{c.accuracy:g}", f"{c.correlation:g}", "no interval" if c.half_width is None else f"± {c.half_width:.3f}"]
        for c in audit.power.table
    ]
    parts += _table(["accuracy", "correlation inside a group", "half-width"], cells, "") if cells else []
    if proposed is not None:
        parts += ["", "## The proposed lists", "", "Split again by group.", *(f"- {said}" for said in proposed)]
    return "\n".join([*parts, "", FOOT, ""])


def write_lists(rows: Rows, folder: Path) -> list[Path]:
    """Write `train.csv`, `val.csv`, `test.csv` (those that hold rows): columns file, label, group.

    Labels stand as they were listed; a column that nothing is known of is left out. Of lists of boxes each frame is
    one line, without label.
    """
    labelled = rows.labels is not None and rows.boxes is None
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for split, word in enumerate(SPLITS):
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["file", *(["label"] if labelled else []), "group"])
        places = [place for place, of in enumerate(rows.splits.tolist()) if of == split]
        lines = [_cells(rows, place, labelled) for place in places]
        writer.writerows(lines if rows.boxes is None else dict.fromkeys(map(tuple, lines)))
        path = folder / f"{word}.csv"
        if places:
            write_atomic(path, text.getvalue())
            made.append(path)
        else:
            path.unlink(missing_ok=True)  # a list of an earlier proposal must not stand beside this one
    return made


def _cells(rows: Rows, place: int, labelled: bool) -> list[str]:
    cells = [rows.names[place]]
    if labelled and rows.labels is not None:
        label = int(rows.labels[place])
        cells.append(rows.classes[label] if label >= 0 else "")
    group = str(rows.group_names[int(rows.groups[place])]) if rows.groups is not None else ""
    # Whose group nobody knew is as unknown to the next reader.
    nobody = rows.rule is not None and rows.rule.unknown and group.startswith(ALONE)
    return [*cells, "" if nobody else group]


def _rounded(values: dict[str, Any]) -> dict[str, Any]:
    return {name: round(value, 6) if isinstance(value, float) else value for name, value in values.items()}


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]], nothing: str) -> list[str]:
    if not rows:
        return [nothing]
    lines = [list(titles), ["---"] * len(titles), *map(list, rows)]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]
