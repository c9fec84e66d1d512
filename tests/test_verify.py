import json
from itertools import pairwise

import pytest
from msgspec.structs import replace
from support import Bench
from test_loop import learned, rank

from loopledger.audit.segment import segments
from loopledger.audit.verify import verify
from loopledger.commands import ChangePolicy, ChangeSettings, Reward
from loopledger.learning.checkpoints import save_state
from loopledger.log.chain import Head, head_of, seal
from loopledger.log.events import decode
from loopledger.policy import LearningPolicy
from loopledger.settings import Settings


@pytest.fixture
def bench():
    bench = Bench(settings=Settings(checkpoint_interval=4))
    for number in range(3):
        learned(bench, 4, 10 * number)
    bench.do(ChangeSettings({"learning_mode": "Apprentice", "minimum_probability": 0.01}))
    bench.do(ChangePolicy(LearningPolicy("other", "--cb_explore_adf --epsilon 0.5"), relearn=True))
    learned(bench, 3, 40)
    bench.do(rank("last"))
    return bench


def verified(bench, learner=None):
    reader = bench.place.store.reader()
    return verify(reader, learner or bench.learner, bench.place.checkpoints)


def rewritten(bench, seq, change):
    """Put another event into the log and seal everything after it anew, as somebody would who knows how."""
    store = bench.place.store
    head, records = Head(), []
    for record in store.records:
        event = decode(record.body, record.seq)
        if record.seq == seq:
            event = change(event)
        records.append(seal(head, record.at, event, record.event_id))
        head = head_of(records[-1])
    put_back(store, records)


def put_back(store, records):
    store.records[:] = records
    store.by_event_id.clear()
    for record in records:
        if record.event_id is not None:
            store.by_event_id.setdefault(record.event_id, []).append(record)


def test_a_sound_loop_holds(bench):
    verification = verified(bench)
    assert verification.holds
    assert verification.first_problem is None
    findings = verification.findings
    assert (findings.events, findings.versions) == (len(bench.records()), bench.loop.state.versions)
    assert findings.decisions == len(bench.records("Ranked")) == 16
    assert (verification.loop, verification.head) == ("bench", bench.loop.state.seq)
    assert verification.digest == bench.loop.state.digest.hex()


def test_it_holds_without_anything_kept(bench):
    bench.place.checkpoints.models.clear()
    assert verified(bench).findings == verified(bench).findings
    assert verified(bench).holds


def test_segments_cover_every_version_and_every_decision_once(bench):
    reader = bench.place.store.reader()
    pieces = segments(reader, bench.place.checkpoints)
    versions = [version for piece in pieces for version in piece.versions]
    assert sorted(versions) == list(range(1, bench.loop.state.versions + 1))
    covered = sorted((stretch.first, stretch.last) for piece in pieces for stretch in piece.served)
    assert covered[0][0] == 1
    assert covered[-1][1] == bench.loop.state.seq
    for (_, last), (first, _) in pairwise(covered):
        assert first == last + 1


def test_progress_reaches_its_end(bench):
    told = []
    reader = bench.place.store.reader()
    verify(
        reader,
        bench.learner,
        bench.place.checkpoints,
        progress=lambda done, total: told.append((done, total)),
    )
    assert all(done <= total for done, total in told)
    assert told == sorted(told)


def only_problem(bench, seq, says, learner=None):
    problems = verified(bench, learner).findings.problems
    assert [problem.seq for problem in problems] == [seq]
    assert says in problems[0].what


def test_a_changed_event_is_named(bench):
    record = bench.place.store.records[5]
    bench.place.store.records[5] = replace(record, body=record.body.replace(b"0.0", b"0.1"))
    assert verified(bench).first_problem.seq == 6


def test_a_missing_event_is_named(bench):
    del bench.place.store.records[7]
    assert verified(bench).first_problem.seq == 8


def seq_of(bench, kind, number=0):
    return bench.records(kind)[number].seq


def test_another_choice_sealed_anew_is_found(bench):
    seq = seq_of(bench, "Ranked", 9)
    rewritten(
        bench,
        seq,
        lambda event: replace(event, ranked=event.ranked[::-1], chosen=event.actions[event.ranked[-1]]),
    )
    assert any(p.seq == seq and "another outcome" in p.what for p in verified(bench).findings.problems)


def test_another_reward_sealed_anew_is_found_in_the_model(bench):
    seq = seq_of(bench, "Rewarded", 5)
    rewritten(bench, seq, lambda event: replace(event, value=0.75))
    problems = verified(bench).findings.problems
    assert problems[0].seq == seq_of(bench, "ModelTrained", 1)
    assert "SHA-256" in problems[0].what


def test_a_decision_under_other_terms_is_found(bench):
    seq = seq_of(bench, "Ranked", 15)
    rewritten(bench, seq, lambda event: replace(event, reward_wait=1))
    assert any(p.seq == seq and "other terms" in p.what for p in verified(bench).findings.problems)


def test_a_version_out_of_turn_is_found(bench):
    seq = seq_of(bench, "ModelTrained", 2)
    rewritten(bench, seq, lambda event: replace(event, first=event.first + 2))
    assert any(p.seq == seq and "other decisions" in p.what for p in verified(bench).findings.problems)


def test_learning_from_an_open_window_is_found():
    bench = Bench()
    bench.do(rank("e"))
    bench.do(Reward("e", 1.0))
    bench.clock.advance(601)
    bench.train()
    store = bench.place.store
    head, records = Head(), []
    for record in store.records:
        at = min(record.at, bench.clock.now() - 2_000_000)
        records.append(seal(head, at, decode(record.body, record.seq), record.event_id))
        head = head_of(records[-1])
    put_back(store, records)
    only_problem(bench, 4, "open window")


def test_a_publication_of_nothing_is_found(bench):
    seq = seq_of(bench, "ModelPublished", 0)
    rewritten(bench, seq, lambda event: replace(event, version=77))
    assert any(p.seq == seq and "did not exist" in p.what for p in verified(bench).findings.problems)


def test_a_body_of_another_kind_is_found(bench):
    record = bench.place.store.records[3]
    bench.place.store.records[3] = replace(record, kind="Activated")
    assert not verified(bench).holds


def test_models_of_another_engine_are_said_to_be_foreign(bench):
    class Other(type(bench.learner)):
        engine = "tiny 2"

        def fold(self, policy, parent, examples):
            folded = super().fold(policy, parent, examples)
            return folded._replace(model=folded.model + b"!")

    bench.place.checkpoints.models.clear()
    findings = verified(bench, Other()).findings
    assert findings.unchecked_versions > 0
    assert not findings.problems
    assert findings.decisions < 16


def test_the_same_engine_with_other_results_is_a_problem(bench):
    class Wrong(type(bench.learner)):
        def fold(self, policy, parent, examples):
            folded = super().fold(policy, parent, examples)
            return folded._replace(model=folded.model + b"!")

    bench.place.checkpoints.models.clear()
    assert verified(bench, Wrong()).first_problem.seq == seq_of(bench, "ModelTrained", 0)


def test_an_imported_model_is_checked_too(bench):
    bench.trainer.import_model(bench.loop.state, b"tiny" + bytes(32))
    bench.do(rank("after import"))
    learned(bench, 2, 60)
    assert verified(bench).holds
    bench.place.checkpoints.models.clear()
    assert verified(bench).holds
    seq = seq_of(bench, "ModelImported")
    rewritten(bench, seq, lambda event: replace(event, model=b"tiny" + bytes(31) + b"x"))
    assert any(problem.seq == seq for problem in verified(bench).findings.problems)


def test_findings_are_json(bench):
    import msgspec

    assert json.loads(msgspec.json.encode(verified(bench)))["findings"]["problems"] == []


def test_a_log_that_grows_meanwhile_holds(bench):
    learned(bench, 5)

    def at_work(*_):
        bench.do(rank(f"meanwhile-{bench.loop.state.seq}"))

    assert verify(bench.place.store.reader(), bench.learner, bench.place.checkpoints, progress=at_work).holds


def test_decisions_that_come_while_the_work_is_divided_are_left_for_the_next_time(bench):
    learned(bench, 5)
    head = bench.loop.state.seq
    bench.do(rank("later"))
    pieces = segments(bench.place.store.reader(), bench.place.checkpoints, until=head)
    assert max(stretch.last for piece in pieces for stretch in piece.served) == head


def test_a_state_beside_the_log_that_is_not_the_logs_is_found(bench):
    learned(bench, 5)
    forged = replace(bench.loop.state, settings=Settings(learning_mode="Apprentice"))
    save_state(bench.place.checkpoints, forged)
    found = verify(bench.place.store.reader(), bench.learner, bench.place.checkpoints)
    assert "state.json" in found.first_problem.what
