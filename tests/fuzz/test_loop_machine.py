"""Any interleaving of commands, restarts and lost files keeps the promises, for every kind of policy.

The oracle says what each training has to learn; at the end the whole log is verified.
"""

import json
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from policies import POLICIES
from quick import slow_but
from support import Bench, context_of, on_disk

from fuzz.oracle import Decision, Oracle
from loopledger.audit.verify import verify
from loopledger.commands import (
    Activate,
    ChangePolicy,
    ChangeSettings,
    Rank,
    RankSlots,
    Relearn,
    ResetModel,
    Reward,
)
from loopledger.deciding.request import Slot, read_slots
from loopledger.errors import Conflict, NotFound
from loopledger.learning.replay import rebuild
from loopledger.learning.selection import named
from loopledger.learning.training import examples, step_of
from loopledger.log.events import SlotsRanked, decode
from loopledger.policy import LearningPolicy
from loopledger.settings import Limits, Settings

IDS = ("a", "b", "c")
EVENT_IDS = [f"event-{number}" for number in range(12)]
VALUES = [0.0, 0.25, 0.5, 1.0, -1.0]
SLOT_NAMES = ("top", "side")


class LoopMachine(RuleBasedStateMachine):
    learner = None
    policy = None

    @initialize(
        wait=st.sampled_from([5, 600]), interval=st.sampled_from([3, 20_000]), compression=st.booleans()
    )
    def begin(self, wait, interval, compression):
        self.folder = Path(tempfile.mkdtemp())
        created = Settings(
            reward_wait_time=wait,
            checkpoint_interval=interval,
            model_update_frequency=0,
            compression=compression,
        )
        self.bench = Bench(on_disk(self.folder), self.learner, policy=self.policy, settings=created)
        self.oracle = Oracle(wait=wait * 1_000_000, interval=interval, at=self.bench.clock.now())
        self.answers = {}
        self.keys = {}
        self.versions_seen = 0
        self.versions_kept = set()

    def teardown(self):
        if hasattr(self, "bench"):
            reader = self.bench.place.store.reader()
            verification = verify(reader, self.learner, self.bench.place.checkpoints)
            if self.versions_kept:
                for version in range(1, self.versions_seen + 1):
                    assert rebuild(reader, self.learner, version)
            reader.close()
            self.bench.loop.close()
            shutil.rmtree(self.folder)
            assert verification.findings.problems == ()
            erased = len(self.oracle.erased)
            assert verification.findings.decisions == len(self.oracle.decisions) - erased
            assert verification.findings.unchecked_decisions == erased
            assert verification.findings.versions == self.versions_seen - len(self.versions_kept)
            assert verification.findings.unchecked_versions == len(self.versions_kept)

    @rule(
        event_id=st.sampled_from(EVENT_IDS),
        hour=st.integers(0, 2),
        excluded=st.sampled_from([(), (), ("a",), ("b", "c")]),
        deferred=st.booleans(),
    )
    def rank(self, event_id, hour, excluded, deferred):
        context = {"hour": hour}
        if self.policy.multi_slot:
            slots = [Slot("top", {"wide": 1}, baseline="b"), Slot("side", excluded=excluded[:1])]
            read = read_slots(slots, IDS, Limits())
            body = context_of(context, slots=slots)
            command = RankSlots(event_id, True, body, IDS, tuple(terms for _, terms in read), deferred)
            request = (hour, excluded[:1], deferred)
        else:
            offered = {name: {"x": at} for at, name in enumerate(IDS) if name not in excluded}
            command = Rank(event_id, True, context_of(context, offered), IDS, excluded, deferred)
            request = (hour, excluded, deferred)
        known = self.answers.get(event_id)
        if event_id in self.oracle.erased:
            with pytest.raises(Conflict, match="erased"):
                self.do(command)
        elif known is None:
            answer = self.do(command)
            self.answers[event_id] = (request, answer)
            self.note(event_id, deferred)
        elif known[0] == request:
            assert self.do(command) == known[1]
        else:
            with pytest.raises(Conflict):
                self.do(command)

    def do(self, command):
        """Carry out a command; whatever comes of it, no later event is dated before it."""
        self.oracle.now(self.bench.clock.now())
        return self.bench.do(command)

    def open_again(self):
        self.bench.open()
        self.oracle.at = self.bench.loop.state.at

    def note(self, event_id, deferred):
        reader = self.bench.place.store.reader()
        record = reader.decisions([event_id])[event_id]
        reader.close()
        event = decode(record.body, record.seq)
        if isinstance(event, SlotsRanked):
            chosen = {
                slot.slot: (slot.ranked[0], slot.probabilities[0], slot.baseline) for slot in event.slots
            }
        else:
            chosen = {None: (event.ranked[0], event.probabilities[0], 0)}
        for _, probability, _ in chosen.values():
            assert 0.0 <= probability <= 1.0
        oracle = self.oracle
        oracle.decisions.append(
            Decision(
                event_id,
                record.at,
                deferred,
                oracle.mode,
                oracle.wait,
                oracle.default,
                oracle.aggregation,
                tuple(chosen),
                chosen,
            )
        )
        assert record.at == oracle.at

    @rule(
        event_id=st.sampled_from([*EVENT_IDS, "nobody"]),
        value=st.sampled_from(VALUES),
        slot=st.sampled_from([None, *SLOT_NAMES]),
        key=st.sampled_from([None, None, "k"]),
    )
    def reward(self, event_id, value, slot, key):
        known = self.keys.get((event_id, slot, key)) if key else None
        if known is not None and known != value:
            with pytest.raises(Conflict):
                self.do(Reward(event_id, value, slot, key))
            return
        receipt = self.do(Reward(event_id, value, slot, key))
        if known is None:
            self.oracle.came(event_id, self.oracle.at, "reward", slot, value, key)
            assert receipt.at == self.oracle.at
        if key:
            self.keys[event_id, slot, key] = value

    @rule(event_id=st.sampled_from(EVENT_IDS))
    def activate(self, event_id):
        self.do(Activate(event_id))
        self.oracle.came(event_id, self.oracle.at, "activate")

    @rule(seconds=st.sampled_from([0.5, 3, 4.999, 60, 119, 600, 1000, -2, -300]))
    def time_passes(self, seconds):
        self.bench.clock.advance(seconds)

    @rule()
    def train(self):
        before = self.bench.loop.state
        now = self.oracle.now(self.bench.clock.now())
        made = self.bench.train()
        expected = list(self.oracle.steps(now))
        if before.line.newest and before.line.arguments != before.effective_policy.arguments and not expected:
            expected = [[]]
        assert len(made) == len(expected)
        self.versions_seen += len(made)
        reader = self.bench.place.store.reader()
        events = [decode(record.body, record.seq) for record in reader.records(kinds=("ModelTrained",))]
        for event, decisions in zip(events[len(events) - len(made) :], expected, strict=True):
            self.check_step(reader, event, decisions)
        reader.close()

    def check_step(self, reader, event, decisions):
        assert event.decisions == len(decisions)
        labels = [self.oracle.labels(decision) for decision in decisions]
        every = list(examples(reader, step_of(event)))
        assert event.passes == self.oracle.passes(decisions)
        assert every == every[: len(every) // event.passes] * event.passes
        lines = [json.loads(line) for line in every[: len(every) // event.passes]]
        assert event.examples == len(lines) == sum(bool(label) for label in labels)
        for line, expected in zip(lines, filter(None, labels), strict=True):
            if self.policy.multi_slot:
                found = [
                    (one["_id"], one["_a"][0], one["_p"][0], -one["_label_cost"]) for one in line["_outcomes"]
                ]
            else:
                found = [(None, line["_labelIndex"], line["_label_probability"], -line["_label_cost"])]
                assert (line["a"][0], line["p"][0]) == (line["_label_Action"], line["_label_probability"])
            assert [one[:3] for one in found] == [one[:3] for one in expected]
            assert [one[3] for one in found] == pytest.approx([one[3] for one in expected])

    @rule(
        wait=st.sampled_from([5, 50, 600]),
        default=st.sampled_from([0.0, -0.5]),
        aggregation=st.sampled_from(["earliest", "sum", "average", "median", "min", "max"]),
        mode=st.sampled_from(["Online", "Online", "Apprentice", "LoggingOnly"]),
        minimum=st.sampled_from([0.0, 0.001, 0.01]),
    )
    def change_settings(self, wait, default, aggregation, mode, minimum):
        self.do(
            ChangeSettings(
                {
                    "reward_wait_time": wait,
                    "default_reward": default,
                    "reward_aggregation": aggregation,
                    "learning_mode": mode,
                    "minimum_probability": minimum,
                }
            )
        )
        self.oracle.wait, self.oracle.default = wait * 1_000_000, default
        self.oracle.aggregation, self.oracle.mode = aggregation, mode

    @rule(share=st.sampled_from([0.1, 0.5, 1.0]))
    def change_exploration(self, share):
        self.do(ChangeSettings({"exploration_percentage": share}))

    @rule(relearn=st.booleans(), other=st.booleans())
    def change_policy(self, relearn, other):
        arguments = self.policy.arguments + (" --noconstant" if other else "")
        policy = LearningPolicy("changed", arguments)
        self.oracle.policy_changes(policy, self.bench.loop.state)
        self.do(ChangePolicy(policy, relearn))
        self.oracle.begins_anew(0 if relearn else None)
        self.oracle.often = 1, 0

    @precondition(lambda self: self.oracle.decisions)
    @rule(data=st.data(), other=st.booleans(), everything=st.booleans(), passes=st.sampled_from([1, 1, 2, 3]))
    def relearn(self, data, other, everything, passes):
        decisions = self.oracle.decisions
        first = data.draw(st.integers(0, len(decisions) - 1))
        without = data.draw(st.sets(st.sampled_from([one.event_id for one in decisions])))
        reader = self.bench.place.store.reader()
        since = reader.decisions([decisions[first].event_id])[decisions[first].event_id].seq if first else 1
        arguments = self.policy.arguments + (" --noconstant" if other else "")
        policy = LearningPolicy("relearned", arguments) if other else None
        self.oracle.policy_changes(policy or self.bench.loop.state.policy, self.bench.loop.state)
        self.do(Relearn(policy, since, tuple(named(reader, sorted(without))), None, everything, passes))
        reader.close()
        self.oracle.left_out = without if everything else self.oracle.left_out | without
        self.oracle.begins_anew(first)
        self.oracle.often = passes, len(decisions)

    @rule(event_ids=st.sets(st.sampled_from([*EVENT_IDS, "nobody"]), min_size=1, max_size=3))
    def erase(self, event_ids):
        logged = set(self.answers) | set(self.oracle.outcomes)
        if not event_ids <= logged:
            with pytest.raises(NotFound):  # before the loop hears of it
                self.bench.erase(*sorted(event_ids))
            return
        self.oracle.now(self.bench.clock.now())
        erased = self.bench.erase(*sorted(event_ids))
        self.versions_kept |= set(erased.kept)
        fresh = (event_ids & set(self.answers)) - self.oracle.erased
        assert erased.decisions == len(fresh)
        self.oracle.erased |= fresh
        for event_id in event_ids:
            self.oracle.outcomes[event_id] = []
        self.keys = {key: value for key, value in self.keys.items() if key[0] not in event_ids}

    @precondition(lambda self: self.versions_seen)
    @rule(data=st.data())
    def publish(self, data):
        version = data.draw(st.integers(1, self.versions_seen))
        self.oracle.now(self.bench.clock.now())
        self.bench.trainer.publish(version)
        assert self.bench.loop.state.published == version

    @rule()
    def restore_policy(self):
        state, before = self.bench.loop.state, self.oracle.before
        self.oracle.now(self.bench.clock.now())
        if before is None:
            with pytest.raises(NotFound, match="never changed"):
                self.bench.trainer.restore_policy(state)
            return
        self.bench.trainer.restore_policy(state)
        self.oracle.goes_back(state)
        state = self.bench.loop.state
        assert (state.policy, state.published, state.follows) == (
            before.policy,
            before.published,
            before.follows,
        )

    @precondition(lambda self: self.bench.loop.state.line.newest)
    @rule()
    def import_model(self):
        state = self.bench.loop.state
        if state.line.arguments != state.effective_policy.arguments:
            return  # a model does not fit another policy
        reader = self.bench.place.store.reader()
        model = rebuild(reader, self.learner, state.line.newest, self.bench.place.checkpoints)
        reader.close()
        self.oracle.now(self.bench.clock.now())
        self.bench.trainer.import_model(state, model)
        self.oracle.begins_anew(None)
        self.oracle.often = 1, 0
        self.versions_seen += 1

    @rule()
    def reset(self):
        self.do(ResetModel())
        self.oracle.begins_anew(None)
        self.oracle.often = 1, 0
        assert self.bench.loop.state.published == 0

    @rule()
    def reopen(self):
        before = self.bench.loop.state
        self.bench.loop.close()
        self.open_again()
        assert self.bench.loop.state == before

    @rule()
    def lose_everything_but_the_log(self):
        before = self.bench.loop.state
        self.bench.loop.close()
        for entry in self.bench.place.folder.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            elif not entry.name.startswith("log.db"):
                entry.unlink()
        self.open_again()
        assert self.bench.loop.state == before

    @rule()
    def stop_without_closing(self):
        before = self.bench.loop.state
        self.bench.loop._journal.close()
        self.open_again()
        assert self.bench.loop.state == before

    @invariant()
    def the_state_is_the_logs(self):
        if hasattr(self, "bench"):
            reader = self.bench.place.store.reader()
            state = self.bench.loop.state
            assert reader.head() == state.head
            assert reader.committed().digest == state.digest
            reader.close()


@pytest.mark.parametrize("name", slow_but({"bag", "personalizer", "slots", "squarecb"}, sorted(POLICIES)))
def test_any_interleaving_keeps_the_promises(name, vw):
    machine = type(f"Machine_{name}", (LoopMachine,), {"learner": vw, "policy": POLICIES[name]})
    run_state_machine_as_test(
        machine, settings=settings(max_examples=settings().max_examples // 6, stateful_step_count=40)
    )
