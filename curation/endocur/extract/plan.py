"""From inputs to units of work: ids, groups, byte copies, batches of stills. Reads each file once, to hash it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from endocur.configs import ExtractConfig
from endocur.corpus import STILLS_A_UNIT, Corpus, InputRow
from endocur.extract.groups import Groups
from endocur.extract.inputs import Found
from endocur.extract.ledger import Ledger
from endocur.extract.still_unit import StillItem, StillsTask
from endocur.extract.unit import VideoTask
from endocur.identity import ID_DIGITS, Key
from endoshards.files import fingerprint
from endoshards.settings import config_fingerprint

Task = VideoTask | StillsTask


@dataclass
class Plan:
    """What there is to do, and what is known already."""

    tasks: list[Task] = field(default_factory=list)
    lost: list[InputRow] = field(default_factory=list)
    """Inputs that failed before any worker saw them."""
    ignored: list[InputRow] = field(default_factory=list)
    sha256: dict[int, str] = field(default_factory=dict)
    """By position."""

    def rows(self) -> dict[str, tuple[InputRow, ...]]:
        """Inputs by unit, as planned."""
        return {task.unit: task_inputs(task) for task in self.tasks}


def task_inputs(task: Task) -> tuple[InputRow, ...]:
    """All inputs of a unit."""
    if isinstance(task, VideoTask):
        return task.inputs
    return tuple(row for item in task.items for row in item.rows)


def make_plan(
    found: Sequence[Found],
    *,
    corpus: Corpus,
    config: ExtractConfig,
    key: Key,
    ledger: Ledger,
    groups: Groups,
    advance: Callable[[int], None],
) -> Plan:
    """Hash, name and bundle the inputs of this part.

    Args:
        found: in their order.
        advance: called with the bytes of each file once it is hashed.
    """
    plan = Plan()
    videos: dict[str, list[InputRow]] = {}
    stills: dict[str, list[InputRow]] = {}
    first: dict[str, Found] = {}
    for item in found:
        if item.kind == "ignored":
            plan.ignored.append(_row(key.unread_id(item.path), item, groups, key, status="ignored", reason=item.reason))
            continue
        digest = ""
        if item.kind != "failed":
            try:
                digest = ledger.sha256(item, rehash=config.rehash)
            except OSError as error:
                reason = f"cannot be read ({type(error).__name__})"
                plan.lost.append(_row(key.unread_id(item.path), item, groups, key, status="failed", reason=reason))
                continue
        advance(item.size)
        if item.kind == "failed":
            plan.lost.append(_row(key.unread_id(item.path), item, groups, key, status="failed", reason=item.reason))
            continue
        plan.sha256[item.position] = digest
        source = key.source_id(digest)
        row = _row(source, item, groups, key, copy_of=source if source in first else "")
        first.setdefault(source, item)
        (videos if item.kind == "video" else stills).setdefault(source, []).append(row)
    mark = config_fingerprint(config)
    for source, rows in videos.items():
        plan.tasks.append(VideoTask(corpus.root, first[source].path, source, mark, _one_group(rows), config))
    plan.tasks += _still_tasks(stills, first, corpus=corpus, config=config, key=key, mark=mark)
    return plan


def _still_tasks(
    stills: dict[str, list[InputRow]],
    first: dict[str, Found],
    *,
    corpus: Corpus,
    config: ExtractConfig,
    key: Key,
    mark: str,
) -> list[StillsTask]:
    """Batches of the stills of each argument, sorted by id and named by the hash of their ids."""
    by_argument: dict[int, list[str]] = {}
    for source in stills:
        by_argument.setdefault(first[source].argument, []).append(source)
    tasks = []
    for sources in by_argument.values():
        for start in range(0, len(sources), STILLS_A_UNIT):
            batch = sorted(sources)[start : start + STILLS_A_UNIT]
            items = tuple(
                StillItem(
                    first[source].path,
                    key.folder_key(str(first[source].path.parent.absolute())),
                    _one_group(stills[source]),
                )
                for source in batch
            )
            tasks.append(StillsTask(corpus.root, fingerprint(batch)[:ID_DIGITS], mark, items, config))
    return tasks


def _row(
    source: str, item: Found, groups: Groups, key: Key, *, status: str = "", reason: str = "", copy_of: str = ""
) -> InputRow:
    said = groups.of(item)
    return InputRow(
        id=source,
        status=status,
        reason=reason,
        copy_of=copy_of,
        position=item.position,
        group=key.own_group_id(source) if said.group is None else key.group_id(said.group),
        extras=dict(said.columns),
    )


def _one_group(rows: list[InputRow]) -> tuple[InputRow, ...]:
    """Copies of one file are one source, so they share the group of the first."""
    return tuple(InputRow(**{**vars(row), "group": rows[0].group}) for row in rows)
