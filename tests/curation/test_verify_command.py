"""`endocur verify` by its process: what it prints, and how it ends."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import simplejpeg

from endocur.commands import verify
from endocur.identity import open_key
from endoshards.verify import Finding
from endoshards.writer import write_set


def load(key: str) -> dict[str, bytes]:
    level = int(key.removeprefix("k")) * 5
    return {"jpg": simplejpeg.encode_jpeg(np.full((32, 32, 3), level, np.uint8)), "json": b'{"a": 1}'}


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    out = tmp_path / "shards"
    write_set(out, [f"k{index}" for index in range(40)], load, name="t", shard_bytes=40_000, fingerprint="0" * 16)
    return out


def typed(*words: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "endocur", "verify", *words]
    return subprocess.run(line, capture_output=True, text=True, check=False)


def test_sound_shards_end_with_0(shards: Path) -> None:
    done = typed(str(shards))
    assert (done.returncode, done.stdout, done.stderr) == (0, "40 samples checked, 0 faults\n", "")


def test_a_truncated_shard_is_named_and_ends_with_4(shards: Path) -> None:
    tar = shards / "shard-000001.tar"
    tar.write_bytes(tar.read_bytes()[:-2000])
    done = typed(str(shards))
    assert done.returncode == 4
    assert "shard-000001.tar" in done.stdout and "truncated" in done.stdout
    assert done.stderr.startswith(f"endocur: {shards} has ") and "copy it again" in done.stderr
    assert tar.exists(), "a check changes nothing"


def test_a_flipped_bit_is_found_with_its_sample(shards: Path) -> None:
    tar = shards / "shard-000000.tar"
    data = bytearray(tar.read_bytes())
    data[700] ^= 1
    tar.write_bytes(bytes(data))
    done = typed(str(shards), "--json")
    assert done.returncode == 4
    faults = json.loads(done.stdout)["faults"]
    assert {"checksum", "sha256"} <= {fault["kind"] for fault in faults}
    assert any(fault["key"].startswith("k") for fault in faults)


def test_a_set_of_another_writer_is_refused_by_the_privacy_audit_in_words(shards: Path, tmp_path: Path) -> None:
    open_key(tmp_path / "key", outside=shards)
    done = typed(str(shards), "--privacy", "--key", str(tmp_path / "key"))
    assert done.returncode == 3
    assert "have no source_id; the privacy audit reads sets that endocur shard wrote." in done.stderr


def test_a_damaged_index_is_a_fault_not_a_refusal(shards: Path) -> None:
    (shards / "index.json").write_text("{")
    assert typed(str(shards)).returncode == 4


def test_a_shard_that_is_gone_is_not_counted_as_checked(shards: Path) -> None:
    said = json.loads((shards / "index.json").read_text())
    (shards / said["shardlist"][0]["url"]).unlink()
    done = typed(str(shards))
    assert done.returncode == 4
    left = 40 - said["shardlist"][0]["nsamples"]
    assert done.stdout.splitlines()[-1] == f"{left} samples checked, 1 fault"


def test_an_index_of_a_newer_version_is_refused_and_nothing_is_to_be_removed(shards: Path) -> None:
    said = json.loads((shards / "index.json").read_text())
    said["endoshards"]["format"] += 1
    (shards / "index.json").write_text(json.dumps(said))
    done = typed(str(shards))
    assert (done.returncode, done.stdout) == (3, "")
    assert "was made by a newer version" in done.stderr and "install a newer endomae" in done.stderr
    assert "rm -r" not in done.stderr


@pytest.mark.parametrize("made", [True, False])
def test_a_folder_without_an_index_is_refused_with_the_command_that_makes_one(tmp_path: Path, made: bool) -> None:
    folder = tmp_path / "nothing"
    if made:
        folder.mkdir()
    done = typed(str(folder))
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("endocur: ") and "endocur shard" in done.stderr


def test_many_faults_are_cut_off_with_their_number_by_kind() -> None:
    found = [Finding("shard-000000.tar", f"k{index}", "checksum", "bytes differ") for index in range(70)]
    text = verify.lines(found)
    assert text.count("\n") == 1 + 50 + 1
    assert text.endswith("and 20 more; in all: checksum 70; each of them: --json\n")
