"""A corpus written file by file, without extract: drawn frames, masks, scores, markers, exactly as wanted."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import simplejpeg

from endocur.corpus import Corpus, InputRow, UnitMarker, chapter_files, write_marker
from endocur.opening import open_for_extract
from endocur.quality.scores import score_jpeg
from endocur.quality.table import write_scores
from endocur.store import TISSUE, write_chapter_table, write_masks

SIDE = 192


def canvas(seed: int, height: int = 640, width: int = 640) -> np.ndarray:
    """Drawn tissue, RGB uint8: pink ground, soft folds, dark vessels."""
    random = np.random.default_rng(seed)
    ground = np.zeros((height, width), np.float32)
    for sigma, strength in ((48.0, 34.0), (16.0, 18.0), (5.0, 9.0), (1.6, 4.0), (0.7, 3.0)):
        layer = cv2.GaussianBlur(random.standard_normal((height, width)).astype(np.float32), (0, 0), sigma)
        ground += strength * layer / layer.std()
    vessels = np.zeros((height, width), np.float32)
    for _ in range(24):
        points = np.cumsum(random.normal(0, 28, (12, 2)), axis=0) + random.uniform(0, (width, height), 2)
        cv2.polylines(vessels, [np.int32(points)], False, 1.0, int(random.integers(1, 4)), cv2.LINE_AA)
    grey = ground - 38 * cv2.GaussianBlur(vessels, (0, 0), 0.8)
    rgb = np.array([172, 98, 84], np.float32) + grey[:, :, None] * np.array([1.0, 0.9, 0.8], np.float32)
    return np.clip(rgb, 0, 255).astype(np.uint8)


def look(tissue: np.ndarray, x: int = 200, y: int = 200, side: int = SIDE) -> np.ndarray:
    """A square view of a canvas."""
    return np.ascontiguousarray(tissue[y : y + side, x : x + side])


def disc(side: int = SIDE) -> np.ndarray:
    """bool [side, side]: a round view."""
    mask = np.zeros((side, side), np.uint8)
    cv2.circle(mask, (side // 2, side // 2), side // 2 - 4, 1, -1)
    return mask > 0


def jpeg(rgb: np.ndarray, tissue: np.ndarray | None = None, quality: int = 92) -> bytes:
    """As extract stores it: black outside the tissue, 4:2:0."""
    if tissue is not None:
        rgb = rgb * tissue[:, :, None]
    return bytes(simplejpeg.encode_jpeg(np.ascontiguousarray(rgb), quality=quality, colorsubsampling="420"))


def make_corpus(root: Path) -> Corpus:
    """An empty corpus."""
    return open_for_extract(root, {"fps": 1.0}, key_check="0" * 16, corpus_id="c" * 12)


def source_id(name: str) -> str:
    """16 hex digits for a word."""
    return hashlib.sha256(name.encode()).hexdigest()[:16]


def add_unit(
    corpus: Corpus,
    name: str,
    frames: Sequence[np.ndarray],
    *,
    chapters: int = 1,
    group: str = "",
    mask: np.ndarray | None = None,
) -> list[str]:
    """A finished video of these frames, one a second, scored. Returns: its frame ids."""
    source = source_id(name)
    ids = [f"{source}-{second * 1_000_000:012d}" for second in range(len(frames))]
    for k, places in enumerate(np.array_split(np.arange(len(frames)), chapters)):
        files = chapter_files(corpus, source, k)
        rows, scores, views, data = [], [], {}, b""
        for row, place in enumerate(places):
            frame = frames[place]
            tissue = np.ones(frame.shape[:2], bool) if mask is None else mask
            stored = jpeg(frame, tissue)
            views[_view_id(frame)] = np.where(tissue, TISSUE, 0).astype(np.uint8)
            rows.append(_row(ids[place], source, k, row, len(data), stored, frame, place))
            scores.append((ids[place], score_jpeg(stored, tissue)))
            data += stored
        files.frames_tar.parent.mkdir(parents=True, exist_ok=True)
        files.frames_tar.write_bytes(data)
        write_chapter_table(files.frames_table, {key: [row[key] for row in rows] for key in rows[0]})
        write_masks(files.views, views.items())
        write_scores(files.scores, scores)
    marker = UnitMarker(
        name=source,
        status="ok",
        reason="",
        kind="video",
        chapters=chapters,
        frames=len(frames),
        fingerprint=hashlib.sha256(b"".join(jpeg(frame) for frame in frames)).hexdigest()[:16],
        inputs=(InputRow(source, "ok", position=1, group=group),),
    )
    write_marker(corpus, marker)
    return ids


def _view_id(frame: np.ndarray) -> str:
    return f"v{frame.shape[0]}x{frame.shape[1]}"


def _row(
    frame_id: str, source: str, chapter: int, row: int, offset: int, stored: bytes, frame: np.ndarray, second: int
) -> dict[str, object]:
    height, width = frame.shape[:2]
    return {
        "frame_id": frame_id,
        "source_id": source,
        "group_id": source,
        "unit": source,
        "chapter": chapter,
        "row": row,
        "offset": offset,
        "size": len(stored),
        "width": width,
        "height": height,
        "pts_us": int(second) * 1_000_000,
        "pts_made": False,
        "pts_flag": "",
        "src_width": width,
        "src_height": height,
        "crop_x": 0,
        "crop_y": 0,
        "crop_w": width,
        "crop_h": height,
        "rotation": 0,
        "sar_num": 1,
        "sar_den": 1,
        "scale_x": 1.0,
        "scale_y": 1.0,
        "view_id": _view_id(frame),
        "matrix": "bt709",
        "full_range": False,
        "colour_assumed": False,
        "motion": None,
        "stillness": None,
        "is_frozen": None,
        "extract_version": "1",
        "overlay_boxes": None,
    }
