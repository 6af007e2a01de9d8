"""Are freezes, field order and time stamps found as composed procedures have them, in all encodings?

Composed procedures of known truth (all layouts, all encodings, five sizes) are extracted frame by frame; `is_frozen` of
each row is compared with the truth. Frames under a black-out or white-out of more than 0.5 are left out: they do not
differ from a freeze. The composer knows nothing of this project.
"""

from __future__ import annotations

import argparse
import importlib
import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from form import Figure, cannot_run, finish, options, shared, table

from endocur.configs import ExtractConfig
from endocur.corpus import Corpus, InputRow, chapter_files
from endocur.extract.unit import VideoTask, extract_video
from endocur.store import read_chapter_table

SIZES = "640x480,720x576,960x720,1280x720,800x600"
ID = "0" * 16


@dataclass
class Found:
    """One video."""

    name: str
    encoding: str
    hit: int
    missed: int
    wrong: int
    runs: int
    runs_found: int
    order_right: bool
    times_right: bool


def main() -> None:
    said = options(__doc__, more)
    script = shared("tools") / "compose_procedure.py"
    if not script.is_file():
        cannot_run(f"there is no {script.name} beside the clone (../shared/tools).")
    sys.path.insert(0, str(script.parent))
    ruler = importlib.import_module(script.stem)
    home = said.scratch or Path(tempfile.gettempdir()) / "endomae-freeze-truth"
    count, clip = (3, 12.0) if said.quick else (said.count, said.clip)
    found: list[Found] = []
    for seed in said.seeds[:1] if said.quick else said.seeds:
        folder = compose(home, script, seed, count, clip)
        found += [measure(ruler, path) for path in sorted(folder.glob("*.truth.json"))]
    finish("freeze_truth", figures(found), said, note=by_video(found))


def more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1], help="seeds of the composed procedures")
    parser.add_argument("--count", type=int, default=11, help="videos a seed")
    parser.add_argument("--clip", type=float, default=20.0, help="seconds a video")
    parser.add_argument("--scratch", type=Path, default=None, help="folder that keeps the videos")


def compose(home: Path, script: Path, seed: int, count: int, clip: float) -> Path:
    """Folder of videos and truth; composed on the first call, `groups.csv` is written last."""
    out = home / f"{seed}-{count}-{clip:g}"
    if not (out / "groups.csv").is_file():
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        words = ["--seed", str(seed), "--count", str(count), "--clip", str(clip), "--size", SIZES, "--no-audio"]
        words += ["--stills", str(shared("data") / "pool"), "--out", str(out)]
        subprocess.run([sys.executable, str(script), *words], check=True, capture_output=True)
    return out


def measure(ruler: Any, truth_file: Path) -> Found:
    """Extract all frames of a video and compare."""
    said = json.loads(truth_file.read_text("utf-8"))
    truth = ruler.load_truth(truth_file.with_name(f"{said['name']}.frames.npz"))
    with tempfile.TemporaryDirectory() as folder:
        path = truth_file.with_name(said["file"])
        config = ExtractConfig(inputs=(path,), corpus=Path(folder), all_frames=True, text_detection=False)
        task = VideoTask(config.corpus, path, ID, ID, (InputRow(ID, "ok", group=ID),), config)
        marker = extract_video(task)
        rows = read_chapter_table(chapter_files(Corpus(config.corpus), ID, 0).frames_table).to_pylist()
    at = np.array([row["pts_us"] for row in rows]) / 1e6
    index = np.abs(truth["time"][None] - at[:, None]).argmin(axis=1)
    says = np.array([bool(row["is_frozen"]) for row in rows])
    frozen = truth["frozen_of"][index] >= 0
    counted = (truth["black_out"][index] <= 0.5) & (truth["white_out"][index] <= 0.5)
    runs = [event["frames"] for event in said["events"] if event["kind"] == "freeze"]
    seen = [says[(index > first) & (index < end)].mean() >= 0.5 for first, end in runs if end - first > 1]
    return Found(
        said["name"],
        said["encoding"]["name"],
        hit=int((says & frozen & counted).sum()),
        missed=int((~says & frozen & counted).sum()),
        wrong=int((says & ~frozen & counted).sum()),
        runs=len(seen),
        runs_found=int(sum(seen)),
        order_right=marker.extras["reading"]["field_order"] == said["encoding"]["field_order"],
        times_right=len(rows) == said["frames"] and float(np.abs(truth["time"][index] - at).max()) < 2e-3,
    )


def figures(found: list[Found]) -> list[Figure]:
    hit, missed, wrong = (sum(getattr(one, name) for one in found) for name in ("hit", "missed", "wrong"))
    return [
        Figure("freeze_precision", hit / max(1, hit + wrong), 0.98, unit="share", note=f"{wrong} frames wrong"),
        Figure(
            "freeze_recall", hit / max(1, hit + missed), 0.98, unit="share", note=f"{missed} of {hit + missed} missed"
        ),
        Figure(
            "freezes_found", sum(one.runs_found for one in found) / max(1, sum(one.runs for one in found)), unit="share"
        ),
        Figure("field_order_right", sum(one.order_right for one in found) / len(found), 1.0, unit="share"),
        Figure("times_and_counts_exact", sum(one.times_right for one in found) / len(found), 1.0, unit="share"),
    ]


def by_video(found: list[Found]) -> str:
    rows = [
        [
            one.name,
            one.encoding,
            one.hit,
            one.missed,
            one.wrong,
            "yes" if one.order_right else "NO",
            "yes" if one.times_right else "NO",
        ]
        for one in found
    ]
    return table(["video", "encoding", "frozen found", "missed", "wrong", "field order", "times"], rows)


if __name__ == "__main__":
    main()
