"""Words that the commands share: the next line to type, and what is refused."""

from __future__ import annotations

import shlex

from endocur.configs import CORPUS
from endocur.corpus import Corpus
from endoshards.errors import BadInput


def with_corpus(line: str, corpus: Corpus) -> str:
    """A command line that works on this corpus: `--corpus` is said where it is not the default."""
    return line if corpus.root == CORPUS else f"{line} --corpus {shlex.quote(str(corpus.root))}"


def damaged_picture(corpus: Corpus, unit: str, frame_id: str) -> BadInput:
    """A stored frame cannot be decoded: extract leaves finished units alone, so its markers must go first."""
    return BadInput(
        f"the stored picture {frame_id} is damaged; delete {corpus.units / unit}.*json and type the line that "
        "extracted it again."
    )


def lower_filter(corpus: Corpus) -> str:
    """What to type where a filter left nothing."""
    return with_corpus("endocur filter --min-quality 0.2", corpus)


def no_frames(corpus: Corpus) -> BadInput:
    """There is nothing to work on."""
    return BadInput(
        f"{corpus.root} holds no frames; extract some first: {with_corpus('endocur extract videos/', corpus)}"
    )
