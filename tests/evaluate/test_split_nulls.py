"""What a test list gives away without a pixel."""

from pathlib import Path

import numpy as np
import pytest
from hand_rows import rows_of
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score, recall_score

from endoeval.report.audit_files import as_json, markdown
from endoeval.report.audit_page import audit_page
from endoeval.splits import audit
from endoeval.splits.constant_box import box_null, scaled
from endoeval.splits.nulls import against_nulls, group_lookup, nearest_in_time, null_rows
from endoeval.splits.rows import Rows
from endoshards.errors import BadOption

NAN = float("nan")


def test_the_group_lookup_is_right_where_the_group_is_in_train_and_says_the_largest_class_elsewhere():
    rows = rows_of(
        [
            ("train", "a1", "polyp", "a", NAN),
            ("train", "b1", "normal", "b", NAN),
            ("train", "b2", "normal", "b", NAN),
            ("test", "a2", "polyp", "a", NAN),
            ("test", "b3", "normal", "b", NAN),
            ("test", "c1", "polyp", "c", NAN),
            ("test", "c2", "normal", "c", NAN),
        ]
    )
    largest, lookup = null_rows(rows)
    assert (largest.name, largest.accuracy, largest.balanced_accuracy) == ("largest class", 0.5, 0.5)
    assert largest.macro_f1 == pytest.approx((2 * 2 / 6 + 0) / 2)
    assert (lookup.name, lookup.accuracy, lookup.rows) == ("group lookup", 0.75, 4)
    assert lookup.note == "2 of 4 test rows whose group is in train"


def test_the_nearest_in_time_sees_what_the_majority_of_the_group_does_not():
    rows = rows_of(
        [
            *[("train", f"v{t}", "out" if t > 100 else "in", "v", t) for t in (0, 10, 20, 110, 120)],
            ("test", "v12", "in", "v", 12),
            ("test", "v113", "out", "v", 113),
            ("test", "v?", "out", "v", NAN),
        ]
    )
    _, lookup, near = null_rows(rows)
    assert lookup.accuracy == pytest.approx(1 / 3)
    assert (near.name, near.accuracy) == ("nearest in time", pytest.approx(2 / 3))
    assert near.note == "2 of 3 test rows with a neighbour of their group in train"


def test_without_groups_or_labels_there_is_less_to_say():
    listed = [("train", "a", "x", None, NAN), ("train", "b", "y", None, NAN), ("test", "c", "x", None, NAN)]
    assert [row.name for row in null_rows(rows_of(listed))] == ["largest class"]
    assert null_rows(rows_of([(split, name, None, None, NAN) for split, name, *_ in listed])) == ()
    assert null_rows(rows_of(listed[:2])) == ()


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 40), st.integers(1, 4), st.integers(1, 6))
def test_both_lookups_do_what_a_loop_does(seed, n, m, k, groups):
    generator = np.random.default_rng(seed)
    labels, group, wanted = (generator.integers(0, top, size) for top, size in ((k, n), (groups, n), (groups, m)))
    times, when = generator.integers(0, 9, n).astype(float), generator.integers(0, 9, m).astype(float)
    times[generator.random(n) < 0.2] = np.nan
    sizes = np.bincount(labels, minlength=k)
    looked = group_lookup(labels, group, wanted, k)
    near = nearest_in_time(labels, group, times, wanted, when)
    for i in range(m):
        inside = group == wanted[i]
        counts = np.bincount(labels[inside], minlength=k)
        best = max(range(k), key=lambda c: (counts[c], sizes[c], -c)) if inside.any() else -1
        assert looked[i] == best
        there = np.flatnonzero(inside & np.isfinite(times))
        if len(there):
            gap = np.abs(times[there] - when[i])
            assert near[i] in set(labels[there[gap == gap.min()]])
        else:
            assert near[i] == -1


@given(st.integers(0, 2**32 - 1), st.integers(2, 60))
def test_the_scores_are_those_of_scikit_learn(seed, n):
    generator = np.random.default_rng(seed)
    words = np.array(["a", "b", "c"])
    listed = [
        (
            "test" if i % 2 else "train",
            f"r{i}",
            words[i if i < 2 else generator.integers(3)],
            f"g{generator.integers(4)}",
            NAN,
        )
        for i in range(n)
    ]
    rows = rows_of(listed)
    made = null_rows(rows)
    train, test = rows.splits == 0, rows.splits == 2
    looked = group_lookup(rows.labels[train], rows.groups[train], rows.groups[test], len(rows.classes))
    largest = np.bincount(rows.labels[train], minlength=len(rows.classes)).argmax()
    predicted = np.where(looked < 0, largest, looked)
    truth = rows.labels[test]
    present = sorted(set(truth.tolist()))
    assert made[1].accuracy == pytest.approx((truth == predicted).mean())
    assert made[1].macro_f1 == pytest.approx(
        f1_score(truth, predicted, labels=present, average="macro", zero_division=0)
    )
    assert made[1].balanced_accuracy == pytest.approx(
        recall_score(truth, predicted, labels=present, average="macro", zero_division=0)
    )


def test_a_published_score_stands_above_or_below_the_best_null_row():
    rows = rows_of([(split, label, label, label, NAN) for split in ("train", "test") for label in ("x", "y")])
    nulls = null_rows(rows)
    assert against_nulls(0.5528, nulls) == (
        "The published 0.5528 is below the group lookup (1.0000): this list cannot show that pixels were used."
    )
    assert "above the largest class (0.5000) by 0.4000." in against_nulls(0.9, nulls[:1])
    assert "equal to" in against_nulls(1.0, nulls)


def test_the_constant_box_finds_every_frame_that_holds_one_and_many_that_do_not():
    here, there, none = [0.4, 0.4, 0.6, 0.6], [0.0, 0.0, 0.1, 0.1], [NAN] * 4
    listed = [("train", "t", None, None, NAN)] * 3 + [("test", f"f{i}", None, None, NAN) for i in (0, 0, 1, 2, 3)]
    made = box_null(rows_of(listed, [here, here, none, here, there, here, there, none]))
    assert (made.frames, made.positives, made.frame_precision) == (4, 3, 0.75)
    assert made.frame_f1 == pytest.approx(2 * 0.75 / 1.75)
    assert made.box == tuple(here)
    # 2 hits among 4 detections (precision 1/2) reach 2 of 4 boxes: recalls 0.00 to 0.50, 51 of 101 points
    assert made.ap50 == pytest.approx(0.5 * 51 / 101)
    assert made.ap == pytest.approx(made.ap50)
    assert made.note == "the box that fits most of 2 boxes of train"


def test_without_boxes_in_train_the_constant_box_is_taken_from_the_test_and_that_is_said():
    made = box_null(rows_of([("test", "f", None, None, NAN)], [[0.1, 0.1, 0.5, 0.5]]))
    assert (made.frame_f1, made.ap50) == (1.0, 1.0)
    assert "the test itself" in made.note
    assert box_null(rows_of([("test", "f", None, None, NAN)], [[NAN] * 4])) is None


@pytest.mark.real
def test_one_constant_box_beats_the_published_detector(shared_data):
    rows = _kumc(shared_data / "splits" / "kumc" / "val2019_boxes.csv")
    made = box_null(rows)
    assert (made.frames, made.positives) == (4254, 4214)
    assert round(100 * made.frame_f1, 2) == 99.53


def _kumc(path: Path) -> Rows:
    lines = [line.split(",") for line in path.read_text("utf-8").split()[1:]]
    boxes = [
        [float(x) / float(size) if x else NAN for x, size in zip(line[3:], (line[2], line[1]) * 2, strict=True)]
        for line in lines
    ]
    return rows_of([("test", line[0], None, None, NAN) for line in lines], boxes)


def test_one_class_gives_no_null_row():
    assert null_rows(rows_of([("train", "a", "polyp", None, NAN), ("test", "b", "polyp", None, NAN)])) == ()


def test_boxes_in_pixels_without_sizes_have_one_edge_in_all_lists():
    boxes = np.array([[50, 50, 100, 100], [NAN] * 4, [50, 50, 100, 100], [300, 300, 400, 200]], dtype=float)
    made, known = scaled(boxes, [2, 2])
    assert not known
    assert made[0].tolist() == made[2].tolist() == [0.125, 0.25, 0.25, 0.5]
    shares = boxes / 500
    assert scaled(shares, [2, 2]) == (shares, True)


@pytest.mark.parametrize("largest", [110, 800])
def test_one_large_box_leaves_the_ap_of_the_others(largest):
    columns = ("file", "xmin", "ymin", "xmax", "ymax", "label")
    train = [(f"a{i}.png", 10, 10, 100, 100, "polyp") for i in range(20)]
    test = [(f"b{i}.png", 10, 10, 100, 100, "polyp") for i in range(20)] + [("c.png", 0, 0, largest, largest, "polyp")]
    lists = ({word: [row[i] for row in rows] for i, word in enumerate(columns)} for rows in (train, test))
    found = audit(*lists)
    assert found.box is not None
    assert found.box.ap50 > 0.9
    assert not found.box.sizes_known
    assert "sizes unknown" in audit_page(found)


UNEVEN = (
    [(f"p{i:02d}_{j * 50}.jpg", "polyp" if i % 4 else "normal") for i in range(16) for j in range(3)],
    [(f"p{i:02d}_{j * 50}.jpg", "polyp" if i % 4 else "normal") for i in range(16, 32) for j in range(3)],
)


@pytest.mark.parametrize(
    ("metric", "said", "best"),
    [
        ("accuracy", "The published 0.6000 is below the largest class (0.7500)", 75.0),
        ("balanced_accuracy", "The published balanced accuracy 0.6000 is above the largest class (0.5000)", 50.0),
        ("macro_f1", "The published macro F1 0.6000 is above the largest class (0.4286)", 42.9),
    ],
)
def test_a_published_score_is_compared_in_its_own_metric(metric, said, best):
    found = audit(*UNEVEN, published=0.6, published_metric=metric)
    assert against_nulls(0.6, found.nulls, metric=metric).startswith(said)
    made = as_json(found)
    assert made["beside_null_rows"].startswith(said)
    assert made["published_metric"] == metric
    words = metric.replace("_", " ").replace("f1", "F1")
    assert f"The published 0.6000 is taken as {words}." in markdown(found)
    page = audit_page(found)
    assert f"taken as {words}" in page
    assert f"{best:.1f}" in page


def test_a_metric_that_is_none_is_refused():
    with pytest.raises(BadOption, match="the published metric is f2; allowed: accuracy, balanced_accuracy, macro_f1"):
        audit(*UNEVEN, published=0.6, published_metric="f2")
