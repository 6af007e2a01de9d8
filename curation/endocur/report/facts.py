"""What the corpus page says, as plain values: nothing here reads a file or knows HTML. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from endocur.report.timeline import Strip


@dataclass(frozen=True)
class Stage:
    """One step of the funnel. seen = kept + sum of dropped."""

    name: str
    seen: int
    kept: int
    dropped: Mapping[str, int]


@dataclass(frozen=True)
class Score:
    """One score over all frames.

    `counts` between the `edges` (one more, from 0 to 1); `threshold` is the least value kept, None if no filter
    looks at this score; `below` frames lie under it.
    """

    name: str
    edges: Sequence[float]
    counts: Sequence[int]
    middle: float
    threshold: float | None = None
    below: int = 0


@dataclass(frozen=True)
class Picture:
    """A frame as shown: its id, its small JPEG and what is said under it."""

    frame_id: str
    jpeg: bytes
    caption: str


@dataclass(frozen=True)
class Gallery:
    """Pictures of frames that share a fate: "kept", or the stage and reason they were dropped for."""

    fate: str
    frames: int
    pictures: Sequence[Picture]


@dataclass(frozen=True)
class Pair:
    """A dropped near copy beside the kept frame that is its evidence; cosine where the evidence says it."""

    dropped: Picture
    kept: Picture
    cosine: float | None


@dataclass(frozen=True)
class Failure:
    """An input that gave nothing, or not all: its id and its place in the list of inputs, never its name."""

    position: int | None
    source_id: str
    status: str
    reason: str


@dataclass(frozen=True)
class Facts:
    """The whole page."""

    corpus_id: str
    inputs: Mapping[str, int]
    """Inputs by status: ok, copy, partial, failed, ignored."""
    sources: int
    groups: int
    video_seconds: float
    decoded: Stage
    """From frames in the inputs to frames taken into the corpus."""
    stages: Sequence[Stage]
    scores: Sequence[Score]
    failures: Sequence[Failure]
    strips: Sequence[Strip]
    fates: Sequence[str]
    videos: int
    """Videos of the corpus, of which `strips` shows some."""
    settings: Mapping[str, Mapping[str, object]]
    """Stage -> its settings in force."""
    galleries: Sequence[Gallery] = field(default=())
    just_kept: Sequence[Picture] = field(default=())
    """The kept frames of lowest quality, lowest first: what the threshold would take next."""
    pairs: Sequence[Pair] = field(default=())
    pair_count: int = 0

    @property
    def seen(self) -> int:
        """Frames extracted."""
        return self.stages[0].seen if self.stages else 0

    @property
    def kept(self) -> int:
        """Frames that every stage kept."""
        return self.stages[-1].kept if self.stages else 0
