"""Masked autoencoding, held against hand-worked values and a plain numpy derivation."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from endomae.methods import METHODS
from endomae.methods.masking import choose, keep_count, patch_shares
from endomae.methods.pixels import normalise, patchify, pooled_loss, targets, unpatchify
from endomae.models.encoder import build_encoder
from endomae.models.positions import sincos_positions
from endomae.recipes import Recipe

torch.set_num_threads(1)

TINY = Recipe(
    method="mae",
    encoder="vit_tiny_patch16_224",
    encoder_width=32,
    encoder_depth=2,
    encoder_heads=2,
    decoder_width=16,
    decoder_depth=1,
    decoder_heads=2,
    size=64,
    mask_ratio=0.75,
    norm_pix=True,
    batch=4,
    steps=10,
    base_lr=1e-3,
)
PATCHES = 16


def tiny_method(**changed: object) -> object:
    recipe = Recipe(**{**{name: getattr(TINY, name) for name in Recipe.__dataclass_fields__}, **changed})
    torch.manual_seed(0)
    return METHODS["mae"](recipe, build_encoder(recipe, seed=0))


def tiny_batch(count: int = 3, seed: int = 0) -> dict[str, torch.Tensor]:
    generator = np.random.default_rng(seed)
    return {
        "image": torch.from_numpy(generator.integers(0, 256, (count, 64, 64, 3), dtype=np.uint8)),
        "tissue": torch.ones(count, 64, 64, dtype=torch.uint8),
        "draws": torch.from_numpy(generator.random((count, PATCHES), dtype=np.float32)),
    }


# --- which patches ---------------------------------------------------------------------------------------------


def test_of_196_valid_patches_49_stay_visible_and_147_are_targets() -> None:
    masking = choose(torch.rand(2, 196), torch.ones(2, 196, dtype=torch.bool), 0.75)
    assert masking.visible.shape == (2, 49)
    assert masking.real.all()
    assert masking.hidden.sum(dim=1).tolist() == [147, 147]


@pytest.mark.parametrize(("patches", "ratio", "kept"), [(196, 0.75, 49), (10, 0.9, 1), (64, 0.75, 16), (1, 0.75, 1)])
def test_the_number_kept_does_not_suffer_from_rounding(patches: int, ratio: float, kept: int) -> None:
    assert keep_count(patches, ratio) == kept


def test_the_patches_with_the_smallest_numbers_stay_visible() -> None:
    draws = torch.tensor([[0.9, 0.1, 0.8, 0.2]])
    masking = choose(draws, torch.ones(1, 4, dtype=torch.bool), 0.5)
    assert masking.visible.tolist() == [[1, 3]]
    assert masking.hidden.tolist() == [[True, False, True, False]]


@given(
    seed=st.integers(0, 10_000),
    shares=st.lists(st.floats(0, 1), min_size=1, max_size=5),
    ratio=st.sampled_from([0.5, 0.6, 0.75, 0.9]),
)
@settings(max_examples=40)
def test_every_valid_patch_is_visible_or_a_target_and_no_other_is_either(
    seed: int, shares: list[float], ratio: float
) -> None:
    generator = np.random.default_rng(seed)
    valid = torch.from_numpy(generator.random((len(shares), 49)) < np.array(shares)[:, None])
    draws = torch.from_numpy(generator.random((len(shares), 49), dtype=np.float32))
    masking = choose(draws, valid, ratio)
    assert masking.visible.shape == (len(shares), keep_count(49, ratio))
    for row in range(len(shares)):
        visible = set(masking.visible[row][masking.real[row]].tolist())
        hidden = set(torch.nonzero(masking.hidden[row]).flatten().tolist())
        inside = set(torch.nonzero(valid[row]).flatten().tolist())
        assert visible | hidden == inside
        assert not visible & hidden
        assert len(visible) == (keep_count(len(inside), ratio) if inside else 0)


def test_an_image_is_masked_alike_whatever_else_is_in_its_batch() -> None:
    draws = torch.rand(5, 16)
    valid = torch.rand(5, 16) < 0.6
    together = choose(draws, valid, 0.75)
    alone = choose(draws[3:4], valid[3:4], 0.75)
    assert torch.equal(together.hidden[3:4], alone.hidden)
    assert torch.equal(together.real[3:4], alone.real)


def test_a_patch_half_in_the_view_is_valid_and_one_pixel_less_is_not() -> None:
    tissue = torch.zeros(1, 4, 8, dtype=torch.uint8)
    tissue[0, :2, :4] = 1
    tissue[0, :2, 4:] = 1
    tissue[0, 0, 4] = 0
    assert patch_shares(tissue, 4).tolist() == [[0.5, 7 / 16]]


# --- pixels, targets, loss -------------------------------------------------------------------------------------


def test_patches_run_row_by_row_with_the_channel_last() -> None:
    pixels = torch.arange(3 * 4 * 4, dtype=torch.float32).reshape(1, 3, 4, 4)
    patches = patchify(pixels, 2)
    assert patches.shape == (1, 4, 12)
    assert patches[0, 1, :6].tolist() == [2.0, 18.0, 34.0, 3.0, 19.0, 35.0]
    assert torch.equal(unpatchify(patches, 2), pixels)


def test_a_flat_patch_has_target_exactly_zero() -> None:
    image = torch.full((2, 32, 32, 3), 77, dtype=torch.uint8)
    pixels = normalise(image, torch.tensor([0.5, 0.5, 0.5]), torch.tensor([0.25, 0.25, 0.25]))
    assert torch.equal(targets(patchify(pixels, 16), norm_pix=True), torch.zeros(2, 4, 768))


def test_predicting_zero_costs_one_up_to_the_unbiased_factor() -> None:
    patches = torch.randn(2, 16, 768, dtype=torch.float64)
    loss, count = pooled_loss(torch.zeros_like(patches), targets(patches, True), torch.ones(2, 16, dtype=torch.bool))
    assert float(loss / count) == pytest.approx(767 / 768, abs=1e-5)


def test_the_levels_are_what_zero_and_the_best_single_patch_reach() -> None:
    method, batch = tiny_method(), tiny_batch(6)
    batch["image"][..., 0] = 200 + batch["image"][..., 0] // 8  # red frames, as endoscopic ones are
    batch["tissue"][2:4, :, 32:] = 0
    pixels = normalise(batch["image"], method.module.mean, method.module.std)
    rows = targets(patchify(pixels, 16), True)[method.module.mask(batch).hidden].numpy()
    parts = [{name: part[i : i + 2] for name, part in batch.items()} for i in (0, 2, 4)]
    levels = method.levels(parts)
    assert levels["predicting zero"] == pytest.approx((rows**2).mean(), rel=1e-6)
    assert levels["one patch for all"] == pytest.approx(((rows - rows.mean(axis=0)) ** 2).mean(), rel=1e-5)
    assert levels["one patch for all"] < 0.8 < 0.99 < levels["predicting zero"]
    assert method.levels([{**batch, "tissue": torch.zeros_like(batch["tissue"])}]) == {}


def test_the_loss_is_pooled_over_hidden_patches_not_averaged_by_image() -> None:
    target = torch.zeros(2, 2, 2)
    prediction = torch.tensor([[[1.0, 1.0], [2.0, 2.0]], [[3.0, 3.0], [5.0, 5.0]]])
    hidden = torch.tensor([[True, True], [True, False]])
    loss, count = pooled_loss(prediction, target, hidden)
    assert (float(loss), float(count)) == (1.0 + 4.0 + 9.0, 3.0)


def test_the_whole_loss_equals_a_plain_numpy_derivation() -> None:
    method, batch = tiny_method(), tiny_batch()
    batch["tissue"][1, :, 40:] = 0
    terms = method.module(batch)
    prediction = method.module.predict(
        normalise(batch["image"], method.module.mean, method.module.std), method.module.mask(batch), padded=True
    )
    total, count = 0.0, 0
    mean, std = np.array(TINY.mean), np.array(TINY.std)
    for image in range(3):
        pixels = (batch["image"][image].numpy() / 255.0 - mean) / std
        draws, tissue = batch["draws"][image].numpy(), batch["tissue"][image].numpy()
        cells = [(row, column) for row in range(4) for column in range(4)]
        inside = [
            k for k, (r, c) in enumerate(cells) if tissue[16 * r : 16 * r + 16, 16 * c : 16 * c + 16].mean() >= 0.5
        ]
        kept = sorted(inside, key=lambda k: draws[k])[: len(inside) // 4]
        for k in set(inside) - set(kept):
            r, c = cells[k]
            patch = pixels[16 * r : 16 * r + 16, 16 * c : 16 * c + 16].reshape(-1)
            target = (patch - patch.mean()) / math.sqrt(patch.var(ddof=1) + 1e-6)
            total += float(((prediction[image, k].detach().numpy() - target) ** 2).mean())
            count += 1
    assert float(terms.counted) == count == 12 + 12 - 3 + 12
    assert float(terms.loss_sum.detach()) == pytest.approx(total, rel=1e-4)
    assert float(terms.shown["valid_share"][0] / terms.shown["valid_share"][1]) == pytest.approx(44 / 48)


# --- the network -----------------------------------------------------------------------------------------------


def test_the_prediction_has_768_values_for_each_of_196_patches() -> None:
    recipe = Recipe(**{**{name: getattr(TINY, name) for name in Recipe.__dataclass_fields__}, "size": 224})
    method = METHODS["mae"](recipe, build_encoder(recipe, seed=0))
    image = torch.zeros(1, 224, 224, 3, dtype=torch.uint8)
    masking = method.module.mask({"image": image, "draws": torch.rand(1, 196)})
    pixels = normalise(image, method.module.mean, method.module.std)
    assert method.module.encode(pixels, masking, padded=False).shape == (1, 50, 32)
    assert method.module.predict(pixels, masking, padded=False).shape == (1, 196, 768)


def test_pixels_outside_the_view_and_under_hidden_patches_do_not_reach_the_encoder() -> None:
    method, batch = tiny_method(), tiny_batch()
    batch["tissue"][:, :, 32:] = 0
    masking = method.module.mask(batch)
    mean, std = method.module.mean, method.module.std
    before = method.module.encode(normalise(batch["image"], mean, std), masking, padded=True)
    seen = torch.zeros(3, PATCHES, dtype=torch.bool).scatter(1, masking.visible, masking.real)
    unseen = ~seen.reshape(3, 4, 4).repeat_interleave(16, 1).repeat_interleave(16, 2)
    changed = torch.where(unseen[..., None], 255 - batch["image"], batch["image"])
    after = method.module.encode(normalise(changed, mean, std), masking, padded=True)
    real = torch.cat([torch.ones(3, 1, dtype=torch.bool), masking.real], dim=1)
    assert masking.real.sum().item() == 3 * 2
    assert torch.equal(before[real], after[real])


def test_padding_to_the_common_length_changes_no_feature() -> None:
    method, batch = tiny_method(), tiny_batch(2)
    batch["tissue"][0, :, 32:] = 0
    masking = method.module.mask(batch)
    pixels = normalise(batch["image"], method.module.mean, method.module.std)
    padded = method.module.encode(pixels, masking, padded=True)
    short = choose(batch["draws"][:1], masking.valid[:1], 0.75)
    alone = short._replace(visible=short.visible[:, :2], real=short.real[:, :2])
    unpadded = method.module.encode(pixels[:1], alone, padded=False)
    torch.testing.assert_close(padded[:1, :3], unpadded, rtol=1e-4, atol=1e-5)


def test_without_masks_the_visible_tokens_are_those_of_a_plain_timm_forward() -> None:
    method, batch = tiny_method(), tiny_batch(1)
    every = torch.arange(PATCHES)[None]
    masking = method.module.mask(batch)._replace(visible=every, real=torch.ones(1, PATCHES, dtype=torch.bool))
    pixels = normalise(batch["image"], method.module.mean, method.module.std)
    ours = method.module.encode(pixels, masking, padded=False)
    torch.testing.assert_close(ours, method.encoder.forward_features(pixels), rtol=1e-5, atol=1e-5)
    order = torch.tensor([[7, 3, 0, *(k for k in range(PATCHES) if k not in (7, 3, 0))]])
    shuffled = method.module.encode(pixels, masking._replace(visible=order), padded=False)
    torch.testing.assert_close(shuffled[:, 1:], ours[:, 1:][:, order[0]], rtol=1e-4, atol=1e-5)


def test_an_image_without_a_valid_patch_adds_nothing_and_breaks_nothing() -> None:
    method, batch = tiny_method(), tiny_batch(2)
    batch["tissue"][0] = 0
    terms = method.module(batch)
    terms.loss_sum.backward()
    assert float(terms.counted) == 12.0
    assert math.isfinite(float(terms.loss_sum.detach()))
    assert all(torch.isfinite(p.grad).all() for p in method.module.parameters() if p.grad is not None)


def test_positions_are_fixed_the_class_row_is_zero_and_each_axis_has_its_half() -> None:
    table = sincos_positions(32, 4)[0]
    assert table.shape == (17, 32)
    assert torch.equal(table[0], torch.zeros(32))
    assert torch.equal(table[1 + 0 * 4 + 2, :16], table[1 + 3 * 4 + 2, :16])  # same column
    assert torch.equal(table[1 + 3 * 4 + 0, 16:], table[1 + 3 * 4 + 2, 16:])  # same row
    assert table[1 + 2, 0] == pytest.approx(math.sin(2.0))
    encoder = build_encoder(TINY, seed=0)
    assert not encoder.pos_embed.requires_grad
    assert torch.equal(encoder.pos_embed[0], table)
    with pytest.raises(ValueError, match="multiple of 4"):
        sincos_positions(30, 4)


def test_the_first_loss_is_target_variance_plus_prediction_variance() -> None:
    method, batch = tiny_method(), tiny_batch(8)
    with torch.no_grad():
        terms = method.module(batch)
        prediction = method.module.predict(
            normalise(batch["image"], method.module.mean, method.module.std), method.module.mask(batch), padded=True
        )
    expected = 767 / 768 + float(prediction.square().mean())
    assert float(terms.loss_sum.detach() / terms.counted) == pytest.approx(expected, rel=0.05)


def test_pictures_paste_the_visible_patches_and_give_hidden_ones_their_own_contrast() -> None:
    method, batch = tiny_method(), tiny_batch(2)
    shown = method.pictures(batch)
    assert shown.images.shape == (2, 3, 64, 64, 3)
    frame, seen, drawn = (shown.images[:, column] for column in range(3))
    assert np.array_equal(frame, batch["image"].numpy())
    hidden = method.module.mask(batch).hidden.reshape(2, 4, 4).repeat_interleave(16, 1).repeat_interleave(16, 2).numpy()
    assert np.array_equal(drawn[~hidden], frame[~hidden])
    assert (seen[hidden] == 128).all() or (seen[hidden] == 127).all()
    patch = np.argwhere(hidden[0, ::16, ::16])[0]
    where = (slice(16 * patch[0], 16 * patch[0] + 16), slice(16 * patch[1], 16 * patch[1] + 16))
    assert abs(float(drawn[0][where].mean()) - float(frame[0][where].mean())) < 12
