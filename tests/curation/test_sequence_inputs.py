"""Numbered pictures as inputs: tracks, twins, litter and doubts, on folders in the layout of eight public sets."""

from __future__ import annotations

import os
import re
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import drawn_sequences as drawn
import pytest
from hypothesis import given
from hypothesis import strategies as st

from endocur.configs import ExtractConfig
from endocur.extract.gather import gather
from endocur.extract.groups import read_groups
from endocur.extract.inputs import Found
from endocur.extract.patterns import read_patterns
from endocur.extract.sequence_guard import thumbnail
from endocur.extract.sequence_names import FRAME_PATTERN, tracks_of, twins
from endocur.extract.sequence_track import HASHED, Entry, Timing, make_track, sequence_sha256, spread
from endoshards.errors import BadInput, BadOption

PATTERN = re.compile(FRAME_PATTERN)


def inputs(root: Path, **options: object) -> list[Found]:
    return sorted_in(root, **options)[0]


def sorted_in(root: Path, **options: object) -> tuple[list[Found], list[str]]:
    exclude = options.pop("exclude", ())
    config = ExtractConfig(inputs=(root,), corpus=root.parent / "corpus", **options)  # type: ignore[arg-type]
    result = gather(config, read_patterns((), exclude))  # type: ignore[arg-type]
    return result.found, result.warnings


def tracks(root: Path, **options: object) -> list[list[int]]:
    return [list(item.track.numbers) for item in inputs(root, **options) if item.track is not None]


def count(found: list[Found], kind: str) -> int:
    return sum(item.kind == kind for item in found)


@pytest.mark.parametrize(
    ("stem", "seq", "frame"),
    [
        ("001-014_21220", "001-014_", 21220),
        ("001-012_2.0", "001-012_", 2),
        ("bowel_1_score_0-0_00000001", "bowel_1_score_0-0_", 1),
        ("case_M_1_001-1_a2_ayy_image0001", "case_M_1_001-1_a2_ayy_image", 1),
        ("0001", "", 1),
        ("1_1", "1_", 1),
        ("video01_000001", "video01_", 1),
        ("frame_100_endo", "frame_", 100),
        ("0000_color", "", 0),
        ("FrameBuffer_0000", "FrameBuffer_", 0),
        ("RARP2_frame_1", "RARP2_frame_", 1),
        ("c_286_v_70367_f_5502", "c_286_v_70367_f_", 5502),
        ("0123456789abcdef_4068", "0123456789abcdef_", 4068),
        ("seq1_C6_100", "seq1_C6_", 100),
        ("frame 12", "frame ", 12),
        ("100000000000000000123", "100", 123),
    ],
)
def test_the_number_is_told_from_the_rest_of_a_name(stem: str, seq: str, frame: int) -> None:
    match = PATTERN.search(stem)
    assert match is not None
    assert (match["seq"], int(match["frame"])) == (seq, frame)


@pytest.mark.parametrize("stem", ["cover", "frame_1_endo_mask", "a1b", "0000_depth", "٣"])
def test_other_names_have_no_number(stem: str) -> None:
    assert PATTERN.search(stem) is None


def test_numbers_are_numbers_and_not_text(tmp_path: Path) -> None:
    drawn.draw_run(tmp_path / "v", (100, 9, 10, 1))
    (found,) = [item for item in inputs(tmp_path / "v", sequence_fps=25.0) if item.track]
    assert [path for path in found.track.names] == ["f_1.png", "f_9.png", "f_10.png", "f_100.png"]
    assert found.path.name == "f_1.png"
    assert found.track.holes == 96


def test_real_colon_both_ways_of_writing_a_number(tmp_path: Path) -> None:
    found = inputs(drawn.real_colon(tmp_path / "s"), sequence_fps=29.97)
    assert [(list(item.track.numbers), item.timing.fps) for item in found] == [
        (list(range(1, 15)), Fraction(2997, 100))
    ] * 2
    groups = read_groups(None, r"(\d{3}-\d{3})_", found)
    assert [groups.of(item).group for item in found] == ["001-012", "001-014"]


def test_sun_restarts_are_two_videos_of_one_case(tmp_path: Path) -> None:
    found, warnings = sorted_in(drawn.sun(tmp_path / "s"), sequence_fps=30.0)
    assert [list(item.track.numbers) for item in found] == [list(range(1, 15))] * 2
    assert warnings == []
    groups = read_groups(None, r"(case\d+)(?:_\d+)?/", found)
    assert [groups.of(item).group for item in found] == ["case1", "case1"]


def test_cholec_seg8k_masks_are_no_frames(tmp_path: Path) -> None:
    found, warnings = sorted_in(drawn.cholec_seg8k(tmp_path / "s"), sequence_fps=25.0)
    assert [list(item.track.numbers) for item in found if item.track] == [[*range(80, 86)], [*range(160, 166)]]
    assert count(found, "ignored") == 36
    assert warnings == ["36 pictures left out: masks, depth, the other eye or other twins of frames"]
    groups = read_groups(None, r"((?:VID|video|CASE)\d+)", [item for item in found if item.track])
    assert {said.group for said in groups.said.values()} == {"video01"}


def test_lap_gyn4_a_video_over_two_folders_is_asked_to_be_one_group(tmp_path: Path) -> None:
    found, warnings = sorted_in(drawn.lap_gyn4(tmp_path / "s"), sequence_fps=1.0)
    assert [list(item.track.numbers) for item in found] == [[*range(6200, 6205)], [*range(5502, 5507)], [0, 1, 2]]
    assert "1 sequence name found in several folders, which may be one video" in warnings[0]
    groups = read_groups(None, r"/(c_\d+)_v_", found)
    assert [groups.of(item).group for item in found] == ["c_286", "c_286", "c_9"]


def test_galar_capital_extensions(tmp_path: Path) -> None:
    assert tracks(drawn.galar(tmp_path / "s"), sequence_fps=2.0) == [list(range(14))]


def test_dsad_stills_without_their_masks(tmp_path: Path) -> None:
    found, warnings = sorted_in(drawn.dsad(tmp_path / "s"))
    assert (count(found, "still"), count(found, "ignored")) == (52, 52)
    assert len(warnings) == 1
    groups = read_groups(None, r"/(\d+)/", [item for item in found if item.kind == "still"])
    assert {said.group for said in groups.said.values()} == {"03", "07"}


def test_see_ai_numbered_and_unrelated_is_not_asked_about_and_doubted_as_a_sequence(tmp_path: Path) -> None:
    root = drawn.see_ai(tmp_path / "s")
    found, warnings = sorted_in(root)
    assert (count(found, "still"), warnings) == (40, [])
    found, warnings = sorted_in(root, sequence_fps=25.0)
    assert count(found, "sequence") == 1
    assert warnings[0].startswith("numbered stills? The neighbours in 1 sequence are as unlike as any two pictures")
    with pytest.raises(BadInput, match=r"numbered stills\? .*\(inputs 1\).*--stills.*\(--strict\)"):
        sorted_in(root, sequence_fps=25.0, strict=True)


def test_polyp_gen_litter_and_the_folder_of_masks_are_left_out(tmp_path: Path) -> None:
    found, _ = sorted_in(drawn.polyp_gen(tmp_path / "s"), sequence_fps=25.0)
    assert [list(item.track.numbers) for item in found if item.track] == [list(range(10, 150, 10))]
    reasons = {item.reason for item in found if item.kind == "ignored"}
    assert reasons == {"litter of another program", "a mask, depth picture, other eye or another twin of a frame"}


def test_the_other_eye_is_a_twin_by_its_folder_and_asked_about_in_one_folder(tmp_path: Path) -> None:
    for number in range(225, 245):
        for eye in ("left", "right"):
            drawn.draw(tmp_path / "two" / f"{eye}_frames" / f"frame{number}.png", number)
            drawn.draw(tmp_path / "one" / f"{eye}_{number}.png", number)
            drawn.draw(tmp_path / "numbered" / f"cam{int(eye == 'left')}_{number}.png", number)
    assert tracks(tmp_path / "two", sequence_fps=2.0) == [list(range(225, 245))]
    for folder in ("one", "numbered"):
        with pytest.raises(BadInput) as caught:
            inputs(tmp_path / folder, sequence_fps=2.0)
        assert "two sequences of 20 and 20 pictures in one folder have the same numbers" in str(caught.value)
        assert "--exclude GLOB" in str(caught.value)
        (line,) = re.findall("type: endocur extract .* --sequence-fps 2 --frame-pattern (.*)", str(caught.value))
        assert "right" not in str(caught.value)
        assert len(tracks(tmp_path / folder, sequence_fps=2.0, frame_pattern=line.strip("'"))) == 2
    assert tracks(tmp_path / "one", sequence_fps=2.0, exclude=("right_*",)) == [list(range(225, 245))]


def test_one_number_twice_is_refused(tmp_path: Path) -> None:
    drawn.draw_run(tmp_path / "v", range(5))
    drawn.draw(tmp_path / "v" / "f_03.png", 3)
    with pytest.raises(BadInput, match="1 picture in one folder of argument 1 have a number that another picture"):
        inputs(tmp_path / "v", sequence_fps=25.0)


def test_a_picture_without_a_number_or_alone_is_a_still(tmp_path: Path) -> None:
    drawn.draw_run(tmp_path / "v", range(5))
    drawn.draw(tmp_path / "v" / "cover.png", 0)
    drawn.draw(tmp_path / "v" / "poster7.png", 0)
    found, warnings = sorted_in(tmp_path / "v", sequence_fps=25.0)
    assert [(item.position, item.kind) for item in found] == [(1, "still"), (2, "sequence"), (3, "still")]
    assert warnings == ["2 pictures of no sequence taken as stills"]


def test_a_pattern_of_the_owner_finds_numbers_elsewhere(tmp_path: Path) -> None:
    for number in range(4):
        drawn.draw(tmp_path / "v" / f"t{number}_roomB.png", number)
    with pytest.raises(BadInput, match="no picture named here is one of a numbered sequence"):
        inputs(tmp_path / "v", sequence_fps=25.0)
    assert tracks(tmp_path / "v", sequence_fps=25.0, frame_pattern=r"^t(?P<frame>\d+)") == [[0, 1, 2, 3]]


def test_unsaid_and_like_a_video_is_asked_about_with_both_lines(tmp_path: Path) -> None:
    drawn.draw_run(tmp_path / "anna schmidt", range(40))
    with pytest.raises(BadInput) as caught:
        inputs(tmp_path / "anna schmidt")
    line = f"endocur extract '{tmp_path}/anna schmidt' --corpus {tmp_path}/corpus"
    assert str(caught.value) == (
        "40 pictures (inputs 1 to 40) have running numbers and look like the frames of a video; only you know what "
        f"they are.\nIf they are a video, type, with its true rate in place of 25: {line} --sequence-fps 25\n"
        f"If they are unrelated stills, type: {line} --stills"
    )
    found, warnings = sorted_in(tmp_path / "anna schmidt", stills=True)
    assert count(found, "still") == 40
    assert warnings[0].startswith("40 pictures (inputs 1 to 40) were said to be stills but look like the frames of a")
    with pytest.raises(BadInput, match="were said to be stills but look like"):
        inputs(tmp_path / "anna schmidt", stills=True, strict=True)


@pytest.mark.parametrize("numbers", [range(11), [n * n for n in range(40)]])
def test_few_pictures_or_uneven_numbers_are_not_asked_about(tmp_path: Path, numbers: list[int]) -> None:
    drawn.draw_run(tmp_path / "v", numbers)
    assert count(inputs(tmp_path / "v"), "still") == len(numbers)


def test_pictures_of_several_sizes_or_all_black_are_not_asked_about(tmp_path: Path) -> None:
    for number in range(20):
        drawn.draw(tmp_path / "sizes" / f"{number}.png", number, size=(64, 48 + number % 2))
        drawn.write(drawn.draw(tmp_path / "black" / f"{number}.png", 0), drawn.np.zeros((48, 64, 3), "uint8"))
    assert count(inputs(tmp_path / "sizes"), "still") == 20
    assert count(inputs(tmp_path / "black"), "still") == 20


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stills": True, "sequence_fps": 25.0}, "--stills and --sequence-fps were both given"),
        ({"sequences": Path("s.csv"), "sequence_fps": 25.0}, "--sequence-fps and --sequences were both given"),
        ({"sequence_fps": 0.0}, "--sequence-fps is 0"),
        ({"sequence_fps": 1e9}, "--sequence-fps is 1e"),
        ({"frame_pattern": r"(?P<frame>\d+)"}, "say their rate by --sequence-fps N, too"),
        ({"frame_pattern": "(", "sequence_fps": 1.0}, "is no regular expression"),
        ({"frame_pattern": r"(\d+)", "sequence_fps": 1.0}, "has no group frame"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(BadOption, match=re.escape(message)):
        ExtractConfig(inputs=(Path("x"),), **options)  # type: ignore[arg-type]


def test_twins_need_a_partner() -> None:
    assert twins({"/a": ["x_mask.png", "y_label.png"]}) == set()
    assert twins({"/a": ["x_mask.png", "x.png"]}) == {("/a", "x_mask.png")}
    assert twins({"/a": ["mask3.png", "image03.png"]}) == {("/a", "mask3.png")}
    assert twins({"/a/masks": ["1.png"], "/b/images": ["1.png"]}) == set()
    assert twins({"/a/masks": ["1.png"], "/a/images": ["1.jpg"]}) == {("/a/masks", "1.png")}
    assert twins({"/a/GT/c/1": ["1.png"], "/a/Frame/c/1": ["1.jpg"]}) == {("/a/GT/c/1", "1.png")}
    assert twins({"/a/depth": ["1.png"], "/a/masks": ["1.png"]}) == set()
    assert twins({"/a/Anno 2019": ["1.png"], "/a/2020": ["1.png"]}) == set()
    assert twins({"/a": ["0000_color.png", "0000_depth.tiff", "0000_normals.tiff"]}) == {
        ("/a", "0000_depth.tiff"),
        ("/a", "0000_normals.tiff"),
    }


@given(st.lists(st.integers(0, 10**9), min_size=2, max_size=60, unique=True), st.randoms())
def test_a_track_is_the_same_in_whatever_order_its_folder_is_listed(numbers: list[int], random: object) -> None:
    entries = [Entry(f"x{number}.png", number % 97, 1, number) for number in numbers]
    random.shuffle(entries)  # type: ignore[attr-defined]
    (found,) = tracks_of("/f", entries, PATTERN).tracks
    assert list(found.numbers) == sorted(numbers)
    assert found == make_track("/f", sorted((int(entry.name[1:-4]), entry) for entry in entries))


@given(
    st.integers(0, 10**7),
    st.fractions(Fraction(1, 100), Fraction(1000), max_denominator=1001),
    st.fractions(Fraction(1, 7), Fraction(100), max_denominator=7),
)
def test_times_are_exact_to_half_a_microsecond(count: int, fps: Fraction, step: Fraction) -> None:
    assert abs(Timing(fps, step).us(count) - count * step / fps * 1_000_000) <= Fraction(1, 2)


@given(st.integers(1, 5000), st.integers(1, 64))
def test_spread_indices_rise_and_are_even(n: int, wanted: int) -> None:
    chosen = spread(n, wanted)
    assert len(chosen) == min(n, wanted)
    assert all(0 <= index < n for index in chosen)
    gaps = {b - a for a, b in pairwise(chosen)}
    assert not gaps or (min(gaps) >= 1 and max(gaps) - min(gaps) <= 1)


def test_an_id_changes_with_any_number_any_size_and_any_hashed_picture() -> None:
    numbers, sizes, hashes = [1, 2, 4], [10, 10, 11], ["a", "b", "c"]
    whole = sequence_sha256(numbers, sizes, hashes)
    others = [
        sequence_sha256([1, 2, 5], sizes, hashes),
        sequence_sha256(numbers, [10, 10, 12], hashes),
        sequence_sha256(numbers, sizes, ["a", "b", "d"]),
    ]
    assert len({whole, *others}) == 4
    assert HASHED == 16


def test_one_numbering_in_two_formats_is_asked_about(tmp_path: Path) -> None:
    for number in range(15):
        drawn.draw(tmp_path / "v" / f"{number}.png", number)
        drawn.draw(tmp_path / "v" / f"{number}.jpg", number)
    with pytest.raises(BadInput, match="two sequences of 15 and 15 pictures in one folder have the same numbers"):
        inputs(tmp_path / "v", sequence_fps=25.0)


def test_names_may_be_any_bytes_and_what_is_no_file_is_no_member(tmp_path: Path) -> None:
    folder = drawn.draw_run(tmp_path / "v", range(4), name="na\udcefve_{}.png")
    os.mkfifo(folder / "na\udcefve_4.png")
    (folder / "na\udcefve_5.png").symlink_to("nowhere.png")
    (folder / "na\udcefve_6.png").mkdir()
    (folder / ".na\udcefve_7.png").write_bytes(b"")
    found = inputs(tmp_path / "v", sequence_fps=25.0)
    assert [list(item.track.numbers) for item in found if item.track] == [[0, 1, 2, 3]]
    assert sorted(item.reason for item in found if not item.track) == [
        "a link to nothing",
        "hidden, unfinished or litter",
        "no regular file",
    ]


def test_pictures_named_one_by_one_are_a_sequence_too(tmp_path: Path) -> None:
    folder = drawn.draw_run(tmp_path / "v", range(12))
    for typed in (sorted(folder.iterdir()), [folder / "*.png"]):
        config = ExtractConfig(inputs=tuple(typed), corpus=tmp_path / "corpus", sequence_fps=25.0)
        (item,) = gather(config, read_patterns((), ())).found
        assert (item.position, list(item.track.numbers)) == (1, list(range(12)))


def test_a_limit_counts_a_sequence_once(tmp_path: Path) -> None:
    found = inputs(drawn.real_colon(tmp_path / "s"), sequence_fps=25.0, limit=1)
    assert [len(item.track) for item in found] == [14]


@given(
    st.sampled_from([b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\0", b"BM", b"GIF89a", b"RIFF"]),
    st.binary(max_size=80),
)
def test_the_look_at_pictures_bears_any_bytes(head: bytes, rest: bytes) -> None:
    seen = thumbnail(head + rest)
    assert seen is None or seen[0].shape == (32, 32)
