"""Drawn frames from outside the body: rooms, cloth, hands, faces, vessels, tubes, wood, slides, and anything else.

Nothing here is a photograph. "Anything else" is the dead-leaves model of natural pictures: things of all shapes,
sizes, colours and textures that hide each other (Ruderman 1997; Lee, Mumford and Huang, IJCV 41, 2001).
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from body_model.inside import SIDE, noise, tissue_colour

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]


def outside(generator: np.random.Generator, *, is_warm: bool) -> U8:
    """One frame from outside the body, warm with more lamp light and wood: RGB uint8 [SIDE, SIDE, 3]."""
    kinds = (_leaves, _clutter, _room, _cloth, _hand, _face, _bowl, _plain, _page, _tube, _wood, _grey)
    share = (0.14, 0.19, 0.09, 0.12, 0.08, 0.08, 0.05, 0.04, 0.02, 0.09, 0.08, 0.02)
    wood = 0.0 if is_warm else 0.03  # goes to heaps of anything
    share = (share[0] + wood, *share[1:10], share[10] - wood, share[11])
    kind = int(generator.choice(len(kinds), p=share))
    picture = kinds[kind](generator)
    if generator.random() < 0.3:  # lit by the scope itself: darker towards the rim
        rows, columns = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j].astype(np.float32)
        fall = 1 - generator.uniform(0.2, 0.8) * np.hypot(rows, columns) ** 2 / 2
        picture = picture * fall[..., None]
    if kinds[kind] in (_leaves, _clutter, _room, _hand, _face, _wood) and generator.random() < (
        0.4 if is_warm else 0.3
    ):  # lamp light
        picture = picture * generator.uniform((1.0, 0.62, 0.35), (1.3, 0.95, 0.9)).astype(np.float32)
    elif generator.random() < 0.1:
        picture = picture * generator.uniform((0.85, 0.9, 0.8), (1.1, 1.0, 1.15)).astype(np.float32)
    return np.clip(picture * 255, 0, 255).astype(np.uint8)


def thing_colour(generator: np.random.Generator) -> F32:
    """Any colour; greys and whites are frequent, as they are in rooms."""
    kind = generator.random()
    if kind < 0.4:
        colour = generator.uniform(0.08, 1.0) * (1 + generator.normal(0, 0.05, 3))
    elif kind < 0.55:
        colour = skin(generator)
    elif kind < 0.65:
        colour = generator.uniform(0.2, 0.9) * np.array(
            [1, generator.uniform(0.55, 0.85), generator.uniform(0.25, 0.7)]
        )
    else:
        hue, saturation = generator.uniform(0, 180), generator.beta(1.6, 1.4)
        pixel = np.array([[[hue, 255 * saturation, 255 * generator.uniform(0.1, 1)]]], np.uint8)
        colour = cv2.cvtColor(pixel, cv2.COLOR_HSV2RGB)[0, 0] / 255
    return np.clip(colour, 0, 1).astype(np.float32)


def skin(generator: np.random.Generator) -> F32:
    """Skin from very dark to very fair, in room light."""
    level = generator.uniform(0.25, 1)
    green = generator.uniform(0.6, 0.84)
    return np.array([level, level * green, level * green * generator.uniform(0.65, 0.95)], np.float32)


def _textured(generator: np.random.Generator, colour: F32) -> F32:
    """A surface: colour, a slope of light, and a texture of any grain."""
    rows, columns = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j].astype(np.float32)
    slope = 1 + generator.uniform(-0.3, 0.3) * rows + generator.uniform(-0.3, 0.3) * columns
    grain = noise(generator, generator.uniform(2, 60), int(generator.integers(1, 4)), generator.uniform(0.4, 0.9))
    if generator.random() < 0.3:  # along one direction: fur, brushed metal, grass
        grain = cv2.blur(grain, (1, int(generator.integers(5, 25))))
        grain = np.ascontiguousarray(grain if generator.random() < 0.5 else grain.T)
    return colour * (slope * (1 + generator.choice((0.02, 0.08, 0.25)) * grain))[..., None]


def _shape(generator: np.random.Generator, size: float) -> U8:
    """A mask 0 to 255 of one thing: ellipse, box, polygon or blob."""
    layer = np.zeros((SIDE, SIDE), np.uint8)
    centre = generator.uniform(-0.1, 1.1, 2) * SIDE
    axes = np.maximum(2, size * generator.uniform(0.3, 1, 2))
    kind = generator.random()
    if kind < 0.35:
        box = (tuple(map(float, centre)), tuple(map(float, 2 * axes)), float(generator.uniform(0, 180)))
        cv2.ellipse(layer, box, 255, -1, cv2.LINE_AA)
    elif kind < 0.75:
        turn = generator.choice((0.0, 0.0, generator.uniform(0, 180)))
        corners = cv2.boxPoints((tuple(map(float, centre)), tuple(map(float, 2 * axes)), float(turn)))
        cv2.fillPoly(layer, [np.round(corners).astype(np.int32)], 255, cv2.LINE_AA)
    else:
        turns = np.sort(generator.uniform(0, 2 * np.pi, int(generator.integers(3, 9))))
        reach = size * generator.uniform(0.3, 1, len(turns))
        points = centre + np.stack([np.cos(turns), np.sin(turns)], axis=1) * reach[:, None]
        cv2.fillPoly(layer, [np.round(points).astype(np.int32)], 255, cv2.LINE_AA)
    return layer


def _laid(picture: F32, layer: U8, over: F32) -> F32:
    share = (layer.astype(np.float32) / 255)[..., None]
    return picture * (1 - share) + share * over


def _leaves(generator: np.random.Generator) -> F32:
    picture = _textured(generator, thing_colour(generator))
    count = int(np.exp(generator.uniform(np.log(3), np.log(60))))
    palette = [thing_colour(generator) for _ in range(int(generator.integers(2, 9)))]
    surfaces = [_textured(generator, colour) for colour in palette]
    for _ in range(count):
        size = SIDE * min(0.8, 0.05 * generator.pareto(1.2) + 0.04)
        picture = _laid(picture, _shape(generator, size), surfaces[int(generator.integers(len(surfaces)))])
    return _focus(generator, picture)


def _clutter(generator: np.random.Generator) -> F32:
    """Many things in few colours, with shadows, shine and writing: a shelf, a workshop, fur and leaves, a crowd."""
    base = thing_colour(generator)
    palette = [base] + [thing_colour(generator) for _ in range(int(generator.integers(1, 5)))]
    surfaces = [_textured(generator, colour) for colour in palette]
    picture = surfaces[0]
    sizes = generator.uniform(0.02, 0.12), generator.uniform(1.3, 3)
    for _ in range(int(np.exp(generator.uniform(np.log(15), np.log(150))))):
        size = SIDE * min(0.7, sizes[0] * (1 + generator.pareto(sizes[1])))
        light = np.float32(np.exp(generator.normal(-0.2, 0.7)))
        surface = surfaces[int(generator.integers(len(surfaces)))]
        picture = _laid(picture, _shape(generator, size), np.minimum(surface * light, 1.05))
    shadow = np.exp(generator.uniform(0.1, 0.7) * noise(generator, generator.uniform(15, 120), 4, 0.6))
    picture = np.clip(picture * shadow[..., None], 0, 1.05)
    return picture if generator.random() < 0.7 else _focus(generator, picture)


def _focus(generator: np.random.Generator, picture: F32) -> F32:
    sigma = generator.choice((0.0, 0.0, 0.8, 2.0, 5.0))
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), float(sigma))) if sigma else picture


def _room(generator: np.random.Generator) -> F32:
    picture = _textured(generator, generator.uniform(0.3, 0.95) * (1 + generator.normal(0, 0.06, 3)).astype(np.float32))
    floor = int(SIDE * generator.uniform(0.55, 0.8))
    picture[floor:] = _textured(generator, thing_colour(generator))[floor:]
    for _ in range(int(generator.integers(4, 16))):
        x, y = (generator.uniform(-0.1, 0.95, 2) * SIDE).astype(int)
        w, h = (generator.uniform(0.04, 0.4, 2) * SIDE).astype(int)
        colour = [float(v) for v in thing_colour(generator)]
        cv2.rectangle(picture, (int(x), int(y)), (int(x + w), int(y + h)), colour, -1)
        cv2.rectangle(picture, (int(x), int(y)), (int(x + w), int(y + h)), [0.6 * v for v in colour], 1)
    for _ in range(int(generator.integers(0, 3))):  # lamps and screens
        x, y = (generator.uniform(0, 0.9, 2) * SIDE).astype(int)
        cv2.ellipse(
            picture,
            (int(x), int(y)),
            (int(generator.uniform(4, 30)), int(generator.uniform(3, 12))),
            0,
            0,
            360,
            (1.2, 1.2, 1.15),
            -1,
        )
    return _focus(generator, picture)


def _cloth(generator: np.random.Generator) -> F32:
    colours = [
        (0.92, 0.93, 0.92),
        (0.15, 0.4, 0.7),
        (0.2, 0.55, 0.5),
        (0.35, 0.6, 0.75),
        (0.7, 0.72, 0.75),
        (0.2, 0.5, 0.3),
    ]
    chosen = (
        np.array(colours[int(generator.integers(len(colours)))], np.float32)
        if generator.random() < 0.75
        else thing_colour(generator)
    )
    chosen = np.clip(chosen * generator.uniform(0.5, 1.1) + generator.normal(0, 0.05, 3), 0.02, 1).astype(np.float32)
    rows, columns = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    turn = generator.uniform(0, np.pi)
    wave = np.sin(
        (rows * np.sin(turn) + columns * np.cos(turn)) / generator.uniform(6, 40) + 1.5 * noise(generator, 70)
    )
    light = 1 + generator.uniform(0.03, 0.35) * wave + generator.uniform(0, 0.1) * noise(generator, 30)
    light += (
        generator.uniform(0, 0.08)
        * np.sin(rows * generator.uniform(0.4, 1.5))
        * np.sin(columns * generator.uniform(0.4, 1.5))
    )
    picture = chosen * light[..., None]
    if generator.random() < 0.2:  # a stain of blood
        share = np.clip(noise(generator, 60) * 3 - generator.uniform(2, 5), 0, 1)[..., None]
        picture = picture * (1 - share) + share * np.array([0.55, 0.1, 0.1], np.float32) * light[..., None]
    return _focus(generator, picture)


def _hand(generator: np.random.Generator) -> F32:
    picture = _cloth(generator) if generator.random() < 0.6 else _leaves(generator)
    colours = (
        skin(generator),
        (0.35, 0.5, 0.8),
        (0.93, 0.92, 0.9),
        (0.55, 0.45, 0.75),
        (0.75, 0.88, 0.9),
        thing_colour(generator),
    )
    colour = np.asarray(colours[int(generator.integers(len(colours)))], np.float32)
    layer = np.zeros((SIDE, SIDE), np.uint8)
    x, y = generator.uniform(0.3, 0.7, 2) * SIDE
    size = SIDE * generator.uniform(0.25, 0.7)
    cv2.ellipse(layer, (int(x), int(y)), (int(size * 0.5), int(size * 0.55)), 0, 0, 360, 255, -1, cv2.LINE_AA)
    turn = generator.uniform(0, 2 * np.pi)
    for k in range(5):
        angle = turn + 0.45 * k + generator.normal(0, 0.1)
        tip = (int(x + size * 1.1 * np.cos(angle)), int(y + size * 1.1 * np.sin(angle)))
        cv2.line(layer, (int(x), int(y)), tip, 255, int(size * 0.24), cv2.LINE_AA)
    soft = cv2.GaussianBlur(layer, (0, 0), size * 0.07).astype(np.float32)[..., None] / 255
    return _focus(
        generator, _laid(picture, layer, colour * (0.4 + 0.65 * soft + 0.04 * noise(generator, 12)[..., None]))
    )


def _face(generator: np.random.Generator) -> F32:
    picture = _leaves(generator) if generator.random() < 0.5 else _room(generator)
    colour, size = skin(generator), SIDE * generator.uniform(0.25, 0.75)
    x, y = generator.uniform(0.3, 0.7, 2) * SIDE
    parts = [
        ((0, -0.15), (0.85, 1.05), thing_colour(generator) * generator.uniform(0.1, 0.8)),  # hair
        ((0, 0.05), (0.65, 0.88), colour),
        ((-0.27, -0.12), (0.13, 0.06), np.array([0.95, 0.95, 0.95]) * generator.uniform(0.1, 1)),
        ((0.27, -0.12), (0.13, 0.06), np.array([0.95, 0.95, 0.95]) * generator.uniform(0.1, 1)),
        ((0, 0.48), (0.25, 0.07), np.array([0.7, 0.3, 0.3])),
        ((0, 0.5), (0.6, 0.45), thing_colour(generator)),  # mask
        ((0, 1.6), (1.6, 0.8), thing_colour(generator)),
    ]
    masked = generator.random() < 0.4
    for k, ((dx, dy), (w, h), paint) in enumerate(parts):
        if k == 5 and not masked:
            continue
        layer = np.zeros((SIDE, SIDE), np.uint8)
        cv2.ellipse(
            layer,
            (int(x + dx * size), int(y + dy * size)),
            (max(1, int(w * size)), max(1, int(h * size))),
            0,
            0,
            360,
            255,
            -1,
            cv2.LINE_AA,
        )
        soft = cv2.GaussianBlur(layer, (0, 0), max(1.0, size * 0.1)).astype(np.float32)[..., None] / 255
        picture = _laid(picture, layer, np.asarray(paint, np.float32) * (0.5 + 0.55 * soft))
    return _focus(generator, picture)


def _bowl(generator: np.random.Generator) -> F32:
    """A beaker, basin or dish from above: rings of steel, plastic or glass, water and its reflections."""
    picture = _cloth(generator) if generator.random() < 0.5 else _textured(generator, thing_colour(generator))
    x, y = (int(v) for v in generator.uniform(0.2, 0.8, 2) * SIDE)
    reach, aspect = generator.uniform(0.3, 1.1) * SIDE, generator.uniform(0.5, 1)
    colour = thing_colour(generator)
    for share in np.sort(generator.uniform(0.1, 1, int(generator.integers(2, 7))))[::-1]:
        layer = np.zeros((SIDE, SIDE), np.uint8)
        cv2.ellipse(
            layer,
            (x, y),
            (max(2, int(reach * share)), max(2, int(reach * share * aspect))),
            0,
            0,
            360,
            255,
            -1,
            cv2.LINE_AA,
        )
        paint = np.clip(colour * generator.uniform(0.4, 1.3) + generator.normal(0, 0.03, 3), 0.02, 1).astype(np.float32)
        picture = _laid(picture, layer, _textured(generator, paint))
    if generator.random() < 0.6:
        for _ in range(int(generator.integers(1, 25))):
            picture = _laid(
                picture, _shape(generator, generator.uniform(2, 14)), np.float32(generator.uniform(0.8, 1.1))
            )
    return _focus(generator, picture)


def _plain(generator: np.random.Generator) -> F32:
    """A wall, a ceiling, a lamp: hardly an edge."""
    colour = generator.uniform(0.15, 1.0) * (1 + generator.normal(0, 0.06, 3))
    if generator.random() < 0.15:
        colour = thing_colour(generator)
    light = 1 + generator.uniform(0.02, 0.3) * noise(generator, generator.uniform(80, 250), 2)
    return np.asarray(colour, np.float32) * light[..., None]


def _page(generator: np.random.Generator) -> F32:
    """A slide, a form, a screen: lines of writing, boxes, curves."""
    ground = (
        thing_colour(generator) if generator.random() < 0.4 else np.full(3, generator.choice((0.02, 0.95)), np.float32)
    )
    ink = np.asarray(1 - ground if generator.random() < 0.7 else thing_colour(generator), np.float32)
    picture = np.full((SIDE, SIDE, 3), ground, np.float32)
    written = np.zeros((SIDE, SIDE), np.uint8)
    for _ in range(int(generator.integers(2, 14))):
        words = "".join(
            chr(97 + int(v)) if v < 26 else " " for v in generator.integers(0, 31, int(generator.integers(4, 30)))
        )
        place = (int(generator.uniform(0, 0.4) * SIDE), int(generator.uniform(0.05, 1) * SIDE))
        size, width = float(generator.uniform(0.25, 0.9)), int(generator.integers(1, 3))
        cv2.putText(written, words, place, cv2.FONT_HERSHEY_SIMPLEX, size, 255, width, cv2.LINE_AA)
    picture = _laid(picture, written, ink)
    for _ in range(int(generator.integers(0, 4))):
        colour = [float(v) for v in thing_colour(generator)]
        (x, y), (w, h) = (
            (generator.uniform(0, 0.8, 2) * SIDE).astype(int),
            (generator.uniform(0.05, 0.5, 2) * SIDE).astype(int),
        )
        cv2.rectangle(picture, (int(x), int(y)), (int(x + w), int(y + h)), colour, int(generator.choice((-1, 1, 2))))
    return picture


def _tube(generator: np.random.Generator) -> F32:
    """Through a trocar, a mouthpiece, an overtube, a channel: a smooth wall round an opening, often with tissue."""
    rows, columns = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32) / SIDE
    x, y = generator.uniform(0.25, 0.75, 2)
    away = np.hypot((columns - x) * generator.uniform(0.8, 1.25), rows - y)
    colour = generator.uniform(0.25, 0.9) * (1 + generator.normal(0, 0.05, 3))
    if generator.random() < 0.15:
        colour = thing_colour(generator)
    opening = generator.uniform(0.06, 0.24)
    ring = 1 + generator.uniform(0, 0.25) * np.sin(away * generator.uniform(15, 70))
    light = np.clip((away / generator.uniform(0.35, 0.8)) ** generator.uniform(0.3, 1.2), 0.15, 1.1) * ring
    light *= 1 + generator.uniform(0.02, 0.2) * noise(generator, 120, 2)
    picture = np.asarray(colour, np.float32) * light[..., None]
    layer = np.where(away < opening, 255, 0).astype(np.uint8)
    end = (
        tissue_colour(generator) * generator.uniform(0.05, 0.5) if generator.random() < 0.6 else thing_colour(generator)
    )
    picture = _laid(picture, layer, np.asarray(end, np.float32) * (1 + 0.3 * noise(generator, 20)[..., None]))
    if generator.random() < 0.5:  # a piece of glare or of an instrument at its rim
        picture = _laid(picture, _shape(generator, opening * SIDE), np.float32(generator.uniform(0.3, 1.1)))
    return _focus(generator, picture)


def _wood(generator: np.random.Generator) -> F32:
    """Boards, soil, leather: brown grain along one direction."""
    rows, columns = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    turn = generator.uniform(0, np.pi)
    along = rows * np.sin(turn) + columns * np.cos(turn)
    across = rows * np.cos(turn) - columns * np.sin(turn)
    grain = np.sin(across / generator.uniform(2, 9) + 2.5 * noise(generator, 80) + along / 90)
    level, green = generator.uniform(0.2, 0.85), generator.uniform(0.6, 0.85)
    colour = np.array([level, level * green, level * green * generator.uniform(0.45, 0.9)], np.float32)
    light = 1 + generator.uniform(0.04, 0.25) * grain + 0.06 * noise(generator, 4)
    boards = generator.uniform(25, 90)
    light[np.abs((across + 4000) % boards) < generator.uniform(0.5, 2.5)] *= generator.uniform(0.3, 0.9)
    picture = colour * light[..., None]
    for _ in range(int(generator.integers(0, 4))):
        picture = _laid(
            picture, _shape(generator, generator.uniform(15, 90)), _textured(generator, thing_colour(generator))
        )
    return _focus(generator, picture)


def _grey(generator: np.random.Generator) -> F32:
    """Anything in black and white."""
    picture = _leaves(generator) if generator.random() < 0.6 else _room(generator)
    return np.repeat(picture.mean(axis=2, keepdims=True), 3, axis=2)
