"""Shapes of bodies that the description names and the code reads or writes in other ways.

Features stay JSON on their way to the loop, so the shapes that requests are read into do not say
what they look like; tests compare the fields.
"""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

Features = list[dict[str, Any]] | dict[str, Any]
Id = Annotated[
    str,
    Meta(min_length=1, description="Without control characters; at most `limits.id_length` characters, 256."),
]


class RankAction(msgspec.Struct):
    """An action with its features."""

    id: Id
    features: Features = []


Actions = Annotated[
    list[RankAction], Meta(min_length=1, description="At most `limits.actions` of the loop's settings, 50.")
]


class RankRequest(msgspec.Struct, rename="camel"):
    """The body of a Rank."""

    actions: Actions
    context_features: Features = []
    excluded_actions: list[str] | None = None
    event_id: Id | None = None
    defer_activation: bool | None = False


class RankSlot(msgspec.Struct, rename="camel"):
    """A slot with its features."""

    id: Id
    features: Features = []
    excluded_actions: list[str] | None = None
    baseline_action: str | None = None


class MultiSlotRankRequest(msgspec.Struct, rename="camel"):
    """The body of a multi-slot Rank."""

    actions: Actions
    slots: Annotated[list[RankSlot], Meta(min_length=1, description="At most as many as there are actions.")]
    context_features: Features = []
    event_id: Id | None = None
    defer_activation: bool | None = False


class ErrorDetail(msgspec.Struct):
    """A sentence that says more."""

    code: str
    message: str


class Error(msgspec.Struct):
    """What was wrong, and with which field."""

    code: str
    message: str
    target: str | msgspec.UnsetType = msgspec.UNSET
    details: list[ErrorDetail] | msgspec.UnsetType = msgspec.UNSET


class ErrorEnvelope(msgspec.Struct):
    """The body of every error."""

    error: Error
