"""Tar: equal to Python's own where it may be written, and a scan that believes nothing."""

from __future__ import annotations

import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from endoshards.tar import END, MAX_SIZE, BadTar, header, padding, scan, split_name

KEYS = st.from_regex(r"[a-z0-9_-]{1,64}", fullmatch=True)


def scanned(data: bytes) -> list:
    return list(scan(lambda offset, size: data[offset : offset + size], len(data)))


def tar_of(*infos: tarfile.TarInfo, data: bytes = b"12345", form: int = tarfile.USTAR_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as tar:
        for info in infos:
            info.size = len(data) if info.isreg() else 0
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


@given(key=KEYS, kind=st.sampled_from(["jpg", "json", "mask.png", "00.jpg"]), size=st.integers(0, MAX_SIZE))
def test_a_header_is_the_one_python_writes(key, kind, size) -> None:
    info = tarfile.TarInfo(f"{key}.{kind}")
    info.size = size
    assert header(f"{key}.{kind}", size) == info.tobuf(tarfile.USTAR_FORMAT)


@given(st.lists(st.tuples(KEYS, st.binary(max_size=1500)), max_size=5))
def test_what_is_written_by_hand_is_read_by_python_and_by_the_scan(parts) -> None:
    data = b""
    for key, body in parts:
        data += header(f"{key}.txt", len(body)) + body + bytes(padding(len(body)))
    data += END
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert [(one.name, tar.extractfile(one).read()) for one in tar] == [(f"{key}.txt", body) for key, body in parts]
    assert [(one.key, data[one.offset : one.offset + one.size]) for one in scanned(data)] == parts


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("/etc/passwd.txt", "absolute names and `..` are refused"),
        ("../a.jpg", "absolute names and `..` are refused"),
        ("a/b.jpg", "lie in no folder"),
        ("A.jpg", "a sample's key is 'A'"),
        ("a.b.c", r"a member is of kind .b.c; known are jpg, png"),
        ("a.JPG", "a member is of kind .JPG"),
        ("a", "a member is of kind .; known"),
        (".jpg", "a sample's key is ''"),
        ("__index__.json.gz", "of kind .json.gz"),
        ("a.pkl", "pickles run code and are refused"),
        ("a.x.pyd", "pickles run code and are refused"),
        ("a.pt", "pickles run code and are refused"),
        ("k" * 65 + ".jpg", "1 to 64 of"),
        ("k." + "x" * 100 + ".jpg", "has 106 bytes"),
        ("ä.jpg", "a sample's key is 'ä'"),
        ("a\n.jpg", "a sample's key is"),
        ("pipe:cat x.jpg", "a sample's key is 'pipe:cat x'"),
    ],
)
def test_names_that_no_member_may_have(name, text) -> None:
    with pytest.raises(BadTar, match=text):
        split_name(name)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (tarfile.SYMTYPE, "a symbolic link"),
        (tarfile.LNKTYPE, "a hard link"),
        (tarfile.DIRTYPE, "a folder"),
        (tarfile.CHRTYPE, "a device"),
        (tarfile.FIFOTYPE, "a pipe"),
        (tarfile.GNUTYPE_SPARSE, "a sparse file"),
        (b"Z", "of unknown type b'Z'"),
    ],
)
def test_members_that_are_no_plain_files_are_refused_by_name(kind, text) -> None:
    info = tarfile.TarInfo("a.jpg")
    info.type = kind
    info.linkname = "/etc/passwd"
    with pytest.raises(BadTar, match=f"the member at byte 0 is {text}; a shard holds plain files only"):
        scanned(tar_of(info))


def test_pax_headers_and_long_names_are_refused() -> None:
    info = tarfile.TarInfo("a.jpg")
    info.mtime = 1.5
    with pytest.raises(BadTar, match="a PAX header"):
        scanned(tar_of(info, form=tarfile.PAX_FORMAT))
    with pytest.raises(BadTar, match="a GNU long name"):
        scanned(tar_of(tarfile.TarInfo("n" * 150 + ".jpg"), form=tarfile.GNU_FORMAT))
    with pytest.raises(BadTar, match="a name of two parts"):
        scanned(tar_of(tarfile.TarInfo("n" * 90 + "/" + "m" * 60 + ".jpg")))


def test_a_pax_sparse_file_is_refused() -> None:
    info = tarfile.TarInfo("a.jpg")
    info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "99999"}
    with pytest.raises(BadTar, match="a PAX header"):
        scanned(tar_of(info, form=tarfile.PAX_FORMAT))


def whole(count: int = 4) -> bytes:
    return b"".join(header(f"k{n}.txt", 700) + b"x" * 700 + bytes(padding(700)) for n in range(count)) + END


@given(st.integers(0, len(whole()) - 1))
def test_a_tar_cut_anywhere_is_noticed(length) -> None:
    with pytest.raises(BadTar) as caught:
        scanned(whole()[:length])
    assert caught.value.kind in ("truncated", "header")


@given(st.integers(0, 3), st.integers(0, 511), st.integers(1, 255))
def test_a_changed_header_byte_is_noticed(member, place, change) -> None:
    data = bytearray(whole())
    data[member * 1536 + place] ^= change
    with pytest.raises(BadTar):
        scanned(bytes(data))


def test_a_zeroed_header_in_the_middle_is_no_end() -> None:
    data = whole()
    with pytest.raises(BadTar, match="data lie behind the end of the tar") as caught:
        scanned(data[:1536] + bytes(512) + data[2048:])
    assert caught.value.kind == "end"


def test_padding_that_is_not_zero_is_noticed() -> None:
    data = bytearray(whole())
    data[512 + 700] = 1
    with pytest.raises(BadTar, match=r"not zero lie behind k0\.txt"):
        scanned(bytes(data))


@given(st.binary(max_size=4000))
def test_no_bytes_raise_anything_but_bad_tar(data) -> None:
    try:
        assert all(one.offset + one.size <= len(data) for one in scanned(data))
    except BadTar as error:
        assert str(error)


def test_a_member_beyond_one_read_is_refused() -> None:
    with pytest.raises(BadTar, match="a member of a shard holds at most"):
        header("a.mp4", MAX_SIZE + 1)
