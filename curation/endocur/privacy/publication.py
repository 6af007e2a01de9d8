"""From the folder where a set is audited to the folder where it is published, by two renames that survive a kill.

shards.unaudited/    written and audited here
shards/              what is published; an older set moves to shards.replaced/ for the moment between
"""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

from endocur.privacy.examine import OURS
from endoshards.errors import BadInput
from endoshards.files import sync_folder
from endoshards.index import INDEX


def aside(out: Path) -> Path:
    """Where a set is written until its audit passed."""
    return _beside(out, "unaudited")


def settle(out: Path) -> None:
    """Bring to an end what a kill left between the two renames.

    Raises: BadInput if `out` holds files of others, which a rename would take away.
    """
    old = _beside(out, "replaced")
    if old.is_dir() and (out / INDEX).is_file():
        shutil.rmtree(old)
    elif (old / INDEX).is_file() and not out.exists():
        old.replace(out)  # the older set stays published until the new one is
        sync_folder(out.resolve().parent)
    strange = [path for path in out.iterdir() if not OURS.fullmatch(path.name)] if out.is_dir() else []
    if [path for path in strange if not path.name.startswith(".")]:
        raise BadInput(
            f"{out} holds {len(strange)} files that no set of shards written here consists of; choose an empty folder."
        )


def put_in_place(out: Path) -> None:
    """Publish the set that stands aside. Call after its audit passed. Raises: BadInput for a mount point."""
    old = _beside(out, "replaced")
    if out.is_dir():
        try:
            out.replace(old)
        except OSError as error:
            if error.errno not in (errno.EBUSY, errno.EXDEV):
                raise
            raise BadInput(
                f"{out} is a disk of its own and cannot be renamed; say a folder in it: --out OTHER."
            ) from None
    aside(out).replace(out)
    sync_folder(out.resolve().parent)
    if old.is_dir():
        shutil.rmtree(old)


def _beside(out: Path, word: str) -> Path:
    whole = out.resolve()
    return whole.with_name(f"{whole.name}.{word}")
