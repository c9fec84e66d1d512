"""What every event store must do; it runs on each of them."""

from contextlib import closing
from threading import Lock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import ranked

from loopledger.adapters.memory import MemoryStore
from loopledger.adapters.sqlite.queries import PAGE
from loopledger.adapters.sqlite.store import SqliteStore
from loopledger.errors import LoopInUse
from loopledger.log.chain import Head, check, head_of, seal
from loopledger.log.events import Activated, ModelPublished, ModelReset, Rewarded
from loopledger.log.journal import Outcome


class CompressedStore(SqliteStore):
    def writer(self):
        journal = super().writer()
        journal.compress(True)
        return journal


def make(kind, folder):
    if kind == "memory":
        return MemoryStore()
    return CompressedStore(folder) if kind == "compressed" else SqliteStore(folder)


@pytest.fixture(params=["memory", "sqlite", "compressed"])
def store(request, tmp_path):
    return make(request.param, tmp_path)


@pytest.fixture
def journal(store):
    journal = store.writer()
    yield journal
    journal.close()


def sealed(head, *events, at=1000):
    """Return records of events: an event alone, or with an event id."""
    records = []
    for one in events:
        event, event_id = one if isinstance(one, tuple) else (one, None)
        records.append(seal(head, at + head.seq, event, event_id))
        head = head_of(records[-1])
    return records


def append(journal, *events, **more):
    records = sealed(journal.head(), *events, **more)
    journal.append(records)
    return records


def test_an_empty_log(journal):
    assert journal.head() == Head()
    assert journal.committed() == Head()
    assert journal.record(1) is None
    assert list(journal.records()) == []
    assert journal.tail(5) == []
    assert journal.nth(("ModelReset",), 1) is None
    assert journal.last_until(10**15) == 0
    assert journal.span("Ranked", 0, 10, 10) is None
    assert list(journal.traced("Ranked", 1, 10)) == []
    assert journal.decisions(["e"]) == {}
    assert journal.counts() == {}


def test_what_was_appended_comes_back(journal):
    events = [
        (ranked(), "e"),
        (Rewarded(value=0.1, slot="s", key="ü😀\x00"), "e"),
        ModelReset(),
        (Activated(), "f' --"),
    ]
    records = append(journal, *events)
    assert list(journal.records()) == records
    assert [journal.record(seq) for seq in range(1, 5)] == records
    assert journal.head() == head_of(records[-1])
    assert journal.committed() == Head(4, 0, records[-1].digest)
    assert list(check(journal.records(), Head())) == records


def test_it_is_there_for_the_next_writer_and_for_readers(store):
    journal = store.writer()
    records = append(journal, ModelReset(), (Activated(), "e"))
    reader = store.reader()
    assert list(reader.records()) == records
    more = append(journal, ModelReset())
    assert reader.head() == head_of(more[-1])
    journal.close()
    again = store.writer()
    assert list(again.records()) == records + more
    append(again, ModelReset())
    assert reader.head().seq == 4
    again.close()
    reader.close()


def test_ranges_kinds_and_event_ids(journal):
    append(
        journal,
        ModelReset(),
        (Activated(), "e"),
        (Activated(), "f"),
        (Rewarded(value=1.0), "e"),
        ModelReset(),
    )

    def seqs(**which):
        return [record.seq for record in journal.records(**which)]

    assert seqs(first=2, last=4) == [2, 3, 4]
    assert seqs(first=4) == [4, 5]
    assert seqs(last=0) == []
    assert seqs(kinds=["ModelReset"]) == [1, 5]
    assert seqs(kinds=["Rewarded", "ModelReset"]) == [1, 4, 5]
    assert seqs(kinds=["Rewarded", "Activated"], event_id="e") == [2, 4]
    assert seqs(event_id="e", first=3) == [4]
    assert seqs(event_id="nobody") == []
    assert seqs(kinds=["Unheard"]) == []
    assert [record.seq for record in journal.tail(2)] == [4, 5]
    assert [record.seq for record in journal.tail(99)] == [1, 2, 3, 4, 5]


def test_the_so_manyth_of_some_kinds(journal):
    append(journal, ModelReset(), (Activated(), "e"), ModelPublished(version=1), ModelReset())
    assert journal.nth(("ModelReset",), 2).seq == 4
    assert journal.nth(("ModelReset", "ModelPublished"), 2).seq == 3
    assert journal.nth(("ModelReset", "ModelPublished"), 4) is None


@given(st.lists(st.integers(0, 3), min_size=1, max_size=30), st.integers(-2, 60))
@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_the_last_event_until_a_time(tmp_path_factory, kind, gaps, wanted):
    store = make(kind, tmp_path_factory.mktemp("log"))
    journal = store.writer()
    head, at, records = Head(), 0, []
    for gap in gaps:
        at += gap
        records.append(seal(head, at, ModelReset()))
        head = head_of(records[-1])
    journal.append(records)
    assert journal.last_until(wanted) == sum(record.at <= wanted for record in records)
    journal.close()


def test_spans_of_decisions(journal):
    events = [ModelReset()]
    for number in range(6):
        events += [(ranked(), f"e{number}"), (Rewarded(value=1.0), f"e{number}")]
    append(journal, *events)
    assert tuple_of(journal.span("Ranked", 0, 99, 99)) == (2, 12, 6)
    assert tuple_of(journal.span("Ranked", 2, 99, 2)) == (4, 6, 2)
    assert tuple_of(journal.span("Ranked", 3, 7, 99)) == (4, 6, 2)
    assert journal.span("Ranked", 12, 99, 99) is None
    assert journal.span("SlotsRanked", 0, 99, 99) is None


def tuple_of(span):
    return (span.first, span.last, span.decisions)


def test_decisions_with_what_came_for_them(journal):
    records = append(
        journal,
        (Rewarded(value=0.5), "e"),
        (ranked(), "e"),
        (ranked(), "f"),
        (Activated(), "e"),
        (Rewarded(value=1.0), "e"),
        (Rewarded(value=1.0), "nobody"),
        (ranked(), "g"),
    )
    found = list(journal.traced("Ranked", 1, 99))
    assert [(one.seq, one.event_id, len(one.outcomes)) for one in found] == [
        (2, "e", 3),
        (3, "f", 0),
        (7, "g", 0),
    ]
    assert found[0].body == records[1].body
    assert found[0].outcomes == [
        Outcome(record.seq, record.at, record.kind, record.body)
        for record in (records[0], records[3], records[4])
    ]
    assert [one.seq for one in journal.traced("Ranked", 3, 6)] == [3]


def test_many_events_come_in_order_and_whole(journal):
    count = 2 * PAGE + 7
    for first in range(0, count, 300):
        events = []
        for number in range(first, min(first + 300, count)):
            events += [(ranked(), f"e{number}"), (Rewarded(value=1.0), f"e{number}")]
        append(journal, *events)
    assert [record.seq for record in journal.records()] == list(range(1, 2 * count + 1))
    assert len(list(journal.records(kinds=["Ranked", "Rewarded"]))) == 2 * count
    traced = list(journal.traced("Ranked", 1, 10**9))
    assert [one.event_id for one in traced] == [f"e{number}" for number in range(count)]
    assert all(len(one.outcomes) == 1 for one in traced)
    assert tuple_of(journal.span("Ranked", 0, 10**9, 10**9)) == (1, 2 * count - 1, count)
    assert journal.counts() == {"Ranked": count, "Rewarded": count}
    assert journal.counts(2 * count - 3) == {"Ranked": 1, "Rewarded": 2}


def test_decisions_by_their_ids(journal):
    records = append(
        journal, (ranked(), "e"), (Rewarded(value=1.0), "e"), (Rewarded(value=1.0), "f"), (ranked(), "g")
    )
    assert journal.decisions(["e", "f", "g", "h"]) == {"e": records[0], "g": records[3]}
    assert journal.decisions([]) == {}


def test_there_is_one_writer(store):
    journal = store.writer()
    with pytest.raises(LoopInUse):
        store.writer()
    journal.close()
    store.writer().close()


def test_a_writer_that_was_left_behind_neither_writes_nor_lets_others_in(store):
    left_behind = store.writer()
    if isinstance(store, MemoryStore):
        store.owned = Lock()
    else:
        store._path.with_name("writer.lock").unlink()  # what says that there is a writer is lost
    journal = store.writer()
    with pytest.raises(LoopInUse):
        append(left_behind, ModelReset())
    left_behind.close()
    with pytest.raises(LoopInUse):
        store.writer()
    append(journal, ModelReset())
    journal.close()
    assert store.reader().head().seq == 1


def test_a_batch_goes_in_whole_or_not_at_all(journal):
    append(journal, ModelReset())
    one, two, three = sealed(journal.head(), ModelReset(), ModelReset(), ModelReset())
    for wrong in ([one, three], [two, three], [one, one], [seal(Head(), 1, ModelReset())]):
        with pytest.raises(LoopInUse):
            journal.append(wrong)
        assert journal.head().seq == 1
    journal.append([one, two, three])
    assert journal.head() == head_of(three)


def test_batches_of_any_size(journal):
    for size in (1, 2, 127, 128, 129, 256, 300):
        before = journal.head()
        append(journal, *[(Activated(), "e")] * size)
        assert journal.head().seq == before.seq + size
    assert len(list(check(journal.records(), Head()))) == journal.head().seq


def test_its_size(store, journal):
    before = journal.size()
    append(journal, *((ranked(), f"e{number}") for number in range(200)))
    assert journal.size() >= before
    with closing(store.reader()) as reader:
        assert reader.size() == journal.size()
    if not isinstance(store, MemoryStore):
        assert journal.size() - before > 200 * 100
