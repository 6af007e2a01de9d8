"""A composed procedure as a video and as numbered pictures: the same frames, view, scores and decisions."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import av
import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
from corpus_maker import endocur

pytestmark = [pytest.mark.real, pytest.mark.slow]


def test_a_composed_procedure_is_the_same_as_mp4_and_as_png(
    tmp_path: Path, shared_data: Path, shared_tools: Path
) -> None:
    """Pictures by FFmpeg's usual way to RGB, which darkens by about a level: scores move by hundredths, the filter's
    decisions may not. Dedup picks one of near copies by its scores, so there single frames may change places."""
    script = shared_tools / "compose_procedure.py"
    words = ["--count", "1", "--clip", "8", "--size", "640x480", "--codec", "h264", "--seed", "3"]
    made = [sys.executable, str(script), "--out", str(tmp_path / "made"), *words, "--stills", str(shared_data / "pool")]
    subprocess.run(made, check=True, stdout=subprocess.DEVNULL)
    (video,) = (tmp_path / "made").glob("*.mp4")
    studies = {"video": (), "frames": ("--sequence-fps", "25")}
    for name in studies:
        (tmp_path / name / "videos").mkdir(parents=True)
    video.rename(tmp_path / "video" / "videos" / "v.mp4")
    with av.open(str(tmp_path / "video" / "videos" / "v.mp4")) as container:
        for index, frame in enumerate(container.decode(video=0)):
            path = tmp_path / "frames" / "videos" / f"f_{index}.png"
            cv2.imwrite(str(path), frame.to_ndarray(format="bgr24"), [cv2.IMWRITE_PNG_COMPRESSION, 1])
    rows, scores, masks, kept = {}, {}, {}, {}
    for name, said in studies.items():
        study, corpus = tmp_path / name, tmp_path / name / "corpus"
        endocur(study, "extract", "videos", "--fps", "4", "--workers", "1", *said)
        endocur(study, "filter", "--min-quality", "0.4")
        (rows[name],) = (_rows(path) for path in (corpus / "frames").glob("*.parquet"))
        (scores[name],) = (_rows(path) for path in (corpus / "scores").glob("*.parquet"))
        (views,) = (corpus / "views").glob("*.npz")
        masks[name] = np.load(views)["v000"]
        kept[name] = [row["keep"] for row in _rows(corpus / "decisions" / "filter.parquet")]
    for column in ("pts_us", "crop_x", "crop_y", "crop_w", "crop_h", "width", "height"):
        assert [row[column] for row in rows["video"]] == [row[column] for row in rows["frames"]], column
    inside = [masks[name] > 0 for name in studies]
    assert (inside[0] & inside[1]).sum() >= 0.995 * (inside[0] | inside[1]).sum()
    assert (masks["video"] == masks["frames"]).mean() >= 0.99
    for a, b in zip(scores["video"], scores["frames"], strict=True):
        assert a["quality"] == pytest.approx(b["quality"], abs=0.05)
    assert kept["video"] == kept["frames"]


def _rows(path: Path) -> list[dict[str, object]]:
    return pq.read_table(path, partitioning=None).to_pylist()
