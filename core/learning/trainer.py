"""The trainer: carries out training beside a running loop, which goes on answering meanwhile."""

from collections.abc import Callable
from hashlib import sha256
from threading import Lock

from loopledger.commands import Command, ImportModel, PlanTraining, PublishModel, RestorePolicy, Train
from loopledger.deciding.request import whole_number
from loopledger.errors import Conflict, InvalidRequest, NotFound
from loopledger.facts import Answer
from loopledger.learning.checkpoints import Checkpoints
from loopledger.learning.learner import Learner, Scorer
from loopledger.learning.material import check_material
from loopledger.learning.replay import rebuild, version_event
from loopledger.learning.training import Progress, Step, fold
from loopledger.log.journal import Store
from loopledger.loop import Prepared
from loopledger.state import State

_ATTEMPTS = 3


class Trainer:
    """Makes models for one loop, outside its actor.

    Args:
        store: Where the loop's log is.
        learner: The learning engine.
        checkpoints: Where models are kept.
        ask: Sends the loop a command and waits for the answer.

    Attributes:
        turn: Held while something is trained.
        examples: How many joined examples the last step learned from; none before the first.

    """

    def __init__(
        self,
        store: Store,
        learner: Learner,
        checkpoints: Checkpoints,
        ask: Callable[[Command | Prepared], Answer],
    ) -> None:
        self._store = store
        self._learner = learner
        self._checkpoints = checkpoints
        self._ask = ask
        self.turn = Lock()
        self.examples: int | None = None

    def train(self, interval: Callable[[], int], progress: Progress | None = None) -> list[int]:
        """Learn everything whose window has closed by now, and return the versions that were made.

        Args:
            interval: Tells how many decisions one step may cover.
            progress: Is told of decisions read in a step, and of how many it covers.

        Raises:
            LearnerFailed: The engine refused, died or hung; what was made before stays.

        """
        made: list[int] = []
        attempts = _ATTEMPTS
        with self.turn:
            while isinstance(step := self._ask(PlanTraining()), Step):
                try:
                    self._carry_out(step, progress)
                except Conflict:
                    # The policy or the settings were changed meanwhile: plan again.
                    attempts -= 1
                    if attempts == 0:
                        raise
                    continue
                made.append(step.version)
                if step.decisions < interval():
                    break
        return made

    @property
    def busy(self) -> bool:
        """Whether a training is under way."""
        return self.turn.locked()

    def publish(self, version: int) -> Answer:
        """Let decisions use a version; it is rebuilt first if its bytes are not kept.

        Raises:
            NotFound: There is no such version.

        """
        version = whole_number("version", version)
        return self._ask(Prepared(PublishModel(version), *self._made(version)))

    def restore_policy(self, state: State) -> Answer:
        """Go back to the learning policy and the models from before the policy was changed last.

        Raises:
            NotFound: It was never changed.
            Conflict: It was changed meanwhile.

        """
        before = state.before
        if before is None:
            raise NotFound("the learning policy was never changed: there is none to go back to")
        command = RestorePolicy(before.undone)
        if not before.published:
            return self._ask(command)
        return self._ask(Prepared(command, *self._made(before.published)))

    def _made(self, version: int) -> tuple[bytes, Scorer]:
        """Return a version's bytes, rebuilt if they are not kept, and what answers with them."""
        reader = self._store.reader()
        try:
            _, event = version_event(reader, version)
            model = rebuild(reader, self._learner, version, self._checkpoints)
        finally:
            reader.close()
        return model, self._learner.scorer(event.policy, model)

    def import_model(self, state: State, model: object) -> Answer:
        """Make a model from outside a version and publish it, after trying it where a crash does no harm.

        Raises:
            InvalidRequest: It is not bytes.
            LearnerFailed: It is no model, or none for the policy in force.

        """
        if not isinstance(model, bytes):
            raise InvalidRequest("model", f"must be a model's bytes (got {type(model).__name__})")
        policy = state.effective_policy
        self._learner.probe(policy, model)
        scorer = self._learner.scorer(policy, model)
        command = ImportModel(model, policy, sha256(model).hexdigest(), self._learner.engine)
        return self._ask(Prepared(command, model, scorer))

    def _carry_out(self, step: Step, progress: Progress | None) -> None:
        reader = self._store.reader()
        try:
            check_material(reader, step)
            parent = rebuild(reader, self._learner, step.parent, self._checkpoints) if step.parent else None
            folded = fold(step, parent, reader, self._learner, progress)
        finally:
            reader.close()
        scorer = self._learner.scorer(step.policy, folded.model)
        command = Train(
            step=step,
            sha256=sha256(folded.model).hexdigest(),
            size=len(folded.model),
            examples=folded.examples,
            engine=self._learner.engine,
        )
        self._ask(Prepared(command, folded.model, scorer))
        self.examples = folded.examples
