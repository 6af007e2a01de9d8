"""What comes and goes over a picture is masked in the frames that show it, and in few others."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from corpus_maker import endocur
from drawn_videos import write_video
from drawn_views import Painter, canvas, disc, text_at, touched
from hypothesis import given
from hypothesis import strategies as st

from endocur import tables
from endocur.corpus import open_corpus
from endocur.extract.outlines import outlines
from endocur.extract.passing import Box, Watch, cover
from endocur.store import FrameReader, without_boxes

HEIGHT, WIDTH, RATE = 480, 640, 25
VIEW = disc(320, 240, 232, HEIGHT, WIDTH)
Quad = np.ndarray


class Reader:
    """A detector that finds letters by their white and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def boxes(self, rgb: np.ndarray, *, of: int | None = None) -> list[Quad]:
        self.asked += 1
        assert of == HEIGHT
        white = (rgb.min(axis=2) > 248).astype(np.uint8)
        letters = cv2.morphologyEx(white, cv2.MORPH_CLOSE, np.ones((9, 25), np.uint8))
        count, _, stats, _ = cv2.connectedComponentsWithStats(letters)
        return [
            np.array([[x - 3, y - 3], [x + w + 3, y - 3], [x + w + 3, y + h + 3], [x - 3, y + h + 3]], np.float32)
            for x, y, w, h, _ in stats[1:count]
            if w > 3 * h and h > 6
        ]


def tissue(speed: float) -> Callable[[int], np.ndarray]:
    """A picture under a camera that wanders by about `speed` pixels a frame, highlights below the white of letters."""
    whole = np.minimum(canvas(5, 1500), 225)

    def at(index: int) -> np.ndarray:
        x = round(300 + 250 * np.sin(speed * index / 250))
        y = round(300 + 250 * np.sin(speed * index / 310))
        return whole[y : y + HEIGHT, x : x + WIDTH].copy()

    return at


def when(paint: Painter, first: int, end: int) -> Painter:
    """The painter at work in frames first to end only."""
    return lambda frame, index: paint(frame, index) if first <= index < end else None


def watched(
    painters: Sequence[Painter], frames: int, *, speed: float = 4.0, step: int = 1, reader: Reader | None = None
) -> dict[int, list[Box]]:
    """Boxes of each stored frame, every `step`-th of a video of RATE frames a second."""
    watch: Watch[int] = Watch(VIEW, reader)
    picture, noise = tissue(speed), np.random.default_rng(1)
    out: dict[int, list[Box]] = {}
    for index in range(frames):
        us = index * 1_000_000 // RATE
        stored = index % step == 0
        if watch.due(us, stored=stored):
            frame = picture(index)
            for paint in painters:
                paint(frame, index)
            frame = np.clip(frame + noise.normal(0, 1.5, frame.shape), 0, 255).astype(np.uint8) * VIEW[..., None]
            luma, red, blue = cv2.split(cv2.cvtColor(frame, cv2.COLOR_RGB2YCrCb))
            chroma = tuple(cv2.resize(p, (WIDTH // 2, HEIGHT // 2), interpolation=cv2.INTER_AREA) for p in (blue, red))
            watch.look(us, luma, chroma if stored else None)
        if stored:
            watch.add(us, index)
        out |= dict(watch.ready())
    rest = dict(watch.rest())
    assert len(rest) <= 2 * RATE  # frames do not pile up
    return out | rest


def hidden(boxes: dict[int, list[Box]], painters: Sequence[Painter], frames: Sequence[int]) -> list[float]:
    """Share of the drawn pixels inside the view that are masked, of each of the frames."""
    out = []
    for index in frames:
        drawn = touched(painters, index, HEIGHT, WIDTH) & VIEW
        gone = ~without_boxes(VIEW, [side for box in boxes[index] for side in box])
        out.append(float((drawn & gone).sum() / drawn.sum()))
    return out


CAPTION = text_at("Before resection of the polyp", (170, 350), scale=0.7)


@pytest.mark.parametrize("reader", [Reader(), None])
@pytest.mark.parametrize("style", ["plain", "outline", "plate"])
def test_a_caption_of_three_seconds_is_masked_from_its_first_frame_to_its_last(
    style: str, reader: Reader | None
) -> None:
    paint = text_at(
        "Before resection of the polyp", (170, 350), scale=0.7, outline=style == "outline", plate=style == "plate"
    )
    caption = [when(paint, 63, 138)]
    boxes = watched(caption, 250, reader=reader)
    assert min(hidden(boxes, caption, range(63, 138))) >= 0.97
    assert not any(boxes[index] for index in [*range(0, 57), *range(145, 250)])


def test_a_caption_is_masked_in_frames_stored_once_a_second() -> None:
    caption = [when(CAPTION, 63, 138)]
    boxes = watched(caption, 250, step=RATE, reader=Reader())
    assert sorted(boxes) == list(range(0, 250, RATE))
    assert min(hidden(boxes, caption, [75, 100, 125])) >= 0.97
    assert not any(boxes[index] for index in (0, 25, 50, 150, 175, 200, 225))


def test_an_arrow_without_letters_is_masked() -> None:
    def arrow(frame: np.ndarray, index: int) -> None:
        cv2.arrowedLine(frame, (300, 200), (380, 250), (255, 230, 60), 5, cv2.LINE_AA, tipLength=0.4)

    shown = [when(arrow, 75, 150)]
    boxes = watched(shown, 225, reader=Reader())
    assert min(hidden(boxes, shown, range(80, 145))) >= 0.9


def test_a_resting_scope_is_asked_about_rarely_and_its_tissue_stays() -> None:
    reader = Reader()
    boxes = watched([], 250, speed=0.0, reader=reader)
    assert not any(boxes.values())
    assert reader.asked <= 5


def test_a_caption_over_a_resting_scope_is_masked() -> None:
    caption = [when(CAPTION, 100, 200)]
    boxes = watched(caption, 250, speed=0.0, reader=Reader())
    assert np.mean(np.array(hidden(boxes, caption, range(100, 200))) >= 0.97) >= 0.95


def test_moving_tissue_without_anything_over_it_stays_and_the_detector_is_hardly_asked() -> None:
    reader = Reader()
    boxes = watched([], 250, reader=reader)
    lost = [1 - without_boxes(VIEW, [s for box in found for s in box]).sum() / VIEW.sum() for found in boxes.values()]
    assert np.mean(lost) <= 0.005
    assert reader.asked <= 10


@pytest.mark.parametrize("colour", [(60, 255, 60), (255, 255, 0), (255, 255, 255), (40, 120, 255), (0, 0, 0)])
def test_a_moving_box_is_masked_along_its_sides_and_its_inside_stays(colour: tuple[int, int, int]) -> None:
    def tracker(frame: np.ndarray, index: int) -> None:
        k = index // 5
        x, y = 250 + round(9 * np.sin(k)), 180 + round(7 * np.cos(1.3 * k))
        cv2.rectangle(frame, (x, y), (x + 90, y + 80), colour, 3)

    shown = [when(tracker, 75, 150)]
    boxes = watched(shown, 200, reader=Reader())
    assert np.mean(np.array(hidden(boxes, shown, range(75, 150))) >= 0.97) >= 0.95
    for index in range(80, 145):
        kept = without_boxes(VIEW, [side for box in boxes[index] for side in box])
        assert kept[205:240, 285:310].all()


def test_a_box_that_crosses_the_outline_of_the_view_is_found_by_what_is_left_of_it() -> None:
    frame = tissue(4)(0)
    cv2.rectangle(frame, (110, 90), (210, 190), (255, 255, 0), 3)
    luma, red, blue = (
        cv2.resize(p, (WIDTH // 2, HEIGHT // 2), interpolation=cv2.INTER_AREA)
        for p in cv2.split(cv2.cvtColor(frame * VIEW[..., None].astype(np.uint8), cv2.COLOR_RGB2YCrCb))
    )
    inside = cv2.resize(VIEW.astype(np.uint8) * 255, (WIDTH // 2, HEIGHT // 2), interpolation=cv2.INTER_NEAREST)
    inside = cv2.erode(inside, np.ones((5, 5), np.uint8))
    (found,) = outlines((luma, blue, red), inside)
    assert np.abs(np.array(found) - (110, 90, 210, 190)).max() <= 4


def test_stored_pixels_scores_and_shards_all_lack_what_passed(tmp_path: Path) -> None:
    picture, caption = tissue(4.0), when(CAPTION, 40, 80)

    def frames() -> Iterator[np.ndarray]:
        for index in range(120):
            frame = picture(index) * VIEW[..., None].astype(np.uint8)
            caption(frame, index)
            yield frame

    (tmp_path / "videos").mkdir()
    write_video(tmp_path / "videos" / "a.mp4", frames())
    words = ("--key", "key", "--private", "private", "--no-text-detection", "--fps", "5")
    endocur(tmp_path, "extract", "videos", *words)
    corpus = open_corpus(tmp_path / "corpus")
    (scores,) = corpus.scores.glob("*.parquet")
    rows, before = tables.frames(corpus).to_pylist(), scores.read_bytes()
    shown = [row for row in rows if 1.6 <= row["pts_us"] / 1e6 < 3.2]
    assert len(shown) == 8
    assert all(row["overlay_boxes"] for row in shown)
    assert not any(row["overlay_boxes"] for row in rows if not 1.4 <= row["pts_us"] / 1e6 < 3.4)
    with FrameReader(corpus) as reader:
        row = shown[3]
        data = reader.jpeg(row["unit"], row["chapter"], row["offset"], row["size"])
    luma = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    for x0, y0, x1, y1 in zip(*[iter(row["overlay_boxes"])] * 4, strict=True):
        assert luma[y0 + 2 : y1 - 2, x0 + 2 : x1 - 2].max() <= 24  # ringing of the JPEG
    scores.write_bytes(b"")
    endocur(tmp_path, "score")
    assert scores.read_bytes() == before
    endocur(tmp_path, "filter", "--min-quality", "0")
    endocur(tmp_path, "shard", "--native-size")
    (shard,) = (tmp_path / "shards").glob("*.tar")
    with tarfile.open(shard) as tar:
        png = tar.extractfile(f"{row['frame_id']}.mask.png")
        assert png is not None
        mask = cv2.imdecode(np.frombuffer(png.read(), np.uint8), cv2.IMREAD_GRAYSCALE)
    x0, y0, x1, y1 = row["overlay_boxes"][:4]
    assert not mask[y0:y1, x0:x1].any()
    assert mask.any()


boxes_inside = st.lists(
    st.tuples(*(st.integers(0, 30) for _ in range(4))).map(
        lambda b: (2 * min(b[0], b[2]), 2 * min(b[1], b[3]), 2 * max(b[0], b[2]) + 2, 2 * max(b[1], b[3]) + 2)
    ),
    max_size=4,
)


@given(boxes=boxes_inside, seed=st.integers(0, 9))
def test_cover_blackens_exactly_what_the_mask_loses(boxes: list[Box], seed: int) -> None:
    rng = np.random.default_rng(seed)
    y = rng.integers(1, 255, (64, 64)).astype(np.uint8)
    cb, cr = (rng.integers(0, 120, (32, 32)).astype(np.uint8) for _ in range(2))
    kept = without_boxes(np.ones((64, 64), bool), [side for box in boxes for side in box])
    dark = cover((y.copy(), cb.copy(), cr.copy()), boxes)
    assert np.array_equal(dark[0], np.where(kept, y, 0))
    assert np.array_equal(dark[1], np.where(kept[::2, ::2], cb, 128))
    assert np.array_equal(dark[2], np.where(kept[::2, ::2], cr, 128))


def test_a_frame_without_boxes_keeps_the_mask_of_its_view() -> None:
    assert without_boxes(VIEW, None) is VIEW
    assert without_boxes(VIEW, []) is VIEW


@pytest.mark.parametrize("gap_us", [40_000, 100_000, 250_000, 1_000_000])
def test_stored_frames_are_looked_at_themselves_five_a_second_at_most(gap_us: int) -> None:
    watch: Watch[int] = Watch(VIEW, None)
    blank, grey = np.zeros(VIEW.shape, np.uint8), np.full((HEIGHT // 2, WIDTH // 2), 128, np.uint8)
    looked = []
    for us in range(0, 3_000_000, 40_000):
        stored = us % gap_us < 40_000
        if watch.due(us, stored=stored):
            watch.look(us, blank, (grey, grey) if stored else None)
            looked += [us] if stored else []
    stored_us = [us for us in range(0, 3_000_000, 40_000) if us % gap_us < 40_000]
    if gap_us >= 200_000:
        assert looked == stored_us
    else:
        assert min(after - before for before, after in pairwise(looked)) >= 190_000 and len(looked) >= 11
