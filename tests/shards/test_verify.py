"""verify: a whole set has no finding, each kind of damage has its own, and no bytes make it raise."""

from __future__ import annotations

import io
import json
import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from endoshards.decode import check_member
from endoshards.errors import BadInput
from endoshards.index import NewerFormat, open_set
from endoshards.tar import END, header, padding
from endoshards.verify import verify


def kinds(folder: Path, **more: bool) -> set[str]:
    return {finding.kind for finding in verify(folder, **more)}


def test_a_whole_set_has_no_finding_and_each_sample_is_told(maker) -> None:
    told: list[int] = []
    assert verify(maker.write(), progress=told.append) == []
    assert sum(told) == 40


def test_no_index_is_no_set_to_check(tmp_path) -> None:
    with pytest.raises(BadInput, match=r"has no index\.json"):
        verify(tmp_path)


def test_an_index_of_a_newer_format_is_refused_and_is_no_damage(maker) -> None:
    folder = maker.write()
    said = json.loads((folder / "index.json").read_text("utf-8"))
    said["endoshards"]["format"] = 2
    (folder / "index.json").write_text(json.dumps(said), "utf-8")
    with pytest.raises(
        NewerFormat, match=r"index\.json was made by a newer version \(format 2, .*install a newer endomae"
    ):
        verify(folder)


def test_samples_are_told_as_far_as_they_were_read(maker) -> None:
    folder = maker.write()
    first = open_set(folder).shards[0].samples
    (folder / "shard-000000.tar").unlink()
    told: list[int] = []
    verify(folder, progress=told.append)
    assert sum(told) == 40 - first


def cut(folder: Path) -> None:
    path = folder / "shard-000000.tar"
    path.write_bytes(path.read_bytes()[:-1200])


def grow(folder: Path) -> None:
    with (folder / "shard-000000.tar").open("ab") as handle:
        handle.write(bytes(512))


def flip_member(folder: Path) -> None:
    table = open_set(folder).members(0)
    data = bytearray((folder / "shard-000000.tar").read_bytes())
    data[int(table.offsets[0, 1]) + 3] ^= 1
    (folder / "shard-000000.tar").write_bytes(data)


def zero_a_header(folder: Path) -> None:
    """What `tarfile` and webdataset take for the end, without an error."""
    table = open_set(folder).members(0)
    data = bytearray((folder / "shard-000000.tar").read_bytes())
    place = int(table.offsets[1, 0]) - 512
    data[place : place + 512] = bytes(512)
    (folder / "shard-000000.tar").write_bytes(data)


def swap_tables(folder: Path) -> None:
    shutil.copy(folder / "shard-000001.parquet", folder / "shard-000000.parquet")


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (cut, {"truncated", "sha256", "index"}),
        (grow, {"size", "sha256"}),
        (flip_member, {"sha256", "checksum"}),
        (zero_a_header, {"sha256", "end", "index"}),
        (swap_tables, {"members"}),
        (lambda folder: (folder / "shard-000000.tar").unlink(), {"missing"}),
        (lambda folder: (folder / "shard-000000.parquet").unlink(), {"members"}),
        (lambda folder: (folder / "shard-000000.idx").write_text("v1.2 0\n"), {"idx"}),
        (lambda folder: (folder / "shard-000099.tar").write_text("x"), {"stray"}),
        (lambda folder: (folder / "samples.parquet").write_text("x"), {"samples"}),
        (lambda folder: (folder / "_info.json").write_text("{}"), {"info"}),
        (lambda folder: (folder / "_info.json").unlink(), {"info"}),
        (lambda folder: (folder / "index.json").write_text("{}"), {"index"}),
    ],
)
def test_each_damage_has_its_findings(maker, damage, expected) -> None:
    folder = maker.write()
    damage(folder)
    found = kinds(folder)
    assert expected <= found
    assert found - expected <= {"json", "members"}


def test_a_finding_names_shard_sample_and_what_is_wrong(maker) -> None:
    folder = maker.write()
    flip_member(folder)
    finding = next(one for one in verify(folder) if one.kind == "checksum")
    assert (finding.shard, finding.key) == ("shard-000000.tar", open_set(folder).keys(0)[0])
    assert finding.detail == ".json does not have its checksum"


def write_odd(folder: Path, samples: list[tuple[str, dict[str, bytes]]]) -> None:
    """A tar as somebody else would write it, over shard 0."""
    data = b""
    for key, members in samples:
        for kind, body in members.items():
            data += header(f"{key}.{kind}", len(body)) + body + bytes(padding(len(body)))
    (folder / "shard-000000.tar").write_bytes(data + END)


def test_duplicates_a_changed_order_other_extensions_and_other_json_keys_are_found(maker) -> None:
    folder = maker.write()
    shards = open_set(folder)
    keys = shards.keys(0)
    samples = [(key, maker.members(key)) for key in keys]
    write_odd(folder, [samples[0], samples[0], *samples[1:]])
    assert "duplicate" in kinds(folder)
    write_odd(folder, samples[::-1])
    assert "order" in kinds(folder)
    write_odd(folder, [(keys[0], {"jpg": b"", "txt": b""}), *samples[1:]])
    assert "extensions" in kinds(folder)
    write_odd(folder, [(keys[0], {**maker.members(keys[0]), "json": b'{"other": 1}'}), *samples[1:]])
    assert "json" in kinds(folder)


def test_pictures_that_do_not_decode_are_found_only_where_asked(maker) -> None:
    folder = maker.write(load=lambda key: {**maker.members(key), "jpg": maker.members(key)["jpg"][:-40]}, count=3)
    assert kinds(folder) == {"decode"}
    assert kinds(folder, decode=False) == set()


@settings(max_examples=200)
@given(data=st.data())
def test_no_change_of_any_file_makes_it_raise_and_none_goes_unnoticed(data, whole) -> None:
    folder, files = whole
    name = data.draw(st.sampled_from(sorted(files)), label="file")
    old = files[name]
    change = data.draw(st.sampled_from(["cut", "flip", "insert", "random", "zero"]), label="change")
    place = data.draw(st.integers(0, len(old) - 1), label="place")
    if change == "cut":
        new = old[:place]
    elif change == "flip":
        new = old[:place] + bytes([old[place] ^ data.draw(st.integers(1, 255))]) + old[place + 1 :]
    elif change == "insert":
        new = old[:place] + data.draw(st.binary(min_size=1, max_size=600)) + old[place:]
    elif change == "zero":
        new = old[:place] + bytes(512) + old[place + 512 :]
    else:
        new = data.draw(st.binary(max_size=2000))
    (folder / name).write_bytes(new)
    try:
        found = verify(folder)
    except NewerFormat:
        assert name == "index.json"
        return
    finally:
        (folder / name).write_bytes(old)
    if name == "index.json":
        # White space, or the name of the set, may change without harm.
        assert all(isinstance(finding.detail, str) for finding in found)
    elif name != "README.md" and new != old:
        assert found


@pytest.fixture(scope="module")
def whole(shared_set):
    return shared_set.folder, {path.name: path.read_bytes() for path in shared_set.folder.iterdir()}


# --- decoding ------------------------------------------------------------------------------------------------------


def test_members_of_each_kind_that_are_whole_pass(maker) -> None:
    for kind, data in maker.members("a-1").items():
        check_member(kind, data)
    check_member("cls", b"12\n")
    check_member("txt", "é".encode())
    check_member("mp4", b"\0\0\0\x18ftypisom")
    for depth, colour, row in ((1, 0, 2), (2, 3, 3), (8, 2, 27), (16, 6, 72), (8, 4, 18)):
        check_member("png", made_png(9, 2, depth, colour, bytes(1 + row) * 2))


def made_png(width: int, height: int, depth: int, colour: int, rows: bytes, interlaced: int = 0) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("size", [(1, 1), (7, 5), (33, 17)])
def test_pngs_of_another_library_pass(size, interlaced) -> None:
    """Pillow writes no Adam7, so that is by hand; Pillow agrees that it is one."""
    image = pytest.importorskip("PIL.Image")
    if interlaced:
        width, height = size
        passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
        rows = b"".join(
            bytes(1 + len(range(left, width, across)))
            for left, top, across, down in passes
            for _ in range(top, height, down)
            if left < width
        )
        data = made_png(width, height, 8, 0, rows, 1)
        assert image.open(io.BytesIO(data)).convert("L").size == size
    else:
        out = io.BytesIO()
        image.fromarray(np.zeros((size[1], size[0], 3), np.uint8)).save(out, "PNG")
        data = out.getvalue()
    check_member("png", data)


@pytest.mark.parametrize(
    ("kind", "data", "text"),
    [
        ("jpg", b"", None),
        ("jpg", b"\xff\xd8\xff\xe0", None),
        ("png", b"JFIF", "no PNG signature"),
        ("png", made_png(2, 2, 8, 0, bytes(5)), "not the 6 bytes"),
        ("png", made_png(2, 2, 8, 0, bytes(7)), "not the 6 bytes"),
        ("png", made_png(2, 2, 8, 5, bytes(6)), "no PNG has depth 8, colour type 5"),
        ("png", made_png(60000, 60000, 8, 0, b""), "claims 60000 x 60000 pixels"),
        ("png", made_png(2, 2, 8, 0, bytes(6)) + b"x", "1 bytes lie behind its end"),
        ("png", made_png(2, 2, 8, 0, bytes(6))[:-3], "ends inside"),
        ("json", b"[]", "a JSON list, not an object"),
        ("json", b"[" * 100_000, None),
        ("cls", b"polyp", "not a whole number"),
        ("txt", b"\xff", None),
        ("npy", b"PK", None),
        ("npy", b"PK\x05\x06" + bytes(18), None),
        ("npy", b"\x93NUMPY\x01\x00" + b"\xff\xff", None),
        ("mp4", b"RIFF", "does not begin as an MP4"),
    ],
)
def test_members_that_are_not_what_they_say(kind, data, text) -> None:
    with pytest.raises(ValueError, match=text):
        check_member(kind, data)


@given(kind=st.sampled_from(["jpg", "png", "json", "cls", "txt", "npy", "mp4"]), data=st.binary(max_size=200))
def test_no_bytes_raise_anything_but_value_error(kind, data) -> None:
    for prefix in (b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"\x93NUMPY\x01\x00", b"{"):
        try:
            check_member(kind, prefix + data)
        except ValueError as error:
            assert str(error)


def test_an_array_of_objects_is_refused_before_its_pickle_is_read() -> None:
    head = b"\x93NUMPY\x01\x00" + struct.pack("<H", 118)
    text = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }".ljust(117) + b"\n"
    with pytest.raises(ValueError, match="Object arrays cannot be loaded"):
        check_member("npy", head + text + b"cos\nsystem\n(S'true'\ntR.")
