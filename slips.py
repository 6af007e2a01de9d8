"""What looks like a slip of the line: pictures that look like a video and were not said to be one, the reverse, and
folders of archives. Messages count folders and arguments; they hold no name.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from endocur.account import counted
from endocur.configs import ExtractConfig
from endocur.extract.inputs import ARCHIVE, Found
from endocur.extract.numbered import unsaid
from endocur.extract.sequence.guard import look, may_be_run
from endocur.extract.sequence.track import spread
from endoshards.errors import BadInput
from endoshards.settings import to_line

LOOKED_AT = 48
"""Tracks of which pictures are opened, spread over all."""


def doubts(found: Sequence[Found], config: ExtractConfig) -> list[str]:
    """Look at what was said, and at what was not.

    Args:
        found: after sequences were made.
        config: of the line.
    Returns: warnings.
    Raises: BadInput for stills nobody spoke of that look like a video; with --strict for what would be a warning.
    """
    warnings = [*_no_videos(found), *_no_stills(found, config)]
    if warnings and config.strict:
        raise BadInput(f"{warnings[0]} (--strict)")
    return warnings


def refuse_archives(found: Sequence[Found], arguments: Sequence[Path]) -> None:
    """Refuse inputs of which none but archives could be read. Raises: BadInput with the line that unpacks them."""
    taken = [item for item in found if item.kind != "ignored"]
    archives = [item for item in taken if item.reason.startswith(ARCHIVE)]
    if not archives or len(archives) < len(taken):
        return
    first = archives[0]
    folder, suffix = arguments[first.argument], _suffix(first.path.name)
    unpack = re.sub(r".*\((.*) …\)", r"\1", first.reason)
    raise BadInput(
        f"{counted(len(archives), 'archive')} and nothing else; pictures in archives are not read. Unpack them first, or "
        "one by one (unpack, extract, delete) where the disk is small:\n"
        f'find {shlex.quote(str(folder))} -name "*{suffix}" -execdir {unpack} {{}} \\;'
    )


def _suffix(name: str) -> str:
    """The suffixes an archive's name ends in, such as .tar.gz; nothing that could be more than that."""
    found = re.search(r"(?i)(?:\.tar)?\.[a-z0-9]{2,4}(?:\.\d{3})?$", name)
    return found[0] if found else ""


def _no_videos(found: Sequence[Found]) -> list[str]:
    """Sequences that look like unrelated pictures."""
    said = [item for item in found if item.track is not None]
    odd = [item.position for item in (said[index] for index in spread(len(said), LOOKED_AT)) if _is_none(item)]
    if not odd:
        return []
    shown = ", ".join(map(str, odd[:8])) + (", …" if len(odd) > 8 else "")
    return [
        f"{counted(len(odd), 'sequence')} (inputs {shown}) look like numbered stills: neighbouring pictures are no more "
        "alike than distant ones; if they are unrelated, say --stills, or leave their rows out of --sequences"
    ]


def _is_none(item: Found) -> bool:
    return item.track is not None and look(item.track).is_none


def _no_stills(found: Sequence[Found], config: ExtractConfig) -> list[str]:
    """Stills that look like a video: a warning where they were said to be stills, else refused. Raises: BadInput."""
    candidates = [(words, track) for words, track in unsaid(found) if may_be_run(track.numbers)]
    for words, track in (candidates[index] for index in spread(len(candidates), LOOKED_AT)):
        if not look(track).is_run:
            continue
        if config.stills:
            return [
                f"{len(track):,} pictures in {words} look like the frames of a video; as stills they have no time and no "
                "neighbours. If they are one, say --sequence-fps N instead of --stills"
            ]
        raise BadInput(
            f"{len(track):,} pictures in {words} have running numbers and look like the frames of a video.\n"
            f"{_how_to_say_it(config)}\n"
            f"If they are unrelated stills, type: endocur extract {to_line(replace(config, stills=True))}"
        )
    return []


def _how_to_say_it(config: ExtractConfig) -> str:
    if config.sequences is not None:
        return "If they are, add a row for their folder to the table of --sequences."
    line = to_line(replace(config, sequence_fps=25.0))
    return f"If they are (here taken at 25 a second: write the true rate), type: endocur extract {line}"
