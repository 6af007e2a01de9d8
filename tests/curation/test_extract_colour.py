"""Colours: the rule for what files leave unsaid, exact arithmetic as truth, FFmpeg's own conversion as peer."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from drawn_videos import write_planes
from hypothesis import given
from hypothesis import strategies as st

from endocur.extract.colour import KR_KB, Colour, colour_of, to_jpeg
from endocur.extract.decode import Video
from endocur.extract.geometry import Shape, fit
from endocur.extract.media import planes_of
from endocur.extract.planes import Planes, encode, stored_planes, to_rgb

UNSAID, BT709, BT470BG, LIMITED, FULL = 2, 1, 5, 1, 2


def test_a_tag_is_believed_at_any_size() -> None:
    assert colour_of(BT709, LIMITED, "yuv420p", 240) == Colour("bt709", False, False)
    assert colour_of(BT470BG, FULL, "yuv420p", 1080) == Colour("bt601", True, False)


@pytest.mark.parametrize(("lines", "matrix"), [(240, "bt601"), (719, "bt601"), (720, "bt709"), (2160, "bt709")])
def test_without_a_matrix_tag_720_lines_decide_and_the_assumption_is_stored(lines: int, matrix: str) -> None:
    assert colour_of(UNSAID, LIMITED, "yuv420p", lines) == Colour(matrix, False, True)


def test_without_a_range_tag_only_yuvj_and_grey_are_full() -> None:
    assert not colour_of(BT709, 0, "yuv420p", 1080).full_range
    assert colour_of(BT470BG, 0, "yuvj420p", 1080) == Colour("bt601", True, False)
    assert colour_of(UNSAID, 0, "gray", 1080) == Colour("grey", True, True)
    assert colour_of(UNSAID, LIMITED, "gray", 480) == Colour("grey", False, False)


@pytest.mark.parametrize("bits", [8, 10, 12])
@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("matrix", sorted(KR_KB))
@given(rgb=st.lists(st.tuples(*[st.floats(4, 251)] * 3), min_size=9, max_size=9))
def test_flat_patches_of_any_colour_come_out_within_a_level_and_a_half_of_exact_arithmetic(
    matrix: str, full_range: bool, bits: int, rgb: list[tuple[float, float, float]]
) -> None:
    patches = np.array(rgb).reshape(3, 3, 3)
    planes = coded(np.kron(patches, np.ones((8, 8, 1))), matrix, full_range, bits)
    y, cb, cr = stored_planes(planes, fit(Shape(24, 24), (0, 0, 24, 24), 960))
    expected = ycc601(patches)
    # Half a level for the source's own rounding (times 255/219), half for ours, a sixth for the chroma part of luma.
    assert np.abs(y[4::8, 4::8] - expected[..., 0]).max() <= 1.4
    assert np.abs(cb[2::4, 2::4] - expected[..., 1]).max() <= 1.2
    assert np.abs(cr[2::4, 2::4] - expected[..., 2]).max() <= 1.2


def test_full_range_bt601_passes_through_unchanged() -> None:
    generator = np.random.default_rng(0)
    y, u, v = (generator.integers(0, 256, size, np.uint8) for size in ((16, 16), (8, 8), (8, 8)))
    planes = Planes(y, u, v, 8, Colour("bt601", True, False))
    out = stored_planes(planes, fit(Shape(16, 16), (0, 0, 16, 16), 960))
    assert all(np.array_equal(ours, theirs) for ours, theirs in zip(out, (y, u, v), strict=True))
    assert to_jpeg("bt601", True, 8).y == (1.0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("pix_fmt", "bits", "colorspace", "color_range"),
    [
        ("yuv420p", 8, BT709, LIMITED),
        ("yuv420p", 8, BT709, FULL),
        ("yuv420p", 8, BT470BG, LIMITED),
        ("yuv420p", 8, BT470BG, FULL),
        ("yuv420p10le", 10, BT709, LIMITED),
        ("yuv420p10le", 10, BT470BG, LIMITED),
        ("yuv422p", 8, BT709, LIMITED),
        ("yuv444p", 8, BT709, LIMITED),
    ],
)
def test_ours_and_ffmpegs_conversion_agree_within_a_level_before_jpeg_and_two_after(
    tmp_path: Path, pix_fmt: str, bits: int, colorspace: int, color_range: int
) -> None:
    matrix = "bt709" if colorspace == BT709 else "bt601"
    generator = np.random.default_rng(3)
    rgb = np.kron(generator.uniform(30, 225, (8, 8, 3)), np.ones((16, 16, 1)))
    source = coded(rgb, matrix, color_range == FULL, bits, pix_fmt)
    path = write_planes(
        tmp_path / "patches.mkv",
        [source.y, source.u, source.v],
        pix_fmt,
        {"colorspace": colorspace, "color_range": color_range},
    )
    with av.open(str(path)) as given_file:
        frame = next(given_file.decode(video=0))
        read_as = f"in_color_matrix={matrix}:in_range={'pc' if color_range == FULL else 'tv'}"
        theirs = converted(frame, f"{read_as}:out_color_matrix=bt601:out_range=pc", "yuv444p")
        expected = [np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[:128, :128] for plane in theirs.planes]
        rgb_theirs = converted(frame, read_as, "rgb24").to_ndarray()
    [ours] = list(Video(path).frames())
    assert (ours.planes.colour.matrix, ours.planes.colour.full_range) == (matrix, color_range == FULL)
    y, cb, cr = stored_planes(ours.planes, fit(ours.shape, (0, 0, 128, 128), 960))
    middle = slice(8, None, 16)
    assert np.abs(y[middle, middle].astype(int) - expected[0][middle, middle]).max() <= 1
    assert np.abs(cb[4::8, 4::8].astype(int) - expected[1][middle, middle]).max() <= 1
    assert np.abs(cr[4::8, 4::8].astype(int) - expected[2][middle, middle]).max() <= 1
    seen = decoded(encode((y, cb, cr), 92))
    # Patches are compared by their means: JPEG spreads an edge over the rest of its block.
    inner = seen.reshape(8, 16, 8, 16, 3)[:, 6:10, :, 6:10].mean(axis=(1, 3))
    truth = rgb_theirs.reshape(8, 16, 8, 16, 3)[:, 6:10, :, 6:10].mean(axis=(1, 3))
    assert np.abs(ycc601(inner) - ycc601(truth)).max() <= 2


def test_the_probe_sees_the_same_colours_as_the_stored_frame(tmp_path: Path) -> None:
    rgb = np.kron(np.random.default_rng(1).uniform(40, 220, (4, 4, 3)), np.ones((16, 16, 1)))
    planes = coded(rgb, "bt709", False, 8)
    assert np.abs(to_rgb(planes, Shape(64, 64), (64, 64))[8::16, 8::16] - rgb[8::16, 8::16]).max() <= 3


def test_packed_and_rgb_formats_are_read_too() -> None:
    picture = np.full((16, 16, 3), (200, 90, 60), np.uint8)
    truth = ycc601(picture[:1, :1].astype(float))[0, 0]
    for name in ("rgb24", "gbrp", "bgr0"):
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=name)
        planes = planes_of(frame)
        assert (planes.colour.matrix, planes.colour.full_range) == ("rgb", True)
        out = stored_planes(planes, fit(Shape(16, 16), (0, 0, 16, 16), 960))
        assert np.abs(np.array([plane[4, 4] for plane in out]) - truth).max() <= 1
    yuyv = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(
        format="yuyv422", dst_colorspace=BT470BG, dst_color_range=LIMITED
    )
    yuyv.colorspace, yuyv.color_range = BT470BG, LIMITED
    out = stored_planes(planes_of(yuyv), fit(Shape(16, 16), (0, 0, 16, 16), 960))
    assert np.abs(np.array([plane[4, 4] for plane in out]) - truth).max() <= 2


def coded(rgb: np.ndarray, matrix: str, full_range: bool, bits: int, pix_fmt: str = "yuv420p") -> Planes:
    """RGB in 0-255 as a source with these colours would hold it, by the formulas of the standards."""
    red, blue = KR_KB[matrix]
    y = rgb @ np.array([red, 1 - red - blue, blue])
    cb, cr = (rgb[..., 2] - y) / (2 * (1 - blue)), (rgb[..., 0] - y) / (2 * (1 - red))
    step, top = 1 << (bits - 8), (1 << bits) - 1
    if full_range:
        values = y / 255 * top, cb / 255 * top + 128 * step, cr / 255 * top + 128 * step
    else:
        values = (16 + 219 * y / 255) * step, (128 + 224 * cb / 255) * step, (128 + 224 * cr / 255) * step
    kind = np.uint8 if bits == 8 else np.uint16
    down, across = (1 if "444" in pix_fmt or "422" in pix_fmt else 2), (1 if "444" in pix_fmt else 2)
    luma, u, v = (np.rint(np.clip(value, 0, top)).astype(kind) for value in values)
    chroma = [np.ascontiguousarray(plane[::down, ::across]) for plane in (u, v)]
    return Planes(luma, chroma[0], chroma[1], bits, Colour(matrix, full_range, False))


def converted(frame: av.VideoFrame, scale: str, pix_fmt: str) -> av.VideoFrame:
    """By FFmpeg's scaler with exact rounding; its default is a faster one that darkens by a level and more."""
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format.name, time_base=Fraction(1, 25)
    )
    step = graph.add("scale", f"{scale}:flags=accurate_rnd+full_chroma_int")
    form, sink = graph.add("format", pix_fmt), graph.add("buffersink")
    for one, next_one in ((source, step), (step, form), (form, sink)):
        one.link_to(next_one)
    graph.configure()
    graph.push(frame)
    return graph.pull()


def ycc601(rgb: np.ndarray) -> np.ndarray:
    """JFIF's own space, exact: ITU-T T.871."""
    y = rgb @ np.array([0.299, 0.587, 0.114])
    return np.stack([y, 128 + (rgb[..., 2] - y) / 1.772, 128 + (rgb[..., 0] - y) / 1.402], axis=-1)


def decoded(jpeg: bytes) -> np.ndarray:
    """RGB of a JPEG, by FFmpeg as an independent decoder."""
    [frame] = av.CodecContext.create("mjpeg", "r").decode(av.Packet(jpeg))
    frame.time_base = Fraction(1, 25)
    return frame.to_ndarray(format="rgb24")
