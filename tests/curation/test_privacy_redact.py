"""`endocur redact`: pixels overwritten, views and scores with them, decisions stale, kill-safe, twice is once."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import cv2
import known_corpus
import numpy as np
import pyarrow.parquet as pq
import pytest
import simplejpeg
from corpus_maker import endocur, endocur_here, environment
from hypothesis import given
from hypothesis import strategies as st
from known_corpus import frame, source

from endocur import redactions, tables
from endocur.configs import RedactConfig, RunConfig, ShardConfig
from endocur.corpus import Corpus, chapter_files, read_marker
from endocur.privacy.mask import GRID, masked, stored_box, widened, with_boxes
from endocur.privacy.rewrite import finish_pending
from endocur.quality.scores import score_jpeg
from endocur.quality.table import read_scores
from endocur.store import OVERLAY, TISSUE, FrameReader, read_chapter_table, read_masks
from endoshards.errors import BadInput, BadOption
from endoshards.files import write_json
from endoshards.tar import scan

WORDS = {(0, 3): "MUSTER", (1, 2): "MUSTER"}
BOX = "42,62,72,18"
BOXES = st.tuples(st.integers(0, 150), st.integers(0, 110), st.integers(1, 160), st.integers(1, 120))


@pytest.fixture
def study(tmp_path: Path) -> Path:
    corpus = known_corpus.write_corpus(tmp_path / "corpus", videos=2, seconds=6, written=WORDS)
    known_corpus.decide(corpus, "filter", {}, min_quality=0.0)
    return tmp_path


def stored(corpus: Corpus, name: str) -> tuple[np.ndarray, np.ndarray, dict[str, object]]:
    """Luma, tissue and row of a frame, read as every other command reads it."""
    (row,) = [one for one in tables.frames(corpus).to_pylist() if one["frame_id"] == name]
    with FrameReader(corpus) as reader:
        jpeg = reader.jpeg(row["unit"], row["chapter"], row["offset"], row["size"])
    tissue = read_masks(corpus, row["unit"], row["chapter"], row["view_id"]).tissue
    return simplejpeg.decode_jpeg(jpeg, "GRAY")[..., 0], tissue, row | {"jpeg": jpeg}


def contents(root: Path) -> dict[str, bytes]:
    kept = ("frames", "views", "scores", "units", "redactions.json")
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.relative_to(root).parts[0] in kept
    }


def test_the_pixels_of_the_box_are_black_and_no_tissue_and_all_else_stays(study: Path) -> None:
    corpus = Corpus(study / "corpus")
    before = {name: stored(corpus, name) for name in (frame(0, 3), frame(0, 2), frame(1, 2))}
    done = endocur(study, "redact", "--frame", frame(0, 3), "--box", BOX)
    assert re.search(r"frames masked now +1\b", done.stdout)
    luma, tissue, row = stored(corpus, frame(0, 3))
    inside = np.s_[56:80, 40:120]
    assert luma[inside].max() <= 6 and not tissue[inside].any()
    old_luma, old_tissue, old_row = before[frame(0, 3)]
    outside = old_tissue.copy()
    outside[inside] = False
    assert (tissue == outside).all()
    assert np.abs(luma[outside].astype(int) - old_luma[outside]).mean() < 1.5
    assert row["view_id"] != old_row["view_id"] and redactions.base_view(str(row["view_id"])) == old_row["view_id"]
    for name in (frame(0, 2), frame(1, 2)):
        assert stored(corpus, name)[2]["jpeg"] == before[name][2]["jpeg"], "other frames keep every byte"


def test_tar_table_views_and_scores_belong_together_afterwards(study: Path) -> None:
    corpus = Corpus(study / "corpus")
    endocur_here(study, "redact", "--frame", frame(0, 3), "--box", BOX)
    files = chapter_files(corpus, source(0), 0)
    data = files.frames_tar.read_bytes()
    rows = read_chapter_table(files.frames_table).to_pylist()
    members = list(scan(lambda offset, size: data[offset : offset + size], len(data)))
    assert [(one.key, one.offset, one.size) for one in members] == [
        (row["frame_id"], row["offset"], row["size"]) for row in rows
    ]
    scores = read_scores(files.scores).to_pylist()
    assert [one["frame_id"] for one in scores] == [row["frame_id"] for row in rows]
    tissue = read_masks(corpus, source(0), 0, rows[3]["view_id"]).tissue
    wanted = score_jpeg(data[rows[3]["offset"] :][: rows[3]["size"]], tissue)
    assert {name: scores[3][name] for name in wanted._fields} == pytest.approx(wanted._asdict(), abs=1e-6)
    assert scores[2]["quality"] == np.float32(2 / 6), "scores of other frames are left as they were"


def test_decisions_are_stale_and_the_marker_says_why(study: Path) -> None:
    corpus = Corpus(study / "corpus")
    assert tables.stale(corpus) == []
    old = read_marker(corpus.units / f"{source(0)}.json")
    done = endocur_here(study, "redact", "--frame", frame(0, 3), "--box", BOX)
    assert tables.stale(corpus) == ["filter"]
    assert done.stdout.splitlines()[-1].startswith("next: endocur filter")
    new = read_marker(corpus.units / f"{source(0)}.json")
    assert new.redacted and new.fingerprint == old.fingerprint, "extract must not take the unit for another config's"
    assert read_marker(corpus.units / f"{source(1)}.json").redacted == ""
    done = endocur_here(study, "shard")
    assert done.returncode == 3 and "endocur filter" in done.stderr


def test_the_same_command_twice_changes_nothing_more(study: Path) -> None:
    line = ("redact", "--frame", frame(0, 3), "--box", BOX)
    endocur_here(study, *line)
    once = contents(study / "corpus")
    done = endocur_here(study, *line)
    assert contents(study / "corpus") == once
    assert re.search(r"frames masked now +0\b", done.stdout)
    assert contents(study / "corpus") == once
    endocur_here(study, "redact")
    assert contents(study / "corpus") == once


def test_a_view_is_masked_in_all_its_frames_those_masked_before_too(study: Path) -> None:
    corpus = Corpus(study / "corpus")
    endocur_here(study, "redact", "--frame", frame(0, 3), "--box", BOX)
    endocur_here(study, "redact", "--unit", source(0), "--view", f"{source(0)}-0", "--box", "60,90,20,10")
    for second in range(6):
        luma, tissue, _ = stored(corpus, frame(0, second))
        assert luma[88:104, 56:80].max() <= 6 and not tissue[88:104, 56:80].any()
    luma, _, row = stored(corpus, frame(0, 3))
    assert luma[56:80, 40:120].max() <= 6
    assert str(row["view_id"]).count("+") == 1
    assert stored(corpus, frame(1, 3))[0][88:104, 56:80].mean() > 40


def test_a_csv_masks_several_at_once(study: Path) -> None:
    (study / "boxes.csv").write_text(f"frame,x,y,w,h\n{frame(0, 3)},42,62,72,18\n{frame(1, 2)},42,62,72,18\n\n")
    done = endocur_here(study, "redact", "--boxes", "boxes.csv")
    assert re.search(r"frames masked now +2\b", done.stdout)
    for name in (frame(0, 3), frame(1, 2)):
        assert stored(Corpus(study / "corpus"), name)[0][56:80, 40:120].max() <= 6


def test_columns_that_this_version_does_not_know_are_kept(study: Path) -> None:
    path = chapter_files(Corpus(study / "corpus"), source(0), 0).frames_table
    rows = pq.read_table(path, partitioning=None)
    pq.write_table(rows.append_column("of_tomorrow", rows["pts_us"]), path)
    endocur_here(study, "redact", "--frame", frame(0, 3), "--box", BOX)
    assert pq.read_table(path, partitioning=None)["of_tomorrow"].to_pylist() == rows["pts_us"].to_pylist()


def test_pictures_of_the_old_pixels_and_features_are_removed(study: Path) -> None:
    corpus = Corpus(study / "corpus")
    old = [corpus.reports / "sheets" / f"{source(0)}.v000.jpg", corpus.reports / "corpus.html"]
    old.append(corpus.embeddings / "x-00000000" / f"{source(0)}.000.npy")
    other = corpus.reports / "sheets" / f"{source(1)}.v000.jpg"
    for path in (*old, other):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    endocur_here(study, "redact", "--frame", frame(0, 3), "--box", BOX)
    assert [path.exists() for path in (*old, other)] == [False, False, False, True]


def test_frames_made_anew_wait_for_their_mask_and_nothing_goes_on_before(study: Path) -> None:
    corpus = Corpus(study / "corpus")
    endocur_here(study, "redact", "--frame", frame(0, 3), "--box", BOX)
    masked_once = contents(study / "corpus")
    known_corpus.write_corpus(corpus.root, videos=2, seconds=6, written=WORDS)  # as extract --restart does
    for line in (("filter",), ("shard",)):
        done = endocur_here(study, *line)
        assert done.returncode == 3
        assert "frames of 1 unit of corpus wait for masks" in done.stderr and "endocur redact" in done.stderr
    assert endocur_here(study, "status").stdout.endswith("next: endocur redact\n")
    endocur_here(study, "redact")
    assert contents(study / "corpus") == masked_once


def test_boxes_of_a_picture_of_another_size_are_refused_until_they_are_said_again(study: Path) -> None:
    corpus = Corpus(study / "corpus")
    redactions.write_list(corpus, [redactions.Redaction(frame(0, 3), "", "", (84, 124, 144, 36), (320, 240))])
    done = endocur_here(study, "redact")
    assert done.returncode == 3
    assert f"a mask of frame {frame(0, 3)} was said for a picture of 320 x 240, it is 160 x 120 now" in done.stderr
    assert endocur_here(study, "redact", "--frame", frame(0, 3), "--box", BOX).returncode == 0
    assert [row.size for row in redactions.read_list(corpus)] == [(160, 120)]
    assert stored(corpus, frame(0, 3))[0][56:80, 40:120].max() <= 6


def test_kill_9_at_any_moment_and_the_same_line_again_give_the_bytes_of_an_unbroken_run(study: Path) -> None:
    line = ["redact", "--unit", source(0), "--view", f"{source(0)}-0", "--box", BOX]
    shutil.copytree(study / "corpus", study / "start")
    endocur(study, *line)
    whole = contents(study / "corpus")
    waits = ("redactions.json", "redact", f"redact/{source(0)}.json", "-units", "redact-gone")
    for wait in waits:
        shutil.rmtree(study / "corpus")
        shutil.copytree(study / "start", study / "corpus")
        typed = [sys.executable, "-m", "endocur", *line]
        running = subprocess.Popen(
            typed, cwd=study, env=environment(study), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while running.poll() is None and not _reached(study / "corpus", wait):
            time.sleep(0.0005)
        running.send_signal(signal.SIGKILL)
        running.wait()
        endocur(study, *line)
        assert contents(study / "corpus") == whole, wait
        assert not (study / "corpus/redact").exists()


def _reached(corpus: Path, what: str) -> bool:
    if what == "-units":
        return not (corpus / f"units/{source(0)}.json").exists()
    if what == "redact-gone":
        return (corpus / "redactions.json").exists() and b"redacted" in (
            (corpus / f"units/{source(0)}.json").read_bytes() if (corpus / f"units/{source(0)}.json").exists() else b""
        )
    return (corpus / what).exists()


class Gone(BaseException):
    """The process ends here; nothing of ours may catch it."""


def _steps(monkeypatch: pytest.MonkeyPatch, stop_at: int) -> None:
    """After `stop_at` changes of the folder the process is gone, as far as the disk can tell."""
    count = 0

    def counted(name: str) -> None:
        real = getattr(Path, name)

        def step(self: Path, *words: object, **more: object) -> object:
            nonlocal count
            count += 1
            if count > stop_at:
                raise Gone
            return real(self, *words, **more)

        monkeypatch.setattr(Path, name, step)

    for name in ("replace", "unlink"):
        counted(name)


@pytest.mark.parametrize("stop_at", range(22))
def test_whatever_step_of_the_way_was_the_last_the_rest_is_done_later(study: Path, stop_at: int) -> None:
    from endocur.privacy.rewrite import rewrite_unit

    corpus = Corpus(study / "corpus")
    chapter_files(corpus, source(0), 0).marker.write_text('{"fingerprint": "x", "frames": 6}')
    wanted = [redactions.Redaction("", source(0), f"{source(0)}-0", (42, 62, 72, 18), (160, 120))]
    redactions.write_list(corpus, wanted)
    marker = read_marker(corpus.units / f"{source(0)}.json")
    shutil.copytree(corpus.root, study / "other")
    rewrite_unit(Corpus(study / "other"), marker, wanted, 92)
    with pytest.MonkeyPatch.context() as patch:
        _steps(patch, stop_at)
        with suppress(Gone):
            rewrite_unit(corpus, marker, wanted, 92)
    if not (corpus.units / f"{source(0)}.json").is_file():
        assert redactions.pending(corpus) == [source(0)], "a unit half in place must hold everything up"
    finish_pending(corpus)
    if redactions.pending(corpus):
        rewrite_unit(corpus, read_marker(corpus.units / f"{source(0)}.json"), wanted, 92)
    assert contents(corpus.root) == contents(study / "other")


def test_a_unit_that_extract_wrote_anew_in_between_keeps_its_own_files(study: Path) -> None:
    """A record that is half carried out must not be mixed into fresh files."""
    corpus = Corpus(study / "corpus")
    marker = read_marker(corpus.units / f"{source(0)}.json")
    fresh = contents(corpus.root)
    value = json.loads((corpus.units / f"{source(0)}.json").read_text())
    (corpus.root / "redact" / source(0)).mkdir(parents=True)
    (corpus.root / "redact" / source(0) / "0.parquet").write_bytes(b"of another time")
    new = value | {"extras": {"redacted": "0" * 16}}
    write_json(redactions.record_path(corpus, source(0)), {"old": value, "new": new, "chapters": {"0": {}}})
    assert redactions.pending(corpus) == [source(0)]
    assert finish_pending(corpus) == 0
    assert contents(corpus.root) == fresh
    assert read_marker(corpus.units / f"{source(0)}.json") == marker


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), 3, "nothing to mask was given"),
        (("--frame", frame(0, 3)), 2, "no --box was given"),
        (("--box", "1,2,3,4"), 2, "--box needs a --frame"),
        (("--frame", frame(0, 3), "--box", "1,2,3"), 2, "--box is '1,2,3'; X,Y,W,H in stored pixels is wanted"),
        (("--frame", frame(0, 3), "--box", "1,2,0,4"), 2, "width and height above 0"),
        (("--frame", frame(0, 3), "--box", "-1,2,3,4"), 2, "X,Y,W,H in stored pixels is wanted"),
        (("--frame", frame(0, 3), "--box", "160,2,3,4"), 3, "the box 160,2,3,4 lies outside its picture of 160 x 120"),
        (("--frame", frame(9, 3), "--box", "1,2,3,4"), 3, "there is no such frame in this corpus"),
        (("--frame", "x", "--box", "1,2,3,4"), 3, "a frame id is 16 hex digits"),
        (("--unit", source(0), "--box", "1,2,3,4"), 2, "--unit and --view belong together"),
        (("--unit", source(0), "--view", "v9", "--box", "1,2,3,4"), 3, f"views of that unit: {source(0)}-0"),
        (("--unit", "x", "--view", "v9", "--box", "1,2,3,4"), 3, "no unit has that id"),
        (("--boxes", "none.csv"), 3, "--boxes none.csv: no such file."),
        (("--from-audit", "none.json"), 3, "missing"),
        (("--corpus", "nowhere"), 3, "no corpus at nowhere"),
    ],
)
def test_wrong_input_is_one_sentence_with_its_exit_code(
    study: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    done = endocur_here(study, "redact", *words)
    assert done.returncode == code, done.stderr
    assert said in done.stderr and done.stderr.count("\n") == 1
    assert not (study / "corpus/redactions.json").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "its first line names other columns"),
        ("name,x,y,w,h\n", "its first line names other columns"),
        ("frame,x,y,w,h\n", "holds no box"),
        ("frame,x,y,w,h\nMueller,1,2,3\n", "line 2 is not frame,x,y,w,h with whole numbers"),
        ("frame,x,y,w,h\nMueller,1,2,3,4.5\n", "line 2 is not frame,x,y,w,h with whole numbers"),
        ("frame,x,y,w,h\nMueller,1,2,0,4\n", "the box of line 2 has no area"),
        ("frame,x,y,w,h\n\nMueller,1,2,3,4\n", "line 3: there is no such frame"),
    ],
)
def test_a_csv_that_is_none_is_refused_by_line_and_not_repeated(study: Path, text: str, said: str) -> None:
    from endocur.privacy.boxes import FrameRow, read_csv
    from endocur.privacy.boxes import redactions as of

    (study / "boxes.csv").write_text(text)
    with pytest.raises(BadInput) as caught:
        of(read_csv(study / "boxes.csv"), {frame(0, 0): FrameRow(source(0), "v", 160, 120)})
    assert said in str(caught.value) and "Mueller" not in str(caught.value)


def test_run_hands_the_gate_on_to_shard() -> None:
    assert RunConfig(inputs=(Path("videos"),), require_audit=True).stage(ShardConfig).require_audit
    assert not RunConfig(inputs=(Path("videos"),)).stage(ShardConfig).require_audit


def test_options_are_checked_before_any_file() -> None:
    with pytest.raises(BadOption, match="one of them"):
        RedactConfig(frame="a", unit="b", view="c", box=("1,2,3,4",))
    assert RedactConfig(frame="a", box=("1, 2,3,4",)).box_numbers() == [(1, 2, 3, 4)]


def test_a_damaged_list_is_refused(study: Path) -> None:
    for text in ("{", "[]", '{"format": 1}', '{"format": 1, "redactions": [{"box": [1]}]}'):
        (study / "corpus/redactions.json").write_text(text)
        with pytest.raises(BadInput):
            redactions.read_list(Corpus(study / "corpus"))


@given(box=BOXES)
def test_a_box_grows_to_whole_blocks_inside_the_picture(box: tuple[int, int, int, int]) -> None:
    x, y, width, height = widened(box, 160, 120)
    assert x <= box[0] and y <= box[1]
    assert x + width >= min(160, box[0] + box[2]) and y + height >= min(120, box[1] + box[3])
    assert x % GRID == y % GRID == 0 and x + width <= 160 and y + height <= 120
    assert box[0] - x < GRID and x + width - (box[0] + box[2]) < GRID


@given(boxes=st.lists(BOXES, max_size=3))
def test_masking_only_ever_takes_tissue_and_twice_is_once(boxes: list[tuple[int, int, int, int]]) -> None:
    labels = known_corpus.tissue()
    new = with_boxes(labels, boxes)
    assert ((new == labels) | ((labels == TISSUE) & (new == OVERLAY))).all()
    assert (with_boxes(new, boxes) == new).all()
    for box in boxes:
        x, y, width, height = widened(box, 160, 120)
        assert not (new[y : y + height, x : x + width] == TISSUE).any()


def test_a_masked_picture_of_odd_size_keeps_it() -> None:
    rgb = np.full((61, 83, 3), 120, np.uint8)
    labels = np.ones((61, 83), np.uint8)
    labels[8:24, 16:32] = OVERLAY
    out = masked(simplejpeg.encode_jpeg(rgb, quality=92, colorsubsampling="420"), labels, 92)
    luma = simplejpeg.decode_jpeg(out, "GRAY")[..., 0]
    assert luma.shape == (61, 83) and luma[10:22, 18:30].max() < 4 and abs(int(luma[40, 60]) - 120) < 3


@given(box=BOXES, shrink=st.sampled_from([1.0, 0.5, 0.34]))
def test_a_box_of_an_audit_covers_its_letters_in_stored_pixels(box: tuple[int, int, int, int], shrink: float) -> None:
    published = (round(160 * shrink), round(120 * shrink))
    small = tuple(max(1, int(side * shrink)) for side in box)
    x, y, width, height = stored_box(small, published, (160, 120))
    assert x <= small[0] / shrink and y <= small[1] / shrink
    assert x + width >= min(160, (small[0] + small[2]) / shrink - 1)
    assert y + height >= min(120, (small[1] + small[3]) / shrink - 1)
    assert min(width, height) >= 1


def test_letters_under_a_mask_cannot_be_read_back(study: Path) -> None:
    from endocur.privacy.readback import TextReader

    corpus, reader = Corpus(study / "corpus"), TextReader()

    def text(name: str) -> bool:
        jpeg = stored(corpus, name)[2]["jpeg"]
        picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
        return any(line.is_text for line in reader.lines(np.ascontiguousarray(picture)))

    assert text(frame(0, 3))
    endocur_here(study, "redact", "--frame", frame(0, 3), "--box", BOX)
    assert not text(frame(0, 3))
