"""Drawn labelled pictures: classes that differ in shape more than in colour, and polyps with their exact masks.

Pure: numbers in, pictures out. Each drawn patient has a tube, a hue and a lamp of their own, and appears in every
class: whoever judges by mean colour judges the patient.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from endocur.phantom.tube import Lens, Lesion, Pose, Tube, draw_tube, render, seen_lesions, with_lesion

U8 = NDArray[np.uint8]

SIDE = 240
"""Pixels of a labelled picture, both ways."""
FOCAL = 95.0
DETAIL = 128
SMALLEST, LARGEST = 0.025, 0.3
"""Share of a picture that a lesion covers."""

ClassName = Literal["normal", "polyp", "ulcer"]
CLASSES: tuple[ClassName, ...] = get_args(ClassName)


@dataclass(frozen=True)
class Picture:
    """One labelled picture.

    Args:
        patient: number of the drawn patient.
        kind: its class.
        image: RGB uint8 [SIDE, SIDE, 3].
        mask: bool [SIDE, SIDE], the lesion's visible pixels.
    """

    patient: int
    kind: ClassName
    image: U8
    mask: NDArray[np.bool_]


def class_pictures(seed: int, count: int, patients: int) -> Iterator[Picture]:
    """`count` pictures, patients by turns, then classes, so that each patient appears in each class."""
    for patient in range(patients):
        bare = _bare(seed, patient)
        shares = [CLASSES[number // patients % len(CLASSES)] for number in range(patient, count, patients)]
        for kind in CLASSES:
            yield from _pictures(bare, seed, patient, kind, shares.count(kind))


def mask_pictures(seed: int, count: int, patients: int) -> Iterator[Picture]:
    """`count` pictures of polyps, patients by turns; other patients than those of `class_pictures`."""
    for patient in range(patients, 2 * patients):
        yield from _pictures(
            _bare(seed, patient), seed, patient, "polyp", len(range(patient - patients, count, patients))
        )


def _bare(seed: int, patient: int) -> Tube:
    return draw_tube(np.random.default_rng((seed, patient, 4)), detail=DETAIL)


def _pictures(bare: Tube, seed: int, patient: int, kind: ClassName, count: int) -> Iterator[Picture]:
    generator = np.random.default_rng((seed, patient, CLASSES.index(kind), 6))
    lesion = _lesion(generator, kind)
    tube = bare if kind == "normal" else with_lesion(bare, lesion, generator)
    lens = Lens(SIDE, SIDE, FOCAL)
    lamp = 1 + np.random.default_rng((seed, patient, 5)).normal(0, (0.05, 0.07, 0.07))
    for _ in range(count):
        pose, mask = _pose(tube, lesion, lens, generator, wanted=kind != "normal")
        image = render(tube, pose, lens).astype(np.float32) * (lamp * (1 + generator.normal(0, 0.03, 3)))
        image = cv2.GaussianBlur(image, (0, 0), generator.uniform(0.4, 0.8)) + generator.normal(0, 2, image.shape)
        yield Picture(patient, kind, np.clip(image, 0, 255).astype(np.uint8), mask)


def _lesion(generator: np.random.Generator, kind: ClassName) -> Lesion:
    """The patient's lesion; for `normal` the place where one could be, so that all classes look at like places."""
    size = generator.uniform(0.3, 0.5)
    return Lesion(
        "ulcer" if kind == "ulcer" else "polyp", generator.uniform(0, 2 * np.pi), generator.uniform(0, 8), size
    )


def _pose(
    tube: Tube, lesion: Lesion, lens: Lens, generator: np.random.Generator, *, wanted: bool
) -> tuple[Pose, NDArray[np.bool_]]:
    """A pose that shows the lesion's place; drawn again, at most 40 times, until enough of a wanted lesion is seen."""
    best: tuple[Pose, NDArray[np.bool_]] | None = None
    for _ in range(40):
        pose = _look_at(lesion, generator)
        mask = seen_lesions(tube, pose, lens) > 0
        share = float(mask.mean())
        if not wanted or SMALLEST <= share <= LARGEST:
            return pose, mask
        if best is None or share > best[1].mean():
            best = pose, mask
    assert best is not None
    return best


def _look_at(lesion: Lesion, generator: np.random.Generator) -> Pose:
    """Bring a wall point to a chance place of the picture, at a chance distance."""
    roll = generator.uniform(0, 2 * np.pi)
    away = generator.uniform(0.3, 1.1)
    radius = FOCAL * np.arctan2(1 - 0.5 * lesion.size, away)
    course = lesion.angle - roll
    wanted = generator.uniform(-0.26, 0.26, 2) * SIDE
    aim = wanted - radius * np.array([np.cos(course), np.sin(course)])
    return Pose(lesion.depth - away, roll, (float(aim[0]), float(aim[1])), generator.uniform(0.75, 1.2))
