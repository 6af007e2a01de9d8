"""One frozen dataclass a command: its fields are the options, the TOML keys and the fingerprint.

Order of strength: defaults < recipe < `--config FILE.toml` < the line. Values are checked once, by the
dataclass's own `__post_init__`, whichever way they came. Imports the standard library only; Typer is
imported where a command line is made.
"""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import logging
import shlex
import sys
import tomllib
import types
import typing
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from endoshards.errors import BadOption
from endoshards.files import fingerprint

C = TypeVar("C")


def option(
    default: Any,
    help: str,
    *,
    how: bool = False,
    argument: bool = False,
    flag: str | None = None,
    before: object = None,
    content: bool = False,
) -> Any:
    """A config field.

    Args:
        default: its default; `dataclasses.MISSING` makes it required on the line.
        help: unit, range and effect, one sentence; shown by `--help` and kept as a TOML comment.
        how: True for workers, engines, time-outs, paths, logs: it enters no fingerprint.
        argument: True for a positional argument.
        flag: the option's name where it is not the field's name with dashes.
        before: the value that stands for what versions without this field did: at that value the field is left out
            of `what`, so that fingerprints and stored settings of those versions stay valid.
        content: True for a file on whose bytes the result depends: `what` has their hash, never the path.
    """
    metadata = {"help": help, "how": how, "argument": argument, "flag": flag, "before": before, "content": content}
    if default is dataclasses.MISSING:
        return dataclasses.field(metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def load(
    kind: type[C], given: Mapping[str, object], file: Path | None = None, base: Mapping[str, object] | None = None
) -> C:
    """Build a config: its defaults, then `base` (a recipe), then the TOML file, then what the line said.

    Args:
        kind: a frozen dataclass made of `option` fields.
        given: values of the line; None means not given.
        file: a TOML file of the same keys.
        base: values of a recipe.
    Raises: BadOption for an unknown key, a wrong type or a value out of range, with the value in the text.
    """
    said: dict[str, object] = dict(base or {})
    if file is not None:
        said |= _read_toml(file)
    hints = typing.get_type_hints(kind)
    names = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    for name in said.keys() - names:
        near = get_close_matches(name, names, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(sorted(names))}."
        raise BadOption(f"{file or 'recipe'}: {name!r} is no setting of {kind.__name__}; {hint}")
    values = {name: _fit(name, value, hints[name]) for name, value in said.items()}
    values |= {name: _fit(name, value, hints[name]) for name, value in given.items() if value is not None}
    missing = [
        field.name
        for field in dataclasses.fields(kind)  # type: ignore[arg-type]
        if field.name not in values and field.default is dataclasses.MISSING
    ]
    if missing:
        raise BadOption(f"{', '.join(missing)} must be given, on the line or in the config file.")
    return kind(**values)


def what(config: Any) -> dict[str, object]:
    """The fields that decide the bytes of the result (all but *how*), as plain JSON values.

    A field that came later is left out at the value that stands for the time before it. A file that counts by its
    content is 16 hex digits of its SHA-256, and no field at all where none is given.
    Raises: BadOption if such a file cannot be read.
    """
    said: dict[str, object] = {}
    for field in dataclasses.fields(config):
        value, by_content = getattr(config, field.name), field.metadata.get("content")
        if field.metadata.get("how") or _as_before(config, field) or (by_content and value is None):
            continue
        said[field.name] = _content(field.name, value) if by_content else _plain(value)
    return said


def before(kind: type) -> dict[str, object]:
    """Name -> value of the fields that `what` leaves out where nothing else was said."""
    return {
        field.name: field.metadata["before"]
        for field in dataclasses.fields(kind)
        if field.metadata.get("before") is not None
    }


def _as_before(config: Any, field: dataclasses.Field[Any]) -> bool:
    value = field.metadata.get("before")
    return value is not None and getattr(config, field.name) == value


def config_fingerprint(config: Any) -> str:
    """16 hex digits over the *what* fields and the config's class name."""
    return fingerprint({"kind": type(config).__name__, "what": what(config)})


def to_toml(config: Any) -> str:
    """Everything resolved as TOML, help as comments, unset fields commented out; a valid `--config` file."""
    import tomli_w

    lines: list[str] = []
    for field in dataclasses.fields(config):
        value = _plain(getattr(config, field.name))
        lines.append(f"# {field.metadata.get('help', '')}")
        lines.append(f"# {field.name} =" if value is None else tomli_w.dumps({field.name: value}).rstrip())
    return "\n".join(lines) + "\n"


def to_line(config: Any) -> str:
    """What of a config is not at its default, as it is typed: arguments first, quoted for a shell."""
    hints = typing.get_type_hints(type(config))
    arguments: list[str] = []
    options: list[str] = []
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        flag = field.metadata["flag"] or "--" + field.name.replace("_", "-")
        if value == field.default:
            continue
        if field.metadata["argument"]:
            arguments += map(str, value if isinstance(value, tuple) else (value,))
        elif isinstance(value, bool):
            options.append(flag if value else f"--no-{flag[2:]}")
        elif get_origin(_typer_type(hints[field.name])) is list:
            options += [word for one in value for word in (flag, _word(one))]
        else:
            options += [flag, *map(_word, value if isinstance(value, tuple) else (value,))]
    return shlex.join([*arguments, *options])


def one_of(name: str, values: tuple[str, ...], allowed: object) -> None:
    """Check a word list against a Literal's words. Raises: BadOption naming the stranger."""
    words = get_args(allowed)
    for value in values:
        if value not in words:
            raise BadOption(f"--{name.replace('_', '-')} has {value!r}; allowed: {', '.join(words)}.")


def command(kind: type[C], run: Callable[[C], None], doc: str) -> Callable[..., None]:
    """A function with the Typer signature of `kind`; calling it loads the config and runs `run`.

    Adds `--config FILE`, `--print-config` and `--verbose`.
    """
    import typer

    hints = typing.get_type_hints(kind)
    parameters: list[inspect.Parameter] = []
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        annotation = _typer_type(hints[field.name])
        text = field.metadata["help"] + _shown_default(field.default)
        flag = field.metadata["flag"] or "--" + field.name.replace("_", "-")
        info: Any
        if field.metadata["argument"]:
            info = typer.Argument(help=text, show_default=False)
        elif annotation is bool:
            info = typer.Option(f"{flag}/--no-{flag[2:]}", help=text, show_default=False)
        else:
            info = typer.Option(flag, help=text, show_default=False)
        parameters.append(_parameter(field.name, Annotated[annotation | None, info]))
    extras = {
        "config": (
            Path,
            typer.Option("--config", help="TOML file of these settings; the line wins over it.", show_default=False),
        ),
        "print_config": (
            bool,
            typer.Option("--print-config", help="Print the resolved settings as TOML and stop.", show_default=False),
        ),
        "verbose": (bool, typer.Option("-v", "--verbose", help="Show the log.", show_default=False)),
    }
    for name, (kind_, info) in extras.items():
        parameters.append(_parameter(name, Annotated[kind_ | None, info]))

    def call(**given: Any) -> None:
        file, show, verbose = (given.pop(name) for name in extras)
        config = load(kind, given, file)
        if show:
            sys.stdout.write(to_toml(config))
            return
        if verbose:
            for package in ("endoshards", "endoeval", "endocur", "endomae"):
                logging.getLogger(package).addHandler(_SHOWN_LOG)
                logging.getLogger(package).setLevel(logging.INFO)
        run(config)

    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    call.__doc__ = doc
    return call


class _ShownLog(logging.Handler):
    """Lines of our own log on what stderr is at that moment: a progress bar puts its own in the place of it."""

    def emit(self, record: logging.LogRecord) -> None:
        sys.stderr.write(f"{record.getMessage()}\n")


_SHOWN_LOG = _ShownLog()


def _parameter(name: str, annotation: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _shown_default(default: object) -> str:
    """Written into the help by hand: the options' own defaults are None, which means not given."""
    if default is dataclasses.MISSING or default is None or default == ():
        return ""
    if isinstance(default, bool):
        return f"  [default: {'on' if default else 'off'}]"
    return f"  [default: {' '.join(map(str, default)) if isinstance(default, tuple) else default}]"


def _inner(hint: Any) -> Any:
    """`X | None` -> `X`."""
    if get_origin(hint) in (Union, types.UnionType):
        inner = [arg for arg in get_args(hint) if arg is not type(None)]
        if len(inner) == 1:
            return inner[0]
    return hint


def _typer_type(hint: Any) -> Any:
    hint = _inner(hint)
    if get_origin(hint) is tuple and get_args(hint)[-1] is Ellipsis:
        return list[get_args(hint)[0]]  # type: ignore[misc]
    return hint


def _fit(name: str, value: object, hint: Any) -> Any:
    """The value as the field's type. Raises: BadOption with value and type."""
    hint = _inner(hint)
    origin = get_origin(hint)
    if origin is Literal:
        if value not in get_args(hint):
            raise BadOption(f"{name} is {value!r}; allowed: {', '.join(map(str, get_args(hint)))}.")
        return value
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise BadOption(f"{name} is {value!r}; a list is wanted.")
        args = get_args(hint)
        if args[-1] is Ellipsis:
            return tuple(_fit(name, item, args[0]) for item in value)
        if len(value) != len(args):
            raise BadOption(f"{name} has {len(value)} values; {len(args)} are wanted.")
        return tuple(_fit(name, item, arg) for item, arg in zip(value, args, strict=True))
    if hint is Path and isinstance(value, (str, Path)):
        return Path(value)
    if hint is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if isinstance(hint, type) and isinstance(value, hint) and not (hint is int and isinstance(value, bool)):
        return value
    raise BadOption(f"{name} is {value!r}; {getattr(hint, '__name__', hint)} is wanted.")


def _word(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _content(name: str, path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    except OSError:
        raise BadOption(f"--{name.replace('_', '-')} {path}: no such file, or it cannot be read.") from None


def _plain(value: object) -> object:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return value


def _read_toml(file: Path) -> dict[str, object]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        raise BadOption(f"--config {file}: no such file.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadOption(f"--config {file} is not TOML: {error}.") from None
