"""Which frames show no inside of the body: `in_body` smoothed over time, runs, and the reason with its evidence.

A single frame is a weak witness: a wall before the lens, a flush of water, a cut. What stands around it for a second
and a half decides with it, by time stamps, so that any sampling rate means the same. Where a video has not yet been
inside for `RUN_S`, or will not be again, all is out: that is where faces, name tags and the room are.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

VERSION = "1"
"""Raised when the same `in_body` values may give other decisions or words."""

Mode = Literal["standard", "strict"]
REASON = "out_of_body"
REACH_S = 1.5
"""Frames so near in time vote on a frame."""
RUN_S = 3.0
"""A video is inside the body from the first run of this length to the last."""
LEAST = {"standard": 0.35, "strict": 0.65}
"""A frame below votes for out."""
MAJORITY = 0.5
"""Share of the votes for inside from which a frame is inside."""
MARGIN_S = {"standard": 0.0, "strict": 1.0}
"""What lies so near in time to a frame that is out goes with it."""


class Judged(NamedTuple):
    """What became of the frames of one video or of some stills."""

    out: NDArray[np.bool_]
    share: NDArray[np.float64]
    """Of judged frames near it that are inside (of a still: its own `in_body`); NaN where none could be judged."""
    outer: NDArray[np.bool_]
    """Out because it lies before the first run inside or after the last."""


def judge_video(pts_us: NDArray[np.int64], in_body: NDArray[np.float32], mode: Mode) -> Judged:
    """Judge the frames of one video.

    Args:
        pts_us: int64 [n], ascending.
        in_body: float32 [n] in [0, 1], NaN where a frame by itself says nothing (black, white).
        mode: see `LEAST` and `MARGIN_S`; `strict` also drops what nothing near it can vouch for.
    Returns: out, share, outer, each [n]. Nothing is out of a video in which no frame can be judged, unless `strict`.
    """
    share = share_inside(pts_us, in_body, LEAST[mode])
    known = ~np.isnan(share)
    if not known.any():
        return Judged(np.full(len(share), mode == "strict"), share, np.zeros(len(share), np.bool_))
    out = known & (share < MAJORITY)
    if mode == "strict":
        out |= ~known
    else:
        out[~known] = out[known][_nearest(pts_us[known], pts_us[~known])]
    if margin := MARGIN_S[mode]:
        out |= _within(pts_us, pts_us[out], margin)
    outer = _outer(pts_us, ~out)
    return Judged(out | outer, share, outer & ~out)


def judge_stills(in_body: NDArray[np.float32], mode: Mode) -> Judged:
    """Judge stills one by one. Args and returns: as `judge_video`; one that says nothing is out only if `strict`."""
    value = in_body.astype(np.float64)
    unknown = np.isnan(value)
    out = np.where(unknown, mode == "strict", np.nan_to_num(value) < LEAST[mode])
    return Judged(out.astype(np.bool_), value, np.zeros(len(value), np.bool_))


def share_inside(pts_us: NDArray[np.int64], in_body: NDArray[np.float32], least: float) -> NDArray[np.float64]:
    """Share of what can be judged within REACH_S of each frame, itself included, that reaches `least`.

    A vote and not a mean: the border between outside and inside stays where it is.
    Returns: float64 [n] in [0, 1]; NaN where nothing near can be judged.
    """
    known = ~np.isnan(in_body)
    votes = known & (np.where(known, in_body, 0) >= np.float32(least))
    total, count = (np.concatenate([[0], np.cumsum(part.astype(np.int64))]) for part in (votes, known))
    reach = round(REACH_S * 1_000_000)
    first, end = np.searchsorted(pts_us, pts_us - reach, "left"), np.searchsorted(pts_us, pts_us + reach, "right")
    near = count[end] - count[first]
    share = np.full(len(pts_us), np.nan)
    np.divide(total[end] - total[first], near, out=share, where=near > 0)
    return share


def _outer(pts_us: NDArray[np.int64], inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """True before the first run inside of RUN_S and after the last; of a shorter video nothing, of one without all."""
    step = int(np.median(np.diff(pts_us))) if len(pts_us) > 1 else 0
    needed = round(RUN_S * 1_000_000)
    if len(pts_us) < 2 or pts_us[-1] - pts_us[0] + step < needed:
        return np.zeros(len(pts_us), np.bool_)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], inside.astype(np.int8), [0]])))
    starts, ends = edges[::2], edges[1::2]
    covered = pts_us[ends - 1] - pts_us[starts] + step
    long = (covered >= needed) & (ends - starts >= 2)
    outer = np.ones(len(pts_us), np.bool_)
    if long.any():
        outer[starts[long][0] : ends[long][-1]] = False
    return outer


def _nearest(among: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    """Place of the nearest of `among` to each of `wanted`, the earlier of two; both ascend."""
    after = np.clip(np.searchsorted(among, wanted), 1, max(1, len(among) - 1))
    after = np.minimum(after, len(among) - 1)
    before = np.maximum(after - 1, 0)
    return np.where(np.abs(wanted - among[before]) <= np.abs(among[after] - wanted), before, after)


def _within(pts_us: NDArray[np.int64], marks: NDArray[np.int64], reach_s: float) -> NDArray[np.bool_]:
    """Which frames lie at most `reach_s` from a mark."""
    reach = round(reach_s * 1_000_000)
    first, end = np.searchsorted(marks, pts_us - reach, "left"), np.searchsorted(marks, pts_us + reach, "right")
    return np.asarray(end > first)


def decide(frames: pa.Table, stills: frozenset[str], mode: Mode) -> pa.Table:
    """Keep or drop each frame for privacy.

    Args:
        frames: columns frame_id, source_id, unit, pts_us, in_body (null: says nothing); sorted by frame_id.
        stills: units that hold stills, whose frames have no neighbours.
        mode: `standard` or `strict`.
    Returns: columns frame_id, keep, reason, evidence; rows in the order of `frames`.
    """
    value = frames["in_body"].cast(pa.float32()).to_numpy().astype(np.float32)
    pts, sources = frames["pts_us"].to_numpy(), frames["source_id"].to_numpy()
    alone = pc.is_in(frames["unit"], value_set=pa.array(sorted(stills), pa.string())).to_numpy()
    out, outer = np.zeros(len(frames), np.bool_), np.zeros(len(frames), np.bool_)
    share = np.full(len(frames), np.nan)
    found = judge_stills(value[alone], mode)
    out[alone], share[alone] = found.out, found.share
    rows = np.flatnonzero(~alone)
    borders = np.flatnonzero(sources[rows][1:] != sources[rows][:-1]) + 1
    for part in np.split(rows, borders) if len(rows) else ():
        found = judge_video(pts[part], value[part], mode)
        out[part], share[part], outer[part] = found
    evidence = np.full(len(frames), "", object)
    for row in np.flatnonzero(out):
        evidence[row] = _words(share[row], bool(alone[row]), bool(outer[row]), mode)
    return pa.table(
        {
            "frame_id": frames["frame_id"],
            "keep": pa.array(~out),
            "reason": pa.array(np.where(out, REASON, ""), pa.string()),
            "evidence": pa.array(evidence, pa.string()),
        }
    )


def _words(share: float, alone: bool, outer: bool, mode: Mode) -> str:
    if outer:
        return f"outside all runs of {RUN_S:g} s in the body"
    if np.isnan(share):
        return "cannot be judged, nor anything near it"
    if alone:
        return f"in_body {share:.4f} < {LEAST[mode]:.2f}"
    if share >= MAJORITY:
        return f"within {MARGIN_S[mode]:g} s of a frame out of the body"
    return f"in_body < {LEAST[mode]:.2f} in {1 - share:.0%} of what lies within {REACH_S:g} s"
