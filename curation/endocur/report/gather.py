"""Reads a corpus into the facts of its page: tables, decisions, markers, and the few pictures that are shown."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from endocur import tables
from endocur.account import read_accounts
from endocur.configs import SCORE_NAMES
from endocur.corpus import Corpus, UnitMarker, read_settings, unit_markers
from endocur.ground import inputs_by_status
from endocur.report.corpus_page import fate_label
from endocur.report.facts import Facts, Failure, Gallery, Pair, Picture, Score, Stage
from endocur.report.pictures import by_lot, thumbnail
from endocur.report.timeline import BINS, Strip, clock
from endocur.store import FrameReader

NEVER_SHOWN = ("privacy", "withdraw")
"""Stages whose dropped frames are on no page, whatever else dropped them too."""

SCORE_BINS = 40
SHOWN_VIDEOS = 40
KEPT = "kept"

EVIDENCE = re.compile(r"([0-9a-f]{16}-[0-9]+)(?:[^0-9]+([01]\.[0-9]+))?")
"""Evidence of a near copy: the kept frame's id, and their cosine if it is said."""

PLACE = ("unit", "chapter", "offset", "size")
COLUMNS = ("frame_id", "source_id", "group_id", "pts_us", *PLACE, *SCORE_NAMES)


def gather(corpus: Corpus, gallery: int, *, share: bool) -> Facts:
    """All that the page says.

    Args:
        corpus: with fresh decisions (`tables.require_fresh`).
        gallery: pictures for each fate.
        share: read no picture at all.
    """
    frames = tables.frames(corpus, list(COLUMNS))
    verdict = tables.verdict(corpus)
    if not frames["frame_id"].equals(verdict["frame_id"]):
        raise AssertionError("frames and verdict are rows of the same frames in the same order")
    markers = unit_markers(corpus)
    settings = settings_in_force(corpus)
    stages = funnel(corpus, len(frames))
    fates, codes = frame_fates(stages, verdict)
    videos = [marker for marker in markers if marker.kind == "video" and marker.frames]
    lengths = video_lengths(frames)
    facts = Facts(
        corpus_id=str(read_settings(corpus)["corpus_id"]),
        inputs=inputs_by_status(markers),
        sources=pc.count_distinct(frames["source_id"]).as_py(),
        groups=pc.count_distinct(frames["group_id"]).as_py(),
        video_seconds=sum(lengths.get(marker.name, 0.0) for marker in videos),
        decoded=decoded(markers, len(frames)),
        stages=stages,
        scores=scores(frames, settings.get("filter", {}).get("thresholds", {})),
        failures=failures(markers),
        strips=timelines(frames, [marker.name for marker in videos], lengths, codes, len(fates)),
        fates=fates,
        videos=len(videos),
        settings=settings,
    )
    if share:
        return facts
    shown = Shown(corpus, frames, hidden(corpus))
    with shown.reader:
        galleries = [
            shown.gallery(fate, codes == code, gallery)
            for code, fate in enumerate(fates)
            if not fate.startswith(tuple(f"{stage}:" for stage in NEVER_SHOWN))
        ]
        just_kept = shown.lowest(codes == 0, gallery // 2)
        pairs, pair_count = shown.pairs(verdict, gallery)
    return replace(facts, galleries=galleries, just_kept=just_kept, pairs=pairs, pair_count=pair_count)


def decoded(markers: Iterable[UnitMarker], taken: int) -> Stage:
    """What became of the frames of the inputs before the first decision; `taken` frames are in the corpus."""
    dropped: Counter[str] = Counter()
    stored = 0
    for marker in markers:
        stored += marker.frames
        dropped.update(marker.extras.get("dropped", {}))
    dropped["the same picture twice"] = stored - taken
    found = {reason: count for reason, count in dropped.items() if count}
    return Stage("decode", taken + sum(found.values()), taken, found)


def funnel(corpus: Corpus, seen: int) -> list[Stage]:
    """The steps that ran, extract first."""
    steps = [Stage("extract", seen, seen, {})]
    return steps + [Stage(step["stage"], step["seen"], step["kept"], step["dropped"]) for step in tables.funnel(corpus)]


def frame_fates(stages: Sequence[Stage], verdict: pa.Table) -> tuple[list[str], NDArray[np.int64]]:
    """What can become of a frame, kept first, and which it was: an index into these, a row of the verdict."""
    dropped = [
        fate_label(stage.name, reason)
        for stage in stages
        for reason in sorted(stage.dropped, key=lambda reason: (-stage.dropped[reason], reason))
    ]
    labels = pc.binary_join_element_wise(verdict["stage"], verdict["reason"], fate_label("", "")[:2])
    labels = pc.if_else(verdict["keep"], KEPT, labels)
    fates = [KEPT, *dropped]
    return fates, np.asarray(pc.index_in(labels, value_set=pa.array(fates, pa.string())).to_numpy(), np.int64)


def video_lengths(frames: pa.Table) -> dict[str, float]:
    """Unit -> presentation time of its last frame in seconds."""
    last = frames.group_by("unit").aggregate([("pts_us", "max")])
    return {row["unit"]: row["pts_us_max"] / 1e6 for row in last.to_pylist()}


def failures(markers: Iterable[UnitMarker]) -> list[Failure]:
    """Inputs that gave nothing or broke off, in the order of the list of inputs."""
    found = [
        Failure(row.position, row.id, row.status, row.reason)
        for marker in markers
        for row in marker.inputs
        if row.status in ("failed", "partial")
    ]
    return sorted(found, key=lambda failure: (failure.position or 0, failure.source_id))


def scores(frames: pa.Table, thresholds: Mapping[str, float]) -> list[Score]:
    """Every score over all frames."""
    edges = np.linspace(0.0, 1.0, SCORE_BINS + 1)
    found = []
    for name in SCORE_NAMES if len(frames) else ():
        values = frames[name].to_numpy()
        threshold = thresholds.get(name)
        below = 0 if threshold is None else int((values < np.float32(threshold)).sum())
        counts = np.histogram(values, edges)[0].tolist()
        found.append(Score(name, edges.tolist(), counts, float(np.median(values)), threshold, below))
    return found


def timelines(
    frames: pa.Table, videos: Sequence[str], lengths: Mapping[str, float], codes: NDArray[np.int64], fates: int
) -> list[Strip]:
    """A strip for some of the videos: at most SHOWN_VIDEOS, drawn by lot."""
    found = []
    for unit in by_lot(videos, SHOWN_VIDEOS):
        mine = np.flatnonzero(pc.equal(frames["unit"], unit).to_numpy())
        length = lengths[unit]
        bins = min(BINS, len(mine))
        place = frames["pts_us"].take(pa.array(mine)).to_numpy() / 1e6 / (length or 1.0)
        counts = np.zeros((bins, fates), np.int64)
        np.add.at(counts, (np.minimum((place * bins).astype(np.int64), bins - 1), codes[mine]), 1)
        found.append(Strip(unit, length, counts.tolist()))
    return found


def hidden(corpus: Corpus) -> pa.Array:
    """Frame ids that no page may show."""
    never = []
    for stage in NEVER_SHOWN:
        decisions = tables.read_decisions(corpus, stage)
        if decisions is not None:
            never += decisions.filter(pc.invert(pc.field("keep")))["frame_id"].to_pylist()
    return pa.array(sorted(set(never)), pa.string())


class Shown:
    """The pictures of a page: which frames, drawn by lot among those that may be shown, and their thumbnails."""

    def __init__(self, corpus: Corpus, frames: pa.Table, never: pa.Array) -> None:
        self.reader = FrameReader(corpus)
        self._frames = frames.combine_chunks()
        self._ids = self._frames["frame_id"].combine_chunks()
        self._allowed = ~np.asarray(pc.is_in(self._ids, value_set=never).to_numpy(zero_copy_only=False), bool)

    def gallery(self, fate: str, among: NDArray[np.bool_], count: int) -> Gallery:
        """Some frames of one fate. `among` is bool [frames]."""
        ids = self._ids.filter(pa.array(among & self._allowed)).to_pylist()
        return Gallery(fate, int(among.sum()), [self.picture(frame_id) for frame_id in by_lot(ids, count)])

    def lowest(self, among: NDArray[np.bool_], count: int) -> list[Picture]:
        """The frames of lowest quality, lowest first."""
        rows = self._frames.select(["frame_id", "quality"]).filter(pa.array(among & self._allowed))
        first = pc.sort_indices(rows, [("quality", "ascending"), ("frame_id", "ascending")])[:count]
        return [self.picture(frame_id) for frame_id in rows["frame_id"].take(first).to_pylist()]

    def pairs(self, verdict: pa.Table, count: int) -> tuple[list[Pair], int]:
        """Some near copies beside their evidence, and how many there are."""
        rows = verdict.filter(pc.equal(verdict["stage"], "dedup"))
        found = {}
        for frame_id, evidence in zip(rows["frame_id"].to_pylist(), rows["evidence"].to_pylist(), strict=True):
            match = EVIDENCE.match(evidence)
            if match is not None:
                found[frame_id] = (match[1], None if match[2] is None else float(match[2]))
        allowed = set(self._ids.filter(pa.array(self._allowed)).to_pylist())
        both = [dropped for dropped, (kept, _) in found.items() if dropped in allowed and kept in allowed]
        drawn = by_lot(both, count)
        return [Pair(self.picture(one), self.picture(found[one][0]), found[one][1]) for one in drawn], len(rows)

    def picture(self, frame_id: str) -> Picture:
        """One frame as shown."""
        place = pc.index(self._ids, frame_id).as_py()
        row = {name: self._frames[name][place].as_py() for name in COLUMNS}
        jpeg = self.reader.jpeg(*(row[name] for name in PLACE))
        when = f" at {clock(row['pts_us'] / 1e6)}" if row["pts_us"] else ""
        return Picture(frame_id, thumbnail(jpeg), f"quality {row['quality']:.2f} · {row['source_id'][:8]}…{when}")


def settings_in_force(corpus: Corpus) -> dict[str, Mapping[str, Any]]:
    """Stage -> the settings its result was made with, in the order of the road."""
    found: dict[str, Mapping[str, Any]] = {"extract": read_settings(corpus).get("extract", {})}
    accounts = read_accounts(corpus)
    for stage in tables.STAGES:
        config = accounts.get(stage, {}).get("extra", {}).get("config")
        if isinstance(config, Mapping):
            found[stage] = config
    return found
