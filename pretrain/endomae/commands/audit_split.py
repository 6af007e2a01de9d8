"""`endomae audit-split`: say whether a score on lists can mean anything. The work is `endoeval.splits`."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

from endoeval.report.audit_files import write_audit, write_lists
from endoeval.report.audit_words import faults, percent, sizes, state, taken_as, verdict, without_names
from endoeval.splits.audit import Audit, audit
from endoeval.splits.copies import copy_findings
from endoeval.splits.naming import unnamed
from endoeval.splits.nulls import METRICS, score
from endoeval.splits.propose import Proposal, propose
from endomae.configs import AuditSplitConfig
from endoshards.errors import BadInput, BadOption, CheckFailed, from_os_error
from endoshards.files import refuse_source_tree

LISTS = ("train.csv", "val.csv", "test.csv")
"""What `--propose` writes."""


def run(config: AuditSplitConfig) -> None:
    """Read, say what was understood, check, write. Raises: CheckFailed where a check found faults."""
    if not config.share:
        _run(config)
        return
    try:
        _run(config)
    except (BadInput, BadOption) as error:
        raise unnamed(error, _given(config)) from None
    except OSError as error:
        mended = from_os_error(error)
        if mended is None:
            raise
        raise unnamed(mended, _given(config)) from None


def _given(config: AuditSplitConfig) -> dict[str, str]:
    """What the line holds that may name somebody, to the words that stand for it."""
    made = {config.group_pattern: "the pattern"} if config.group_pattern else {}
    paths = {
        "the training list": config.train,
        "the test list": config.test,
        "the validation list": config.val,
        "the table": config.groups,
        "the data root": config.data_root,
        "the folder": config.propose,
        "the results": _out(config),
    }
    for words, path in paths.items():
        if path is not None:
            made |= {form: words for form in (str(path), str(path.resolve()), path.name)}
    return made


def _out(config: AuditSplitConfig) -> Path:
    return config.out or Path("results") / f"audit-{_name(config.test or config.train)}"


def _run(config: AuditSplitConfig) -> None:
    out = _out(config)
    refuse_source_tree(out, f"endomae audit-split --out results/{out.name or 'audit'}")
    if config.propose is not None:
        refuse_source_tree(config.propose, f"endomae audit-split --propose {config.propose.name or 'lists'}-clean")
        _refuse_own_lists(config, config.propose)
    found = audit(
        config.train,
        config.test,
        config.val,
        config.groups,
        group_column=config.group_column,
        group_pattern=config.group_pattern,
        split_column=config.split_column,
        file_column=config.file_column,
        label_column=config.label_column,
        classes=config.classes,
        data_root=config.data_root,
        published=config.published,
        published_metric=config.published_metric,
    )
    shown = without_names(found) if config.share else found
    _say("understood:", *(f"  {line}" for line in shown.understood), *_groups(shown), "")
    _say(*verdict(shown), "")
    _say(*(f"{finding.kind}: {finding.text or finding.check}" for finding in shown.findings), "")
    _say(*([said] if (said := taken_as(found)) is not None else []))
    metric = config.published_metric
    _say(*(f"null row, {row.name}: {METRICS[metric]} {percent(score(row, metric))}" for row in shown.nulls))
    try:
        proposal = propose(found.rows, config.seed) if config.propose is not None else None
    except BadInput:
        write_audit(found, out, share=config.share)  # what was found stands, whether or not a proposal can be made
        raise
    page = write_audit(found, out, share=config.share, proposal=proposal)
    count = len(faults(found))
    if proposal is not None and config.propose is not None:
        del found, shown  # a million rows of these and of the second audit together are over a gigabyte
        _proposed(proposal, config.propose, config)
    where = page.name if config.share else page  # the folder is named after that of the lists
    _say(f"report: {where}")
    if count:
        raise CheckFailed(f"{count} {'check' if count == 1 else 'checks'} found faults; {where} shows them.")


def _groups(shown: Audit) -> list[str]:
    rule = shown.rule
    if rule is None:
        return ["  no group key: independence cannot be shown"]
    lines = [f"  groups: {rule.name}, {rule.count:,} of them; {rule.why}"]
    lines += [f"  for example: {', '.join(rule.examples)}"] if rule.examples else []
    lines += [f"  spellings taken as one: {', '.join(rule.joined)}"] if rule.joined else []
    return lines + ([f"  second best: {rule.second}; {rule.change}"] if rule.second else [])


def _proposed(proposal: Proposal, folder: Path, config: AuditSplitConfig) -> None:
    """Write the lists, and put them to the same audit."""
    files = {path.stem: path for path in write_lists(proposal.rows, folder)}
    again = audit(files["train"], files["test"], files.get("val"), group_column="group", classes=config.classes)
    copies = copy_findings(proposal.rows) if proposal.rows.digests is not None else []
    again = replace(again, findings=(*again.findings, *copies))
    again = without_names(again) if config.share else again
    counted = ", ".join(f"{word} {count:,}" for word, count in sizes(proposal.rows).items())
    where = "" if config.share else f" in {folder}"
    _say(f"proposed{where}: {counted}", *(f"  {said}" for said in proposal.not_kept))
    _say(f"  the same audit on it: {state(again)}", *(f"  {fault.text or fault.check}" for fault in faults(again)))
    if config.data_root is not None:
        found = [copy for copy in copies if copy.check != "files-missing"]
        said = "; ".join(copy.text for copy in found) or "no equal bytes, no near copies"
        _say(f"  copies between its lists: {said}")


def _refuse_own_lists(config: AuditSplitConfig, folder: Path) -> None:
    """The lists that are read must not be written over."""
    for path in (config.train, config.test, config.val):
        if path is not None and path.resolve().parent == folder.resolve() and path.name in LISTS:
            raise BadInput(f"--propose {folder} would write over {path}; name another folder.")


def _name(path: Path) -> str:
    """The folder's name says which set it is; its files are called train and test everywhere."""
    path = path.resolve()
    name = path.name if path.is_dir() else path.parent.name
    return re.sub(r"[^a-z0-9_]+", "-", name.lower()).strip("-")[:48] or "split"


def _say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
