"""Interlaced pictures are found by what they show, whatever a file's flags say, and leave as progressive ones."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from drawn_videos import texture, textures, write_video

from endocur.configs import ExtractConfig
from endocur.corpus import InputRow
from endocur.extract.decode import Video
from endocur.extract.interlace import Deinterlacer, combing, field_order, vote
from endocur.extract.sampling import Asked
from endocur.extract.unit import VideoTask, extract_video

SIZE = (320, 240)
SOURCE = "0123456789abcdef"


def fields(count: int, order: str) -> list[np.ndarray]:
    """Pictures whose even and odd lines show two moments, half a frame apart."""
    moments = textures(2 * count, SIZE)
    pictures = []
    for index in range(count):
        first, second = moments[2 * index], moments[2 * index + 1]
        picture = first.copy()
        if order == "tff":
            picture[1::2] = second[1::2]
        else:
            picture[0::2] = second[0::2]
        pictures.append(picture)
    return pictures


def lumas(path: Path) -> list[np.ndarray]:
    """Luma as plain PyAV decodes it."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray()[: frame.height] for frame in container.decode(video=0)]


@pytest.mark.parametrize("order", ["tff", "bff"])
@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("a.mkv", {}),
        ("a.h264", {}),
        ("a.mpg", {"codec": "mpeg2video", "tags": {"bit_rate": 4_000_000}}),
        ("a.avi", {"codec": "mpeg4", "tags": {"bit_rate": 4_000_000}}),
        ("a.mp4", {"pix_fmt": "yuv420p10le"}),
        ("b.mp4", {"pix_fmt": "yuv422p", "options": {"x264-params": "tff=1"}}),
    ],
)
def test_two_moments_in_a_frame_are_found_in_files_that_call_themselves_progressive(
    tmp_path: Path, name: str, make: dict[str, object], order: str
) -> None:
    path = write_video(tmp_path / name, fields(60, order), **make)  # type: ignore[arg-type]
    video = Video(path)
    assert video.field_order == order
    found = [(frame.moment.us, frame.planes.y.copy(), frame.planes.bits) for frame in video.frames()]
    assert [us for us, _, _ in found] == [40_000 * index for index in range(60)]
    raw = lumas(path)
    before = np.mean([combing(luma, luma, bits) for luma, (_, _, bits) in zip(raw, found, strict=True)])
    after = np.mean([combing(luma, luma, bits) for _, luma, bits in found])
    assert before > 1 and after < 0.25 * before
    start = 0 if order == "tff" else 1
    for luma, (_, out, _) in zip(raw, found, strict=True):  # lines of the first field are untouched
        assert np.array_equal(out[start::2], luma[start::2])


def test_progressive_pictures_flagged_as_interlaced_stay_as_they_are(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", textures(50, SIZE), options={"x264-params": "tff=1"})
    with av.open(str(path)) as container:
        assert all(frame.interlaced_frame for frame in container.decode(video=0))
    video = Video(path)
    assert video.field_order == "progressive"
    assert all(np.array_equal(f.planes.y, luma) for f, luma in zip(video.frames(), lumas(path), strict=True))


def test_a_picture_that_stands_still_tells_nothing_and_lines_that_stand_still_are_no_fields(tmp_path: Path) -> None:
    stripes = texture(0, SIZE)
    stripes[::2] = 40
    striped = np.ascontiguousarray(stripes.mean(axis=2)).astype(np.uint8)
    assert vote(striped, striped) is None
    assert field_order([[(striped, 8)] * 8]) == "progressive"
    moving = textures(40, SIZE)
    for picture in moving:
        picture[100:140:2, 40:200] = 250  # a graphic of thin lines over what moves
    assert Video(write_video(tmp_path / "a.mp4", moving)).field_order == "progressive"


def test_interlaced_files_are_read_in_order_and_say_so(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", fields(60, "tff"), gop=10)
    plan, _ = Video(path, asked=Asked("auto", 1.0)).reading
    assert (plan.keys_only, plan.alone) == (False, False) and "interlaced" in plan.why
    config = ExtractConfig(inputs=(path,), corpus=tmp_path / "c", text_detection=False)
    row = InputRow(SOURCE, "ok", group="g" * 16)
    marker = extract_video(VideoTask(config.corpus, path, SOURCE, "f" * 16, (row,), config))
    assert marker.extras["reading"]["field_order"] == "tff"
    assert (marker.frames, marker.extras["seen"]) == (3, 60)


def test_frames_of_any_size_come_out_once_in_order_with_their_tags() -> None:
    deinterlacer = Deinterlacer("tff")
    out = []
    for number, size in enumerate([(320, 240)] * 3 + [(64, 16)] * 2 + [(160, 120)] * 4):
        frame = av.VideoFrame.from_ndarray(texture(number, size), format="rgb24").reformat(format="yuv420p")
        frame.time_base, frame.pts = Fraction(1, 25), 7 * number
        out += [(tag, picture.width) for picture, tag in deinterlacer.push(frame, number)]
    out += [(tag, picture.width) for picture, tag in deinterlacer.finish()]
    assert out == list(enumerate([320] * 3 + [64] * 2 + [160] * 4))
