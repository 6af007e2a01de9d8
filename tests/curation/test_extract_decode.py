"""Decoding: every frame with its own time, whatever the container does; damage is dropped and counted."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from drawn_videos import texture, textures, write_video
from hypothesis import given
from hypothesis import strategies as st

from endocur.extract.clock import Clock
from endocur.extract.container import is_truncated
from endocur.extract.decode import Video
from endocur.extract.source import Frame, Unreadable


def frames(path: Path) -> list[Frame]:
    return list(Video(path).frames())


def times(path: Path) -> list[int]:
    return [frame.moment.us for frame in frames(path)]


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.mp4", "libx264", {"preset": "fast", "bf": "2"}),
        ("a.mkv", "libx264", {"preset": "fast", "bf": "2"}),
        ("a.ts", "libx264", {"preset": "fast", "bf": "2"}),
        ("a.avi", "libx264", {"preset": "fast", "bf": "2"}),
        ("a.mpg", "mpeg2video", {}),
        ("a.avi", "mpeg4", {}),
        ("a.mkv", "libx265", {"x265-params": "log-level=none"}),
    ],
)
def test_every_frame_comes_once_at_its_time_and_in_its_order(
    tmp_path: Path, name: str, codec: str, options: dict[str, str]
) -> None:
    pictures = textures(30)
    found = frames(write_video(tmp_path / name, pictures, codec=codec, options=options))
    assert [frame.moment.us for frame in found] == [40_000 * index for index in range(30)]
    truth = [picture.mean(axis=2)[20:100, 20:140] for picture in pictures]
    for index, frame in enumerate(found):
        seen = np.asarray(frame.planes.y, float)[20:100, 20:140]
        likeness = [np.corrcoef(seen.ravel(), other.ravel())[0, 1] for other in truth[max(0, index - 2) : index + 3]]
        assert int(np.argmax(likeness)) == min(index, 2)


def test_time_counts_from_the_first_shown_frame_and_holes_stay_holes(tmp_path: Path) -> None:
    stamps = [100, 101, 102, 130, 131, 200, 201, 205]
    path = write_video(tmp_path / "vfr.mkv", textures(8), pts=stamps, time_base=Fraction(1, 50))
    assert times(path) == [20_000 * (stamp - 100) for stamp in stamps]


def test_a_stream_without_time_stamps_is_timed_by_its_declared_rate_and_says_so(tmp_path: Path) -> None:
    found = frames(write_video(tmp_path / "a.h264", textures(10)))
    assert [frame.moment.us for frame in found] == [40_000 * index for index in range(10)]
    assert all(frame.moment.made for frame in found)


def test_a_clock_that_starts_again_goes_on_one_frame_later_flagged(tmp_path: Path) -> None:
    once = write_video(tmp_path / "once.ts", textures(12)).read_bytes()
    (tmp_path / "twice.ts").write_bytes(once + once)
    found = frames(tmp_path / "twice.ts")
    assert [frame.moment.us for frame in found] == [40_000 * index for index in range(24)]
    assert [frame.moment.flag for frame in found] == [""] * 12 + ["clock"] * 12


@given(stamps=st.lists(st.one_of(st.none(), st.integers(-(10**9), 10**9)), min_size=1, max_size=40))
def test_moments_strictly_increase_whatever_the_stamps(stamps: list[int | None]) -> None:
    clock = Clock(Fraction(30000, 1001))
    moments = [clock.moment(stamp, Fraction(1, 90_000)) for stamp in stamps]
    assert moments[0].us == 0
    assert all(before.us < after.us for before, after in pairwise(moments))


@given(steps=st.lists(st.integers(1, 10**6), min_size=1, max_size=40), start=st.integers(-(10**12), 10**12))
def test_a_clock_that_only_rises_is_kept_to_the_microsecond(steps: list[int], start: int) -> None:
    base = Fraction(1, 90_000)
    stamps = [start + sum(steps[:count]) for count in range(len(steps) + 1)]
    clock = Clock(Fraction(25))
    for stamp in stamps:
        moment = clock.moment(stamp, base)
        exact = (stamp - start) * base * 1_000_000
        assert abs(moment.us - exact) <= Fraction(1, 2)
        assert moment.flag == "" and not moment.made


def test_equal_stamps_are_a_microsecond_apart_and_flagged() -> None:
    clock = Clock(Fraction(25))
    moments = [clock.moment(stamp, Fraction(1, 25)) for stamp in (0, 1, 1, 1, 2)]
    assert [(moment.us, moment.flag) for moment in moments] == [
        (0, ""),
        (40_000, ""),
        (40_001, "equal"),
        (40_002, "equal"),
        (80_000, ""),
    ]


def test_a_leap_of_more_than_a_day_is_a_broken_clock() -> None:
    clock = Clock(Fraction(25))
    moments = [clock.moment(stamp, Fraction(1, 1)) for stamp in (0, 1, 200_000, 200_001)]
    assert [(moment.us, moment.flag) for moment in moments] == [
        (0, ""),
        (1_000_000, ""),
        (1_040_000, "clock"),
        (2_040_000, "clock"),
    ]


def test_ten_bits_and_full_range_and_422_keep_their_code_values(tmp_path: Path) -> None:
    deep = frames(write_video(tmp_path / "a.mkv", [texture(0)], pix_fmt="yuv422p10le", tags={"color_range": 2}))[0]
    assert (deep.planes.bits, deep.planes.colour.full_range) == (10, True)
    assert deep.planes.u is not None and deep.planes.u.shape == (120, 80)
    assert 300 < float(np.mean(deep.planes.y)) < 700


def test_odd_sizes_come_with_all_their_rows_and_columns(tmp_path: Path) -> None:
    [frame] = frames(write_video(tmp_path / "a.mkv", [texture(0, (161, 121))], codec="ffv1", pix_fmt="yuv420p"))
    assert (frame.shape.width, frame.shape.height) == (161, 121)
    assert frame.planes.y.shape == (121, 161) and frame.planes.u is not None and frame.planes.u.shape == (61, 81)


def test_a_stream_that_changes_its_size_gives_frames_of_both(tmp_path: Path) -> None:
    small = write_video(tmp_path / "a.h264", textures(6)).read_bytes()
    large = write_video(tmp_path / "b.h264", textures(6, (240, 180))).read_bytes()
    (tmp_path / "c.h264").write_bytes(small + large)
    assert [frame.shape.width for frame in frames(tmp_path / "c.h264")] == [160] * 6 + [240] * 6


def test_a_damaged_frame_and_all_built_on_it_are_dropped_and_counted(tmp_path: Path) -> None:
    pictures = textures(48)
    data = bytearray(write_video(tmp_path / "whole.mkv", pictures, gop=12).read_bytes())
    whole = [np.array(frame.planes.y) for frame in frames(tmp_path / "whole.mkv")]
    middle = len(data) // 2
    data[middle : middle + 300] = np.random.default_rng(0).bytes(300)
    (tmp_path / "hurt.mkv").write_bytes(bytes(data))
    video = Video(tmp_path / "hurt.mkv")
    kept = [(frame.moment.us // 40_000, np.array(frame.planes.y)) for frame in video.frames()]
    assert 20 <= len(kept) < 48
    assert video.damage.corrupt + video.damage.unreadable > 0
    assert "damaged" in video.damage.reason() or "decoded" in video.damage.reason()
    assert all(np.array_equal(picture, whole[index]) for index, picture in kept)


def test_frames_before_the_first_key_frame_are_not_shown(tmp_path: Path) -> None:
    data = write_video(tmp_path / "a.ts", textures(48), gop=24).read_bytes()
    (tmp_path / "b.ts").write_bytes(data[len(data) * 40 // 100 // 188 * 188 :])
    video = Video(tmp_path / "b.ts")
    assert len(list(video.frames())) == 24
    assert "before the first key frame" in video.damage.reason()


@pytest.mark.parametrize(("name", "options"), [("a.mp4", {"movflags": "+faststart"}), ("a.mkv", {}), ("a.avi", {})])
def test_a_file_that_broke_off_says_so_by_its_own_sizes(tmp_path: Path, name: str, options: dict[str, str]) -> None:
    path = write_video(tmp_path / name, textures(30), container=options)
    assert not is_truncated(path)
    assert not Video(path).damage.truncated
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10])
    video = Video(path)
    found = list(video.frames())
    assert 5 < len(found) < 30
    assert "ends before" in video.damage.reason()


def test_a_header_that_lies_about_the_duration_changes_nothing(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", textures(30))
    data = bytearray(path.read_bytes())
    at = data.index(b"mvhd") + 4 + 16
    data[at : at + 4] = (360_000_000).to_bytes(4, "big")
    path.write_bytes(bytes(data))
    assert len(list(Video(path).probe(60))) == 30
    assert times(path) == [40_000 * index for index in range(30)]


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("zero.mp4", b"", "no video that FFmpeg can read"),
        ("text.mp4", b"Findings: none.\n" * 400, "no video that FFmpeg can read"),
        ("list.mp4", b"#EXTM3U\n#EXTINF:10,\nhttp://example.invalid/a.ts\n#EXT-X-ENDLIST\n", "cannot be opened"),
        ("list.avi", b"ffconcat version 1.0\nfile '/etc/hostname'\n", "cannot be opened"),
    ],
)
def test_what_is_no_video_is_refused_with_a_reason_that_holds_no_name(
    tmp_path: Path, name: str, data: bytes, reason: str
) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(Unreadable) as caught:
        list(Video(tmp_path / name).probe(10))
    assert str(caught.value).startswith((reason, "no video that FFmpeg can read"))
    assert name not in str(caught.value) and str(tmp_path) not in str(caught.value)


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mp4"), "w") as out:
        stream = out.add_stream("aac", rate=48_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 48_000, 0
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    with pytest.raises(Unreadable, match="no video stream"):
        frames(tmp_path / "a.mp4")


def test_the_probe_spreads_over_the_whole_video_and_takes_key_frames_where_they_are_many(tmp_path: Path) -> None:
    pictures = [np.full((120, 160, 3), index, np.uint8) for index in range(0, 240, 2)]
    for gop in (2, 60):
        path = write_video(tmp_path / f"gop{gop}.mp4", pictures, gop=gop)
        levels = [float(np.mean(frame.planes.y)) for frame in Video(path).probe(20)]
        assert 10 <= len(levels) <= 20
        assert levels == sorted(levels)
        assert levels[0] < 40 and levels[-1] > 200
        assert max(after - before for before, after in pairwise(levels)) < 40
