"""The engine: a unit that crashes, hangs or raises costs itself; what would hit every unit ends the command."""

from __future__ import annotations

import os

import pytest
from engine_work import work

from endocur.engine import Failure, map_units
from endoshards.errors import BadInput


def results(items: list[str], workers: int = 2, timeout_s: float = 60.0) -> dict[int, object]:
    return {index: value for index, value, _ in map_units(work, items, workers=workers, timeout_s=timeout_s)}


def test_each_item_gets_its_result_on_any_number_of_workers() -> None:
    items = [f"square {number}" for number in range(7)]
    expected = {number: number**2 for number in range(7)}
    assert results(items, workers=1) == expected
    assert results(items, workers=3) == expected


def test_a_worker_works_in_one_thread() -> None:
    assert results(["threads"]) == {0: 1}


def test_a_crash_a_bug_and_a_refusal_of_a_unit_leave_the_others_whole() -> None:
    items = ["square 2", "crash", "bug", "unit", "kill", "memory", "square 3"]
    found = results(items)
    assert (found[0], found[6]) == (4, 9)
    reasons = {items[index]: value.reason for index, value in found.items() if isinstance(value, Failure)}
    assert reasons == {
        "crash": "worker ended by signal 11",
        "kill": "worker ended by signal 9 (out of memory?)",
        "bug": "unexpected KeyError",
        "unit": "no frame can be decoded",
        "memory": "not enough memory for this input",
    }


def test_a_traceback_is_kept_apart_from_the_reason_for_it_may_hold_names() -> None:
    failure = results(["bug"])[0]
    assert isinstance(failure, Failure)
    assert "miller" in failure.detail and "miller" not in failure.reason


def test_a_worker_without_a_beat_is_ended_and_one_that_beats_is_not() -> None:
    found = results(["hang", "slow", "square 5"], workers=3, timeout_s=1.5)
    assert found[0] == Failure("no progress for 1.5 s; ended by the watchdog")
    assert (found[1], found[2]) == ("done", 25)


def test_an_endless_native_loop_is_ended_from_outside_and_costs_its_unit_only() -> None:
    found = {index: result for index, result, _ in map_units(work, ["native", "square 3"], workers=2, timeout_s=3)}
    assert found[1] == 9
    assert isinstance(found[0], Failure) and "ended by the watchdog" in found[0].reason


def test_the_seconds_of_each_unit_are_told() -> None:
    took = {index: seconds for index, _, seconds in map_units(work, ["slow", "square 1"], workers=1, timeout_s=60)}
    assert took[0] > 2.4 > took[1]


def test_work_done_is_reported_as_it_happens() -> None:
    done: list[int] = []
    list(map_units(work, ["square 1", "square 2"], workers=1, timeout_s=60, progress=done.append))
    assert sum(done) == 4


@pytest.mark.parametrize(("word", "kind"), [("full", OSError), ("refuse", BadInput)])
def test_what_would_hit_every_unit_ends_all(word: str, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        results([word, "square 1"], workers=1)


def test_workers_serve_several_units_and_are_renewed() -> None:
    pids = list(results(["pid"] * 40, workers=1).values())
    assert len(set(pids)) == 2  # 32 units, then a fresh one
    assert os.getpid() not in pids


def test_nothing_to_do_starts_nothing() -> None:
    assert results([]) == {}
