"""What is burned into the picture: still regions with lasting edges, then what a text detector adds.

Tissue moves, so over distant moments its median is smooth; burned-in letters, plates, logos and frames of insets keep
their edges at the same pixels. A picture that rests as a whole says nothing about overlays and yields none.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from endocur.extract.moments import Moments, gradient

Mask = NDArray[np.bool_]
Box = tuple[int, int, int, int]

MIN_MOMENTS = 5
"""With fewer distinct moments a chance agreement of unlike pictures is not rare: nothing is called still."""
MIN_TIMES = 4
"""Frames that must show an edge for it to last: among few frames one strong highlight makes a mean of its own."""
STILL_SHARE = 0.2
"""A pixel is still if it moves by less than this share of what the view typically moves."""
LASTING_EDGE = 8.0
"""Levels a pixel that the mean gradient keeps at an overlay's edge; tissue over distant moments keeps 1 to 3."""
COHERENT = 0.7
"""Share of the edges at a pixel that point the same way all the time: 1.0 for what stands still, 0.8-0.97 for captions
that come and go, 0.5-0.7 for highlights that happen to return (measured on clips)."""
FREQUENT_EDGE = 3.0
"""Digits that change: edges this many times as frequent as in the view's median pixel."""
LETTER_GAP = 0.012
"""Share of the picture's height that letters of one line lie apart at most (half of it)."""
LINE = 0.07
"""Share of the picture's height that a line of text is high at most."""
RIM = 0.004
"""Share of the picture's height on each side of the view's outline where its own edge is no sign of an overlay."""
LENS = 0.025
"""Share of the picture's height from the outline inwards where the lens's own rim makes lasting edges: up to 13 px of
540 lines in laparoscopy, up to 6 in colonoscopy (measured on clips)."""
PARALLEL = 0.9
"""Cosine from which an edge runs along the outline: nine in ten of a lens's rim do, one in seven of a caption's."""
PANEL_SHARE = 0.003
"""Share of the frame that a flat panel covers at least."""
RINGING = 0.004
"""Share of the picture's height that a codec's ringing reaches beyond an overlay: 2-4 px at 720 lines."""


@dataclass(frozen=True)
class Overlay:
    """Burned-in pixels."""

    mask: Mask
    """[h, w]."""
    boxes: list[Box]
    """x0, y0, x1, y1 of each connected region of the mask."""


def resting(found: Moments, view: Mask) -> bool:
    """True if the picture moves too little, or too few moments are distinct, to tell overlays from tissue."""
    return found.frames < MIN_MOMENTS or float(np.median(found.range[view])) < 12.0 if view.any() else True


def burned_in(found: Moments, view: Mask, *, often: float = 0.0) -> Mask:
    """Overlays by stillness alone, in the whole frame: [h, w].

    Args:
        found: statistics of distant moments.
        view: bool [h, w], True where the picture is; beyond it only lasting edges count, for there all is still.
        often: share of the moments that must show an edge: what is there more rarely comes and goes.
    """
    if resting(found, view):
        return np.zeros(view.shape, bool)
    height = view.shape[0]
    typical = float(np.median(found.range[view]))
    still = (found.range <= np.clip(STILL_SHARE * typical, 6, 16)) & view
    usual = float(np.median(found.lasting[view]))
    edges = (found.lasting > max(LASTING_EDGE, 3 * usual)) & (found.lasting > COHERENT * found.edge)
    edges &= found.times >= max(MIN_TIMES, often * found.frames)
    rim = max(2, round(RIM * height))
    edges &= ~_rim(view, rim)
    lens = _mostly(edges, edges & _along_outline(found, view))
    edges &= ~lens
    core = edges | _with_edges(still, edges)
    core = _close(core, max(2, round(LETTER_GAP * height)), max(1, round(0.003 * height)))
    core = _fill(core, _rim(view, rim) | lens, view, rim)
    core = _drop_specks(core, max(4, round(0.006 * height)), _rim(view, 3 * rim, frame=True))
    core = _boxed_lines(core, round(LINE * height))
    core |= _frequent(found, view, core)
    return _dilate(core, max(1, round(RINGING * height)))


def compact(mask: Mask) -> Mask:
    """The regions that fill much of their box: plates, insets, lines of text; not arcs along an outline."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    box = stats[:, cv2.CC_STAT_WIDTH] * stats[:, cv2.CC_STAT_HEIGHT]
    keep = (stats[:, cv2.CC_STAT_AREA] >= 0.4 * box) & (box <= 0.25 * mask.size)
    keep[0] = False
    return np.asarray(keep[labels]) if count > 1 else np.zeros_like(mask)


def _rim(view: Mask, radius: int, *, frame: bool = False) -> Mask:
    """The band along the view's own outline, on both sides, where its edge lasts without being an overlay.

    With `frame` also where the view meets the frame's edge.
    """
    if frame:
        return _rim(np.pad(view, radius), radius)[radius:-radius, radius:-radius]
    return _dilate(view, radius) & ~_erode(view, radius)


def _along_outline(found: Moments, view: Mask) -> Mask:
    """Where luma steps across the outline of the view and near it: the lens's dark rim, the first rows of a codec.

    The frame's own edge is outline too. Letters step in all directions, so enough of them is left to find them by.
    """
    inside = np.pad(view.astype(np.uint8), 1)  # where the view meets the frame's edge there is a step as well
    reach = max(4, round(LENS * view.shape[0]))
    near = cv2.distanceTransform(inside, cv2.DIST_L2, 5)[1:-1, 1:-1] <= reach
    out_x, out_y = gradient(cv2.GaussianBlur(np.pad(255 * inside, reach), (0, 0), reach / 2))
    part = np.s_[reach + 1 : -reach - 1, reach + 1 : -reach - 1]
    out_x, out_y = out_x[part], out_y[part]
    step_x, step_y = gradient(found.median)
    across = np.abs(step_x * out_x + step_y * out_y)
    parallel = across >= PARALLEL * cv2.magnitude(step_x, step_y) * cv2.magnitude(out_x, out_y)
    return np.asarray(near & parallel)


def _mostly(mask: Mask, part: Mask) -> Mask:
    """The pixels of `part` in those connected regions of the mask of which it is more than half.

    One side of an inset may run along the outline, its other sides do not: it keeps all.
    """
    count, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    whole, share = (np.bincount(labels[one], minlength=count) for one in (mask, part))
    return np.asarray(part & (share > 0.5 * whole)[labels])


def _boxed_lines(core: Mask, tallest: int) -> Mask:
    """Regions as low as a line of text, filled to their box: what lies between letters goes with them."""
    count, _, stats, _ = cv2.connectedComponentsWithStats(core.astype(np.uint8), connectivity=8)
    out = core.copy()
    for x, y, w, h, area in stats[1:count]:
        if h <= tallest and w > h and area > 0.4 * w * h:
            out[y : y + h, x : x + w] = True
    return out


def _with_edges(still: Mask, edges: Mask) -> Mask:
    """Still regions whose border is mostly lasting edges: a dark lumen has a soft rim, a plate a sharp one."""
    count, labels = cv2.connectedComponents(still.astype(np.uint8), connectivity=8)
    if count < 2:
        return np.zeros_like(still)
    near = _dilate(edges, 1)
    border = still & ~_erode(still, 1)
    total = np.bincount(labels[border], minlength=count)
    sharp = np.bincount(labels[border & near], minlength=count)
    keep = (sharp > 0.4 * np.maximum(1, total)) & (sharp >= 4)
    keep[0] = False
    return np.asarray(keep[labels])


def _frequent(found: Moments, view: Mask, core: Mask) -> Mask:
    """Digits that change beside still letters: frequent edges that touch a line of the core, to its left or right."""
    usual = float(np.median(found.edge[view]))
    often = (found.edge > max(8.0, FREQUENT_EDGE * usual)) & view & _erode(view, 2)
    count, _, stats, _ = cv2.connectedComponentsWithStats(core.astype(np.uint8), connectivity=8)
    out = np.zeros_like(core)
    for x, y, w, h, _ in stats[1:count]:
        if w < 1.2 * h or h > LINE * view.shape[0]:
            continue
        left, right = max(0, x - 3 * h), min(view.shape[1], x + w + 3 * h)
        strip = _close(often[y : y + h, left:right], max(1, h // 3), 1)
        columns = strip.mean(axis=0) > 0.25
        columns[x - left : x + w - left] = True
        start, end = x - left, x + w - left
        gap = max(2, h // 2)
        while start > 0 and columns[max(0, start - gap) : start].any():
            start = max(0, start - gap) + int(np.flatnonzero(columns[max(0, start - gap) : start])[0])
        while end < len(columns) and columns[end : end + gap].any():
            end = end + 1 + int(np.flatnonzero(columns[end : end + gap])[-1])
        out[y : y + h, left + start : x] = True
        out[y : y + h, x + w : left + end] = True
    return out & view


def _fill(core: Mask, outline: Mask, view: Mask, rim: int) -> Mask:
    """Holes of the overlays (the moving picture inside an inset's frame), unless they are a large part of the view.

    Where an inset crosses the outline of the view, or a side of it runs along, its frame has gaps; there the outline
    [h, w] closes the hole.
    """
    closed = core | outline
    count, labels, stats, _ = cv2.connectedComponentsWithStats((~closed).astype(np.uint8), connectivity=4)
    out = core.copy()
    for k in range(1, count):
        if stats[k, cv2.CC_STAT_AREA] > 0.12 * view.sum() or _touches(stats[k], core.shape):
            continue
        x, y, w, h, _ = stats[k]
        part = np.s_[max(0, y - 2) : y + h + 2, max(0, x - 2) : x + w + 2]
        hole = labels[part] == k
        ring = _dilate(hole, 1) & ~hole
        if (core[part] & ring).sum() >= 0.5 * ring.sum():
            out[part] |= _dilate(hole, 2 * rim + 1) if (view[part] & hole).any() else hole
    return out


def _touches(stat: NDArray[np.int32], shape: tuple[int, ...]) -> bool:
    x, y, w, h = (int(v) for v in stat[:4])
    return x == 0 or y == 0 or x + w == shape[1] or y + h == shape[0]


def flat_panels(rgb: NDArray[np.uint8]) -> Mask:
    """Insets of a still: upright rectangles of one flat colour that tissue does not have (scope guides, error boxes).

    Args:
        rgb: uint8 [h, w, 3].
    Returns: bool [h, w], the panels' boxes with what is drawn in them.
    """
    kernel = np.ones((3, 3), np.uint8)
    flat = (cv2.dilate(rgb, kernel) - cv2.erode(rgb, kernel)).max(axis=2) <= 8
    red, green, blue = (rgb[..., k].astype(np.int16) for k in range(3))
    cold = np.maximum(green, blue) > red + 20
    count, labels, stats, _ = cv2.connectedComponentsWithStats((flat & cold).astype(np.uint8), connectivity=4)
    out = np.zeros(flat.shape, bool)
    for k, (x, y, w, h, area) in enumerate(stats[1:count], start=1):
        if area < PANEL_SHARE * flat.size or area < 0.6 * w * h:
            continue
        colours = rgb[labels == k]
        if float(colours.std(axis=0).max()) <= 6:
            grown = 2  # the flatness test eats the panel's own edge
            out[max(0, y - grown) : y + h + grown, max(0, x - grown) : x + w + grown] = True
    return out


def enlarged(mask: Mask, height: int, width: int) -> Mask:
    """A mask at another size; a pixel that an overlay touches at all counts."""
    if mask.shape == (height, width):
        return mask
    return np.asarray(cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR) > 0.25)


def boxed(mask: Mask) -> Overlay:
    """A mask with the boxes of its connected regions, top to bottom."""
    count, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    boxes = [(int(x), int(y), int(x + w), int(y + h)) for x, y, w, h, _ in stats[1:count]]
    return Overlay(mask, sorted(boxes, key=lambda box: (box[1], box[0])))


def _drop_specks(mask: Mask, side: int, rim: Mask) -> Mask:
    """Without regions smaller than `side`, and without those that lie on the view's rim alone."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    keep = np.maximum(stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_HEIGHT]) >= side
    keep &= np.bincount(labels[~rim], minlength=count) > 0
    keep[0] = False
    return np.asarray(keep[labels])


def _kernel(rx: int, ry: int) -> NDArray[np.uint8]:
    return np.ones((2 * ry + 1, 2 * rx + 1), np.uint8)


def _close(mask: Mask, rx: int, ry: int) -> Mask:
    return np.asarray(cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_CLOSE, _kernel(rx, ry)) > 0)


def _dilate(mask: Mask, radius: int) -> Mask:
    return np.asarray(cv2.dilate(mask.astype(np.uint8), _kernel(radius, radius)) > 0)


def _erode(mask: Mask, radius: int) -> Mask:
    # a picture that reaches the frame's edge has no rim there
    return np.asarray(cv2.erode(mask.astype(np.uint8), _kernel(radius, radius), borderValue=1) > 0)
