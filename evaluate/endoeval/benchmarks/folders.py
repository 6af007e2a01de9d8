"""Labelled sets from plain folders: class folders, or images with masks; groups and splits from small CSV files.

    SET/CLASS/**/*.jpg                 the folder's name is the class
    SET/images/*.jpg  SET/masks/*.png  the same stem belongs together
    SET/groups.csv    file,group       what must not be split (patient, else video)
    SET/splits.csv    file,split       the published split, kept as it is

A sample's key is its path relative to the set (to `images/` for masks), never its bare name: names repeat.
Nothing is skipped: what does not fit is an error that names it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from endoeval.benchmarks.pictures import SUFFIXES
from endoeval.benchmarks.public import SETS
from endoeval.benchmarks.tables import read_column
from endoshards.errors import BadInput, BadOption
from endoshards.files import fingerprint, sha256_file

Task = Literal["classes", "masks"]
Grouping = Literal["groups.csv", "pattern", "none"]

LAYOUT = """\
  {root}/SET/CLASS/*.jpg                     classes: one folder a class, two classes or more
  {root}/SET/images/*.jpg + masks/*.png      masks: the same file name without its ending
  beside them, both optional: groups.csv (file,group: patient or video) and splits.csv (file,split)"""


@dataclass(frozen=True)
class Sample:
    """One labelled picture."""

    key: str
    image: Path
    mask: Path | None
    label: int
    """Index of its class; 0 for masks."""
    group: str


@dataclass(frozen=True)
class LabelledSet:
    """A set as it lies on disk, checked; samples sorted by key."""

    name: str
    folder: Path
    task: Task
    classes: tuple[str, ...]
    """Sorted names; empty for masks."""
    samples: tuple[Sample, ...]
    grouping: Grouping
    """Where the groups come from; `none`: every picture is its own group, and intervals are too narrow."""
    splits: tuple[str, ...] | None
    """Split of each sample where the set has its own."""

    @property
    def groups(self) -> list[str]:
        """Group of each sample."""
        return [sample.group for sample in self.samples]

    @property
    def labels(self) -> list[int]:
        """Label of each sample."""
        return [sample.label for sample in self.samples]

    @cached_property
    def pixels_fingerprint(self) -> str:
        """16 hex digits over keys and picture bytes: what features depend on."""
        return fingerprint([[sample.key, sha256_file(sample.image)] for sample in self.samples])

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits over all that a score depends on: pictures, labels, groups, splits."""
        labels = [sha256_file(sample.mask) if sample.mask else self.classes[sample.label] for sample in self.samples]
        return fingerprint([self.pixels_fingerprint, labels, self.groups, self.splits and list(self.splits)])


def find_sets(root: Path, wanted: Sequence[str], group_pattern: str | None) -> list[LabelledSet]:
    """All labelled sets below `root`, or those named, sorted by name.

    Raises: BadInput if there are none (with the layout and the public sets) or one of them is faulty.
    """
    pattern = _pattern(group_pattern)
    there = sorted(path for path in root.iterdir() if _is_open_folder(path)) if root.is_dir() else []
    if not there:
        raise BadInput(_nothing_there(root))
    if _is_a_set(root, there):
        raise BadInput(
            f"{root} is a labelled set itself; give the folder that holds it: "
            f"--data-root {root.resolve().parent} --sets {root.resolve().name}"
        )
    names = {path.name for path in there}
    for name in wanted:
        if name not in names:
            raise BadInput(f"--sets {name}: {root} holds no such folder; there: {', '.join(sorted(names))}.")
    return [read_set(path, pattern) for path in there if not wanted or path.name in wanted]


def read_set(folder: Path, pattern: re.Pattern[str] | None = None) -> LabelledSet:
    """Read one set strictly.

    Args:
        folder: the set.
        pattern: its first group, found in a sample's key, is the sample's group; `groups.csv` wins over it.
    Raises: BadInput naming what does not fit.
    """
    parts = {path.name for path in folder.iterdir() if _is_open_folder(path)}
    is_masks = bool(parts & {"images", "masks"})
    task: Task = "masks" if is_masks else "classes"
    classes, found = ((), _masks(folder)) if is_masks else _classes(folder)
    keys = [key for key, _, _, _ in found]
    prefix = "images/" if is_masks else ""
    groups = read_column(folder / "groups.csv", "group", set(keys), prefix)
    grouping: Grouping = "groups.csv"
    if groups is None:
        grouping = "none" if pattern is None else "pattern"
        groups = {key: _matched(pattern, key, folder) if pattern else key for key in keys}
    splits = read_column(folder / "splits.csv", "split", set(keys), prefix)
    return LabelledSet(
        name=folder.name,
        folder=folder,
        task=task,
        classes=classes,
        samples=tuple(Sample(key, image, mask, label, groups[key]) for key, image, mask, label in found),
        grouping=grouping,
        splits=tuple(splits[key] for key in keys) if splits else None,
    )


_Found = list[tuple[str, Path, Path | None, int]]


def _classes(folder: Path) -> tuple[tuple[str, ...], _Found]:
    loose = _pictures(folder, deep=False)
    if loose:
        raise BadInput(f"{folder}: {loose[0].name} lies beside the class folders; move each picture into its class.")
    by_class = {path.name: _pictures(path) for path in sorted(folder.iterdir()) if _is_open_folder(path)}
    empty = [name for name, pictures in by_class.items() if not pictures]
    if not by_class or len(empty) == len(by_class):
        raise BadInput(f"{folder} holds no pictures; a labelled set looks like this:\n{LAYOUT.format(root='ROOT')}")
    if empty:
        raise BadInput(f"{folder}: class folder {empty[0]} holds no pictures; fill it or remove it.")
    if len(by_class) == 1:
        raise BadInput(f"{folder} holds one class only ({next(iter(by_class))}); two or more are needed to tell apart.")
    names = tuple(by_class)
    found: _Found = [
        (path.relative_to(folder).as_posix(), path, None, label)
        for label, name in enumerate(names)
        for path in by_class[name]
    ]
    return names, sorted(found)


def _masks(folder: Path) -> _Found:
    images, masks = _by_stem(folder, "images"), _by_stem(folder, "masks")
    alone, orphans = sorted(set(images) - set(masks)), sorted(set(masks) - set(images))
    if alone or orphans:
        raise BadInput(
            f"{folder}: {len(alone)} of {len(images)} images have no mask{_example(alone)} and {len(orphans)} of "
            f"{len(masks)} masks have no image{_example(orphans)}; image and mask share a name up to the ending."
        )
    base = folder / "images"
    return sorted((path.relative_to(base).as_posix(), path, masks[stem], 0) for stem, path in images.items())


def _by_stem(folder: Path, part: str) -> dict[str, Path]:
    base = folder / part
    pictures = _pictures(base) if base.is_dir() else []
    if not pictures:
        raise BadInput(f"{folder} has no pictures in {part}/; a set of masks wants both images/ and masks/.")
    named: dict[str, Path] = {}
    for path in pictures:
        stem = path.relative_to(base).with_suffix("").as_posix()
        if stem in named:
            raise BadInput(f"{folder}/{part}: {named[stem].name} and {path.name} share a stem; keep one of them.")
        named[stem] = path
    return named


def _pictures(folder: Path, *, deep: bool = True) -> list[Path]:
    found = folder.rglob("*") if deep else folder.iterdir()
    return sorted(
        path
        for path in found
        if path.suffix.lower() in SUFFIXES
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def _is_open_folder(path: Path) -> bool:
    return path.is_dir() and not path.name.startswith(".")


def _is_a_set(root: Path, there: list[Path]) -> bool:
    """True where class folders or images and masks lie in `root` itself."""
    if (root / "groups.csv").is_file() or {"images", "masks"} <= {path.name for path in there}:
        return True
    return all(_pictures(path, deep=False) and not any(map(_is_open_folder, path.iterdir())) for path in there)


def _pattern(text: str | None) -> re.Pattern[str] | None:
    if text is None:
        return None
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise BadOption(f"--group-pattern {text!r} is no regular expression ({error}).") from None
    if pattern.groups < 1:
        raise BadOption(f"--group-pattern {text!r} has no group; put the patient in brackets, e.g. '(patient\\d+)_'.")
    return pattern


def _matched(pattern: re.Pattern[str], key: str, folder: Path) -> str:
    found = pattern.search(key)
    if found is None or not found.group(1):
        raise BadInput(f"{folder}: --group-pattern {pattern.pattern!r} finds no group in {key}.")
    return found.group(1)


def _example(names: list[str]) -> str:
    return f" ({', '.join(names[:3])}{', …' if len(names) > 3 else ''})" if names else ""


def _nothing_there(root: Path) -> str:
    state = "holds no labelled set" if root.is_dir() else "does not exist"
    listed = "\n".join(f"  {name}: {what}; {page}" for name, what, page in SETS)
    return (
        f"{root} {state}. Put one or more there (or name another folder with --data-root):\n"
        f"{LAYOUT.format(root=root)}\nPublic sets to start with (mind each licence):\n{listed}"
    )
