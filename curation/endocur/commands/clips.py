"""`endocur clips`: short masked clips for video pretraining, cut out of the recordings behind the kept frames."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pyarrow as pa

from endocur.account import Account, counted
from endocur.clips.make import VERSION, ClipsTask, finished, make_clips, view_of
from endocur.clips.windows import Sampled, windows
from endocur.configs import ClipsConfig, worker_count
from endocur.corpus import Corpus, UnitMarker, chapter_files, corpus_lock, open_corpus, read_settings, unit_markers
from endocur.engine import Failure, map_units
from endocur.extract.plan import allowed_failures
from endocur.extract.sequence_track import Timing
from endocur.identity import open_key
from endocur.packs import frames
from endocur.private import PrivateFolder, SourceRow
from endocur.select.wording import no_frames
from endocur.tables import require_fresh, verdict
from endoshards.errors import BadInput, TooManyFailed
from endoshards.files import fingerprint, remove_temporaries, sha256_file
from endoshards.settings import config_fingerprint, what

SEQUENCE = "it came as numbered pictures, of which no clips are cut"


def run(config: ClipsConfig) -> None:
    """Cut each recording in a worker; give account. Raises: BadInput, TooManyFailed."""
    corpus = open_corpus(config.corpus)
    with corpus_lock(corpus):
        account = Account("clips", corpus.log)
        account.note("start", fingerprint=config_fingerprint(config))
        require_fresh(corpus)
        if corpus.clips.is_dir():
            remove_temporaries(corpus.clips)
        markers = [one for one in unit_markers(corpus) if one.kind == "video" and one.frames]
        if not markers:
            raise no_frames(corpus)
        paths = _paths(config, corpus)
        tasks: list[ClipsTask] = []
        there = clips = 0
        for marker, rows in _by_unit(corpus, markers):
            task = _task(config, corpus, marker, rows, paths.get(marker.name))
            account.seen += len(task.windows) + sum(task.dropped.values())
            old = finished(corpus, marker.name, task.fingerprint)
            if old is not None:
                there += 1
                clips += int(old["clips"])
                _count(account, old["dropped"])
            else:
                tasks.append(task)
        if tasks:
            sys.stderr.write(f"clips: {counted(len(tasks), 'recording')} to read once more\n")
        failures = _cut(config, corpus, tasks, account)
        account.kept = account.seen - sum(account.dropped.values())
        facts = {"clips": account.kept, "recordings already done": there, "form": config.form}
        allowed = allowed_failures(config.allow_failed, len(markers))
        if failures > allowed:
            account.finish(None, config_fingerprint(config), facts)
            raise TooManyFailed(
                f"{failures} of {counted(len(markers), 'recording')} failed, {allowed} may; mend them, or allow more "
                "with --allow-failed SHARE. The clips of the others stay."
            )
        if not account.kept:
            account.warnings.append("no clip came of it: see the reasons above")
        account.finish(None, config_fingerprint(config), facts)


def _cut(config: ClipsConfig, corpus: Corpus, tasks: list[ClipsTask], account: Account) -> int:
    """Run the workers. Returns: recordings that failed."""
    failures = 0
    with account.bar(None) as bar:
        for index, result, seconds in map_units(
            make_clips, tasks, workers=worker_count(config.workers), timeout_s=config.timeout, progress=bar.advance
        ):
            task = tasks[index]
            if isinstance(result, Failure):
                failures += 1
                account.failed += 1
                account.note("unit", id=task.unit, status="failed", reason=result.reason)
                sys.stderr.write(f"{task.unit}: {result.reason}\n")
                with suppress(FileNotFoundError):
                    (corpus.clips / f"{task.unit}.json").unlink()
                _count(account, dict(task.dropped) | {"the recording failed": len(task.windows)})
                continue
            account.note("unit", id=task.unit, status="ok", seconds=round(seconds, 3))
            _count(account, result)
    return failures


def _count(account: Account, dropped: Mapping[str, int]) -> None:
    for reason, n in dropped.items():
        account.drop(reason, n)


def _task(
    config: ClipsConfig, corpus: Corpus, marker: UnitMarker, rows: pa.Table, source: SourceRow | None
) -> ClipsTask:
    listed = rows.to_pylist()
    sampled = [Sampled(row["pts_us"], row["view_id"], row["stage"]) for row in listed]
    cut = windows(sampled, int(marker.extras["last_us"]), seconds=config.seconds, min_kept=config.min_kept)
    if "pictures" in marker.extras:
        cut = [replace(one, reason=SEQUENCE) for one in cut]
    kept = tuple(one for one in cut if not one.reason)
    said_rate = marker.extras.get("timing")
    views = {row["view_id"]: row for row in reversed(listed)}
    masks = [sha256_file(chapter_files(corpus, marker.name, k).views) for k in range(marker.chapters)]
    said = {
        "version": VERSION,
        "config": what(config),
        "unit": marker.fingerprint,
        "masks": masks,
        "windows": [(one.start_us, one.view_id) for one in kept],
    }
    return ClipsTask(
        root=corpus.root,
        unit=marker.name,
        group_id=listed[0]["group_id"],
        path=Path(os.fsdecode(source.path)) if source is not None else Path(),
        views={view_id: view_of(row) for view_id, row in views.items()},
        windows=kept,
        dropped=dict(Counter(one.reason for one in cut if one.reason)),
        fingerprint=fingerprint(said),
        config=config,
        stamp=(source.size, source.mtime_ns) if source is not None else None,
        text_detection=bool(read_settings(corpus)["extract"].get("text_detection", True)),
        timing=Timing(Fraction(said_rate["fps"]), Fraction(said_rate["step"])) if said_rate else None,
    )


def _by_unit(corpus: Corpus, markers: list[UnitMarker]) -> Iterator[tuple[UnitMarker, pa.Table]]:
    """Each unit with its frame rows in time order, and the stage that dropped each."""
    import pyarrow.compute as pc

    table = frames(corpus)
    table = table.append_column("stage", verdict(corpus)["stage"])
    for marker in markers:
        rows = table.filter(pc.equal(table["unit"], marker.name))
        yield marker, rows.sort_by("pts_us")


def _paths(config: ClipsConfig, corpus: Corpus) -> dict[str, SourceRow]:
    """Unit -> its recording, from the private table. Raises: BadInput for a wrong key or where nothing is known."""
    key = open_key(config.key, outside=corpus.root, may_make=False)
    settings = read_settings(corpus)
    if settings.get("key_check") != key.check:
        raise BadInput(f"{corpus.root} was made with another key file; pass that one with --key FILE.")
    base = config.private or key.path.parent / "private"
    rows = PrivateFolder(base, str(settings["corpus_id"]), outside=corpus.root).read()
    found = {row.unit: row for row in sorted(rows.values(), key=lambda row: row.path, reverse=True) if row.unit}
    if not found:
        raise BadInput(
            f"{base} does not say where the recordings of this corpus lie; pass the folder extract used with --private."
        )
    return found
