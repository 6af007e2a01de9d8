"""Draw the inside of a gut-like tube: folds that hide what lies behind them, vessels, wet highlights, lesions.

Pure: a `Generator` and numbers in, arrays out. The unit of length is the tube's radius. What it is for: pixels whose
truth is known (where a lesion lies, what was seen twice). What it never claims: to look like a patient.

Source: ours. The tube is a height field over (angle, depth) seen through a fisheye lens: a wall point at depth z
appears at the image radius focal * atan2(1 - height, z). A ray meets the first point whose radius is its own, so one
running minimum of that radius along z gives exact occlusion by folds and polyps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]

LENGTH = 8.0
"""Radii until the tube repeats."""
ANGLES, DEPTHS_PER_RADIUS = 160, 48
"""Cells of the height field, round the tube and along it."""
RAYS = 144
"""Image radii at which the wall is looked for; what lies between is interpolated."""
BEHIND, FAR = 2.0, 7.9
"""How far behind and before the camera it is looked for, in radii."""
COARSE_FROM = 1.2
"""Depth from which the coarse skin fades in."""

LesionKind = Literal["polyp", "ulcer"]


@dataclass(frozen=True)
class Lesion:
    """A finding on the wall.

    Args:
        kind: a polyp stands out; an ulcer is a flat pale patch with a red rim.
        angle: radians round the tube.
        depth: radii along the tube.
        size: its radius, in radii of the tube.
    """

    kind: LesionKind
    angle: float
    depth: float
    size: float


@dataclass(frozen=True)
class Tube:
    """A drawn tube.

    Args:
        height: float32 [LENGTH * DEPTHS_PER_RADIUS, ANGLES]; how far the wall stands inwards, in radii, 0 to 0.8.
        skin: uint8 [rows, columns, 4]; red, green, blue, and wetness (how easily it glints), rows along the depth.
        coarse: the same at a fourth of the rows, for what lies far.
        lesions: uint8 [rows, columns]; 1 + index of the lesion, 0 elsewhere.
    """

    height: F32
    skin: U8
    coarse: U8
    lesions: U8


@dataclass(frozen=True)
class Pose:
    """Where the camera is and where it looks.

    Args:
        depth: radii along the tube.
        roll: radians round its axis.
        aim: pixels (x, y) from the middle of the picture to the lumen.
        light: gain of the lamp; 1 is well exposed.
    """

    depth: float
    roll: float
    aim: tuple[float, float]
    light: float = 1.0


class Lens:
    """Image radius and angle of each pixel round the lumen, made once for a picture size."""

    def __init__(self, width: int, height: int, focal: float) -> None:
        self.width, self.height, self.focal = width, height, focal
        self.reach = 0.75 * max(width, height)
        """Pixels the lumen may lie outside the middle."""
        self._middle = (round(width / 2 + self.reach), round(height / 2 + self.reach))
        rows, columns = np.mgrid[0 : height + 2 * self.reach, 0 : width + 2 * self.reach].astype(np.float32)
        radius, self.angle = cv2.cartToPolar(columns - self._middle[0], rows - self._middle[1])
        self.rays_r = np.linspace(0, np.pi * focal, RAYS, dtype=np.float32)
        self.ray = np.minimum(radius / self.rays_r[1], np.float32(RAYS - 1))

    def window(self, aim: tuple[float, float]) -> tuple[F32, F32]:
        """Angle and ray of each pixel with the lumen `aim` pixels from the middle; both float32 [height, width]."""
        x = round(self._middle[0] - self.width / 2 - np.clip(aim[0], -self.reach, self.reach))
        y = round(self._middle[1] - self.height / 2 - np.clip(aim[1], -self.reach, self.reach))
        window = np.s_[y : y + self.height, x : x + self.width]
        return self.angle[window], self.ray[window]


def draw_tube(generator: np.random.Generator, *, detail: int = 256) -> Tube:
    """Draw a tube's healthy wall.

    Args:
        generator: source of all chance.
        detail: texels a radius of depth; 256 fits pictures of about 340 lines.
    """
    rows, columns = round(LENGTH * detail), 4 * detail
    height = _folds(generator)
    skin = _skin(generator, rows, columns, height)
    return Tube(height, skin, _coarse(skin), np.zeros((rows, columns), np.uint8))


def with_lesion(tube: Tube, lesion: Lesion, generator: np.random.Generator) -> Tube:
    """The same tube with one lesion more; the given tube stays as it is."""
    outline = (generator.uniform(0.05, 0.18), generator.uniform(0, 6.3), generator.uniform(0.85, 1.2))
    height, skin, lesions = tube.height.copy(), tube.skin.copy(), tube.lesions.copy()
    near = _rows_near(lesion, len(height))
    distance = _distance(lesion, near, height.shape, outline)
    if lesion.kind == "polyp":
        dome = np.sqrt(np.clip(1 - distance**2, 0, 1)) * lesion.size * 0.95
        height[near] = np.minimum(np.maximum(height[near], dome + 0.5 * height[near] * (distance < 1)), 0.8)
    near = _rows_near(lesion, len(skin))
    distance = _distance(lesion, near, lesions.shape, outline)
    skin[near] = _painted(skin[near], lesion, distance, generator)
    lesions[near] = np.where(distance < 1, lesions.max() + 1, lesions[near])
    return Tube(height, skin, _coarse(skin), lesions)


def render(tube: Tube, pose: Pose, lens: Lens) -> U8:
    """The picture from a pose: RGB uint8 [height, width, 3]."""
    around, along, seen = _meet(tube, pose, lens)
    texture = cv2.remap(tube.skin, around, along, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    # Far from the lens many rows share a pixel: there the coarse skin, which has them averaged.
    rows, columns = np.nonzero(seen[..., 0] > COARSE_FROM)
    if len(rows):
        box = np.s_[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        far = cv2.remap(tube.coarse, around[box], along[box] / 4, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
        share = np.clip(seen[box][..., 0] - COARSE_FROM, 0, 1)
        texture[box] = cv2.blendLinear(far, np.ascontiguousarray(texture[box]), share, 1 - share)
    return _shade(texture, seen[..., 1] * np.float32(pose.light), seen[..., 2])


def seen_lesions(tube: Tube, pose: Pose, lens: Lens) -> U8:
    """Which lesion each pixel of `render` shows: uint8 [height, width], 1 + its index, 0 for none."""
    around, along, _ = _meet(tube, pose, lens)
    return np.asarray(cv2.remap(tube.lesions, around, along, cv2.INTER_NEAREST, borderMode=cv2.BORDER_WRAP))


def lesion_at(generator: np.random.Generator, kind: LesionKind, depth: float) -> Lesion:
    """A lesion of chance size and side near a depth."""
    return Lesion(
        kind, generator.uniform(0, 2 * np.pi), depth + generator.uniform(-0.2, 0.2), generator.uniform(0.2, 0.34)
    )


def _meet(tube: Tube, pose: Pose, lens: Lens) -> tuple[F32, F32, F32]:
    """Where each pixel's ray meets the wall: texture column, texture row (both wrap), and (depth, light, facing)."""
    angle, ray = lens.window(pose.aim)
    angle = angle + np.float32(pose.roll % (2 * np.pi))
    field = _wall(tube, pose.depth, lens)
    seen = cv2.remap(field, angle * np.float32(ANGLES / (2 * np.pi)), ray, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    rows, columns = tube.lesions.shape
    along = (seen[..., 0] + np.float32(pose.depth % LENGTH)) * np.float32(rows / LENGTH)
    return angle * np.float32(columns / (2 * np.pi)), along, seen


def _wall(tube: Tube, depth: float, lens: Lens) -> F32:
    """What each (ray, angle) meets: depth from the camera, light, and how squarely it faces; [RAYS, ANGLES, 3]."""
    ahead = np.geomspace(0.02, FAR, 136)
    z = np.concatenate([-np.geomspace(BEHIND, 0.02, 56), ahead]).astype(np.float32)
    where = ((depth + z) % LENGTH) * DEPTHS_PER_RADIUS
    first = where.astype(np.int64) % len(tube.height)
    share = (where - np.floor(where))[:, None].astype(np.float32)
    height = tube.height[first] * (1 - share) + tube.height[(first + 1) % len(tube.height)] * share
    along = np.gradient(height, z, axis=0)
    around = (np.roll(height, -1, 1) - np.roll(height, 1, 1)) * (ANGLES / (4 * np.pi))
    gap = 1 - height
    distance = np.sqrt(gap**2 + z[:, None] ** 2)
    cosine = (gap + along * z[:, None]) / (distance * np.sqrt(1 + along**2 + (around / gap) ** 2))
    light = np.sqrt(np.clip(cosine, 0.03, 1) / distance**2)
    edge = lens.focal * np.arctan2(gap, z[:, None])
    edge[z > 0] = np.minimum.accumulate(edge[z > 0], axis=0)
    edge[z < 0] = np.maximum.accumulate(edge[z < 0][::-1], axis=0)[::-1]
    edge = np.minimum.accumulate(edge, axis=0)

    # One search for all angles: each angle's keys ascend and lie above those of the angle before.
    lift = np.arange(ANGLES)[:, None] * 1e5
    keys = (lift - edge.T).ravel()
    after = np.searchsorted(keys, (lift - lens.rays_r).ravel()).reshape(ANGLES, RAYS)
    after = np.clip(after - np.arange(ANGLES)[:, None] * len(z), 1, len(z) - 1)
    turns = np.arange(ANGLES)[:, None]
    outer, inner = edge[after - 1, turns], edge[after, turns]
    share = np.clip((outer - lens.rays_r) / np.maximum(outer - inner, 1e-6), 0, 1)
    field = np.stack([np.broadcast_to(z[:, None], light.shape), light, cosine], axis=-1)
    met = field[after - 1, turns] * (1 - share[..., None]) + field[after, turns] * share[..., None]
    return np.ascontiguousarray(met.transpose(1, 0, 2), dtype=np.float32)


_LIGHT = np.arange(256) / 255
_TINT = np.stack([255 * _LIGHT**power for power in (0.85, 1.15, 1.2)], axis=-1).astype(np.uint8)[None]
"""Red goes deepest into the lumen, blue least: what is far looks darker and redder."""


def _shade(texture: U8, light: F32, facing: F32) -> U8:
    level = cv2.convertScaleAbs(light, alpha=255)
    lit = cv2.multiply(texture[..., :3], cv2.LUT(cv2.merge([level, level, level]), _TINT), scale=1 / 225)
    wet = texture[..., 3] * np.float32(9 / 255)
    glint = np.clip(wet + (np.float32(4.5) * facing**6 - np.float32(11.5)), 0, 1) * np.minimum(light, 1) * 240
    shine = cv2.convertScaleAbs(glint + np.maximum(light - 1, 0) * 200)
    return np.asarray(cv2.add(lit, cv2.merge([shine, shine, shine])))


def _folds(generator: np.random.Generator) -> F32:
    """Ridges across the tube, three-cornered as the colon's are, and a gentle unevenness."""
    rows = round(LENGTH * DEPTHS_PER_RADIUS)
    z = np.arange(rows)[:, None] / DEPTHS_PER_RADIUS
    angle = np.arange(ANGLES)[None] * (2 * np.pi / ANGLES)
    height = np.asarray(0.05 * _noise(generator, (rows, ANGLES), (10, 8)), np.float64)
    corner = generator.uniform(0, 2 * np.pi)
    for middle in np.arange(0, LENGTH, 0.62):
        middle = middle + generator.uniform(-0.16, 0.16) + 0.1 * np.cos(angle + generator.uniform(0, 6.3))
        away = (z - middle + LENGTH / 2) % LENGTH - LENGTH / 2
        width = generator.uniform(0.06, 0.12)
        corner += generator.normal(0, 0.25)
        lobes = 0.55 + 0.45 * np.cos(3 * angle + corner) + 0.2 * np.cos(angle + generator.uniform(0, 6.3))
        ridge = generator.uniform(0.12, 0.34) * np.clip(lobes, 0.05, 1)
        height = np.maximum(height, ridge * np.exp(-((away / width) ** 2)) + 0.3 * height)
    return np.clip(height, 0, 0.8).astype(np.float32)


def _skin(generator: np.random.Generator, rows: int, columns: int, height: F32) -> U8:
    shape = (rows, columns)
    tone = 0.7 * _noise(generator, shape, (24, 14)) + 0.3 * _noise(generator, shape, (90, 60))
    fine = _noise(generator, shape, (rows // 6, columns // 6))
    grain = _noise(generator, shape, (rows // 3, columns // 3))
    vessels = _vessels(generator, rows, columns)
    # Small pits and swellings catch the light on one side.
    relief = 0.8 * _noise(generator, shape, (rows // 34, columns // 22)) + 0.2 * fine
    bumps = np.clip(1.2 * (relief - np.roll(relief, 3, axis=0)), -0.07, 0.07)
    crest = np.clip(cv2.resize(height, (columns, rows)) * 1.2, 0, 0.35)
    base = np.array([214, 122, 98], np.float32) + generator.normal(0, (9, 9, 8))
    skin = np.empty((*shape, 4), np.uint8)
    for channel, (swing, vessel, pale) in enumerate(((16, 70, 14), (26, 78, 34), (22, 58, 30))):
        value = base[channel] + swing * (tone - 0.5) * 2 + 6 * (fine - 0.5) + 8 * (grain - 0.5)
        value = (value + pale * crest - vessel * vessels) * (1 + bumps)
        skin[..., channel] = np.clip(value, 0, 255)
    wet = 0.6 * _noise(generator, shape, (rows // 20, columns // 20)) + 0.4 * fine
    skin[..., 3] = np.clip(wet * 255, 0, 255)
    return skin


def _vessels(generator: np.random.Generator, rows: int, columns: int) -> F32:
    """Branching lines that thin out, 0 to 1; they run on over the tube's seam."""
    layer = np.zeros((rows, columns), np.uint8)
    grown = [
        (generator.uniform(0, columns), generator.uniform(0, rows), generator.uniform(0, 6.3), 1.0) for _ in range(44)
    ]
    step = columns / 90
    while grown:
        x, y, course, strength = grown.pop()
        path = [(x, y)]
        for _ in range(generator.integers(8, 22)):
            course += generator.normal(0, 0.28)
            x, y = x + step * np.cos(course), y + step * np.sin(course)
            path.append((x, y))
        width = max(1, round(columns / 400 * strength))
        # Thinner than a texel: paler instead.
        colour = int((90 + 150 * strength) * min(1.0, columns / 400 * strength))
        points = np.array(path)
        for shift in ((0, 0), (columns, 0), (-columns, 0), (0, rows), (0, -rows)):
            line = np.round((points + shift) * 4).astype(np.int32)[:, None]
            cv2.polylines(layer, [line], False, colour, width, cv2.LINE_AA, shift=2)
        if strength > 0.3:
            for turn in (generator.uniform(0.3, 0.9), -generator.uniform(0.3, 0.9)):
                grown.append((x, y, course + turn, strength * generator.uniform(0.55, 0.75)))
    return cv2.GaussianBlur(layer, (0, 0), columns / 900).astype(np.float32) / 255


def _painted(skin: U8, lesion: Lesion, distance: F32, generator: np.random.Generator) -> U8:
    """The skin round a lesion: a polyp keeps the hue, a little redder, with pits; an ulcer is pale with a red rim."""
    part, d = skin.astype(np.float32), distance[..., None]
    inside = np.clip((1 - d) * 8, 0, 1)
    texels = skin.shape[1] / 2 / np.pi * lesion.size
    cells = tuple(max(4, round(side / texels * (5 if lesion.kind == "polyp" else 2))) for side in distance.shape)
    uneven = _noise(generator, distance.shape, (cells[0], cells[1]))[..., None]
    if lesion.kind == "polyp":
        colour = part[..., :3] * np.array([1.0, 0.9, 0.9], np.float32) * (0.86 + 0.28 * uneven)
    else:
        colour = np.array([222, 204, 160], np.float32) * (0.75 + 0.35 * uneven)
        rim = np.exp(-(((d - 1.05) / 0.16) ** 2))
        part[..., :3] *= 1 - rim * np.array([0.06, 0.42, 0.4], np.float32)
    part[..., :3] = part[..., :3] * (1 - inside) + colour * inside
    return np.clip(part, 0, 255).astype(np.uint8)


def _coarse(skin: U8) -> U8:
    return np.asarray(cv2.resize(skin, (skin.shape[1], skin.shape[0] // 4), interpolation=cv2.INTER_AREA))


def _rows_near(lesion: Lesion, rows: int) -> NDArray[np.int64]:
    """Rows that a lesion and its rim may reach; they wrap."""
    reach = 2 * lesion.size * rows / LENGTH
    middle = lesion.depth % LENGTH * rows / LENGTH
    return np.arange(round(middle - reach), round(middle + reach)) % rows


def _distance(
    lesion: Lesion, near: NDArray[np.int64], shape: tuple[int, ...], outline: tuple[float, float, float]
) -> F32:
    """Distance of each cell of the rows `near` from the lesion's middle, in its own uneven radius: 1 is its border."""
    swing, phase, aspect = outline
    z = near[:, None] * (LENGTH / shape[0])
    angle = np.arange(shape[1])[None] * (2 * np.pi / shape[1])
    down = ((z - lesion.depth + LENGTH / 2) % LENGTH - LENGTH / 2) * aspect
    across = ((angle - lesion.angle + np.pi) % (2 * np.pi) - np.pi) / aspect
    radius = lesion.size * (1 + swing * np.cos(3 * np.arctan2(down, across) + phase))
    return (np.hypot(down, across) / radius).astype(np.float32)


def _noise(generator: np.random.Generator, shape: tuple[int, int], cells: tuple[int, int]) -> F32:
    """Smooth noise in [0, 1] that closes on itself, `cells` knots along (rows, columns)."""
    knots = generator.random((max(2, cells[0]), max(2, cells[1])), np.float32)
    padded = np.pad(knots, 2, mode="wrap")
    rows = np.arange(shape[0], dtype=np.float32) * (knots.shape[0] / shape[0]) + 2
    columns = np.arange(shape[1], dtype=np.float32) * (knots.shape[1] / shape[1]) + 2
    across, down = (np.ascontiguousarray(part) for part in np.meshgrid(columns, rows))
    grid = cv2.remap(padded, across, down, cv2.INTER_CUBIC)
    return np.clip(grid, 0, 1)
