"""One video from file to finished unit: a pure function of the file, the config and the version, run in a worker."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from endocur.configs import ExtractConfig
from endocur.corpus import CHAPTER_S, Corpus, InputRow, UnitMarker, chapter_files, write_marker
from endocur.engine import UnitFailed, beat
from endocur.extract.chapters import EXTRACT_VERSION, ChapterWriter, Picture, finished_chapter
from endocur.extract.decode import Video
from endocur.extract.foreign import NOT_ENDOSCOPY, shows_no_endoscopy
from endocur.extract.motion import MotionMeter
from endocur.extract.planes import encode, mask_planes, stored_planes
from endocur.extract.sampling import Every, Ticks, chapter_of
from endocur.extract.segments import Probe, Segment, probe
from endocur.extract.sheets import contact_sheet
from endocur.extract.source import Frame, Source, Unreadable
from endocur.extract.text import TextDetector
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
        found = probe(source, max_side=task.config.max_side, detector=detector)
        del detector  # its model is half of a worker's memory
        beat()
        if not task.config.keep_foreign and shows_no_endoscopy(found):
            return _foreign(task)
        counts, chapters, last_us = _store(task, source, found)
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
            "views": [_view_facts(segment) for segment in found.segments.values()],
        },
    )
    write_marker(Corpus(task.root), marker)
    return marker


def _foreign(task: VideoTask) -> UnitMarker:
    """Leave a video out whose probe shows no endoscopy: a marker, no frame, no sheet."""
    marker = UnitMarker(
        name=task.unit,
        status="ignored",
        reason=NOT_ENDOSCOPY,
        kind="video",
        chapters=0,
        frames=0,
        fingerprint=task.fingerprint,
        inputs=tuple(_with_status(row, "ignored", NOT_ENDOSCOPY) for row in task.inputs),
        extras={"seen": 0, "dropped": {}, "last_us": 0, "version": EXTRACT_VERSION},
    )
    write_marker(Corpus(task.root), marker)
    return marker


def _source(task: VideoTask) -> Source:
    if task.config.decoder == "decord":
        from endocur.extract.decord import DecordVideo

        return DecordVideo(task.path, beat)
    return Video(task.path, beat)


def _store(task: VideoTask, source: Source, found: Probe) -> tuple[Counts, int, int]:
    """Write all chapters. Returns: counts, number of chapters, time of the last frame seen in us."""
    corpus, counts = Corpus(task.root), Counts()
    picker: Picker = Every() if task.config.all_frames else Ticks(task.config.fps)
    end_us = None if task.config.minutes is None else round(task.config.minutes * 60_000_000)
    meter = MotionMeter()
    last_us = chapter = 0
    with ExitStack() as stack:
        writer = _open(stack, corpus, task, chapter)
        for frame in source.frames():
            us = frame.moment.us
            if end_us is not None and us >= end_us:
                break
            beat(1)
            counts.seen, last_us = counts.seen + 1, us
            segment = found.segments.get(frame.shape)
            if segment is None:
                counts.drop(UNSEEN_SHAPE)
                continue
            motion = meter.measure(frame.planes, segment.geometry, segment.tissue)
            if not picker.wants(us):
                counts.drop(NOT_SAMPLED)
                continue
            while chapter < chapter_of(us, CHAPTER_S):
                _close(writer, task)
                chapter += 1
                writer = _open(stack, corpus, task, chapter)
            counts.kept += 1
            if writer is not None:
                writer.add(_picture(task, frame, segment, motion._asdict()))
        if not counts.seen:
            raise Unreadable("no frame can be decoded")
        _close(writer, task)
    counts.seen += source.damage.corrupt
    counts.drop(DAMAGED, source.damage.corrupt)
    return counts, chapter + 1, last_us


def _open(stack: ExitStack, corpus: Corpus, task: VideoTask, number: int) -> ChapterWriter | None:
    """The writer of a chapter, or None if an earlier run finished it."""
    if finished_chapter(chapter_files(corpus, task.unit, number).marker, task.fingerprint) is not None:
        return None
    return stack.enter_context(ChapterWriter(corpus, task.unit, number))


def _close(writer: ChapterWriter | None, task: VideoTask) -> None:
    if writer is not None:
        writer.finish(task.fingerprint)


def _picture(task: VideoTask, frame: Frame, segment: Segment, motion: dict[str, float | None]) -> Picture:
    planes = mask_planes(stored_planes(frame.planes, segment.geometry), segment.stencil)
    colour = frame.planes.colour
    return Picture(
        jpeg=encode(planes, task.config.jpeg_quality),
        source_id=task.unit,
        group_id=task.group_id,
        moment=frame.moment,
        geometry=segment.geometry,
        stencil=segment.stencil,
        view_id=segment.view_id,
        matrix=colour.matrix,
        full_range=colour.full_range,
        colour_assumed=colour.assumed,
        **motion,  # type: ignore[arg-type]
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
    for shape, part in found.segments.items():
        name, caption = f"{task.unit}.{part.view_id}.jpg", f"{task.unit} {part.view_id}"
        write_atomic(folder / name, contact_sheet(found.frames[shape], part.layout, caption=caption))
        if task.clear_sheets is not None:
            clear = contact_sheet(found.frames[shape], part.layout, caption=caption, clear=True)
            write_atomic(task.clear_sheets / name, clear)
