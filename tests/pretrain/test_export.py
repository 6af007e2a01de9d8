"""Exports that timm loads with equal features, and starts from them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from endoeval.encoders import load
from endoeval.encoders.timm_import import import_timm
from endomae.commands import export, pretrain
from endomae.configs import ExportConfig, PretrainConfig
from endomae.recipes import resolve
from endomae.train.plan import build_method
from endomae.train.runs import RunFolder, run_folders
from endomae.weights.start import start_from
from endoshards.errors import BadInput

timm = import_timm()


@pytest.fixture(scope="module")
def run(shards: Path, tiny: str, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("exported")
    pretrain.run(PretrainConfig(shards=shards, recipe=tiny, runs=folder, steps=6, threads=1, device="cpu"))
    return run_folders(folder)[0]


def trained_encoder(run: RunFolder, tiny: str) -> torch.nn.Module:
    from safetensors.torch import load_file

    method = build_method(resolve(PretrainConfig(recipe=tiny), "cpu")[0])
    method.module.load_state_dict(load_file(run.named("last") / "model.safetensors"))
    return method.encoder.eval()


def test_timm_loads_the_export_with_equal_features(run: RunFolder, tiny: str) -> None:
    encoder = timm.create_model(f"local-dir:{run.export}", pretrained=True).eval()
    pixels = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(encoder.forward_features(pixels), trained_encoder(run, tiny).forward_features(pixels))
        assert encoder(pixels).shape == (2, 32)
    settings = timm.data.resolve_model_data_config(encoder)
    assert settings["input_size"] == (3, 64, 64)
    assert settings["mean"] == pytest.approx((0.485, 0.456, 0.406))


def test_without_pretrained_timm_gives_random_weights_and_the_readme_warns(run: RunFolder, tiny: str) -> None:
    blank = timm.create_model(f"local-dir:{run.export}", pretrained=False)
    same = trained_encoder(run, tiny).blocks[0].attn.qkv.weight
    assert not torch.equal(blank.blocks[0].attn.qkv.weight, same)
    readme = (run.export / "README.md").read_text("utf-8")
    assert "`pretrained=True` is needed" in readme
    assert "operator torchvision::nms does not exist" in readme and "endomae doctor" in readme


def test_the_export_carries_its_contract_and_where_it_comes_from(run: RunFolder) -> None:
    said = json.loads((run.export / "endomae.json").read_text("utf-8"))
    assert said["contract"] == {
        "size": 64,
        "mean": [0.485, 0.456, 0.406],
        "std": [0.229, 0.224, 0.225],
        "frames": 1,
        "pooling": "mean",
        "uses_mask": False,
        "patch": 16,
        "dim": 32,
    }
    provenance = said["provenance"]
    assert (provenance["method"], provenance["step"], provenance["samples_seen"]) == ("mae", 6, 48)
    assert provenance["data"]["order_fingerprint"] and provenance["data"]["content_fingerprint"]
    assert provenance["data"]["info"]["leak_checks"] == {"checked against": "nothing"}


def test_the_export_holds_the_encoder_alone(run: RunFolder, tiny: str) -> None:
    from safetensors.torch import load_file

    assert load_file(run.export / "model.safetensors").keys() == trained_encoder(run, tiny).state_dict().keys()


def test_the_run_folder_is_an_encoder_for_evaluation(run: RunFolder) -> None:
    encoder = load(str(run.root), "cpu")
    images = np.random.default_rng(0).integers(0, 256, (2, 3, 80, 60), dtype=np.uint8)
    features = encoder.encode(images)
    assert encoder.name == run.name
    assert features.cls.shape == (2, 32)
    assert features.patches is not None and features.patches.shape == (2, 4, 4, 32)


def test_the_command_exports_last_and_best_where_it_is_told(
    run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export.run(ExportConfig(run=run.root, checkpoint="best", out=tmp_path / "best"))
    assert f"local-dir:{tmp_path / 'best'}" in capsys.readouterr().out
    best = json.loads((tmp_path / "best" / "endomae.json").read_text())["provenance"]
    assert best["checkpoint"] == run.named("best").name
    assert best["held_out_loss"] > 0
    export.run(ExportConfig(run=run.root, out=tmp_path / "best"))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("do not remove")
    with pytest.raises(BadInput, match="is not empty and no export"):
        export.run(ExportConfig(run=run.root, out=tmp_path / "full"))
    with pytest.raises(BadInput, match="is no run"):
        export.run(ExportConfig(run=tmp_path))


def test_a_checkpoint_of_another_model_is_refused_in_a_sentence(run: RunFolder, tmp_path: Path) -> None:
    foreign = RunFolder(tmp_path / "foreign")
    shutil.copytree(run.root, foreign.root)
    text = foreign.settings.read_text("utf-8")
    foreign.settings.write_text(text.replace("encoder_depth = 2", "encoder_depth = 3"), "utf-8")
    with pytest.raises(BadInput, match=r"is a checkpoint of another model: it lacks encoder\.blocks\.2") as refused:
        export.run(ExportConfig(run=foreign.root, out=tmp_path / "out"))
    assert len(str(refused.value)) < 400
    assert not (tmp_path / "out").exists()


def test_another_training_starts_from_an_export(
    run: RunFolder, tiny: str, recipe: Callable[..., object], tmp_path: Path
) -> None:
    method = build_method(recipe(init=str(run.root), seed=5))
    trained = trained_encoder(run, tiny).state_dict()
    assert all(torch.equal(value, trained[name]) for name, value in method.encoder.state_dict().items())
    with pytest.raises(BadInput, match=r"another model: it lacks blocks\.2"):
        build_method(recipe(init=str(run.root), encoder_depth=3))
    with pytest.raises(BadInput, match="another model: shapes differ: pos_embed"):
        build_method(recipe(init=str(run.root), size=32))
    with pytest.raises(BadInput, match="no such folder"):
        start_from(method.encoder, str(tmp_path / "none"))
