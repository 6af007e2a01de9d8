"""Judges of frozen features: right on known truth, and blind to the labels they are scored on."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import check_grad
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from endoeval.metrics.masks import dice, overlap
from endoeval.protocols.knn import NEIGHBOURS, TEMPERATURE, knn
from endoeval.protocols.logistic import PATH, logistic
from endoeval.protocols.nulls import majority, mean_mask
from endoeval.protocols.outcome import UNSCORED, LabelledVectors
from endoeval.protocols.segmentation import STEPS, STRETCH, _loss, _stretch, coarse_truth, segmentation
from endoeval.protocols.thresholds import THRESHOLDS, best_threshold, dice_at
from endoeval.splits import Fold, cross_validation, official

JUDGES = {"knn": knn, "logistic": logistic}


def blobs(count=60, classes=3, dim=6, spread=0.3, seed=0):
    """Classes around centres of their own; groups of three neighbours in the list."""
    generator = np.random.default_rng(seed)
    labels = np.arange(count) // 3 % classes
    centres = generator.normal(size=(classes, dim)) * 2
    values = (centres[labels] + generator.normal(size=(count, dim)) * spread).astype(np.float32)
    return LabelledVectors(values, labels, np.arange(count) // 3, classes)


def split_in_half(data):
    words = ["train" if group % 2 else "test" for group in data.groups // 3]
    return official(words, data.labels.tolist(), [str(g) for g in data.groups], 0)


@pytest.mark.parametrize("judge", JUDGES.values(), ids=JUDGES)
class TestBothClassJudges:
    def test_separate_classes_are_told_apart(self, judge):
        data = blobs()
        folds = cross_validation(data.labels.tolist(), [str(g) for g in data.groups], 5, 0)
        got = judge(data, folds)
        assert (got.predicted == data.labels).all()
        assert got.scored.tolist() == list(range(60))
        assert got.scores.sum(axis=1) == pytest.approx(np.ones(60))

    def test_noise_is_not(self, judge):
        data = blobs(count=300, classes=2)
        noise = np.random.default_rng(1).normal(size=data.values.shape).astype(np.float32)
        folds = cross_validation(data.labels.tolist(), [str(g) for g in data.groups], 5, 0)
        got = judge(LabelledVectors(noise, data.labels, data.groups, 2), folds)
        assert 0.4 < (got.predicted == data.labels).mean() < 0.6

    def test_the_labels_it_is_scored_on_change_nothing(self, judge):
        data = blobs(spread=3.0)
        folds = split_in_half(data)
        test = folds[0].test
        first = judge(data, folds)
        altered = data.labels.copy()
        altered[test] = (altered[test] + 1) % 3
        second = judge(LabelledVectors(data.values, altered, data.groups, 3), folds)
        assert (first.predicted == second.predicted).all()
        assert first.chosen == second.chosen

    def test_samples_of_the_training_part_stay_unscored(self, judge):
        data = blobs()
        folds = split_in_half(data)
        got = judge(data, folds)
        train = folds[0].train
        assert (got.predicted[train] == UNSCORED).all()
        assert np.isnan(got.scores[train]).all()
        assert got.scored.tolist() == sorted(folds[0].test)

    def test_a_class_missing_from_a_training_part_is_never_predicted_there(self, judge):
        data = blobs()
        test = np.flatnonzero((data.labels == 2) | (data.groups % 5 == 0))
        train = np.setdiff1d(np.arange(60), test)
        got = judge(data, (Fold(train, test, ()),))
        assert set(got.predicted[test]) <= {0, 1}
        assert (got.scores[test][:, 2] == 0).all()

    def test_a_training_part_of_one_class_gives_that_class(self, judge):
        data = blobs()
        train = np.flatnonzero(data.labels == 1)
        test = np.setdiff1d(np.arange(60), train)
        got = judge(data, (Fold(train, test, ()),))
        assert (got.predicted[test] == 1).all()


class TestKnn:
    def test_votes_worked_by_hand(self):
        # Centred training vectors are (1, 0), (0, 1), (-1, -1) + a constant; no choice to make: k is 1.
        values = np.array([[2, 1], [1, 2], [0, 0], [1.9, 1.1]], np.float32)
        data = LabelledVectors(values, np.array([0, 1, 1, 0]), np.arange(4), 2)
        got = knn(data, (Fold(np.arange(3), np.array([3]), ()),))
        assert got.predicted[3] == 0
        assert got.scores[3].tolist() == [1.0, 0.0]
        assert got.chosen == ({"k": 1.0},)

    def test_weights_fall_with_the_angle_as_the_temperature_says(self):
        from endoeval.protocols.knn import _votes

        angles = np.array([0.2, 0.5, np.pi + 0.2, np.pi + 0.5])
        known = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        values = np.concatenate([known, [[1.0, 0.0]]]).astype(np.float32)
        data = LabelledVectors(values, np.array([0, 1, 0, 1, 0]), np.arange(5), 2)
        votes = _votes(data, np.arange(4), np.array([4]), (2,))[0, 0]
        weight = np.exp(np.cos([0.2, 0.5]) / TEMPERATURE)
        assert votes == pytest.approx(weight / weight.sum(), rel=1e-4)

    def test_no_neighbour_of_the_query_s_own_group_ever_votes(self):
        values = np.array([[1, 0], [1, 0.01], [0, 1], [0, 1.01]], np.float32)
        data = LabelledVectors(values, np.array([0, 0, 1, 1]), np.array([0, 0, 1, 1]), 2)
        got = knn(data, (Fold(np.arange(1, 4), np.array([0]), ()),))
        assert got.predicted[0] == 1

    def test_k_is_a_candidate_of_at_most_half_of_the_smallest_inner_part(self):
        data = blobs(count=60)
        folds = cross_validation(data.labels.tolist(), [str(g) for g in data.groups], 5, 0)
        for fold, chosen in zip(folds, knn(data, folds).chosen, strict=True):
            assert chosen["k"] in NEIGHBOURS
            assert chosen["k"] <= min(len(fit) for fit, _ in fold.inner) // 2


class TestLogistic:
    @pytest.mark.parametrize("dim", [6, 90])
    def test_it_is_scikit_learn_s_on_standardised_vectors(self, dim):
        """Also where the vectors are longer than the training part is large, and are turned into its span."""
        data = blobs(spread=2.0, dim=dim)
        folds = split_in_half(data)
        got = logistic(data, folds)
        c = got.chosen[0]["C"]
        library = make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=5000, tol=1e-9))
        library.fit(data.values[folds[0].train].astype(float), data.labels[folds[0].train])
        wanted = library.predict_proba(data.values[folds[0].test].astype(float))
        assert got.scores[folds[0].test] == pytest.approx(wanted, abs=2e-3)
        assert c in PATH

    def test_the_scale_of_a_feature_does_not_matter(self):
        data = blobs(spread=2.0)
        scaled = LabelledVectors(data.values * np.float32([1, 100, 1, 1, 0.01, 1]), data.labels, data.groups, 3)
        folds = split_in_half(data)
        assert logistic(scaled, folds).scores == pytest.approx(logistic(data, folds).scores, abs=1e-4, nan_ok=True)


def discs(count=24, side=32, seed=0):
    """Masks of discs, and patch tokens (8 px) of which one channel holds the share of the disc in the patch."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[0:side, 0:side]
    masks = []
    for _ in range(count):
        cy, cx = generator.integers(8, side - 8, 2)
        masks.append((y - cy) ** 2 + (x - cx) ** 2 <= 49)
    tokens = generator.normal(size=(count, 4, 4, 5))
    tokens[..., 2] = coarse_truth(masks, (4, 4)) * 3 + generator.normal(size=(count, 4, 4)) * 0.05
    groups = [f"p{i // 2}" for i in range(count)]
    return masks, tokens.astype(np.float16), groups


def scored(outcome, masks):
    counts = []
    for mask, map_, threshold in zip(masks, outcome.maps, outcome.thresholds, strict=True):
        counts.append(overlap(cv2.resize(map_, mask.shape[::-1]) >= threshold, mask))
    return dice(*np.array(counts).T)


class TestSegmentation:
    def test_a_channel_that_holds_the_mask_is_found(self):
        masks, tokens, groups = discs()
        folds = cross_validation([0] * 24, groups, 4, 0)
        truth = coarse_truth(masks, (4 * STRETCH, 4 * STRETCH))
        got = segmentation(tokens, truth, folds)
        null = mean_mask(coarse_truth(masks, (64, 64)), folds)
        assert scored(got, masks).mean() > 0.8
        assert scored(null, masks).mean() < 0.6
        assert all(chosen["steps"] in STEPS and chosen["threshold"] in THRESHOLDS for chosen in got.chosen)

    def test_it_is_the_same_each_time_and_blind_to_the_masks_it_is_scored_on(self):
        masks, tokens, groups = discs()
        words = ["test" if i < 8 else "train" for i in range(24)]
        folds = official(words, [0] * 24, groups, 0)
        truth = coarse_truth(masks, (16, 16))
        first = segmentation(tokens, truth, folds)
        truth[:8] = 1.0 - truth[:8]
        second = segmentation(tokens, truth, folds)
        assert (first.maps == second.maps).all()
        assert first.chosen == second.chosen

    def test_the_slope_of_the_loss_is_its_derivative(self):
        generator = np.random.default_rng(0)
        goal = generator.random((2, 3, 4)).round(1)
        goal[1] = 0.0
        error = check_grad(
            lambda x: _loss(x.reshape(2, 3, 4), goal)[0],
            lambda x: _loss(x.reshape(2, 3, 4), goal)[1].reshape(-1),
            generator.normal(size=24),
        )
        assert error < 1e-6

    @pytest.mark.parametrize("cells", [1, 2, 7, 14])
    def test_stretching_is_bilinear_with_half_pixel_centres(self, cells):
        values = np.random.default_rng(cells).normal(size=(cells, cells))
        matrix = _stretch(cells)
        library = cv2.resize(values, (cells * STRETCH, cells * STRETCH), interpolation=cv2.INTER_LINEAR)
        assert matrix @ values @ matrix.T == pytest.approx(library, abs=1e-5)

    def test_a_constant_channel_and_empty_masks_do_no_harm(self):
        _, tokens, groups = discs(count=6)
        tokens[..., 0] = 1
        folds = cross_validation([0] * 6, groups, 3, 0)
        got = segmentation(tokens, np.zeros((6, 16, 16), np.float32), folds)
        assert np.isfinite(got.maps).all()
        assert (got.maps < got.thresholds[:, None, None]).all()


class TestThresholds:
    def test_the_best_cut_worked_by_hand(self):
        shares = np.array([[[0.2, 0.4, 0.6, 0.9]]])
        truth = np.array([[[False, False, True, True]]])
        assert dice_at(shares, truth, 0.5) == 1.0
        assert best_threshold(shares, truth) == 0.45

    @given(st.integers(0, 99))
    @settings(max_examples=20)
    def test_no_other_candidate_is_better(self, seed):
        generator = np.random.default_rng(seed)
        shares, truth = generator.random((3, 4, 4)), generator.random((3, 4, 4)) > 0.6
        best = best_threshold(shares, truth)
        assert all(dice_at(shares, truth, best) >= dice_at(shares, truth, other) for other in THRESHOLDS)


class TestNulls:
    def test_the_majority_is_the_best_constant_answer_over_the_scored_samples(self):
        labels = np.array([0, 0, 0, 1, 1, 1, 1])
        folds = (
            Fold(np.array([0, 1, 2, 3]), np.array([4, 5, 6]), ()),
            Fold(np.array([2, 4, 5, 6]), np.array([0, 1]), ()),
        )
        got = majority(labels, folds, 2)
        assert got.predicted.tolist() == [1, 1, -1, -1, 1, 1, 1]
        assert got.scores[4].tolist() == [0.4, 0.6]
        assert got.chosen == ({"class": 1.0}, {"class": 1.0})

    def test_a_balanced_set_of_one_class_groups_does_not_push_the_majority_to_zero(self):
        """Left out by turns, each group would make the other class the training part's majority."""
        labels = np.repeat([0, 1] * 4, 3)
        groups = [f"g{i // 3}" for i in range(24)]
        for count in (5, 8):
            got = majority(labels, cross_validation(labels.tolist(), groups, count, 0), 2)
            assert (got.predicted == 0).all()

    def test_the_mean_mask_is_that_of_the_training_part_cut_where_it_fits_it_best(self):
        truth = np.zeros((3, 2, 2), np.float32)
        truth[0, 0, 0] = truth[1, 0, 0] = truth[1, 0, 1] = 1
        got = mean_mask(truth, (Fold(np.array([0, 1]), np.array([2]), ()),))
        assert got.maps[2].tolist() == [[1.0, 0.5], [0.0, 0.0]]
        # Cut at 0.05 to 0.5: Dice 2/3 and 1; above: 1 and 2/3. Equal, so the lowest candidate.
        assert got.thresholds[2] == 0.05
