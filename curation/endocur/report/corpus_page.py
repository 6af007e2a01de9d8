"""The corpus page: funnel, inputs, scores, timelines, galleries, settings. Facts in, one HTML text out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from endocur.report.facts import Facts, Gallery, Pair, Picture, Score, Stage
from endocur.report.timeline import clock, strips
from endoshards.page import Html, Section, bars, facts, gallery, histogram, image, page, paragraph, table

STATUS_MEANING: Mapping[str, str] = {
    "ok": "read to the end",
    "copy": "byte for byte the same as another input; its frames count once",
    "partial": "read as far as it goes",
    "failed": "gave nothing",
    "ignored": "not a video or picture, not endoscopy, or left out on request",
}

SHOWN_FAILURES = 200
SHARE_NOTE = "For sharing: no picture and no id of any frame, source or group."


def corpus_page(about: Facts, *, share: bool) -> str:
    """The page as text; equal facts give equal bytes.

    Args:
        about: what to say. With `share` its pictures, pairs and ids are left out, whatever it holds.
        share: write a page that may leave the hospital.
    """
    note = SHARE_NOTE if share else f"Corpus {about.corpus_id}. Internal: it shows frames. To pass it on: --share."
    sections = [
        Section("In short", _summary(about)),
        Section("What was kept", _funnel(about.decoded, about.stages)),
        Section("Inputs", _inputs(about, share)),
        Section("Scores", _scores(about.scores)),
        Section("Along each video", _timeline(about, share)),
    ]
    if not share:
        sections += _pictures(about)
    sections.append(Section("Settings in force", _settings(about.settings)))
    return page("Corpus report", [section for section in sections if section.html], note=note)


def fate_label(stage: str, reason: str) -> str:
    """How a reason is called on the page, e.g. "dedup: duplicate"."""
    return f"{stage}: {reason}"


def _summary(about: Facts) -> str:
    pairs: list[tuple[str, object]] = [
        ("Frames seen", about.seen),
        ("Frames kept", f"{about.kept:,} ({percent(about.kept, about.seen)})"),
        ("Sources", about.sources),
        ("Groups (patients or procedures)", about.groups),
    ]
    if about.videos:
        pairs += [("Videos", about.videos), ("Video time", clock(about.video_seconds))]
    bad = about.inputs.get("failed", 0) + about.inputs.get("partial", 0)
    pairs.append(("Inputs that failed or broke off", bad))
    return facts(pairs)


def _funnel(decoded: Stage, stages: Sequence[Stage]) -> str:
    drawn = [("extract", stages[0].seen)] + [(f"after {stage.name}", stage.kept) for stage in stages[1:]]
    rows = []
    for stage in stages:
        for reason, count in sorted(stage.dropped.items(), key=lambda item: (-item[1], item[0])):
            rows.append((stage.name, reason, count, percent(count, stages[0].seen)))
    rows.append(("all", "kept", stages[-1].kept, percent(stages[-1].kept, stages[0].seen)))
    dropped = sum(sum(stage.dropped.values()) for stage in stages)
    first = "".join(f" + {count:,} {reason}" for reason, count in sorted(decoded.dropped.items()))
    taken = paragraph(f"{decoded.seen:,} frames in the inputs = {decoded.kept:,} taken{first}.") if first else ""
    total = paragraph(f"{stages[0].seen:,} seen = {stages[-1].kept:,} kept + {dropped:,} dropped.")
    return (
        taken
        + total
        + bars(drawn, unit="frames")
        + table(["stage", "what became of them", "frames", "of all"], rows, numeric={2, 3})
    )


def _inputs(about: Facts, share: bool) -> str:
    known = [status for status in STATUS_MEANING if about.inputs.get(status)]
    rows = [(status, about.inputs[status], STATUS_MEANING[status]) for status in known]
    text: str = table(["status", "inputs", "meaning"], rows, numeric={1})
    if not about.failures:
        return text + paragraph("No input failed.")
    if share:
        by_reason: dict[tuple[str, str], int] = {}
        for failure in about.failures:
            key = (failure.status, failure.reason)
            by_reason[key] = by_reason.get(key, 0) + 1
        return text + table(
            ["status", "why", "inputs"], [(*key, count) for key, count in sorted(by_reason.items())], numeric={2}
        )
    shown = about.failures[:SHOWN_FAILURES]
    text += table(
        ["input no.", "source", "status", "why"],
        [(failure.position, failure.source_id or None, failure.status, failure.reason) for failure in shown],
        numeric={0},
    )
    if len(about.failures) > len(shown):
        text += paragraph(f"And {len(about.failures) - len(shown):,} more; `endocur status --json` has the counts.")
    return text


def _scores(scores: Iterable[Score]) -> str:
    parts = []
    for score in scores:
        marks = {} if score.threshold is None else {f"kept from {score.threshold:g}": score.threshold}
        parts.append(_heading(score.name) + histogram(score.edges, score.counts, marks=marks, y_label="frames"))
        said = f"Half of the frames lie above {score.middle:.2f}."
        if score.threshold is not None:
            said += f" {score.below:,} of {sum(score.counts):,} frames lie below {score.threshold:g}."
        parts.append(paragraph(said))
    if not parts:
        return ""
    return paragraph("Each score runs from 0 to 1, higher is better; all extracted frames are counted.") + "".join(
        parts
    )


def _timeline(about: Facts, share: bool) -> str:
    if not about.strips:
        return ""
    shown = about.strips
    if share:
        shown = [type(strip)(f"video {index}", strip.seconds, strip.counts) for index, strip in enumerate(shown, 1)]
    text = "What became of the frames, from the beginning of each video to its end."
    if about.videos > len(shown):
        text += f" {len(shown)} of {about.videos:,} videos, drawn by lot."
    return paragraph(text) + strips(shown, about.fates)


def _pictures(about: Facts) -> list[Section]:
    kept = [item for item in about.galleries if item.fate == "kept"]
    dropped = [item for item in about.galleries if item.fate != "kept"]
    shown = "".join(_gallery(item) for item in kept)
    if about.just_kept:
        shown += _heading("Just kept: lowest quality first") + gallery(
            (_image(one), one.caption) for one in about.just_kept
        )
    sections = [Section("Kept frames", shown)]
    sections.append(Section("Dropped frames", "".join(_heading(item.fate) + _gallery(item) for item in dropped)))
    sections.append(Section("Near copies", _pairs(about.pairs, about.pair_count)))
    return sections


def _gallery(item: Gallery) -> str:
    some = f"{len(item.pictures)} of {item.frames:,}, drawn by lot." if len(item.pictures) < item.frames else "All."
    shown = [(_image(picture), picture.caption) for picture in item.pictures]
    return paragraph(some) + gallery(shown)


def _pairs(pairs: Iterable[Pair], total: int) -> str:
    shown = []
    for pair in pairs:
        both = Html(
            '<div style="display:grid;grid-template-columns:1fr 1fr;gap:4px;align-items:start">'
            + "".join(
                f"<figure>{_image(one)}<figcaption>{escape(one.caption)}</figcaption></figure>"
                for one in (pair.dropped, pair.kept)
            )
            + "</div>"
        )
        shown.append((both, "" if pair.cosine is None else f"cosine {pair.cosine:.3f}"))
    if not shown:
        return ""
    text = "Left the dropped frame, right the kept one that stands for it."
    if total > len(shown):
        text += f" {len(shown)} of {total:,}, drawn by lot."
    # Two pictures share a cell, so the cells are twice as wide as a gallery's own.
    wide = str(gallery(shown)).replace(
        '<div class="gallery">',
        '<div class="gallery" style="grid-template-columns:repeat(auto-fill,minmax(310px,1fr))">',
        1,
    )
    return paragraph(text) + Html(wide)


def _settings(settings: Mapping[str, Mapping[str, object]]) -> str:
    parts = []
    for stage, values in settings.items():
        if values:
            parts.append(_heading(stage) + facts((name, _value(value)) for name, value in values.items()))
    return "".join(parts)


def _value(value: object) -> object:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {inner}" for name, inner in value.items()) or None
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or None
    return value


def _image(picture: Picture) -> Html:
    """The id is there for who hovers or copies, without a line of its own."""
    shown = image(picture.jpeg, "image/jpeg", alt=picture.frame_id)
    return Html(shown.replace("<img ", f'<img title="{escape(picture.frame_id)}" ', 1))


def _heading(text: str) -> Html:
    return Html(f"<h3>{escape(text)}</h3>")


def percent(part: int, whole: int) -> str:
    """A share as people read it; a dash for a share of nothing."""
    return f"{100 * part / whole:.1f} %" if whole else "–"
