"""`endocur extract`: raw videos and stills to stored frames, their tables, masks and scores."""

from __future__ import annotations

import shlex
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from endocur.account import Account
from endocur.configs import ExtractConfig, worker_count
from endocur.corpus import (
    Corpus,
    UnitMarker,
    corpus_lock,
    read_marker,
    read_settings,
    unit_markers,
    write_marker,
)
from endocur.engine import Failure, map_units
from endocur.extract.estimate import estimate
from endocur.extract.groups import read_groups
from endocur.extract.identify import Identified, identify, path_bytes
from endocur.extract.inputs import Found, find_inputs, refuse_unsaid_sequence
from endocur.extract.patterns import Patterns, read_patterns
from endocur.extract.plan import (
    IGNORED,
    Plan,
    allowed_failures,
    failed_marker,
    ignored_marker,
    in_part,
    make_plan,
)
from endocur.extract.regroup import regroup
from endocur.extract.still_unit import StillsTask, extract_stills
from endocur.extract.unit import VideoTask, extract_video
from endocur.identity import Key, open_key
from endocur.opening import open_for_extract, refuse_other_folder
from endocur.private import PrivateFolder, SourceRow
from endoshards.errors import BadInput, TooManyFailed
from endoshards.files import remove_temporaries
from endoshards.settings import config_fingerprint, what

SHOWN_TROUBLES = 12
"""Failed and partial inputs named on the terminal; the private table has all."""


@dataclass
class Outcome:
    """What became of this run's inputs."""

    statuses: Counter[str] = field(default_factory=Counter)
    rows: list[SourceRow] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    there: int = 0
    """Units that needed no work."""
    private_table: Path = Path()


def run(config: ExtractConfig) -> None:
    """Run the command. Raises: BadInput, BadOption, TooManyFailed."""
    refuse_other_folder(config.corpus)
    patterns = read_patterns(config.include, config.exclude)
    found = _find(config, patterns)
    wanted = [item for item in found if item.kind != "ignored"]
    groups = read_groups(config.groups, config.group_pattern, wanted)
    key = open_key(config.key, outside=config.corpus, may_make=not Corpus(config.corpus).toml.is_file())
    if key.made:
        sys.stdout.write(
            f"a new key for pseudonyms lies at {key.path}; keep a backup of it in a safe place, outside the corpus: "
            "without it no frame can be traced to its file.\n"
        )
    part = int(config.part.partition("/")[0])
    account = Account("extract", config.corpus / "log")
    account.warnings += patterns.warnings() + groups.warnings
    with corpus_lock(Corpus(config.corpus), part), ExitStack() as stack:
        corpus = open_for_extract(
            config.corpus,
            what(config),
            key_check=key.check,
            corpus_id=key.corpus_id(config.corpus),
            keep_names=config.keep_names,
            restart=config.restart,
        )
        stack.callback(_tidy, corpus)  # on errors, too: a full disk must not stay full of what was begun
        private = _private(config, key, corpus)
        _tidy(corpus)
        mine = [item for item in wanted if in_part(item.size, config.part)]
        known = private.read()
        identified = _identify(config, key, known, mine)
        _forget_failures(corpus, known, identified, [item for item in found if item.kind == "ignored"])
        markers = unit_markers(corpus)
        clear_sheets = private.sheets() if config.private_sheets else None
        plan = make_plan(identified, groups, markers, key, config, clear_sheets=clear_sheets)
        if clear_sheets is not None:
            sys.stderr.write(f"sheets that hide nothing go to {clear_sheets}; they may show names\n")
        account.warnings += plan.warnings
        _replace_markers(corpus, plan, key, mine)
        _extract(config, corpus, plan, account, private)
        left_out = {key.unread_id(item.path): item for item in found if item.kind == "ignored" and part == 0}
        if part == 0:
            _mark_ignored(corpus, left_out, {key.unread_id(item.path) for item in found})
        outcome = _outcome(corpus, identified, left_out)
        outcome.there = len(plan.finished)
        outcome.private_table = private.write(part, _merged(private, outcome.rows))
        _finish(config, corpus, account, outcome)


def _find(config: ExtractConfig, patterns: Patterns) -> list[Found]:
    """The inputs of this run, ignored ones among them. Raises: BadInput if there is nothing to extract."""
    own = (config.corpus, *((config.private,) if config.private else ()))
    found = find_inputs(config.inputs, patterns=patterns, own=own)
    if not config.stills:
        refuse_unsaid_sequence(found, config.inputs)
    if config.limit is not None:
        taken = [item.position for item in found if item.kind != "ignored"][: config.limit]
        found = [item for item in found if item.kind == "ignored" or item.position in set(taken)]
    if all(item.kind == "ignored" for item in found):
        raise BadInput(
            f"{' '.join(map(str, config.inputs))}: no video and no picture among {len(found)} files; "
            "give a folder of recordings, files, or a glob in quotes."
        )
    return found


def _private(config: ExtractConfig, key: Key, corpus: Corpus) -> PrivateFolder:
    base = config.private or key.path.parent / "private"
    return PrivateFolder(base, str(read_settings(corpus)["corpus_id"]), outside=config.corpus)


def _tidy(corpus: Corpus) -> None:
    """Remove what a kill left behind, unless another part is writing beside us."""
    if len(list(corpus.root.glob("lock-*"))) == 1:
        sheets = corpus.reports / "sheets"
        for folder in (corpus.root, corpus.units, corpus.frames, corpus.views, corpus.scores, sheets, corpus.log):
            remove_temporaries(folder)


def _identify(
    config: ExtractConfig, key: Key, known: Mapping[bytes, SourceRow], mine: Sequence[Found]
) -> list[Identified]:
    known = {} if config.rehash else known
    total = sum(item.size for item in mine)
    bar = Account("hash", config.corpus / "log").bar(total / 1e6, "MB")
    with bar as shown:
        return identify(
            mine, key, known, workers=worker_count(config.workers), progress=lambda done: shown.advance(done / 1e6)
        )


def _forget_failures(
    corpus: Corpus, known: Mapping[bytes, SourceRow], identified: Sequence[Identified], ignored: Sequence[Found]
) -> None:
    """Remove the marker of a file that failed and has been mended or excluded since; of what is gone it stays."""
    now = {path_bytes(one.item): one.id for one in identified} | {path_bytes(item): "" for item in ignored}
    still_there = {now.get(path, row.source_id) for path, row in known.items()} | {one.id for one in identified}
    for path, id_ in now.items():
        row = known.get(path)
        if row is not None and row.status == "failed" and row.source_id not in (id_, *still_there):
            (corpus.units / f"{row.source_id}.json").unlink(missing_ok=True)


def _replace_markers(corpus: Corpus, plan: Plan, key: Key, mine: Sequence[Found]) -> None:
    """Bring markers that need no work up to date: new groups, copies and positions; failures that are no more."""
    stale = [*plan.stale, *(key.unread_id(item.path) for item in mine)]
    failed = {marker.name for marker in plan.failed}
    for name in stale:
        if name not in failed:
            (corpus.units / f"{name}.json").unlink(missing_ok=True)
    for marker in plan.failed:
        write_marker(corpus, marker)
    for old, new in plan.finished:
        if old != new:
            regroup(corpus, old, new)
            write_marker(corpus, new)


def _mark_ignored(corpus: Corpus, left_out: Mapping[str, Found], here: Collection[str]) -> None:
    """Bring the one marker of all inputs that were left out up to date; `here` are the ids of this run's files."""
    path = corpus.units / f"{IGNORED}.json"
    old = read_marker(path) if path.is_file() else None
    marker = ignored_marker(old, left_out, here)
    if marker is not None:
        write_marker(corpus, marker)
    else:
        path.unlink(missing_ok=True)


def _extract(config: ExtractConfig, corpus: Corpus, plan: Plan, account: Account, private: PrivateFolder) -> None:
    """Run the workers; every unit ends as a marker. Raises: TooManyFailed at the first failure with --strict."""
    tasks: list[VideoTask | StillsTask] = [*plan.videos, *plan.stills]
    if config.strict and plan.failed:
        raise TooManyFailed(_trouble(plan.failed[0], 0) + " (--strict)")
    if not tasks:
        return
    workers = worker_count(config.workers)
    stills = sum(len(task.items) for task in plan.stills)
    guess = estimate(list(_sizes(plan.videos)), stills, config, workers)
    sys.stdout.write(f"{len(plan.videos)} videos and {stills} stills to extract: {guess.line()}\n")
    sys.stdout.flush()
    with account.bar(max(guess.frames, 1)) as bar:
        results = map_units(extract_unit, tasks, workers=workers, timeout_s=config.timeout, progress=bar.advance)
        for index, result in results:
            if isinstance(result, Failure):
                task = tasks[index]
                result = _record_failure(corpus, task, result, private)
            if config.strict and result.status == "failed":
                raise TooManyFailed(_trouble(result, 0) + " (--strict)")


def _sizes(tasks: Sequence[VideoTask]) -> Iterator[tuple[Path, int]]:
    for task in tasks:
        with suppress(OSError):  # a file that is gone by now is its worker's to report
            yield task.path, task.path.stat().st_size


def extract_unit(task: VideoTask | StillsTask) -> UnitMarker:
    """What a worker does with a task."""
    return extract_video(task) if isinstance(task, VideoTask) else extract_stills(task)


def _record_failure(
    corpus: Corpus, task: VideoTask | StillsTask, failure: Failure, private: PrivateFolder
) -> UnitMarker:
    if failure.detail:
        private.write_detail(task.unit, failure.detail)
    kind = "video" if isinstance(task, VideoTask) else "stills"
    rows = task.inputs if isinstance(task, VideoTask) else tuple(row for item in task.items for row in item.rows)
    marker = failed_marker(task.unit, failure.reason, rows, task.fingerprint, kind)
    write_marker(corpus, marker)
    return marker


def _outcome(corpus: Corpus, identified: Sequence[Identified], left_out: Mapping[str, Found]) -> Outcome:
    """Status of each input, from the markers."""
    outcome = Outcome()
    markers = {marker.name: marker for marker in unit_markers(corpus)}
    by_place = {(row.id, row.position): (row, unit) for unit in markers.values() for row in unit.inputs}
    for one in identified:
        row, unit = by_place[one.id, one.item.position]
        outcome.statuses["copy" if row.copy_of and row.status != "failed" else row.status] += 1
        if row.status != "ok":
            outcome.troubles.append(_trouble(replace(unit, inputs=(row,)), 0))
        outcome.rows.append(_source_row(one, row.status, row.reason, unit.name, row.copy_of))
    for id_, item in left_out.items():
        outcome.statuses["ignored"] += 1
        outcome.rows.append(_source_row(Identified(item, id_, ""), "ignored", item.reason, IGNORED, ""))
    return outcome


def _source_row(one: Identified, status: str, reason: str, unit: str, copy_of: str) -> SourceRow:
    item = one.item
    return SourceRow(
        path_bytes(item),
        item.position,
        one.id,
        status,
        reason,
        unit,
        copy_of,
        item.size,
        item.mtime_ns,
        item.inode,
        one.sha256,
    )


def _merged(private: PrivateFolder, rows: Sequence[SourceRow]) -> Iterator[SourceRow]:
    """Rows of this run over those of earlier runs, so that files that were not named this time keep their hash."""
    yield from (private.read() | {row.path: row for row in rows}).values()


def _trouble(marker: UnitMarker, place: int) -> str:
    row = marker.inputs[place]
    return f"input {row.position} (id {row.id}) {row.status}: {row.reason or marker.reason}"


def _finish(config: ExtractConfig, corpus: Corpus, account: Account, outcome: Outcome) -> None:
    """Account of the whole corpus, the next command, and the verdict on failures. Raises: TooManyFailed."""
    markers = unit_markers(corpus)
    for marker in markers:
        account.seen += int(marker.extras.get("seen", 0))
        account.kept += marker.frames
        for reason, count in dict(marker.extras.get("dropped", {})).items():
            account.drop(reason, count)
    account.failed = outcome.statuses["failed"]
    for line in outcome.troubles[:SHOWN_TROUBLES]:
        sys.stderr.write(line + "\n")
    if len(outcome.troubles) > SHOWN_TROUBLES:
        sys.stderr.write(f"… and {len(outcome.troubles) - SHOWN_TROUBLES} more\n")
    if outcome.troubles:
        sys.stderr.write(f"which file that is stands in {outcome.private_table}\n")
    inputs = sum(count for status, count in outcome.statuses.items() if status != "ignored")
    allowed = allowed_failures(config.allow_failed, inputs)
    if outcome.statuses["failed"]:
        account.warnings.append(f"{outcome.statuses['failed']} of {inputs} inputs failed; {allowed} may")
    where = "" if config.corpus == Path("corpus") else f" --corpus {shlex.quote(str(config.corpus))}"
    extra = {f"inputs {status}": count for status, count in sorted(outcome.statuses.items())}
    extra |= {"units already there": outcome.there}
    fails = outcome.statuses["failed"] > allowed or outcome.statuses["failed"] == inputs
    following = None if fails else f"endocur filter --min-quality 0.4{where}"
    account.finish(following, config_fingerprint(config), extra)
    if fails:
        raise TooManyFailed(
            f"{outcome.statuses['failed']} of {inputs} inputs failed, {allowed} may; mend or --exclude them, "
            "or allow more with --allow-failed SHARE. What was extracted stays."
        )
