"""Makes `endocur/quality/body.npz`: the classifier of `endocur.quality.body`, from drawn and openly licensed frames.

    PYTHONPATH=curation python -m body_model.train --capsule FOLDER [--count 6000] [--out FILE]

FOLDER holds capsule frames under CC BY 4.0 (WCEBleedGen: Handa et al., arXiv 2408.12466); no other photograph is
read, and none is needed: without the option the classifier is made from drawings alone. Deterministic within one
numeric class. A few minutes on one core.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np
import simplejpeg
import torch
from numpy.typing import NDArray

from body_model.inside import SIDE, inside, narrow_band, noise, tubes
from body_model.outside import outside
from endocur.phantom.tube import Lens
from endocur.quality.body import FEATURES, Model, features
from endocur.quality.scores import region

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]
OUT = Path(__file__).resolve().parents[1] / "endocur" / "quality" / "body.npz"
HIDDEN = 24
MEMBERS = 3
"""Networks of HIDDEN units that are fitted apart and then answer as one: the mean of their log odds."""
STEPS = 1500
WEIGHT_DECAY = 0.03
SMOOTHING = 0.02
"""Of labels: drawings near the border of the two are not sure."""
CAPSULE_SHARE = 0.25
"""Of the weight of all frames from inside that capsule frames carry."""


def main() -> None:
    """Draw, look, fit, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--capsule", type=Path, nargs="*", default=[], help="folders of capsule frames, CC BY 4.0")
    parser.add_argument("--count", type=int, default=7000, help="drawn frames of each side")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=OUT)
    said = parser.parse_args()
    drawn, side = draw(said.seed, said.count)
    taken = capsule(said.capsule, said.seed)
    parts = together(drawn, side, taken)
    model = joined([fit(*parts, said.seed + number) for number in range(MEMBERS)])
    np.savez(said.out, **{name: getattr(model, name) for name in Model._fields})
    sys.stdout.write(
        f"{len(drawn)} drawn and {len(taken)} capsule frames -> {said.out}, {said.out.stat().st_size} bytes\n"
    )


def draw(seed: int, count: int) -> tuple[F32, F32]:
    """What the classifier sees of `count` drawn frames of each side, and which side: [n, FEATURES], [n]."""
    generator = np.random.default_rng((seed, 16))
    guts, lens = tubes(generator, 10), Lens(SIDE, SIDE, 95.0)
    seen, side = [], []
    for number in range(2 * count):
        is_inside = number % 2 == 0
        is_warm = number // 2 % 2 == 1
        picture = inside(generator, guts, lens) if is_inside else outside(generator, is_warm=is_warm)
        vivid = 1.15 if is_warm and is_inside else 1.35
        found = look(generator, spoil(generator, picture, is_inside=is_inside, vivid=vivid))
        if found is not None:
            seen.append(found)
            side.append(float(is_inside))
    return np.stack(seen), np.array(side, np.float32)


def capsule(folders: list[Path], seed: int) -> F32:
    """The same of capsule frames, each as it is and four times spoilt: [n, FEATURES]."""
    generator = np.random.default_rng((seed, 17))
    seen = []
    paths = sorted(path for folder in folders for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".png"))
    for path in paths:
        read = cv2.imread(str(path))
        picture = cv2.cvtColor(cv2.resize(read, (SIDE, SIDE), interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2RGB)
        disc = cv2.circle(np.zeros((SIDE, SIDE), np.uint8), (SIDE // 2, SIDE // 2), round(SIDE * 0.44), 1, -1) > 0
        for number in range(5):
            part = picture if not number else recoloured(generator, picture)
            found = look(generator, part if not number else spoil(generator, part, is_inside=True), disc)
            seen += [] if found is None else [found]
    return np.stack(seen) if seen else np.zeros((0, FEATURES), np.float32)


def recoloured(generator: np.random.Generator, picture: U8) -> U8:
    """The same wall under another lamp: channels against each other, now and then narrow-band."""
    part = picture.astype(np.float32) / 255
    part *= generator.uniform((0.95, 0.75, 0.7), (1.2, 1.0, 1.15)).astype(np.float32)
    if generator.random() < 0.15:
        part = narrow_band(generator, part)
    return np.clip(part * 255, 0, 255).astype(np.uint8)


def spoil(generator: np.random.Generator, picture: U8, *, is_inside: bool, vivid: float = 1.35) -> U8:
    """What lamp, lens and recorder do to a frame, the same on both sides but for red-outs. `vivid`: most colour."""
    part = picture.astype(np.float32) / 255
    part *= (1 + generator.normal(0, 0.05, 3)).astype(np.float32)
    grey = part.mean(axis=2, keepdims=True)
    part = np.clip(grey + (part - grey) * generator.uniform(0.75, vivid), 0, None)
    part = part ** generator.uniform(0.8, 1.25) * generator.uniform(0.55, 1.35)
    kind = generator.random()
    if kind < 0.06:
        part = part * generator.uniform(0.15, 0.5)
    elif kind < 0.1:
        veil = generator.uniform(0.1, 0.6)
        part = part * (1 - veil) + veil * generator.uniform(0.8, 1)
    elif kind < 0.14 and is_inside:
        veil = generator.uniform(0.3, 0.85)
        part = cv2.GaussianBlur(part, (0, 0), 12) * (1 - veil) + veil * np.array([0.75, 0.15, 0.12], np.float32)
    if generator.random() < 0.3:
        part = cv2.GaussianBlur(part, (0, 0), generator.uniform(0.5, 4))
    if generator.random() < 0.15:
        length = int(generator.integers(5, 30))
        part = cv2.blur(part, (length, 1) if generator.random() < 0.5 else (1, length))
    if generator.random() < 0.1:  # a box or a line of writing that was not masked
        colour = tuple(float(v) for v in generator.uniform(0, 1, 3))
        (x, y), (w, h) = generator.integers(0, 150, 2).tolist(), generator.integers(20, 90, 2).tolist()
        part = np.ascontiguousarray(part, np.float32)
        cv2.rectangle(part, (x, y), (x + w, y + h), colour, int(generator.integers(1, 4)))
        cv2.rectangle(part, (x, y), (x + w, y + 9), colour, -1 if generator.random() < 0.5 else 1)
    part = part + generator.uniform(0, 0.02) * generator.standard_normal(part.shape, np.float32)
    return np.clip(part * 255, 0, 255).astype(np.uint8)


def look(generator: np.random.Generator, picture: U8, mask: NDArray[np.bool_] | None = None) -> F32 | None:
    """What the classifier sees of a frame as the corpus stores it: masked, as a JPEG."""
    view = view_mask(generator) if mask is None else mask
    stored = simplejpeg.encode_jpeg(np.ascontiguousarray(picture * view[..., None]), int(generator.integers(60, 96)))
    rgb = simplejpeg.decode_jpeg(stored)
    return features(rgb, cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), region(view).coarse)


def view_mask(generator: np.random.Generator) -> NDArray[np.bool_]:
    """Any outline of a view, now and then with a hole where an overlay lay: bool [SIDE, SIDE]."""
    kind = generator.random()
    mask = np.zeros((SIDE, SIDE), np.uint8)
    half = SIDE / 2
    if kind < 0.3:
        mask[:] = 1
    elif kind < 0.65:
        cv2.circle(mask, (int(half), int(half)), int(half * generator.uniform(0.9, 1.25)), 1, -1)
    else:
        cut = generator.uniform(0.1, 0.5) * half
        steps = np.array(
            [
                (cut, 0),
                (SIDE - cut, 0),
                (SIDE, cut),
                (SIDE, SIDE - cut),
                (SIDE - cut, SIDE),
                (cut, SIDE),
                (0, SIDE - cut),
                (0, cut),
            ]
        )
        cv2.fillPoly(mask, [steps.astype(np.int32)], 1)
    if generator.random() < 0.3:
        x, y = (generator.uniform(0, 0.8, 2) * SIDE).astype(int)
        mask[y : y + int(generator.uniform(8, 70)), x : x + int(generator.uniform(8, 90))] = 0
    if generator.random() < 0.05:
        mask[noise(generator, 30) > 1.2] = 0
    return mask > 0


def together(drawn: F32, side: F32, taken: F32) -> tuple[F32, F32, F32]:
    """All frames, their side, and their weight; both sides weigh the same."""
    seen = np.concatenate([drawn, taken]).astype(np.float32)
    label = np.concatenate([side, np.ones(len(taken), np.float32)])
    weight = np.ones(len(seen), np.float32)
    if len(taken):
        weight[len(drawn) :] = CAPSULE_SHARE / (1 - CAPSULE_SHARE) * float(side.sum()) / len(taken)
    for value in (0.0, 1.0):
        weight[label == value] /= weight[label == value].sum()
    return seen, label, weight


def fit(seen: F32, label: F32, weight: F32, seed: int) -> Model:
    """Two layers by Adam with weight decay on all frames at once; plain and the same each time."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    mean, scale = seen.mean(axis=0), 1 / (seen.std(axis=0) + 0.02)
    x = torch.from_numpy((seen - mean) * scale)
    y = torch.from_numpy(label * (1 - 2 * SMOOTHING) + SMOOTHING)
    w = torch.from_numpy(weight / weight.sum())
    first, second = torch.nn.Linear(seen.shape[1], HIDDEN), torch.nn.Linear(HIDDEN, 1)
    optimiser = torch.optim.AdamW(
        [*first.parameters(), *second.parameters()], lr=4e-3, weight_decay=WEIGHT_DECAY * 100 * 4e-3
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
    shuffled = torch.Generator().manual_seed(seed)
    for _ in range(STEPS):
        some = torch.multinomial(w, 512, replacement=True, generator=shuffled)
        batch = x[some] + 0.15 * torch.randn(512, x.shape[1], generator=shuffled)
        answer = second(torch.tanh(first(batch)))[:, 0]
        loss = torch.nn.functional.binary_cross_entropy_with_logits(answer, y[some])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    with torch.no_grad():
        return Model(
            mean.astype(np.float32),
            scale.astype(np.float32),
            first.weight.numpy().T.copy(),
            first.bias.numpy().copy(),
            second.weight.numpy()[0].copy(),
            second.bias.numpy().copy(),
        )


def joined(members: list[Model]) -> Model:
    """One model with the units of all; all have the same standardisation."""
    return Model(
        members[0].mean,
        members[0].scale,
        np.concatenate([one.hidden for one in members], axis=1),
        np.concatenate([one.hidden_bias for one in members]),
        np.concatenate([one.out for one in members]) / np.float32(len(members)),
        np.mean([one.out_bias for one in members], axis=0, dtype=np.float32),
    )


if __name__ == "__main__":
    main()
