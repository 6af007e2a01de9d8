"""Run folders: curves that survive a kill, states, checkpoints written whole."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from endomae.configs import RunsConfig
from endomae.recipes import Recipe
from endomae.train import checkpoints
from endomae.train.learner import Learner
from endomae.train.metrics import Curves, cut_after
from endomae.train.plan import build_method
from endomae.train.progress import clock
from endomae.train.runs import RunFolder, newest_finished, read_metrics, standing
from endomae.train.world import World
from endoshards.errors import BadInput
from endoshards.files import Lock, write_json


def rows(*steps: int) -> bytes:
    return b"".join(json.dumps({"step": step, "loss": 1.0 / (step + 1)}).encode() + b"\n" for step in steps)


def test_curves_are_cut_at_the_checkpoint_and_lose_a_torn_last_line(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(rows(0, 5, 10, 15) + b'{"step": 20, "lo')
    cut_after(path, 10)
    assert path.read_bytes() == rows(0, 5, 10)
    cut_after(path, 12)
    assert path.read_bytes() == rows(0, 5, 10)
    cut_after(path, -1)
    assert path.read_bytes() == b""


def test_a_torn_last_line_before_the_checkpoints_step_goes_too(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(rows(0, 5) + b'{"step": 6}')
    cut_after(path, 10)
    assert path.read_bytes() == rows(0, 5)
    assert [row["step"] for row in read_metrics(path)] == [0, 5]


def test_curves_append_lines_and_write_tensorboard_events(tmp_path: Path) -> None:
    for start, step in ((-1, 1), (1, 2)):
        with Curves(tmp_path / "metrics.jsonl", tmp_path / "tensorboard", start) as curves:
            curves.write({"step": step, "loss": 0.5})
            curves.sync()
    assert read_metrics(tmp_path / "metrics.jsonl") == [{"step": 1, "loss": 0.5}, {"step": 2, "loss": 0.5}]
    assert len(list((tmp_path / "tensorboard").glob("events.out.tfevents.*"))) == 2


def make_run(root: Path, state: str, steps: int = 10) -> RunFolder:
    run = RunFolder(root)
    root.mkdir(parents=True)
    (root / "run.toml").write_text("steps = 10\n")
    write_json(run.facts, {"recipe": "tiny", "steps": steps})
    run.set_state(state)
    run.metrics.write_bytes(b'{"step": 4, "loss": 0.9, "seconds_a_step": 2.0}\n{"step": 4, "held_out_loss": 0.8}\n{"st')
    return run


def test_a_run_whose_process_is_gone_counts_as_stopped(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a", "running")
    assert standing(run).state == "stopped"
    with Lock(run.lock):
        alive = standing(run)
    assert (alive.state, alive.step, alive.steps, alive.seconds_left) == ("running", 4, 10, 12.0)
    assert (alive.loss, alive.held_out_loss) == (0.9, 0.8)


def test_the_newest_finished_run_is_found_and_unfinished_ones_are_not(tmp_path: Path) -> None:
    assert newest_finished(tmp_path / "none") is None
    for number, (name, state) in enumerate([("b", "finished"), ("a", "finished"), ("c", "stopped")]):
        run = make_run(tmp_path / name, state)
        os.utime(run.root / "state", (1000 + number, 1000 + number))
    assert newest_finished(tmp_path) == tmp_path / "a"


def test_status_prints_a_line_a_run_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from endomae.commands import status

    status.run(RunsConfig(runs=tmp_path / "none"))
    assert "endomae pretrain" in capsys.readouterr().out
    make_run(tmp_path / "a", "finished")
    status.run(RunsConfig(runs=tmp_path))
    out = capsys.readouterr().out.splitlines()
    assert out[0].split() == ["run", "state", "step", "loss", "held", "out", "time", "left"]
    assert out[1].split() == ["a", "finished", "4/10", "0.9000", "0.8000"]
    status.run(RunsConfig(runs=tmp_path, json=True))
    assert json.loads(capsys.readouterr().out)[0]["state"] == "finished"


def test_status_shows_the_name_of_another_run_of_the_same_settings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from endomae.commands import status

    run = make_run(tmp_path / "a-1", "finished")
    write_json(run.facts, {"recipe": "tiny", "steps": 10, "again": "second"})
    make_run(tmp_path / "b-2", "finished")
    status.run(RunsConfig(runs=tmp_path))
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("a-1 (again second)  finished")
    assert lines[2].split()[0:2] == ["b-2", "finished"]
    status.run(RunsConfig(runs=tmp_path, json=True))
    assert [row["again"] for row in json.loads(capsys.readouterr().out)] == ["second", None]


def test_time_left_is_written_as_people_write_it() -> None:
    assert [clock(s) for s in (0, 187, 7800, 4 * 86400 + 11400)] == ["0:00", "3:07", "2:10:00", "4 d 03:10:00"]


# --- checkpoints -----------------------------------------------------------------------------------------------


def learner(recipe: Recipe) -> Learner:
    made = Learner(build_method(recipe), recipe, World(0, 1, torch.device("cpu")), 10)
    batch = {
        "image": torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8),
        "draws": torch.rand(2, 16),
    }
    for step in range(2):
        made.step(step, iter([batch]))
    return made


def test_a_checkpoint_gives_back_weights_and_optimiser_to_the_last_bit(
    recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    trained, run = learner(recipe(batch=2)), RunFolder(tmp_path)
    state = {"step": 2, "window": {"loss": 0.1 + 0.2}}
    folder = checkpoints.save(run, trained.module, trained.optimiser, trained.groups, state)
    assert run.named("last") == folder
    assert checkpoints.read_state(folder) == state
    assert sorted(path.name for path in folder.iterdir()) == [
        "model.safetensors",
        "optimizer.safetensors",
        "state.json",
    ]
    fresh = Learner(
        build_method(recipe(batch=2, seed=1)), recipe(batch=2, seed=1), World(0, 1, torch.device("cpu")), 10
    )
    checkpoints.load(folder, fresh.module, fresh.optimiser, fresh.groups)
    for name, weight in trained.module.state_dict().items():
        assert torch.equal(fresh.module.state_dict()[name], weight), name
    for ours, theirs in zip(fresh.groups, trained.groups, strict=True):
        for mine, other in zip(ours.parameters, theirs.parameters, strict=True):
            for kind, value in trained.optimiser.state[other].items():
                assert torch.equal(fresh.optimiser.state[mine][kind], value), kind


def test_only_what_last_and_best_name_is_kept(recipe: Callable[..., Recipe], tmp_path: Path) -> None:
    trained, run = learner(recipe(batch=2)), RunFolder(tmp_path)
    for step in (1, 2, 3, 4):
        folder = checkpoints.save(run, trained.module, trained.optimiser, trained.groups, {"step": step})
        if step == 2:
            checkpoints.name_best(run, folder)
        (run.checkpoints / ".tmp-killed").mkdir(exist_ok=True)
        checkpoints.tidy(run)
    assert sorted(path.name for path in run.checkpoints.iterdir()) == ["step-00000002", "step-00000004"]


def test_a_checkpoint_of_another_model_is_refused_with_the_first_difference(
    recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    trained, run = learner(recipe(batch=2)), RunFolder(tmp_path)
    folder = checkpoints.save(run, trained.module, trained.optimiser, trained.groups, {"step": 2})
    wider = learner(recipe(batch=2, encoder_width=48, encoder_heads=3))
    before = {name: weight.clone() for name, weight in wider.module.state_dict().items()}
    with pytest.raises(BadInput, match=r"another model: shapes differ: decoder\.embed\.weight \(16, 32\) instead of"):
        checkpoints.load(folder, wider.module, wider.optimiser, wider.groups)
    deeper = learner(recipe(batch=2, encoder_depth=3))
    with pytest.raises(BadInput, match=r"it lacks encoder\.blocks\.2"):
        checkpoints.load(folder, deeper.module, deeper.optimiser, deeper.groups)
    assert all(torch.equal(weight, before[name]) for name, weight in wider.module.state_dict().items())


def test_a_damaged_checkpoint_is_named(recipe: Callable[..., Recipe], tmp_path: Path) -> None:
    trained, run = learner(recipe(batch=2)), RunFolder(tmp_path)
    folder = checkpoints.save(run, trained.module, trained.optimiser, trained.groups, {"step": 2})
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[: len(data) // 2])
    with pytest.raises(BadInput, match=r"model\.safetensors is damaged"):
        checkpoints.load(folder, trained.module, trained.optimiser, trained.groups)
    (folder / "state.json").unlink()
    with pytest.raises(BadInput, match="is no checkpoint"):
        checkpoints.read_state(folder)
