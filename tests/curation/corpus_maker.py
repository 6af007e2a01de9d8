"""Makes a tiny true corpus: drawn videos and stills, then the real commands. Shared by the tests of this folder."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from endocur.cli import app
from endoshards.errors import EndoError

FPS = 10
SIZE = (160, 120)


def draw_video(path: Path, seed: int, seconds: float = 3.0) -> None:
    """A lit disc of moving texture on black; sharp at first, then blurred for a third, then standing still."""
    count = round(seconds * FPS)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=FPS)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": "12", "preset": "ultrafast"}
        for index in range(count):
            blurred = count // 3 <= index < 2 * count // 3
            picture = tissue(seed, index if index < 2 * count // 3 else 2 * count // 3, blurred=blurred)
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")):
                out.mux(packet)
        for packet in stream.encode():
            out.mux(packet)


def draw_still(path: Path, seed: int) -> None:
    """One such picture as a JPEG."""
    cv2.imwrite(str(path), tissue(seed, 0, blurred=False)[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])


def tissue(seed: int, step: int, *, blurred: bool) -> np.ndarray:
    """RGB uint8 [120, 160, 3]: pink texture that wanders by 5 px a step, seen through a disc."""
    width, height = SIZE
    random = np.random.default_rng(seed)
    canvas = random.integers(0, 256, (height + 200, width + 400), np.uint8)
    canvas = cv2.GaussianBlur(canvas, (0, 0), 2.0).astype(np.float32)[:, :, None]
    canvas = (canvas - canvas.mean()) * 3.0 + np.array([185, 95, 80], np.float32)
    x, y = (5 * step) % 400, (2 * step) % 200
    seen = canvas[y : y + height, x : x + width]
    if blurred:
        seen = cv2.GaussianBlur(seen, (0, 0), 9.0)
    disc = np.zeros((height, width), np.uint8)
    cv2.circle(disc, (width // 2, height // 2), 56, 1, -1)
    return (np.clip(seen, 20, 250) * disc[:, :, None]).astype(np.uint8)


def endocur(study: Path, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """The command as a user types it in the folder `study`, with a key file of its own beside it."""
    done = subprocess.run(
        [sys.executable, "-m", "endocur", *words],
        cwd=study,
        env=environment(study),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    if check and done.returncode:
        raise AssertionError(f"endocur {' '.join(words)}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


def endocur_here(study: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The same in this process, which saves its start: for the many ways to type a command wrong."""
    with contextlib.chdir(study), pytest.MonkeyPatch.context() as patch:
        for name, value in environment(study).items():
            patch.setenv(name, value)
        done = CliRunner().invoke(app, words)
    error = done.exception
    if isinstance(error, EndoError):
        return subprocess.CompletedProcess(words, error.exit_code, done.stdout, f"{done.stderr}endocur: {error}\n")
    if error is not None and not isinstance(error, SystemExit):
        raise error
    return subprocess.CompletedProcess(words, done.exit_code, done.stdout, done.stderr)


def environment(study: Path) -> dict[str, str]:
    """This process's environment, but with the user's config folder inside `study`."""
    home = study / "home"
    home.mkdir(exist_ok=True)
    return os.environ | {"HOME": str(home), "XDG_CONFIG_HOME": str(home / ".config"), "OMP_NUM_THREADS": "1"}


def make_study(study: Path, extract: Sequence[str] = ("--fps", "5", "--no-text-detection")) -> None:
    """`videos/` with two videos, a byte copy, a broken file and two stills, extracted into `corpus/`."""
    videos = study / "videos"
    (videos / "stills").mkdir(parents=True)
    draw_video(videos / "anna_schmidt_1961.mp4", seed=1)
    draw_video(videos / "b.mp4", seed=2)
    (videos / "copy_of_b.mp4").write_bytes((videos / "b.mp4").read_bytes())
    (videos / "broken.mp4").write_bytes((videos / "b.mp4").read_bytes()[:900])
    for index in range(2):
        draw_still(videos / "stills" / f"still_{index}.jpg", seed=10 + index)
    endocur(study, "extract", "videos", "--stills", "--allow-failed", "0.5", "--workers", "1", *extract)
