"""What is missing or was changed is noticed before it is answered with, or learned."""

import learned
import pytest

import loopledger
from loopledger import LogDamaged, SimulatedClock
from loopledger.adapters.sqlite.store import SqliteStore
from loopledger.clock import SECOND

LATER = learned.START + 7_200 * SECOND


@pytest.fixture
def folder(tmp_path, lent):  # noqa: ARG001 - learning processes that run already
    """A data folder whose loop has decisions that can be learned."""
    learned.make(tmp_path)
    with loopledger.open(tmp_path, clock=SimulatedClock(LATER)) as ledger:
        learned.live(ledger.loop("news"), ledger.directory.clock, 180)
    return tmp_path


def change(folder, *statements):
    learned.tamper(folder / "news" / "log.db", *statements)


@pytest.mark.parametrize("kind", ["Ranked", "Rewarded"])
def test_what_was_changed_is_not_learned(folder, kind):
    seq = learned.seqs(folder / "news" / "log.db", kind)[-40]
    with loopledger.open(folder, clock=SimulatedClock(LATER + 3600 * SECOND)) as ledger:
        loop = ledger.loop("news")
        before = loop.status()
        # While it is open: an opening would see it, so near is it to the log's end.
        change(folder, f"UPDATE events SET body = replace(body, ':', ': ') WHERE seq = {seq}")
        with pytest.raises(LogDamaged, match=f"event {seq} ") as caught:
            loop.train()
        assert caught.value.seq == seq
        assert loop.status() == before
        # What was not touched goes on.
        assert loop.rank({}, learned.ACTIONS).event_id


@pytest.mark.parametrize("changed", ["early", "late"])
def test_a_reward_that_was_changed_is_not_learned_however_far_from_its_decision(tmp_path, lent, changed):  # noqa: ARG001 - learning processes that run already
    """A reward may come before its decision, and long after one that shares its step with a shorter wait."""
    clock = SimulatedClock(learned.START)
    with loopledger.open(tmp_path, clock=clock, workers=1) as ledger:
        loop = ledger.create("news", settings=loopledger.Settings(model_update_frequency=0))
        loop.rank({}, learned.ACTIONS, event_id="before")
        clock.advance(3600)
        loop.train()
        loop.reward("early", 1.0)
        clock.advance(60)
        for name in ("early", "late"):
            loop.rank({}, learned.ACTIONS, event_id=name)
        loop.change_settings(reward_wait_time=10.0)
        loop.rank({}, learned.ACTIONS, event_id="last")
        clock.advance(300)
        loop.reward("other", 1.0)
        loop.reward("late", 1.0)
        loop.reward("other", 1.0)
        clock.advance(3600)
        seq = next(loop.log(kinds=["Rewarded"], event_id=changed)).seq
        for number in range(300):  # else it would be near the log's end, which an opening checks
            loop.reward(f"other-{number}", 0.0)
        change(tmp_path, f"UPDATE events SET body = replace(body, '1.0', '0.5') WHERE seq = {seq}")
        with pytest.raises(LogDamaged, match=f"event {seq} "):
            loop.train()


def test_a_repeated_rank_does_not_get_a_changed_answer(folder):
    seq = learned.seqs(folder / "news" / "log.db", "Ranked")[10]
    change(folder, f"UPDATE events SET body = replace(body, ':', ': ') WHERE seq = {seq}")
    with (
        loopledger.open(folder, clock=SimulatedClock(LATER)) as ledger,
        pytest.raises(loopledger.LoopledgerError),
    ):
        ledger.loop("news").rank({"hour": 2}, learned.ACTIONS, event_id="event-010", deferred=True)


def test_an_index_that_has_lost_an_event(folder):
    seq = learned.seqs(folder / "news" / "log.db", "Rewarded")[-1]
    # SQLite itself keeps indexes right, unless it is told that there is another one.
    change(
        folder,
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_schema SET sql = sql || ' AND event_id <> ''event-239''' WHERE name = 'by_event_id'",
        "PRAGMA writable_schema = RESET",
        "REINDEX by_event_id",
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_schema SET sql = replace(sql, ' AND event_id <> ''event-239''', '') "
        "WHERE name = 'by_event_id'",
    )
    reader = SqliteStore(folder / "news").reader()
    assert reader.unindexed(1, seq - 10) is None
    assert reader.unindexed(1, seq) in {seq, seq - 1}
    reader.close()
    with loopledger.open(folder, clock=SimulatedClock(LATER + 3600 * SECOND)) as ledger:
        loop = ledger.loop("news")
        with pytest.raises(LogDamaged, match="an index is damaged"):
            loop.train()
        assert not loop.verify().holds


async def test_a_log_without_its_end_is_not_read_in_the_async_face_either(folder):
    async with loopledger.open_async(folder, clock=SimulatedClock(LATER)) as ledger:
        loop = await ledger.loop("news")
        assert len([entry async for entry in loop.log()]) > 400
        await ledger.close()
    change(folder, "DELETE FROM events WHERE seq > 400")
    async with loopledger.open_async(folder, clock=SimulatedClock(LATER)) as ledger:
        with pytest.raises(LogDamaged, match="was cut off"):
            await ledger.loop("news")
