"""Encoders: one contract for all, and no load without proof."""

import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from endoeval import encoders
from endoeval.encoders import Contract, Features, pool, vectors
from endoeval.encoders.architectures import build
from endoeval.encoders.network import random_like, resolve_device
from endoeval.encoders.pooling import valid_patches
from endoeval.encoders.timm_import import import_timm, prepare_torchvision
from endoshards.errors import BadInput, BadOption


def pictures(count=2, height=40, width=56, seed=0):
    return np.random.default_rng(seed).integers(0, 255, (count, 3, height, width), dtype=np.uint8)


@pytest.fixture(scope="module")
def tiny():
    return encoders.load("random:vit_tiny_patch16_224@3", "cpu")


class TestContractOfAll:
    def test_features_have_the_shapes_the_contract_says(self, tiny):
        got = tiny.encode(pictures())
        contract = tiny.contract
        side = contract.size // contract.patch
        assert got.cls.shape == (2, contract.dim)
        assert got.patches.shape == (2, side, side, contract.dim)
        assert got.cls.dtype == got.patches.dtype == np.float32

    def test_the_same_picture_twice_gives_the_same_feature(self, tiny):
        one = pictures(1)
        twice = tiny.encode(np.concatenate([one, one]))
        assert (twice.cls[0] == twice.cls[1]).all()
        again = tiny.encode(np.concatenate([one, one]))
        assert (again.patches == twice.patches).all()

    def test_a_batch_equals_its_pictures_one_by_one(self, tiny):
        both = pictures(2)
        alone = np.concatenate([tiny.encode(both[i : i + 1]).cls for i in range(2)])
        assert tiny.encode(both).cls == pytest.approx(alone, abs=1e-5)

    def test_a_full_tissue_mask_changes_nothing(self, tiny):
        images = pictures()
        everything = np.ones((2, 40, 56), bool)
        assert (tiny.encode(images, everything).cls == tiny.encode(images).cls).all()

    def test_what_lies_outside_the_tissue_never_matters(self, tiny):
        tissue = np.zeros((1, 40, 56), bool)
        tissue[:, 10:30, 10:40] = True
        first = pictures(1)
        other = np.where(tissue[:, None], first, pictures(1, seed=9))
        assert (vectors(tiny, first, tissue) == vectors(tiny, other, tissue)).all()

    @pytest.mark.parametrize(
        ("images", "words"),
        [
            (np.zeros((2, 3, 8, 8), np.float32), "images are float32"),
            (np.zeros((2, 8, 8, 3), np.uint8), r"\(2, 8, 8, 3\); uint8 \[B, 3, H, W\] is wanted"),
        ],
    )
    def test_other_shapes_and_types_are_refused(self, tiny, images, words):
        with pytest.raises(ValueError, match=words):
            tiny.encode(images)

    def test_a_mask_of_another_shape_is_refused(self, tiny):
        with pytest.raises(ValueError, match=r"tissue is bool \(2, 8, 8\)"):
            tiny.encode(pictures(), np.ones((2, 8, 8), bool))


class TestRandom:
    def test_a_seed_names_the_weights_and_the_caller_s_random_state_stays(self):
        import torch

        torch.manual_seed(1)
        before = torch.get_rng_state()
        first, again = (encoders.load("random:vit_tiny_patch16_224@1", "cpu") for _ in range(2))
        assert (torch.get_rng_state() == before).all()
        other = encoders.load("random:vit_tiny_patch16_224", "cpu")
        assert first.encoder_id == again.encoder_id != other.encoder_id
        assert other.name == "random:vit_tiny_patch16_224@0"
        assert first.encoder_id.startswith("random-vit_tiny_patch16_224-1-")

    def test_a_convolutional_network_gives_its_last_map(self):
        resnet = encoders.load("random:resnet18", "cpu")
        assert resnet.contract.patch == 32
        assert resnet.contract.pooling == "mean"
        got = resnet.encode(pictures(1))
        assert got.patches.shape == (1, 7, 7, 512)
        assert got.cls[0] == pytest.approx(got.patches[0].mean(axis=(0, 1)), abs=1e-5)

    @pytest.mark.parametrize(
        ("spec", "words"),
        [
            ("random:vit_tiny_patch16_225", "did you mean vit_tiny_patch16_224"),
            ("random:vit_tiny_patch16_224@x", "the seed after @ is 'x'"),
            ("nothing", "names no encoder; allowed: a run or export folder that exists, timm:NAME"),
            ("random:", "names no encoder"),
            ("torch:vit", "names no encoder"),
        ],
    )
    def test_specs_that_name_nothing_are_refused(self, spec, words):
        with pytest.raises(BadInput, match=words):
            encoders.load(spec, "cpu")


class TestTimm:
    def test_without_a_network_published_weights_are_refused_with_what_to_do(self, tmp_path):
        code = "from endoeval import encoders; encoders.load('timm:vit_tiny_patch16_224', 'cpu')"
        environment = {"HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1", "PATH": "", "HOME": str(tmp_path)}
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 1
        last = done.stderr.strip().splitlines()[-1]
        assert last.startswith("endoshards.errors.BadInput: timm:vit_tiny_patch16_224: the published weights")
        assert "this needs a network or a filled cache (HF_HOME)" in last

    def test_timm_imports_beside_this_torch_as_often_as_asked(self):
        assert prepare_torchvision() == prepare_torchvision()
        assert import_timm() is import_timm()


class TestExport:
    def test_an_export_gives_the_features_of_its_tensors_and_says_what_was_set(self, tmp_path, export):
        loaded = encoders.load(str(export(tmp_path / "run-1" / "export")), "cpu")
        assert loaded.name == "run-1"
        assert loaded.contract == Contract(
            size=32, mean=(0.4, 0.3, 0.3), std=(0.2,) * 3, pooling="mean", patch=8, dim=24
        )
        assert loaded.proof.tensors == len(loaded.model.state_dict())
        assert loaded.proof.unused == ()
        assert loaded.proof.feature_distance > 0.1
        assert vectors(loaded, pictures()).shape == (2, 24)

    def test_a_run_folder_is_its_export(self, tmp_path, export):
        export(tmp_path / "run-1" / "export")
        (tmp_path / "run-1" / "run.toml").touch()
        by_run = encoders.load(str(tmp_path / "run-1"), "cpu")
        assert by_run.encoder_id == encoders.load(str(tmp_path / "run-1" / "export"), "cpu").encoder_id

    def test_timm_loads_the_same_folder_to_equal_features(self, tmp_path, export):
        folder = export(tmp_path / "e", config={"num_classes": 0, "pretrained_cfg": {"num_classes": 0}})
        import torch

        model = import_timm().create_model(f"local-dir:{folder}", pretrained=True).eval()
        ours = encoders.load(str(folder), "cpu").model
        noise = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
        with torch.inference_mode():
            assert (model.forward_features(noise) == ours.forward_features(noise)).all()

    def test_tensors_of_a_head_are_listed_not_hidden(self, tmp_path, export):
        import torch

        folder = export(tmp_path / "e", change=lambda t: t.update({"head.weight": torch.zeros(3, 24)}))
        proof = encoders.load(str(folder), "cpu").proof
        assert proof.unused == ("head.weight",)
        assert proof.unused_by_role == {"head": ("head.weight",)}

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            (lambda t: t.pop("blocks.1.attn.qkv.weight"), r"it lacks blocks\.1\.attn\.qkv\.weight"),
            (
                lambda t: t.update(cls_token=t["cls_token"][..., :20].clone()),
                r"cls_token is \(1, 1, 20\) where \(1, 1, 24\)",
            ),
            (
                lambda t: t.update({"blocks.2.norm1.weight": t["norm.weight"].clone()}),
                r"it also holds blocks\.2\.norm1\.weight",
            ),
            (lambda t: t.clear(), "it lacks"),
        ],
    )
    def test_a_checkpoint_of_another_model_is_refused(self, tmp_path, export, change, words):
        def altered(tensors):
            kept = {"unrelated": tensors["norm.weight"].clone()}
            change(tensors)
            if not tensors:
                tensors.update(kept)

        folder = export(tmp_path / "e", change=altered)
        with pytest.raises(BadInput, match=f"holds the weights of another model: {words}.*Nothing is scored"):
            encoders.load(str(folder), "cpu")

    def test_weights_that_are_the_seeded_start_are_refused_as_untrained(self, tmp_path, export):
        with pytest.raises(BadInput, match=r"0 tensors differ from random weights.*untrained weights"):
            encoders.load(str(export(tmp_path / "e", seed=0)), "cpu")

    def test_values_that_are_not_finite_are_refused(self, tmp_path, export):
        folder = export(tmp_path / "e", change=lambda t: t["norm.weight"].fill_(float("nan")))
        with pytest.raises(BadInput, match=r"tensor norm\.weight holds values that are not finite"):
            encoders.load(str(folder), "cpu")

    def test_a_file_that_is_cut_off_is_refused(self, tmp_path, export):
        path = export(tmp_path / "e") / "model.safetensors"
        path.write_bytes(path.read_bytes()[:-100])
        with pytest.raises(BadInput, match="is damaged or no safetensors file"):
            encoders.load(str(tmp_path / "e"), "cpu")

    def test_a_pickle_is_never_opened(self, tmp_path, export):
        folder = export(tmp_path / "e")
        (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
        with pytest.raises(BadInput, match=r"model\.safetensors is missing"):
            encoders.load(str(folder), "cpu")

    @pytest.mark.parametrize(
        ("config", "words"),
        [
            ({"architecture": "os.system"}, "architecture 'os.system' is not known; allowed: vit_tiny"),
            ({"model_args": {"act_layer": "x"}}, "model argument 'act_layer' is not known"),
            ({"model_args": {"depth": -1}}, "model argument depth is -1; a number above 0"),
        ],
    )
    def test_only_the_closed_table_is_built(self, tmp_path, export, config, words):
        folder = export(tmp_path / "e", config=config)
        with pytest.raises(BadInput, match=words):
            encoders.load(str(folder), "cpu")

    @pytest.mark.parametrize(
        ("contract", "words"),
        [
            ({"size": 64}, "the contract says 64 px.*the architecture has 32 px"),
            ({"pooling": "max"}, "pooling is 'max'; allowed: cls, mean, cls.mean"),
            ({"std": [0, 1, 1]}, "std above 0"),
            ({"crop": 1}, r"unknown fields \['crop'\]"),
        ],
    )
    def test_a_contract_that_does_not_fit_is_refused(self, tmp_path, export, contract, words):
        folder = export(tmp_path / "e", contract=contract)
        with pytest.raises(BadInput, match=words):
            encoders.load(str(folder), "cpu")

    def test_nothing_guesses_a_normalisation(self, tmp_path, export):
        folder = export(tmp_path / "e")
        (folder / "endomae.json").unlink()
        with pytest.raises(BadInput, match="which size, mean and std"):
            encoders.load(str(folder), "cpu")
        config = json.loads((folder / "config.json").read_text())
        config["pretrained_cfg"] = {"input_size": [3, 32, 32], "mean": [0.5] * 3, "std": [0.5] * 3}
        (folder / "config.json").write_text(json.dumps(config))
        assert encoders.load(str(folder), "cpu").contract.mean == (0.5, 0.5, 0.5)

    def test_a_run_without_export_names_the_command(self, tmp_path):
        (tmp_path / "run.toml").touch()
        with pytest.raises(BadInput, match="has no export yet; let it finish, or type: endomae export"):
            encoders.load(str(tmp_path), "cpu")

    def test_a_folder_that_is_neither_is_refused(self, tmp_path):
        with pytest.raises(BadInput, match="is no run and no export"):
            encoders.load(str(tmp_path), "cpu")

    def test_the_twin_has_the_contract_and_another_s_weights(self, tmp_path, export):
        loaded = encoders.load(str(export(tmp_path / "e")), "cpu")
        twin = random_like(loaded, 0)
        assert twin.contract == loaded.contract
        assert twin.encoder_id != loaded.encoder_id
        assert random_like(loaded, 1).encoder_id != twin.encoder_id

    def test_the_twin_of_a_masked_autoencoder_has_its_fixed_positions(self, tmp_path, export):
        folder = export(tmp_path / "e")
        (folder / "endomae.json").write_text(
            json.dumps({"contract": {"size": 32, "pooling": "mean"}, "provenance": {"method": "mae"}})
        )
        first, second = (random_like(encoders.load(str(folder), "cpu"), seed).model for seed in (0, 1))
        assert (first.pos_embed == second.pos_embed).all()
        assert (first.blocks[0].attn.qkv.weight != second.blocks[0].attn.qkv.weight).any()


class TestPooling:
    @given(
        patches=arrays(np.float32, (2, 3, 4, 5), elements=st.floats(-9, 9, width=32)),
        tissue=arrays(np.bool_, (2, 30, 40)),
    )
    @settings(max_examples=30)
    def test_the_mean_is_that_of_the_tissue_patches_alone(self, patches, tissue):
        got = pool(Features(np.zeros((2, 5), np.float32), patches), tissue, "mean")
        valid = valid_patches(tissue, (3, 4))
        for i in range(2):
            assert got[i] == pytest.approx(patches[i][valid[i]].mean(axis=0), abs=1e-4)

    def test_a_patch_is_tissue_from_half_of_its_pixels_on(self):
        tissue = np.zeros((1, 8, 8), bool)
        tissue[0, :4, :2] = True
        tissue[0, 4:, :1] = True
        assert valid_patches(tissue, (2, 2))[0].tolist() == [[True, False], [False, False]]

    def test_a_picture_without_tissue_still_has_a_vector(self):
        patches = np.arange(8, dtype=np.float32).reshape(1, 2, 2, 2)
        got = pool(Features(np.zeros((1, 2), np.float32), patches), np.zeros((1, 8, 8), bool), "mean")
        assert got.tolist() == [[3.0, 4.0]]

    def test_both_end_to_end(self):
        features = Features(np.ones((1, 2), np.float32), np.zeros((1, 1, 1, 2), np.float32))
        assert pool(features, None, "cls+mean").tolist() == [[1, 1, 0, 0]]
        assert Contract(size=8, dim=2, pooling="cls+mean").vector_dim == 4

    def test_the_mean_of_no_patches_is_refused(self):
        with pytest.raises(ValueError, match="needs patch tokens"):
            pool(Features(np.ones((1, 2), np.float32), None), None, "mean")


class TestContractFile:
    @given(
        size=st.integers(1, 999),
        dim=st.integers(1, 999),
        pooling=st.sampled_from(["cls", "mean", "cls+mean"]),
        patch=st.none() | st.integers(1, 99),
    )
    def test_what_is_written_is_read_back(self, size, dim, pooling, patch):
        contract = Contract(size=size, dim=dim, pooling=pooling, patch=patch)
        assert Contract.from_json(json.loads(json.dumps(contract.to_json()))) == contract


class TestDevice:
    def test_cuda_where_there_is_none_is_refused(self, monkeypatch):
        monkeypatch.setattr("torch.cuda.is_available", lambda: False)
        with pytest.raises(BadInput, match="this machine has no CUDA device; use --device cpu or auto"):
            resolve_device("cuda")
        assert resolve_device("auto") == "cpu"

    def test_another_word_is_a_usage_error(self):
        with pytest.raises(BadOption, match="--device is 'gpu'; allowed: auto, cpu, cuda"):
            resolve_device("gpu")


def test_arguments_that_cannot_be_built_say_so():
    with pytest.raises(BadInput, match="cannot be built"):
        build("vit_tiny_patch16_224", {"embed_dim": 25, "num_heads": 2})
