"""Drawn frames from inside the body: relief, folds and organs under a scope's light, in any colour tissue may have.

Nothing here is a photograph. Colours are drawn from wide ranges, not measured on a data set: under white light red
is the strongest channel of anything that holds blood, fat is yellow, bile and stool are brown to green, dye is blue;
in narrow-band light two channels carry the blue image and the third the green one.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from endocur.phantom.tube import Lens, Pose, Tube, draw_tube, render

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]
SIDE = 224


def noise(generator: np.random.Generator, cell: float, octaves: int = 3, gain: float = 0.5) -> F32:
    """Sum of smooth random grids, mean 0, standard deviation 1: float32 [SIDE, SIDE]."""
    out, amplitude = np.zeros((SIDE, SIDE), np.float32), 1.0
    for _ in range(octaves):
        cells = max(2, int(SIDE / cell) + 3)
        grid = generator.standard_normal((cells, cells), dtype=np.float32)
        out += amplitude * cv2.resize(grid, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        amplitude, cell = amplitude * gain, max(1.5, cell / 2)
    out -= out.mean()
    return out / (out.std() + 1e-6)


def tissue_colour(generator: np.random.Generator) -> F32:
    """Red, green, blue of one lit tissue, the largest 1."""
    kind = generator.choice(7, p=[0.36, 0.16, 0.14, 0.1, 0.1, 0.06, 0.08])
    red_green, green_blue = [
        ((0.42, 0.78), (0.62, 1.05)),  # mucosa
        ((0.68, 0.9), (0.85, 1.06)),  # pale pink
        ((0.66, 0.92), (0.35, 0.75)),  # fat, bile, warm lamps
        ((0.25, 0.55), (0.75, 1.2)),  # blood, liver
        ((0.76, 1.06), (0.5, 0.9)),  # pale yellow, capsule green
        ((0.2, 0.45), (0.75, 1.1)),  # red all over
        ((0.52, 0.72), (0.9, 1.3)),  # purple
    ][kind]
    green = generator.uniform(*red_green)
    colour = np.array([1.0, green, green * generator.uniform(*green_blue)], np.float32)
    return colour / colour.max()


def tubes(generator: np.random.Generator, count: int) -> list[Tube]:
    """Drawn guts for `inside`; a second each."""
    return [draw_tube(generator, detail=96) for _ in range(count)]


def inside(generator: np.random.Generator, guts: list[Tube], lens: Lens) -> U8:
    """One frame from inside the body: RGB uint8 [SIDE, SIDE, 3]."""
    kind = generator.choice(4, p=[0.42, 0.2, 0.23, 0.15])
    if kind == 0:
        picture = _relief(generator)
    elif kind == 1:
        picture = _gut(generator, guts[generator.integers(len(guts))], lens)
    elif kind == 2:
        picture = _organs(generator)
    else:
        picture = _close(generator)
    if generator.random() < 0.3:
        picture = _cover(generator, picture)
    if generator.random() < 0.12:
        picture = _dye(generator, picture)
    if generator.random() < (0.45 if kind == 2 else 0.06):
        picture = _instrument(generator, picture)
    picture = _glints(generator, picture)
    if generator.random() < 0.14:
        picture = narrow_band(generator, picture)
    return np.clip(picture * 255, 0, 255).astype(np.uint8)


def _light(generator: np.random.Generator, height: F32, depth: F32) -> F32:
    """Brightness of a relief under a lamp beside the lens; what is far is darker."""
    across, down = cv2.Sobel(height, -1, 1, 0, ksize=3), cv2.Sobel(height, -1, 0, 1, ksize=3)
    turn = generator.uniform(0, 2 * np.pi)
    facing = 1 + generator.uniform(0.5, 2.2) * (across * np.cos(turn) + down * np.sin(turn))
    return np.clip(facing, 0.25, 1.7) / (1 + generator.uniform(0.5, 3.5) * np.clip(depth, 0, None) ** 1.5)


def _depth(generator: np.random.Generator) -> tuple[F32, F32]:
    """Distance from the lens over the picture, and from the lumen's middle."""
    rows, columns = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32) / SIDE
    x, y = generator.uniform(-0.1, 1.1, 2)
    away = np.hypot((columns - x) * generator.uniform(0.7, 1.4), rows - y)
    lumen = np.exp(-((away / generator.uniform(0.08, 0.4)) ** 2))
    return lumen * generator.uniform(0, 2.6) + generator.uniform(0, 0.9) * np.abs(noise(generator, 110, 2)), away


def _painted(generator: np.random.Generator, light: F32, colour: F32) -> F32:
    """Light on tissue: redder where darker, blotches of another blood content, vessels."""
    deeper = generator.uniform(0, 0.35) * np.array([-0.35, 0.35, 0.5], np.float32)
    picture = colour * np.clip(light, 0.004, None)[..., None] ** (1 + deeper)
    blotch = noise(generator, generator.uniform(20, 90), 3)[..., None]
    picture *= 1 + generator.uniform(0, 0.07) * blotch * np.array([-0.3, 1, 1], np.float32)
    if generator.random() < 0.6:
        lines = np.abs(noise(generator, generator.uniform(15, 60), 3, 0.6))
        vessels = np.clip(1 - lines / generator.uniform(0.03, 0.12), 0, 1)[..., None]
        picture *= 1 - vessels * generator.uniform(0.03, 0.22) * np.array([0.3, 1, 0.9], np.float32)
    return picture


def _relief(generator: np.random.Generator) -> F32:
    depth, away = _depth(generator)
    bumps = noise(generator, generator.uniform(25, 120), 4, generator.uniform(0.25, 0.5))
    if generator.random() < 0.7:
        ring = np.sin(
            np.log(away + 0.12) * generator.uniform(8, 24) + generator.uniform(0.2, 1.4) * noise(generator, 60)
        )
        bumps = 0.5 * bumps + generator.uniform(0.5, 2) * np.tanh(generator.uniform(1, 4) * ring)
    light = _light(generator, bumps * generator.uniform(0.02, 0.22), depth)
    return _painted(generator, light * generator.uniform(0.55, 1.05), tissue_colour(generator))


def _gut(generator: np.random.Generator, gut: Tube, lens: Lens) -> F32:
    aim = generator.uniform(-120, 120, 2)
    pose = Pose(
        generator.uniform(0, 8), generator.uniform(0, 6), (float(aim[0]), float(aim[1])), generator.uniform(0.7, 1.5)
    )
    picture = render(gut, pose, lens).astype(np.float32) / 255
    return np.asarray(picture * (tissue_colour(generator) / np.array([1, 0.57, 0.46], np.float32)))


def _close(generator: np.random.Generator) -> F32:
    """The wall right before the lens: soft, few edges, sometimes all but one colour."""
    light = generator.uniform(0.35, 0.95) * (
        1 + generator.uniform(0.02, 0.35) * noise(generator, generator.uniform(50, 200), 2)
    )
    return _painted(generator, light, tissue_colour(generator))


def _organs(generator: np.random.Generator) -> F32:
    """Two to six organs over each other, each in its own colour: laparoscopy."""
    depth, _ = _depth(generator)
    picture = _painted(generator, _light(generator, 0.2 * noise(generator, 70), depth * 0.5), tissue_colour(generator))
    for _ in range(int(generator.integers(1, 6))):
        border = noise(generator, generator.uniform(50, 160), 3, 0.4) + generator.uniform(-0.8, 0.6)
        share = np.clip(border * generator.uniform(6, 40) + 0.5, 0, 1)[..., None]
        light = _light(
            generator,
            generator.uniform(0.04, 0.25) * noise(generator, generator.uniform(25, 110), 4),
            depth * generator.uniform(0, 1),
        )
        light *= np.clip(0.55 + border, 0.3, 1.1)
        picture = picture * (1 - share) + share * _painted(generator, light, tissue_colour(generator))
    return picture * generator.uniform(0.6, 1.1)


def _cover(generator: np.random.Generator, picture: F32) -> F32:
    """Fluid, stool, foam or mucus over a part."""
    share = np.clip(noise(generator, generator.uniform(20, 90), 4) * 2 - generator.uniform(-1, 2.5), 0, 1)
    colour = np.array(
        [(0.75, 0.6, 0.25), (0.45, 0.4, 0.15), (0.85, 0.8, 0.65), (0.6, 0.12, 0.1), (0.4, 0.28, 0.12)][
            generator.integers(5)
        ],
        np.float32,
    )
    light = 0.35 + 0.65 * picture.max(axis=2, keepdims=True)
    light = light * (1 + 0.12 * noise(generator, 12)[..., None])
    share = (share * generator.uniform(0.3, 0.95))[..., None]
    return picture * (1 - share) + share * colour * light


def _dye(generator: np.random.Generator, picture: F32) -> F32:
    """A blue stain that runs into the pits."""
    share = np.clip(noise(generator, generator.uniform(10, 70), 4) - generator.uniform(-0.8, 1.2), 0, 1)
    stain = np.array([0.25, 0.55, 0.8], np.float32) * generator.uniform(0.7, 1.2)
    share = (np.clip(share, 0, 1) * generator.uniform(0.3, 0.9))[..., None]
    return picture * (1 - share) + share * stain * picture.max(axis=2, keepdims=True)


def _instrument(generator: np.random.Generator, picture: F32) -> F32:
    """A rod of metal, plastic or ceramics from the rim."""
    layer = np.zeros((SIDE, SIDE), np.uint8)
    turn, reach = generator.uniform(0, 2 * np.pi), generator.uniform(0.05, 0.5)
    middle = np.array([0.5, 0.5]) * SIDE
    arm = np.array([np.cos(turn), np.sin(turn)]) * SIDE
    start, end = middle + arm * reach + generator.normal(0, 20, 2), middle + arm
    ends = [tuple(int(v) for v in point) for point in (start, end)]
    cv2.line(layer, ends[0], ends[1], 255, int(generator.uniform(6, 34)), cv2.LINE_AA)
    share = (layer.astype(np.float32) / 255)[..., None]
    level = generator.uniform(0.06, 0.8)
    shade = cv2.GaussianBlur(layer, (0, 0), generator.uniform(2, 9)).astype(np.float32)[..., None] / 255
    return picture * (1 - share) + share * level * shade * (1 + generator.normal(0, 0.06, 3).astype(np.float32))


def _glints(generator: np.random.Generator, picture: F32) -> F32:
    """Wet highlights where it is lit."""
    spots = noise(generator, generator.uniform(5, 25), 3, 0.8)
    cut = np.quantile(spots[::4, ::4], 1 - generator.uniform(0, 0.015))
    lit = ((spots > cut) & (picture.max(axis=2) > 0.35)).astype(np.float32)
    share = cv2.GaussianBlur(lit, (0, 0), 0.9)[..., None]
    return picture * (1 - share) + share


def narrow_band(generator: np.random.Generator, picture: F32) -> F32:
    """The processor's false colours: green image to red, blue image to green and blue, then its tone."""
    green, blue = picture[..., 1], picture[..., 2]
    gain = generator.uniform((1.0, 0.75, 0.75), (1.35, 1.35, 1.3))
    leak = generator.uniform(0, 0.25)
    planes = [green * gain[0], (blue * (1 - leak) + green * leak) * gain[1], blue * gain[2]]
    return np.stack(planes, axis=-1).astype(np.float32)
