"""Writing: deterministic bytes, no tiny shard, killed anywhere and resumed to the same bytes, refusals."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from endoshards.errors import BadInput
from endoshards.index import open_set, read_index
from endoshards.verify import verify
from endoshards.writer import in_order, order_hash, write_set


def contents(folder: Path) -> dict[str, str]:
    """Every file's name and hash, hidden ones too."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def test_equal_input_gives_equal_bytes_whatever_workers_and_order_of_keys(maker) -> None:
    one = contents(maker.write("one", workers=1))
    keys = maker.keys(40)
    assert contents(maker.write("two", workers=3)) == one
    assert contents(maker.write("three", keys=keys[::-1])) == one


def test_a_finished_folder_holds_the_set_and_nothing_else(maker) -> None:
    folder = maker.write()
    count = len(read_index(folder).shards)
    assert count > 1
    shards = {f"shard-{number:06d}.{kind}" for number in range(count) for kind in ("tar", "parquet", "idx")}
    assert set(contents(folder)) == shards | {"samples.parquet", "index.json", "_info.json", "README.md"}


def test_the_bytes_of_a_shard_are_pinned(maker) -> None:
    """Golden: format 1. Another hash here means that shards written before no longer equal those written now."""
    folder = maker.write(load=lambda key: {"txt": key.encode(), "json": b'{"a": 1}'}, count=9, shard_bytes=10**6)
    digest = hashlib.sha256((folder / "shard-000000.tar").read_bytes()).hexdigest()
    assert digest == "b17e263047852d55b591fc2f0f9ea8f8a65cbc44c2e864ea44d97064afd263ac"


@given(count=st.integers(1, 60), shard_bytes=st.integers(1_000, 60_000))
def test_no_shard_is_tiny_and_none_is_missing(tmp_path_factory, count, shard_bytes) -> None:
    keys = [f"k{number}" for number in range(count)]
    index = write_set(
        tmp_path_factory.mktemp("set") / "s",
        keys,
        lambda key: {"txt": bytes(700)},
        name="n",
        shard_bytes=shard_bytes,
        fingerprint="f",
    )
    sizes = [shard.samples for shard in index.shards]
    assert sum(sizes) == count
    assert max(sizes) - min(sizes) <= 1
    # A sample takes 1,536 bytes: as few shards as keep each at most at the size asked for, a sample more or less.
    assert len(sizes) == min(count, -(-count * 1536 // shard_bytes))


def test_samples_stand_in_the_order_of_their_hash(maker) -> None:
    folder = maker.write()
    keys = [key for shard in range(len(read_index(folder).shards)) for key in open_set(folder).keys(shard)]
    assert keys == sorted(maker.keys(40), key=order_hash) == in_order(maker.keys(40))
    assert keys != sorted(keys)


def test_samples_parquet_says_where_each_sample_lies_and_keeps_the_callers_columns(maker) -> None:
    folder = maker.write()
    shards = open_set(folder)
    table = shards.samples()
    assert table.column_names == ["key", "shard", "index", "group"]
    for row in table.to_pylist():
        assert shards.keys(row["shard"])[row["index"]] == row["key"]
        assert row["group"] == row["key"][:2]


def test_python_finds_each_member_where_the_table_says(maker) -> None:
    folder = maker.write()
    rows = {
        (row["key"] + "." + row["extension"]): row for row in pq.read_table(folder / "shard-000000.parquet").to_pylist()
    }
    with tarfile.open(folder / "shard-000000.tar") as tar:
        for info in tar:
            row = rows.pop(info.name)
            assert (info.offset_data, info.size) == (row["offset"], row["size"])
    assert not rows


def test_the_idx_is_in_the_form_of_dali(maker) -> None:
    folder = maker.write()
    lines = (folder / "shard-000000.idx").read_text().splitlines()
    shards = open_set(folder)
    assert lines[0] == f"v1.2 {shards.shards[0].samples}"
    words = lines[1].split(" ")
    data = (folder / "shard-000000.tar").read_bytes()
    key = shards.keys(0)[0]
    assert [words[place] for place in (0, 3, 4, 7, 8, 11)] == [
        "jpg", f"{key}.jpg", "json", f"{key}.json", "mask.png", f"{key}.mask.png",
    ]  # fmt: skip
    assert data[int(words[1]) : int(words[1]) + int(words[2])] == maker.members(key)["jpg"]


def test_the_index_is_a_wids_index(maker) -> None:
    said = json.loads((maker.write() / "index.json").read_text())
    assert said["wids_version"] == 1
    assert said["__kind__"] == "wids-shard-index-v1"
    assert sum(shard["nsamples"] for shard in said["shardlist"]) == 40
    assert [shard["url"] for shard in said["shardlist"]][:2] == ["shard-000000.tar", "shard-000001.tar"]


def test_the_card_has_the_yaml_head_that_hugging_face_reads(maker) -> None:
    yaml = pytest.importorskip("yaml")
    folder = maker.write(card={"license": "other: see below", "source": "drawn\nby a test"}, info={"leaks": 0})
    text = (folder / "README.md").read_text()
    head = yaml.safe_load(text.split("---\n")[1])
    assert head["license"] == "other: see below"
    assert head["configs"][0]["data_files"] == [{"split": "train", "path": "shard-*.tar"}]
    assert "- **source**: drawn by a test" in text
    assert open_set(folder).info == {"leaks": 0}


# --- interrupted -----------------------------------------------------------------------------------------------

PARENT = """
import os, signal, sys
from pathlib import Path
import endoshards.files, endoshards.writer

def write(folder, limit):
    steps = 0
    def die_at(call):
        def counted(*args, **more):
            nonlocal steps
            steps += 1
            if steps == limit:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **more)
        return counted
    # Every place where the folder changes: a write, a rename, a removal, a sync.
    for owner, name in ((Path, "replace"), (Path, "unlink"), (Path, "open"), (Path, "write_bytes"), (os, "fsync")):
        setattr(owner, name, die_at(getattr(owner, name)))
    endoshards.writer.write_set(
        folder, [f"k{n}" for n in range(12)], lambda key: {"txt": key.encode() * 300, "cls": b"1"},
        name="n", shard_bytes=9_000, fingerprint="f", workers=2)
    return steps

# Each call in a process of its own, forked from this one, which has imported everything and done nothing.
for line in sys.stdin:
    folder, limit = line.split()
    read, told = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(told, b"%d" % write(Path(folder), int(limit)))
        os._exit(0)
    os.close(told)
    steps = os.read(read, 20).decode() or "0"
    os.close(read)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), steps, flush=True)
"""


@pytest.fixture
def write_in_a_process() -> Iterator[Callable[[Path, int], tuple[int, int]]]:
    """write(folder, n): a process that writes a set and kills itself before its n-th change of the folder (0: never).

    Gives (exit code, changes made).
    """
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:

        def write(folder: Path, limit: int) -> tuple[int, int]:
            parent.stdin.write(f"{folder} {limit}\n")
            parent.stdin.flush()
            code, steps = parent.stdout.readline().split()
            return int(code), int(steps)

        yield write
        parent.stdin.close()


def test_killed_before_any_change_of_the_folder_the_same_call_gives_the_same_bytes(
    tmp_path, write_in_a_process
) -> None:
    code, steps = write_in_a_process(tmp_path / "whole", 0)
    assert code == 0
    assert steps > 60
    wanted = contents(tmp_path / "whole")
    for limit in range(1, steps + 1):
        folder = tmp_path / f"killed-{limit}"
        assert write_in_a_process(folder, limit)[0] == -signal.SIGKILL
        if (folder / "index.json").exists():
            assert verify(folder, decode=False) == []
        if limit % 7 == 0:  # killed once more, soon after it went on
            assert write_in_a_process(folder, 9)[0] in (-signal.SIGKILL, 0)
        assert write_in_a_process(folder, 0)[0] == 0
        assert contents(folder) == wanted, f"killed before change {limit} of {steps}"


def test_what_is_finished_is_not_loaded_again(maker) -> None:
    """300 samples in shards of about 10; the call breaks off at the 280th, after more than the 256 that are probed."""
    loaded: list[str] = []

    class PowerCut(Exception):
        pass

    def load(key: str) -> dict[str, bytes]:
        if len(loaded) == limit:
            raise PowerCut
        loaded.append(key)
        return {"txt": bytes(700)}

    limit = 280
    with pytest.raises(PowerCut):
        maker.write(load=load, count=300, shard_bytes=15_360)
    first, limit = set(loaded), 10**6
    loaded.clear()
    told: list[int] = []
    folder = maker.write(load=load, count=300, shard_bytes=15_360, progress=told.append)
    assert len(loaded) <= 30
    assert len(first | set(loaded)) == 300
    assert sum(told) == 300
    loaded.clear()
    assert contents(maker.write(load=load, count=300, shard_bytes=15_360)) == contents(folder)
    assert loaded == []


def test_a_shard_lost_from_a_finished_set_is_written_again(maker) -> None:
    folder = maker.write()
    wanted = contents(folder)
    (folder / "shard-000001.tar").write_bytes(b"cut")
    (folder / "shard-000002.idx").unlink()
    assert contents(maker.write()) == wanted


def test_another_note_in_the_index_leaves_the_shards_alone(maker) -> None:
    folder = maker.write()
    before = (folder / "shard-000000.tar").stat().st_mtime_ns
    maker.write(info={"leaks": 3})
    assert open_set(folder).info == {"leaks": 3}
    assert (folder / "shard-000000.tar").stat().st_mtime_ns == before


# --- refusals ----------------------------------------------------------------------------------------------------


def test_another_set_is_refused_and_with_replace_written_over(maker) -> None:
    folder = maker.write(count=40)
    with pytest.raises(BadInput, match="other samples or with other settings; write into another folder"):
        maker.write(count=40, fingerprint="f1")
    maker.write(count=9, fingerprint="f1", replace=True)
    assert contents(folder) == contents(maker.write("fresh", count=9, fingerprint="f1"))


def test_a_folder_with_something_else_is_refused_untouched(maker, tmp_path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "README.md").write_text("mine")
    with pytest.raises(BadInput, match="holds 1 file that no set of shards written here consists of"):
        maker.write()
    assert [path.name for path in folder.iterdir()] == ["README.md"]
    (folder / "README.md").rename(folder / "shard-000000.tar")
    with pytest.raises(BadInput, match="holds 1 file that"):
        maker.write(replace=True)
    (folder / "shard-000000.tar").unlink()
    maker.write()
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(BadInput, match="holds 1 file that"):
        maker.write()


def test_an_index_of_another_library_is_refused_even_with_replace(maker, tmp_path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "index.json").write_text('{"wids_version": 1, "shardlist": []}')
    with pytest.raises(BadInput, match="is not the index of a set of shards"):
        maker.write(replace=True)


def test_a_source_tree_is_refused(maker, tmp_path) -> None:
    (tmp_path / "shards" / "endoshards").mkdir(parents=True)
    (tmp_path / "shards" / "endoshards" / "__init__.py").touch()
    with pytest.raises(BadInput, match="source code, not data; type instead: --out study/shards"):
        maker.write("shards")


def test_two_calls_on_one_folder_the_second_is_refused(maker) -> None:
    entered, go_on = threading.Event(), threading.Event()

    def slow(key: str) -> dict[str, bytes]:
        entered.set()
        go_on.wait(20)
        return maker.members(key)

    first = threading.Thread(target=lambda: maker.write(load=slow))
    first.start()
    try:
        assert entered.wait(20)
        with pytest.raises(BadInput, match="is in use by process"):
            maker.write()
    finally:
        go_on.set()
        first.join()
    assert verify(maker.write()) == []


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ([], "there are no samples to write"),
        (["a", "b", "a"], "the key 'a' comes twice"),
        (["a.b"], "a sample's key is 'a.b'"),
        (["../a"], "a sample's key is '../a'"),
        (["A"], "a sample's key is 'A'"),
    ],
)
def test_keys_that_cannot_be_written(maker, keys, text) -> None:
    with pytest.raises(BadInput, match=text):
        maker.write(keys=keys, load=lambda key: {"txt": b""})


@pytest.mark.parametrize(
    ("odd", "text"),
    [
        ({"txt": b"x"}, "sample k5 has the members txt, the others json, txt; every sample of a set needs the same"),
        ({"txt": b"x", "json": b'{"b": 1}'}, "k5.json has the keys b, the others a;"),
        ({"txt": b"x", "json": b"[1]"}, "k5.json is no JSON object"),
        ({"txt": b"x", "json": b"{"}, "k5.json is not JSON"),
    ],
)
def test_a_sample_unlike_the_others_is_refused_and_no_index_is_left(maker, tmp_path, odd, text) -> None:
    usual = {"txt": b"x", "json": b'{"a": 1}'}
    keys = sorted((f"k{n}" for n in range(9)), key=order_hash)
    assert keys[0] != "k5"
    with pytest.raises(BadInput, match=text):
        maker.write(keys=keys, load=lambda key: odd if key == "k5" else usual, workers=2)
    assert not (tmp_path / "set" / "index.json").exists()


def test_kinds_that_cannot_be_written(maker) -> None:
    with pytest.raises(BadInput, match="pickles run code and are refused"):
        maker.write(load=lambda key: {"pkl": b""})
    with pytest.raises(BadInput, match="has no members"):
        maker.write(load=lambda key: {})


def test_a_table_of_samples_that_does_not_fit_is_refused(maker) -> None:
    with pytest.raises(BadInput, match="has 1 rows for 40 keys"):
        maker.write(samples=pa.table({"key": ["a"]}))
    with pytest.raises(BadInput, match="has no row for"):
        maker.write(samples=pa.table({"key": [f"x{n}" for n in range(40)]}))


def test_fields_of_others_in_the_index_outlive_a_rewrite_of_the_same_set(maker) -> None:
    folder = maker.write()
    index = folder / "index.json"
    said = json.loads(index.read_text("utf-8"))
    said["approved_by"] = {"board": 7}
    said["shardlist"][1]["mirror"] = "disk 3"
    index.write_text(json.dumps(said), "utf-8")
    maker.write()
    assert json.loads(index.read_text("utf-8")) == said
    again = index.read_bytes()
    (folder / "shard-000001.tar").unlink()  # a shard is written again, so the index is gone in between
    maker.write()
    assert index.read_bytes() == again
    assert verify(folder) == []


def test_fields_of_others_do_not_pass_to_another_set(maker) -> None:
    folder = maker.write()
    index = folder / "index.json"
    said = json.loads(index.read_text("utf-8"))
    index.write_text(json.dumps(said | {"approved_by": 7}), "utf-8")
    maker.write(fingerprint="f1", replace=True)
    assert "approved_by" not in json.loads(index.read_text("utf-8"))


def test_fields_of_others_outlive_a_kill(maker) -> None:
    folder = maker.write()
    index = folder / "index.json"
    said = json.loads(index.read_text("utf-8")) | {"approved_by": 7}
    index.write_text(json.dumps(said), "utf-8")
    (folder / "shard-000001.tar").unlink()

    class PowerCut(Exception):
        pass

    def load(key: str) -> dict[str, bytes]:
        raise PowerCut

    with pytest.raises(PowerCut):
        maker.write(load=load)
    assert not index.exists()
    maker.write()
    assert json.loads(index.read_text("utf-8")) == said
