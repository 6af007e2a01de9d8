"""The order of samples: every one exactly once an epoch, on any ranks and workers, from any place."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from endoshards.order import LANES, WINDOW, Draws, Order, absorb, hashed, mix, permute

SIZES = st.one_of(
    st.lists(st.integers(1, 12), min_size=1, max_size=12),
    st.lists(st.integers(1, 90), min_size=1, max_size=40),
    st.lists(st.just(1), min_size=1, max_size=30),
)
SEEDS = st.integers(-(2**70), 2**70)
LANE_COUNTS = st.sampled_from([1, 2, 5, 6, 48, 240])
WINDOWS = st.sampled_from([1, 2, 3, 7, 16, 100, 2048])


def slots(order: Order, sizes: list[int], positions: np.ndarray) -> np.ndarray:
    """Positions as numbers 0 … N - 1 of samples in the index's order."""
    shard, index = order.positions(positions)
    assert shard.dtype == index.dtype == np.int64
    assert (index >= 0).all()
    assert (index < np.asarray(sizes)[shard]).all()
    return (np.cumsum(sizes) - sizes)[shard] + index


@given(sizes=SIZES, seed=SEEDS, lanes=LANE_COUNTS, window=WINDOWS, epoch=st.integers(0, 10**6))
@example(sizes=[7, 1, 6], seed=0, lanes=5, window=2, epoch=0)  # L does not divide N, a shard of one sample
@example(sizes=[1], seed=0, lanes=48, window=2048, epoch=3)
def test_each_sample_comes_exactly_once_an_epoch(sizes, seed, lanes, window, epoch) -> None:
    order = Order(sizes, seed=seed, lanes=lanes, window=window)
    total = sum(sizes)
    assert order.total == total
    seen = slots(order, sizes, np.arange(total) + epoch * total)
    assert sorted(seen) == list(range(total))


@given(data=st.data(), sizes=SIZES, seed=SEEDS, lanes=LANE_COUNTS, window=WINDOWS)
def test_any_slice_alone_is_the_slice_of_the_whole(data, sizes, seed, lanes, window) -> None:
    total = sum(sizes)
    whole = slots(Order(sizes, seed=seed, lanes=lanes, window=window), sizes, np.arange(3 * total + 5))
    begin = data.draw(st.integers(0, 3 * total))
    end = data.draw(st.integers(begin, 3 * total + 5))
    step = data.draw(st.integers(1, 7))
    wanted = np.arange(begin, end, step)
    # A new object that has never seen another position, and positions asked for backwards.
    assert (slots(Order(sizes, seed=seed, lanes=lanes, window=window), sizes, wanted) == whole[wanted]).all()
    assert (
        slots(Order(sizes, seed=seed, lanes=lanes, window=window), sizes, wanted[::-1]) == whole[wanted][::-1]
    ).all()


@given(
    data=st.data(),
    sizes=SIZES,
    seed=SEEDS,
    lanes=LANE_COUNTS,
    window=WINDOWS,
    batch=st.integers(1, 9),
)
def test_a_job_killed_and_resumed_on_other_ranks_and_workers_trains_on_the_same_batches(
    data, sizes, seed, lanes, window, batch
) -> None:
    """The state is one number. Legs of the job differ in ranks and workers, and cross epoch borders."""
    total = sum(sizes)
    length = 2 * total + data.draw(st.integers(1, 20))
    whole = slots(Order(sizes, seed=seed, lanes=lanes, window=window), sizes, np.arange(length + 400))
    trained: list[int] = []
    while len(trained) < length:
        ranks, workers = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 3))
        order = Order(sizes, seed=seed, lanes=lanes, window=window)
        for _ in range(data.draw(st.integers(1, 6), label="steps before the kill")):
            start = len(trained)
            positions = start + np.arange(batch * ranks)
            step = np.empty(batch * ranks, np.int64)
            for rank in range(ranks):
                mine = positions[rank::ranks]
                for worker in range(workers):
                    step[rank::ranks][worker::workers] = slots(order, sizes, mine[worker::workers])
            trained += step.tolist()
            if len(trained) >= length:
                break
    assert trained[:length] == whole[:length].tolist()


@given(sizes=SIZES, seed=st.integers(0, 99), lanes=LANE_COUNTS, window=WINDOWS, place=st.integers(0, 10**6))
def test_the_replacements_of_a_position_are_all_other_samples_its_window_first(
    sizes, seed, lanes, window, place
) -> None:
    order = Order(sizes, seed=seed, lanes=lanes, window=window)
    total = sum(sizes)
    starts = np.cumsum(sizes) - sizes
    (own,) = slots(order, sizes, np.asarray([place]))
    others = [order.replacement(place, attempt) for attempt in range(1, order.replacements(place) + 1)]
    numbers = [int(starts[shard]) + index for shard, index in others]
    assert own not in numbers
    in_window = len(numbers) - (total - 1)
    assert len(set(numbers[:in_window])) == in_window < max(window, 1)
    assert sorted(numbers[in_window:]) == [number for number in range(total) if number != own]
    assert others == [order.replacement(place, attempt) for attempt in range(1, len(others) + 1)]


def test_a_replacement_beyond_the_last_is_refused_with_the_range() -> None:
    order = Order([3], seed=0)
    with pytest.raises(ValueError, match="attempt is 5; 1 to 4 is possible"):
        order.replacement(0, 5)
    assert Order([1], seed=0).replacements(0) == 0


@given(size=st.integers(1, 300), key=st.integers(0, 2**64 - 1))
def test_permute_is_a_bijection_for_each_size_and_key(size, key) -> None:
    steps = np.arange(size)
    out = permute(steps, np.full(size, size), np.full(size, key, np.uint64))
    assert sorted(out) == list(range(size))


@pytest.mark.parametrize("size", [100, 1000, 2048])
def test_where_a_sample_lands_is_uniform_over_keys(size) -> None:
    keys = mix(np.arange(40_000, dtype=np.uint64))
    for step in (0, 1, size - 1):
        out = permute(np.full(keys.size, step), np.full(keys.size, size), keys)
        counts = np.bincount(out, minlength=size)
        expected = keys.size / size
        chi = ((counts - expected) ** 2 / expected).sum() / (size - 1)
        assert 0.7 < chi < 1.3


def test_epochs_and_seeds_give_other_orders_also_where_their_sums_agree() -> None:
    sizes = [10] * 30
    orders = [
        tuple(slots(Order(sizes, seed=seed), sizes, np.arange(300) + 300 * epoch))
        for seed, epoch in ((7, 0), (7, 1), (8, 0), (6, 1), (-7, 0))
    ]
    assert len(set(orders)) == len(orders)


def test_neighbours_of_the_order_are_no_neighbours_of_the_shards() -> None:
    sizes = [2000] * 100
    seen = slots(Order(sizes, seed=3), sizes, np.arange(200_000))
    assert abs(np.corrcoef(seen[:-1], seen[1:])[0, 1]) < 0.05
    assert (np.abs(np.diff(seen)) < 10).mean() < 0.01


def test_a_set_smaller_than_a_window_is_shuffled_as_a_whole() -> None:
    sizes = [40]
    first = [int(slots(Order(sizes, seed=0), sizes, np.asarray([epoch * 40]))[0]) for epoch in range(400)]
    assert len(set(first)) == 40


def test_a_rank_touches_its_own_lanes_only_where_ranks_divide_lanes() -> None:
    lanes, ranks, window, shard = 48, 8, 256, 512
    sizes = [shard] * 480
    order = Order(sizes, seed=1, lanes=lanes, window=window)
    for rank in range(ranks):
        shards, _ = order.positions(np.arange(rank, order.total, ranks))
        # 480 / 8 of its own, and at most the two that each lane's ends cut.
        assert len(set(shards.tolist())) <= 480 // ranks + 2 * lanes // ranks


def test_few_shards_are_open_at_once() -> None:
    sizes = [1000] * 1000
    shards, _ = Order(sizes, seed=1).positions(np.arange(200_000, 210_000))
    assert len(set(shards.tolist())) <= LANES * (2 + (10_000 // LANES + WINDOW) // 1000 + 1)


@pytest.mark.parametrize("sizes", [[], [0], [3, 0], [-1]])
def test_a_set_with_an_empty_shard_is_refused(sizes) -> None:
    with pytest.raises(ValueError, match="every shard needs at least one sample"):
        Order(sizes, seed=0)


def test_lanes_and_window_below_one_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1; got 0 and 5"):
        Order([1], seed=0, lanes=0, window=5)


def test_memory_does_not_grow_with_samples() -> None:
    small, large = Order([10] * 100, seed=0), Order([10**9] * 100, seed=0)
    for order in (small, large):
        order.positions(np.arange(10))
    held = [
        sum(a.nbytes for line in o._lines.values() for a in (line.shards, line.ends, line.starts))
        for o in (small, large)
    ]
    assert held[0] == held[1]


def test_draws_depend_on_seed_and_position_alone() -> None:
    one, two = Draws(5), Draws(5)
    one.at(9).random(1000)
    one.at(9).integers(0, 7, 3)  # 32-bit halves left in the buffer must not leak into the next position
    first = one.at(10).random(4)
    assert (first == two.at(10).random(4)).all()
    assert not (first == two.at(11).random(4)).any()
    assert not (first == Draws(6).at(10).random(4)).any()


def test_mix_is_splitmix64() -> None:
    """The first outputs of SplitMix64 seeded with 1234567, as published with the reference code."""
    golden = 0x9E3779B97F4A7C15
    states = np.array([(1234567 + golden * k) % 2**64 for k in (1, 2, 3)], np.uint64)
    assert mix(states).tolist() == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_a_hash_takes_whole_numbers_of_any_size_and_sign() -> None:
    assert hashed(1, -1) == hashed(1, 2**64 - 1)
    assert hashed(1, 2, 3) == absorb(hashed(1, 2), np.array([3], np.uint64))[0]
    assert len({int(hashed(*numbers)) for numbers in ((1, 2, 3), (1, 3, 2), (2, 1, 3), (1, 2), (1, 2, 3, 0))}) == 5
