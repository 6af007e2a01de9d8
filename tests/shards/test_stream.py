"""The stream: same content on any threads, ranks and resumes; safe buffers; bad samples; ends that do not hang."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import simplejpeg

import endoshards.stream
from endoshards.errors import BadInput
from endoshards.index import open_set
from endoshards.order import Order
from endoshards.stream import Bad, Stream

OUT = {"image": ((24, 32, 3), np.uint8), "draw": ((), np.float64), "length": ((1,), np.int64)}


def fill(sample, generator, row) -> None:
    simplejpeg.decode_jpeg(sample.members["jpg"], buffer=row["image"])
    row["draw"][...] = generator.random()
    row["length"][0] = len(sample.key)


def stream(shards, **more) -> Stream:
    asked = {"out": OUT, "batch": 6, "seed": 11, "extensions": ["jpg"], "fill": fill} | more
    return Stream(shards, asked.pop("fill"), **asked)


def taken(source: Stream, steps: int) -> list[tuple]:
    """(positions, keys, arrays) of the next steps, copied."""
    with source:
        found = []
        for _ in range(steps):
            batch = next(source)
            found.append((batch.positions.tolist(), batch.keys, {k: v.copy() for k, v in batch.arrays.items()}))
    return found


def same(one: list[tuple], other: list[tuple]) -> bool:
    return len(one) == len(other) and all(
        a[:2] == b[:2] and all((a[2][name] == b[2][name]).all() for name in a[2])
        for a, b in zip(one, other, strict=True)
    )


def test_a_batch_holds_the_samples_of_the_order_decoded(shared_set) -> None:
    order = Order([shard.samples for shard in shared_set.shards], seed=11)
    for number, (positions, keys, arrays) in enumerate(taken(stream(shared_set), 20)):  # three epochs of 40
        assert positions == list(range(6 * number, 6 * number + 6))
        shard, index = order.positions(np.asarray(positions))
        assert keys == [shared_set.keys(s)[i] for s, i in zip(shard, index, strict=True)]
        for row, key in enumerate(keys):
            (s, i) = int(shard[row]), int(index[row])
            assert (arrays["image"][row] == simplejpeg.decode_jpeg(shared_set.read(s, i).members["jpg"])).all()
            assert arrays["length"][row] == len(key)


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("prefetch", [1, 3])
def test_threads_and_prefetch_change_nothing(shared_set, threads, prefetch) -> None:
    assert same(
        taken(stream(shared_set, threads=threads, prefetch=prefetch), 15), taken(stream(shared_set, threads=2), 15)
    )


def test_ranks_divide_the_batches_of_one(shared_set) -> None:
    whole = taken(stream(shared_set, batch=12), 8)
    for ranks in (2, 3):
        parts = [taken(stream(shared_set, batch=12 // ranks, rank=rank, ranks=ranks), 8) for rank in range(ranks)]
        for step, (positions, keys, arrays) in enumerate(whole):
            for rank in range(ranks):
                assert parts[rank][step][0] == positions[rank::ranks]
                assert parts[rank][step][1] == keys[rank::ranks]
                for name, array in arrays.items():
                    assert (parts[rank][step][2][name] == array[rank::ranks]).all()


def test_a_stream_goes_on_from_samples_seen_whatever_was_prefetched(shared_set) -> None:
    whole = taken(stream(shared_set, batch=4), 12)
    first = stream(shared_set, batch=4, prefetch=3)
    begun = taken(first, 5)
    assert first.samples_seen == 20
    assert same(begun + taken(stream(shared_set, batch=4, start=first.samples_seen, threads=1), 7), whole)
    # On two ranks the count is of all of them.
    half = stream(shared_set, batch=2, rank=1, ranks=2, start=20)
    taken(half, 3)
    assert half.samples_seen == 32


def test_one_array_may_be_asked_for_by_shape_and_type_alone(shared_set) -> None:
    def only(sample, generator, row) -> None:
        simplejpeg.decode_jpeg(sample.members["jpg"], buffer=row["image"])

    with stream(shared_set, out=((24, 32, 3), np.uint8), fill=only) as source:
        assert list(next(source).arrays) == ["image"]


@pytest.mark.parametrize("prefetch", [1, 2, 4])
def test_a_batch_is_not_overwritten_until_the_prefetchth_after_it_is_asked_for(shared_set, prefetch) -> None:
    with stream(shared_set, prefetch=prefetch, threads=4, batch=3) as source:
        held: list[tuple] = []
        for _ in range(12):
            batch = next(source)
            held = [*held, (batch.arrays["draw"], batch.arrays["draw"].copy())][-prefetch:]
            time.sleep(0.01)  # time enough for the threads to fill all they may
            for array, copy in held:
                assert (array == copy).all()


# --- bad samples ---------------------------------------------------------------------------------------------------


def break_samples(folder: Path, places: list[tuple[int, int]]) -> list[str]:
    """Flip a bit of the JPEG at each (shard, index); gives the keys."""
    keys = []
    shards = open_set(folder)
    for shard, index in places:
        path = folder / shards.shards[shard].name
        data = bytearray(path.read_bytes())
        data[int(shards.members(shard).offsets[index, 0]) + 40] ^= 1
        path.write_bytes(bytes(data))
        keys.append(shards.keys(shard)[index])
    return keys


def test_a_bad_sample_is_replaced_named_and_shifts_nothing(maker) -> None:
    folder = maker.write()
    whole = taken(stream(open_set(folder), batch=8), 5)
    (broken,) = break_samples(folder, [(2, 1)])
    source = stream(open_set(folder), batch=8)
    order = Order([shard.samples for shard in open_set(folder).shards], seed=11)
    for (positions, keys, arrays), (_, keys_before, arrays_before) in zip(taken(source, 5), whole, strict=True):
        for row, (position, key, before) in enumerate(zip(positions, keys, keys_before, strict=True)):
            if before == broken:
                shard, index = order.replacement(position, 1)
                assert key == open_set(folder).keys(shard)[index]
            else:
                assert key == before
                assert (arrays["image"][row] == arrays_before["image"][row]).all()
            # The draws are the position's, whatever sample stands there.
            assert arrays["draw"][row] == arrays_before["draw"][row]
    assert len(source.bad) == 1
    (bad,) = source.bad
    assert (bad.key, bad.shard) == (broken, "shard-000002.tar")
    assert "does not have its checksum" in bad.reason


def test_a_replacement_that_is_bad_too_is_replaced_by_the_next_and_a_resume_chooses_the_same(maker) -> None:
    folder = maker.write()
    shards = open_set(folder)
    order = Order([shard.samples for shard in shards.shards], seed=11)
    shard, index = (int(found[0]) for found in order.positions(np.asarray([13])))
    break_samples(folder, [(shard, index), order.replacement(13, 1)])
    shard, index = order.replacement(13, 2)
    one = taken(stream(open_set(folder), batch=1, start=13), 1)
    assert one[0][1] == [shards.keys(shard)[index]]
    assert same(taken(stream(open_set(folder), batch=1, start=10), 4)[3:], one)


def test_value_error_of_fill_marks_the_sample_bad(shared_set) -> None:
    dark = {shared_set.keys(0)[0], shared_set.keys(3)[2]}

    def picky(sample, generator, row) -> None:
        if sample.key in dark:
            raise ValueError("too dark")
        fill(sample, generator, row)

    source = stream(shared_set, fill=picky, batch=8)
    keys = [key for _, names, _ in taken(source, 5) for key in names]
    assert not dark & set(keys)
    assert {bad.key for bad in source.bad} == dark
    assert {bad.reason for bad in source.bad} == {"too dark"}
    assert [bad.position for bad in source.bad] == sorted(bad.position for bad in source.bad)


def test_more_bad_samples_than_allowed_stop_the_stream_with_the_first_named(maker) -> None:
    folder = maker.write()
    keys = break_samples(folder, [(0, 0), (1, 0), (2, 0)])
    source = stream(open_set(folder), batch=8, max_bad=2)
    with pytest.raises(BadInput, match="3 samples could not be read, 2 are allowed; first: ") as caught, source:
        for _ in range(5):
            next(source)
    assert all(key in str(caught.value) for key in keys)
    assert isinstance(source.bad[0], Bad)
    with pytest.raises(RuntimeError, match="the stream is closed"):
        next(source)


def test_a_set_without_one_readable_sample_ends_in_an_error(maker) -> None:
    def never(sample, generator, row) -> None:
        raise ValueError("no")

    shards = maker.open()
    with pytest.raises(BadInput, match=r"no sample of .+ can be read: "), stream(shards, fill=never) as source:
        next(source)
    with (
        pytest.raises(BadInput, match="4 samples could not be read, 3 are"),
        stream(shards, fill=never, max_bad=3) as source,
    ):
        next(source)
    single = maker.open(name="one", count=1)
    with pytest.raises(BadInput, match=r"no sample of .+ can be read: "), stream(single, fill=never) as source:
        next(source)


def test_a_shard_cut_meanwhile_stops_the_stream_and_is_named(maker) -> None:
    folder = maker.write()
    shards = open_set(folder)
    os.truncate(folder / "shard-000002.tar", 100)
    with pytest.raises(BadInput, match=r"shard-000002\.tar is truncated"), stream(shards) as source:
        for _ in range(20):
            next(source)


# --- ends ----------------------------------------------------------------------------------------------------------


def test_a_bug_in_fill_surfaces_where_the_batch_is_asked_for_not_before(shared_set) -> None:
    def wrong(sample, generator, row) -> None:
        if generator.random() == draw_of_position_20:
            raise ZeroDivisionError("a bug")
        row["draw"][...] = 1

    with stream(shared_set, batch=1, start=20) as source:
        draw_of_position_20 = float(next(source).arrays["draw"][0])
    with stream(shared_set, fill=wrong, prefetch=8, threads=3) as source:
        for _ in range(3):
            next(source)
        with pytest.raises(ZeroDivisionError, match="a bug"):
            next(source)


def test_even_the_end_of_a_thread_does_not_hang_the_consumer(shared_set) -> None:
    def leaves(sample, generator, row) -> None:
        raise SystemExit(3)

    with pytest.raises(SystemExit), stream(shared_set, fill=leaves) as source:
        next(source)


def stream_threads() -> int:
    return sum(thread.name.startswith("stream-") for thread in threading.enumerate())


def test_close_ends_the_threads_twice_and_while_all_wait_or_work(shared_set) -> None:
    for steps in (0, 1, 4):
        source = stream(shared_set, threads=3)
        for _ in range(steps):
            next(source)
        source.close()
        source.close()
        assert stream_threads() == 0


def test_close_from_another_thread_wakes_a_waiting_consumer(shared_set) -> None:
    go_on = threading.Event()

    def slow(sample, generator, row) -> None:
        go_on.wait(20)

    source = stream(shared_set, fill=slow)
    threading.Timer(0.1, source.close).start()
    begin = time.monotonic()
    with pytest.raises(RuntimeError, match="closed"):
        next(source)
    assert time.monotonic() - begin < 4
    go_on.set()
    source.close()
    assert source.wait_s > 0.05


def test_close_does_not_wait_for_a_fill_that_never_returns(shared_set, monkeypatch) -> None:
    monkeypatch.setattr(endoshards.stream, "JOIN_S", 0.2)
    go_on, begun = threading.Event(), threading.Event()

    def stuck(sample, generator, row) -> None:
        begun.set()
        go_on.wait(30)

    source = stream(shared_set, fill=stuck, threads=4)
    assert begun.wait(10)
    begin = time.monotonic()
    source.close()
    assert time.monotonic() - begin < 2
    go_on.set()
    source.close()


def test_a_forgotten_stream_ends_its_threads(shared_set) -> None:
    source = stream(shared_set)
    next(source)
    del source
    gc.collect()
    until = time.monotonic() + 10
    while stream_threads() and time.monotonic() < until:
        time.sleep(0.01)
    assert stream_threads() == 0


def test_a_program_that_forgets_to_close_ends_and_loads_neither_torch_nor_cv2(shared_set) -> None:
    code = f"""
import sys
from pathlib import Path
from endoshards.index import open_set
from endoshards.stream import Stream
def fill(sample, generator, row):
    row["image"][...] = len(sample.members["jpg"])
shards = open_set(Path({str(shared_set.folder)!r}))
source = Stream(shards, fill, out=((), "int64"), batch=4, seed=1, extensions=["jpg"])
print(next(source).arrays["image"].tolist())
print(sorted({{"torch", "cv2", "PIL", "webdataset", "scipy", "pandas"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    numbers, loaded = done.stdout.splitlines()
    assert min(json.loads(numbers)) > 100
    assert loaded == "[]"
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"batch": 0}, "batch is 0; at least 1"),
        ({"start": -1}, "start is -1; at least 0"),
        ({"rank": 2, "ranks": 2}, "rank is 2; 0 to 1"),
        ({"threads": 0}, "threads is 0"),
        ({"out": {}}, "out names no array"),
    ],
)
def test_arguments_out_of_range_are_named(shared_set, more, text) -> None:
    with pytest.raises(ValueError, match=text):
        stream(shared_set, **more)


def test_a_member_the_set_does_not_have_is_refused_at_once(shared_set) -> None:
    with pytest.raises(BadInput, match=r"have no member \.cls"):
        stream(shared_set, extensions=["cls"])
