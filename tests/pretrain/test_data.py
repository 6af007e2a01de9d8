"""What a training reads: crops of image and mask alike, and groups that are never trained on."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pytest
import simplejpeg
from drawn_shards import write_shards
from hypothesis import given, settings
from hypothesis import strategies as st

from endomae.train.feed import open_data
from endomae.train.held_out import TrainingPart, group_column, split_by_group
from endomae.train.images import WHOLE, Box, Crops, choose_box, decode_image, fixed_views, keyed_draws, layout, put
from endoshards.errors import BadInput
from endoshards.index import Sample, open_set
from endoshards.stream import Bad, Stream


def jpeg(image: np.ndarray) -> bytes:
    return simplejpeg.encode_jpeg(np.ascontiguousarray(image), 95, "RGB", "444")


def png(mask: np.ndarray) -> bytes:
    return cv2.imencode(".png", mask)[1].tobytes()


def rows(size: int = 32, draws: int = 4, masks: bool = True) -> dict[str, np.ndarray]:
    return {name: np.zeros(shape, kind) for name, (shape, kind) in layout(size, draws, masks).items()}


# --- crops -----------------------------------------------------------------------------------------------------


@given(seed=st.integers(0, 10_000), height=st.integers(16, 400), width=st.integers(16, 400))
@settings(max_examples=50)
def test_a_crop_lies_inside_the_frame_and_takes_its_share(seed: int, height: int, width: int) -> None:
    box = choose_box(height, width, (0.2, 1.0), np.random.default_rng(seed), None)
    assert box.top >= 0 and box.left >= 0
    assert box.top + box.height <= 1 + 1e-9 and box.left + box.width <= 1 + 1e-9
    assert 0.12 <= box.height * box.width <= 1 + 1e-9


def test_the_crops_share_of_the_frame_is_uniform_between_its_limits() -> None:
    generator = np.random.default_rng(0)
    boxes = [choose_box(300, 300, (0.2, 0.6), generator, None) for _ in range(3000)]
    areas = np.array([box.height * box.width for box in boxes])
    assert abs(areas.mean() - 0.4) < 0.01
    assert abs(areas.std() - 0.4 / np.sqrt(12)) < 0.01


def test_a_crop_with_less_than_half_tissue_is_drawn_again() -> None:
    tissue = np.zeros((200, 200), np.uint8)
    tissue[:, :60] = 255
    generator = np.random.default_rng(1)
    boxes = [choose_box(200, 200, (0.05, 0.2), generator, tissue) for _ in range(200)]
    shares = np.array([box.of(tissue).mean() / 255 for box in boxes])
    plain = np.array([choose_box(200, 200, (0.05, 0.2), generator, None).of(tissue).mean() / 255 for _ in range(200)])
    assert (shares >= 0.5).mean() > 0.8 > 0.4 > (plain >= 0.5).mean()


def test_image_and_mask_are_cropped_and_flipped_alike() -> None:
    mask = np.zeros((96, 128), np.uint8)
    mask[20:80, 30:70] = 255
    image = np.repeat(mask[..., None], 3, axis=2)
    sample = Sample("a-000000000000", {"jpg": jpeg(image), "mask.png": png(mask)})
    for seed in range(12):
        out = rows()
        Crops(32, (0.2, 1.0), 4)(sample, np.random.default_rng(seed), out)
        assert set(np.unique(out["tissue"])) <= {0, 1}
        grey = out["image"][..., 1].astype(int)
        clear = np.abs(grey - 127) > 100
        assert ((grey > 127) == (out["tissue"] == 1))[clear].all()
        assert out["tissue"].mean() > 0.3


def test_one_position_gives_one_crop_and_another_another() -> None:
    image = np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    sample = Sample("a-000000000000", {"jpg": jpeg(image)})
    first, again, other = (rows(masks=False) for _ in range(3))
    for seed, out in ((5, first), (5, again), (6, other)):
        Crops(32, (0.2, 1.0), 4)(sample, np.random.default_rng(seed), out)
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["image"], other["image"])
    assert not np.array_equal(first["draws"], other["draws"])


def test_decoding_at_a_smaller_scale_leaves_the_crop_no_smaller_than_wanted() -> None:
    sample = Sample("a-000000000000", {"jpg": jpeg(np.zeros((640, 800, 3), np.uint8))})
    assert decode_image(sample, WHOLE, 100).shape == (160, 200, 3)
    quarter = Box(0.2, 0.2, 0.25, 0.25)
    assert min(quarter.of(decode_image(sample, quarter, 100)).shape[:2]) >= 100
    assert decode_image(sample, quarter, 400).shape == (640, 800, 3)


def test_scaling_down_is_by_area_and_scaling_up_keeps_the_mean() -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    out = np.zeros((16, 16, 3), np.uint8)
    put(image, WHOLE, False, out)
    assert np.abs(out.astype(float) - image.reshape(16, 4, 16, 4, 3).mean(axis=(1, 3))).max() <= 0.51
    flipped = np.zeros_like(out)
    put(image, WHOLE, True, flipped)
    assert np.array_equal(flipped, out[:, ::-1])
    large = np.zeros((128, 128, 3), np.uint8)
    put(image, WHOLE, False, large)
    assert abs(float(large.mean()) - float(image.mean())) < 2


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"jpg": b"no picture", "mask.png": png(np.full((9, 9), 255, np.uint8))}, ""),
        ({"jpg": jpeg(np.zeros((40, 40, 3), np.uint8)), "mask.png": b""}, "the mask of a-1 is None"),
        ({"jpg": jpeg(np.zeros((40, 40, 3), np.uint8)), "mask.png": png(np.ones((9, 9), np.uint8))}, "(9, 9)"),
        ({"jpg": jpeg(np.zeros((40, 40, 3), np.uint8)), "mask.png": png(np.zeros((40, 40), np.uint8))}, "no tissue"),
    ],
)
def test_a_sample_that_cannot_be_learned_from_is_a_value_error(members: dict[str, bytes], reason: str) -> None:
    with pytest.raises(ValueError) as error:
        Crops(32, (0.2, 1.0), 4)(Sample("a-1", members), np.random.default_rng(0), rows())
    assert reason in str(error.value)


# --- held-out groups -------------------------------------------------------------------------------------------


@given(sizes=st.lists(st.integers(1, 30), min_size=1, max_size=40), share=st.sampled_from([0.0, 0.05, 0.2]))
@settings(max_examples=50)
def test_no_group_is_on_both_sides_and_most_samples_are_trained_on(sizes: list[int], share: float) -> None:
    groups = [f"group{number}" for number, size in enumerate(sizes) for _ in range(size)]
    split = split_by_group(groups, share)
    trained = {groups[row] for row in split.trained}
    held = {groups[row] for row in split.held_out}
    assert not trained & held
    assert sorted([*split.trained, *split.held_out]) == list(range(len(groups)))
    assert len(split.held_out) <= max(2 * share, 1 / 3) * len(groups)
    assert len(trained) >= 1
    if share == 0.0 or len(sizes) == 1:
        assert not held


def test_about_the_wanted_share_is_held_out_of_many_groups_and_the_order_of_samples_is_no_matter() -> None:
    groups = [f"g{number % 400}" for number in range(4000)]
    split = split_by_group(groups, 0.05)
    assert 200 <= len(split.held_out) <= 220
    shuffled = list(np.random.default_rng(0).permutation(groups))
    again = split_by_group(shuffled, 0.05)
    assert {groups[row] for row in split.held_out} == {shuffled[row] for row in again.held_out}


def test_of_three_groups_the_smallest_is_held_out_and_of_two_none() -> None:
    assert split_by_group(["a"] * 10 + ["b"] * 9 + ["c"] * 8, 0.05).held_out.tolist() == list(range(19, 27))
    assert split_by_group(["a"] * 10 + ["b"] * 9, 0.05).held_out.tolist() == []


def test_without_a_group_column_the_source_in_the_key_is_the_group() -> None:
    assert group_column(pa.table({"key": ["ab-000000000001", "ab-000000000002", "cd-000000000001", "plain"]})) == [
        "ab",
        "ab",
        "cd",
        "plain",
    ]
    assert group_column(pa.table({"key": ["x"], "source_id": ["s"], "group_id": ["g"]})) == ["g"]


def test_the_stream_of_a_part_gives_every_trained_sample_once_an_epoch_and_no_other(shards: Path) -> None:
    whole = open_set(shards)
    split = split_by_group(group_column(whole.samples()), 0.1)
    part = TrainingPart(whole, split.trained)
    assert part.total == len(split.trained) < whole.total
    assert part.order_fingerprint != whole.order_fingerprint
    all_keys = whole.samples()["key"].to_pylist()
    wanted = sorted(all_keys[row] for row in split.trained)
    assert sorted(key for shard in range(len(part.shards)) for key in part.keys(shard)) == wanted
    with Stream(
        part,
        Crops(16, (0.2, 1.0), 1),
        out=layout(16, 1, True),
        batch=part.total,
        seed=3,
        extensions=("jpg", "mask.png"),
        threads=1,
    ) as stream:
        assert sorted(next(stream).keys) == wanted
        assert sorted(next(stream).keys) == wanted
        assert not stream.bad


def test_fixed_views_are_whole_frames_with_numbers_from_their_keys(shards: Path) -> None:
    whole = open_set(shards)
    bad: list[Bad] = []
    views = fixed_views(whole, np.array([3, 0]), 32, 5, bad)
    assert not bad
    keys = whole.samples()["key"].to_pylist()
    assert views["image"].shape == (2, 32, 32, 3)
    assert set(np.unique(views["tissue"])) <= {0, 1}
    assert np.array_equal(views["draws"][0], keyed_draws(keys[3], 5))
    assert not np.array_equal(views["draws"][0], views["draws"][1])


def test_shards_without_pictures_are_refused(tmp_path: Path) -> None:
    from endoshards.writer import write_set

    folder = tmp_path / "texts"
    write_set(folder, ["a-1"], lambda key: {"txt": b"x"}, name="t", shard_bytes=10_000, fingerprint="0" * 16)
    with pytest.raises(BadInput, match=r"have \.txt; pretraining reads \.jpg"):
        open_data(folder, 0.05)


def test_a_set_without_masks_is_read_as_whole_frames(tmp_path: Path) -> None:
    data = open_data(write_shards(tmp_path / "plain", samples=6, groups=6, masks=False), 0.0)
    assert data.extensions == ("jpg",)
    assert not data.has_masks
    assert data.facts()["trained_samples"] == 6
