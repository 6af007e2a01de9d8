"""Scores of one frame: what they must see, what must not fool them, and the tables they are kept in."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
from drawn_corpus import add_unit, canvas, disc, jpeg, look, make_corpus
from hypothesis import given, settings
from hypothesis import strategies as st

from endocur.commands import score as score_command
from endocur.configs import ScoreConfig
from endocur.quality.scores import BLANK, VERSION, Scores, region, score_jpeg, score_pixels
from endocur.quality.table import SCORE_COLUMNS, TABLE_VERSION, read_scores, score_table, version_of, write_scores
from endoshards.errors import BadInput

DISC = disc()
WIDE = canvas(3, 512, 512)
SHARP = [look(canvas(seed)) for seed in range(4)]


def scored(rgb: np.ndarray, tissue: np.ndarray = DISC, quality: int = 92) -> Scores:
    return score_jpeg(jpeg(rgb, tissue, quality), tissue)


def defocused(rgb: np.ndarray, sigma: float) -> np.ndarray:
    return cv2.GaussianBlur(rgb, (0, 0), sigma)


def smeared(rgb: np.ndarray, length: int, across: bool = True) -> np.ndarray:
    return cv2.blur(rgb, (length, 1) if across else (1, length))


def noisy(rgb: np.ndarray, sigma: float) -> np.ndarray:
    grain = np.random.default_rng(0).normal(0, sigma, rgb.shape)
    return np.clip(rgb + grain, 0, 255).astype(np.uint8)


# ---------------------------------------------------------------- what they must see


@pytest.mark.parametrize("frame", SHARP)
def test_the_more_a_frame_is_defocused_the_less_sharp_it_is(frame: np.ndarray) -> None:
    values = [scored(defocused(frame, sigma) if sigma else frame).sharpness for sigma in (0, 1, 2, 4)]
    assert values[0] > 0.5 and values[2] < 0.4
    assert values == sorted(values, reverse=True)


@pytest.mark.parametrize("across", [True, False])
def test_motion_along_one_direction_is_enough_to_be_blurred(across: bool) -> None:
    for frame in SHARP:
        values = [scored(smeared(frame, length, across)).sharpness for length in (1, 5, 9, 15)]
        assert values[0] > 0.5 and values[2] < 0.4
        assert values == sorted(values, reverse=True)


def test_darkness_and_glare_cost_exposure_step_by_step() -> None:
    frame = SHARP[0]
    darker = [scored((frame * gain).astype(np.uint8)).exposure for gain in (0.8, 0.5, 0.3, 0.15)]
    brighter = [scored(np.clip(frame * gain, 0, 255).astype(np.uint8)).exposure for gain in (1.0, 1.5, 2.0, 3.0)]
    assert darker == sorted(darker, reverse=True) and darker[0] > 0.8 and darker[-1] < 0.1
    assert brighter == sorted(brighter, reverse=True) and brighter[-1] < 0.1


def test_exposure_is_the_share_of_tissue_that_is_neither_dark_nor_blown_out() -> None:
    frame = np.full((512, 512, 3), 120, np.uint8)
    frame[:256, :256] = 4
    frame[256:, :256] = 254
    assert scored(frame, np.ones((512, 512), bool)).exposure == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize(
    ("veil", "share"), [((253, 252, 250), 0.9), ((205, 40, 35), 0.85), ((3, 2, 2), 0.96), ((140, 95, 30), 0.97)]
)
def test_white_outs_red_outs_black_outs_and_thick_veils_are_dropped(veil: tuple[int, int, int], share: float) -> None:
    for frame in SHARP:
        mixed = frame * (1 - share) + np.array(veil) * share
        assert scored(mixed.astype(np.uint8)).quality < 0.4


def test_a_frame_drowned_in_red_has_no_colour_and_narrow_band_light_has_all() -> None:
    narrow = np.array([[0.08, 1.12, 0.0], [0.0, 0.15, 0.95], [0.0, 0.08, 1.02]])
    for frame in SHARP:
        seen = np.clip(frame @ narrow.T, 0, 255).astype(np.uint8)
        assert scored(seen).colour > 0.95
        assert abs(scored(seen).quality - scored(frame).quality) < 0.2
        assert scored((frame * np.array([1.0, 0.2, 0.2])).astype(np.uint8)).colour < 0.05


def test_highlights_cost_specular_free_in_proportion_and_quality_little() -> None:
    frame = canvas(1, 512, 512)
    spots = np.random.default_rng(0).permutation(64)[:4]
    for spot in spots:
        y, x = divmod(int(spot), 8)
        frame[y * 64 : y * 64 + 64, x * 64 : x * 64 + 64] = 255
    tissue = np.ones((512, 512), bool)
    glaring, plain = scored(frame, tissue), scored(canvas(1, 512, 512), tissue)
    assert glaring.specular_free == pytest.approx(1 - 4 / 64 / 0.25, abs=0.06)
    assert glaring.quality > 0.4 and plain.quality - glaring.quality < 0.2


# ---------------------------------------------------------------- what must not fool them


def test_noise_does_not_make_a_blurred_frame_sharp() -> None:
    for frame in SHARP:
        assert scored(noisy(defocused(frame, 4), 2)).sharpness < 0.4
        large = cv2.resize(frame, (768, 768), interpolation=cv2.INTER_CUBIC)
        wide = np.ones((768, 768), bool)
        assert scored(noisy(defocused(large, 10), 6), wide).sharpness < 0.4


def test_the_quality_of_the_jpeg_hardly_matters() -> None:
    for frame in SHARP:
        values = [scored(frame, quality=quality).sharpness for quality in (95, 85, 60)]
        assert max(values) - min(values) < 0.1


def test_enlarging_a_frame_adds_no_sharpness() -> None:
    for frame in SHARP:
        for side in (384, 768):
            large = cv2.resize(frame, (side, side), interpolation=cv2.INTER_CUBIC)
            assert scored(large, disc(side)).sharpness <= scored(frame).sharpness + 0.02


def test_combing_adds_no_sharpness() -> None:
    for frame in SHARP:
        combed = frame.copy()
        combed[1::2] = np.roll(frame, 4, axis=1)[1::2]
        assert scored(combed).sharpness <= scored(frame).sharpness


def test_flat_mucosa_is_as_sharp_as_its_detail() -> None:
    """Little contrast is no blur; two thirds of the usual is no fault at all."""
    for frame in SHARP:
        ground = frame.mean((0, 1))
        flat, flatter = ((ground + (frame - ground) / part).astype(np.uint8) for part in (1.5, 3))
        assert scored(flatter).sharpness > scored(frame).sharpness - 0.15
        assert scored(flat).quality >= 0.4


def test_the_gain_of_the_camera_hardly_changes_sharpness_and_contrast() -> None:
    for frame in SHARP:
        dim = scored((frame * 0.6).astype(np.uint8))
        assert abs(dim.sharpness - scored(frame).sharpness) < 0.1
        assert abs(dim.contrast - scored(frame).contrast) < 0.1


# ---------------------------------------------------------------- only tissue counts


@given(seed=st.integers(0, 2**32 - 1), level=st.integers(0, 255))
@settings(max_examples=20)
def test_what_lies_outside_the_view_changes_nothing(seed: int, level: int) -> None:
    frame, mask = WIDE, disc(512)
    other = np.random.default_rng(seed).integers(0, 256, frame.shape, np.uint8) // 2 + np.uint8(level // 2)
    other[mask] = frame[mask]
    assert score_jpeg(jpeg(other), mask) == score_jpeg(jpeg(frame * mask[:, :, None]), mask)


def test_what_an_overlay_shows_changes_nothing() -> None:
    frame, tissue = canvas(3, 512, 512), np.ones((512, 512), bool)
    tissue[200:260, 100:300] = False
    text = frame.copy()
    cv2.putText(text, "1961", (104, 252), cv2.FONT_HERSHEY_SIMPLEX, 1.6, (255, 255, 255), 3)
    assert score_jpeg(jpeg(text), tissue) == score_jpeg(jpeg(frame), tissue)


def test_the_edge_of_the_view_is_not_sharpness() -> None:
    blurred = defocused(canvas(2, 512, 512), 6)
    assert scored(blurred, disc(512)).sharpness < 0.3


@pytest.mark.parametrize("tissue", [np.zeros((96, 96), bool), np.eye(96, dtype=bool)])
def test_a_frame_without_tissue_is_blank_and_scores_nothing(tissue: np.ndarray) -> None:
    assert score_jpeg(jpeg(look(canvas(1), side=96)), tissue) == BLANK
    assert BLANK.is_blank and not any(BLANK[:6])


@pytest.mark.parametrize("level", [0, 5, 128, 255])
def test_a_frame_of_one_level_is_blank(level: int) -> None:
    assert scored(np.full((192, 192, 3), level, np.uint8)) == BLANK


@given(
    height=st.integers(8, 200),
    width=st.integers(8, 200),
    seed=st.integers(0, 2**32 - 1),
    share=st.floats(0, 1),
    smooth=st.sampled_from([0.0, 1.0, 8.0]),
)
@settings(max_examples=60)
def test_any_picture_with_any_mask_has_scores_in_range(
    height: int, width: int, seed: int, share: float, smooth: float
) -> None:
    random = np.random.default_rng(seed)
    picture = random.integers(0, 256, (height, width, 3), np.uint8)
    picture = cv2.GaussianBlur(picture, (0, 0), smooth) if smooth else picture
    tissue = cv2.blur(random.random((height, width)), (9, 9)) < 0.3 + 0.5 * share
    scores = score_jpeg(jpeg(picture, tissue), tissue)
    for value in scores[:6]:
        assert isinstance(value, np.float32) and 0 <= value <= 1
        assert np.float32(round(float(value), 4)) == value
    assert not scores.is_blank or scores == BLANK


def test_the_same_frame_has_the_same_scores_whatever_was_scored_before() -> None:
    first = [scored(frame) for frame in SHARP]
    whole = canvas(1)
    for side in range(60, 90):  # more masks than are remembered
        scored(look(whole, side=side), disc(side))
    assert [scored(frame) for frame in reversed(SHARP)] == first[::-1]
    turned = np.asfortranarray(DISC)
    assert score_jpeg(jpeg(SHARP[0], DISC), turned) == first[0]


def test_scores_of_pixels_are_those_of_the_jpeg_that_holds_them() -> None:
    where = region(DISC)
    pixels = cv2.cvtColor(cv2.imdecode(np.frombuffer(jpeg(SHARP[0], DISC), np.uint8), 1), cv2.COLOR_BGR2RGB)
    assert score_pixels(pixels, where).quality == pytest.approx(scored(SHARP[0]).quality, abs=0.01)


def test_a_mask_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"the tissue mask is \(10, 12\), the stored frame \(192, 192\)"):
        score_jpeg(jpeg(SHARP[0]), np.ones((10, 12), bool))
    with pytest.raises(ValueError):
        score_jpeg(b"no picture", DISC)


@pytest.mark.real
def test_real_still_pictures_are_not_dropped_in_heaps(shared_data: Path) -> None:
    """They were chosen by hand for their content: nearly all are good; some capsule pictures are soft or dark."""
    low = total = 0
    for path in sorted(shared_data.glob("pool/*/*.jpg"))[::6]:
        picture = cv2.imread(str(path))[:, :, ::-1]
        lit = cv2.morphologyEx((picture.max(2) > 24).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((25, 25), np.uint8)) > 0
        low += score_jpeg(jpeg(picture), lit).quality < 0.4
        total += 1
    assert total > 80 and low / total <= 0.1


# ---------------------------------------------------------------- tables and the command


def test_a_score_table_says_which_frame_which_scores_which_version(tmp_path: Path) -> None:
    rows = [("b-1", scored(SHARP[0])), ("a-1", BLANK)]
    write_scores(tmp_path / "one.parquet", rows)
    write_scores(tmp_path / "two.parquet", rows)
    table = read_scores(tmp_path / "one.parquet")
    assert table.schema.equals(SCORE_COLUMNS) and table.equals(score_table(rows))
    assert table["frame_id"].to_pylist() == ["b-1", "a-1"] and table["is_blank"].to_pylist() == [False, True]
    assert (
        set(table["score_version"].to_pylist()) == {VERSION} and version_of(tmp_path / "one.parquet") == TABLE_VERSION
    )
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()


def test_a_table_without_frames_can_be_written(tmp_path: Path) -> None:
    write_scores(tmp_path / "none.parquet", [])
    assert len(read_scores(tmp_path / "none.parquet")) == 0
    assert version_of(tmp_path / "none.parquet") == TABLE_VERSION


def test_a_damaged_score_table_is_named_with_the_command_that_mends_it(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(b"PAR1 no more")
    for read in (read_scores, version_of):
        with pytest.raises(BadInput, match=r"x\.parquet cannot be read .* make it anew: endocur score"):
            read(tmp_path / "x.parquet")


def test_the_command_repeats_the_scores_to_the_byte(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus = make_corpus(tmp_path / "corpus")
    add_unit(corpus, "a", [*SHARP, defocused(SHARP[0], 3)], chapters=2, mask=DISC)
    add_unit(corpus, "b", [np.zeros_like(SHARP[0])])
    first = {path.name: path.read_bytes() for path in sorted(corpus.scores.iterdir())}
    shutil.rmtree(corpus.scores)
    score_command.run(ScoreConfig(corpus=corpus.root, workers=1))
    assert {path.name: path.read_bytes() for path in sorted(corpus.scores.iterdir())} == first
    said = capsys.readouterr().out
    assert "seen" in said and f"next: endocur filter --min-quality 0.4 --corpus {corpus.root}" in said


def test_the_command_repeats_what_extract_wrote(extracted_study: Path, tmp_path: Path) -> None:
    root = tmp_path / "corpus"
    shutil.copytree(extracted_study / "corpus", root)
    first = {path.name: path.read_bytes() for path in sorted((root / "scores").iterdir())}
    shutil.rmtree(root / "scores")
    score_command.run(ScoreConfig(corpus=root, workers=2))
    assert {path.name: path.read_bytes() for path in sorted((root / "scores").iterdir())} == first
    assert len(first) == 3, "two videos and a batch of stills"


def test_scoring_a_damaged_picture_names_the_frame(tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path / "corpus")
    ids = add_unit(corpus, "a", SHARP[:2])
    tar = next(corpus.frames.glob("*.tar"))
    tar.write_bytes(bytes(tar.stat().st_size))
    with pytest.raises(BadInput, match=f"the stored picture {ids[0]} is damaged"):
        score_command.run(ScoreConfig(corpus=corpus.root, workers=1))


def test_a_corpus_without_frames_is_refused_with_the_command_to_type(tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path / "corpus")
    with pytest.raises(BadInput, match=r"holds no frames; extract some first: endocur extract videos/ --corpus"):
        score_command.run(ScoreConfig(corpus=corpus.root))


def test_scores_are_stored_as_float32(tmp_path: Path) -> None:
    write_scores(tmp_path / "x.parquet", [("a", scored(SHARP[0]))])
    types = {field.name: str(field.type) for field in pq.read_schema(tmp_path / "x.parquet")}
    assert types["quality"] == "float" and types["is_blank"] == "bool"
