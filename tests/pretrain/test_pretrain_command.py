"""`endomae pretrain` as a user meets it: resume to the last bit, signals, refusals, and what is left on disk."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from drawn_shards import endomae, write_shards
from hypothesis import assume, given
from hypothesis import strategies as st
from safetensors.torch import load_file

from endomae.commands import pretrain
from endomae.configs import PretrainConfig
from endomae.train import length, runs
from endomae.train.feed import open_data
from endomae.train.plan import plan
from endomae.train.runs import RunFolder, read_metrics
from endomae.train.trainer import Rhythm
from endomae.train.world import World
from endoshards.errors import BadInput, BadOption, CheckFailed, EndoError
from endoshards.files import Lock
from endoshards.stream import Bad

TIMES = {"images_per_s", "seconds_a_step", "data_wait", "elapsed_s"}
Make = Callable[..., PretrainConfig]


def only_run(config: PretrainConfig) -> RunFolder:
    (folder,) = runs.run_folders(config.runs)
    return folder


def curve(run: RunFolder) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl without what clocks said."""
    return [{name: value for name, value in row.items() if name not in TIMES} for row in read_metrics(run.metrics)]


def weights(run: RunFolder) -> dict[str, torch.Tensor]:
    folder = run.named("last")
    assert folder is not None
    return load_file(folder / "model.safetensors") | load_file(folder / "optimizer.safetensors")


def assert_same_run(one: RunFolder, other: RunFolder) -> None:
    assert curve(one) == curve(other)
    ours, theirs = weights(one), weights(other)
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        assert torch.equal(tensor, theirs[name]), name


def wait_for_step(run_folders: Path, step: int, alive: Callable[[], bool]) -> None:
    """Until a run below the folder has a checkpoint and a line of a step at or beyond `step`."""
    while alive():
        for metrics in run_folders.glob("*/metrics.jsonl"):
            rows = read_metrics(metrics)
            if rows and rows[-1]["step"] >= step and (metrics.parent / "last").exists():
                return
        time.sleep(0.005)


# --- a whole run -----------------------------------------------------------------------------------------------


def test_a_finished_run_is_whole_and_the_same_line_says_so(config: Make, capsys: pytest.CaptureFixture[str]) -> None:
    pretrain.run(config())
    run = only_run(config())
    said = capsys.readouterr()
    assert run.name.startswith("tiny-") and len(run.name) == len("tiny-") + 8
    assert run.state == "finished"
    assert {path.name for path in run.root.iterdir()} == {
        "run.toml",
        "run.json",
        "metrics.jsonl",
        "tensorboard",
        "checkpoints",
        "last",
        "best",
        "reconstructions",
        "state",
        "export",
        "report.html",
    }
    rows = read_metrics(run.metrics)
    assert [row["step"] for row in rows if "held_out_loss" in row] == [0, 10, 12]
    assert [row["step"] for row in rows if "loss" in row] == [10, 12]
    assert all(0 < row["valid_share"] < 1 for row in rows if "loss" in row)
    assert rows[-2]["samples"] == 12 * 8
    assert "held out: 2 samples of 1 group" in said.err
    assert "peak rate 0.000937 (0.03 x 8 / 256), warm-up 2 steps" in said.err
    assert "not decayed" in said.err
    assert said.out.splitlines()[0] == f"run {run.root} is finished"
    assert said.out.splitlines()[1].startswith(f"held-out loss: {rows[-1]['held_out_loss']:.4f} (without learning: ")
    assert said.out.splitlines()[-1] == "next: endomae eval"
    before = (run.root / "report.html").stat().st_mtime_ns
    pretrain.run(config())
    assert "was finished before; --again NAME starts another" in capsys.readouterr().out
    assert (run.root / "report.html").stat().st_mtime_ns == before
    pretrain.run(config(again="second", steps=2))
    assert len(runs.run_folders(config().runs)) == 2


def test_the_report_shows_curves_levels_pictures_data_and_leak_status(config: Make) -> None:
    pretrain.run(config(steps=3))
    page = only_run(config()).report.read_text("utf-8")
    for words in ("predicting zero", "held out", "learning rate", "waiting for data", "not decayed", "checked against"):
        assert words in page
    assert page.count("data:image/png;base64,") >= 2
    assert "http://" not in page.replace("http://www.w3.org", "") and "https://" not in page


def test_settings_in_force_given_as_config_find_the_same_run(config: Make, capsys: pytest.CaptureFixture[str]) -> None:
    from endoshards.settings import load

    pretrain.run(config(steps=2, mask_ratio=0.5))
    capsys.readouterr()
    pretrain.run(load(PretrainConfig, {}, only_run(config()).settings))
    assert "was finished before" in capsys.readouterr().out


def test_fewer_samples_than_a_batch_are_allowed_with_one_warning(
    config: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = write_shards(tmp_path / "few", samples=5, groups=2)
    pretrain.run(config(shards=few, steps=2))
    said = capsys.readouterr().err
    assert said.count("warning: 5 samples are fewer than a batch of 8") == 1
    assert "no group is small enough to be held out" in said
    assert only_run(config()).state == "finished"
    assert "These frames were trained on" in only_run(config()).report.read_text("utf-8")


def test_a_dry_run_shows_shapes_and_one_loss_and_writes_nothing(
    config: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    pretrain.run(config(dry_run=True))
    said = capsys.readouterr().err
    assert "prediction: [8, 16, 768]" in said
    assert "the recipe expects about 1.5" in said
    assert not config().runs.exists()


def test_minutes_become_a_number_of_steps_that_is_kept(
    config: Make, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(length, "MEASURED_S", 0.0)
    monkeypatch.setattr(length, "FINISHING_S", 0.0)
    pretrain.run(config(minutes=0.02))
    run = only_run(config())
    steps = json.loads(run.facts.read_text())["steps"]
    assert f"0.02 minutes come to {steps} steps" in capsys.readouterr().err
    assert f"\nsteps = {steps}\n" in run.settings.read_text()
    assert "# minutes =" in run.settings.read_text()
    assert json.loads(run.facts.read_text())["asked"]["minutes"] == 0.02
    unbroken = config(steps=steps, runs=config().runs / "other")
    pretrain.run(unbroken)
    assert_same_run(run, only_run(unbroken))


@given(left=st.floats(1, 3600), step_s=st.floats(0.01, 2), judge_s=st.floats(0, 3))
def test_steps_with_their_held_out_passes_fill_the_time_that_is_left_and_no_more(
    left: float, step_s: float, judge_s: float
) -> None:
    def cost(steps: int) -> float:
        rhythm = Rhythm(steps=steps, log=10**9, checkpoint=10**9)
        return steps * step_s + (1 + sum(rhythm.saves(step) for step in range(1, steps + 1))) * judge_s

    steps = length.steps_in(left, step_s, judge_s)
    assume(steps > 1)
    assert cost(steps) <= left + 2 * judge_s
    assert cost(steps) >= left - 3 * judge_s - 2 * step_s


@pytest.mark.parametrize(("minutes", "timed_s", "kept_s"), [(0.2, 1.2, 1.2), (0.5, 3.0, 3.0), (5.0, 8.0, 8.0)])
def test_a_short_budget_of_minutes_is_not_spent_on_measuring_and_finishing(
    config: Make, monkeypatch: pytest.MonkeyPatch, minutes: float, timed_s: float, kept_s: float
) -> None:
    asked: list[float] = []

    def measure(_plan: object, _world: object, seconds: float) -> tuple[float, float]:
        asked.append(seconds)
        return 0.1 / length.SLACK, 0.0

    monkeypatch.setattr(length, "measure", measure)
    the = plan(config(minutes=minutes), "cpu", 1)
    steps = length.count_steps(the, World(0, 1, torch.device("cpu")), time.monotonic(), lambda _: None)
    assert asked == pytest.approx([timed_s])
    assert steps == pytest.approx((minutes * 60 - kept_s) * 10, abs=3)


def test_epochs_become_steps_by_the_trained_samples(config: Make) -> None:
    pretrain.run(config(epochs=0.5))
    assert json.loads(only_run(config()).facts.read_text())["steps"] == 3  # 36 of 40 samples, batch 8


# --- interruptions ---------------------------------------------------------------------------------------------


def test_a_run_killed_outright_and_resumed_equals_the_unbroken_run_to_the_last_bit(config: Make, tiny: str) -> None:
    steps = {"steps": 160, "checkpoint_every": 15, "log_every": 4}
    broken, unbroken = config(**steps), config(**steps, runs=config().runs / "unbroken")
    words = [f"--{name.replace('_', '-')}={value}" for name, value in steps.items()]
    child = endomae(
        "pretrain", "--shards", broken.shards, "--recipe", tiny, "--runs", broken.runs, "--device=cpu", *words
    )
    wait_for_step(broken.runs, 40, lambda: child.poll() is None)
    child.kill()
    child.communicate()
    assert child.returncode == -signal.SIGKILL
    run = only_run(broken)
    assert runs.standing(run).state == "stopped"
    with run.metrics.open("ab") as torn:
        torn.write(b'{"step": 999, "loss"')
    pretrain.run(broken)
    pretrain.run(unbroken)
    assert run.state == "finished"
    assert_same_run(run, only_run(unbroken))


def test_sigterm_saves_and_exits_75_and_the_same_line_goes_on(config: Make, tiny: str) -> None:
    asked = config(steps=120, log_every=7)
    child = endomae(
        *("pretrain", "--shards", asked.shards, "--recipe", tiny, "--runs", asked.runs, "--device=cpu"),
        *("--steps=120", "--log-every=7", "--checkpoint-every=30"),
    )
    wait_for_step(asked.runs, 31, lambda: child.poll() is None)
    child.send_signal(signal.SIGTERM)
    _, said = child.communicate()
    assert child.returncode == 75, said
    run = only_run(asked)
    assert run.state == "stopped"
    assert "the same command goes on from there" in said
    assert not run.lock.exists()
    saved = run.named("last")
    assert saved is not None and f"was stopped at step {int(saved.name[5:])} of 120" in said
    pretrain.run(asked)
    unbroken = config(steps=120, log_every=7, runs=asked.runs / "unbroken")
    pretrain.run(unbroken)
    ours = [row for row in curve(run) if "loss" in row]
    assert ours == [row for row in curve(only_run(unbroken)) if "loss" in row]
    assert all(torch.equal(tensor, weights(only_run(unbroken))[name]) for name, tensor in weights(run).items())


def test_ctrl_c_saves_too(config: Make) -> None:
    asked = config(steps=5000, checkpoint_every=20)

    def press() -> None:
        wait_for_step(asked.runs, 20, lambda: True)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=press, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        pretrain.run(asked)
    run = only_run(asked)
    assert run.state == "stopped"
    saved = run.named("last")
    assert saved is not None
    assert json.loads((saved / "state.json").read_text())["samples_seen"] == 8 * int(saved.name[5:])


def test_two_processes_give_the_losses_and_weights_of_one(config: Make, tiny: str) -> None:
    asked = config(steps=6, log_every=1)
    child = endomae(
        *("pretrain", "--shards", asked.shards, "--recipe", tiny, "--runs", asked.runs, "--device=cpu"),
        *("--steps=6", "--log-every=1", "--devices=2"),
    )
    _, said = child.communicate()
    assert child.returncode == 0, said
    assert "cpu, 2 processes" in said
    assert said.count("recipe /") == 1  # only the first process speaks
    assert "Warning" not in said
    alone = config(steps=6, log_every=1, runs=asked.runs / "alone")
    pretrain.run(alone)
    together, single = curve(only_run(asked)), curve(only_run(alone))
    for ours, theirs in zip(together, single, strict=True):
        assert ours == pytest.approx(theirs, rel=2e-4), (ours, theirs)
    # AdamW turns rounding into steps of up to the rate where a gradient is near 0: few weights, bounded.
    ours, theirs = weights(only_run(asked)), weights(only_run(alone))
    for name in ours:
        torch.testing.assert_close(ours[name], theirs[name], rtol=1e-2, atol=2e-3, msg=name)


def test_a_signal_to_the_launcher_reaches_all_processes_and_one_process_goes_on(config: Make, tiny: str) -> None:
    asked = config(steps=60)
    child = endomae(
        *("pretrain", "--shards", asked.shards, "--recipe", tiny, "--runs", asked.runs, "--device=cpu"),
        *("--steps=60", "--checkpoint-every=5", "--devices=2"),
    )
    wait_for_step(asked.runs, 10, lambda: child.poll() is None)
    child.send_signal(signal.SIGTERM)
    _, said = child.communicate()
    assert child.returncode == 75, said
    run = only_run(asked)
    assert (run.state, said.count("was stopped at step")) == ("stopped", 1)
    pretrain.run(asked)
    alone = config(steps=60, runs=asked.runs / "alone")
    pretrain.run(alone)
    assert curve(run)[-1]["held_out_loss"] == pytest.approx(curve(only_run(alone))[-1]["held_out_loss"], rel=0.01)


# --- refusals --------------------------------------------------------------------------------------------------


def test_a_loss_that_is_not_finite_ends_the_run_and_keeps_the_last_good_checkpoint(config: Make) -> None:
    asked = config(lr=1e38, checkpoint_every=1)
    with pytest.raises(CheckFailed, match=r"with the samples s\d{3}-0{12}") as error:
        pretrain.run(asked)
    run = only_run(asked)
    assert error.value.exit_code == 4
    assert run.state == "failed"
    last = run.named("last")
    assert last is not None and str(last) in str(error.value)
    assert all(torch.isfinite(tensor).all() for tensor in load_file(last / "model.safetensors").values())


def refused(asked: PretrainConfig, kind: type[EndoError] = BadInput) -> str:
    with pytest.raises(kind) as error:
        pretrain.run(asked)
    return str(error.value)


def test_other_shards_under_the_same_run_are_refused(config: Make, tmp_path: Path) -> None:
    pretrain.run(config(steps=1))
    other = write_shards(tmp_path / "other", first=100)
    said = refused(config(steps=1, shards=other))
    assert "was begun on other shards" in said and "--again NAME" in said


def test_shards_that_are_missing_unfinished_or_cut_are_refused(config: Make, tmp_path: Path, shards: Path) -> None:
    assert "there is no folder" in refused(config(shards=tmp_path / "none"))
    copy = tmp_path / "copy"
    shutil.copytree(shards, copy)
    tar = copy / "shard-000000.tar"
    tar.write_bytes(tar.read_bytes()[:-1024])
    assert "is truncated" in refused(config(shards=copy))
    (copy / "index.json").unlink()
    assert "has no index.json" in refused(config(shards=copy))
    assert not config().runs.exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_cuda_is_refused_where_there_is_none(config: Make) -> None:
    assert "this machine has no CUDA device" in refused(config(device="cuda"))


def test_words_and_numbers_that_cannot_be_are_bad_options(config: Make) -> None:
    assert "--device is 'tpu'" in refused(config(device="tpu"), BadOption)
    assert "--method is 'dino'; allowed: mae" in refused(config(method="dino"), BadOption)


def test_a_run_in_use_is_refused(config: Make) -> None:
    pretrain.run(config(steps=1))
    with Lock(only_run(config()).lock):
        assert "is in use by process" in refused(config(steps=1))


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"size": 100}, "multiple of the patch"),
        ({"encoder": "resnet50"}, "architecture 'resnet50' is not known"),
        ({"encoder": "vit_foo"}, "architecture 'vit_foo' is not known"),
        ({"init": "nowhere"}, "no such folder"),
    ],
)
def test_a_refused_line_leaves_no_run(config: Make, changed: dict[str, object], text: str) -> None:
    assert text in refused(config(**changed))
    assert not config().runs.exists()


def damage(shards: Path) -> Path:
    """Flip a byte every 4,000 of the first shard."""
    tar = shards / "shard-000000.tar"
    data = bytearray(tar.read_bytes())
    for begin in range(2000, len(data), 4000):
        data[begin] ^= 0xFF
    tar.write_bytes(data)
    return shards


def bad_lines(run: RunFolder) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run.bad_samples.read_text("utf-8").splitlines()]


def test_unreadable_samples_are_replaced_and_too_many_end_the_run(config: Make, tmp_path: Path) -> None:
    shards = damage(write_shards(tmp_path / "damaged"))
    pretrain.run(config(shards=shards, steps=4))
    assert read_metrics(only_run(config()).metrics)[-2]["bad_samples"] > 0
    assert "samples could not be read, 0 are allowed" in refused(
        config(shards=shards, steps=4, max_bad_samples=0, again="strict")
    )
    (strict,) = [run for run in runs.run_folders(config().runs) if runs.standing(run).again == "strict"]
    assert bad_lines(strict), "those that ended the run are named too"


def test_unreadable_samples_are_named_in_the_run_in_the_log_and_counted_at_the_end(
    config: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shards = damage(write_shards(tmp_path / "damaged"))
    pretrain.run(config(shards=shards, steps=12))
    said, run = capsys.readouterr(), only_run(config())
    found = bad_lines(run)
    assert all(set(line) == {"key", "shard", "position", "reason"} for line in found)
    assert {line["shard"] for line in found} == {"shard-000000.tar"}
    assert [line["position"] for line in found] == sorted(line["position"] for line in found)
    replaced = [line for line in found if line["position"] >= 0]
    assert all(line["position"] < 12 * 8 for line in replaced)
    assert len({line["key"] for line in replaced}) < len(replaced), "an epoch later the same samples come again"
    keys = {line["key"] for line in found}
    for key in keys:
        assert said.err.count(f"warning: {key} in shard-000000.tar cannot be read") == 1
    assert read_metrics(run.metrics)[-2]["bad_samples"] == len(replaced)
    assert f"{len(keys)} samples could not be read: {run.bad_samples}" in said.out.splitlines()


def test_unreadable_held_out_frames_are_named_once_too(
    config: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shards = write_shards(tmp_path / "damaged")
    data = open_data(shards, 0.05)
    place = data.whole.samples()["key"].to_pylist()
    for row in data.split.held_out[:1]:
        shard = next(i for i, info in enumerate(data.whole.shards) if place[row] in data.whole.keys(i))
        table, tar = data.whole.members(shard), shards / data.whole.shards[shard].name
        content = bytearray(tar.read_bytes())
        content[int(table.offsets[table.keys.index(place[row]), 0]) + 50] ^= 0xFF
        tar.write_bytes(content)
    key = place[data.split.held_out[0]]
    asked = config(shards=shards, steps=20, checkpoint_every=10)
    pretrain.run(asked)
    said, run = capsys.readouterr(), only_run(asked)
    assert [(line["key"], line["position"]) for line in bad_lines(run)] == [(key, -1)]
    assert said.err.count(f"warning: {key} in ") == 1
    assert "cannot be read, it is left out of the held-out frames" in said.err
    assert f"1 sample could not be read: {run.bad_samples}" in said.out.splitlines()
    run.set_state("stopped")
    pretrain.run(asked)
    assert len(bad_lines(run)) == 1
    assert read_metrics(run.metrics)[-2]["bad_samples"] == 0


def test_warnings_of_unreadable_samples_are_capped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from endomae.train.bad_samples import SHOWN, BadSamples

    log = BadSamples(tmp_path / "bad_samples.jsonl", 0, ())
    log.add([Bad(number, f"s{number}", "shard-000000.tar", "damaged") for number in range(SHOWN + 5)])
    said = capsys.readouterr().err
    assert said.count("cannot be read, another") == SHOWN
    assert said.splitlines()[-1] == f"warning: more samples cannot be read; all of them: {log.path}"
    assert (log.count, log.keys) == (SHOWN + 5, SHOWN + 5)


def test_unreadable_samples_of_a_resumed_run_stand_once(config: Make, tiny: str, tmp_path: Path) -> None:
    shards = damage(write_shards(tmp_path / "damaged"))
    steps = {"steps": 90, "checkpoint_every": 20, "log_every": 5, "max_bad_samples": 1000}
    broken, unbroken = (config(shards=shards, runs=tmp_path / name, **steps) for name in ("broken", "unbroken"))
    words = [f"--{name.replace('_', '-')}={value}" for name, value in steps.items()]
    child = endomae("pretrain", "--shards", shards, "--recipe", tiny, "--runs", broken.runs, "--device=cpu", *words)
    wait_for_step(broken.runs, 25, lambda: child.poll() is None)
    child.kill()
    child.communicate()
    with only_run(broken).bad_samples.open("ab") as torn:
        torn.write(b'{"key": "s0')
    pretrain.run(broken)
    pretrain.run(unbroken)
    assert bad_lines(only_run(broken)) == bad_lines(only_run(unbroken))
    assert curve(only_run(broken)) == curve(only_run(unbroken))
