"""What to try next, by Optuna's tree-structured Parzen estimator.

J. Bergstra, R. Bardenet, Y. Bengio, B. Kégl, "Algorithms for Hyper-Parameter Optimization", NeurIPS 2011;
S. Watanabe, "Tree-Structured Parzen Estimator", arXiv:2304.11127.

Trials come in waves. Each is drawn with a seed of its own number, out of what came of the waves before
it, so that a search which was interrupted goes on as if it had not been.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import optuna
from optuna.storages import BaseStorage, InMemoryStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, Trial, TrialState

from loopledger.errors import LoopledgerError
from loopledger.evaluation.outcome import Outcome
from loopledger.evaluation.search import Proposal
from loopledger.evaluation.space import Choice, Place, Space
from loopledger.policy import LearningPolicy

_AT_RANDOM = 20
"""So many trials are drawn at random, or given, before others are learned from."""

_STUDY = "search"
_ARGUMENTS, _OUTCOME, _WIDTH = "arguments", "outcome", "width"


class OptunaProposer:
    """Says what to try next; see `loopledger.evaluation.search.Proposer`.

    Args:
        space: What there is to choose from.
        given: Policies that are tried first.
        seed: What chance begins with.
        width: How many trials are a wave; a search that goes on keeps its own.
        journal: Where trials are remembered, so that the search can go on another time; none to forget
            them. It belongs to one search alone.

    Raises:
        LoopledgerError: The journal cannot be read.

    """

    def __init__(
        self, space: Space, given: Sequence[LearningPolicy], *, seed: int, width: int, journal: Path | None
    ) -> None:
        self._space = space
        self._given = given
        self._seed = seed
        optuna.logging.set_verbosity(optuna.logging.WARNING)  # who waits is told by us
        try:
            self._study = optuna.create_study(
                storage=_storage(journal), study_name=_STUDY, direction="maximize", load_if_exists=True
            )
            self.width = int(self._study.user_attrs.get(_WIDTH, width))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise LoopledgerError(
                f"{journal} cannot be read ({error!r}): delete it, and the search begins anew"
            ) from None
        if not self._study.trials:
            self._study.set_user_attr(_WIDTH, width)

    def earlier(self) -> list[Outcome]:
        """Return what is remembered, in the order of the trials."""
        return [
            msgspec.json.decode(trial.user_attrs[_OUTCOME], type=Outcome)
            for trial in self._study.trials
            if _OUTCOME in trial.user_attrs and trial.state.is_finished()
        ]

    def wave(self) -> list[Proposal]:
        """Return the next wave, or what is left of one whose trials were not all told of."""
        left = self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        begun = len(self._study.get_trials(deepcopy=False))
        missing = -begun % self.width if left else self.width
        return [*map(self._again, left), *(self._asked(begun + number) for number in range(missing))]

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """Remember what came of some trials."""
        trials = {trial.number: trial for trial in self._study.get_trials(deepcopy=False)}
        for outcome in outcomes:
            trial = self._taken_up(trials[outcome.number])
            for rung, value in enumerate(outcome.rungs):
                trial.report(value, rung)
            trial.set_user_attr(_OUTCOME, msgspec.json.encode(outcome).decode())
            if outcome.ended == "judged":
                self._study.tell(trial, outcome.score)
            else:
                state = TrialState.PRUNED if outcome.ended == "stopped" else TrialState.FAIL
                self._study.tell(trial, state=state)

    def _asked(self, number: int) -> Proposal:
        """Begin a trial. Those of given policies have no place in the space, and teach nothing about it."""
        if number >= len(self._given):
            start = number - len(self._given)
            if start < len(self._space.starts):
                self._study.enqueue_trial(dict(self._space.starts[start]))
        self._study.sampler = optuna.samplers.TPESampler(
            seed=_mixed(self._seed, number), n_startup_trials=_AT_RANDOM + len(self._given)
        )
        trial = self._study.ask()
        return Proposal(trial.number, self._policy(trial))

    def _again(self, left: FrozenTrial) -> Proposal:
        """Take up a trial of which nothing was told. What was drawn for it already stays as it is."""
        trial = self._taken_up(left)
        return Proposal(trial.number, self._policy(trial))

    def _taken_up(self, left: FrozenTrial) -> Trial:
        # Optuna has no other way to go on with a trial of an earlier process.
        return Trial(self._study, left._trial_id)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]

    def _policy(self, trial: Trial) -> LearningPolicy:
        name = f"trial {trial.number}"
        if trial.number < len(self._given):
            return LearningPolicy(name, self._given[trial.number].arguments)
        said = trial.user_attrs.get(_ARGUMENTS)
        if said is None:
            said = self._space.policy_at(self._drawn(trial), name).arguments
            trial.set_user_attr(_ARGUMENTS, said)
        return LearningPolicy(name, str(said))

    def _drawn(self, trial: Trial) -> Place:
        place: dict[str, str | float] = {}
        for parameter in self._space.parameters:
            if not self._space.applies(parameter, place):
                continue
            value: Any
            if isinstance(parameter, Choice):
                value = trial.suggest_categorical(parameter.name, parameter.options)
            else:
                value = trial.suggest_float(parameter.name, parameter.least, parameter.most, log=True)
            place[parameter.name] = value
        return place


class _NoLock:
    """A journal belongs to one search alone: Optuna's own lock would outlive a process that is killed."""

    def acquire(self) -> bool:
        """Go on."""
        return True

    def release(self) -> None:
        """Go on."""


def _storage(journal: Path | None) -> BaseStorage:
    if journal is None:
        return InMemoryStorage()
    if journal.exists():
        _mend(journal)
    lock: Any = _NoLock()
    return JournalStorage(JournalFileBackend(str(journal), lock_obj=lock))


def _mend(journal: Path) -> None:
    """Cut off a last line that was not written whole, because its process was killed or the disk full."""
    with journal.open("rb+") as file:
        content = file.read()
        file.truncate(content.rfind(b"\n") + 1)


def _mixed(seed: int, number: int) -> int:
    """Return a seed for one trial, so that two searches with seeds next to each other are not alike."""
    return (seed * 0x9E3779B1 + number * 0x85EBCA6B) % 2**32
