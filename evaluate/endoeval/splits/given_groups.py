"""Groups that the user gives: a column, a table of file and group, a pattern on the names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from endoeval.splits.columns import tell
from endoeval.splits.groups import Grouping, indexed
from endoeval.splits.listed import read_list
from endoeval.splits.names import tidy
from endoeval.splits.naming import NamesRows
from endoeval.splits.parts import as_text
from endoeval.splits.rows import GroupRule
from endoeval.splits.sites import are_sites, doubt, is_site_column
from endoeval.splits.spelling import ALONE, one_spelling
from endoshards.errors import BadInput, BadOption

Groups = str | Path | Mapping[str, str]
"""A CSV of file and group, or the group of each name."""
UNKNOWN = frozenset({"", "nan", "nat", "none", "null", "n/a", "#n/a", "na", "<na>", "unknown", "missing", "?", "-"})
"""What tables write for a group that nobody knows, lower case."""


def as_given(values: Sequence[str], names: Sequence[str], splits: NDArray[np.integer], name: str, why: str) -> Grouping:
    """Groups by name; a row without one joins no other, and ids that two splits spell differently are one.

    Args:
        values: [n] group of each row; "" and words such as nan or unknown: none.
        names: [n] names of the rows.
        splits: [n] split or fold of each row.
        name: the rule in short.
        why: the rule in a sentence.
    """
    nobody = {value for value in set(values) if value.strip().lower() in UNKNOWN}
    empty = sum(value in nobody for value in values)
    if empty:
        values = [f"{ALONE}{n})" if value in nobody else value for value, n in zip(values, names, strict=True)]
        why += f"; {empty:,} rows without one stand alone"
    joined = one_spelling(*indexed(values), splits)
    words = tuple(joined.names)
    why += f"; {joined.said}" if joined.said else ""
    step = max(1, len(words) // 5)
    named = name.startswith("column ") and is_site_column(name.removeprefix("column "))
    said = doubt(named or are_sites(words, len(names)), len(words), 0)
    rule = GroupRule(name, why, len(words), words[::step][:5], "", "", joined.examples, said, empty)
    return Grouping(joined.keys, words, rule, None)


def from_pattern(names: Sequence[str], listed: Sequence[str], splits: NDArray[np.integer], pattern: str) -> Grouping:
    """Groups by a regular expression: its group 1, or all that it matches.

    Args:
        names: [n] names, roots stripped.
        listed: [n] names as they stood in the lists; tried where the pattern names a stripped folder.
        splits: [n] split or fold of each row.
        pattern: the expression.
    Raises: BadOption for what is no expression; BadInput where it leaves a row out or puts all into one group.
    """
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise BadOption(f"--group-pattern {pattern} is no regular expression: {error}.") from None
    found = [expression.search(name) for name in names]
    if any(match is None for match in found):
        found = [expression.search(name) for name in listed]
    missed = [name for name, match in zip(names, found, strict=True) if match is None]
    if missed:
        raise NamesRows(
            f"--group-pattern {pattern} matches {len(found) - len(missed):,} of {len(found):,} names, not {missed[0]}; "
            "it must match every name: widen it, or give --groups.",
            missed[0],
        )
    part = 1 if expression.groups else 0
    values = [(match[part] or "") if match else "" for match in found]
    if len(set(values)) == 1:
        raise NamesRows(
            f"--group-pattern {pattern} puts all {len(values):,} rows into one group ({values[0] or 'an empty one'}); "
            "at least two groups are wanted: put brackets around what tells patients or videos apart.",
            values[0],
        )
    return as_given(values, names, splits, f"pattern {pattern}", "the pattern was given")


def from_table(names: Sequence[str], listed: Sequence[str], splits: NDArray[np.integer], groups: Groups) -> Grouping:
    """Groups by a table; a name is found as listed, as stripped, or by its base name where that is unique.

    Raises: BadInput for a table without two columns, or a row that it does not name.
    """
    if isinstance(groups, Mapping):
        given, source = dict(groups), "the groups"
    else:
        found = read_list(Path(groups))
        if isinstance(found, dict) or not found.columns:
            raise BadInput(f"{groups} is no table; a CSV with the columns file and group is wanted.")
        roles = tell(found.columns, str(groups))
        column = roles.group or roles.label or next((name for name in found.columns if name != roles.file), None)
        if column is None:
            raise BadInput(f"{groups} has one column; a CSV with the columns file and group is wanted.")
        given, source = dict(zip(found.columns[roles.file], found.columns[column], strict=True)), str(groups)
        _refuse_two(found.columns[roles.file], found.columns[column], given, source)
    known = dict(zip(tidy(list(given)), map(as_text, given.values()), strict=True))
    by_base: dict[str, set[str]] = {}
    for name, group in known.items():
        by_base.setdefault(name.rsplit("/", 1)[-1], set()).add(group)
    values, missed = [], []
    taken: dict[str, str] = {}
    for name, as_listed in zip(names, listed, strict=True):
        value = known.get(as_listed, known.get(name))
        if value is None:
            short = name.rsplit("/", 1)[-1]
            base = by_base.get(short, set())
            value = next(iter(base)) if len(base) == 1 else None
            other = taken.setdefault(short, name)
            if value is not None and other != name:
                raise NamesRows(
                    f"the name {short} of {source} fits 2 rows, {other} and {name}; "
                    "write names as the lists have them.",
                    short, other, name,
                )  # fmt: skip
        values.append(value or "")
        missed += [name] if value is None else []
    if missed:
        raise NamesRows(
            f"{source} names {len(values) - len(missed):,} of {len(values):,} rows, not {missed[0]}; every row wants "
            "one group.",
            missed[0],
        )
    return as_given(values, names, splits, f"table {source}", "the table was given")


def _refuse_two(files: Sequence[str], groups: Sequence[str], given: Mapping[str, str], source: str) -> None:
    """Raises: NamesRows where a name stands twice with different groups."""
    if len(given) == len(files):
        return
    first: dict[str, str] = {}
    for name, group in zip(files, groups, strict=True):
        if first.setdefault(name, group) != group:
            raise NamesRows(
                f"{source} names {name} twice, with groups {first[name]} and {group}; every name wants one group.",
                name, first[name], group,
            )  # fmt: skip
