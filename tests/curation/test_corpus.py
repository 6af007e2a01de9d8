"""Corpus folders: settings that are believed or refused, markers, accounts that add up, tables and masks."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import numpy as np
import pytest

from endocur.account import Account, read_accounts
from endocur.configs import ExtractConfig
from endocur.corpus import (
    Corpus,
    InputRow,
    UnitMarker,
    chapter_files,
    corpus_lock,
    open_corpus,
    read_settings,
    unit_markers,
    write_marker,
)
from endocur.opening import open_for_extract
from endocur.store import FRAME_COLUMNS, FrameReader, read_chapter_table, read_masks, write_chapter_table, write_masks
from endoshards.errors import BadInput
from endoshards.files import write_atomic, write_json
from endoshards.settings import what

CONFIG = what(ExtractConfig(inputs=(Path("videos"),)))


def opened(root: Path, config: dict[str, object] = CONFIG, key_check: str = "k", **more: object) -> Corpus:
    return open_for_extract(root, config, key_check=key_check, corpus_id="c1", **more)  # type: ignore[arg-type]


def test_a_folder_without_a_corpus_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"no corpus at .*; make one first: endocur extract"):
        open_corpus(tmp_path)


def test_the_same_config_and_key_open_it_again(tmp_path: Path) -> None:
    opened(tmp_path / "c")
    before = (tmp_path / "c" / "corpus.toml").read_bytes()
    assert opened(tmp_path / "c").root == tmp_path / "c"
    assert (tmp_path / "c" / "corpus.toml").read_bytes() == before
    assert read_settings(open_corpus(tmp_path / "c"))["extract"]["fps"] == 1.0


def test_another_config_is_refused_and_the_field_named(tmp_path: Path) -> None:
    opened(tmp_path / "c")
    with pytest.raises(BadInput, match=r"made with max-side = 960, this run says 640.*--restart"):
        opened(tmp_path / "c", CONFIG | {"max_side": 640})
    with pytest.raises(BadInput, match=r"made with minutes = \(not set\), this run says 5"):
        opened(tmp_path / "c", CONFIG | {"minutes": 5.0})


def test_another_key_is_refused_even_with_restart(tmp_path: Path) -> None:
    opened(tmp_path / "c")
    for restart in (False, True):
        with pytest.raises(BadInput, match="another key file"):
            opened(tmp_path / "c", key_check="other", restart=restart)


OURS = (
    "units/0123456789abcdef.json",
    "units/0123456789abcdef.000.json",
    "units/stills-0123456789abcdef.json",
    "units/ignored.json",
    "frames/0123456789abcdef.000.tar",
    "frames/0123456789abcdef.000.parquet",
    "frames/.tmp-0123456789ab",
    "views/0123456789abcdef.000.npz",
    "scores/0123456789abcdef.1000.parquet",
    "embeddings/builtin-0123abcd/0123456789abcdef.000.npy",
    "decisions/filter.parquet",
    "tables/frames.parquet",
    "tables/frames-0a.parquet",
    "reports/corpus.html",
    "reports/sheets/0123456789abcdef.v000.jpg",
)
FOREIGN = (
    "frames/mine.mp4",
    "frames/0123456789abcdef.000.tar.bak",
    "units/0123456789abcdef/mine.json",
    "views/.hidden",
    "embeddings/mine.npy",
    "decisions/mine.parquet",
    "reports/mine.docx",
    "reports/sheets/mine.jpg",
    "log/extract.json",
    "mine.txt",
)


def test_restart_throws_our_frames_away_and_nothing_else(tmp_path: Path) -> None:
    corpus = opened(tmp_path / "c")
    for name in (*OURS, *FOREIGN):
        write_atomic(corpus.root / name, "x")
    opened(tmp_path / "c", CONFIG | {"max_side": 640}, restart=True)
    left = {str(path.relative_to(corpus.root)) for path in corpus.root.rglob("*") if path.is_file()}
    assert left == {*FOREIGN, "corpus.toml"}
    assert not corpus.scores.exists() and not corpus.tables.exists()
    assert read_settings(corpus)["extract"]["max_side"] == 640
    assert read_settings(corpus)["corpus_id"] == "c1"


def test_a_folder_that_holds_other_things_becomes_no_corpus(tmp_path: Path) -> None:
    write_atomic(tmp_path / "nf" / "frames" / "mine.mp4", "x")
    with pytest.raises(BadInput, match=r"nf is no corpus .* but not empty; give the corpus a folder of its own"):
        opened(tmp_path / "nf")
    assert not (tmp_path / "nf" / "corpus.toml").exists()
    for name in (".DS_Store", "lock-1", ".tmp-0123456789ab"):
        write_atomic(tmp_path / "begun" / name, "x")
    assert opened(tmp_path / "begun").toml.is_file()


def test_a_later_format_and_a_damaged_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "corpus.toml").write_text("format = 99\n")
    with pytest.raises(BadInput, match="format 99"):
        open_corpus(tmp_path)
    (tmp_path / "corpus.toml").write_text("format = ")
    with pytest.raises(BadInput, match="damaged"):
        open_corpus(tmp_path)


def test_source_code_is_no_place_for_a_corpus(tmp_path: Path) -> None:
    (tmp_path / "endocur").mkdir()
    (tmp_path / "endocur" / "__init__.py").write_text("")
    with pytest.raises(BadInput, match="source code"):
        opened(tmp_path)


def test_markers_come_back_as_written_and_chapters_are_no_units(tmp_path: Path) -> None:
    corpus = opened(tmp_path / "c")
    rows = (InputRow("a" * 16, "ok", group="g"), InputRow("a" * 16, "ok", copy_of="a" * 16, position=2))
    marker = UnitMarker("a" * 16, "partial", "cut", "video", 2, 7, "f", rows, {"seen": 9})
    write_marker(corpus, marker)
    write_json(chapter_files(corpus, marker.name, 0).marker, {"frames": 7, "fingerprint": "f"})
    assert unit_markers(corpus) == [marker]
    (corpus.units / "b.json").write_text("{}")
    with pytest.raises(BadInput, match="no unit marker"):
        unit_markers(corpus)


def test_one_writer_a_part(tmp_path: Path) -> None:
    corpus = Corpus(tmp_path / "c")
    with corpus_lock(corpus), corpus_lock(corpus, 1), pytest.raises(BadInput, match="in use by process"):
        corpus_lock(corpus).__enter__()


def test_an_account_adds_up_or_is_a_bug(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    account = Account("filter", tmp_path / "log")
    account.seen, account.kept = 10, 7
    account.drop("quality", 2)
    with pytest.raises(AssertionError, match="seen 10 is not kept 7 \\+ dropped 2"):
        account.finish(None)
    account.drop("blank")
    with account.bar(10) as bar:
        bar.advance(10)
    account.finish("endocur dedup", "f1", {"threshold": 0.4})
    said = capsys.readouterr().out
    assert "dropped: quality" in said and said.rstrip().endswith("next: endocur dedup")
    assert read_accounts(Corpus(tmp_path)) == {}, "there are no such decisions"
    write_atomic(tmp_path / "decisions" / "filter.parquet", "decisions")
    kept = read_accounts(Corpus(tmp_path))["filter"]
    assert (kept["seen"], kept["kept"], kept["dropped"]) == (10, 7, {"blank": 1, "quality": 2})
    assert json.loads((tmp_path / "log" / "filter.json").read_text())["next"] == "endocur dedup"


def test_frames_are_read_by_place_from_many_threads(tmp_path: Path) -> None:
    corpus = Corpus(tmp_path)
    corpus.frames.mkdir()
    for chapter in range(3):
        chapter_files(corpus, "u", chapter).frames_tar.write_bytes(bytes([chapter]) * 5000)
    wrong: list[int] = []
    with FrameReader(corpus) as reader:

        def read(chapter: int) -> None:
            for offset in range(0, 4000, 7):
                if reader.jpeg("u", chapter, offset, 100) != bytes([chapter]) * 100:
                    wrong.append(offset)

        threads = [threading.Thread(target=read, args=(number % 3,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []
        with pytest.raises(BadInput, match="shorter than its table says"):
            reader.jpeg("u", 0, 4990, 100)
        with pytest.raises(BadInput, match="missing"):
            reader.jpeg("other", 0, 0, 1)


def test_masks_come_back_and_their_file_has_equal_bytes_each_time(tmp_path: Path) -> None:
    corpus = Corpus(tmp_path)
    path = chapter_files(corpus, "u", 0).views
    labels = np.zeros((20, 30), np.uint8)
    labels[2:18, 3:27] = 1
    labels[4:6, 5:9] = 2
    write_masks(path, [("v000", labels), ("v001", labels * 0)])
    before = path.read_bytes()
    write_masks(path, [("v000", labels), ("v001", labels * 0)])
    assert path.read_bytes() == before
    masks = read_masks(corpus, "u", 0, "v000")
    assert np.array_equal(masks.view, labels > 0) and np.array_equal(masks.overlay, labels == 2)
    assert np.array_equal(masks.tissue, labels == 1)
    assert set(np.load(path).files) == {"v000", "v001"}
    with pytest.raises(BadInput, match="no view 'v002'"):
        read_masks(corpus, "u", 0, "v002")


def test_a_frame_table_has_its_columns_even_when_empty(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    write_chapter_table(tmp_path / "t.parquet", {name: [] for name in FRAME_COLUMNS.names})
    assert pq.read_schema(tmp_path / "t.parquet").equals(FRAME_COLUMNS)


def test_a_frame_table_of_an_older_version_is_read_with_what_it_lacks_as_null(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    old = FRAME_COLUMNS.remove(FRAME_COLUMNS.get_field_index("overlay_boxes"))
    row = {field.name: [None] for field in old}
    pq.write_table(pa.table(row, schema=old), tmp_path / "t.parquet")
    read = read_chapter_table(tmp_path / "t.parquet")
    assert read.schema.equals(FRAME_COLUMNS)
    assert read["overlay_boxes"].to_pylist() == [None]
