"""Pictures without time: decoded one by one, grouped by folder, size and border, stored as one unit a batch."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from endocur.configs import ExtractConfig
from endocur.corpus import Corpus, InputRow, UnitMarker, chapter_files, write_marker
from endocur.engine import beat
from endocur.extract.chapters import EXTRACT_VERSION, ChapterWriter, Picture, finished_chapter
from endocur.extract.geometry import Shape, upright
from endocur.extract.planes import encode, from_rgb, mask_planes, stored_planes
from endocur.extract.segments import PROBE_FRAMES, segment
from endocur.extract.source import Moment, Unreadable
from endocur.extract.still_groups import StillOutline, border_outline, still_groups
from endocur.extract.text import TextDetector
from endocur.extract.view import Detector, Layout, layout, member_layout, probe_frame, still_layout

MAX_PIXELS = 64_000_000
"""A larger picture is refused before it is decoded: 64 Mpixel are 200 MB as RGB."""

FIRST_OF_MANY = "the first of several pictures in one file"

_ORIENTATION = 0x0112
_TURNS = {1: 0, 3: 180, 6: 90, 8: 270}


@dataclass(frozen=True)
class StillItem:
    """One still of a batch."""

    path: Path
    folder_key: str
    """Equal for stills of one folder; says nothing else."""
    inputs: tuple[InputRow, ...]
    """The still and its byte copies; statuses are filled in here."""


@dataclass(frozen=True)
class StillsTask:
    """What a worker needs to extract one batch of stills."""

    root: Path
    unit: str
    fingerprint: str
    items: tuple[StillItem, ...]
    """In the order of their ids."""
    config: ExtractConfig


@dataclass(frozen=True)
class Still:
    """A decoded still in its coded orientation."""

    rgb: NDArray[np.uint8]
    """[h, w, 3]"""
    shape: Shape
    grey: bool
    note: str = ""

    @property
    def shown(self) -> NDArray[np.uint8]:
        """Upright RGB."""
        return upright(self.rgb, self.shape.rotation)


def extract_stills(task: StillsTask) -> UnitMarker:
    """Extract a batch of stills, write its one chapter and its marker. A bad still is a row with its reason."""
    corpus = Corpus(task.root)
    reasons, notes, found = _survey(task.items)
    good = sorted(found)
    layouts = {
        index: group
        for members in still_groups([found[index] for index in good])
        if len(members) > 1
        for group in [_group_layout([task.items[good[member]].path for member in members], task.config)]
        for index in (good[member] for member in members)
    }
    files = chapter_files(corpus, task.unit, 0)
    if finished_chapter(files.marker, task.fingerprint) is None:
        detector = TextDetector() if task.config.text_detection else None
        with ChapterWriter(corpus, task.unit, 0) as writer:
            for index in good:
                writer.add(_picture(task, index, layouts.get(index), detector))
                beat(1)
            writer.finish(task.fingerprint)
    marker = _marker(task, good, reasons, notes)
    write_marker(corpus, marker)
    return marker


def read_still(path: Path) -> Still:
    """Decode one picture; of several in a file the first.

    Returns: 8-bit RGB as coded, and how it is shown (EXIF orientation). Deeper pictures are scaled to 8 bits.
    Raises: Unreadable with the reason, without names.
    """
    try:
        # Our own limit is lower than the one Pillow warns of.
        with (
            warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning),
            Image.open(path) as image,
        ):
            if image.width * image.height > MAX_PIXELS:
                raise Unreadable(
                    f"{image.width} x {image.height} pixels; at most {MAX_PIXELS // 10**6} million are read"
                )
            note = FIRST_OF_MANY if getattr(image, "n_frames", 1) > 1 else ""
            orientation = int(image.getexif().get(_ORIENTATION, 1))
            image.load()
            grey = image.mode in ("1", "L", "LA", "I", "I;16", "I;16B", "I;16L", "F")
            rgb = _rgb(image)
    except Unreadable:
        raise
    except Image.DecompressionBombError:
        raise Unreadable(f"too many pixels; at most {MAX_PIXELS // 10**6} million are read") from None
    except UnidentifiedImageError:
        raise Unreadable("no picture that can be decoded") from None
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise Unreadable(f"a damaged picture ({type(error).__name__})") from None
    if orientation in (
        2,
        4,
        5,
        7,
    ):  # mirrored: no rotation shows it upright, so the mirror is part of the coded picture
        rgb = np.ascontiguousarray(rgb[:, ::-1])
        orientation = {2: 1, 4: 3, 5: 8, 7: 6}[orientation]
    height, width = rgb.shape[:2]
    return Still(rgb, Shape(width, height, _TURNS.get(orientation, 0)), grey, note)


def _rgb(image: Image.Image) -> NDArray[np.uint8]:
    if image.mode.startswith("I") or image.mode == "F":
        deep = np.asarray(image, np.float32)
        top = 65535.0 if deep.max(initial=0) > 255 else 255.0
        one = np.clip(np.rint(deep * (255.0 / top)), 0, 255).astype(np.uint8)
        return np.repeat(one[:, :, None], 3, axis=2)
    if "transparency" in image.info:
        image = image.convert("RGBA")
    return np.array(image.convert("RGB"), np.uint8)


def _survey(items: Sequence[StillItem]) -> tuple[dict[int, str], dict[int, str], dict[int, StillOutline]]:
    """Reasons of bad stills, notes on good ones, and the outline of each good one, by index."""
    reasons: dict[int, str] = {}
    notes: dict[int, str] = {}
    found: dict[int, StillOutline] = {}
    for index, item in enumerate(items):
        beat()
        try:
            still = read_still(item.path)
            if min(still.shape.width, still.shape.height) < 2:
                raise Unreadable("a picture of fewer than 2 x 2 pixels")
        except Unreadable as error:
            reasons[index] = str(error)
            continue
        if still.note:
            notes[index] = still.note
        outline = border_outline(probe_frame(still.shown))
        found[index] = StillOutline(item.folder_key, still.shape.shown, outline)
    return reasons, notes, found


def _group_layout(paths: Sequence[Path], config: ExtractConfig) -> Layout:
    """View and still regions of like stills, from about PROBE_FRAMES of them."""
    step = max(1, -(-len(paths) // PROBE_FRAMES))
    detector = TextDetector() if config.text_detection else None
    frames = list(_probe(paths[::step]))
    return layout([small for small, _ in frames], size=frames[0][1], detector=detector)


def _probe(paths: Iterable[Path]) -> Iterator[tuple[NDArray[np.uint8], tuple[int, int]]]:
    for path in paths:
        still = read_still(path)
        yield probe_frame(still.shown), still.shape.shown
        beat()


def _picture(task: StillsTask, index: int, group: Layout | None, detector: Detector | None) -> Picture:
    item = task.items[index]
    still = read_still(item.path)
    if group is None:
        found = still_layout(still.shown, detector=detector)
    elif detector is not None and (group.counts["text_boxes"] or group.counts["still_regions"]):
        found = member_layout(group, still.shown, detector=detector)
    else:
        found = group
    part = segment(f"s{index:04d}", still.shape, found, task.config.max_side)
    planes = from_rgb(still.rgb, "grey" if still.grey else "rgb")
    return Picture(
        jpeg=encode(mask_planes(stored_planes(planes, part.geometry), part.stencil), task.config.jpeg_quality),
        source_id=item.inputs[0].id,
        group_id=item.inputs[0].group,
        moment=Moment(0),
        geometry=part.geometry,
        stencil=part.stencil,
        view_id=part.view_id,
        matrix=planes.colour.matrix,
        full_range=True,
        colour_assumed=False,
    )


def _marker(task: StillsTask, good: Sequence[int], reasons: dict[int, str], notes: dict[int, str]) -> UnitMarker:
    rows = [
        InputRow(
            **{
                **vars(row),
                "status": "failed" if index in reasons else "ok",
                "reason": reasons.get(index, notes.get(index, "")),
            }
        )
        for index, item in enumerate(task.items)
        for row in item.inputs
    ]
    failed = len(reasons)
    return UnitMarker(
        name=task.unit,
        status="ok" if not failed else "partial" if good else "failed",
        reason=f"{failed} of {len(task.items)} stills failed" if failed else "",
        kind="stills",
        chapters=1,
        frames=len(good),
        fingerprint=task.fingerprint,
        inputs=tuple(rows),
        extras={"seen": len(good), "dropped": {}, "version": EXTRACT_VERSION},
    )
