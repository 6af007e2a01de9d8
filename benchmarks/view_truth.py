"""Does each frame of a composed procedure get the view it has, and where the layout changes, from which frame on?

Procedures in all layouts, encodings and five sizes, with every overlay, run through `endocur extract`; the composer's
own field of view is the ruler. For the change of a layout two procedures of one size and encoding are joined packet by
packet. Composed frames are a proxy: nothing is tuned to their fonts, colours or photographs.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from first_truth import coded_masks, load_ruler, run
from form import Figure, finish, options, shared, table

from endocur import tables
from endocur.corpus import Corpus, open_corpus, unit_markers

SIZES = "960x720,1280x1024,720x576,1280x720,1920x1080"
"""Five sizes: with six layouts and eleven encodings no two of them go together."""
JOINED = (("circle", "octagon"), ("octagon_notch", "rounded"), ("full", "octagon"))
"""Layouts before and after a change."""
VIDEOS = (".mp4", ".mkv", ".mpg", ".avi")


@dataclass(frozen=True)
class Extracted:
    """A composed video, its truth and its frame rows."""

    name: str
    layout: str
    truth: dict[str, Any]
    said: dict[str, Any]
    rows: list[dict[str, Any]]


def main() -> None:
    said = options(__doc__, more)
    home = scratch(said, "view")
    ruler = load_ruler(shared("tools") / "compose_procedure.py")
    overlaps: list[tuple[str, str, float]] = []
    for seed in seeds(said):
        folder = compose(home, seed, quick=said.quick)
        corpus, sources = extract(home, folder, ["--fps", "2"])
        for video in videos(corpus, ruler, folder, sources):
            fov = video.truth["fov"] > 0
            view, _ = coded_masks(corpus, video.rows[0], fov.shape)
            overlaps.append((video.name, video.layout, overlap(view, fov)))
    changes = [
        change(home, ruler, seed, pair, clip=6 if said.quick else 12)
        for seed in seeds(said)
        for pair in (JOINED[:1] if said.quick else JOINED)
    ]
    rows = [[*one[:2], f"{one[2]:.4f}"] for one in overlaps]
    rows += [[f"seed {c.seed}", f"{c.pair[0]} -> {c.pair[1]}", f"{c.before:.4f}, {c.after:.4f}"] for c in changes]
    finish("view_truth", figures(overlaps, changes), said, note=table(["video", "layout", "view IoU"], rows))


def figures(overlaps: list[tuple[str, str, float]], changes: list[Change]) -> list[Figure]:
    found = [one[2] for one in overlaps]
    sides = [side for one in changes for side in (one.before, one.after)]
    return [
        Figure("view_iou_mean", float(np.mean(found)), 0.98, note=f"{len(found)} videos"),
        Figure("view_iou_worst", min(found), 0.95),
        Figure("change_iou_worst", min(sides), 0.95, note=f"both sides of {len(changes)} changes"),
        Figure("change_frames_wrong", max(one.wrong for one in changes), 0, "lower", "frames", "worst change"),
    ]


def more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4], help="seeds of the procedures")
    parser.add_argument("--scratch", type=Path, default=None, help="folder that keeps videos (0.2 GB a seed)")


def scratch(said: argparse.Namespace, name: str) -> Path:
    home: Path = said.scratch or Path(tempfile.gettempdir()) / "endomae-overlay-truth"
    (home / name).mkdir(parents=True, exist_ok=True)
    return home


def seeds(said: argparse.Namespace) -> list[int]:
    return list(said.seeds[:1] if said.quick else said.seeds)


def compose(home: Path, seed: int, *, quick: bool, extra: str = "--overlays all") -> Path:
    """Folder of videos and truth; composed on the first call, `groups.csv` is written last."""
    words = ["--seed", str(seed), "--no-audio", "--stills", str(shared("data") / "pool"), *extra.split()]
    words += ["--count", "3", "--clip", "8"] if quick else ["--count", "11", "--clip", "20", "--size", SIZES]
    out = home / "-".join(["videos", str(seed), "quick" if quick else "full", *re.findall(r"\w+", extra)])
    return composed(out, words)


def composed(out: Path, words: list[str]) -> Path:
    if not (out / "groups.csv").is_file():
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        run([sys.executable, str(shared("tools") / "compose_procedure.py"), *words, "--out", str(out)], out)
    return out


def extract(home: Path, folder: Path, words: list[str]) -> tuple[Corpus, dict[str, str]]:
    """Run the command on the videos of a folder. Returns: the corpus, and composed name -> source_id."""
    study = home / f"study-{folder.name}"
    shutil.rmtree(study, ignore_errors=True)
    (study / "videos").mkdir(parents=True)
    for path in folder.iterdir():
        if path.suffix in VIDEOS:
            (study / "videos" / path.name).symlink_to(path)
    line = ["extract", "videos", "--key", "key", "--private", "private", *words]
    run([sys.executable, "-m", "endocur", *line], study)
    corpus = open_corpus(study / "corpus")
    names = sorted(path.name for path in (study / "videos").iterdir())
    rows = [row for marker in unit_markers(corpus) for row in marker.inputs if row.status != "ignored"]
    return corpus, {Path(names[row.position - 1]).stem: row.id for row in rows}


def videos(corpus: Corpus, ruler: Any, folder: Path, sources: dict[str, str]) -> list[Extracted]:
    """Rows with `index`, the frame of the truth that they show."""
    stored = tables.frames(corpus).to_pylist()
    out = []
    for name, source in sorted(sources.items()):
        truth = ruler.load_truth(folder / f"{name}.frames.npz")
        said = json.loads((folder / f"{name}.truth.json").read_text("utf-8"))
        rows = [row for row in stored if row["source_id"] == source]
        for row in rows:
            row["index"] = int(np.abs(truth["time"] - row["pts_us"] / 1e6).argmin())
        out.append(Extracted(name, said["layout"], truth, said, rows))
    return out


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / max(1, (one | other).sum()))


@dataclass(frozen=True)
class Change:
    """Two procedures in one file, and what became of the frames round their joint."""

    seed: int
    pair: tuple[str, str]
    before: float
    after: float
    """View IoU of each side."""
    wrong: int
    """Frames that are masked as the other side."""


def change(home: Path, ruler: Any, seed: int, pair: tuple[str, str], *, clip: int) -> Change:
    """Join a procedure of each layout and extract every frame."""
    folder = home / f"joined-{seed}-{'-'.join(pair)}-{clip}"
    parts = []
    for k, layout in enumerate(pair):
        words = ["--seed", str(100 * seed + k), "--count", "1", "--clip", str(clip), "--layout", layout]
        words += ["--codec", "h264", "--no-audio", "--stills", str(shared("data") / "pool")]
        parts.append(composed(folder / f"part{k}", words))
    whole = folder / "whole"
    whole.mkdir(exist_ok=True)
    files = [next(path for path in part.iterdir() if path.suffix == ".mp4") for part in parts]
    join(whole / "joined.mp4", files)
    corpus, _ = extract(home, whole, ["--all-frames"])
    truths = [ruler.load_truth(file.with_name(file.stem + ".frames.npz")) for file in files]
    views = [truth["fov"] > 0 for truth in truths]
    rows = tables.frames(corpus).to_pylist()
    count = len(truths[0]["time"])
    scores = [
        (overlap(coded_masks(corpus, row, views[0].shape)[0], views[0]), row) for row in (rows[0], rows[count - 1])
    ]
    after = overlap(coded_masks(corpus, rows[-1], views[1].shape)[0], views[1])
    ids = [row["view_id"] for row in rows]
    wrong = sum(one != ids[0] for one in ids[:count]) + sum(one != ids[-1] for one in ids[count:])
    return Change(seed, pair, scores[0][0], after, wrong if ids[0] != ids[-1] else len(rows) - count)


def join(out: Path, files: list[Path]) -> None:
    """One file of the packets of several, moved in time; nothing is encoded again."""
    with av.open(str(out), "w") as target:
        stream, offset = None, 0
        for file in files:
            with av.open(str(file)) as source:
                given = source.streams.video[0]
                stream = stream or target.add_stream_from_template(given)
                packets = [packet for packet in source.demux(given) if packet.size]
                step = packets[0].duration or 1
                for packet in packets:
                    packet.pts, packet.dts, packet.stream = packet.pts + offset, packet.dts + offset, stream
                    target.mux(packet)
                offset += step * len(packets)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    cv2.setNumThreads(1)
    main()
