"""Presence: which features there are, how often, and which of them the model cannot learn from."""

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Any, Literal

import msgspec

from loopledger.evaluation.contents import Contents, Group, contents

Remark = Literal["never present", "no longer present", "unique per event", "constant", "nearly never present"]

Key = tuple[str, str | None]
"""A namespace with a feature's name; without one it is the whole namespace."""

COUNTED = 1_000
"""Different values that are counted exactly; a count of so many means so many or more."""

MOST_NAMES = 20_000
"""Features and namespaces that are followed; more of them are names made of data."""

_MOST_VALUES = 1_000_000
"""Values that are held at a time for all features together."""

_SCARCE = 0.01
_UNIQUE = 0.95
_TELLING = 50
"""Occurrences from which on values can be called unique, and decisions from which on a name can be missed."""

_KINDS = 3
"""Where a feature can stand: in the shared part, in an action, in a slot."""

_LONG = 64


class Present(msgspec.Struct, frozen=True):
    """How a feature, or a whole namespace, appears in some decisions.

    Attributes:
        namespace: The namespace as the model sees it.
        feature: The feature's name; none for the whole namespace.
        share: In what share of the decisions it is there.
        values: How many different values it has, or contents for a namespace, counted up to 1,000.
        remark: What speaks against it, if anything.

    """

    namespace: str
    feature: str | None
    share: float
    values: int
    remark: Remark | None


class Presence:
    """Counts what appears in decisions, in memory that does not grow with their number.

    Args:
        late: Seq of the decision from which on a feature that is gone is called so.

    Attributes:
        decisions: How many were counted.
        crowded: Whether there were more names, or values of them, than are followed.

    """

    def __init__(self, late: int) -> None:
        self.decisions = 0
        self.crowded = False
        self._late = late
        self._lately = 0
        self._examples = [0] * _KINDS
        self._seen: dict[Key, _Seen] = {}
        self._room = _MOST_VALUES

    def add(self, seq: int, held: Contents) -> None:
        """Count one decision."""
        self.decisions += 1
        self._lately += seq >= self._late
        for kind, examples in enumerate(((held.shared,), held.actions, held.slots)):
            self._examples[kind] += len(examples)
            for groups in examples:
                self._add_example(seq, kind, groups)

    def found(self, known: Iterable[Key] = ()) -> Iterator[Present]:
        """Yield what appeared, and what was known before and did not."""
        for (namespace, feature), seen in self._seen.items():
            yield Present(
                namespace, feature, seen.decisions / self.decisions, seen.counted, self._remark(feature, seen)
            )
        for namespace, feature in known:
            if (namespace, feature) not in self._seen:
                yield Present(namespace, feature, 0.0, 0, "never present")

    def _add_example(self, seq: int, kind: int, groups: tuple[Group, ...]) -> None:
        for namespace, items in groups:
            self._count((namespace, None), seq, kind, items)
            for name, value in items:
                if name is not None:
                    self._count((namespace, name), seq, kind, value)

    def _count(self, key: Key, seq: int, kind: int, value: Any) -> None:
        seen = self._seen.get(key)
        if seen is None:
            if len(self._seen) >= MOST_NAMES:
                self.crowded = True
                return
            seen = self._seen[key] = _Seen()
        seen.count(seq, kind)
        if seen.values is not None:
            if self._room <= 0:
                self.crowded = True
                return
            self._room -= seen.look_at(value)

    def _remark(self, feature: str | None, seen: "_Seen") -> Remark | None:
        if self._lately >= _TELLING and seen.last < self._late and seen.decisions >= self.decisions * _SCARCE:
            return "no longer present"
        if feature is not None and seen.unique:
            return "unique per event"
        if seen.counted == 1 and all(
            count in {0, of} for count, of in zip(seen.occurrences, self._examples, strict=True)
        ):
            return "constant"
        if seen.decisions < self.decisions * _SCARCE:
            return "nearly never present"
        return None


class _Seen:
    """One feature, or a namespace, as it was seen."""

    __slots__ = (
        "counted",
        "decisions",
        "identifying",
        "last",
        "looked_at",
        "occurrences",
        "previous",
        "values",
    )

    def __init__(self) -> None:
        self.decisions = 0
        self.last = 0
        self.occurrences = [0] * _KINDS
        self.values: set[Any] | None = set()
        self.counted = 0
        self.looked_at = 0
        self.identifying = True
        self.previous: Any = None

    def count(self, seq: int, kind: int) -> None:
        """Count that it was there."""
        if seq != self.last:
            self.last = seq
            self.decisions += 1
        self.occurrences[kind] += 1

    def look_at(self, value: Any) -> int:
        """Take a value into account; return how many more values are held because of it, maybe fewer."""
        if self.values is None:
            return 0
        self.looked_at += 1
        if not isinstance(value, str) and not self._counts_up(value):
            self.identifying = False
        before = len(self.values)
        self.values.add(_short(value))
        self.counted = len(self.values)
        if self.counted >= COUNTED:
            self.values = None
            return -before
        return self.counted - before

    @property
    def unique(self) -> bool:
        """Whether it tells events apart and nothing else: a new text each time, or a number that counts up.

        Other numbers may be new each time and mean something: the model takes them by their size.
        """
        return self.identifying and self.looked_at >= _TELLING and self.counted >= _UNIQUE * self.looked_at

    def _counts_up(self, value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
            return False
        before, self.previous = self.previous, value
        return before is None or bool(value >= before)


def names(context: bytes) -> Iterator[Key]:
    """Yield the features and namespaces of a context."""
    held = contents(context)
    for groups in (held.shared, *held.actions, *held.slots):
        for namespace, items in groups:
            yield namespace, None
            for name, _ in items:
                if name is not None:
                    yield namespace, name


def _short(value: Any) -> Any:
    """Return a value, or what stands for it where it is long."""
    if isinstance(value, tuple) or (isinstance(value, str) and len(value) > _LONG):
        return blake2b(msgspec.json.encode(value), digest_size=8).digest()
    return value
