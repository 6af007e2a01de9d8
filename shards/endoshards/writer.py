"""Writing a set of shards: equal input gives equal bytes, and a kill costs at most the shard being written.

The samples are shuffled once, here: they are written in the order of a hash of their keys, so that any later
reader, ours or not, finds neighbours of one video far apart. How many shards there will be is settled before the
first is written, from the sizes of the first samples of that order; all get the same number of samples (± 1).

    .writing.json        the plan; there while the set is unfinished
    shard-000000.tar     to a temporary name, synced, renamed; then its .idx and .parquet, which finishes it
    samples.parquet _info.json README.md, and index.json last
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from endoshards.card import data_card, timm_info
from endoshards.errors import BadInput
from endoshards.files import (
    Lock,
    json_bytes,
    read_json,
    refuse_source_tree,
    remove_temporaries,
    sha256_file,
    write_atomic,
    write_json,
)
from endoshards.files import fingerprint as fingerprint_of
from endoshards.foreign import foreign_fields, with_foreign
from endoshards.index import FORMAT, INDEX, SAMPLES, Index, ShardInfo, keys_sha256, read_index
from endoshards.members import ShardFacts, dali_index, parquet_bytes, read_members, write_members
from endoshards.tar import check_extension, check_key
from endoshards.tarwriter import Load, Loader, Plan, Threads, json_object_keys, tar_bytes, write_tar

PLAN = ".writing.json"
LOCK = ".lock"
ORDER_SEED = 0x656E646F
"""Seed of the hash that orders samples; fixed, so that a sample keeps its place among others in any set."""
PROBED_SAMPLES = 256
PROBED_BYTES = 64_000_000
"""Samples looked at to settle the number of shards: so many, or until they fill so many bytes."""
_OURS = re.compile(r"shard-[0-9]{6,}\.(tar|idx|parquet)|samples\.parquet|index\.json|_info\.json|README\.md")
_SHARD_FILE = re.compile(r"shard-([0-9]{6,})\.(tar|idx|parquet)")


def write_set(
    out: Path,
    keys: Sequence[str],
    load: Load,
    *,
    name: str,
    shard_bytes: int,
    fingerprint: str,
    samples: pa.Table | None = None,
    info: Mapping[str, object] | None = None,
    card: Mapping[str, str] | None = None,
    progress: Callable[[int], None] | None = None,
    workers: int = 1,
    replace: bool = False,
) -> Index:
    """Write all samples as shards with their index, or go on where an interrupted call stopped.

    Args:
        out: folder of the set; made if not there. It may hold nothing but a set.
        keys: of the samples, each once, in any order.
        load: gives a sample's members; called from `workers` threads, about once a sample. Each sample needs the
            same extensions, and its JSON members the same keys.
        name: of the set.
        shard_bytes: aimed-at size of a shard.
        fingerprint: of all that decides what `load` gives; a finished shard is kept only where it agrees.
        samples: column `key` and anything else worth a column of samples.parquet (but `shard` and `index`, which are
            set here); a row a key.
        info: kept in index.json, e.g. leak checks; values JSON can hold.
        card: lines of the data card; `license` and `pretty_name` go to its head.
        progress: told how many more samples are written.
        workers: threads that load; the bytes do not depend on them.
        replace: write over a set of another fingerprint instead of refusing.

    Returns:
        the set's index.

    Raises:
        BadInput for a folder that holds something else, keys or members the format cannot hold, no samples, or
        another process that writes there.
    """
    refuse_source_tree(out, f"--out study/{out.name or 'shards'}, a folder outside the source code")
    ordered = in_order(keys)
    layout = fingerprint_of([FORMAT, fingerprint, shard_bytes, keys_sha256(ordered)])
    told = progress or _silent
    with Lock(out / LOCK):
        found = _found_or_refused(out, layout, replace)
        remove_temporaries(out)
        with closing(Threads(workers)) as threads:
            loader = Loader(load, threads)
            plan = found or _plan(layout, ordered, loader, shard_bytes)
            job = _Job(out, plan, loader, threads, told)
            shards: list[ShardInfo] = []
            begin = 0
            for number, count in enumerate(plan.counts):
                shards.append(_shard(job, number, ordered[begin : begin + count]))
                begin += count
        index = Index(
            name=name,
            shards=tuple(shards),
            extensions=plan.extensions,
            json_keys=plan.json_keys,
            samples_sha256="",
            fingerprint=fingerprint,
            layout=plan.layout,
            info=info or {},
        )
        return _finish(out, plan, index, _with_places(samples, ordered, plan.counts), card or {})


def in_order(keys: Sequence[str]) -> list[str]:
    """The keys in the order in which samples are written: by hash, then by key.

    Raises: BadInput for no key, a key the format cannot hold, or one that comes twice.
    """
    if not keys:
        raise BadInput("there are no samples to write; keep some frames first, or lower the thresholds.")
    for key in keys:
        check_key(key)
    ordered = sorted(keys, key=order_hash)
    for one, other in pairwise(ordered):
        if one == other:
            raise BadInput(f"the key {one!r} comes twice; each sample needs its own.")
    return ordered


def order_hash(key: str) -> tuple[int, str]:
    """What samples are sorted by."""
    return xxhash.xxh3_64_intdigest(key.encode("ascii"), seed=ORDER_SEED), key


@dataclass(frozen=True, slots=True)
class _Job:
    """What writing each shard needs."""

    out: Path
    plan: Plan
    loader: Loader
    threads: Threads
    told: Callable[[int], None]


def _plan(layout: str, ordered: Sequence[str], loader: Loader, shard_bytes: int) -> Plan:
    """A new plan, from the first samples of the order."""
    probed = loader.probe(ordered[:PROBED_SAMPLES], PROBED_BYTES)
    seen = sum(map(tar_bytes, probed.values()))
    first = probed[ordered[0]]
    extensions = tuple(sorted(first))
    if not extensions:
        raise BadInput(f"sample {ordered[0]} has no members; at least one is needed.")
    for kind in extensions:
        check_extension(kind)
    json_keys = {
        kind: json_object_keys(ordered[0], kind, first[kind]) for kind in extensions if kind.split(".")[-1] == "json"
    }
    shards = min(len(ordered), -(-len(ordered) * seen // (len(probed) * shard_bytes)))
    short, longer = divmod(len(ordered), shards)
    counts = tuple(short + (number < longer) for number in range(shards))
    return Plan(layout, counts, extensions, json_keys)


def _found_plan(out: Path) -> Plan | None:
    """What `out` was begun or finished with; None for an empty folder. Raises: BadInput for a foreign index."""
    if (out / PLAN).is_file():
        said = read_json(out / PLAN)
        known = (said["layout"], tuple(said["counts"]), tuple(said["extensions"]), said["json_keys"])
        return Plan(*known, said.get("foreign", {}))
    if (out / INDEX).is_file():
        index = read_index(out)
        counts = tuple(shard.samples for shard in index.shards)
        foreign = foreign_fields(read_json(out / INDEX), index.to_json())
        return Plan(index.layout, counts, index.extensions, index.json_keys, foreign)
    return None


def _begin(out: Path, plan: Plan) -> None:
    """From here on the folder is unfinished: the plan stands, the index does not."""
    said = {
        "format": FORMAT,
        "layout": plan.layout,
        "counts": list(plan.counts),
        "extensions": list(plan.extensions),
        "json_keys": {kind: list(keys) for kind, keys in plan.json_keys.items()},
        "foreign": plan.foreign,
    }
    if not (out / PLAN).is_file() or read_json(out / PLAN) != said:
        write_json(out / PLAN, said)
    (out / INDEX).unlink(missing_ok=True)


def _shard(job: _Job, number: int, keys: Sequence[str]) -> ShardInfo:
    """Write one shard and its sidecars, or take it as an earlier call finished it."""
    tar = job.out / f"shard-{number:06d}.tar"
    sidecar = tar.with_suffix(".parquet")
    facts = _kept(tar, keys, job.plan)
    if facts is None:
        _begin(job.out, job.plan)
        sidecar.unlink(missing_ok=True)
        table, facts = write_tar(tar, job.loader.samples(keys, job.plan), job.plan, job.threads, job.told)
        write_atomic(tar.with_suffix(".idx"), dali_index(table))
        write_members(sidecar, table, facts)
    else:
        job.told(len(keys))
    return ShardInfo(tar.name, len(keys), facts.bytes, facts.sha256, sha256_file(sidecar), keys_sha256(keys))


def _kept(tar: Path, keys: Sequence[str], plan: Plan) -> ShardFacts | None:
    """The facts of a shard that an earlier call of the same layout finished, else None."""
    sidecar = tar.with_suffix(".parquet")
    if not (sidecar.is_file() and tar.is_file() and tar.with_suffix(".idx").is_file()):
        return None
    try:
        table, facts = read_members(sidecar)
    except BadInput:
        # A damaged or foreign sidecar only means that the shard is written again.
        return None
    same = facts.layout == plan.layout and table.keys == tuple(keys) and facts.bytes == tar.stat().st_size
    return facts if same else None


def _finish(out: Path, plan: Plan, index: Index, samples: pa.Table, card: Mapping[str, str]) -> Index:
    """Write what stands beside the shards, the index last; files that already hold these bytes are left alone."""
    table = parquet_bytes(samples)
    index = dataclasses.replace(index, samples_sha256=hashlib.sha256(table).hexdigest())
    files = {
        SAMPLES: table,
        "_info.json": timm_info(index).encode("utf-8"),
        "README.md": data_card(index, card).encode("utf-8"),
        INDEX: json_bytes(with_foreign(index.to_json(), plan.foreign)),
    }
    beyond = [path for path in out.iterdir() if _number(path) >= len(index.shards)]
    stale = [name for name, data in files.items() if not _holds(out / name, data)]
    if beyond or stale:
        _begin(out, plan)
        for path in beyond:
            path.unlink()
        for name, data in files.items():
            if name == INDEX or name in stale:
                write_atomic(out / name, data)
    (out / PLAN).unlink(missing_ok=True)
    return index


def _with_places(samples: pa.Table | None, ordered: Sequence[str], counts: Sequence[int]) -> pa.Table:
    """The set's table: key, shard and number in it, then the columns of `samples`, in the order of the shards.

    Raises: BadInput where `samples` has no row, or two, for a key.
    """
    keys = pa.array(ordered, pa.string())
    places = {
        "key": keys,
        "shard": pa.array(np.repeat(np.arange(len(counts), dtype=np.int32), counts)),
        "index": pa.array(np.concatenate([np.arange(count, dtype=np.int32) for count in counts])),
    }
    if samples is None:
        return pa.table(places)
    if len(samples) != len(ordered):
        raise BadInput(f"the table of samples has {len(samples)} rows for {len(ordered)} keys; a row a key is wanted.")
    rows = pc.index_in(keys, value_set=samples["key"].combine_chunks().cast(pa.string()))
    if rows.null_count:
        missing = keys.filter(rows.is_null())[0].as_py()
        raise BadInput(f"the table of samples has no row for {missing!r}; a row a key is wanted.")
    taken = samples.take(rows).replace_schema_metadata(None)
    for name in taken.column_names:
        if name not in places:
            places[name] = taken[name].combine_chunks()
    return pa.table(places)


def _found_or_refused(out: Path, layout: str, replace: bool) -> Plan | None:
    """The plan to go on with; None to start anew.

    Raises: BadInput where `out` holds anything but a set, or a set of another layout that may not be replaced.
    """
    found = _found_plan(out)
    begun = found is not None or _layout_of(out / "shard-000000.parquet") == layout  # else its index was lost
    names = [path.name for path in out.iterdir() if not path.name.startswith(".")]
    strange = sum(1 for name in names if not (begun and _OURS.fullmatch(name)))
    if strange:
        # Counted, not named: a file's name may be a patient's.
        raise BadInput(
            f"{out} holds {strange} file{'s' if strange > 1 else ''} that no set of shards written here consists of; "
            "choose an empty folder."
        )
    if found is None or found.layout == layout:
        return found
    if not replace:
        raise BadInput(
            f"{out} holds shards made of other samples or with other settings; "
            "write into another folder, or remove this one."
        )
    return None


def _layout_of(sidecar: Path) -> str | None:
    """What a shard was written for, as its own table says; None where there is none of ours."""
    try:
        return read_members(sidecar)[1].layout
    except BadInput:
        return None


def _number(path: Path) -> int:
    """The shard a file belongs to; -1 for other files."""
    match = _SHARD_FILE.fullmatch(path.name)
    return int(match[1]) if match else -1


def _holds(path: Path, data: bytes) -> bool:
    return path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data


def _silent(count: int) -> None:
    del count
