"""Train, val and test as a user has them (lists, one list with a split column, class folders) as one table."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from endoeval.splits.columns import split_number
from endoeval.splits.label_codes import one_code
from endoeval.splits.names import strip_roots, without_folders
from endoeval.splits.naming import NamesRows
from endoeval.splits.parts import Part, Source, class_folders, parts_of, refuse_columns
from endoeval.splits.rows import SPLITS, TEST, TRAIN, VAL
from endoshards.errors import BadInput


@dataclass(frozen=True)
class Table:
    """All rows of all lists as text, in the order listed."""

    names: list[str]
    roots: tuple[tuple[int, str], ...]
    """Rows of each list in turn, and the root that was stripped from their names."""
    splits: NDArray[np.int8]
    """[n] index into SPLITS; zeros where `folds` says more."""
    folds: NDArray[np.int64] | None
    """[n] fold numbers of a list whose split column holds numbers; else None."""
    labels: list[str] | None
    """"" where a row has none."""
    groups: list[str] | None
    group_column: str
    start: NDArray[np.float64] | None
    end: NDArray[np.float64] | None
    boxes: NDArray[np.float64] | None
    understood: tuple[str, ...]
    same_bytes: bool
    """The files of val and test are equal byte for byte."""
    masks: bool
    """A list names masks, and none has labels."""

    folders: list[str] | None = None
    """[n] folders that were left out of the names; None: none were."""

    def listed(self) -> list[str]:
        """[n] names with the root that was stripped."""
        roots = (root for count, root in self.roots for _ in range(count))
        names = self.names if self.folders is None else map(str.__add__, self.folders, self.names)
        return [root + name for root, name in zip(roots, names, strict=True)]


def read(
    train: Source,
    test: Source | None = None,
    val: Source | None = None,
    *,
    file_column: str | None = None,
    label_column: str | None = None,
    group_column: str | None = None,
    split_column: str | None = None,
) -> Table:
    """Read what was given and say what was understood.

    With `train` alone it is one list: its split column, the keys of a JSON object or the folders train and test say
    which row is where; without any of these all rows are test rows.

    Raises: BadInput for an empty list, one file given twice, columns that are not there, split words that are none.
    """
    told = {"file": file_column, "label": label_column, "group": group_column, "split": split_column}
    _refuse_twice(train, test, val)
    parts: list[Part] = []
    if test is None:
        parts = _one(train, told)
    else:
        for split, source in ((TRAIN, train), (VAL, val), (TEST, test)):
            if source is not None:
                like = parts[0].roles if parts else None
                parts += [replace(part, split=split, words=None) for part in parts_of(source, split, told, like)]
        if split_column is not None:
            raise BadInput(
                f"--split-column {split_column} belongs to one list, and train and test were given apart; leave it "
                "out, or give one list."
            )
    digests = {part.split: part.sha256 for part in parts if part.sha256}
    same = VAL in digests and digests.get(VAL) == digests.get(TEST) and test is not None
    return _together(parts, same)


def _refuse_twice(train: Source, test: Source | None, val: Source | None) -> None:
    given = [("train", train), ("test", test), ("val", val)]
    files = [(word, Path(source).resolve()) for word, source in given if isinstance(source, str | Path)]
    for word, path in files[1:]:
        if path == files[0][1] and files[0][0] == "train":
            raise BadInput(f"{path.name} was given as train and as {word}; give two lists, or one with --split-column.")


def _one(source: Source, told: dict[str, str | None]) -> list[Part]:
    if isinstance(source, str | Path) and Path(source).is_dir():
        inside = {p.name: split_number(p.name) for p in sorted(Path(source).iterdir()) if p.is_dir()}
        named = {name: split for name, split in inside.items() if split is not None}
        if len(set(named.values())) > 1:
            refuse_columns(told, str(source), "a folder")
            return [class_folders(Path(source) / name, split) for name, split in named.items()]
    parts = parts_of(source, TEST, told)
    if len(parts) > 1 or parts[0].words is not None:
        return parts
    return [replace(parts[0], notes=[*parts[0].notes, "no split column: all rows are taken as test rows"])]


def _together(parts: Sequence[Part], same_bytes: bool) -> Table:
    sizes = [len(part.names) for part in parts]
    splits = np.repeat(np.array([part.split for part in parts], dtype=np.int8), sizes)
    folds: NDArray[np.int64] | None = None
    notes: list[str] = []
    if any(part.words is not None for part in parts):
        words = [word for part in parts for word in (part.words or [""] * len(part.names))]
        splits, folds, notes = _by_words(words, parts[0].source)
    stripped, roots = strip_roots([part.names for part in parts])
    labels = _column([part.labels for part in parts], sizes)
    understood = list(notes)
    bases = without_folders(stripped) if len(parts) > 1 else None
    folders = None
    if bases is not None:
        folders = [n[: len(n) - len(b)] for long, short in zip(stripped, bases, strict=True)
                   for n, b in zip(long, short, strict=True)]  # fmt: skip
        stripped = bases
        understood.append("folders are left out of all names, for one list has none and shares base names with another")
    for part, root in zip(parts, roots, strict=True):
        where = "" if part.words is not None and len(parts) == 1 else f"{SPLITS[part.split]}: "
        understood.append(f"{where}{part.source}: {len(part.names):,} rows, {part.said}")
        understood += [f"{where}stripped from every name: {root}"] if root else []
        understood += [f"sample: {_sample(part, i)}" for i in range(min(3, len(part.names)))]
        understood += part.notes
    if labels is not None:
        _refuse_mixed(parts)
        labels, said = one_code(labels, splits if folds is None else folds)
        understood += said
        understood += _say_labels(parts, labels)
    else:
        understood.append("no labels: the checks and null rows that need them are left out")
    groups = _column([part.groups for part in parts], sizes) if all(part.groups for part in parts) else None
    if groups is None and any(part.groups for part in parts):
        there = ", ".join(SPLITS[part.split] for part in parts if part.groups)
        bare = ", ".join(SPLITS[part.split] for part in parts if not part.groups)
        understood.append(f"{there} alone has a column of groups, {bare} has none: it is not used")
    return Table(
        [name for names in stripped for name in names],
        tuple(zip(sizes, roots, strict=True)),
        splits,
        folds,
        labels,
        groups,
        parts[0].group_column,
        _array([part.start for part in parts], sizes),
        _array([part.end for part in parts], sizes),
        _array([part.boxes for part in parts], sizes),
        tuple(understood),
        same_bytes,
        _are_masks(parts),
        folders,
    )


def _are_masks(parts: Sequence[Part]) -> bool:
    """True where a list names masks, and none labels or boxes."""
    named = any(part.masks or (part.roles is not None and part.roles.mask is not None) for part in parts)
    return named and all(part.labels is None and part.boxes is None for part in parts)


def _sample(part: Part, row: int) -> str:
    return part.names[row] + (f" -> {part.labels[row]}" if part.labels is not None else "")


def _say_labels(parts: Sequence[Part], labels: Sequence[str]) -> list[str]:
    counts = Counter(labels)
    empty = counts.pop("", 0)
    largest = ", ".join(f"{word} ({count:,})" for word, count in counts.most_common(5))
    said = [f"{len(counts)} classes: {largest}" + (", ..." if len(counts) > 5 else "")]
    without = [SPLITS[part.split] for part in parts if part.labels is None]
    said += [f"{word} has no labels: label checks leave it out" for word in without]
    return said + ([f"{empty:,} rows have no label"] if empty and not without else [])


def _refuse_mixed(parts: Sequence[Part]) -> None:
    """Numbers here and words there are two codes of one thing; nothing can be compared."""
    kinds: dict[bool, Part] = {}
    for part in parts:
        words = {word for word in part.labels or [] if word}
        if words:
            numbers = [word.lstrip("+-").replace(".", "", 1).isdigit() for word in words]
            if all(numbers) or not any(numbers):
                kinds[all(numbers)] = part
    if len(kinds) == 2:
        raise BadInput(
            f"the labels of {kinds[True].source} are numbers, those of {kinds[False].source} are words; one code "
            "in all lists is wanted: write the words in both, or name another column with --label-column."
        )


def _by_words(words: Sequence[str], source: str) -> tuple[NDArray[np.int8], NDArray[np.int64] | None, list[str]]:
    """Split of each row, its fold (None: words say train, val and test), and what to say of it."""
    distinct = set(words)
    if "" in distinct:
        raise BadInput(f"{source}: {words.count('')} rows have no split; each wants train, val, test or a fold number.")
    numbers = {word: split_number(word) for word in distinct}
    if all(number is not None for number in numbers.values()):
        if TEST not in numbers.values():
            # Lists that know only train and val are scored on val.
            numbers = {word: TEST if number == VAL else number for word, number in numbers.items()}
        return np.array([numbers[word] for word in words], dtype=np.int8), None, []
    fold_of = {word: number for word in distinct if (number := _fold_number(word)) is not None}
    others = {numbers[word] for word in distinct - set(fold_of)}
    if len(distinct) > 1 and not others:
        return np.zeros(len(words), dtype=np.int8), np.array([fold_of[word] for word in words], dtype=np.int64), []
    if fold_of and others and others <= {VAL, TEST}:
        # Lists that know only folds and val are scored on val.
        there = {w: TRAIN if w in fold_of else VAL if TEST in others and numbers[w] == VAL else TEST for w in distinct}
        shown = ", ".join(map(str, sorted(set(fold_of.values()))[:5]))
        beside = " and ".join(SPLITS[split] for split in (VAL, TEST) if split in others)
        said = [f"fold numbers {shown} beside the word {beside}: their rows are train"]
        return np.array([there[word] for word in words], dtype=np.int8), None, said
    below = sorted(
        word for word in distinct - set(fold_of) if re.fullmatch(r"(?i)(?:(?:fold|split)[ _]+)?-\d+(\.0)?", word)
    )
    if fold_of and below:
        raise BadInput(
            f"{source}: the split column holds {below[0]} beside fold numbers, which some take for always train and "
            "some for the test; write train, val and test in a column of its own, or leave these rows out."
        )
    raise NamesRows(
        f"{source}: the split column holds {', '.join(sorted(distinct)[:5])}; allowed: train, val and test, or two or "
        "more fold numbers. Name another column with --split-column.",
        *sorted(distinct)[:5],
    )


def _fold_number(word: str) -> int | None:
    found = re.fullmatch(r"(?i)(?:fold|split)?[ _-]*(\d+)(?:\.0)?", word.strip())
    # A minus before the number, not a hyphen behind the word.
    return None if found is None or re.search(r"(?:^|[ _])-", word) else int(found[1])


def _column(columns: Sequence[list[str] | None], sizes: Sequence[int]) -> list[str] | None:
    if all(column is None for column in columns):
        return None
    return [
        v for column, size in zip(columns, sizes, strict=True) for v in (column if column is not None else [""] * size)
    ]


def _array(arrays: Sequence[NDArray[np.float64] | None], sizes: Sequence[int]) -> NDArray[np.float64] | None:
    known = next((array for array in arrays if array is not None), None)
    if known is None:
        return None
    rest = known.shape[1:]
    return np.concatenate(
        [np.full((size, *rest), np.nan) if a is None else a for a, size in zip(arrays, sizes, strict=True)]
    )
