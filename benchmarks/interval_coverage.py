"""How often does a 95 % interval hold the truth for new patients: ours, and one that takes images for independent?

Simulated sets: G groups of 20 images, right with a probability that varies between groups (intra-group
correlation 0.16), four classes of 55, 25, 15 and 5 %. Nominal is 0.95; the floor of our interval is 0.90.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from form import Figure, finish, options

from endoeval.metrics.classes import accuracy, confusions, macro_f1
from endoeval.statistics import interval

EACH, CORRELATION, RIGHT = 20, 0.16, 0.7
PRIOR = np.array([0.55, 0.25, 0.15, 0.05])
GROUPS = (6, 9, 13, 20, 50)
Metric = Callable[[np.ndarray], np.ndarray]


def truth(metric: Metric) -> float:
    """The metric on endlessly many patients."""
    wrong = (1 - RIGHT) / 3
    return float(metric(PRIOR[:, None] * np.where(np.eye(4) == 1, RIGHT, wrong)))


def drawn(generator: np.random.Generator, groups: int) -> np.ndarray:
    """One set: its confusion matrices, [groups, 4, 4]."""
    spread = 1 / CORRELATION - 1
    skill = generator.beta(RIGHT * spread, (1 - RIGHT) * spread, groups)
    group = np.repeat(np.arange(groups), EACH)
    labels = generator.choice(4, size=len(group), p=PRIOR)
    other = (labels + generator.integers(1, 4, len(group))) % 4
    predicted = np.where(generator.random(len(group)) < skill[group], labels, other)
    return confusions(labels, predicted, group, 4)


def images_apart(counts: np.ndarray, metric: Metric, generator: np.random.Generator) -> tuple[float, float]:
    """The percentile bootstrap of single images, 200 draws: what most papers print."""
    flat = counts.sum(axis=0).reshape(-1)
    draws = generator.multinomial(flat.sum(), flat / flat.sum(), size=200).reshape(-1, 4, 4)
    low, high = np.nanquantile(metric(draws), [0.025, 0.975])
    return float(low), float(high)


def main() -> None:
    said = options(__doc__)
    repeats = 400 if said.quick else 2000
    figures = []
    for name, metric in (("accuracy", accuracy), ("macro_f1", macro_f1)):
        wanted = truth(metric)
        for groups in GROUPS:
            generator = np.random.default_rng(groups)
            ours = naive = 0
            width = []
            for _ in range(repeats):
                counts = drawn(generator, groups)
                flat = counts.reshape(groups, 16).astype(float)
                got = interval(lambda w, flat=flat, metric=metric: metric((w @ flat).reshape(-1, 4, 4)), groups)
                if got.low is None or got.high is None:
                    continue
                ours += got.low <= wanted <= got.high
                width.append(got.high - got.low)
                low, high = images_apart(counts, metric, generator)
                naive += low <= wanted <= high
            share = naive / len(width)
            note = f"{len(width)} sets, mean width {np.mean(width):.2f}; images taken as independent: {share:.2f}"
            figures.append(Figure(f"{name}_{groups}_groups", ours / len(width), goal=0.90, unit="share", note=note))
    finish(
        "interval_coverage",
        figures,
        said,
        note=f"Monte-Carlo error of a share: ±{1.96 * (0.05 * 0.95 / repeats) ** 0.5:.3f}.",
    )


if __name__ == "__main__":
    main()
