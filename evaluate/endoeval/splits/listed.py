"""One list file as columns of text: CSV, TSV, semicolons, bars, path-space-label, JSON; any line ends, BOM."""

from __future__ import annotations

import csv
import hashlib
import itertools
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from endoeval.splits.columns import ROLES, split_number
from endoeval.splits.json_lists import cell, columns_of, fold_columns, holds_lists, is_fold, keyed_columns, parsed
from endoeval.splits.names import MEDIA
from endoshards.errors import BadInput

SAMPLE = 400
"""Lines from which the form of a list is told."""
DELIMITERS = (("\t", "tabs"), (";", "semicolons"), ("|", "bars"), (",", "commas"))
PATH = re.compile(
    r"""^(?:"(?P<quoted>[^"]+)"|'(?P<single>[^']+)'|(?P<path>.+?\.(?:"""
    + "|".join(map(re.escape, MEDIA))
    + r")))(?= |$)(?P<rest>.*)$",
    re.IGNORECASE,
)
"""A path with a known ending, spaces and quotes inside allowed, then what follows after a space."""
WORD = re.compile(r"(?i)[a-z][a-z0-9 ._/-]*$")
ROLE_WORDS = re.compile(
    r"(?i)^(?:file|path|im(?:age|g)|video|clip|frame|name|stem|id|uid|label|class|categor|target|diagnos|finding|y$|"
    r"split|fold|set$|subset|partition|group|patient|case|subject|sequence|seq$|lesion|procedure|exam|start|end|begin|"
    r"xmin|ymin|xmax|ymax|x$|y$|w$|h$|width|height|url|sample|masks?$|maskpath|annotation|gt$|segmentation|truth)"
)
"""How the names of columns begin."""


@dataclass(frozen=True)
class Listed:
    """One list: columns of equal length, as text."""

    source: str
    columns: dict[str, list[str]]
    """Header, or "column 1", "column 2", ..., to values."""
    form: str
    """In plain words: "parted by commas, with a header"."""
    has_header: bool
    sha256: str
    coco: dict[str, Any] | None = None
    """The parsed file where it is COCO JSON; `columns` is empty then."""

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(next(iter(self.columns.values()), []))


def read_list(path: Path) -> Listed | dict[str, Listed]:
    """Read one list file; a JSON object of lists (`{"train": [...], "test": [...]}`) gives one list a key.

    Raises: BadInput for a folder, an empty or binary file, another encoding, rows of unequal length.
    """
    if path.is_dir():
        raise BadInput(f"{path} is a folder; a list (CSV, TSV, text, JSON) is wanted here.")
    if not path.is_file():
        raise BadInput(f"{path} does not exist; give the list's path.")
    head = path.read_bytes() if path.stat().st_size < 1 << 16 else _head(path)
    encoding = _encoding(head)
    digest = _sha256(path)
    try:
        first = head.decode(encoding, errors="ignore").lstrip("\ufeff \t\r\n\x00")
        if not first:
            raise BadInput(f"{path} is empty; a list with at least one row is wanted.")
        if "\x00" in first:
            raise BadInput(f"{path} is no text; a list (CSV, TSV, text, JSON) is wanted.")
        if first[0] in "{[":
            return _json(path, encoding, digest)
        return _text(path, encoding, digest)
    except UnicodeDecodeError as error:
        raise BadInput(
            f"{path} is not UTF-8 (byte {error.object[error.start]:#04x}); names can be compared in one encoding only: "
            f"iconv -f WINDOWS-1252 -t UTF-8 {path.name} > utf8-{path.name}"
        ) from None


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(1 << 16)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _encoding(head: bytes) -> str:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    return "utf-8-sig"


def _lines(path: Path, encoding: str) -> Iterator[str]:
    """Lines without their ends (CR, LF and CRLF all end one), blank ones left out."""
    with path.open(encoding=encoding, newline=None) as file:
        for line in file:
            line = line.rstrip("\n")
            if line.strip():
                yield line


def _text(path: Path, encoding: str, digest: str) -> Listed:
    sample = [line for line, _ in zip(_lines(path, encoding), range(SAMPLE), strict=False)]
    if not sample:
        raise BadInput(f"{path} is empty; a list with at least one row is wanted.")
    delimiter, words = _delimiter(sample)
    if delimiter:
        columns, header = _delimited(path, encoding, delimiter)
    elif _spaced(_body(sample)):
        header = len(_body(sample)) < len(sample)
        columns = _space_parted(path, encoding, sample[0].split() if header else [])
        words = "a space" if len(columns) > 1 else ""
    else:
        names = [line.strip().strip('"') for line in _lines(path, encoding)]
        header = len(names) > 1 and _is_header([names[0]], [[name] for name in names[1:50]])
        columns = {names[0]: names[1:]} if header else {"column 1": names}
    if not next(iter(columns.values())):
        raise BadInput(f"{path} holds a header and no row; a list with at least one row is wanted.")
    parted = f"parted by {words}" if words else "one name a line"
    return Listed(str(path), columns, f"{parted}, {'with' if header else 'without'} a header", header, digest)


def _delimiter(sample: Sequence[str]) -> tuple[str, str]:
    """The delimiter that gives every line the same number (two or more) of fields, and its name; "" for none."""
    body = _body(sample)
    if all((found := PATH.match(line.strip())) and found["rest"].strip() for line in body):
        return "", ""  # a path may hold commas; what follows it after a space is the label
    for delimiter, words in DELIMITERS:
        if delimiter not in sample[0]:
            continue
        counts = {len(row) for row in _parsed(sample, delimiter, sample)}
        if len(counts) == 1 and counts.pop() > 1:
            return delimiter, words
    if _spaced(body):
        return "", ""
    ragged = [(d, w) for d, w in DELIMITERS if sum(d in line for line in sample) > 0.9 * len(sample)]
    return ragged[0] if ragged else ("", "")


def _parsed(lines: Iterable[str], delimiter: str, sample: Sequence[str]) -> Iterator[list[str]]:
    """CSV rows; quotes count only where reading them so keeps every line a row."""
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL
    if any('"' in line for line in sample):
        try:
            whole = sum(1 for _ in csv.reader(sample, delimiter=delimiter, strict=True)) == len(sample)
        except csv.Error:
            whole = False
        quoting = csv.QUOTE_MINIMAL if whole else csv.QUOTE_NONE
    return iter(csv.reader(lines, delimiter=delimiter, quoting=quoting, skipinitialspace=True))


def _delimited(path: Path, encoding: str, delimiter: str) -> tuple[dict[str, list[str]], bool]:
    quoted = [line for line in _lines(path, encoding) if '"' in line]
    rows = _parsed(_lines(path, encoding), delimiter, quoted)
    first = [cell.strip() for cell in next(rows)]
    columns: list[list[str]] = [[] for _ in first]
    seen: dict[str, str] = {}
    try:
        for number, row in enumerate(rows, 2):
            if len(row) != len(first):
                while len(row) > len(first) and not row[-1].strip():
                    row.pop()
                row += [""] * (len(first) - len(row)) if len(row) >= len(first) - 1 else []
                if len(row) != len(first):
                    raise BadInput(
                        f"{path}, row {number} has {len(row)} fields where the first has {len(first)}; every row wants "
                        "the same number: quote a field that holds the delimiter."
                    )
            for column, cell in zip(columns, row, strict=True):
                cell = cell.strip()
                # Labels and groups recur: one object each keeps a million rows small.
                column.append(seen.setdefault(cell, cell) if len(cell) < 24 and len(seen) < 50_000 else cell)
    except csv.Error as error:
        raise BadInput(f"{path} can't be read as a table: {error}; quote fields that hold the delimiter.") from None
    header = _is_header(first, list(zip(*(column[:50] for column in columns), strict=True)))
    if header:
        names = [name or f"column {i}" for i, name in enumerate(first, 1)]
        spelt = [name.lower() for name in names]
        twice = sorted(name for i, name in enumerate(names) if name.lower() in spelt[:i])
        if twice:
            raise BadInput(f"{path} has two columns named {twice[0]}; every column wants a name of its own.")
        return dict(zip(names, columns, strict=True)), True
    for column, cell in zip(columns, first, strict=True):
        column.insert(0, cell)
    return {f"column {i}": column for i, column in enumerate(columns, 1)}, False


def _is_header(first: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """True where the first row names columns: words only, and unlike what stands below."""
    if not rows:
        return len(first) > 1 and all(ROLE_WORDS.match(re.sub(r"[\s_-]", "", cell)) for cell in first)
    if not all(WORD.match(cell) for cell in first if cell) or any(_is_path(cell) for cell in first):
        return False
    named = [cell.lower() for cell in first if cell]
    if len(set(named)) < len(named):
        return all(re.sub(r"[^a-z0-9]", "", cell) in ROLES for cell in named)  # a header, and refused as such
    if not named:
        return False
    if any(cell and cell in {row[i] for row in rows} for i, cell in enumerate(first)):
        return False
    below = list(zip(*rows, strict=True))
    unlike = [all(_is_number(v) or _is_path(v) for v in values if v) and any(values) for values in below]
    if any(unlike):
        return True
    return any(ROLE_WORDS.match(re.sub(r"[\s_-]", "", cell)) for cell in first)


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?", text.strip(), re.IGNORECASE))


def _is_path(text: str) -> bool:
    return "/" in text or "\\" in text or ("." in text and text.lower().rpartition(".")[2] in MEDIA)


def _body(sample: Sequence[str]) -> Sequence[str]:
    """Lines without the first where it alone is no path but several words that name columns."""
    words = sample[0].split()
    named = len(words) > 1 and all(ROLE_WORDS.match(re.sub(r"[_-]", "", word)) for word in words)
    is_header = named and not PATH.match(sample[0].strip()) and len(set(words)) == len(words)
    return sample[1:] if is_header and len(sample) > 1 and _spaced(sample[1:]) else sample


def _spaced(sample: Sequence[str]) -> bool:
    """True where lines are a path (known ending or quoted) and what follows, or a word and numbers."""
    if all(PATH.match(line.strip()) for line in sample):
        return True
    counts = {len(line.split()) for line in sample}
    return len(counts) == 1 and 1 < counts.pop() <= 6 and all(_is_number(line.split()[-1]) for line in sample)


def _space_parted(path: Path, encoding: str, header: Sequence[str]) -> dict[str, list[str]]:
    names: list[str] = []
    rests: list[str] = []
    seen: dict[str, str] = {}
    for line in itertools.islice(_lines(path, encoding), bool(header), None):
        line = line.strip()
        found = PATH.match(line)
        name = (found["quoted"] or found["single"] or found["path"]) if found else line.split()[0]
        rest = found["rest"].strip() if found else line[len(line.split()[0]) :].strip()
        names.append(name)
        rests.append(seen.setdefault(rest, rest))
    if not any(rests):
        return {" ".join(header) or "column 1": names}
    words = {rest: rest.split() for rest in seen}
    counts = {len(parts) for parts in words.values()}
    numbers = all(_is_number(part) for parts in words.values() for part in parts)
    values = [names, [rest.strip('"') for rest in rests]]
    if counts == {len(header) - 1} or (len(counts) == 1 and numbers):
        values[1:] = [[words[rest][i].strip('"') for rest in rests] for i in range(counts.pop())]
    titles = header if len(header) == len(values) else [f"column {i + 1}" for i in range(len(values))]
    return dict(zip(titles, values, strict=True))


def _json(path: Path, encoding: str, digest: str) -> Listed | dict[str, Listed]:
    found, form = parsed(path, encoding)
    if isinstance(found, dict) and {"images", "annotations"} <= set(found):
        return Listed(str(path), {}, "COCO JSON", True, digest, coco=found)
    if isinstance(found, list) and len(found) > 1 and all(is_fold(entry) for entry in found):
        return Listed(str(path), fold_columns(found), f"{form}, a fold an entry", True, digest)
    if isinstance(found, list) and len(found) == 1 and isinstance(found[0], dict) and holds_lists(found[0]):
        found = found[0]
    if isinstance(found, dict):
        lists = {key: value for key, value in found.items() if isinstance(value, list) and value}
        if (columns := keyed_columns(path, lists)) is not None:
            return Listed(str(path), columns, f"{form}, a list a column or class", True, digest)
        if holds_lists(found):
            return {key: Listed(str(path), columns_of(path, value), form, True, digest) for key, value in lists.items()}
        if _names_to_labels(found):
            return Listed(str(path), _named_columns(found), f"{form}, name to label", True, digest)
        if found and all(split_number(key) is not None and _names_to_labels(value) for key, value in found.items()):
            form += ", name to label"
            return {key: Listed(str(path), _named_columns(value), form, True, digest) for key, value in found.items()}
        if any(isinstance(value, dict) for value in found.values()):
            raise BadInput(
                f"{path} holds objects inside an object; a list of objects, or lists under train, val and test, is "
                "wanted."
            )
        found = [found]
    if not found:
        raise BadInput(f"{path} is empty; a list with at least one row is wanted.")
    return Listed(str(path), columns_of(path, found), form, not isinstance(found[0], str | list), digest)


def _names_to_labels(found: Any) -> bool:
    return isinstance(found, dict) and bool(found) and all(isinstance(v, str | int | float) for v in found.values())


def _named_columns(found: dict[str, Any]) -> dict[str, list[str]]:
    return {"name": list(found), "label": [cell(value) for value in found.values()]}
