"""What was made of things that come again and again is kept, within bounds."""

from collections.abc import Callable, Sequence
from threading import Lock
from typing import Generic, TypeVar, cast
from zlib import crc32

_T = TypeVar("_T")
_PATIENCE = 64
_SELDOM = 16
_NOTED = 16


class Recurring(Generic[_T]):
    """Keeps what was made of texts, from the second time on that they come.

    What seldom comes again costs little: nothing is made of what came once, and where texts are
    missing time after time, it is seldom looked for them.

    Args:
        make: Makes it, and that is never false; or returns none where it cannot.
        most: How many texts are kept.
        longest: The most bytes that one may have.
        rest: After so many calls, those that were not worth it among them, what did not come in the last
            ones makes room for others.
        let_go: Is told what is kept no longer.

    """

    def __init__(
        self,
        make: Callable[[bytes], _T | None],
        *,
        most: int,
        longest: int,
        rest: int = 4096,
        let_go: Callable[[list[_T]], None] | None = None,
    ) -> None:
        self._make = make
        self._most = most
        self._longest = longest
        self._rest = rest
        self._let_go = let_go
        self._kept: dict[bytes, _T] = {}
        self._older: dict[bytes, _T] = {}
        self._noted: set[int] = set()
        self._calls = 0
        self._sorted_out = 0
        self._missed = 0
        self._guard = Lock()

    def __len__(self) -> int:
        """How many are kept."""
        return len(self._kept) + len(self._older)

    def idle(self) -> bool:
        """Tell whether there is no use in asking this time: texts were missing too often."""
        if self._missed <= _PATIENCE:
            return False
        self._missed += 1
        if self._missed % _SELDOM == 0:
            return False
        self._calls += 1  # else what is kept of no use would make room for what is only after very long
        return True

    def find(self, texts: Sequence[bytes]) -> list[_T] | None:
        """Return what is kept of each text; none if one of them is missing."""
        self._calls += 1
        found = [*map(self._kept.get, texts)]
        if None in found:
            with self._guard:
                found = [
                    self._kept.get(text) or self._found_again(text) or self._made(text) for text in texts
                ]
            if None in found:
                self._missed += 1
                return None
        self._missed = 0
        return cast("list[_T]", found)

    def clear(self) -> None:
        """Keep nothing."""
        with self._guard:
            self._drop(self._kept)
            self._drop(self._older)
            self._kept, self._older = {}, {}

    def _found_again(self, text: bytes) -> _T | None:
        found = self._older.pop(text, None)
        if found is not None:
            self._kept[text] = found
        return found

    def _made(self, text: bytes) -> _T | None:
        noted = crc32(text)
        if noted not in self._noted:
            if len(self._noted) >= _NOTED * self._most:
                self._noted.clear()
            self._noted.add(noted)
            return None
        if len(text) > self._longest or not self._has_room():
            return None
        made = self._make(text)
        if made is not None:
            self._kept[text] = made
        return made

    def _has_room(self) -> bool:
        if len(self) >= self._most and self._calls - self._sorted_out >= self._rest:
            # What was found for this call is not among the older ones any more.
            self._drop(self._older)
            self._kept, self._older = {}, self._kept
            self._sorted_out = self._calls
        return len(self) < self._most

    def _drop(self, some: dict[bytes, _T]) -> None:
        if some and self._let_go is not None:
            self._let_go([*some.values()])
