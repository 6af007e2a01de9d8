"""Makers for the pretraining tests: drawn shards, a tiny recipe, the command as a process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import simplejpeg

from endoshards.writer import write_set

TINY = """
method = "mae"
encoder = "vit_tiny_patch16_224"
encoder_width = 32
encoder_depth = 2
encoder_heads = 2
decoder_width = 16
decoder_depth = 1
decoder_heads = 2
size = 64
mask_ratio = 0.75
norm_pix = true
batch = 8
steps = 12
base_lr = 3e-2
warmup = 0.2

[about]
sources = "ours, for tests"
cost = "a second"
expected_first_loss = 1.5
"""


def draw(seed: int, height: int = 60, width: int = 80) -> np.ndarray:
    """A smooth coloured texture, uint8 RGB."""
    generator = np.random.default_rng(seed)
    coarse = generator.integers(40, 220, (5, 6, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def members(key: str, *, masks: bool) -> dict[str, bytes]:
    seed = int(key[1:4])
    image = draw(seed)
    mask = np.zeros(image.shape[:2], np.uint8)
    cv2.circle(mask, (40, 30), 38 if seed % 2 else 60, 255, -1)
    image[mask == 0] = 0
    found = {"jpg": simplejpeg.encode_jpeg(np.ascontiguousarray(image), 92, "RGB", "420")}
    return found | ({"mask.png": cv2.imencode(".png", mask)[1].tobytes()} if masks else {})


def write_shards(out: Path, *, samples: int = 40, groups: int = 20, masks: bool = True, first: int = 0) -> Path:
    keys = [f"s{number:03d}-000000000000" for number in range(first, first + samples)]
    table = pa.table({"key": keys, "group_id": [f"g{int(key[1:4]) % groups:02d}" for key in keys]})
    write_set(
        out,
        keys,
        lambda key: members(key, masks=masks),
        name="drawn",
        shard_bytes=60_000,
        fingerprint=f"{first:016x}",
        samples=table,
        info={"leak_checks": {"checked against": "nothing"}},
    )
    return out


def endomae(*words: object, cwd: Path | None = None) -> subprocess.Popen[str]:
    """The command in a process of its own, one thread."""
    return subprocess.Popen(
        [sys.executable, "-m", "endomae", *map(str, words)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
    )
