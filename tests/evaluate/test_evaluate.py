"""The road from encoders and labelled sets to a table."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from endoeval import encoders, rows
from endoeval.encoders import Contract, Features
from endoeval.encoders.network import random_like
from endoeval.evaluate import run_eval
from endoeval.report.words import describe, report_line
from endoeval.results import Request
from endoshards.errors import BadInput
from endoshards.files import Lock


class Fake:
    """An encoder made for a test: `features(images) -> (cls [B, D], patches or None)`."""

    def __init__(self, name, dim, features, patch=8):
        self.name, self.encoder_id = name, f"{name}-00000000"
        self.contract = Contract(size=32, dim=dim, patch=patch, pooling="cls")
        self.features = features

    def encode(self, images, tissue=None):
        return Features(*self.features(images))


def colour(images):
    """Mean colour, whole and by a 6 x 6 grid: it sees what the drawn sets differ in."""
    size = images.shape[2] // 6 * 6, images.shape[3] // 6 * 6
    grid = images[:, :, : size[0], : size[1]].reshape(len(images), 3, 6, size[0] // 6, 6, size[1] // 6)
    patches = grid.mean(axis=(3, 5)).transpose(0, 2, 3, 1).astype(np.float32)
    return patches.mean(axis=(1, 2)), patches


def constant(images):
    return np.ones((len(images), 4), np.float32), np.ones((len(images), 4, 4, 4), np.float32)


FAKES = {
    "fake:colour": lambda: Fake("colour", 3, colour),
    "fake:constant": lambda: Fake("constant", 4, constant),
    "fake:blind": lambda: Fake("blind", 3, lambda images: (colour(images)[0], None), patch=None),
}


@pytest.fixture
def fakes(monkeypatch):
    real = encoders.load
    monkeypatch.setattr(
        encoders, "load", lambda spec, device="auto": FAKES[spec]() if spec in FAKES else real(spec, device)
    )


@pytest.fixture
def request_(tmp_path, draw_classes, draw_masks):
    draw_classes(tmp_path / "data" / "drawn_classes", groups=8)
    draw_masks(tmp_path / "data" / "drawn_masks", groups=8)
    return Request(encoders=(), data_root=tmp_path / "data", out=tmp_path / "results" / "x", device="cpu")


def files(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class TestTable:
    def test_a_trained_encoder_stands_beside_its_random_twin_and_the_blind_row(self, request_, tmp_path, export):
        results = run_eval(replace(request_, encoders=(str(export(tmp_path / "run-1" / "export")),), random_seeds=2))
        found = [(row.set, row.protocol, row.role) for row in results.rows]
        assert found == [
            ("drawn_classes", "majority", "null"),
            *[
                ("drawn_classes", protocol, role)
                for protocol in ("knn", "logistic")
                for role in ("encoder", *["random"] * 2)
            ],
            ("drawn_masks", "mean_mask", "null"),
            *[("drawn_masks", "segmentation", role) for role in ("encoder", "random", "random")],
        ]
        assert results.computed == len(results.rows)
        for comparison in results.comparisons:
            assert len(comparison.nulls) == 3
            assert comparison.best.headline["value"] == max(row.headline["value"] for row in comparison.nulls)
            assert comparison.row.name == "run-1"

    def test_every_listed_sample_is_scored_once_and_named_by_its_relative_path(self, request_, fakes):
        results = run_eval(replace(request_, encoders=("fake:colour",)))
        for row in results.rows:
            listed = sorted(
                path.relative_to(request_.data_root / row.set / ("images" if "masks" in row.set else "")).as_posix()
                for path in (request_.data_root / row.set).rglob("*.jpg")
            )
            lines = list(csv.DictReader(row.path.with_suffix(".csv").open()))
            assert sorted(line["file"] for line in lines) == listed
            assert row.value["scored"] == {"samples": len(listed), "groups": 8}

    def test_what_sees_the_difference_separates_and_what_does_not_shows_no_signal(self, request_, fakes):
        results = run_eval(replace(request_, encoders=("fake:colour", "fake:constant")))
        verdicts = {(c.row.name, c.row.protocol): c for c in results.comparisons}
        for protocol in ("knn", "logistic", "segmentation"):
            assert verdicts["colour", protocol].separates
            assert verdicts["colour", protocol].row.value["no_signal"] == ""
            assert verdicts["colour", protocol].row.headline["value"] > 0.7
            assert not verdicts["constant", protocol].separates
        assert verdicts["constant", "logistic"].row.value["no_signal"] == "every prediction is normal"
        assert "no signal: every prediction is normal" in report_line(verdicts["constant", "logistic"])

    def test_the_p_of_a_family_is_adjusted_for_its_size(self, request_, fakes):
        results = run_eval(replace(request_, encoders=("fake:colour", "fake:constant")))
        family = [c for c in results.comparisons if c.row.protocol == "segmentation"]
        assert len(family) == 2
        smallest = min(family, key=lambda c: c.difference.p)
        assert smallest.p_holm == pytest.approx(min(1.0, 2 * smallest.difference.p))

    def test_the_report_line_has_value_interval_counts_nulls_difference_and_verdict(self, request_, fakes):
        results = run_eval(replace(request_, encoders=("fake:colour",), sets=("drawn_masks",)))
        number = r"[+-]?\d\.\d\d+"
        interval = rf"\[{number}, {number}\]"
        assert re.fullmatch(
            rf"{number} {interval} \(8 groups, 16 images, seed 0; mean mask {number} {interval}; "
            rf"Δ to mean mask {number} {interval}, p (< )?0\.\d\d\d; pool: not checked; above mean mask\)",
            report_line(results.comparisons[0]),
        )

    def test_an_encoder_without_patches_skips_masks_and_says_so(self, request_, fakes):
        results = run_eval(replace(request_, encoders=("fake:blind",)))
        assert [(skip.set, skip.reason) for skip in results.skipped] == [
            ("drawn_masks", "the encoder has no patch tokens")
        ]
        assert describe(results)[-1] == "drawn_masks · segmentation · blind: skipped, the encoder has no patch tokens"
        assert {row.protocol for row in results.rows} == {"majority", "knn", "logistic", "mean_mask"}

    def test_only_the_asked_protocols_and_sets(self, request_, fakes):
        results = run_eval(replace(request_, encoders=("fake:colour",), protocols=("knn",), sets=("drawn_classes",)))
        assert [row.protocol for row in results.rows] == ["majority", "knn"]

    def test_the_same_encoder_twice_is_one(self, request_, fakes):
        results = run_eval(replace(request_, encoders=("fake:colour", "fake:colour"), protocols=("knn",)))
        assert len(results.comparisons) == 1

    def test_random_weights_that_are_a_twin_and_asked_for_by_name_are_judged_too(
        self, request_, tmp_path, export, monkeypatch
    ):
        folder = export(tmp_path / "run-1" / "export")
        twin = random_like(encoders.load(str(folder), "cpu"), 0)
        real = encoders.load
        monkeypatch.setattr(
            encoders, "load", lambda spec, device="auto": twin if spec == "twin" else real(spec, device)
        )
        results = run_eval(replace(request_, encoders=(str(folder), "twin"), protocols=("knn",)))
        assert [comparison.row.name for comparison in results.comparisons] == ["run-1", twin.name]
        assert [len(comparison.nulls) for comparison in results.comparisons] == [2, 1]

    def test_five_groups_carry_no_interval_and_separate_nothing(self, tmp_path, draw_masks, fakes):
        draw_masks(tmp_path / "data" / "few", groups=5)
        results = run_eval(
            Request(encoders=("fake:colour",), data_root=tmp_path / "data", out=tmp_path / "out", device="cpu")
        )
        (comparison,) = results.comparisons
        assert comparison.row.headline["low"] is None
        assert not comparison.separates
        assert "[no interval]" in report_line(comparison)

    def test_fewer_than_six_groups_are_listed_with_their_own_results(self, tmp_path, draw_masks, fakes):
        draw_masks(tmp_path / "data" / "few", groups=3)
        results = run_eval(
            Request(encoders=("fake:colour",), data_root=tmp_path / "data", out=tmp_path / "out", device="cpu")
        )
        (comparison,) = results.comparisons
        row = comparison.row
        dice = row.predictions().dice()
        wanted = {f"patient{i}": round(float(dice[2 * i : 2 * i + 2].mean()), 6) for i in range(3)}
        assert row.value["by_group"] == pytest.approx(wanted, abs=2e-6)
        line = "by group, too few for an interval: " + ", ".join(f"{name} {x:.2f}" for name, x in wanted.items())
        assert f"  {line}" in describe(results)
        assert line in results.table.read_text()
        assert line in results.report.read_text()

    def test_from_six_groups_on_they_are_not_listed(self, request_, fakes):
        results = run_eval(replace(request_, encoders=("fake:colour",), protocols=("knn",)))
        assert {str(row.value["by_group"]) for row in results.rows} == {"None"}
        assert "by group, too few" not in results.table.read_text()

    def test_more_folds_than_groups_are_noted(self, request_, fakes):
        asked = replace(request_, encoders=("fake:colour",), protocols=("knn",), sets=("drawn_classes",))
        note = "100 folds were asked for; there are 8 groups, so 8 folds were laid, one group each."
        results = run_eval(replace(asked, folds=100))
        assert f"drawn_classes: {note}" in describe(results)
        assert note in results.table.read_text()
        assert "folds were asked for" not in "\n".join(describe(run_eval(replace(asked, folds=8))))

    def test_on_a_balanced_set_of_one_class_groups_the_blind_row_is_a_constant_answer(
        self, tmp_path, draw_classes, fakes
    ):
        folder = draw_classes(tmp_path / "data" / "even")
        (folder / "groups.csv").write_text(
            "file,group\n"
            + "".join(
                f"{path.parent.name}/{path.name},{path.parent.name}{path.name[1]}\n" for path in folder.rglob("*.jpg")
            )
        )
        results = run_eval(
            Request(
                encoders=("fake:constant",), data_root=tmp_path / "data", out=tmp_path / "out", device="cpu", folds=16
            )
        )
        assert results.rows[0].headline["value"] == pytest.approx(1 / 3, abs=1e-6)


class TestAsPublished:
    """A split whose groups stand on both sides."""

    @pytest.fixture
    def shared(self, request_):
        folder = request_.data_root / "drawn_classes"
        keys = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.jpg"))
        rows = "".join(f"{key},{'train' if key.endswith('_0.jpg') else 'test'}\n" for key in keys)
        (folder / "splits.csv").write_text("file,split\n" + rows)
        return replace(request_, encoders=("fake:colour",), sets=("drawn_classes",))

    def test_it_is_refused_and_the_option_is_named(self, shared, fakes):
        with pytest.raises(BadInput, match=r"8 of 8 groups stand in more than one split.*--as-published"):
            run_eval(shared)

    def test_kept_as_published_it_is_marked_and_the_lookups_stand_beside_it(self, shared, fakes):
        results = run_eval(replace(shared, as_published=True))
        nulls = [row.name for row in results.rows if row.role == "null"]
        assert nulls == ["majority class", "group lookup", "nearest in time"]
        for row in results.rows:
            assert row.value["set"]["split"] == "as-published"
            assert row.value["notes"][0].startswith("As published: 8 of 8 groups stand on both sides")
        assert "as-published: groups on both sides" in report_line(results.comparisons[0])
        assert "its own split as published, groups on both sides" in results.table.read_text()

    def test_a_lookup_that_is_right_leaves_nothing_to_separate_from(self, shared, fakes):
        folder = shared.data_root / "drawn_classes"
        lines = (folder / "groups.csv").read_text().splitlines()
        by_label = [f"{line},{line}".split(",") for line in lines[1:]]
        rows = "".join(f"{file},{group}-{file.split('/')[0]}\n" for file, group, *_ in by_label)
        (folder / "groups.csv").write_text("file,group\n" + rows)
        results = run_eval(replace(shared, as_published=True))
        lookup = next(row for row in results.rows if row.name == "group lookup")
        assert lookup.headline["value"] == 1.0
        for comparison in results.comparisons:
            assert comparison.best.headline["value"] == 1.0
            assert not comparison.separates

    def test_an_honest_split_has_no_lookup_and_no_mark(self, request_, fakes):
        folder = request_.data_root / "drawn_classes"
        keys = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.jpg"))
        rows = "".join(f"{key},{'test' if key.split('/')[1][1] in '01' else 'train'}\n" for key in keys)
        (folder / "splits.csv").write_text("file,split\n" + rows)
        asked = replace(request_, encoders=("fake:colour",), sets=("drawn_classes",), as_published=True)
        results = run_eval(asked)
        assert {row.value["set"]["split"] for row in results.rows} == {"official"}
        assert [row.name for row in results.rows if row.role == "null"] == ["majority class"]


class TestFolder:
    def test_the_same_line_again_computes_nothing_and_writes_the_same_bytes(self, request_, tmp_path, export):
        asked = replace(request_, encoders=(str(export(tmp_path / "run-1" / "export")),))
        run_eval(asked)
        first = files(asked.out)
        again = run_eval(asked)
        assert again.computed == 0
        assert files(asked.out) == first
        elsewhere = replace(asked, out=tmp_path / "results" / "y")
        assert run_eval(elsewhere).computed == len(again.rows)
        assert files(elsewhere.out) == first

    def test_another_encoder_adds_its_rows_only(self, request_, fakes):
        run_eval(replace(request_, encoders=("fake:colour",)))
        results = run_eval(replace(request_, encoders=("fake:colour", "fake:constant")))
        assert results.computed == 3
        assert len(results.rows) == 8

    def test_a_missing_row_is_made_again_from_the_kept_features(self, request_, fakes):
        asked = replace(request_, encoders=("fake:colour",))
        results = run_eval(asked)
        first = files(asked.out)
        kept = {path: path.stat().st_mtime_ns for path in (asked.out / "features").rglob("*.npy")}
        assert len(kept) == 2
        results.comparisons[0].row.path.unlink()
        assert run_eval(asked).computed == 1
        assert files(asked.out) == first
        assert {path: path.stat().st_mtime_ns for path in kept} == kept

    def test_another_grouping_makes_the_rows_of_that_set_again(self, request_, fakes):
        asked = replace(request_, encoders=("fake:colour",))
        run_eval(asked)
        table = request_.data_root / "drawn_masks" / "groups.csv"
        table.write_text(table.read_text().replace("patient7", "patient6"))
        assert run_eval(asked).computed == 2

    def test_a_kill_while_a_row_is_made_again_leaves_no_row_beside_foreign_predictions(
        self, request_, fakes, monkeypatch
    ):
        asked = replace(request_, encoders=("fake:colour",), sets=("drawn_classes",), protocols=("knn",))
        run_eval(asked)
        table = request_.data_root / "drawn_classes" / "groups.csv"
        as_it_was = table.read_text()
        table.write_text(as_it_was.replace("patient7", "patient6"))

        def killed(path, value):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(rows, "write_json", killed)
            run_eval(asked)
        table.write_text(as_it_was)
        results = run_eval(asked)
        assert results.rows[0].value["scored"]["groups"] == len(set(results.rows[0].predictions().groups)) == 8

    def test_damaged_features_are_made_again(self, request_, fakes):
        asked = replace(request_, encoders=("fake:colour",), protocols=("knn",))
        results = run_eval(asked)
        first = files(asked.out)
        (cache,) = (asked.out / "features").rglob("*.npy")
        cache.write_bytes(cache.read_bytes()[:40])
        results.comparisons[0].row.path.unlink()
        run_eval(asked)
        assert files(asked.out) == first

    def test_two_commands_on_one_folder_are_one_too_many(self, request_, fakes):
        with Lock(request_.out / ".lock"), pytest.raises(BadInput, match="is in use by process"):
            run_eval(replace(request_, encoders=("fake:colour",)))

    def test_the_files_say_what_the_schema_says(self, request_, fakes):
        asked = replace(request_, encoders=("fake:colour",))
        run_eval(asked)
        value = json.loads((asked.out / "results.json").read_text())
        assert set(value) == {"format", "numeric_class", "rows", "comparisons", "skipped"}
        row = next(row for row in value["rows"] if row["protocol"] == "segmentation")
        assert row["headline"] == "dice"
        assert set(row["metrics"]) == {"dice", "iou", "dice_by_group", "dice_pooled", "dice_positives"}
        assert set(row["metrics"]["dice"]) == {
            "value",
            "low",
            "high",
            "groups",
            "method",
            "bootstrap",
            "bootstrap_lacking",
        }
        assert row["trained_parameters"] == 4
        comparison = value["comparisons"][0]
        assert comparison["pool"] == "not checked"
        assert comparison["best_null"] in comparison["nulls"]
        named = {row["file"] for row in value["rows"]}
        assert {comparison["row"], *comparison["nulls"]} <= named
        assert all((asked.out / name).is_file() for name in named)

    def test_the_page_stands_alone_and_shows_forest_confusion_and_overlays(self, request_, fakes):
        results = run_eval(replace(request_, encoders=("fake:colour",)))
        page = results.report.read_text()
        assert page.count("data:image/jpeg;base64,") == 3
        assert page.count("<svg") == 2
        assert "worst: Dice" in page
        assert "Confusion of colour, kNN" in page
        assert not re.search(r'(src|href)="(https?:)?//', page)
        assert "null · mean mask" in page
        table = results.table.read_text()
        assert "| colour | kNN |" in table
        assert "| majority class | – |" in table


class TestRefused:
    def test_a_checkpoint_of_another_model_scores_nothing(self, request_, tmp_path, export, fakes):
        foreign = export(
            tmp_path / "e",
            config={"model_args": {"img_size": 32, "patch_size": 8, "embed_dim": 48, "depth": 2, "num_heads": 2}},
        )
        with pytest.raises(BadInput, match="holds the weights of another model"):
            run_eval(replace(request_, encoders=("fake:colour", str(foreign))))
        assert not request_.out.exists()

    def test_protocols_that_fit_no_set(self, request_, fakes):
        run_eval(replace(request_, encoders=("fake:colour",)))
        before = files(request_.out)
        with pytest.raises(BadInput, match=r"no labelled set here fits --protocol segmentation: drawn_classes \(class"):
            run_eval(replace(request_, encoders=("fake:colour",), sets=("drawn_classes",), protocols=("segmentation",)))
        assert files(request_.out) == before

    def test_a_folder_of_other_things(self, request_, fakes):
        request_.out.mkdir(parents=True)
        (request_.out / "table.md").write_text("chapter 3")
        with pytest.raises(BadInput, match="holds other things than results"):
            run_eval(replace(request_, encoders=("fake:colour",)))
        assert (request_.out / "table.md").read_text() == "chapter 3"
        assert len(files(request_.out)) == 1

    def test_a_corrupt_picture_scores_nothing(self, request_, fakes):
        (request_.data_root / "drawn_masks" / "images" / "g3_1.jpg").write_bytes(b"\xff\xd8 no more")
        with pytest.raises(BadInput, match=r"drawn_masks/g3_1\.jpg is cut off"):
            run_eval(replace(request_, encoders=("fake:colour",)))
        assert not request_.out.exists()

    def test_cuda_where_there_is_none(self, request_, monkeypatch):
        monkeypatch.setattr("torch.cuda.is_available", lambda: False)
        with pytest.raises(BadInput, match="no CUDA device"):
            run_eval(replace(request_, encoders=("fake:colour",), device="cuda"))

    def test_features_that_are_not_finite(self, request_, tmp_path, export):
        def burst(tensors):
            tensors["norm.weight"].fill_(3e38)
            tensors["norm.bias"].fill_(3e38)

        with pytest.raises(BadInput, match="not finite"):
            run_eval(replace(request_, encoders=(str(export(tmp_path / "e", change=burst)),)))

    def test_the_source_tree(self, request_, fakes):
        request_.out.joinpath("endoeval").mkdir(parents=True)
        request_.out.joinpath("endoeval", "__init__.py").touch()
        with pytest.raises(BadInput, match="type instead: endomae eval --out study/results"):
            run_eval(replace(request_, encoders=("fake:colour",)))


def run(folder, *words, **more):
    return subprocess.run(
        [sys.executable, "-m", "endomae", "eval", *map(str, words)],
        cwd=folder, capture_output=True, text=True, check=False, **more,
    )  # fmt: skip


class TestCommand:
    def test_no_encoder_takes_the_newest_finished_run_and_names_it_first(self, request_, tmp_path, export):
        for name, state in (("mae-old", "finished"), ("mae-new", "finished"), ("mae-newer", "running")):
            export(tmp_path / "runs" / name / "export", seed=len(name))
            (tmp_path / "runs" / name / "run.toml").touch()
            (tmp_path / "runs" / name / "state").write_text(state + "\n")
            time.sleep(0.02)
        done = run(tmp_path, "--data-root", "data", "--sets", "drawn_classes", "--protocol", "knn", "--device", "cpu")
        assert done.returncode == 0, done.stderr
        lines = done.stdout.splitlines()
        assert lines[0] == "newest finished run: runs/mae-new, beside the same model with random weights"
        assert lines[1] == "drawn_classes · kNN · macro F1 · mae-new"
        assert "random weights @0" in lines[2]
        assert lines[3:] == [
            "3 rows computed, 0 stood already.",
            "table: results/mae-new/table.md",
            "report: results/mae-new/report.html",
        ]

    @pytest.mark.parametrize(
        ("words", "code", "text"),
        [
            ((), 3, "endomae: runs holds no finished run; finish one (endomae pretrain), or name an encoder"),
            (("random:vit_tiny_patch16_224",), 3, "endomae: benchmarks-data does not exist. Put one or more there"),
            (
                ("random:resnet18", "--protocol", "svm"),
                2,
                "endomae: --protocol svm: allowed: knn, logistic, segmentation.",
            ),
        ],
    )
    def test_what_is_refused_with_which_code(self, tmp_path, words, code, text):
        done = run(tmp_path, *words)
        assert done.returncode == code
        assert done.stderr.startswith(text)
        assert not (tmp_path / "results").exists()

    def test_killed_anywhere_and_typed_again_it_ends_in_the_bytes_of_an_unbroken_run(self, request_, tmp_path, export):
        encoder = export(tmp_path / "run-1" / "export")
        words = (encoder, "--data-root", tmp_path / "data", "--device", "cpu")
        assert run(tmp_path, *words, "--out", "whole").returncode == 0
        process = subprocess.Popen(
            [sys.executable, "-m", "endomae", "eval", *map(str, words), "--out", "broken"], cwd=tmp_path
        )
        until = time.monotonic() + 60
        while not list((tmp_path / "broken" / "rows").glob("*.json")) and time.monotonic() < until:
            time.sleep(0.002)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert not (tmp_path / "broken" / "results.json").exists()
        done = run(tmp_path, *words, "--out", "broken")
        assert done.returncode == 0, done.stderr
        assert files(tmp_path / "broken") == files(tmp_path / "whole")
