"""What an audit of lists says in words: the verdict, and what may be shown where names must not leave."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from endoeval.splits.audit import Audit
from endoeval.splits.class_table import class_table
from endoeval.splits.finding import Finding
from endoeval.splits.nulls import METRICS, against_nulls
from endoeval.splits.rows import SPLITS, GroupRule, Rows

NO_GROUPS = "no group key: independence cannot be shown"
NO_MASK_NULL = "no null row without pixels for masks: see endomae eval's mean mask"
NO_NULL = "train and test must both hold labels, or the lists boxes"
MOST_CLASSES = 60
"""Classes that a page shows; audit.json holds all."""
OWN_WORDS = "group keys that name their own list: independence cannot be shown"
SITES = "groups that look like sites, not patients: independence of patients cannot be shown"
WITHOUT = "rows without a group: independence cannot be shown"
ALONE = "one split only: independence cannot be shown"


def state(audit: Audit) -> str:
    """In two words: faults found, clean; without a group key, or beside no other list, never clean."""
    if audit.faults:
        return "faults found"
    return _unshown(audit) or "clean"


def verdict(audit: Audit) -> tuple[str, str, str]:
    """Three sentences: whether train and test are apart, what needs no pixel, what the test could show at best."""
    return (_apart(audit), _blind(audit), audit.power.text)


def faults(audit: Audit) -> list[Finding]:
    """Findings that are faults: those between train and test first, then those that touch most of the test."""
    found = [finding for finding in audit.findings if finding.kind == "fault"]
    return sorted(found, key=lambda finding: ("val" in finding.check, -(finding.test_share or 0.0)))


def sizes(rows: Rows) -> Mapping[str, int]:
    """Rows of each split that holds some."""
    counts = np.bincount(rows.splits, minlength=len(SPLITS))
    return {word: int(count) for word, count in zip(SPLITS, counts, strict=True) if count}


def class_rows(rows: Rows) -> tuple[list[str], list[list[object]]]:
    """Titles and lines of the table of rows and groups a class by split, the first `MOST_CLASSES` classes."""
    counts = class_table(rows)
    splits = list(dict.fromkeys(count.split for count in counts))
    kinds = ("rows",) if rows.groups is None else ("rows", "groups")
    lines: dict[str, list[object]] = {}
    for count in counts:
        lines.setdefault(count.name, [count.name]).extend([count.rows, count.groups][: len(kinds)])
    return ["class", *(f"{split} {kind}" for split in splits for kind in kinds)], list(lines.values())[:MOST_CLASSES]


def percent(share: float | None) -> str:
    """`97.9 %`; a dash for None."""
    return "–" if share is None else f"{100 * share:.1f} %"


def sentence(text: str) -> str:
    """The text with a capital letter and a full stop."""
    return f"{text[:1].upper()}{text[1:].rstrip('.')}." if text else ""


def without_names(audit: Audit) -> Audit:
    """The same audit without names of rows and groups: examples and samples go, sentences that hold a name too.

    Of a given table or pattern only that it was given stays: paths and expressions hold names as well. Class names
    stay: without them no finding about classes can be read.
    """
    hidden = set(audit.rows.names) | set(audit.rows.group_names)

    def safe(text: str) -> str:
        # Bare numbers are counts as a rule, and counts are what sentences are made of.
        words = {word for word in re.split(r"[\s,;:()'\"]+", text) if not word.isdigit()}
        words |= {word.rstrip(".") for word in words}
        return "" if words & hidden else text

    findings = tuple(replace(finding, text=safe(finding.text), examples=()) for finding in audit.findings)
    folds = tuple(without_names(fold) for fold in audit.folds)
    rule = audit.rule and replace(
        audit.rule,
        name=_kind(audit.rule.name),
        why=safe(audit.rule.why),
        change=safe(audit.rule.change),
        examples=(),
        joined=(),
    )
    return replace(audit, findings=findings, rule=rule, understood=_counted(audit.rows, audit.rule), folds=folds)


def _kind(rule: str) -> str:
    """Names of rules that hold what was given (`given_groups`), less that."""
    word = rule.partition(" ")[0]
    return f"a {word}" if word in {"table", "pattern"} else rule


def _unshown(audit: Audit) -> str:
    """Why nobody can say that the splits are independent, or "". A key that gives each row a group joins nothing."""
    if audit.rows.groups is None or any(finding.check == "groups-of-one" for finding in audit.findings):
        return NO_GROUPS
    if any(finding.check == "own-words" for finding in audit.findings):
        return OWN_WORDS
    if audit.rule is not None and audit.rule.sites and any(f.check.startswith("groups-train") for f in audit.findings):
        return SITES
    if audit.rule is not None and audit.rule.unknown:
        return WITHOUT
    return ALONE if len(sizes(audit.rows)) < 2 else ""


def _counted(rows: Rows, rule: GroupRule | None) -> tuple[str, ...]:
    """What was understood, in numbers alone."""
    lines = [f"{word}: {count:,} rows" for word, count in sizes(rows).items()]
    lines.append(f"{len(rows.classes)} classes" if rows.labels is not None else "no labels")
    lines.append(f"{rule.count:,} groups" if rule else NO_GROUPS)
    return tuple(lines)


def _apart(audit: Audit) -> str:
    found = faults(audit)
    if found:
        first = found[0].text.rstrip(".") or f"{found[0].check}, {found[0].count:,}"
        more = f"; {len(found) - 1} more {'check' if len(found) == 2 else 'checks'} found faults" if found[1:] else ""
        unshown = _unshown(audit)
        return sentence(f"{unshown}; besides, {first}{more}" if unshown else f"{first}{more}")
    if audit.rule is None or _unshown(audit):
        return sentence(_unshown(audit))
    return f"No check found a fault: under the group key '{audit.rule.name}' nothing stands in two splits."


def taken_as(audit: Audit) -> str | None:
    """What the published score is taken for; None without one, or beside nothing."""
    if audit.published is None or audit.masks:
        return None
    metric = "F1 of frame presence" if audit.box is not None else METRICS[audit.published_metric]
    return f"The published {audit.published:.4f} is taken as {metric}."


def without_nulls(audit: Audit) -> str | None:
    """Why there is no null row; None where there is one."""
    if audit.nulls or audit.box is not None:
        return None
    return NO_MASK_NULL if audit.masks else f"no null row: {NO_NULL}"


def _blind(audit: Audit) -> str:
    if audit.masks:
        beside = "" if audit.published is None else f"nothing stands beside the published {audit.published:.4f}: "
        return sentence(f"{beside}{NO_MASK_NULL}")
    if audit.published is not None:
        return against_nulls(audit.published, audit.nulls, audit.box, audit.published_metric)
    if audit.box is not None:
        return (
            f"One constant box a frame has an F1 of frame presence of {audit.box.frame_f1:.4g}: "
            "a detector means something above that only."
        )
    if not audit.nulls:
        return "The lists give no null row: train and test must both hold labels for that."
    top = max(audit.nulls, key=lambda row: row.accuracy)
    return f"Without a pixel, the {top.name} is right on {percent(top.accuracy)} of the test rows."
