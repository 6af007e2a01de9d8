"""Where the picture is: the view of a video or a still, and the one call that also finds what is burned in.

Pure functions over arrays; nothing here reads a file, a clock or a global random number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from endocur.extract import lines, lit, overlays, shapes
from endocur.extract.moments import Moments, gradient, moments
from endocur.extract.text import evened

PROBE_LINES = 540
"""Lines of a probe frame: enough for text of 14 px at 1080 lines, and 93 MB for 60 frames of 16:9."""
TEXT_FRAMES = 8
"""Probe frames of a video the text detector is asked about."""
ALWAYS = 0.4
"""Share of a video's moments from which an overlay counts as always there (a black-out hides it, a menu covers it)."""
TRUST = 0.965
"""Agreement with the data from which a shape replaces it; below, the outline is one we do not know."""
EVIDENCE = 0.5
"""Share of the outline that must be a real edge; below, there is no border and the picture fills the frame."""
STILL_EVIDENCE = 0.6
"""The same for a single still, where dark tissue at the frame's edge looks more like a border."""
STEP = 4.0
"""Levels a pixel of a real edge: a border 8 levels darker than the picture beside it."""

Shape = Literal["circle", "cut_circle", "octagon", "notched_octagon", "rectangle", "full", "data"]
Box = tuple[int, int, int, int]
"""x0, y0, x1, y1 in pixels; x1 and y1 are one past the last."""
Mask = NDArray[np.bool_]


class Detector(Protocol):
    """What `layout` asks of a text detector: `text.TextDetector`, or a stand-in in tests."""

    def boxes(self, rgb: NDArray[np.uint8], *, of: int | None = None) -> list[NDArray[np.float32]]:
        """Quadrilaterals [4, 2] (x, y) around text in uint8 [h, w, 3] RGB, a part of a frame of `of` lines if said."""


@dataclass(frozen=True)
class View:
    """The lit region of a source, in the pixels and the orientation of the frames it was found in."""

    mask: Mask
    """[h, w]: True where the picture is."""
    shape: Shape
    box: Box
    """Smallest box round the mask: the crop."""
    parameters: dict[str, float] = field(default_factory=dict)
    """Numbers of the fitted shape in pixels of the mask (`shapes.NAMES`); empty for `full` and `data`."""


@dataclass(frozen=True)
class Layout:
    """View and overlays of one source; both masks have the size asked for."""

    view: View
    overlay: Mask
    """[h, w]: True where something is burned in; only inside the view."""
    boxes: list[Box]
    """One box a connected overlay."""
    counts: dict[str, int]
    """`probe` frames given, `used` of them that were judged distinct, `still_regions` found, `text_boxes` in all frames
    the detector was asked about, `passing_text` boxes seen once that were left open (`lines.confirm`)."""


def probe_frame(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A frame as `layout` wants it: at most PROBE_LINES lines; smaller frames come back unchanged.

    Args:
        rgb: uint8 [H, W, 3].
    """
    height, width = rgb.shape[:2]
    if height <= PROBE_LINES:
        return rgb
    size = (max(1, round(width * PROBE_LINES / height)), PROBE_LINES)
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)


def layout(
    probe: NDArray[np.uint8] | Sequence[NDArray[np.uint8]],
    *,
    size: tuple[int, int] | None = None,
    detector: Detector | None = None,
    looks: int = TEXT_FRAMES,
    often: float = 0.0,
) -> Layout:
    """View and overlays of one video (or of one group of like stills).

    Args:
        probe: uint8 [n, h, w, 3] or n frames [h, w, 3], RGB, upright, spread evenly over the whole video, in time
            order; about 60 of them, reduced by `probe_frame` one by one so that 60 frames of any source stay below
            100 MB. n >= 1; one frame is treated as a still.
        size: (height, width) of the full frame; the masks have this size. The probe's own size if None.
        detector: None leaves overlays to the stillness test alone.
        looks: frames the detector is asked about at most.
        often: share of the moments in which an overlay must be seen. 0 takes a caption of a few seconds too, and masks
            its place in all frames; ALWAYS leaves it to `passing.Watch`.
    Raises: ValueError for no frame or frames of unequal size.
    """
    frames = [probe_frame(frame) for frame in probe]
    if not frames or any(frame.shape != frames[0].shape for frame in frames):
        raise ValueError(f"{len(frames)} probe frames; at least one is needed and all of one size.")
    height, width = size or frames[0].shape[:2]
    small = frames[0].shape[:2]
    found = moments(frames)
    panels = overlays.flat_panels(frames[0]) if len(frames) == 1 else np.zeros(small, bool)
    view, outline = find_view(found, ignore=panels)
    burned = overlays.burned_in(found, view.mask, often=often)
    if (at_rim := _at_rim(burned, view.mask)).any():
        # an inset that hangs on the outline was taken for picture: look again without it
        view, outline = find_view(found, ignore=panels | at_rim, before=outline)
        burned = overlays.burned_in(found, view.mask, often=often)
    still = overlays.boxed((burned | panels) & view.mask)
    quads = _text(frames, detector, looks) if detector is not None else []
    added, passing = (quads[0], []) if len(quads) == 1 else lines.confirm(still.mask, quads, view.mask, often=often)
    covered = lines.add_boxes(still.mask, added)
    counts = {
        "probe": len(frames),
        "used": found.frames,
        "still_regions": len(still.boxes),
        "text_boxes": sum(len(boxes) for boxes in quads),
        "passing_text": len(passing),
    }
    full = _enlarged(view, outline, height, width)
    return _covered(full, overlays.enlarged(covered, height, width), counts)


def still_layout(rgb: NDArray[np.uint8], *, detector: Detector | None = None) -> Layout:
    """View and overlays of a still that stands alone: no time, so text is what the detector says.

    Args:
        rgb: uint8 [H, W, 3] at full size; it is reduced inside, the masks have its size.
        detector: None finds flat panels only.
    """
    return layout([rgb], size=(rgb.shape[0], rgb.shape[1]), detector=detector)


def member_layout(group: Layout, rgb: NDArray[np.uint8], *, detector: Detector) -> Layout:
    """The layout of one still of a group: the group's view and still regions, and this still's own text.

    Args:
        group: from `layout` on members of the group. Worth asking where its `text_boxes` or `still_regions` are not 0.
        rgb: uint8 [H, W, 3], the still at the group's full size.
        detector: asked about it as it is and with its contrast evened out.
    """
    frame = probe_frame(rgb)
    quads = _text([frame], detector, 1)[0]
    height, width = rgb.shape[:2]
    added = lines.add_boxes(np.zeros(frame.shape[:2], bool), quads)
    burned = group.overlay | overlays.enlarged(added, height, width)
    return _covered(group.view, burned, group.counts | {"text_boxes": len(quads)})


def find_view(
    found: Moments, *, ignore: Mask | None = None, before: shapes.Outline | None = None
) -> tuple[View, shapes.Outline | None]:
    """The lit region, from statistics over distant moments.

    Args:
        found: statistics [h, w] of one source.
        ignore: bool [h, w], known panels: neither picture nor evidence against it.
        before: outline found while the panels were not known. It stands if it fits what is left as well: a caption
            over a whole side leaves nothing to tell by where that side is.
    Returns: the view at the size of the statistics, and its outline if it is one of the known shapes.
    """
    height, width = found.high.shape
    everything = View(np.ones((height, width), bool), "full", (0, 0, width, height))
    border = lit.border(found)
    if border is None:
        return everything, None
    mask, known = lit.lit(found, *border, ignore if ignore is not None else np.zeros((height, width), bool))
    if mask.sum() < 0.02 * mask.size:
        return everything, None
    outline, score = shapes.fit(mask, known)
    if before is not None:
        outline, score = max((before, shapes.agreement(before, mask, known)), (outline, score), key=shapes.worth)
    drawn = outline.render(height, width)
    chosen = drawn if score >= TRUST else mask
    if chosen.mean() > 0.998 or _evidence(chosen, found) < (EVIDENCE if found.frames > 1 else STILL_EVIDENCE):
        return everything, None
    if score < TRUST:
        return View(mask, "data", box_of(mask)), None
    shape: Shape = "rectangle" if outline.kind == "rounded" else outline.kind
    return View(drawn, shape, box_of(drawn), outline.parameters()), outline


def box_of(mask: Mask) -> Box:
    """Smallest box round the True pixels; the whole picture if there are none."""
    ys, xs = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(ys):
        return 0, 0, mask.shape[1], mask.shape[0]
    return int(xs[0]), int(ys[0]), int(xs[-1]) + 1, int(ys[-1]) + 1


def _at_rim(burned: Mask, view: Mask) -> Mask:
    """The compact overlays that touch the outline of the view or lie beyond it."""
    regions = overlays.compact(burned)
    if view.all() or not regions.any():
        return np.zeros_like(view)
    _, labels = cv2.connectedComponents(regions.astype(np.uint8), connectivity=8)
    outside = np.unique(labels[regions & ~view])
    return np.asarray(np.isin(labels, outside[outside > 0]))


def _covered(view: View, burned: Mask, counts: dict[str, int]) -> Layout:
    overlay = overlays.boxed(burned & view.mask)
    return Layout(view, overlay.mask, overlay.boxes, counts)


def _text(frames: Sequence[NDArray[np.uint8]], detector: Detector, looks: int) -> list[list[NDArray[np.float32]]]:
    """Text boxes of at most `looks` of the frames, from the middle of equal parts of the video.

    A single still has no other frame in which a line could be seen: it is looked at twice, and lines that stand
    together take what lies between them.
    """
    count = min(looks, len(frames))
    chosen = [(2 * k + 1) * len(frames) // (2 * count) for k in range(count)]
    quads = [detector.boxes(frames[index]) for index in chosen]
    if len(frames) > 1:
        return quads  # stillness and other frames tell the rest
    read = quads[0] + lines.same_ink(frames[0], quads[0]) + detector.boxes(evened(frames[0]))
    return [read + lines.blocks(read)]


def _evidence(mask: Mask, found: Moments) -> float:
    """Share of the view's outline, inside the frame, where luma really steps: dark tissue fades, a border does not."""
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    x, y = np.concatenate(contours)[:, 0].T
    height, width = mask.shape
    free = (x > 3) & (x < width - 4) & (y > 3) & (y < height - 4)
    if not free.any():
        return 1.0
    step = cv2.dilate(cv2.magnitude(*gradient(found.high)), np.ones((5, 5), np.uint8))
    return float((step[y[free], x[free]] >= STEP).mean())


def _enlarged(view: View, outline: shapes.Outline | None, height: int, width: int) -> View:
    """The view at the size of the full frame: shapes by their numbers, data by interpolation."""
    small = view.mask.shape
    if (height, width) == small:
        return view
    if outline is not None:
        scaled = outline.scaled(width / small[1], height / small[0])
        mask = scaled.render(height, width)
        return View(mask, view.shape, box_of(mask), scaled.parameters())
    mask = cv2.resize(view.mask.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR) >= 0.5
    return View(mask, view.shape, box_of(mask))
