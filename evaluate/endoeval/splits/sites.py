"""Keys that look like hospitals, not patients: a word for a site, or a handful of groups for many rows. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from endoeval.splits.finding import several

WORD = (
    r"(?:^|[^a-z])(?:hospitals?|hosp|sites?|cent(?:er|re)s?|cent|clinics?|klinik(?:um)?|institut(?:e|ion)s?|inst|chu|"
    r"universit(?:y|aet)|univ?|departments?|dept|wards?|units?|countr(?:y|ies)|cit(?:y|ies)|cohorts?|vendors?|devices?|"
    r"processors?|scanners?)"
)
_NUMBERED = re.compile(rf"(?i){WORD}(?:[_\- #]?(?:\d+[a-z]?|[a-z])|[a-z]\d+)(?![a-z0-9])")
"""A site with its number or letter right behind it: in `clinic_patient3` the number is the patient's."""
_BARE = re.compile(rf"(?i){WORD}(?![a-z])")
_COLUMN = re.compile(rf"(?i){WORD}[_\- ]?(?:id|name|code|no|nr|number)?$")
MOST_SITES = 50
"""More groups than this are no sites, whatever they are called."""
FEW = 5
"""As many groups or fewer, of `MANY` rows each on average, may be sites, devices or dates."""
MANY = 50


def are_sites(names: Sequence[str], rows: int) -> bool:
    """True where nearly every group is a word for a site with its number or letter behind it, and no other number.

    Args:
        names: names of the groups.
        rows: number of rows.
    """
    if not 1 < len(names) <= MOST_SITES or rows < 5 * len(names):
        return False
    left = [_NUMBERED.sub("", name, count=1).lower() for name in names if _NUMBERED.search(name)]
    if len(set(left)) > FEW:
        return False  # site1_smith, site1_jones: what stands beside the site tells patients apart
    bare = sum(bool(_BARE.search(n)) and not re.search(r"\d", n) and not _NUMBERED.search(n) for n in names)
    return bare + sum(not re.search(r"\d", rest) for rest in left) >= 0.9 * len(names)


def is_site_column(name: str) -> bool:
    """True for the name of a column of sites: hospital, Center_ID."""
    return _COLUMN.search(name) is not None


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
