"""Namespaces: the groups that features stand in, and which of them a policy crosses.

What is known of the moment helps to choose only where it is crossed with what is known of the
actions: crossed with itself it is the same for every action. VowpalWabbit's ``-q`` names namespaces
by their first letters. (Its option for whole names is no way out: a saved model names the pairs again
at every load, and crosses them that often, 9.11.9.)
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from loopledger.errors import InvalidRequest
from loopledger.log.events import DECISIONS, decode_apart
from loopledger.log.journal import Reader
from loopledger.policy import LearningPolicy, join_words, policy_from, words_of

_DIRECT = ("FromUrl", "sj", "i", "j")
"""Where features stand that are in no namespace of the caller's own, and ids."""

_CROSSED = ", crossed"


class Namespaces(msgspec.Struct, frozen=True):
    """The names of a loop's namespaces, by whom their features describe.

    Attributes:
        shared: Of contexts and slots. What stands directly there is in ``FromUrl`` and ``sj``.
        actions: Of actions. What stands directly there is in ``j``, and ids are in ``i``.

    """

    shared: tuple[str, ...] = ("FromUrl",)
    actions: tuple[str, ...] = ("i", "j")

    @property
    def alike(self) -> tuple[tuple[str, ...], ...]:
        """Groups of names that begin alike and describe different things, which ``-q`` cannot tell apart."""
        letters = sorted({name[:1] for name in self.shared} & {name[:1] for name in self.actions})
        return tuple(
            tuple(name for name in (*self.shared, *self.actions) if name.startswith(letter))
            for letter in letters
        )


def namespaces(reader: Reader, decisions: int) -> Namespaces:
    """Return the namespaces that the last decisions of a log have.

    Args:
        reader: Of the log.
        decisions: At how many to look, at most.

    """
    shared: set[str] = set()
    actions = {"i"}
    counts = reader.counts()
    there = sum(counts.get(kind, 0) for kind in DECISIONS)
    begin = reader.nth(DECISIONS, max(1, there - decisions + 1))
    if begin is not None:
        for record in reader.records(begin.seq, kinds=DECISIONS):
            if not record.erased:
                of_moment, of_actions = _found(decode_apart(record.body, record.seq)[1])
                shared |= of_moment
                actions |= of_actions
    return Namespaces(_in_order(shared), _in_order(actions))


def crossed(policy: LearningPolicy, namespaces: Namespaces) -> LearningPolicy:
    """Return a policy that crosses each shared namespace with each namespace of actions, and no other two.

    The pairs that the policy crosses itself (``-q``) are replaced; interactions of three stay. Without
    ids (``i``) among the names, ``--ignore_linear`` goes too.

    Args:
        policy: What else it does.
        namespaces: The names; what a loop has tells `Loop.namespaces`.

    Raises:
        InvalidRequest: A name cannot be said in a policy, or the arguments become too long.

    """
    _check_kind("policy", policy, LearningPolicy)
    _check_kind("namespaces", namespaces, Namespaces)
    slots = ("sj",) if policy.multi_slot else ()
    shared = dict.fromkeys(_letter("shared", name) for name in (*namespaces.shared, *slots))
    actions = dict.fromkeys(_letter("actions", name) for name in namespaces.actions)
    for side, letters in (("shared", shared), ("actions", actions)):
        if not letters:
            raise InvalidRequest(f"namespaces.{side}", "must have a name; where nothing is logged, give it")
    pairs = [one + other for one in shared for other in actions]
    # Crossed with the constant that stands beside every id, features are learned for themselves too,
    # and need not stand there once more. Where ids are not crossed, they need to.
    twice = () if "i" in actions else ("ignore_linear",)
    kept = [word for word in words_of(policy.arguments) if not _is_pair(*word) and word[0] not in twice]
    arguments = join_words((*kept, *(("quadratic", pair) for pair in pairs)))
    name = policy.name if policy.name.endswith(_CROSSED) else policy.name + _CROSSED
    return policy_from({"name": name, "arguments": arguments.replace("--quadratic ", "-q ")})


def _check_kind(field: str, given: object, kind: type) -> None:
    if not isinstance(given, kind):
        raise InvalidRequest(field, f"must be a {kind.__name__} (got {type(given).__name__})")


def _is_pair(option: str, value: str | None) -> bool:
    return option == "quadratic" or (option == "interactions" and len(value or "") == 2)  # noqa: PLR2004


def _letter(side: str, name: str) -> str:
    letter = name[:1]
    if not letter.isascii() or not (letter.isalnum() or letter == "~"):
        raise InvalidRequest(
            f"namespaces.{side}",
            "must begin with an ASCII letter or digit: -q names namespaces by it; give them other names",
        )
    return letter


def _in_order(names: set[str]) -> tuple[str, ...]:
    return (*(name for name in _DIRECT if name in names), *sorted(names.difference(_DIRECT)))


def _found(context: bytes) -> tuple[set[str], set[str]]:
    """Return the namespaces of a logged context that hold features, shared ones and those of actions."""
    whole: dict[str, Any] = msgspec.json.decode(context)
    shared = {name for part in (whole, *whole.get("_slots", ())) for name in _inside(part)}
    actions = {name for action in whole["_multi"] for name in _inside(action)}
    return shared, actions


def _inside(part: Mapping[str, Any]) -> Iterator[str]:
    for name, value in part.items():
        if not name.startswith("_"):
            yield from _holding(name, value)


def _holding(name: str, value: object) -> Iterator[str]:
    """Yield a namespace, if features stand directly in it, and those inside it."""
    if isinstance(value, Mapping):
        direct = {key: inner for key, inner in value.items() if not isinstance(inner, Mapping | list)}
        if direct:
            yield name
        yield from _inside({key: inner for key, inner in value.items() if key not in direct})
    elif isinstance(value, list):
        for one in value:
            if isinstance(one, Mapping):
                yield from _holding(name, one)
            else:
                yield name
                break
