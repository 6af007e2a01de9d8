"""What may stand in a published picture's file beside its pixels: nothing."""

from __future__ import annotations

import zlib

import cv2
import known_corpus
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from endocur import publish
from endocur.privacy.pictures import jpeg_fault, png_fault

JPEG = known_corpus.picture(0, 0)
PNG = publish.window(known_corpus.tissue() == 1, 96).mask_png


def segment(kind: int, body: bytes) -> bytes:
    return bytes((0xFF, kind)) + (len(body) + 2).to_bytes(2, "big") + body


def chunk(kind: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + kind + body + bytes(4)


@pytest.mark.parametrize("size", [None, 64, 97])
def test_what_the_encoder_writes_is_clean(size: int | None) -> None:
    view = publish.window(known_corpus.tissue() == 1, size)
    assert jpeg_fault(publish.picture(JPEG, view, 90)) == ""
    assert png_fault(view.mask_png) == ""


@pytest.mark.parametrize(
    ("kind", "body", "said"),
    [
        (0xE1, b"Exif\0\0MUSTER", "has a segment FFE1 (EXIF or XMP)"),
        (0xFE, b"MUSTER", "has a segment FFFE (comment)"),
        (0xE2, b"ICC_PROFILE\0", "has a segment FFE2 (ICC profile)"),
        (0xED, b"Photoshop 3.0\0", "has a segment FFED (IPTC)"),
        (0xEE, b"Adobe", "has a segment FFEE"),
        (0xE0, b"JFXX\0", "has an APP0 segment that is not the plain JFIF head"),
    ],
)
def test_a_segment_of_another_kind_is_named_and_its_content_is_not(kind: int, body: bytes, said: str) -> None:
    assert jpeg_fault(JPEG[:20] + segment(kind, body) + JPEG[20:]) == said


def test_a_thumbnail_in_the_head_is_a_fault() -> None:
    head = b"JFIF\0\1\1\0\0\1\0\1\1\1" + bytes(3)
    assert "not the plain JFIF head" in jpeg_fault(JPEG[:2] + segment(0xE0, head) + JPEG[20:])


@given(tail=st.binary(min_size=1, max_size=40))
def test_bytes_behind_the_end_are_counted(tail: bytes) -> None:
    assert jpeg_fault(JPEG + tail) == f"has {len(tail)} bytes behind its end"
    assert png_fault(PNG + tail) == f"has {len(tail)} bytes behind its end"


def test_a_comment_behind_the_scan_is_a_fault() -> None:
    assert jpeg_fault(JPEG[:-2] + segment(0xFE, b"MUSTER") + JPEG[-2:]) == "has a segment FFFE behind its scan"


def test_a_progressive_jpeg_is_not_ours() -> None:
    ok, data = cv2.imencode(".jpg", np.zeros((32, 32, 3), np.uint8), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])
    assert ok and jpeg_fault(bytes(data)) == "has a segment FFC2"


def test_a_text_chunk_of_a_mask_is_counted() -> None:
    assert png_fault(PNG[:33] + chunk(b"tEXt", b"Title\0MUSTER") + PNG[33:]) == "has 1 chunk beside its pixels"


@pytest.mark.parametrize(("more", "behind"), [(b"MUSTER", b""), (b"", b"MUSTER")])
def test_words_in_the_compressed_rows_of_a_mask_are_a_fault(more: bytes, behind: bytes) -> None:
    size = int.from_bytes(PNG[33:37], "big")
    packed = zlib.compress(zlib.decompress(PNG[41 : 41 + size]) + more) + behind
    assert png_fault(PNG[:33] + chunk(b"IDAT", packed) + PNG[45 + size :]) == "holds more or less than its pixels"


def test_a_mask_of_many_levels_is_not_ours() -> None:
    ok, data = cv2.imencode(".png", np.arange(256, dtype=np.uint8).reshape(16, 16))
    assert ok and png_fault(bytes(data)) == "is no one-bit grey picture"


@given(cut=st.integers(0, len(JPEG) - 1))
def test_a_jpeg_that_is_cut_off_is_a_fault(cut: int) -> None:
    assert jpeg_fault(JPEG[:cut]) != ""


@given(cut=st.integers(0, len(PNG) - 1))
def test_a_png_that_is_cut_off_is_a_fault(cut: int) -> None:
    assert png_fault(PNG[:cut]) != ""


@given(data=st.binary(max_size=200))
def test_noise_is_a_fault_and_never_a_crash(data: bytes) -> None:
    assert jpeg_fault(data) and png_fault(data)
    assert jpeg_fault(b"\xff\xd8" + data) and png_fault(PNG[:8] + data)
