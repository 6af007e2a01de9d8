"""The contact sheet of one source: some frames, the outline of the view, the boxes of what is masked.

A person sees at a glance whether the view fits and whether each name is covered. What is masked, and all that lies
beyond the view, is shown as mosaic, so that a sheet tells where something was without telling what it said; clear
sheets are for the folder beside the key only.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from endocur.extract.view import Layout

FRAMES = 12
COLUMNS = 4
CELL_WIDTH = 320
"""Pixels; frames are reduced to it first, so that a line of text is about as high as one block of the mosaic."""
BLOCK = 8
"""Side of a mosaic block in pixels of the sheet."""
LINE = 22
"""Height of the caption in pixels."""
VIEW_COLOUR, BOX_COLOUR, INK, PAPER = (60, 230, 90), (255, 80, 220), (225, 225, 225), (28, 28, 30)
"""RGB."""


def contact_sheet(
    frames: Sequence[NDArray[np.uint8]], layout: Layout, *, caption: str = "", clear: bool = False, count: int = FRAMES
) -> bytes:
    """A JPEG of up to `count` frames spread over those given, with outline and boxes drawn in.

    Args:
        frames: uint8 [h, w, 3] RGB each, all of one size, in time order; the probe frames will do. Their size may
            differ from that of the layout's masks.
        layout: what was found in them.
        caption: first words of the line below, e.g. the source's id; never a file name.
        clear: show masked pixels as they are.
        count: frames shown at most.
    Raises: ValueError for no frame.
    """
    if not frames:
        raise ValueError("a contact sheet needs at least one frame; none was given.")
    shown = min(count, len(frames))
    chosen = [frames[(2 * k + 1) * len(frames) // (2 * shown)] for k in range(shown)]
    cells = [_cell(frame, layout, clear) for frame in chosen]
    columns = min(COLUMNS, shown)
    cells += [np.full_like(cells[0], PAPER[0])] * (-shown % columns)
    rows = [np.hstack(cells[start : start + columns]) for start in range(0, len(cells), columns)]
    sheet = np.vstack([*rows, _caption(caption, layout, rows[0].shape[1])])
    # full chroma: a coloured line one pixel wide would fade into grey
    how = [cv2.IMWRITE_JPEG_QUALITY, 85, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    done, data = cv2.imencode(".jpg", sheet[..., ::-1], how)
    if not done:
        raise ValueError(f"a sheet of {sheet.shape[1]} x {sheet.shape[0]} pixels cannot be encoded as JPEG.")
    return data.tobytes()


def mosaic(rgb: NDArray[np.uint8], where: NDArray[np.bool_], *, block: int = BLOCK) -> NDArray[np.uint8]:
    """A copy with the pixels of `where` [h, w] replaced by the mean of their block of `block` x `block` pixels."""
    height, width = rgb.shape[:2]
    small = (max(1, -(-width // block)), max(1, -(-height // block)))
    padded = cv2.copyMakeBorder(rgb, 0, small[1] * block - height, 0, small[0] * block - width, cv2.BORDER_REPLICATE)
    means = cv2.resize(padded, small, interpolation=cv2.INTER_AREA)
    blocks = means.repeat(block, axis=0).repeat(block, axis=1)[:height, :width]
    return np.where(where[..., None], blocks, rgb)


def _cell(frame: NDArray[np.uint8], layout: Layout, clear: bool) -> NDArray[np.uint8]:
    height = max(1, round(frame.shape[0] * CELL_WIDTH / frame.shape[1]))
    size = (CELL_WIDTH, height)
    how = cv2.INTER_AREA if frame.shape[1] > CELL_WIDTH else cv2.INTER_LINEAR
    cell = np.asarray(cv2.resize(frame, size, interpolation=how), np.uint8)
    view = cv2.resize(layout.view.mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    # any pixel that an overlay touches is hidden, however thin its share
    overlay = cv2.resize(layout.overlay.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0
    if not clear:
        cell = mosaic(cell, overlay | (view == 0))
    cell = np.ascontiguousarray(cell)
    contours, _ = cv2.findContours(view, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(cell, contours, -1, VIEW_COLOUR, 1)
    sx, sy = CELL_WIDTH / layout.view.mask.shape[1], height / layout.view.mask.shape[0]
    for x0, y0, x1, y1 in layout.boxes:
        first = (int(x0 * sx), int(y0 * sy))
        cv2.rectangle(cell, first, (max(first[0], int(x1 * sx) - 1), max(first[1], int(y1 * sy) - 1)), BOX_COLOUR, 1)
    return cell


def _caption(caption: str, layout: Layout, width: int) -> NDArray[np.uint8]:
    view = layout.view
    masked = float(layout.overlay.sum()) / max(1, int(view.mask.sum()))
    facts = [
        view.shape.replace("_", " "),
        f"view {view.mask.mean():.0%} of the frame",
        f"{len(layout.boxes)} masked, {masked:.1%} of the view",
    ]
    words = "  |  ".join([caption, *facts] if caption else facts)
    line = np.full((LINE, width, 3), PAPER, np.uint8)
    cv2.putText(line, words, (6, LINE - 7), cv2.FONT_HERSHEY_SIMPLEX, 0.42, INK, 1, cv2.LINE_AA)
    return line
