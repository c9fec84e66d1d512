"""Reads a log as it grows and holds every event against what the design says must come.

It knows the bodies as JSON, and joins and steps from the small oracle; from the product it takes only
what reads the log, and a learner to make the models again.
"""

import json
import re
from base64 import b64decode
from hashlib import sha256

import pytest
from fuzz.oracle import Decision, Oracle
from support import GREEDY

from loopledger.learning.training import examples, step_of
from loopledger.log.events import decode
from loopledger.policy import LearningPolicy

SECOND = 1_000_000
_INSIDE = re.compile(r"(?<!^)(?=[A-Z])")


class Follower:
    """What a log adds up to, from its events alone.

    Args:
        learner: Makes every model again; none leaves that to the verification.
        told: SHA-256 of models that the learner has lied about.

    Attributes:
        ranked: The bodies of decisions, by event id.
        rewards: Seqs of rewards with keys, by event id, slot and key.
        values: All the values that such rewards ever had.
        records: Everything, to compare answers with.
        tainted: Versions that nobody can make again, because a learner has lied.

    """

    def __init__(self, learner, told):
        self._learner = learner
        self._told = told
        self.seq, self.at, self.digest = 0, 0, bytes(32)
        self.records = []
        self.ranked = {}
        self.rewards = {}
        self.values = {}
        self.kinds = {}
        self.versions = self.newest = self.published = 0
        self.kept = set()
        self.follows = True
        self.newest_policy = None
        self.policy = GREEDY
        self.settings = {}
        self.oracle = Oracle(wait=0)
        self.models = {0: None}
        self.tainted = set()
        self.trained = []
        self._seqs = []
        self._outcomes = {}
        self._undo = 0, None
        self._erased = set()

    def catch_up(self, reader):
        """Take all that is new in the log."""
        for record in reader.records(first=self.seq + 1):
            self._chained(record)
            self.records.append(record)
            self.kinds[record.kind] = self.kinds.get(record.kind, 0) + 1
            if record.erased:  # already: the transaction that erased it was the next
                raise AssertionError("an event cannot be erased before it was seen")
            named = "_on_" + _INSIDE.sub("_", record.kind).lower()  # ModelTrained: _on_model_trained
            getattr(self, named)(record, json.loads(record.body), reader)
        return self

    @property
    def effective_policy(self):
        return self.policy.with_exploration(self.settings.get("exploration_percentage"))

    def plan(self, now):
        """Return what a training has to learn at some time: parent, first and last seq, and how many."""
        oracle = self.oracle
        count = min(max(0, oracle.closed_prefix(now) - oracle.learned), oracle.interval)
        step = self._seqs[oracle.learned : oracle.learned + count]
        if not step and (not self.newest or self.newest_policy == self.effective_policy.arguments):
            return None
        return self.newest, step[0] if step else None, step[-1] if step else None, count

    def value_of(self, seq):
        """Return the value of a reward."""
        return json.loads(self.records[seq - 1].body)["value"]

    def _chained(self, record):
        assert record.seq == self.seq + 1
        assert record.at >= self.at
        header = json.dumps([record.seq, record.at, record.kind, record.event_id], separators=(",", ":"))
        body = sha256(record.body).digest()
        assert record.digest == sha256(self.digest + header.encode() + body).digest()
        self.seq, self.at, self.digest = record.seq, record.at, record.digest

    def _set(self, settings):
        self.settings = settings
        oracle = self.oracle
        oracle.wait = round(settings["reward_wait_time"] * SECOND)
        oracle.default, oracle.mode = settings["default_reward"], settings["learning_mode"]
        oracle.aggregation, oracle.interval = settings["reward_aggregation"], settings["checkpoint_interval"]

    def _on_loop_created(self, record, body, _):
        assert record.seq == 1
        self.policy = LearningPolicy(**body["policy"])
        self._set(body["settings"])

    def _on_ranked(self, record, body, _):
        oracle = self.oracle
        assert record.event_id not in self.ranked, "a decision was made twice"
        assert body["model_version"] == self.published
        assert (body["reward_wait"], body["default_reward"]) == (oracle.wait, oracle.default)
        assert (body["reward_aggregation"], body["learning_mode"]) == (oracle.aggregation, oracle.mode)
        offered = [name for name in body["actions"] if name not in body["excluded"]]
        probabilities = body["probabilities"]
        assert sorted(body["ranked"]) == list(range(len(offered)))
        assert body["chosen"] == offered[body["ranked"][0]]
        assert sum(probabilities) == pytest.approx(1, abs=1e-4)
        least = min(self.settings["minimum_probability"], 1 / len(offered))
        assert min(probabilities) >= least * 0.999
        self.ranked[record.event_id] = body
        self._seqs.append(record.seq)
        chosen = {None: (body["ranked"][0], probabilities[0], 0)}
        terms = oracle.mode, oracle.wait, oracle.default, oracle.aggregation
        oracle.decisions.append(
            Decision(record.event_id, record.at, body["deferred"], *terms, (None,), chosen)
        )

    def _on_rewarded(self, record, body, _):
        key = body.get("key")
        self._came(record, "reward", body.get("slot"), body["value"], key)
        if key is not None:
            named = record.event_id, body.get("slot"), key
            assert named not in self.rewards, "a reward with a key was taken twice"
            self.rewards[named] = record.seq
            self.values.setdefault(named, set()).add(body["value"])

    def _on_activated(self, record, _, __):
        self._came(record, "activate")

    def _came(self, record, *what):
        came = (record.at, *what, None, None, None)[:5]
        self._outcomes[record.seq] = record.event_id, came
        self.oracle.outcomes.setdefault(record.event_id, []).append(came)

    def _on_settings_changed(self, _, body, __):
        self._set(body["settings"])

    def _under(self, policy, learned):
        if policy != self.policy:
            self._undo = self.newest, self.newest_policy
        self.oracle.policy_changes(policy, self)
        self.policy = policy
        self._begins_anew(learned)

    def _begins_anew(self, learned, newest=0):
        self.oracle.begins_anew(learned)
        self.oracle.often = 1, 0
        self.newest, self.follows = newest, True

    def _on_policy_changed(self, _, body, __):
        self._under(LearningPolicy(**body["policy"]), 0 if body["relearn"] else None)

    def _on_relearning_begun(self, _, body, __):
        first = sum(seq < body["since"] for seq in self._seqs)
        self._under(LearningPolicy(**body["policy"]), first)
        self.oracle.often = body["passes"], len(self._seqs)
        left_out = set(body["without"])
        by_seq = zip(self._seqs, self.oracle.decisions, strict=True)
        self.oracle.left_out = {decision.event_id for seq, decision in by_seq if seq in left_out}

    def _on_policy_restored(self, _, body, __):
        before = self.oracle.before
        assert body["version"] == before.published
        assert body["policy"] == {"name": before.policy.name, "arguments": before.policy.arguments}
        self.oracle.goes_back(self)
        undo, self._undo = self._undo, (self.newest, self.newest_policy)
        self.newest, self.newest_policy = undo
        self.policy, self.published, self.follows = before.policy, before.published, before.follows

    def _on_model_trained(self, record, body, reader):
        oracle = self.oracle
        count = body["decisions"]
        step = oracle.decisions[oracle.learned : oracle.learned + count]
        seqs = self._seqs[oracle.learned : oracle.learned + count]
        assert (body["version"], body["parent"]) == (self.versions + 1, self.newest)
        assert body["policy"]["arguments"] == self.effective_policy.arguments
        assert (body["first"], body["last"]) == ((seqs[0], seqs[-1]) if seqs else (None, None))
        assert len(step) == count <= oracle.interval
        assert oracle.closed_prefix(record.at) >= oracle.learned + count or not count
        assert body["passes"] == oracle.passes(step)
        labels = [oracle.labels(decision) for decision in step]
        every = list(examples(reader, step_of(decode(record.body, record.seq))))
        once = every[: len(every) // body["passes"]]
        assert every == once * body["passes"]
        assert body["examples"] == len(once) == sum(map(bool, labels))
        for line, ((_, position, probability, reward),) in zip(once, filter(None, labels), strict=True):
            taught = json.loads(line)
            assert (taught["_labelIndex"], taught["_label_probability"]) == (position, probability)
            assert -taught["_label_cost"] == pytest.approx(reward)
        self._make_again(body, every)
        self.versions = self.newest = body["version"]
        self.trained.append((record.seq, self.versions))
        self.newest_policy = body["policy"]["arguments"]
        oracle.learned += count
        oracle.closed = max(oracle.closed, oracle.learned) if count else oracle.closed
        following = reader.record(record.seq + 1)
        if self.follows and oracle.learned >= oracle.passed:
            assert following.kind == "ModelPublished"
            assert json.loads(following.body)["version"] == self.newest

    def _make_again(self, body, lines):
        version = body["version"]
        if body["sha256"] in self._told:
            self.tainted.add(version)
        elif self._learner is not None and body["parent"] in self.models:
            policy = LearningPolicy(**body["policy"])
            model = self._learner.fold(policy, self.models[body["parent"]], lines).model
            assert sha256(model).hexdigest() == body["sha256"]
            self.models[version] = model

    def _on_model_published(self, _, body, __):
        assert 1 <= body["version"] <= self.versions
        self.published = body["version"]
        self.follows = self.published == self.newest

    def _on_model_imported(self, record, body, __):
        assert body["version"] == self.versions + 1
        self.versions += 1
        self.trained.append((record.seq, self.versions))
        self.models[self.versions] = b64decode(body["model"])
        assert sha256(self.models[self.versions]).hexdigest() == body["sha256"]
        self._begins_anew(None, self.versions)
        self.newest_policy = body["policy"]["arguments"]

    def _on_model_reset(self, *_):
        self.published = 0
        self._begins_anew(None)

    def _on_model_kept(self, _, body, __):
        self.kept.add(body["version"])

    def _on_erased(self, _, body, reader):
        gone = {seq for first, last in body["runs"] for seq in range(first, last + 1)} - self._erased
        count = 0
        for seq in sorted(gone):
            record = self.records[seq - 1]
            if record.event_id is None:
                continue
            stored = reader.record(seq)
            assert stored.erased
            assert stored.body_sha256 == sha256(record.body).digest()
            self._erased.add(seq)
            count += 1
            self._forget(record)
        assert count == body["events"]

    def _forget(self, record):
        event_id = record.event_id
        if record.kind == "Ranked":
            self.oracle.erased.add(event_id)
        else:
            came = self._outcomes.pop(record.seq)[1]
            self.oracle.outcomes[event_id].remove(came)
            if came[4] is not None:
                del self.rewards[event_id, came[2], came[4]]
