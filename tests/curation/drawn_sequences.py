"""Tiny folders of numbered pictures, each in the layout of a public set."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from drawn_videos import texture

SIZE = (64, 48)


def draw(path: Path, index: int, seed: int = 0, size: tuple[int, int] = SIZE) -> Path:
    """A picture of a slow pan: neighbours by `index` are alike, other seeds are other tissue."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, texture(index, size, seed))
    return path


def unlike(path: Path, seed: int) -> Path:
    """A picture like no other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(seed).integers(30, 240, (4, 5, 3), np.uint8)
    write(path, cv2.resize(coarse, SIZE, interpolation=cv2.INTER_CUBIC))
    return path


def mask(path: Path, index: int) -> Path:
    """Black and white."""
    path.parent.mkdir(parents=True, exist_ok=True)
    canvas = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    cv2.circle(canvas, (10 + index % 40, 24), 8, (255, 255, 255), -1)
    write(path, canvas)
    return path


def write(path: Path, rgb: np.ndarray) -> None:
    """By extension; the quality of a JPEG is high."""
    suffix = path.suffix.lower()
    done, data = cv2.imencode(suffix, rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95] if suffix == ".jpg" else [])
    assert done
    path.write_bytes(data.tobytes())


def real_colon(root: Path) -> Path:
    """Unpadded numbers of two videos; one set numbered by floats, with gaps in the text order of names."""
    for number in range(1, 15):
        draw(root / "001-014_frames" / f"001-014_{number}.jpg", number, seed=1)
        draw(root / "001-012_frames" / f"001-012_{number}.0.jpg", number, seed=2)
    return root


def sun(root: Path) -> Path:
    """One case, two runs in one folder, both numbered from 1."""
    for number in range(1, 15):
        draw(root / "case1" / f"case_M_20181001093000_0U62363100354631_1_001-1_a2_ayy_image{number:04d}.jpg", number, 3)
        draw(root / "case1" / f"case_M_20181001093000_0U62363100354631_1_002-1_a2_ayy_image{number:04d}.jpg", number, 4)
    return root


def cholec_seg8k(root: Path) -> Path:
    """Bursts of one video, each frame with three masks beside it."""
    for start in (80, 160):
        folder = root / "video01" / f"video01_{start:05d}"
        for number in range(start, start + 6):
            draw(folder / f"frame_{number}_endo.png", number, seed=5)
            for word in ("color_mask", "mask", "watershed_mask"):
                mask(folder / f"frame_{number}_endo_{word}.png", number)
    return root


def lap_gyn4(root: Path) -> Path:
    """One video spread over two folders of what is done in it, and another."""
    for folder, start in (("Suturing", 5502), ("Suction", 6200)):
        for number in range(start, start + 5):
            draw(root / folder / f"c_286_v_70367_f_{number}.jpg", number, seed=6)
    for number in range(3):
        draw(root / "Suturing" / f"c_9_v_12_f_{number}.jpg", number, seed=7)
    return root


def galar(root: Path) -> Path:
    """Extensions in capitals."""
    for number in range(14):
        draw(root / "17" / f"frame_{number:06d}.PNG", number, seed=8)
    return root


def dsad(root: Path) -> Path:
    """Stills of two surgeries, numbered by chance, masks beside them, and all once more in another folder."""
    for surgery in ("03", "07"):
        for number in range(13):
            seed = 100 * int(surgery) + number
            for part in ("colon", "multilabel"):
                unlike(root / part / surgery / f"image{number:02d}.png", seed)
                mask(root / part / surgery / f"mask{number:02d}.png", number)
    return root


def see_ai(root: Path) -> Path:
    """Numbered and unrelated."""
    for number in range(40):
        unlike(root / f"image{number:05d}.jpg", 1000 + number)
    return root


def polyp_gen(root: Path) -> Path:
    """A sequence, its masks in the folder beside it, and what an archiver of another system left."""
    for number in range(1, 15):
        draw(root / "positive" / "seq1" / "images_seq1" / f"seq1_C6_{number * 10}.jpg", number, seed=9)
        mask(root / "positive" / "seq1" / "masks_seq1" / f"seq1_C6_{number * 10}_mask.jpg", number)
        litter = root / "__MACOSX" / "positive" / f"._seq1_C6_{number * 10}.jpg"
        litter.parent.mkdir(parents=True, exist_ok=True)
        litter.write_bytes(b"\x00\x05\x16\x07" + bytes(100))
    return root


def draw_run(folder: Path, numbers: Iterable[int], *, name: str = "f_{}.png", seed: int = 0) -> Path:
    """A run of these numbers."""
    for number in numbers:
        draw(folder / name.format(number), number, seed)
    return folder
