"""The fields that a published set may hold, and the form of each value: a positive list, all else is a fault.

Faults say where and what kind; they never repeat a key or a value that is not in the list, for it may be a name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields as fields_of
from typing import Any, TypeAlias

from endocur import configs

Form: TypeAlias = "Callable[[Any], bool] | Mapping[str, Any] | tuple[Any, ...]"
"""A predicate; the keys an object must have with their forms; or (form,): a list of any length of that form."""

FRAME_ID = re.compile(r"[0-9a-f]{16}-[0-9]{12}")
HEX16 = re.compile(r"[0-9a-f]{16}")
HEX64 = re.compile(r"[0-9a-f]{64}")
VIEW_ID = re.compile(r"[a-z0-9+-]{1,40}")
WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:=+-]{0,63}")
"""A word of a setting: `builtin:descriptor`, `pyav`, `sharpness=0.2`; no blank, no path."""
VERSION = re.compile(r"[0-9][0-9.]{0,15}")
WITHHELD = "withheld"
"""Stands in a set for a setting that is no WORD, for example the folder of an encoder."""

STAGES = ("extract", "shard", "privacy", "filter", "leaks", "dedup", "balance", "review", "withdraw")


def matches(pattern: re.Pattern[str]) -> Callable[[Any], bool]:
    """A form: text that the pattern matches as a whole."""
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


def number(value: Any) -> bool:
    """A form: any number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def whole(value: Any) -> bool:
    """A form: a whole number."""
    return isinstance(value, int) and not isinstance(value, bool)


def flag(value: Any) -> bool:
    """A form: true or false."""
    return isinstance(value, bool)


def faults(value: Any, form: Form, where: str = "") -> Iterator[str]:
    """Each place of `value` that the form does not allow, as words without its content."""
    here = where or "the whole"
    if isinstance(form, Mapping):
        if not isinstance(value, dict):
            yield f"{here} is no object"
            return
        if beyond := len(value.keys() - form.keys()):
            yield f"{here} has {beyond} field{'s' if beyond > 1 else ''} that {'are' if beyond > 1 else 'is'} not ours"
        for name, inner in form.items():
            if name in value:
                yield from faults(value[name], inner, f"{where}.{name}" if where else name)
            else:
                yield f"{here} lacks {name}"
    elif isinstance(form, tuple):
        if not isinstance(value, list):
            yield f"{here} is no list"
            return
        for place, one in enumerate(value):
            yield from faults(one, form[0], f"{where}[{place}]")
    elif not form(value):
        yield f"{here} holds a value of another form than ours"


def sample_form(scores: tuple[str, ...]) -> Form:
    """The form of a sample's JSON (`publish.sample_json`)."""
    return {
        "frame_id": matches(FRAME_ID),
        "source_id": matches(HEX16),
        "group_id": matches(HEX16),
        "pts_us": whole,
        "pts_made": flag,
        "width": whole,
        "height": whole,
        "source_width": whole,
        "source_height": whole,
        "view": {
            "id": matches(VIEW_ID),
            "crop": (whole,),
            "rotation": whole,
            "pixel_aspect": (whole,),
            "scale": (number,),
        },
        "scores": dict.fromkeys(scores, number),
        "score_version": matches(VERSION),
    }


def sample_faults(data: bytes, form: Form) -> list[str]:
    """What of a sample's JSON bytes is not ours, the way it is written included (`publish.sample_json`)."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return ["is no JSON"]
    found = list(faults(value, form))
    plain = json.dumps(value, separators=(",", ":"), ensure_ascii=True).encode("ascii")
    if not found and plain != data:
        found.append("is written in another way than ours: blanks, or a field twice")
    return found


def index_faults(value: Any) -> list[str]:
    """What of `index.json` is not ours; the set's name is the owner's own word and is not judged."""
    text = matches(re.compile(r".{0,120}"))
    sha = matches(HEX64)
    entry = {
        "url": matches(re.compile(r"shard-[0-9]{6,}\.tar")),
        "nsamples": whole,
        "filesize": whole,
        "sha256": sha,
        "members_sha256": sha,
        "keys_sha256": sha,
    }
    ours = {
        "format": whole,
        "samples": whole,
        "extensions": (matches(WORD),),
        "json_keys": {"json": (matches(WORD),)},
        "order_fingerprint": matches(HEX16),
        "content_fingerprint": matches(HEX16),
        "samples_sha256": sha,
        "fingerprint": matches(HEX16),
        "layout": matches(HEX16),
        "info": {
            "corpus": matches(HEX16),
            "publish_version": matches(VERSION),
            "settings": _settings,
            "encoder": lambda name: name is None or matches(WORD)(name),
            "leak_checks": matches(WORD),
            "seen": whole,
            "kept": whole,
            "dropped": _counts,
        },
    }
    form = {
        "wids_version": whole,
        "__kind__": matches(WORD),
        "name": text,
        "shardlist": (entry,),
        "endoshards": ours,
    }
    return list(faults(value, form))


def publishable(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of one stage as a set may tell them: text that is no WORD is withheld, for it may be a path."""
    return {name: _told(value) for name, value in settings.items()}


def _told(value: Any) -> Any:
    if isinstance(value, str):
        return value if WORD.fullmatch(value) else WITHHELD
    if isinstance(value, Mapping):
        return publishable(value)
    return [_told(one) for one in value] if isinstance(value, list | tuple) else value


def _settings(value: Any) -> bool:
    """Stage -> settings; each name is an option of ours, each text a WORD (or the set's own name)."""
    return isinstance(value, dict) and all(
        stage in STAGES
        and isinstance(said, dict)
        and all(name in _OPTIONS and _plain(one) for name, one in said.items())
        for stage, said in value.items()
    )


def _plain(value: Any) -> bool:
    if isinstance(value, list):
        return all(map(_plain, value))
    if isinstance(value, dict):
        return all(WORD.fullmatch(name) and _plain(one) for name, one in value.items())
    return value is None or flag(value) or number(value) or matches(WORD)(value)


def _counts(value: Any) -> bool:
    """`stage: reason` -> number."""
    named = re.compile(r"[a-z][a-z0-9_ :-]{0,63}")
    return isinstance(value, dict) and all(named.fullmatch(name) and whole(one) for name, one in value.items())


_OPTIONS = frozenset(
    field.name
    for name, kind in vars(configs).items()
    if name.endswith("Config") and isinstance(kind, type)
    for field in fields_of(kind)
) | {"thresholds"}
"""Names of all options of all commands: what a stage's settings may be called."""
