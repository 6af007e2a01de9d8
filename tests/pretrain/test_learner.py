"""The step between module and optimiser: accumulation, pooling, rates, groups."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch

from endomae.methods import Method
from endomae.recipes import Recipe
from endomae.train.groups import parameter_groups, table
from endomae.train.learner import Learner
from endomae.train.plan import build_method
from endomae.train.schedules import landmarks, rate_at, warmup_steps
from endomae.train.world import World

ALONE = World(0, 1, torch.device("cpu"))


def batches(count: int, size: int) -> dict[str, torch.Tensor]:
    generator = np.random.default_rng(7)
    tissue = np.ones((count, size, size), np.uint8)
    tissue[::3, :, 24:] = 0  # every third image has fewer targets, so a mean of means would be wrong
    return {
        "image": torch.from_numpy(generator.integers(0, 256, (count, size, size, 3), dtype=np.uint8)),
        "tissue": torch.from_numpy(tissue),
        "draws": torch.from_numpy(generator.random((count, (size // 16) ** 2), dtype=np.float32)),
    }


def train(recipe: Recipe, steps: int) -> tuple[list[float], Method]:
    method = build_method(recipe)
    learner = Learner(method, recipe, ALONE, steps)
    whole = batches(recipe.batch * steps, recipe.size)
    share = recipe.batch // recipe.accumulate
    micro = ({name: part[i : i + share] for name, part in whole.items()} for i in range(0, recipe.batch * steps, share))
    return [learner.step(step, micro).read()[0]["loss"] for step in range(steps)], method


def test_accumulation_equals_the_large_batch(recipe: Callable[..., Recipe]) -> None:
    losses, method = train(recipe(batch=12, accumulate=1), 4)
    parts, in_parts = train(recipe(batch=12, accumulate=4), 4)
    assert parts == pytest.approx(losses, rel=1e-5)
    for name, weight in method.module.state_dict().items():
        torch.testing.assert_close(in_parts.module.state_dict()[name], weight, rtol=1e-3, atol=2e-5, msg=name)


def test_one_step_is_adamw_on_the_mean_over_all_hidden_patches(recipe: Callable[..., Recipe]) -> None:
    wanted = recipe(batch=6, warmup=0.0, lr=1e-2)
    method = build_method(wanted)
    reference = build_method(wanted)
    Learner(method, wanted, ALONE, 10).step(0, iter([batches(6, 64)]))
    still = [p for n, p in reference.module.named_parameters() if p.requires_grad and (p.ndim == 1 or "token" in n)]
    decayed = [p for n, p in reference.module.named_parameters() if p.requires_grad and p.ndim > 1 and "token" not in n]
    rows = [{"params": decayed, "weight_decay": 0.05}, {"params": still, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(rows, lr=1e-2, betas=(0.9, 0.95))
    terms = reference.module(batches(6, 64))
    (terms.loss_sum / terms.counted).backward()
    optimiser.step()
    ours = dict(method.module.named_parameters())
    for name, weight in reference.module.named_parameters():
        if weight.grad is not None:
            torch.testing.assert_close(ours[name].grad, weight.grad, rtol=1e-3, atol=1e-7, msg=name)
            clear = weight.grad.abs() > 1e-5  # AdamW's first step is a sign, which rounding can turn near 0
            torch.testing.assert_close(ours[name][clear], weight[clear], rtol=1e-4, atol=1e-5, msg=name)


def test_the_loss_falls(recipe: Callable[..., Recipe]) -> None:
    wanted = recipe(batch=8, steps=40)
    method = build_method(wanted)
    learner = Learner(method, wanted, ALONE, 40)
    one = batches(8, 64)
    one["image"] = (
        torch.nn.functional.interpolate(
            one["image"][:, ::32, ::32].permute(0, 3, 1, 2).float(), size=64, mode="bilinear"
        )
        .permute(0, 2, 3, 1)
        .to(torch.uint8)
    )
    losses = [learner.step(step, iter([one])).read()[0]["loss"] for step in range(40)]
    assert losses[-1] < 0.9 * losses[0]


def test_a_held_out_pass_changes_nothing_and_does_not_depend_on_the_batch(recipe: Callable[..., Recipe]) -> None:
    views = batches(7, 64)
    passes = []
    for batch in (2, 8):
        learner = Learner(build_method(recipe(batch=batch)), recipe(batch=batch), ALONE, 10)
        passes.append(learner.evaluate(views))
        assert learner.evaluate(views) == passes[-1]
        assert learner.module.training
    assert passes[0]["loss"] == pytest.approx(passes[1]["loss"], rel=1e-5)
    assert passes[0]["valid_share"] == pytest.approx((4 * 1.0 + 3 * 0.5) / 7)


# --- rates -----------------------------------------------------------------------------------------------------


def test_the_rate_rises_in_a_line_and_falls_along_half_a_cosine() -> None:
    rates = [rate_at(step, steps=100, warmup=10, peak=1.0, floor=0.1) for step in range(101)]
    assert rates[0] == 0.0
    assert rates[5] == 0.5
    assert rates[10] == 1.0
    assert rates[55] == pytest.approx(0.55)
    assert rates[100] == pytest.approx(0.1)
    assert all(a <= b for a, b in pairwise(rates[:11]))
    assert all(a >= b for a, b in pairwise(rates[10:]))


@pytest.mark.parametrize(("steps", "warmup"), [(1, 0), (1, 1), (3, 3), (7, 2)])
def test_short_runs_have_finite_rates_and_landmarks_inside_them(steps: int, warmup: int) -> None:
    assert all(math.isfinite(rate_at(step, steps=steps, warmup=warmup, peak=1.0)) for step in range(steps + 1))
    assert set(landmarks(steps, warmup)) <= set(range(steps))


def test_warm_up_is_a_share_of_the_steps() -> None:
    assert (warmup_steps(0.05, 1000), warmup_steps(1.0, 10), warmup_steps(0.0, 10)) == (50, 10, 0)


def test_the_peak_rate_is_the_base_rate_by_batch_unless_it_is_given(recipe: Callable[..., Recipe]) -> None:
    assert recipe(batch=512, base_lr=1e-3).peak_lr == 2e-3
    assert recipe(batch=512, lr=1e-4).peak_lr == 1e-4


# --- groups ----------------------------------------------------------------------------------------------------


def test_matrices_decay_and_vectors_tokens_and_positions_do_not(recipe: Callable[..., Recipe]) -> None:
    module = build_method(recipe()).module
    decayed, still = parameter_groups(module, 0.05)
    assert (decayed.weight_decay, still.weight_decay) == (0.05, 0.0)
    assert {"encoder.cls_token", "decoder.mask_token", "encoder.norm.weight", "decoder.head.bias"} <= set(still.names)
    assert {"encoder.patch_embed.proj.weight", "encoder.blocks.0.attn.qkv.weight"} <= set(decayed.names)
    fixed = {"encoder.pos_embed", "decoder.pos_embed"}
    assert not fixed & {*decayed.names, *still.names}
    assert {name for name, _ in module.named_parameters()} == fixed | {*decayed.names, *still.names}
    headers, rows = table([decayed, still], fixed=3, peak=1e-3)
    assert len(headers) == len(rows[0])
    assert [row[0] for row in rows] == ["decayed", "not decayed", "fixed"]
