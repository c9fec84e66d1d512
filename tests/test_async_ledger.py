"""The async face: the same names and the same answers, and the event loop is never held up."""

import asyncio
import inspect
from contextlib import asynccontextmanager, suppress
from threading import Event

import msgspec
import pytest
from support import GREEDY, SLOTS, context_of, ranked

import loopledger
from loopledger import Settings, Slot
from loopledger.adapters.sqlite.async_reader import open_async_reader
from loopledger.adapters.sqlite.store import SqliteStore
from loopledger.log.chain import head_of, seal
from loopledger.log.events import Rewarded

ACTIONS = {"sports": {"long": 1}, "politics": {"long": 0}, "music": {"long": 0.5}}
QUIET = Settings(model_update_frequency=0)
pytestmark = pytest.mark.usefixtures("lent")


@asynccontextmanager
async def opened(folder, clock=None, **more):
    async with asyncio.timeout(60), loopledger.open_async(folder, clock=clock, **more) as ledger:
        yield ledger, await ledger.loop("news", create=True, policy=GREEDY, settings=QUIET)


def ask(loop, number):
    return loop.rank({"hour": number % 4}, ACTIONS, event_id=f"event-{number}")


def journal_of(ledger, name="news"):
    """Return what the loop's own thread writes with."""
    return ledger.ledger.directory.get(name).inbox._desk.loop._journal


class Gate:
    """Holds up whatever is about to be committed, as a disk may."""

    def __init__(self, journal, monkeypatch):
        self._append = journal.append
        self._open = Event()
        self.reached = Event()
        self.commits = 0
        monkeypatch.setattr(journal, "append", self.append)

    def append(self, records):
        self.commits += 1
        self.reached.set()
        assert self._open.wait(30)
        self._append(records)

    def open(self):
        self._open.set()


async def kinds(loop, **which):
    return [entry.kind async for entry in loop.log(**which)]


def methods(face):
    return {
        name: member.fget if isinstance(member, property) else member
        for name, member in inspect.getmembers(face)
        if not name.startswith("_")
    }


@pytest.mark.parametrize(
    ("blocking", "asynchronous", "own"),
    [
        (loopledger.Ledger, loopledger.AsyncLedger, {"ledger"}),
        (loopledger.Loop, loopledger.AsyncLoop, set()),
    ],
)
def test_both_faces_have_the_same_names(blocking, asynchronous, own):
    expected, found = methods(blocking), methods(asynchronous)
    assert found.keys() - own == expected.keys()
    for name, method in expected.items():
        of_both = [inspect.signature(each).parameters for each in (method, found[name])]
        assert of_both[0] == of_both[1], name
    opening = [inspect.signature(each.__init__).parameters for each in (blocking, asynchronous)]
    assert blocking is loopledger.Loop or opening[0] == opening[1]


SCENARIO = [
    *[("rank", {"context": {"hour": n % 4}, "actions": ACTIONS, "event_id": f"e{n}"}) for n in range(12)],
    ("rank", {"context": {"hour": 1}, "actions": ACTIONS, "event_id": "e1"}),
    ("rank", {"context": {"hour": 2}, "actions": ACTIONS, "event_id": "e1"}),
    ("rank_json", {"request": b'{"actions": [{"id": "a"}, {"id": "b"}], "eventId": "json"}'}),
    ("rank_slots", {"context": {}, "actions": ACTIONS, "slots": [Slot("s")]}),
    *[("reward", {"event_id": f"e{n}", "value": n / 12, "key": "k"}) for n in range(12)],
    ("reward", {"event_id": "e1", "value": 0.9, "key": "k"}),
    ("reward", {"event_id": "e1", "value": "much"}),
    ("activate", {"event_id": "e1"}),
    ("settings", {}),
    ("policy", {}),
    ("dates", {}),
    ("advance", {}),
    ("train", {}),
    ("rank", {"context": {"hour": 1}, "actions": ACTIONS, "event_id": "later", "excluded": ["music"]}),
    ("change_settings", {"minimum_probability": 0.01}),
    ("change_settings", {"minimum_probability": -1}),
    ("change_policy", {"policy": {"name": "p", "arguments": "--cb_explore_adf --epsilon 0.3"}}),
    ("change_policy", {"policy": {"name": "p", "arguments": "--nonsense"}}),
    ("train", {}),
    ("publish", {"version": 1}),
    ("publish", {"version": 9}),
    ("model", {}),
    ("model", {"version": 2}),
    ("model", {"seq": 3}),
    ("import_model", {"model": b"rubbish"}),
    ("reset_model", {}),
    ("change_policy", {"policy": SLOTS}),
    ("rank_slots", {"context": {}, "actions": ACTIONS, "slots": [Slot("s"), Slot("t")], "event_id": "slots"}),
    ("rank_slots_json", {"request": b'{"actions": [{"id": "a"}], "slots": [{"id": "s"}], "eventId": "two"}'}),
    ("rank_slots_json", {"request": b'{"actions": [{"id": "a"}]}'}),
    ("rank_json", {"request": b'{"actions": [{"id": "a"}]}'}),
    ("status", {}),
    ("verify", {}),
    ("log", {}),
    ("log", {"kinds": ["Ranked", "Activated"], "first": 3}),
    ("log", {"event_id": "e1"}),
    ("log", {"kinds": []}),
    ("log", {"kinds": ["Rated"]}),
    ("log", {"first": "3"}),
]


def outcome(call):
    try:
        return call()
    except loopledger.LoopledgerError as error:
        return type(error), str(error)


@pytest.mark.parametrize("folder", ["on disk", ":memory:"])
async def test_both_faces_give_the_same_answers(tmp_path, folder):
    clocks = [loopledger.SimulatedClock(), loopledger.SimulatedClock()]
    folders = [tmp_path / "one", tmp_path / "two"] if folder == "on disk" else [folder, folder]
    with loopledger.open(folders[0], clock=clocks[0]) as ledger:
        loop = ledger.create("news", policy=GREEDY, settings=QUIET)

        def block(name, given):
            if name == "advance":
                return clocks[0].advance(601)
            member = getattr(loop, name)
            if name == "log":
                return [entry.as_dict() for entry in member(**given)]
            return member(**given) if callable(member) else member

        expected = [outcome(lambda name=name, given=given: block(name, given)) for name, given in SCENARIO]
    async with opened(folders[1], clocks[1]) as (ledger, loop):

        async def wait(name, given):
            if name == "advance":
                return clocks[1].advance(601)
            if name == "log":
                return [entry.as_dict() async for entry in loop.log(**given)]
            return await getattr(loop, name)(**given)

        found = []
        for name, given in SCENARIO:
            try:
                found.append(await wait(name, given))
            except loopledger.LoopledgerError as error:
                found.append((type(error), str(error)))
    for (name, _), one, other in zip(SCENARIO, expected, found, strict=True):
        assert one == other, name
    assert sum(isinstance(each, tuple) for each in expected) == 13


def fill(folder, decisions):
    """Write decisions with rewards into a loop's log, faster than asking for them."""
    journal = SqliteStore(folder).writer()
    head, records = journal.head(), []
    for number in range(decisions):
        context = msgspec.Raw(context_of({"hour": number % 24, "user": f"u{number}"}))
        for event in (ranked(context=context, reward_wait=1000), Rewarded(value=float(number % 2))):
            records.append(seal(head, head.at, event, f"filled-{number}"))
            head = head_of(records[-1])
    journal.append(records)
    journal.close()


@pytest.mark.slow
async def test_a_long_training_does_not_hold_up_the_event_loop(tmp_path, clock):
    settings = Settings(model_update_frequency=0, reward_wait_time=0.001)
    with loopledger.open(tmp_path, clock=clock) as ledger:
        ledger.create("news", policy=GREEDY, settings=settings)
    fill(tmp_path / "news", 12_000)
    clock.advance(1)
    async with opened(tmp_path, clock) as (_, loop):
        await ask(loop, 1)
        training = asyncio.create_task(loop.train())
        answered = 0
        while not training.done():
            await ask(loop, 1000 + answered)
            answered += 1
        assert await training == [1]
        # If training were the event loop's to wait for, there would be one answer or two.
        assert answered > 10


@pytest.mark.faults
async def test_the_event_loop_goes_on_while_the_disk_waits(tmp_path, monkeypatch):
    async with opened(tmp_path) as (ledger, loop):
        gate = Gate(journal_of(ledger), monkeypatch)
        asked = [asyncio.create_task(ask(loop, number)) for number in range(50)]
        turns = 0
        while not gate.reached.is_set() or turns < 1000:
            await asyncio.sleep(0)
            turns += 1
        assert not any(task.done() for task in asked)
        gate.open()  # only the event loop opens it: held up by the disk, it never would
        decisions = await asyncio.gather(*asked)
        assert len({decision.event_id for decision in decisions}) == 50


async def test_callers_who_give_up_all_the_time_do_no_harm(tmp_path):
    async with opened(tmp_path) as (_, loop):
        answered = {}

        async def give_up(number):
            task = asyncio.create_task(ask(loop, number % 100))
            for _ in range(number % 7):
                await asyncio.sleep(0)
            task.cancel()
            with suppress(asyncio.CancelledError):
                decision = await task
                assert answered.setdefault(decision.event_id, decision) == decision

        for first in range(0, 2000, 50):
            await asyncio.gather(*(give_up(number) for number in range(first, first + 50)))
        for number in range(100):
            again = await ask(loop, number)
            assert answered.setdefault(again.event_id, again) == again
        assert await kinds(loop) == ["LoopCreated"] + ["Ranked"] * 100


async def test_callers_who_come_together_share_commits(tmp_path, monkeypatch):
    async with opened(tmp_path) as (ledger, loop):
        gate = Gate(journal_of(ledger), monkeypatch)
        gate.open()
        decisions = await asyncio.gather(*(ask(loop, number) for number in range(400)))
        assert gate.commits < 40
        assert [decision.event_id for decision in decisions] == [f"event-{n}" for n in range(400)]
        assert [entry.seq async for entry in loop.log()] == list(range(1, 402))


@pytest.mark.faults
async def test_who_gives_up_does_no_harm(tmp_path, monkeypatch):
    async with opened(tmp_path) as (ledger, loop):
        gate = Gate(journal_of(ledger), monkeypatch)
        tasks = [asyncio.create_task(ask(loop, number)) for number in range(6)]
        await asyncio.to_thread(gate.reached.wait, 30)
        for task in tasks[::2]:
            task.cancel()
        late = asyncio.create_task(ask(loop, 6))
        await asyncio.sleep(0)
        late.cancel()  # before it was even sent
        gate.open()
        kept = await asyncio.gather(*tasks[1::2])
        with pytest.raises(asyncio.CancelledError):
            await tasks[0]
        again = [await ask(loop, number) for number in range(7)]
        assert again[1::2] == kept
        assert await kinds(loop) == ["LoopCreated"] + ["Ranked"] * 7


async def test_a_training_goes_on_without_its_caller(tmp_path, clock):
    async with opened(tmp_path, clock) as (ledger, loop):
        await ask(loop, 1)
        clock.advance(601)
        training = asyncio.create_task(loop.train())
        await asyncio.sleep(0)
        training.cancel()
        with pytest.raises(asyncio.CancelledError):
            await training
        assert await loop.train() in ([], [1])  # it waits for its turn
        assert (await ask(loop, 2)).model_version == 1
        assert ledger.ledger.loops() == ["news"]


@pytest.mark.faults
@pytest.mark.slow
async def test_too_many_are_told_so_at_once(tmp_path, monkeypatch):
    async with opened(tmp_path, most_waiting=128) as (ledger, loop):
        gate = Gate(journal_of(ledger), monkeypatch)
        first = asyncio.create_task(ask(loop, 1000))
        await asyncio.to_thread(gate.reached.wait, 30)
        tasks = [asyncio.create_task(ask(loop, number)) for number in range(600)]
        refused = []
        while len(refused) < 600 - 128:
            await asyncio.sleep(0.01)
            refused = [task for task in tasks if task.done()]
        gate.open()
        done = await asyncio.gather(first, *tasks, return_exceptions=True)
        overloaded = [each for each in done if isinstance(each, loopledger.Overloaded)]
        assert len(overloaded) == len(refused) == 600 - 128
        assert "128 commands wait" in str(overloaded[0])
        assert await kinds(loop) == ["LoopCreated"] + ["Ranked"] * (601 - len(overloaded))
        assert (await ask(loop, 1000)).event_id == "event-1000"


async def test_the_log_is_read_while_it_is_written(tmp_path):
    async with opened(tmp_path) as (_, loop):

        async def write():
            for first in range(0, 1200, 100):
                await asyncio.gather(*(ask(loop, number) for number in range(first, first + 100)))

        writing = asyncio.create_task(write())
        lengths = []
        while not writing.done():
            seqs = [entry.seq async for entry in loop.log()]
            assert seqs == list(range(1, len(seqs) + 1))
            lengths.append(len(seqs))
        await writing
        assert lengths == sorted(lengths)
        assert [entry.seq async for entry in loop.log(kinds=["Ranked"])] == list(range(2, 1202))


async def test_who_has_read_enough_leaves_nothing_open(tmp_path):
    async with opened(tmp_path) as (_, loop):
        for number in range(5):
            await ask(loop, number)
        async for entry in loop.log():
            if entry.seq == 3:
                break
        pages = loop.log()
        assert (await anext(pages)).seq == 1
        await pages.aclose()
        assert (await ask(loop, 9)).event_id == "event-9"


@pytest.mark.faults
async def test_closing_answers_everybody_in_flight(tmp_path, monkeypatch):
    answered, refused = {}, 0
    async with opened(tmp_path) as (ledger, loop):
        gate = Gate(journal_of(ledger), monkeypatch)
        tasks = [asyncio.create_task(ask(loop, 0))]
        await asyncio.to_thread(gate.reached.wait, 30)
        tasks += [asyncio.create_task(ask(loop, number)) for number in range(1, 300)]
        await asyncio.sleep(0)
        closing = asyncio.create_task(ledger.close())
        await asyncio.sleep(0.05)
        tasks += [asyncio.create_task(ask(loop, number)) for number in range(300, 400)]
        gate.open()
        for done in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(done, loopledger.LoopStopped):
                refused += 1
            else:
                answered[done.event_id] = done
        await closing
    assert len(answered) >= 1
    assert len(answered) + refused == 400
    async with opened(tmp_path) as (_, loop):
        logged = [entry.event_id async for entry in loop.log(kinds=["Ranked"])]
        assert set(answered) <= set(logged)
        for number in range(400):
            if f"event-{number}" in answered:
                assert await ask(loop, number) == answered[f"event-{number}"]


async def test_what_is_closed_or_not_open_says_so(tmp_path):
    ledger = loopledger.open_async(tmp_path)
    with pytest.raises(loopledger.LoopStopped, match="async with"):
        await ledger.create("news")
    async with ledger:
        loop = await ledger.create("news", policy=GREEDY, settings=QUIET)
        assert repr(loop) == "AsyncLoop('news')"
        await ask(loop, 1)
    await ledger.close()
    for use in (
        lambda: ask(loop, 2),
        lambda: loop.rank_json(b"{}"),
        lambda: loop.reward("event-1", 1.0),
        loop.train,
        loop.status,
        loop.settings,
        loop.model,
        lambda: loop.change_settings(reward_wait_time=5),
        lambda: ledger.create("other"),
        lambda: ledger.loop("news"),
        ledger.loops,
        ledger.__aenter__,
    ):
        with pytest.raises(loopledger.LoopStopped):
            await use()


async def test_a_folder_that_cannot_be_opened(tmp_path):
    (tmp_path / "file").touch()
    ledger = loopledger.open_async(tmp_path / "file")
    with pytest.raises(loopledger.InvalidRequest, match="folder"):
        await ledger.__aenter__()
    assert ledger._threads._closed


async def test_loops_that_were_closed_for_others_are_opened_again(tmp_path):
    async with opened(tmp_path, open_loops=1) as (ledger, loop):
        other = await ledger.create("other", policy=GREEDY, settings=QUIET)
        for number in range(5):
            await asyncio.gather(ask(loop, number), ask(other, number), loop.reward(f"event-{number}", 1.0))
        assert (await loop.status()).counts["Rewarded"] == 5
        assert await kinds(other) == ["LoopCreated"] + ["Ranked"] * 5


async def test_a_loop_that_is_closed_just_before_it_is_asked_is_opened_again(tmp_path):
    async with opened(tmp_path, open_loops=1) as (ledger, loop):
        ledger.ledger.create("other", policy=GREEDY, settings=QUIET)
        await ask(loop, 1)
        asking = asyncio.create_task(ask(loop, 2))
        await asyncio.sleep(0)
        ledger.ledger.loop("other")
        assert ledger.ledger.directory.peek("news") is None
        assert (await asking).event_id == "event-2"
        assert await kinds(loop) == ["LoopCreated", "Ranked", "Ranked"]


def test_one_event_loop_after_the_other(tmp_path):
    ledger = loopledger.open_async(tmp_path)

    async def begin():
        await ledger.__aenter__()
        loop = await ledger.create("news", policy=GREEDY, settings=QUIET)
        return loop, await ask(loop, 1)

    async def go_on(loop):
        again = await ask(loop, 1)
        await ledger.close()
        return again

    loop, first = asyncio.run(begin())
    assert asyncio.run(asyncio.wait_for(go_on(loop), 30)) == first


async def test_threads_and_coroutines_share_a_loop(tmp_path):
    async with opened(tmp_path) as (ledger, loop):
        blocking = ledger.ledger.loop("news")
        asked = asyncio.to_thread(lambda: [ask(blocking, number) for number in range(50)])
        both = await asyncio.gather(asked, *(ask(loop, number) for number in range(50)))
        assert both[0] == list(both[1:])
        assert await kinds(loop) == ["LoopCreated"] + ["Ranked"] * 50


async def test_what_is_short_need_not_wait_for_what_takes_long(tmp_path):
    release = Event()
    async with opened(tmp_path / "data") as (ledger, loop):
        long = [asyncio.create_task(ledger._threads.run_long(release.wait)) for _ in range(20)]
        await asyncio.sleep(0)
        assert (await asyncio.wait_for(loop.settings(), 10)).model_update_frequency == 0
        release.set()
        await asyncio.gather(*long)


@pytest.mark.faults
async def test_damage_is_named_here_too(tmp_path):
    async with opened(tmp_path / "data") as (_, loop):
        for number in range(200):
            await ask(loop, number)
    path = tmp_path / "data" / "news" / "log.db"
    content = bytearray(path.read_bytes())
    content[8192:] = bytes(len(content) - 8192)
    reader = open_async_reader(path)
    path.write_bytes(content)
    with pytest.raises(loopledger.LogDamaged):
        async with reader:
            [record async for record in reader.records()]
