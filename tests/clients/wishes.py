"""Requests that the tests send."""

EPSILON = 0.2
IDS = ["sports", "politics", "music"]
ODD_IDS = ["a/b", "a b", "Grüße", "50%", "a%2Fb", "a+b", "?x=1#y", "a\\b", "..", "日本", "a//b", " e "]
"""Event ids that have to be encoded on the way, and must come out as they went in."""


def actions(*names):
    """Return actions that the loops which have learned know, as they go over the wire."""
    length = {"sports": 1, "politics": 0, "music": 0.5}
    return [{"id": name, "features": [{"long": length.get(name, 0.25)}]} for name in names or IDS]


def rank(*names, hour=1, **more):
    return {"contextFeatures": [{"hour": hour}], "actions": actions(*names), **more}


def slots(**more):
    places = [
        {"id": "top", "features": [{"size": "large"}], "baselineAction": "sports"},
        {"id": "side", "excludedActions": ["weather"], "baselineAction": "politics"},
    ]
    request = rank("sports", "politics", "music", "weather")
    return {**request, "slots": places, **more}


def probabilities(answer):
    return {action["id"]: action["probability"] for action in answer["ranking"]}


def even(answer):
    """Tell whether an answer gives all actions the same probability, as there is without a model."""
    return len({round(probability, 6) for probability in probabilities(answer).values()}) == 1
