"""`endocur clips` by the command: what is in a clip, what is not, and that the same line gives the same bytes."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tarfile
from pathlib import Path

import av
import numpy as np
import pyarrow.parquet as pq
import pytest
import simplejpeg
from corpus_maker import endocur
from drawn_videos import texture

from endocur.clips.encode import Mp4Clip
from endocur.publish import Planes

SIZE = (192, 144)
RATE = 25


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 s of moving texture in a disc with sound beside it; all frames kept, at one a second."""
    root = tmp_path_factory.mktemp("clips")
    (root / "videos").mkdir()
    draw(root / "videos" / "a.mp4", seconds=12)
    endocur(root, "extract", "videos", "--no-text-detection")
    endocur(root, "clips")
    return root


def draw(path: Path, seconds: float, seed: int = 1) -> None:
    y, x = np.mgrid[: SIZE[1], : SIZE[0]]
    disc = ((x - 96) ** 2 + (y - 72) ** 2 < 66**2)[..., None]
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=RATE)
        video.width, video.height, video.pix_fmt = *SIZE, "yuv420p"
        video.options = {"crf": "10", "preset": "ultrafast"}
        sound = out.add_stream("aac", rate=16_000, layout="mono")
        for index in range(round(seconds * RATE)):
            picture = texture(index, SIZE, seed) * disc
            out.mux(video.encode(av.VideoFrame.from_ndarray(picture.astype(np.uint8), format="rgb24")))
        out.mux(video.encode(None))
        for _ in range(round(seconds * 15)):
            noise = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            noise.sample_rate = 16_000
            out.mux(sound.encode(noise))
        out.mux(sound.encode(None))


def members(study: Path, corpus: str = "corpus") -> dict[str, bytes]:
    [path] = (study / corpus / "clips").glob("*.tar")
    with tarfile.open(path) as tar:
        return {one.name: tar.extractfile(one).read() for one in tar.getmembers()}  # type: ignore[union-attr]


def digests(study: Path, corpus: str = "corpus") -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (study / corpus / "clips").iterdir()}


def test_a_clip_is_five_seconds_at_the_rate_of_the_source_with_a_key_frame_a_second_and_no_sound(study: Path) -> None:
    files = members(study)
    clips = [data for name, data in files.items() if name.endswith(".mp4")]
    assert len(clips) == 2  # the last two seconds are cut short
    for data in clips:
        with av.open(io.BytesIO(data)) as clip:
            assert [stream.type for stream in clip.streams] == ["video"]
            frames = list(clip.decode(video=0))
        times = [float(frame.pts * frame.time_base) for frame in frames]
        assert np.allclose(times, np.arange(125) / RATE, atol=2e-6)
        assert [round(time, 3) for time, frame in zip(times, frames, strict=True) if frame.key_frame] == [0, 1, 2, 3, 4]


def test_its_pictures_are_those_of_the_stored_frames_and_black_outside(study: Path) -> None:
    files = members(study)
    [frames_table] = (study / "corpus" / "frames").glob("*.parquet")
    table = pq.read_table(frames_table, partitioning=None).to_pylist()
    jpegs = frames_table.with_suffix(".tar").read_bytes()
    name = next(name for name in files if name.endswith("000005000000.mp4"))
    with av.open(io.BytesIO(files[name])) as clip:
        decoded = list(clip.decode(video=0))
    for second in range(5):
        row = table[5 + second]
        stored = simplejpeg.decode_jpeg(jpegs[row["offset"] : row["offset"] + row["size"]], "GRAY")[..., 0]
        seen = decoded[second * RATE].to_ndarray()[: row["height"], : row["width"]]
        assert row["pts_us"] == (5 + second) * 1_000_000
        assert np.abs(seen.astype(int) - stored).mean() < 3
        assert seen[:4, :4].max() <= 6


def test_its_json_and_its_row_say_the_same(study: Path) -> None:
    files = members(study)
    [path] = (study / "corpus" / "clips").glob("*.parquet")
    rows = pq.read_table(path, partitioning=None).to_pylist()
    tar = path.with_suffix(".tar").read_bytes()
    assert [row["clip_id"] + ".mp4" for row in rows] == [name for name in files if name.endswith(".mp4")]
    for row in rows:
        said = json.loads(files[row["clip_id"] + ".json"])
        assert said["pts_us"] == [row["start_us"] + 40_000 * index for index in range(row["frames"])]
        assert (said["group_id"], said["sampled"], said["kept"]) == (row["group_id"], 5, 5)
        assert tar[row["offset"] : row["offset"] + row["size"]] == files[row["clip_id"] + ".mp4"]


def test_the_same_line_again_does_nothing_and_from_nothing_gives_the_same_bytes(study: Path) -> None:
    before = digests(study)
    again = endocur(study, "clips")
    assert "recordings already done 1" in " ".join(again.stdout.split())
    assert digests(study) == before
    shutil.rmtree(study / "corpus" / "clips")
    endocur(study, "clips")
    assert digests(study) == before


def test_what_a_filter_drops_is_in_no_clip_any_more(study: Path, tmp_path: Path) -> None:
    shutil.copytree(study, tmp_path / "s")
    endocur(tmp_path / "s", "filter", "--min-quality", "1")
    said = endocur(tmp_path / "s", "clips")
    assert "too few of its frames are kept 2" in " ".join(said.stdout.split())
    assert [name for name in members(tmp_path / "s")] == []


def test_runs_of_jpegs_at_another_rate_and_size(study: Path, tmp_path: Path) -> None:
    shutil.copytree(study, tmp_path / "s")
    endocur(tmp_path / "s", "clips", "--form", "jpg", "--fps", "10", "--size", "64", "--seconds", "2")
    files = members(tmp_path / "s")
    first = sorted(name for name in files if name.startswith(sorted(files)[0].split(".")[0]) and name.endswith("jpg"))
    assert len(first) == 20
    assert min(simplejpeg.decode_jpeg_header(files[first[0]])[:2]) == 64
    assert sum(name.endswith(".json") for name in files) == 6


def test_a_recording_that_is_gone_or_changed_fails_by_itself(study: Path, tmp_path: Path) -> None:
    endocur(study, "clips", "--crf", "30")  # so that there is something to do
    video = study / "videos" / "a.mp4"
    whole = video.read_bytes()
    try:
        video.write_bytes(whole[:-1])
        changed = endocur(study, "clips", check=False)
        video.unlink()
        gone = endocur(study, "clips", check=False)
        allowed = endocur(study, "clips", "--allow-failed", "1", check=False)
    finally:
        video.write_bytes(whole)
    assert "has changed since it was extracted" in changed.stderr
    assert "is not where it was" in gone.stderr
    # one failed recording is always allowed, as in extract
    assert (changed.returncode, gone.returncode, allowed.returncode) == (0, 0, 0)
    assert "a.mp4" not in changed.stderr + gone.stderr + changed.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--size", "321"), "an even number is wanted"),
        (("--seconds", "0"), "0.5 to 600 is allowed"),
        (("--min-kept", "1.2"), "at most 1"),
        (("--fps", "0.1"), "1 to 240 is allowed"),
        (("--form", "gif"), "gif"),
    ],
)
def test_a_malformed_option_is_refused(tmp_path: Path, words: tuple[str, str], said: str) -> None:
    done = endocur(tmp_path, "clips", *words, check=False)
    assert done.returncode == 2
    assert said in done.stderr


def test_no_corpus_and_another_key_are_refused(study: Path, tmp_path: Path) -> None:
    nothing = endocur(tmp_path, "clips", check=False)
    assert (nothing.returncode, "no corpus" in nothing.stderr) == (3, True)
    (tmp_path / "other").write_text("endomae-key-1 " + "ab" * 32 + "\n")
    other = endocur(study, "clips", "--key", str(tmp_path / "other"), check=False)
    assert (other.returncode, "another key" in other.stderr) == (3, True)


def test_equal_frames_give_equal_bytes_without_a_clock_or_a_name() -> None:
    def made() -> bytes:
        clip = Mp4Clip(64, 48, 25.0, 20)
        for index in range(30):
            y = np.full((48, 64), 60 + index, np.uint8)
            clip.add(Planes(y, np.full((24, 32), 120, np.uint8), np.full((24, 32), 140, np.uint8)), 40_000 * index)
        return clip.finish()

    data = made()
    assert data == made()
    assert b"Lavf" not in data
