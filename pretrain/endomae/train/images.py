"""From a sample's bytes to the rows of a batch: decode, crop, flip, for image and tissue mask alike.

Runs in the stream's threads. Normalisation happens on the device, so rows stay uint8.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from endoshards.index import BadSample, Sample, ShardSet
from endoshards.stream import Bad

IMAGE, MASK = "jpg", "mask.png"
ASPECT = (3 / 4, 4 / 3)
"""Range of a crop's width over its height."""
TRIES = 10
TISSUE_SHARE = 0.5
"""A crop with less tissue than this is drawn again."""
HELD_OUT = -1
"""Position of an unreadable held-out frame: it is none of the order's."""

cv2.setNumThreads(0)  # the stream has threads of its own


@dataclass(frozen=True)
class Box:
    """A crop as shares of the frame, each in [0, 1]."""

    top: float
    left: float
    height: float
    width: float

    def of(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The crop of an array [H, W, ...], at least one pixel a side."""
        rows, columns = pixels.shape[:2]
        top, left = round(self.top * rows), round(self.left * columns)
        bottom = max(top + 1, round((self.top + self.height) * rows))
        right = max(left + 1, round((self.left + self.width) * columns))
        return pixels[top:bottom, left:right]


WHOLE = Box(0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True)
class Crops:
    """Random crops of training samples; called by the stream for each of them."""

    size: int
    """Side of the result in pixels."""
    scale: tuple[float, float]
    """Smallest and largest share of the frame's area."""
    draws: int
    """Random numbers the method wants beside."""

    def __call__(self, sample: Sample, generator: np.random.Generator, out: Mapping[str, NDArray[Any]]) -> None:
        """Fill one row of a batch.

        Args:
            sample: holds the JPEG, and the tissue mask if the set has masks.
            generator: keyed by the sample's position.
            out: `image` uint8 [S, S, 3], `draws` float32, and `tissue` uint8 [S, S] if there are masks.
        Raises: ValueError if the bytes are no picture, or no pixel is tissue: the sample is replaced.
        """
        rows, columns = image_size(sample)
        tissue = decode_mask(sample, (rows, columns)) if "tissue" in out else None
        box = choose_box(rows, columns, self.scale, generator, tissue)
        flip = generator.random() < 0.5
        generator.random(out=out["draws"], dtype=np.float32)
        put(decode_image(sample, box, self.size), box, flip, out["image"])
        if tissue is not None:
            put(tissue, box, flip, out["tissue"])
            np.greater_equal(out["tissue"], 128, out=out["tissue"], casting="unsafe")


def layout(size: int, draws: int, has_masks: bool) -> dict[str, tuple[tuple[int, ...], type]]:
    """Names, shapes and types of a batch's rows, as `Crops` fills them."""
    rows: dict[str, tuple[tuple[int, ...], type]] = {
        "image": ((size, size, 3), np.uint8),
        "draws": ((draws,), np.float32),
    }
    if has_masks:
        rows["tissue"] = ((size, size), np.uint8)
    return rows


def fixed_views(
    shards: ShardSet, rows: NDArray[np.int64], size: int, draws: int, bad: list[Bad]
) -> dict[str, NDArray[Any]]:
    """Whole frames, squashed to a square as encoders see them, with numbers drawn from their keys.

    Args:
        shards: the whole set.
        rows: of its sample table.
        size: side in pixels.
        draws: random numbers a sample.
        bad: is told of samples that cannot be read.
    Returns: arrays [n, ...] as of `layout`; samples that cannot be read are left out.
    """
    has_masks = MASK in shards.extensions
    starts = np.cumsum([info.samples for info in shards.shards])
    kinds = {IMAGE, MASK} if has_masks else {IMAGE}
    rows_of = layout(size, draws, has_masks)
    out: dict[str, NDArray[Any]] = {
        name: np.zeros((len(rows), *shape), kind) for name, (shape, kind) in rows_of.items()
    }
    done = 0
    for row in rows:
        shard = int(np.searchsorted(starts, row, side="right"))
        index = int(row - (starts[shard] - shards.shards[shard].samples))
        try:
            sample = shards.read(shard, index, kinds)
            put(decode_image(sample, WHOLE, size), WHOLE, False, out["image"][done])
            if has_masks:
                put(decode_mask(sample, image_size(sample)), WHOLE, False, out["tissue"][done])
        except (ValueError, BadSample) as error:
            bad.append(Bad(HELD_OUT, shards.keys(shard)[index], shards.shards[shard].name, str(error)))
            continue
        out["draws"][done] = keyed_draws(sample.key, draws)
        done += 1
    if has_masks:
        out["tissue"] = (out["tissue"] >= 128).astype(np.uint8)
    return {name: array[:done] for name, array in out.items()}


def keyed_draws(key: str, count: int) -> NDArray[np.float32]:
    """Uniform numbers in [0, 1) that depend on a sample's key alone."""
    seed = int.from_bytes(hashlib.blake2b(key.encode("ascii"), digest_size=16).digest(), "little")
    return np.random.Generator(np.random.Philox(seed)).random(count, dtype=np.float32)


def choose_box(
    rows: int,
    columns: int,
    scale: tuple[float, float],
    generator: np.random.Generator,
    tissue: NDArray[np.uint8] | None,
) -> Box:
    """A crop of random area and aspect, at least half of it tissue where that can be had.

    Args:
        rows, columns: of the frame in pixels.
        scale: range of the crop's share of the frame's area, uniform.
        generator: source of chance.
        tissue: uint8 [H, W], 255 where tissue is; any size.
    Returns: the first of ten crops with enough tissue; else the one of them with most; the whole frame if none fits.
    Source: torchvision's RandomResizedCrop; the rule for tissue is ours.
    """
    best, best_share = WHOLE, -1.0
    for _ in range(TRIES):
        area = generator.uniform(*scale) * rows * columns
        aspect = math.exp(generator.uniform(math.log(ASPECT[0]), math.log(ASPECT[1])))
        height, width = round(math.sqrt(area / aspect)), round(math.sqrt(area * aspect))
        if not (0 < height <= rows and 0 < width <= columns):
            continue
        top, left = generator.integers(0, rows - height + 1), generator.integers(0, columns - width + 1)
        box = Box(float(top / rows), float(left / columns), height / rows, width / columns)
        if tissue is None:
            return box
        share = float(box.of(tissue).mean()) / 255.0
        if share >= TISSUE_SHARE:
            return box
        if share > best_share:
            best, best_share = box, share
    return best


def image_size(sample: Sample) -> tuple[int, int]:
    """Rows and columns of the JPEG. Raises: ValueError if it is none."""
    rows, columns, _, _ = simplejpeg.decode_jpeg_header(sample.members[IMAGE])
    return int(rows), int(columns)


def decode_image(sample: Sample, box: Box, size: int) -> NDArray[np.uint8]:
    """Decode at the smallest of JPEG's own scales at which the crop is no smaller than wanted.

    Returns: uint8 [h, w, 3], RGB, the whole frame. Raises: ValueError if the bytes are no JPEG.
    """
    pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(
        sample.members[IMAGE],
        "RGB",
        min_height=math.ceil(size / box.height),
        min_width=math.ceil(size / box.width),
        min_factor=2,
    )
    return pixels


def decode_mask(sample: Sample, size: tuple[int, int]) -> NDArray[np.uint8]:
    """The tissue mask, uint8 [H, W], 0 or 255. Raises: ValueError if it is no mask of the image or holds no tissue."""
    data = np.frombuffer(sample.members[MASK], np.uint8)
    mask = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE) if data.size else None
    if mask is None or mask.shape != size:
        raise ValueError(f"the mask of {sample.key} is {None if mask is None else mask.shape}, its image {size}")
    pixels: NDArray[np.uint8] = np.where(mask > 0, np.uint8(255), np.uint8(0))
    if not pixels.any():
        raise ValueError(f"{sample.key} has no tissue")
    return pixels


def put(pixels: NDArray[np.uint8], box: Box, flip: bool, out: NDArray[np.uint8]) -> None:
    """Crop, scale (by area when shrinking, else bicubic) and maybe flip into `out`, uint8 [S, S, ...]."""
    crop = box.of(pixels)
    side = out.shape[0]
    shrinks = crop.shape[0] >= side and crop.shape[1] >= side
    # The mask goes through the same lines as the image, so that both keep the same edge to half a pixel.
    scaled = cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    out[...] = scaled[:, ::-1] if flip else scaled
