"""One video from file to finished unit: a pure function of the file, the config and the version, run in a worker."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from endocur.configs import ExtractConfig
from endocur.corpus import CHAPTER_S, Corpus, InputRow, UnitMarker, chapter_files, write_marker
from endocur.engine import UnitFailed, beat
from endocur.extract.chapters import EXTRACT_VERSION, ChapterWriter, Picture, chapter_facts
from endocur.extract.counts import DAMAGED, NOT_DECODED, NOT_SAMPLED, UNSEEN_SHAPE, Counts, counts_of
from endocur.extract.decode import Video
from endocur.extract.dicom.header import is_dicom_file, read_header
from endocur.extract.dicom_pictures import DicomPictures
from endocur.extract.foreign import NOT_ENDOSCOPY, shows_no_endoscopy
from endocur.extract.learned import read
from endocur.extract.motion import UNKNOWN, MotionMeter
from endocur.extract.sampling import Asked, Every, Ticks, chapter_of
from endocur.extract.segments import Probe, Segment, probe
from endocur.extract.sequence_source import NumberedPictures, Retimed
from endocur.extract.sequence_track import Timing, Track
from endocur.extract.sheets import contact_sheet
from endocur.extract.source import Frame, Source, Unreadable
from endocur.extract.text import TextDetector
from endocur.extract.watched import Ready, Watched, as_jpeg
from endoshards.files import write_atomic


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
    track: Track | None = None
    """Its pictures, if it is a sequence; `path` is that of the first."""
    timing: Timing | None = None
    """Rate the user said."""

    @property
    def group_id(self) -> str:
        """Pseudonym of its patient or procedure."""
        return self.inputs[0].group


class Picker(Protocol):
    """Which frames are kept: `sampling.Ticks` or `sampling.Every`."""

    def wants(self, us: int) -> bool:
        """Whether the frame at `us` is kept."""


def extract_video(task: VideoTask) -> UnitMarker:
    """Extract a video, write its chapters and its marker.

    Chapters finished by an earlier run of the same fingerprint stay as they are.

    Raises: UnitFailed with a reason that holds no name.
    """
    before = _state(task.path)
    try:
        config = task.config
        asked = Asked(config.sampling, None if config.all_frames else config.fps)
        source = open_source(task.path, config, asked, track=task.track, timing=task.timing)
        detector = TextDetector() if task.config.text_detection else None
        known = read(task.config.mask) if task.config.mask is not None else ()
        found = probe(source, max_side=task.config.max_side, detector=detector, known=known)
        beat()
        if not task.config.keep_foreign and shows_no_endoscopy(found):
            return _foreign(task)
        counts, chapters = _store(task, source, found, Watched(detector, as_jpeg(config.jpeg_quality)))
    except Unreadable as error:
        raise UnitFailed(str(error)) from None
    if _state(task.path) != before:
        for number in range(chapters):  # they may hold frames that the bytes this unit is named by do not have
            chapter_files(Corpus(task.root), task.unit, number).marker.unlink(missing_ok=True)
        raise UnitFailed("it changed while it was read; extract again when it is complete")
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
            "last_us": counts.last_us,
            "version": EXTRACT_VERSION,
            "views": [_view_facts(segment) for segment in found.segments],
        }
        | ({} if task.track else _dicom_facts(task.path))
        | ({"reading": source.told()} if isinstance(source, Video) else {})
        | ({} if _alone(source) else {"freezes": counts.freezes.told()})
        | _rate_facts(task),
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


def _state(path: Path) -> tuple[int, int]:
    """(bytes, time of change) of a file; a source is named by its bytes, so they must stay what they are."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_size, found.st_mtime_ns


def open_source(
    path: Path, config: ExtractConfig, asked: Asked, *, track: Track | None = None, timing: Timing | None = None
) -> Source:
    """What reads the frames of an input.

    Args:
        path: the file; of a sequence, its first picture.
        config: decoder, and which pictures of a sequence are opened.
        asked: which frames of a video are wanted.
        track: the pictures of a sequence.
        timing: the rate the user said.
    Raises: Unreadable with a reason that holds no name.
    """
    if track is not None and timing is not None:
        return NumberedPictures(track, timing, config, beat)
    if timing is not None:
        return Retimed(open_source(path, config, Asked("exact", None)), timing)
    if _holds_pictures(path):
        return DicomPictures(path, beat)
    if config.decoder == "decord":
        from endocur.extract.decord import DecordVideo

        if is_dicom_file(path):
            raise Unreadable("decord does not read DICOM; leave --decoder out")
        return DecordVideo(path, beat)
    return Video(path, beat, asked)


def _holds_pictures(path: Path) -> bool:
    """Whether it is a DICOM file of pictures one by one, which no video decoder reads."""
    return is_dicom_file(path) and not read_header(path).is_video


def _dicom_facts(path: Path) -> dict[str, object]:
    return {"dicom": read_header(path).facts()} if is_dicom_file(path) else {}


def _store(task: VideoTask, source: Source, found: Probe, watched: Watched[bytes]) -> tuple[Counts, int]:
    """Write all chapters that are not there yet. Returns: counts, number of chapters."""
    picker: Picker = Every() if task.config.all_frames else Ticks(task.config.fps)
    end_us = None if task.config.minutes is None else round(task.config.minutes * 60_000_000)
    frames, chapter, counts = _gone_on_with(task, source, found, picker)
    begin_us, at = round(chapter * CHAPTER_S * 1_000_000), chapter
    meter = MotionMeter()
    with ExitStack() as stack:
        chapters = _Chapters(stack, task, chapter)
        for frame in frames:
            us = frame.moment.us
            if end_us is not None and us >= end_us:
                break
            if not frame.follows:
                meter.forget()
            if us < begin_us:  # decoded for what follows it
                if (before := found.segment_now(frame)) is not None:
                    meter.measure(frame.planes, before.geometry, before.tissue)
                continue
            if chapter_of(us, CHAPTER_S) > at:
                # What waits goes out: a chapter depends on its own frames alone, so that a run can go on at any.
                chapters.add(watched.rest())
                watched.forget()
                until_here = {} if source.damage.reason() else counts.value() | {"layouts": found.state()}
                chapters.ends |= dict.fromkeys(range(at, chapter_of(us, CHAPTER_S)), until_here)
                at = chapter_of(us, CHAPTER_S)
            beat(1)
            segment = found.segment_of(frame)
            motion = UNKNOWN
            if segment is not None:
                motion = meter.measure(frame.planes, segment.geometry, segment.tissue)
            counts.seen, counts.last_us = counts.seen + 1, us
            counts.freezes.see(us, motion.is_frozen)
            if segment is None:
                counts.drop(UNSEEN_SHAPE)
                continue
            wanted = frame.may_be_kept and picker.wants(us)
            if wanted:
                counts.kept += 1
            else:
                counts.drop(NOT_SAMPLED)
            chapters.add(watched.take(frame, segment, motion if wanted else None))
        if not counts.seen:
            raise Unreadable("no frame can be decoded")
        chapters.add(watched.rest())
        chapters.close()
    _count_undecoded(counts, source, end_us)
    return counts, chapters.number + 1


class _Chapters:
    """The chapters of a video, one after the other; those that an earlier run finished stay as they are."""

    def __init__(self, stack: ExitStack, task: VideoTask, number: int) -> None:
        self._stack, self._corpus, self._task = stack, Corpus(task.root), task
        self.number = number
        self.ends: dict[int, Mapping[str, object]] = {}
        """Chapter -> counts of the unit up to its end, for a run that goes on from there; empty where it cannot."""
        self._writer = _open(stack, self._corpus, task, number)

    def add(self, frames: Iterable[Ready[bytes]]) -> None:
        for ready in frames:
            while self.number < chapter_of(ready.held.moment.us, CHAPTER_S):
                self.close()
                self.number += 1
                self._writer = _open(self._stack, self._corpus, self._task, self.number)
            if self._writer is not None:
                self._writer.add(_picture(self._task, ready))

    def close(self) -> None:
        if self._writer is not None:
            self._writer.finish(self._task.fingerprint, self.ends.get(self.number) or None)


def _gone_on_with(task: VideoTask, source: Source, found: Probe, picker: Picker) -> tuple[Iterator[Frame], int, Counts]:
    """Frames from the first chapter that is not finished, its number, and the counts of all before it.

    Where a file cannot be entered in the middle with the same result, everything is decoded again from its beginning,
    and chapters that are there are not written again.
    """
    corpus, chapter = Corpus(task.root), 0
    said: Mapping[str, Any] | None = None
    while (marker := chapter_facts(chapter_files(corpus, task.unit, chapter).marker, task.fingerprint)) is not None:
        if "until_here" not in marker:
            break
        chapter, said = chapter + 1, marker["until_here"]
    begin_us = round(chapter * CHAPTER_S * 1_000_000)
    if said is None or "layouts" not in said or not isinstance(source, Video) or UNSEEN_SHAPE in said["dropped"]:
        return source.frames(), 0, Counts()
    frames = source.frames_from(begin_us)
    if frames is None:
        return source.frames(), 0, Counts()
    for us in source.candidates_before(begin_us):
        picker.wants(us)
    found.go_on(said["layouts"])
    counts = counts_of(said)
    beat(counts.seen)
    return frames, chapter, counts


def _alone(source: Source) -> bool:
    """Whether frames were decoded without their neighbours."""
    if isinstance(source, NumberedPictures):
        return source.passed > 0
    return isinstance(source, Video) and source.reading[0].alone


def _count_undecoded(counts: Counts, source: Source, end_us: int | None) -> None:
    """Add what was left out as damaged, and what key frames alone passed over."""
    counts.seen += source.damage.corrupt
    counts.drop(DAMAGED, source.damage.corrupt)
    if isinstance(source, Video) and _alone(source):
        shown = source.facts.shown_before(end_us)
        passed = max(0, shown - counts.seen)
        counts.seen += passed
        counts.drop(NOT_DECODED, passed)
        counts.last_us = source.facts.times[shown - 1]
        beat(passed)
    if isinstance(source, NumberedPictures):
        counts.seen += source.passed
        counts.drop(NOT_DECODED, source.passed)
        counts.last_us = source.last_us


def _open(stack: ExitStack, corpus: Corpus, task: VideoTask, number: int) -> ChapterWriter | None:
    """The writer of a chapter, or None if an earlier run finished it."""
    if chapter_facts(chapter_files(corpus, task.unit, number).marker, task.fingerprint) is not None:
        return None
    return stack.enter_context(ChapterWriter(corpus, task.unit, number))


def _picture(task: VideoTask, ready: Ready[bytes]) -> Picture:
    held, segment, colour = ready.held, ready.held.segment, ready.held.colour
    return Picture(
        jpeg=ready.picture,
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


def _rate_facts(task: VideoTask) -> dict[str, object]:
    """What was said of its rate, and how many pictures a sequence has and lacks."""
    if task.timing is None:
        return {}
    track = task.track
    return {"timing": task.timing.facts()} | ({"pictures": len(track), "holes": track.holes} if track else {})


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
