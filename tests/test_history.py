import gzip
import json
from hashlib import sha256

import pytest
from cooked import CB, CCB, DANGLING, cb, ccb, lines, observation, sample, written

import loopledger
from loopledger.audit.terms import Terms
from loopledger.errors import Conflict, InvalidRequest
from loopledger.learning.joining import join
from loopledger.log.chain import head_of, seal
from loopledger.log.events import Decision, decode
from loopledger.log.history_events import HistoryImported
from loopledger.policy import LearningPolicy

QUIET = loopledger.Settings(model_update_frequency=0)


pytestmark = pytest.mark.usefixtures("lent")


@pytest.fixture
def ledger(tmp_path, clock):
    with loopledger.open(tmp_path / "data", clock=clock, workers=1) as ledger:
        yield ledger


def joined(loop):
    reader = loop.place.store.reader()
    kind = loop.status().policy.decision_kind
    return [join(traced) for traced in reader.traced(kind, 1, reader.head().seq)]


def left_behind(ledger):
    return list(ledger.directory.folder.iterdir())


@pytest.mark.parametrize(("name", "single"), [(CB, True), (CCB, False)])
@pytest.mark.parametrize("interval", [20_000, 7])
def test_the_model_is_the_one_that_vowpalwabbit_makes_of_the_original_lines(
    ledger, vw, name, single, interval
):
    settings = loopledger.Settings(model_update_frequency=0, checkpoint_interval=interval)
    flag = "--cb_explore_adf" if single else "--ccb_explore_adf"
    policy = LearningPolicy("p", f"{flag} --epsilon 0.2 -l 0.5 -q ::")
    report = ledger.import_history("loop", [sample(name)], policy=policy, settings=settings)
    loop = ledger.loop("loop")
    loop.train()
    originals = lines(name)
    assert report.decisions == len(originals)
    model = None
    for first in range(0, len(originals), interval):
        model = vw.fold(policy, model, originals[first : first + interval]).model
    assert loop.model().data == model
    found = loop.verify()
    assert found.holds
    assert (found.findings.imported_decisions, found.findings.decisions) == (len(originals), 0)


def test_the_labels_of_the_log_are_those_of_the_lines(ledger):
    ledger.import_history("loop", [sample(CB)], settings=QUIET)
    examples = joined(ledger.loop("loop"))
    for example, line in zip(examples, map(json.loads, lines(CB)), strict=True):
        assert (example.event_id, -example.labels[0].reward) == (line["EventId"], line["_label_cost"])
        assert example.labels[0].rewards == tuple(one["v"] for one in line.get("o", []))


def test_without_a_policy_it_is_personalizers_own_for_the_kind_of_decision(ledger):
    assert not ledger.import_history("one", [sample(CB)]).policy.multi_slot
    assert ledger.import_history("several", [sample(CCB)]).policy.multi_slot


def test_times_are_the_lines_and_never_go_back(ledger, tmp_path):
    days = ["2021-04-24T20:00:00Z", "2021-04-23T20:00:00Z", "2021-04-25T20:00:00+02:00"]
    log = written(tmp_path, *(cb(f"e{at}", Timestamp=day) for at, day in enumerate(days)))
    report = ledger.import_history("loop", [log], settings=QUIET)
    loop = ledger.loop("loop")
    times = [entry.at for entry in loop.log(kinds=["Ranked"])]
    assert times == sorted(times)
    assert report.first_at == times[0] == times[1] == next(loop.log()).at
    assert report.last_at == times[2]
    assert list(loop.log())[-1].at == ledger.directory.clock.now()
    assert loop.train() == [1]


def test_files_are_read_in_their_order_and_written_down(ledger, tmp_path):
    first = written(tmp_path, b"\xef\xbb\xbf", cb("a"), b"\n", cb("b"), name="first.json")
    second = tmp_path / "second.json.gz"
    second.write_bytes(gzip.compress(written(tmp_path, cb("c"), cb("a")).read_bytes()))
    told = []
    report = ledger.import_history("loop", [first, str(second)], progress=lambda *done: told.append(done))
    loop = ledger.loop("loop")
    assert [entry.event_id for entry in loop.log(kinds=["Ranked"])] == ["a", "b", "c"]
    assert (report.lines, report.decisions, report.repeated) == (4, 3, 1)
    (entry,) = loop.log(kinds=["HistoryImported"])
    event = decode(bytes(entry.body), 1)
    assert isinstance(event, HistoryImported)
    assert [(file.name, file.sha256, file.lines) for file in event.files] == [
        (path.name, sha256(path.read_bytes()).hexdigest(), count) for path, count in ((first, 3), (second, 2))
    ]
    assert (event.decisions, event.left_out) == (3, 1)
    assert told[-1][0] == told[-1][1] == first.stat().st_size + second.stat().st_size


def test_what_is_repeated_is_found_in_other_transactions_too(ledger, tmp_path, monkeypatch):
    monkeypatch.setattr("loopledger.exchange.history._TOGETHER", 2)
    log = written(tmp_path, *(cb(f"e{at % 5}") for at in range(12)))
    report = ledger.import_history("loop", [log])
    assert (report.decisions, report.repeated) == (5, 7)


def test_lines_that_cannot_be_taken_are_counted_and_named(ledger, tmp_path):
    bad = cb("bad", reward=0.5, observed=[observation(0.25)])
    log = written(
        tmp_path, cb("a"), bad, ccb("slots"), b"nonsense\n", cb("b", pdrop=0.5, _label_probability=0.25)
    )
    report = ledger.import_history("loop", [log])
    assert (report.decisions, report.refused, report.weighted) == (2, 3, 1)
    assert [(one.file, one.line) for one in report.refusals] == [("log.json", line) for line in (2, 3, 4)]
    reasons = " ".join(one.reason for one in report.refusals)
    assert "_label_cost" in reasons
    assert "several slots" in reasons
    with pytest.raises(InvalidRequest, match=r"line 2 of log\.json: _label_cost"):
        ledger.import_history("strict", [log], strict=True)
    assert ledger.loops() == ["loop"]


def test_many_refusals_are_counted_and_some_are_named(ledger, tmp_path):
    report = ledger.import_history("loop", [written(tmp_path, cb("a"), *[b"nonsense\n"] * 100)])
    assert (report.refused, len(report.refusals)) == (100, 20)


def test_rewards_without_a_decision_are_kept_and_count_for_nothing(ledger):
    report = ledger.import_history("loop", [sample(CB), sample(DANGLING)], settings=QUIET)
    assert (report.dangling, report.rewards, report.refused) == (5, 15, 0)
    assert ledger.loop("loop").verify().holds


def dangling(event_id, time):
    return {"RewardValue": 1.0, "ActionTaken": False, "EnqueuedTimeUtc": time, "EventId": event_id}


def test_rewards_that_would_change_a_label_are_left_out(ledger, tmp_path, monkeypatch):
    log = written(
        tmp_path,
        dangling("first", "2021-04-24T20:00:00"),
        cb("a", Timestamp="2021-04-24T20:00:00"),
        dangling("a", "2021-04-24T20:05:00"),  # would count
        dangling("b", "2021-04-24T20:06:00"),
        cb("b", Timestamp="2021-04-24T20:07:00"),  # for which it would count
        dangling("c", "2021-04-24T20:07:00"),
        cb("c", Timestamp="2021-04-24T20:10:00"),
        dangling("a", "2021-04-24T20:11:00"),  # too late
    )
    for together in (1, 3, 500):
        monkeypatch.setattr("loopledger.exchange.history._TOGETHER", together)
        report = ledger.import_history(f"loop-{together}", [log], settings=QUIET)
        assert [one.line for one in report.refusals] == [1, 3, 5]
        assert (report.decisions, report.dangling) == (2, 3)
        for example in joined(ledger.loop(f"loop-{together}")):
            assert example.labels[0].rewards == ()


def test_nothing_is_made_when_nothing_can_be_imported(ledger, tmp_path):
    for content in ([], [b"nonsense\n"], [dangling("e", "2021-04-24")]):
        with pytest.raises(InvalidRequest, match="no decision that can be imported"):
            ledger.import_history("loop", [written(tmp_path, *content)])
    damaged = tmp_path / "damaged.gz"
    damaged.write_bytes(
        gzip.compress(written(tmp_path, *(cb(f"e{n}") for n in range(900))).read_bytes())[:-30]
    )
    with pytest.raises(InvalidRequest, match="damaged"):
        ledger.import_history("loop", [damaged])
    with pytest.raises(InvalidRequest, match="binary_to_json"):
        ledger.import_history("loop", [written(tmp_path, b"VWFB\x01\x00\x00\x00")])
    for files in ([tmp_path / "none"], [tmp_path], [7]):
        with pytest.raises(InvalidRequest, match="files"):
            ledger.import_history("loop", files)
    with pytest.raises(InvalidRequest, match="name"):
        ledger.import_history("../x", [sample(CB)])
    with pytest.raises(InvalidRequest, match="refused"):
        ledger.import_history(
            "loop",
            [sample(CB)],
            policy={"name": "p", "arguments": "--cb_explore_adf --cb_type dm --squarecb"},
        )
    assert left_behind(ledger) == []


def test_history_goes_only_into_a_new_loop(ledger):
    ledger.create("loop")
    with pytest.raises(Conflict, match="only into a new one"):
        ledger.import_history("loop", [sample(CB)])


def test_a_loop_of_the_same_name_that_was_made_meanwhile_stays(ledger):
    def make(*_):
        if "loop" not in ledger.loops():
            ledger.create("loop")

    with pytest.raises(Conflict):
        ledger.import_history("loop", [sample(CB)], progress=make)
    assert ledger.loop("loop").status().events == 1
    assert len(left_behind(ledger)) == 1


def test_in_memory_too(clock):
    with loopledger.open(":memory:", clock=clock, workers=1) as ledger:
        ledger.import_history("loop", [sample(CB)], settings=QUIET)
        loop = ledger.loop("loop")
        assert loop.train() == [1]
        assert loop.verify().holds
        with pytest.raises(InvalidRequest):
            ledger.import_history("other", [])
        assert ledger.loops() == ["loop"]


def test_it_trains_by_itself_once_it_is_open(ledger, clock):
    ledger.import_history("loop", [sample(CB)])
    loop = ledger.loop("loop")
    clock.advance(1)
    assert loop.status().published == 1


def test_a_model_that_is_imported_after_it_is_learned_on_from_and_the_history_is_not_again(ledger, clock):
    ledger.import_history("source", [sample(CB)], settings=QUIET)
    source = ledger.loop("source")
    source.train()
    ledger.import_history("loop", [sample(CB)], settings=QUIET)
    loop = ledger.loop("loop")
    loop.import_model(source.model().data)
    assert loop.train() == []
    assert loop.status().waiting_decisions == 0
    decision = loop.rank({"hour": 7}, [{"id": "x"}, {"id": "y"}])
    loop.reward(decision.event_id, 1.0)
    clock.advance(600)
    assert loop.train() == [2]
    assert loop.models()[-1].examples == 1
    assert loop.verify().holds
    # Under another policy the history is what there is to learn from.
    loop.change_policy({"name": "q", "arguments": "--cb_explore_adf -q :i"})
    loop.train()
    assert loop.models()[-1].examples == 21
    loop.change_policy({"name": "r", "arguments": "--cb_explore_adf -q :j"}, relearn=False)
    assert loop.train() == []
    loop.reset_model()
    assert loop.train() == []
    assert loop.verify().holds


def test_what_an_imported_model_knows_is_not_learned_again_without_relearning(ledger):
    ledger.import_history("source", [sample(CB)], settings=QUIET)
    source = ledger.loop("source")
    source.train()
    for change in ("policy", "reset"):
        ledger.import_history(change, [sample(CB)], settings=QUIET)
        loop = ledger.loop(change)
        loop.import_model(source.model().data)
        if change == "policy":
            loop.change_policy({"name": "r", "arguments": "--cb_explore_adf -q :j"}, relearn=False)
        else:
            loop.reset_model()
        assert loop.train() == []
        assert loop.verify().holds


def test_looking_back_works_on_what_was_decided_elsewhere(ledger):
    ledger.import_history("loop", [sample(CB)], settings=QUIET)
    loop = ledger.loop("loop")
    loop.train()
    found = loop.why("0000002")
    assert (found.holds, found.origin, found.drawn[0].number, found.learned_in) == (None, "N/A", None, (1,))
    assert found.drawn[0].action == "Cappuccino"
    assert found.later[0].version == 1
    (model,) = loop.models()
    assert model.examples == 20
    assert loop.as_of(time="2021-04-24T20:02:51.01Z").decisions == 17
    request = json.dumps(
        {"actions": [{"id": name, "features": [{}]} for name in ("Mocha", "Latte", "Cappuccino")]}
    )
    assert loop.rank_as_of(request, time="2021-04-24T20:03").action
    loop.change_policy({"name": "q", "arguments": "--cb_explore_adf --epsilon 0.1 -q :i"})
    loop.train()
    assert loop.diff(1, 2).contexts == 20
    with pytest.raises(loopledger.NotFound):
        loop.bisect(request, "Mocha" if loop.rank_as_of(request).action != "Mocha" else "Latte")
    # The same event id gets what was recorded, or a sentence.
    with pytest.raises(Conflict):
        loop.rank({}, [{"id": "a"}, {"id": "b"}], event_id="0000002")


def test_slots_that_were_decided_elsewhere_can_be_looked_at(ledger):
    ledger.import_history("loop", [sample(CCB)], settings=QUIET)
    loop = ledger.loop("loop")
    loop.train()
    found = loop.why("0000001")
    assert [(drawn.slot, drawn.number) for drawn in found.drawn] == [("MainArticle", None), ("SideBar", None)]


def test_a_decision_that_only_says_so_is_found(ledger):
    """Whoever writes a new chain cannot take a decision out of the check by calling it imported."""
    ledger.import_history("loop", [sample(CB)], settings=QUIET)
    reader = ledger.loop("loop").place.store.reader()
    records = list(reader.records())
    last = records[-1]
    terms = Terms()
    for record in records:
        assert terms.breaches(record, reader) == []
    late = seal(head_of(last), last.at, decode(records[1].body, 2), "late")
    assert "no history goes on" in terms.breaches(late, reader)[0]


def test_our_own_decisions_are_written_as_before(ledger):
    loop = ledger.create("loop", settings=QUIET)
    loop.rank({}, [{"id": "a"}, {"id": "b"}])
    (entry,) = loop.log(kinds=["Ranked"])
    assert b'"origin"' not in bytes(entry.body)
    assert bytes(entry.body).rstrip(b"}").rpartition(b'"context":')[1]
    ledger.import_history("other", [sample(CB)])
    body = next(ledger.loop("other").log(kinds=["Ranked"])).body
    event = decode(bytes(body), 1)
    assert isinstance(event, Decision)
    assert list(json.loads(bytes(body)))[-1] == "context"


async def test_the_async_face(tmp_path, clock):
    async with loopledger.open_async(tmp_path / "data", clock=clock, workers=1) as ledger:
        report = await ledger.import_history("loop", [sample(CB)], settings=QUIET)
        assert report.decisions == 20
        assert await (await ledger.loop("loop")).train() == [1]
