"""`--sequences CSV`: which rows take which folders, what is refused, and rates of video files."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import drawn_sequences as drawn
import pytest
from drawn_videos import textures, write_video
from test_sequence_inputs import inputs, sorted_in

from endocur.extract.groups import read_groups
from endocur.extract.sequence_table import read_table
from endoshards.errors import BadInput


def table(root: Path, text: str) -> Path:
    path = root.parent / "sequences.csv"
    path.write_text(text, encoding="utf-8")
    return path


def said(root: Path, text: str, **options: object) -> list[tuple[list[int], str, str]]:
    found = inputs(root, sequences=table(root, text), **options)
    return [(list(item.track.numbers), str(item.timing.fps), item.group) for item in found if item.track]


def test_only_the_folders_of_rows_are_sequences(tmp_path: Path) -> None:
    root = tmp_path / "s"
    for name in ("a", "b"):
        drawn.draw_run(root / name, range(15))
    found, warnings = sorted_in(root, sequences=table(root, "folder,fps,group\na,30000/1001,P1\n"))
    kinds = [(item.kind, item.path.parent.name) for item in found]
    assert kinds == [("sequence", "a")] + [("still", "b")] * 15
    assert (found[0].timing.fps, found[0].group) == (Fraction(30000, 1001), "P1")
    assert warnings == [
        "15 pictures of no sequence taken as stills",
        "15 of them look like a video (inputs 2 to 16); no row of --sequences names them",
    ]


def test_ranges_cut_one_numbering_into_videos_and_the_rest_is_left_out(tmp_path: Path) -> None:
    root = drawn.draw_run(tmp_path / "s" / "Original", range(1, 61))
    text = "folder,fps,group,first,last\nOriginal,25,seq1,1,25\nOriginal,25,seq2,26,50\n"
    assert said(root, text) == [(list(range(1, 26)), "25", "seq1"), (list(range(26, 51)), "25", "seq2")]
    found = inputs(root, sequences=table(root, text))
    assert [item.reason for item in found if item.kind == "ignored"] == [
        "its number is in no range of --sequences"
    ] * 10
    assert len({item.path for item in found}) == len(found)


def test_a_row_names_a_folder_above_and_the_longer_name_wins(tmp_path: Path) -> None:
    root = drawn.cholec_seg8k(tmp_path / "s")
    text = "folder,fps,group\nvideo01,25,v1\nvideo01/video01_00160,12.5,v2\n"
    assert said(root, text) == [([*range(80, 86)], "25", "v1"), ([*range(160, 166)], "25/2", "v2")]


def test_rows_not_on_disk_are_listed_and_fatal_with_strict(tmp_path: Path) -> None:
    root = drawn.draw_run(tmp_path / "s" / "a", range(15))
    text = "folder,fps\na,25\ngone,25\n\nmiller,25\n"
    _, warnings = sorted_in(root, sequences=table(root, text))
    assert warnings == ["--sequences: no input for 2 rows (lines 3, 5)"]
    with pytest.raises(BadInput, match=r"no input for 2 rows \(lines 3, 5\) \(--strict\)"):
        sorted_in(root, sequences=table(root, text), strict=True)
    with pytest.raises(BadInput, match="no picture named here is one of a numbered sequence"):
        sorted_in(root, sequences=table(root, "folder,fps\ngone,25\n"))
    _, warnings = sorted_in(root, sequences=table(root, "folder,fps,first,last\na,25,0,9\na,25,70,80\n"))
    assert "--sequences: no input for 1 row (lines 3)" in warnings


def test_a_row_that_fits_several_folders_is_pointed_out(tmp_path: Path) -> None:
    root = tmp_path / "s"
    for name in ("positive/seq1", "negative/seq1"):
        drawn.draw_run(root / name, range(15), seed=len(name))
    _, warnings = sorted_in(root, sequences=table(root, "folder,fps\nseq1,25\n"))
    assert warnings == ["--sequences: several folders for 1 row; write more of the paths (lines 2)"]


def test_step_and_pattern_stand_in_a_row(tmp_path: Path) -> None:
    root = tmp_path / "s"
    for number in range(4):
        drawn.draw(root / "a" / f"left{number}_x.png", number)
        drawn.draw(root / "a" / f"right{number}_x.png", number)
    text = 'folder,fps,step,pattern\na,25,5,"^(?P<seq>left)(?P<frame>[0-9]{1,3})_"\n'
    found = inputs(root, sequences=table(root, text))
    (one,) = [item for item in found if item.track]
    assert (one.track.names[0], one.timing.us(3)) == ("left0_x.png", 600_000)


def test_a_row_that_names_a_video_gives_its_rate_and_group(tmp_path: Path) -> None:
    root = tmp_path / "s"
    root.mkdir()
    for name in ("capsule.mp4", "other.mp4"):
        write_video(root / name, textures(3))
    found = inputs(root, sequences=table(root, "folder,fps,group\ns/capsule.mp4,2,P7\n"))
    assert [(item.kind, item.timing and item.timing.fps, item.group) for item in found] == [
        ("video", 2, "P7"),
        ("video", None, ""),
    ]
    with pytest.raises(BadInput, match="line 2: it names a video file; first, last and pattern are for folders"):
        inputs(root, sequences=table(root, "folder,fps,first\ncapsule.mp4,2,5\n"))


def test_groups_of_both_tables_must_agree(tmp_path: Path) -> None:
    root = drawn.draw_run(tmp_path / "s" / "a", range(15))
    found = inputs(root, sequences=table(root, "folder,fps,group\na,25,P1\n"))
    assert read_groups(None, None, found).of(found[0]).group == "P1"
    groups = tmp_path / "groups.csv"
    groups.write_text("file,group\ns/a,P1\n")
    agreed = read_groups(groups, None, found)
    assert (agreed.of(found[0]).group, agreed.warnings) == ("P1", [])
    groups.write_text("file,group\ns/a,P2\n")
    with pytest.raises(BadInput, match="--groups and --sequences give input 1 two groups"):
        read_groups(groups, None, found)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has the columns (none); folder and fps are needed"),
        ("folder,rate\na,1\n", "has the columns folder, rate; folder and fps are needed"),
        ("folder,fps,patient\na,1,x\n", "has the column 'patient', which means nothing here"),
        ("folder,fps\n", "has no row"),
        ("folder,fps\n,25\n", "line 2: folder must be a path"),
        ("folder,fps\n../a,25\n", "line 2: folder must be a path"),
        ("folder,fps\na,fast\n", "line 2: fps is 'fast'; a number above 0 is wanted"),
        ("folder,fps\na,0\n", "line 2: fps is '0'"),
        ("folder,fps\na,1/0\n", "line 2: fps is '1/0'"),
        ("folder,fps\na,-3\n", "line 2: fps is '-3'"),
        ("folder,fps\na,1e9\n", "line 2: fps is 1e9; at most 1000"),
        ("folder,fps\na,\n", "line 2: fps is ''"),
        ("folder,fps,step\na,25,none\n", "line 2: step is 'none'"),
        ("folder,fps,first\na,25,x\n", "line 2: first is 'x'; a whole number"),
        ("folder,fps,first,last\na,25,9,3\n", "line 2: first 9 is after last 3"),
        ("folder,fps,pattern\na,25,(\n", "line 2: pattern '(' is no regular expression"),
        ("folder,fps,pattern\na,25,x\n", "line 2: pattern 'x' has no group frame"),
        ("folder,fps\na,25,,,9\n", "line 2: more values than columns"),
        ("folder,fps\na,25\nb,25\n./a,30\n", "lines 2 and 4 name one folder and the same numbers"),
        ("folder,fps,first,last\na,25,1,5\na,25,5,9\n", "lines 2 and 3 name one folder and the same numbers"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "sequences.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadInput, match=re.escape(message)):
        read_table(path, None)


def test_other_files_are_no_table(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        read_table(tmp_path / "none.csv", None)
    with pytest.raises(BadInput, match="cannot be read"):
        read_table(tmp_path, None)
    (tmp_path / "x.csv").write_bytes(b"\x00\xff\xfe\x89PNG\r\n" * 9)
    with pytest.raises(BadInput, match="folder and fps are needed"):
        read_table(tmp_path / "x.csv", None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("folder,fps,step\na,0.001,1000\n", "more than 277 hours"),
        ("folder,fps,step\na,1000,1/100000\n", "within a microsecond"),
    ],
)
def test_times_that_no_frame_id_can_say_are_refused(tmp_path: Path, text: str, message: str) -> None:
    root = drawn.draw_run(tmp_path / "s" / "a", range(15))
    with pytest.raises(BadInput, match=message):
        inputs(root, sequences=table(root, text))


def test_two_rows_that_take_the_same_pictures_are_refused(tmp_path: Path) -> None:
    root = drawn.draw_run(tmp_path / "s" / "a", range(15))
    text = 'folder,fps,pattern\na,25,"^f_(?P<frame>[0-9]{1,5})"\na,25,"(?P<frame>[0-9]+)$"\n'
    with pytest.raises(BadInput, match="lines 2 and 3 take the same pictures"):
        inputs(root, sequences=table(root, text))
