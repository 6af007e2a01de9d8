"""`endomae audit-split` as a user types it, and every line that the docs tell to type."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(folder, *words):
    return subprocess.run(
        [sys.executable, "-m", "endomae", "audit-split", *map(str, words)],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip


def write(path, groups, clips=(0, 1)):
    rows = [f"video_{group:02}_{clip}.avi,{'ab'[group % 2]}" for group in groups for clip in clips]
    path.write_text("file,label\n" + "\n".join(rows) + "\n")


def typed(page):
    """The shell block of a page that calls the command."""
    blocks = re.findall(r"```bash\n(.*?)```", (ROOT / page).read_text("utf-8"), re.DOTALL)
    (block,) = [block for block in blocks if "audit-split" in block]
    return block


@pytest.mark.parametrize("page", ["docs/audit-split.md", "README.md"])
def test_the_lines_of_the_page_find_the_faults_and_write_clean_lists(tmp_path, page):
    shim = tmp_path / "bin" / "endomae"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m endomae "$@"\n')
    shim.chmod(0o755)
    study = tmp_path / "study"
    study.mkdir()
    path = f"{shim.parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", typed(page)], cwd=study, env={**os.environ, "PATH": path},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 4, done.stderr
    said = re.search(r"```text\n(.*?)```", (ROOT / "docs/audit-split.md").read_text("utf-8"), re.DOTALL)[1]
    for line in said.splitlines():
        assert line in done.stdout
    assert "the same audit on it: clean" in done.stdout
    assert json.loads((study / "results/audit-study/audit.json").read_text())["state"] == "faults found"
    python = re.search(r"```python\n(.*?)```", (ROOT / "docs/audit-split.md").read_text("utf-8"), re.DOTALL)[1]
    subprocess.run([sys.executable, "-c", python], cwd=study, check=True)


def test_clean_lists_end_with_0_and_say_first_what_was_understood(tmp_path):
    write(tmp_path / "train.csv", range(12))
    write(tmp_path / "test.csv", range(12, 24))
    done = run(tmp_path, "train.csv", "test.csv", "--out", "out")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("understood:\n")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["audit.html", "audit.json", "audit.md"]
    assert json.loads((tmp_path / "out/audit.json").read_text())["state"] == "clean"


def test_shared_groups_end_with_4_and_share_names_nobody(tmp_path):
    write(tmp_path / "train.csv", range(12), clips=(0, 1))
    write(tmp_path / "test.csv", range(12), clips=(2, 3))
    done = run(tmp_path, "train.csv", "test.csv", "--out", "out", "--share")
    assert done.returncode == 4
    assert "12 of the 12 groups of test stand in train as well" in done.stdout
    assert "checks found faults; audit.html shows them." in done.stderr
    written = [path.read_text("utf-8") for path in (tmp_path / "out").iterdir()]
    assert not any("video_0" in text for text in [done.stdout, done.stderr, *written])


def test_fold_numbers_put_each_fold_against_the_rest(tmp_path):
    rows = [f"video_{group:02}_{clip}.avi,{'ab'[group % 2]},{group % 3}" for group in range(24) for clip in range(2)]
    (tmp_path / "folds.csv").write_text("file,label,fold\n" + "\n".join(rows) + "\n")
    done = run(tmp_path, "folds.csv", "--split-column", "fold", "--out", "out")
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(json.loads((tmp_path / "out/audit.json").read_text())["folds"]) == 3
    assert "Each fold against the rest" in (tmp_path / "out/audit.html").read_text()


def test_a_proposal_without_a_group_key_is_refused_and_the_audit_stands(tmp_path):
    names = "alfa bravo charlie delta echo foxtrot golf hotel india juliett kilo lima".split()
    for word, part in (("train", names[:8]), ("test", names[8:])):
        rows = [f"{name}.png,{'ab'[i % 2]}" for i, name in enumerate(part)]
        (tmp_path / f"{word}.csv").write_text("file,label\n" + "\n".join(rows) + "\n")
    done = run(tmp_path, "train.csv", "test.csv", "--out", "out", "--propose", "clean")
    assert done.returncode == 3
    assert "no group key was found, so no split by group can be proposed" in done.stderr
    assert (tmp_path / "out/audit.html").is_file()
    assert not (tmp_path / "clean").exists()


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("nowhere.csv", "test.csv"), 3, "nowhere.csv"),
        (("empty.csv", "test.csv"), 3, "empty.csv"),
        (("test.csv", "test.csv"), 3, "test.csv was given as train and as test"),
        (("train.csv", "test.csv", "--published", "55.28"), 2, "for 55.28 % write 0.5528"),
        (("train.csv", "test.csv", "--seed", "-1"), 2, "--seed is -1; a whole number from 0 is wanted."),
        (("train.csv", "test.csv", "--published-metric", "f2"), 2, "'f2' is not one of 'accuracy'"),
        (("train.csv", "test.csv", "--classes", "1"), 2, "--classes is 1; at least 2 are wanted."),
        (("train.csv", "test.csv", "--group-pattern", "("), 2, "--group-pattern ("),
        (("train.csv", "test.csv", "--group-pattern", "patient"), 3, "matches 0 of"),
        (
            ("train.csv", "test.csv", "--propose", "."),
            3,
            "--propose . would write over train.csv; name another folder.",
        ),
        ((), 2, "train must be given"),
    ],
)
def test_what_is_refused_with_which_code(tmp_path, words, code, text):
    write(tmp_path / "train.csv", range(12))
    write(tmp_path / "test.csv", range(12, 24))
    (tmp_path / "empty.csv").touch()
    done = run(tmp_path, *words)
    assert done.returncode == code, done.stdout + done.stderr
    assert text in done.stderr
    assert not (tmp_path / "results").exists()


REFUSED_LISTS = {
    "no such list": ("meier.csv", "none-meier.csv", ()),
    "not UTF-8": ("meier.csv", "latin-meier.csv", ()),
    "empty": ("meier.csv", "empty-meier.csv", ()),
    "the same list": ("meier.csv", "meier.csv", ()),
    "a row without a group": ("meier.csv", "test-meier.csv", ("--groups", "groups-meier.csv")),
    "no data under the root": ("meier.csv", "test-meier.csv", ("--data-root", "root-meier")),
    "a pattern that leaves rows out": ("meier.csv", "test-meier.csv", ("--group-pattern", "meier_0(.)")),
    "a pattern of one group": ("meier.csv", "test-meier.csv", ("--group-pattern", "(meier)")),
    "a pattern that is none": ("meier.csv", "test-meier.csv", ("--group-pattern", "meier(")),
    "a folder of lists": (".", "test-meier.csv", ()),
    "split words that are names": ("meier.csv", None, ("--split-column", "file")),
    "JSON under names": ("json-meier.json", "test-meier.csv", ()),
    "its own lists": ("meier.csv", "train.csv", ("--propose", ".")),
    "an output that is a file": ("meier.csv", "test-meier.csv", ("--out", "test-meier.csv")),
}


@pytest.mark.parametrize("fault", sorted(REFUSED_LISTS))
def test_with_share_no_refusal_names_a_list_or_a_row(tmp_path, fault):
    folder = tmp_path / "patient-meier"
    folder.mkdir()
    for name, many in (("meier.csv", range(12)), ("test-meier.csv", range(12, 24)), ("train.csv", range(12, 24))):
        rows = [f"meier_{group:02}_{clip}.avi,{'ab'[group % 2]}" for group in many for clip in (0, 1)]
        (folder / name).write_text("file,label\n" + "\n".join(rows) + "\n")
    (folder / "groups-meier.csv").write_text("file,group\nmeier_01_0.avi,meier\n")
    (folder / "empty-meier.csv").touch()
    (folder / "latin-meier.csv").write_bytes(b"file,label\nm\xfcller.avi,a\n")
    (folder / "json-meier.json").write_text(json.dumps({"meier_1.jpg": [{"a": 1}], "meier_2.jpg": ["b"]}))
    (folder / "root-meier").mkdir()
    train, test, more = REFUSED_LISTS[fault]
    more = [folder / word if word.startswith(("root", "groups", "test-")) or word == "." else word for word in more]
    words = (folder / train, *([] if test is None else [folder / test]), *more)
    open_ = run(tmp_path, *words)
    done = run(tmp_path, *words, "--share")
    assert done.returncode == open_.returncode != 0
    assert done.returncode in {2, 3}, done.stderr
    assert "meier" not in (done.stdout + done.stderr).lower()
    assert "m\u00fcller" not in (done.stdout + done.stderr)
    assert "the " in done.stderr
