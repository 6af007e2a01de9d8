"""Keys that are a month or a year: they join the patients of that time. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pyarrow.compute as pc

from endoeval.splits.names import Strings

_MONTH = re.compile(r"(?:^|[^0-9])(?:19|20)\d\d[-_.]?(?:0[1-9]|1[0-2])$")
_YEAR = re.compile(r"(?:^|[^0-9A-Za-z])(?:19|20)\d\d$")
_GOES_ON = r"^[-_./ ]?(?:0[1-9]|1[0-2])(?:[^0-9]|[0-3][0-9](?:[^0-9]|$)|$)"
"""What follows a year in a date: a month, and perhaps a day."""


def are_months(names: Sequence[str], rest: Strings | None, *, weak: bool) -> bool:
    """True where every key ends in a month, or in a year that goes on as a date or stands behind no patient's word.

    Args:
        names: names of the groups.
        rest: [n] what the key leaves of each stem; None: the whole stem.
        weak: no word of a patient, case or video makes the key.
    """
    probe = names[:2000]
    if all(_MONTH.search(name) for name in probe):
        return True
    if not all(_YEAR.search(name) for name in probe):
        return False
    goes_on = rest is not None and pc.mean(pc.match_substring_regex(rest, _GOES_ON)).as_py()
    return weak or (goes_on or 0) > 0.9
