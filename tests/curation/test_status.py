"""`endocur status` reads markers and accounts alone, and knows what is out of date."""

import json
import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from endocur.account import DECIDING, Account
from endocur.commands.status import lines
from endocur.corpus import Corpus, InputRow, UnitMarker, chapter_files, write_marker
from endocur.ground import GROUND, ground
from endocur.quality.scores import VERSION
from endocur.quality.table import SCORE_COLUMNS
from endocur.report.standing import StageStanding, Standing, standing
from endocur.store import write_table
from endocur.tables import STAGES
from endoshards.files import Lock, write_atomic

MARKER = UnitMarker("00000000000000a1", "ok", "", "video", 1, 40, "f" * 16, (InputRow("00000000000000a1", "ok"),))
OTHER = replace(MARKER, name="00000000000000b2")


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Corpus:
    monkeypatch.chdir(tmp_path)
    corpus = Corpus(Path("corpus"))
    write_atomic(corpus.toml, 'format = 1\ncorpus_id = "3f2a91c07bd4"\nkey_check = "x"\n[extract]\nfps = 1.0\n')
    put_scores(corpus, VERSION)
    return corpus


def put_scores(corpus: Corpus, version: str) -> None:
    """The head of the score table of MARKER's unit; its rows do not matter here."""
    table = SCORE_COLUMNS.empty_table().replace_schema_metadata({"score_version": version})
    for name in (MARKER.name, OTHER.name):
        write_table(chapter_files(corpus, name, 0).scores, table)


def account(
    corpus: Corpus, stage: str, seen: int, dropped: int = 0, fingerprint: str = "1" * 16, **extra: object
) -> None:
    """As the stage itself leaves it."""
    said = Account(stage, corpus.log)
    said.seen, said.kept = seen, seen - dropped
    said.drop("some reason", dropped)
    if stage in DECIDING:
        write_atomic(corpus.decisions / f"{stage}.parquet", "decisions")
    said.finish("endomae pretrain --shards shards/", fingerprint, {GROUND: ground(corpus, stage), **extra})


def walk(corpus: Corpus) -> None:
    """The whole road, done."""
    write_marker(corpus, MARKER)
    account(corpus, "extract", 40)
    account(corpus, "filter", 40, 10)
    account(corpus, "dedup", 30, 5)
    write_atomic(Path("shards/index.json"), "{}")
    account(corpus, "shard", 40, 15, out="shards")


def states(found: Standing) -> dict[str, str]:
    return {stage.name: stage.state for stage in found.stages}


def test_the_stages_are_those_of_the_tables() -> None:
    assert DECIDING == STAGES


def test_an_empty_corpus_wants_extract(corpus: Corpus) -> None:
    found = standing(corpus)
    assert set(states(found).values()) == {"not run"}
    assert found.next == "endocur extract videos/"


def test_after_extract_comes_filter(corpus: Corpus) -> None:
    write_marker(corpus, MARKER)
    account(corpus, "extract", 40)
    found = standing(corpus)
    assert states(found) == {"extract": "done", "filter": "not run", "dedup": "not run", "shard": "not run"}
    assert found.next == "endocur filter"
    assert (found.frames, found.units, found.videos, found.inputs) == (40, 1, 1, {"ok": 1})


def test_inputs_that_were_left_out_are_counted_and_are_no_unit(corpus: Corpus) -> None:
    write_marker(corpus, MARKER)
    rows = tuple(InputRow(f"{number:016x}", "ignored", "no media") for number in range(3))
    write_marker(corpus, UnitMarker("ignored", "ignored", "", "ignored", 0, 0, "", rows, {}))
    account(corpus, "extract", 40)
    assert standing(corpus).inputs == {"ignored": 3, "ok": 1}
    assert standing(corpus).units == 1


def test_the_whole_road_done_names_what_shard_named(corpus: Corpus) -> None:
    walk(corpus)
    found = standing(corpus)
    assert set(states(found).values()) == {"done"}
    assert found.next == "endomae pretrain --shards shards/"


def test_a_new_filter_makes_dedup_and_shard_stale(corpus: Corpus) -> None:
    walk(corpus)
    account(corpus, "filter", 40, 20, fingerprint="2" * 16)
    found = standing(corpus)
    assert states(found) == {"extract": "done", "filter": "done", "dedup": "stale", "shard": "stale"}
    assert [stage.why for stage in found.stages[2:]] == ["filter changed since", "dedup must be repeated first"]
    assert found.next == "endocur dedup"


def test_the_same_filter_again_leaves_all_as_it_is(corpus: Corpus) -> None:
    walk(corpus)
    account(corpus, "filter", 40, 10)
    assert set(states(standing(corpus)).values()) == {"done"}


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        (OTHER, "frames or groups changed since"),
        (
            replace(MARKER, inputs=(InputRow("00000000000000a1", "ok", group="1" * 16),)),
            "frames or groups changed since",
        ),
    ],
)
def test_new_frames_and_new_groups_make_all_decisions_stale(corpus: Corpus, changed: UnitMarker, why: str) -> None:
    walk(corpus)
    write_marker(corpus, changed)
    found = standing(corpus)
    assert states(found) == {"extract": "done", "filter": "stale", "dedup": "stale", "shard": "stale"}
    assert found.stages[1].why == why


def test_a_failed_input_that_comes_later_changes_no_decision(corpus: Corpus) -> None:
    walk(corpus)
    row = InputRow("00000000000000c3", "failed", "no video stream")
    write_marker(corpus, replace(MARKER, name="00000000000000c3", status="failed", frames=0, chapters=0, inputs=(row,)))
    found = standing(corpus)
    assert set(states(found).values()) == {"done"}
    assert found.inputs == {"failed": 1, "ok": 1}


def test_new_scores_make_decisions_stale(corpus: Corpus) -> None:
    walk(corpus)
    account(corpus, "score", 40, score_version="a later one")
    found = standing(corpus)
    assert states(found)["filter"] == "stale" and found.stages[1].why == "frames were scored again since"


def test_a_stale_stage_is_to_be_repeated_as_it_was_typed(corpus: Corpus) -> None:
    write_marker(corpus, MARKER)
    account(corpus, "extract", 40)
    again = ["endocur", "filter", "--min-quality", "0.3", "--min", "sharpness=0.2", "--min", "colour=0.1"]
    account(corpus, "filter", 40, 10, again=again)
    account(corpus, "dedup", 30, 5, again=["endocur", "dedup", "--encoder", "my run"], config={"threshold": 0.9})
    write_marker(corpus, OTHER)
    assert standing(corpus).next == "endocur filter --min-quality 0.3 --min sharpness=0.2 --min colour=0.1"
    account(corpus, "filter", 80, 10, again=again)
    assert standing(corpus).next == "endocur dedup --encoder 'my run'", "the constant of the day, not of that day"


def test_after_a_filter_that_keeps_nothing_comes_another_filter(corpus: Corpus) -> None:
    walk(corpus)
    account(corpus, "filter", 40, 40, fingerprint="2" * 16)
    assert standing(corpus).next == "endocur filter --min-quality 0.2"


def test_a_stage_killed_between_its_decisions_and_its_account_is_unfinished(corpus: Corpus) -> None:
    walk(corpus)
    Account("dedup", corpus.log).forget()
    found = standing(corpus)
    assert states(found) == {"extract": "done", "filter": "done", "dedup": "unfinished", "shard": "stale"}
    assert found.next == "endocur dedup"


def test_the_same_scores_again_leave_decisions_as_they_are(corpus: Corpus) -> None:
    walk(corpus)
    account(corpus, "score", 40, score_version=VERSION)
    assert states(standing(corpus))["filter"] == "done"


def test_a_first_score_that_gives_what_extract_gave_leaves_decisions_as_they_are(corpus: Corpus) -> None:
    """Whatever an account of older scores says: frames were extracted anew since, with later ones."""
    account(corpus, "score", 40, fingerprint="0" * 16, score_version="an older one")
    walk(corpus)
    account(corpus, "score", 40, fingerprint="3" * 16, score_version=VERSION)
    assert states(standing(corpus))["filter"] == "done"


def test_a_score_that_brings_old_frames_up_to_date_makes_decisions_stale(corpus: Corpus) -> None:
    """An older version extracted these frames; the filter, although of this one, read the old scores."""
    put_scores(corpus, "an older one")
    walk(corpus)
    assert states(standing(corpus))["filter"] == "done"
    put_scores(corpus, VERSION)
    account(corpus, "score", 40, score_version=VERSION)
    assert states(standing(corpus))["filter"] == "stale"


def test_frames_scored_by_two_versions_are_no_news_until_they_are_scored_again(corpus: Corpus) -> None:
    account(corpus, "score", 40, score_version="an older one")
    write_marker(corpus, OTHER)
    table = SCORE_COLUMNS.empty_table().replace_schema_metadata({"score_version": "an older one"})
    write_table(chapter_files(corpus, OTHER.name, 0).scores, table)
    walk(corpus)
    assert states(standing(corpus))["filter"] == "done"
    account(corpus, "score", 80, fingerprint="3" * 16, score_version=VERSION)
    assert states(standing(corpus))["filter"] == "stale"


def test_decisions_that_are_gone_were_not_made(corpus: Corpus) -> None:
    """`extract --restart` removes them; the accounts in log/ stay."""
    walk(corpus)
    for path in corpus.decisions.iterdir():
        path.unlink()
    found = standing(corpus)
    assert states(found) == {"extract": "done", "filter": "not run", "dedup": "not run", "shard": "stale"}
    assert found.next == "endocur filter"


def test_shards_are_to_be_written_again_as_they_were(corpus: Corpus) -> None:
    walk(corpus)
    config = {"size": 224, "native_size": False, "jpeg_quality": 90, "shard_bytes": 64_000_000, "out": "my set"}
    account(corpus, "shard", 40, 15, out="my set", config=config)
    assert standing(corpus).next == "endocur shard --out 'my set' --size 224"


def test_shards_that_are_gone_are_to_be_written_again(corpus: Corpus) -> None:
    walk(corpus)
    Path("shards/index.json").unlink()
    found = standing(corpus)
    assert found.stages[-1].why == "there are no finished shards in shards"
    assert found.next == "endocur shard"


def test_a_video_that_was_cut_off_by_a_kill_is_named(corpus: Corpus) -> None:
    walk(corpus)
    write_atomic(corpus.units / "00000000000000d4.000.json", "{}")
    found = standing(corpus)
    assert found.stages[0] == StageStanding("extract", "unfinished", why="1 video half done")
    assert found.next.startswith("endocur extract")


def test_a_stage_of_the_long_road_stands_where_it_ran(corpus: Corpus) -> None:
    walk(corpus)
    account(corpus, "leaks", 30)
    assert list(states(standing(corpus))) == ["extract", "filter", "leaks", "dedup", "shard"]


def test_who_holds_the_corpus_is_said_while_he_lives(corpus: Corpus) -> None:
    walk(corpus)
    with Lock(corpus.root / "lock-0"):
        assert standing(corpus).in_use == f"process {os.getpid()} on {socket.gethostname()}"
    dead = {"host": socket.gethostname(), "pid": 2**22 + 1, "started": "1"}
    (corpus.root / "lock-0").write_text(json.dumps(dead))
    assert standing(corpus).in_use == ""


def test_the_text_names_counts_reasons_and_the_next_line(corpus: Corpus) -> None:
    walk(corpus)
    text = lines(standing(corpus))
    assert "corpus: 40 frames of 1 unit; inputs: 1 ok\n" in text
    assert "filter   done        kept 30 of 40 (dropped: some reason 10)" in text
    assert text.endswith("next: endomae pretrain --shards shards/\n")


def test_the_process_prints_json_and_loads_no_numeric_library(corpus: Corpus) -> None:
    walk(corpus)
    code = (
        "import sys\nfrom endocur.cli import app\n"
        "try:\n    app(['status', '--json'])\nexcept SystemExit:\n    pass\n"
        "sys.stderr.write(' '.join({'numpy', 'pyarrow', 'torch', 'cv2', 'faiss'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert json.loads(done.stdout)["frames"] == 40


def test_no_corpus_is_refused_with_the_line_that_makes_one(tmp_path: Path) -> None:
    line = [sys.executable, "-m", "endocur", "status", "--corpus", "nowhere"]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert done.stderr == ("endocur: no corpus at nowhere; make one first: endocur extract videos/ --corpus nowhere\n")
