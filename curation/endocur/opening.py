"""The corpus that `extract` writes: made, checked, or with `--restart` emptied of our own files and made anew."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from endocur.account import DECIDING
from endocur.configs import ExtractConfig
from endocur.corpus import FORMAT, Corpus, read_settings
from endocur.redactions import WORK
from endoshards.errors import BadInput
from endoshards.files import TEMPORARY, refuse_source_tree, write_atomic
from endoshards.settings import before

_UNIT = r"(?:stills-)?[0-9a-f]{16}"
_CHAPTER = rf"{_UNIT}\.\d{{3,}}"


def open_for_extract(
    root: Path,
    config: Mapping[str, object],
    *,
    key_check: str,
    corpus_id: str,
    keep_names: bool = False,
    restart: bool = False,
) -> Corpus:
    """The corpus that `extract` writes: made if it is not there, checked if it is.

    Call with the corpus lock held.

    Args:
        root: the folder.
        config: the *what* fields of the extract config (`settings.what`).
        key_check: check value of the key file; says nothing about the key.
        corpus_id: its name in the private folder; kept if the corpus has one.
        keep_names: recorded; once true it stays.
        restart: throw all frames and everything derived from them away first.
    Raises: BadInput for another config (which field), another key, a folder of other things or of our source.
    """
    refuse_other_folder(root)
    corpus = Corpus(root)
    wanted = {name: value for name, value in config.items() if value is not None}
    if corpus.toml.is_file():
        settings = read_settings(corpus)
        if settings.get("key_check") != key_check:
            raise BadInput(
                f"{root} was made with another key file; pass that one with --key FILE, or another --corpus. "
                "Ids of two keys never match, so they are not mixed."
            )
        if not restart:
            came_later = before(ExtractConfig)
            _refuse_other_config(root, came_later | settings.get("extract", {}), came_later | wanted)
            if keep_names and not settings.get("keep_names"):
                _write_settings(corpus, settings | {"keep_names": True})
            return corpus
        corpus_id = str(settings.get("corpus_id", corpus_id))
        remove_frames(corpus)
    settings = {
        "format": FORMAT,
        "corpus_id": corpus_id,
        "key_check": key_check,
        "keep_names": keep_names,
        "extract": wanted,
    }
    _write_settings(corpus, settings)
    return corpus


def refuse_other_folder(root: Path) -> None:
    """Refuse to make a corpus where other things lie, our source among them. Raises: BadInput."""
    refuse_source_tree(root, "endocur extract … --corpus study/corpus")
    if not root.is_dir() or Corpus(root).toml.is_file():
        return
    others = [path.name for path in root.iterdir() if not path.name.startswith((".", "lock-"))]
    if others:
        raise BadInput(
            f"{root} is no corpus (it has no corpus.toml), but not empty; give the corpus a folder of its own: "
            "--corpus OTHER."
        )


def remove_frames(corpus: Corpus) -> None:
    """Remove all frames of a corpus and what was made from them; foreign files stay, and the folders that hold them.

    So does the list of masks that people asked for: frames made anew wait for them.

    Markers go first: a kill in between leaves files without markers, which do not exist.
    """
    _remove(corpus.units, rf"(?:{_UNIT}|{_CHAPTER}|ignored)\.json")
    if (corpus.root / WORK).is_dir():
        shutil.rmtree(corpus.root / WORK)
    _remove(corpus.decisions, rf"(?:{'|'.join(DECIDING)})\.parquet")
    _remove(corpus.tables, r"frames(?:-[0-9a-f]+)?\.parquet")
    for encoder in sorted(corpus.embeddings.glob("*/")):
        _remove(encoder, rf"{_CHAPTER}\.npy")
    _remove(corpus.embeddings, "")
    _remove(corpus.scores, rf"{_CHAPTER}\.parquet")
    _remove(corpus.views, rf"{_CHAPTER}\.npz")
    _remove(corpus.frames, rf"{_CHAPTER}\.(?:tar|parquet)")
    _remove(corpus.clips, rf"{_UNIT}\.(?:json|tar|parquet)")
    _remove(corpus.reports / "sheets", rf"{_UNIT}\.v\d{{3,}}\.jpg")
    _remove(corpus.reports, r"corpus(?:-to-share)?\.html")


def _refuse_other_config(root: Path, old: Mapping[str, object], new: Mapping[str, object]) -> None:
    idle = {"fps"} if old.get("all_frames") and new.get("all_frames") else set()
    for name in sorted((old.keys() | new.keys()) - idle):
        if old.get(name) != new.get(name):
            flag = name.replace("_", "-")
            raise BadInput(
                f"{root} was made with {flag} = {_shown(old.get(name))}, this run says {_shown(new.get(name))}; "
                f"stored frames are never changed silently. Say the same, choose another --corpus, or --restart."
            )


def _shown(value: object) -> str:
    return "(not set)" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _write_settings(corpus: Corpus, settings: Mapping[str, Any]) -> None:
    import tomli_w

    corpus.root.mkdir(parents=True, exist_ok=True)
    write_atomic(corpus.toml, tomli_w.dumps(dict(settings)))


def _remove(folder: Path, names: str) -> None:
    """Remove the files of a folder whose whole name matches, and temporaries; then the folder, if it is empty."""
    if not folder.is_dir():
        return
    ours = re.compile(rf"{names}|{re.escape(TEMPORARY)}.*")
    for path in folder.iterdir():
        if ours.fullmatch(path.name) and not path.is_dir():
            path.unlink(missing_ok=True)
    with suppress(OSError):  # it holds something else, or is a link
        folder.rmdir()
