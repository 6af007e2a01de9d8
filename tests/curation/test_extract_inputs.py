"""What lies in a folder: told by content, in one order, each file once, nothing opened that could hang."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import pytest
from drawn_videos import texture, textures, write_video

from endocur.extract.groups import read_groups
from endocur.extract.inputs import Found, find_inputs, sniff
from endocur.extract.patterns import Patterns, read_patterns
from endoshards.errors import BadInput, BadOption

NOTHING = read_patterns((), ())


def found(root: Path, patterns: Patterns = NOTHING) -> list[Found]:
    return find_inputs([root], patterns=patterns)


def kinds(root: Path, patterns: Patterns = NOTHING) -> dict[str, str]:
    return {str(item.path.relative_to(root)): item.kind for item in found(root, patterns)}


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    """A folder of three files that are only named: content is judged by a few bytes."""
    root = tmp_path / "videos"
    for name in ("a.mp4", "deep/er/b.mp4", "deep/c.mp4"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"\0\0\0\x18ftypmp42" + bytes(100))
    return root


def test_content_decides_and_names_do_not(tmp_path: Path) -> None:
    video = write_video(tmp_path / "v.mp4", textures(2)).read_bytes()
    (tmp_path / "recording").write_bytes(video)
    (tmp_path / "film.jpg").write_bytes(video)
    cv2.imwrite(str(tmp_path / "p.png"), texture(0))
    (tmp_path / "p.png").rename(tmp_path / "still.mp4")
    (tmp_path / "notes.txt").write_text("operator notes")
    (tmp_path / "words.mp4").write_text("findings: none")
    (tmp_path / "empty.mkv").write_bytes(b"")
    (tmp_path / "nothing.dat").write_bytes(b"")
    assert kinds(tmp_path) == {
        "recording": "video",
        "film.jpg": "video",
        "v.mp4": "video",
        "still.mp4": "still",
        "notes.txt": "ignored",
        "words.mp4": "video",  # FFmpeg has the last word
        "empty.mkv": "failed",
        "nothing.dat": "ignored",
    }


@pytest.mark.parametrize(
    ("head", "suffix", "kind"),
    [
        (b"\xff\xd8\xff\xe0", "jpg", "still"),
        (b"\xff\xd8\xff\xe0", "mjpg", "video"),
        (b"II*\0" + bytes(20), "tif", "still"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "webp", "still"),
        (b"RIFF\0\0\0\0AVI LIST", "avi", "video"),
        (b"BM and other words", "txt", "ignored"),
        (b"\x1a\x45\xdf\xa3", "dat", "video"),
        ((b"G" + bytes(187)) * 4, "dat", "video"),
        (b"\0\0\1\xba" + bytes(100), "", "video"),
        (b"PK\x03\x04", "zip", "failed"),
        (b"PK\x03\x04", "xlsx", "ignored"),
        (b"plain words", "png", "failed"),
    ],
)
def test_first_bytes_tell(head: bytes, suffix: str, kind: str) -> None:
    assert sniff(head, suffix)[0] == kind


def test_the_order_is_that_of_path_bytes_and_positions_count_all(videos: Path) -> None:
    (videos / "B.txt").write_text("x")
    assert [(item.position, item.path.relative_to(videos).as_posix()) for item in found(videos)] == [
        (1, "B.txt"),
        (2, "a.mp4"),
        (3, "deep/c.mp4"),
        (4, "deep/er/b.mp4"),
    ]


def test_links_are_followed_once_and_loops_end(videos: Path) -> None:
    (videos / "deep" / "again").symlink_to("..")
    (videos / "other.mp4").symlink_to("a.mp4")
    (videos / "gone.mp4").symlink_to("no/such.mp4")
    assert kinds(videos) == {
        "a.mp4": "video",
        "deep/c.mp4": "video",
        "deep/er/b.mp4": "video",
        "gone.mp4": "failed",
    }


def test_pipes_litter_and_hidden_files_are_ignored_unopened(videos: Path) -> None:
    os.mkfifo(videos / "pipe.mp4")
    for name in (".hidden.mp4", "Thumbs.db", "growing.mp4.part", ".git/x.mp4"):
        (videos / name).parent.mkdir(exist_ok=True)
        (videos / name).write_bytes(b"\0\0\0\x18ftypmp42")
    ignored = [name for name, kind in kinds(videos).items() if kind == "ignored"]
    assert sorted(ignored) == [".git", ".hidden.mp4", "Thumbs.db", "growing.mp4.part", "pipe.mp4"]


def test_a_corpus_inside_the_folder_is_not_walked(videos: Path) -> None:
    (videos / "corpus" / "frames").mkdir(parents=True)
    (videos / "corpus" / "corpus.toml").write_text("format = 1")
    (videos / "corpus" / "frames" / "x.mp4").write_bytes(b"\0\0\0\x18ftypmp42")
    assert not any(name.startswith("corpus") for name in kinds(videos))


def test_what_lies_inside_a_corpus_is_no_recording(videos: Path) -> None:
    sheet = videos / "corpus" / "reports" / "sheets" / "x.jpg"
    sheet.parent.mkdir(parents=True)
    sheet.write_bytes(b"\xff\xd8\xff")
    (videos / "loop").symlink_to("loop")
    own = [videos / "corpus"]
    for inside in (sheet, sheet.parent, videos / "corpus"):
        with pytest.raises(BadInput, match="argument 1 is a corpus or lies inside one"):
            find_inputs([inside], patterns=NOTHING, own=own)
    for said in (own, []):
        every = find_inputs([videos / "**/*"], patterns=NOTHING, own=said)
        assert sorted(item.path.name for item in every) == ["a.mp4", "b.mp4", "c.mp4", "loop"], said
        (videos / "corpus" / "corpus.toml").write_text("format = 1")  # of another corpus


def test_names_may_be_any_bytes(videos: Path) -> None:
    for raw in (b"na\xefve_\xff.mp4", b"new\nline.mp4", b"n" * 240 + b".mp4"):
        Path(os.fsdecode(os.fsencode(videos) + b"/" + raw)).write_bytes(b"\0\0\0\x18ftypmp42")
    assert list(kinds(videos).values()) == ["video"] * 6


def test_files_and_quoted_globs_are_arguments_too_and_nothing_comes_twice(videos: Path) -> None:
    both = find_inputs([videos / "a.mp4", videos / "**/*.mp4", videos], patterns=NOTHING)
    assert [item.path.name for item in both] == ["a.mp4", "c.mp4", "b.mp4"]
    assert [item.argument for item in both] == [0, 1, 1]


def test_a_wrong_path_and_an_archive_are_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such file or folder"):
        find_inputs([tmp_path / "nowhere"], patterns=NOTHING)
    (tmp_path / "videos.zip").write_bytes(b"PK\x03\x04")
    with pytest.raises(BadInput, match=r"unpack it first: unzip .*videos\.zip"):
        find_inputs([tmp_path / "videos.zip"], patterns=NOTHING)
    (tmp_path / "001-001_frames.tar.gz").write_bytes(b"\x1f\x8b")
    with pytest.raises(BadInput, match=r"unpack it first: tar -xf .*001-001_frames\.tar\.gz"):
        find_inputs([tmp_path / "001-001_frames.tar.gz"], patterns=NOTHING)
    (tmp_path / "notes.txt.gz").write_bytes(b"\x1f\x8b")
    assert {item.reason for item in found(tmp_path)} == {
        "an archive; unpack it first (unzip …)",
        "an archive; unpack it first (tar -xf …)",
        "an archive; unpack it first (gunzip …)",
    }


@pytest.mark.parametrize(
    ("pattern", "left_out"),
    [
        ("*.mp4", {"a.mp4", "deep/c.mp4", "deep/er/b.mp4"}),
        ("deep", {"deep/c.mp4", "deep/er/b.mp4"}),
        ("deep/*.mp4", {"deep/c.mp4"}),
        ("deep/**/b.mp4", {"deep/er/b.mp4"}),
        ("er/b.mp4", {"deep/er/b.mp4"}),
        ("videos/a.mp4", {"a.mp4"}),
        ("[ab].mp4", {"a.mp4", "deep/er/b.mp4"}),
        ("videos", set()),
        ("p.mp4", set()),
    ],
)
def test_exclude_matches_whole_parts_below_the_argument(videos: Path, pattern: str, left_out: set[str]) -> None:
    ignored = {name for name, kind in kinds(videos, read_patterns((), (pattern,))).items() if kind == "ignored"}
    assert ignored == left_out


def test_a_list_file_holds_a_path_or_glob_a_line_and_unmatched_lines_are_counted_not_named(
    videos: Path, tmp_path: Path
) -> None:
    listed = tmp_path / "list.txt"
    listed.write_text(f"{videos / 'a.mp4'}\ndeep/er/b.mp4\n\nmiller_hans.mp4\n", encoding="utf-8")
    patterns = read_patterns((), (f"@{listed}",))
    assert [name for name, kind in kinds(videos, patterns).items() if kind == "ignored"] == ["a.mp4", "deep/er/b.mp4"]
    assert patterns.warnings() == ["--exclude: no input for 1 pattern (line 4 of pattern 1)"]
    with pytest.raises(BadInput, match="cannot be read"):
        read_patterns((), ("@/no/such/list",))


def test_include_takes_nothing_else(videos: Path) -> None:
    taken = [name for name, kind in kinds(videos, read_patterns(("deep",), ("b.mp4",))).items() if kind == "video"]
    assert taken == ["deep/c.mp4"]


def test_groups_are_joined_by_the_end_of_the_path_and_keep_their_columns(videos: Path, tmp_path: Path) -> None:
    table = tmp_path / "groups.csv"
    table.write_text("file,group,site\na.mp4,P1,north\ndeep/c.mp4,P2,south\nmissing.mp4,P3,east\n", encoding="utf-8")
    inputs = found(videos)
    groups = read_groups(table, None, inputs)
    said = {item.path.name: groups.of(item) for item in inputs}
    assert (said["a.mp4"].group, said["a.mp4"].columns) == ("P1", {"site": "north"})
    assert said["c.mp4"].group == "P2"
    assert said["b.mp4"].group is None
    assert groups.warnings == [
        "--groups: no input for 1 row (lines 4)",
        "--groups: no row for 1 input, taken alone (inputs 3)",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,group\na,b\n", "file and group are needed"),
        ("file,group\na.mp4,\n", "line 2: file or group is empty"),
        ("file,group\na.mp4,P1\n./a.mp4,P2\n", "lines 2 and 3 give one file two groups"),
    ],
)
def test_a_groups_table_that_cannot_be_used_is_refused(tmp_path: Path, text: str, message: str) -> None:
    table = tmp_path / "groups.csv"
    table.write_text(text, encoding="utf-8")
    with pytest.raises(BadInput, match=message):
        read_groups(table, None, [])


def test_a_group_pattern_takes_its_first_group(videos: Path) -> None:
    inputs = found(videos)
    groups = read_groups(None, r"deep/(\w+)/", inputs)
    assert [groups.of(item).group for item in inputs] == [None, None, "er"]
    for pattern in ("(", "no group"):
        with pytest.raises(BadOption, match="--group-pattern"):
            read_groups(None, pattern, inputs)
