"""One video from file to finished unit: a pure function of the file, the config and the version, run in a worker."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from endocur.configs import ExtractConfig
from endocur.corpus import CHAPTER_S, Corpus, InputRow, UnitMarker, chapter_files, write_marker
from endocur.engine import UnitFailed, beat
from endocur.extract.chapters import EXTRACT_VERSION, ChapterWriter, Picture, finished_chapter
from endocur.extract.decode import Video
from endocur.extract.dicom.header import is_dicom_file, read_header
from endocur.extract.dicom_pictures import DicomPictures
from endocur.extract.learned import read
from endocur.extract.motion import MotionMeter
from endocur.extract.planes import encode
from endocur.extract.sampling import Every, Ticks, chapter_of
from endocur.extract.segments import Probe, Segment, probe
from endocur.extract.sheets import contact_sheet
from endocur.extract.source import Source, Unreadable
from endocur.extract.text import TextDetector
from endocur.extract.watched import Ready, Watched
from endoshards.files import write_atomic

NOT_SAMPLED = "not sampled"
DAMAGED = "damaged"
UNSEEN_SHAPE = "shape not probed"


@dataclass(frozen=True)
class VideoTask:
    """What a worker needs to extract one video."""

    root: Path
    path: Path
    unit: str
    fingerprint: str
    inputs: tuple[InputRow, ...]
    """The video and its byte copies; statuses are filled in here."""
    config: ExtractConfig
    clear_sheets: Path | None = None
    """Folder for sheets that show what is masked; none are written without."""

    @property
    def group_id(self) -> str:
        """Pseudonym of its patient or procedure."""
        return self.inputs[0].group


@dataclass
class Counts:
    """Frames of a unit; seen = kept + sum of dropped."""

    seen: int = 0
    kept: int = 0
    dropped: dict[str, int] = field(default_factory=dict)

    def drop(self, reason: str, n: int = 1) -> None:
        """Count `n` dropped for `reason`."""
        if n:
            self.dropped[reason] = self.dropped.get(reason, 0) + n


class Picker(Protocol):
    """Which frames are kept: `sampling.Ticks` or `sampling.Every`."""

    def wants(self, us: int) -> bool:
        """Whether the frame at `us` is kept."""


def extract_video(task: VideoTask) -> UnitMarker:
    """Extract a video, write its chapters and its marker.

    Chapters finished by an earlier run of the same fingerprint stay as they are.

    Raises: UnitFailed with a reason that holds no name.
    """
    try:
        source = _source(task)
        detector = TextDetector() if task.config.text_detection else None
        known = read(task.config.mask) if task.config.mask is not None else ()
        found = probe(source, max_side=task.config.max_side, detector=detector, known=known)
        beat()
        counts, chapters, last_us = _store(task, source, found, Watched(detector))
    except Unreadable as error:
        raise UnitFailed(str(error)) from None
    reason = source.damage.reason()
    if counts.dropped.get(UNSEEN_SHAPE):
        reason = "; ".join(filter(None, [reason, f"{counts.dropped[UNSEEN_SHAPE]} frames of a size seen too rarely"]))
    status = "partial" if reason else "ok"
    _sheet(task, found)
    marker = UnitMarker(
        name=task.unit,
        status=status,
        reason=reason,
        kind="video",
        chapters=chapters,
        frames=counts.kept,
        fingerprint=task.fingerprint,
        inputs=tuple(_with_status(row, status, reason) for row in task.inputs),
        extras={
            "seen": counts.seen,
            "dropped": counts.dropped,
            "last_us": last_us,
            "version": EXTRACT_VERSION,
            "views": [_view_facts(segment) for segment in found.segments],
        }
        | _dicom_facts(task.path),
    )
    write_marker(Corpus(task.root), marker)
    return marker


def _source(task: VideoTask) -> Source:
    if _holds_pictures(task.path):
        return DicomPictures(task.path, beat)
    if task.config.decoder == "decord":
        from endocur.extract.decord import DecordVideo

        if is_dicom_file(task.path):
            raise Unreadable("decord does not read DICOM; leave --decoder out")
        return DecordVideo(task.path, beat)
    return Video(task.path, beat)


def _holds_pictures(path: Path) -> bool:
    """Whether it is a DICOM file of pictures one by one, which no video decoder reads."""
    return is_dicom_file(path) and not read_header(path).is_video


def _dicom_facts(path: Path) -> dict[str, object]:
    return {"dicom": read_header(path).facts()} if is_dicom_file(path) else {}


def _store(task: VideoTask, source: Source, found: Probe, watched: Watched) -> tuple[Counts, int, int]:
    """Write all chapters. Returns: counts, number of chapters, time of the last frame seen in us."""
    counts = Counts()
    picker: Picker = Every() if task.config.all_frames else Ticks(task.config.fps)
    end_us = None if task.config.minutes is None else round(task.config.minutes * 60_000_000)
    meter = MotionMeter()
    last_us = 0
    with ExitStack() as stack:
        chapters = _Chapters(stack, task)
        for frame in source.frames():
            us = frame.moment.us
            if end_us is not None and us >= end_us:
                break
            beat(1)
            counts.seen, last_us = counts.seen + 1, us
            segment = found.segment_of(frame)
            if segment is None:
                counts.drop(UNSEEN_SHAPE)
                continue
            motion = meter.measure(frame.planes, segment.geometry, segment.tissue)
            wanted = picker.wants(us)
            if wanted:
                counts.kept += 1
            else:
                counts.drop(NOT_SAMPLED)
            chapters.add(watched.take(frame, segment, motion if wanted else None))
        if not counts.seen:
            raise Unreadable("no frame can be decoded")
        chapters.add(watched.rest())
        chapters.close()
    counts.seen += source.damage.corrupt
    counts.drop(DAMAGED, source.damage.corrupt)
    return counts, chapters.number + 1, last_us


class _Chapters:
    """The chapters of a video, one after the other; those that an earlier run finished stay as they are."""

    def __init__(self, stack: ExitStack, task: VideoTask) -> None:
        self._stack, self._corpus, self._task = stack, Corpus(task.root), task
        self.number = 0
        self._writer = _open(stack, self._corpus, task, 0)

    def add(self, frames: Iterable[Ready]) -> None:
        for ready in frames:
            while self.number < chapter_of(ready.held.moment.us, CHAPTER_S):
                self.close()
                self.number += 1
                self._writer = _open(self._stack, self._corpus, self._task, self.number)
            if self._writer is not None:
                self._writer.add(_picture(self._task, ready))

    def close(self) -> None:
        if self._writer is not None:
            self._writer.finish(self._task.fingerprint)


def _open(stack: ExitStack, corpus: Corpus, task: VideoTask, number: int) -> ChapterWriter | None:
    """The writer of a chapter, or None if an earlier run finished it."""
    if finished_chapter(chapter_files(corpus, task.unit, number).marker, task.fingerprint) is not None:
        return None
    return stack.enter_context(ChapterWriter(corpus, task.unit, number))


def _picture(task: VideoTask, ready: Ready) -> Picture:
    held, segment, colour = ready.held, ready.held.segment, ready.held.colour
    return Picture(
        jpeg=encode(ready.planes, task.config.jpeg_quality),
        source_id=task.unit,
        group_id=task.group_id,
        moment=held.moment,
        geometry=segment.geometry,
        stencil=segment.stencil,
        view_id=segment.view_id,
        matrix=colour.matrix,
        full_range=colour.full_range,
        colour_assumed=colour.assumed,
        boxes=ready.boxes,
        **held.motion._asdict(),
    )


def _with_status(row: InputRow, status: str, reason: str) -> InputRow:
    return InputRow(**{**vars(row), "status": status, "reason": reason})


def _view_facts(segment: Segment) -> dict[str, object]:
    shape, found = segment.geometry.shape, segment.layout
    return {
        "view_id": segment.view_id,
        "coded": [shape.width, shape.height],
        "rotation": shape.rotation,
        "shape": found.view.shape,
        "overlays": len(found.boxes),
        "counts": found.counts,
    }


def _sheet(task: VideoTask, found: Probe) -> None:
    """The sheets a user looks at, one a segment: probe frames, outline of the view, boxes of overlays."""
    folder = Corpus(task.root).reports / "sheets"
    for part in found.segments:
        name, caption = f"{task.unit}.{part.view_id}.jpg", f"{task.unit} {part.view_id}"
        write_atomic(folder / name, contact_sheet(found.frames[part.view_id], part.layout, caption=caption))
        if task.clear_sheets is not None:
            clear = contact_sheet(found.frames[part.view_id], part.layout, caption=caption, clear=True)
            write_atomic(task.clear_sheets / name, clear)
