"""Which frames are good enough: thresholds on scores, and a reason with its evidence for each frame that is not."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from endocur.configs import SCORE_NAMES
from endocur.quality.scores import structure

VERSION = "1"
"""Raised when the same scores and thresholds may give other decisions or words."""

BLANK = "blank"
FAULTS = ("sharpness", "exposure", "contrast", "colour")
"""`quality` is as good as the worst of these allows (docs/scores.md): it is named beside a quality that fails."""


def decide(frames: pa.Table, thresholds: Mapping[str, float]) -> pa.Table:
    """Keep or drop each frame.

    A frame stays if every score named in `thresholds` reaches its value. Else its reason is the lowest of the
    scores that fail (of equal ones the first in SCORE_NAMES), or `blank` where there is nothing to see.

    Args:
        frames: columns frame_id, is_blank and the scores named; one row a frame.
        thresholds: score name -> least value that stays, 0 to 1.
    Returns: columns frame_id, keep, reason, evidence; rows in the order of `frames`.
    """
    names = [name for name in SCORE_NAMES if name in thresholds]
    # Scores are float32: a frame at the threshold as the user wrote it stays.
    limits = np.array([thresholds[name] for name in names], np.float32)
    scores = np.stack([frames[name].to_numpy() for name in names], axis=1).reshape(len(frames), len(names))
    fails = scores < limits
    keep = ~fails.any(axis=1)
    lowest = np.where(fails, scores, np.inf).argmin(axis=1)
    blank = frames["is_blank"].to_numpy()
    reason = np.where(blank, BLANK, np.array(names, object)[lowest]).astype(object)
    reason[keep] = ""
    evidence = np.full(len(frames), "", object)
    weakest = _weakest(frames) if "quality" in names else None
    for row in np.flatnonzero(~keep):
        column = int(lowest[row])
        words = _below(names[column], scores[row, column], limits[column])
        if names[column] == "quality" and weakest is not None and not blank[row]:
            fault, value = weakest[0][row], weakest[1][row]
            words += f"; weakest: {FAULTS[fault]} {value:.2f}"
        evidence[row] = words
    return pa.table(
        {
            "frame_id": frames["frame_id"],
            "keep": pa.array(keep),
            "reason": pa.array(reason, pa.string()),
            "evidence": pa.array(evidence, pa.string()),
        }
    )


def _weakest(frames: pa.Table) -> tuple[NDArray[np.int64], NDArray[np.float32]] | None:
    """Which of FAULTS is lowest, and its value; None if the table does not have them."""
    if any(name not in frames.column_names for name in FAULTS):
        return None
    sharpness, exposure, contrast, colour = (frames[name].to_numpy() for name in FAULTS)
    # As quality has it: contrast counts less without colour, and the lower of the two is to blame.
    judged = np.stack([sharpness, exposure, structure(contrast, colour)], axis=1).reshape(len(frames), 3)
    fault = judged.argmin(axis=1)
    fault[(fault == 2) & (colour < contrast)] = 3
    values = np.stack([sharpness, exposure, contrast, colour], axis=1).reshape(len(frames), 4)
    return fault, values[np.arange(len(frames)), fault]


def _below(name: str, value: float, limit: float) -> str:
    """`quality 0.31 < 0.40`, with as many digits as show the difference."""
    digits = 2 if f"{value:.2f}" != f"{limit:.2f}" else 4
    return f"{name} {value:.{digits}f} < {limit:.{digits}f}"
