"""`endocur mask`: learn the layouts of a room from several of its videos, and show what they mask."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from endocur.account import counted
from endocur.configs import MaskConfig
from endocur.extract.decode import Video
from endocur.extract.inputs import find_inputs
from endocur.extract.learned import apply, learn, read, to_text
from endocur.extract.patterns import read_patterns
from endocur.extract.segments import Probe, probe
from endocur.extract.sheets import contact_sheet
from endocur.extract.source import Unreadable
from endocur.extract.text import TextDetector
from endocur.identity import open_key
from endoshards.errors import BadInput
from endoshards.files import write_atomic

SIDE = 960
"""Of stored frames; nothing is stored here."""


def run(config: MaskConfig) -> None:
    """Run the command. Raises: BadInput if no video can be read, or the mask file is none."""
    known = read(config.mask) if config.mask is not None else []
    probes = list(_probes(config))
    if not probes:
        raise BadInput(f"none of the {counted(len(config.inputs), 'argument')} holds a video that can be read.")
    if config.action == "learn":
        layouts = learn([segment.layout for _, found in probes for segment in found.segments])
        write_atomic(config.out or Path("mask.toml"), to_text(layouts).encode())
        for one in layouts:
            sys.stdout.write(
                f"{one.width} x {one.height}: view of {len(one.outline)} corners, {counted(len(one.overlays), 'box')}, "
                f"from {counted(one.videos, 'video')}\n"
            )
        sys.stdout.write(f"next: endocur extract VIDEOS --mask {config.out or 'mask.toml'}\n")
        return
    folder = _folder(config)
    for position, found in probes:
        for segment in found.segments:
            name = f"video-{position:04d}.{segment.view_id}"
            frames = found.frames[segment.view_id]
            sheet = contact_sheet(frames, apply(segment.layout, known), caption=name, clear=config.private_sheets)
            write_atomic(folder / f"{name}.jpg", sheet)
    sys.stdout.write(f"sheets: {folder}  (numbered as the videos are given, sorted by path)\n")


def _folder(config: MaskConfig) -> Path:
    """Where sheets go: clear ones beside the key, nowhere else. Raises: BadInput."""
    if not config.private_sheets:
        folder = config.out or Path("mask-sheets")
    elif config.out is not None:
        raise BadInput("--private-sheets shows names and writes beside the key only; leave --out away.")
    else:
        folder = open_key(config.key, outside=Path("mask-sheets")).path.parent / "private" / "mask-sheets"
        sys.stderr.write(f"sheets that hide nothing go to {folder}; they may show names\n")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _probes(config: MaskConfig) -> Iterator[tuple[int, Probe]]:
    """Position and probe of each video; one that cannot be read is told and left out."""
    detector = TextDetector() if config.text_detection else None
    for item in find_inputs(config.inputs, patterns=read_patterns((), ())):
        if item.kind != "video":
            continue
        try:
            yield item.position, probe(Video(item.path), max_side=SIDE, detector=detector)
        except Unreadable as error:
            sys.stderr.write(f"input {item.position} left out: {error}\n")
