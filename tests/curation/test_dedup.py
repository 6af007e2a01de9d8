"""Near copies: a frame goes only for a frame that stays, whatever the blocks, the library or a kill."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from drawn_corpus import add_unit, canvas, look, make_corpus
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from endocur import tables
from endocur.commands import dedup as dedup_command
from endocur.commands import filter as filter_command
from endocur.configs import DedupConfig, FilterConfig
from endocur.corpus import Corpus
from endocur.select.dedup import Duplicates, find_duplicates
from endocur.select.search import cosine, make_search, unit
from endoeval.encoders import duplicate_cosine
from endoshards.errors import BadInput, BadOption

KINDS = ("faiss", "numpy")


def found(vectors: NDArray[np.float16], threshold: float, *, block: int = 2048, kind: str = "numpy") -> Duplicates:
    return find_duplicates(
        len(vectors),
        lambda start, stop: vectors[start:stop],
        threshold,
        make_search(vectors.shape[1], kind),  # type: ignore[arg-type]
        block=block,
    )


def by_hand(vectors: NDArray[np.float16], threshold: float) -> tuple[list[int], list[float]]:
    """The rule, one frame at a time: the nearest of those that stay, of equals the first."""
    of, near, kept = [], [], []
    for place, vector in enumerate(vectors.astype(float)):
        best, value = -1, 0.0
        for other in kept:
            lengths = np.linalg.norm(vector) * np.linalg.norm(vectors[other].astype(float))
            likeness = round(float(vector @ vectors[other].astype(float)) / max(lengths, 1e-12), 4)
            if likeness >= threshold and likeness > value:
                best, value = other, likeness
        of.append(best)
        near.append(value)
        if best < 0:
            kept.append(place)
    return of, near


def circle(angles: NDArray[np.float64]) -> NDArray[np.float16]:
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float16)


# Few directions and few lengths: many ties, equal vectors, zeros.
TIED = st.lists(st.tuples(st.integers(-2, 2), st.integers(-2, 2), st.integers(-1, 1)), min_size=0, max_size=40).map(
    lambda rows: np.array(rows, np.float16).reshape(-1, 3)
)
CLOUD = st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 60), st.integers(2, 5)).map(
    lambda draw: np.random.default_rng(draw[0]).normal(size=(draw[1], draw[2])).astype(np.float16)
)


@given(vectors=TIED | CLOUD, threshold=st.sampled_from([0.3, 0.5, 0.8, 0.9487, 1.0]), block=st.integers(1, 50))
@settings(max_examples=150)
def test_the_result_is_that_of_the_rule_taken_one_frame_at_a_time(
    vectors: NDArray[np.float16], threshold: float, block: int
) -> None:
    of, near = by_hand(vectors, threshold)
    for kind in KINDS:
        result = found(vectors, threshold, block=block, kind=kind)
        assert result.of.tolist() == of and result.cosine.tolist() == near


@given(vectors=TIED | CLOUD, threshold=st.sampled_from([0.5, 0.8, 0.95]), block=st.integers(1, 50))
@settings(max_examples=100)
def test_every_dropped_frame_has_a_finally_kept_one_that_near(
    vectors: NDArray[np.float16], threshold: float, block: int
) -> None:
    result = found(vectors, threshold, block=block)
    dropped = np.flatnonzero(~result.keep)
    assert result.keep[result.of[dropped]].all(), "its evidence stays itself"
    assert (result.of[dropped] < dropped).all(), "and was the better one"
    exact = cosine(vectors[dropped], vectors[result.of[dropped]])
    assert np.array_equal(exact, result.cosine[dropped]) and (exact >= threshold).all()
    kept = vectors[result.keep]
    left, right = np.triu_indices(len(kept), 1)
    assert (cosine(kept[left], kept[right]) < threshold).all(), "no two that stay are copies"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("block", [1, 7, 2048])
def test_a_slow_pan_keeps_several(kind: str, block: int) -> None:
    """Each step is tiny, ends are far apart: likeness must not be carried along the chain."""
    angles = np.linspace(0, np.pi / 2, 400)
    vectors = circle(angles)
    result = found(vectors, 0.9, block=block, kind=kind)
    step = float(np.arccos(0.9))
    assert np.flatnonzero(result.keep).tolist() == sorted({0, *np.flatnonzero(result.keep).tolist()})
    assert 4 <= result.keep.sum() <= int(np.pi / 2 / step) + 2
    gaps = np.diff(angles[result.keep])
    assert (gaps >= step - 0.02).all() and (gaps <= step + 0.02).all()


@pytest.mark.parametrize("kind", KINDS)
def test_of_equal_frames_the_first_in_the_order_stays_and_is_named(kind: str) -> None:
    vectors = np.tile(np.array([[0.6, 0.8]], np.float16), (5000, 1))
    result = found(vectors, 0.999, block=64, kind=kind)
    assert result.keep.sum() == 1 and (result.of[1:] == 0).all() and (result.cosine[1:] == 1.0).all()


def test_of_equally_near_kept_frames_the_first_is_named() -> None:
    vectors = circle(np.radians([20.0, -20.0, 0.0]))
    for block in (1, 2, 3):
        assert found(vectors, 0.93, block=block).of.tolist() == [-1, -1, 0]


def test_frames_without_features_are_nobodys_copy() -> None:
    vectors = np.zeros((5, 4), np.float16)
    assert found(vectors, 0.01).keep.all()


def test_the_length_of_a_vector_does_not_matter() -> None:
    vectors = (circle(np.radians([0.0, 5.0, 90.0])) * np.array([[300.0], [0.01], [7.0]])).astype(np.float16)
    assert found(vectors, 0.9).of.tolist() == [-1, 0, -1]


def test_no_frames_no_duplicates() -> None:
    assert len(found(np.zeros((0, 4), np.float16), 0.5).of) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_many_frames_agree_between_both_libraries_and_all_blocks(kind: str) -> None:
    random = np.random.default_rng(0)
    centres = random.normal(size=(300, 64))
    vectors = (centres[random.integers(0, 300, 6000)] + 0.25 * random.normal(size=(6000, 64))).astype(np.float16)
    result = found(vectors, 0.93, kind=kind)
    other = found(vectors, 0.93, kind="numpy", block=500)
    assert np.array_equal(result.of, other.of) and np.array_equal(result.cosine, other.cosine)
    assert 300 < result.keep.sum() < 5000


@pytest.mark.parametrize("kind", KINDS)
def test_a_search_finds_all_that_is_near_and_numbers_it_as_it_came(kind: str) -> None:
    random = np.random.default_rng(1)
    vectors = unit(random.normal(size=(20_000, 8)).astype(np.float16))
    search = make_search(8, kind)  # type: ignore[arg-type]
    for part in np.array_split(vectors, 7):
        search.add(part)
    row, number = search.near(vectors[:50], 0.9)
    assert sorted(zip(row.tolist(), number.tolist(), strict=True)) == sorted(
        zip(*(axis.tolist() for axis in np.nonzero(vectors[:50] @ vectors.T > 0.9)), strict=True)
    )
    empty = make_search(8, kind).near(vectors[:3], 0.5)  # type: ignore[arg-type]
    assert len(empty[0]) == len(empty[1]) == 0


# ---------------------------------------------------------------- the command


def pan(seed: int, frames: int, step: int) -> list[np.ndarray]:
    """A camera that moves over one canvas, `step` pixels a frame."""
    picture = canvas(seed, 260, 260 + frames * step)
    return [look(picture, x=30 + k * step, y=30) for k in range(frames)]


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    """A slow pan, a still camera, two other places, and a later look at the first."""
    made = make_corpus(tmp_path / "corpus")
    add_unit(made, "pan", pan(1, 12, 4))
    add_unit(made, "rest", [look(canvas(2))] * 4)
    add_unit(made, "places", [look(canvas(3)), look(canvas(4)), look(canvas(2))])
    return made


def run(corpus: Corpus, **options: object) -> None:
    dedup_command.run(DedupConfig(corpus=corpus.root, **options))  # type: ignore[arg-type]


def test_copies_go_for_the_best_frame_across_videos(corpus: Corpus, capsys: pytest.CaptureFixture[str]) -> None:
    run(corpus)
    assert f"next: endocur shard --corpus {corpus.root}" in capsys.readouterr().out
    rows = {row["frame_id"]: row for row in tables.verdict(corpus).to_pylist()}
    quality = {row["frame_id"]: row["quality"] for row in tables.frames(corpus, ["frame_id", "quality"]).to_pylist()}
    kept = [name for name, row in rows.items() if row["keep"]]
    assert 5 <= len(kept) <= 10, "several of the pan, one of the five equal ones, both other places"
    for name, row in rows.items():
        if not row["keep"]:
            assert (row["stage"], row["reason"]) == ("dedup", "duplicate")
            other, _, value = row["evidence"].partition(", cosine ")
            assert other in kept and duplicate_cosine("builtin:descriptor") <= float(value) <= 1.0
            assert (-quality[other], other) < (-quality[name], name)
    account = json.loads((corpus.log / "dedup.json").read_text())
    assert (account["seen"], account["kept"]) == (19, len(kept))
    assert account["extra"]["threshold"] == duplicate_cosine("builtin:descriptor")
    assert account["extra"]["config"]["encoder"] == "builtin:descriptor"


def test_only_frames_kept_so_far_take_part(corpus: Corpus) -> None:
    add_unit(corpus, "dark", [(look(canvas(5)) * 0.08).astype(np.uint8)])
    filter_command.run(FilterConfig(corpus=corpus.root))
    run(corpus)
    decisions = tables.read_decisions(corpus, "dedup")
    assert decisions is not None and len(decisions) == 19, "the dark frame never came here"
    assert [step["seen"] for step in tables.funnel(corpus)] == [20, 19]


def test_dedup_on_a_stale_filter_is_refused(corpus: Corpus) -> None:
    filter_command.run(FilterConfig(corpus=corpus.root))
    add_unit(corpus, "new", [look(canvas(6))])
    with pytest.raises(BadInput, match=r"after filter ran on .*; run: endocur filter --min-quality 0\.4"):
        run(corpus)


def test_the_same_again_gives_equal_bytes_and_another_threshold_others(corpus: Corpus) -> None:
    run(corpus)
    path = corpus.decisions / "dedup.parquet"
    first = path.read_bytes()
    run(corpus)
    assert path.read_bytes() == first
    path.unlink()
    run(corpus)
    assert path.read_bytes() == first
    run(corpus, threshold=0.99)
    assert path.read_bytes() != first
    add_unit(corpus, "new", [look(canvas(6))])
    with pytest.raises(BadInput, match=rf"run: endocur dedup --threshold 0\.99 --corpus {corpus.root}$"):
        tables.require_fresh(corpus)


def test_damaged_decisions_are_decided_anew(corpus: Corpus) -> None:
    run(corpus)
    path = corpus.decisions / "dedup.parquet"
    whole = path.read_bytes()
    for damage in (b"", whole[:200], whole[:8] + b"\x5a" * 200 + whole[208:]):
        path.write_bytes(damage)
        run(corpus)
        assert path.read_bytes() == whole


def test_what_comes_next_is_the_line_as_typed_not_the_constant_of_the_day(corpus: Corpus) -> None:
    run(corpus)
    assert json.loads((corpus.log / "dedup.json").read_text())["extra"]["again"] == ["endocur", "dedup"]
    run(corpus, threshold=0.97)
    again = json.loads((corpus.log / "dedup.json").read_text())["extra"]["again"]
    assert again == ["endocur", "dedup", "--threshold", "0.97"]


@pytest.mark.parametrize("spec", ["", "builtin:nothing", "no such folder", "timm:"])
def test_an_unknown_encoder_is_refused_as_that_whatever_the_threshold(corpus: Corpus, spec: str) -> None:
    for threshold in (None, 0.95):
        with pytest.raises(BadInput, match=rf"^'{spec}' names no encoder; allowed: "):
            run(corpus, encoder=spec, threshold=threshold)


def test_an_encoder_without_a_measured_threshold_needs_one(corpus: Corpus) -> None:
    with pytest.raises(BadInput, match="no threshold is known for the encoder random:vit_tiny") as refused:
        run(corpus, encoder="random:vit_tiny_patch16_224")
    assert "Say --threshold, for example 0.98" in str(refused.value) and refused.value.exit_code == 3
    assert not corpus.embeddings.exists(), "refused before any work"


@pytest.mark.parametrize("threshold", [0.0, -0.5, 1.2])
def test_a_threshold_that_is_no_cosine_is_refused(threshold: float) -> None:
    with pytest.raises(BadOption, match=r"a cosine above 0 and at most 1 is wanted, for example 0\.95"):
        DedupConfig(threshold=threshold)


def test_a_corpus_without_frames_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="holds no frames"):
        run(make_corpus(tmp_path / "corpus"))


# ---------------------------------------------------------------- kill -9


def fingerprints(corpus: Corpus) -> dict[str, str]:
    """All bytes that dedup wrote, log aside (it has clock times)."""
    folders = (corpus.embeddings, corpus.decisions, corpus.tables)
    paths = sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(corpus.root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def start(corpus: Corpus) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-m", "endocur", "dedup", "--corpus", str(corpus.root)]
    return subprocess.Popen(
        words, env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def test_killed_again_and_again_it_ends_with_the_bytes_of_an_unbroken_run(tmp_path: Path) -> None:
    corpora = []
    for name in ("killed", "unbroken"):
        corpus = make_corpus(tmp_path / name)
        for number in range(8):
            add_unit(corpus, f"video {number}", pan(number, 30, 4))
        corpora.append(corpus)
    killed, unbroken = corpora
    assert start(unbroken).wait(timeout=120) == 0
    kills = 0
    for done in (0, 1, 4, 7):
        process = start(killed)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and process.poll() is None:
            if len(list(killed.embeddings.rglob("*.npy"))) >= done and list(killed.root.glob("lock-*")):
                process.send_signal(signal.SIGKILL)
                break
            time.sleep(0.002)
        kills += process.wait(timeout=60) == -signal.SIGKILL
    assert kills >= 3, "the machine was too fast for this test to mean anything"
    assert start(killed).wait(timeout=120) == 0
    assert fingerprints(killed) == fingerprints(unbroken)
    assert not list(killed.root.rglob(".tmp-*")) and not list(killed.root.glob("lock-*"))
