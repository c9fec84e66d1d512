"""What is where in a SQLite file: every region by a name, with its first byte and the one after its last."""

import sqlite3
from collections import defaultdict
from contextlib import closing

HEADER = {
    "magic": (0, 16),
    "page size": (16, 18),
    "write version": (18, 19),
    "read version": (19, 20),
    "reserved space": (20, 21),
    "payload fractions": (21, 24),
    "change counter": (24, 28),
    "size in pages": (28, 32),
    "first freelist page": (32, 36),
    "freelist length": (36, 40),
    "schema cookie": (40, 44),
    "schema format": (44, 48),
    "cache size": (48, 52),
    "largest root page": (52, 56),
    "text encoding": (56, 60),
    "user version": (60, 64),
    "incremental vacuum": (64, 68),
    "application id": (68, 72),
    "reserved": (72, 92),
    "version valid for": (92, 96),
    "version number": (96, 100),
}
COLUMNS = {
    "events": ("seq", "at", "kind", "event_id", "codec", "body", "digest"),
    "writer": ("one", "epoch", "seq", "digest"),
    "dictionaries": ("number", "since", "first", "content", "sha256"),
    "sqlite_sequence": ("name", "seq"),
    "migrations": ("number", "name", "sha256"),
    "sqlite_schema": ("type", "name", "tbl_name", "rootpage", "sql"),
    "by_event_id": ("event_id", "seq"),
    "by_kind": ("kind", "seq", "rowid"),
}
_INDEX_INNER, _TABLE_INNER, _INDEX_LEAF, _TABLE_LEAF = 2, 5, 10, 13


def regions(path):
    """Return the regions of a database by their names: "events leaf, body", "header, magic", and so on."""
    with closing(sqlite3.connect(path)) as connection:
        roots = dict(connection.execute("SELECT name, rootpage FROM sqlite_schema WHERE rootpage > 0"))
    return Anatomy(path.read_bytes(), {"sqlite_schema": 1, **roots}).regions


class Anatomy:
    def __init__(self, content, roots):
        self.content = content
        self.size = int.from_bytes(content[16:18])
        self.regions = defaultdict(list)
        for name, place in HEADER.items():
            self.regions[f"header, {name}"].append(place)
        for name, root in roots.items():
            self._page(name, root)

    def _number(self, start, length):
        return int.from_bytes(self.content[start : start + length])

    def _varint(self, at):
        value = 0
        for place in range(at, at + 8):
            byte = self.content[place]
            value = value << 7 | byte & 0x7F
            if byte < 0x80:
                return value, place + 1
        return value << 8 | self.content[at + 8], at + 9

    def _page(self, tree, page):
        base = (page - 1) * self.size
        start = base + (100 if page == 1 else 0)
        kind, cells, content = self.content[start], self._number(start + 3, 2), self._number(start + 5, 2)
        inner = kind in {_INDEX_INNER, _TABLE_INNER}
        name = f"{tree} {'inner' if inner else 'leaf'}"
        add = self.regions[f"{name}, page header"].append
        add((start, start + (12 if inner else 8)))
        pointers = start + (12 if inner else 8)
        if cells:  # a dictionary is only made where there is something to make it of
            self.regions[f"{name}, cell pointers"].append((pointers, pointers + 2 * cells))
        if pointers + 2 * cells < base + content:
            self.regions[f"{name}, unused"].append((pointers + 2 * cells, base + content))
        for number in range(cells):
            at = base + self._number(pointers + 2 * number, 2)
            if inner:
                self.regions[f"{name}, child pointer"].append((at, at + 4))
                self._page(tree, self._number(at, 4))
                at += 4
            self._cell(tree, name, kind, at)
        if inner:
            self._page(tree, self._number(start + 8, 4))

    def _cell(self, tree, name, kind, at):
        begun = at
        if kind == _TABLE_INNER:
            self.regions[f"{name}, rowid"].append((at, self._varint(at)[1]))
            return
        payload, at = self._varint(at)
        if kind == _TABLE_LEAF:
            rowid = at
            _, at = self._varint(at)
            self.regions[f"{name}, rowid"].append((rowid, at))
        self.regions[f"{name}, payload size"].append((begun, begun + 1))
        most = self.size - 35 if kind == _TABLE_LEAF else (self.size - 12) * 64 // 255 - 23
        here = payload
        if payload > most:
            least = (self.size - 12) * 32 // 255 - 23
            here = least + (payload - least) % (self.size - 4)
            here = least if here > most else here
            pointer = at + here
            self.regions[f"{name}, overflow pointer"].append((pointer, pointer + 4))
            self._overflow(tree, self._number(pointer, 4))
        self._record(tree, name, at, at + here)

    def _record(self, tree, name, at, end):
        header, place = self._varint(at)
        self.regions[f"{name}, record header"].append((at, at + header))
        value = at + header
        for column in COLUMNS[tree]:
            if place >= at + header:
                break
            kind, place = self._varint(place)
            length = (kind - 12) // 2 if kind >= 12 else (0, 1, 2, 3, 4, 6, 8, 8, 0, 0)[kind]
            if length and value < end:
                self.regions[f"{name}, {column}"].append((value, min(value + length, end)))
            value += length

    def _overflow(self, tree, page):
        while page:
            base = (page - 1) * self.size
            self.regions[f"{tree} overflow, next page"].append((base, base + 4))
            self.regions[f"{tree} overflow, content"].append((base + 4, base + self.size))
            page = self._number(base, 4)
