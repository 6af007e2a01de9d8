"""Do extract, filter and dedup keep to the truth of composed procedures: view, overlays, bad frames, near copies?

Two seeds of six procedures in all layouts and encodings, composed once and kept; the real commands run on them; the
truth written by the composer, which knows nothing of this project, is the ruler. These are floors: a composed
procedure is a proxy (flat pictures under a moving camera), real recordings are harder.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
from form import Figure, cannot_run, finish, options, shared, table

from endocur import tables
from endocur.corpus import Corpus, open_corpus, unit_markers
from endocur.store import FrameReader, read_masks

WRITTEN = {"name", "dob", "id", "date", "clock", "label", "brand", "logo"}
"""Overlays that the floor speaks of; bars, insets, moving boxes and captions are told beside it."""
LOOKED_AT = 24
"""Frames of a video in which overlays are compared."""
BLACK = 40
"""Luma up to which a stored pixel shows nothing of the text that was there (codec ringing included)."""
FAULTS: dict[str, Callable[[dict[str, Any]], np.ndarray]] = {
    "blur": lambda truth: truth["blur_px"] > 0,
    "defocus": lambda truth: truth["defocus_sigma"] > 0,
    "over": lambda truth: truth["gain"] > 1,
    "under": lambda truth: truth["gain"] < 1,
    "white": lambda truth: truth["white_out"] > 0,
    "red": lambda truth: truth["red_out"] > 0,
    "black": lambda truth: truth["black_out"] > 0,
}


@dataclass
class Found:
    """What one video's stored frames say, beside its truth."""

    name: str
    layout: str
    iou: float = 0.0
    hidden: dict[str, list[int]] = field(default_factory=dict)
    """Kind of overlay -> pixels hidden, pixels drawn inside the view."""
    readable: list[int] = field(default_factory=lambda: [0, 0])
    """Text and logo pixels that still show in the stored JPEG; pixels looked at."""
    lost: list[float] = field(default_factory=list)
    dropped: dict[str, list[bool]] = field(default_factory=dict)
    """Fault, or `good` -> whether each frame was dropped by the filter."""

    @property
    def recall(self) -> float:
        """Share of text and logo pixels that are hidden; 1 where none lies inside the view."""
        hidden, drawn = (sum(self.hidden[kind][k] for kind in self.hidden if kind in WRITTEN) for k in (0, 1))
        return hidden / drawn if drawn else 1.0


def main() -> None:
    said = options(__doc__, more)
    ruler = load_ruler(shared("tools") / "compose_procedure.py")
    home = said.scratch or Path(tempfile.gettempdir()) / "endomae-first-truth"
    found: list[Found] = []
    overlaps: list[float] = []
    for seed in said.seeds[:1] if said.quick else said.seeds:
        truths = compose(home, seed, quick=said.quick, extra=said.compose)
        corpus, sources = curate(home, truths, quick=said.quick)
        found += [measure(corpus, ruler, truths / name, source) for name, source in sorted(sources.items())]
        overlaps += evidence(corpus, ruler, truths, sources)
    finish("first_truth", figures(found, overlaps), said, note=by_video(found) + "\n\n" + by_kind(found))


def more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1], help="seeds of the composed procedures")
    parser.add_argument("--scratch", type=Path, default=None, help="folder that keeps videos and corpora (1 GB)")
    parser.add_argument("--compose", default="", help="more words for compose_procedure.py, e.g. '--overlays all'")


def load_ruler(script: Path) -> Any:
    """The composer as a module: it reads its own truth files."""
    if not script.is_file():
        cannot_run(f"there is no {script.name} beside the clone (../shared/tools).")
    sys.path.insert(0, str(script.parent))
    return importlib.import_module(script.stem)


def compose(home: Path, seed: int, *, quick: bool, extra: str) -> Path:
    """Folder of videos and truth; composed on the first call, `groups.csv` is written last."""
    words = ["--seed", str(seed), "--no-audio", "--stills", str(shared("data") / "pool"), *extra.split()]
    words += ["--count", "3", "--clip", "14"] if quick else ["--count", "6"]
    out = home / "-".join([str(seed), "quick" if quick else "full", *re.findall(r"\w+", extra)])
    if not (out / "groups.csv").is_file():
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        run([sys.executable, str(shared("tools") / "compose_procedure.py"), *words, "--out", str(out)], out)
    return out


def curate(home: Path, truths: Path, *, quick: bool) -> tuple[Corpus, dict[str, str]]:
    """Run the commands on the videos. Returns: the corpus, and the source_id of each composed name."""
    study = Path(tempfile.mkdtemp(prefix="study-", dir=home))
    try:
        (study / "videos").mkdir()
        for path in truths.iterdir():
            if path.suffix in (".mp4", ".mkv", ".mpg", ".avi"):
                (study / "videos" / path.name).symlink_to(path)
        rate = ["--fps", "5"] if quick else ["--all-frames"]
        endocur = [sys.executable, "-m", "endocur"]
        run([*endocur, "extract", "videos", "--key", "key", "--private", "private", *rate], study)
        run([*endocur, "filter", "--min-quality", "0.4"], study)
        run([*endocur, "dedup"], study)
        names = sorted(path.name for path in (study / "videos").iterdir())
        kept = home / f"{truths.name}-corpus"
        shutil.rmtree(kept, ignore_errors=True)
        (study / "corpus").rename(kept)
    finally:
        shutil.rmtree(study, ignore_errors=True)
    corpus = open_corpus(kept)
    rows = [row for marker in unit_markers(corpus) for row in marker.inputs if row.status != "ignored"]
    return corpus, {Path(names[row.position - 1]).stem: row.id for row in rows}


def run(words: list[str], folder: Path) -> None:
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(words[1:4])} ended with exit code {done.returncode}:\n{done.stdout}{done.stderr}")


def measure(corpus: Corpus, ruler: Any, stem: Path, source: str) -> Found:
    """Compare the stored frames of one video with its truth, in coded pixels."""
    truth = ruler.load_truth(stem.with_name(stem.name + ".frames.npz"))
    said = json.loads(stem.with_name(stem.name + ".truth.json").read_text("utf-8"))
    found = Found(said["name"], said["layout"])
    frames = [row for row in stored(corpus) if row["source_id"] == source]
    for row in frames:
        row["index"] = int(np.abs(truth["time"] - row["pts_us"] / 1e6).argmin())
    fov = truth["fov"] > 0
    view, overlay = coded_masks(corpus, frames[0], fov.shape)
    found.iou = float((view & fov).sum() / (view | fov).sum())
    with FrameReader(corpus) as reader:
        for row in frames[:: max(1, len(frames) // LOOKED_AT)]:
            look(found, row, ruler.overlay_mask(truth, row["index"]) & fov, view, overlay, fov, said["text_boxes"])
            written = drawn(ruler.overlay_mask(truth, row["index"]) & fov, row["index"], said["text_boxes"], WRITTEN)
            luma = coded_luma(reader, row, fov.shape)
            found.readable[0] += int((luma[written] > BLACK).sum())
            found.readable[1] += int(written.sum())
    judge(found, truth, frames)
    return found


def stored(corpus: Corpus) -> list[dict[str, Any]]:
    """Frame rows with the verdict of the filter."""
    decided = tables.read_decisions(corpus, "filter")
    assert decided is not None, "the filter ran and left no decisions"
    keep = dict(zip(decided["frame_id"].to_pylist(), decided["keep"].to_pylist(), strict=True))
    rows: list[dict[str, Any]] = tables.frames(corpus).to_pylist()
    return [row | {"kept": keep[row["frame_id"]]} for row in rows]


def look(
    found: Found,
    row: dict[str, Any],
    painted: np.ndarray,
    view: np.ndarray,
    overlay: np.ndarray,
    fov: np.ndarray,
    boxes: list[dict[str, Any]],
) -> None:
    """Count hidden pixels by kind, and tissue that is lost, in one frame."""
    tissue = fov & ~painted
    found.lost.append(float((tissue & overlay).sum() / max(1, tissue.sum())))
    gone = overlay | ~view
    for kind in {box["kind"] for box in boxes}:
        pixels = drawn(painted, row["index"], boxes, {kind})
        count = found.hidden.setdefault(kind, [0, 0])
        count[0] += int((pixels & gone).sum())
        count[1] += int(pixels.sum())


def drawn(painted: np.ndarray, index: int, boxes: list[dict[str, Any]], kinds: Iterable[str]) -> np.ndarray:
    """The painted pixels of frame `index` that lie in boxes of these kinds."""
    out = np.zeros_like(painted)
    for box in boxes:
        if box["kind"] in kinds and any(first <= index < end for first, end in box["frames"]):
            x0, y0, x1, y1 = box["box"]
            out[y0:y1, x0:x1] = painted[y0:y1, x0:x1]
    return out


def coded_masks(corpus: Corpus, row: dict[str, Any], size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """View and overlay of a row in coded pixels of the source."""
    masks = read_masks(corpus, row["unit"], row["chapter"], row["view_id"])
    return tuple(to_coded(part.astype(np.uint8) * 255, row, size) >= 128 for part in (masks.view, masks.overlay))


def coded_luma(reader: FrameReader, row: dict[str, Any], size: tuple[int, int]) -> np.ndarray:
    """Luma of a stored JPEG in coded pixels of the source; 0 outside its crop."""
    data = reader.jpeg(row["unit"], row["chapter"], row["offset"], row["size"])
    return to_coded(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE), row, size)


def to_coded(picture: np.ndarray, row: dict[str, Any], size: tuple[int, int]) -> np.ndarray:
    """A picture of stored size turned back, scaled to its crop box and laid into the coded frame."""
    turned = np.ascontiguousarray(np.rot90(picture, row["rotation"] // 90))
    out = np.zeros(size, np.uint8)
    box = np.s_[row["crop_y"] : row["crop_y"] + row["crop_h"], row["crop_x"] : row["crop_x"] + row["crop_w"]]
    out[box] = cv2.resize(turned, (row["crop_w"], row["crop_h"]), interpolation=cv2.INTER_LINEAR)
    return out


def judge(found: Found, truth: dict[str, Any], frames: list[dict[str, Any]]) -> None:
    """Which faulty and which good frames the filter dropped."""
    index = np.array([row["index"] for row in frames])
    dropped = ~np.array([row["kept"] for row in frames])
    severe = truth["severity"][index] >= 0.5
    for name, has in FAULTS.items():
        found.dropped[name] = dropped[severe & has(truth)[index]].tolist()
    any_fault = np.any([has(truth)[index] for has in FAULTS.values()], axis=0)
    found.dropped["severe"] = dropped[severe & any_fault].tolist()
    found.dropped["good"] = dropped[truth["good"][index] & (truth["frozen_of"][index] < 0)].tolist()


def evidence(corpus: Corpus, ruler: Any, truths: Path, sources: dict[str, str]) -> list[float]:
    """Symmetric share of common view of each frame dropped by dedup with the kept frame named as its evidence."""
    decided = tables.read_decisions(corpus, "dedup")
    assert decided is not None, "dedup ran and left no decisions"
    known = {source: ruler.load_truth(truths / f"{name}.frames.npz") for name, source in sources.items()}
    out: list[float] = []
    for row in dropped_rows(decided):
        (one, i), (other, j) = (place(frame, known) for frame in (row["frame_id"], row["evidence"].split(",")[0]))
        if one != other:
            out.append(0.0)
            continue
        truth = known[one]
        # a swing past the canvas sees less than its whole view of anything: measured against what it sees of itself
        shares = [
            ruler.view_overlap(truth, a, b) / max(0.05, ruler.view_overlap(truth, a, a)) for a, b in ((i, j), (j, i))
        ]
        out.append(min(shares))
    return out


def dropped_rows(decided: pa.Table) -> list[dict[str, Any]]:
    return [row for row in decided.to_pylist() if not row["keep"] and row["evidence"]]


def place(frame_id: str, known: dict[str, Any]) -> tuple[str, int]:
    """Source and frame number of a frame_id."""
    source, pts = frame_id.rsplit("-", 1)
    return source, int(np.abs(known[source]["time"] - int(pts) / 1e6).argmin())


def figures(found: list[Found], overlaps: list[float]) -> list[Figure]:
    severe = [dropped for video in found for dropped in video.dropped["severe"]]
    good = [dropped for video in found for dropped in video.dropped["good"]]
    hidden, pixels = (
        sum(video.hidden[kind][k] for video in found for kind in video.hidden if kind in WRITTEN) for k in (0, 1)
    )
    lost = [float(np.mean(video.lost)) for video in found]
    readable, looked_at = (sum(video.readable[k] for video in found) for k in (0, 1))
    far = [share for share in overlaps if share < 0.5]
    return [
        Figure("view_iou_mean", float(np.mean([video.iou for video in found])), 0.95),
        Figure("view_iou_worst", min(video.iou for video in found), 0.90),
        Figure("overlay_recall", hidden / max(1, pixels), 0.95, unit="share", note=f"{pixels:,} pixels"),
        Figure("overlay_recall_worst_video", min(video.recall for video in found), unit="share"),
        Figure("text_readable", readable / max(1, looked_at), 0.05, "lower", "share", "in the stored JPEGs"),
        Figure("tissue_lost_mean", float(np.mean(lost)), 0.05, "lower", "share"),
        Figure("tissue_lost_worst_video", max(lost), better="lower", unit="share"),
        Figure("severe_dropped", float(np.mean(severe)), 0.70, unit="share", note=f"{len(severe):,} frames"),
        Figure("good_dropped", float(np.mean(good)), 0.10, "lower", "share", f"{len(good):,} frames"),
        Figure("duplicates_apart", len(far), 0, "lower", "frames", f"of {len(overlaps):,} dropped by dedup"),
        Figure("duplicate_overlap_least", min(overlaps, default=1.0), unit="share"),
    ]


def by_video(found: list[Found]) -> str:
    rows = [
        [video.name, video.layout, f"{video.iou:.4f}", f"{video.recall:.4f}", f"{np.mean(video.lost):.4f}"]
        for video in found
    ]
    return table(["video", "layout", "view IoU", "text and logo recall", "tissue lost"], rows)


def by_kind(found: list[Found]) -> str:
    """Recall of each kind of overlay, share dropped of each fault."""
    kinds = sorted({kind for video in found for kind in video.hidden})
    rows = []
    for kind in kinds:
        hidden, pixels = (sum(video.hidden.get(kind, [0, 0])[k] for video in found) for k in (0, 1))
        rows.append([f"overlay: {kind}", f"{hidden / pixels:.3f}" if pixels else "–", f"{pixels:,} pixels"])
    for fault in (*FAULTS, "good"):
        dropped = [one for video in found for one in video.dropped[fault]]
        rows.append([f"dropped: {fault}", f"{np.mean(dropped):.3f}" if dropped else "–", f"{len(dropped):,} frames"])
    return table(["what", "share", "of"], rows)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
