"""Exact neighbours by cosine among vectors that are added in blocks: FAISS where there is one, else products.

Either way gives candidates only; what is compared with a threshold is computed by `cosine`, in float64 from the
stored float16 values and rounded to 1e-4, so that no library, block size or number of threads decides anything.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

SLACK = 1e-3
"""A candidate may lie so far below the threshold: more than float32 sums can be off."""

_BLOCK = 8192


class Search(Protocol):
    """Vectors so far, and who of them is near."""

    def add(self, vectors: NDArray[np.float32]) -> None:
        """Take in unit (or zero) vectors [m, d]; they are numbered in the order they come."""
        ...

    def near(self, vectors: NDArray[np.float32], least: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """All pairs (row of `vectors`, number of an added vector) with inner product about `least` or above."""
        ...


def make_search(dim: int, kind: Literal["auto", "faiss", "numpy"] = "auto") -> Search:
    """The search this environment has: FAISS's flat index, else blocked matrix products."""
    if kind == "faiss" or (kind == "auto" and find_spec("faiss") is not None):
        return _Faiss(dim)
    return _Products(dim)


def unit(vectors: NDArray[np.float16]) -> NDArray[np.float32]:
    """Vectors [n, d] at length 1; zeros stay zeros."""
    wide = vectors.astype(np.float32)
    length = np.sqrt(np.einsum("ij,ij->i", wide, wide, dtype=np.float64))
    return (wide / np.maximum(length, 1e-12)[:, None]).astype(np.float32)


def cosine(a: NDArray[np.float16], b: NDArray[np.float16]) -> NDArray[np.float64]:
    """Cosine of each pair of rows, rounded to 1e-4; 0 where one of them is zero. Args: both [n, d]."""
    x, y = a.astype(np.float64), b.astype(np.float64)
    product = np.einsum("ij,ij->i", x, y)
    lengths = np.sqrt(np.einsum("ij,ij->i", x, x) * np.einsum("ij,ij->i", y, y))
    return np.round(product / np.maximum(lengths, 1e-12), 4)


class _Faiss:
    """FAISS IndexFlatIP."""

    def __init__(self, dim: int) -> None:
        import faiss

        self._index: Any = faiss.IndexFlatIP(dim)

    def add(self, vectors: NDArray[np.float32]) -> None:
        """See Search."""
        if len(vectors):
            self._index.add(np.ascontiguousarray(vectors))

    def near(self, vectors: NDArray[np.float32], least: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """See Search."""
        if not len(vectors) or not self._index.ntotal:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        limits, _, found = self._index.range_search(np.ascontiguousarray(vectors), least)
        return np.repeat(np.arange(len(vectors)), np.diff(limits.astype(np.int64))), found.astype(np.int64)


class _Products:
    """Matrix products of blocks."""

    def __init__(self, dim: int) -> None:
        self._dim = dim
        self._blocks: list[NDArray[np.float32]] = []
        self._open = np.zeros((0, dim), np.float32)

    def add(self, vectors: NDArray[np.float32]) -> None:
        """See Search."""
        self._open = np.concatenate([self._open, vectors])
        while len(self._open) >= _BLOCK:
            self._blocks.append(self._open[:_BLOCK].copy())
            self._open = self._open[_BLOCK:].copy()

    def near(self, vectors: NDArray[np.float32], least: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """See Search."""
        rows, numbers = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for place, block in enumerate([*self._blocks, self._open]):
            row, number = np.nonzero(vectors @ block.T >= least)
            rows.append(row)
            numbers.append(number + place * _BLOCK)
        return np.concatenate(rows), np.concatenate(numbers)
