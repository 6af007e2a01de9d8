"""Splits: folds by group that never cut a patient in two, and the audit of lists that others made."""

from endoeval.splits.audit import Audit, audit
from endoeval.splits.finding import Finding
from endoeval.splits.folds import (
    INNER_FOLDS,
    Fold,
    Indices,
    cross_validation,
    folds_of,
    group_folds,
    inner_folds,
    official,
    refuse_shared_groups,
    shared_groups,
)
from endoeval.splits.rows import SPLITS, GroupRule, Rows

__all__ = [
    "INNER_FOLDS",
    "SPLITS",
    "Audit",
    "Finding",
    "Fold",
    "GroupRule",
    "Indices",
    "Rows",
    "audit",
    "cross_validation",
    "folds_of",
    "group_folds",
    "inner_folds",
    "official",
    "refuse_shared_groups",
    "shared_groups",
]
