"""`--include` and `--exclude`: globs and lists of paths, matched on whole parts of a path from its end."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from endocur.account import counted
from endoshards.errors import BadInput, in_words


@dataclass
class PatternList:
    """Globs and paths of one option. `a/b.png` matches a path that ends in these parts, or lies below such a folder."""

    literals: dict[str, str] = field(default_factory=dict)
    """Path -> where it was said."""
    globs: list[tuple[re.Pattern[str], str]] = field(default_factory=list)
    used: set[str] = field(default_factory=set)

    def matches(self, path: Path, root: Path) -> bool:
        """Whether a pattern fits the path or a folder between `root` and it; remembers all that do."""
        if not self:
            return False
        text, above = _posix(path), len(_posix(root if root != path else root.parent).rstrip("/"))
        hits = [where for tail in _tails(text, above) if (where := self.literals.get(tail)) is not None]
        hits += [where for glob, where in self.globs if any(hit.end() > above + 1 for hit in glob.finditer(text))]
        self.used.update(hits)
        return bool(hits)

    @property
    def unused(self) -> list[str]:
        """Where patterns stand that matched nothing."""
        said = [*self.literals.values(), *(where for _, where in self.globs)]
        return [where for where in dict.fromkeys(said) if where not in self.used]

    def __bool__(self) -> bool:
        return bool(self.literals or self.globs)


@dataclass
class Patterns:
    """Which inputs are taken."""

    include: PatternList
    exclude: PatternList

    def takes(self, path: Path, root: Path) -> bool:
        """Included (or nothing was said) and not excluded; `root` is the argument it was found under."""
        excluded = self.exclude.matches(path, root)
        return (not self.include or self.include.matches(path, root)) and not excluded

    def warnings(self) -> list[str]:
        """One line an option with patterns that matched nothing; they are named by place, not by content."""
        lines = []
        for option, patterns in (("--include", self.include), ("--exclude", self.exclude)):
            if unused := patterns.unused:
                shown = ", ".join(unused[:5]) + (", …" if len(unused) > 5 else "")
                lines.append(f"{option}: no input for {counted(len(unused), 'pattern')} ({shown})")
        return lines


def read_patterns(include: Sequence[str], exclude: Sequence[str]) -> Patterns:
    """The two options as typed. Raises: BadInput for an @FILE that cannot be read."""
    return Patterns(_read(include, "--include"), _read(exclude, "--exclude"))


def _read(texts: Sequence[str], option: str) -> PatternList:
    patterns = PatternList()
    for number, text in enumerate(texts, 1):
        if not text.startswith("@"):
            _add(patterns, text, f"pattern {number}")
            continue
        try:
            lines = Path(text[1:]).read_text("utf-8", "surrogateescape").splitlines()
        except OSError as error:
            raise BadInput(f"{option} {text}: the list cannot be read ({in_words(error)}).") from None
        for line_number, line in enumerate(lines, 1):
            if line.strip():
                _add(patterns, line, f"line {line_number} of pattern {number}")
    return patterns


def _add(patterns: PatternList, text: str, where: str) -> None:
    parts = [part for part in text.replace(os.sep, "/").split("/") if part not in ("", ".", "..")]
    if not parts:
        return
    plain = "/".join(parts)
    absolute = text.startswith("/")
    patterns.literals.setdefault("/" + plain if absolute else plain, where)
    if any(letter in plain for letter in "*?["):
        start = "^/" if absolute else "(^|/)"
        patterns.globs.append((re.compile(f"{start}{_regex(plain)}(/|$)"), where))


def _posix(path: Path) -> str:
    return os.path.abspath(path).replace(os.sep, "/")  # noqa: PTH100 - links stay as they are typed


def _tails(text: str, above: int) -> list[str]:
    """Runs of whole parts that end below the argument: what a literal may name; absolute ones keep their slash."""
    parts = text.split("/")[1:]
    floor = text[:above].count("/")
    ends = range(floor + 1, len(parts) + 1)
    wholes = ["/" + "/".join(parts[:end]) for end in ends]
    return wholes + ["/".join(parts[start:end]) for end in ends for start in range(end)]


def _regex(glob: str) -> str:
    """`*` and `?` stay within a name, `**` does not, `[…]` is a set of letters."""
    out, at = "", 0
    while at < len(glob):
        letter = glob[at]
        close = glob.find("]", at + 2) if letter == "[" else -1
        if glob.startswith("**", at):
            out, at = out + ".*", at + 2
        elif close > 0:
            inside = glob[at + 1 : close].replace("\\", "\\\\")
            out, at = out + "[" + ("^" + inside[1:] if inside[0] in "!^" else inside) + "]", close + 1
        else:
            out, at = out + {"*": "[^/]*", "?": "[^/]"}.get(letter, re.escape(letter)), at + 1
    return out
