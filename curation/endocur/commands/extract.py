"""`endocur extract`: inputs to a corpus. Reads what there is, plans units, runs them, accounts for each input."""

from __future__ import annotations

import math
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from endocur.account import Account, duration
from endocur.configs import ExtractConfig, worker_count
from endocur.corpus import (
    Corpus,
    InputRow,
    UnitMarker,
    corpus_lock,
    open_for_extract,
    read_marker,
    read_settings,
    write_marker,
)
from endocur.engine import Failure, map_units
from endocur.extract.groups import read_groups
from endocur.extract.inputs import Found, find_inputs, refuse_unsaid_sequence
from endocur.extract.ledger import Ledger, LedgerRow
from endocur.extract.patterns import read_patterns
from endocur.extract.plan import Plan, Task, make_plan, task_inputs
from endocur.extract.still_unit import StillsTask, extract_stills
from endocur.extract.unit import VideoTask, extract_video
from endocur.identity import Key, open_key
from endoshards.errors import BadInput, TooManyFailed
from endoshards.files import remove_temporaries, write_atomic
from endoshards.settings import config_fingerprint, what

ALLOWED_SHARE = 0.01
BYTES_A_FRAME = 150_000
"""A stored frame of 960 pixels at quality 92, on the large side."""


def run(config: ExtractConfig) -> None:
    """Extract the inputs. Raises: TooManyFailed beyond `--allow-failed`; BadInput for what is refused."""
    patterns = read_patterns(config.include, config.exclude)
    found = find_inputs(config.inputs, patterns=patterns, own=(config.corpus,))
    if not config.stills:
        refuse_unsaid_sequence(found, config.inputs)
    part, parts = (int(number) for number in config.part.split("/"))
    mine = _of_part(found, config.limit, part, parts)
    if not any(item.kind in ("video", "still", "failed") for item in mine):
        raise BadInput(
            f"no video or picture among the {len(found)} files of {_typed(config)}; name a folder that holds some."
        )
    groups = read_groups(
        config.groups, config.group_pattern, [item for item in mine if item.kind in ("video", "still")]
    )
    key = open_key(config.key, outside=config.corpus)
    if key.made:
        sys.stderr.write(
            f"extract: a key for pseudonyms was made: {key.path}. Keep a backup; ids cannot be made again without it.\n"
        )
    with corpus_lock(Corpus(config.corpus), part):
        account = Account("extract", config.corpus / "log")
        account.warnings += patterns.warnings() + groups.warnings
        corpus = open_for_extract(
            config.corpus,
            what(config),
            key_check=key.check,
            corpus_id=key.corpus_id(config.corpus),
            keep_names=config.keep_names,
            restart=config.restart,
        )
        _clean(corpus, parts)
        ledger = Ledger(_private(config, key, corpus), part)
        with account.bar(sum(item.size for item in mine) / 1e6, "MB hashed") as bar:
            plan = make_plan(
                mine,
                corpus=corpus,
                config=config,
                key=key,
                ledger=ledger,
                groups=groups,
                advance=lambda size: bar.advance(size / 1e6),
            )
        _say_plan(plan, config)
        ledger.write(_ledger_rows(mine, plan, {}))
        _mark_rest(plan, corpus, part)
        markers = _run_units(plan, corpus, config, account)
        ledger.write(_ledger_rows(mine, plan, markers))
        _account(account, plan, markers, config)


def _of_part(found: Sequence[Found], limit: int | None, part: int, parts: int) -> list[Found]:
    """The inputs of this run: the first `limit` that are media, then every `parts`-th of those."""
    taken, media = [], 0
    for item in found:
        if item.kind in ("video", "still"):
            media += 1
            if limit is not None and media > limit:
                continue
        if item.position % parts == part:
            taken.append(item)
    return taken


def _typed(config: ExtractConfig) -> str:
    return " ".join(shlex.quote(str(path)) for path in config.inputs)


def _private(config: ExtractConfig, key: Key, corpus: Corpus) -> Path:
    folder = (config.private or key.path.parent / "private") / str(read_settings(corpus)["corpus_id"])
    if folder.resolve().is_relative_to(corpus.root.resolve()):
        raise BadInput(
            f"--private {config.private} lies inside the corpus, which must hold no paths; name a folder outside."
        )
    return folder


def _clean(corpus: Corpus, parts: int) -> None:
    """Remove what a kill left; with several parts another job's files would be among it."""
    if parts == 1:
        for folder in (
            corpus.root,
            corpus.units,
            corpus.frames,
            corpus.views,
            corpus.scores,
            corpus.reports / "sheets",
        ):
            remove_temporaries(folder)


def _say_plan(plan: Plan, config: ExtractConfig) -> None:
    videos = [task for task in plan.tasks if isinstance(task, VideoTask)]
    stills = sum(len(task.items) for task in plan.tasks if isinstance(task, StillsTask))
    size = sum(task.path.stat().st_size for task in videos if task.path.exists())
    free, workers = shutil.disk_usage(config.corpus).free, worker_count(config.workers)
    # Endoscopy is recorded at 2 to 8 Mbit/s: the size alone gives the hours within a factor of two or so.
    hours = size * 8 / 4e6 / 3600
    frames = stills + hours * 3600 * (25 if config.all_frames else config.fps)
    sys.stderr.write(
        f"extract: {len(videos)} videos ({size / 1e9:.2f} GB), {stills} stills; "
        f"about {frames * BYTES_A_FRAME / 1e9:.1f} GB to write, {free / 1e9:.0f} GB free; "
        f"{workers} workers, about {duration(hours * 3600 / 8 / workers + stills * 0.2)}.\n"
    )


def _mark_rest(plan: Plan, corpus: Corpus, part: int) -> None:
    """Markers of what no worker sees: a failed unit an unreadable input, one unit for all that is ignored."""
    for row in plan.lost:
        write_marker(corpus, UnitMarker(row.id, "failed", row.reason, "unknown", 0, 0, "", (row,)))
    name = f"ignored-{part}"
    if plan.ignored:
        write_marker(corpus, UnitMarker(name, "ignored", "", "unknown", 0, 0, "", tuple(plan.ignored)))
    else:
        (corpus.units / f"{name}.json").unlink(missing_ok=True)


def extract_unit(task: Task) -> UnitMarker:
    """Run one unit in a worker."""
    return extract_video(task) if isinstance(task, VideoTask) else extract_stills(task)


def _run_units(plan: Plan, corpus: Corpus, config: ExtractConfig, account: Account) -> dict[str, UnitMarker]:
    """Markers of all units, finished before or now."""
    markers: dict[str, UnitMarker] = {}
    todo: list[Task] = []
    for task in plan.tasks:
        marker = _finished(corpus, task)
        if marker is None:
            todo.append(task)
        else:
            markers[task.unit] = marker
    with account.bar(None, "frames") as bar:
        done = map_units(
            extract_unit,
            todo,
            workers=worker_count(config.workers),
            timeout_s=config.timeout,
            progress=bar.advance,
        )
        for count, (index, outcome) in enumerate(done, 1):
            marker = _failed(todo[index], outcome, corpus) if isinstance(outcome, Failure) else outcome
            markers[todo[index].unit] = marker
            bar.advance(0, f"{count} of {len(todo)} units")
            if config.strict and (marker.status == "failed" or any(row.status == "failed" for row in marker.inputs)):
                raise TooManyFailed(f"{_first_failure(marker)}; --strict ends here. Without it the other inputs go on.")
    return markers


def _finished(corpus: Corpus, task: Task) -> UnitMarker | None:
    """The marker of a unit that needs no work; regrouping rewrites its inputs, never its frames."""
    path = corpus.units / f"{task.unit}.json"
    if not path.is_file():
        return None
    marker = read_marker(path)
    if marker.fingerprint != task.fingerprint or marker.status == "failed":
        return None
    old = {row.id: row for row in marker.inputs}
    planned = task_inputs(task)
    if {row.id for row in planned} != old.keys():
        return None
    rows = tuple(
        InputRow(**{**vars(row), "status": old[row.id].status, "reason": old[row.id].reason}) for row in planned
    )
    if rows != marker.inputs:
        marker = UnitMarker(**{**vars(marker), "inputs": rows})
        write_marker(corpus, marker)
    return marker


def _failed(task: Task, failure: Failure, corpus: Corpus) -> UnitMarker:
    if failure.detail:
        write_atomic(corpus.log / f"failure-{task.unit}.txt", _without_paths(failure.detail, task))
    rows = tuple(InputRow(**{**vars(row), "status": "failed", "reason": failure.reason}) for row in task_inputs(task))
    kind = "video" if isinstance(task, VideoTask) else "stills"
    marker = UnitMarker(task.unit, "failed", failure.reason, kind, 0, 0, task.fingerprint, rows)
    write_marker(corpus, marker)
    return marker


def _without_paths(text: str, task: Task) -> str:
    """A traceback's last line often names the file; only our own source lines are kept."""
    return (
        "".join(line for line in text.splitlines(keepends=True) if line.startswith("  File ")) + f"unit {task.unit}\n"
    )


def _first_failure(marker: UnitMarker) -> str:
    row = next(row for row in marker.inputs if row.status == "failed")
    return f"input {row.position} ({row.id}) failed: {row.reason}"


def _ledger_rows(found: Sequence[Found], plan: Plan, markers: dict[str, UnitMarker]) -> list[LedgerRow]:
    by_position: dict[int, tuple[str, InputRow]] = {row.position: ("", row) for row in (*plan.lost, *plan.ignored)}
    for unit, rows in plan.rows().items():
        for row in markers[unit].inputs if unit in markers else rows:
            by_position[row.position] = (unit, row)
    out = []
    for item in found:
        unit, row = by_position[item.position]
        sha256 = plan.sha256.get(item.position, "")
        out.append(LedgerRow(item, sha256, row.id, unit, row.status, row.reason, row.copy_of))
    return out


def _account(account: Account, plan: Plan, markers: dict[str, UnitMarker], config: ExtractConfig) -> None:
    rows = [row for marker in markers.values() for row in marker.inputs] + plan.lost
    failed = sorted((row for row in rows if row.status == "failed"), key=lambda row: row.position)
    for marker in markers.values():
        account.seen += int(marker.extras.get("seen", 0))
        account.kept += marker.frames
        for reason, count in marker.extras.get("dropped", {}).items():
            account.drop(reason, count)
    account.failed = len(failed)
    partial = sum(row.status == "partial" for row in rows)
    for row in failed:
        sys.stderr.write(f"extract: input {row.position} ({row.id}) failed: {row.reason}\n")
    allowed = max(1, math.floor(len(rows) * (ALLOWED_SHARE if config.allow_failed is None else config.allow_failed)))
    if config.allow_failed == 0:
        allowed = 0
    if failed:
        account.warnings.append(f"{len(failed)} of {len(rows)} inputs failed; {allowed} may")
    extra: dict[str, int | str] = {
        "inputs": len(rows),
        "partial": partial,
        "copies": sum(bool(row.copy_of) for row in rows),
        "ignored": len(plan.ignored),
    }
    if any(marker.kind == "video" and marker.frames for marker in markers.values()):
        extra = extra | {"sheets": str(config.corpus / "reports" / "sheets")}
    account.finish(_next(config), config_fingerprint(config), extra | {"failures": [vars(row) for row in failed]})
    if len(failed) > allowed:
        raise TooManyFailed(
            f"{len(failed)} of {len(rows)} inputs failed, {allowed} may (--allow-failed). What was extracted is kept; "
            "mend or exclude the inputs named above and run the same command again."
        )


def _next(config: ExtractConfig) -> str:
    tail = "" if config.corpus == Path("corpus") else f" --corpus {shlex.quote(str(config.corpus))}"
    return f"endocur filter --min-quality 0.4{tail}"
