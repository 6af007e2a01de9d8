"""45 broken and odd inputs of known outcome, composed beside the real frames: a bad input is a row, not an end."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from corpus_maker import endocur

pytestmark = [pytest.mark.real, pytest.mark.slow]


@dataclass(frozen=True)
class Broken:
    """The folder of broken inputs after one `endocur extract --all-frames --stills`."""

    inputs: Path
    expected: dict[str, dict[str, Any]]
    """By path below `inputs`."""
    done: subprocess.CompletedProcess[str]
    rows: dict[bytes, dict[str, Any]]
    """The private table by path."""
    frames: Counter[str]
    """Stored frames by source."""
    corpus: Path

    def path(self, name: str) -> bytes:
        """The path of an expectation; names that are no UTF-8 stand there in hex."""
        hexed = self.expected[name].get("path_hex")
        return os.path.join(os.fsencode(self.inputs), bytes.fromhex(hexed) if hexed else os.fsencode(name))  # noqa: PTH118


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory, shared_tools: Path) -> Broken:
    study = tmp_path_factory.mktemp("broken")
    inputs = study / "inputs"
    subprocess.run(
        [sys.executable, str(shared_tools / "compose_procedure.py"), "--broken", str(inputs)],
        check=True,
        capture_output=True,
    )
    done = endocur(study, "extract", str(inputs), "--all-frames", "--stills", check=False)
    [table] = (study / "home").rglob("sources-0.parquet")
    frames: Counter[str] = Counter()
    for path in (study / "corpus" / "frames").glob("*.parquet"):
        frames.update(pq.read_table(path, columns=["source_id"], partitioning=None)["source_id"].to_pylist())
    return Broken(
        inputs,
        json.loads((inputs / "expected.json").read_text("utf-8")),
        done,
        {row["path"]: row for row in pq.read_table(table, partitioning=None).to_pylist()},
        frames,
        study / "corpus",
    )


def test_every_input_ends_as_it_should(broken: Broken) -> None:
    wrong = []
    for name, want in broken.expected.items():
        row = broken.rows.get(broken.path(name), {"status": "missing", "source_id": "", "reason": ""})
        frames = broken.frames[row["source_id"]] if row["source_id"] else 0
        right = row["status"] in (want["status"], *want.get("also", ()))
        if not right or not want["frames_min"] <= frames <= want["frames_max"]:
            wrong.append((name[:40], row["status"], row["reason"], frames, want))
    assert len(broken.expected) >= 45
    assert wrong == []


def test_so_many_failures_end_the_command_with_5_and_not_with_a_traceback(broken: Broken) -> None:
    failed = [row for row in broken.rows.values() if row["status"] == "failed"]
    assert broken.done.returncode == 5
    assert f"{len(failed)} of " in broken.done.stderr
    assert "Traceback" not in broken.done.stderr
    assert list((broken.corpus / "log").glob("*bug*")) == []


def test_failed_and_partial_inputs_have_a_reason_and_no_name(broken: Broken) -> None:
    troubled = [row for row in broken.rows.values() if row["status"] in ("failed", "partial")]
    assert all(row["reason"] for row in troubled)
    names = {part.decode("utf-8", "replace") for row in broken.rows.values() for part in row["path"].split(b"/")[-1:]}
    said = broken.done.stdout + broken.done.stderr + "".join(row["reason"] for row in troubled)
    assert [name for name in names if re.search(rf"(?<![\w.]){re.escape(name)}", said)] == []


def test_byte_copies_are_ok_name_their_source_and_have_one_set_of_frames(broken: Broken) -> None:
    whole, copy = (broken.rows[broken.path(name)] for name in ("ok.mp4", "copy_of_ok.mp4"))
    copies = [row for row in broken.rows.values() if row["source_id"] == whole["source_id"]]
    assert whole["source_id"] == copy["source_id"]
    assert {row["status"] for row in copies} == {"ok"}
    assert sorted(row["copy_of"] for row in copies)[1:] == [whole["source_id"]] * (len(copies) - 1)
    assert broken.frames[whole["source_id"]] == 75


def test_the_account_adds_up_and_ignored_files_never_count_as_failures(broken: Broken) -> None:
    account = json.loads((broken.corpus / "log" / "extract.json").read_text())
    assert account["kept"] + sum(account["dropped"].values()) == account["seen"]
    assert account["kept"] == broken.frames.total()
    statuses = Counter(row["status"] for row in broken.rows.values())
    assert account["failed"] == statuses["failed"]
    assert account["extra"]["inputs ignored"] == statuses["ignored"]
