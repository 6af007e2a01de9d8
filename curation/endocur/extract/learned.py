"""Layouts learned from several videos of one room: the file `mask.toml`, and how a video takes what stands in it.

A video that hides part of its border, or has too few looks to tell what stands still, gets the masks its room has.
The file holds outlines and boxes in pixels of the shown frame; no picture, no text, no name.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from endocur.extract.overlays import boxed
from endocur.extract.view import Box, Layout, box_of
from endoshards.errors import BadInput, in_words

FORMAT = 1
SAME_VIEW = 0.95
"""Overlap of two views from which two videos are of one layout."""
TAKEN = 0.8
"""Overlap of a video's own view with a learned one from which the learned one stands in its place."""
OFTEN = 1 / 3
"""Share of the videos of a layout that must show an overlay at a place."""


@dataclass(frozen=True)
class Learned:
    """One layout of a room."""

    width: int
    height: int
    """Of the shown frame, pixels."""
    outline: tuple[tuple[int, int], ...]
    """Corners (x, y) of the view."""
    overlays: tuple[Box, ...]
    videos: int
    """It was learned from."""

    @property
    def view(self) -> NDArray[np.bool_]:
        """[height, width]"""
        mask = np.zeros((self.height, self.width), np.uint8)
        cv2.fillPoly(mask, [np.array(self.outline, np.int32).reshape(-1, 1, 2)], 1)
        return mask > 0

    @property
    def overlay(self) -> NDArray[np.bool_]:
        """[height, width]"""
        mask = np.zeros((self.height, self.width), bool)
        for x0, y0, x1, y1 in self.overlays:
            mask[y0:y1, x0:x1] = True
        return mask


def learn(found: Sequence[Layout]) -> list[Learned]:
    """Layouts that recur in those of several videos, the commonest first.

    Args:
        found: each at the full size of its shown frame.
    """
    groups: list[list[Layout]] = []
    for one in found:
        home = next((group for group in groups if _overlap(group[0].view.mask, one.view.mask) >= SAME_VIEW), None)
        if home is None:
            groups.append([one])
        else:
            home.append(one)
    return [_one(group) for group in sorted(groups, key=len, reverse=True)]


def apply(own: Layout, known: Sequence[Learned]) -> Layout:
    """A video's layout with what is known of its room: the learned view, and the overlays of both."""
    size = own.view.mask.shape
    alike = [(_overlap(one.view, own.view.mask), k) for k, one in enumerate(known) if (one.height, one.width) == size]
    if not alike or max(alike)[0] < TAKEN:
        return own
    best = known[max(alike)[1]]
    mask = best.view
    # the shape's own numbers were of the view that is replaced
    view = replace(own.view, mask=mask, box=box_of(mask), parameters={})
    overlay = boxed((own.overlay | best.overlay) & mask)
    return Layout(view, overlay.mask, overlay.boxes, own.counts | {"learned_from": best.videos})


def to_text(layouts: Sequence[Learned]) -> str:
    """The file's content."""
    import tomli_w

    told = [
        {
            "videos": one.videos,
            "size": [one.width, one.height],
            "view": [list(corner) for corner in one.outline],
            "overlays": [list(box) for box in one.overlays],
        }
        for one in layouts
    ]
    return tomli_w.dumps({"format": FORMAT, "layout": told})


def read(path: Path) -> list[Learned]:
    """The layouts of a file. Raises: BadInput if it is none, with what is wrong."""
    try:
        said = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise BadInput(f"--mask {path} cannot be read ({in_words(error)}); make one with endocur mask learn.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"--mask {path} is not TOML ({error}); make one with endocur mask learn.") from None
    if said.get("format") != FORMAT:
        raise BadInput(f"--mask {path} has format {said.get('format')!r}; this program reads {FORMAT}.")
    try:
        return [_parsed(entry) for entry in said.get("layout", [])]
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(
            f"--mask {path}: a [[layout]] needs videos, size [w, h], view [[x, y], …] of at least 3 corners and "
            f"overlays [[x0, y0, x1, y1], …] inside the frame ({error})."
        ) from None


def _parsed(entry: dict[str, object]) -> Learned:
    (width, height), videos = entry["size"], entry["videos"]  # type: ignore[misc]
    outline = tuple((int(x), int(y)) for x, y in entry["view"])  # type: ignore[attr-defined]
    overlays = tuple((int(a), int(b), int(c), int(d)) for a, b, c, d in entry["overlays"])  # type: ignore[attr-defined]
    if len(outline) < 3 or not (0 < width <= 16384 and 0 < height <= 16384):  # type: ignore[has-type]
        raise ValueError(f"{len(outline)} corners, {width} x {height}")  # type: ignore[has-type]
    if any(not (0 <= a < c <= width and 0 <= b < d <= height) for a, b, c, d in overlays):  # type: ignore[has-type]
        raise ValueError("a box outside the frame")
    return Learned(int(width), int(height), outline, overlays, int(videos))  # type: ignore[has-type, call-overload]


def _one(group: Sequence[Layout]) -> Learned:
    """View and overlays that the members of a group agree on."""
    view = np.mean([one.view.mask for one in group], axis=0) >= 0.5
    overlay = np.mean([one.overlay for one in group], axis=0) >= OFTEN
    contours, _ = cv2.findContours(view.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    corners = cv2.approxPolyDP(max(contours, key=cv2.contourArea), 0.7, closed=True)[:, 0]
    height, width = view.shape
    outline = tuple((int(x), int(y)) for x, y in corners)
    return Learned(width, height, outline, tuple(boxed(overlay).boxes), len(group))


def _overlap(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    if one.shape != other.shape:
        return 0.0
    return float((one & other).sum() / max(1, (one | other).sum()))
