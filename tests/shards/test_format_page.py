"""docs/shard-format.md: its test vectors hold, by the module and by a second implementation written from the page."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from endoshards.order import LANES, WINDOW, Draws, Order, hashed, mix, permute
from endoshards.tar import KINDS, PICKLES
from endoshards.writer import ORDER_SEED

PAGE = (Path(__file__).parents[2] / "docs" / "shard-format.md").read_text("utf-8")
VECTORS = json.loads(re.findall(r"```json\n(.*?)```", PAGE, flags=re.S)[-1])
WORD = 2**64


def number(value: int | str) -> int:
    return value if isinstance(value, int) else int(value, 16)


# The page's functions in plain Python, one number at a time.


def plain_mix(x: int) -> int:
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 % WORD
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB % WORD
    return x ^ (x >> 31)


def plain_absorb(h: int, w: int) -> int:
    return plain_mix(h ^ plain_mix((w + 0x9E3779B97F4A7C15) % WORD))


def plain_hash(purpose: int, *numbers: int) -> int:
    h = purpose
    for n in numbers:
        h = plain_absorb(h, n % WORD)
    return h


def plain_permute(j: int, n: int, key: int) -> int:
    b = (n - 1).bit_length()
    high, low = b // 2, b - b // 2
    while True:
        x, y, k = j >> low, j % 2**low, key
        for turn in range(4):
            k = (k + 0x9E3779B97F4A7C15) % WORD
            if turn % 2 == 0:
                x ^= plain_mix(k ^ y) % 2**high
            else:
                y ^= plain_mix(k ^ x) % 2**low
        j = (x << low) | y
        if j < n:
            return j


def plain_sample(shards: list[int], seed: int, lanes: int, window: int, position: int) -> tuple[int, int]:
    total = sum(shards)
    epoch, p = divmod(position, total)
    lanes = max(1, min(lanes, total // window))
    lane, step = p % lanes, p // lanes
    begin = lane * (total // lanes) + min(lane, total % lanes)
    length = total // lanes + (lane < total % lanes)
    cuts = [0, max(1, window * (lane + 1) // lanes)]
    while cuts[-1] <= step:
        cuts.append(cuts[-1] + window)
    w = len(cuts) - 2
    size = min(cuts[-1], length) - cuts[-2]
    slot = begin + cuts[-2] + plain_permute(step - cuts[-2], size, plain_hash(2, seed, epoch, lane, w))
    for shard in sorted(range(len(shards)), key=lambda s: plain_absorb(plain_hash(1, seed, epoch), s)):
        if slot < shards[shard]:
            return shard, slot
        slot -= shards[shard]
    raise AssertionError("the slot lies behind the line")


def test_mix_and_hash() -> None:
    for given, wanted in VECTORS["mix"]:
        assert int(mix(np.array([number(given)], np.uint64))[0]) == plain_mix(number(given)) == number(wanted)
    for given, wanted in VECTORS["H"]:
        assert int(hashed(*given)) == plain_hash(*given) == number(wanted)


@pytest.mark.parametrize("vector", VECTORS["permute"])
def test_permute(vector) -> None:
    n, key = vector["n"], vector["key"]
    assert permute(np.arange(n), np.full(n, n), np.full(n, key, np.uint64)).tolist() == vector["places"]
    assert [plain_permute(j, n, key) for j in range(n)] == vector["places"]


@pytest.mark.parametrize("vector", VECTORS["order"])
def test_order(vector) -> None:
    how = {name: vector[name] for name in ("seed", "lanes", "window")}
    positions = vector["from"] + np.arange(len(vector["samples"]))
    shard, index = Order(vector["shards"], **how).positions(positions)
    assert [list(pair) for pair in zip(shard.tolist(), index.tolist(), strict=True)] == vector["samples"]
    assert [list(plain_sample(vector["shards"], **how, position=int(p))) for p in positions] == vector["samples"]


def test_the_module_is_the_page_on_larger_sets_too() -> None:
    shards = [700, 1, 450, 999, 3, 820]
    order = Order(shards, seed=-5, lanes=6, window=100)
    positions = np.arange(0, 3 * sum(shards), 37)
    found = zip(*(part.tolist() for part in order.positions(positions)), strict=True)
    assert list(found) == [plain_sample(shards, -5, 6, 100, int(p)) for p in positions]


@pytest.mark.parametrize("vector", VECTORS["replacement"])
def test_replacement(vector) -> None:
    order = Order(vector["shards"], seed=vector["seed"], lanes=vector["lanes"], window=vector["window"])
    count = order.replacements(vector["position"])
    found = [list(order.replacement(vector["position"], attempt)) for attempt in range(1, count + 1)]
    assert found == vector["samples"]


@pytest.mark.parametrize("vector", VECTORS["draws"])
def test_draws(vector) -> None:
    raw = Draws(vector["seed"]).at(vector["position"]).bit_generator.random_raw(len(vector["raw"]))
    wanted = [number(value) for value in vector["raw"]]
    assert [int(value) for value in raw] == wanted
    fresh = np.random.Philox(key=[plain_hash(4, vector["seed"]), 0], counter=[0, 0, vector["position"], 0])
    assert [int(value) for value in fresh.random_raw(len(wanted))] == wanted


def test_the_page_names_what_the_code_allows() -> None:
    assert f"`{' '.join(KINDS)}`" in PAGE
    assert f"`{' '.join(PICKLES)}`" in PAGE
    assert f"seed={ORDER_SEED:#x}" in PAGE
    assert f"`L` = {LANES}, window `W` = {WINDOW:,}" in PAGE
