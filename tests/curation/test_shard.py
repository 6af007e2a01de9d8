"""`endocur shard`: what it publishes, what it refuses, and that a kill costs nothing."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import cv2
import known_corpus
import numpy as np
import pytest
import simplejpeg
from corpus_maker import endocur, environment
from known_corpus import frame

from endocur.corpus import Corpus
from endoshards.files import Lock
from endoshards.index import open_set
from endoshards.verify import verify

BAD = {frame(video, second): ("quality", "") for video in range(3) for second in range(5)}
COPIES = {frame(video, 19): ("duplicate", frame(video, 18)) for video in range(3)}


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A folder with a decided corpus: 60 frames, 15 of low quality, 3 near copies."""
    corpus = known_corpus.write_corpus(tmp_path / "corpus")
    known_corpus.decide(corpus, "filter", BAD, min_quality=0.25)
    known_corpus.decide(corpus, "dedup", COPIES, encoder="builtin:descriptor", threshold=0.95)
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if not path.name.startswith(".")}


def samples(folder: Path) -> dict[str, dict[str, bytes]]:
    found: dict[str, dict[str, bytes]] = {}
    for path in sorted(folder.glob("shard-*.tar")):
        with tarfile.open(path) as tar:
            for member in tar:
                key, _, kind = member.name.partition(".")
                found.setdefault(key, {})[kind] = tar.extractfile(member).read()
    return found


def test_exactly_the_kept_frames_are_published_and_the_account_says_so(study: Path) -> None:
    done = endocur(study, "shard", "--size", "96", "--shard-bytes", "60000")
    kept = {frame(video, second) for video in range(3) for second in range(20)} - BAD.keys() - COPIES.keys()
    assert set(samples(study / "shards")) == kept
    assert verify(study / "shards") == []
    account = json.loads((study / "corpus/log/shard.json").read_text())
    assert (account["seen"], account["kept"]) == (60, 42)
    assert account["dropped"] == {"dedup: duplicate": 3, "filter: quality": 15}
    assert done.stdout.endswith("next: endomae pretrain --shards shards/\n")
    assert len(list((study / "shards").glob("*.tar"))) > 1


def test_a_sample_is_a_picture_its_mask_and_its_json(study: Path) -> None:
    endocur(study, "shard", "--size", "96")
    for members in samples(study / "shards").values():
        assert set(members) == {"jpg", "json", "mask.png"}
        rgb = simplejpeg.decode_jpeg(members["jpg"])
        mask = cv2.imdecode(np.frombuffer(members["mask.png"], np.uint8), cv2.IMREAD_GRAYSCALE)
        assert rgb.shape == (96, 128, 3) and mask.shape == (96, 128)
        assert rgb[mask == 0].mean() < 4 < 40 < rgb[mask > 0].mean()
        said = json.loads(members["json"])
        assert (said["width"], said["height"]) == (128, 96)
        assert (said["source_width"], said["source_height"]) == (320, 280)
        assert said["view"]["scale"] == [0.4, 0.4]
    assert mask[96 * 25 // 120, 128 * 75 // 160] == 0, "text is no tissue"


def test_groups_are_those_of_the_markers_in_json_and_table(study: Path) -> None:
    endocur(study, "shard")
    shards = open_set(study / "shards")
    table = shards.samples().to_pylist()
    assert {row["group_id"] for row in table} == {"00000000000000f0", "00000000000000f1"}
    for row in table:
        said = json.loads(shards.read(row["shard"], row["index"], ["json"]).members["json"])
        assert {name: said[name] for name in ("frame_id", "group_id", "pts_us", "width")} == {
            name: row[name] for name in ("frame_id", "group_id", "pts_us", "width")
        }
        assert said["scores"]["quality"] == pytest.approx(row["quality"], abs=1e-4)


def test_native_size_keeps_every_stored_byte(study: Path) -> None:
    endocur(study, "shard", "--native-size")
    for key, members in samples(study / "shards").items():
        video, second = int(key[:16], 16) - 0xA1, int(key[17:]) // 1_000_000
        assert members["jpg"] == known_corpus.picture(video, second)


def test_a_size_above_the_stored_one_enlarges_nothing(study: Path) -> None:
    endocur(study, "shard", "--size", "320")
    for members in samples(study / "shards").values():
        assert simplejpeg.decode_jpeg_header(members["jpg"])[:2] == (120, 160)


def test_the_set_says_how_it_came_to_be_and_that_leaks_were_not_checked(study: Path) -> None:
    endocur(study, "shard", "--name", "trial")
    shards = open_set(study / "shards")
    assert shards.name == "trial"
    assert shards.info["leak_checks"] == "unchecked"
    assert shards.info["settings"]["filter"] == {"min_quality": 0.25}
    assert shards.info["settings"]["dedup"] == {"encoder": "builtin:descriptor", "threshold": 0.95}
    assert shards.info["seen"] == shards.info["kept"] + sum(shards.info["dropped"].values())
    card = (study / "shards/README.md").read_text()
    assert "Leak checks" in card and "configs:" in card


def test_nothing_that_is_published_names_the_corpus_or_a_folder(study: Path) -> None:
    endocur(study, "shard")
    for name, data in contents(study / "shards").items():
        assert b"3f2a91c07bd4" not in data, f"{name} holds the corpus id"
        assert str(study).encode() not in data and study.name.encode() not in data, f"{name} holds a path"


def test_workers_do_not_change_a_byte_and_the_same_line_again_does_nothing(study: Path) -> None:
    endocur(study, "shard", "--out", "one", "--workers", "1", "--shard-bytes", "60000")
    endocur(study, "shard", "--out", "four", "--workers", "4", "--shard-bytes", "60000")
    assert contents(study / "one") == contents(study / "four")
    before = {path: path.stat().st_mtime_ns for path in (study / "one").iterdir()}
    endocur(study, "shard", "--out", "one", "--shard-bytes", "60000")
    assert {path: path.stat().st_mtime_ns for path in (study / "one").iterdir()} == before


def test_without_any_decision_every_frame_is_kept(tmp_path: Path) -> None:
    known_corpus.write_corpus(tmp_path / "corpus", videos=1, seconds=4)
    endocur(tmp_path, "shard")
    assert open_set(tmp_path / "shards").total == 4


def test_a_stale_decision_is_refused_with_the_line_that_mends_it(study: Path) -> None:
    known_corpus.decide(Corpus(study / "corpus"), "filter", {}, min_quality=0.0)
    done = endocur(study, "shard", check=False)
    assert done.returncode == 3
    assert "endocur dedup" in done.stderr and done.stderr.count("\n") == 1
    assert not (study / "shards").exists()


def test_nothing_kept_is_refused_with_what_dropped_it(study: Path) -> None:
    every = {frame(video, second): ("quality", "") for video in range(3) for second in range(20)}
    known_corpus.decide(Corpus(study / "corpus"), "filter", every, min_quality=1.0)
    known_corpus.decide(Corpus(study / "corpus"), "dedup", {})
    done = endocur(study, "shard", check=False)
    assert done.returncode == 3
    assert done.stderr == (
        "endocur: all 60 frames of corpus were dropped (filter: quality 60), so there is nothing to write; "
        "lower a threshold and repeat: endocur filter --min-quality 0.2\n"
    )


def test_the_project_s_own_source_is_no_place_for_shards(study: Path) -> None:
    source = study / "shards/endoshards"
    source.mkdir(parents=True)
    (source / "__init__.py").touch()
    done = endocur(study, "shard", check=False)
    assert done.returncode == 3
    assert "source code" in done.stderr and "endocur shard --out " in done.stderr
    assert list((study / "shards").iterdir()) == [source]


def test_shards_of_another_corpus_are_never_touched(study: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    corpus = known_corpus.write_corpus(other / "corpus", videos=1, seconds=4)
    corpus.toml.write_text(corpus.toml.read_text().replace("3f2a91c07bd4", "aaaaaaaaaaaa"))
    endocur(other, "shard", "--out", str(study / "shards"))
    before = contents(study / "shards")
    done = endocur(study, "shard", check=False)
    assert done.returncode == 3 and "another corpus" in done.stderr
    assert contents(study / "shards") == before


def test_a_folder_of_other_things_is_left_alone(study: Path) -> None:
    (study / "shards").mkdir()
    (study / "shards/thesis.doc").write_text("mine")
    done = endocur(study, "shard", check=False)
    assert done.returncode == 3
    assert "holds 1 file that no set of shards" in done.stderr and "thesis" not in done.stderr
    assert contents(study / "shards") == {"thesis.doc": b"mine"}


def test_older_shards_of_this_corpus_are_written_anew(study: Path) -> None:
    endocur(study, "shard", "--size", "64", "--shard-bytes", "60000")
    endocur(study, "shard", "--size", "96")
    endocur(study, "shard", "--size", "96", "--out", "fresh")
    assert contents(study / "shards") == contents(study / "fresh")


def test_shards_whose_index_was_lost_get_it_back_and_keep_their_bytes(study: Path) -> None:
    endocur(study, "shard", "--shard-bytes", "60000")
    before = contents(study / "shards")
    tars = {path: path.stat().st_mtime_ns for path in (study / "shards").glob("*.tar")}
    (study / "shards/index.json").unlink()
    refused = endocur(study, "verify", check=False)
    assert refused.returncode == 3 and "endocur shard" in refused.stderr
    endocur(study, "shard", "--shard-bytes", "60000")
    assert contents(study / "shards") == before
    assert {path: path.stat().st_mtime_ns for path in tars} == tars


def test_new_groups_change_the_shards_and_no_picture(study: Path) -> None:
    endocur(study, "shard")
    before = samples(study / "shards")
    marker = study / f"corpus/units/{known_corpus.source(0)}.json"
    marker.write_text(marker.read_text().replace("00000000000000f0", "0000000000000099"))
    known_corpus.decide(Corpus(study / "corpus"), "filter", BAD, min_quality=0.25)
    known_corpus.decide(Corpus(study / "corpus"), "dedup", COPIES, encoder="builtin:descriptor", threshold=0.95)
    endocur(study, "shard")
    after = samples(study / "shards")
    assert {key: members["jpg"] for key, members in before.items()} == {key: m["jpg"] for key, m in after.items()}
    groups = {json.loads(members["json"])["group_id"] for members in after.values()}
    assert "0000000000000099" in groups


def test_a_second_command_on_the_corpus_waits_outside(study: Path) -> None:
    with Lock(study / "corpus/lock-0"):
        done = endocur(study, "shard", check=False)
    assert done.returncode == 3 and f"in use by process {os.getpid()}" in done.stderr


def test_a_damaged_corpus_is_refused_by_name_and_leaves_no_finished_set(study: Path) -> None:
    tar = study / f"corpus/frames/{known_corpus.source(1)}.000.tar"
    tar.write_bytes(tar.read_bytes()[:20_000])
    done = endocur(study, "shard", check=False)
    assert done.returncode == 3
    assert "shorter than its table says" in done.stderr and "Traceback" not in done.stderr
    assert not (study / "shards/index.json").exists()


@pytest.mark.skipif(not Path("/sys/kernel").is_dir(), reason="no file system here that nobody may write to")
def test_a_place_that_nobody_may_write_to_is_refused(study: Path) -> None:
    done = endocur(study, "shard", "--out", "/sys/kernel/shards", check=False)
    assert done.returncode == 3 and done.stderr.splitlines()[-1].startswith("endocur: /sys/kernel/shards: ")


def test_a_file_is_no_folder_for_shards(study: Path) -> None:
    (study / "shards").write_text("mine")
    done = endocur(study, "shard", check=False)
    assert done.returncode == 3
    assert done.stderr == "endocur: shards is a file; shards need a folder: --out OTHER.\n"
    assert (study / "shards").read_text() == "mine"


def test_a_full_disk_is_refused_in_one_sentence_and_the_same_line_goes_on(study: Path) -> None:
    (study / "small").mkdir()
    mount = ["unshare", "-rm", "sh", "-c", 'mount -t tmpfs -o size=60k none small && exec "$@"', "sh"]
    try:
        subprocess.run([*mount, "true"], cwd=study, check=True, capture_output=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip("no small file system can be mounted here")
    words = ["shard", "--shard-bytes", "20000", "--workers", "1"]
    line = [sys.executable, "-m", "endocur", *words, "--out", "small/shards"]
    done = subprocess.run(
        [*mount, *line], cwd=study, env=environment(study), capture_output=True, text=True, check=False
    )
    assert done.returncode == 3
    assert done.stderr.splitlines()[-1] == (
        "endocur: small/shards/shard-000001.tar: the disk is full; "
        "free some space and run the same command again, nothing finished is lost."
    )
    endocur(study, *words, "--out", "small/shards")
    assert verify(study / "small/shards") == []


def test_kill_9_and_the_same_line_again_give_the_bytes_of_an_unbroken_run(study: Path) -> None:
    words = ["shard", "--shard-bytes", "30000", "--workers", "2"]
    endocur(study, *words, "--size", "96", "--out", "whole")
    # The killed runs start over an older set, so that replacing is cut off too.
    endocur(study, *words, "--size", "64", "--out", "older")
    older = contents(study / "older")
    line = [sys.executable, "-m", "endocur", *words, "--size", "96", "--out", "broken"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    for files in (1, 4, 12):
        shutil.rmtree(study / "broken", ignore_errors=True)
        shutil.copytree(study / "older", study / "broken")
        running = subprocess.Popen(line, cwd=study, env=environment(study), **quiet)
        while running.poll() is None and _renewed(study / "broken", older) < files:
            time.sleep(0.001)
        running.send_signal(signal.SIGKILL)
        assert running.wait() == -signal.SIGKILL, "it ended before it was killed"
        assert not (study / "broken/index.json").exists(), "a broken set must not look finished"
        endocur(study, *words, "--size", "96", "--out", "broken")
        assert contents(study / "broken") == contents(study / "whole")


def _renewed(folder: Path, older: dict[str, bytes]) -> int:
    """Files that are no longer those of the older set, as far as they can be read while they change."""
    count = 0
    for path in folder.glob("shard-*"):
        with contextlib.suppress(FileNotFoundError):
            count += path.read_bytes() != older.get(path.name)
    return count


def test_webdataset_reads_the_set_as_it_is(study: Path) -> None:
    import webdataset

    endocur(study, "shard", "--size", "64")
    found = list(webdataset.WebDataset(str(study / "shards/shard-000000.tar"), shardshuffle=False))
    assert len(found) == 42
    assert {"jpg", "json", "mask.png"} <= set(found[0])
    assert cv2.imdecode(np.frombuffer(found[0]["mask.png"], np.uint8), 0) is not None
