"""All frames of a corpus as one table (`endocur.packs`), and the chain of decisions about them.

`decisions/<stage>.parquet` holds what one stage decided about the frames that
came to it: keep, reason, evidence; its head keeps the fingerprint of what it was decided on, so that a later
change of frames, scores or an earlier stage makes it, and all that follow, stale.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from endocur import redactions
from endocur.corpus import Corpus
from endocur.packs import contents, frames, head_of, is_damage
from endocur.select.wording import with_corpus
from endocur.store import write_table
from endoshards.errors import BadInput
from endoshards.files import fingerprint

__all__ = [
    "DECISION_COLUMNS",
    "SOFT",
    "STAGES",
    "decided_so",
    "decided_with",
    "frames",
    "funnel",
    "inputs_fingerprint",
    "kept_before",
    "read_decisions",
    "require_fresh",
    "stage_fingerprint",
    "stale",
    "verdict",
    "write_decisions",
]

STAGES = ("privacy", "filter", "leaks", "dedup", "balance", "review", "withdraw")
"""In this order; a frame is kept when every stage that ran keeps it."""

SOFT = ("filter", "dedup", "balance")
"""Stages whose drops a reviewer may undo."""

DECISION_COLUMNS = pa.schema(
    [("frame_id", pa.string()), ("keep", pa.bool_()), ("reason", pa.string()), ("evidence", pa.string())]
)


def stage_fingerprint(corpus: Corpus, stage: str, config_what: Mapping[str, object]) -> str:
    """16 hex digits over a stage's settings and all it decides on: frames, scores, the stages before it.

    Args:
        corpus: any corpus.
        stage: one of STAGES.
        config_what: its settings that matter (`endoshards.settings.what`), and the version of its method.
    """
    return fingerprint({"stage": stage, "config": dict(config_what), "inputs": inputs_fingerprint(corpus, stage)})


def inputs_fingerprint(corpus: Corpus, stage: str) -> str:
    """16 hex digits over what comes to a stage: frames, scores, decisions of the stages before it."""
    before = {name: _decision_head(corpus, name).get("fingerprint") for name in STAGES[: STAGES.index(stage)]}
    return fingerprint({"frames": contents(corpus), "before": {name: value for name, value in before.items() if value}})


def write_decisions(
    corpus: Corpus, stage: str, decisions: pa.Table, fingerprint: str, *, command: str | None = None
) -> None:
    """Write `decisions/<stage>.parquet`, sorted by frame_id; equal decisions give equal bytes.

    Args:
        corpus: any corpus.
        stage: one of STAGES.
        decisions: DECISION_COLUMNS, a row for each frame that came to the stage.
        fingerprint: `stage_fingerprint` of the settings.
        command: the line that decides the same again, less `--corpus`; `endocur <stage>` if None.
    """
    rows = decisions.select(DECISION_COLUMNS.names).cast(DECISION_COLUMNS).sort_by("frame_id")
    head = {
        "stage": stage,
        "fingerprint": fingerprint,
        "inputs": inputs_fingerprint(corpus, stage),
        "command": command or f"endocur {stage}",
    }
    write_table(_decision_path(corpus, stage), rows.combine_chunks().replace_schema_metadata(head))


def read_decisions(corpus: Corpus, stage: str) -> pa.Table | None:
    """What a stage decided, DECISION_COLUMNS sorted by frame_id; None if it never ran.

    Raises: BadInput if the file is damaged.
    """
    path = _decision_path(corpus, stage)
    if not path.is_file():
        return None
    try:
        return pq.read_table(path, schema=DECISION_COLUMNS, partitioning=None)
    except (pa.ArrowInvalid, OSError) as error:
        if not is_damage(error):
            raise
        raise _damaged(corpus, stage) from None


def decided_so(corpus: Corpus, stage: str, fingerprint: str) -> pa.Table | None:
    """As `read_decisions`, but None also where they are damaged or were made on other grounds."""
    head = head_of(_decision_path(corpus, stage))
    if head is None or head.get("fingerprint") != fingerprint:
        return None
    try:
        return read_decisions(corpus, stage)
    except BadInput:
        return None


def decided_with(corpus: Corpus, stage: str) -> str | None:
    """Fingerprint that a stage's decisions were written with; None if it never ran."""
    return _decision_head(corpus, stage).get("fingerprint")


def stale(corpus: Corpus, before: str | None = None) -> list[str]:
    """Stages whose decisions no longer fit what came to them, and the stages that follow those; in order.

    Args:
        corpus: any corpus.
        before: only the stages before this one are looked at; all if None.
    """
    found: list[str] = []
    for stage in STAGES[: STAGES.index(before) if before else None]:
        head = _decision_head(corpus, stage)
        if head and (found or head.get("inputs") != inputs_fingerprint(corpus, stage)):
            found.append(stage)
    return found


def require_fresh(corpus: Corpus, before: str | None = None) -> None:
    """Refuse to build on decisions that no longer hold.

    Args:
        corpus: any corpus.
        before: only the stages before this one count; all if None.
    Raises: BadInput if one is stale, with the command lines that mend it, in order; first of all if frames wait for a
        mask that a person asked for.
    """
    if waiting := redactions.pending(corpus):
        raise BadInput(
            f"frames of {len(waiting):,} unit{'s' if len(waiting) > 1 else ''} of {corpus.root} wait for masks that "
            f"were asked for; put them on: {with_corpus('endocur redact', corpus)}"
        )
    old = stale(corpus, before)
    if old:
        # One command may decide two stages: its line is typed once.
        lines = " && ".join(
            dict.fromkeys(with_corpus(_decision_head(corpus, stage)["command"], corpus) for stage in old)
        )
        raise BadInput(
            f"frames, scores or an earlier stage changed after {' and '.join(old)} ran on {corpus.root}, "
            f"so what was decided no longer holds; run: {lines}"
        )


def verdict(corpus: Corpus) -> pa.Table:
    """What became of each frame: frame_id, keep, and for dropped ones stage, reason, evidence ("" if kept).

    The first stage that drops a frame is named. A reviewer's keep undoes drops of SOFT stages, no others; its
    own word stands as stage and reason of such a frame.
    Returns: one row a frame of `frames`, in the same order.
    """
    fate = _fate(corpus, STAGES)
    return pa.table(
        {
            "frame_id": fate.ids,
            "keep": pa.array(fate.keep),
            "stage": pa.array(["", *STAGES]).take(pa.array(fate.stage)),
            "reason": pa.concat_arrays(fate.reasons).take(pa.array(fate.words)),
            "evidence": pa.concat_arrays(fate.evidence).take(pa.array(fate.words)),
        }
    )


def kept_before(corpus: Corpus, stage: str) -> pa.Array:
    """Ids of the frames that come to a stage: kept by all before it, sorted."""
    fate = _fate(corpus, STAGES[: STAGES.index(stage)])
    return fate.ids.filter(pa.array(fate.keep))


def funnel(corpus: Corpus) -> list[dict[str, Any]]:
    """For each stage that ran: stage, seen, kept, dropped (reason -> count), after what a reviewer undid.

    `seen` of a stage is `kept` of the one before, and kept + dropped = seen.
    Raises: AssertionError if the sums do not add up: a bug of ours.
    """
    fate = verdict(corpus)
    seen = len(fate)
    steps: list[dict[str, Any]] = []
    dropped_rows = fate.filter(pc.invert(fate["keep"]))
    for stage in STAGES:
        if not _decision_path(corpus, stage).is_file():
            continue
        counts = pc.value_counts(dropped_rows.filter(pc.equal(dropped_rows["stage"], stage))["reason"].combine_chunks())
        dropped = {pair["values"].as_py(): pair["counts"].as_py() for pair in counts}
        kept = seen - sum(dropped.values())
        steps.append({"stage": stage, "seen": seen, "kept": kept, "dropped": dict(sorted(dropped.items()))})
        seen = kept
    if seen != pc.sum(fate["keep"].cast(pa.int64()), min_count=0).as_py():
        raise AssertionError(f"the funnel ends with {seen} frames, the verdict keeps another number")
    return steps


@dataclass
class _Fate:
    """What became of each frame, and where the words for it lie."""

    ids: pa.Array
    keep: NDArray[np.bool_]
    stage: NDArray[np.int64]
    """0: no stage; k: STAGES[k - 1]."""
    words: NDArray[np.int64]
    """Place in `reasons` and `evidence`, laid end to end; 0 holds no words."""
    reasons: list[pa.Array]
    evidence: list[pa.Array]


def _fate(corpus: Corpus, stages: Sequence[str]) -> _Fate:
    ids = frames(corpus, ["frame_id"])["frame_id"].combine_chunks()
    count = len(ids)
    blank = pa.array([""], pa.string())
    fate = _Fate(ids, np.ones(count, np.bool_), np.zeros(count, np.int64), np.zeros(count, np.int64), [blank], [blank])
    soft = [STAGES.index(name) + 1 for name in SOFT]
    height = 1
    for number, stage in enumerate(STAGES, 1):
        rows = read_decisions(corpus, stage) if stage in stages else None
        if rows is None:
            continue
        place = pc.index_in(rows["frame_id"].combine_chunks(), value_set=ids)
        row = np.flatnonzero(place.is_valid().to_numpy(zero_copy_only=False))  # frames that are gone have no place
        where = place.drop_null().to_numpy()
        keeps = rows["keep"].to_numpy()[row]
        kept = fate.keep[where]
        undone = keeps & ~kept & np.isin(fate.stage[where], soft) if stage == "review" else np.zeros(len(row), np.bool_)
        changed = (kept & ~keeps) | undone
        at = where[changed]
        fate.keep[at], fate.stage[at], fate.words[at] = keeps[changed], number, height + row[changed]
        fate.reasons.append(rows["reason"].combine_chunks())
        fate.evidence.append(rows["evidence"].combine_chunks())
        height += len(rows)
    return fate


def _decision_path(corpus: Corpus, stage: str) -> Path:
    if stage not in STAGES:
        raise ValueError(f"{stage!r} is no stage; the stages are {', '.join(STAGES)}")
    return corpus.decisions / f"{stage}.parquet"


def _decision_head(corpus: Corpus, stage: str) -> dict[str, str]:
    """What stands in the head of a stage's decisions; {} if there are none. Raises: BadInput if damaged."""
    head = head_of(_decision_path(corpus, stage))
    if head is None:
        raise _damaged(corpus, stage)
    return head


def _damaged(corpus: Corpus, stage: str) -> BadInput:
    again = with_corpus(f"endocur {stage}", corpus)
    return BadInput(f"{_decision_path(corpus, stage)} is damaged; decide anew: {again}")
