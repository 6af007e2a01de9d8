"""Real labelled sets: what is there, what a rule without a pixel scores, and what published splits hide."""

import csv

import numpy as np
import pytest

from endoeval.benchmarks.folders import find_sets
from endoeval.protocols.nulls import GRID, mean_mask
from endoeval.splits import official
from endoeval.statistics import interval
from endoeval.task import prepare
from endoshards.errors import BadInput

pytestmark = pytest.mark.real


@pytest.mark.parametrize(
    ("name", "task", "samples", "groups"),
    [
        ("cls_wce", "classes", 140, 88),
        ("cls_bbps", "classes", 20, 19),
        ("seg_cvc", "masks", 138, 13),
        ("seg_kvasir", "masks", 100, 98),
        ("seg_bkai", "masks", 105, 91),
    ],
)
def test_counts_are_those_of_the_readme(shared_data, name, task, samples, groups):
    (data,) = find_sets(shared_data, (name,), None)
    assert (data.task, len(data.samples), len(set(data.groups))) == (task, samples, groups)


@pytest.mark.parametrize(("name", "dice"), [("seg_cvc", 0.27), ("seg_kvasir", 0.38)])
def test_the_mean_mask_scores_what_others_measured(shared_data, name, dice):
    (data,) = find_sets(shared_data, (name,), None)
    task = prepare(data, 5, 0)
    predictions = task.mask_predictions(mean_mask(task.truth_on((GRID, GRID)), task.folds))
    got = interval(predictions.statistic("dice"), len(set(predictions.groups)))
    assert got.value == pytest.approx(dice, abs=0.015)
    assert got.low < dice < got.high


def test_palette_masks_hold_a_polyp_each(shared_data):
    (data,) = find_sets(shared_data, ("seg_bkai",), None)
    shares = prepare(data, 5, 0).truth_on((8, 8)).mean(axis=(1, 2))
    assert (shares > 0).all()
    assert 0.01 < shares.mean() < 0.3


def rows(path):
    with path.open(encoding="utf-8-sig", newline="") as handle:
        return list(csv.DictReader(handle))


def test_the_official_halves_of_kvasir_capsule_share_seven_videos_and_are_refused(shared_data):
    groups, splits = [], []
    for half in ("0", "1"):
        for row in rows(shared_data / "splits" / "kvasir_capsule" / f"split_{half}.csv"):
            groups.append(row["filename"].partition("_")[0])
            splits.append(half)
    with pytest.raises(BadInput, match="7 of 43 groups stand in more than one split"):
        official(splits, [0] * len(groups), groups, 0)


def test_endo_fm_s_list_of_cvc_shares_seven_sequences_and_is_refused(shared_data):
    found = {name: rows(shared_data / "splits" / "endofm_cvc" / f"{name}.csv") for name in ("train", "test")}
    groups = [row["sequence"] for name in found for row in found[name]]
    splits = [name for name in found for _ in found[name]]
    with pytest.raises(BadInput, match="7 of 22 groups stand in more than one split"):
        official(splits, np.zeros(len(groups), int).tolist(), groups, 0)
