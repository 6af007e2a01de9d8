"""The short forms, exactly as they stand in the README, each a process of its own."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from road_study import Study

README = Path(__file__).resolve().parents[2] / "README.md"
LINES = (
    "endocur extract videos/",
    "endocur filter --min-quality 0.4",
    "endocur dedup",
    "endocur shard",
    "endocur report",
    "endocur verify shards/",
    "endomae pretrain --shards shards/ --steps 3",
    "endomae eval",
    "endocur status",
    "endomae status",
)
"""In order. Training is cut short here; the slow test lets it run as it stands."""


@pytest.fixture(scope="module")
def road(drawn: Study) -> Study:
    """The study after the whole road."""
    for line in LINES:
        drawn.type(line)
    return drawn


def test_the_readme_names_these_commands_and_no_others() -> None:
    text = README.read_text("utf-8").split("## On your own recordings")[1].split("## ")[0]
    block = max(re.findall(r"```bash\n(.*?)```", text, re.DOTALL), key=len)
    asked = [line for line in block.strip().splitlines() if line.startswith("endo")]
    ours = [line.removesuffix(" --steps 3") for line in LINES]
    assert asked == [line for line in ours if line in asked]
    assert len(asked) == 6


def test_each_curation_command_accounts_for_every_frame(road: Study) -> None:
    for stage in ("extract", "filter", "dedup", "shard"):
        account = json.loads((road.folder / f"corpus/log/{stage}.json").read_text("utf-8"))
        assert account["seen"] == account["kept"] + sum(account["dropped"].values()), stage


def test_each_command_names_the_next(road: Study) -> None:
    following = {
        "endocur extract videos/": "endocur filter",
        "endocur filter --min-quality 0.4": "endocur dedup",
        "endocur dedup": "endocur shard",
        "endocur shard": "endomae pretrain --shards shards/",
        "endomae pretrain --shards shards/ --steps 3": "endomae eval",
    }
    for line, next_line in following.items():
        assert next_line in road.said[line], f"{line} does not name {next_line}"


def test_status_says_what_there_is(road: Study) -> None:
    assert "extract" in road.said["endocur status"]
    assert "finished" in road.said["endomae status"]


def test_the_shards_hold_the_frames_that_were_kept(road: Study) -> None:
    index = json.loads((road.folder / "shards/index.json").read_text("utf-8"))
    kept = json.loads((road.folder / "corpus/log/dedup.json").read_text("utf-8"))["kept"]
    assert sum(shard["nsamples"] for shard in index["shardlist"]) == kept > 0


def test_eval_names_the_run_it_judges_and_puts_null_rows_beside_it(road: Study) -> None:
    said = road.said["endomae eval"]
    run = next(path.name for path in (road.folder / "runs").iterdir() if path.is_dir())
    assert run in next(line for line in said.splitlines() if line.strip())
    tables = list((road.folder / "results").glob("*/table.md"))
    assert len(tables) == 1
    text = tables[0].read_text("utf-8")
    for wanted in ("phantom_classes", "phantom_masks", "random", "majority", "mean mask"):
        assert wanted in text, wanted


def test_the_pages_stand_alone(road: Study) -> None:
    pages = [
        *road.folder.glob("corpus/reports/corpus.html"),
        *road.folder.glob("runs/*/report.html"),
        *road.folder.glob("results/*/report.html"),
    ]
    assert len(pages) == 3
    for page in pages:
        text = page.read_text("utf-8")
        assert not re.search(r"""(?:src|href)\s*=\s*["']?(?:https?:)?//""", text), page


def test_the_same_lines_again_change_no_pixel_and_train_no_step(road: Study) -> None:
    watched = [
        *road.folder.glob("corpus/frames/*"),
        *road.folder.glob("corpus/scores/*"),
        *road.folder.glob("shards/*.tar"),
        *road.folder.glob("runs/*/metrics.jsonl"),
        *road.folder.glob("runs/*/export/model.safetensors"),
    ]
    before = {path: path.read_bytes() for path in watched}
    for line in LINES[:4]:
        road.type(line)
    assert "finished" in road.type("endomae pretrain --shards shards/ --steps 3")
    assert {path: path.read_bytes() for path in watched} == before


def test_status_on_a_real_corpus_and_a_real_run_loads_no_numeric_library(road: Study) -> None:
    import subprocess
    import sys

    for program in ("endocur", "endomae"):
        code = (
            f"import sys\nfrom {program}.cli import app\n"
            "try:\n    app(['status'])\nexcept SystemExit:\n    pass\n"
            "sys.exit(' '.join({'numpy', 'pyarrow', 'torch', 'cv2', 'faiss'} & set(sys.modules)) or 0)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=road.folder, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_pretrain_as_it_stands_ends_in_minutes_and_eval_takes_its_run(road: Study) -> None:
    said = road.type("endomae pretrain --shards shards/", timeout_s=1000)
    assert "endomae eval" in said
    said = road.type("endomae eval", timeout_s=400)
    finished = [path.parent.name for path in road.folder.glob("runs/*/state") if path.read_text().strip() == "finished"]
    assert len(finished) == 2
    assert any(name in said.splitlines()[0] for name in finished)


@pytest.mark.slow
def test_run_does_the_four_in_a_row(drawn: Study, tmp_path: Path) -> None:
    study = Study(tmp_path / "study", drawn.home)
    study.folder.mkdir()
    (study.folder / "videos").symlink_to(drawn.folder / "videos")
    study.type("endocur run videos/")
    assert (study.folder / "shards/index.json").is_file()
