"""Errors as Personalizer's clients know them: an envelope with code, message and details."""

import sqlite3
from typing import Any

from loopledger.adapters.http.call import JSON, Header, Reply, json_reply
from loopledger.adapters.http.codes import code_in
from loopledger.adapters.http.messages import located, name_of, sentences_about, without_ids
from loopledger.adapters.http.versions import Version
from loopledger.errors import (
    Conflict,
    InvalidRequest,
    LearnerFailed,
    LoopInUse,
    LoopledgerError,
    LoopStopped,
    NotFound,
    Overloaded,
)

_AGAIN: Header = (b"retry-after", b"1")

_MEANINGS: list[tuple[type[Exception] | tuple[type[Exception], ...], str, tuple[Header, ...]]] = [
    (NotFound, "ResourceNotFound", ()),
    (Conflict, "Conflict", ()),
    (Overloaded, "429", (_AGAIN,)),
    ((LoopStopped, LoopInUse), "OperationNotAllowed", (_AGAIN,)),
    ((LoopledgerError, OSError, sqlite3.Error), "InternalServerError", ()),
]


class Refusal(Exception):
    """A request that is not carried out.

    Attributes:
        code: One of `loopledger.adapters.http.codes`.
        details: Sentences that say more.
        target: The field at fault.
        headers: To send along.
        about: What the code's message has a place for.

    """

    def __init__(
        self,
        code: str,
        *details: str,
        target: str | None = None,
        headers: tuple[Header, ...] = (),
        about: str = "",
    ) -> None:
        super().__init__(code, *details)
        self.code = code
        self.details = details
        self.target = target
        self.headers = headers
        self.about = about


def refused(error: InvalidRequest, code: str) -> Refusal:
    """Return the refusal of a request that cannot be used."""
    if error.field == "rank_slots":
        code = "InvalidMultiSlotApiAccess"
    return Refusal(code, *sentences_about(error), target=name_of(located(error).field))


def refusal_of(error: Exception, invalid: str, failed: str) -> Refusal:
    """Return what an error means to a client.

    Args:
        error: As loopledger, or the machine, raised it.
        invalid: The code for a request that cannot be used.
        failed: The code for a learner that cannot answer.

    """
    if isinstance(error, Refusal):
        return error
    if isinstance(error, InvalidRequest):
        return refused(error, invalid)
    if isinstance(error, LearnerFailed):
        return Refusal(failed, str(error))
    for kinds, code, headers in _MEANINGS:
        if isinstance(error, kinds):
            said = without_ids(str(error)) if isinstance(error, Conflict) else str(error)
            return Refusal(code, said, headers=headers)
    return Refusal("InternalServerError")


def error_reply(refusal: Refusal, version: Version) -> Reply:
    """Return the reply to a request that is not carried out."""
    name, code = code_in(version, refusal.code)
    error: dict[str, Any] = {"code": name, "message": code.message.replace("{0}", refusal.about)}
    if refusal.target is not None:
        error["target"] = refusal.target
    if refusal.details:
        error["details"] = [{"code": name, "message": detail} for detail in refusal.details]
    reply = json_reply(code.status, {"error": error})
    headers = (JSON, *refusal.headers)
    if version is Version.V2022:
        headers = (*headers, (b"x-ms-error-code", name.encode()))
    return reply._replace(headers=headers)
