"""Words that the commands share: the next line to type, and what is refused."""

from __future__ import annotations

import shlex

from endocur.configs import CORPUS
from endocur.corpus import Corpus
from endoshards.errors import BadInput


def with_corpus(line: str, corpus: Corpus) -> str:
    """A command line that works on this corpus: `--corpus` is said where it is not the default."""
    return line if corpus.root == CORPUS else f"{line} --corpus {shlex.quote(str(corpus.root))}"


def no_frames(corpus: Corpus) -> BadInput:
    """There is nothing to work on."""
    return BadInput(
        f"{corpus.root} holds no frames; extract some first: {with_corpus('endocur extract videos/', corpus)}"
    )
