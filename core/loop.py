"""A loop without threads: commands in, durable events and answers out.

The actor around it adds only an inbox. Order of work for a batch: decide, append, commit, then
answer; what fails at the commit stops the loop, and nothing of the batch is answered.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple

from loopledger.chain import Head, Record, check, head_of, seal
from loopledger.checkpoints import Checkpoints, recover, save_state
from loopledger.clock import Clock
from loopledger.commands import Activate, Command, Rank, RankSlots, Reward
from loopledger.decide import decide
from loopledger.diagnostics import diagnostics
from loopledger.draw import uniform_hash
from loopledger.errors import NotFound
from loopledger.events import LoopCreated
from loopledger.facts import Answer, Decided
from loopledger.journal import Journal, Reader, Store
from loopledger.learner import Learner, Scorer
from loopledger.replay import rebuild, version_event
from loopledger.state import State, evolve

_TAIL = 256
_TRAFFIC = (Rank, Reward, Activate, RankSlots)


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
            journal.append([seal(journal.head(), clock.now(), created)])
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
        self._scorer: Scorer | None = None
        try:
            self.state = self._recovered()
            self._scorer = self._load(self.state.published)
        except BaseException:
            self._journal.close()
            raise
        self._loop_seed = uniform_hash(self.state.loop_id)
        self._at = self.state.at
        self._pending: list[Record] = []
        self._sound = True
        self._known: dict[str, Record] = {}
        self._log = diagnostics(loop=self.state.loop_id)

    def execute(self, commands: Sequence[Command | Prepared]) -> list[Answer | Exception]:
        """Carry out commands in their order and return an answer or an error for each.

        When it returns, every event behind the answers is durable. When it raises, none of the
        commands may be answered, and the loop must not be used again.
        """
        named = [
            command.event_id
            for command in commands
            if isinstance(command, Rank | RankSlots) and command.named
        ]
        self._sound = False
        self._known = self._journal.decisions(named) if named else {}
        answers = [
            self._traffic(command) if isinstance(command, _TRAFFIC) else self._control(command)
            for command in commands
        ]
        self._commit()
        self._sound = True
        return answers

    def close(self) -> None:
        """Let go of the log; what was answered stays."""
        if self._scorer is not None:
            self._scorer.close()
        if self._sound:
            self._keep_state()
        self._journal.close()

    # What deciding may know (loopledger.facts.Facts).

    @property
    def at(self) -> int:
        """The time of the command at hand: the clock's, but never before what was last said."""
        return self._at

    @property
    def scorer(self) -> Scorer | None:
        """The published model."""
        return self._scorer

    @property
    def loop_seed(self) -> int:
        """The hash of the loop's id."""
        return self._loop_seed

    @property
    def reader(self) -> Reader:
        """The log, everything before the command at hand committed."""
        return self._journal

    def decision(self, event_id: str) -> Record | None:
        """Return the decision of an event id, committed or in this batch."""
        return self._known.get(event_id)

    def rewards(self, event_id: str) -> list[Record]:
        """Return the rewards of an event id, committed or in this batch."""
        committed = list(self._journal.records(kinds=("Rewarded",), event_id=event_id))
        return committed + [
            record for record in self._pending if record.kind == "Rewarded" and record.event_id == event_id
        ]

    def _traffic(self, command: Command) -> Answer | Exception:
        self._at = max(self._clock.now(), self._at)
        try:
            decided = decide(self.state, command, self)
        except Exception as error:  # noqa: BLE001 - it is the caller's answer
            return error
        self._stage(decided)
        return decided.answer

    def _control(self, command: Command | Prepared) -> Answer | Exception:
        """Carry out a command that changes how the loop works: alone, with all before it committed."""
        prepared = command if isinstance(command, Prepared) else Prepared(command)
        self._commit()
        self._at = max(self._clock.now(), self._at)
        before = self.state
        try:
            decided = decide(before, prepared.command, self)
        except Exception as error:  # noqa: BLE001 - it is the caller's answer
            if prepared.scorer is not None:
                prepared.scorer.close()
            return error
        self._stage(decided)
        self._commit()
        if decided.events:
            self._settle(before, prepared)
        return decided.answer

    def _stage(self, decided: Decided) -> None:
        for event in decided.events:
            record = seal(self.state.head, self.at, event, decided.event_id)
            self.state = evolve(self.state, record)
            self._pending.append(record)
            if record.event_id is not None and record.kind in {"Ranked", "SlotsRanked"}:
                self._known[record.event_id] = record

    def _commit(self) -> None:
        if self._pending:
            self._journal.append(self._pending)
            self._pending = []

    def _settle(self, before: State, prepared: Prepared) -> None:
        """Bring the model that answers, and what is kept, in line with what was just logged."""
        state = self.state
        if prepared.model is not None:
            version = state.published if state.versions == before.versions else state.versions
            self._keep_model(version, prepared.model)
            self._thin_out(before)
        if state.published != before.published:
            previous, self._scorer = self._scorer, prepared.scorer
            if state.published and self._scorer is None:
                self._scorer = self._load(state.published)
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
            self._checkpoints.drop_model(version)

    def _keep_state(self) -> None:
        try:
            save_state(self._checkpoints, self.state)
        except OSError as error:
            self._log.warning("state not kept", error=str(error))

    def _recovered(self) -> State:
        tail = self._journal.tail(_TAIL)
        if not tail:
            raise NotFound("the log is empty: the loop was never created")
        before = self._journal.record(tail[0].seq - 1)
        for _ in check(tail, head_of(before) if before else Head()):
            pass
        state = recover(self._journal, self._checkpoints)
        if state is None:
            raise NotFound("the log is empty: the loop was never created")
        return state

    def _load(self, version: int) -> Scorer | None:
        if not version:
            return None
        _, event = version_event(self._journal, version)
        model = self._checkpoints.load_model(version)
        if model is None or sha256(model).hexdigest() != event.sha256:
            model = rebuild(self._journal, self._learner, version, self._checkpoints)
            self._keep_model(version, model)
        return self._learner.scorer(event.policy, model)
