"""`endocur phantom`: drawn files that real readers open, with the truth they claim, equal for equal seeds."""

from __future__ import annotations

import csv
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from skimage import draw, measure

from endocur.phantom.procedure import FPS, HEIGHT, SHAPES, VIEW, WIDTH, Event, frames, plan, view_mask
from endocur.phantom.tube import Lens, Lesion, Pose, draw_tube, render, seen_lesions, with_lesion
from endocur.phantom.writing import write_study
from endoshards.errors import BadInput

ASKED = {"videos": 1, "seconds": 1.0, "images": 4, "seed": 5}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phantom")
    assert write_study(folder, **ASKED) is True
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def rows(path: Path) -> list[tuple[str, str]]:
    with path.open(newline="", encoding="utf-8") as handle:
        reader = csv.reader(handle)
        assert next(reader) == ["file", "group"]
        return [(file, group) for file, group in reader]


def test_equal_settings_give_equal_bytes(study: Path, tmp_path: Path) -> None:
    write_study(tmp_path, **ASKED)
    assert contents(tmp_path) == contents(study)


def test_the_same_settings_again_draw_nothing(study: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in study.rglob("*")}
    assert write_study(study, **ASKED) is False
    assert {path: path.stat().st_mtime_ns for path in study.rglob("*")} == before


def test_other_settings_in_the_same_folder_are_refused(study: Path) -> None:
    with pytest.raises(BadInput, match=r"holds a phantom of other settings \(seed 5\)"):
        write_study(study, **{**ASKED, "seed": 6})


def test_a_folder_of_real_recordings_is_never_drawn_into(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    with pytest.raises(BadInput, match="was not drawn by this command"):
        write_study(tmp_path, **ASKED)
    assert contents(tmp_path) == {}


def test_a_killed_drawing_is_finished_by_the_same_call(study: Path, tmp_path: Path) -> None:
    (tmp_path / "phantom.begun.json").write_text(json.dumps({"version": 1, **ASKED}), encoding="utf-8")
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos/procedure-01.mp4").write_bytes(b"half a file")
    assert write_study(tmp_path, **ASKED) is True
    assert contents(tmp_path) == contents(study)


def test_a_video_has_its_frames_at_its_rate_and_the_invented_name_in_its_container(study: Path) -> None:
    told = json.loads((study / "phantom.json").read_text("utf-8"))["truth"]["procedure-01.mp4"]
    with av.open(str(study / "videos/procedure-01.mp4")) as container:
        assert container.metadata["title"].startswith(told["burnt_in"][0])
        shown = list(container.decode(video=0))
        assert [float(frame.time) for frame in shown] == pytest.approx([index / FPS for index in range(FPS)])
        assert (shown[0].width, shown[0].height) == (WIDTH, HEIGHT)


def test_every_file_has_a_group_and_every_patient_of_a_set_shows_every_class(study: Path) -> None:
    assert rows(study / "videos/groups.csv") == [("procedure-01.mp4", "patient-01")]
    classes = study / "benchmarks-data/phantom_classes"
    listed = rows(classes / "groups.csv")
    assert {file for file, _ in listed} == {str(path.relative_to(classes)) for path in classes.rglob("*.jpg")}
    assert len(listed) == 4
    assert set(Counter(group for _, group in listed).values()) == {1}


def test_a_patient_with_three_pictures_shows_three_classes(tmp_path: Path) -> None:
    from endocur.phantom.labelled import CLASSES, class_pictures

    shown = Counter((picture.patient, picture.kind) for picture in class_pictures(1, 6, 2))
    assert shown == Counter((patient, kind) for patient in range(2) for kind in CLASSES)


def test_masks_are_of_the_size_and_stem_of_their_picture_and_hold_a_lesion(study: Path) -> None:
    folder = study / "benchmarks-data/phantom_masks"
    pictures = sorted((folder / "images").iterdir())
    assert [path.stem for path in pictures] == [path.stem for path in sorted((folder / "masks").iterdir())]
    for path in pictures:
        mask = cv2.imread(str(folder / "masks" / f"{path.stem}.png"), cv2.IMREAD_UNCHANGED)
        assert mask.shape == cv2.imread(str(path)).shape[:2]
        assert set(np.unique(mask)) == {0, 255}
        assert 0.01 < (mask > 0).mean() < 0.35


def test_the_mask_is_where_the_lesion_changed_the_picture() -> None:
    bare = draw_tube(np.random.default_rng(0), detail=64)
    ulcer = with_lesion(bare, Lesion("ulcer", 1.0, 1.0, 0.4), np.random.default_rng(1))
    pose, lens = Pose(0.3, 0.0, (0.0, 0.0)), Lens(120, 120, 48.0)
    seen = seen_lesions(ulcer, pose, lens) > 0
    changed = np.abs(render(ulcer, pose, lens).astype(int) - render(bare, pose, lens)).max(axis=2) > 12
    assert seen.any()
    assert changed[seen].mean() > 0.9
    around = cv2.dilate(seen.astype(np.uint8), np.ones((25, 25), np.uint8)) > 0
    assert not changed[~around].any()


def test_a_polyp_hides_what_lies_behind_it() -> None:
    bare = draw_tube(np.random.default_rng(0), detail=64)
    far = with_lesion(bare, Lesion("ulcer", 1.0, 2.4, 0.25), np.random.default_rng(1))
    both = with_lesion(far, Lesion("polyp", 1.0, 1.4, 0.5), np.random.default_rng(2))
    pose, lens = Pose(0.4, 0.0, (0.0, 0.0)), Lens(120, 120, 48.0)
    assert (seen_lesions(far, pose, lens) == 1).sum() > 20
    assert (seen_lesions(both, pose, lens) == 1).sum() < 0.5 * (seen_lesions(far, pose, lens) == 1).sum()


@pytest.mark.parametrize("number", range(len(SHAPES)))
def test_nothing_but_text_is_lit_outside_the_view(number: int) -> None:
    drawn = plan(seed=2, number=number, seconds=0.3, patient=number)
    outside = cv2.erode((~view_mask(drawn.shape)).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    picture = next(frames(drawn)).max(axis=2)
    assert ((picture > 40) & outside).mean() < 0.03
    assert (picture[view_mask(drawn.shape)] > 40).mean() > 0.4


def test_the_round_view_is_the_disc_that_scikit_image_draws() -> None:
    drawn = np.zeros((HEIGHT, WIDTH), bool)
    drawn[draw.disk((HEIGHT // 2, 304), 168, shape=drawn.shape)] = True
    assert (drawn ^ view_mask("circle")).sum() < 0.001 * drawn.sum()


@pytest.mark.parametrize("shape", SHAPES)
def test_a_view_is_one_piece_without_holes(shape: str) -> None:
    mask = view_mask(shape)
    assert measure.label(mask).max() == 1
    assert measure.euler_number(mask) == 1


def test_a_freeze_repeats_the_picture_while_the_clock_runs() -> None:
    drawn = replace(plan(7, 1, 1.2, 0), events=(Event("freeze", 0.6, 1.2, 1.0),))
    shown = list(frames(drawn))
    clock = np.s_[300:330, :130]
    assert np.array_equal(shown[10][VIEW], shown[14][VIEW])
    assert not np.array_equal(shown[6][VIEW], shown[7][VIEW])
    assert not np.array_equal(shown[14][clock], shown[15][clock])
    assert np.array_equal(shown[14][VIEW], shown[16][VIEW])
