"""`audit.html`: one page about a set of lists, from what was understood to what the test could show at best."""

from __future__ import annotations

from html import escape

from endoeval.report.audit_words import (
    class_rows,
    faults,
    percent,
    sentence,
    sizes,
    state,
    taken_as,
    verdict,
    without_nulls,
)
from endoeval.report.strips import MOST_GROUPS, groups_by_splits, strips
from endoeval.splits.audit import Audit
from endoeval.splits.constant_box import BoxNull
from endoeval.splits.nulls import against_nulls, score
from endoshards.page import Html, Section, bars, facts, page, paragraph, table

FOOT = (
    "A fault is something that makes a score on these lists mean less than it says; a note is something to know. "
    "Null rows look at no pixel: a score at or below them cannot show that pixels were used. What lists cannot show: "
    "whether the pictures, or other pictures of the same patients, were in the data an encoder was pretrained on; "
    "near copies of pictures that nobody has at hand; groups that the names do not tell."
)


def audit_page(audit: Audit, proposed: tuple[str, ...] | None = None, *, named: bool = True) -> str:
    """The page as text.

    Args:
        audit: the audit; without names where `named` is False (`audit_words.without_names`).
        proposed: what a proposal could not keep; None: nothing was proposed.
        named: False writes "group 1" instead of names of groups.
    """
    sections = [
        Section("Verdict", "".join(paragraph(sentence) for sentence in verdict(audit))),
        Section("What was understood", _understood(audit)),
        Section("Checks", _checks(audit)),
        Section("Null rows: no pixel was looked at", _nulls(audit)),
        Section("What this test could show at best", _power(audit)),
    ]
    titles, classes = class_rows(audit.rows)
    if classes:
        by_class = table(titles, classes, numeric=set(range(1, len(titles))))
        sections.insert(2, Section("Rows and groups a class", by_class))
    if audit.rows.groups is not None:
        sections.append(Section("Groups by split, along time", _groups(audit, named)))
    if audit.folds:
        sections.append(Section("Each fold against the rest", _folds(audit)))
    if proposed is not None:
        sections.append(Section("The proposed lists", _proposed(proposed)))
    sections.append(Section("How to read this", paragraph(FOOT)))
    counted = ", ".join(f"{word} {count:,}" for word, count in sizes(audit.rows).items())
    return page(f"Split audit: {state(audit)}", sections, note=f"{counted} rows; endomae audit-split")


def _understood(audit: Audit) -> Html:
    lines = Html(f"<p>{'<br>'.join(escape(line) for line in audit.understood)}</p>")
    rule = audit.rule
    if rule is None:
        return Html(lines + facts([("groups", "no group key: independence cannot be shown")]))
    pairs: list[tuple[str, object]] = [
        ("key", rule.name),
        ("how many", rule.count),
        ("why this key", sentence(rule.why)),
        ("examples", ", ".join(rule.examples)),
        ("spellings taken as one", ", ".join(rule.joined)),
        ("second best key", rule.second or "none"),
        ("what it would change", sentence(rule.change)),
    ]
    return Html(lines + table(["groups", ""], [pair for pair in pairs if pair[1] != ""]))


def _checks(audit: Audit) -> Html:
    if not audit.findings:
        return paragraph("No check found anything.")
    notes = [finding for finding in audit.findings if finding.kind == "note"]
    rows = [
        [
            Html(f'<span style="white-space:nowrap">{finding.kind}</span>'),
            sentence(finding.text) or finding.check,
            finding.count,
            percent(finding.test_share),
            _few(finding.examples),
        ]
        for finding in [*faults(audit), *notes]
    ]
    return table(["kind", "what was found", "count", "of the test", "examples"], rows, numeric={2, 3})


def _nulls(audit: Audit) -> Html:
    parts = []
    marks = [] if audit.published is None else [(f"published {audit.published:.4g}", audit.published)]
    if audit.nulls:
        # In per cent: a chart of shares that are all 1 or less reads worse.
        drawn = [(row.name, 100 * score(row, audit.published_metric)) for row in audit.nulls]
        parts.append(bars(drawn, unit="%", marks=[(label, 100 * value) for label, value in marks]))
        rows = [
            [row.name, percent(row.accuracy), percent(row.balanced_accuracy), percent(row.macro_f1), row.note]
            for row in audit.nulls
        ]
        titles = ["rule", "accuracy", "balanced accuracy", "macro F1", "decided by it"]
        parts.append(table(titles, rows, numeric={1, 2, 3}))
    if audit.box is not None:
        box = audit.box
        drawn = [("F1 of frame presence", 100 * box.frame_f1), ("AP50", 100 * box.ap50), ("AP", 100 * box.ap)]
        parts.append(paragraph("One constant box of score 0.5 in every frame:"))
        parts.append(bars(drawn, unit="%", marks=[(label, 100 * value) for label, value in marks]))
        at = ", ".join(f"{value:.3f}" for value in box.box)
        parts.append(
            facts(
                [
                    ("box", f"{at} (x0 y0 x1 y1 as shares of the {_edges(box)})"),
                    ("taken from", box.note),
                    ("frames with a box", f"{box.positives:,} of {box.frames:,}"),
                    ("precision of frame presence", percent(box.frame_precision)),
                ]
            )
        )
    if not parts:
        parts.append(paragraph(sentence(without_nulls(audit) or "")))
    if audit.published is not None and not audit.masks:
        parts.append(paragraph(taken_as(audit) or ""))
        parts.append(paragraph(against_nulls(audit.published, audit.nulls, audit.box, audit.published_metric)))
    return Html("".join(parts))


def _edges(box: BoxNull) -> str:
    return "picture" if box.sizes_known else "largest corners listed; sizes unknown"


def _power(audit: Audit) -> Html:
    parts = [paragraph(audit.power.text)]
    if audit.power.table:
        accuracies = list(dict.fromkeys(cell.accuracy for cell in audit.power.table))
        rows = []
        for correlation in dict.fromkeys(cell.correlation for cell in audit.power.table):
            cells = {c.accuracy: c.half_width for c in audit.power.table if c.correlation == correlation}
            rows.append([f"{correlation:g}", *(_plus_minus(cells[accuracy]) for accuracy in accuracies)])
        titles = ["correlation inside a group", *(f"at accuracy {accuracy:g}" for accuracy in accuracies)]
        parts.append(paragraph("Half-width of the 95 % interval to expect (jackknife over groups, Student's t):"))
        parts.append(table(titles, rows, numeric=set(range(1, len(titles)))))
    return Html("".join(parts))


def _groups(audit: Audit, named: bool) -> Html:
    within = groups_by_splits(audit.rows)
    there, several = int((within > 0).sum()), int((within > 1).sum())
    shown = f"; the {MOST_GROUPS} that stand in most splits, then the largest, are drawn" if there > MOST_GROUPS else ""
    said = f"{several:,} of {there:,} groups stand in more than one split{shown}."
    order = "Each strip runs from a group's first row to its last, along time where names tell it, else as listed."
    return Html(paragraph(f"{said} {order}") + strips(audit.rows, named=named))


def _folds(audit: Audit) -> Html:
    rows = [
        [number, fold.power.rows, sum(finding.kind == "fault" for finding in fold.findings), _best(fold)]
        for number, fold in enumerate(audit.folds, 1)
    ]
    said = (
        "The sections above show the fold in which most test rows are under a fault; findings are those of all folds."
    )
    titles = ["fold", "test rows", "checks with faults", "best null row, accuracy"]
    return Html(paragraph(said) + table(titles, rows, numeric={0, 1, 2}))


def _best(fold: Audit) -> str:
    if not fold.nulls:
        return "–"
    top = max(fold.nulls, key=lambda row: row.accuracy)
    return f"{top.name} {percent(top.accuracy)}"


def _proposed(not_kept: tuple[str, ...]) -> Html:
    if not not_kept:
        return paragraph("Split again by group; sizes and class shares were kept.")
    return Html(paragraph("Split again by group. What could not be kept:") + "".join(map(paragraph, not_kept)))


def _plus_minus(half_width: float | None) -> str:
    return "no interval" if half_width is None else f"± {half_width:.3f}"


def _few(examples: tuple[str, ...]) -> str:
    return "; ".join(examples) or "–"
