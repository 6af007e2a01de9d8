"""How a file is read never decides what is kept: key frames alone, by seek or all in order give the same pictures."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from drawn_videos import texture, textures, write_video
from hypothesis import given
from hypothesis import strategies as st

from endocur.configs import ExtractConfig
from endocur.corpus import Corpus, InputRow, UnitMarker, chapter_files
from endocur.extract.decode import Video
from endocur.extract.sampling import Asked, Ticks, keys_are_dense
from endocur.extract.source import Frame
from endocur.extract.unit import VideoTask, extract_video
from endocur.opening import open_for_extract
from endocur.store import read_chapter_table
from endoshards.errors import BadInput, BadOption
from endoshards.settings import config_fingerprint, what

SOURCE = "0123456789abcdef"
B_FRAMES = {"preset": "fast", "bf": "3"}
OPEN_GOP = {"x264-params": "open-gop=1:keyint=25:min-keyint=25:scenecut=0", "preset": "fast", "bf": "3"}
HEVC = {"x265-params": "log-level=none:keyint=25:min-keyint=25:scenecut=0:bframes=3:open-gop=1"}


def kept(path: Path, asked: Asked) -> list[tuple[int, bytes]]:
    """Moment and luma of the frames that an asking keeps, whichever way the file is read."""
    assert asked.fps is not None
    ticks = Ticks(asked.fps)
    return [
        (frame.moment.us, np.ascontiguousarray(frame.planes.y).tobytes())
        for frame in Video(path, asked=asked).frames()
        if frame.may_be_kept and ticks.wants(frame.moment.us)
    ]


def in_order(path: Path, asked: Asked) -> list[tuple[int, bytes]]:
    """The same from a decode of everything in order by plain PyAV: the truth."""
    assert asked.fps is not None
    ticks, found = Ticks(asked.fps), []
    with av.open(str(path)) as container:
        first = None
        for frame in container.decode(container.streams.video[0]):
            assert frame.pts is not None and frame.time_base is not None
            first = frame.pts if first is None else first
            us = int((frame.pts - first) * frame.time_base * 1_000_000 + Fraction(1, 2))
            if (frame.key_frame or asked.sampling != "keyframes") and ticks.wants(us):
                plane = frame.planes[0]
                rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]
                found.append((us, rows.tobytes()))
    return found


def task(path: Path, root: Path, **options: object) -> VideoTask:
    config = ExtractConfig(inputs=(path,), corpus=root, text_detection=False, **options)  # type: ignore[arg-type]
    return VideoTask(root, path, SOURCE, "f" * 16, (InputRow(SOURCE, "ok", group="g" * 16),), config)


def rows(root: Path) -> list[dict[str, object]]:
    return list(read_chapter_table(chapter_files(Corpus(root), SOURCE, 0).frames_table).to_pylist())


def told(marker: UnitMarker) -> dict[str, object]:
    return dict(marker.extras["reading"])


@pytest.mark.parametrize(
    ("name", "codec", "options", "indexed"),
    [
        ("a.mp4", "libx264", B_FRAMES, True),
        ("a.mkv", "libx264", OPEN_GOP, True),
        ("a.mp4", "libx264", OPEN_GOP, True),
        ("a.mkv", "libx265", HEVC, True),
        ("a.mp4", "libx265", HEVC, True),
        ("a.ts", "libx264", OPEN_GOP, False),
        ("a.ts", "libx265", HEVC, False),
        ("a.mpg", "mpeg2video", {}, False),
        ("a.mp4", "mpeg4", {}, True),
    ],
)
@pytest.mark.parametrize("fps", [1.0, 0.2])
def test_key_frames_are_the_same_however_they_are_reached(
    tmp_path: Path, name: str, codec: str, options: dict[str, str], indexed: bool, fps: float
) -> None:
    path = write_video(tmp_path / name, textures(275), codec=codec, options=options, gop=25)
    for sampling in ("keyframes", "auto"):
        asked = Asked(sampling, fps)  # type: ignore[arg-type]
        video = Video(path, asked=asked)
        plan, proof = video.reading
        assert plan.keys_only and plan.alone, plan.why
        assert proof.alone and proof.places == 3
        assert video.facts.indexed == indexed and (proof.seek <= indexed)
        found = kept(path, asked)
        assert found == in_order(path, Asked("keyframes", fps))
        assert len(found) == (11 if fps == 1.0 else 3)


def test_in_mp4_and_mkv_a_seek_to_a_key_frame_is_proven_and_used(tmp_path: Path) -> None:
    for name in ("a.mp4", "a.mkv"):
        path = write_video(tmp_path / name, textures(200), options=B_FRAMES, gop=10)
        video = Video(path, asked=Asked("auto", 0.4))
        assert video.told()["seeks"] is True
        assert [frame.moment.us for frame in video.frames()] == [0, 2_800_000, 5_200_000, 7_600_000]


def falsely_keyed(source: Path, path: Path, is_key: Callable[[int], bool]) -> Path:
    """A copy in which the container also calls other packets key frames."""
    with av.open(str(source)) as given_, av.open(str(path), "w") as out:
        stream = given_.streams.video[0]
        target = out.add_stream_from_template(stream)
        for index, packet in enumerate(packet for packet in given_.demux(stream) if packet.size):
            packet.is_keyframe = packet.is_keyframe or is_key(index)
            packet.stream = target
            out.mux(packet)
    return path


def test_a_file_that_calls_frames_key_frames_that_are_none_is_decoded_in_order(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "a.mp4", textures(200), codec="mpeg4", gop=100)
    path = falsely_keyed(whole, tmp_path / "b.mp4", lambda index: index % 20 == 0)
    video = Video(path, asked=Asked("auto", 1.0))
    assert [key.us for key in video.facts.keys] == list(range(0, 8_000_000, 800_000))
    assert not video.reading[1].alone and not video.reading[0].alone
    assert "decoded alone are not those" in video.reading[0].why
    assert kept(path, Asked("auto", 1.0)) == in_order(whole, Asked("exact", 1.0))


@pytest.mark.parametrize(
    ("name", "make", "why"),
    [
        ("a.h264", {}, "no time stamps"),
        ("a.avi", {"options": B_FRAMES}, "no time stamps"),
        ("a.mp4", {"gop": 50}, "too far apart"),
    ],
)
def test_where_key_frames_will_not_do_auto_is_exact_and_says_why(
    tmp_path: Path, name: str, make: dict[str, object], why: str
) -> None:
    path = write_video(tmp_path / name, textures(100), **{"gop": 25} | make)  # type: ignore[arg-type]
    auto, exact = (Video(path, asked=Asked(sampling, 1.0)) for sampling in ("auto", "exact"))  # type: ignore[arg-type]
    assert why in auto.reading[0].why
    assert [f.moment for f in auto.frames()] == [f.moment for f in exact.frames()]
    assert all(frame.follows for frame in auto.frames())


def test_two_files_in_one_and_files_cut_at_either_end_are_decoded_in_order(tmp_path: Path) -> None:
    once = write_video(tmp_path / "once.ts", textures(75), gop=25).read_bytes()
    (tmp_path / "twice.ts").write_bytes(once + once)
    (tmp_path / "cut.ts").write_bytes(once[len(once) * 4 // 10 // 188 * 188 :])
    mp4 = write_video(tmp_path / "a.mp4", textures(75), gop=25, container={"movflags": "+faststart"}).read_bytes()
    (tmp_path / "short.mp4").write_bytes(mp4[: len(mp4) * 7 // 10])
    for name, why in (("twice.ts", "clock falls"), ("cut.ts", "before the first key"), ("short.mp4", "broken off")):
        plan, _ = Video(tmp_path / name, asked=Asked("auto", 1.0)).reading
        assert (plan.alone, plan.keys_only) == (False, False) and why in plan.why


def test_asked_for_key_frames_a_stream_without_stamps_gives_them_from_a_whole_decode(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.h264", textures(100), gop=40)
    frames = [frame for frame in Video(path, asked=Asked("keyframes", 1.0)).frames() if frame.may_be_kept]
    assert [frame.moment.us for frame in frames] == [0, 1_600_000, 3_200_000]


def test_a_damaged_key_frame_is_counted_and_the_next_one_serves_its_tick(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", textures(150), gop=10)
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        keys = [(p.pos, p.size) for p in container.demux(video=0) if p.size and p.is_keyframe]
    at, size = keys[5]  # at 2.0 s, none of the places of the proof
    data[at + 40 : at + size - 20] = np.random.default_rng(0).bytes(size - 60)
    (tmp_path / "hurt.mkv").write_bytes(bytes(data))
    video = Video(tmp_path / "hurt.mkv", asked=Asked("auto", 1.0))
    found: list[Frame] = list(video.frames())
    assert video.reading[0].alone
    assert [frame.moment.us for frame in found] == [0, 1_200_000, 2_400_000, 3_200_000, 4_000_000, 5_200_000]
    assert video.damage.corrupt == 1 and "1 damaged" in video.damage.reason()


def test_a_unit_of_key_frames_adds_up_and_what_needs_neighbours_is_null(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", textures(110), gop=25)
    auto, exact = (
        extract_video(task(path, tmp_path / sampling, fps=1.0, sampling=sampling)) for sampling in ("auto", "exact")
    )
    assert auto.extras["dropped"] == {"not decoded": 105} and exact.extras["dropped"] == {"not sampled": 105}
    assert auto.extras["seen"] == exact.extras["seen"] == 110 and auto.frames == exact.frames == 5
    assert auto.extras["last_us"] == exact.extras["last_us"] == 109 * 40_000
    assert told(auto)["decoded"] == "key frames alone" and told(exact)["decoded"] == "all in order"
    assert {row["motion"] for row in rows(tmp_path / "auto")} == {None}
    assert {row["is_frozen"] for row in rows(tmp_path / "auto")} == {None}
    tars = [chapter_files(Corpus(tmp_path / name), SOURCE, 0).frames_tar.read_bytes() for name in ("auto", "exact")]
    assert tars[0] == tars[1]
    short = extract_video(task(path, tmp_path / "short", fps=1.0, minutes=2.1 / 60))
    assert (short.frames, short.extras["seen"], short.extras["dropped"]) == (3, 53, {"not decoded": 50})


def test_the_marker_tells_density_variable_rate_and_gaps_in_numbers(tmp_path: Path) -> None:
    stamps = [*range(0, 100, 2), *range(400, 450, 2), *range(450, 525, 3)]
    path = write_video(tmp_path / "v.mkv", textures(100), pts=stamps, time_base=Fraction(1, 50), gop=25)
    facts = told(extract_video(task(path, tmp_path / "c", fps=0.1)))
    assert (facts["packets"], facts["key_frames"], facts["gaps"], facts["longest_gap_s"]) == (100, 4, 1, 6.04)
    assert facts["vfr"] is True and facts["frame_s"] == 0.04 and facts["longest_key_gap_s"] == 7.0
    assert facts["odd"] == [] and facts["container"] == "matroska" and facts["codec"] == "h264"


def test_equal_rates_are_no_variable_rate_although_stamps_are_rounded_to_milliseconds(tmp_path: Path) -> None:
    stamps = [round(index * 1000 / 30) for index in range(60)]
    path = write_video(tmp_path / "v.mkv", textures(60), pts=stamps, time_base=Fraction(1, 1000))
    facts = Video(path).facts
    assert (facts.vfr, facts.gaps, facts.packets) == (False, 0, 60)


def test_a_key_frame_every_thirty_of_29_97_frames_is_one_a_second() -> None:
    times = [round(index * 1_001_000 / 30) for index in range(30 * 600)]
    assert keys_are_dense(times, times[::30], 1.0)
    assert not keys_are_dense(times, times[::30], 1.2)


@given(
    steps=st.lists(st.integers(1, 2_000_000), min_size=1, max_size=60),
    is_key=st.lists(st.booleans(), min_size=61, max_size=61),
    fps=st.sampled_from([0.3, 1.0, 5.0]),
)
def test_dense_means_that_each_kept_frame_has_a_key_frame_soon_after(
    steps: list[int], is_key: list[bool], fps: float
) -> None:
    times = [sum(steps[:count]) for count in range(len(steps) + 1)]
    keys = [us for us, key in zip(times, [True, *is_key], strict=False) if key]
    ticks = Ticks(fps)
    waits = [min((key - us for key in keys if key >= us), default=None) for us in times if ticks.wants(us)]
    late = sum(wait is not None and wait >= 1e6 / fps for wait in waits)  # of at most 61 none may be late
    if waits[-1] is None:  # the file ends less than a tick later, or there should have been one
        ticks = Ticks(fps)
        late += times[-1] - [us for us in times if ticks.wants(us)][-1] >= 1e6 / fps
    assert keys_are_dense(times, keys, fps) == (late == 0 and None not in waits[:-1])
    picker = Ticks(fps)
    picked = [us for us in keys if picker.wants(us)]
    if late == 0 and None not in waits[:-1]:
        assert len(picked) >= len(waits) - 1 and all(before < after for before, after in pairwise(picked))


def test_exact_and_all_frames_have_the_settings_and_fingerprints_of_versions_that_knew_nothing_else() -> None:
    exact = ExtractConfig(inputs=(Path("v"),), sampling="exact")
    everything = ExtractConfig(inputs=(Path("v"),), all_frames=True)
    assert "sampling" not in what(exact) and "sampling" not in what(everything)
    assert what(ExtractConfig(inputs=(Path("v"),)))["sampling"] == "auto"
    assert config_fingerprint(exact) != config_fingerprint(ExtractConfig(inputs=(Path("v"),)))


def test_a_corpus_of_an_earlier_version_goes_on_as_exact_and_says_so_to_others(tmp_path: Path) -> None:
    def opened(**options: object) -> None:
        config = ExtractConfig(inputs=(Path("v"),), **options)  # type: ignore[arg-type]
        open_for_extract(tmp_path / "c", what(config), key_check="k", corpus_id="i")

    opened(sampling="exact")
    assert "sampling" not in (tmp_path / "c" / "corpus.toml").read_text("utf-8")
    opened(sampling="exact")
    with pytest.raises(BadInput, match="was made with sampling = exact, this run says auto"):
        opened()


@pytest.mark.parametrize("options", [{"all_frames": True}, {"decoder": "decord"}])
def test_key_frames_of_all_frames_or_of_another_decoder_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(BadOption, match="--sampling keyframes"):
        ExtractConfig(inputs=(Path("v"),), sampling="keyframes", **options)  # type: ignore[arg-type]
    assert ExtractConfig(inputs=(Path("v"),), **options).sampling == "exact"  # type: ignore[arg-type]


def test_a_still_frame_is_one_key_frame(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", [texture(0)])
    assert kept(path, Asked("auto", 1.0)) == in_order(path, Asked("exact", 1.0))
