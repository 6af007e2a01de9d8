"""How long does the audit of a million rows take, and how much memory?

Drawn lists of half frames, half intervals: 20,000 videos of 50 rows in train, val and test, ten groups shared, paths
of 60 characters; and a million rows of one UUID each. Three lists are read and audited in a process of its own on one
core; beside it, what Python's csv module takes to read the same files.
"""

from __future__ import annotations

import csv
import os
import resource
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

from form import Figure, finish, options

EACH = 50
SHARED_GROUPS = 10
CLASSES = 12


def main() -> None:
    said = options(__doc__)
    videos = 2_000 if said.quick else 20_000
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("frames", "intervals", "single"):
            files = draw(Path(folder), videos, kind)
            begin = time.perf_counter()
            for file in files:
                with file.open(encoding="utf-8") as lines:
                    for _ in csv.reader(lines):
                        pass
            plain = time.perf_counter() - begin
            took, wall, peak, faults = measured_apart(files)
            note = (
                f"CPU-seconds ({wall:.1f} s by the clock); {videos * EACH:,} rows, {faults} groups found in two splits"
            )
            figures += [
                Figure(f"{kind}_s", took, goal=20.0, better="lower", unit="s", note=note),
                Figure(
                    f"{kind}_peak",
                    peak,
                    goal=1000.0,
                    better="lower",
                    unit="MB",
                    note="resident, Python and libraries included",
                ),
                Figure(f"{kind}_csv_module_s", plain, unit="s", note="reading alone"),
            ]
    finish("audit_speed", figures, said)


def draw(folder: Path, videos: int, kind: str) -> list[Path]:
    """Write train, val and test: 70, 10 and 20 of 100 videos; the first ten of test stand in train as well."""
    files = [folder / f"{kind}-{split}.csv" for split in ("train", "val", "test")]
    bounds = [0, videos * 7 // 10, videos * 8 // 10, videos]
    for number, file in enumerate(files):
        lines = ["file,label"]
        for video in range(bounds[number], bounds[number + 1]):
            lines += [row(video, i, kind) for i in range(EACH)]
        if number == 0:
            for video in range(bounds[2], bounds[2] + SHARED_GROUPS):
                lines += [row(video, EACH + i, kind) for i in range(EACH)]
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return files


def row(video: int, number: int, kind: str) -> str:
    if kind == "single":
        drawn = uuid.uuid5(uuid.NAMESPACE_OID, f"{video}-{number}")
        return f"/data/endoscopy/stills/{drawn}.jpg,class {number % 9}"
    at = f"{number * 40:06d}" if kind == "frames" else f"{number * 40:06d}-{number * 40 + 30:06d}"
    label = (video * 7 + number // 5) % CLASSES
    return f"/data/endoscopy/site_{video % 4}/videos/case_{video:06d}_{at}.mp4,class {label}"


def measured_apart(files: list[Path]) -> tuple[float, float, float, int]:
    """CPU-seconds and seconds of the audit (imports left out), peak MB, groups found: in a process on one core."""
    words = [sys.executable, __file__, "--one", *map(str, files)]
    threads = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    done = subprocess.run(words, capture_output=True, text=True, check=True, env=os.environ | threads)
    took, wall, peak, faults = done.stdout.split()
    return float(took), float(wall), float(peak), int(faults)


def one(files: list[Path]) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    import pyarrow as pa

    from endoeval.splits import audit

    pa.set_cpu_count(1)
    train, val, test = files
    cpu, begin = time.process_time(), time.perf_counter()
    found = audit(train, test, val)
    took, wall = time.process_time() - cpu, time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e3 if sys.platform != "darwin" else 1e6)
    print(took, wall, peak, sum(f.count for f in found.findings if f.check.startswith("groups-")))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one([Path(word) for word in sys.argv[2:]])
    else:
        main()
