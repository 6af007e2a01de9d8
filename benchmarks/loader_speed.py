"""How much of the CPU time of decoding and cropping alone does the loader reach, and how does webdataset compare?

Each side ends in the same place: uint8 batches [64, 224, 224, 3] after a random resized crop (a fifth to all of the
area), cut from the picture that simplejpeg decoded and resized by cv2. The limit decodes from memory in one thread
and does nothing else. Each side runs a short and a long round; what a picture costs is the difference, what starting
costs (threads or processes, fresh memory) stands apart. Pictures are drawn: smooth colour noise with a little grain.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

import cv2
import numpy as np
import simplejpeg
from form import ROOT, Figure, finish, interleaved, options

from endoshards.index import Sample, open_set
from endoshards.order import Draws, Order
from endoshards.stream import Stream
from endoshards.writer import write_set

cv2.setNumThreads(0)
BATCH, OUT = 64, 224
THREADS = 2
CACHE = ROOT / "benchmarks" / ".cache"


def drawn(generator: np.random.Generator, side: int) -> np.ndarray:
    """Colour noise at three scales and a little grain, uint8 [side, side, 3]."""
    picture = np.zeros((side, side, 3), np.float32)
    for cells, strength in ((4, 70), (16, 30), (64, 10)):
        noise = generator.normal(0, strength, (cells, cells, 3)).astype(np.float32)
        picture += cv2.resize(noise, (side, side), interpolation=cv2.INTER_CUBIC)
    picture += generator.normal(0, 2.5, (side, side, 1)) + np.float32([150, 90, 80])
    return np.clip(picture, 0, 255).astype(np.uint8)


def shards_of(side: int, count: int) -> Path:
    """A set of drawn pictures, made once."""

    def load(key: str) -> dict[str, bytes]:
        pixels = drawn(np.random.default_rng([side, int(key)]), side)
        return {"jpg": simplejpeg.encode_jpeg(pixels, quality=90, colorsubsampling="420")}

    folder = CACHE / f"loader-{side}-{count}"
    keys = [f"{number:09d}" for number in range(count)]
    write_set(folder, keys, load, name=f"drawn-{side}", shard_bytes=8_000_000, fingerprint="loader-speed-1")
    return folder


def crop(jpeg: bytes, generator: np.random.Generator, out: np.ndarray) -> None:
    """Decode, cut a square of a fifth to all of the area, resize into `out`."""
    pixels = simplejpeg.decode_jpeg(jpeg)
    height, width = pixels.shape[:2]
    side = int(min(height, width) * np.sqrt(generator.uniform(0.2, 1.0)))
    top, left = int(generator.integers(0, height - side + 1)), int(generator.integers(0, width - side + 1))
    cv2.resize(pixels[top : top + side, left : left + side], (OUT, OUT), dst=out, interpolation=cv2.INTER_LINEAR)


def fill(sample: Sample, generator: np.random.Generator, row: dict[str, np.ndarray]) -> None:
    crop(sample.members["jpg"], generator, row["image"])


def limit(folder: Path, images: int) -> Callable[[], None]:
    """Decode and crop from memory."""
    shards = open_set(folder)
    places = [(number, index) for number, shard in enumerate(shards.shards) for index in range(shard.samples)]
    jpegs = [shards.read(*place).members["jpg"] for place in places]

    def run() -> None:
        generator, out = np.random.default_rng(0), np.empty((BATCH, OUT, OUT, 3), np.uint8)
        for number in range(images):
            crop(jpegs[number % len(jpegs)], generator, out[number % BATCH])

    return run


def ours(folder: Path, images: int) -> Callable[[], None]:
    """The stream, random access over all shards, checksums compared."""

    def run() -> None:
        shape = ((OUT, OUT, 3), np.uint8)
        with Stream(
            open_set(folder), fill, out=shape, batch=BATCH, seed=0, threads=THREADS, extensions=["jpg"]
        ) as stream:
            for _ in range(images // BATCH):
                next(stream)

    return run


def profile(folder: Path) -> dict[str, float]:
    """CPU-microseconds a picture of the stream's parts, each alone in one thread: where its time goes."""
    shards = open_set(folder)
    order = Order([shard.samples for shard in shards.shards], seed=0)
    positions = np.arange(min(shards.total, 1024))
    places: list[tuple[int, int]] = []
    samples: list[Sample] = []
    draws, row = Draws(0), {"image": np.empty((OUT, OUT, 3), np.uint8)}

    def find() -> None:
        found = order.positions(positions)
        places[:] = zip(found[0].tolist(), found[1].tolist(), strict=True)

    def read() -> None:
        samples[:] = [shards.read(*place, ("jpg",)) for place in places]

    def decode() -> None:
        for position, sample in enumerate(samples):
            fill(sample, draws.at(position), row)

    parts = {"order": (find, 400), "read and checksum": (read, 20), "decode and crop": (decode, 2)}
    # So often that a part takes longer than the clock of CPU time ticks.
    times = interleaved({name: lambda part=part: repeated(*part) for name, part in parts.items()}, 3)
    return {
        name: median(cpu for cpu, _ in times[name]) / (len(positions) * count) * 1e6
        for name, (_, count) in parts.items()
    }


def repeated(call: Callable[[], None], times: int) -> None:
    for _ in range(times):
        call()


def peer(folder: Path, images: int) -> Callable[[], None]:
    """webdataset with a shuffle buffer, two worker processes and the same decode and crop."""
    import torch
    import webdataset

    torch.set_num_threads(1)
    count = open_set(folder).total
    urls = [str(folder / shard.name) for shard in open_set(folder).shards]

    def run() -> None:
        samples = webdataset.WebDataset(urls, shardshuffle=8, nodesplitter=webdataset.split_by_node, seed=0)
        samples = samples.repeat(-(-images // count)).shuffle(1000).map(item)
        batches = samples.batched(BATCH, collation_fn=stacked, partial=True)
        seen = 0
        for batch in torch.utils.data.DataLoader(batches, batch_size=None, num_workers=THREADS, prefetch_factor=2):
            seen += len(batch)
        if seen < images:
            raise RuntimeError(f"webdataset gave {seen} of {images} images")

    return run


def item(sample: dict[str, bytes]) -> np.ndarray:
    out = np.empty((OUT, OUT, 3), np.uint8)
    crop(sample["jpg"], np.random.default_rng(len(sample["jpg"])), out)
    return out


def stacked(items: list[np.ndarray]):
    import torch

    return torch.from_numpy(np.stack(items))


def main() -> None:
    said = options(__doc__)
    figures, notes = [], []
    # Side of a picture, pictures in the set and in a short round, pictures in a long round: whole epochs both, for the
    # peer knows nothing else, and the short one long enough to touch all of the stream's arrays.
    plans = [(224, 1024, 5120), (512, 512, 1536)] if said.quick else [(224, 2048, 16384), (512, 1024, 5120)]
    for side, short, long in plans:
        folder = shards_of(side, short)
        size = sum(shard.bytes for shard in open_set(folder).shards) / short
        makers: dict[str, Callable[[int], Callable[[], None]]] = {
            "limit": partial(limit, folder),
            "ours": partial(ours, folder),
            "webdataset": partial(peer, folder),
        }
        sides = {(name, images): make(images) for name, make in makers.items() for images in (short, long)}
        times = interleaved(sides, 3 if said.quick else 5)
        note = f"{side} px, {size / 1000:.0f} kB"
        rates: dict[str, float] = {}
        for name in makers:
            costs = [
                (more - less) / (long - short)
                for (less, _), (more, _) in zip(times[name, short], times[name, long], strict=True)
            ]
            each = median(costs)
            rates[name] = 1 / each
            start_ms = 1e3 * (median(cpu for cpu, _ in times[name, short]) - each * short)
            spread = f"{note}; rounds {1 / max(costs):.0f} to {1 / min(costs):.0f}; start {max(0.0, start_ms):.0f} ms"
            figures.append(Figure(f"{name}_{side}px", rates[name], unit="images/CPU-s", note=spread))
        figures.append(Figure(f"share_of_limit_{side}px", rates["ours"] / rates["limit"], goal=0.8, note=note))
        figures.append(Figure(f"over_webdataset_{side}px", rates["ours"] / rates["webdataset"], note=note))
        parts = profile(folder)
        rest = 1e6 / rates["ours"] - sum(parts.values())
        told = ", ".join(f"{name} {us:.1f}" for name, us in parts.items())
        notes.append(f"{side} px, CPU-µs a picture of ours: {told}, the rest (threads, batches, noise) {rest:.1f}.")
        walls = ", ".join(f"{name} {long / median(wall for _, wall in times[name, long]):.0f}" for name in makers)
        notes.append(f"{side} px, images/s of wall-clock time (shared cores, only shown): {walls}.")
    finish("loader_speed", figures, said, note="  \n".join(notes))


if __name__ == "__main__":
    main()
