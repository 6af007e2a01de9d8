"""What each column of a list means (file, label, group, split, time, box): by its header, else by its values. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from endoeval.splits.names import MEDIA, PICTURES, SPLIT_WORDS
from endoshards.errors import BadInput

FILE = (
    "file filename filepath path relpath relativepath image imagename imagepath imagefile imageid img imgname imgpath "
    "video videopath videofile clip clippath clipname frame framename framepath framenumber name stem id uid url sample"
).split()
LABEL = (
    "label labels classname class classes labelname category categoryname target diagnosis finding findingclass "
    "findings y phase grade score pathology histology annotation gt truth labelid classid classindex labelindex "
    "categoryid"
).split()
GROUP = (
    "group groupid patient patientid subject subjectid person case caseid procedure procedureid exam examid "
    "examination study studyid lesion lesionid video videoid videoname sequence sequenceid seq cluster"
).split()
SPLIT = "split splits set subset partition fold folds splitindex foldindex foldid splitid splitname usage".split()
START = "start startframe starttime startsec begin beginframe onset tstart framestart".split()
FRAME = "frame framenumber frameno frameindex frameid framenum".split()
END = "end endframe endtime endsec stop stopframe offset tend frameend".split()
MASK = re.compile(r"(?i)mask|label|seg|annot|truth|target|gt|lesion|polyp|contour")
"""What a column of pictures is called that are masks."""
BOX = (
    ("xmin", "ymin", "xmax", "ymax"),
    ("x1", "y1", "x2", "y2"),
    ("left", "top", "right", "bottom"),
    ("x", "y", "w", "h"),
    ("x", "y", "width", "height"),
)
"""Corners in pixels or shares; or the first corner (`CORNER`), width and height."""
CORNER = frozenset("xy")
ROLES = frozenset([*FILE, *LABEL, *GROUP, *SPLIT, *START, *FRAME, *END])
"""Names of columns, lower case, letters and digits alone."""


@dataclass(frozen=True)
class Columns:
    """Name of the column that plays each part; None: no column does."""

    file: str
    label: str | None = None
    group: str | None = None
    split: str | None = None
    start: str | None = None
    end: str | None = None
    box: tuple[str, str, str, str] | None = None
    size: tuple[str, str] | None = None
    """Width and height of the picture."""
    extent: bool = False
    """`box` holds a corner, width and height, not two corners."""
    one_hot: tuple[str, ...] = ()
    """Columns of 0 and 1 that are classes."""
    mask: str | None = None
    """Column of the paths of masks."""


def tell(
    columns: Mapping[str, Sequence[str]],
    source: str,
    *,
    file: str | None = None,
    label: str | None = None,
    group: str | None = None,
    split: str | None = None,
) -> Columns:
    """The part of each column; those given by name are taken as said.

    Args:
        columns: header to values, all of one length, at least one row.
        source: the list's name, for errors.
        file: column of names; likewise `label`, `group`, `split`.
    Raises: BadInput for a column that is not there.
    """
    for wanted in (file, label, group, split):
        if wanted is not None and wanted not in columns:
            raise BadInput(f"{source} has no column {wanted}; its columns are {', '.join(columns)}.")
    words = {re.sub(r"[^a-z0-9]", "", name.lower()): name for name in columns}
    four = next((four for four in BOX if all(word in words for word in four)), None)
    box = (words[four[0]], words[four[1]], words[four[2]], words[four[3]]) if four else None
    extent = CORNER.issubset(four or ())
    apart = set(words) - set(four or ())
    size = (words["width"], words["height"]) if {"width", "height"} <= apart else None
    start, end = _named(words, START), _named(words, END)
    if start is None and all(re.fullmatch(r"column \d+", name) for name in columns):
        start, end = _rising(columns)
    taken = {name for name in (label, group, split, start, end, *(box or ()), *(size or ())) if name}
    file = file or _file(columns, words, taken)
    taken.add(file)
    frame = _named({w: n for w, n in words.items() if n not in taken}, FRAME)
    if start is None and frame is not None and all(value.isdigit() for value in columns[frame][:1000]):
        start = frame
        taken.add(frame)
    split = split or _split(columns, words, taken)
    taken |= {split} if split else set()
    mask = _mask(columns, file, taken | {label or file})
    taken |= {mask} if mask else set()
    label = label or _named({w: n for w, n in words.items() if n not in taken}, LABEL)
    taken |= {label} if label else set()
    group = group or _named({w: n for w, n in words.items() if n not in taken}, GROUP)
    taken |= {group} if group else set()
    one_hot: tuple[str, ...] = ()
    if label is None and not box:
        left = [name for name in columns if name not in taken]
        one_hot = _one_hot(columns, left)
        label = None if one_hot else _by_values(columns, left)
    return Columns(file, label, group, split, start, end if start else None, box, size, extent, one_hot, mask)


def split_number(word: str) -> int | None:
    """Index into SPLITS of a word such as `training`; None where it is none."""
    return SPLIT_WORDS.get(
        re.sub(r"[\s_-]*(?:set|split|ing)?$", "", word.strip().lower()), SPLIT_WORDS.get(word.lower())
    )


def _named(words: Mapping[str, str], wanted: Sequence[str]) -> str | None:
    return next((words[word] for word in wanted if word in words), None)


def _file(columns: Mapping[str, Sequence[str]], words: Mapping[str, str], taken: set[str]) -> str:
    free = [name for name in columns if name not in taken] or list(columns)
    paths = [name for name in free if _share_of_paths(columns[name][:1000]) >= 0.8]
    named = [words[word] for word in FILE if word in words and words[word] in free]
    if paths:
        return next((name for name in named if name in paths), paths[0])
    numbered = next((words[word] for word in FRAME if word in words and words[word] in free), None)
    if numbered and any(word in words and words[word] != numbered for word in GROUP):
        return numbered  # a video's column is the group, its frame's number tells rows apart
    if named:
        return max(named[:3], key=lambda name: len(set(columns[name][:20_000])))
    return max(free, key=lambda name: len(set(columns[name][:20_000])))


def _share_of_paths(values: Sequence[str]) -> float:
    hits = sum(
        1
        for value in values
        if "/" in value or "\\" in value or ("." in value and value.lower().rsplit(".")[-1] in MEDIA)
    )
    return hits / max(1, len(values))


def _mask(columns: Mapping[str, Sequence[str]], file: str, taken: set[str]) -> str | None:
    """A column of pictures, one a row, beside that of the names: called as masks or labels are, or without a header."""
    for name, values in columns.items():
        probe = values[:1000]
        pictures = sum(value.lower().rpartition(".")[2] in PICTURES for value in probe)
        if name in taken or pictures < 0.8 * len(probe):
            continue
        if not re.fullmatch(r"column \d+", name) and not MASK.search(name):
            continue
        if len(set(probe)) >= 0.9 * len(set(columns[file][:1000])):
            return name
    return None


def _rising(columns: Mapping[str, Sequence[str]]) -> tuple[str | None, str | None]:
    """Of columns without a header: two numbers that rise in every row and tell rows of one name apart."""
    names = list(columns)
    for file, one, other in zip(names, names[1:], names[2:], strict=False):
        try:
            pairs = [(float(a), float(b)) for a, b in zip(columns[one], columns[other], strict=True)]
        except ValueError:
            continue
        recur = len(set(columns[file])) < 0.8 * len(pairs)
        apart = len(set(zip(columns[file], columns[one], strict=True))) >= 0.9 * len(pairs)
        if recur and apart and len({b for _, b in pairs}) > 2 and all(a < b for a, b in pairs):
            return one, other
    return None, None


def _split(columns: Mapping[str, Sequence[str]], words: Mapping[str, str], taken: set[str]) -> str | None:
    named = _named({w: n for w, n in words.items() if n not in taken}, SPLIT)
    if named is not None:
        return named
    for name, values in columns.items():
        if name not in taken:
            few = set(values) if len(set(values[:1000])) <= 3 else set()
            if 2 <= len(few) <= 3 and all(split_number(value) is not None for value in few):
                return name
    return None


def _one_hot(columns: Mapping[str, Sequence[str]], names: Sequence[str]) -> tuple[str, ...]:
    binary = [name for name in names if set(columns[name]) <= {"0", "1", "0.0", "1.0"}]
    return tuple(binary) if len(binary) >= 2 else ()


def _by_values(columns: Mapping[str, Sequence[str]], names: Sequence[str]) -> str | None:
    """The column that can be a label: few values, each of them often; of several that with fewest, words first."""
    fit = []
    for name in names:
        distinct = set(columns[name])
        count = len(distinct - {""})
        if 1 <= count <= max(2, min(1000, len(columns[name]) // 2)):
            is_word = any(re.search("[A-Za-z]", value) for value in list(distinct)[:50])
            fit.append((count > 1, -count, is_word, name))
    return max(fit, key=lambda item: item[:3])[3] if fit else None
