"""`endocur run` on drawn recordings: the same as the four commands, and it stops where one of them stops."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from corpus_maker import draw_video, endocur, environment

from endocur.configs import RunConfig, ShardConfig
from endoshards.files import Lock
from endoshards.index import open_set

LINE = ("run", "videos", "--stills", "--allow-failed", "0.5", "--workers", "1", "--fps", "5", "--no-text-detection")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if not path.name.startswith(".")}


def accounts(study: Path) -> dict[str, dict]:
    return {path.stem: json.loads(path.read_text()) for path in (study / "corpus/log").glob("*.json")}


@pytest.fixture
def fresh(extracted_study: Path, tmp_path: Path) -> Path:
    """A study with recordings and a key, but no corpus yet."""
    folder = tmp_path / "fresh"
    shutil.copytree(extracted_study / "videos", folder / "videos")
    shutil.copytree(extracted_study / "home", folder / "home")
    return folder


def test_run_gives_what_the_four_commands_give(fresh: Path) -> None:
    done = endocur(fresh, *LINE)
    shards, decisions = contents(fresh / "shards"), contents(fresh / "corpus/decisions")
    assert [line for line in done.stderr.splitlines() if line.startswith("run: ")] == [
        "run: extract, 1 of 4",
        "run: filter, 2 of 4",
        "run: dedup, 3 of 4",
        "run: shard, 4 of 4",
    ]
    assert done.stdout.endswith("next: endomae pretrain --shards shards/\n")
    for folder in ("shards", "corpus"):
        shutil.rmtree(fresh / folder)
    endocur(fresh, "extract", *LINE[1:])
    for name in ("filter", "dedup", "shard"):
        endocur(fresh, name)
    assert contents(fresh / "shards") == shards
    assert contents(fresh / "corpus/decisions") == decisions


def test_the_sum_of_all_stages_adds_up_and_the_same_line_again_does_no_work_twice(study: Path) -> None:
    endocur(study, *LINE)
    total = accounts(study)["run"]
    assert total["seen"] == total["kept"] + sum(total["dropped"].values())
    assert total["seen"] == accounts(study)["extract"]["kept"]
    assert total["kept"] == open_set(study / "shards").total > 0
    assert total["failed"] == 1
    watched = [*study.glob("corpus/frames/*"), *study.glob("shards/*")]
    before = {path: path.stat().st_mtime_ns for path in watched}
    endocur(study, *LINE)
    assert {path: path.stat().st_mtime_ns for path in watched} == before


def test_too_many_failed_inputs_stop_the_run_at_extract_with_5(study: Path) -> None:
    filtered = accounts(study)["filter"]
    done = endocur(study, *LINE, "--allow-failed", "0", check=False)
    assert done.returncode == 5
    assert done.stderr.splitlines()[-1].startswith("endocur: stopped at extract: 1 of 6 inputs failed")
    assert accounts(study)["filter"] == filtered and not (study / "shards").exists()


def test_a_filter_that_keeps_nothing_stops_the_run_at_dedup_with_3(study: Path) -> None:
    done = endocur(study, *LINE, "--min-quality", "1", check=False)
    assert done.returncode == 3
    assert done.stderr.splitlines()[-1].startswith("endocur: stopped at dedup: all 32 frames")
    assert accounts(study)["filter"]["kept"] == 0 and not (study / "shards").exists()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("nowhere",), 3, "nowhere"),
        (("empty",), 3, "empty"),
        (("videos", "--min", "beauty=0.3"), 2, "'beauty' is no score"),
        (("videos", "--fps", "0"), 2, "--fps is 0"),
        (("videos", "--stills", "--encoder", "no-such"), 3, "no-such"),
        (("videos", "--stills", "--encoder", "random:vit_tiny_patch16_224"), 3, "no threshold is known"),
        (("videos", "--stills", "--device", "cuda"), 3, "runs on the processor"),
        (("videos", "--stills", "--corpus", "/sys/kernel/corpus"), 3, "/sys/kernel/corpus"),
    ],
)
def test_a_bad_line_ends_with_one_sentence_and_its_code(
    fresh: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    (fresh / "empty").mkdir()
    done = endocur(fresh, "run", *words, "--no-text-detection", "--allow-failed", "0.5", check=False)
    assert done.returncode == code
    assert said in done.stderr.splitlines()[-1] and "Traceback" not in done.stderr
    assert not list(fresh.glob("corpus/units/*")), "nothing was extracted before it was refused"


def test_shards_that_would_lie_in_the_source_are_refused_before_extract(fresh: Path) -> None:
    (fresh / "shards/endoshards").mkdir(parents=True)
    (fresh / "shards/endoshards/__init__.py").touch()
    done = endocur(fresh, *LINE, check=False)
    assert done.returncode == 3 and "source code" in done.stderr
    assert not (fresh / "corpus").exists()


def test_another_config_on_the_same_corpus_is_refused_and_loses_nothing(study: Path) -> None:
    before = contents(study / "corpus/frames")
    done = endocur(study, *LINE, "--fps", "2", check=False)
    assert done.returncode == 3 and "fps" in done.stderr.splitlines()[-1]
    assert contents(study / "corpus/frames") == before


def test_another_key_on_the_same_corpus_is_refused_and_loses_nothing(study: Path) -> None:
    before = contents(study / "corpus/frames")
    (study / "other.key").write_text(f"endomae-key-1 {'7a' * 32}\n")
    done = endocur(study, *LINE, "--key", "other.key", check=False)
    assert done.returncode == 3 and "another key" in done.stderr.splitlines()[-1]
    assert contents(study / "corpus/frames") == before


def test_two_commands_on_one_corpus_are_one_too_many(study: Path) -> None:
    with Lock(study / "corpus/lock-0"):
        for words in (("filter",), ("dedup",), ("shard",), ("report",), LINE):
            done = endocur(study, *words, check=False)
            assert done.returncode == 3 and "in use by process" in done.stderr, words
        assert endocur(study, "status").returncode == 0


def test_kill_9_and_the_same_line_again_end_with_the_same_shards(fresh: Path) -> None:
    endocur(fresh, *LINE)
    shards, decisions = contents(fresh / "shards"), contents(fresh / "corpus/decisions")
    for folder in ("shards", "corpus"):
        shutil.rmtree(fresh / folder)
    line = [sys.executable, "-m", "endocur", *LINE]
    for sign in ("corpus/units/*.json", "corpus/decisions/filter.parquet", "corpus/decisions/dedup.parquet"):
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        running = subprocess.Popen(line, cwd=fresh, env=environment(fresh), **quiet)
        while running.poll() is None and not list(fresh.glob(sign)):
            time.sleep(0.002)
        running.send_signal(signal.SIGKILL)
        running.wait()
    endocur(fresh, *LINE)
    assert contents(fresh / "shards") == shards
    assert contents(fresh / "corpus/decisions") == decisions


def test_frames_that_come_later_join_the_shards(study: Path) -> None:
    endocur(study, "shard")
    before = open_set(study / "shards").total
    draw_video(study / "videos/c.mp4", seed=3)
    endocur(study, *LINE)
    assert open_set(study / "shards").total > before


def test_the_jpeg_quality_of_the_line_is_that_of_extract() -> None:
    config = RunConfig(inputs=(Path("videos"),), jpeg_quality=70)
    assert config.stage(ShardConfig).jpeg_quality == ShardConfig().jpeg_quality
