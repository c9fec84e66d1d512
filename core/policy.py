"""Learning policies: the learner's command line, let in word by word through an allow-list.

A policy is what Personalizer's policy files hold, a name and VowpalWabbit arguments. Arguments
can make the learner read and write files, or use all memory there is; so only options that are
known to be harmless, reproducible and of sensible size pass.
"""

import math
from functools import lru_cache
from typing import Literal

import msgspec

from loopledger.deciding.request import check_unicode
from loopledger.errors import InvalidRequest

Words = tuple[tuple[str, str | None], ...]

_SHORT = {"-q": "--quadratic", "-b": "--bit_precision", "-l": "--learning_rate"}
_FLAGS = frozenset(
    {"cb_explore_adf", "ccb_explore_adf"}
    | {"greedify", "nounif", "elim", "regcb", "regcbopt", "squarecb", "softmax", "synthcover"}
    | {"epsilon_decay", "first_only", "large_action_space", "noconstant", "leave_duplicate_interactions"}
    | {"sgd", "adaptive", "normalized", "invariant", "coin", "ftrl", "adax"}
    | {"ccb_no_slot_index", "all_slots_loss"}
)
_WHOLE = {
    "first": (1, 10_000_000),
    "bag": (1, 100),
    "cover": (1, 100),
    "rnd": (1, 100),
    "synthcoversize": (1, 10_000),
    "max_actions": (1, 10_000),
    "bit_precision": (8, 24),
    "random_seed": (0, 2**32 - 1),
    "hash_seed": (0, 2**31 - 1),
}
_NUMBERS = {
    "epsilon": (0.0, 1.0),
    "psi": (0.0, 1e6),
    "gamma_scale": (0.0, 1e9),
    "gamma_exponent": (0.0, 10.0),
    "mellowness": (0.0, 1e6),
    "cb_min_cost": (-1e6, 1e6),
    "cb_max_cost": (-1e6, 1e6),
    "lambda": (0.0, 1e6),
    "rnd_alpha": (0.0, 1e6),
    "rnd_invlambda": (0.0, 1e6),
    "synthcoverpsi": (0.0, 1e6),
    "spanner_c": (1.0, 1e6),
    "clip_p": (0.0, 1.0),
    "learning_rate": (0.0, 1e6),
    "power_t": (0.0, 10.0),
    "initial_t": (0.0, 1e9),
    "decay_learning_rate": (0.0, 1.0),
    "l1": (0.0, 1e6),
    "l2": (0.0, 1e6),
    "ftrl_alpha": (0.0, 1e6),
    "ftrl_beta": (0.0, 1e6),
}
_CHOICES = {"cb_type": frozenset({"mtr", "ips", "dr", "dm", "sm"}), "hash": frozenset({"strings", "all"})}
_NAMESPACES = frozenset({"quadratic", "cubic", "interactions", "ignore", "ignore_linear", "keep", "marginal"})
_REPEATABLE = frozenset({"quadratic", "cubic", "interactions", "ignore", "ignore_linear", "keep"})
_OURS = frozenset(
    {"json", "dsjson", "quiet", "no_stdin"}
    | {"save_resume", "preserve_performance_counters", "per_model_save_load"}
)
_LONGEST = 1024
_LONGEST_NAME = 256


class LearningPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a loop explores and learns, in the form of Personalizer's policy files.

    Attributes:
        name: What people call it, at most 256 characters.
        arguments: VowpalWabbit's command line, at most 1,024 characters.

    """

    name: str
    arguments: str

    @property
    def multi_slot(self) -> bool:
        """Whether it decides several slots at once."""
        return _is_multi_slot(self.arguments)

    @property
    def decision_kind(self) -> Literal["Ranked", "SlotsRanked"]:
        """The kind of decision that it makes and learns from."""
        return "SlotsRanked" if self.multi_slot else "Ranked"

    def with_exploration(self, share: float | None) -> "LearningPolicy":
        """Return the policy with its ``--epsilon`` set to a share of exploration, if one is given."""
        if share is None:
            return self
        kept = [word for word in words_of(self.arguments) if word[0] != "epsilon"]
        return LearningPolicy(self.name, join_words((*kept, ("epsilon", repr(float(share))))))


@lru_cache(maxsize=1024)
def words_of(arguments: str) -> Words:
    """Split arguments into options and values.

    Options that the learner sets by itself, such as ``--dsjson``, are left out: Personalizer's
    own samples carry them.

    Raises:
        InvalidRequest: An option is unknown, repeated, or out of its limits.

    """
    _check_text(arguments)
    tokens = arguments.split()
    words: list[tuple[str, str | None]] = []
    position = 0
    while position < len(tokens):
        token = tokens[position]
        position += 1
        if token[:2] in _SHORT and not token.startswith("--"):
            option, attached = _SHORT[token[:2]][2:], token[2:]
        elif token.startswith("--"):
            option, _, attached = token[2:].partition("=")
        else:
            raise InvalidRequest("policy.arguments", f"{token[:40]!r} is not an option")
        if option in _FLAGS or option in _OURS:
            words.append((option, None))
            continue
        value = attached
        if not value and position < len(tokens):
            value = tokens[position]
            position += 1
        words.append((option, _checked(option, value)))
    words = [word for word in words if word[0] not in _OURS]
    _check_whole(words)
    return tuple(words)


@lru_cache(maxsize=1024)
def _is_multi_slot(arguments: str) -> bool:
    return ("ccb_explore_adf", None) in words_of(arguments)


def join_words(words: Words) -> str:
    """Return options and values as one line."""
    return " ".join(f"--{option}" if value is None else f"--{option} {value}" for option, value in words)


def check_policy(policy: LearningPolicy) -> LearningPolicy:
    """Return the policy if its name and arguments are allowed.

    Raises:
        InvalidRequest: Says which option is at fault.

    """
    if not 0 < len(policy.name) <= _LONGEST_NAME:
        raise InvalidRequest("policy.name", f"must have 1 to {_LONGEST_NAME} characters")
    check_unicode("policy.name", policy.name)
    words_of(policy.arguments)
    return policy


def policy_from(values: object) -> LearningPolicy:
    """Return a checked policy from plain values such as a policy file holds.

    Raises:
        InvalidRequest: It is not ``{"name": ..., "arguments": ...}`` or not allowed.

    """
    try:
        policy = msgspec.convert(values, LearningPolicy)
    except (msgspec.ValidationError, UnicodeEncodeError) as error:
        raise InvalidRequest("policy", f'{error}; it is {{"name": ..., "arguments": ...}}') from None
    return check_policy(policy)


def _check_text(arguments: str) -> None:
    if len(arguments) > _LONGEST:
        raise InvalidRequest("policy.arguments", f"may have at most {_LONGEST} characters")
    if not (arguments.isascii() and all(character.isprintable() for character in arguments)):
        raise InvalidRequest("policy.arguments", "must be plain printable ASCII")


def _checked(option: str, value: str) -> str:
    field = f"policy.arguments --{option}"
    if option in _CHOICES:
        if value not in _CHOICES[option]:
            raise InvalidRequest(field, f"must be one of {', '.join(sorted(_CHOICES[option]))}")
    elif option in _NAMESPACES:
        if not value or len(value) > 64 or value.startswith("--"):  # noqa: PLR2004 - said below
            raise InvalidRequest(field, "needs namespaces, at most 64 characters")
    elif option in _WHOLE or option in _NUMBERS:
        _check_number(field, value, whole=option in _WHOLE, limits=(_WHOLE.get(option) or _NUMBERS[option]))
    elif option == "cats":
        raise InvalidRequest(field, "continuous actions are not supported; use --cb_explore_adf")
    else:
        raise InvalidRequest(
            field, "is not among the allowed options; leave it out (docs/policies.md lists them)"
        )
    return value


def _check_number(field: str, value: str, *, whole: bool, limits: tuple[float, float]) -> None:
    try:
        number: float = int(value) if whole else float(value)
    except ValueError:
        number = math.nan
    least, most = limits
    if not least <= number <= most:
        kind = "a whole number" if whole else "a number"
        raise InvalidRequest(field, f"must be {kind} between {least:g} and {most:g}")


def _check_whole(words: list[tuple[str, str | None]]) -> None:
    names = [option for option, _ in words]
    for name in names:
        if name not in _REPEATABLE and names.count(name) > 1:
            raise InvalidRequest(f"policy.arguments --{name}", "may be given only once")
    if ("cb_explore_adf" in names) == ("ccb_explore_adf" in names):
        raise InvalidRequest(
            "policy.arguments",
            "must contain --cb_explore_adf (one action) or --ccb_explore_adf (several slots), and not both",
        )
