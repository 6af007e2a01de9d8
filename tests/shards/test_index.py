"""Opening and reading a set: any sample by number, checked, from any thread; damage is named."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

import endoshards.index
from endoshards.errors import BadInput
from endoshards.index import BadSample, check_shard_name, open_set


def places(shards):
    return [(number, index) for number, shard in enumerate(shards.shards) for index in range(shard.samples)]


def test_each_sample_is_read_as_it_was_written(shared_set, maker) -> None:
    seen = []
    for shard, index in places(shared_set):
        sample = shared_set.read(shard, index)
        assert sample.members == maker.members(sample.key)
        assert sample.key == shared_set.keys(shard)[index]
        seen.append(sample.key)
    assert sorted(seen) == sorted(maker.keys(40))
    assert shared_set.total == 40
    assert shared_set.extensions == ("jpg", "json", "mask.png")
    assert shared_set.name == "drawn"


def test_only_members_asked_for_are_read(shared_set, maker, monkeypatch) -> None:
    reads: list[int] = []
    pread = os.pread
    shared_set.read(0, 0)
    monkeypatch.setattr(os, "pread", lambda file, size, offset: (reads.append(size), pread(file, size, offset))[1])
    sample = shared_set.read(0, 0, ["mask.png"])
    assert list(sample.members) == ["mask.png"]
    assert reads == [len(maker.members(sample.key)["mask.png"])]


def test_a_member_the_set_does_not_have_is_refused_with_those_it_has(shared_set) -> None:
    with pytest.raises(BadInput, match=r"have no member \.cls; they have jpg, json, mask\.png"):
        shared_set.read(0, 0, ["jpg", "cls"])


@pytest.mark.parametrize("place", [(0, 10**6), (0, -1), (99, 0), (-1, 0)])
def test_a_sample_that_does_not_exist_is_an_index_error(shared_set, place) -> None:
    with pytest.raises(IndexError):
        shared_set.read(*place)


def test_many_threads_read_while_shards_open_and_close(maker, monkeypatch) -> None:
    monkeypatch.setattr(endoshards.index, "OPEN_SHARDS", 2)
    shards = maker.open()
    assert len(shards.shards) > 4
    wrong: list[str] = []

    def read(step: int) -> None:
        for shard, index in places(shards)[::step]:
            sample = shards.read(shard, index, ["json"])
            if sample.members["json"] != maker.members(sample.key)["json"]:
                wrong.append(sample.key)

    threads = [threading.Thread(target=read, args=(step,)) for step in (1, -1, 3, -3, 7, -7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_no_files_stay_open(maker, monkeypatch) -> None:
    monkeypatch.setattr(endoshards.index, "OPEN_SHARDS", 2)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    shards = maker.open()
    for place in places(shards):
        shards.read(*place)
    assert len(os.listdir("/proc/self/fd")) <= before + 2  # noqa: PTH208
    del shards
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_no_folder_and_no_index_are_refused_with_the_command(tmp_path) -> None:
    with pytest.raises(BadInput, match=f"there is no folder {tmp_path / 'no'}; shards are written by: endocur shard"):
        open_set(tmp_path / "no")
    with pytest.raises(BadInput, match=r"has no index\.json, so it is no finished set of shards; finish it with"):
        open_set(tmp_path)
    assert BadInput("").exit_code == 3


def test_a_truncated_a_longer_and_a_missing_shard_are_named_at_opening(maker) -> None:
    folder = maker.write()
    path = folder / "shard-000001.tar"
    data = path.read_bytes()
    path.write_bytes(data[:-600])
    with pytest.raises(BadInput, match=rf"shard-000001\.tar is truncated: {len(data) - 600} bytes, index\.json says"):
        open_set(folder)
    path.write_bytes(data + b"x")
    with pytest.raises(BadInput, match=r"shard-000001\.tar is changed"):
        open_set(folder)
    path.unlink()
    with pytest.raises(BadInput, match=r"shard-000001\.tar is missing"):
        open_set(folder)


def test_a_shard_cut_after_opening_is_named_at_reading(maker) -> None:
    folder = maker.write()
    shards = open_set(folder)
    os.truncate(folder / "shard-000000.tar", 600)
    with pytest.raises(BadInput, match=r"shard-000000\.tar is truncated") as caught:
        shards.read(0, 1)
    assert not isinstance(caught.value, BadSample)


def flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(bytes(data))


def test_a_flipped_bit_of_a_member_is_a_bad_sample(maker) -> None:
    folder = maker.write()
    shards = open_set(folder)
    flip(folder / "shard-000000.tar", int(shards.members(0).offsets[1, 0]) + 10)
    key = shards.keys(0)[1]
    with pytest.raises(BadSample, match=rf"{key}\.jpg in shard-000000\.tar does not have its checksum"):
        shards.read(0, 1)
    assert shards.read(0, 1, ["json"]).key == key
    assert shards.read(0, 0).key == shards.keys(0)[0]


def test_a_damaged_or_foreign_member_table_is_refused(maker) -> None:
    folder = maker.write()
    path = folder / "shard-000000.parquet"
    data = path.read_bytes()
    path.write_bytes((folder / "shard-000001.parquet").read_bytes())
    with pytest.raises(BadInput, match=r"shard-000000\.parquet is not the file that index\.json names"):
        open_set(folder).read(0, 0)
    path.unlink()
    with pytest.raises(BadInput, match=r"shard-000000\.parquet is missing"):
        open_set(folder).read(0, 0)
    path.write_bytes(data)
    assert open_set(folder).read(0, 0)


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("pipe:cat shard-000000.tar", "would run a command"),
        ("https://example.org/shard-000000.tar", "is an address"),
        ("/data/shard-000000.tar", "leads out of the index's folder"),
        ("../shard-000000.tar", "leads out of the index's folder"),
        ("sub/shard-000000.tar", "is no name of a shard"),
        ("shard-000000.tar.gz", "is no name of a shard"),
        ("shard-{000000..000009}.tar", "is no name of a shard"),
        (7, "stands where str is wanted"),
    ],
)
def test_an_index_that_names_anything_but_shards_beside_it_is_refused(maker, url, text) -> None:
    folder = maker.write()
    said = json.loads((folder / "index.json").read_text())
    said["shardlist"][0]["url"] = url
    (folder / "index.json").write_text(json.dumps(said))
    with pytest.raises(BadInput, match=text):
        open_set(folder)
    if isinstance(url, str):
        with pytest.raises(ValueError, match=text):
            check_shard_name(url)


def test_each_field_of_an_index_is_needed_and_checked(maker) -> None:
    folder = maker.write()
    whole = json.loads((folder / "index.json").read_text())
    changes = [
        lambda said: said.pop("shardlist"),
        lambda said: said.pop("endoshards"),
        lambda said: said["endoshards"].pop("extensions"),
        lambda said: said["endoshards"].update(samples=7),
        lambda said: said["endoshards"].update(order_fingerprint="0"),
        lambda said: said["endoshards"].update(extensions=["pkl"]),
        lambda said: said["endoshards"].update(extensions=[]),
        lambda said: said["shardlist"].clear(),
        lambda said: said["shardlist"][0].update(nsamples="7"),
        lambda said: said["shardlist"][0].update(nsamples=-7),
        lambda said: said.update(name=None),
    ]
    for change in changes:
        said = json.loads(json.dumps(whole))
        change(said)
        (folder / "index.json").write_text(json.dumps(said))
        with pytest.raises(BadInput):
            open_set(folder)
    whole["endoshards"]["format"] = 2
    (folder / "index.json").write_text(json.dumps(whole))
    with pytest.raises(
        BadInput, match=r"was made by a newer version \(format 2, this one reads up to 1\); install a newer endomae"
    ):
        open_set(folder)
    (folder / "index.json").write_text("{")
    with pytest.raises(BadInput, match="is not valid JSON"):
        open_set(folder)


def test_fields_we_do_not_know_are_borne(maker) -> None:
    folder = maker.write()
    said = json.loads((folder / "index.json").read_text())
    said["shardlist"][0]["weight"] = 2.0
    said["endoshards"]["later"] = True
    (folder / "index.json").write_text(json.dumps(said))
    assert open_set(folder).total == 40


def test_the_order_fingerprint_depends_on_keys_and_sizes_the_content_fingerprint_on_bytes(maker) -> None:
    one = maker.open(name="one")
    recoded = maker.open(name="two", load=lambda key: maker.members(key) | {"jpg": maker.members(key)["jpg"] + b"\0"})
    other = maker.open(name="three", keys=[f"x{n}" for n in range(40)])
    assert one.order_fingerprint == recoded.order_fingerprint
    assert one.content_fingerprint != recoded.content_fingerprint
    assert one.order_fingerprint != other.order_fingerprint
