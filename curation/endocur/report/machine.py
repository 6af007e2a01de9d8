"""What this machine has for the road, what is missing and what clashes. Looks, and changes nothing."""

from __future__ import annotations

import io
import os
import platform
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module, metadata
from pathlib import Path
from typing import Literal

State = Literal["ok", "note", "missing"]

NEEDED: Mapping[str, str] = {
    "torch": "pretraining and encoders",
    "timm": "model architectures",
    "numpy": "arrays",
    "scipy": "statistics",
    "av": "reads video (PyAV, FFmpeg inside)",
    "opencv-python-headless": "resizing and scores",
    "scikit-image": "the shape of the view",
    "simplejpeg": "writes and reads JPEG",
    "rapidocr": "finds burned-in text",
    "onnxruntime": "runs the text detector",
    "pyarrow": "tables",
    "xxhash": "checksums of members",
    "scikit-learn": "probes",
    "safetensors": "weights",
    "typer": "the command line",
    "rich": "progress",
    "jinja2": "pages",
    "fsspec": "paths",
    "tomli-w": "settings files",
    "tensorboard": "training curves",
    "webdataset": "hands shards to its users",
}
"""Distribution -> what it is for: the dependencies of pyproject.toml (a test compares)."""

LOADED = ("numpy", "av", "cv2", "simplejpeg", "pyarrow", "xxhash", "skimage")
"""Modules that are imported to see that they load; cheap ones that break by missing system libraries."""

OPENCVS = (
    "opencv-python",
    "opencv-python-headless",
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
)
"""Distributions that install into one folder `cv2`: two of them overwrite each other."""

CODECS = ("h264", "hevc", "mpeg2video", "mpeg4", "vp9", "av1", "mjpeg", "prores")

TIGHT_DISK = 5 * 2**30
"""Free bytes below which a note is made: an hour of video at 1 frame a second takes about 0.5 GB of corpus."""


@dataclass(frozen=True)
class Finding:
    """One line of `endocur doctor`: missing = needed and not usable; note = worth knowing."""

    name: str
    value: str
    state: State = "ok"
    advice: str = ""


def examine(folder: Path) -> list[Finding]:
    """All findings of this machine; `folder` is where corpus and shards would be written."""
    found = [_python(), _cores(), _memory(), _disk(folder)]
    found += packages(_installed(NEEDED), NEEDED)
    found += [finding for module in LOADED if (finding := _loads(module)) is not None]
    found += [_decoder(), _decord(), _text_model()]
    found += [faiss(_installed(("faiss-cpu", "faiss-gpu"))), opencv(_installed(OPENCVS))]
    found += [_gpu(), _key()]
    return found


def packages(installed: Mapping[str, str], needed: Mapping[str, str]) -> list[Finding]:
    """One finding for all that is there, one for each that is not.

    Args:
        installed: distribution -> version.
        needed: distribution -> what it is for.
    """
    there = ", ".join(f"{name} {installed[name]}" for name in needed if name in installed)
    absent = [
        Finding(name, "not installed", "missing", f"{purpose}; type: pip install {name}")
        for name, purpose in needed.items()
        if name not in installed
    ]
    return [Finding("packages", there), *absent] if there else absent


def faiss(installed: Mapping[str, str]) -> Finding:
    """Which faiss searches for duplicates; two in one environment overwrite each other."""
    if len(installed) > 1:
        return Finding(
            "faiss",
            " and ".join(f"{name} {version}" for name, version in installed.items()),
            "missing",
            "both write the same folder; type: pip uninstall -y faiss-cpu faiss-gpu, then install the one you want",
        )
    for name, version in installed.items():
        loaded = _loads("faiss")
        return loaded or Finding("faiss", f"{version} ({name.removeprefix('faiss-')})")
    return Finding("faiss", "none", "note", "exact search by matrix products is used; faster: pip install faiss-cpu")


def opencv(installed: Mapping[str, str]) -> Finding:
    """Whether exactly one OpenCV is installed, and which."""
    names = ", ".join(f"{name} {version}" for name, version in installed.items()) or "none"
    if len(installed) == 1:
        return Finding("OpenCV", names)
    if not installed:
        return Finding("OpenCV", names, "missing", "type: pip install opencv-python-headless")
    return Finding(
        "OpenCV",
        names,
        "missing",
        f"all write the folder cv2 and overwrite each other; type: pip uninstall -y {' '.join(installed)}, "
        "then pip install opencv-python-headless",
    )


def _installed(names: Sequence[str] | Mapping[str, str]) -> dict[str, str]:
    versions: dict[str, str] = {}
    for name in names:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def _python() -> Finding:
    version = platform.python_version()
    return Finding("Python", f"{version} on {platform.system()} {platform.machine()}")


def _cores() -> Finding:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Finding("processor cores", f"{usable} usable of {os.cpu_count() or usable}")


def _memory() -> Finding:
    if "SC_PHYS_PAGES" not in getattr(os, "sysconf_names", {}):
        return Finding("memory", "unknown on this system", "note")
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if total < 2 * 2**30:
        return Finding("memory", gigabytes(total), "note", "extract wants up to 600 MB a worker: give it --workers 1")
    return Finding("memory", gigabytes(total))


def _disk(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    if free < TIGHT_DISK:
        return Finding("free disk here", gigabytes(free), "note", "an hour of video at 1 frame a second takes 0.5 GB")
    return Finding("free disk here", gigabytes(free))


def _loads(module: str) -> Finding | None:
    """None if the module imports. An absent package is named by `packages` already, but a broken one only here."""
    try:
        import_module(module)
    except (ImportError, OSError) as error:
        return Finding(f"import {module}", f"fails: {error}", "missing", "reinstall the package it belongs to")
    return None


def _decoder() -> Finding:
    """PyAV, proved by a round trip of three drawn frames, and which usual codecs it reads."""
    try:
        import av
    except ImportError as error:
        return Finding("decoder", f"PyAV does not load: {error}", "missing", "type: pip install av")
    wanted = [name for name in CODECS if name in av.codecs_available]
    absent = [name for name in CODECS if name not in wanted]
    version = f"PyAV {av.__version__}, FFmpeg libavcodec {'.'.join(map(str, av.library_versions['libavcodec']))}"
    read = _round_trip()
    if read != 3:
        return Finding("decoder", f"{version}: {read} of 3 drawn frames read", "missing", "reinstall av")
    value = f"{version}, reads {' '.join(wanted)}"
    return Finding("decoder", value, "note" if absent else "ok", f"cannot read: {' '.join(absent)}" if absent else "")


def _round_trip() -> int:
    """How many of three frames come back from a video written in memory."""
    import av
    import numpy as np

    kept = io.BytesIO()
    try:
        with av.open(kept, "w", format="matroska") as out:
            stream = out.add_stream("mpeg4", rate=5)
            stream.width = stream.height = 64
            stream.pix_fmt = "yuv420p"
            for level in (40, 120, 200):
                frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), level, np.uint8), format="rgb24")
                out.mux(stream.encode(frame))
            out.mux(stream.encode())
        kept.seek(0)
        with av.open(kept) as back:
            return sum(1 for _ in back.decode(video=0))
    except (av.FFmpegError, ValueError):
        return 0


def _decord() -> Finding:
    version = _installed(("decord",)).get("decord")
    if version is None:
        return Finding("decord", "not installed", "note", "optional (--decoder decord): pip install 'endomae[decord]'")
    return _loads("decord") or Finding("decord", f"{version} (optional, --decoder decord)")


def _text_model() -> Finding:
    """The text detector's model lies inside the wheel, so that no network is needed."""
    try:
        package = metadata.distribution("rapidocr")
    except metadata.PackageNotFoundError:
        return Finding("text detector", "rapidocr is not installed", "missing", "type: pip install rapidocr")
    models = [str(path) for path in package.files or () if path.suffix == ".onnx" and "det" in path.name]
    if not models:
        return Finding("text detector", "no detection model in rapidocr", "missing", "reinstall rapidocr")
    return Finding("text detector", f"rapidocr {package.version}, {Path(models[0]).name}")


def _gpu() -> Finding:
    try:
        import torch
    except (ImportError, OSError) as error:
        return Finding("GPU", f"torch does not load: {error}", "missing", "reinstall torch for this machine")
    if not torch.cuda.is_available():
        return Finding("GPU", "none that torch can use", "note", "recipes for the processor are chosen (mae-cpu)")
    names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return Finding("GPU", ", ".join(names))


def _key() -> Finding:
    """Where the key of pseudonyms lies: its place only, never its content."""
    from endocur.identity import default_key_path

    path = default_key_path()
    if not path.is_file():
        return Finding("key file", f"none yet; extract makes {path}", "note", "copy it to a safe place once it is made")
    if path.stat().st_mode & 0o077:
        return Finding("key file", f"{path} can be read by others", "note", f"type: chmod 600 {path}")
    return Finding("key file", str(path))


def gigabytes(count: float) -> str:
    """Bytes as people read them, e.g. "12.5 GB"."""
    return f"{count / 1e9:.1f} GB"
