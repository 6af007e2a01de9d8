"""Features on disk: a row a frame, written once, for any encoder."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from drawn_corpus import add_unit, canvas, disc, jpeg, look, make_corpus, source_id
from numpy.typing import NDArray

from endocur import tables
from endocur.commands import embed as embed_command
from endocur.configs import EmbedConfig
from endocur.corpus import Corpus
from endocur.select.embeddings import Vectors, decode_for, embed_corpus, embedding_path, unfinished
from endoeval.encoders import Contract, Features
from endoeval.encoders.descriptor import Descriptor
from endoshards.errors import BadInput

FRAMES = [look(canvas(seed)) for seed in range(5)]


class Means:
    """An encoder of three numbers: the mean colour of the tissue. Remembers what it was shown."""

    name = "test:means"
    encoder_id = "test-means-00000000"
    contract = Contract(size=32, dim=3, uses_mask=True)

    def __init__(self, scale: float = 1.0) -> None:
        self.shown: list[tuple[int, ...]] = []
        self._scale = scale

    def encode(self, images: NDArray[np.uint8], tissue: NDArray[np.bool_] | None = None) -> Features:
        assert tissue is not None
        self.shown.append(images.shape)
        means = [image[:, mask].mean(axis=1) for image, mask in zip(images, tissue, strict=True)]
        return Features(np.array(means, np.float32) * np.float32(self._scale), None)


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    """A video of five frames in two chapters, and one of two."""
    made = make_corpus(tmp_path / "corpus")
    add_unit(made, "a", FRAMES, chapters=2, mask=disc())
    add_unit(made, "b", FRAMES[:2])
    return made


def test_row_i_is_frame_i_of_the_chapter(corpus: Corpus) -> None:
    assert embed_corpus(corpus, Means()) == 7
    stored = [np.load(embedding_path(corpus, Means.encoder_id, source_id("a"), k)) for k in range(2)]
    assert [len(rows) for rows in stored] == [3, 2] and stored[0].dtype == np.float16
    wanted = [frame[disc()].mean(axis=0) for frame in FRAMES]
    assert np.abs(np.concatenate(stored) - wanted).max() < 2.0


def test_the_mask_reaches_the_encoder(corpus: Corpus) -> None:
    """Outside the disc stored frames are black: the mean of all pixels would be darker by a fifth."""
    embed_corpus(corpus, Means())
    masked = np.load(embedding_path(corpus, Means.encoder_id, source_id("a"), 0))[0]
    assert masked[0] > 0.95 * FRAMES[0][disc()].mean(axis=0)[0]


def test_finished_chapters_are_left_alone(corpus: Corpus) -> None:
    embed_corpus(corpus, Means())
    again = Means()
    assert embed_corpus(corpus, again) == 0 and again.shown == []
    add_unit(corpus, "c", FRAMES[:1])
    assert unfinished(corpus, Means.encoder_id) == [(source_id("c"), 0)]
    assert embed_corpus(corpus, again) == 1


@pytest.mark.parametrize("left", [b"", b"\x93NUMPY", "short", "wide"])
def test_what_a_kill_or_another_table_left_is_made_again(corpus: Corpus, left: bytes | str) -> None:
    embed_corpus(corpus, Means())
    path = embedding_path(corpus, Means.encoder_id, source_id("b"), 0)
    whole = path.read_bytes()
    if isinstance(left, bytes):
        path.write_bytes(left)
    else:
        np.save(path, np.zeros((1, 3), np.float16) if left == "short" else np.zeros((2, 3), np.float32))
    (path.parent / ".tmp-0123").write_bytes(b"half")
    assert embed_corpus(corpus, Means()) == 2
    assert path.read_bytes() == whole and not (path.parent / ".tmp-0123").exists()


def test_neither_batch_nor_threads_change_a_byte(corpus: Corpus) -> None:
    found = []
    for batch, threads in ((1, 1), (2, 2), (64, 4)):
        encoder = Descriptor()
        embed_corpus(corpus, encoder, batch=batch, threads=threads)
        folder = corpus.embeddings / encoder.encoder_id
        found.append({path.name: path.read_bytes() for path in sorted(folder.iterdir())})
        for path in folder.iterdir():
            path.unlink()
    assert found[0] == found[1] == found[2] and len(found[0]) == 3


def test_frames_of_several_sizes_are_shown_size_by_size(tmp_path: Path) -> None:
    corpus, encoder = make_corpus(tmp_path / "corpus"), Means()
    add_unit(corpus, "a", [look(canvas(seed), side=side) for seed, side in enumerate((64, 56, 64, 56, 64))])
    embed_corpus(corpus, encoder, batch=2)
    assert encoder.shown == [(2, 3, 56, 56), (2, 3, 64, 64), (1, 3, 64, 64)]
    stored = np.load(embedding_path(corpus, Means.encoder_id, source_id("a"), 0))
    wanted = [look(canvas(seed), side=side).mean((0, 1)) for seed, side in enumerate((64, 56, 64, 56, 64))]
    assert np.abs(stored - wanted).max() < 2.0


def test_a_picture_is_decoded_no_larger_than_the_encoder_needs() -> None:
    frame, mask = canvas(0), disc(640)
    for size, side in ((224, 640), (160, 320), (80, 160), (32, 80), (500, 640)):
        image, tissue = decode_for(jpeg(frame), mask, size)
        assert image.shape == (3, side, side) and tissue.shape == (side, side)
        assert tissue.mean() == pytest.approx(mask.mean(), abs=0.01)
        assert image.mean() == pytest.approx(frame.mean(), abs=1.0)
    with pytest.raises(ValueError, match="not of the size of its mask"):
        decode_for(jpeg(frame), mask[:600], 64)


def test_odd_sizes_shrink_with_their_masks() -> None:
    frame = cv2.resize(canvas(0), (333, 251))
    image, tissue = decode_for(jpeg(frame), np.ones((251, 333), bool), 32)
    assert image.shape == (3, 126, 167) and tissue.shape == (126, 167) and tissue.all()


def test_a_damaged_picture_is_named_and_what_is_finished_stays(corpus: Corpus) -> None:
    last = max(source_id("a"), source_id("b"))
    tar = sorted(corpus.frames.glob(f"{last}.*.tar"))[-1]
    tar.write_bytes(bytes(tar.stat().st_size))
    with pytest.raises(BadInput, match=f"the stored picture {last}-[0-9]+ is damaged"):
        embed_corpus(corpus, Means())
    assert unfinished(corpus, Means.encoder_id) == [(last, int(tar.stem.rpartition(".")[2]))]


def test_features_that_float16_cannot_hold_are_refused(corpus: Corpus) -> None:
    with pytest.raises(BadInput, match="test:means gives features that are not finite in float16"):
        embed_corpus(corpus, Means(scale=1e6))


def test_vectors_come_in_the_order_asked_for(corpus: Corpus) -> None:
    embed_corpus(corpus, Means())
    frames = tables.frames(corpus, ["unit", "chapter", "row"])
    order = np.random.default_rng(0).permutation(len(frames))
    vectors = Vectors(corpus, Means.encoder_id, frames.take(order))
    straight = Vectors(corpus, Means.encoder_id, frames)(0, 7)
    assert vectors.dim == 3 and np.array_equal(vectors(0, 7), straight[order])
    assert np.array_equal(vectors(2, 5), straight[order][2:5])


def test_features_that_do_not_fit_their_frames_are_refused(corpus: Corpus) -> None:
    embed_corpus(corpus, Means())
    path = embedding_path(corpus, Means.encoder_id, source_id("b"), 0)
    np.save(path, np.zeros((1, 3), np.float16))
    vectors = Vectors(corpus, Means.encoder_id, tables.frames(corpus, ["unit", "chapter", "row"]))
    with pytest.raises(BadInput, match="is missing or damaged; delete it and run: endocur embed"):
        vectors(0, 7)


# ---------------------------------------------------------------- the command


def test_the_command_embeds_and_names_the_next(corpus: Corpus, capsys: pytest.CaptureFixture[str]) -> None:
    embed_command.run(EmbedConfig(corpus=corpus.root))
    account = json.loads((corpus.log / "embed.json").read_text())
    assert (account["seen"], account["kept"], account["extra"]["embedded now"]) == (7, 7, 7)
    assert f"next: endocur dedup --corpus {corpus.root}" in capsys.readouterr().out
    embed_command.run(EmbedConfig(corpus=corpus.root))
    assert json.loads((corpus.log / "embed.json").read_text())["extra"]["there before"] == 7


@pytest.mark.parametrize(
    ("spec", "line"),
    [
        ("builtin:descriptor", "endocur dedup"),
        ("timm:resnet18", "endocur dedup --encoder timm:resnet18 --threshold 0.98"),
        ("my runs/a", "endocur dedup --encoder 'my runs/a' --threshold 0.98"),
    ],
)
def test_the_next_line_is_one_that_dedup_takes(spec: str, line: str) -> None:
    assert embed_command.next_line(spec) == line


def test_an_unknown_encoder_is_refused(corpus: Corpus) -> None:
    with pytest.raises(BadInput, match="'builtin:magic' names no encoder"):
        embed_command.run(EmbedConfig(corpus=corpus.root, encoder="builtin:magic"))


@pytest.mark.slow
def test_a_network_embeds_by_the_same_command(corpus: Corpus) -> None:
    embed_command.run(EmbedConfig(corpus=corpus.root, encoder="random:vit_tiny_patch16_224", device="cpu", batch=2))
    folder = next(corpus.embeddings.iterdir())
    assert folder.name.startswith("random-vit_tiny_patch16_224")
    assert np.load(folder / f"{source_id('b')}.000.npy").shape == (2, 192)
