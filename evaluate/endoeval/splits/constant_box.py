"""The null row of detection: the same box in every frame, of score 0.5. It looks at no pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from endoeval.splits.rows import TEST, TRAIN, Rows

Float = NDArray[np.float64]

CANDIDATES = 200
"""Boxes that are tried as the constant one, beside the median box."""
SAMPLE = 2_000
"""Boxes a candidate is tried on."""
IOUS = np.arange(50, 100, 5) / 100
"""Overlaps of COCO's AP, 0.50 to 0.95."""
MOST_SHARE = 1.5
"""A corner above this is in pixels."""
RECALLS = 101
"""Points of COCO's precision-recall curve."""


@dataclass(frozen=True)
class BoxNull:
    """One box of score 0.5 in every frame of the test list."""

    box: tuple[float, float, float, float]
    """x0 y0 x1 y1 as shares of the picture; without its size, of the largest corners listed."""
    sizes_known: bool
    """False: pixels were listed, without sizes of pictures."""
    frames: int
    positives: int
    """Frames that hold a box."""
    frame_precision: float
    """Of frame presence at a cut of 0.5: the share of frames that hold a box, for all are called positive."""
    frame_f1: float
    """F1 of the same; recall is 1."""
    ap50: float
    """AP at an overlap of 0.5."""
    ap: float
    """Mean AP over overlaps of 0.50 to 0.95."""
    note: str
    """Which boxes the constant one was taken from."""


def scaled(boxes: Float, lists: Sequence[int]) -> tuple[Float, bool]:
    """Boxes of lists in pixels without sizes, all as shares of one picture: its edges are their largest corners.

    Args:
        boxes: [n, 4] as shares of the picture or, where nothing told its size, in pixels; nan: none.
        lists: rows of each list in turn.

    Returns: the boxes, and False where a list held pixels.
    """
    largest = [np.nanmax(part, initial=0.0) for part in np.split(boxes, np.cumsum(lists)[:-1])]
    pixels = np.repeat(np.array(largest) > MOST_SHARE, lists)
    if not pixels.any():
        return boxes, True
    edge = np.tile(np.nanmax(boxes[pixels, 2:], axis=0), 2)
    return np.where(pixels[:, None], boxes / edge, boxes), False


def box_null(rows: Rows, *, sizes_known: bool = True) -> BoxNull | None:
    """The constant box on the test list; None where it holds no box.

    Frames are told apart by their names (and groups, where there are some). All detections have one score, so the
    precision-recall curve is one point: precision hits / frames up to recall hits / boxes (COCO's 101 points).
    """
    if rows.boxes is None:
        return None
    test = np.flatnonzero(rows.splits == TEST)
    held = ~np.isnan(rows.boxes.sum(axis=1))
    truth = test[held[test]]
    if not len(truth):
        return None
    frame = _frames(rows, test)
    frames, frame_of = int(frame.max()) + 1, frame[held[test]]
    positives = len(np.unique(frame_of))
    source = np.flatnonzero((rows.splits == TRAIN) & held)
    note = f"the box that fits most of {len(source):,} boxes of train"
    if not len(source):
        source, note = truth, f"train lists no boxes, so it fits the {len(truth):,} boxes of the test itself"
    box = constant_box(rows.boxes[source])
    overlap = ious(box, rows.boxes[truth])
    precisions = [_average_precision(overlap, frame_of, frames, limit) for limit in IOUS]
    precision = positives / frames
    return BoxNull(
        box=(float(box[0]), float(box[1]), float(box[2]), float(box[3])),
        sizes_known=sizes_known,
        frames=frames,
        positives=positives,
        frame_precision=precision,
        frame_f1=2 * precision / (1 + precision),
        ap50=precisions[0],
        ap=float(np.mean(precisions)),
        note=note,
    )


def constant_box(boxes: Float) -> Float:
    """The box that overlaps most of the given ones by at least one half; of equals the larger mean overlap.

    Args:
        boxes: float64 [n, 4], finite, n ≥ 1; evenly spaced samples of them are tried, and their median.
    """
    tried = np.concatenate([np.median(boxes, axis=0)[None], _thinned(boxes, CANDIDATES)])
    sample = _thinned(boxes, SAMPLE)
    overlap = np.stack([ious(box, sample) for box in tried])
    best = np.lexsort((overlap.mean(axis=1), (overlap >= 0.5).sum(axis=1)))[-1]
    chosen: Float = tried[best]
    return chosen


def ious(box: Float, boxes: Float) -> Float:
    """Intersection over union of one box [4] with [n, 4]; 0 where both are empty."""
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    both = np.clip(high - low, 0, None).prod(axis=1)
    either = (box[2:] - box[:2]).prod() + (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) - both
    share: Float = np.divide(both, either, out=np.zeros_like(both), where=either > 0)
    return share


def _average_precision(overlap: Float, frame_of: NDArray[np.int64], frames: int, limit: float) -> float:
    # One detection a frame: it can be right about one box of that frame only.
    hits = len(np.unique(frame_of[overlap >= limit]))
    reached = int(np.floor(hits / len(overlap) * (RECALLS - 1) + 1e-9)) + 1 if hits else 0
    return hits / frames * reached / RECALLS


def _frames(rows: Rows, test: NDArray[np.intp]) -> NDArray[np.int64]:
    """A number for each frame of the test rows, from 0 without holes."""
    seen: dict[tuple[str, int], int] = {}
    groups = np.zeros(len(test), dtype=np.int64) if rows.groups is None else rows.groups[test]
    keys = ((rows.names[row], int(group)) for row, group in zip(test, groups, strict=True))
    return np.array([seen.setdefault(key, len(seen)) for key in keys], dtype=np.int64)


def _thinned(boxes: Float, most: int) -> Float:
    if len(boxes) <= most:
        return boxes
    thin: Float = boxes[np.linspace(0, len(boxes) - 1, most).round().astype(np.int64)]
    return thin
