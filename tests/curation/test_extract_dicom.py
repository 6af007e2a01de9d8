"""DICOM in: a wrapped video gives the frames of the bare one; pictures one by one give their pixels and times."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pydicom
import pytest
import simplejpeg
from dicom_maker import (
    BIG_ENDIAN,
    CT,
    ENDOSCOPIC,
    EXPLICIT,
    H264,
    HEVC,
    IMPLICIT,
    JPEG,
    JPEG_2000,
    JPEG_LS,
    MPEG2,
    RLE,
    items,
    wrap_pictures,
    wrap_pixels,
    wrap_video,
    write_dicom,
)
from drawn_videos import textures, write_video
from hypothesis import given, settings
from hypothesis import strategies as st

from endocur.extract.decode import Video
from endocur.extract.dicom.header import read_header
from endocur.extract.dicom.kind import kind_of
from endocur.extract.dicom_pictures import DicomPictures, dicom_still
from endocur.extract.geometry import Shape
from endocur.extract.planes import Planes, to_rgb
from endocur.extract.source import Damage, Source, Unreadable

SIZE = (160, 120)
Factory = pytest.TempPathFactory


def digests(source: Source) -> list[tuple[int, str]]:
    """(us, hash of the planes) of every frame."""
    out = []
    for frame in source.frames():
        print_ = hashlib.sha256()
        for plane in (frame.planes.y, frame.planes.u, frame.planes.v):
            print_.update(b"" if plane is None else np.ascontiguousarray(plane).tobytes())
        out.append((frame.moment.us, print_.hexdigest()))
    return out


def rgb_of(planes: Planes, size: tuple[int, int] = SIZE) -> np.ndarray:
    return to_rgb(planes, Shape(*size), size[::-1]).astype(int)


@pytest.mark.parametrize("fragment", [0, 1000, 333], ids=["one fragment", "many", "odd lengths"])
@pytest.mark.parametrize(
    ("suffix", "codec", "syntax"),
    [
        ("mp4", "libx264", H264),
        ("mp4", "libx264", H264 + ".1"),
        ("ts", "libx264", H264),
        ("h264", "libx264", H264),
        ("mp4", "libx265", HEVC),
        ("mpg", "mpeg2video", MPEG2),
    ],
)
def test_a_wrapped_video_gives_the_frames_and_times_of_the_bare_one(
    tmp_path: Path, suffix: str, codec: str, syntax: str, fragment: int
) -> None:
    bare = write_video(tmp_path / f"a.{suffix}", textures(30), codec=codec)
    stream = bare.read_bytes()
    if fragment % 2 and len(stream) > fragment:
        # an odd fragment would get a pad byte in the middle of the stream, which DICOM does not allow
        fragment += 1
    wrapped = wrap_video(tmp_path / "a.dcm", stream, syntax=syntax, size=SIZE, fragment=fragment)
    expected = digests(Video(bare))
    assert len(expected) == 30
    video = Video(wrapped)
    assert digests(video) == expected
    assert video.damage == Damage()
    assert [f.planes.y.shape for f in video.probe(8)] == [f.planes.y.shape for f in Video(bare).probe(8)]


def test_a_stream_without_a_clock_runs_at_the_rate_of_the_tags(tmp_path: Path) -> None:
    untimed = {"x265-params": "vui-timing-info=0:log-level=none"}
    bare = write_video(tmp_path / "a.hevc", textures(10), codec="libx265", options=untimed)
    assert [us for us, _ in digests(Video(bare))][:2] == [0, 40_000]
    wrapped = wrap_video(tmp_path / "a.dcm", bare.read_bytes(), syntax=HEVC, size=SIZE, FrameTime="20")
    assert [us for us, _ in digests(Video(wrapped))] == [20_000 * index for index in range(10)]


def test_a_streams_own_clock_wins_over_the_tags(tmp_path: Path) -> None:
    bare = write_video(tmp_path / "a.mp4", textures(10))
    wrapped = wrap_video(tmp_path / "a.dcm", bare.read_bytes(), syntax=H264, size=SIZE, FrameTime="20")
    assert digests(Video(wrapped)) == digests(Video(bare))


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_cut_video_gives_what_is_left_and_says_so(tmp_path: Path, share: float) -> None:
    bare = write_video(tmp_path / "a.ts", textures(60))
    data = wrap_video(tmp_path / "a.dcm", bare.read_bytes(), syntax=H264, size=SIZE).read_bytes()
    (tmp_path / "cut.dcm").write_bytes(data[: int(share * len(data))])
    video = Video(tmp_path / "cut.dcm")
    frames = digests(video)
    assert 0 < len(frames) < 60
    assert frames[:5] == digests(Video(bare))[:5]
    assert video.damage.truncated


PICTURES = np.stack(textures(5))


def jpegs_of(pictures: Sequence[np.ndarray], quality: int = 95) -> list[bytes]:
    return [simplejpeg.encode_jpeg(picture, quality, colorsubsampling="420") for picture in pictures]


def coded(how: str) -> list[bytes]:
    """PICTURES through one of FFmpeg's encoders."""
    out = []
    for picture in PICTURES:
        codec = av.CodecContext.create(how, "w")
        codec.width, codec.height, codec.time_base = picture.shape[1], picture.shape[0], Fraction(1, 25)
        codec.pix_fmt = "rgb24"
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts = 0
        out.append(b"".join(bytes(packet) for packet in [*codec.encode(frame), *codec.encode(None)]))
    return out


def test_jpeg_pictures_keep_their_planes(tmp_path: Path) -> None:
    jpegs = jpegs_of(PICTURES)
    path = wrap_pictures(tmp_path / "a.dcm", jpegs, syntax=JPEG, size=SIZE, PhotometricInterpretation="YBR_FULL_422")
    for frame, jpeg in zip(DicomPictures(path).frames(), jpegs, strict=True):
        assert np.abs(frame.planes.y.astype(int) - simplejpeg.decode_jpeg(jpeg, "GRAY")[..., 0]).max() <= 1
        assert np.abs(rgb_of(frame.planes) - simplejpeg.decode_jpeg(jpeg, "RGB")).mean() < 1.5


def test_a_subsampled_jpeg_said_to_be_rgb_is_not(tmp_path: Path) -> None:
    path = wrap_pictures(tmp_path / "a.dcm", jpegs_of(PICTURES), syntax=JPEG, size=SIZE)  # its tag says RGB
    first = next(DicomPictures(path).frames())
    assert np.abs(rgb_of(first.planes) - PICTURES[0]).mean() < 4


def test_a_jpeg_that_is_rgb_is_read_as_rgb(tmp_path: Path) -> None:
    # the three channels coded as if they were Y, Cb, Cr, without JFIF's and Adobe's markers
    jpegs = []
    for picture in PICTURES:
        planes = [np.ascontiguousarray(picture[..., channel]) for channel in range(3)]
        jpeg = simplejpeg.encode_jpeg_yuv_planes(*planes, quality=97)
        at = jpeg.find(b"\xff\xe0")
        jpegs.append(jpeg[:at] + jpeg[at + 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big") :])
    path = wrap_pictures(tmp_path / "a.dcm", jpegs, syntax=JPEG, size=SIZE)
    first = next(DicomPictures(path).frames())
    assert np.abs(rgb_of(first.planes) - PICTURES[0]).mean() < 2.5


@pytest.mark.parametrize(("syntax", "how", "limit"), [(JPEG_LS, "jpegls", 1.0), (JPEG_2000, "jpeg2000", 4.0)])
def test_other_codecs_give_their_pixels(tmp_path: Path, syntax: str, how: str, limit: float) -> None:
    path = wrap_pictures(tmp_path / "a.dcm", coded(how), syntax=syntax, size=SIZE)
    for frame, picture in zip(DicomPictures(path).frames(), PICTURES, strict=True):
        assert np.abs(rgb_of(frame.planes) - picture).mean() < limit  # FFmpeg's JPEG 2000 is lossy


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG_ENDIAN])
def test_uncompressed_rgb(tmp_path: Path, syntax: str) -> None:
    path = wrap_pixels(tmp_path / "a.dcm", PICTURES, syntax=syntax)
    for frame, picture in zip(DicomPictures(path).frames(), PICTURES, strict=True):
        assert np.abs(rgb_of(frame.planes) - picture).max() <= 3


def test_uncompressed_colour_by_planes(tmp_path: Path) -> None:
    by_planes = np.ascontiguousarray(PICTURES.transpose(0, 3, 1, 2))
    path = wrap_pixels(tmp_path / "a.dcm", PICTURES, PlanarConfiguration=1)
    path.write_bytes(path.read_bytes().replace(PICTURES.tobytes(), by_planes.tobytes()))
    first = next(DicomPictures(path).frames())
    assert np.abs(rgb_of(first.planes) - PICTURES[0]).max() <= 3


@pytest.mark.parametrize("is_inverted", [False, True])
@pytest.mark.parametrize("bits", [8, 12, 16])
def test_grey_of_any_depth(tmp_path: Path, bits: int, is_inverted: bool) -> None:
    top = (1 << bits) - 1
    grey = np.linspace(0, top, 160 * 120).reshape(1, 120, 160).astype(np.uint8 if bits == 8 else np.uint16)
    photometric = "MONOCHROME1" if is_inverted else "MONOCHROME2"
    path = wrap_pixels(
        tmp_path / "a.dcm", grey, BitsStored=bits, HighBit=bits - 1, PhotometricInterpretation=photometric
    )
    planes, shape = dicom_still(path)
    expected = grey[0] * (255 / top)
    assert np.abs(planes.y - (255 - expected if is_inverted else expected)).max() <= 0.51
    assert planes.u is None
    assert (shape.width, shape.height) == SIZE


def test_palettes(tmp_path: Path) -> None:
    indices = (np.arange(160 * 120) % 256).astype(np.uint8).reshape(1, 120, 160)
    ramp = np.arange(256, dtype=np.uint16) * 257
    tags: dict[str, object] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for name, table in {"Red": ramp, "Green": ramp[::-1], "Blue": ramp // 2}.items():
        tags[f"{name}PaletteColorLookupTableDescriptor"] = [256, 0, 16]
        tags[f"{name}PaletteColorLookupTableData"] = table.tobytes()
    planes, _ = dicom_still(wrap_pixels(tmp_path / "a.dcm", indices, **tags))
    index = indices[0].astype(int)
    assert np.abs(rgb_of(planes) - np.stack([index, 255 - index, index // 2], axis=-1)).mean() < 3


def test_uncompressed_ybr_full(tmp_path: Path) -> None:
    ycc = np.stack([cv2.cvtColor(picture, cv2.COLOR_RGB2YCrCb)[..., [0, 2, 1]] for picture in PICTURES])
    path = wrap_pixels(tmp_path / "a.dcm", ycc, PhotometricInterpretation="YBR_FULL")
    first = next(DicomPictures(path).frames())
    assert np.abs(rgb_of(first.planes) - PICTURES[0]).max() <= 4


def test_run_lengths(tmp_path: Path) -> None:
    said = pydicom.dcmread(wrap_pixels(tmp_path / "a.dcm", PICTURES))
    said.compress(RLE)
    said.save_as(tmp_path / "rle.dcm")
    for frame, picture in zip(DicomPictures(tmp_path / "rle.dcm").frames(), PICTURES, strict=True):
        assert np.abs(rgb_of(frame.planes) - picture).max() <= 3


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"FrameTime": "40"}, [0, 40_000, 80_000, 120_000, 160_000]),
        ({"FrameTime": "33.33"}, [0, 33_333, 66_667, 100_000, 133_333]),
        ({"FrameTime": None, "CineRate": 50}, [0, 20_000, 40_000, 60_000, 80_000]),
        ({"FrameTime": None, "FrameTimeVector": [0, 10, 0, 500.5, 3]}, [0, 10_000, 10_001, 510_500, 513_500]),
        ({"FrameTime": None}, [0, 1_000_000, 2_000_000, 3_000_000, 4_000_000]),
    ],
    ids=["frame time", "a third", "cine rate", "vector", "nothing said: a second each"],
)
def test_times_of_pictures(tmp_path: Path, tags: dict[str, object], expected: list[int]) -> None:
    path = wrap_pixels(tmp_path / "a.dcm", PICTURES, **tags)
    moments = [frame.moment for frame in DicomPictures(path).frames()]
    assert [moment.us for moment in moments] == expected
    assert {moment.made for moment in moments} == {"FrameTimeVector" not in tags}


def test_pixels_that_are_not_square(tmp_path: Path) -> None:
    path = wrap_pixels(tmp_path / "a.dcm", PICTURES, PixelAspectRatio=[11, 12])
    assert next(DicomPictures(path).frames()).shape.sar == (12, 11)


def kind(path: Path) -> tuple[str, str]:
    return kind_of(path, path.read_bytes()[:4096])


def test_kinds(tmp_path: Path) -> None:
    one = PICTURES[:1]
    assert kind(wrap_pixels(tmp_path / "a.dcm", PICTURES)) == ("video", "")
    assert kind(wrap_pixels(tmp_path / "b.dcm", one)) == ("still", "")
    bare = write_video(tmp_path / "a.mp4", textures(5))
    assert kind(wrap_video(tmp_path / "c.dcm", bare.read_bytes(), syntax=H264, size=SIZE)) == ("video", "")
    ct = write_dicom(tmp_path / "d.dcm", one.tobytes(), syntax=EXPLICIT, size=SIZE, sop_class=CT)
    assert kind(ct) == ("ignored", "DICOM of another kind than endoscopic or photographic pictures")
    still = write_dicom(tmp_path / "e.dcm", one.tobytes(), syntax=EXPLICIT, size=SIZE, sop_class=ENDOSCOPIC)
    assert kind(still) == ("still", "")
    (tmp_path / "f.dcm").write_bytes(bytes(128) + b"DICM" + b"words, words, words")
    assert kind(tmp_path / "f.dcm")[0] == "failed"


def test_without_pydicom_one_line_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = wrap_pixels(tmp_path / "a.dcm", PICTURES)
    monkeypatch.setitem(sys.modules, "pydicom", None)
    assert kind(path) == ("failed", "DICOM needs pydicom; install it: pip install 'endomae[dicom]'")


def read_all(path: Path) -> tuple[int, bool]:
    """How many frames a file gives, and whether it was called damaged; a refusal counts as damaged."""
    what, _ = kind(path)
    if what not in ("video", "still"):
        return 0, True
    try:
        if what == "still":
            dicom_still(path)
            return 1, False
        source = Video(path) if read_header(path).is_video else DicomPictures(path)
        return len(digests(source)), source.damage != Damage()
    except Unreadable:
        return 0, True


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("form", ["pixels", "jpeg"])
def test_cut_pictures_give_what_is_left_and_say_so(tmp_path: Path, form: str, share: float) -> None:
    if form == "pixels":
        path = wrap_pixels(tmp_path / "a.dcm", PICTURES)
    else:
        path = wrap_pictures(tmp_path / "a.dcm", jpegs_of(PICTURES), syntax=JPEG, size=SIZE)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    left, is_damaged = read_all(path)
    assert left in (int(5 * share) - 1, int(5 * share))
    assert left > 0 or share < 0.3
    assert is_damaged


@pytest.mark.parametrize(("announced", "given_"), [(9, 5), (3, 3), (2_000_000_000, 0)], ids=["more", "less", "absurd"])
def test_a_number_of_frames_that_lies(tmp_path: Path, announced: int, given_: int) -> None:
    path = wrap_pixels(tmp_path / "a.dcm", PICTURES, NumberOfFrames=announced)
    assert read_all(path) == (given_, announced > 5)


def test_a_fragment_that_lies_about_its_length(tmp_path: Path) -> None:
    body = items([write_video(tmp_path / "a.ts", textures(30)).read_bytes()])
    lying = body[:12] + (0x7FFFFFF0).to_bytes(4, "little") + body[16:]
    path = write_dicom(tmp_path / "a.dcm", lying, syntax=H264, size=SIZE)
    frames, is_damaged = read_all(path)
    assert frames >= 29
    assert is_damaged


@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_no_lie_crashes_or_hangs(data: st.DataObject, made: dict[str, bytes], tmp_path_factory: Factory) -> None:
    """Bytes of headers, tags, offset tables and lengths overwritten at random."""
    whole = bytearray(made[data.draw(st.sampled_from(sorted(made)))])
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(128, len(whole) - 5))
        lie = data.draw(st.binary(min_size=1, max_size=4))
        whole[at : at + len(lie)] = lie
    path = tmp_path_factory.getbasetemp() / "lie.dcm"
    path.write_bytes(bytes(whole))
    frames, _ = read_all(path)
    assert 0 <= frames <= 200


@pytest.fixture(scope="module")
def made(tmp_path_factory: Factory) -> dict[str, bytes]:
    """A small file of each form."""
    folder, small = tmp_path_factory.mktemp("made"), np.stack(textures(3, (32, 24)))
    bare = write_video(folder / "a.ts", textures(8, (64, 48)))
    rle = pydicom.dcmread(wrap_pixels(folder / "pixels.dcm", small))
    rle.compress(RLE)
    rle.save_as(folder / "rle.dcm")
    wrap_video(folder / "video.dcm", bare.read_bytes(), syntax=H264, size=(64, 48), fragment=2000)
    wrap_pictures(folder / "jpeg.dcm", jpegs_of(small), syntax=JPEG, size=(32, 24))
    return {path.stem: path.read_bytes() for path in folder.glob("*.dcm")}
