"""The space that is searched for better learning policies, as data.

A place in it is a value for each parameter that applies there; `Space.policy_at` makes a learning
policy of it. Only what `loopledger.policy` allows is in it.
"""

from collections.abc import Mapping
from typing import NamedTuple

from loopledger.evaluation.report import Bounds
from loopledger.learning.namespaces import Namespaces
from loopledger.policy import LearningPolicy, Words, join_words

Place = Mapping[str, str | float]
"""Values by the names of their parameters."""

_MOST_PAIRS = 8
_ONE_ONLY = ("squarecb", "regcb")
"""How of exploring learns by importance weighted regression alone (--cb_type mtr)."""

_EXPLORING = ("epsilon", "squarecb", "regcb", "regcbopt", "softmax", "bag", "cover", "synthcover")


class Choice(NamedTuple):
    """A parameter with a few values.

    Attributes:
        name: Its name.
        options: What it can be.
        given: Another parameter, and with which of its values this one applies; none for always.

    """

    name: str
    options: tuple[str, ...]
    given: tuple[str, tuple[str, ...]] | None = None


class Number(NamedTuple):
    """A parameter that is a number; how many times larger it is matters, not by how much.

    Attributes:
        name: Its name, which is that of VowpalWabbit's option.
        least: The smallest it can be.
        most: The largest.
        given: As a choice's.

    """

    name: str
    least: float
    most: float
    given: tuple[str, tuple[str, ...]] | None = None


Parameter = Choice | Number


class Space(NamedTuple):
    """Learning policies to choose from.

    Attributes:
        parameters: In an order in which what one depends on comes before it.
        starts: Places that did well elsewhere, which are tried first.
        multi_slot: Whether the policies decide several slots.
        actions: The first letters of the namespaces of actions.
        pairs: The interactions of a shared namespace with one of actions, by first letters.
        costs: The least and the most cost, for exploration that must know: rewards, the sign turned.

    """

    parameters: tuple[Parameter, ...]
    starts: tuple[Place, ...]
    multi_slot: bool
    actions: tuple[str, ...]
    pairs: tuple[str, ...]
    costs: Bounds

    def applies(self, parameter: Parameter, place: Place) -> bool:
        """Return whether a parameter has a value at a place whose earlier values are known."""
        if parameter.given is None:
            return True
        name, values = parameter.given
        return place.get(name) in values

    def policy_at(self, place: Place, name: str) -> LearningPolicy:
        """Return the learning policy of a place, under a name."""
        words: Words = (
            ("ccb_explore_adf" if self.multi_slot else "cb_explore_adf", None),
            *self._exploring(place),
            ("cb_type", str(place.get("cb_type", "mtr"))),
            ("learning_rate", _said(place["learning_rate"])),
            ("power_t", str(place["power_t"])),
            *((option, _said(place[option])) for option in ("l1", "l2") if option in place),
            *(("quadratic", pair) for pair in self._crossed(place)),
        )
        if place.get("ignored", "nothing") != "nothing":
            words = (*words, ("ignore", str(place["ignored"])))
        return LearningPolicy(name, join_words(words))

    def _exploring(self, place: Place) -> Words:
        how = str(place["exploration"])
        numbers = ("epsilon", "gamma_scale", "mellowness", "lambda", "psi", "synthcoverpsi")
        values = tuple((name, _said(place[name])) for name in numbers if name in place)
        match how:
            case "epsilon":
                return values
            case "regcb" | "regcbopt":
                least, most = self.costs
                return (
                    (how, None),
                    *values,
                    ("cb_min_cost", f"{least:g}"),
                    ("cb_max_cost", f"{most:g}"),
                )
            case "bag":
                return (("bag", str(place["bag"])), ("greedify", None))
            case "cover":
                return (("cover", str(place["cover"])), *values, ("nounif", None))
            case _:
                return ((how, None), *values)

    def _crossed(self, place: Place) -> tuple[str, ...]:
        match place["interactions"]:
            case "every two":
                return ("::",)
            case "shared with actions":
                return self.pairs
            case "all with actions":
                return tuple(f":{letter}" for letter in self.actions)
            case "some":
                return tuple(pair for pair in self.pairs if place[f"pair {pair}"] == "yes")
            case _:
                return ()


def space(found: Namespaces, *, multi_slot: bool, exploration: float | None, reward_range: Bounds) -> Space:
    """Return the space of learning policies for a loop.

    Args:
        found: The namespaces that its decisions have.
        multi_slot: Whether it decides several slots.
        exploration: The share that a setting writes into every policy's ``--epsilon``, if one does:
            it is not searched for then.
        reward_range: The least and the most reward.

    """
    pairs = _pairs(found, multi_slot=multi_slot)
    letters = dict.fromkeys(name[:1] for name in (*found.shared, *found.actions) if _sayable(name))
    parameters: list[Parameter] = [Choice("exploration", _EXPLORING)]
    if exploration is None:
        parameters.append(Number("epsilon", 0.005, 0.5, ("exploration", ("epsilon",))))
    parameters += [
        Number("gamma_scale", 1.0, 10_000.0, ("exploration", ("squarecb",))),
        Number("mellowness", 0.0001, 0.5, ("exploration", ("regcb", "regcbopt"))),
        Number("lambda", 1.0, 200.0, ("exploration", ("softmax",))),
        Choice("bag", ("3", "5", "10"), ("exploration", ("bag",))),
        Choice("cover", ("3", "5", "10"), ("exploration", ("cover",))),
        Number("psi", 0.001, 10.0, ("exploration", ("cover",))),
        Number("synthcoverpsi", 0.01, 1.0, ("exploration", ("synthcover",))),
        Choice(
            "cb_type",
            ("mtr", "ips", "dr"),
            ("exploration", tuple(how for how in _EXPLORING if how not in _ONE_ONLY)),
        ),
        Number("learning_rate", 0.0001, 10.0),
        Choice("power_t", ("0", "0.5")),
        Choice("regularization", ("none", "l1", "l2")),
        Number("l1", 1e-9, 1e-3, ("regularization", ("l1",))),
        Number("l2", 1e-9, 1e-3, ("regularization", ("l2",))),
    ]
    crossings = ["shared with actions", "all with actions"] if pairs else []
    if 1 < len(pairs) <= _MOST_PAIRS:
        crossings.append("some")
    parameters.append(Choice("interactions", (*crossings, "every two", "none")))
    if "some" in crossings:
        parameters += [Choice(f"pair {pair}", ("yes", "no"), ("interactions", ("some",))) for pair in pairs]
    if len(letters) > 2:  # noqa: PLR2004 - with two, either all of the moment or all of the actions
        parameters.append(Choice("ignored", ("nothing", *letters)))
    least, most = reward_range
    actions = tuple(dict.fromkeys(pair[1] for pair in pairs))
    made = Space(tuple(parameters), (), multi_slot, actions, pairs, (-most + 0.0, -least + 0.0))
    return made._replace(starts=tuple(_starts(made)))


def _starts(made: Space) -> list[dict[str, str | float]]:
    """Return places that did well on several sets of data, the ready policies' kinds among them."""
    crossed = "shared with actions" if made.pairs else "every two"
    names = {parameter.name: parameter for parameter in made.parameters}

    def place(
        exploration: str, rate: float, crossing: str = crossed, **more: str | float
    ) -> dict[str, str | float]:
        values: dict[str, str | float] = {
            "exploration": exploration,
            "cb_type": "mtr",
            "learning_rate": rate,
            "power_t": "0.5",
            "regularization": "none",
            "interactions": crossing,
            "ignored": "nothing",
            **more,
        }
        return {
            name: value
            for name, value in values.items()
            if name in names and made.applies(names[name], values)
        }

    return [
        place("epsilon", 0.001, "every two", epsilon=0.2, power_t="0"),  # Personalizer's default
        place("epsilon", 0.5, "all with actions" if made.pairs else crossed, epsilon=0.05),
        place("synthcover", 0.5, synthcoverpsi=0.1),
        place("squarecb", 0.5, gamma_scale=100.0),
        place("regcb", 0.5, mellowness=0.001),
        place("softmax", 0.5) | {"lambda": 10.0},
        place("bag", 0.5, bag="5"),
        place("cover", 0.5, cover="5", psi=0.01),
        place("epsilon", 2.0, epsilon=0.05),
        place("synthcover", 2.0, synthcoverpsi=0.1),
        place("regcbopt", 0.5, mellowness=0.001),
        place("epsilon", 0.01, epsilon=0.05),
    ]


def _pairs(found: Namespaces, *, multi_slot: bool) -> tuple[str, ...]:
    shared = dict.fromkeys(name[:1] for name in (*found.shared, *(("sj",) if multi_slot else ())))
    actions = dict.fromkeys(name[:1] for name in found.actions)
    pairs = [one + other for one in shared for other in actions if _sayable(one) and _sayable(other)]
    return tuple(pairs) if sum(len(f"--quadratic {pair} ") for pair in pairs) < 640 else ()  # noqa: PLR2004


def _sayable(name: str) -> bool:
    """Return whether ``-q`` can name a namespace, which it does by the first letter."""
    return name[:1].isascii() and (name[:1].isalnum() or name[:1] == "~")


def _said(value: str | float) -> str:
    """Return a number with three digits: more would say what no log can tell."""
    return value if isinstance(value, str) else f"{value:.3g}"
