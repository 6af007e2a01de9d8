"""The tar file of a shard: ustar headers written by hand, and a scan that refuses whatever a shard must not hold.

A member is a 512-byte header, then its data, padded with zeros to 512; two zero blocks end the file. Written by
hand, equal input gives equal bytes on any Python, and each offset is known without a second pass.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from endoshards.errors import BadInput

BLOCK = 512
END = bytes(2 * BLOCK)
MAX_NAME = 100
MAX_SIZE = 2**31 - 2**13
"""A member is read in one call, which gives at most 2 GiB less a page; ustar itself would hold 8 GiB."""

KINDS = ("jpg", "png", "json", "cls", "txt", "npy", "mp4")
"""Last part of an extension: what a member may hold. `mask.png` and `00.jpg` are a png and a jpg."""

PICKLES = ("pkl", "pickle", "pyd", "pt", "pth", "joblib")
"""Files that run code when other libraries decode them."""

Read: TypeAlias = Callable[[int, int], bytes]
"""read(offset, size) -> at most `size` bytes of the file; fewer at its end."""

_KEY = re.compile(r"[a-z0-9_-]{1,64}")
_EXTENSION = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")

_REFUSED = {
    b"1": "a hard link",
    b"2": "a symbolic link",
    b"3": "a device",
    b"4": "a device",
    b"5": "a folder",
    b"6": "a pipe",
    b"7": "a contiguous file",
    b"S": "a sparse file",
    b"x": "a PAX header",
    b"g": "a PAX header",
    b"L": "a GNU long name",
    b"K": "a GNU long link",
}


class BadTar(BadInput):
    """A shard's tar is cut, damaged, or holds what a shard must not hold.

    `kind` is one word for a report: name, member, header, truncated, padding, end.
    """

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Member:
    """One file inside a tar: where its data lie."""

    key: str
    extension: str
    offset: int
    size: int


def header(name: str, size: int) -> bytes:
    """The ustar header of a regular file: mode 0644, owner and time zero.

    Raises: BadTar for a name or size that the format cannot hold.
    """
    split_name(name)
    if not 0 <= size <= MAX_SIZE:
        raise BadTar("member", f"{name} has {size} bytes; a member of a shard holds at most {MAX_SIZE}.")
    fields = (
        name.encode("ascii").ljust(100, b"\0")
        + b"0000644\0" + b"0000000\0" + b"0000000\0"  # mode, uid, gid
        + b"%011o\0" % size + b"00000000000\0"  # size, mtime
        + b" " * 8 + b"0" + bytes(100)  # checksum (below), regular file, link name
        + b"ustar\0" + b"00"  # user and group names, device numbers, prefix: zeros
    )  # fmt: skip
    block = fields.ljust(BLOCK, b"\0")
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def padding(size: int) -> int:
    """Zero bytes behind `size` bytes of data."""
    return -size % BLOCK


def split_name(name: str) -> tuple[str, str]:
    """(key, extension) of a member's name: the key ends at the first dot.

    Raises: BadTar naming what is wrong: absolute or `..`, folder, key, extension, kind, length.
    """
    if name.startswith("/") or "\\" in name or ".." in name.split("/"):
        raise BadTar("name", f"a member is named {name!r}; absolute names and `..` are refused.")
    if "/" in name:
        raise BadTar("name", f"a member is named {name!r}; members of a shard lie in no folder.")
    key, _, extension = name.partition(".")
    check_key(key)
    check_extension(extension)
    if len(name) > MAX_NAME:
        raise BadTar("name", f"a member's name has {len(name)} bytes ({name!r}); at most {MAX_NAME} are allowed.")
    return key, extension


def check_key(key: str) -> None:
    """Raises: BadTar unless the key is 1 to 64 of a-z, 0-9, _ and -."""
    if not _KEY.fullmatch(key):
        raise BadTar("name", f"a sample's key is {key!r:.100}; 1 to 64 of a-z, 0-9, _ and - are allowed.")


def check_extension(extension: str) -> None:
    """Raises: BadTar unless the extension is lower case and of a kind in `KINDS`."""
    kind = extension.rpartition(".")[2]
    if kind in PICKLES:
        raise BadTar("member", f"a member is of kind .{extension}; pickles run code and are refused.")
    if not _EXTENSION.fullmatch(extension) or kind not in KINDS:
        raise BadTar("member", f"a member is of kind .{extension!s:.80}; known are {', '.join(KINDS)}.")


def scan(read: Read, size: int) -> Iterator[Member]:
    """Members of a tar in their order, each header checked before it is believed.

    Args:
        read: gives bytes of the file.
        size: the file's size in bytes.

    Raises: BadTar at the first fault, its text without the file's name, which the caller knows.
    """
    offset = 0
    while True:
        block = read(offset, BLOCK)
        if len(block) < BLOCK:
            raise BadTar("truncated", f"the file ends at byte {size} without the two zero blocks of a tar's end.")
        if block == bytes(BLOCK):
            _check_end(read, offset, size)
            return
        member = _parse(block, offset)
        behind = member.offset + member.size
        if behind + padding(member.size) > size:
            raise BadTar(
                "truncated", f"{member.key}.{member.extension} ends at byte {behind}, the file already at {size}."
            )
        if read(behind, padding(member.size)).strip(b"\0"):
            raise BadTar("padding", f"bytes that are not zero lie behind {member.key}.{member.extension}.")
        yield member
        offset = behind + padding(member.size)


def _parse(block: bytes, offset: int) -> Member:
    """A member from its header at `offset`."""
    if block[257:262] != b"ustar":
        raise BadTar("header", f"there is no tar header at byte {offset}.")
    if _octal(block[148:156], offset) != sum(block[:148]) + 8 * ord(" ") + sum(block[156:]):
        raise BadTar("header", f"the header at byte {offset} does not have its checksum; it was damaged.")
    kind = block[156:157]
    if kind not in (b"0", b"\0"):
        what = _REFUSED.get(kind, f"of unknown type {kind!r}")
        raise BadTar("member", f"the member at byte {offset} is {what}; a shard holds plain files only.")
    if block[257:265] != b"ustar\x0000":
        raise BadTar("header", f"the header at byte {offset} is GNU's, not ustar's.")
    if block[345:500].strip(b"\0"):
        raise BadTar(
            "name", f"the member at byte {offset} has a name of two parts; members of a shard lie in no folder."
        )
    try:
        name = block[:100].rstrip(b"\0").decode("ascii")
    except UnicodeDecodeError:
        raise BadTar("name", f"the member at byte {offset} has a name that is not ASCII.") from None
    key, extension = split_name(name)
    return Member(key, extension, offset + BLOCK, _octal(block[124:136], offset))


def _octal(field: bytes, offset: int) -> int:
    digits = field.rstrip(b"\0 ").lstrip(b" ")
    if not digits or digits.strip(b"01234567"):
        raise BadTar("header", f"the header at byte {offset} holds {field!r} where octal digits are wanted.")
    return int(digits, 8)


def _check_end(read: Read, offset: int, size: int) -> None:
    """Two zero blocks, and nothing but zeros to the end: a zeroed header would otherwise pass as the end."""
    if size - offset < len(END):
        raise BadTar("truncated", f"one zero block at byte {offset} ends the file; a tar ends with two.")
    while offset < size:
        data = read(offset, 1 << 20)
        if not data:
            raise BadTar("truncated", f"the file could not be read beyond byte {offset} of {size}.")
        if data.strip(b"\0"):
            raise BadTar("end", f"data lie behind the end of the tar, after byte {offset}.")
        offset += len(data)
