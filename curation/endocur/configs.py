"""What each `endocur` command can be told: one frozen dataclass a command. Standard library only."""

from __future__ import annotations

import os
import re
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Literal, TypeVar

from endoshards.errors import BadOption
from endoshards.settings import option

C = TypeVar("C")
CORPUS = Path("corpus")
OutOfBody = Literal["standard", "strict", "off"]
SCORE_NAMES = ("quality", "sharpness", "exposure", "contrast", "specular_free", "colour")


def _corpus() -> Path:
    return option(CORPUS, "Corpus folder.", how=True)


def _encoder() -> str:
    return option(
        "builtin:descriptor",
        "Encoder: builtin:descriptor, timm:NAME, random:NAME, or the folder of a run or export.",
    )


def _workers() -> int | None:
    return option(None, "Worker processes; one a core if not given.", how=True)


@dataclass(frozen=True, kw_only=True)
class ExtractConfig:
    """Options of `endocur extract`."""

    inputs: tuple[Path, ...] = option(
        MISSING, "Folders, files or globs: videos, numbered pictures and stills.", how=True, argument=True
    )
    corpus: Path = _corpus()
    fps: float = option(1.0, "Frames a second of presentation time to keep.")
    all_frames: bool = option(False, "Keep each frame instead of --fps.")
    sampling: Literal["auto", "exact", "keyframes"] = option(
        "auto",
        "exact: the first frame at or after each tick of --fps; keyframes: the first key frame; auto: key frames "
        "where they are as dense as asked, else exact.",
        before="exact",
    )
    stills: bool = option(False, "The pictures are unrelated stills, not a numbered sequence.", how=True)
    # of a unit's rate its own marker keeps account, so the rates are no part of the corpus's settings
    sequence_fps: float | None = option(
        None, "Numbered pictures are videos of so many frames a second, one for each run of numbers.", how=True
    )
    sequences: Path | None = option(
        None,
        "CSV `folder,fps[,group,step,pattern,first,last]`: which pictures are sequences; a row that names a video file "
        "overrides its rate.",
        how=True,
    )
    frame_pattern: str | None = option(
        None, "Regular expression on a picture's name: group frame is its number, seq tells sequences apart.", how=True
    )
    max_side: int = option(960, "Longest side of a stored frame in pixels; never enlarged.")
    jpeg_quality: int = option(92, "JPEG quality of stored frames, 1 to 100.")
    groups: Path | None = option(None, "CSV `file,group`: the patient or procedure of each file.", how=True)
    group_pattern: str | None = option(None, "Regular expression on the path; its first group is the group.", how=True)
    include: tuple[str, ...] = option((), "Glob to take, repeatable; @FILE holds a path or glob a line.", how=True)
    exclude: tuple[str, ...] = option((), "Glob to leave out, repeatable; @FILE holds a path or glob a line.", how=True)
    limit: int | None = option(None, "Only the first N inputs, to try.", how=True)
    minutes: float | None = option(None, "Only the first N minutes of each video, to try.")
    keep_foreign: bool = option(False, "Read videos too whose probe shows no endoscopy, such as slides.", how=True)
    decoder: Literal["pyav", "decord"] = option(
        "pyav", "Video decoder; decord is refused on files where it is not exact."
    )
    text_detection: bool = option(True, "Look for burned-in text with a text detector, beside the stillness test.")
    mask: Path | None = option(
        None, "File of learned layouts (endocur mask learn); frames depend on what it holds.", content=True
    )
    key: Path | None = option(None, "Key file for pseudonyms; one in your config folder if not given.", how=True)
    private: Path | None = option(None, "Folder for true paths; beside the key if not given.", how=True)
    keep_names: bool = option(False, "Keep file names (public data only); recorded in the corpus.", how=True)
    private_sheets: bool = option(
        False, "Write each video's sheet a second time with nothing hidden, into the private folder.", how=True
    )
    rehash: bool = option(False, "Hash each file again instead of trusting path, size and time.", how=True)
    allow_failed: float | None = option(
        None, "Share of inputs that may fail; 0.01, and at least one, if not given.", how=True
    )
    strict: bool = option(False, "Stop at the first failed input.", how=True)
    restart: bool = option(False, "Throw the corpus's frames away and extract anew.", how=True)
    part: str = option("0/1", "i/n: this job's part of the inputs, for job arrays.", how=True)
    workers: int | None = _workers()
    timeout: float = option(600.0, "Seconds a worker may stand still on one video before it is ended.", how=True)

    def __post_init__(self) -> None:
        """Check every value once, before any file is touched."""
        _positive("--fps", self.fps)
        _within("--max-side", self.max_side, 64, 8192)
        _within("--jpeg-quality", self.jpeg_quality, 1, 100)
        for name in ("limit", "minutes", "workers"):
            value = getattr(self, name)
            if value is not None:
                _positive(f"--{name}", value)
        _positive("--timeout", self.timeout)
        if self.allow_failed is not None:
            _within("--allow-failed", self.allow_failed, 0.0, 1.0)
        if self.all_frames and self.fps != ExtractConfig.fps:
            raise BadOption(f"--all-frames and --fps {self.fps:g} were both given; give one of them.")
        self._check_sampling()
        self._check_sequences()
        if self.groups is not None and self.group_pattern is not None:
            raise BadOption("--groups and --group-pattern were both given; give one of them.")
        index, _, count = self.part.partition("/")
        if not (index.isdigit() and count.isdigit() and int(index) < int(count)):
            raise BadOption(f"--part is {self.part!r}; write i/n with 0 <= i < n, for example 0/4.")

    def _check_sampling(self) -> None:
        """`auto` is `exact` wherever nothing is left to choose. Raises: BadOption for what excludes each other."""
        if self.sampling == "keyframes" and self.all_frames:
            raise BadOption("--all-frames and --sampling keyframes were both given; give one of them.")
        if self.sampling == "keyframes" and self.decoder != "pyav":
            raise BadOption(f"--sampling keyframes needs --decoder pyav, not {self.decoder}; leave one of them out.")
        if self.sampling == "auto" and (self.all_frames or self.decoder != "pyav"):
            object.__setattr__(self, "sampling", "exact")

    def _check_sequences(self) -> None:
        """What was said of pictures must agree. Raises: BadOption."""
        given = {"--stills": self.stills, "--sequence-fps": self.sequence_fps, "--sequences": self.sequences}
        said = [name for name, value in given.items() if value not in (None, False)]
        if len(said) > 1:
            raise BadOption(f"{' and '.join(said)} were both given; give one of them.")
        if self.sequence_fps is not None:
            _within("--sequence-fps", self.sequence_fps, 0.0001, 1000.0)
        if self.frame_pattern is None:
            return
        if self.stills or not said:
            raise BadOption("--frame-pattern tells how frames are named; say their rate by --sequence-fps N, too.")
        try:
            named = "frame" in re.compile(self.frame_pattern).groupindex
        except re.error as error:
            raise BadOption(f"--frame-pattern {self.frame_pattern!r} is no regular expression: {error}.") from None
        if not named:
            raise BadOption(
                f"--frame-pattern {self.frame_pattern!r} has no group frame; write the number as (?P<frame>[0-9]+) and "
                "what tells sequences apart as (?P<seq>...)."
            )


@dataclass(frozen=True, kw_only=True)
class MaskConfig:
    """Options of `endocur mask`."""

    action: Literal["learn", "show"] = option(
        MISSING, "learn: write the layouts of these videos; show: draw what is masked.", how=True, argument=True
    )
    inputs: tuple[Path, ...] = option(MISSING, "Folders, files or globs of videos.", how=True, argument=True)
    out: Path | None = option(None, "learn: the file, mask.toml if not given; show: the folder, mask-sheets.", how=True)
    mask: Path | None = option(None, "show: learned layouts to apply first.", how=True)
    text_detection: bool = option(True, "Look for burned-in text with a text detector, beside the stillness test.")
    private_sheets: bool = option(False, "show: hide nothing, and write beside the key.", how=True)
    key: Path | None = option(None, "Key file; one in your config folder if not given.", how=True)

    def __post_init__(self) -> None:
        """Check. Raises: BadOption."""
        if self.action == "learn" and (self.mask is not None or self.private_sheets):
            raise BadOption("mask learn takes neither --mask nor --private-sheets; those are for mask show.")


@dataclass(frozen=True, kw_only=True)
class ScoreConfig:
    """Options of `endocur score`."""

    corpus: Path = _corpus()
    workers: int | None = _workers()


@dataclass(frozen=True, kw_only=True)
class FilterConfig:
    """Options of `endocur filter`. Every score lies in [0, 1], higher is better."""

    corpus: Path = _corpus()
    min_quality: float = option(0.4, "Drop frames whose quality is below.")
    min: tuple[str, ...] = option((), "NAME=VALUE: drop frames whose score NAME is below VALUE; repeatable.")
    out_of_body: OutOfBody | None = option(
        None,
        "Drop frames outside the body: standard, strict (what is not surely inside), or off. Unsaid: as decided "
        "before, else off.",
    )

    def __post_init__(self) -> None:
        """Check thresholds. Raises: BadOption."""
        if not 0.0 <= self.min_quality <= 1.0:
            raise BadOption(
                f"--min-quality is {self.min_quality:g}; scores run from 0 to 1. For 40 % write --min-quality 0.4."
            )
        self.thresholds()

    def thresholds(self) -> dict[str, float]:
        """Score name -> lowest value kept, `quality` included."""
        wanted = {"quality": self.min_quality}
        for text in self.min:
            name, sign, number = text.partition("=")
            if name not in SCORE_NAMES:
                raise BadOption(f"--min {text}: {name!r} is no score; known: {', '.join(SCORE_NAMES)}.")
            try:
                value = float(number)
            except ValueError:
                value = -1.0
            if not sign or not 0.0 <= value <= 1.0:
                raise BadOption(
                    f"--min {text}: write NAME=VALUE with a value from 0 to 1, for example --min {name}=0.3."
                )
            if name == "quality":
                raise BadOption(f"--min {text}: quality has its own option; write --min-quality {value:g}.")
            if name in wanted:
                raise BadOption(f"--min {text}: {name} has a threshold already, {wanted[name]:g}; say one.")
            wanted[name] = value
        return wanted


@dataclass(frozen=True, kw_only=True)
class EmbedConfig:
    """Options of `endocur embed`."""

    corpus: Path = _corpus()
    encoder: str = _encoder()
    device: str = option("auto", "auto, cpu, cuda or cuda:N.", how=True)
    batch: int = option(64, "Frames a batch.", how=True)

    def __post_init__(self) -> None:
        """Check. Raises: BadOption."""
        _positive("--batch", self.batch)


@dataclass(frozen=True, kw_only=True)
class DedupConfig:
    """Options of `endocur dedup`."""

    corpus: Path = _corpus()
    encoder: str = _encoder()
    threshold: float | None = option(
        None, "Cosine at or above which two frames are duplicates; the encoder's own if not given."
    )
    device: str = option("auto", "auto, cpu, cuda or cuda:N.", how=True)

    def __post_init__(self) -> None:
        """Check. Raises: BadOption."""
        if self.threshold is not None and not 0.0 < self.threshold <= 1.0:
            raise BadOption(
                f"--threshold is {self.threshold:g}; a cosine above 0 and at most 1 is wanted, for example 0.95."
            )


@dataclass(frozen=True, kw_only=True)
class ShardConfig:
    """Options of `endocur shard`."""

    corpus: Path = _corpus()
    out: Path = option(Path("shards"), "Folder for the shards.", how=True)
    size: int = option(320, "Short side of a shard's pictures in pixels; never enlarged.")
    native_size: bool = option(False, "Keep the stored size and its bytes.")
    jpeg_quality: int = option(90, "JPEG quality after resizing, 1 to 100.")
    shard_bytes: int = option(64_000_000, "Aimed-at bytes a shard.")
    name: str = option("corpus", "Name of the set, for its card and index.")
    require_audit: bool = option(
        False,
        "Publish only after the privacy audit passed: text read back, fields, headers; signed by the key.",
        how=True,
    )
    audit_sample: int = option(
        300, "Frames drawn at random for the audit; layouts they leave out come beside.", how=True
    )
    audit_all: bool = option(False, "Read all frames for the audit, not a sample.", how=True)
    accepted: Path | None = option(
        None, "File with a frame id a line: a person looked at these and found no text.", how=True
    )
    key: Path | None = option(None, "Key file that signs the audit; the corpus's own, in your config folder.", how=True)
    workers: int | None = _workers()

    def __post_init__(self) -> None:
        """Check. Raises: BadOption."""
        _positive("--audit-sample", self.audit_sample)
        if self.audit_all and not self.require_audit:
            raise BadOption("--audit-all reads frames for an audit that was not asked for; add --require-audit.")
        _within("--size", self.size, 16, 8192)
        _within("--jpeg-quality", self.jpeg_quality, 1, 100)
        _within("--shard-bytes", self.shard_bytes, 10_000, 8_000_000_000)


@dataclass(frozen=True, kw_only=True)
class ClipsConfig:
    """Options of `endocur clips`."""

    corpus: Path = _corpus()
    seconds: float = option(5.0, "Length of a clip.")
    fps: float = option(30.0, "Frames a second; fewer where the recording has fewer.")
    size: int = option(320, "Short side of a clip in pixels, even; never enlarged.")
    min_kept: float = option(0.8, "Share of a clip's stored frames that must be kept.")
    form: Literal["mp4", "jpg"] = option("mp4", "H.264 in MP4 with a key frame a second, or a run of JPEGs.")
    crf: int = option(20, "Quality of an MP4: 0 lossless, 51 worst.")
    jpeg_quality: int = option(90, "Quality of JPEGs, 1 to 100.")
    key: Path | None = option(None, "Key file of the corpus; the one in your config folder if not given.", how=True)
    private: Path | None = option(None, "Folder for true paths; beside the key if not given.", how=True)
    allow_failed: float | None = option(None, "Share of recordings that may fail; 0.01 if not given.", how=True)
    workers: int | None = _workers()
    timeout: float = option(600.0, "Seconds a worker may stand still on one recording before it is ended.", how=True)

    def __post_init__(self) -> None:
        """Check. Raises: BadOption."""
        _within("--seconds", self.seconds, 0.5, 600)
        _within("--fps", self.fps, 1, 240)
        _within("--size", self.size, 16, 8192)
        _within("--crf", self.crf, 0, 51)
        _within("--jpeg-quality", self.jpeg_quality, 1, 100)
        _positive("--timeout", self.timeout)
        if self.size % 2:
            raise BadOption(f"--size is {self.size}; an even number is wanted, for example {self.size + 1}.")
        if not 0 < self.min_kept <= 1:
            raise BadOption(f"--min-kept is {self.min_kept:g}; a share above 0 and at most 1 is wanted.")
        if self.allow_failed is not None:
            _within("--allow-failed", self.allow_failed, 0.0, 1.0)


@dataclass(frozen=True, kw_only=True)
class VerifyConfig:
    """Options of `endocur verify`."""

    shards: Path = option(Path("shards"), "Folder of shards.", argument=True, how=True)
    decode: bool = option(True, "Decode each picture too.", how=True)
    privacy: bool = option(
        False, "Read the pixels back as text and compare all else with the list of what may be there; sign the result."
    )
    all: bool = option(False, "With --privacy: read all frames, not a sample.")
    sample: int = option(300, "Frames drawn at random; layouts and groups they leave out come beside.")
    audit: Path | None = option(None, "The audit; SHARDS.audit.json beside the folder if not given.", how=True)
    check_audit: bool = option(False, "Check that a signed audit of exactly these bytes is there and passed.", how=True)
    accepted: Path | None = option(
        None, "File with a frame id a line: a person looked at these and found no text.", how=True
    )
    key: Path | None = option(None, "Key file that signs; the one in your config folder if not given.", how=True)
    workers: int | None = _workers()
    json: bool = option(False, "Print the findings as JSON.", how=True)

    def __post_init__(self) -> None:
        """Check. Raises: BadOption."""
        _positive("--sample", self.sample)
        if self.privacy and self.check_audit:
            raise BadOption("--privacy and --check-audit were both given; make an audit, or check the one there is.")
        if not self.privacy:
            for name, said in (("--all", self.all), ("--accepted", self.accepted is not None)):
                if said:
                    raise BadOption(f"{name} belongs to the privacy audit; add --privacy.")


@dataclass(frozen=True, kw_only=True)
class RedactConfig:
    """Options of `endocur redact`."""

    corpus: Path = _corpus()
    frame: str | None = option(None, "Frame id to mask, as reports, audits and shards name it.")
    unit: str | None = option(None, "Unit (a video's or a still's id) whose frames to mask, all of one --view.")
    view: str | None = option(None, "Layout of the --unit, its view_id.")
    box: tuple[str, ...] = option((), "X,Y,W,H in stored pixels; repeatable.")
    boxes: Path | None = option(None, "CSV `frame,x,y,w,h` or `unit,view,x,y,w,h`: a box a line.")
    from_audit: Path | None = option(None, "Audit file: mask the boxes that it found.")
    key: Path | None = option(None, "Key file that signed the audit; the one in your config folder if not given.")

    def __post_init__(self) -> None:
        """Check what goes with what. Raises: BadOption."""
        if self.unit is not None and self.frame is not None:
            raise BadOption("--unit and --frame were both given; a box belongs to one of them.")
        if (self.unit is None) != (self.view is None):
            raise BadOption("--unit and --view belong together; give both.")
        named = self.unit is not None or self.frame is not None
        if named and not self.box:
            raise BadOption("no --box was given; say what to mask: --box X,Y,W,H in stored pixels.")
        if self.box and not named:
            raise BadOption("--box needs a --frame, or a --unit with its --view.")
        self.box_numbers()

    def box_numbers(self) -> list[tuple[int, int, int, int]]:
        """`--box`, parsed. Raises: BadOption."""
        found = []
        for text in self.box:
            parts = [part.strip() for part in text.split(",")]
            if len(parts) != 4 or not all(part.isascii() and part.isdigit() for part in parts):
                raise BadOption(
                    f"--box is {text!r}; X,Y,W,H in stored pixels is wanted, for example --box 40,12,180,24."
                )
            x, y, width, height = map(int, parts)
            if not (0 < width <= 65_535 and 0 < height <= 65_535 and x <= 65_535 and y <= 65_535):
                raise BadOption(f"--box is {text!r}; width and height above 0 are wanted, nothing above 65,535.")
            found.append((x, y, width, height))
        return found


@dataclass(frozen=True, kw_only=True)
class StatusConfig:
    """Options of `endocur status`."""

    corpus: Path = _corpus()
    json: bool = option(False, "Print as JSON.", how=True)


@dataclass(frozen=True, kw_only=True)
class ReportConfig:
    """Options of `endocur report`."""

    corpus: Path = _corpus()
    out: Path | None = option(None, "Page to write; reports/corpus.html in the corpus if not given.", how=True)
    share: bool = option(False, "No pixels and no ids: a page that may leave the hospital.")
    gallery: int = option(12, "Pictures shown for each reason.")

    def __post_init__(self) -> None:
        """Check. Raises: BadOption."""
        _within("--gallery", self.gallery, 0, 1000)


@dataclass(frozen=True, kw_only=True)
class DoctorConfig:
    """Options of `endocur doctor`."""

    decode: Path | None = option(
        None, "A video: is it the same decoded twice and by seeks, how would extract read it, what is odd.", how=True
    )
    json: bool = option(False, "Print as JSON.", how=True)


@dataclass(frozen=True, kw_only=True)
class PhantomConfig:
    """Options of `endocur phantom`."""

    out: Path = option(Path(), "Study folder: gets videos/ and benchmarks-data/.", argument=True, how=True)
    videos: int = option(3, "Drawn procedures.")
    seconds: float = option(20.0, "Length of each in seconds.")
    images: int = option(96, "Pictures of each labelled set.")
    seed: int = option(0, "Seed of all drawing.")

    def __post_init__(self) -> None:
        """Check. Raises: BadOption."""
        for name in ("videos", "images"):
            _positive(f"--{name}", getattr(self, name))
        _within("--seconds", self.seconds, 0.1, 36_000)
        _within("--seed", self.seed, 0, 2**32 - 1)


@dataclass(frozen=True, kw_only=True)
class RunConfig(ExtractConfig):
    """Options of `endocur run`: those of extract, filter, dedup and shard in a row."""

    min_quality: float = option(0.4, "As `endocur filter`.")
    min: tuple[str, ...] = option((), "As `endocur filter`.")
    out_of_body: OutOfBody | None = option(None, "As `endocur filter`.")
    encoder: str = _encoder()
    threshold: float | None = option(None, "As `endocur dedup`.")
    device: str = option("auto", "auto, cpu, cuda or cuda:N.", how=True)
    out: Path = option(Path("shards"), "Folder for the shards.", how=True)
    size: int = option(320, "As `endocur shard`.")
    native_size: bool = option(False, "As `endocur shard`.")
    shard_bytes: int = option(64_000_000, "As `endocur shard`.")
    name: str = option("corpus", "As `endocur shard`.")
    require_audit: bool = option(False, "As `endocur shard`.", how=True)

    def __post_init__(self) -> None:
        """Check by building each stage's config. Raises: BadOption."""
        ExtractConfig.__post_init__(self)
        for kind in (FilterConfig, DedupConfig, ShardConfig):
            self.stage(kind)

    def stage(self, kind: type[C]) -> C:
        """The config of one of the four stages."""
        # Both extract and shard have a jpeg_quality; the line's is that of extract, shard keeps its default.
        own = {"jpeg_quality"} if kind is ShardConfig else set()
        names = [field.name for field in fields(kind) if field.name not in own and hasattr(self, field.name)]  # type: ignore[arg-type]
        return kind(**{name: getattr(self, name) for name in names})


def _positive(name: str, value: float) -> None:
    if not value > 0:
        raise BadOption(f"{name} is {value:g}; a number above 0 is wanted.")


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        shown = [f"{number:,}" if isinstance(number, int) else f"{number:g}" for number in (value, low, high)]
        raise BadOption(f"{name} is {shown[0]}; {shown[1]} to {shown[2]} is allowed.")


def worker_count(workers: int | None) -> int:
    """`--workers`, or one a core this process may use."""
    return (
        workers
        if workers is not None
        else max(1, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    )
