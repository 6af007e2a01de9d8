"""The first road on real frames: which pool files may be used, and the commands that follow.

    python benchmarks/first_road.py STUDY [--shared FOLDER] [--minutes 25]

Makes STUDY, writes `exclude.txt` (every pool file that is a near copy of, a neighbour in time of, or from the
same sequence or examination as a labelled test image), copies the three labelled sets to `benchmarks-data/`,
prints each command and runs it. Needs the real frames; they are not part of the project.
"""

from __future__ import annotations

import argparse
import csv
import os
import re
import shlex
import shutil
import subprocess
import sys
from bisect import bisect_right
from pathlib import Path

CVC_FIRST = (
    *(1, 26, 51, 68, 79, 104, 127, 152, 178, 200, 206, 228, 253, 278, 298),
    *(318, 343, 364, 384, 409, 429, 448, 467, 479, 504, 529, 547, 572, 592),
)
"""First frame of each of the 29 sequences of CVC-ClinicDB (its published table)."""
WCE_GAP = 10
"""Capsule frames whose numbers are this close are taken to come from one video."""
SETS = ("cls_wce", "seg_cvc", "seg_kvasir")


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def number(path: Path) -> int:
    return int(re.findall(r"\d+", path.stem)[-1])


def excluded(data: Path) -> dict[str, str]:
    """Pool file (relative to `data`) -> why it must not be trained on."""
    out = {row["file"]: f"near copy of {row['near_set']}" for row in rows(data / "near_labelled.csv")}

    tested = {bisect_right(CVC_FIRST, number(path)) for path in (data / "seg_cvc/images").iterdir()}
    for path in (data / "pool/cvc").iterdir():
        if bisect_right(CVC_FIRST, number(path)) in tested:
            out.setdefault(f"pool/cvc/{path.name}", "sequence is in seg_cvc")

    labelled: dict[str, list[int]] = {"b": [], "n": []}
    for path in (data / "cls_wce").glob("*/*.jpg"):
        labelled[path.stem[0]].append(number(path))
    for path in (data / "pool/wce").iterdir():
        kind = path.stem.removeprefix("wce_")[0]
        if any(abs(number(path) - other) <= WCE_GAP for other in labelled[kind]):
            out.setdefault(f"pool/wce/{path.name}", f"within {WCE_GAP} numbers of a cls_wce frame")

    exams = {row["group"] for row in rows(data / "seg_bkai/groups.csv")}
    for row in rows(data / "pool_bkai_groups.csv"):
        if row["group"] in exams:
            out.setdefault(row["file"], "examination is in seg_bkai")

    out |= {f"clips/{path.name}": "made of CVC frames" for path in (data / "clips").glob("cvc_seq*")}
    return dict(sorted(out.items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path)
    parser.add_argument("--shared", type=Path, default=os.environ.get("ENDOMAE_SHARED", "../shared"))
    parser.add_argument("--minutes", type=float, default=25.0)
    parser.add_argument("--list-only", action="store_true", help="write exclude.txt and stop")
    options = parser.parse_args()
    data = (Path(options.shared) / "data").resolve()
    if not (data / "near_labelled.csv").is_file():
        sys.exit(f"no real frames at {data}; give their folder with --shared")
    study = options.study.resolve()
    study.mkdir(parents=True, exist_ok=True)
    why = excluded(data)
    (study / "exclude.txt").write_text("".join(f"{data / name}\n" for name in why), encoding="utf-8")
    counts: dict[str, int] = {}
    for reason in why.values():
        counts[reason] = counts.get(reason, 0) + 1
    print(f"left out: {len(why)} files; " + "; ".join(f"{n} {reason}" for reason, n in sorted(counts.items())))
    if options.list_only:
        return
    for name in SETS:
        if not (study / "benchmarks-data" / name).exists():
            shutil.copytree(data / name, study / "benchmarks-data" / name)
    lines = [
        ["endocur", "extract", str(data / "pool"), str(data / "clips"), "--stills", "--exclude", "@exclude.txt"],
        ["endocur", "filter", "--min-quality", "0.4"],
        ["endocur", "dedup"],
        ["endocur", "report"],
        ["endocur", "shard"],
        ["endocur", "verify", "shards"],
        ["endomae", "pretrain", "--shards", "shards/", "--recipe", "mae-cpu", "--minutes", f"{options.minutes:g}"],
        ["endomae", "eval"],
    ]
    for line in lines:
        print("$ " + shlex.join(line), flush=True)
        command = [str(Path(sys.executable).with_name(line[0])), *line[1:]]
        code = subprocess.run(command, cwd=study, check=False).returncode
        if code:
            sys.exit(f"{shlex.join(line)}: exit {code}")


if __name__ == "__main__":
    main()
