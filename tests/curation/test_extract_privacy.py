"""A name in pixels, file, folder, container tags, subtitles, audio, EXIF and groups is in no byte and no picture that
`endocur` writes or says."""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
from corpus_maker import draw_video, endocur, tissue
from drawn_views import disc, recording, text_at

from endocur.privacy.readback import TextReader

NAME = "Quastenbichler"
"""No word of a language or a library."""

WORDS = ("extract", "videos", "--stills", "--groups", "groups.csv", "--allow-failed", "1", "--fps", "5")


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[subprocess.CompletedProcess[str]]]:
    """A study whose recordings bear the name everywhere, after seven commands, temporary files kept inside."""
    study = tmp_path_factory.mktemp("privacy")
    folder = study / "videos" / f"{NAME} Ottilie, 1931-05-07"
    folder.mkdir(parents=True)
    draw_video(study / "plain.mp4", seed=3, seconds=2.0)
    tagged(study / "plain.mp4", folder / f"{NAME}_1.mp4")
    tagged(study / "plain.mp4", folder / f"{NAME}_2.mkv")
    shutil.copy(folder / f"{NAME}_1.mp4", folder / f"copy of {NAME}.mp4")
    write_burned(folder / f"{NAME}_burned.mkv")
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
            endocur(study, "filter", "--min-quality", "0.01", check=False),
            endocur(study, "shard", "--require-audit", "--audit-sample", "12", "--workers", "1", check=False),
            endocur(study, "report", check=False),
        ]
    return study, said


def test_the_commands_did_what_they_should(walked: tuple[Path, list[subprocess.CompletedProcess[str]]]) -> None:
    study, said = walked
    assert [done.returncode for done in said] == [0, 0, 3, 5, 0, 0, 0]
    statuses = " ".join(said[0].stdout.split())
    assert "inputs copy 1" in statuses
    assert "inputs failed 6" in statuses
    assert pq.read_table(next((study / "home").rglob("sources-0.parquet")), partitioning=None).num_rows == 14


def test_no_byte_outside_the_private_folder_holds_the_name(
    walked: tuple[Path, list[subprocess.CompletedProcess[str]]],
) -> None:
    study, _ = walked
    ours = [path for top in ("corpus", "strict", "temporary", "shards") for path in (study / top).rglob("*")]
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


def test_no_picture_shows_the_name(walked: tuple[Path, list[subprocess.CompletedProcess[str]]]) -> None:
    """Sheets, pictures inside pages, stored and published frames are read back: the last word on burned-in text."""
    study, _ = walked
    burned = burned_ids(study)
    assert len(burned) == 1
    sheets = sorted((study / "corpus/reports/sheets").glob(f"{burned[0]}.*.jpg"))
    pages = [picture for page in (study / "corpus/reports").glob("*.html") for picture in embedded(page)]
    frames = [data for name, data in stored_frames(study / "corpus") if name.startswith(burned[0])]
    published = [data for name, data in published_frames(study / "shards") if name.startswith(burned[0])]
    assert sheets and pages and frames and published
    shown = [path.read_bytes() for path in sheets] + pages[:12] + frames[:2] + published[:2]
    reader = Listening()
    assert [place for place, data in enumerate(shown) if shows_name(reader, data)] == []


def test_the_reader_reads_the_name_where_it_stands(tmp_path: Path) -> None:
    write_burned(tmp_path / "a.mkv")
    with av.open(str(tmp_path / "a.mkv")) as given:
        first = next(given.decode(video=0)).to_ndarray(format="bgr24")
        assert {stream.type for stream in given.streams} == {"video", "audio", "subtitle"}
    assert any(map(holds, parts(tmp_path / "a.mkv"))), "subtitles and tags bear it"
    ok, data = cv2.imencode(".jpg", first)
    assert ok and shows_name(Listening(), bytes(data))


def test_the_search_finds_what_it_looks_for(tmp_path: Path) -> None:
    write_still_with_exif(tmp_path / "a.jpg", seed=0)
    draw_video(tmp_path / "plain.mp4", seed=3, seconds=0.5)
    tagged(tmp_path / "plain.mp4", tmp_path / "b.mkv")
    assert any(map(holds, parts(tmp_path / "a.jpg")))
    assert any(map(holds, parts(tmp_path / "b.mkv")))
    assert not any(map(holds, parts(tmp_path / "plain.mp4")))


class Listening(TextReader):
    """A reader that remembers what it read: in this test only, to look for the name."""

    said: str = ""

    def _legible(self, crop: np.ndarray) -> tuple[float, int]:
        said = self._model(crop, use_det=False, use_cls=False, use_rec=True).txts or ()
        self.said += " ".join(said).lower() + "\n"
        return super()._legible(crop)


def shows_name(reader: Listening, data: bytes) -> bool:
    """Whether four letters of the name in a row can be read in a picture."""
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    reader.said = ""
    reader.lines(np.ascontiguousarray(picture[..., ::-1]))
    return any(NAME.lower()[start : start + 4] in reader.said for start in range(len(NAME) - 3))


def burned_ids(study: Path) -> list[str]:
    """Id of the recording with the name in its pixels; the owner's private table knows its path."""
    rows = [row for path in (study / "home").rglob("sources-0.parquet") for row in pq.read_table(path).to_pylist()]
    return sorted({row["source_id"] for row in rows if row["path"].endswith(b"_burned.mkv")})


def embedded(page: Path) -> list[bytes]:
    """Pictures that a page holds as data."""
    return [
        base64.b64decode(text) for text in re.findall(r"data:image/jpeg;base64,([A-Za-z0-9+/=]+)", page.read_text())
    ]


def stored_frames(corpus: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted((corpus / "frames").glob("*.tar")):
        with tarfile.open(path) as tar:
            yield from ((member.name, tar.extractfile(member).read()) for member in tar)


def published_frames(shards: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(shards.glob("*.tar")):
        with tarfile.open(path) as tar:
            yield from ((one.name, tar.extractfile(one).read()) for one in tar if one.name.endswith(".jpg"))


def write_burned(path: Path) -> None:
    """Moving tissue with the name in a corner of the border and over the tissue; audio and subtitles bear it too."""
    view = disc(320, 240, 225, 480, 640)
    words = [
        text_at(NAME, (16, 40), scale=0.9, outline=True),
        text_at(f"{NAME} 1931", (200, 300), scale=0.9, outline=True),
    ]
    pictures = recording(view, count=20, painters=words)
    subtitles = path.with_suffix(".srt")
    subtitles.write_text(f"1\n00:00:00,000 --> 00:00:01,500\n{NAME}, Ottilie\n")
    with av.open(str(path), "w") as out, av.open(str(subtitles)) as texts:
        out.metadata["title"] = NAME
        video = out.add_stream("libx264", rate=10)
        video.width, video.height, video.pix_fmt = 640, 480, "yuv420p"
        video.options = {"crf": "14", "preset": "ultrafast"}
        sound = out.add_stream("pcm_s16le", rate=8000)
        sound.metadata["title"] = f"dictated by {NAME}"
        lines = out.add_stream_from_template(texts.streams.subtitles[0])
        lines.metadata["title"] = NAME
        for picture in pictures:
            out.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(video.encode())
        wave = av.AudioFrame.from_ndarray(np.zeros((1, 16_000), np.int16), format="s16", layout="mono")
        wave.sample_rate = 8000
        out.mux(sound.encode(wave))
        out.mux(sound.encode())
        for packet in texts.demux():
            if packet.dts is not None:
                packet.stream = lines
                out.mux(packet)
    subtitles.unlink()


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
