"""Stills: whole pictures only, 8 bits a channel, upright, in colours as meant."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from drawn_videos import texture
from PIL import Image

from endocur.extract.geometry import fit
from endocur.extract.planes import stored_planes, to_rgb
from endocur.extract.source import Unreadable
from endocur.extract.stills import Still, picture_size, read_still

RGB = texture(0, (80, 60))


def saved(path: Path, image: Image.Image, **options: object) -> Still:
    image.save(path, **options)  # type: ignore[arg-type]
    return read_still(path.read_bytes())


def rgb_of(still: Still) -> np.ndarray:
    return to_rgb(still.planes, still.shape, still.shape.shown).astype(int)


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif", "a.webp", "a.gif", "a.jpg"])
def test_every_common_format_shows_its_picture(tmp_path: Path, name: str) -> None:
    options: dict[str, object] = {"quality": 100} if name == "a.jpg" else {"lossless": True} if "webp" in name else {}
    still = saved(tmp_path / name, Image.fromarray(RGB), **options)
    assert np.abs(rgb_of(still) - RGB).mean() < (6 if name == "a.gif" else 2)
    assert (still.shape.width, still.shape.height) == (80, 60)
    size = picture_size((tmp_path / name).read_bytes())
    assert size == (80, 60)


def test_sixteen_bits_are_scaled_not_wrapped(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), RGB[..., ::-1].astype(np.uint16) * 257)
    assert np.abs(rgb_of(read_still((tmp_path / "a.png").read_bytes())) - RGB).max() <= 3


def test_cmyk_is_converted_not_inverted(tmp_path: Path) -> None:
    still = saved(tmp_path / "a.jpg", Image.fromarray(RGB).convert("CMYK"), quality=100)
    assert np.abs(rgb_of(still).mean(axis=(0, 1)) - RGB.mean(axis=(0, 1))).max() < 4


def test_grey_and_palette_with_alpha_become_rgb(tmp_path: Path) -> None:
    grey = saved(tmp_path / "g.png", Image.fromarray(RGB).convert("L"))
    assert grey.planes.colour.matrix == "grey" and grey.planes.u is None
    assert np.ptp(rgb_of(grey), axis=2).max() == 0
    palette = saved(tmp_path / "p.png", Image.fromarray(RGB).convert("RGBA").quantize(64))
    assert np.abs(rgb_of(palette) - RGB).mean() < 6


@pytest.mark.parametrize(("orientation", "degrees"), [(1, 0), (3, 180), (6, 90), (8, 270)])
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif"])
def test_exif_turns_are_kept_as_rotation_and_shown_upright(
    tmp_path: Path, orientation: int, degrees: int, name: str
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 100} if name == "a.jpg" else {}
    still = saved(tmp_path / name, Image.fromarray(RGB), exif=exif, **options)
    assert still.shape.rotation == degrees
    upright = np.rot90(RGB, -degrees // 90)
    height, width = stored_planes(still.planes, fit(still.shape, (0, 0, 80, 60), 960))[0].shape
    assert (height, width) == upright.shape[:2]
    assert np.abs(rgb_of(still) - upright).mean() < 2


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif", "a.bmp"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.9])
def test_a_cut_picture_is_no_picture(tmp_path: Path, name: str, share: float) -> None:
    Image.fromarray(RGB).save(tmp_path / name)
    data = (tmp_path / name).read_bytes()
    with pytest.raises(Unreadable):
        read_still(data[: int(len(data) * share)])


def test_a_header_that_asks_for_gigabytes_is_refused_before_anything_is_decoded() -> None:
    header = struct.pack(">II5B", 16_000, 16_000, 1, 0, 0, 0, 0)
    chunk = b"IHDR" + header
    bomb = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    with pytest.raises(Unreadable, match="16000 x 16000 pixels; at most 100 million"):
        read_still(bomb)


def test_of_an_animation_the_first_picture_is_taken_and_it_is_said(tmp_path: Path) -> None:
    first = Image.fromarray(RGB)
    still = saved(tmp_path / "a.gif", first, save_all=True, append_images=[first.rotate(k) for k in (30, 60)])
    assert still.note == "first picture of an animation"
    assert np.abs(rgb_of(still) - RGB).mean() < 6
    assert saved(tmp_path / "b.gif", first).note == ""


def test_words_are_no_picture() -> None:
    with pytest.raises(Unreadable):
        read_still(b"\xff\xd8\xff and then words")
