"""Pseudonyms: a key file of the owner gives keyed ids for sources and groups. Nothing here knows a name.

The key never lies inside a corpus or a shard set. Whoever has it can tell that a given file is in a corpus;
who has not, can neither invert nor link ids of two keys.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import sys
from dataclasses import dataclass
from pathlib import Path

from endoshards.errors import BadInput
from endoshards.files import atomic_path

ID_DIGITS = 16
PTS_DIGITS = 12
MAX_PTS_US = 10**PTS_DIGITS - 1
"""277 hours: the last time stamp a frame id can hold."""

_HEAD = "endomae-key-1"
_FORM = re.compile(rf"{_HEAD} ([0-9a-f]{{64}})\s*")


@dataclass(frozen=True)
class Key:
    """The owner's key, opened. `repr` shows nothing of it."""

    path: Path
    made: bool
    """Made just now: the command says where it lies and that it wants a backup."""
    secret: bytes

    def __repr__(self) -> str:
        return f"Key({self.path})"

    @property
    def check(self) -> str:
        """16 hex digits that tell keys apart and say nothing about the key; stored in corpus.toml."""
        return self._digest("check", b"")[:ID_DIGITS]

    def source_id(self, sha256: str) -> str:
        """Id of a source by the hex SHA-256 of its bytes: the same file under two names is one source."""
        return self._digest("ids", bytes.fromhex(sha256))[:ID_DIGITS]

    def unread_id(self, path: Path) -> str:
        """Id of an input that has no bytes to hash (a dangling link, no permission)."""
        return self._digest("unread", os.fsencode(path))[:ID_DIGITS]

    def group_id(self, group: str) -> str:
        """Pseudonym of a patient or procedure as the owner wrote it."""
        return self._digest("groups", b"said:" + group.encode("utf-8", "surrogateescape"))[:ID_DIGITS]

    def own_group_id(self, source_id: str) -> str:
        """The group of a source nobody put into one."""
        return self._digest("groups", b"source:" + source_id.encode("ascii"))[:ID_DIGITS]

    def folder_key(self, folder: str) -> str:
        """A word that is equal for equal folders and says nothing else."""
        return self._digest("folders", folder.encode("utf-8", "surrogateescape"))[:ID_DIGITS]

    def corpus_id(self, root: Path) -> str:
        """Name of a corpus in the private folder, by where it was made."""
        return self._digest("corpora", os.fsencode(root.resolve()))[:12]

    def signed(self, message: bytes) -> str:
        """64 hex digits of HMAC-SHA256 by the sub-key for audits: only who has the key can make them."""
        return self._digest("audit", message)

    def draw_key(self, content: str) -> bytes:
        """32 bytes by which frames of a set are drawn for its audit; `content` is the set's content fingerprint."""
        return bytes.fromhex(self._digest("audit", b"draw:" + content.encode("ascii")))

    def _digest(self, purpose: str, message: bytes) -> str:
        sub_key = hmac.digest(self.secret, f"endomae/{purpose}".encode(), "sha256")
        return hmac.new(sub_key, message, hashlib.sha256).hexdigest()


def open_key(path: Path | None, *, outside: Path, may_make: bool = True) -> Key:
    """Read the key file; make one if there is none.

    Args:
        path: `--key`; the user's config folder if None.
        outside: the corpus, which must not hold the key.
        may_make: False where a corpus has its key already, so that another could only hide that it is lost.
    Raises: BadInput for a file that is no key, a key inside the corpus, or none where none may be made.
    """
    path = path or default_key_path()
    if path.resolve().is_relative_to(outside.resolve()):
        raise BadInput(
            f"the key {path} lies inside the corpus, which others may read; move it elsewhere and pass --key FILE."
        )
    made = not path.exists()
    if made and not may_make:
        raise BadInput(
            f"the key of this corpus is missing at {path}; restore it from its backup or pass it with --key FILE."
        )
    if made:
        _make(path)
    text = path.read_text("ascii", "replace")
    match = _FORM.fullmatch(text)
    if match is None:
        raise BadInput(f"{path} is no key file (one line: {_HEAD} and 64 hex digits); pass another with --key FILE.")
    return Key(path, made, bytes.fromhex(match[1]))


def default_key_path() -> Path:
    """`endomae/key` in the user's config folder."""
    if sys.platform == "win32":
        base = Path(os.environ.get("APPDATA") or Path.home() / "AppData" / "Roaming")
    else:
        base = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return base / "endomae" / "key"


def frame_id(source_id: str, pts_us: int) -> str:
    """`<source_id>-<pts in us, 12 digits>`: sorting is time order.

    Args:
        pts_us: microseconds after the first shown frame, 0 to MAX_PTS_US; 0 for a still.
    Raises: ValueError outside this range.
    """
    if not 0 <= pts_us <= MAX_PTS_US:
        raise ValueError(f"pts of {pts_us} us; 0 to {MAX_PTS_US} fits a frame id.")
    return f"{source_id}-{pts_us:0{PTS_DIGITS}d}"


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(f"{_HEAD} {secrets.token_hex(32)}\n")
