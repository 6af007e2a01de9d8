"""The inputs of one run of extract: found, told apart, and doubted where names and what was said do not agree."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from endocur.configs import ExtractConfig
from endocur.extract.inputs import Pictures, find_inputs
from endocur.extract.patterns import Patterns
from endocur.extract.sequence_inputs import Sorted, between, like_a_run, said_sequences, without_twins
from endocur.extract.sequence_names import FRAME_PATTERN
from endocur.extract.sequence_table import Row, Table, frame_pattern, read_table
from endocur.extract.sequence_track import Timing
from endoshards.errors import BadInput
from endoshards.settings import to_line

ANY_RATE = 25.0
"""Stands in the line to copy: the rate of a sequence is in no file, only its owner knows it."""


def gather(config: ExtractConfig, patterns: Patterns) -> Sorted:
    """The inputs of a run, ignored ones among them, and what is odd about them.

    Raises: BadInput if there is nothing to extract, or if only the user can say what it is.
    """
    own = (config.corpus, *((config.private,) if config.private else ()))
    said = _said(config)
    if said is None:
        result = without_twins(find_inputs(config.inputs, patterns=patterns, own=own))
        _doubt_stills(result, config)
    else:
        apart: dict[str, Pictures] = {}
        found = find_inputs(config.inputs, patterns=patterns, own=own, apart=apart)
        separate = _line(replace(config, frame_pattern=config.frame_pattern or FRAME_PATTERN))
        result = said_sequences(found, apart.values(), said, strict=config.strict, separate=separate)
    if config.limit is not None:
        taken = {item.position for item in [item for item in result.found if item.kind != "ignored"][: config.limit]}
        result.found = [item for item in result.found if item.kind == "ignored" or item.position in taken]
    if all(item.kind == "ignored" for item in result.found):
        raise BadInput(
            f"{' '.join(map(str, config.inputs))}: no video and no picture among {len(result.found)} files; "
            "give a folder of recordings, files, or a glob in quotes."
        )
    return result


def _said(config: ExtractConfig) -> Row | Table | None:
    """What the user said of pictures that are frames of a video."""
    if config.sequences is not None:
        return read_table(config.sequences, config.frame_pattern)
    if config.sequence_fps is None:
        return None
    pattern = frame_pattern(config.frame_pattern)
    row = Row(0, Timing(Fraction(str(config.sequence_fps))))
    return row if pattern is None else replace(row, pattern=pattern, own_pattern=True)


def _doubt_stills(result: Sorted, config: ExtractConfig) -> None:
    """Ask about stills that look like a video, or, where they were said to be none, doubt it."""
    run = like_a_run(result.found)
    if run is None:
        return
    items, _ = run
    what = f"{len(items):,} pictures ({between(items)})"
    said_sequence = _line(replace(config, stills=False, sequence_fps=ANY_RATE))
    if not config.stills:
        raise BadInput(
            f"{what} have running numbers and look like the frames of a video; only you know what they are.\n"
            f"If they are a video, type, with its true rate in place of {ANY_RATE:g}: {said_sequence}\n"
            f"If they are unrelated stills, type: {_line(replace(config, stills=True))}"
        )
    doubt = f"{what} were said to be stills but look like the frames of a video"
    if config.strict:
        raise BadInput(f"{doubt} (--strict). If they are one, type, with its true rate: {said_sequence}")
    result.warnings.append(f"{doubt}; if they are one, say --sequence-fps and its rate")


def _line(config: ExtractConfig) -> str:
    return f"endocur extract {to_line(config)}"
