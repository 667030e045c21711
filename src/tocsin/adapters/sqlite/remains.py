"""Remains: when SQLite moves cells from one page to another it leaves their bytes in the unused middle of the first one, where
`secure_delete` does not see them. Here they are overwritten with zeros, in the file.

Only whoever copies the WAL into the file may do that, and only while the file as it lies there is consistent: after a checkpoint
that copied everything, and before the next one begins. What is a b-tree page is told by the pointer map that every page has
(`auto_vacuum`), not guessed from its bytes. SQLite reads nothing of what is overwritten. File format: https://sqlite.org/fileformat2.html
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

BLOCK: Final = 256
"""Pages looked at in one go."""
_FILE_HEADER: Final = 100
_WAL_HEADER: Final = 32
_FRAME_HEADER: Final = 24
_PENDING_BYTE: Final = 0x40000000
_ROOT, _BTREE = 1, 5
"""What the pointer map says of a page that belongs to a b-tree."""
_INTERIOR: Final = frozenset({2, 5})
_KINDS: Final = frozenset({2, 5, 10, 13})
"""The first byte of a b-tree page: interior or leaf, of an index or a table."""
_ENTRY: Final = 5


class Remains:
    """Of one database file. It is kept open: to close it would drop the locks that SQLite holds in this process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._wal = path.with_name(path.name + "-wal")
        self._file: int | None = None

    def close(self) -> None:
        """After every connection to the file has been closed."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def blocks(self) -> Iterator[range]:
        """All pages, a few at a time."""
        layout = _Layout(os.pread(self._opened(), _FILE_HEADER, 0))
        for first in range(1, layout.pages + 1, BLOCK):
            yield range(first, min(first + BLOCK, layout.pages + 1))

    def pages_in_wal(self) -> set[int]:
        """The pages that the WAL has, of which some may be from before it began anew."""
        with self._wal.open("rb") as wal:
            file, size = wal.fileno(), os.fstat(wal.fileno()).st_size
            frame = _FRAME_HEADER + int.from_bytes(os.pread(file, 4, 8))
            return {int.from_bytes(os.pread(file, 4, at)) for at in range(_WAL_HEADER, size, frame)}

    def wipe(self, pages: Iterable[int]) -> int:
        """Overwrite what is left in the unused middle of these pages; gives of how many. They are on disk when it returns."""
        file = self._opened()
        layout = _Layout(os.pread(file, _FILE_HEADER, 0))
        maps: dict[int, bytes] = {}
        wiped = 0
        for number in sorted(pages):
            if not 1 <= number <= layout.pages or not self._is_in_tree(number, layout, maps):
                continue
            at = (number - 1) * layout.size
            unused = _unused(os.pread(file, layout.size, at), layout, _FILE_HEADER if number == 1 else 0)
            if unused is not None:
                os.pwrite(file, bytes(unused[1] - unused[0]), at + unused[0])
                wiped += 1
        if wiped:
            os.fdatasync(file)
        return wiped

    def _is_in_tree(self, number: int, layout: _Layout, maps: dict[int, bytes]) -> bool:
        if number == 1:
            return True
        map_number = layout.map_of(number)
        if number in {map_number, layout.pending}:
            return False
        if map_number not in maps:
            maps.clear()
            maps[map_number] = os.pread(self._opened(), layout.size, (map_number - 1) * layout.size)
        return maps[map_number][_ENTRY * (number - map_number - 1)] in {_ROOT, _BTREE}

    def _opened(self) -> int:
        if self._file is None:
            self._file = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        return self._file


class _Layout:
    """What the header of the file says. Raises ValueError when there is no pointer map."""

    __slots__ = ("_map_span", "pages", "pending", "size", "usable")

    def __init__(self, header: bytes) -> None:
        size, reserved = int.from_bytes(header[16:18]), header[20]
        self.size = 65536 if size == 1 else size
        self.usable = self.size - reserved
        self.pages = int.from_bytes(header[28:32])
        self.pending = _PENDING_BYTE // self.size + 1
        self._map_span = self.usable // _ENTRY + 1
        if not int.from_bytes(header[52:56]):
            raise ValueError("the database has no pointer map")

    def map_of(self, number: int) -> int:
        """The page of the pointer map that tells of a page."""
        found = (number - 2) // self._map_span * self._map_span + 2
        return found + 1 if found == self.pending else found


def _unused(page: bytes, layout: _Layout, at: int) -> tuple[int, int] | None:
    """Where unused bytes lie that are not zero, between the pointers to the cells and the first cell; `at` is where the page's own
    header begins."""
    kind = page[at]
    if kind not in _KINDS:
        return None
    cells, content = struct.unpack_from(">HH", page, at + 3)
    first = at + (12 if kind in _INTERIOR else 8) + 2 * cells
    last = content or 65536
    if not first < last <= layout.usable or page.count(0, first, last) == last - first:
        return None
    return first, last
