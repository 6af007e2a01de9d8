"""What does it cost to keep one in thirty of numbered pictures?

100,000 small JPEGs are drawn; everything extract does is run in this process on 30 numbered frames a second, one kept
a second: listing, doubts, id, probe, frames. Beside it a plain listing of the folder and, on 2,000 of the pictures,
keeping each.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
from form import Figure, finish, measured, options

from endocur.configs import ExtractConfig
from endocur.corpus import InputRow, UnitMarker
from endocur.extract.gather import gather
from endocur.extract.identify import identify
from endocur.extract.inputs import Found
from endocur.extract.patterns import read_patterns
from endocur.extract.unit import VideoTask, extract_video
from endocur.identity import Key

RATE = 30.0
OPENED: Counter[str] = Counter()


def main() -> None:
    """Draw, list, extract, print."""
    said = options(__doc__)
    count, few = (10_000, 500) if said.quick else (100_000, 2_000)
    home = Path(tempfile.mkdtemp(prefix="sequence-cost-"))
    try:
        draw(home / "frames", count)
        draw(home / "few", few)
        figures = measure(home, count, few)
    finally:
        shutil.rmtree(home)
    finish(
        "sequence_cost", figures, said, note=f"{count:,} pictures of 320 x 240, {RATE:g} a second, one kept a second."
    )


def draw(folder: Path, count: int) -> None:
    """Pictures of a slow pan, numbered without padding."""
    folder.mkdir(parents=True)
    noise = np.random.default_rng(0).standard_normal((240, 1600)).astype(np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), 12)
    canvas = np.clip(noise[..., None] / noise.std() * [14, 16, 30] + [80, 90, 160], 0, 255).astype(np.uint8)
    bytes_of = [
        cv2.imencode(".jpg", canvas[:, x : x + 320], [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes()
        for x in range(0, 1280, 2)
    ]
    for number in range(count):
        (folder / f"001-001_{number}.jpg").write_bytes(bytes_of[number % len(bytes_of)])


def measure(home: Path, count: int, few: int) -> list[Figure]:
    """Run both sides. Pictures opened are counted by Python's own audit of `open`."""
    sys.addaudithook(_count)
    scanned, _ = measured(lambda: [entry.stat() for entry in (home / "frames").iterdir()])
    found: list[Found] = []
    OPENED.clear()
    listed, _ = measured(lambda: found.extend(listing(home / "frames", home)))
    markers: list[UnitMarker] = []
    extracted, _ = measured(lambda: markers.append(extract(found[0], home, all_frames=False)))
    opened, kept = len(OPENED), markers[0].frames
    small = listing(home / "few", home)[0]
    all_of_few, _ = measured(lambda: markers.append(extract(small, home, all_frames=True)))
    whole = (listed + extracted) / (all_of_few / few * count)
    return [
        Figure("opened_beyond_kept", opened - kept, 110, "lower", "pictures", f"{opened:,} of {count:,} for {kept:,}"),
        Figure("share_of_keeping_all", whole, 0.06, "lower", note=f"one in thirty is {1 / RATE:.3f}"),
        Figure("listing", listed, None, "lower", "CPU-s", note=f"{listed / scanned:.1f} x a plain listing"),
        Figure("kept_frames", extracted, None, "lower", "CPU-s", note=f"{1000 * extracted / kept:.1f} ms each"),
    ]


def listing(folder: Path, home: Path) -> list[Found]:
    """Inputs of a run."""
    config = ExtractConfig(inputs=(folder,), corpus=home / "corpus", sequence_fps=RATE)
    return gather(config, read_patterns((), ())).found


def extract(item: Found, home: Path, *, all_frames: bool) -> UnitMarker:
    """Id and frames of one sequence."""
    key = Key(home / "key", False, b"\1" * 32)
    (one,) = identify([item], key, {}, workers=1, progress=lambda _: None)
    config = ExtractConfig(inputs=(item.path,), corpus=home / "corpus", text_detection=False, all_frames=all_frames)
    rows = (InputRow(one.id, "ok", group=one.id),)
    return extract_video(
        VideoTask(config.corpus, item.path, one.id, "0" * 16, rows, config, None, item.track, item.timing)
    )


def _count(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and isinstance(arguments[0], str) and arguments[0].endswith(".jpg"):
        OPENED[arguments[0]] += 1


if __name__ == "__main__":
    main()
