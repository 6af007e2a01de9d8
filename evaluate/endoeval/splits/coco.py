"""COCO JSON as rows: a row a box, a row a picture without one. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from endoshards.errors import BadInput

NO_BOX = [np.nan] * 4


def coco_rows(source: str, found: Mapping[str, Any]) -> tuple[list[str], list[str], list[list[float]], str, int]:
    """Names, labels ("" without a box) and boxes (x0 y0 x1 y1, nan without one) of all rows.

    Args:
        source: the list's name, for errors.
        found: the parsed file.
    Returns: names, labels, boxes, what was understood, and the number of boxes of pictures that are not listed.
    Raises: BadInput for entries without the keys that COCO gives them, and for a list without pictures.
    """
    images = _entries(source, found, "images", "image", "id")
    annotations = _entries(source, found, "annotations", "annotation", "image_id")
    bare = found.get("categories") is None  # classes are then named by their numbers
    categories = [] if bare else _entries(source, found, "categories", "category", "id")
    if not images:
        raise BadInput(f"{source} lists no images; COCO JSON with at least one is wanted.")
    classes = {entry["id"]: str(entry.get("name", entry["id"])) for entry in categories}
    boxes_of: dict[Any, list[tuple[str, list[float]]]] = {}
    for number, entry in enumerate(annotations, 1):
        number_of = entry.get("category_id", "")
        word = classes.get(number_of, str(number_of)) if isinstance(number_of, str | int) else str(number_of)
        boxes_of.setdefault(entry["image_id"], []).append((word, _box(source, number, entry)))
    names, labels, boxes = [], [], []
    for number, image in enumerate(images, 1):
        width, height = (_edge(source, number, image, side) for side in ("width", "height"))
        for word, (x, y, w, h) in boxes_of.get(image["id"], [("", NO_BOX)]):
            names.append(str(image.get("file_name", image["id"])))
            labels.append(word)
            boxes.append([x / width, y / height, (x + w) / width, (y + h) / height])
    said = f"COCO JSON; {len(images):,} pictures, {len(annotations):,} boxes, a row a box"
    known = {image["id"] for image in images}
    return names, labels, boxes, said, sum(len(held) for number, held in boxes_of.items() if number not in known)


def _entries(source: str, found: Mapping[str, Any], key: str, one: str, needed: str) -> Sequence[Mapping[str, Any]]:
    held = found.get(key, [])
    if not isinstance(held, list):
        raise BadInput(f"{source}: {key} is no list; COCO JSON holds a list of objects there.")
    for number, entry in enumerate(held, 1):
        if not isinstance(entry, dict) or not isinstance(entry.get(needed), str | int):
            raise BadInput(f"{source}: {one} {number} has no {needed}; COCO JSON gives every {one} one.")
    return held


def _box(source: str, number: int, entry: Mapping[str, Any]) -> list[float]:
    box = entry.get("bbox") or NO_BOX
    if not isinstance(box, list) or len(box) != 4 or not all(isinstance(v, int | float) for v in box):
        raise BadInput(
            f"{source}: annotation {number} has the bbox {str(box)[:60]}; four numbers x, y, w, h are wanted."
        )
    return box


def _edge(source: str, number: int, image: Mapping[str, Any], side: str) -> float:
    edge = image.get(side) or 1
    if not isinstance(edge, int | float):
        raise BadInput(f"{source}: image {number} has the {side} {str(edge)[:60]}; a number of pixels is wanted.")
    return float(edge)
