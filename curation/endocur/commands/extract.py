"""`endocur extract`: raw videos and stills to stored frames, their tables, masks and scores."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from pathlib import Path

from endocur.account import Account, counted
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
from endocur.extract import learned
from endocur.extract.estimate import estimate
from endocur.extract.foreign import NOT_ENDOSCOPY
from endocur.extract.gather import gather
from endocur.extract.groups import read_groups
from endocur.extract.identify import Identified, identify, path_bytes
from endocur.extract.inputs import Found
from endocur.extract.outcome import Outcome, outcome_of, trouble
from endocur.extract.patterns import read_patterns
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
from endocur.extract.sequence_source import picked
from endocur.extract.still_unit import StillsTask, extract_stills
from endocur.extract.unit import VideoTask, extract_video
from endocur.ground import inputs_by_status
from endocur.identity import Key, open_key
from endocur.opening import open_for_extract, refuse_other_folder
from endocur.privacy.rewrite import finish_pending
from endocur.private import PrivateFolder, SourceRow
from endocur.select.wording import with_corpus
from endoshards.errors import TooManyFailed
from endoshards.files import remove_temporaries
from endoshards.settings import config_fingerprint, what

SHOWN_TROUBLES = 12
"""Failed and partial inputs named on the terminal; the private table has all."""


def run(config: ExtractConfig) -> None:
    """Run the command. Raises: BadInput, BadOption, TooManyFailed."""
    refuse_other_folder(config.corpus)
    if config.mask is not None:
        learned.read(config.mask)  # one clear sentence now, not a failure in each video
    patterns = read_patterns(config.include, config.exclude)
    gathered = gather(config, patterns)
    found = gathered.found
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
    account.warnings += patterns.warnings() + gathered.warnings + groups.warnings
    with corpus_lock(Corpus(config.corpus), part), ExitStack() as stack:
        corpus = open_for_extract(
            config.corpus,
            what(config),
            key_check=key.check,
            corpus_id=key.corpus_id(config.corpus),
            keep_names=config.keep_names,
            restart=config.restart,
        )
        finish_pending(corpus)  # what a killed `endocur redact` recorded, before any of its units is judged unfinished
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
        account.note("start", fingerprint=config_fingerprint(config), part=config.part)
        first_failure = _extract(config, corpus, plan, account, private)
        left_out = {key.unread_id(item.path): item for item in found if item.kind == "ignored" and part == 0}
        if part == 0:
            _mark_ignored(corpus, left_out, {key.unread_id(item.path) for item in found})
        outcome = outcome_of(corpus, identified, left_out)
        table = private.write(part, _merged(private, outcome.rows))
        if first_failure is not None:
            raise TooManyFailed(f"{trouble(first_failure)} (--strict); which file that is stands in {table}")
        _finish(config, corpus, account, outcome, table, there=len(plan.finished))


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


def _extract(
    config: ExtractConfig, corpus: Corpus, plan: Plan, account: Account, private: PrivateFolder
) -> UnitMarker | None:
    """Run the workers; every unit ends as a marker. Returns: with --strict the first failure, at which it ended."""
    for marker in plan.failed:
        account.note("unit", **_noted(marker, 0.0))
    tasks: list[VideoTask | StillsTask] = [*plan.videos, *plan.stills]
    if config.strict and plan.failed:
        return plan.failed[0]
    if not tasks:
        return None
    workers = worker_count(config.workers)
    stills = sum(len(task.items) for task in plan.stills)
    pictures = sum(picked(task.track, task.timing, config) for task in plan.videos if task.track and task.timing)
    guess = estimate(list(_sizes(plan.videos)), stills, config, workers, pictures=pictures)
    sys.stdout.write(
        f"{counted(len(plan.videos), 'video')} and {counted(stills, 'still')} to extract: {guess.line()}\n"
    )
    sys.stdout.flush()
    if short := guess.lacks(shutil.disk_usage(corpus.root).free):
        sys.stderr.write(f"warning: {short}\n")
    with (
        account.bar(max(guess.frames, 1)) as bar,
        closing(
            map_units(extract_unit, tasks, workers=workers, timeout_s=config.timeout, progress=bar.advance)
        ) as results,
    ):
        for index, result, seconds in results:
            marker = _record_failure(corpus, tasks[index], result, private) if isinstance(result, Failure) else result
            account.note("unit", **_noted(marker, seconds))
            if config.strict and marker.status == "failed":
                return marker
    return None


def _noted(marker: UnitMarker, seconds: float) -> dict[str, object]:
    facts = {"id": marker.name, "status": marker.status, "frames": marker.frames, "seconds": round(seconds, 3)}
    return facts | ({"reason": marker.reason} if marker.reason else {})


def _sizes(tasks: Sequence[VideoTask]) -> Iterator[tuple[Path, int]]:
    for task in tasks:
        if task.track is not None:
            continue
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


def _merged(private: PrivateFolder, rows: Sequence[SourceRow]) -> Iterator[SourceRow]:
    """Rows of this run over those of earlier runs, so that files that were not named this time keep their hash."""
    yield from (private.read() | {row.path: row for row in rows}).values()


def _finish(
    config: ExtractConfig, corpus: Corpus, account: Account, outcome: Outcome, table: Path, *, there: int
) -> None:
    """Account of the whole corpus, the next command, and the verdict on failures. Raises: TooManyFailed."""
    markers = unit_markers(corpus)
    for marker in markers:
        account.seen += int(marker.extras.get("seen", 0))
        account.kept += marker.frames
        for reason, count in dict(marker.extras.get("dropped", {})).items():
            account.drop(reason, count)
    account.failed = inputs_by_status(markers).get("failed", 0)
    for line in outcome.troubles[:SHOWN_TROUBLES]:
        sys.stderr.write(line + "\n")
    if len(outcome.troubles) > SHOWN_TROUBLES:
        sys.stderr.write(f"… and {len(outcome.troubles) - SHOWN_TROUBLES} more\n")
    if outcome.troubles:
        sys.stderr.write(f"which file that is stands in {table}\n")
    failed, inputs = outcome.statuses["failed"], outcome.inputs
    allowed = allowed_failures(config.allow_failed, inputs)
    of_all = f"{failed} of {counted(inputs, 'input')} failed"
    if failed and failed == inputs:
        all_of_them = "the only input" if inputs == 1 else f"all {inputs:,} inputs"
        verdict = f"{all_of_them} failed, so nothing came of this run; mend what was given, or give others."
    elif failed > allowed:
        verdict = f"{of_all}, {allowed} may; mend or --exclude them, or allow more with --allow-failed SHARE. "
        verdict += "What was extracted stays."
    else:
        verdict = ""
    if failed and not verdict:
        account.warnings.append(f"{of_all}; {allowed} may")
    foreign = sum(marker.reason == NOT_ENDOSCOPY for marker in markers)
    if foreign:
        account.warnings.append(
            f"{counted(foreign, 'video')} left out, for the probe shows no endoscopy; --keep-foreign reads them"
        )
    part = "" if config.part.endswith("/1") else f" of part {config.part}"
    counts = {f"inputs {status}{part}": count for status, count in sorted(outcome.statuses.items())}
    counts |= {"videos not endoscopy": foreign} if foreign else {}
    sheets = corpus.reports / "sheets"
    if sheets.is_dir():
        sys.stdout.write(f"sheets: {sheets}  (one a video: does the outline fit, is every name covered?)\n")
    following = None if verdict else with_corpus("endocur filter --min-quality 0.4", corpus)
    account.finish(following, config_fingerprint(config), counts | {"units already there": there})
    if verdict:
        raise TooManyFailed(verdict)
