"""A loop without threads: commands in, durable events and answers out.

The actor around it adds only an inbox. Order of work for a batch: decide, append, commit, then
answer; what fails at the commit stops the loop, and nothing of the batch is answered.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple

from msgspec.structs import replace

from loopledger.batch import Batch
from loopledger.clock import Clock
from loopledger.commands import Activate, Command, Rank, RankSlots, Reward
from loopledger.decide import decide
from loopledger.deciding.draw import uniform_hash
from loopledger.diagnostics import diagnostics
from loopledger.errors import LearnerFailed, NotFound, ReplayMismatch
from loopledger.facts import Answer
from loopledger.learning.checkpoints import Checkpoints, recover, save_state
from loopledger.learning.learner import Learner, NoScorer, Scorer
from loopledger.learning.replay import rebuild, version_event
from loopledger.log.chain import seal
from loopledger.log.events import LoopCreated
from loopledger.log.journal import Journal, Store
from loopledger.log.whole import check_tail
from loopledger.state import State, replay

Traffic = Rank | RankSlots | Reward | Activate
"""The commands that change nothing about how the loop works."""


class Prepared(NamedTuple):
    """A command with what was made for it outside the loop.

    Attributes:
        command: The command.
        model: The bytes of the model that it is about.
        scorer: That model, ready to answer; the loop closes it when it is done with it.

    """

    command: Command
    model: bytes | None = None
    scorer: Scorer | None = None


def create(store: Store, clock: Clock, created: LoopCreated) -> None:
    """Write the first event of a new log.

    Raises:
        LoopInUse: Somebody else is writing there.

    """
    journal = store.writer()
    try:
        if journal.head().seq == 0:
            journal.append([seal(journal.head(), int(clock.now()), created)])
    finally:
        journal.close()


class Loop:
    """The one writer of a log, and the model that answers.

    Args:
        store: Where the log is.
        learner: The learning engine.
        clock: Tells the time.
        checkpoints: What is kept beside the log.

    Raises:
        LoopInUse: Another writer has the log.
        LogDamaged: The log does not hold what was committed to it.
        NotFound: The log is empty.

    Attributes:
        state: What the events add up to.

    """

    def __init__(self, store: Store, learner: Learner, clock: Clock, checkpoints: Checkpoints) -> None:
        self._learner = learner
        self._clock = clock
        self._checkpoints = checkpoints
        self._journal: Journal = store.writer()
        try:
            self.state = self._recovered()
            self._log = diagnostics(loop=self.state.loop_id)
            self._journal.compress(self.state.settings.compression)
            self._scorer = self._load_or_stand_in(self.state.published)
        except BaseException:
            self._journal.close()
            raise
        self._loop_seed = uniform_hash(self.state.loop_id)
        self._at = self.state.at
        self._sound = True

    def execute(self, commands: Sequence[Command | Prepared]) -> list[Answer | Exception]:
        """Carry out commands in their order and return an answer or an error for each.

        Traffic (Rank, Reward, Activate) that comes together becomes one transaction; any other
        command is one by itself. When this returns, every event behind the answers is durable.
        When it raises, none of the commands may be answered, and the loop must not be used again.
        """
        self._sound = False
        answers: list[Answer | Exception] = []
        traffic: list[Traffic] = []
        for command in commands:
            if isinstance(command, Traffic):
                traffic.append(command)
            else:
                answers += self._serve(traffic)
                traffic = []
                answers.append(self._control(command))
        answers += self._serve(traffic)
        self._sound = True
        return answers

    def close(self) -> None:
        """Let go of the log; what was answered stays."""
        if self._scorer is not None:
            self._scorer.close()
            self._scorer = None
        if self._sound:
            self._keep_state()
        self._journal.close()

    def _serve(self, commands: list[Traffic]) -> list[Answer | Exception]:
        if not commands:
            return []
        named = [
            command.event_id
            for command in commands
            if isinstance(command, Rank | RankSlots) and command.named
        ]
        batch = self._batch(named)
        answers: list[Answer | Exception] = []
        for command in commands:
            batch.at = max(int(self._clock.now()), batch.at)
            try:
                decided = decide(self.state, command, batch)
                batch.take(decided)
            except Exception as error:  # noqa: BLE001 - it is the caller's answer
                answers.append(error)
            else:
                answers.append(decided.answer)
        self._at = batch.at
        if batch.records:
            self._journal.append(batch.records)
            last = batch.records[-1]
            self.state = replace(self.state, seq=last.seq, at=last.at, digest=last.digest)
        return answers

    def _control(self, command: Command | Prepared) -> Answer | Exception:
        prepared = command if isinstance(command, Prepared) else Prepared(command)
        before = self.state
        batch = self._batch()
        # No later event will be dated before this, so what is closed for a plan stays closed.
        batch.at = self._at = max(int(self._clock.now()), self._at)
        try:
            decided = decide(before, prepared.command, batch)
            batch.take(decided)
            # Before it is logged: an event that could not be read again would end the loop for good.
            after = replay(batch.records, before) or before
        except Exception as error:  # noqa: BLE001 - it is the caller's answer
            if prepared.scorer is not None:
                prepared.scorer.close()
            return error
        if batch.records:
            self._journal.append(batch.records, decided.erased)
            self.state = after
            self._settle(before, prepared)
        return decided.answer

    def _batch(self, named: Sequence[str] = ()) -> Batch:
        return Batch(
            self._journal,
            self.state.head,
            self._at,
            self._scorer,
            self._loop_seed,
            self._learner.hash_id,
            named,
        )

    def _settle(self, before: State, prepared: Prepared) -> None:
        """Bring the model that answers, and what is kept, in line with what was just logged."""
        state = self.state
        self._journal.compress(state.settings.compression)
        if prepared.model is not None:
            version = state.published if state.versions == before.versions else state.versions
            self._keep_model(version, prepared.model)
            self._thin_out(before)
        if state.published != before.published:
            previous = self._scorer
            self._scorer = prepared.scorer or self._load(state.published)
            if previous is not None:
                previous.close()
            self._log.info("model published", version=state.published, seq=state.seq)
        elif prepared.scorer is not None:
            prepared.scorer.close()
        self._keep_state()

    def _keep_model(self, version: int, model: bytes) -> None:
        try:
            self._checkpoints.save_model(version, model)
        except OSError as error:
            self._log.warning("model not kept", version=version, error=str(error))

    def _thin_out(self, before: State) -> None:
        """Stop keeping the version that was the newest before, unless it is one to keep."""
        version = before.line.newest
        in_use = version in {self.state.line.newest, self.state.published}
        if version and before.line.steps_since_kept and not in_use:
            try:
                self._checkpoints.drop_model(version)
            except OSError as error:
                self._log.warning("model not dropped", version=version, error=str(error))

    def _keep_state(self) -> None:
        try:
            save_state(self._checkpoints, self.state)
        except OSError as error:
            self._log.warning("state not kept", error=str(error))

    def _recovered(self) -> State:
        check_tail(self._journal)
        state = recover(self._journal, self._checkpoints)
        if state is None:
            raise NotFound("the log is empty: the loop was never created")
        return state

    def _load_or_stand_in(self, version: int) -> Scorer | None:
        """Return the published model; where it cannot be made, a loop must still open to be put right."""
        try:
            return self._load(version)
        except (ReplayMismatch, LearnerFailed) as error:
            self._log.error("model not made", version=version, error=str(error))
            return NoScorer(version, str(error))

    def _load(self, version: int) -> Scorer | None:
        if not version:
            return None
        _, event = version_event(self._journal, version)
        model = self._checkpoints.load_model(version)
        if model is None or sha256(model).hexdigest() != event.sha256:
            model = rebuild(self._journal, self._learner, version, self._checkpoints)
            self._keep_model(version, model)
        return self._learner.scorer(event.policy, model)
