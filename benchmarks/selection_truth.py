"""What do the scores drop by kind of fault, and which cosine of the descriptor means how much common view?

Composes procedures whose faults and camera ways are known to the frame, extracts four frames a second by the command,
and compares. Evidence for --min-quality 0.4 (docs/scores.md) and for the descriptor's threshold (docs/dedup.md).
"""

from __future__ import annotations

import argparse
import csv
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pyarrow.compute as pc
import simplejpeg
from form import Figure, cannot_run, finish, options, shared, table

from endocur import tables
from endocur.corpus import Corpus, open_corpus, unit_markers
from endocur.quality.scores import score_jpeg
from endocur.select.embeddings import Vectors, embed_corpus
from endoeval.encoders import duplicate_cosine, load

ENCODER = "builtin:descriptor"
FAULTS = ("motion", "defocus", "over", "under", "white_out", "red_out", "black_out")
OVERLAPS = ((0.9, 1.01), (0.8, 0.9), (0.5, 0.8), (0.0, 0.5))


@dataclass(frozen=True)
class Video:
    """Frames of one composed video that were stored: what they are, and what was said of them."""

    kinds: dict[str, np.ndarray]
    """Kind -> bool [n]."""
    quality: np.ndarray
    overlap: np.ndarray
    """[n, n]: symmetric share of common view."""
    vectors: np.ndarray
    """[n, d], unit length."""


def main() -> None:
    said = options(__doc__, more)
    seeds = [said.seed] if said.quick else [said.seed, said.seed + 1]
    videos: list[Video] = []
    with tempfile.TemporaryDirectory(dir=said.scratch) as folder:
        for seed in seeds:
            study = Path(folder) / str(seed)
            compose(study, seed, quick=said.quick)
            videos += look(extract(study, "--fps", "4"), study)
        near = near_pairs(Path(folder) / "stills") if not said.quick else np.zeros(0)
    spoiled, stills = real_stills(step=24 if said.quick else 4)
    drops, rows = drop_rates(videos)
    threshold = duplicate_cosine(ENCODER) or 1.0
    figures = [*drops, spoiled, *separation(videos, threshold)]
    if len(near):
        quartiles = " ".join(f"{value:.2f}" for value in np.quantile(near, (0.25, 0.5, 0.75)))
        note = f"{len(near)} pairs; quartiles of their cosines {quartiles}"
        figures.append(Figure("real_near_pairs_found", share(near >= threshold), unit="share", note=note))
    finish("selection_truth", figures, said, note="\n\n".join([rows, stills, by_threshold(videos)]))


def more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=int, default=71, help="first of the two seeds of the composed procedures")
    parser.add_argument("--scratch", type=Path, default=None, help="folder for the videos while it runs (about 300 MB)")


def compose(study: Path, seed: int, *, quick: bool) -> None:
    """`videos/` and, apart from them, `truth/`."""
    words = ["--seed", str(seed), "--no-audio", "--stills", str(shared("data") / "pool"), "--out", "truth"]
    words += ["--count", "2", "--clip", "14"] if quick else ["--count", "6"]
    run([sys.executable, str(shared("tools") / "compose_procedure.py"), *words], study)
    (study / "videos").mkdir()
    for path in (study / "truth").iterdir():
        if path.suffix in (".mp4", ".mkv", ".mpg", ".avi"):
            path.rename(study / "videos" / path.name)


def extract(study: Path, *more: str) -> Corpus:
    """The command, with a key of its own."""
    words = ["extract", "videos", "--no-text-detection", "--key", "key", "--private", "private", *more]
    run([sys.executable, "-m", "endocur", *words], study)
    return open_corpus(study / "corpus")


def near_pairs(study: Path) -> np.ndarray:
    """Cosines of real pictures that are known to be near copies of each other, extracted as stills."""
    data = shared("data")
    pairs = [(row["file"], row["near_file"]) for row in csv.DictReader((data / "near_labelled.csv").open())]
    (study / "videos").mkdir(parents=True)
    for file in {name for pair in pairs for name in pair}:
        shutil.copy(data / file, study / "videos" / file.replace("/", "__"))
    corpus = extract(study, "--stills")
    encoder = load(ENCODER)
    embed_corpus(corpus, encoder)
    frames = tables.frames(corpus, ["source_id", "unit", "chapter", "row"])
    vectors = Vectors(corpus, encoder.encoder_id, frames)(0, len(frames)).astype(np.float32)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    files = sorted((study / "videos").iterdir())
    sources = {files[row.position - 1].name: row.id for marker in unit_markers(corpus) for row in marker.inputs}
    place = {source: number for number, source in enumerate(frames["source_id"].to_pylist())}
    known = [tuple(place[sources[name.replace("/", "__")]] for name in pair) for pair in pairs]
    return np.array([vectors[a] @ vectors[b] for a, b in known])


def run(words: list[str], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False, env=os.environ)
    if done.returncode:
        cannot_run(f"{' '.join(words[:3])} ended with {done.returncode}: {done.stderr.strip().splitlines()[-1:]}")


def look(corpus: Corpus, study: Path) -> Iterator[Video]:
    """Each unit of the corpus beside its truth. Units name no file: an input's position in the sorted list does."""
    sys.path.insert(0, str(shared("tools")))
    from compose_procedure import load_truth, view_overlap

    encoder = load(ENCODER)
    embed_corpus(corpus, encoder)
    frames = tables.frames(corpus, ["unit", "chapter", "row", "pts_us", "quality"])
    files = sorted((study / "videos").iterdir())
    for marker in unit_markers(corpus):
        file = files[marker.inputs[0].position - 1]
        truth = load_truth(study / "truth" / f"{file.stem}.frames.npz")
        mine = frames.filter(pc.equal(frames["unit"], marker.name))
        seconds = mine["pts_us"].to_numpy() / 1e6
        place = np.abs(truth["time"][None] - seconds[:, None]).argmin(axis=1)
        overlap = np.array([[view_overlap(truth, i, j, 40) if i != j else 1.0 for j in place] for i in place])
        vectors = Vectors(corpus, encoder.encoder_id, mine)(0, len(mine)).astype(np.float32)
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        quality = mine["quality"].to_numpy()
        yield Video(kinds(truth, place), quality, np.minimum(overlap, overlap.T), vectors)


def kinds(truth: dict[str, np.ndarray], place: np.ndarray) -> dict[str, np.ndarray]:
    """Which frames are good, and which show a fault at half its strength or more."""
    at = {name: values[place] for name, values in truth.items() if len(values) == len(truth["time"])}
    bad = at["severity"] >= 0.5
    return {
        "good": at["good"] & (at["frozen_of"] < 0),
        "motion": bad & (at["blur_px"] > 0),
        "defocus": bad & (at["defocus_sigma"] > 0),
        "over": bad & (at["gain"] > 1),
        "under": bad & (at["gain"] < 1),
        **{name: bad & (at[name] > 0) for name in ("white_out", "red_out", "black_out")},
    }


def drop_rates(videos: list[Video]) -> tuple[list[Figure], str]:
    low = {
        kind: np.concatenate([v.quality[v.kinds[kind]] < np.float32(0.4) for v in videos]) for kind in videos[0].kinds
    }
    bad = np.concatenate([low[kind] for kind in FAULTS])
    worst = max(float((v.quality[v.kinds["good"]] < 0.4).mean()) for v in videos if v.kinds["good"].any())
    rows = [[kind, len(values), f"{values.mean():.2f}" if len(values) else "–"] for kind, values in low.items()]
    figures = [
        Figure("faulty_dropped", share(bad), goal=0.7, unit="share", note=f"{len(bad)} frames"),
        Figure("good_dropped", share(low["good"]), 0.1, "lower", "share", f"{len(low['good'])} frames"),
        Figure("good_dropped_worst_video", worst, unit="share", better="lower"),
    ]
    return figures, "Dropped at --min-quality 0.4:\n\n" + table(["kind", "frames", "dropped"], rows)


def real_stills(step: int) -> tuple[Figure, str]:
    """Every so many-th real picture, as it is and with a fault added: share below 0.4. Sizes are shares of its side."""
    low: dict[str, list[bool]] = {}
    for path in sorted(shared("data").glob("pool/*/*.jpg"))[::step]:
        picture = cv2.imread(str(path))[:, :, ::-1]
        lit = cv2.morphologyEx((picture.max(2) > 24).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((25, 25), np.uint8)) > 0
        for name, spoilt in spoil(picture):
            rgb = np.ascontiguousarray(np.clip(spoilt, 0, 255).astype(np.uint8) * lit[:, :, None])
            stored = bytes(simplejpeg.encode_jpeg(rgb, quality=92, colorsubsampling="420"))
            low.setdefault(name, []).append(bool(score_jpeg(stored, lit).quality < np.float32(0.4)))
    rows = [[name, len(values), f"{np.mean(values):.2f}"] for name, values in low.items()]
    as_is = Figure("real_stills_dropped", float(np.mean(low["as it is"])), unit="share", better="lower")
    return as_is, "Real still pictures, dropped at 0.4:\n\n" + table(["picture", "n", "dropped"], rows)


def spoil(picture: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    side = min(picture.shape[:2])
    random = np.random.default_rng(0)
    yield "as it is", picture
    for share_of_side in (0.005, 0.01):
        soft = cv2.GaussianBlur(picture, (0, 0), share_of_side * side).astype(float)
        yield f"defocus {share_of_side:.1%}", soft + random.normal(0, 1.5, soft.shape)
    for share_of_side in (0.02, 0.04):
        length = max(2, round(share_of_side * side))
        yield f"motion {share_of_side:.0%}", cv2.blur(picture, (length, 1)) + random.normal(0, 1.5, picture.shape)
    yield "noise of 4 levels", picture + random.normal(0, 4, picture.shape)
    yield "noise of 8 levels", picture + random.normal(0, 8, picture.shape)
    yield "a quarter of the light", picture * 0.25
    yield "twice the light", picture * 2.0


def pairs(videos: list[Video]) -> tuple[np.ndarray, np.ndarray]:
    """Cosine and overlap of all pairs of one video that a filter at 0.4 keeps."""
    cosines, overlaps = [], []
    for video in videos:
        kept = video.quality >= np.float32(0.4)
        vectors, overlap = video.vectors[kept], video.overlap[np.ix_(kept, kept)]
        i, j = np.triu_indices(int(kept.sum()), 1)
        cosines.append((vectors @ vectors.T)[i, j])
        overlaps.append(overlap[i, j])
    return np.concatenate(cosines), np.concatenate(overlaps)


def separation(videos: list[Video], threshold: float) -> list[Figure]:
    cosine, overlap = pairs(videos)
    far = overlap < 0.5
    return [
        Figure(
            "far_pairs_called_copies", int((cosine[far] >= threshold).sum()), 0, "lower", "pairs", f"of {far.sum():,}"
        ),
        Figure("highest_cosine_of_far_pairs", float(cosine[far].max()), threshold, "lower", "cosine"),
        Figure("copies_found", share(cosine[overlap >= 0.9] >= threshold), unit="share", note="overlap ≥ 0.9"),
    ]


def by_threshold(videos: list[Video]) -> str:
    cosine, overlap = pairs(videos)
    heads = [f"overlap {low:g}–{min(high, 1):g}" for low, high in OVERLAPS]
    rows = []
    for threshold in (0.65, 0.7, 0.75, 0.8, 0.85, 0.9):
        above = cosine >= threshold
        shares = [f"{above[(overlap >= low) & (overlap < high)].mean():.4f}" for low, high in OVERLAPS]
        rows.append(
            [f"{threshold:.2f}", *shares, f"{overlap[above].min():.2f}", f"{(overlap[above] >= 0.8).mean():.3f}"]
        )
    heads = ["threshold", *heads, "least overlap", "share with ≥ 0.8"]
    return f"Share of pairs at or above a cosine ({len(cosine):,} pairs):\n\n" + table(heads, rows)


def share(which: np.ndarray) -> float:
    return float(which.mean()) if len(which) else float("nan")


if __name__ == "__main__":
    main()
