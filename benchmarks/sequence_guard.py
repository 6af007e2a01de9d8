"""How well do numbers and pixels tell the frames of a video from numbered stills?

Runs of one colonoscopy set, clips and composed procedures, written out as pictures at several rates, must look like
videos; draws of unrelated stills, numbered by chance, must not. Thresholds stand in
`curation/endocur/extract/sequence_guard.py`.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
from form import Figure, cannot_run, finish, options, shared, table

from endocur.extract.sequence_guard import ALIKE, LEAST, NEARER, Look, Seen, judged, look, looked_at, thumbnail
from endocur.extract.sequence_names import FRAME_PATTERN, tracks_of
from endocur.extract.sequence_track import Entry

FIRSTS = (1, 26, 51, 68, 79, 104, 127, 152, 178, 200, 206, 228, 253, 278, 298, 318, 343, 364, 384, 409, 429, 448, 467)
FIRSTS += (479, 504, 529, 547, 572, 592, 613)
"""First frame of each of the 29 runs of CVC-ClinicDB, and one past the last: README of the frames."""
DRAWN = (30, LEAST)
RATES = (25, 5, 2, 1)


def main() -> None:
    """Look at everything, print two tables."""
    said = options(__doc__, _more)
    data = shared("data")
    if not (data / "pool").is_dir():
        cannot_run("there is no pool of real frames.")
    looks: dict[str, list[Look]] = {}
    cvc = cvc_pictures(data)
    looks["runs of CVC, as they lie there"] = list(cvc_runs(cvc))
    looks["all of CVC in one numbering"] = [judge([cvc[number] for number in sorted(cvc)])]
    draws = 40 if said.quick else 200
    stills: dict[str, list[Look]] = {}
    for folder in sorted((data / "pool").iterdir()):
        pictures = [seen(path) for path in sorted(folder.iterdir())]
        if folder.name not in ("cvc", "sinus"):  # runs themselves
            for count in DRAWN:
                stills[f"{folder.name}, {count} drawn"] = list(drawn(pictures, draws, count))
    for rate in RATES:
        for kind, found in (("clips", clips(data, rate)), ("composed", composed(said, rate))):
            if found := list(found):
                looks[f"{kind}, {rate} pictures a second"] = found
    print(
        table(
            HEAD,
            [row(name, found) for name, found in (looks | {f"stills of {k}": v for k, v in stills.items()}).items()],
        )
    )
    fast = [
        one
        for name, found in looks.items()
        if name.endswith((" 25 pictures a second", " 5 pictures a second"))
        for one in found
    ]
    slow = [
        one
        for name, found in looks.items()
        if name.endswith((" 1 pictures a second", " 2 pictures a second"))
        for one in found
    ]
    runs = looks["runs of CVC, as they lie there"]
    unrelated = [one for found in stills.values() for one in found]
    figures = [
        Figure(
            "asked_of_fast",
            share(fast),
            1.0,
            unit="share",
            note=f"{len(fast)} clips and procedures, 5 a second or more",
        ),
        Figure("asked_of_slow", share(slow), None, unit="share", note=f"{len(slow)}, 1 or 2 a second"),
        Figure("asked_of_cvc_runs", share(runs), 0.75, unit="share", note=f"{len(runs)} runs, jumpy"),
        Figure("asked_of_stills", share(unrelated), 0.01, "lower", "share", f"{len(unrelated):,} draws of 30 or 12"),
        Figure("doubted_of_fast", doubted(fast), 0.0, "lower", "share", "said to be sequences"),
        Figure("doubted_of_slow", doubted(slow), None, "lower", "share", "said to be sequences"),
        Figure("doubted_of_stills", doubted(unrelated), 0.9, "higher", "share", "said to be sequences"),
    ]
    finish(
        "sequence_guard",
        figures,
        said,
        note=f"asked: ratio below {NEARER} or likeness from {ALIKE} on, {LEAST} pictures.",
    )


HEAD = ("pictures", "tracks", "asked", "doubted", "ratio: least, median, most", "likeness: least, median, most")


def _more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--composed", type=Path, default=None, help="folder of composed procedures to use again")


def row(name: str, found: Sequence[Look]) -> list[str]:
    """One line of the table."""
    ratios = [one.ratio for one in found if one.ratio is not None]
    alike = [one.likeness for one in found if one.likeness is not None]
    three = (
        " ".join(f"{f(values):.2f}" for f in (min, np.median, max)) if values else "–" for values in (ratios, alike)
    )
    return [name, str(len(found)), f"{share(found):.2f}", f"{doubted(found):.2f}", *three]


def share(found: Iterable[Look]) -> float:
    """Part that looks like a video."""
    return float(np.mean([one.is_run for one in found]))


def doubted(found: Iterable[Look]) -> float:
    """Part that would be doubted if it were said to be a sequence."""
    return float(np.mean([one.is_none for one in found]))


def seen(path: Path) -> Seen:
    """Thumbnail and size of a picture."""
    one = thumbnail(path.read_bytes())
    assert one is not None, "no picture"
    return one


def judge(pictures: Sequence[Seen]) -> Look:
    """Pictures as if numbered 1, 2, 3, ..., all of one size."""
    at = {place for index in looked_at(len(pictures)) for place in (index, index + 1)}
    return judged(range(len(pictures)), {index: (pictures[index][0], (1, 1)) for index in at})


def cvc_pictures(data: Path) -> dict[int, Seen]:
    """Number in the original set -> picture."""
    files = [*(data / "pool" / "cvc").glob("*.jpg"), *(data / "seg_cvc" / "images").glob("*.jpg")]
    return {int(re.search(r"(\d+)$", path.stem)[1]): seen(path) for path in files}  # type: ignore[index]


def cvc_runs(pictures: dict[int, Seen]) -> Iterator[Look]:
    """Each run of which there are enough; its frames have gaps."""
    for first, after in pairwise(FIRSTS):
        there = [pictures[number] for number in sorted(pictures) if first <= number < after]
        if len(there) >= LEAST:
            yield judge(there)


def drawn(pictures: Sequence[Seen], draws: int, count: int) -> Iterator[Look]:
    """Draws of unrelated stills."""
    for seed in range(draws):
        chosen = np.random.default_rng(seed).permutation(len(pictures))[:count]
        yield judge([pictures[index] for index in chosen])


def clips(data: Path, rate: int) -> Iterator[Look]:
    """Real clips, each `25 / rate`-th frame."""
    for path in sorted((data / "clips").glob("*.*")):
        if path.suffix in (".mp4", ".avi") and not path.stem.startswith("cvc_"):
            yield from written_out(path, rate)


def composed(said: argparse.Namespace, rate: int) -> Iterator[Look]:
    """Composed procedures: some seconds each, made once a run."""
    if said.composed is None:
        said.composed = Path(tempfile.mkdtemp(prefix="sequence-guard-"))
        count, clip = (1, 20) if said.quick else (6, 30)
        script = shared("tools") / "compose_procedure.py"
        words = ["--out", said.composed, "--count", count, "--clip", clip, "--size", "640x480", "--seed", 0]
        subprocess.run(
            [sys.executable, script, *map(str, words), "--stills", shared("data") / "pool"],
            check=True,
            stdout=subprocess.DEVNULL,
        )
    for path in sorted(said.composed.iterdir()):
        if path.suffix in (".mp4", ".mkv", ".mpg", ".avi", ".mov", ".ts"):
            yield from written_out(path, rate)


def written_out(video: Path, rate: int) -> Iterator[Look]:
    """A video as numbered JPEGs of `rate` a second; nothing for fewer than the guard looks at."""
    folder = Path(tempfile.mkdtemp(prefix="sequence-guard-frames-"))
    try:
        entries = []
        with av.open(str(video)) as container:
            own = round(float(container.streams.video[0].average_rate or 25))
            for index, frame in enumerate(container.decode(video=0)):
                if index % max(1, own // rate) == 0:
                    data = cv2.imencode(".jpg", frame.to_ndarray(format="bgr24"), [cv2.IMWRITE_JPEG_QUALITY, 92])[1]
                    name = f"frame{index}.jpg"
                    (folder / name).write_bytes(data.tobytes())
                    entries.append(Entry(name, len(data), 0, index))
        if len(entries) >= LEAST:
            (track,) = tracks_of(str(folder), entries, re.compile(FRAME_PATTERN)).tracks
            yield look(track)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
