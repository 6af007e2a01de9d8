"""`endocur extract` on DICOM: the frames of the bare video, facts of the file, and no byte of its tags."""

from __future__ import annotations

import tarfile
from pathlib import Path

import av
import numpy as np
import pyarrow.parquet as pq
import pytest
from corpus_maker import SIZE, draw_video, endocur, tissue
from dicom_maker import CT, EXPLICIT, H264, wrap_pixels, wrap_video, write_dicom

from endocur.corpus import Corpus, UnitMarker, unit_markers
from endocur.extract import decode, media

NAME = "Quastenbichler"
"""No word of a language or a library."""
PERSON = {
    "PatientName": f"{NAME}^Ottilie",
    "PatientID": f"ID-{NAME}",
    "PatientBirthDate": "19310507",
    "InstitutionName": f"{NAME} Clinic",
    "OperatorsName": NAME,
    "DeviceSerialNumber": f"SN-{NAME}",
    "StudyDescription": f"colonoscopy of {NAME}",
    "SeriesDescription": NAME,
}
WORDS = ("extract", "videos", "--no-text-detection", "--all-frames", "--allow-failed", "1")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bare video, the same one wrapped, pictures one by one, a still and a CT, each tagged with a name."""
    root = tmp_path_factory.mktemp("dicom")
    (root / "videos").mkdir()
    draw_video(root / "videos" / "bare.mp4", seed=3, seconds=2.0)
    wrap_video(
        root / "videos" / f"{NAME}1", (root / "videos" / "bare.mp4").read_bytes(), syntax=H264, size=SIZE, **PERSON
    )
    pictures = np.stack([tissue(4, index, blurred=False) for index in range(12)])
    wrap_pixels(root / "videos" / "IM_0001", pictures, **PERSON)
    wrap_pixels(root / "videos" / "still.dcm", pictures[:1], **PERSON)
    write_dicom(root / "videos" / "ct.dcm", pictures[:1].tobytes(), syntax=EXPLICIT, size=SIZE, sop_class=CT)
    (root / "videos" / "broken.dcm").write_bytes(bytes(128) + b"DICM" + NAME.encode() * 30)
    done = endocur(root, *WORDS)
    assert NAME not in done.stdout + done.stderr
    return root


def markers(study: Path, corpus: str = "corpus") -> list[UnitMarker]:
    """The units' markers."""
    return unit_markers(Corpus(study / corpus))


def frames_of(study: Path, unit: str) -> list[tuple[int, bytes]]:
    """(us, JPEG) of a unit's frames."""
    table = pq.read_table(study / "corpus" / "frames" / f"{unit}.000.parquet", partitioning=None)
    with tarfile.open(study / "corpus" / "frames" / f"{unit}.000.tar") as tar:
        jpegs = [tar.extractfile(member).read() for member in tar.getmembers() if member.name.endswith(".jpg")]  # type: ignore[union-attr]
    return list(zip(table["pts_us"].to_pylist(), jpegs, strict=True))


def test_each_file_is_what_it_is(study: Path) -> None:
    said = sorted((one.status, one.kind) for one in markers(study))
    assert said == [
        ("failed", "video"),
        ("ignored", "ignored"),
        ("ok", "stills"),
        ("ok", "video"),
        ("ok", "video"),
        ("ok", "video"),
    ]


def test_the_wrapped_video_gives_the_bytes_of_the_bare_one(study: Path) -> None:
    videos = [one for one in markers(study) if (one.status, one.kind) == ("ok", "video")]
    facts = {one.name: one.extras.get("dicom") for one in videos}
    [bare] = [name for name, dicom in facts.items() if dicom is None]
    [wrapped] = [name for name, dicom in facts.items() if dicom and dicom["transfer_syntax"] == H264]
    assert frames_of(study, wrapped) == frames_of(study, bare)
    assert len(frames_of(study, bare)) == 20
    [pictures] = [dicom for dicom in facts.values() if dicom and dicom["frames"] == 12]
    assert pictures == {
        "sop_class": "Video Endoscopic Image",
        "transfer_syntax": EXPLICIT,
        "columns": SIZE[0],
        "rows": SIZE[1],
        "frames": 12,
        "photometric": "RGB",
        "bits_stored": 8,
        "frames_a_second": 25.0,
        "has_frame_times": False,
    }


def test_no_tag_passes(study: Path) -> None:
    spoken = [NAME.encode(), b"19310507", b"1931"]
    ours = [path for path in (study / "corpus").rglob("*") if path.is_file()]
    texts = {path: path.read_bytes() for path in ours}
    texts |= {
        path: str(pq.read_table(path, partitioning=None).to_pydict()).encode()
        for path in ours
        if path.suffix == ".parquet"
    }
    assert len(texts) > 10
    assert [path.name for path, text in texts.items() if spoken[0] in text or spoken[1] in text] == []


def test_decord_refuses_dicom_in_a_sentence(study: Path) -> None:
    said = endocur(study, *WORDS, "--corpus", "other", "--decoder", "decord", check=False)
    assert said.returncode in (0, 5)
    reasons = [one.reason for one in markers(study, "other")]
    assert reasons.count("decord does not read DICOM; leave --decoder out") == 1


def test_a_wrapped_video_is_read_where_it_lies(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No copy of the payload is written anywhere: FFmpeg is given a file object, never a path of ours."""
    opened: list[object] = []
    real = av.open

    def spy(target: object, *args: object, **more: object) -> object:
        opened.append(target)
        return real(target, *args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(media.av, "open", spy)
    assert len(list(decode.Video(study / "videos" / f"{NAME}1").frames())) == 20
    assert not any(isinstance(target, (str, Path)) for target in opened)
