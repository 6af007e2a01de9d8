"""Metrics: worked by hand, and equal to scikit-learn and torchmetrics."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn import metrics as sk

from endoeval.metrics.classes import accuracy, balanced_accuracy, confusions, macro_f1
from endoeval.metrics.masks import dice, iou, overlap

LABELS = arrays(np.int64, st.integers(1, 40), elements=st.integers(0, 4))


def one(labels, predicted, k=5):
    return confusions(labels, predicted, np.zeros(len(labels), np.int64), k)[0]


@given(labels=LABELS, seed=st.integers(0, 99))
def test_macro_f1_accuracy_and_recall_equal_scikit_learn_over_the_classes_in_the_labels(labels, seed):
    predicted = np.random.default_rng(seed).integers(0, 5, len(labels))
    got = one(labels, predicted)
    present = np.unique(labels)
    assert macro_f1(got) == pytest.approx(
        sk.f1_score(labels, predicted, labels=present, average="macro", zero_division=0)
    )
    assert accuracy(got) == pytest.approx(sk.accuracy_score(labels, predicted))
    assert balanced_accuracy(got) == pytest.approx(
        sk.recall_score(labels, predicted, labels=present, average="macro", zero_division=0)
    )


def test_a_class_that_is_only_predicted_does_not_enter_macro_f1():
    # Class 0: 2 of 2 right; class 1: none of one, called 2. Mean of 1 and 0, not of 1, 0 and 0.
    assert macro_f1(one(np.array([0, 0, 1]), np.array([0, 0, 2]))) == 0.5


def test_confusions_of_groups_add_up_and_metrics_take_a_stack_of_them():
    labels, predicted = np.array([0, 1, 1, 2]), np.array([0, 1, 2, 2])
    stack = confusions(labels, predicted, np.array([0, 0, 1, 1]), 3)
    assert (stack.sum(axis=0) == one(labels, predicted, 3)).all()
    assert accuracy(stack) == pytest.approx([1.0, 0.5])


@given(
    truth=arrays(np.bool_, (6, 7)),
    predicted=arrays(np.bool_, (6, 7)),
)
def test_dice_and_iou_equal_the_libraries(truth, predicted):
    both, claimed, true = map(np.asarray, overlap(predicted, truth))
    got_dice, got_iou = dice(both, claimed, true), iou(both, claimed, true)
    if truth.any() or predicted.any():
        assert got_dice == pytest.approx(sk.f1_score(truth.ravel(), predicted.ravel(), zero_division=0))
        assert got_iou == pytest.approx(sk.jaccard_score(truth.ravel(), predicted.ravel(), zero_division=0))
    assert got_iou == pytest.approx(got_dice / (2 - got_dice))


def test_dice_equals_torchmetrics_on_a_batch():
    from endoeval.encoders.timm_import import prepare_torchvision

    prepare_torchvision()
    import torch
    from torchmetrics.segmentation import DiceScore

    generator = np.random.default_rng(0)
    truth, predicted = generator.random((2, 5, 16, 16)) > 0.5
    counts = np.array([overlap(p, t) for p, t in zip(predicted, truth, strict=True)]).T
    library = DiceScore(num_classes=2, include_background=False, aggregation_level="samplewise", input_format="index")
    library.update(torch.from_numpy(predicted).long(), torch.from_numpy(truth).long())
    assert dice(*counts).mean() == pytest.approx(float(library.compute()), abs=1e-6)


def test_both_empty_scores_one_and_one_empty_scores_zero():
    empty, full = np.zeros((4, 4), bool), np.ones((4, 4), bool)
    for predicted, truth, wanted in ((empty, empty, 1.0), (full, empty, 0.0), (empty, full, 0.0), (full, full, 1.0)):
        counts = map(np.asarray, overlap(predicted, truth))
        assert dice(*counts) == wanted


def test_masks_of_unequal_shape_are_refused():
    with pytest.raises(ValueError, match=r"\(2, 3\), truth \(3, 2\)"):
        overlap(np.zeros((2, 3), bool), np.zeros((3, 2), bool))
