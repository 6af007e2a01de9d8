"""Does `endocur filter --out-of-body` find what lies outside the body, and leave what lies inside?

Three rulers, none of which the classifier was fitted to (`curation/body_model/train.py` sees drawings of its own and
capsule frames under CC BY 4.0): composed procedures with the truth of each frame; real stills and clips, folder by
folder; photographs that ship with scikit-image, one by one, in windows of several sizes. The capsule folders `wce` and
`cls_wce` were fitted to: they are told apart. The real commands run; composed procedures are a proxy.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import simplejpeg
from first_truth import load_ruler
from form import Figure, cannot_run, finish, options, shared, table

from endocur import tables
from endocur.corpus import Corpus, open_corpus, unit_markers
from endocur.quality.body import in_body
from endocur.quality.scores import region, score_jpeg, score_pixels
from endocur.select.body import LEAST, judge_video

FITTED = ("wce", "cls_wce")
TROCAR = "cholec_trocar.mp4"
PHOTOS = (
    "astronaut.png camera.png chelsea.png coffee.png coins.png motorcycle_left.png motorcycle_right.png rocket.jpg "
    "brick.png grass.png gravel.png hubble_deep_field.jpg ihc.png moon.png page.png retina.jpg text.png cell.png "
    "color.png"
).split()
MEDICAL = ("ihc.png", "retina.jpg")
"""A stained section and the back of an eye: pictures of the body, told but not counted."""
WINDOWS = 12
SIZE = 400


def main() -> None:
    said = options(__doc__, more)
    home = said.scratch or Path(tempfile.gettempdir()) / "endomae-body-truth"
    home = home.resolve()
    home.mkdir(parents=True, exist_ok=True)
    ruler = load_ruler(shared("tools") / "compose_procedure.py")
    videos = [
        one for seed in (said.seeds[:1] if said.quick else said.seeds) for one in procedures(home, seed, said, ruler)
    ]
    real = stills(home, quick=said.quick) | clips(home)
    photos = photographs()
    notes = [by_scene(videos), by_folder(real), by_photo(photos)]
    finish(
        "body_truth", [*of_videos(videos), *of_real(real), *of_photos(photos), cost()], said, note="\n\n".join(notes)
    )


def more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4], help="seeds of composed procedures")
    parser.add_argument("--scratch", type=Path, default=None, help="folder that keeps videos and corpora (1 GB)")
    parser.add_argument("--outside", type=Path, default=None, help="photographs to compose outside scenes of")
    parser.add_argument("--size", default="480x360", help="of composed procedures; mix: several")


# ---------------------------------------------------------------- composed procedures


def procedures(home: Path, seed: int, said: argparse.Namespace, ruler: Any) -> list[dict[str, Any]]:
    """Per frame of each composed video: truth and what was decided, standard and strict."""
    import json

    out = (
        home / f"{seed}-{'quick' if said.quick else 'full'}-{said.size}-{said.outside.name if said.outside else 'own'}"
    )
    if not (out / "groups.csv").is_file():
        shutil.rmtree(out, ignore_errors=True)
        words = ["--seed", str(seed), "--no-audio", "--stills", str(shared("data") / "pool"), "--out", str(out)]
        words += [
            "--count",
            "3" if said.quick else "6",
            "--clip",
            "20",
            "--fps",
            "10",
            "--size",
            said.size,
            "--codec",
            "h264",
        ]
        words += ["--jobs", "1", *(["--outside", str(said.outside.resolve())] if said.outside else [])]
        run([sys.executable, str(shared("tools") / "compose_procedure.py"), *words], home)
    corpus = extracted(home, f"{out.name}-corpus", [out], ["--include", "*.mp4", "--fps", "5", "--no-text-detection"])
    names = sorted(path.stem for path in out.glob("*.mp4"))
    rows = [
        row
        for marker in unit_markers(corpus)
        for row in marker.inputs
        if row.status != "ignored" or row.reason == "not endoscopy"
    ]
    order = {row.id: place for place, row in enumerate(sorted((r for r in rows), key=lambda r: r.position))}
    videos = []
    for source, frames in by_source(corpus).items():
        stem = out / names[order[source]]
        truth = ruler.load_truth(stem.with_name(stem.name + ".frames.npz"))
        scenes = json.loads(stem.with_name(stem.name + ".truth.json").read_text("utf-8"))["scenes"]
        index = np.abs(truth["time"][None] - frames["pts"][:, None] / 1e6).argmin(axis=1)
        videos.append(
            frames
            | {
                "inside": truth["in_body"][index].astype(bool),
                "scene": [scenes[int(k)]["source"][0] for k in truth["scene"][index]],
                "standard": judge_video(frames["pts"], frames["in_body"], "standard").out,
                "strict": judge_video(frames["pts"], frames["in_body"], "strict").out,
            }
        )
    if len(videos) != len(names):
        sys.stderr.write(f"{len(names) - len(videos)} composed videos were ignored as not endoscopy\n")
    return videos


def of_videos(videos: Sequence[dict[str, Any]]) -> list[Figure]:
    inside = np.concatenate([video["inside"] for video in videos])
    out = {mode: np.concatenate([video[mode] for video in videos]) for mode in ("standard", "strict")}
    raw = np.concatenate([video["in_body"] for video in videos])
    judged = ~np.isnan(raw)
    frames = f"{(~inside).sum():,} frames outside, {inside.sum():,} inside"
    return [
        Figure("procedures_recall", float(out["standard"][~inside].mean()), 0.98, unit="share", note=frames),
        Figure("procedures_false", float(out["standard"][inside].mean()), 0.01, "lower", "share"),
        Figure("procedures_recall_strict", float(out["strict"][~inside].mean()), 0.98, unit="share"),
        Figure("procedures_false_strict", float(out["strict"][inside].mean()), None, "lower", "share"),
        Figure(
            "frames_recall",
            float((raw[judged & ~inside] < LEAST["standard"]).mean()),
            unit="share",
            note="each by itself",
        ),
        Figure(
            "frames_false",
            float((raw[judged & inside] < LEAST["standard"]).mean()),
            None,
            "lower",
            "share",
            "each by itself",
        ),
    ]


def by_scene(videos: Sequence[dict[str, Any]]) -> str:
    """Outside scenes one by one: share of their frames dropped."""
    found: dict[str, list[list[bool]]] = defaultdict(lambda: [[], [], []])
    for video in videos:
        for k, scene in enumerate(video["scene"]):
            key = "inside" if video["inside"][k] else scene
            found[key][0].append(bool(video["standard"][k]))
            found[key][1].append(bool(video["strict"][k]))
            found[key][2].append(bool(video["in_body"][k] < LEAST["standard"]))
    rows = [[key, len(v[0]), *(f"{np.mean(part):.3f}" for part in v)] for key, v in sorted(found.items())]
    return table(["composed scene", "frames", "out, standard", "out, strict", "out by itself"], rows)


# ---------------------------------------------------------------- real stills and clips


def stills(home: Path, *, quick: bool) -> dict[str, np.ndarray]:
    """`in_body` of all stills of each folder; NaN where nothing can be said."""
    data = shared("data")
    folders = {path.name: path for path in sorted((data / "pool").iterdir())}
    folders |= {"cls_wce": data / "cls_wce", "cls_bbps": data / "cls_bbps"}
    folders |= {name: data / name / "images" for name in ("seg_bkai", "seg_cvc", "seg_kvasir")}
    found = {}
    for name, path in folders.items():
        words = ["--stills", "--exclude", "*.csv", "--no-text-detection", *(["--limit", "24"] if quick else [])]
        corpus = extracted(home, f"stills-{name}{'-quick' if quick else ''}", [path], words)
        found[name] = values(tables.frames(corpus, ["in_body"])["in_body"])
    return found


def clips(home: Path) -> dict[str, np.ndarray]:
    """The same of the clips' frames, five a second, decided with their neighbours: 1 kept, 0 dropped."""
    found = {}
    for path in sorted((shared("data") / "clips").glob("*.*")):
        if path.suffix == ".csv":
            continue
        corpus = extracted(home, f"clip-{path.stem}", [path], ["--fps", "5", "--keep-foreign", "--no-text-detection"])
        (frames,) = by_source(corpus).values()
        found[path.name] = (~judge_video(frames["pts"], frames["in_body"], "standard").out).astype(np.float32)
    return found


def kept(found: np.ndarray) -> float:
    """Share that counts as in the body: what says nothing is not out."""
    return float((np.isnan(found) | (found >= LEAST["standard"])).mean())


def of_real(real: dict[str, np.ndarray]) -> list[Figure]:
    rest = {name: found for name, found in real.items() if name != TROCAR}
    everything = np.concatenate(list(rest.values()))
    unseen = np.concatenate([found for name, found in rest.items() if name not in FITTED])
    worst = min(rest, key=lambda name: kept(rest[name]))
    return [
        Figure(
            "real_in_body", kept(everything), 0.99, unit="share", note=f"{len(everything):,} stills and clip frames"
        ),
        Figure("real_in_body_not_fitted", kept(unseen), 0.99, unit="share", note="without the capsule folders"),
        Figure("real_in_body_worst_folder", kept(rest[worst]), unit="share", note=worst),
        Figure("trocar_out", 1 - kept(real[TROCAR]), 0.90, unit="share"),
    ]


def by_folder(real: dict[str, np.ndarray]) -> str:
    rows = [
        [name + (" (fitted)" if name in FITTED else ""), len(found), int(np.isnan(found).sum()), f"{kept(found):.4f}"]
        + [f"{np.nanquantile(found, share):.2f}" for share in (0.01, 0.1, 0.5)]
        for name, found in sorted(real.items())
    ]
    return table(["stills or clip", "frames", "say nothing", "in the body", "1 %", "10 %", "median"], rows)


# ---------------------------------------------------------------- photographs


def photographs() -> dict[str, np.ndarray]:
    """`in_body` of WINDOWS square windows of each photograph, through a round or full view."""
    from skimage import data

    root, found = Path(data.__file__).parent, {}
    for name in PHOTOS:
        read = cv2.imread(str(root / name)) if (root / name).is_file() else None
        if read is None:
            continue
        generator = np.random.default_rng([len(found), 7])
        windows = [seen(read, generator, whole=not k) for k in range(WINDOWS)]
        found[name] = np.array([np.nan if value is None else value for value in windows])
    if not found:
        cannot_run("scikit-image holds no photographs here.")
    return found


def seen(read: np.ndarray, generator: np.random.Generator, *, whole: bool) -> float | None:
    side = int(min(read.shape[:2]) * (1.0 if whole else generator.uniform(0.45, 1.0)))
    y, x = (int(generator.integers(0, extent - side + 1)) for extent in read.shape[:2])
    part = cv2.resize(read[y : y + side, x : x + side], (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    view = np.zeros((SIZE, SIZE), np.uint8)
    cv2.circle(view, (SIZE // 2, SIZE // 2), int(SIZE * generator.uniform(0.49, 0.72)), 1, -1)
    rgb = np.ascontiguousarray(cv2.cvtColor(part, cv2.COLOR_BGR2RGB) * view[..., None])
    value = score_jpeg(simplejpeg.encode_jpeg(rgb, 92), view > 0).in_body
    return None if value is None else float(value)


def of_photos(photos: dict[str, np.ndarray]) -> list[Figure]:
    counted = np.concatenate([found for name, found in photos.items() if name not in MEDICAL])
    return [
        Figure(
            "photographs_out",
            float((counted < LEAST["standard"]).mean()),
            0.98,
            unit="share",
            note="windows, each by itself",
        ),
        Figure(
            "photographs_out_strict",
            float((counted < LEAST["strict"]).mean()),
            unit="share",
            note="windows, each by itself",
        ),
    ]


def by_photo(photos: dict[str, np.ndarray]) -> str:
    rows = [
        [
            name,
            *(f"{np.mean(~(found >= LEAST[mode])):.2f}" for mode in ("standard", "strict")),
            f"{np.nanmedian(found):.2f}",
            f"{np.nanmax(found):.2f}",
        ]
        for name, found in photos.items()
        if not np.isnan(found).all()
    ]
    return table(["photograph", "windows out, standard", "windows out, strict", "median in_body", "highest"], rows)


# ---------------------------------------------------------------- ground


def cost() -> Figure:
    """CPU-milliseconds a frame, on decoded pixels; and the scores' own beside it."""
    rgb = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 255, (256, 256, 3), np.uint8), (0, 0), 3)
    luma, where = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), region(np.ones((256, 256), bool))
    times: dict[str, list[float]] = {"in_body": [], "all": []}
    for _ in range(15):
        for name, work in (
            ("in_body", lambda: in_body(rgb, luma, where.coarse)),
            ("all", lambda: score_pixels(rgb, where)),
        ):
            start = time.process_time()
            for _ in range(40):
                work()
            times[name].append((time.process_time() - start) / 40 * 1000)
    one, whole = (float(np.median(part)) for part in times.values())
    return Figure("cost", one, 0.15, "lower", "ms", f"of {whole:.2f} ms for all scores, JPEG decode apart")


def extracted(home: Path, name: str, inputs: Iterable[Path], words: Sequence[str]) -> Corpus:
    """A corpus of these inputs, made once; scored again where its scores are older than the program."""
    kept_at = home / name
    if not (kept_at / "log" / "extract.json").is_file():
        shutil.rmtree(kept_at, ignore_errors=True)
        line = [sys.executable, "-m", "endocur", "extract", *map(str, inputs), "--corpus", str(kept_at)]
        run([*line, "--key", str(home / "key"), "--private", str(home / "private"), "--workers", "1", *words], home)
    else:
        run([sys.executable, "-m", "endocur", "score", "--corpus", str(kept_at), "--workers", "1"], home)
    return open_corpus(kept_at)


def by_source(corpus: Corpus) -> dict[str, dict[str, Any]]:
    """source_id -> pts and in_body of its frames."""
    frames = tables.frames(corpus, ["source_id", "pts_us", "in_body"])
    sources = np.array(frames["source_id"].to_pylist())
    pts, value = frames["pts_us"].to_numpy(), values(frames["in_body"])
    return {str(one): {"pts": pts[sources == one], "in_body": value[sources == one]} for one in np.unique(sources)}


def values(column: Any) -> np.ndarray:
    return np.array([np.nan if one is None else one for one in column.to_pylist()], np.float32)


def run(words: list[str], folder: Path) -> None:
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(words[1:4])} ended with exit code {done.returncode}:\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
