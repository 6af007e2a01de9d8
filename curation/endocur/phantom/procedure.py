"""A short procedure through a drawn tube: the camera's way, its mishaps, the view's outline, the burnt-in text.

Pure: numbers in, frames and their truth out. Names and dates are invented.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from endocur.phantom.tube import Lens, LesionKind, Pose, Tube, draw_tube, lesion_at, render, with_lesion

U8 = NDArray[np.uint8]

WIDTH, HEIGHT, FPS = 480, 360, 15
VIEW = np.s_[10:350, 134:474]
"""Rows and columns that the view lies in."""
SIDE = 340
FOCAL = 135.0
"""Pixels a radian: the view then spans about 140 degrees."""

ViewShape = Literal["circle", "octagon", "notch"]
BLACK = 4
"""Level of what is not lit; recorders seldom give 0."""
SHAPES: tuple[ViewShape, ...] = ("circle", "octagon", "notch")
EventKind = Literal["motion", "defocus", "over", "under", "red", "freeze"]
EVENTS: tuple[EventKind, ...] = ("motion", "over", "freeze", "defocus", "under", "red")
PATIENTS = (
    ("Doe, Jane", "F", "1961-03-14"),
    ("Mustermann, Max", "M", "1948-11-02"),
    ("Bloggs, Joanna", "F", "1979-07-23"),
    ("Rossi, Mario", "M", "1955-01-30"),
    ("Jansen, Piet", "M", "1966-09-05"),
    ("Svensson, Astrid", "F", "1972-05-17"),
)


@dataclass(frozen=True)
class Event:
    """A mishap: its kind, first and last second, and strength (0 to 1)."""

    kind: EventKind
    start_s: float
    end_s: float
    strength: float


@dataclass(frozen=True)
class Procedure:
    """All that one drawn video is made of.

    Args:
        shape: outline of the view.
        patient: invented name, sex, day of birth.
        number: invented case number.
        seconds: length.
        events: mishaps, in order of time.
        revisit: (start, end, seen first at): what is shown in [start, end) was seen before, backwards from the third.
        tube: where it goes.
        seed: of grain and jitter.
    """

    shape: ViewShape
    patient: tuple[str, str, str]
    number: str
    seconds: float
    events: tuple[Event, ...]
    revisit: tuple[float, float, float]
    tube: Tube = field(repr=False)
    seed: int


def plan(seed: int, number: int, seconds: float, patient: int) -> Procedure:
    """Decide a procedure. Everything follows from (seed, number, seconds, patient)."""
    generator = np.random.default_rng((seed, number, 1))
    kinds: tuple[LesionKind, ...] = ("polyp", "ulcer", "polyp", "polyp")
    tube = draw_tube(generator)
    for depth, kind in zip((1.6, 3.1, 4.4, 6.2), kinds, strict=True):
        tube = with_lesion(tube, lesion_at(generator, kind, depth), generator)
    count = max(1, round(seconds / 3.6))
    slot = seconds / (count + 0.5)
    order = generator.permutation(len(EVENTS))
    events = []
    for index in range(count):
        kind = EVENTS[order[index % len(EVENTS)]]
        length = min(generator.uniform(0.28, 0.4) * slot, 1.6)
        start = slot * (index + 0.45) + generator.uniform(0, 0.3 * slot)
        events.append(Event(kind, round(start, 2), round(start + length, 2), round(generator.uniform(0.75, 1.0), 2)))
    return Procedure(
        shape=SHAPES[number % len(SHAPES)],
        patient=PATIENTS[patient % len(PATIENTS)],
        number=f"{generator.integers(10**6, 10**7)}",
        seconds=seconds,
        events=tuple(events),
        revisit=(round(0.82 * seconds, 2), round(seconds, 2), round(0.48 * seconds, 2)),
        tube=tube,
        seed=seed * 1000 + number,
    )


def frames(procedure: Procedure) -> Iterator[U8]:
    """The frames of a procedure, RGB uint8 [HEIGHT, WIDTH, 3], FPS a second."""
    generator = np.random.default_rng((procedure.seed, 2))
    path = _Path(generator, procedure)
    screen = Screen(procedure)
    lens = Lens(SIDE, SIDE, FOCAL)
    grain = _Grain(generator)
    shown: U8 | None = None
    for index in range(max(1, round(procedure.seconds * FPS))):
        second = index / FPS
        event = next((event for event in procedure.events if event.start_s <= second < event.end_s), None)
        if shown is None or event is None or event.kind != "freeze":
            pose = path.at(second)
            if event is not None and event.kind in ("over", "under"):
                pose = replace(pose, light=pose.light * (1 + 2.6 * event.strength if event.kind == "over" else 0.16))
            picture = render(procedure.tube, pose, lens)
            shown = grain.add(_spoil(picture, event, second))
        yield screen.compose(shown, second)


class _Path:
    """The camera's way: forward with rests, swaying; towards the end back over what was seen."""

    def __init__(self, generator: np.random.Generator, procedure: Procedure) -> None:
        self._revisit = procedure.revisit
        self._start = generator.uniform(0, 1)
        self._speed = 6.0 / max(procedure.seconds, 12)
        self._rests = generator.uniform(0.6, 0.95)
        self._beat = 2 * np.pi / max(6.0, procedure.seconds / 3)
        self._sway = [(generator.uniform(0.25, 0.9), generator.uniform(0, 6.3)) for _ in range(6)]
        self._spread = generator.uniform(85, 115)

    def at(self, second: float) -> Pose:
        """The pose at a second."""
        start, _, seen = self._revisit
        if second >= start:
            second = seen - 0.7 * (second - start)
        # The derivative, speed * (1 - rests * cos), never turns back: it advances and rests by turns.
        depth = self._start + self._speed * (second - self._rests * np.sin(self._beat * second) / self._beat)
        waves = [np.sin(rate * second + phase) for rate, phase in self._sway]
        aim = (self._spread * (waves[0] + 0.4 * waves[1]), 0.8 * self._spread * (waves[2] + 0.4 * waves[3]))
        return Pose(float(depth), float(1.2 * waves[4]), (float(aim[0]), float(aim[1])), float(1.0 + 0.07 * waves[5]))


def _spoil(picture: U8, event: Event | None, second: float) -> U8:
    """What a mishap does to a picture; strongest in its middle."""
    if event is None:
        return np.asarray(cv2.GaussianBlur(picture, (0, 0), 0.55))
    share = np.sin(np.pi * np.clip((second - event.start_s) / (event.end_s - event.start_s), 0.2, 0.8)) * event.strength
    if event.kind == "motion":
        length = int(9 + 26 * share) | 1
        kernel = np.zeros((length, length), np.float32)
        turn = event.start_s * 2.4
        arm = np.array([np.cos(turn), np.sin(turn)]) * (length // 2)
        ends = [tuple(int(v) for v in np.round(length // 2 + sign * arm)) for sign in (-1, 1)]
        cv2.line(kernel, ends[0], ends[1], 1.0)
        return np.asarray(cv2.filter2D(picture, -1, kernel / kernel.sum()))
    if event.kind == "defocus":
        return np.asarray(cv2.GaussianBlur(picture, (0, 0), 2 + 5 * share))
    if event.kind == "red":
        near = cv2.GaussianBlur(picture, (0, 0), 24)
        return np.asarray(cv2.addWeighted(near, 1 - 0.85 * share, np.full_like(near, (176, 34, 22)), 0.85 * share, 0))
    return picture


class _Grain:
    """Sensor noise from one tile, shifted from frame to frame."""

    def __init__(self, generator: np.random.Generator) -> None:
        noise = generator.normal(0, 2.2, (SIDE + 64, SIDE + 64, 3))
        self._up, self._down = (np.clip(side, 0, 255).astype(np.uint8) for side in (noise, -noise))
        self._generator = generator

    def add(self, picture: U8) -> U8:
        y, x = self._generator.integers(0, 64, 2)
        window = np.s_[y : y + SIDE, x : x + SIDE]
        return np.asarray(cv2.subtract(cv2.add(picture, self._up[window]), self._down[window]))


class Screen:
    """What the processor puts round the picture: the view's outline, black beyond it, text over both."""

    def __init__(self, procedure: Procedure) -> None:
        self.view = view_mask(procedure.shape)
        self._soft = cv2.merge([cv2.GaussianBlur(self.view.astype(np.uint8) * 255, (0, 0), 0.7)[VIEW]] * 3)
        self._procedure = procedure
        self._second = -1
        self._dim = self._text = np.zeros((HEIGHT, WIDTH, 3), np.uint8)

    def compose(self, picture: U8, second: float) -> U8:
        """The full screen round a picture of the view; the clock ticks whatever the picture does."""
        if int(second) != self._second:
            self._second = int(second)
            self._dim, self._text = self._lettering(self._second)
        screen = np.full((HEIGHT, WIDTH, 3), BLACK, np.uint8)
        screen[VIEW] = np.maximum(cv2.multiply(picture, self._soft, scale=1 / 255), BLACK)
        return np.asarray(cv2.max(cv2.min(screen, self._dim), self._text))

    def _lettering(self, second: int) -> tuple[U8, U8]:
        name, sex, born = self._procedure.patient
        clock = f"09:{31 + second // 60:02d}:{second % 60:02d}"
        lines = [
            (8, 24, 0.46, "PHANTOM"),
            (8, 62, 0.42, name),
            (8, 82, 0.4, f"{sex}  {born}"),
            (8, 102, 0.4, f"ID {self._procedure.number}"),
            (8, 300, 0.4, "2031-02-03"),
            (8, 320, 0.4, clock),
            (150, 334, 0.4, f"Dr. A. Invented  {name}"),
        ]
        text = np.zeros((HEIGHT, WIDTH), np.uint8)
        for x, y, size, words in lines:
            cv2.putText(text, words, (x, y), cv2.FONT_HERSHEY_SIMPLEX, size, 235, 1, cv2.LINE_AA)
        dim = 255 - cv2.dilate(text, np.ones((3, 3), np.uint8))
        return cv2.merge([dim] * 3), cv2.merge([text] * 3)


def view_mask(shape: ViewShape) -> NDArray[np.bool_]:
    """True inside the view: bool [HEIGHT, WIDTH]."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    x, y, half = 304, HEIGHT // 2, 168
    if shape == "circle":
        cv2.circle(mask, (x, y), half, 1, -1)
        return mask.astype(bool)
    cut = 62
    corners = [(-half, cut - half), (cut - half, -half), (half - cut, -half), (half, cut - half)]
    points = [(x + dx, y + dy) for dx, dy in [*corners, *((-dx, -dy) for dx, dy in corners)]]
    cv2.fillPoly(mask, [np.array(points, np.int32)], 1)
    if shape == "notch":
        cv2.rectangle(mask, (x - half, y + half - 84), (x - half + 52, y + half), 0, -1)
    return mask.astype(bool)
