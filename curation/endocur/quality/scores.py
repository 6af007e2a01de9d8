"""How good a stored frame is to look at: five scores and their aggregate, from its JPEG and its tissue mask.

Every score is a float32 in [0, 1], rounded to 1e-4, higher is better; 0.4 is where a frame begins to be worth
dropping, on any processor. Pixels outside the tissue, a rim along its border and a margin round overlays take
no part. Nothing here knows the frame's source, its neighbours or the clock: same bytes in, same scores out.

All measures are taken at one size (`SIDE`), for two reasons: blur that does not show there does not matter to a
model fed with such pictures, and sensor noise, line combing and upscaling, which live in the finest detail of a
large picture, cannot pass for sharpness.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, TypeVar

import cv2
import numpy as np
import simplejpeg
import xxhash
from numpy.typing import NDArray

from endocur.quality import body

T = TypeVar("T", float, NDArray[np.float32])

VERSION = "1"
"""Raised whenever a score of any frame may change; stands in every row."""

SIDE = 256.0
"""Geometric mean of width and height, in pixels, at which pictures are measured; smaller ones stay as they are."""
RIM_PX = 16
"""Stored pixels left out along the view's border and round overlays: one chroma block of the JPEG."""
RIM_SHARE = 0.03
"""In small pictures the rim is at most this share of SIDE's counterpart, so that something is left to judge."""
MIN_TISSUE = 0.01
"""A frame with less tissue than this share of its pixels is blank."""

_DARK = (20, 56)
_BRIGHT = (165, 222)
"""Luma levels between which a pixel's exposure weight rises to 1, and falls back to 0."""
_PINNED_LEVEL = 250
_PINNED_WEIGHT = 0.25
"""A pixel with a channel at or above this level has lost its colour: so much of its exposure weight is left."""
_GLARE_LEVEL = 200
_GLARE_SHARE = 0.25
"""Level of all three channels from which a pixel is glare, and share of glare at which `specular_free` is 0."""
_DROWNED = (0.3, 0.5)
_DROWNED_LEVEL = 80
"""Second channel / first at which a pixel is wholly drowned in one colour, and not at all; level of the first from
which this is asked."""
_CONTRAST_SCALE = 0.026
_LUMA_FLOOR = 16.0
_SHARPNESS_SCALE = 0.48
"""Scales that put 0.4 where good and faulty frames part; see docs/scores.md."""
_NEUTRAL_RATIO = 1.7
_PRIOR = 0.02
"""Ratio of gradients of an average picture, and the weight it has in each."""
_BLANK_SPREAD = 6
"""Levels; see `_is_blank`."""
_GLARE_WEIGHT = 0.2
"""Share of `quality` that `specular_free` can take off."""
_COLOUR_WEIGHT = 0.5
"""Share of `contrast` that a lost colour makes worthless: little structure, all in red, is a red-out."""


class Scores(NamedTuple):
    """Scores of one frame, each a float32 in [0, 1]; all but `in_body` 0 where `is_blank`."""

    sharpness: np.float32
    exposure: np.float32
    contrast: np.float32
    specular_free: np.float32
    colour: np.float32
    quality: np.float32
    is_blank: bool
    in_body: np.float32 | None = None
    """See `endocur.quality.body`; no part of `quality`. None where the frame by itself says nothing."""


_ZERO = np.float32(0.0)
BLANK = Scores(_ZERO, _ZERO, _ZERO, _ZERO, _ZERO, _ZERO, is_blank=True)


@dataclass(frozen=True)
class Region:
    """Where in a picture of one geometry scores are measured; made once a mask by `region`."""

    stored: tuple[int, int]
    """(height, width) of the mask and of the stored frame."""
    decoded: tuple[int, int]
    """(width, height) at which the JPEG is decoded: the stored size divided by 1, 2, 4 or 8."""
    size: tuple[int, int]
    """(width, height) at which it is measured."""
    fine: NDArray[np.uint8]
    """uint8 [h, w], 255 where pixels count."""
    pixels: int
    """How many of them there are."""
    middle: NDArray[np.float32]
    """float32 [h/2, w/2], 1 where gradients of the picture at half of `size` see tissue only."""
    middle_share: NDArray[np.float32]
    """1 / share of counted neighbours; turns sums over a neighbourhood into means."""
    coarse: NDArray[np.uint8]
    """uint8 [h/4, w/4], 255 where gradients at a quarter of `size` see tissue only."""
    sparse: NDArray[np.intp]
    """Flat positions in `fine[::3, ::3]` that count."""
    is_empty: bool
    """True if too little is left to judge."""


def score_jpeg(jpeg: bytes, tissue: NDArray[np.bool_], *, with_body: bool = True) -> Scores:
    """Score one stored frame.

    Args:
        jpeg: the stored bytes.
        tissue: bool [h, w] of the stored size: inside the view and outside overlays.
        with_body: False leaves `in_body` out (`body.Turns`).
    Returns: six scores and `is_blank`.
    Raises: ValueError if the bytes are no JPEG, or of another size than `tissue`.
    """
    return score_inside(jpeg, region(tissue), with_body=with_body)


def score_inside(jpeg: bytes, where: Region, *, with_body: bool = True) -> Scores:
    """`score_jpeg` where the region of the mask is at hand."""
    height, width = simplejpeg.decode_jpeg_header(jpeg)[:2]
    if where.stored != (height, width):
        raise ValueError(f"the tissue mask is {where.stored}, the stored frame ({height}, {width})")
    if where.is_empty:
        return BLANK
    rgb = simplejpeg.decode_jpeg(jpeg, "RGB", min_height=where.decoded[1], min_width=where.decoded[0])
    return score_pixels(rgb, where, with_body=with_body)


def region(tissue: NDArray[np.bool_]) -> Region:
    """Where frames that share this mask are measured; the last few masks are remembered by their bytes.

    Args:
        tissue: bool [h, w] of the stored size.
    """
    packed = np.ascontiguousarray(tissue, dtype=np.bool_)
    return _region(_Key(packed.shape, xxhash.xxh3_128_digest(packed.data), packed))


def score_pixels(rgb: NDArray[np.uint8], where: Region, *, with_body: bool = True) -> Scores:
    """Score decoded pixels.

    Args:
        rgb: uint8 [h, w, 3], the JPEG decoded at `where.decoded`.
        where: the region of its mask, not empty.
        with_body: as `score_jpeg`.
    """
    if rgb.shape[1::-1] != where.size:
        # At most a factor of two lies between, so that two by two pixels see every pixel.
        rgb = cv2.resize(rgb, where.size, interpolation=cv2.INTER_LINEAR)
    luma = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    levels = cv2.calcHist([luma], [0], where.fine, [256], [0, 256]).ravel().astype(np.float64)
    if _is_blank(levels):
        return BLANK
    mean = float(levels @ np.arange(256)) / float(levels.sum())
    middle = cv2.pyrDown(luma.astype(np.float32))
    sharpness = _sharpness(luma, middle, where)
    contrast = _contrast(cv2.pyrDown(middle), mean, where)
    exposure, glare, drowned = _pixel_shares(rgb, luma, where)
    specular_free = max(0.0, 1.0 - glare / _GLARE_SHARE)
    colour = 1.0 - drowned
    inside = body.in_body(rgb, luma, where.coarse) if with_body else None
    quality = min(sharpness, exposure, structure(contrast, colour)) * (1 - _GLARE_WEIGHT * (1 - specular_free))
    return Scores(
        sharpness=_rounded(sharpness),
        exposure=_rounded(exposure),
        contrast=_rounded(contrast),
        specular_free=_rounded(specular_free),
        colour=_rounded(colour),
        quality=_rounded(quality),
        is_blank=False,
        in_body=None if inside is None else np.float32(inside),
    )


def structure(contrast: T, colour: T) -> T:
    """What `quality` takes for contrast: less where the frame is drowned in one colour. Numbers or arrays."""
    return contrast * (1 - _COLOUR_WEIGHT * (1 - colour))


def _rounded(value: float) -> np.float32:
    """To 1e-4, so that the last bit of an addition decides nothing."""
    return np.float32(round(min(1.0, max(0.0, value)), 4))


def _is_blank(levels: NDArray[np.float64]) -> bool:
    """Nothing to see: nine tenths of the tissue within a few levels of each other (no signal, lens cap, white)."""
    share = np.cumsum(levels) / levels.sum()
    low, high = np.searchsorted(share, (0.05, 0.95))
    return bool(high - low < _BLANK_SPREAD)


def _sharpness(luma: NDArray[np.uint8], middle: NDArray[np.float32], where: Region) -> float:
    """How much of the gradient survives from a coarser to a finer scale, in the direction that lost most.

    Gradients are squared, gathered as 2 x 2 tensors at both scales, and divided by the local energy, so that
    contrast, gain and a few strong edges do not count, and flat mucosa is judged by the little detail it has.
    What sensor noise would add to the fine tensor is taken off. The generalised eigenvalues of the pair are the
    squared ratios along the least and the most detailed direction: defocus lowers both, motion the first.

    Source: ratio of gradients before and after a known blur: Zhuo and Sim, "Defocus map estimation from a single
    image", Pattern Recognition 44 (2011); noise by Immerkaer, "Fast noise variance estimation", CVIU 64 (1996);
    directions, local normalisation and the scale to [0, 1] are ours.
    """
    across, down = cv2.Scharr(luma, cv2.CV_16S, 1, 0), cv2.Scharr(luma, cv2.CV_16S, 0, 1)
    half = (middle.shape[1], middle.shape[0])
    fine = [
        cv2.resize(cv2.multiply(a, b, scale=1 / 1024, dtype=cv2.CV_32F), half, interpolation=cv2.INTER_AREA)
        for a, b in ((across, across), (across, down), (down, down))
    ]
    across, down = (
        cv2.Scharr(middle, cv2.CV_32F, 1, 0, scale=1 / 64),
        cv2.Scharr(middle, cv2.CV_32F, 0, 1, scale=1 / 64),
    )
    rough = [across * across, across * down, down * down]
    energy = cv2.blur((rough[0] + rough[2]) * where.middle, (7, 7), borderType=cv2.BORDER_CONSTANT)
    weight = where.middle / (energy * where.middle_share + 1.0)
    total = float(weight.sum(dtype=np.float64))
    f = [float(np.einsum("ij,ij->", weight, part)) / total for part in fine]
    r = [float(np.einsum("ij,ij->", weight, part)) / total for part in rough]
    noise = _SCHARR_NOISE * _noise_variance(luma, where)
    # A pinch of an average picture, in both directions: where there is no structure at all, it decides.
    f[0], f[2] = (max(value - noise, 0.0) + _PRIOR * _NEUTRAL_RATIO**2 for value in (f[0], f[2]))
    r[0], r[2] = r[0] + _PRIOR, r[2] + _PRIOR
    least, most = _generalised_eigenvalues(f, r)
    ratio = least**0.75 / most**0.25
    return 1.0 - float(np.exp(-max(0.0, ratio - 1.0) / _SHARPNESS_SCALE))


_SCHARR_NOISE = 1.5 * 2 * (3 * 3 + 10 * 10 + 3 * 3) / 32**2
"""Variance of one component of a Scharr gradient (divided by 32) of white noise of variance 1, and half as much
again, because JPEG leaves more of the noise in gradients than in the estimate below (measured)."""


def _noise_variance(luma: NDArray[np.uint8], where: Region) -> float:
    """Variance of white noise, from the quieter half of a mask that answers to no straight edge."""
    kernel = np.array([1.0, -2.0, 1.0])
    answer = cv2.sepFilter2D(luma, cv2.CV_16S, kernel, kernel)[::3, ::3].ravel()
    size = np.abs(answer[where.sparse])
    quieter = size.size // 2 + 1
    # Of a normal variable, the mean size of the quieter half is 0.3246 sigma; the mask's gain is 6.
    sigma = float(np.partition(size, quieter - 1)[:quieter].mean(dtype=np.float64)) / (0.3246 * 6.0)
    return sigma * sigma


def _generalised_eigenvalues(f: list[float], r: list[float]) -> tuple[float, float]:
    """Smallest and largest x of det(F - x R) = 0 for symmetric 2 x 2 matrices (xx, xy, yy), R positive."""
    a = r[0] * r[2] - r[1] * r[1]
    b = f[0] * r[2] + f[2] * r[0] - 2 * f[1] * r[1]
    c = f[0] * f[2] - f[1] * f[1]
    root = np.sqrt(max(0.0, b * b - 4 * a * c))
    return max(1e-6, (b - root) / (2 * a)), max(1e-6, (b + root) / (2 * a))


def _contrast(coarse: NDArray[np.float32], mean: float, where: Region) -> float:
    """Strength of folds, vessels and shadows against the mean brightness: veils, red-outs and white-outs lack it.

    Root mean square of the gradient at a quarter of the measured size, relative to mean luma (Weber contrast).
    Source: RMS contrast, Peli, "Contrast in complex images", JOSA A 7 (1990), on one band; the scale is ours.
    """
    across = cv2.Scharr(coarse, cv2.CV_32F, 1, 0, scale=1 / 32)
    down = cv2.Scharr(coarse, cv2.CV_32F, 0, 1, scale=1 / 32)
    energy = cv2.mean(across * across + down * down, where.coarse)[0]
    return 1.0 - float(np.exp(-np.sqrt(energy) / (mean + _LUMA_FLOOR) / _CONTRAST_SCALE))


def _table(points: tuple[float, ...], values: tuple[float, ...]) -> NDArray[np.uint8]:
    """Straight lines through the points, as 256 values of 0 to 255."""
    return np.round(255.0 * np.interp(np.arange(256), points, values)).astype(np.uint8)


_EXPOSURE_WEIGHT = _table((*_DARK, *_BRIGHT), (0.0, 1.0, 1.0, 0.0))
_DROWNED_WEIGHT = _table((255 * _DROWNED[0], 255 * _DROWNED[1]), (1.0, 0.0))


def _pixel_shares(rgb: NDArray[np.uint8], luma: NDArray[np.uint8], where: Region) -> tuple[float, float, float]:
    """What can be said pixel by pixel: exposure, and the shares of tissue lost to glare and drowned in one colour.

    Exposure: mean weight of a pixel, 0 near black and near white, 1 between, less where a channel is pinned at
    its end. Source: "well-exposedness" of Mertens, Kautz and Van Reeth, "Exposure fusion", Pacific Graphics 2007,
    with a flat top instead of a bell, for a dark fold is no fault.
    Glare (`specular_free`): all three channels high. Source: bright and unsaturated pixels, as Oh et al.,
    "Informative frame classification for endoscopy video", Medical Image Analysis 11 (2007); the level is ours.
    Drowned (`colour`): a lit pixel whose second channel stays far below its first, as in a red-out, a blue
    screen or a filter stuck; narrow-band light keeps two channels up. Ours.
    """
    red, green, blue = cv2.split(rgb)
    low, high = cv2.min(red, green), cv2.max(red, green)
    second, first = cv2.max(low, cv2.min(high, blue)), cv2.max(high, blue)
    weight = cv2.LUT(luma, _EXPOSURE_WEIGHT)
    pinned = cv2.bitwise_and(weight, cv2.compare(first, _PINNED_LEVEL, cv2.CMP_GE))
    glare = cv2.compare(cv2.min(low, blue), _GLARE_LEVEL, cv2.CMP_GE)
    drowned = cv2.LUT(cv2.divide(second, first, scale=255), _DROWNED_WEIGHT)
    drowned = cv2.bitwise_and(drowned, cv2.compare(first, _DROWNED_LEVEL, cv2.CMP_GE))
    # The L1 norm of bytes is their exact sum, and the fastest way to it.
    means = [
        cv2.norm(plane, cv2.NORM_L1, where.fine) / (255.0 * where.pixels) for plane in (weight, pinned, glare, drowned)
    ]
    return means[0] - (1.0 - _PINNED_WEIGHT) * means[1], means[2], means[3]


class _Key:
    """A mask that is equal to another if shape and digest are; carries the pixels for the one that is made."""

    def __init__(self, shape: tuple[int, ...], digest: bytes, tissue: NDArray[np.bool_]) -> None:
        self._identity = (shape, digest)
        self.tissue = tissue

    def __hash__(self) -> int:
        return hash(self._identity)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self._identity == other._identity


@lru_cache(maxsize=16)
def _region(key: _Key) -> Region:
    height, width = key.tissue.shape
    side = float(np.sqrt(height * width))
    shrink = next(factor for factor in (8, 4, 2, 1) if side / factor >= SIDE or factor == 1)
    small = (-(-width // shrink), -(-height // shrink))
    scale = min(1.0, SIDE / float(np.sqrt(small[0] * small[1])))
    size = (max(4, round(small[0] * scale)), max(4, round(small[1] * scale)))
    rim = min(RIM_PX * size[0] / width, RIM_SHARE * float(np.sqrt(size[0] * size[1])))
    fine = _eroded(_whole(key.tissue.astype(np.uint8) * 255, size), int(np.ceil(rim)))
    # A gradient at half size sees 4 pixels to each side, one at a quarter 10: so much more of the rim is left out.
    half, quarter = ((size[0] + 1) // 2, (size[1] + 1) // 2), ((size[0] + 3) // 4, (size[1] + 3) // 4)
    middle, coarse = _eroded(_whole(fine, half), 2), _eroded(_whole(fine, quarter), 2)
    inside = (middle > 0).astype(np.float32)
    share = cv2.blur(inside, (7, 7), borderType=cv2.BORDER_CONSTANT)
    sparse = np.flatnonzero(_eroded(fine, 1)[::3, ::3])
    is_empty = bool(key.tissue.mean() < MIN_TISSUE) or not (coarse.any() and middle.any() and sparse.size)
    return Region(
        stored=(height, width),
        decoded=small,
        size=size,
        fine=fine,
        pixels=int(np.count_nonzero(fine)),
        middle=inside,
        middle_share=np.where(share > 0, 1.0 / np.maximum(share, 1e-6), 1.0).astype(np.float32),
        coarse=coarse,
        sparse=sparse,
        is_empty=is_empty,
    )


def _whole(mask: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """The mask at another size: 255 where all that a pixel covers is 255."""
    return (cv2.resize(mask, size, interpolation=cv2.INTER_AREA) >= 255).astype(np.uint8) * 255


def _eroded(mask: NDArray[np.uint8], radius: int) -> NDArray[np.uint8]:
    """Shrunk by `radius` pixels; the picture's own edge counts as a border."""
    kernel = np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
    return cv2.erode(mask, kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0)
