"""Keys that look like hospitals, not patients: a word for a site, or a handful of groups for many rows. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from endoeval.splits.finding import several

WORD = re.compile(
    r"(?i)(?:^|[^a-z])(?:hospitals?|hosp|sites?|cent(?:er|re)s?|clinics?|klinik(?:um)?|institut(?:e|ion)s?|inst|chu|"
    r"universit(?:y|aet)|uni|departments?|dept|countr(?:y|ies)|cit(?:y|ies)|cohorts?|vendors?|scanners?)(?![a-z])"
)
MOST_SITES = 50
"""More groups than this are no sites, whatever they are called."""
FEW = 5
"""As many groups or fewer, of `MANY` rows each on average, may be sites, devices or dates."""
MANY = 50


def are_sites(names: Sequence[str], rows: int) -> bool:
    """True where nearly every group is a word for a site with one number at most behind it.

    Args:
        names: names of the groups.
        rows: number of rows.
    """
    if not 1 < len(names) <= MOST_SITES or rows < 5 * len(names):
        return False
    said = sum(bool(WORD.search(name)) and len(re.findall(r"\d+", name)) <= 1 for name in names)
    return said >= 0.9 * len(names)


def doubt(sites: bool, count: int, rows: int) -> str:
    """What to know of groups that look like sites, or that are a handful for many rows; "" for all others."""
    if sites:
        return (
            f"the {several(count, 'group looks', 'groups look')} like sites (hospitals, centres), not patients: rows "
            "of one site on both sides say nothing of its patients, who are not told apart"
        )
    if count <= FEW and rows >= MANY * count:
        return (
            f"{count:,} groups for {rows:,} rows: these may be sites, devices or dates, not patients, and then nobody "
            "can say whether a patient stands on both sides"
        )
    return ""
