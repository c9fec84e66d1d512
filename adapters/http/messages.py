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


def name_of(field: str) -> str:
    """Return a field's name as the caller writes it."""
    found = _NAME.match(field)
    return field if found is None else f"{found[1] or ''}{_NAMES[found[2]]}{field[found.end() :]}"


def sentences_about(error: InvalidRequest) -> list[str]:
    """Return what there is to say of an error: Personalizer's own sentence first, then ours."""
    said = str(error)
    ours = said.replace(error.field, name_of(error.field), 1)
    for pattern, sentence in _COMPILED:
        if found := pattern.match(said):
            return [found.expand(sentence) if "\\" in sentence else sentence, ours]
    return [ours]
