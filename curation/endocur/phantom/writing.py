"""Write what was drawn: videos as H.264, labelled pictures as JPEG and PNG, groups as CSV, and what is true of them.

`phantom.json`, written last, says what was drawn; a folder that has it with the same settings is left as it is.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from endocur.phantom import labelled, procedure
from endocur.phantom.procedure import FPS, HEIGHT, WIDTH, Procedure
from endoshards.errors import BadInput
from endoshards.files import atomic_path, read_json, refuse_source_tree, write_atomic, write_json

VERSION = 1
"""Of the drawing: another number, another set of pixels."""
PATIENTS = 16
"""Drawn patients of a labelled set; intervals by patient want a dozen at least."""

README = """All files here were drawn by `endocur phantom`. No patient, no endoscope, no recording stands behind them:
names, dates and case numbers are invented, tissue and lesions are arithmetic. Use them to see that the road works.
A number measured on them says nothing about how good an encoder is for endoscopy.

videos/                            short procedures with burnt-in text, blur, freezes; groups.csv: which patient
benchmarks-data/phantom_classes/   pictures by class; groups.csv
benchmarks-data/phantom_masks/     pictures of polyps and their masks; groups.csv
phantom.json                       how it was drawn, and what is true of each video
"""


def write_study(
    out: Path, *, videos: int, seconds: float, images: int, seed: int, said: Callable[[str], None] = lambda _: None
) -> bool:
    """Draw a study folder.

    Args:
        out: gets videos/, benchmarks-data/, README.txt and phantom.json.
        videos: how many procedures.
        seconds: length of each.
        images: pictures of each labelled set.
        seed: of all drawing.
        said: told one line when a part is done.
    Returns: False if the folder already holds exactly this.
    Raises: BadInput if it holds other videos or sets, or a phantom of other settings.
    """
    refuse_source_tree(out, "endocur phantom study")
    asked = {"version": VERSION, "videos": videos, "seconds": seconds, "images": images, "seed": seed}
    begun, done = out / "phantom.begun.json", out / "phantom.json"
    parts = [out / "videos", *(out / "benchmarks-data" / name for name in ("phantom_classes", "phantom_masks"))]
    mark = next((path for path in (done, begun) if path.is_file()), None)
    if mark is not None:
        drawn = read_json(mark)
        told = {key: drawn.get(key) for key in asked} if isinstance(drawn, dict) else {}
        if told != asked:
            other = ", ".join(f"{key} {told.get(key)}" for key in asked if told.get(key) != asked[key])
            raise BadInput(f"{out} holds a phantom of other settings ({other}); draw this one into another folder.")
        if mark == done:
            return False
    else:
        taken = next((part for part in parts if part.exists()), None)
        if taken is not None:
            raise BadInput(
                f"{taken} was not drawn by this command; draw into another folder, so that nothing is mixed."
            )
    write_json(begun, asked)
    truth = _write_videos(parts[0], videos, seconds, seed, said)
    _write_classes(parts[1], images, seed)
    said(f"{parts[1]}: {images} pictures in {len(labelled.CLASSES)} classes")
    _write_masks(parts[2], images, seed)
    said(f"{parts[2]}: {images} pictures with masks")
    write_atomic(out / "README.txt", README)
    write_json(done, {**asked, "truth": truth})
    begun.unlink()
    return True


def write_video(path: Path, drawn: Procedure) -> None:
    """Encode one procedure; its container carries the invented name, as recorders do."""
    with atomic_path(path) as temporary, av.open(str(temporary), "w", format="mp4") as container:
        container.metadata["title"] = f"{drawn.patient[0]} {drawn.number}"
        # One thread: with more, the encoder's bytes depend on their number.
        stream = container.add_stream(
            "libx264", rate=FPS, options={"crf": "17", "preset": "veryfast", "g": str(3 * FPS), "threads": "1"}
        )
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        tick = Fraction(1, FPS)
        stream.time_base = tick
        for index, frame in enumerate(procedure.frames(drawn)):
            picture = av.VideoFrame.from_ndarray(cv2.cvtColor(frame, cv2.COLOR_RGB2YUV_I420), format="yuv420p")
            picture.pts, picture.time_base = index, tick
            container.mux(stream.encode(picture))
        container.mux(stream.encode())


def _write_videos(
    folder: Path, videos: int, seconds: float, seed: int, said: Callable[[str], None]
) -> dict[str, dict[str, object]]:
    names = [f"procedure-{number + 1:02d}.mp4" for number in range(videos)]
    # The last of three or more is the first patient again: procedures are not patients.
    patients = [0 if videos > 2 and number == videos - 1 else number for number in range(videos)]

    def draw(number: int) -> tuple[str, dict[str, object]]:
        drawn = procedure.plan(seed, number, seconds, patients[number])
        write_video(folder / names[number], drawn)
        return names[number], {
            "view": drawn.shape,
            "burnt_in": [*drawn.patient, drawn.number],
            "revisit": list(drawn.revisit),
            "events": [[event.kind, event.start_s, event.end_s, event.strength] for event in drawn.events],
        }

    folder.mkdir(parents=True, exist_ok=True)
    truth: dict[str, dict[str, object]] = {}
    with ThreadPoolExecutor(2) as pool:
        for name, told in pool.map(draw, range(videos)):
            truth[name] = told
            said(f"{folder / name}: {seconds:g} s, {told['view']} view")
    _write_groups(folder, [(name, f"patient-{who + 1:02d}") for name, who in zip(names, patients, strict=True)])
    return truth


def _write_classes(folder: Path, images: int, seed: int) -> None:
    rows: list[tuple[str, str]] = []
    for number, picture in enumerate(labelled.class_pictures(seed, images, min(PATIENTS, images))):
        name = f"{picture.kind}/{number:04d}.jpg"
        _write_picture(folder / name, picture.image)
        rows.append((name, f"patient-{picture.patient + 1:02d}"))
    _write_groups(folder, sorted(rows))


def _write_masks(folder: Path, images: int, seed: int) -> None:
    rows: list[tuple[str, str]] = []
    for number, picture in enumerate(labelled.mask_pictures(seed, images, min(PATIENTS, images))):
        _write_picture(folder / f"images/{number:04d}.jpg", picture.image)
        _write_picture(folder / f"masks/{number:04d}.png", picture.mask.astype(np.uint8) * 255)
        rows.append((f"{number:04d}.jpg", f"patient-{picture.patient + 1:02d}"))
    _write_groups(folder, rows)


def _write_picture(path: Path, pixels: NDArray[np.uint8]) -> None:
    if pixels.ndim == 3:
        pixels = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), np.uint8)
    _, data = cv2.imencode(path.suffix, pixels, [cv2.IMWRITE_JPEG_QUALITY, 92] if path.suffix == ".jpg" else [])
    write_atomic(path, data.tobytes())


def _write_groups(folder: Path, rows: Iterable[tuple[str, str]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("file", "group"))
    writer.writerows(rows)
    write_atomic(folder / "groups.csv", text.getvalue())
