"""What is left on a disk when the power fails: out of a record of all that it was told (see disk.c).

Nothing is promised but what was synced. Of what was not, anything may be there: nothing, all of it, some
writes without those before them, and of a write some of its sectors. Names of files are kept by their
folder, in the order in which they came, until the folder is synced: which syncing the file does not do.
"""

import json
import struct
from typing import NamedTuple

SECTOR = 512
_HEAD = struct.Struct("=cqqIIi")


class Told(NamedTuple):
    """One call: what it was, of which file, where, under which path, with what, and whether it failed."""

    what: str
    file: int
    at: int
    path: str
    more: bytes
    error: int


def read_record(path):
    content, place = path.read_bytes(), 0
    while place < len(content):
        what, file, at, length, more, error = _HEAD.unpack_from(content, place)
        begun = place + _HEAD.size
        place = begun + length + more
        text = content[begun : begun + length].decode()
        yield Told(what.decode(), file, at, text, content[begun + length : place], error)


class File:
    """What of a file is sure to be on the disk, and what came since."""

    def __init__(self):
        self.sure = bytearray()
        self.since = []

    def synced(self, failed):
        # After a sync that failed, systems take for written what was not: the next sync leaves it out.
        if not failed:
            for change in self.since:
                _apply(self.sure, *change)
        self.since = []

    def left(self, chance):
        content = bytearray(self.sure)
        for at, written in chance.writes(self.since):
            _apply(content, at, written)
        return bytes(content)


class Folder:
    """Which names of a folder are sure to be on the disk, and which came and went since."""

    def __init__(self):
        self.sure = {}
        self.now = {}
        self.since = []

    def change(self, changes):
        """Change some names at once: to what is there from now on, or to none."""
        self.since.append(changes)
        _rename(self.now, changes)

    def synced(self, failed):
        if not failed:
            self.sure = dict(self.now)
            self.since = []

    def left(self, chance):
        names = dict(self.sure)
        for changes in self.since[: chance.names(len(self.since))]:
            _rename(names, changes)
        return names


class Disk:
    """A disk that is told one thing after the other, until the power fails."""

    def __init__(self, root):
        self._root = root
        self._files = {}
        self.top = Folder()

    def tell(self, told):
        getattr(self, f"_{told.what}")(told)

    def write_to(self, folder, chance):
        """Write down what may be left, and return it by its paths."""
        left = {}
        _collect(self.top, "", chance, left)
        folder.mkdir()
        for path, content in left.items():
            if content is None:
                (folder / path).mkdir()
            else:
                (folder / path).write_bytes(content)
        return left

    def _folder(self, path):
        folder = self.top
        for name in path.relative_to(self._root).parts:
            folder = folder.now[name]
        return folder

    def _place(self, text):
        path = self._root / text
        return self._folder(path.parent), path.name

    def _o(self, told):
        self._files[told.file] = File()
        folder, name = self._place(told.path)
        folder.change({name: self._files[told.file]})

    def _w(self, told):
        self._files[told.file].since.append((told.at, told.more))

    def _t(self, told):
        self._files[told.file].since.append((told.at, None))

    def _s(self, told):
        self._files[told.file].synced(told.error)

    def _d(self, told):
        self._folder(self._root / told.path).synced(told.error)

    def _m(self, told):
        folder, name = self._place(told.path)
        folder.change({name: Folder()})

    def _u(self, told):
        folder, name = self._place(told.path)
        folder.change({name: None})

    def _r(self, told):
        (folder, name), (there, new) = self._place(told.path), self._place(told.more.decode())
        assert folder is there, "nothing here moves from one folder to another"
        folder.change({name: None, new: folder.now[name]})

    def _a(self, told):
        """Remarks are nothing to a disk."""


def _collect(folder, path, chance, left):
    for name, found in folder.left(chance).items():
        if isinstance(found, Folder):
            left[path + name] = None
            _collect(found, f"{path}{name}/", chance, left)
        else:
            left[path + name] = found.left(chance)


def _apply(content, at, written):
    if written is None:
        content[at:] = bytes(max(0, at - len(content)))
        return
    if len(content) < at:
        content.extend(bytes(at - len(content)))
    content[at : at + len(written)] = written


def _rename(names, changes):
    for name, found in changes.items():
        if found is None:
            names.pop(name, None)
        else:
            names[name] = found


class Nothing:
    """Nothing is left but what is sure."""

    def writes(self, since):
        return []

    def names(self, count):
        return 0


class NamesOnly:
    """Names are left, and nothing of what is behind them: what came last comes first on some disks."""

    def writes(self, since):
        return []

    def names(self, count):
        return count


class Some:
    """Some writes are left, whichever chance has it.

    Args:
        chance: Seeded.
        torn: Whether of a write some sectors may be left.

    """

    def __init__(self, chance, torn):
        self._chance = chance
        self._torn = torn

    def writes(self, since):
        # On some days nearly all is left, on others nearly nothing.
        likely = self._chance.choice((0.1, 0.5, 0.9))
        for at, written in since:
            if not self._torn or written is None:
                if self._chance.random() < likely:
                    yield at, written
                continue
            place = 0
            while place < len(written):
                end = min(len(written), (at + place) // SECTOR * SECTOR + SECTOR - at)
                if self._chance.random() < likely:
                    yield at + place, written[place:end]
                place = end

    def names(self, count):
        return self._chance.randint(0, count)


def remark(told):
    """Return what was acknowledged, if that is what was told."""
    return json.loads(told.more) if told.what == "a" else None
