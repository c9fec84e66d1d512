"""Actions that VowpalWabbit has parsed are kept: they come again from request to request."""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import pylibvw

from loopledger.recurring import Recurring

MOST = 256
"""The most actions that are kept for a model: some 24 kB each."""
LEAST = 8
"""Contexts with fewer actions are parsed whole: that takes no longer."""
_LONGEST = 4096
_CONSTANT = 128  # VowpalWabbit's namespace of the constant: every example has its own


class _Parsed(NamedTuple):
    example: Any
    namespaces: frozenset[int]


class ParsedActions:
    """Parses contexts for a model, and of those whose actions came before only what is shared.

    VowpalWabbit's answers stay the same, bit for bit. It parses an action by itself, whatever else
    there is, and a prediction leaves an example as it was. There is one exception. To predict, it
    adds the shared features to those of an action, and takes them away again; where both have a
    namespace with the same first letter, the sum of squares that it is left with is rounded. Such
    contexts are parsed whole.

    Args:
        workspace: VowpalWabbit with the model.

    """

    def __init__(self, workspace: Any) -> None:
        self._workspace = workspace
        # No methods of this object: a model has to be gone with its last use, not when Python next
        # looks for cycles.
        self._kept = Recurring(
            partial(_parse_action, workspace),
            most=MOST,
            longest=_LONGEST,
            let_go=lambda actions: _finish(workspace, [action.example for action in actions]),
        )

    def parse(self, context: bytes, actions: Sequence[bytes]) -> tuple[list[Any], list[Any]]:
        """Return a context's examples, and which are to be finished when they were used.

        Args:
            context: JSON.
            actions: Its end, action by action, each of them once; empty where that is not known.

        Raises:
            RuntimeError: VowpalWabbit cannot read it.

        """
        kept = None
        if len(actions) >= LEAST and not self._kept.idle():
            kept = self._kept.find(actions)
        if kept is not None:
            ending = sum(map(len, actions)) + len(actions) + len(b"]}") - 1
            shared = _parsed(self._workspace, context[:-ending] + b"]}")
            namespaces = _namespaces(shared[0])
            if namespaces and all(namespaces.isdisjoint(action.namespaces) for action in kept):
                return [*shared, *[action.example for action in kept]], shared
            self.finish(shared)
        parsed = _parsed(self._workspace, context)
        return parsed, parsed

    def finish(self, examples: Sequence[Any]) -> None:
        """Give examples back to VowpalWabbit."""
        _finish(self._workspace, examples)

    def forget(self) -> None:
        """Keep nothing."""
        self._kept.clear()


def _parse_action(workspace: Any, action: bytes) -> _Parsed:
    shared, example = _parsed(workspace, b'{"_multi":[%b]}' % action)
    _finish(workspace, [shared])
    return _Parsed(example, _namespaces(example))


def _parsed(workspace: Any, context: bytes) -> list[Any]:
    examples: list[Any] = workspace._parse(context.decode())  # noqa: SLF001
    return examples


def _finish(workspace: Any, examples: Sequence[Any]) -> None:
    pylibvw.vw._finish_example_multi_ex(workspace, examples)  # noqa: SLF001


def _namespaces(example: Any) -> frozenset[int]:
    return frozenset([example.namespace(at) for at in range(example.num_namespaces())]) - {_CONSTANT}
