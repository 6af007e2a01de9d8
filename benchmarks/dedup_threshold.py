"""From which cosine of the descriptor on are two frames copies? What each threshold keeps, finds and loses.

Real clips and stills: the share that stays, and the share of planted near copies (coded again, another size, other
light, a small shift) that is found. Composed procedures: how much view a dropped frame shares with the kept one.
Evidence for the constant in endoeval.encoders.thresholds (docs/dedup.md).
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import simplejpeg
from form import Figure, finish, options, shared, table
from selection_truth import ENCODER, Video, compose, extract, look

from endocur import tables
from endocur.corpus import Corpus
from endocur.select.dedup import Duplicates, find_duplicates
from endocur.select.embeddings import Vectors, decode_for, embed_corpus
from endocur.select.search import make_search
from endocur.store import FrameReader, read_masks
from endoeval.encoders import duplicate_cosine, load
from endoeval.encoders.descriptor import SIDE, describe

THRESHOLDS = (0.75, 0.8, 0.85, 0.88, 0.9, 0.92, 0.95)
Picture = tuple[np.ndarray, np.ndarray]
"""RGB uint8 [h, w, 3] and tissue bool [h, w]."""


@dataclass(frozen=True)
class Frames:
    """What a filter at 0.4 keeps of a corpus, best first."""

    corpus: Corpus
    rows: pa.Table
    vectors: np.ndarray
    """float16 [n, d]."""


def main() -> None:
    said = options(__doc__, more)
    with tempfile.TemporaryDirectory(dir=said.scratch) as folder:
        home = Path(folder)
        real = {
            "clips, 1 a second": stored(clips(home / "slow"), "--fps", "1"),
            "clips, 5 a second": stored(clips(home / "fast"), "--fps", "5"),
        }
        if not said.quick:
            real["stills"] = stored(stills(home / "stills"), "--stills")
        parts = [near_copies(real["clips, 1 a second"])] + ([] if said.quick else [near_copies(real["stills"], step=4)])
        planted = {kind: np.concatenate([part[kind] for part in parts]) for kind in CHANGES}
        videos: list[Video] = []
        for seed in [] if said.quick else [said.seed, said.seed + 1]:
            compose(home / str(seed), seed, quick=False)
            videos += look(extract(home / str(seed), "--fps", "4"), home / str(seed))
    constant = duplicate_cosine(ENCODER) or 1.0
    worst = min(planted, key=lambda kind: share(planted[kind] >= constant))
    figures = [
        Figure(
            "near_copies_found", share(planted[worst] >= constant), 0.98, unit="share", note=f"of the worst: {worst}"
        )
    ]
    if videos:
        _, overlap = dropped_overlap(videos, constant)
        figures.append(
            Figure("least_overlap_of_dropped", float(overlap.min()), 0.5, unit="share", note=f"{len(overlap)} dropped")
        )
    finish("dedup_threshold", figures, said, note="\n\n".join([trade_off(real, planted, videos), by_kind(planted)]))


def more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=int, default=42, help="first of the two seeds of the composed procedures")
    parser.add_argument("--scratch", type=Path, default=None, help="folder for the videos while it runs (about 400 MB)")


def clips(study: Path) -> Path:
    """The real clips, less what was made of stills."""
    (study / "videos").mkdir(parents=True)
    for path in sorted((shared("data") / "clips").glob("*.mp4")):
        shutil.copy(path, study / "videos")
    return study


def stills(study: Path) -> Path:
    """The real stills; those of one folder are near in time here and there."""
    (study / "videos").mkdir(parents=True)
    for path in sorted((shared("data") / "pool").glob("*/*.*")):
        shutil.copy(path, study / "videos" / f"{path.parent.name}__{path.name}")
    return study


def stored(study: Path, *words: str) -> Frames:
    corpus = extract(study, *words)
    encoder = load(ENCODER)
    embed_corpus(corpus, encoder)
    rows = tables.frames(corpus, ["frame_id", "quality", "unit", "chapter", "row", "offset", "size", "view_id"])
    rows = rows.filter(pc.greater_equal(rows["quality"], np.float32(0.4)))
    rows = rows.take(pc.sort_indices(rows, [("quality", "descending"), ("frame_id", "ascending")]))
    return Frames(corpus, rows, Vectors(corpus, encoder.encoder_id, rows)(0, len(rows)))


def duplicates(vectors: np.ndarray, threshold: float) -> Duplicates:
    """As `endocur dedup` finds them among float16 [n, d], best first."""
    return find_duplicates(
        len(vectors), lambda start, stop: vectors[start:stop], threshold, make_search(vectors.shape[1])
    )


def dropped_overlap(videos: list[Video], threshold: float) -> tuple[float, np.ndarray]:
    """Share of frames that stays, each video by itself, and common view of each dropped frame and its kept one."""
    kept, shares = [], []
    for video in videos:
        good = np.flatnonzero(video.quality >= np.float32(0.4))
        order = good[np.argsort(-video.quality[good], kind="stable")]
        found = duplicates(video.vectors[order].astype(np.float16), threshold)
        kept.append(found.keep)
        shares.append(video.overlap[order[~found.keep], order[found.of[~found.keep]]])
    return share(np.concatenate(kept)), np.concatenate(shares)


def near_copies(frames: Frames, step: int = 1) -> dict[str, np.ndarray]:
    """Kind of change -> cosine of every so many-th picture to itself changed so."""
    found: dict[str, list[float]] = {kind: [] for kind in CHANGES}
    for rgb, tissue in pictures(frames, step):
        before = vector(rgb, tissue)
        for kind, change in CHANGES.items():
            found[kind].append(float(before @ vector(*change(rgb, tissue))))
    return {kind: np.round(values, 4) for kind, values in found.items()}


def pictures(frames: Frames, step: int) -> Iterator[Picture]:
    with FrameReader(frames.corpus) as reader:
        for row in frames.rows.to_pylist()[::step]:
            jpeg = reader.jpeg(row["unit"], row["chapter"], row["offset"], row["size"])
            tissue = read_masks(frames.corpus, row["unit"], row["chapter"], row["view_id"]).tissue
            yield simplejpeg.decode_jpeg(jpeg, "RGB"), tissue


def vector(rgb: np.ndarray, tissue: np.ndarray) -> np.ndarray:
    """The features of a picture that is stored as extract stores it."""
    dark = np.ascontiguousarray(rgb * tissue[:, :, None])
    return describe(*decode_for(simplejpeg.encode_jpeg(dark, quality=92, colorsubsampling="420"), tissue, SIDE))


def lit(gain: tuple[float, float, float]) -> Callable[[np.ndarray, np.ndarray], Picture]:
    """Red, green and blue times so much."""
    return lambda rgb, tissue: (np.clip(rgb * np.array(gain), 0, 255).astype(np.uint8), tissue)


def sized(rgb: np.ndarray, tissue: np.ndarray, width: int, height: int) -> Picture:
    mask = cv2.resize(tissue.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0
    return cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA), mask


def moved(part: float = 0.0, zoom: float = 1.0, turn: float = 0.0) -> Callable[[np.ndarray, np.ndarray], Picture]:
    """The camera moved by a part of the short side (half as much downwards), nearer, turned by degrees; same view."""

    def change(rgb: np.ndarray, tissue: np.ndarray) -> Picture:
        height, width = tissue.shape
        way = cv2.getRotationMatrix2D((width / 2, height / 2), turn, zoom)
        way[:, 2] += np.array([1.0, 0.5]) * round(part * min(height, width))
        mask = cv2.warpAffine(tissue.astype(np.uint8), way, (width, height), flags=cv2.INTER_NEAREST) > 0
        return cv2.warpAffine(rgb, way, (width, height)), mask & tissue

    return change


def recoded(rgb: np.ndarray, tissue: np.ndarray) -> Picture:
    poor = simplejpeg.encode_jpeg(np.ascontiguousarray(rgb), quality=50, colorsubsampling="420")
    return simplejpeg.decode_jpeg(poor, "RGB"), tissue


def noisy(rgb: np.ndarray, tissue: np.ndarray) -> Picture:
    noise = np.random.default_rng(0).normal(0, 6, rgb.shape)
    return np.clip(rgb + noise, 0, 255).astype(np.uint8), tissue


CHANGES: Mapping[str, Callable[[np.ndarray, np.ndarray], Picture]] = {
    "coded again, quality 50": recoded,
    "half the size": lambda rgb, tissue: sized(rgb, tissue, tissue.shape[1] // 2, tissue.shape[0] // 2),
    "squashed to 352 x 352": lambda rgb, tissue: sized(rgb, tissue, 352, 352),
    "0.8 of the light": lit((0.8, 0.8, 0.8)),
    "1.2 of the light": lit((1.2, 1.2, 1.2)),
    "redder": lit((1.1, 1.0, 0.9)),
    "noise of 6 levels": noisy,
    "moved by 1 %": moved(0.01),
    "moved by 2 %": moved(0.02),
    "turned by 1 degree": moved(turn=1.0),
    "2 % nearer": moved(zoom=1.02),
}
"""What leaves a frame a copy of itself to everyone who looks."""


def trade_off(real: dict[str, Frames], planted: dict[str, np.ndarray], videos: list[Video]) -> str:
    copies = np.stack(list(planted.values()))
    heads = ["threshold", *(f"kept of {len(frames.rows)} {name}" for name, frames in real.items())]
    heads += ["near copies found", "of the worst kind"] + (
        ["kept of composed", "least overlap", "of 99 %"] * bool(videos)
    )
    rows = []
    for threshold in THRESHOLDS:
        kept = [share(duplicates(frames.vectors, threshold).keep) for frames in real.values()]
        cells = [*kept, share(copies >= threshold), float((copies >= threshold).mean(axis=1).min())]
        if videos:
            stays, overlap = dropped_overlap(videos, threshold)
            cells += [stays, float(overlap.min()), float(np.quantile(overlap, 0.01))]
        rows.append([f"{threshold:.2f}", *(f"{cell:.3f}" for cell in cells)])
    return "What each threshold does:\n\n" + table(heads, rows)


def by_kind(planted: dict[str, np.ndarray]) -> str:
    rows = [[kind, len(all_), f"{all_.min():.3f}", f"{np.median(all_):.3f}"] for kind, all_ in planted.items()]
    return "Cosines of planted near copies:\n\n" + table(["change", "n", "least", "median"], rows)


def share(which: np.ndarray) -> float:
    return float(np.mean(which)) if np.size(which) else float("nan")


if __name__ == "__main__":
    main()
