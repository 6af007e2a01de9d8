"""The table of all frames, and the chain of decisions: fresh or stale, and sums that add up."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from drawn_corpus import add_unit, canvas, look, make_corpus, source_id
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from endocur import packs, tables
from endocur.corpus import Corpus, unit_markers, write_marker
from endocur.quality.scores import BLANK
from endocur.quality.table import write_scores
from endoshards.errors import BadInput

FRAMES = [look(canvas(1), x=20 * step, side=64) for step in range(6)]


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    """Two videos of three frames each."""
    made = make_corpus(tmp_path / "corpus")
    add_unit(made, "b", FRAMES[:3])
    add_unit(made, "a", FRAMES[3:], chapters=2)
    return made


def decide(corpus: Corpus, stage: str, keep: dict[str, bool], reason: str = "because", config: str = "") -> None:
    rows = pa.table(
        {
            "frame_id": pa.array(list(keep), pa.string()),
            "keep": pa.array(list(keep.values()), pa.bool_()),
            "reason": pa.array(["" if kept else reason for kept in keep.values()], pa.string()),
            "evidence": pa.array([f"{name} says so" for name in keep], pa.string()),
        }
    )
    tables.write_decisions(corpus, stage, rows, tables.stage_fingerprint(corpus, stage, {"config": config}))


def ids(corpus: Corpus) -> list[str]:
    return tables.frames(corpus, ["frame_id"])["frame_id"].to_pylist()


# ---------------------------------------------------------------- frames


def test_frames_are_all_rows_with_scores_in_time_order(corpus: Corpus) -> None:
    table = tables.frames(corpus)
    assert table.column_names == packs.TABLE_COLUMNS.names
    names = table["frame_id"].to_pylist()
    assert names == sorted(names) and len(names) == 6
    assert table["quality"].null_count == 0 and set(table["score_version"].to_pylist()) == {"1"}
    assert tables.frames(corpus, ["quality", "unit"]).equals(table.select(["quality", "unit"]))


def test_a_corpus_without_units_has_a_table_without_rows(tmp_path: Path) -> None:
    empty = make_corpus(tmp_path / "corpus")
    assert len(tables.frames(empty)) == 0 and tables.frames(empty, ["unit"]).column_names == ["unit"]
    assert len(tables.verdict(empty)) == 0 and tables.funnel(empty) == []


def test_a_unit_without_its_marker_does_not_exist(corpus: Corpus) -> None:
    (corpus.units / f"{source_id('a')}.json").unlink()
    assert all(name.startswith(source_id("b")) for name in ids(corpus)) and len(ids(corpus)) == 3


def test_a_new_unit_is_in_the_table_at_the_next_look(corpus: Corpus) -> None:
    before = ids(corpus)
    added = add_unit(corpus, "c", FRAMES[:2])
    assert ids(corpus) == sorted(before + added)


def test_a_frame_that_came_in_two_units_counts_once(corpus: Corpus) -> None:
    """The same picture in two batches of stills: its second marker lists it again."""
    marker = next(marker for marker in unit_markers(corpus) if marker.name == source_id("a"))
    for k in range(2):
        for folder, suffix in ((corpus.frames, "parquet"), (corpus.scores, "parquet")):
            shutil.copy(folder / f"{marker.name}.{k:03d}.{suffix}", folder / f"{'e' * 16}.{k:03d}.{suffix}")
    write_marker(corpus, replace(marker, name="e" * 16))
    assert len(ids(corpus)) == 6 == len(set(ids(corpus)))


def test_the_packs_have_the_same_bytes_whichever_unit_came_first(tmp_path: Path) -> None:
    found = []
    for order in ("abc", "cba"):
        corpus = make_corpus(tmp_path / order)
        for name in order:
            add_unit(corpus, name, [FRAMES["abc".index(name)]])
            packs.update_packs(corpus)
        found.append({path.name: path.read_bytes() for path in sorted(corpus.tables.iterdir())})
    assert found[0] == found[1]


def test_only_the_packs_of_changed_units_are_written_again(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packs, "PACK_ROWS", 2)
    before = {path: path.stat().st_ino for path in packs.update_packs(corpus)}
    assert len(before) == 2, "two units, two of sixteen packs"
    assert packs.update_packs(corpus) == list(before)
    assert {path: path.stat().st_ino for path in before} == before
    one = next(marker for marker in unit_markers(corpus) if marker.name == source_id("a"))
    write_marker(corpus, replace(one, fingerprint="0" * 16))
    after = {path: path.stat().st_ino for path in packs.update_packs(corpus)}
    assert sum(after[path] != before[path] for path in before) == 1
    assert len(ids(corpus)) == 6


def test_packs_of_another_split_are_removed(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = tables.frames(corpus)
    monkeypatch.setattr(packs, "PACK_ROWS", 2)
    assert tables.frames(corpus).equals(whole)
    assert not (corpus.tables / "frames.parquet").exists()
    monkeypatch.undo()
    assert tables.frames(corpus).equals(whole)
    assert [path.name for path in corpus.tables.iterdir()] == ["frames.parquet"]


def test_new_groups_change_the_table_and_no_frame_file(corpus: Corpus) -> None:
    before = {path: path.read_bytes() for path in corpus.frames.iterdir()}
    marker = next(marker for marker in unit_markers(corpus) if marker.name == source_id("a"))
    write_marker(corpus, replace(marker, inputs=(replace(marker.inputs[0], group="patient7"),)))
    groups = tables.frames(corpus, ["unit", "group_id"]).to_pylist()
    assert {row["group_id"] for row in groups if row["unit"] == marker.name} == {"patient7"}
    assert {row["group_id"] for row in groups if row["unit"] != marker.name} == {source_id("b")}
    assert {path: path.read_bytes() for path in corpus.frames.iterdir()} == before


def test_scores_of_other_frames_are_refused(corpus: Corpus) -> None:
    name = source_id("b")
    write_scores(corpus.scores / f"{name}.000.parquet", [(f"x-{k}", BLANK) for k in range(3)])
    with pytest.raises(BadInput, match=r"belongs to other frames than .* run: endocur score"):
        tables.frames(corpus)


def test_missing_scores_are_refused_with_the_command_that_makes_them(corpus: Corpus) -> None:
    (corpus.scores / f"{source_id('b')}.000.parquet").unlink()
    with pytest.raises(BadInput, match="make it anew: endocur score"):
        tables.frames(corpus)


# ---------------------------------------------------------------- decisions


def test_decisions_are_kept_sorted_with_their_fingerprint_and_equal_bytes(corpus: Corpus) -> None:
    names = ids(corpus)
    decide(corpus, "filter", dict.fromkeys(reversed(names), True))
    path = corpus.decisions / "filter.parquet"
    first = path.read_bytes()
    decide(corpus, "filter", dict.fromkeys(names, True))
    assert path.read_bytes() == first
    table = tables.read_decisions(corpus, "filter")
    assert table is not None and table["frame_id"].to_pylist() == names
    assert tables.decided_with(corpus, "filter") == tables.stage_fingerprint(corpus, "filter", {"config": ""})
    assert tables.read_decisions(corpus, "dedup") is None and tables.decided_with(corpus, "dedup") is None


def test_an_unknown_stage_is_our_own_mistake(corpus: Corpus) -> None:
    with pytest.raises(ValueError, match="'filtre' is no stage; the stages are privacy, filter, leaks"):
        tables.read_decisions(corpus, "filtre")


def test_damaged_decisions_are_named(corpus: Corpus) -> None:
    decide(corpus, "filter", dict.fromkeys(ids(corpus), True))
    (corpus.decisions / "filter.parquet").write_bytes(b"PAR1")
    assert tables.stale(corpus, before="filter") == [], "what comes before the damage does not read it"
    for read in (lambda: tables.read_decisions(corpus, "filter"), lambda: tables.stale(corpus)):
        with pytest.raises(BadInput, match=r"filter\.parquet is damaged; decide anew: endocur filter --corpus"):
            read()


def test_nothing_decided_is_fresh(corpus: Corpus) -> None:
    assert tables.stale(corpus) == []
    tables.require_fresh(corpus)


def test_another_filter_makes_dedup_stale_and_names_the_command(corpus: Corpus) -> None:
    names = ids(corpus)
    decide(corpus, "filter", dict.fromkeys(names, True))
    decide(corpus, "dedup", dict.fromkeys(names, True))
    assert tables.stale(corpus) == []
    decide(corpus, "filter", dict.fromkeys(names, True), config="stricter")
    assert tables.stale(corpus) == ["dedup"]
    with pytest.raises(BadInput) as refused:
        tables.require_fresh(corpus)
    assert str(refused.value) == (
        f"frames, scores or an earlier stage changed after dedup ran on {corpus.root}, "
        f"so what was decided no longer holds; run: endocur dedup --corpus {corpus.root}"
    )
    assert refused.value.exit_code == 3
    tables.require_fresh(corpus, before="dedup")
    decide(corpus, "dedup", dict.fromkeys(names, True))
    assert tables.stale(corpus) == []


def test_new_frames_make_every_stage_stale_in_order(corpus: Corpus) -> None:
    for stage in ("filter", "dedup"):
        decide(corpus, stage, dict.fromkeys(ids(corpus), True))
    add_unit(corpus, "c", FRAMES[:1])
    assert tables.stale(corpus) == ["filter", "dedup"]
    with pytest.raises(BadInput, match=r"run: endocur filter --corpus .* && endocur dedup --corpus .*corpus$"):
        tables.require_fresh(corpus)
    with pytest.raises(BadInput, match="after filter ran"):
        tables.require_fresh(corpus, before="dedup")


def test_new_scores_make_the_filter_stale_and_the_same_scores_do_not(corpus: Corpus) -> None:
    decide(corpus, "filter", dict.fromkeys(ids(corpus), True))
    path = corpus.scores / f"{source_id('b')}.000.parquet"
    rows = pq.read_table(path)
    pq.write_table(rows, path)
    assert tables.stale(corpus) == []
    pq.write_table(rows.replace_schema_metadata({"score_version": "next"}), path)
    assert tables.stale(corpus) == ["filter"]


def test_the_command_that_decides_the_same_again_is_kept(corpus: Corpus) -> None:
    names = ids(corpus)
    rows = pa.table({"frame_id": names, "keep": [True] * 6, "reason": [""] * 6, "evidence": [""] * 6})
    tables.write_decisions(corpus, "filter", rows, "f" * 16, command="endocur filter --min-quality 0.7")
    add_unit(corpus, "c", FRAMES[:1])
    with pytest.raises(BadInput, match=r"run: endocur filter --min-quality 0\.7 --corpus"):
        tables.require_fresh(corpus)


# ---------------------------------------------------------------- verdict and funnel


def test_the_first_stage_that_drops_a_frame_is_named(corpus: Corpus) -> None:
    a, b, c, d, e, f = ids(corpus)
    decide(corpus, "filter", {a: False, b: True, c: True, d: True, e: True, f: True}, "quality")
    decide(corpus, "dedup", {b: False, c: True, d: True, e: True, f: True}, "duplicate")
    rows = {row["frame_id"]: row for row in tables.verdict(corpus).to_pylist()}
    assert rows[a] == {
        "frame_id": a,
        "keep": False,
        "stage": "filter",
        "reason": "quality",
        "evidence": f"{a} says so",
    }
    assert (rows[b]["stage"], rows[b]["reason"]) == ("dedup", "duplicate")
    assert rows[c] == {"frame_id": c, "keep": True, "stage": "", "reason": "", "evidence": ""}
    assert tables.funnel(corpus) == [
        {"stage": "filter", "seen": 6, "kept": 5, "dropped": {"quality": 1}},
        {"stage": "dedup", "seen": 5, "kept": 4, "dropped": {"duplicate": 1}},
    ]
    assert tables.kept_before(corpus, "dedup").to_pylist() == [b, c, d, e, f]
    assert tables.kept_before(corpus, "filter").to_pylist() == [a, b, c, d, e, f]


def test_a_reviewer_may_undo_filter_dedup_and_balance_and_nothing_else(corpus: Corpus) -> None:
    names = ids(corpus)
    hard, soft = ("privacy", "leaks"), ("filter", "dedup", "balance")
    for stage, name in zip(("privacy", "filter", "leaks", "dedup", "balance"), names, strict=False):
        decide(corpus, stage, {name: False}, stage)
    decide(corpus, "review", {name: name != names[5] for name in names}, "reviewer")
    rows = tables.verdict(corpus).to_pylist()
    fates = {row["reason"] or "kept": row["keep"] for row in rows[:5]}
    assert {stage: fates[stage] for stage in hard} == dict.fromkeys(hard, False)
    assert not set(soft) & set(fates) and sum(row["keep"] for row in rows) == 3
    assert (rows[1]["keep"], rows[1]["stage"]) == (True, "review")
    assert (rows[5]["keep"], rows[5]["stage"]) == (False, "review")
    decide(corpus, "withdraw", {names[1]: False}, "withdrawn")
    rows = tables.verdict(corpus).to_pylist()
    assert (rows[1]["keep"], rows[1]["stage"]) == (False, "withdraw"), "what is withdrawn stays withdrawn"


def test_decisions_about_frames_that_are_gone_do_no_harm(corpus: Corpus) -> None:
    names = ids(corpus)
    decide(corpus, "filter", {"gone-1": False, names[0]: False, "zone-2": True})
    assert [row["keep"] for row in tables.verdict(corpus).to_pylist()] == [False] + [True] * 5


CHAIN = st.lists(
    st.fixed_dictionaries({stage: st.sampled_from([None, True, False]) for stage in tables.STAGES}),
    min_size=6,
    max_size=6,
)


@given(chain=CHAIN)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_verdict_and_funnel_agree_with_the_rules_taken_one_frame_at_a_time(corpus: Corpus, chain: list[dict]) -> None:
    names = ids(corpus)
    shutil.rmtree(corpus.decisions, ignore_errors=True)
    for stage in tables.STAGES:
        said = {name: row[stage] for name, row in zip(names, chain, strict=True) if row[stage] is not None}
        if said:
            decide(corpus, stage, said, f"{stage} reason")
    fates = []
    for row in chain:
        fate = ""
        for stage in tables.STAGES:
            if row[stage] is False and not fate:
                fate = stage
            if stage == "review" and row[stage] is True and fate in tables.SOFT:
                fate = ""
        fates.append(fate)
    verdict = tables.verdict(corpus).to_pylist()
    assert [row["keep"] for row in verdict] == [not fate for fate in fates]
    assert [row["stage"] for row in verdict if not row["keep"]] == [fate for fate in fates if fate]
    assert [row["reason"] for row in verdict if not row["keep"]] == [f"{fate} reason" for fate in fates if fate]
    seen = 6
    for step in tables.funnel(corpus):
        assert step["seen"] == seen and step["kept"] + sum(step["dropped"].values()) == seen
        assert sum(step["dropped"].values()) == fates.count(step["stage"])
        seen = step["kept"]
    assert seen == sum(not fate for fate in fates) or not tables.funnel(corpus)


def test_the_table_of_a_hundred_thousand_frames_is_sorted_once(tmp_path: Path) -> None:
    """Units come by name, frames by source: the order is made, whatever the packs hold."""
    order = np.random.default_rng(0).permutation(100_000)
    table = pa.table({"frame_id": [f"{number:029d}" for number in order], "n": order})
    assert packs._in_order(table)["n"].to_pylist() == list(range(100_000))
