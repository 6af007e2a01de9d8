"""Drawn labelled sets and tiny exports: real files of a few kilobytes, with known truth."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from endoshards.files import write_json

sys.path.append(str(Path(__file__).parent))  # importlib mode puts no test folder on the path

SMALL = {"img_size": 32, "patch_size": 8, "embed_dim": 24, "depth": 2, "num_heads": 2}
"""A vision transformer of 20,000 numbers: 16 patches."""


def write_picture(path: Path, rgb: np.ndarray, quality: int = 92) -> Path:
    """Write RGB (or grey) pixels; the ending says the format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = rgb[..., ::-1] if rgb.ndim == 3 else rgb
    assert cv2.imwrite(str(path), pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return path


def write_groups(folder: Path, rows: list[tuple[str, str]], name: str = "groups", column: str = "group") -> None:
    """`groups.csv` or `splits.csv`."""
    text = f"file,{column}\n" + "".join(f"{file},{value}\n" for file, value in rows)
    (folder / f"{name}.csv").write_text(text, encoding="utf-8")


@pytest.fixture
def draw_classes() -> Callable[..., Path]:
    """Draw a set of two classes, red and green pictures with noise: `draw(folder, groups=8, each=2)`."""

    def draw(folder: Path, groups: int = 8, each: int = 2, contrast: int = 60) -> Path:
        generator = np.random.default_rng(0)
        rows = []
        for group in range(groups):
            for number in range(each):
                for label, name in enumerate(("polyp", "normal")):
                    image = generator.integers(60, 120, (40, 48, 3), dtype=np.uint8)
                    image[..., label] += np.uint8(contrast)
                    file = f"{name}/g{group}_{number}.jpg"
                    write_picture(folder / file, image)
                    rows.append((file, f"patient{group}"))
        write_groups(folder, rows)
        return folder

    return draw


@pytest.fixture
def draw_masks() -> Callable[..., Path]:
    """Draw a set of masks: a bright disc on dark noise, its mask as PNG: `draw(folder, groups=8, each=2)`."""

    def draw(folder: Path, groups: int = 8, each: int = 2) -> Path:
        generator = np.random.default_rng(1)
        rows = []
        for group in range(groups):
            for number in range(each):
                y, x = generator.integers(14, 34, 2)
                inside = (np.mgrid[0:48, 0:48][0] - y) ** 2 + (np.mgrid[0:48, 0:48][1] - x) ** 2 <= 121
                image = generator.integers(20, 70, (48, 48, 3), dtype=np.uint8)
                image[inside] += 120
                stem = f"g{group}_{number}"
                write_picture(folder / "images" / f"{stem}.jpg", image)
                write_picture(folder / "masks" / f"{stem}.png", inside.astype(np.uint8) * 255)
                rows.append((f"{stem}.jpg", f"patient{group}"))
        write_groups(folder, rows)
        return folder

    return draw


@pytest.fixture
def export() -> Callable[..., Path]:
    """Write a tiny export: `export(folder, seed=5, contract={...}, config={...}, tensors=None)`."""
    from safetensors.torch import save_file

    from endoeval.encoders import architectures

    def write(folder: Path, *, seed: int = 5, contract: dict | None = None, config: dict | None = None, change=None):
        model = architectures.build("vit_tiny_patch16_224", SMALL, seed=seed)
        tensors = {name: value.clone().contiguous() for name, value in model.state_dict().items()}
        if change is not None:
            change(tensors)
        folder.mkdir(parents=True, exist_ok=True)
        save_file(tensors, folder / "model.safetensors")
        write_json(
            folder / "config.json", {"architecture": "vit_tiny_patch16_224", "model_args": SMALL} | (config or {})
        )
        said = {"size": 32, "mean": [0.4, 0.3, 0.3], "std": [0.2, 0.2, 0.2], "pooling": "mean"} | (contract or {})
        write_json(folder / "endomae.json", {"contract": said, "provenance": {"run": "drawn"}})
        return folder

    return write
