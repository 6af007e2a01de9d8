"""Small sets of real JPEGs, PNGs and JSON, drawn from their keys."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import simplejpeg

from endoshards.index import ShardSet, open_set
from endoshards.writer import write_set


def png(mask: np.ndarray) -> bytes:
    """An 8-bit grey PNG, by hand: an independent truth for the reader."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    height, width = mask.shape
    rows = b"".join(b"\0" + row.tobytes() for row in mask)
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def picture(key: str) -> np.ndarray:
    """uint8 [24, 32, 3], its own for each key."""
    generator = np.random.default_rng(list(key.encode()))
    return np.broadcast_to(generator.integers(0, 256, (1, 1, 3), np.uint8), (24, 32, 3)).copy()


def members(key: str) -> dict[str, bytes]:
    """jpg, json and mask.png of a key."""
    return {
        "jpg": simplejpeg.encode_jpeg(picture(key), quality=90),
        "mask.png": png(np.full((24, 32), len(key), np.uint8)),
        "json": json.dumps({"group": key[:2], "quality": 0.5}).encode(),
    }


def sample_keys(count: int) -> list[str]:
    return [f"{number % 7:02x}-{number:012d}" for number in range(count)]


class Maker:
    """Writes sets into a temporary folder."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.keys = sample_keys
        self.members: Callable[[str], Mapping[str, bytes]] = members
        self.picture = picture
        self.png = png

    def write(self, name: str = "set", count: int = 40, shard_bytes: int = 30_000, **more: Any) -> Path:
        keys = more.pop("keys", self.keys(count))
        folder = self._root / name
        asked: dict[str, Any] = {
            "load": self.members,
            "name": "drawn",
            "fingerprint": "f0",
            "samples": pa.table({"key": keys, "group": [key[:2] for key in keys]}),
        }
        asked |= more
        write_set(folder, keys, shard_bytes=shard_bytes, **asked)
        return folder

    def open(self, **more: Any) -> ShardSet:
        return open_set(self.write(**more))


@pytest.fixture
def maker(tmp_path: Path) -> Maker:
    return Maker(tmp_path)


@pytest.fixture(scope="module")
def shared_set(tmp_path_factory: pytest.TempPathFactory) -> ShardSet:
    """A set of 40 samples in several shards that no test changes."""
    return Maker(tmp_path_factory.mktemp("shared")).open()
