"""Drawn recordings of known truth for the tests of view, overlays and sheets: moving texture, shapes, borders, text."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np

HEIGHT, WIDTH = 240, 320
Mask = np.ndarray
Painter = Callable[[np.ndarray, int], None]
"""Draws onto frame `index` in place."""


def canvas(seed: int, side: int = 900) -> np.ndarray:
    """A large picture of reddish texture with folds, vessels and highlights, uint8 [side, side, 3]."""
    rng = np.random.default_rng(seed)
    out = np.zeros((side, side), np.float32)
    for cells, gain in ((6, 45.0), (14, 30.0), (60, 14.0), (250, 6.0)):
        grid = rng.standard_normal((cells, cells), dtype=np.float32)
        out += gain * cv2.resize(grid, (side, side), interpolation=cv2.INTER_CUBIC)
    red = np.clip(160 + out, 12, 245)
    rgb = np.dstack([red, np.clip(0.55 * red + 0.2 * out, 5, 235), np.clip(0.45 * red, 4, 225)]).astype(np.uint8)
    for _ in range(40):
        x, y = (int(v) for v in rng.integers(0, side, 2))
        cv2.line(rgb, (x, y), (x + int(rng.integers(-90, 90)), y + int(rng.integers(-90, 90))), (110, 30, 30), 2)
        x, y = (int(v) for v in rng.integers(0, side, 2))
        cv2.ellipse(rgb, (x, y), (int(rng.integers(2, 9)), int(rng.integers(2, 6))), 30, 0, 360, (250, 252, 248), -1)
    return rgb


def moving(seed: int, count: int, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """`count` looks at distant places of one canvas, uint8 [count, height, width, 3]."""
    rng = np.random.default_rng([seed, 1])
    picture = canvas(seed, max(900, 2 * width))
    high, wide = picture.shape[0] - height, picture.shape[1] - width
    corners = zip(rng.integers(0, high, count), rng.integers(0, wide, count), strict=True)
    return np.stack([picture[y : y + height, x : x + width] for y, x in corners])


def recording(
    view: Mask,
    *,
    count: int = 24,
    seed: int = 0,
    border: float = 8.0,
    noise: float = 1.2,
    tint: Sequence[float] = (0.0, 0.0, 0.0),
    painters: Sequence[Painter] = (),
    jpeg: int | None = None,
) -> np.ndarray:
    """Frames of moving texture inside `view` on a noisy border, painters drawn on top; uint8 [count, h, w, 3].

    Args:
        view: bool [h, w].
        border: mean level of the border, 0-255; `noise` its standard deviation, new in each frame.
        jpeg: quality of a JPEG round trip at the end, for the ringing of a codec.
    """
    height, width = view.shape
    rng = np.random.default_rng([seed, 2])
    soft = cv2.GaussianBlur(view.astype(np.float32), (0, 0), 0.7)[..., None]
    out = []
    for index, tissue in enumerate(moving(seed, count, height, width)):
        level = border + np.array(tint) + rng.normal(0, noise, (height, width, 3)) if noise else border
        frame = np.clip(tissue * soft + np.broadcast_to(level, tissue.shape) * (1 - soft), 0, 255).astype(np.uint8)
        for paint in painters:
            paint(frame, index)
        if jpeg is not None:
            frame = cv2.imdecode(cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, jpeg])[1], cv2.IMREAD_COLOR)
        out.append(frame)
    return np.stack(out)


def disc(cx: float, cy: float, radius: float, height: int = HEIGHT, width: int = WIDTH) -> Mask:
    y, x = np.mgrid[0:height, 0:width] + 0.5
    return (x - cx) ** 2 + (y - cy) ** 2 <= radius**2


def box(x0: float, y0: float, x1: float, y1: float, height: int = HEIGHT, width: int = WIDTH) -> Mask:
    y, x = np.mgrid[0:height, 0:width] + 0.5
    return (x >= x0) & (x < x1) & (y >= y0) & (y < y1)


def polygon(points: Sequence[tuple[float, float]], height: int = HEIGHT, width: int = WIDTH) -> Mask:
    out = np.zeros((height, width), np.uint8)
    cv2.fillPoly(out, [np.round(np.array(points) * 16).astype(np.int32)], 1, shift=4)
    return out > 0


def octagon(x0: float, y0: float, x1: float, y1: float, cut: float, height: int = HEIGHT, width: int = WIDTH) -> Mask:
    return polygon(
        [
            (x0 + cut, y0),
            (x1 - cut, y0),
            (x1, y0 + cut),
            (x1, y1 - cut),
            (x1 - cut, y1),
            (x0 + cut, y1),
            (x0, y1 - cut),
            (x0, y0 + cut),
        ],
        height,
        width,
    )


def text_at(
    words: str | Callable[[int], str],
    at: tuple[int, int],
    *,
    font: int = cv2.FONT_HERSHEY_SIMPLEX,
    scale: float = 0.45,
    colour: tuple[int, int, int] = (255, 255, 255),
    outline: bool = False,
    plate: bool = False,
    alpha: float = 1.0,
) -> Painter:
    """A painter of one line of text; `at` is the left end of its base, `alpha` below 1 lets tissue through."""

    def paint(frame: np.ndarray, index: int) -> None:
        said = words if isinstance(words, str) else words(index)
        drawn = frame.copy()
        (wide, high), base = cv2.getTextSize(said, font, scale, 1)
        if plate:
            cv2.rectangle(drawn, (at[0] - 3, at[1] - high - 3), (at[0] + wide + 3, at[1] + base), (14, 14, 16), -1)
        if outline:
            cv2.putText(drawn, said, at, font, scale, (0, 0, 0), 3, cv2.LINE_AA)
        cv2.putText(drawn, said, at, font, scale, colour, 1, cv2.LINE_AA)
        frame[:] = cv2.addWeighted(drawn, alpha, frame, 1 - alpha, 0)

    return paint


def touched(painters: Sequence[Painter], index: int, height: int = HEIGHT, width: int = WIDTH) -> Mask:
    """The exact pixels that the painters change in frame `index`: seen against black, grey and white."""
    changed = np.zeros((height, width), bool)
    for level in (0, 128, 255):
        blank = np.full((height, width, 3), level, np.uint8)
        drawn = blank.copy()
        for paint in painters:
            paint(drawn, index)
        changed |= (drawn != blank).any(axis=2)
    return changed


def overlap(one: Mask, other: Mask) -> float:
    """Intersection over union."""
    return float((one & other).sum() / max(1, (one | other).sum()))
