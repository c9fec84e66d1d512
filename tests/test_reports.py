"""What a loop says about itself, from its log."""

import json

import msgspec
import pytest
from support import GREEDY, SLOTS, Bench
from test_loop import learned, rank

from loopledger.commands import ChangePolicy, ChangeSettings, PublishModel, ResetModel
from loopledger.errors import NotFound
from loopledger.policy import LearningPolicy
from loopledger.reports import entry, model_as_of, status


@pytest.fixture
def bench():
    return Bench()


def reported(bench):
    return status(bench.place.store.reader(), bench.loop.state)


def model(bench, **which):
    return model_as_of(bench.place.store.reader(), bench.learner, bench.place.checkpoints, **which)


def test_the_status_of_a_new_loop(bench):
    new = reported(bench)
    assert (new.name, new.events, new.counts, new.at) == ("bench", 1, {"LoopCreated": 1}, bench.clock.now())
    assert (new.policy, new.settings) == (GREEDY, bench.loop.state.settings)
    assert (new.published, new.versions, new.learned_through, new.waiting_decisions) == (0, 0, 0, 0)
    assert new.digest == bench.records()[0].digest.hex()


def test_the_status_counts_what_waits_to_be_learned(bench):
    learned(bench, 5)
    for number in range(3):
        bench.do(rank(f"waiting-{number}"))
    found = reported(bench)
    assert (found.published, found.versions, found.learned_through, found.waiting_decisions) == (1, 1, 10, 3)
    assert found.counts == {
        "LoopCreated": 1,
        "ModelPublished": 1,
        "ModelTrained": 1,
        "Ranked": 8,
        "Rewarded": 5,
    }
    assert list(found.counts) == sorted(found.counts)
    assert sum(found.counts.values()) == found.events
    bench.do(ChangePolicy(LearningPolicy("p", "--cb_explore_adf"), relearn=True))
    assert reported(bench).waiting_decisions == 8  # all of it is to be learned again


def test_decisions_of_another_kind_wait_for_nothing(bench):
    bench.do(rank("e"))
    bench.do(ChangePolicy(SLOTS, relearn=True))
    assert reported(bench).waiting_decisions == 0


def test_a_status_is_json(bench):
    learned(bench, 2)
    plain = json.loads(msgspec.json.encode(reported(bench)))
    assert plain["settings"]["limits"]["actions"] == 50
    assert plain["counts"]["Ranked"] == 2


def test_models_by_number(bench):
    learned(bench, 5)
    bench.do(ChangeSettings({"exploration_percentage": 0.5}))
    learned(bench, 3, 10)
    one, two = model(bench, version=1), model(bench, version=2)
    assert (one.version, one.parent, one.first, one.last, one.examples) == (1, 0, 2, 10, 5)
    assert (two.version, two.parent, two.first, two.last, two.examples) == (2, 1, 15, 19, 3)
    assert (one.policy, one.engine, one.seq) == (GREEDY, "tiny 1", 12)
    assert two.policy.arguments.endswith("--epsilon 0.5")
    assert model(bench) == two
    assert one.data == bench.place.checkpoints.load_model(1) or bench.learner.folds == 3
    assert "data" not in one.as_dict()
    assert (one.as_dict()["size"], one.as_dict()["policy"]["name"]) == (36, "greedy")
    assert repr(one) == f"Model(version=1, sha256={one.sha256[:16]}…, 36 bytes)"


def test_models_by_the_moment_at_which_they_were_published(bench):
    begun = bench.clock.now()
    learned(bench, 2)
    first = bench.clock.now()
    learned(bench, 2, 10)
    bench.clock.advance(10)
    bench.trainer.publish(1)
    back = bench.clock.now()
    bench.clock.advance(10)
    bench.do(ResetModel())
    for at, version in ((first, 1), (back - 1, 2), (back, 1), (back + 9_999_999, 1)):
        assert model(bench, at=at).version == version
    for at in (begun, first - 1, back + 10_000_000, back * 2):
        with pytest.raises(NotFound, match="same probability"):
            model(bench, at=at)
    with pytest.raises(NotFound):
        model(bench, at=begun - 1)


def test_models_by_where_they_were_published(bench):
    learned(bench, 2)
    learned(bench, 2, 10)
    bench.do(PublishModel(1))
    published = [record.seq for record in bench.records("ModelPublished")]
    found = {}
    for seq in range(1, bench.loop.state.seq + 1):
        try:
            found[seq] = model(bench, seq=seq).version
        except NotFound:
            found[seq] = 0
    expected = {seq: [0, 1, 2, 1][sum(at <= seq for at in published)] for seq in found}
    assert found == expected
    for seq in (0, -1, bench.loop.state.seq + 1):
        with pytest.raises(NotFound, match="no event"):
            model(bench, seq=seq)


def test_a_model_that_is_not_kept_is_made_again_step_by_step(bench):
    for first in (0, 10, 20):
        learned(bench, 2, first)
    expected = model(bench)
    bench.place.checkpoints.models.clear()
    bench.learner.folds = 0
    told = []
    assert model(bench, progress=lambda done, total: told.append((done, total))) == expected
    assert bench.learner.folds == 3
    assert told == [(2, 6), (4, 6), (6, 6)]


def test_an_imported_model(bench):
    learned(bench, 2)
    data = b"tiny" + bytes(32)
    bench.trainer.import_model(bench.loop.state, data)
    imported = model(bench)
    assert (imported.version, imported.parent, imported.first, imported.last) == (2, 0, None, None)
    assert (imported.examples, imported.data, imported.engine) == (0, data, "tiny 1")


def test_an_entry_is_the_event_as_it_was_logged(bench):
    bench.do(rank("e"))
    record = bench.records("Ranked")[0]
    read = entry(record)
    assert (read.seq, read.at, read.kind, read.event_id) == (2, record.at, "Ranked", "e")
    assert bytes(read.body) == record.body
    assert read.as_dict()["body"] == json.loads(record.body)
    assert json.loads(msgspec.json.encode(read)) == read.as_dict()
