"""A corpus written by hand, without extract: every row, picture and decision is known. For tests of what follows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import simplejpeg

from endocur import tables
from endocur.account import Account
from endocur.corpus import Corpus, InputRow, UnitMarker, chapter_files, write_marker
from endocur.ground import GROUND, ground
from endocur.quality.scores import Scores
from endocur.quality.table import write_scores
from endocur.store import FRAME_COLUMNS, write_chapter_table, write_masks
from endoshards.files import write_atomic

WIDTH, HEIGHT = 160, 120
SETTINGS = """format = 1
corpus_id = "3f2a91c07bd4"
key_check = "0123456789abcdef"
keep_names = false

[extract]
fps = 1.0
max_side = 960
"""


def source(video: int) -> str:
    return f"{0xA1 + video:016x}"


def frame(video: int, second: int) -> str:
    return f"{source(video)}-{second * 1_000_000:012d}"


def tissue() -> np.ndarray:
    """uint8 [120, 160] of 0 outside, 1 tissue, 2 overlay: a disc with a line of text in it."""
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.circle(labels, (WIDTH // 2, HEIGHT // 2), 56, 1, -1)
    labels[20:30, 60:90] = 2
    return labels


def picture(video: int, second: int, words: str = "") -> bytes:
    """The stored JPEG: texture that differs from frame to frame, black outside tissue; `words` written on it."""
    noise = np.random.default_rng([video, second]).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    rgb = np.clip(cv2.GaussianBlur(noise, (0, 0), 3.0).astype(np.float32) * 0.6 + [90, 20, 10], 0, 255)
    rgb[tissue() != 1] = 0
    rgb = np.ascontiguousarray(rgb.astype(np.uint8))
    if words:
        cv2.putText(rgb, words, (44, 76), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (250, 250, 250), 1, cv2.LINE_AA)
    return simplejpeg.encode_jpeg(rgb, quality=92, colorsubsampling="420")


def write_corpus(
    root: Path, videos: int = 3, seconds: int = 20, written: Mapping[tuple[int, int], str] | None = None
) -> Corpus:
    """`videos` videos of `seconds` frames; quality of frame t is t / seconds; a failed input comes last.

    `written`: (video, second) -> words on that frame.
    """
    corpus = Corpus(root)
    write_atomic(corpus.toml, SETTINGS)
    for folder in (corpus.frames, corpus.units):
        folder.mkdir(parents=True, exist_ok=True)
    for video in range(videos):
        _write_video(corpus, video, seconds, written or {})
    row = InputRow("00000000000000ff", "failed", "no frame can be decoded", position=videos + 1)
    write_marker(corpus, UnitMarker(row.id, "failed", row.reason, "video", 0, 0, "e" * 16, (row,)))
    said = Account("extract", corpus.log)
    said.seen, said.kept, said.failed = videos * seconds * 25, videos * seconds, 1
    said.drop("not sampled", videos * seconds * 24)
    said.finish("endocur filter", "e" * 16)
    return corpus


def decide(corpus: Corpus, stage: str, dropped: Mapping[str, tuple[str, str]], **settings: object) -> None:
    """What a stage of decisions leaves: its table and its account. `dropped`: frame_id -> (reason, evidence)."""
    ids = tables.kept_before(corpus, stage).to_pylist()
    rows = [(name, name not in dropped, *dropped.get(name, ("", ""))) for name in ids]
    made = tables.stage_fingerprint(corpus, stage, settings)
    table = pa.Table.from_pylist(
        [dict(zip(tables.DECISION_COLUMNS.names, row, strict=True)) for row in rows], schema=tables.DECISION_COLUMNS
    )
    tables.write_decisions(corpus, stage, table, made)
    said = Account(stage, corpus.log)
    said.seen = len(ids)
    for _, keep, reason, _ in rows:
        if keep:
            said.kept += 1
        else:
            said.drop(reason)
    said.finish(None, made, {"config": settings, GROUND: ground(corpus, stage)})


def _write_video(corpus: Corpus, video: int, seconds: int, written: Mapping[tuple[int, int], str]) -> None:
    name = source(video)
    files = chapter_files(corpus, name, 0)
    rows: dict[str, list[object]] = {column: [] for column in FRAME_COLUMNS.names}
    scores = []
    with files.frames_tar.open("wb") as tar:
        for second in range(seconds):
            jpeg = picture(video, second, written.get((video, second), ""))
            tar.write(bytes(512))
            row = _row(video, second) | {"offset": tar.tell(), "size": len(jpeg)}
            tar.write(jpeg)
            for column, values in rows.items():
                values.append(row[column])
            level = np.float32(second / seconds)
            levels = dict.fromkeys(Scores._fields, level) | {"is_blank": False}
            scores.append((row["frame_id"], Scores(**levels)))
    write_chapter_table(files.frames_table, rows)
    write_scores(files.scores, scores)
    write_masks(files.views, [(f"{name}-0", tissue())])
    row = InputRow(name, "ok", position=video + 1, group=f"{0xF0 + video // 2:016x}")
    write_marker(corpus, UnitMarker(name, "ok", "", "video", 1, seconds, "d" * 16, (row,)))


def _row(video: int, second: int) -> dict[str, object]:
    return {
        "frame_id": frame(video, second),
        "source_id": source(video),
        "group_id": source(video),
        "unit": source(video),
        "chapter": 0,
        "row": second,
        "width": WIDTH,
        "height": HEIGHT,
        "pts_us": second * 1_000_000,
        "pts_made": False,
        "pts_flag": "",
        "src_width": 2 * WIDTH,
        "src_height": 2 * HEIGHT + 40,
        "crop_x": 0,
        "crop_y": 20,
        "crop_w": 2 * WIDTH,
        "crop_h": 2 * HEIGHT,
        "rotation": 0,
        "sar_num": 1,
        "sar_den": 1,
        "scale_x": 0.5,
        "scale_y": 0.5,
        "view_id": f"{source(video)}-0",
        "matrix": "bt709",
        "full_range": False,
        "colour_assumed": False,
        "motion": 0.1,
        "stillness": 0.0,
        "is_frozen": False,
        "extract_version": "1",
        "overlay_boxes": None,
    }
