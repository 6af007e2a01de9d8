"""Is what is burned in gone from each frame of a composed procedure, and does the tissue stay?

The same procedures as view_truth, every overlay drawn: what stands still or ticks, captions of a few seconds, moving
boxes. The composer's pixels are the ruler; what is left is read back by OCR. Composed frames are a proxy: nothing is
tuned to their fonts, colours or photographs.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from first_truth import coded_masks, drawn, load_ruler, to_coded
from form import Figure, finish, options, shared, table
from view_truth import Extracted, compose, extract, more, scratch, seeds, videos

from endocur.corpus import Corpus
from endocur.store import FrameReader, without_boxes

STANDING = ("name", "dob", "id", "date", "clock", "label", "brand", "logo", "bars", "inset")
COVERED = 0.98
"""Share of a caption's pixels inside the view that must be masked for the frame to count."""
RINGING = 4
"""Pixels of the coded frame round an overlay that may be masked with it: ringing of the codec."""


@dataclass
class Found:
    """What one video's frames say."""

    name: str
    layout: str
    hidden: dict[str, list[int]] = field(default_factory=dict)
    frames: dict[str, list[bool]] = field(default_factory=dict)
    lost: list[float] = field(default_factory=list)
    legible: list[str] = field(default_factory=list)
    """Kinds of the strings read back."""


def main() -> None:
    said = options(__doc__, more)
    home = scratch(said, "overlay")
    ruler = load_ruler(shared("tools") / "compose_procedure.py")
    read = reader()
    found = []
    for seed in seeds(said):
        folder: Path = compose(home, seed, quick=said.quick)
        corpus, sources = extract(home, folder, ["--fps", "5"])
        for video in videos(corpus, ruler, folder, sources):
            found.append(measure(corpus, ruler, video, read, looks=24 if said.quick else 60))
    finish("overlay_truth", figures(found), said, note=by_video(found) + "\n\n" + by_kind(found))


def measure(corpus: Corpus, ruler: Any, video: Extracted, read: Any, *, looks: int) -> Found:
    """Compare up to `looks` stored frames with what was drawn into them, and read every fourth."""
    found = Found(video.name, video.layout)
    fov = video.truth["fov"] > 0
    boxes = video.said["text_boxes"]
    with FrameReader(corpus) as jpegs:
        for number, row in enumerate(video.rows[:: max(1, len(video.rows) // looks)]):
            view, overlay = coded_masks(corpus, row, fov.shape)
            passing = ~without_boxes(np.ones((row["height"], row["width"]), bool), row["overlay_boxes"])
            overlay |= to_coded(passing.astype(np.uint8) * 255, row, fov.shape) >= 128
            painted = ruler.overlay_mask(video.truth, row["index"])
            gone = overlay | ~view
            for kind in {box["kind"] for box in boxes}:
                pixels = drawn(painted & fov, row["index"], boxes, {kind})
                if pixels.any():
                    count = found.hidden.setdefault(kind, [0, 0])
                    count[0] += int((pixels & gone).sum())
                    count[1] += int(pixels.sum())
                    found.frames.setdefault(kind, []).append((pixels & gone).sum() >= COVERED * pixels.sum())
            side = 2 * RINGING + 1
            near = cv2.dilate(painted.astype(np.uint8), np.ones((side, side), np.uint8)) > 0
            tissue = fov & ~near
            found.lost.append(float((tissue & overlay).sum() / max(1, tissue.sum())))
            if number % 4 == 0:
                data = jpegs.jpeg(row["unit"], row["chapter"], row["offset"], row["size"])
                seen = read(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR))
                found.legible += legible(seen, row["index"], boxes)
    return found


def legible(seen: list[str], index: int, boxes: list[dict[str, Any]]) -> list[str]:
    """Kinds of the planted strings of this frame that were read, up to one letter."""
    return [
        box["kind"]
        for box in boxes
        if len(box["string"]) >= 3 and any(a <= index < b for a, b in box["frames"])
        if any(within_one(plain(box["string"]), plain(text)) for text in seen)
    ]


def plain(text: str) -> str:
    return "".join(text.lower().split())


def within_one(planted: str, text: str) -> bool:
    """Whether some part of `text` is `planted` but for one letter changed, lost or added."""
    row = [0] * (len(text) + 1)  # it may begin anywhere in the text
    for k, letter in enumerate(planted, start=1):
        last, row = row, [k] + [0] * len(text)
        for j, other in enumerate(text, start=1):
            row[j] = min(last[j - 1] + (letter != other), last[j] + 1, row[j - 1] + 1)
    return min(row) <= 1


def reader() -> Any:
    """Text of a picture by RapidOCR, detector and recogniser."""
    import rapidocr

    engine = rapidocr.RapidOCR(
        params={
            "Global.log_level": "error",
            "Global.use_cls": False,
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
        }
    )

    def read(bgr: np.ndarray) -> list[str]:
        said = engine(bgr)
        return list(said.txts or ())

    return read


def figures(found: list[Found]) -> list[Figure]:
    standing = share(found, STANDING)
    captions = [one for video in found for one in video.frames.get("caption", [])]
    trackers = [one for video in found for one in video.frames.get("tracker", [])]
    lost = [float(np.mean(video.lost)) for video in found]
    return [
        Figure("standing_recall", standing[0], 0.995, unit="share", note=f"{standing[1]:,} pixels that stand or tick"),
        Figure("tissue_lost_mean", float(np.mean(lost)), 0.03, "lower", "share"),
        Figure("tissue_lost_worst_video", max(lost), better="lower", unit="share"),
        Figure("caption_frames", float(np.mean(captions)), 0.95, unit="share", note=f"{len(captions):,} frames"),
        Figure("caption_recall", share(found, ("caption",))[0], unit="share"),
        Figure("tracker_frames", float(np.mean(trackers)), unit="share", note=f"{len(trackers):,} frames"),
        Figure("tracker_recall", share(found, ("tracker",))[0], unit="share"),
        Figure("legible", sum(len(video.legible) for video in found), 0, "lower", "strings", "read back by OCR"),
    ]


def share(found: list[Found], kinds: tuple[str, ...]) -> tuple[float, int]:
    hidden, pixels = (sum(video.hidden.get(kind, [0, 0])[k] for video in found for kind in kinds) for k in (0, 1))
    return hidden / max(1, pixels), pixels


def by_video(found: list[Found]) -> str:
    rows = [
        [one.name, one.layout, f"{share([one], STANDING)[0]:.4f}", f"{np.mean(one.lost):.4f}", ", ".join(one.legible)]
        for one in found
    ]
    return table(["video", "layout", "standing recall", "tissue lost", "read back"], rows)


def by_kind(found: list[Found]) -> str:
    rows = []
    for kind in sorted({kind for video in found for kind in video.hidden}):
        hidden, pixels = share(found, (kind,))
        frames = [one for video in found for one in video.frames.get(kind, [])]
        rows.append([kind, f"{hidden:.4f}", f"{pixels:,}", f"{np.mean(frames):.3f} of {len(frames):,}"])
    return table(["kind", "recall", "pixels", "frames covered"], rows)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    cv2.setNumThreads(1)
    main()
