"""`endocur doctor --decode FILE`: the same twice, by seeks, how it is read, what is odd; in words, without names."""

from __future__ import annotations

import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from drawn_videos import textures, write_video

from endocur.commands import doctor
from endocur.configs import DoctorConfig
from endocur.report import checkup
from endocur.report.machine import Finding
from endoshards.errors import BadInput, CheckFailed


def by_name(path: Path) -> dict[str, Finding]:
    return {finding.name: finding for finding in checkup.check_up(path) if finding.name != "odd"}


def odd(path: Path) -> str:
    return "\n".join(finding.value for finding in checkup.check_up(path) if finding.name == "odd")


def test_a_plain_tagged_file_is_sound_and_nothing_about_it_is_odd(tmp_path: Path) -> None:
    tags = {"colorspace": 5, "color_range": 1}
    path = write_video(tmp_path / "a.mp4", textures(60), gop=25, options={"bf": "2", "preset": "fast"}, tags=tags)
    found = by_name(path)
    assert {name: finding.state for name, finding in found.items() if name != "CPU and GPU"} == {
        "file": "ok",
        "two decodes": "ok",
        "seek": "ok",
        "reading": "ok",
    }
    assert (
        "h264 in mov, 160 x 120, yuv420p, 60 frames, a frame every 40 ms, a key frame every 1 s" in found["file"].value
    )
    assert "60 frames decoded in order twice are equal" in found["two decodes"].value
    assert "12 frames fetched by seeks equal" in found["seek"].value
    assert "keeps key frames and decodes key frames alone" in found["reading"].value
    assert odd(path) == ""


def test_a_transport_stream_whose_seeks_miss_is_named_and_never_sought_in(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.ts", textures(100), gop=25, options={"bf": "2", "preset": "fast"})
    seek = by_name(path)["seek"]
    assert seek.state == "note" and "frames fetched by a seek are not those decoded in order" in seek.value
    assert seek.advice == "extract never seeks in this container"


def test_what_readers_stumble_over_is_said(tmp_path: Path) -> None:
    stamps = [*range(0, 60, 2), *range(200, 320, 3)]
    path = write_video(
        tmp_path / "a.mkv", textures(70), pts=stamps, time_base=Fraction(1, 50), rotation=90, sar=Fraction(4, 3)
    )
    said = odd(path)
    for words in (
        "rate is variable",
        "1 gaps in time, the longest 2.84 s",
        "turned by 270",
        "4 : 3",
        "not tagged: bt601",
    ):
        assert words in said
    flagged = write_video(tmp_path / "b.mkv", textures(30), options={"x264-params": "tff=1"})
    assert "the pictures are progressive; 30 of 30 frames are flagged as interlaced" in odd(flagged)
    whole = write_video(tmp_path / "c.mp4", textures(60), container={"movflags": "+faststart"}).read_bytes()
    (tmp_path / "c.mp4").write_bytes(whole[: len(whole) * 6 // 10])
    assert "broken off" in odd(tmp_path / "c.mp4") and "ends before" in odd(tmp_path / "c.mp4")


def test_a_decoder_that_gives_other_pixels_the_second_time_is_wrong() -> None:
    one = [checkup.Shown(index, "a", False) for index in range(5)]
    other = [*one[:4], checkup.Shown(4, "b", False)]
    assert checkup._twice(one, one).state == "ok"
    assert checkup._twice(one, other) == Finding(
        "two decodes", "1 of 5 frames differ", "missing", "memory or decoder is at fault"
    )


def test_a_graphics_card_may_round_otherwise_and_no_more() -> None:
    ours = [np.full((8, 8), 100, np.float32)] * 3
    assert checkup.compare(ours, [luma + 0.5 for luma in ours]).state == "ok"
    assert checkup.compare(ours, [luma + 3 for luma in ours]).state == "missing"
    assert checkup.compare(ours, ours[:2]).state == "missing"


def test_what_is_wrong_ends_with_4_and_what_is_no_video_with_3(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_video(tmp_path / "a.mp4", textures(10))
    monkeypatch.setattr(checkup, "check_up", lambda path: [Finding("two decodes", "1 of 9 frames differ", "missing")])
    with pytest.raises(CheckFailed, match="two decodes: not as it should be"):
        doctor.run(DoctorConfig(decode=path))
    assert capsys.readouterr().out == "WRONG   two decodes  1 of 9 frames differ\n"
    monkeypatch.undo()
    (tmp_path / "b.mp4").write_bytes(b"words" * 100)
    with pytest.raises(BadInput, match="no video that FFmpeg can read; give a video that plays"):
        doctor.run(DoctorConfig(decode=tmp_path / "b.mp4"))
    with pytest.raises(BadInput, match="no such file; give one video"):
        doctor.run(DoctorConfig(decode=tmp_path / "c.mp4"))


def test_the_command_says_it_as_json_too(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", textures(30))
    words = [sys.executable, "-m", "endocur", "doctor", "--json", "--decode", str(path)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    said = json.loads(done.stdout)
    assert said["ok"] and [one["name"] for one in said["findings"]][:4] == ["file", "two decodes", "seek", "reading"]
    assert "a.mkv" not in done.stdout
