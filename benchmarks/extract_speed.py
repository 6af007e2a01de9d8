"""How fast is extract with everything on, against FFmpeg decoding the same file and throwing the frames away?

Input: 1080p H.264 of 25 frames a second, a moving drawn texture in a round view with a line of text and a clock, key
frames once a second; 20 s are composed once and looped by packet copy. What a frame costs FFmpeg grows with the bit
rate, what it costs extract beside decoding does not, so the share is a figure of the bit rate: the full form measures
the same pictures at three, the quick form at the middle one. One worker extracts every frame: view,
overlays with the text detector, crop, planes, JPEG, masks, five scores, motion, tables. CPU-seconds of the worker
against those of `ffmpeg -threads 1 -i x -f null -` on the same file. Two lengths tell what a video costs (probe,
views, text) from what a frame costs; the goal is on the latter. Peak memory is that of the worker alone, in a
process of its own; the full form also runs 30 minutes of video to see that it is flat.
"""

from __future__ import annotations

import cProfile
import json
import os
import pstats
import resource
import shutil
import subprocess
import sys
import tempfile
from fractions import Fraction
from pathlib import Path
from statistics import median

import av
import cv2
import numpy as np
from form import ROOT, Figure, cpu_seconds, finish, options

CACHE = ROOT / "benchmarks" / ".cache"
SIZE, FPS, SECONDS = (1920, 1080), 25, 20
MBIT_S = (2.5, 5.0, 10.0)
"""Bit rates drawn: an exporter's that counts every byte, and two of recorders."""
QUICK_MBIT_S = 5.0
SCORED_GOAL = 0.40
MEMORY_GOAL_MB = 600.0


def compose(path: Path, mbit_s: float) -> None:
    """Draw the 20 seconds at a mean bit rate."""
    generator = np.random.default_rng(7)
    width, height = SIZE
    tissue = texture(generator, height + 800, width + 800)
    y, x = np.mgrid[:height, :width]
    view = (x - 1010) ** 2 + (y - 540) ** 2 < 533**2
    temporary = path.with_name(f".{path.name}.part.mp4")
    with av.open(str(temporary), "w") as out:
        stream = out.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = width, height, "yuv420p", FPS
        stream.bit_rate, stream.options = round(mbit_s * 1e6), {"preset": "medium"}
        for index in range(FPS * SECONDS):
            picture = look(tissue, index)
            grain = cv2.resize(generator.integers(0, 5, (height // 2, width // 2), np.uint8), SIZE)
            picture = cv2.add(picture, cv2.merge([grain] * 3))
            picture[~view] = 0
            cv2.putText(picture, "DOE, JANE  1961-03-04", (30, 70), 0, 1.1, (255, 255, 255), 2)
            cv2.putText(picture, f"10:42:{index // FPS:02d}", (30, 120), 0, 1.1, (255, 255, 255), 2)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, FPS)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    temporary.replace(path)


def texture(generator: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Reddish noise at five scales, RGB uint8."""
    picture = np.zeros((height, width), np.float32)
    for cell, strength in ((3, 6.0), (9, 11.0), (27, 14.0), (80, 18.0), (240, 26.0)):
        noise = generator.standard_normal((height // cell + 2, width // cell + 2)).astype(np.float32)
        picture += strength * cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    colours = [np.clip(picture * gain + level, 0, 255) for gain, level in ((1.0, 172), (0.8, 98), (0.7, 86))]
    return cv2.merge([plane.astype(np.uint8) for plane in colours])


def look(tissue: np.ndarray, index: int) -> np.ndarray:
    """The texture seen by a camera that wanders, turns and rests now and then."""
    t = index / FPS
    angle, zoom = 0.05 * np.sin(t / 1.7), 1 + 0.06 * np.sin(t / 2.3)
    shift = 400 + 260 * np.sin(t / 1.9 + np.array([0.0, 1.1]))
    matrix = np.array(
        [
            [zoom * np.cos(angle), -zoom * np.sin(angle), shift[0]],
            [zoom * np.sin(angle), zoom * np.cos(angle), shift[1]],
        ]
    )
    return cv2.warpAffine(tissue, matrix, SIZE, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)


def looped(source: Path, times: int) -> Path:
    """`times` copies of a file's packets behind each other."""
    path = CACHE / f"{source.stem}-{source.stat().st_size}-x{times}.mp4"
    if path.is_file():
        return path
    temporary = path.with_name(f".{path.name}.part.mp4")
    with av.open(str(temporary), "w") as out:
        target = None
        for turn in range(times):
            with av.open(str(source)) as given:
                stream = given.streams.video[0]
                target = target or out.add_stream_from_template(stream)
                step = stream.duration
                for packet in given.demux(stream):
                    if packet.dts is not None:
                        packet.pts, packet.dts = packet.pts + turn * step, packet.dts + turn * step
                        packet.stream = target
                        out.mux(packet)
    temporary.replace(path)
    return path


def decode_only(path: Path) -> None:
    """FFmpeg's own pass; PyAV's where there is no such program."""
    if shutil.which("ffmpeg"):
        subprocess.run(["ffmpeg", "-v", "error", "-threads", "1", "-i", str(path), "-f", "null", "-"], check=True)
        return
    with av.open(str(path)) as given:
        stream = given.streams.video[0]
        stream.thread_type, stream.codec_context.thread_count = "NONE", 1
        for _ in given.decode(stream):
            pass


def extract_here(path: Path, profile: bool) -> None:
    """One worker's whole work in this process; the last line says what it took."""
    from endocur.configs import ExtractConfig
    from endocur.corpus import InputRow
    from endocur.extract.unit import VideoTask, extract_video

    with tempfile.TemporaryDirectory() as folder:
        config = ExtractConfig(inputs=(path,), corpus=Path(folder), all_frames=True)
        row = InputRow("0" * 16, "ok", group="0" * 16)
        task = VideoTask(config.corpus, path, row.id, "0" * 16, (row,), config)
        profiler = cProfile.Profile()
        before = cpu_seconds()
        if profile:
            profiler.enable()
        marker = extract_video(task)
        profiler.disable()
        took = cpu_seconds() - before
    if profile:
        pstats.Stats(profiler).sort_stats("tottime").print_stats(25)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"cpu_s": took, "frames": marker.frames, "peak_mb": peak_mb}))


def extract(path: Path) -> dict[str, float]:
    """The same in a fresh process."""
    from endocur.engine import ONE_THREAD

    line = [sys.executable, __file__, "--worker", str(path)]
    said = subprocess.run(line, check=True, capture_output=True, text=True, env=os.environ | ONE_THREAD).stdout
    return json.loads(said.strip().splitlines()[-1])


def measure(source: Path, name: str, *, turns: int, rounds: int) -> list[Figure]:
    """The figures of one video of `SECONDS`, looped `turns` times; each round runs both sides."""
    # Both with more key frames than the probe takes, so that it costs them the same; a short video's is cheaper.
    short, long = looped(source, 4), looped(source, turns)
    per_frame, decode, peaks, fixed, whole = [], [], [], [], []
    for _ in range(rounds):
        before = cpu_seconds()
        decode_only(long)
        frames_s = cpu_seconds() - before
        brief, full = extract(short), extract(long)
        decode.append(frames_s / full["frames"])
        per_frame.append((full["cpu_s"] - brief["cpu_s"]) / (full["frames"] - brief["frames"]))
        fixed.append(brief["cpu_s"] - per_frame[-1] * brief["frames"])
        whole.append(frames_s / full["cpu_s"])
        peaks.append(full["peak_mb"])
    ratio = median(ours / theirs for ours, theirs in zip(decode, per_frame, strict=True))
    mbit_s = source.stat().st_size * 8e-6 / SECONDS
    return [
        Figure(f"share_of_decode_{name}", ratio, SCORED_GOAL, note="CPU of FFmpeg's decode / of extract, a frame"),
        Figure(f"whole_file_share_{name}", median(whole), note=f"the same over {turns} x {SECONDS} s, probe included"),
        Figure(f"mbit_s_{name}", mbit_s, unit="Mbit/s", note="as encoded, sound included"),
        Figure(f"decode_ms_{name}", 1e3 * median(decode), unit="ms", better="lower", note="FFmpeg, a frame"),
        Figure(f"extract_ms_{name}", 1e3 * median(per_frame), unit="ms", better="lower", note="ours, a frame"),
        Figure(f"fixed_s_{name}", median(fixed), unit="s", better="lower", note="a video: probe, view, text"),
        Figure(f"peak_mb_{name}", max(peaks), MEMORY_GOAL_MB, better="lower", unit="MB", note="one worker"),
    ]


def main() -> None:
    said = options(
        __doc__,
        lambda parser: (
            parser.add_argument("--worker", type=Path, help="measure one file in this process"),
            parser.add_argument("--video", type=Path, help="loop this file of about 20 s instead of the drawn ones"),
            parser.add_argument("--profile", action="store_true", help="with --worker: where the time goes"),
        ),
    )
    if said.worker:
        extract_here(said.worker, said.profile)
        return
    CACHE.mkdir(parents=True, exist_ok=True)
    rates = (QUICK_MBIT_S,) if said.quick else MBIT_S
    sources = {"given": said.video} if said.video else {f"at_{rate:g}_mbit_s": drawn(rate) for rate in rates}
    figures = []
    for name, source in sources.items():
        figures += measure(source, name, turns=7 if said.quick else 9, rounds=1 if said.quick else 3)
    if not said.quick:
        peak = extract(looped(source, 90))["peak_mb"]
        figures.append(Figure("peak_30min_mb", peak, MEMORY_GOAL_MB, better="lower", unit="MB", note="30 minutes"))
    finish("extract_speed", figures, said)


def drawn(mbit_s: float) -> Path:
    """The composed 20 seconds at this bit rate, made on first use."""
    path = CACHE / f"extract-1080p-{mbit_s:g}.mp4"
    if not path.is_file():
        compose(path, mbit_s)
    return path


if __name__ == "__main__":
    main()
