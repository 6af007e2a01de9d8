"""The outlines a processor draws round its picture, fitted to a mask: circle, cut circle, rectangle, octagon, notch.

Coordinates are continuous: pixel i covers [i, i + 1). A fit maximises intersection over union, which like every
measure of area is indifferent to a text plate or an inset that bites into the rim.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

Kind = Literal["rectangle", "circle", "cut_circle", "rounded", "octagon", "notched_octagon"]
Mask = NDArray[np.bool_]
Grid = tuple[NDArray[np.float32], NDArray[np.float32]]

PRICE = 0.0005
"""Agreement that each number of a shape must earn: four more sides for a circle must gain 0.002."""
CLOSE = 0.02
"""Shapes this near to the best on the coarse mask are compared again on the full one."""
ROUNDEST = np.float32(0.3)
"""Largest corner radius of a rectangle, as a share of its shorter side; rounder ones are discs."""
COARSE_SIDE = 160
"""Longest side of the mask on which all shapes are tried."""
CORNERS = ("top_left", "top_right", "bottom_right", "bottom_left")
NAMES: dict[Kind, tuple[str, ...]] = {
    "rectangle": ("x0", "y0", "x1", "y1"),
    "circle": ("cx", "cy", "rx", "ry"),
    "cut_circle": ("x0", "y0", "x1", "y1", "cx", "cy", "rx", "ry"),
    "rounded": ("x0", "y0", "x1", "y1", "radius"),
    "octagon": ("x0", "y0", "x1", "y1", *CORNERS, "slope"),
    "notched_octagon": ("x0", "y0", "x1", "y1", *CORNERS, "slope", "notch_x", "notch_y", "corner"),
}
"""Meaning of each shape's numbers: box sides; disc centre and half axes; leg of each cut corner along x and the ratio
of its leg along y; the inner point of a notch and the corner (0 to 3, as CORNERS) that it takes away."""


@dataclass(frozen=True)
class Outline:
    """One shape with its numbers (see NAMES)."""

    kind: Kind
    numbers: tuple[float, ...]

    def render(self, height: int, width: int) -> Mask:
        """The shape's pixels: those whose centre lies inside."""
        return _draw(self.kind, np.array(self.numbers), _grid(height, width))

    def scaled(self, sx: float, sy: float) -> Outline:
        """The same shape on a grid `sx` times as wide and `sy` times as high."""
        factors = {"slope": sy / sx, "corner": 1.0}
        return Outline(
            self.kind,
            tuple(
                value * factors.get(name, sy if name.endswith(("y", "y0", "y1")) else sx)
                for name, value in zip(NAMES[self.kind], self.numbers, strict=True)
            ),
        )

    def parameters(self) -> dict[str, float]:
        """Name -> number, for people and tables."""
        return dict(zip(NAMES[self.kind], (round(float(value), 2) for value in self.numbers), strict=True))


def fit(mask: Mask, known: Mask) -> tuple[Outline, float]:
    """The simplest outline that agrees with a mask about as well as the best one does.

    Args:
        mask: bool [h, w], one connected region without holes.
        known: bool [h, w], False where it cannot be told whether the picture lies there (under overlays).
    Returns: the outline in pixels of `mask`, and its intersection over union with `mask` on `known` pixels.
    Raises: ValueError for an empty mask.
    """
    if not mask.any():
        raise ValueError("an empty mask has no outline.")
    height, width = mask.shape
    shrink = min(1.0, COARSE_SIDE / max(height, width))
    size = (max(8, round(width * shrink)), max(8, round(height * shrink)))
    small = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA) >= 0.5
    seen = cv2.resize(known.astype(np.float32), size, interpolation=cv2.INTER_AREA) >= 0.5
    tried = [_search(kind, start, small, seen, (4.0, 2.0, 1.0, 0.5, 0.25)) for kind, start in _starts(small, seen)]
    best = max(score for _, score in tried)
    near = [outline.scaled(width / size[0], height / size[1]) for outline, score in tried if score >= best - CLOSE]
    fine = [_search(outline.kind, np.array(outline.numbers), mask, known, (1.0, 0.5, 0.25)) for outline in near]
    return max(fine, key=worth)


def worth(found: tuple[Outline, float]) -> float:
    """Agreement of an outline less the price of its numbers: what shapes are chosen by."""
    outline, score = found
    return score - PRICE * len(outline.numbers)


def agreement(outline: Outline, mask: Mask, known: Mask) -> float:
    """Intersection over union of an outline with a mask [h, w] on `known` pixels."""
    return _agreement(outline.kind, mask, known)(np.array(outline.numbers))


def _grid(height: int, width: int) -> Grid:
    return np.arange(width, dtype=np.float32)[None] + 0.5, np.arange(height, dtype=np.float32)[:, None] + 0.5


def _draw(kind: Kind, wanted: NDArray[np.float64], grid: Grid) -> Mask:
    x, y = grid
    numbers = wanted.astype(np.float32)  # the grid's own type: half the time of mixed arithmetic
    if kind == "circle":
        return _disc(numbers, grid)
    x0, y0, x1, y1 = numbers[:4]
    inside = np.asarray(((x >= x0) & (x < x1)) & ((y >= y0) & (y < y1)))
    if kind == "rectangle":
        return inside
    if kind == "rounded":
        radius = np.clip(numbers[4], 0, ROUNDEST * min(x1 - x0, y1 - y0))
        over_x = np.maximum(np.maximum(x0 + radius - x, x - (x1 - radius)), 0)
        over_y = np.maximum(np.maximum(y0 + radius - y, y - (y1 - radius)), 0)
        return np.asarray(inside & (over_x * over_x + over_y * over_y <= radius * radius))
    if kind == "cut_circle":
        return inside & _disc(numbers[4:8], grid)
    slope = max(np.float32(1e-3), numbers[8])
    left, right, top, bottom = x - x0, x1 - x, (y - y0) / slope, (y1 - y) / slope
    for leg, across, down in zip(numbers[4:8], (left, right, right, left), (top, top, bottom, bottom), strict=True):
        inside &= across + down >= leg
    if kind == "notched_octagon":
        notch_x, notch_y, corner = numbers[9:12]
        beyond_x = x < notch_x if corner in (0, 3) else x >= notch_x
        beyond_y = y < notch_y if corner in (0, 1) else y >= notch_y
        inside &= ~(beyond_x & beyond_y)
    return inside


def _disc(numbers: NDArray[np.float32], grid: Grid) -> Mask:
    cx, cy, rx, ry = numbers
    across = (grid[0] - cx) / max(rx, np.float32(1e-3))
    down = (grid[1] - cy) / max(ry, np.float32(1e-3))
    return np.asarray(across * across + down * down <= 1)


def _search(
    kind: Kind, start: NDArray[np.float64], mask: Mask, known: Mask, steps: tuple[float, ...]
) -> tuple[Outline, float]:
    """Pattern search: walk each number and each useful pair of numbers by ever smaller steps."""
    agree = _agreement(kind, mask, known)
    best, score = start.astype(np.float64), agree(start)
    moves = _moves(kind)
    for step in steps:
        for _ in range(8):
            before = score
            for move in moves:
                for sign in (step, -step):
                    while (tried := agree(best + sign * move)) > score + 1e-9:
                        best, score = best + sign * move, tried
            if score <= before + 1e-6:
                break
    return Outline(kind, tuple(float(value) for value in best)), score


def _agreement(kind: Kind, mask: Mask, known: Mask) -> Callable[[NDArray[np.float64]], float]:
    wanted, grid = mask & known, _grid(*mask.shape)
    area = int(np.count_nonzero(wanted))

    def agree(numbers: NDArray[np.float64]) -> float:
        drawn = _draw(kind, numbers, grid) & known
        both = int(np.count_nonzero(drawn & wanted))
        return both / max(1, area + int(np.count_nonzero(drawn)) - both)

    return agree


def _moves(kind: Kind) -> list[NDArray[np.float64]]:
    """Directions of the search in units of a pixel: single numbers, and pairs that slide along a valley."""
    names = NAMES[kind]
    moves: list[dict[str, float]] = [{name: 1.0} for name in names if name not in {"slope", "corner", "rx", "ry"}]
    if "rx" in names:  # a disc stays as round as it came; the half axes grow together
        moves += [{"rx": 1.0, "ry": 1.0}, {"cx": 1.0, "rx": 1.0, "ry": 1.0}, {"cx": -1.0, "rx": 1.0, "ry": 1.0}]
        moves += [{"cy": 1.0, "rx": 1.0, "ry": 1.0}, {"cy": -1.0, "rx": 1.0, "ry": 1.0}]
        moves += [{"rx": 1.0}, {"ry": 1.0}]
    if "slope" in names:
        moves += [{"slope": 0.02}, dict.fromkeys(CORNERS, 1.0)]
    return [np.array([move.get(name, 0.0) for name in names]) for move in moves]


def _starts(mask: Mask, known: Mask) -> list[tuple[Kind, NDArray[np.float64]]]:
    """First numbers of every shape, simplest first, read off the hull of the mask."""
    x0, y0, x1, y1 = _solid_box(mask)
    box = [x0, y0, x1, y1]
    hull = _hull(mask)
    disc = _robust_disc(hull, box)
    missing = _missing_corners(mask, known, box)
    radius = float(np.sqrt(np.median(missing) / (1 - np.pi / 4)))
    legs = [float(np.sqrt(2 * area)) for area in missing]
    starts: list[tuple[Kind, list[float]]] = [
        ("rectangle", box),
        ("circle", disc),
        ("cut_circle", [*box, *disc]),
        ("rounded", [*box, radius]),
        ("octagon", [*box, *legs, 1.0]),
    ]
    corner = int(np.argmax(missing))
    usual = float(np.median(np.delete(missing, corner)))
    if missing[corner] > 1.3 * usual + 4:
        legs[corner] = float(np.sqrt(2 * usual))
        notch = _notch_start(mask, known, box, legs, corner)
        starts.append(("notched_octagon", [*box, *legs, 1.0, *notch, float(corner)]))
    return [(kind, np.array(numbers)) for kind, numbers in starts]


def _solid_box(mask: Mask) -> tuple[float, float, float, float]:
    """The box of rows and columns that hold a fair share of the mask: thin spurs do not count."""
    rows, columns = mask.sum(axis=1), mask.sum(axis=0)
    ys = np.flatnonzero(rows > 0.08 * float(rows.max()))
    xs = np.flatnonzero(columns > 0.08 * float(columns.max()))
    return float(xs[0]), float(ys[0]), float(xs[-1] + 1), float(ys[-1] + 1)


def _hull(mask: Mask) -> NDArray[np.float64]:
    """Border points of the convex hull, one a pixel, as pixel centres [k, 2]."""
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    hull = cv2.convexHull(np.concatenate(contours))
    canvas = np.zeros(mask.shape, np.uint8)
    cv2.fillPoly(canvas, [hull], 1)
    border, _ = cv2.findContours(canvas, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return np.concatenate(border)[:, 0].astype(np.float64) + 0.5


def _robust_disc(points: NDArray[np.float64], box: list[float]) -> list[float]:
    """The circle most border points lie on, flattened sides left out; fixed draws, so the same mask gives the same."""
    sides = np.abs(points[:, [0, 1, 0, 1]] - np.array(box)).min(axis=1)
    free = points[sides > 2.0]
    if len(free) < 12:
        free = points
    half = max(box[2] - box[0], box[3] - box[1]) / 2
    best, found = [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2, half, half], 0
    generator = np.random.default_rng(0)
    for _ in range(300):
        a, b, c = free[generator.integers(0, len(free), 3)]
        system = 2 * np.array([b - a, c - a])
        if abs(np.linalg.det(system)) < half:
            continue
        centre = np.linalg.solve(system, np.array([b @ b - a @ a, c @ c - a @ a]))
        radius = float(np.hypot(*(a - centre)))
        near = int((np.abs(np.hypot(*(free - centre).T) - radius) < 1.0).sum())
        if near > found and radius < 3 * half:
            best, found = [float(centre[0]), float(centre[1]), radius + 0.5, radius + 0.5], near
    return best


def _missing_corners(mask: Mask, known: Mask, box: list[float]) -> NDArray[np.float64]:
    """Pixels of each quarter of the box that are not in the mask, in the order of CORNERS."""
    x0, y0, x1, y1 = (round(side) for side in box)
    xm, ym = (x0 + x1) // 2, (y0 + y1) // 2
    lack = ~mask & known
    quarters = (lack[y0:ym, x0:xm], lack[y0:ym, xm:x1], lack[ym:y1, xm:x1], lack[ym:y1, x0:xm])
    return np.array([float(quarter.sum()) for quarter in quarters])


def _notch_start(mask: Mask, known: Mask, box: list[float], legs: list[float], corner: int) -> tuple[float, float]:
    """The inner point of the notch: as far as rows and columns of the quarter lack more than the octagon does."""
    octagon = _draw("octagon", np.array([*box, *legs, 1.0]), _grid(*mask.shape))
    lack = octagon & ~mask & known
    x0, y0, x1, y1 = (round(side) for side in box)
    xm, ym = (x0 + x1) // 2, (y0 + y1) // 2
    quarter = np.zeros_like(lack)
    rows = slice(y0, ym) if corner in (0, 1) else slice(ym, y1)
    columns = slice(x0, xm) if corner in (0, 3) else slice(xm, x1)
    quarter[rows, columns] = lack[rows, columns]
    by_row, by_column = quarter.sum(axis=1), quarter.sum(axis=0)
    ys = np.flatnonzero(by_row > 0.3 * max(1.0, float(by_row.max())))
    xs = np.flatnonzero(by_column > 0.3 * max(1.0, float(by_column.max())))
    if not len(ys) or not len(xs):
        return box[0] if corner in (0, 3) else box[2], box[1] if corner in (0, 1) else box[3]
    return float(xs[-1] + 1 if corner in (0, 3) else xs[0]), float(ys[-1] + 1 if corner in (0, 1) else ys[0])
