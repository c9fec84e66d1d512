"""What Personalizer said of a request that loopledger refuses, where it had a sentence for it."""

import re

from loopledger.errors import InvalidRequest

_SENTENCES = [
    (
        r"policy\.arguments: must contain --cb_explore_adf",
        "The learning policy must contain --cb_explore_adf or --cats.",
    ),
    (r"actions: must be 1 to (\d+)", r"Action count should be between 1 and \1."),
    (r"actions\[\d+\]\.id: must have 1 to .*\(got 0\)", "Action ids must not be empty."),
    (r"event_id: must have 1 to .*\(got 0\)", "EventId should be non-empty or null."),
    (r"request: .* got `null` - at `\$\.actions\[", "Actions contains null value."),
    (r"request: .* got `null` - at `\$\.slots\[", "Slots contain null value."),
    (r"context\[\d+\]: must be an object .*NoneType", "Context features contains null value."),
    (
        r"actions\[\d+\]\.features\S*: must be an object .*NoneType",
        "Every action should have at least one non-null action feature.",
    ),
    (r"(context|actions|slots)\S*: must be an object", "Features are not in key value pair format."),
    (
        r"\S+: is an array and may hold only numbers",
        "Features should not contain array with non-number items.",
    ),
    (
        r"slots: must be 1 to .*\(got 0\)",
        "At lease one slot must be defined in a multi-slot rank request.",
    ),
    (r"slots: must be 1 to", "Slots count should be between 1 and the number of actions"),
    (r"slots\[\d+\]\.id: ", "All slot's must contain unique, non empty ID"),
    (
        r"slots\[\d+\]\.excluded: names an action that is not",
        "All excluded action ID's must have corresponding action ID",
    ),
    (r"slots\[\d+\]\.baseline: is excluded", "BaselineAction cannot be part of ExcludedActions."),
    (
        r"slots\[\d+\]\.baseline: ",
        "Each slot must contain a unique BaselineAction with an ID corresponding to an element of Actions.",
    ),
]
_COMPILED = [(re.compile(pattern, re.DOTALL), sentence) for pattern, sentence in _SENTENCES]


_NAMES = {
    "context": "contextFeatures",
    "event_id": "eventId",
    "excluded": "excludedActions",
    "baseline": "baselineAction",
    "deferred": "deferActivation",
}
# What comes later in a path are the caller's own names already.
_NAME = re.compile(rf"(slots\[\d+\]\.)?({'|'.join(_NAMES)})(?=$|[.\[])")


_TAKEN = re.compile(r"^event_id .* ((?:is in the log|belongs to a decision) [^'\"]*)$", re.DOTALL)
_OPERATIONS = {"rank": "rank", "rank_slots": "multislot/rank"}
"""The operations of a loop, as paths have them."""
_ADVICE = re.compile(r"use (rank_slots|rank)$")

_SHAPE = re.compile(r"Expected `(?P<expected>[^`]+)`, got `(?P<got>[^`]+)`")
_MISSING = re.compile(r"Object missing required field `(?P<name>[^`]+)`")
_AT = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$", re.DOTALL)
_KINDS = {
    "array": "a list",
    "bool": "true or false",
    "float": "a number",
    "int": "a whole number",
    "null": "null",
    "object": "an object",
    "str": "a text",
}


def name_of(field: str) -> str:
    """Return a field's name as the caller writes it."""
    if field in _OPERATIONS:
        return _OPERATIONS[field]
    found = _NAME.match(field)
    return field if found is None else f"{found[1] or ''}{_NAMES[found[2]]}{field[found.end() :]}"


def located(error: InvalidRequest) -> InvalidRequest:
    """Return an error about the shape of a body as one about the field at fault, in JSON's words."""
    if error.field != "request":
        return error
    at = _AT.search(error.problem)
    path = at["path"] if at else ""
    problem = error.problem[: at.start()] if at else error.problem
    if found := _MISSING.fullmatch(problem):
        return InvalidRequest(f"{path}.{found['name']}" if path else found["name"], "must be given")
    if found := _SHAPE.fullmatch(problem):
        expected = " or ".join(_KINDS.get(kind, kind) for kind in found["expected"].split(" | "))
        got = _KINDS.get(found["got"], found["got"])
        return InvalidRequest(path or "request", f"must be {expected} (got {got})")
    return InvalidRequest(path, problem) if path else error


def without_ids(problem: str) -> str:
    """Return a sentence about an event id that is taken, without that id."""
    return _TAKEN.sub(r"eventId: \1", problem)


def sentences_about(error: InvalidRequest) -> list[str]:
    """Return what there is to say of an error: Personalizer's own sentence first, then ours."""
    said = str(error)
    problem = error.problem
    if error.field in _OPERATIONS:
        problem = _ADVICE.sub(lambda found: f"use {_OPERATIONS[found[1]]}", problem)
    named = located(error)
    ours = f"{name_of(error.field)}: {problem}" if named is error else str(named)
    for pattern, sentence in _COMPILED:
        if found := pattern.match(said):
            return [found.expand(sentence) if "\\" in sentence else sentence, ours]
    return [ours]
