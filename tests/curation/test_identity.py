"""Pseudonyms: keyed, stable, apart by purpose; the key is made once, for its owner's eyes only."""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path

import pytest

from endocur.identity import MAX_PTS_US, frame_id, open_key
from endocur.private import PrivateFolder, SourceRow
from endoshards.errors import BadInput


def test_a_key_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    made = open_key(tmp_path / "conf" / "key", outside=tmp_path / "corpus")
    again = open_key(tmp_path / "conf" / "key", outside=tmp_path / "corpus")
    assert (made.made, again.made) == (True, False)
    assert made.secret == again.secret and len(made.secret) == 32
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o600
    assert made.secret.hex() not in repr(made)


def test_ids_depend_on_the_bytes_and_the_key_alone(tmp_path: Path) -> None:
    one, other = (open_key(tmp_path / name, outside=tmp_path / "corpus") for name in ("one", "other"))
    digest = hashlib.sha256(b"a video").hexdigest()
    assert one.source_id(digest) == one.source_id(digest)
    assert one.source_id(digest) != other.source_id(digest)
    assert one.check != other.check
    assert len({one.source_id(digest), one.group_id(digest), one.own_group_id(digest), one.folder_key(digest)}) == 4
    assert digest[:8] not in one.source_id(digest)


def test_a_key_inside_the_corpus_or_of_another_form_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="inside the corpus"):
        open_key(tmp_path / "corpus" / "sub" / "key", outside=tmp_path / "corpus")
    assert not (tmp_path / "corpus").exists()
    (tmp_path / "words").write_text("no key")
    with pytest.raises(BadInput, match="no key file"):
        open_key(tmp_path / "words", outside=tmp_path / "corpus")


def test_frame_ids_sort_in_time_order() -> None:
    ids = [frame_id("0" * 16, us) for us in (0, 9, 10, 40_000, 1_000_000, MAX_PTS_US)]
    assert ids == sorted(ids)
    assert ids[3] == "0000000000000000-000000040000"
    with pytest.raises(ValueError, match="fits a frame id"):
        frame_id("0" * 16, MAX_PTS_US + 1)


def test_true_paths_of_any_bytes_are_kept_for_their_owner_only(tmp_path: Path) -> None:
    folder = PrivateFolder(tmp_path / "private", "abc", outside=tmp_path / "corpus")
    row = SourceRow(b"/videos/na\xefve\n.mp4", 3, "0" * 16, "ok", "", "0" * 16, "", 10, 20, 30, "f" * 64)
    file = folder.write(0, [row])
    assert folder.read() == {row.path: row}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    with pytest.raises(BadInput, match="inside the corpus"):
        PrivateFolder(tmp_path / "corpus" / "p", "abc", outside=tmp_path / "corpus")
