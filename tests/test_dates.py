"""When things last happened in a loop, told from its log."""

from support import ACTIONS, Bench, context_of

from loopledger.commands import Activate, ChangeSettings, Rank, ResetModel, Reward
from loopledger.log.dates import Dates, dates


def found(bench):
    reader = bench.place.store.reader()
    try:
        return dates(reader)
    finally:
        reader.close()


def rank(bench, event_id):
    return bench.do(Rank(event_id, True, context_of(), tuple(ACTIONS), (), False))


def test_nothing_has_happened_but_that_it_was_made():
    bench = Bench()
    assert found(bench) == Dates(None, None, None, None, bench.clock.now())


def test_decisions_models_and_settings_have_their_times():
    bench = Bench()
    times = []
    for number in range(600):  # more than are read at a time
        bench.clock.advance(1)
        rank(bench, f"e{number}")
        times.append(bench.clock.now())
    for _ in range(600):
        bench.do(Reward("e1", 0.5))
    bench.do(Activate("e1"))
    assert found(bench).first == times[0]
    assert found(bench).last == times[-1]
    bench.clock.advance(1000)
    trained = bench.clock.now()
    bench.train()
    bench.clock.advance(10)
    assert (found(bench).made, found(bench).published) == (trained, trained)
    bench.do(ChangeSettings({"default_reward": 0.5}))
    assert found(bench).configured == bench.clock.now()
    bench.do(ResetModel())
    assert (found(bench).made, found(bench).published) == (None, None)


def test_what_was_erased_is_not_there():
    bench = Bench()
    for number in range(3):
        bench.clock.advance(1)
        rank(bench, f"e{number}")
    bench.erase("e0", "e2")
    middle = found(bench)
    assert middle.first == middle.last == bench.clock.now() - 1_000_000
    bench.erase("e1")
    assert (found(bench).first, found(bench).last) == (None, None)


def test_long_stretches_that_were_erased_are_passed_over():
    bench = Bench()
    for number in range(2000):
        bench.clock.advance(1)
        rank(bench, f"e{number}")
    start = bench.clock.now() - 1999 * 1_000_000
    bench.erase(before=start + 700 * 1_000_000)
    assert (found(bench).first, found(bench).last) == (start + 700 * 1_000_000, bench.clock.now())
    bench.erase(*(f"e{number}" for number in range(900, 2000)))
    assert (found(bench).first, found(bench).last) == (start + 700 * 1_000_000, start + 899 * 1_000_000)
    bench.erase(before=bench.clock.now() + 1)
    assert (found(bench).first, found(bench).last) == (None, None)
