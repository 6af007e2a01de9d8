"""The recipe for a CPU on real endoscopic stills."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pytest
import simplejpeg

from endomae.commands import pretrain
from endomae.configs import PretrainConfig
from endomae.train.runs import read_metrics, run_folders
from endoshards.writer import write_set

STEPS = 150
"""About 45 CPU-seconds on two cores of 2023; two minutes of an idle machine make some 700."""


def still(path: Path) -> dict[str, bytes]:
    image = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    scale = min(1.0, 320 / min(image.shape[:2]))
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    lit = cv2.morphologyEx(
        (small.max(axis=2) > 24).astype(np.uint8) * 255, cv2.MORPH_CLOSE, np.ones((25, 25), np.uint8)
    )
    return {
        "jpg": simplejpeg.encode_jpeg(np.ascontiguousarray(small), 92, "RGB", "420"),
        "mask.png": cv2.imencode(".png", lit)[1].tobytes(),
    }


@pytest.mark.real
@pytest.mark.slow
def test_the_held_out_loss_of_real_stills_falls_well_below_predicting_zero(shared_data: Path, tmp_path: Path) -> None:
    files = {f"s{number:04d}": path for number, path in enumerate(sorted((shared_data / "pool").glob("*/*.jpg")))}
    write_set(
        tmp_path / "shards",
        list(files),
        lambda key: still(files[key]),
        name="stills",
        shard_bytes=8_000_000,
        fingerprint="0" * 16,
        samples=pa.table({"key": list(files), "group_id": list(files)}),
    )
    pretrain.run(PretrainConfig(shards=tmp_path / "shards", runs=tmp_path / "runs", recipe="mae-cpu", steps=STEPS))
    (run,) = run_folders(tmp_path / "runs")
    held_out = [row["held_out_loss"] for row in read_metrics(run.metrics) if "held_out_loss" in row]
    levels = json.loads(run.facts.read_text())["method"]["levels"]
    assert held_out[0] == pytest.approx(1.3, abs=0.1)  # as the recipe says
    assert levels["predicting zero"] == pytest.approx(1.0, abs=0.01)
    assert held_out[-1] <= 0.7
    assert held_out[-1] <= 1.02 * levels["one patch for all"]  # colour at least is learned by then
