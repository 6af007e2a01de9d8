"""What does finding samples cost far inside a large set, in time and memory, and what does resuming there cost?

10^8 samples in 50,000 shards; 1,024 positions at 5 * 10^7. Beside it, what a loader does that keeps a shuffled
table of all samples.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from statistics import median

import numpy as np
from form import Figure, finish, interleaved, options

from endoshards.order import Order

SHARDS, SAMPLES = 50_000, 10**8
SIZES = [SAMPLES // SHARDS] * SHARDS
WANTED = 1024
MIDDLE = np.arange(SAMPLES // 2, SAMPLES // 2 + WANTED)
BLOCK = 4096


def milliseconds(rounds: list[tuple[float, float]], calls: int) -> tuple[float, str]:
    """Median wall-clock milliseconds of a call, and the spread."""
    each = [wall / calls * 1e3 for _, wall in rounds]
    return median(each), f"rounds {min(each):.3g} to {max(each):.3g} ms"


def held(call: Callable[[], object]) -> float:
    """Megabytes that what `call` gives keeps in memory."""
    tracemalloc.start()
    kept = call()
    size = tracemalloc.get_traced_memory()[0] / 1e6
    tracemalloc.stop()
    del kept
    return size


def main() -> None:
    said = options(__doc__)
    table_samples = 10**7
    warm = Order(SIZES, seed=7)
    warm.positions(MIDDLE[:1])
    calls = 20

    def again() -> None:
        for number in range(calls):
            warm.positions(MIDDLE + number * WANTED)

    def resumed_at(positions: np.ndarray) -> Callable[[], Order]:
        def resume() -> Order:
            order = Order(SIZES, seed=7)
            order.positions(positions)
            return order

        return resume

    def many() -> None:
        for number in range(calls):
            warm.positions(np.arange(number * BLOCK, (number + 1) * BLOCK))

    sides: dict[str, Callable[[], object]] = {
        "again": again,
        "middle": resumed_at(MIDDLE),
        "begin": resumed_at(MIDDLE - MIDDLE[0]),
        "many": many,
        "table": lambda: np.random.default_rng(7).permutation(table_samples),
    }
    times = interleaved(sides, 3 if said.quick else 9)
    again_ms, again_spread = milliseconds(times["again"], calls)
    middle_ms, middle_spread = milliseconds(times["middle"], 1)
    begin_ms, _ = milliseconds(times["begin"], 1)
    many_ms, _ = milliseconds(times["many"], calls)
    table_ms, _ = milliseconds(times["table"], 1)
    scale = SAMPLES / table_samples
    figures = [
        Figure("positions_1024", again_ms, goal=5.0, better="lower", unit="ms", note=again_spread),
        Figure("resume_in_the_middle", middle_ms, goal=50.0, better="lower", unit="ms", note=middle_spread),
        Figure("resume_middle_over_begin", middle_ms / begin_ms, goal=1.5, better="lower"),
        Figure("positions_a_second", BLOCK / many_ms * 1e3, unit="1/s", note=f"blocks of {BLOCK}"),
        Figure("memory", held(resumed_at(MIDDLE)), goal=8.0, better="lower", unit="MB"),
        Figure(
            "table_of_all_samples",
            table_ms * scale,
            unit="ms",
            note=f"numpy permutation of {table_samples:,} times {scale:.0f}; it would keep {8 * SAMPLES // 10**6} MB",
        ),
    ]
    finish("order_cost", figures, said, note=f"{SAMPLES:,} samples in {SHARDS:,} shards, position {int(MIDDLE[0]):,}.")


if __name__ == "__main__":
    main()
