"""A name planted in files, folders, container tags, EXIF and the groups table is nowhere in what the road writes."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import av
import pyarrow.parquet as pq
import pytest
from PIL import Image
from road_study import Study

NAME = "Zwetschgenmaier"
"""No word of any language that a page or a library would hold by chance."""


@pytest.fixture(scope="module")
def walked(drawn: Study, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """The road on recordings that bear the name wherever a recorder or a clerk may write it."""
    root = tmp_path_factory.mktemp("names")
    study = Study(root / "study", root / "home")
    folder = study.folder / "videos" / f"{NAME}, Ottilie 1931"
    folder.mkdir(parents=True)
    study.home.mkdir()
    drawn_video = drawn.folder / "videos/procedure-01.mp4"
    _retag(drawn_video, folder / f"{NAME}_colon.mp4")
    _retag(drawn.folder / "videos/procedure-02.mp4", folder / f"{NAME}_rectum.mkv")
    (folder / f"{NAME}_broken.mp4").write_bytes(drawn_video.read_bytes()[:20_000])
    (folder / f"{NAME}_letter.pdf").write_text(f"{NAME} was seen today", encoding="utf-8")
    picture = next((drawn.folder / "benchmarks-data/phantom_classes/polyp").glob("*.jpg"))
    exif = Image.Exif()
    exif[0x010E] = exif[0x013B] = f"{NAME}, Ottilie"
    Image.open(picture).save(folder / f"{NAME}_still.jpg", exif=exif, quality=95)
    groups = study.folder / "groups.csv"
    groups.write_text(
        "file,group\n" + "".join(f'"{folder.name}/{NAME}_{word}",{NAME}\n' for word in ("colon.mp4", "rectum.mkv")),
        encoding="utf-8",
    )
    study.type("endocur extract videos/ --groups groups.csv --allow-failed 0.5")
    for line in (
        "endocur filter --min-quality 0.3",
        "endocur dedup",
        "endocur shard",
        "endocur verify shards/",
        "endocur report",
        "endocur status",
        "endomae pretrain --shards shards/ --steps 2",
    ):
        study.type(line)
    return study


def test_no_byte_of_the_corpus_the_shards_or_the_run_holds_the_name(walked: Study) -> None:
    found = [
        str(path.relative_to(walked.folder))
        for path in walked.folder.rglob("*")
        if path.relative_to(walked.folder).parts[0] not in ("videos", "groups.csv")
        and (holds(str(path.relative_to(walked.folder)).encode()) or (path.is_file() and any(map(holds, parts(path)))))
    ]
    assert found == []


def test_no_command_says_the_name(walked: Study) -> None:
    assert [line for line, said in walked.said.items() if holds(said.encode())] == []


def test_an_error_about_a_named_input_does_not_say_the_name(walked: Study) -> None:
    said = walked.type("endocur extract videos/ --corpus strict --strict", expect=5)
    assert not holds(said.encode())


def test_the_search_finds_a_planted_name(tmp_path: Path) -> None:
    import pyarrow as pa

    pq.write_table(pa.table({"who": ["somebody", NAME.lower()]}), tmp_path / "t.parquet", compression="zstd")
    (tmp_path / "n.txt").write_bytes(NAME.encode("utf-16"))
    assert any(map(holds, parts(tmp_path / "t.parquet")))
    assert any(map(holds, parts(tmp_path / "n.txt")))


def holds(data: bytes) -> bool:
    """True if the bytes hold the name in any case, as UTF-8 or UTF-16."""
    lower = data.lower()
    return any(NAME.lower().encode(coding) in lower for coding in ("utf-8", "utf-16-le", "utf-16-be"))


def parts(path: Path) -> Iterator[bytes]:
    """A file's bytes, and what is compressed inside it."""
    yield path.read_bytes()
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        yield str(table.schema).encode()
        yield str(table.to_pydict()).encode()
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                yield name.encode()
                yield archive.read(name)


def _retag(source: Path, target: Path) -> None:
    """The same packets in a container whose tags bear the name."""
    with av.open(str(source)) as given, av.open(str(target), "w") as out:
        for tag in ("title", "artist", "comment"):
            out.metadata[tag] = f"{NAME}, Ottilie"
        stream = out.add_stream_from_template(given.streams.video[0])
        stream.metadata["title"] = NAME
        for packet in given.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
