"""Queries about decisions, in JMESPath: ``starts_with(event_id, 'bot-') && reward > `0.9` ``."""

from collections.abc import Mapping
from typing import Any

import jmespath
from jmespath import functions
from jmespath.exceptions import JMESPathError, JMESPathTypeError, LexerError, ParseError

from loopledger.adapters.embedding.moments import microseconds
from loopledger.deciding.request import check_unicode
from loopledger.errors import InvalidRequest
from loopledger.learning.selection import Query

_LONGEST = 4096


class _Functions(functions.Functions):
    """JMESPath's own functions, and ``time('2026-11-01T12:00Z')`` to compare with ``at``."""

    @functions.signature({"types": ["string"]})
    def _func_time(self, moment: str) -> int:
        return microseconds(moment)


def query(text: object) -> Query:
    """Return a query about decisions; what can be asked, `loopledger.learning.selection.described` says.

    Args:
        text: A JMESPath expression; it is true of a decision if what it gives is true, not empty
            and not null.

    Raises:
        InvalidRequest: It is no expression; or, once it is asked, does not fit a decision.

    """
    if not isinstance(text, str):
        raise InvalidRequest("where", f"must be a JMESPath expression as text (got {type(text).__name__})")
    check_unicode("where", text)
    if len(text) > _LONGEST:
        raise InvalidRequest(
            "where", f"must have at most {_LONGEST:,} characters: it becomes part of the log"
        )
    options = jmespath.Options(custom_functions=_Functions())
    try:
        compiled = jmespath.compile(text)
    except (JMESPathError, RecursionError, ValueError) as error:
        raise _refused(error) from None

    def ask(decision: Mapping[str, Any]) -> bool:
        try:
            found = compiled.search(decision, options)
        except JMESPathTypeError as error:  # whose own words hold the value, somebody's context
            said = f"{error.function_name}() does not take a value of type {error.actual_type}"
            raise _refused(said) from None
        # JMESPath lets through what Python's own operations raise, such as for a slice in steps of 0.
        except (JMESPathError, RecursionError, ArithmeticError, TypeError, ValueError) as error:
            raise _refused(error) from None
        # JMESPath's truth: 0 is true.
        return found is not None and found is not False and found not in ("", [], {})

    return ask


def _refused(error: Exception | str) -> InvalidRequest:
    # JMESPath goes on with the expression itself, on a line of its own.
    said = str(error).split("\n", 1)[0].removesuffix(":").removesuffix(", for expression")
    written = ""
    if isinstance(error, ParseError | LexerError):
        written = "; numbers stand in backticks (reward > `0.5`), text in single quotes (event_id == 'e1')"
    return InvalidRequest("where", f"must be a JMESPath expression that fits a decision: {said}{written}")
