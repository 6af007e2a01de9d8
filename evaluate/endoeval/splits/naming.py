"""Refusals that name rows, and how to say them where names must not leave. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from endoshards.errors import BadInput, BadOption


class NamesRows(BadInput):
    """A refusal whose sentence holds names of rows, groups or files."""

    def __init__(self, text: str, *names: str) -> None:
        super().__init__(text)
        self.names = names


def unnamed(error: BadInput | BadOption, given: Mapping[str, str]) -> BadInput | BadOption:
    """The same refusal without names.

    Args:
        error: what was raised.
        given: what was given (paths, patterns) to the words that stand for it.
    """
    text = str(error)
    hidden = dict(given) | {name: "(a name)" for name in getattr(error, "names", ())}
    for name in sorted((n for n in hidden if re.search(r"\w", n)), key=len, reverse=True):
        words = hidden[name].replace("\\", r"\\")
        text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", words, text)
    return BadOption(text) if isinstance(error, BadOption) else BadInput(text)
