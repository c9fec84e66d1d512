"""What a saved model says of the arguments it was made with.

A model keeps nearly all of them, and loading it fills in what a command line does not say. But a
command line that says something else is obeyed where VowpalWabbit can: other interactions, or
another exploration, make another model of it without a word. So they are compared before.
"""

import struct

import pylibvw

from loopledger.deciding.draw import float32
from loopledger.errors import InvalidRequest, LearnerFailed
from loopledger.policy import LearningPolicy, Words, join_words, policy_from

_OWN = frozenset(
    {"cb_adf", "cb_sample", "csoaa_ldf", "csoaa_rank", "no_predict", "no_stdin", "quiet", "id"}
    | {"per_model_save_load", "preserve_performance_counters", "predict_only_model", "save_resume"}
    | {"initial_regressor"}
)
"""Words that follow from others, or that are about a single use."""

_HARMLESS = frozenset(
    {"epsilon", "learning_rate", "power_t", "initial_t", "decay_learning_rate", "l1", "l2", "random_seed"}
)
"""Words that may differ: they say how to go on learning, or how often to explore."""

_PERSONALIZERS = (("learning_rate", "0.001"), ("power_t", "0"))
"""How fast Personalizer learned, if nothing else was set: models that it exported for answering only
have a name, and do not say it."""

_DEFAULTS = frozenset({("bit_precision", "18")})


def saved_arguments(path: str) -> str:
    """Return the arguments that a model file was made with; loading a damaged one may crash."""
    workspace = pylibvw.vw(["--initial_regressor", path, "--quiet", "--no_stdin"])
    arguments: str = workspace.get_arguments()
    workspace.finish()
    return arguments


def policy_of(arguments: str) -> LearningPolicy:
    """Return the learning policy that a model was made under.

    Raises:
        InvalidRequest: It is none that is allowed here.

    """
    words = _words(arguments)
    if " --id " in arguments and "learning_rate" not in dict(words):
        words = (*words, *_PERSONALIZERS)
    several = ("ccb_explore_adf", None) in words
    # What a model calls its seed is where its random numbers are by now.
    left_out = {"random_seed", *(("cb_explore_adf",) if several else ())}
    kept = [word for word in words if word not in _DEFAULTS and word[0] not in left_out]
    kept.sort(key=lambda word: word[0] not in {"cb_explore_adf", "ccb_explore_adf"})
    try:
        return policy_from({"name": "Of the imported model", "arguments": join_words(tuple(kept))})
    except InvalidRequest as error:
        raise InvalidRequest("model", f"was made under a policy that is not allowed here: {error}") from None


def check_fits(policy: LearningPolicy, of_policy: str, of_model: str) -> None:
    """Refuse a model that would answer otherwise under a policy than by itself.

    Args:
        policy: In force.
        of_policy: What a blank model says that is made under it.
        of_model: What the model says.

    Raises:
        LearnerFailed: Names the difference, and the policy that fits.

    """
    wanted, given = (
        {word for word in _words(arguments) if word[0] not in _HARMLESS}
        for arguments in (of_policy, of_model)
    )
    if wanted == given:
        return
    has, lacks = (
        join_words(tuple(sorted(words, key=str))) or "none" for words in (given - wanted, wanted - given)
    )
    try:
        fits = policy_of(of_model).arguments
        advice = f"use a policy that fits it, such as {fits!r}"
    except InvalidRequest as error:
        advice = str(error)
    raise LearnerFailed(
        f"the model was not made under the learning policy {policy.name!r} and would answer otherwise "
        f"there: only the model has {has}, only the policy has {lacks}; {advice}"
    )


def _words(arguments: str) -> Words:
    words: list[tuple[str, str | None]] = []
    for token in arguments.split():
        if token.startswith("--"):
            words.append((token[2:], None))
        elif words:
            words[-1] = (words[-1][0], _short(token))
    return tuple(word for word in words if word[0] not in _OWN)


def _short(value: str) -> str:
    """Return a number as short as it can be written and still be the same 32-bit float."""
    try:
        number = float(value)
        short = f"{number:.7g}"
        return short if float32(float(short)) == float32(number) else value
    except (ValueError, OverflowError, struct.error):
        return value
