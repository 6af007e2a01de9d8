"""The lines of docs/public-data.md, run as they stand on folders in the layout of each set."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import drawn_public_sets as public
import drawn_sequences as drawn
import pytest
from corpus_maker import draw_video, endocur, tissue
from typer.testing import CliRunner

from endocur import cli
from endocur.commands import extract
from endocur.configs import ExtractConfig
from endocur.extract.gather import gather
from endocur.extract.groups import read_groups
from endocur.extract.patterns import read_patterns

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "public-data.md").read_text("utf-8")

SETS: dict[str, tuple[Callable[[Path], object], dict[str, int], set[str | None]]] = {
    "HyperKvasir": (public.hyper_kvasir, {"video": 3, "still": 3}, {None}),
    "Kvasir-Capsule": (public.kvasir_capsule, {"video": 2}, {None}),
    "REAL-Colon": (public.real_colon, {"sequence": 2}, {"001-012", "001-014"}),
    "DSAD": (drawn.dsad, {"still": 26, "ignored": 78}, {"03", "07"}),
    "SurgicalActions160": (public.surgical_actions, {"video": 2}, {None}),
    "Galar": (drawn.galar, {"sequence": 1}, {None}),
    "Nerthus": (public.nerthus, {"sequence": 2}, {"bowel_1", "bowel_2"}),
    "LDPolypVideo": (public.ld_polyp, {"sequence": 2}, {None}),
    "ESAD": (public.esad, {"sequence": 1, "ignored": 6}, {"RARP2"}),
    "LapGyn4": (drawn.lap_gyn4, {"sequence": 3}, {"c_286", "c_9"}),
    "GLENDA": (public.glenda, {"sequence": 2}, {"v_2506"}),
    "CholecSeg8k": (drawn.cholec_seg8k, {"sequence": 2, "ignored": 36}, {"video01"}),
    "SEE-AI": (drawn.see_ai, {"still": 40}, {None}),
    "Capsule Vision 2024": (public.capsule_vision, {"still": 4}, {public.HEX[0], None}),
}
ON_REQUEST: dict[str, tuple[Callable[[Path], object], dict[str, int], set[str | None]]] = {
    "SUN": (drawn.sun, {"sequence": 2}, {"case1"}),
    "SUN-SEG": (public.sun_seg, {"sequence": 2}, {"case7"}),
    "CholecT45, CholecT50": (public.cholec_t50, {"sequence": 2}, {"VID01", "VID50"}),
    "PolypGen": (public.polyp_gen, {"sequence": 2, "ignored": 14}, {"positive/seq1", "negative/seq4"}),
    "Cholec80, AutoLaparo, M2CAI16": (public.cholec80, {"video": 2}, {None}),
    "EndoVis 2017, 2018": (public.endo_vis, {"sequence": 1, "ignored": 10}, {"instrument_dataset_1"}),
    "C3VD": (public.c3vd, {"sequence": 1, "ignored": 30}, {None}),
}


def blocks() -> dict[str, str]:
    """Set -> its lines."""
    found = re.findall(r"^### (.+?)\n(.*?)```bash\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL)
    return {name: lines for name, between, lines in found if "\n#" not in between}


def rows() -> dict[str, str]:
    """Set on request -> its line; a bar is escaped in a table."""
    found = re.findall(r"^\| ([^|]+?) \| `(endocur extract .*?)` \|", PAGE, re.MULTILINE)
    return {name: line.replace(r"\|", "|") for name, line in found}


def typed(lines: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> ExtractConfig:
    """Run lines by a shell in a folder; the config that `endocur` got, as its command line reads it."""
    tools = folder.parent / "bin"
    tools.mkdir()
    (tools / "endocur").write_text(f'#!/bin/sh\nprintf "%s\\0" "$@" > {tools}/said\n')
    (tools / "python").symlink_to(sys.executable)
    (tools / "endocur").chmod(0o755)
    path = {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run(["bash", "-euc", lines], cwd=folder, env=os.environ | path, check=True)
    said: list[ExtractConfig] = []
    monkeypatch.setattr(extract, "run", said.append)
    monkeypatch.chdir(folder)
    words = (tools / "said").read_text().split("\0")[:-1]
    done = CliRunner().invoke(cli.app, words)
    assert done.exit_code == 0, done.output
    return said[0]


@pytest.mark.parametrize("name", [*SETS, *ON_REQUEST])
def test_the_line_of_a_set_reads_its_layout(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make, kinds, groups = (SETS | ON_REQUEST)[name]
    folder = tmp_path / "set"
    folder.mkdir()
    make(folder)
    config = typed((blocks() | rows())[name], folder, monkeypatch)
    found = gather(config, read_patterns(config.include, config.exclude)).found
    counted = Counter(item.kind for item in found if item.path.suffix != ".csv")
    assert counted == kinds
    taken = [item for item in found if item.kind != "ignored"]
    said = read_groups(config.groups, config.group_pattern, taken)
    assert {said.of(item).group for item in taken} == groups


def test_the_page_has_a_line_for_each_set_of_its_table_and_no_other() -> None:
    assert list(blocks()) == list(SETS)
    assert list(rows()) == list(ON_REQUEST)
    free = PAGE.partition("## Sets that need no form")[2]
    assert re.findall(r"^\| \[(.+?)\]\(#", free, re.MULTILINE) == list(SETS)


def test_capsule_films_get_the_rate_the_capsule_took(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    public.kvasir_capsule(folder)
    config = typed(blocks()["Kvasir-Capsule"], folder, monkeypatch)
    found = gather(config, read_patterns((), ())).found
    assert [item.timing and item.timing.fps for item in found if item.kind == "video"] == [2, 2]


def test_the_loop_unpacks_extracts_and_deletes_one_after_the_other(tmp_path: Path) -> None:
    """As on the page, with the real command: both videos stay in the corpus, the pictures of neither on disk."""
    (loop,) = re.findall(r"```bash\n(for archive.*?)```", PAGE, re.DOTALL)
    for name in ("001-001", "001-002"):
        for number in range(15):
            path = tmp_path / f"{name}_frames" / f"{name}_{number}.png"
            path.parent.mkdir(exist_ok=True)
            drawn.write(path, tissue(int(name[-1]), number, blurred=False))
        subprocess.run(["tar", "-czf", f"{name}_frames.tar.gz", f"{name}_frames"], cwd=tmp_path, check=True)
        subprocess.run(["rm", "-r", f"{name}_frames"], cwd=tmp_path, check=True)
    (tmp_path / "sequences.csv").write_text("folder,fps\n001-001_frames,25\n001-002_frames,25\n")
    tool = tmp_path / "bin" / "endocur"
    tool.parent.mkdir()
    tool.write_text(f'#!/bin/sh\nexec {sys.executable} -m endocur "$@" --no-text-detection --workers 1\n')
    tool.chmod(0o755)
    environment = os.environ | {"PATH": f"{tool.parent}{os.pathsep}{os.environ['PATH']}", "HOME": str(tmp_path)}
    environment |= {"XDG_CONFIG_HOME": str(tmp_path / "config"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        ["bash", "-euc", loop], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "--sequences: no input for 1 row (lines 3)" in done.stdout
    assert len([path for path in (tmp_path / "corpus" / "frames").glob("*.tar")]) == 2
    assert not list(tmp_path.glob("*_frames"))


def test_an_archive_among_the_inputs_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    draw_video(tmp_path / "videos" / "v.mp4", seed=1, seconds=1.0)
    (tmp_path / "videos" / "001-001_frames.tar.gz").write_bytes(b"\x1f\x8b" + bytes(50))
    done = endocur(tmp_path, "extract", "videos", "--no-text-detection", "--workers", "1")
    assert "failed: an archive; unpack it first (tar -xf …)" in done.stderr
