"""VowpalWabbit's command lines for what we do with it.

Measured with 9.11.9: with `_KEEP` at every load and every save, loading, learning a batch and
saving gives the same bytes in every process. `-t` is never given: it changes the predictions of
some exploration algorithms.
"""

import platform
import sys
from importlib.metadata import version

from loopledger.policy import LearningPolicy, words_of

_KEEP = ["--preserve_performance_counters", "--per_model_save_load", "--quiet", "--no_stdin"]


def engine() -> str:
    """Return what makes models here: models of another engine need not be equal bit for bit."""
    return f"vowpalwabbit {version('vowpalwabbit')} {sys.platform} {platform.machine()}"


def to_fold(policy: LearningPolicy, parent: str | None, data: str) -> list[str]:
    """Return the arguments to learn joined examples.

    Args:
        policy: Under which to learn.
        parent: The file of the model to start from, if any.
        data: The file that the examples are read from.

    """
    return [*_words(policy, loading=parent is not None), *_KEEP, "--dsjson", "--data", data, *_load(parent)]


def to_score(policy: LearningPolicy, model: str | None) -> list[str]:
    """Return the arguments to answer with a model, or with a blank one."""
    return [*_words(policy, loading=model is not None), *_KEEP, "--json", *_load(model)]


def _load(model: str | None) -> list[str]:
    return [] if model is None else ["--initial_regressor", model]


def _words(policy: LearningPolicy, *, loading: bool) -> list[str]:
    words: list[str] = []
    for option, value in words_of(policy.arguments):
        if option == "random_seed" and loading:
            # A saved model holds where its random numbers are, under the same name: giving the
            # first seed again is an error.
            continue
        words.append(f"--{option}")
        if value is not None:
            words.append(value)
    return words
