"""`endocur mask learn` and `--mask`: what several videos of a room share holds in one that hides it."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import cv2
import numpy as np
import pytest
from corpus_maker import endocur
from drawn_videos import write_video
from drawn_views import disc, octagon, overlap, recording, text_at

from endocur.configs import ExtractConfig
from endocur.extract.learned import Learned, apply, learn, read, to_text
from endocur.extract.view import layout
from endoshards.errors import BadInput, BadOption
from endoshards.settings import config_fingerprint, what

HEIGHT, WIDTH = 240, 320
VIEW = octagon(60, 10, 300, 230, 45)
SECRET = "Muster"


def film(path: Path, seed: int, count: int = 60, view: np.ndarray = VIEW) -> Path:
    words = [text_at(SECRET, (110, 60), scale=0.6)]
    return write_video(path, recording(view, count=count, seed=seed, painters=words, border=10), gop=1)


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("room")
    (folder / "videos").mkdir()
    for seed in (1, 2, 3):
        film(folder / "videos" / f"{SECRET}{seed}.mp4", seed)
    endocur(folder, "mask", "learn", "videos", "--out", "mask.toml", "--no-text-detection")
    return folder


def test_what_is_learned_is_the_view_and_the_place_of_the_name_and_nothing_else(room: Path) -> None:
    text = (room / "mask.toml").read_text("utf-8")
    assert SECRET.lower() not in text.lower()
    assert set(tomllib.loads(text)["layout"][0]) == {"videos", "size", "view", "overlays"}
    (one,) = read(room / "mask.toml")
    assert one.videos == 3
    assert overlap(one.view, VIEW) >= 0.98
    assert one.overlay[48:62, 112:165].all()
    assert one.overlay.sum() <= 0.06 * VIEW.sum()


def test_a_video_too_short_to_tell_its_overlays_gets_those_of_its_room(room: Path, tmp_path: Path) -> None:
    (tmp_path / "short").mkdir()
    film(tmp_path / "short" / "a.mp4", 9, count=4)
    line = ("extract", "short", "--key", "key", "--private", "private", "--no-text-detection", "--all-frames")
    endocur(tmp_path, *line, "--corpus", "without")
    endocur(tmp_path, *line, "--corpus", "with", "--mask", str(room / "mask.toml"))
    hidden = {}
    for corpus in ("without", "with"):
        (file,) = (tmp_path / corpus / "views").glob("*.npz")
        hidden[corpus] = float((np.load(file)["v000"] == 2).mean())
    assert hidden["without"] == 0
    assert hidden["with"] > 0.005
    (marker,) = (path for path in (tmp_path / "with" / "units").glob("*.json") if path.name.count(".") == 1)
    assert json.loads(marker.read_text("utf-8"))["extras"]["views"][0]["counts"]["learned_from"] == 3


def test_show_draws_names_as_mosaic(room: Path, tmp_path: Path) -> None:
    endocur(room, "mask", "show", "videos", "--mask", "mask.toml", "--out", str(tmp_path / "s"), "--no-text-detection")
    sheets = sorted((tmp_path / "s").glob("*.jpg"))
    assert len(sheets) == 3
    endocur(room, "mask", "show", "videos", "--private-sheets", "--key", str(tmp_path / "key"), "--no-text-detection")
    clear = sorted((tmp_path / "private" / "mask-sheets").glob("*.jpg"))
    assert len(clear) == 3
    # a cell has the frame's own size: white letters stand in one sheet and not in the other
    white = [cv2.imread(str(one))[46:64, 110:166].min(axis=2).max() for one in (sheets[0], clear[0])]
    assert white[0] < 200 < white[1]
    assert SECRET.lower() not in " ".join(path.name for path in sheets).lower()


def test_clear_sheets_go_beside_the_key_only(room: Path, tmp_path: Path) -> None:
    done = endocur(room, "mask", "show", "videos", "--private-sheets", "--out", str(tmp_path / "s"), check=False)
    assert done.returncode == 3
    assert "beside the key" in done.stderr
    assert not (tmp_path / "s").exists()


def test_a_learned_layout_survives_its_file(tmp_path: Path) -> None:
    known = learn([layout(recording(VIEW, seed=k, painters=[text_at("Eva", (110, 60))])) for k in range(2)])
    (tmp_path / "m.toml").write_text(to_text(known), "utf-8")
    assert read(tmp_path / "m.toml") == known


def test_another_room_is_left_alone() -> None:
    other = layout(recording(disc(160, 120, 60), seed=4))
    known = Learned(WIDTH, HEIGHT, ((0, 0), (319, 0), (319, 239), (0, 239)), ((10, 10, 60, 30),), 5)
    assert apply(other, [known]) is other


def test_the_fingerprint_is_of_what_the_file_holds_and_old_ones_stand(room: Path, tmp_path: Path) -> None:
    copy = tmp_path / "other-name.toml"
    copy.write_bytes((room / "mask.toml").read_bytes())
    inputs = (Path("videos"),)
    one, two = (ExtractConfig(inputs=inputs, mask=path) for path in (room / "mask.toml", copy))
    assert config_fingerprint(one) == config_fingerprint(two)
    assert str(copy) not in json.dumps(what(two))
    copy.write_text(copy.read_text("utf-8") + "\n# more", "utf-8")
    assert config_fingerprint(one) != config_fingerprint(two)
    assert "mask" not in what(ExtractConfig(inputs=inputs))


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("format = 2", "format 2"),
        ("not toml", "not TOML"),
        ("format = 1\n[[layout]]\nvideos = 1", "needs videos"),
        ("format = 1\n[[layout]]\nvideos=1\nsize=[9,9]\nview=[[0,0],[9,0],[9,9]]\noverlays=[[0,0,99,9]]", "outside"),
    ],
)
def test_a_file_that_is_no_mask_is_refused_in_words(text: str, word: str, tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text(text, "utf-8")
    with pytest.raises(BadInput, match=word):
        read(tmp_path / "m.toml")


def test_a_mask_that_is_not_there_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(BadOption, match="no such file"):
        what(ExtractConfig(inputs=(Path("videos"),), mask=tmp_path / "none.toml"))
