"""Labelled sets: what is read, and what is refused with which words."""

import re
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from endoeval.benchmarks.folders import find_sets, read_set
from endoeval.benchmarks.pictures import read_mask, read_picture
from endoeval.task import prepare
from endoshards.errors import BadInput, BadOption


def jpeg(path: Path, value: int = 90, size: tuple[int, int] = (20, 24)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full((*size, 3), value, np.uint8))
    return path


def mask_png(path: Path, values: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), values)
    return path


def png(path: Path, rows: list[bytes], width: int, depth: int, colour: int, palette: bytes = b"") -> Path:
    """A PNG written chunk by chunk: 1-bit and palette files that OpenCV does not write."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, len(rows), depth, colour, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + row for row in rows))
    parts = [chunk(b"IHDR", head), *([chunk(b"PLTE", palette)] if palette else []), chunk(b"IDAT", body)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b""))
    return path


class TestClasses:
    def test_keys_are_relative_paths_and_classes_sorted_names(self, tmp_path, draw_classes):
        data = read_set(draw_classes(tmp_path / "set", groups=3))
        assert data.classes == ("normal", "polyp")
        assert data.task == "classes"
        assert [sample.key for sample in data.samples][:2] == ["normal/g0_0.jpg", "normal/g0_1.jpg"]
        assert sorted(set(data.groups)) == ["patient0", "patient1", "patient2"]
        assert data.grouping == "groups.csv"
        assert [data.classes[label] for label in data.labels[:1]] == ["normal"]

    def test_the_same_name_in_two_classes_is_two_samples(self, tmp_path):
        for name in ("a", "b"):
            jpeg(tmp_path / name / "100H0003.jpg")
        assert [sample.key for sample in read_set(tmp_path).samples] == ["a/100H0003.jpg", "b/100H0003.jpg"]

    def test_one_class_only_is_refused(self, tmp_path):
        jpeg(tmp_path / "set" / "polyp" / "1.jpg")
        with pytest.raises(BadInput, match=r"holds one class only \(polyp\); two or more are needed"):
            read_set(tmp_path / "set")

    def test_an_empty_folder_and_an_empty_class_are_refused(self, tmp_path):
        (tmp_path / "polyp").mkdir()
        with pytest.raises(BadInput, match="holds no pictures; a labelled set looks like this"):
            read_set(tmp_path)
        jpeg(tmp_path / "normal" / "1.jpg")
        with pytest.raises(BadInput, match="class folder polyp holds no pictures"):
            read_set(tmp_path)

    def test_a_picture_beside_the_class_folders_is_not_skipped_but_named(self, tmp_path, draw_classes):
        jpeg(draw_classes(tmp_path / "set") / "loose.jpg")
        with pytest.raises(BadInput, match=r"loose\.jpg lies beside the class folders"):
            read_set(tmp_path / "set")

    def test_hidden_files_are_no_samples(self, tmp_path, draw_classes):
        folder = draw_classes(tmp_path / "set", groups=2)
        jpeg(folder / "polyp" / "._g0_0.jpg")
        jpeg(folder / ".cache" / "x.jpg")
        assert len(read_set(folder).samples) == 8


class TestGroups:
    def test_without_groups_every_picture_is_its_own_and_a_note_says_so(self, tmp_path, draw_classes):
        folder = draw_classes(tmp_path / "set")
        (folder / "groups.csv").unlink()
        data = read_set(folder)
        assert data.grouping == "none"
        assert len(set(data.groups)) == len(data.samples)
        assert any("interval is too narrow" in note for note in prepare(data, 5, 0).notes)

    def test_a_pattern_takes_its_first_group_from_the_key(self, tmp_path, draw_classes):
        folder = draw_classes(tmp_path / "set", groups=3)
        (folder / "groups.csv").unlink()
        (data,) = find_sets(tmp_path, (), r"/(g\d+)_")
        assert data.grouping == "pattern"
        assert set(data.groups) == {"g0", "g1", "g2"}

    @pytest.mark.parametrize(
        ("pattern", "kind", "words"),
        [
            ("(", BadOption, "is no regular expression"),
            ("abc", BadOption, "has no group; put the patient in brackets"),
            ("(q+)", BadInput, r"finds no group in normal/g0_0\.jpg"),
        ],
    )
    def test_a_pattern_that_cannot_work_is_refused(self, tmp_path, draw_classes, pattern, kind, words):
        (draw_classes(tmp_path / "set") / "groups.csv").unlink()
        with pytest.raises(kind, match=words):
            find_sets(tmp_path, (), pattern)

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("file,group\na/1.jpg,p\n", r"lacks 1 files that are \(b/2\.jpg\)"),
            ("file,group\na/1.jpg,p\nb/2.jpg,p\nb/3.jpg,q\n", r"lists 1 files that are not there \(b/3\.jpg\)"),
            ("file,group\na/1.jpg,p\na/1.jpg,q\nb/2.jpg,q\n", r"line 3: a/1\.jpg is listed twice"),
            ("file,group\na/1.jpg,\nb/2.jpg,q\n", "line 2: file and group must both be filled in"),
            ("file;group\na/1.jpg;p\n", "parted by semicolons, commas are wanted"),
            ("name,patient\na/1.jpg,p\n", "has the columns name, patient; file,group are wanted"),
            ("", "has the columns none"),
        ],
    )
    def test_a_faulty_table_is_refused_by_line_and_name(self, tmp_path, text, words):
        jpeg(tmp_path / "a" / "1.jpg")
        jpeg(tmp_path / "b" / "2.jpg")
        (tmp_path / "groups.csv").write_text(text, encoding="utf-8")
        with pytest.raises(BadInput, match=words):
            read_set(tmp_path)

    @pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
    def test_byte_order_mark_line_ends_and_further_columns_do_not_matter(self, tmp_path, ends):
        jpeg(tmp_path / "a" / "with [odd] name.jpg")
        jpeg(tmp_path / "b" / "2.jpg")
        rows = ["file,group,site", '"a/with [odd] name.jpg",p,x', "b/2.jpg,q,y", ""]
        (tmp_path / "groups.csv").write_bytes(b"\xef\xbb\xbf" + ends.join(rows).encode())
        assert read_set(tmp_path).groups == ["p", "q"]


class TestSplits:
    def test_an_official_split_is_kept(self, tmp_path, draw_classes):
        folder = draw_classes(tmp_path / "set", groups=4)
        keys = [sample.key for sample in read_set(folder).samples]
        rows = "".join(f"{key},{'test' if 'g3' in key else 'train'}\n" for key in keys)
        (folder / "splits.csv").write_text("file,split\n" + rows)
        task = prepare(read_set(folder), 5, 0)
        assert [keys[i] for i in task.scored] == [key for key in keys if "g3" in key]
        assert "The set's own split was kept (splits.csv)." in task.notes

    def test_a_split_that_leaves_a_file_out_is_refused(self, tmp_path, draw_classes):
        folder = draw_classes(tmp_path / "set", groups=2)
        (folder / "splits.csv").write_text("file,split\nnormal/g0_0.jpg,train\n")
        with pytest.raises(BadInput, match="lacks 7 files that are"):
            read_set(folder)

    def test_a_patient_in_train_and_test_is_refused_by_name(self, tmp_path, draw_classes):
        folder = draw_classes(tmp_path / "set", groups=2)
        keys = [sample.key for sample in read_set(folder).samples]
        rows = "".join(f"{key},{'test' if key == 'normal/g0_0.jpg' else 'train'}\n" for key in keys)
        (folder / "splits.csv").write_text("file,split\n" + rows)
        with pytest.raises(BadInput, match=r"patient0 \(test and train\)"):
            prepare(read_set(folder), 5, 0)

    def test_a_test_part_of_one_class_is_refused(self, tmp_path, draw_classes):
        folder = draw_classes(tmp_path / "set", groups=3)
        (folder / "groups.csv").unlink()
        keys = [sample.key for sample in read_set(folder).samples]
        rows = "".join(f"{key},{'test' if key.startswith('polyp') else 'train'}\n" for key in keys)
        (folder / "splits.csv").write_text("file,split\n" + rows)
        with pytest.raises(BadInput, match="the test part holds one class only"):
            prepare(read_set(folder), 5, 0)


class TestMasks:
    def test_images_and_masks_meet_by_stem(self, tmp_path, draw_masks):
        data = read_set(draw_masks(tmp_path / "set", groups=2))
        assert data.task == "masks"
        assert (data.samples[0].key, data.samples[0].mask.name) == ("g0_0.jpg", "g0_0.png")

    def test_names_that_do_not_match_are_counted_and_shown(self, tmp_path, draw_masks):
        folder = draw_masks(tmp_path / "set", groups=2)
        (folder / "masks" / "g0_0.png").rename(folder / "masks" / "g0_0_mask.png")
        words = r"1 of 4 images have no mask \(g0_0\) and 1 of 4 masks have no image \(g0_0_mask\)"
        with pytest.raises(BadInput, match=words):
            read_set(folder)

    @pytest.mark.parametrize("part", ["images", "masks"])
    def test_images_without_masks_and_masks_without_images_are_refused(self, tmp_path, part):
        jpeg(tmp_path / part / "1.jpg")
        other = {"images": "masks", "masks": "images"}[part]
        with pytest.raises(BadInput, match=f"has no pictures in {other}/; a set of masks wants both"):
            read_set(tmp_path)

    def test_a_mask_of_another_size_is_resized_and_a_note_says_so(self, tmp_path, draw_masks):
        folder = draw_masks(tmp_path / "set", groups=2)
        mask_png(folder / "masks" / "g0_0.png", np.full((96, 96), 255, np.uint8))
        task = prepare(read_set(folder), 5, 0)
        assert any(note.startswith("1 masks had another size") for note in task.notes)
        assert task.truth_on((8, 8))[0].mean() == 1.0

    @pytest.mark.parametrize("top", [1, 255, 128])
    def test_lossless_masks_of_any_usual_value(self, tmp_path, top):
        values = np.zeros((6, 8), np.uint8)
        values[2:4, 3:5] = top
        got = read_mask(mask_png(tmp_path / "m.png", values), "m")
        assert (got == (values > 0)).all()

    def test_class_numbers_are_all_foreground(self, tmp_path):
        values = np.array([[0, 1], [2, 0]], np.uint8)
        assert read_mask(mask_png(tmp_path / "m.png", values), "m").tolist() == [[False, True], [True, False]]

    def test_colour_masks_count_any_channel(self, tmp_path):
        values = np.zeros((4, 4, 3), np.uint8)
        values[0, 0, 2], values[1, 1, 1] = 255, 255
        assert read_mask(mask_png(tmp_path / "m.png", values), "m").sum() == 2

    def test_a_jpeg_mask_is_cut_at_128_not_at_what_compression_left(self, tmp_path):
        values = np.zeros((32, 32), np.uint8)
        values[8:24, 8:24] = 255
        path = tmp_path / "m.jpg"
        assert cv2.imwrite(str(path), values, [cv2.IMWRITE_JPEG_QUALITY, 40])
        raw = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert set(np.unique(raw)) - {0, 255}
        assert (read_mask(path, "m") == (raw >= 128)).all()

    def test_an_empty_jpeg_mask_stays_empty_despite_its_noise(self, tmp_path):
        values = np.zeros((16, 16), np.uint8)
        values[3, 3] = 6
        path = tmp_path / "m.jpg"
        assert cv2.imwrite(str(path), values)
        assert not read_mask(path, "m").any()

    def test_one_bit_png(self, tmp_path):
        path = png(tmp_path / "m.png", [b"\b\x00", b"\xf0\x80"], 9, 1, 0)
        assert read_mask(path, "m").astype(int).tolist() == [[0, 0, 0, 0, 1, 0, 0, 0, 0], [1, 1, 1, 1, 0, 0, 0, 0, 1]]

    def test_palette_png_counts_all_but_entry_zero_however_dark(self, tmp_path):
        path = png(tmp_path / "m.png", [b"\0\1\2", b"\2\0\0"], 3, 8, 3, palette=bytes([9, 9, 9, 0, 40, 0, 255, 0, 0]))
        assert read_mask(path, "m").astype(int).tolist() == [[0, 1, 1], [1, 0, 0]]

    def test_sixteen_bit_masks(self, tmp_path):
        values = np.array([[0, 65535]], np.uint16)
        assert read_mask(mask_png(tmp_path / "m.png", values), "m").tolist() == [[False, True]]


class TestPictures:
    def test_colour_comes_as_rgb(self, tmp_path):
        path = mask_png(tmp_path / "x.png", np.full((4, 5, 3), (10, 20, 200), np.uint8))
        assert read_picture(path, "x")[0, 0].tolist() == [200, 20, 10]

    def test_a_tiff_keeps_its_colours(self, tmp_path):
        import tifffile

        rgb = np.random.default_rng(0).integers(0, 255, (7, 9, 3), dtype=np.uint8)
        tifffile.imwrite(tmp_path / "1.tif", rgb, photometric="rgb")
        assert (read_picture(tmp_path / "1.tif", "1") == rgb).all()

    def test_a_grey_picture_has_three_equal_channels(self, tmp_path):
        path = mask_png(tmp_path / "x.png", np.arange(12, dtype=np.uint8).reshape(3, 4))
        assert (read_picture(path, "x")[..., 2] == np.arange(12).reshape(3, 4)).all()

    @pytest.mark.parametrize("name", ["x.png", "x.tif", "x.jpg"])
    def test_bytes_that_are_no_picture_are_refused_by_name(self, tmp_path, name):
        (tmp_path / name).write_bytes(b"no picture at all")
        with pytest.raises(BadInput, match="set/x cannot be read as a picture"):
            read_picture(tmp_path / name, "set/x")

    def test_a_jpeg_that_is_cut_off_is_refused_before_anything_is_scored(self, tmp_path, draw_classes):
        folder = draw_classes(tmp_path / "set")
        path = folder / "polyp" / "g1_0.jpg"
        path.write_bytes(path.read_bytes()[:-200])
        with pytest.raises(BadInput, match=r"set/polyp/g1_0\.jpg is cut off"):
            prepare(read_set(folder), 5, 0)

    def test_an_empty_file_is_refused(self, tmp_path):
        (tmp_path / "x.jpg").touch()
        with pytest.raises(BadInput, match="x cannot be read"):
            read_picture(tmp_path / "x.jpg", "x")


class TestRoot:
    def test_nothing_there_says_what_a_folder_must_look_like_and_lists_public_sets(self, tmp_path):
        with pytest.raises(BadInput) as error:
            find_sets(tmp_path / "benchmarks-data", (), None)
        text = str(error.value)
        assert "does not exist" in text
        assert "benchmarks-data/SET/CLASS/*.jpg" in text
        assert "groups.csv (file,group: patient or video)" in text
        assert "Kvasir-SEG" in text

    def test_a_set_that_is_not_there_is_named_with_those_that_are(self, tmp_path, draw_classes):
        draw_classes(tmp_path / "one", groups=2)
        with pytest.raises(BadInput, match=re.escape("--sets two: ") + ".* holds no such folder; there: one"):
            find_sets(tmp_path, ("two",), None)

    @pytest.mark.parametrize("with_groups", [True, False])
    def test_a_set_given_as_the_root_is_told_from_a_root(self, tmp_path, draw_classes, with_groups):
        folder = draw_classes(tmp_path / "one", groups=2)
        if not with_groups:
            (folder / "groups.csv").unlink()
        with pytest.raises(BadInput, match=f"is a labelled set itself.*--data-root {tmp_path} --sets one"):
            find_sets(folder, (), None)

    def test_only_the_named_sets_are_read(self, tmp_path, draw_classes):
        draw_classes(tmp_path / "one", groups=2)
        (tmp_path / "broken").mkdir()
        assert [data.name for data in find_sets(tmp_path, ("one",), None)] == ["one"]

    def test_the_fingerprint_follows_pixels_labels_groups_and_splits(self, tmp_path, draw_classes):
        folder = draw_classes(tmp_path / "set", groups=2)
        first = read_set(folder)
        assert read_set(folder).fingerprint == first.fingerprint
        text = (folder / "groups.csv").read_text()
        (folder / "groups.csv").write_text(text.replace("patient1", "patient7"))
        regrouped = read_set(folder)
        assert regrouped.pixels_fingerprint == first.pixels_fingerprint
        assert regrouped.fingerprint != first.fingerprint
        jpeg(folder / "polyp" / "g0_0.jpg", 3)
        assert read_set(folder).pixels_fingerprint != first.pixels_fingerprint
