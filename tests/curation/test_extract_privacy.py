"""A name in file, folder, container tags, EXIF and groups is in no byte `endocur extract` writes or says."""

from __future__ import annotations

import os
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import pyarrow.parquet as pq
import pytest
from corpus_maker import draw_video, endocur, tissue

NAME = "Quastenbichler"
"""No word of a language or a library."""

WORDS = ("extract", "videos", "--stills", "--groups", "groups.csv", "--allow-failed", "1", "--fps", "5")


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[subprocess.CompletedProcess[str]]]:
    """A study whose recordings bear the name everywhere, after four commands, temporary files kept inside."""
    study = tmp_path_factory.mktemp("privacy")
    folder = study / "videos" / f"{NAME} Ottilie, 1931-05-07"
    folder.mkdir(parents=True)
    draw_video(study / "plain.mp4", seed=3, seconds=2.0)
    tagged(study / "plain.mp4", folder / f"{NAME}_1.mp4")
    tagged(study / "plain.mp4", folder / f"{NAME}_2.mkv")
    shutil.copy(folder / f"{NAME}_1.mp4", folder / f"copy of {NAME}.mp4")
    write_troubles(folder)
    for number in range(2):
        write_still_with_exif(folder / f"{NAME} {number}.jpg", seed=number)
    (study / "groups.csv").write_text(f"file,group\n{NAME}_1.mp4,{NAME} 1931\n{NAME}_9.mp4,{NAME}\n")
    temporary = study / "temporary"
    temporary.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(temporary))
        patch.setenv("OPENCV_LOG_LEVEL", "DEBUG")
        said = [
            endocur(study, *WORDS, check=False),
            endocur(study, *WORDS, check=False),
            endocur(study, *WORDS, "--fps", "2", check=False),
            endocur(study, "extract", "videos", "--stills", "--corpus", "strict", "--strict", check=False),
        ]
    return study, said


def test_the_commands_did_what_they_should(walked: tuple[Path, list[subprocess.CompletedProcess[str]]]) -> None:
    study, said = walked
    assert [done.returncode for done in said] == [0, 0, 3, 5]
    statuses = " ".join(said[0].stdout.split())
    assert "inputs copy 1" in statuses
    assert "inputs failed 6" in statuses
    assert pq.read_table(next((study / "home").rglob("sources-0.parquet")), partitioning=None).num_rows == 13


def test_no_byte_outside_the_private_folder_holds_the_name(
    walked: tuple[Path, list[subprocess.CompletedProcess[str]]],
) -> None:
    study, _ = walked
    ours = [path for top in ("corpus", "strict", "temporary") for path in (study / top).rglob("*")]
    assert len(ours) > 20
    found = [
        str(path.relative_to(study))
        for path in ours
        if holds(os.fsencode(path.relative_to(study))) or (path.is_file() and any(map(holds, parts(path))))
    ]
    assert found == []


def test_no_command_says_the_name(walked: tuple[Path, list[subprocess.CompletedProcess[str]]]) -> None:
    _, said = walked
    assert [done.args for done in said if holds((done.stdout + done.stderr).encode("utf-8", "surrogateescape"))] == []


def test_the_private_table_beside_the_key_knows_it_and_is_its_owners_alone(
    walked: tuple[Path, list[subprocess.CompletedProcess[str]]],
) -> None:
    study, _ = walked
    tables = list((study / "home").rglob("sources-0.parquet"))
    assert tables
    assert all(holds(str(pq.read_table(path, partitioning=None).to_pydict()).encode()) for path in tables)
    modes = {path.stat().st_mode for path in tables} | {path.parent.stat().st_mode for path in tables}
    assert {mode & 0o077 for mode in modes} == {0}


def test_keep_names_is_the_one_way_to_have_them_and_is_recorded(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    draw_video(tmp_path / "videos" / f"{NAME}.mp4", seed=3, seconds=1.0)
    endocur(tmp_path, "extract", "videos", "--no-text-detection", "--keep-names")
    assert "keep_names = true" in (tmp_path / "corpus" / "corpus.toml").read_text()
    [marker] = [path for path in (tmp_path / "corpus" / "units").glob("*.json") if "." not in path.stem]
    assert holds(marker.read_bytes())


def test_the_search_finds_what_it_looks_for(tmp_path: Path) -> None:
    write_still_with_exif(tmp_path / "a.jpg", seed=0)
    draw_video(tmp_path / "plain.mp4", seed=3, seconds=0.5)
    tagged(tmp_path / "plain.mp4", tmp_path / "b.mkv")
    assert any(map(holds, parts(tmp_path / "a.jpg")))
    assert any(map(holds, parts(tmp_path / "b.mkv")))
    assert not any(map(holds, parts(tmp_path / "plain.mp4")))


def holds(data: bytes) -> bool:
    """Whether the bytes hold the name in any case, as UTF-8 or UTF-16."""
    lower = data.lower()
    return any(NAME.lower().encode(coding) in lower for coding in ("utf-8", "utf-16-le", "utf-16-be"))


def parts(path: Path) -> Iterator[bytes]:
    """A file's bytes and what is compressed in it."""
    yield path.read_bytes()
    if path.suffix == ".parquet":
        table = pq.read_table(path, partitioning=None)
        yield f"{table.schema} {table.to_pydict()}".encode()
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            yield from (archive.read(name) + name.encode() for name in archive.namelist())


def tagged(source: Path, target: Path) -> None:
    """The same packets in a container whose tags bear the name."""
    with av.open(str(source)) as given, av.open(str(target), "w") as out:
        out.metadata.update(dict.fromkeys(("title", "artist", "comment"), f"{NAME}, Ottilie"))
        stream = out.add_stream_from_template(given.streams.video[0])
        stream.metadata["title"] = NAME
        for packet in given.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)


def write_troubles(folder: Path) -> None:
    """Inputs that fail or are partial in several ways: each way is a message that might name its file."""
    whole = (folder / f"{NAME}_2.mkv").read_bytes()
    (folder / f"{NAME}_cut.mkv").write_bytes(whole[: len(whole) // 2])
    (folder / f"{NAME}_cut.mp4").write_bytes((folder / f"{NAME}_1.mp4").read_bytes()[:400])
    (folder / f"{NAME}_noise.mp4").write_bytes(b"\0\0\0\x20ftypisom" + os.urandom(3000))
    (folder / f"{NAME}_playlist.mp4").write_text(f"#EXTM3U\n#EXTINF:1,\n{NAME}_1.mp4\n")
    (folder / f"{NAME}_gone.mp4").symlink_to(f"nowhere/{NAME}.mp4")
    (folder / f"{NAME}.zip").write_bytes(b"PK\x03\x04" + NAME.encode())
    (folder / f"{NAME}.jpg").write_bytes(b"\xff\xd8\xff\xe0" + NAME.encode() * 20)
    (folder / f"{NAME}.txt").write_text(NAME)


def write_still_with_exif(path: Path, seed: int) -> None:
    """A JPEG whose EXIF block and comment bear the name."""
    text = f"{NAME}, Ottilie".encode() + b"\0"
    entries = (1).to_bytes(2, "little") + b"".join(
        number.to_bytes(size, "little") for number, size in ((0x010E, 2), (2, 2), (len(text), 4), (26, 4), (0, 4))
    )
    exif = b"Exif\0\0II*\0\x08\0\0\0" + entries + text
    ok, data = cv2.imencode(".jpg", tissue(seed, 0, blurred=False)[:, :, ::-1])
    assert ok
    segments = b"".join(
        mark + (len(block) + 2).to_bytes(2, "big") + block for mark, block in ((b"\xff\xe1", exif), (b"\xff\xfe", text))
    )
    path.write_bytes(data.tobytes()[:2] + segments + data.tobytes()[2:])
