"""Where in its video a row lies: frame numbers and intervals read off what the group key leaves of a name. Pure.

A name can't prove that numbers are times; they are taken as an order inside a group, no more.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from endoeval.splits.names import VIDEOS, Names, Strings, coded, without_modality

Floats = NDArray[np.float64]
_NUMBER = r"\d+(?:\.\d+)?"
_AFTER = r"(?:[_\- ][A-Za-z]+[0-9]*)*"
TWO_NUMBERS = _NUMBER + "[_-]" + _NUMBER + _AFTER
INTERVAL = rf"^(?:.*[^0-9.])?(?P<start>{_NUMBER})(?P<between>[_-])(?P<end>{_NUMBER}){_AFTER}$"
"""Two numbers joined by `-` or `_` (`_000000-022529`, `_1.53_3.77`), words with or without a number after them."""
FRAME = r"^(?:.*[^0-9])?(?P<frame>\d+)[^0-9]*$"
"""The last number of a stem."""
RANDOM_ID = r"(?i)(?:^|[^0-9a-z])[0-9a-f]{4,}[a-f][0-9a-f]{3,}[^0-9a-z]*$"
"""A stem that ends in a hexadecimal id: its last digits are no number."""
PART = r"^[_\- ]?(?P<part>\d{1,3})[_\- ][A-Za-z]"
SEVERAL = 0.1
"""Share of rows from which on one number a group under several words means several counts, and no time."""
PROBE = 4000
"""Rows on which a form is tried before it is read off all."""
MOSTLY = 0.95
"""Share of rows from which on a form counts as that of the list."""
RUNNING = 1 / 3
"""Share of the numbers up to the last that are there, above which numbers merely count what was kept of a group."""
FEW_HELD = 3
"""Fewer groups than this in a list do not tell a count through it from the frames of a video."""
OF_A_VIDEO = r"(?i)(?:^|[^a-z])(?:frames?|frm|fr|videos?|vid|movies?|clips?|sequences?|seq|recordings?)(?:[^a-z]|$)"
"""Words that make a number behind them, or in a group of that name, one of frames."""
COUNTED = "numbers in the names merely count stills: they are taken as an order, not as times"


def intervals(stems: Strings) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Start and end [n] (nan where none, or where the end lies before the start), and whether a hyphen joins them."""
    found = pc.extract_regex(stems, INTERVAL)
    start, end = (_numbers(pc.struct_field(found, name)) for name in ("start", "end"))
    backwards = ~(end >= start)
    start[backwards] = np.nan
    end[backwards] = np.nan
    hyphen = pc.fill_null(pc.equal(pc.struct_field(found, "between"), "-"), False)
    return start, end, hyphen.to_numpy(zero_copy_only=False)


def are_intervals(stems: Strings, groups: NDArray[np.int64] | None = None) -> bool:
    """True where nearly all stems end in two numbers that rise, and that are no video and frame number.

    Video and frame number rise too, where videos are fewer than frames. But then the first number is the same in many
    rows, while intervals begin at places of their own.

    Args:
        stems: n stems, or what a group key leaves of them.
        groups: [n] group of each; None: what stands before the two numbers.
    """
    probe = stems.take(pa.array(np.linspace(0, len(stems) - 1, min(PROBE, len(stems))).astype(np.int64)))
    if np.isfinite(intervals(probe)[0]).mean() < MOSTLY - 0.03:
        return False
    return _are_places(intervals(stems), stems, groups)


def _are_places(
    parsed: tuple[Floats, Floats, NDArray[np.bool_]], stems: Strings, groups: NDArray[np.int64] | None
) -> bool:
    start, end, hyphen = parsed
    if np.isfinite(start).mean() < MOSTLY or (start == end).mean() > 0.5:
        return False
    if groups is None:
        groups = coded(pc.replace_substring_regex(stems, f"{TWO_NUMBERS}$", ""))
    return _distinct(groups, start) >= (0.2 if hyphen.mean() > MOSTLY else 0.5)


def places(rest: Strings, groups: NDArray[np.int64]) -> tuple[Floats, Floats] | None:
    """Start and end [n] of each row, read off what the group key leaves of its stem.

    Args:
        rest: [n] text, null where the key leaves nothing.
        groups: [n] group of each row.
    Returns: None where too few rows hold a number, or where it is the same in all rows of a group.
    """
    stems = pc.replace_substring_regex(pc.fill_null(rest, ""), "^.*/", "")
    parsed = intervals(stems)
    if _are_places(parsed, stems, groups):
        start, end, _ = parsed
        # Parts of one video (`_1_`, `_2_` after the key) have clocks of their own: later parts come later.
        part = np.nan_to_num(_numbers(pc.struct_field(pc.extract_regex(stems, PART), "part")))
        shift = part * (np.nanmax(end, initial=0) + 2)
        return start + shift, end + shift
    if pc.any(pc.ends_with(stems, ".0")).as_py():
        stems = pc.replace_substring_regex(stems, r"\.0$", "")  # REAL-Colon: `001-002_123.0.jpg`
    if pc.mean(pc.match_substring_regex(stems, RANDOM_ID)).as_py() > 0.5:
        return None
    frame = _numbers(pc.struct_field(pc.extract_regex(stems, FRAME), "frame"))
    known = np.isfinite(frame)
    if known.mean() < MOSTLY or _distinct(groups, frame) * len(frame) <= len(np.unique(groups)):
        return None
    if _several_counts(stems, groups, frame) >= SEVERAL:
        return None
    return frame, frame.copy()


def merely_count(names: Names, groups: NDArray[np.int64], frame: Floats, key: str) -> bool:
    """True where single numbers only count stills: through the whole list or anew in each group, nearly without holes.

    Numbers of clips, numbers beside a word such as frame or video, and numbers that leave out most between them or
    begin far from 1 are taken as times.

    Args:
        names: n names, cut.
        groups: [n] group of each.
        frame: [n] the number of each, nan where unknown; equal starts and ends.
        key: what the groups are, in words.
    """
    if _of_a_video(names, key):
        return False
    known = np.isfinite(frame)
    number, group = frame[known].astype(np.int64), groups[known]
    distinct = len(np.unique(number))
    if distinct > 0.9 * len(number) and distinct > RUNNING * (number.max() - number.min() + 1):
        return True
    held = np.unique(np.stack([group, number]), axis=1)
    first = np.flatnonzero(np.r_[True, held[0, 1:] != held[0, :-1]])
    size = np.diff(np.r_[first, held.shape[1]])
    low, high = held[1, first], held[1, first + size - 1]
    dense = size > RUNNING * (high - np.minimum(low, 1) + 1)
    return bool(size[dense].sum() > 0.5 * size.sum())


def count_each_list(names: Names, groups: NDArray[np.int64], frame: Floats, key: str, splits: NDArray[np.int8]) -> bool:
    """True where numbers count stills through each list, anew in every one: no order either, of a group in two lists.

    Args:
        names, groups, frame, key: as those of `merely_count`.
        splits: [n] the list of each row.
    """
    lists = np.unique(splits)
    if len(lists) < 2 or _of_a_video(names, key):
        return False
    told = False
    for split in lists:
        here = (splits == split) & np.isfinite(frame)
        number = frame[here].astype(np.int64)
        distinct, held = len(np.unique(number)), len(np.unique(groups[here]))
        if distinct < len(number) or not len(number):
            return False
        if held < FEW_HELD or distinct < 2 * held:
            continue  # one long video would look the same
        if distinct <= RUNNING * (number.max() - number.min() + 1):
            return False
        told = True
    first = [frame[(splits == split) & np.isfinite(frame)].min() for split in lists]
    return told and max(first) <= 1


def _of_a_video(names: Names, key: str) -> bool:
    """True where files are videos, or names or key have a word that makes numbers those of frames."""
    probe = names.path.take(pa.array(np.linspace(0, len(names.path) - 1, min(PROBE, len(names.path))).astype(np.int64)))
    films = pc.match_substring_regex(probe, r"(?i)\.(?:" + "|".join(VIDEOS) + ")$")
    worded = pc.match_substring_regex(probe, OF_A_VIDEO)
    return bool(
        pc.mean(pc.or_(films, worded)).as_py() > 0.5 or pc.match_substring_regex(pa.scalar(key), OF_A_VIDEO).as_py()
    )


def _several_counts(stems: Strings, groups: NDArray[np.int64], frame: Floats) -> float:
    """Share of rows whose number stands in their group under another word too: each word then has its own count."""
    track = coded(pc.replace_substring_regex(without_modality(stems), r"\d+([^0-9]*)$", r"\1"))
    _, place = np.unique(frame, return_inverse=True)
    key = groups * (int(place.max()) + 1) + place
    pairs = np.unique(key * (int(track.max()) + 1) + track) // (int(track.max()) + 1)
    values, times = np.unique(pairs, return_counts=True)
    return float(np.isin(key, values[times > 1]).mean())


def _distinct(groups: NDArray[np.int64], numbers: Floats) -> float:
    """Share of rows that the pairs (group, number) would leave if each stood once."""
    _, place = np.unique(numbers, return_inverse=True)
    return len(np.unique(groups * (int(place.max()) + 1) + place)) / max(1, len(numbers))


def _numbers(texts: Strings) -> Floats:
    made = pc.cast(texts, pa.float64()).to_numpy(zero_copy_only=False)
    return np.array(made, dtype=np.float64)
