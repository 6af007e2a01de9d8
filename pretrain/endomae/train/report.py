"""`report.html` of a run, made from the run folder's files alone."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from endomae.train.progress import clock
from endomae.train.runs import RunFolder, read_metrics, standing
from endoshards import page
from endoshards.files import read_json, write_atomic

Rows = list[dict[str, Any]]


def write_report(run: RunFolder) -> Path:
    """Write the report of a run, finished or not.

    Args:
        run: with `run.json`, `run.toml` and `metrics.jsonl`.
    Returns: the page's path.
    """
    facts: dict[str, Any] = read_json(run.facts)
    rows = read_metrics(run.metrics)
    sections = [
        page.Section("Loss", _loss(facts, rows)),
        page.Section("Reconstructions", _pictures(run, facts)),
        page.Section("Rate, speed and data", _course(rows)),
        page.Section("Data", _data(facts.get("data", {}))),
        page.Section("Parameters", _parameters(facts.get("method", {}))),
        page.Section("Settings", _settings(run.settings, facts)),
    ]
    note = f"endomae {facts.get('endomae', '?')} · recipe {facts.get('recipe')} · {facts.get('steps')} steps"
    write_atomic(run.report, page.page(f"Run {run.name}", sections, note=note))
    return run.report


def verdict(run: RunFolder) -> str:
    """One line: the last held-out loss beside the losses that need no learning; empty if nothing was held out."""
    held = standing(run).held_out_loss
    if held is None:
        return ""
    levels: dict[str, float] = read_json(run.facts)["method"]["levels"]
    told = ", ".join(f"{name} {level:.4f}" for name, level in levels.items())
    return f"held-out loss: {held:.4f}" + (f" (without learning: {told})" if told else "")


def unreadable(run: RunFolder) -> str:
    """One line: how many samples could not be read, and where they are named; empty if all could."""
    keys = {row["key"] for row in read_metrics(run.bad_samples)}
    if not keys:
        return ""
    return f"{len(keys)} sample{'' if len(keys) == 1 else 's'} could not be read: {run.bad_samples}"


def _loss(facts: Mapping[str, Any], rows: Rows) -> str:
    trained = [(row["step"], row["loss"]) for row in rows if "loss" in row]
    held = [(row["step"], row["held_out_loss"]) for row in rows if "held_out_loss" in row]
    levels: dict[str, float] = facts.get("method", {}).get("levels", {})
    curves = {"training": trained} | ({"held out": held} if held else {})
    chart = page.lines(curves, x_label="step", y_label="loss", marks=levels)
    said: list[tuple[str, object]] = []
    if held:
        best = min(held, key=lambda point: point[1])
        said += [
            ("held-out loss before the first step", held[0][1]),
            ("last held-out loss", held[-1][1]),
            ("lowest held-out loss", f"{best[1]:.4f} at step {best[0]}"),
        ]
    if trained:
        said.append(("last training loss", trained[-1][1]))
    if facts.get("expected_first_loss"):
        said.append(("first loss the recipe expects, about", facts["expected_first_loss"]))
    said += [(f"{name} gives", level) for name, level in levels.items()]
    words = []
    if levels:
        words.append(
            "The dashed lines need no learning: a held-out curve that is not below them has learned nothing. "
            "They hold for these whole frames; training crops are closer up and easier, so their curve lies lower."
        )
    words.append(
        "Held-out frames come from groups that were never trained on. A low loss is no proof of useful features: "
        "endomae eval measures those."
        if held
        else "Nothing was held out (too few groups), so there is no held-out curve."
    )
    return chart + page.facts(said) + page.paragraph(" ".join(words))


def _pictures(run: RunFolder, facts: Mapping[str, Any]) -> str:
    files = sorted(run.pictures.glob("step-*.png")) if run.pictures.is_dir() else []
    if not files:
        return page.paragraph("No pictures were written.")
    method = facts.get("method", {})
    shown = [page.paragraph(f"Rows: {', '.join(method.get('views', ()))}. {method.get('pictures_note', '')}")]
    if not facts.get("data", {}).get("held_out_samples"):
        shown.append(page.paragraph("These frames were trained on: nothing is held out."))
    for file in sorted({files[0], files[len(files) // 4], files[-1]}, reverse=True):
        step = int(file.stem.removeprefix("step-"))
        shown.append(page.paragraph(f"Step {step:,}:"))
        shown.append(page.image(file.read_bytes(), "image/png", alt=f"reconstructions at step {step}"))
    return "".join(shown)


def _course(rows: Rows) -> str:
    trained = [row for row in rows if "loss" in row]
    if not trained:
        return page.paragraph("No step was logged.")
    total = trained[-1]["elapsed_s"]
    waited = sum(row["data_wait"] * row["seconds_a_step"] for row in trained) / max(
        1e-9, sum(row["seconds_a_step"] for row in trained)
    )
    said: list[tuple[str, object]] = [
        ("training time", clock(total)),
        ("images", trained[-1]["samples"]),
        ("images a second", trained[-1]["samples"] / max(1e-9, total)),
        ("share of time waiting for data", f"{waited:.1%}"),
        ("samples replaced because they could not be read", trained[-1].get("bad_samples", 0)),
        ("share of patches inside the view", trained[-1].get("valid_share")),
    ]
    if "peak_gib" in trained[-1]:
        said.append(("peak GPU memory, GiB", max(row["peak_gib"] for row in trained)))
    return (
        page.facts(said)
        + page.lines({"learning rate": [(r["step"], r["rate"]) for r in trained]}, x_label="step", y_label="rate")
        + page.lines(
            {"waiting for data": [(r["step"], 100 * r["data_wait"]) for r in trained]},
            x_label="step",
            y_label="% of time",
        )
    )


def _data(data: Mapping[str, Any]) -> str:
    named = (
        ("name", "set"),
        ("samples", "samples"),
        ("shards", "shards"),
        ("groups", "groups (patients or procedures)"),
        ("trained_samples", "trained on"),
        ("held_out_samples", "held out"),
        ("held_out_groups", "held-out groups"),
        ("has_masks", "tissue masks"),
        ("order_fingerprint", "order fingerprint"),
        ("content_fingerprint", "content fingerprint"),
    )
    info = dict(data.get("info", {}))
    leaks = info.pop("leak_checks", None) or "unchecked"
    checks = (
        page.paragraph("Leak checks that the shards note:") + page.facts(_flat(leaks))
        if isinstance(leaks, dict)
        else page.paragraph(f"Leak checks that the shards note: {leaks}.")
    )
    if leaks == "unchecked":
        checks += page.paragraph("Frames of a benchmark's test set may be among what was trained on.")
    noted = (
        [page.paragraph("Noted by who wrote the shards:"), page.table(["what", "value"], _flat(info))] if info else []
    )
    return page.facts([(label, data.get(name)) for name, label in named]) + checks + "".join(noted)


def _parameters(method: Mapping[str, Any]) -> str:
    headers, rows = method.get("groups", ([], []))
    shapes = [
        (name, "x".join(map(str, shape)) if isinstance(shape, list) else shape)
        for name, shape in method.get("shapes", {}).items()
    ]
    return page.table(headers, rows, numeric=range(1, len(headers))) + page.facts(shapes)


def _settings(path: Path, facts: Mapping[str, Any]) -> str:
    values = tomllib.loads(path.read_text("utf-8"))
    about = [(name, facts[name]) for name in ("sources", "cost") if facts.get(name)]
    asked = {name: value for name, value in facts.get("asked", {}).items() if value is not None}
    about.append(("asked for", ", ".join(f"{value:g} {name}" for name, value in asked.items())))
    return (
        page.facts([*about, *_flat(facts.get("machine", {}))])
        + page.paragraph("All settings in force (run.toml, a valid --config):")
        + page.table(["setting", "value"], [(name, str(value)) for name, value in values.items()])
    )


def _flat(value: Mapping[str, Any], above: str = "") -> list[tuple[str, object]]:
    """Nested values as lines, their names joined by dots."""
    lines: list[tuple[str, object]] = []
    for name, inner in value.items():
        if isinstance(inner, Mapping):
            lines += _flat(inner, f"{above}{name}.")
        else:
            lines.append((above + name, inner if isinstance(inner, str | int | float | None) else str(inner)))
    return lines
