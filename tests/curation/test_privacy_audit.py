"""`endocur verify --privacy` and the gate of `endocur shard`: what they find, sign, refuse and publish."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import known_corpus
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from corpus_maker import endocur, endocur_here, environment
from known_corpus import frame

from endocur.corpus import Corpus
from endocur.identity import open_key
from endocur.privacy.audit import read_audit
from endocur.privacy.examine import examine
from endoshards.errors import BadInput, CheckFailed
from endoshards.files import sha256_file, write_json
from endoshards.index import open_set, read_index
from endoshards.members import parquet_bytes
from endoshards.tar import BLOCK
from endoshards.verify import verify

NAME = "MUSTER"
WRITTEN = {(0, 3): NAME, (1, 5): NAME}
SHORT = {(0, 1): NAME, (1, 0): NAME}
QUICK = ("--native-size", "--workers", "1")


def make_study(study: Path, written: dict[tuple[int, int], str] | None = None, seconds: int = 8) -> Corpus:
    """A corpus of two videos that bears the check value of a key of its own."""
    corpus = known_corpus.write_corpus(study / "corpus", videos=2, seconds=seconds, written=written)
    path = Path(environment(study)["XDG_CONFIG_HOME"]) / "endomae/key"
    key = open_key(path, outside=corpus.root)
    corpus.toml.write_text(corpus.toml.read_text().replace("0123456789abcdef", key.check))
    return corpus


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A set two of whose frames bear a name, audited whole. Read only."""
    study = tmp_path_factory.mktemp("shown")
    make_study(study, WRITTEN)
    endocur(study, "shard", *QUICK)
    return study, endocur(study, "verify", "shards", "--privacy", "--all", "--workers", "1", check=False)


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set without text, audited by a sample. Read only."""
    study = tmp_path_factory.mktemp("clean")
    make_study(study)
    endocur(study, "shard", *QUICK)
    endocur(study, "verify", "shards", "--privacy", "--sample", "3", "--workers", "1")
    return study


@pytest.fixture
def copied(clean: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(clean, tmp_path / "study"))


def test_names_in_pixels_end_with_4_their_frames_and_the_line_that_masks_them(
    shown: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    study, done = shown
    assert done.returncode == 4
    assert frame(0, 3) in done.stderr and frame(1, 5) in done.stderr
    assert "2 of 16 frames read show text" in done.stderr
    assert f"endocur redact --from-audit {study.resolve()}/shards.audit.json" in done.stderr
    assert re.search(r"with text +2; 12\.50% of all frames", done.stdout)


def test_the_audit_has_counts_and_boxes_and_no_text(shown: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    study, done = shown
    text = (study / "shards.audit.json").read_text()
    assert NAME not in (text + done.stdout + done.stderr).upper()
    said = json.loads(text)
    assert said["passed"] is False
    assert (said["read"]["frames"], said["read"]["drawn"], said["read"]["drawn_with_text"]) == (16, 16, 2)
    assert [one["frame_id"] for one in said["text"]] == [frame(0, 3), frame(1, 5)]
    for one in said["text"]:
        (x, y, width, height), *_ = one["boxes"]
        assert 36 <= x <= 48 and 56 <= y <= 72 and 50 <= width <= 80 and 8 <= height <= 24
    assert not list((study / "shards").glob("*audit*")), "an audit does not travel with the set"


def test_a_sample_prints_its_bound_and_reads_each_layout(clean: Path) -> None:
    said = json.loads((clean / "shards.audit.json").read_text())
    assert said["passed"] is True
    assert said["read"]["drawn"] == 3
    assert said["read"]["upper_bound"] == pytest.approx(0.6316, abs=1e-4)  # 1 - 0.05 ** (1 / 3)
    assert said["read"]["whole"] is False


def test_an_audit_that_passed_is_checked_against_the_bytes(copied: Path) -> None:
    done = endocur_here(copied, "verify", "shards", "--check-audit")
    assert done.stdout.endswith("is signed, is of these bytes, and passed\n")
    with (copied / "shards/README.md").open("a") as card:
        card.write("more\n")
    done = endocur_here(copied, "verify", "shards", "--check-audit")
    assert done.returncode == 4 and "is of other bytes than shards holds" in done.stderr


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda value: value | {"passed": not value["passed"]}, "was changed after it was signed"),
        (lambda value: value | {"text": []}, "was changed after it was signed"),
        (lambda value: value | {"signature": "0" * 64}, "was changed after it was signed"),
        (lambda value: value | {"key_check": "0" * 16}, "was signed with another key"),
    ],
)
def test_a_tampered_audit_is_refused(
    shown: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path, change: Callable[[dict], dict], said: str
) -> None:
    study, _ = shown
    key = open_key(study / "home/.config/endomae/key", outside=study / "corpus")
    write_json(tmp_path / "audit.json", change(json.loads((study / "shards.audit.json").read_text())))
    with pytest.raises(CheckFailed, match=said):
        read_audit(tmp_path / "audit.json", key)


def test_an_audit_of_another_key_is_refused(clean: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckFailed, match="another key"):
        read_audit(clean / "shards.audit.json", open_key(tmp_path / "key", outside=clean))


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"signature": "x"}', '"x"'])
def test_what_is_no_audit_is_refused_in_words(clean: Path, tmp_path: Path, content: str) -> None:
    (tmp_path / "audit.json").write_text(content)
    with pytest.raises(BadInput):
        read_audit(tmp_path / "audit.json", open_key(clean / "home/.config/endomae/key", outside=tmp_path / "x"))
    with pytest.raises(BadInput, match="there is no audit"):
        read_audit(tmp_path / "none.json", open_key(clean / "home/.config/endomae/key", outside=tmp_path / "x"))


def _rewrite_header(shards: Path) -> None:
    """A time and an owner in one tar header, its checksum mended: sums of index and table are left behind."""
    tar = shards / "shard-000000.tar"
    data = bytearray(tar.read_bytes())
    data[136:148] = b"14712345670\0"
    data[265 : 265 + 6] = NAME.encode()
    block = bytes(data[:148]) + b" " * 8 + bytes(data[156:BLOCK])
    data[148:156] = b"%06o\0 " % sum(block)
    tar.write_bytes(bytes(data))


def _table(change: Callable[[pa.Table], pa.Table]) -> Callable[[Path], None]:
    def apply(shards: Path) -> None:
        path = shards / "samples.parquet"
        path.write_bytes(parquet_bytes(change(pq.read_table(path, partitioning=None))))

    return apply


def _pad_table(shards: Path) -> None:
    """The same rows with another row group size: bytes that a writer of ours would not leave."""
    path = shards / "samples.parquet"
    table = pq.read_table(path, partitioning=None)
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", row_group_size=3)
    path.write_bytes(sink.getvalue())


def _index(change: Callable[[dict], object]) -> Callable[[Path], None]:
    def apply(shards: Path) -> None:
        value = json.loads((shards / "index.json").read_text())
        change(value)
        write_json(shards / "index.json", value)

    return apply


FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "a file of another name": (lambda out: (out / f"{NAME}.txt").write_text(NAME), "stray"),
    "an owner in a tar header": (_rewrite_header, "header"),
    "a column": (_table(lambda rows: rows.append_column(NAME, rows["key"])), "table"),
    "a note in a table": (_table(lambda rows: rows.replace_schema_metadata({NAME: NAME})), "table"),
    "a name for a group": (
        _table(
            lambda rows: rows.set_column(
                rows.schema.get_field_index("group_id"), "group_id", pa.array([NAME] * len(rows))
            )
        ),
        "table",
    ),
    "bytes beside the rows": (_pad_table, "table"),
    "a field of others in the index": (_index(lambda value: value.update({NAME: NAME})), "index"),
    "a path in the settings": (
        _index(lambda value: value["endoshards"]["info"]["settings"]["shard"].update(name=f"/x/{NAME}")),
        "index",
    ),
    "a line in the card": (lambda out: (out / "README.md").open("a").write(NAME), "card"),
}


@pytest.mark.parametrize("what", FAULTS)
def test_what_is_added_beside_the_pixels_is_a_fault_and_is_not_repeated(copied: Path, what: str) -> None:
    change, kind = FAULTS[what]
    shards = copied / "shards"
    change(shards)
    found = examine(shards, read_index(shards))
    assert {one.kind for one in found} == {kind}
    assert NAME not in repr(found)


def test_a_clean_set_has_no_fault(clean: Path) -> None:
    assert examine(clean / "shards", read_index(clean / "shards")) == []


def test_a_table_of_many_row_groups_has_no_fault() -> None:
    rows = pa.table({"key": [f"{number:016x}-{0:012d}" for number in range(300_000)]})
    data = parquet_bytes(rows)
    assert parquet_bytes(pq.read_table(io.BytesIO(data))) == data


def test_a_gate_that_is_not_passed_publishes_nothing_and_says_what_to_do(tmp_path: Path) -> None:
    make_study(tmp_path, SHORT, seconds=2)
    line = ("shard", *QUICK, "--require-audit", "--audit-all")
    done = endocur(tmp_path, *line, check=False)
    assert done.returncode == 4
    assert not (tmp_path / "shards").exists()
    assert "is not published" in done.stderr and frame(0, 1) in done.stderr
    redact = re.search(r"endocur (redact --from-audit \S+),", done.stderr)
    assert redact is not None
    endocur(tmp_path, *redact[1].split())
    done = endocur(tmp_path, *line)
    assert verify(tmp_path / "shards") == []
    assert not (tmp_path / "shards.unaudited").exists()
    assert open_set(tmp_path / "shards").total == 4
    before = {path: sha256_file(path) for path in (tmp_path / "shards").iterdir()}
    audit = (tmp_path / "shards.audit.json").stat().st_mtime_ns
    endocur(tmp_path, *line)
    assert {path: sha256_file(path) for path in (tmp_path / "shards").iterdir()} == before
    assert (tmp_path / "shards.audit.json").stat().st_mtime_ns == audit, "exactly these bytes were audited before"


def test_an_older_set_stays_published_until_the_new_one_passed(tmp_path: Path) -> None:
    make_study(tmp_path, SHORT, seconds=2)
    endocur(tmp_path, "shard", "--size", "64", "--workers", "1")
    older = {path.name: path.read_bytes() for path in (tmp_path / "shards").iterdir()}
    done = endocur(tmp_path, "shard", *QUICK, "--require-audit", "--audit-all", check=False)
    assert done.returncode == 4
    assert {path.name: path.read_bytes() for path in (tmp_path / "shards").iterdir()} == older
    (tmp_path / "seen.txt").write_text(f"{frame(0, 1)}\n{frame(1, 0)}\n")
    done = endocur(tmp_path, "shard", *QUICK, "--require-audit", "--audit-all", "--accepted", "seen.txt")
    assert re.search(r"accepted by a person +2", done.stdout)
    assert {path.name for path in tmp_path.iterdir() if path.name.startswith("shards")} == {
        "shards",
        "shards.audit.json",
    }
    assert (tmp_path / "shards/shard-000000.tar").read_bytes() != older["shard-000000.tar"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("verify", "shards", "--all"), 2, "--all belongs to the privacy audit; add --privacy."),
        (("verify", "shards", "--privacy", "--sample", "0"), 2, "--sample is 0; a number above 0 is wanted."),
        (("verify", "shards", "--privacy", "--check-audit"), 2, "--privacy and --check-audit were both given"),
        (("verify", "shards", "--privacy", "--key", "nowhere"), 3, "key of this corpus is missing at nowhere"),
        (("verify", "shards", "--privacy", "--audit", "shards/x.json"), 3, "lies among the shards"),
        (("verify", "shards", "--privacy", "--accepted", "corpus/corpus.toml"), 3, "line 1 is no frame id"),
        (("verify", "nowhere", "--privacy"), 3, "there is no folder nowhere"),
        (("redact", "--from-audit", "shards.audit.json"), 3, "the audit names no frame with text"),
        (("redact", "--from-audit", "shards/index.json"), 3, "shards/index.json is no audit"),
        (("shard", "--audit-all"), 2, "add --require-audit"),
        (("shard", "--require-audit", "--key", "corpus/key"), 3, "lies inside the corpus"),
    ],
)
def test_wrong_input_is_one_sentence_with_its_exit_code(
    clean: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    done = endocur_here(clean, *words)
    assert done.returncode == code, done.stderr
    assert said in done.stderr and done.stderr.count("\n") == 1


def test_a_gate_with_another_key_is_refused(copied: Path) -> None:
    shutil.rmtree(copied / "home")
    known_corpus_key = open_key(Path(environment(copied)["XDG_CONFIG_HOME"]) / "endomae/key", outside=copied / "corpus")
    assert known_corpus_key.made
    done = endocur_here(copied, "shard", "--require-audit")
    assert done.returncode == 3 and "was made with another key file" in done.stderr
