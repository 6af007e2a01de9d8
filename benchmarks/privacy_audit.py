"""Does the text read-back of the privacy audit raise false alarms, and what planted text does it find?

Real stills of the shared folder, through `endocur extract` and `endocur shard` as a user types them: how many published
frames are called text. The same frames with strings planted into the published picture, of several sizes, contrasts,
fonts and directions: how many are found. Evidence for the constants in endocur.privacy.readback
(docs/results/privacy-audit.md).
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import simplejpeg
from form import Figure, cpu_seconds, finish, options, shared, table
from PIL import Image, ImageDraw, ImageFont

from endocur.privacy.draw import upper_bound
from endocur.privacy.readback import TextReader
from endoshards.index import open_set

SETS = (
    "pool/wce",
    "pool/cvc",
    "pool/kvasir352",
    "pool/kvasir",
    "pool/cholec",
    "pool/kvasir_v2",
    "pool/sinus",
    "pool/bkai",
    "seg_kvasir/images",
    "seg_cvc/images",
    "cls_wce",
)
RULES = ((1, 0.6), (2, 0.6), (3, 0.3), (3, 0.5), (3, 0.6), (3, 0.7))
"""Characters and certainty from which a line counts as text."""
HEIGHTS = (6, 8, 10, 14, 20, 30)
"""Of a capital letter in pixels of the published picture, whose short side is at most 320."""
CONTRASTS = (30, 60, 120)
"""Levels of luma between letters and tissue."""
PLAIN = ("sans", "serif", "mono", "narrow", "stroke", "stroke serif", "pillow")
FACES = {
    "sans": "DejaVuSans.ttf",
    "serif": "DejaVuSerif.ttf",
    "mono": "DejaVuSansMono.ttf",
    "narrow": "LiberationSansNarrow-Regular.ttf",
}
STROKES = {"stroke": cv2.FONT_HERSHEY_SIMPLEX, "stroke serif": cv2.FONT_HERSHEY_TRIPLEX}
WORDS = ("Mustermann", "EVA", "1961-04-12", "ID40551234", "Kim", "OP 3", "Weber, A.", "O'Neil")
SCRIPTS = {
    "Greek": "Παπαδόπουλος",
    "Cyrillic": "Иванов Сергей",
    "Hebrew": "משה כהן",
    "Arabic": "محمد علي",
    "Armenian": "Պետրոսյան",
    "Georgian": "ბერიძე",
}


class Listening(TextReader):
    """A reader that remembers what it read, for planted words only: nothing else may."""

    said: str = ""

    def _legible(self, crop: np.ndarray) -> tuple[float, int]:
        found = super()._legible(crop)
        for turned in (crop, np.ascontiguousarray(crop[::-1, ::-1])):
            texts = self._model(turned, use_det=False, use_cls=False, use_rec=True).txts or ()
            self.said += "\n" + " ".join(texts)
        return found


@dataclass(frozen=True)
class Planted:
    """One planted string and what became of it."""

    word: str
    height: int
    contrast: int
    face: str
    turn: int
    found: bool
    boxed: bool
    read: bool
    """By the recogniser, with an edit distance of at most 1."""


def main() -> None:
    said = options(__doc__, more)
    with tempfile.TemporaryDirectory() as folder:
        work = said.work or Path(folder)
        sets = {name: published(work, name) for name in (SETS[1:2] if said.quick else said.sets)}
        figures: list[Figure] = []
        if said.part != "planted":
            figures += real_frames(sets, said.every)
        if said.part != "real":
            figures += planted_strings(sets, 1 if said.quick else said.rounds)
    finish("privacy_audit", figures, said)


def more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--work", type=Path, help="folder where corpora and shards are kept and found again")
    parser.add_argument("--rounds", type=int, default=3, help="times that each kind of string is planted")
    parser.add_argument("--sets", nargs="*", default=SETS, choices=SETS, help="folders of the shared data")
    parser.add_argument("--every", type=int, default=1, help="of the real frames only every so many-th")
    parser.add_argument("--part", choices=("real", "planted", "both"), default="both", help="what to measure")


def published(work: Path, name: str) -> Path:
    """Shards of one folder of stills, made unless they are there."""
    short = name.replace("/", "_")
    out = work / f"s_{short}"
    if not (out / "index.json").is_file():
        home = os.environ | {"XDG_CONFIG_HOME": str(work / "cfg"), "OMP_NUM_THREADS": "1"}
        corpus = ("--corpus", str(work / f"c_{short}"), "--workers", "1")
        for words in (("extract", str(shared("data") / name), "--stills"), ("shard", "--out", str(out))):
            line = [sys.executable, "-m", "endocur", *words, *corpus]
            subprocess.run(line, check=True, env=home, capture_output=True)
    return out


def pictures(folder: Path) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """RGB uint8 [h, w, 3] and tissue bool [h, w] of each sample."""
    shards = open_set(folder)
    for number, shard in enumerate(shards.shards):
        for index in range(shard.samples):
            members = shards.read(number, index, ["jpg", "mask.png"]).members
            mask = cv2.imdecode(np.frombuffer(members["mask.png"], np.uint8), cv2.IMREAD_GRAYSCALE)
            yield simplejpeg.decode_jpeg(members["jpg"]), mask > 0


def real_frames(sets: dict[str, Path], every: int) -> list[Figure]:
    """Frames of real stills, and every fifth mask: nearly none shows text."""
    reader, rows, alarms, frames, masks, looked = TextReader(), [], 0, 0, 0, 0
    began = cpu_seconds()
    for name, folder in sets.items():
        counts, unclear, total = [0] * len(RULES), 0, 0
        for rgb, tissue in islice(pictures(folder), 0, None, every):
            lines = reader.lines(rgb)
            total += 1
            unclear += any(line.is_unclear for line in lines)
            for place, (characters, certainty) in enumerate(RULES):
                counts[place] += any(line.characters >= characters and line.certainty >= certainty for line in lines)
            if total % 5 == 0:
                looked += 1
                mask = np.repeat(tissue[..., None] * np.uint8(255), 3, axis=2)
                masks += any(line.is_text for line in reader.lines(mask))
        rows.append([name, total, *counts, unclear])
        sys.stderr.write(f"{rows[-1]}\n")
        if name != "pool/bkai":
            alarms, frames = alarms + counts[RULES.index((3, 0.6))], frames + total
    heads = ["set", "frames", *(f"{characters} at {certainty:g}" for characters, certainty in RULES), "unclear"]
    print("Real frames, and how many of them each rule calls text:\n\n" + table(heads, rows))
    seconds = (cpu_seconds() - began) / max(1, looked + sum(row[1] for row in rows))
    return [
        Figure("frames_with_text", alarms, unit="frames", better="lower", note=f"of {frames}, without pool/bkai"),
        Figure("bound", upper_bound(alarms, frames, 10**9), unit="share", better="lower", note="95 %, of such frames"),
        Figure("masks_with_text", masks, unit="masks", better="lower", note=f"of {looked}"),
        Figure("cpu_seconds_a_picture", seconds, unit="s", better="lower"),
    ]


def planted_strings(sets: dict[str, Path], rounds: int) -> list[Figure]:
    """Strings on the same frames, those of pool/bkai left out: they may bear text of their own."""
    tissue = [pair for name in sets if name != "pool/bkai" for pair in pictures(sets[name])]
    made = list(plant(tissue, rounds))
    print("Planted strings called text, by height of a capital and contrast (upright, all fonts):\n\n" + grid(made))
    print("\nBy font, capitals of 8 px or more, 60 levels or more, upright:\n\n" + by(made, "face"))
    print("\nBy turn, sans, 120 levels:\n\n" + by(made, "turn"))
    print("\nOther scripts, 16 px, 120 levels:\n\n" + other_scripts(tissue))
    clear = [one for one in made if one.height >= 8 and one.contrast >= 60 and one.turn == 0]
    readable = [one for one in made if one.read]
    missed = sum(not one.found for one in readable)
    return [
        Figure("planted_found", share(one.found for one in clear), unit="share", note=f"of {len(clear)}, clear ones"),
        Figure("read_not_called", missed, unit="strings", better="lower", note=f"of {len(readable)} read right"),
    ]


def plant(tissue: Sequence[tuple[np.ndarray, np.ndarray]], rounds: int) -> Iterator[Planted]:
    chance, reader = random.Random(0), Listening()
    kinds = [(height, contrast, face, 0) for height in HEIGHTS for contrast in CONTRASTS for face in PLAIN]
    kinds += [(height, 120, "sans", turn) for height in (10, 14, 20) for turn in (90, 180, 270)]
    for height, contrast, face, turn in kinds * rounds:
        for _ in range(12):
            rgb, mask = chance.choice(tissue)
            word = chance.choice(WORDS)
            done = planted(rgb, mask, turned(letters(word, face, height), turn), contrast, chance)
            if done is not None:
                yield told(reader, word, *done, height=height, contrast=contrast, face=face, turn=turn)
                break


def told(reader: Listening, word: str, rgb: np.ndarray, box: tuple[int, int, int, int], **kind: Any) -> Planted:
    reader.said = ""
    lines = [line for line in reader.lines(rgb) if overlap(line.box, box) >= 0.3]
    read = any(distance(plain(one), plain(word)) <= 1 for one in reader.said.split("\n"))
    return Planted(word, found=any(line.is_text for line in lines), boxed=bool(lines), read=read, **kind)


def letters(word: str, face: str, height: int) -> np.ndarray:
    """The word as coverage, float [h, w] in [0, 1], its capitals `height` px high."""
    if face in STROKES:
        scale = height / cv2.getTextSize("H", STROKES[face], 1.0, 1)[0][1]
        (across, down), base = cv2.getTextSize(word, STROKES[face], scale, 1)
        canvas = np.zeros((down + base + 4, across + 4), np.uint8)
        cv2.putText(canvas, word, (2, down + 2), STROKES[face], scale, 255, 1, cv2.LINE_AA)
        return canvas / 255.0
    font = sized(face, height)
    x0, y0, x1, y1 = (round(side) for side in font.getbbox(word))
    picture = Image.new("L", (x1 - x0 + 2, y1 - y0 + 2), 0)
    ImageDraw.Draw(picture).text((1 - x0, 1 - y0), word, font=font, fill=255)
    return np.asarray(picture) / 255.0


def sized(face: str, height: int) -> Any:
    load: Callable[[int], Any] = (
        ImageFont.load_default if face == "pillow" else lambda size: ImageFont.truetype(FACES[face], size)
    )
    for size in range(4, 200):
        _, top, _, bottom = load(size).getbbox("H")
        if bottom - top >= height:
            return load(size)
    raise ValueError(f"no size of {face} has capitals of {height} px")


def turned(cover: np.ndarray, turn: int) -> np.ndarray:
    return np.rot90(cover, turn // 90)


def planted(
    rgb: np.ndarray, mask: np.ndarray, cover: np.ndarray, contrast: int, chance: random.Random
) -> tuple[np.ndarray, tuple[int, int, int, int]] | None:
    """The frame with the word somewhere on tissue, encoded as it is published; None where there is no room."""
    (height, width), (down, across) = mask.shape, cover.shape
    if height <= down + 8 or width <= across + 8:
        return None
    for _ in range(60):
        x, y = chance.randrange(4, width - across - 4), chance.randrange(4, height - down - 4)
        here = np.s_[y : y + down, x : x + across]
        if not mask[here].all():
            continue
        under = rgb[here].astype(np.float64)
        level = contrast if np.median(under.mean(axis=2)) + contrast <= 255 else -contrast
        out = rgb.copy()
        out[here] = np.clip(under + level * cover[..., None], 0, 255).astype(np.uint8)
        coded = simplejpeg.encode_jpeg(out, quality=90, colorsubsampling="420")
        return simplejpeg.decode_jpeg(coded), (x, y, across, down)
    return None


def other_scripts(tissue: Sequence[tuple[np.ndarray, np.ndarray]], times: int = 8) -> str:
    chance, reader, rows = random.Random(1), Listening(), []
    for script, word in SCRIPTS.items():
        made: list[Planted] = []
        while len(made) < times:
            rgb, mask = chance.choice(tissue)
            done = planted(rgb, mask, letters(word, "sans", 16), 120, chance)
            if done is not None:
                made.append(told(reader, word, *done, height=16, contrast=120, face="sans", turn=0))
        rows.append([script, len(made), share(one.found for one in made), share(one.boxed for one in made)])
    return table(["script", "planted", "called text", "boxed"], rows)


def grid(made: Sequence[Planted]) -> str:
    rows = []
    for height in HEIGHTS:
        cells = []
        for contrast in CONTRASTS:
            some = [one for one in made if (one.height, one.contrast, one.turn) == (height, contrast, 0)]
            cells.append(f"{share(one.found for one in some)} of {len(some)}, read {share(one.read for one in some)}")
        rows.append([height, *cells])
    return table(["px", *(f"{contrast} levels" for contrast in CONTRASTS)], rows)


def by(made: Sequence[Planted], name: str) -> str:
    plain_ = [one for one in made if one.contrast >= 60 and one.height >= 8]
    if name == "face":
        plain_ = [one for one in plain_ if one.turn == 0]
    else:
        plain_ = [one for one in plain_ if one.face == "sans" and one.contrast == 120 and one.height in (10, 14, 20)]
    rows = []
    for value in sorted({getattr(one, name) for one in plain_}):
        some = [one for one in plain_ if getattr(one, name) == value]
        rows.append([value, len(some), share(one.found for one in some), share(one.boxed for one in some)])
    return table([name, "planted", "called text", "boxed"], rows)


def overlap(box: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> float:
    """Share of `other` that lies in `box`."""
    across = min(box[0] + box[2], other[0] + other[2]) - max(box[0], other[0])
    down = min(box[1] + box[3], other[1] + other[3]) - max(box[1], other[1])
    return max(0, across) * max(0, down) / (other[2] * other[3])


def distance(one: str, other: str) -> int:
    """Levenshtein's."""
    before = list(range(len(other) + 1))
    for row, letter in enumerate(one, 1):
        now = [row]
        for column, against in enumerate(other, 1):
            now.append(min(before[column] + 1, now[-1] + 1, before[column - 1] + (letter != against)))
        before = now
    return before[-1]


def plain(text: str) -> str:
    return "".join(filter(str.isalnum, text.lower()))


def share(which: Iterator[bool]) -> float:
    some = list(which)
    return round(sum(some) / len(some), 3) if some else float("nan")


if __name__ == "__main__":
    main()
