"""`report.html`: one section a labelled set, with the forest of its rows, confusions and overlays."""

from __future__ import annotations

from endoeval.report.table import FOOT, headers, set_sentence, table_rows
from endoeval.report.words import METRIC_WORDS, PROTOCOL_WORDS, heading, report_line
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
    parts = []
    for comparison in results.comparisons:
        parts.append(paragraph(f"{heading(comparison.row)} · {comparison.row.name}: {report_line(comparison)}"))
    parts += [
        paragraph(f"Skipped: {skip.encoder} on {skip.set}, {skip.protocol}: {skip.reason}.") for skip in results.skipped
    ]
    return Html("".join(parts))


def _set(name: str, results: Results) -> Html:
    rows = [row for row in results.rows if row.set == name]
    parts = [paragraph(set_sentence(rows[0])), *(paragraph(note) for note in rows[0].value["notes"])]
    best_null = max((row.headline["value"] for row in rows if row.role != "encoder"), default=None)
    drawn = [(_label(row), row.headline["value"], row.headline["low"], row.headline["high"]) for row in rows]
    metric = METRIC_WORDS[rows[0].value["headline"]]
    parts.append(forest(drawn, x_label=f"{metric}; dashed: the best null row of the set", reference=best_null))
    parts.append(table(headers(rows[0]), table_rows(rows, results)))
    for row in rows:
        if row.value["confusion"] and row.role == "encoder":
            parts.append(paragraph(f"Confusion of {row.name}, {PROTOCOL_WORDS[row.protocol]} (images):"))
            names = row.value["set"]["classes"]
            parts.append(heat(row.value["confusion"], names, names))
        if row.pictures() and row.role == "encoder":
            parts.append(paragraph(f"{row.name}: worst, median and best image. Green: truth; orange: predicted."))
            parts.append(_overlays(row))
    return Html("".join(parts))


def _overlays(row: Row) -> Html:
    return gallery(
        (image(path.read_bytes(), "image/jpeg", alt=f"{word} image with true and predicted outline"), word)
        for word, path in row.pictures()
    )


def _label(row: Row) -> str:
    if row.role == "null":
        return f"null · {row.name}"
    mark = "null · " if row.role == "random" else ""
    return f"{mark}{row.name} · {PROTOCOL_WORDS[row.protocol]}"


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
            unused = ", ".join(proof["unused"]) or "none"
            pairs.append(("load", f"{proof['tensors']} tensors set, {proof['changed']} differ from a seeded start"))
            pairs.append(("unused tensors", unused))
        parts.append(facts(pairs))
    return Html("".join(parts))
