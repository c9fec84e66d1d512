"""VowpalWabbit's command lines for what we do with it.

Measured with 9.11.9: with `_KEEP` at every load and every save, loading, learning a batch and
saving gives the same bytes in every process. `-t` is never given: it changes the predictions of
some exploration algorithms.
"""

import platform
import sys
from importlib.metadata import version

from loopledger.learning.learner import Taught
from loopledger.policy import LearningPolicy, words_of

_KEEP = ["--preserve_performance_counters", "--per_model_save_load", "--quiet", "--no_stdin"]

_OF_FEATURES = frozenset(
    {
        "quadratic",
        "cubic",
        "interactions",
        "ignore",
        "ignore_linear",
        "keep",
        "bit_precision",
        "hash",
        "hash_seed",
    }
    | {"noconstant", "leave_duplicate_interactions"}
)
"""What a reward model has of a policy: how it sees a context, not how it learns and explores."""


def engine() -> str:
    """Return what makes models here: models of another engine need not be equal bit for bit."""
    return f"vowpalwabbit {version('vowpalwabbit')} {sys.platform} {platform.machine()}"


def to_fold(policy: LearningPolicy, parent: str | None, data: str, *, what: Taught = "policy") -> list[str]:
    """Return the arguments to learn joined examples.

    Args:
        policy: Under which to learn.
        parent: The file of the model to start from, if any.
        data: The file that the examples are read from.
        what: Is learned.

    """
    words = _words(policy, what, loading=parent is not None)
    return [*words, *_KEEP, "--dsjson", "--data", data, *_load(parent)]


def to_score(policy: LearningPolicy, model: str | None, what: Taught = "policy") -> list[str]:
    """Return the arguments to answer with a model, or with a blank one."""
    return [*_words(policy, what, loading=model is not None), *_KEEP, "--json", *_load(model)]


def _load(model: str | None) -> list[str]:
    return [] if model is None else ["--initial_regressor", model]


def _words(policy: LearningPolicy, what: Taught, *, loading: bool) -> list[str]:
    words = ["--cb_adf", "--cb_type", "mtr"] if what == "rewards" else []
    for option, value in words_of(policy.arguments):
        if what == "rewards" and option not in _OF_FEATURES:
            continue
        if option == "random_seed" and loading:
            # A saved model holds where its random numbers are, under the same name: giving the
            # first seed again is an error.
            continue
        words.append(f"--{option}")
        if value is not None:
            words.append(value)
    return words
