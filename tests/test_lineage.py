"""Every model that a loop ever had."""

from hashlib import sha256

import pytest
from support import GREEDY, Bench
from test_loop import learned

from loopledger.commands import ImportModel, PublishModel, ResetModel
from loopledger.learning.lineage import lineage


@pytest.fixture
def bench():
    return Bench()


def models(bench):
    return lineage(bench.place.store.reader(), bench.place.checkpoints)


def test_before_the_first_there_is_none(bench):
    assert models(bench) == []


def test_what_each_version_came_from_and_learned(bench):
    learned(bench, 5)
    learned(bench, 3, 10)
    one, two = models(bench)
    assert (one.version, one.parent, one.decisions, one.examples) == (1, 0, 5, 5)
    assert (two.version, two.parent, two.decisions, two.examples) == (2, 1, 3, 3)
    assert (one.policy, one.engine, one.imported) == (GREEDY, bench.learner.engine, False)
    assert one.first < one.last < one.seq < two.first <= two.last < two.seq
    for model in (one, two):
        record = bench.place.store.reader().record(model.seq)
        assert (record.kind, record.at) == ("ModelTrained", model.at)


def test_when_each_version_answered(bench):
    learned(bench, 2)
    learned(bench, 2, 10)
    bench.clock.advance(5)
    bench.do(PublishModel(1))
    bench.clock.advance(7)
    bench.do(ResetModel())
    one, two = models(bench)
    assert len(one.served) == 2
    assert len(two.served) == 1
    assert one.served[0].last == two.served[0].first
    assert one.served[0].until == two.served[0].since
    assert two.served[0].last == one.served[1].first
    again = one.served[1]
    assert (again.until - again.since, again.last) == (7_000_000, bench.loop.state.seq)


def test_the_one_that_answers_now_has_no_end(bench):
    learned(bench, 2)
    ((served,), *_) = [model.served for model in models(bench)]
    assert (served.last, served.until) == (None, None)


def test_an_imported_model(bench):
    bench.do(ImportModel(b"tiny {}", GREEDY, sha256(b"tiny {}").hexdigest(), "another engine"))
    (model,) = models(bench)
    assert (model.imported, model.parent, model.first, model.size) == (True, 0, None, 7)
    assert (model.last, model.decisions, model.examples, model.passes) == (None, 0, 0, 1)
    assert (model.kept, model.engine, model.sha256) == (
        True,
        "another engine",
        sha256(b"tiny {}").hexdigest(),
    )


def test_kept_is_only_what_fits_the_log(bench):
    learned(bench, 2)
    assert models(bench)[0].kept
    for other in range(20):
        bench.place.checkpoints.save_model(1, bytes([other]))
        assert not models(bench)[0].kept
    bench.place.checkpoints.drop_model(1)
    assert not models(bench)[0].kept


def test_what_the_log_itself_holds_is_kept(bench):
    bench.do(ImportModel(b"tiny {}", GREEDY, sha256(b"tiny {}").hexdigest(), "another engine"))
    learned(bench, 2)
    bench.erase("e0")
    assert "ModelKept" in bench.kinds()
    for version in (1, 2):
        bench.place.checkpoints.drop_model(version)
        assert bench.place.checkpoints.load_model(version) is None
    assert [model.kept for model in models(bench)] == [True, True]
