"""How fast are a video's sampled frames read, and nothing else, against OpenCV, decord and PyAV giving the same frames?

Input: the drawn 1080p H.264 of `extract_speed.py`, 25 frames a second, with a key frame each second or every two,
looped by packet copy. CPU-seconds of one process, one decoding thread on all sides, median of interleaved rounds. Two
lengths tell what a second of video costs from what a file costs before its first frame (the look for interlace, the
proof); the goals are on the former, in which the packet scan is counted.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path
from statistics import median

os.environ.setdefault("OPENCV_FFMPEG_CAPTURE_OPTIONS", "threads;1")

import av
import cv2
from extract_speed import CACHE, FPS, SECONDS, SIZE, compose, looped
from form import Figure, finish, interleaved, options

from endocur.extract.decode import Video
from endocur.extract.sampling import Asked, Ticks


def regrouped(source: Path, gop: int) -> Path:
    """The same pictures with a key frame every `gop` frames."""
    path = CACHE / f"{source.stem}-gop{gop}.mp4"
    if not path.is_file():
        temporary = path.with_name(f".{path.name}.part.mp4")
        with av.open(str(source)) as given, av.open(str(temporary), "w") as out:
            stream = out.add_stream("libx264", rate=FPS)
            stream.width, stream.height, stream.pix_fmt, stream.gop_size = *SIZE, "yuv420p", gop
            stream.options = {"crf": "20", "preset": "veryfast", "x264-params": f"keyint={gop}:scenecut=0"}
            for index, frame in enumerate(given.decode(video=0)):
                frame.pts, frame.time_base, frame.pict_type = index, Fraction(1, FPS), 0
                out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
        temporary.replace(path)
    return path


def ours(path: Path, asked: Asked) -> list[float]:
    """Seconds at which the frames kept are shown."""
    assert asked.fps is not None
    ticks = Ticks(asked.fps)
    return [
        frame.moment.us / 1e6
        for frame in Video(path, asked=asked).frames()
        if frame.may_be_kept and ticks.wants(frame.moment.us)
    ]


def opencv(path: Path, every: int) -> list[float]:
    """Grab each frame, retrieve those wanted."""
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    times, index = [], 0
    while capture.grab():
        if index % every == 0:
            capture.retrieve()
            times.append(index / FPS)
        index += 1
    capture.release()
    return times


def decord(path: Path, every: int) -> list[float]:
    """Frames by index."""
    import decord as library

    reader = library.VideoReader(str(path), ctx=library.cpu(0), num_threads=1)
    times = []
    for index in range(0, len(reader), every):
        reader[index]
        times.append(index / FPS)
    return times


def pyav(path: Path) -> int:
    """Decode and throw away."""
    with av.open(str(path)) as given:
        stream = given.streams.video[0]
        stream.thread_type, stream.codec_context.thread_count = "NONE", 1
        return sum(1 for _ in given.decode(stream))


def has_decord() -> bool:
    try:
        import decord as library
    except ImportError:
        return False
    return bool(library.__version__)


def cost(sides: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median CPU-seconds of each side."""
    return {name: median(cpu for cpu, _ in times) for name, times in interleaved(sides, rounds).items()}


def rates(source: Path, seconds: int, fps: float, loops: int, rounds: int) -> tuple[dict[str, float], float]:
    """CPU-seconds of each side for a second of video, files of two lengths apart; ours for a file's beginning."""
    short, long = (looped(regrouped(source, seconds * FPS), count) for count in (loops, 3 * loops))
    every = seconds * FPS
    assert ours(short, Asked("auto", fps)) == opencv(short, every), "other frames"
    plan, _ = Video(short, asked=Asked("auto", fps)).reading
    assert plan.alone, plan.why
    sides: dict[str, Callable[[Path], object]] = {
        "auto": lambda path: ours(path, Asked("auto", fps)),
        "opencv": lambda path: opencv(path, every),
    }
    if has_decord():
        sides["decord"] = lambda path: decord(path, every)
    if seconds == 1:
        sides |= {"exact": lambda path: ours(path, Asked("exact", 2.0)), "pyav": pyav}
    took = {path: cost({name: partial(side, path) for name, side in sides.items()}, rounds) for path in (short, long)}
    length_s = 2 * loops * SECONDS
    rate = {name: (took[long][name] - took[short][name]) / length_s for name in sides}
    return rate, took[short]["auto"] - rate["auto"] * loops * SECONDS


def main() -> None:
    said = options(__doc__, lambda parser: parser.add_argument("--loops", type=int, default=6, help="times 20 s"))
    CACHE.mkdir(parents=True, exist_ok=True)
    source = CACHE / "extract-1080p.mp4"
    if not source.is_file():
        compose(source)
    loops, rounds = (1, 1) if said.quick else (said.loops, 3)
    figures: list[Figure] = []
    for seconds, fps, goal in ((1, 1.0, 5.0), (2, 0.5, 10.0)):
        rate, fixed_s = rates(source, seconds, fps, loops, rounds)
        note = f"{1000 * rate['auto']:.1f} CPU-ms a second of video"
        figures.append(Figure(f"auto_to_opencv_gop_{seconds}s", rate["opencv"] / rate["auto"], goal, note=note))
        if "decord" in rate:
            least = 1.5 if seconds == 1 else None
            figures.append(Figure(f"auto_to_decord_gop_{seconds}s", rate["decord"] / rate["auto"], least))
        if seconds == 1:
            figures.append(Figure("exact_2fps_to_pyav_decode_only", rate["pyav"] / rate["exact"], 0.80))
        figures.append(Figure(f"auto_a_file_gop_{seconds}s", fixed_s, better="lower", unit="s", note="look and proof"))
    missing = "" if has_decord() else "decord is not installed here: not compared."
    finish("decode_speed", figures, said, note=missing)


if __name__ == "__main__":
    main()
