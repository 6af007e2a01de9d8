"""What `endocur extract` refuses, in which words, with which exit code, and that nothing is lost."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from corpus_maker import endocur, environment
from extract_study import (
    QUICK,
    contents,
    frame_rows,
)

from endocur.corpus import Corpus, corpus_lock


@pytest.mark.parametrize(
    ("words", "field"),
    [
        (("--fps", "2", "--no-text-detection"), "fps = 5.0, this run says 2.0"),
        ((*QUICK, "--max-side", "640"), "max-side = 960, this run says 640"),
        ((*QUICK, "--minutes", "1"), "minutes = (not set), this run says 1.0"),
    ],
)
def test_another_config_is_refused_and_the_field_named(study: Path, words: tuple[str, ...], field: str) -> None:
    before = contents(study)
    done = endocur(study, "extract", "videos", *words, check=False)
    assert done.returncode == 3
    assert field in done.stderr
    assert "--restart" in done.stderr
    assert "another --corpus" in done.stderr
    assert contents(study) == before


def test_restart_extracts_anew_with_the_new_config_and_drops_what_was_derived(study: Path) -> None:
    (study / "corpus" / "decisions").mkdir()
    (study / "corpus" / "decisions" / "filter.parquet").write_bytes(b"old")
    endocur(study, "extract", "videos", "--fps", "2", "--no-text-detection", "--restart")
    assert len(frame_rows(study)) == 3 * 4 + 3
    assert not (study / "corpus" / "decisions").exists()
    assert tomllib.loads((study / "corpus" / "corpus.toml").read_text())["extract"]["fps"] == 2.0


def test_another_key_is_refused_also_with_restart(study: Path, tmp_path: Path) -> None:
    before = contents(study)
    (tmp_path / "new").write_text(f"endomae-key-1 {'7a' * 32}\n")
    for words in ((), ("--restart",)):
        done = endocur(study, "extract", "videos", *QUICK, *words, "--key", str(tmp_path / "new"), check=False)
        assert done.returncode == 3
        assert "was made with another key file" in done.stderr
    assert contents(study) == before


def test_a_corpus_whose_key_is_missing_gets_no_new_one(study: Path) -> None:
    before = contents(study)
    key = study / "home" / ".config" / "endomae" / "key"
    key.rename(study / "backup")
    for words, place in (((), key), (("--key", "typo"), "typo"), (("--restart",), key)):
        done = endocur(study, "extract", "videos", *QUICK, *words, check=False)
        assert done.returncode == 3
        assert f"the key of this corpus is missing at {place}; restore it from its backup or pass" in done.stderr
    assert not key.exists() and not (study / "typo").exists()
    endocur(study, "extract", "videos", *QUICK, "--key", "backup")
    assert contents(study) == before


def test_a_folder_of_other_things_becomes_no_corpus_and_loses_nothing(fresh: Path) -> None:
    (fresh / "nf" / "frames").mkdir(parents=True)
    (fresh / "nf" / "frames" / "mine.mp4").write_bytes(b"mine")
    (fresh / "home" / ".config" / "endomae" / "key").unlink()
    for folder in ("nf", "videos", "."):
        for words in ((), ("--restart",)):
            done = endocur(fresh, "extract", "videos/a.mp4", *QUICK, "--corpus", folder, *words, check=False)
            assert done.returncode == 3
            assert "no corpus (it has no corpus.toml), but not empty" in done.stderr
    assert [path.name for path in (fresh / "nf").rglob("*")] == ["frames", "mine.mp4"]
    assert not (fresh / "home" / ".config" / "endomae" / "key").exists()


def test_a_corpus_within_the_folder_of_recordings_is_no_recording(fresh: Path, extracted: Path) -> None:
    for where in (".", "."):
        endocur(fresh, "extract", where, *QUICK, "--exclude", "home")
    found = contents(fresh)
    del found["units/ignored.json"]
    assert found.keys() == contents(extracted).keys()


def test_a_key_inside_the_corpus_and_a_file_that_is_no_key_are_refused(fresh: Path) -> None:
    inside = endocur(fresh, "extract", "videos", "--key", "corpus/key", check=False)
    assert (inside.returncode, "lies inside the corpus" in inside.stderr) == (3, True)
    (fresh / "note").write_text("not a key")
    other = endocur(fresh, "extract", "videos", "--key", "note", check=False)
    assert (other.returncode, "is no key file" in other.stderr) == (3, True)
    assert not (fresh / "corpus" / "units").exists()


def test_a_second_command_on_one_corpus_is_refused(study: Path) -> None:
    with corpus_lock(Corpus(study / "corpus")):
        done = endocur(study, "extract", "videos", *QUICK, check=False)
    assert done.returncode == 3
    assert "corpus" in done.stderr
    assert str(os.getpid()) in done.stderr


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("nowhere",), "nowhere: no such file or folder"),
        (("empty",), "empty: no video and no picture among 0 files"),
        (("notes",), "notes: no video and no picture among 1 files"),
        (("videos", "--include", "*.mkv"), "no video and no picture"),
        (("videos", "--exclude", "@nowhere.txt"), "@nowhere.txt: the list cannot be read (no such file or directory)."),
        (("videos", "--groups", "nowhere.csv"), "--groups nowhere.csv cannot be read (no such file or directory)."),
        (("videos.zip",), "unpack it first: unzip"),
        (("videos", "--corpus", "notes/readme.md"), "a file lies where a folder is wanted"),
    ],
)
def test_what_cannot_be_extracted_is_refused_with_one_sentence(fresh: Path, words: tuple[str, ...], text: str) -> None:
    (fresh / "empty").mkdir()
    (fresh / "notes").mkdir()
    (fresh / "notes" / "readme.md").write_text("hello")
    (fresh / "videos.zip").write_bytes(b"PK\x03\x04" + bytes(100))
    done = endocur(fresh, "extract", *words, check=False)
    assert done.returncode == 3, done.stderr
    assert text in done.stderr
    assert "Traceback" not in done.stderr
    assert not (fresh / "corpus" / "frames").exists()


@pytest.mark.parametrize(
    "words",
    [("--fps", "0"), ("--part", "2/2"), ("--allow-failed", "2"), ("--jpeg-quality", "500"), ("--decoder", "magic")],
)
def test_a_malformed_option_ends_with_2(fresh: Path, words: tuple[str, ...]) -> None:
    done = endocur(fresh, "extract", "videos", *words, check=False)
    assert done.returncode == 2
    assert words[1] in done.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_output_that_may_not_be_written_is_refused(fresh: Path) -> None:
    (fresh / "locked").mkdir(mode=0o500)
    done = endocur(fresh, "extract", "videos", "--corpus", "locked/corpus", check=False)
    assert done.returncode == 3
    assert "no permission" in done.stderr


def test_a_full_disk_is_refused_names_the_file_and_holds_no_half_written_one(fresh: Path) -> None:
    (fresh / "small").mkdir()
    work = 'mount -t tmpfs -o size=200k none small && { "$@"; code=$?; find small -name ".tmp-*"; exit $code; }'
    mount = ["unshare", "-rm", "sh", "-c", work, "sh"]
    try:
        subprocess.run([*mount, "true"], cwd=fresh, check=True, capture_output=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip("no small file system can be mounted here")
    line = [sys.executable, "-m", "endocur", "extract", "videos", *QUICK, "--workers", "2", "--corpus", "small/corpus"]
    done = subprocess.run(
        [*mount, *line], cwd=fresh, env=environment(fresh), capture_output=True, text=True, check=False
    )
    assert done.returncode == 3
    assert re.match(r"endocur: small/corpus/\S+: the disk is full; free some space", done.stderr.splitlines()[-1])
    assert "MB are free; make room" in done.stderr
    assert ".tmp-" not in done.stdout


def test_all_frames_and_another_rate_are_one_too_many_and_a_rate_that_does_not_count_is_not_compared(
    fresh: Path,
) -> None:
    line = ("extract", "videos/a.mp4", "--no-text-detection", "--all-frames")
    both = endocur(fresh, *line, "--fps", "4", check=False)
    assert (both.returncode, "--all-frames and --fps 4 were both given" in both.stderr) == (2, True)
    endocur(fresh, *line)
    settings = fresh / "corpus" / "corpus.toml"
    settings.write_text(settings.read_text().replace("fps = 1.0", "fps = 4.0"))
    endocur(fresh, *line)
    assert endocur(fresh, *line[:-1], check=False).returncode == 3


def test_a_corpus_is_not_written_into_a_source_tree(fresh: Path) -> None:
    clone = fresh.rename(fresh.with_name("clone"))
    (clone / "curation").mkdir()
    (clone / "pyproject.toml").write_text('[project]\nname = "endomae"\n')
    for words in ((), ("--corpus", "curation"), ("--corpus", "curation/corpus")):
        done = endocur(clone, "extract", "videos", *QUICK, *words, check=False)
        assert done.returncode == 3
        assert "type instead: endocur extract … --corpus ../study/corpus" in done.stderr
    assert list((clone / "curation").iterdir()) == [] and not (clone / "corpus").exists()
