"""`report.html`: one section a labelled set, with the forest of its rows, confusions and overlays."""

from __future__ import annotations

import numpy as np

from endoeval.predictions import MaskPredictions
from endoeval.report.table import FOOT, headers, set_sentence, table_rows
from endoeval.report.words import METRIC_WORDS, PROTOCOL_WORDS, by_group, delta, estimate, shown, verdict
from endoeval.results import Results
from endoeval.rows import Row
from endoshards.page import Html, Section, facts, forest, gallery, heat, image, page, paragraph, table


def report_page(results: Results) -> str:
    """The page as text."""
    names = list(dict.fromkeys(row.set for row in results.rows))
    sections = [Section("Summary", _summary(results))]
    sections += [Section(name, _set(name, results)) for name in names]
    sections += [Section("Encoders", _encoders(results)), Section("How to read this", paragraph(FOOT))]
    return page("Evaluation", sections, note=f"{len(results.rows)} rows on {', '.join(names)}")


def _summary(results: Results) -> Html:
    titles = ["set", "protocol", "judged", "value", "paired difference to the best null row", "verdict"]
    rows = [
        [
            f"{c.row.set} ({METRIC_WORDS[c.row.value['headline']]})",
            PROTOCOL_WORDS[c.row.protocol],
            shown(c.row),
            estimate(c.row.headline),
            delta(c),
            verdict(c),
        ]
        for c in results.comparisons
    ]
    skipped = [
        paragraph(f"Skipped: {skip.encoder} on {skip.set}, {skip.protocol}: {skip.reason}.") for skip in results.skipped
    ]
    return Html("".join([table(titles, rows, numeric={3}), *skipped]))


def _set(name: str, results: Results) -> Html:
    rows = [row for row in results.rows if row.set == name]
    parts = [paragraph(set_sentence(rows[0])), *(paragraph(note) for note in rows[0].value["notes"])]
    best_null = max((row.headline["value"] for row in rows if row.role != "encoder"), default=None)
    drawn = [(_label(row), row.headline["value"], row.headline["low"], row.headline["high"]) for row in rows]
    metric = METRIC_WORDS[rows[0].value["headline"]]
    parts.append(forest(drawn, x_label=f"{metric}; dashed: the best null row of the set", reference=best_null))
    # `numeric`: an interval is never broken over two lines.
    parts.append(table(headers(rows[0]), table_rows(rows, results), numeric={2}))
    for row in rows:
        if row.role != "encoder":
            continue
        if by_group(row):
            parts.append(paragraph(f"{row.name}, {PROTOCOL_WORDS[row.protocol]}, {by_group(row)}"))
        if row.value["confusion"]:
            parts.append(paragraph(f"Confusion of {row.name}, {PROTOCOL_WORDS[row.protocol]} (images):"))
            classes = row.value["set"]["classes"]
            parts.append(heat(row.value["confusion"], classes, classes))
        if row.pictures():
            parts.append(paragraph(f"{row.name}: worst, median and best image. Green: truth; orange: predicted."))
            parts.append(_overlays(row))
    return Html("".join(parts))


def _overlays(row: Row) -> Html:
    predictions = row.predictions()
    dice = np.sort(predictions.dice()) if isinstance(predictions, MaskPredictions) else np.zeros(1)
    values = {"worst": dice[0], "median": dice[len(dice) // 2], "best": dice[-1]}
    return gallery(
        (
            image(path.read_bytes(), "image/jpeg", alt=f"{word} image with true and predicted outline"),
            f"{word}: Dice {values[word]:.2f}",
        )
        for word, path in row.pictures()
    )


def _label(row: Row) -> str:
    if row.role == "null":
        return f"null · {shown(row)}"
    mark = "null · " if row.role == "random" else ""
    return f"{mark}{PROTOCOL_WORDS[row.protocol]} · {shown(row)}"


def _encoders(results: Results) -> Html:
    seen: dict[str, Row] = {row.judged_id: row for row in results.rows if row.role != "null"}
    parts = []
    for row in seen.values():
        about = row.value["encoder"]
        contract, proof = about["contract"], about.get("proof")
        pairs: list[tuple[str, object]] = [
            ("name", row.name),
            ("id", row.judged_id),
            ("input", f"{contract['size']} px, mean {contract['mean']}, std {contract['std']}"),
            ("pooling", f"{contract['pooling']}; patch {contract['patch'] or 'none'}; {contract['dim']} numbers"),
        ]
        if "parameters" in about:
            pairs.append(("parameters", about["parameters"]))
        if proof:
            roles = proof["unused_by_role"].items() if "unused_by_role" in proof else [("", proof["unused"])]
            unused = "; ".join(f"{role}: {', '.join(names)}".removeprefix(": ") for role, names in roles) or "none"
            pairs.append(("load", f"{proof['tensors']} tensors set, {proof['changed']} differ from a seeded start"))
            pairs.append(("unused tensors", unused))
            pairs.append(("tensors as they started", ", ".join(proof.get("unchanged", ())) or "none"))
        parts.append(facts(pairs))
    return Html("".join(parts))
