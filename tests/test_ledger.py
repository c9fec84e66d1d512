"""The blocking face: what a program that embeds loops sees."""

import gc
import json
import shutil
import subprocess
import sys
import threading
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from hashlib import sha256

import pytest
from support import GREEDY, SLOTS

import loopledger
from loopledger import Action, Settings, Slot

ACTIONS = {"sports": {"long": 1}, "politics": {"long": 0}, "music": {"long": 0.5}}
QUIET = Settings(model_update_frequency=0)
OTHER = loopledger.LearningPolicy("other", "--cb_explore_adf --epsilon 0.5 -q :i")
pytestmark = pytest.mark.usefixtures("lent")


@pytest.fixture
def ledger(tmp_path, clock):
    with loopledger.open(tmp_path / "data", clock=clock) as ledger:
        yield ledger


@pytest.fixture
def loop(ledger):
    return ledger.create("news", policy=GREEDY, settings=QUIET)


def ask(loop, number):
    return loop.rank({"hour": number % 4}, ACTIONS, event_id=f"event-{number}")


def live(loop, clock, first=0, count=8):
    for number in range(first, first + count):
        decision = ask(loop, number)
        loop.reward(decision.event_id, float(decision.action == "music"))
        clock.advance(1)
    clock.advance(600)
    return loop.train()


def bodies(loop, *kinds):
    return [entry.as_dict()["body"] for entry in loop.log(kinds=kinds)]


def kinds(loop):
    return [entry.kind for entry in loop.log()]


def test_a_data_folder_is_made_and_its_loops_are_named_in_order(ledger, tmp_path):
    assert ledger.loops() == []
    for name in ("b", "a", "c.d-e_f"):
        assert ledger.create(name, settings=QUIET).name == name
    (tmp_path / "data" / "somebody elses").mkdir()
    (tmp_path / "data" / "empty").mkdir()
    (tmp_path / "data" / "file").touch()
    assert ledger.loops() == ["a", "b", "c.d-e_f"]
    assert repr(ledger.loop("b")) == "Loop('b')"
    with pytest.raises(loopledger.NotFound, match="nothing"):
        ledger.loop("nothing")


def test_a_loop_is_made_with_its_policy_and_settings(ledger):
    settings = Settings(reward_wait_time=5, learning_mode="LoggingOnly", model_update_frequency=0)
    loop = ledger.create("news", policy={"name": "p", "arguments": "--cb_explore_adf"}, settings=settings)
    assert loop.settings == settings
    assert loop.status().policy.arguments == "--cb_explore_adf"
    (created,) = bodies(loop, "LoopCreated")
    assert (created["loop_id"], created["settings"]["reward_wait_time"]) == ("news", 5.0)


def test_by_default_a_loop_is_what_personalizer_began_with(ledger):
    loop = ledger.create("news")
    assert loop.status().policy == loopledger.ready_policy("personalizer-default")
    assert loop.settings == Settings()


def test_a_loop_is_made_once(ledger, loop):
    with pytest.raises(loopledger.Conflict, match="news"):
        ledger.create("news")
    again = ledger.loop("news", create=True, policy=OTHER)
    assert again.status().policy == GREEDY
    assert kinds(loop) == ["LoopCreated"]
    assert ledger.loop("blog", create=True, policy=OTHER).status().policy == OTHER


def test_threads_that_want_the_same_new_loop_all_get_it(ledger):
    together = threading.Barrier(6)
    got = []

    def work():
        together.wait()
        got.append(ask(ledger.loop("news", create=True, settings=QUIET), 1))

    run_together([work] * 6)
    assert got == [got[0]] * 6
    assert kinds(ledger.loop("news")) == ["LoopCreated", "Ranked"]


def run_together(tasks):
    threads = [threading.Thread(target=task) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()


def test_a_decision_as_the_caller_sees_it(loop):
    decision = loop.rank({"hour": 7}, ACTIONS, excluded=["politics"], deferred=True)
    assert decision.action in {"sports", "music"}
    assert [action.id for action in decision.ranking][:2] == [decision.action, "politics"]
    assert decision.probability == decision.ranking[0].probability
    assert sum(action.probability for action in decision.ranking) == pytest.approx(1)
    assert decision.model_version == 0
    assert decision.as_dict()["action"] == decision.action
    assert decision.event_id in repr(decision)
    (body,) = bodies(loop, "Ranked")
    assert (body["chosen"], body["excluded"], body["deferred"]) == (decision.action, ["politics"], True)


def test_event_ids_of_our_own_come_in_order_and_once(loop, clock):
    made = []
    for _ in range(20):
        made.append(loop.rank({}, ACTIONS).event_id)
        clock.advance(0.0005)
    assert made == sorted(set(made))
    assert {len(event_id) for event_id in made} == {32}


def test_actions_may_be_objects_of_several_kinds(loop):
    listed = [
        Action("sports", {"long": 1}),
        {"id": "politics", "features": {"long": 0}},
        Action("music", {"long": 0.5}),
    ]
    assert loop.rank({"hour": 1}, listed, event_id="event-1") == ask(loop, 1)


def test_a_repeated_rank_gets_the_recorded_decision(loop, clock):
    first = ask(loop, 1)
    live(loop, clock, 10)
    again = ask(loop, 1)
    assert again == first
    assert (again.model_version, hash(again)) == (0, hash(first))
    assert kinds(loop).count("Ranked") == 9


def test_an_event_id_is_not_used_for_two_requests(loop):
    ask(loop, 1)
    with pytest.raises(loopledger.Conflict, match="event-1"):
        loop.rank({"hour": 2}, ACTIONS, event_id="event-1")
    with pytest.raises(loopledger.Conflict):
        loop.rank({"hour": 1}, ACTIONS, event_id="event-1", deferred=True)
    assert kinds(loop) == ["LoopCreated", "Ranked"]


def as_json(number, **more):
    actions = [{"id": name, "features": [features]} for name, features in ACTIONS.items()]
    context = [{"hour": number % 4}]
    return json.dumps({"contextFeatures": context, "actions": actions, "eventId": f"event-{number}", **more})


def test_json_requests_get_the_same_decisions(loop, clock):
    live(loop, clock)
    for number in range(100, 110):
        asked = loop.rank_json(as_json(number)) if number % 2 else ask(loop, number)
        assert loop.rank_json(as_json(number).encode()) == asked == ask(loop, number)
    answer = loop.rank_json(as_json(200, excludedActions=["music"], deferActivation=True, eventId=None))
    assert answer.action != "music"
    assert bodies(loop, "Ranked")[-1]["deferred"] is True


def test_several_slots(ledger, clock):
    loop = ledger.create("page", policy=SLOTS, settings=QUIET)
    slots = [Slot("top", {"wide": 1}), {"id": "side", "excluded": ["sports"]}]
    decision = loop.rank_slots({"hour": 7}, ACTIONS, slots, event_id="e")
    assert [slot.slot for slot in decision.slots] == ["top", "side"]
    assert len({slot.action for slot in decision.slots}) == 2
    assert decision.slots[1].action != "sports"
    assert decision.as_dict()["slots"][0]["action"] == decision.slots[0].action
    assert "side" in repr(decision)
    assert loop.rank_slots({"hour": 7}, ACTIONS, slots, event_id="e") == decision
    with pytest.raises(loopledger.Conflict):
        loop.rank_slots({"hour": 8}, ACTIONS, slots, event_id="e")
    loop.reward("e", 1.0, slot="top")
    clock.advance(601)
    assert loop.train() == [1]
    assert loop.rank_slots({"hour": 7}, ACTIONS, slots).model_version == 1
    with pytest.raises(loopledger.InvalidRequest, match="rank_slots"):
        loop.rank({}, ACTIONS)


@pytest.mark.parametrize("deferred", ["no", 0, None])
def test_deferred_is_true_or_false(ledger, loop, deferred):
    page = ledger.create("page", policy=SLOTS, settings=QUIET)
    for rank in (
        lambda: loop.rank({"hour": 7}, ACTIONS, deferred=deferred),
        lambda: page.rank_slots({"hour": 7}, ACTIONS, [Slot("top")], deferred=deferred),
    ):
        with pytest.raises(loopledger.InvalidRequest, match="deferred: must be True or False"):
            rank()


@pytest.mark.parametrize("number", [5, 90, 1_767_225_600, 1.5])
def test_a_bare_number_is_no_age_and_no_time(loop, number):
    ask(loop, 1)
    for use in (loop.erase, loop.erasable):
        with pytest.raises(loopledger.InvalidRequest, match="older_than: must be an age such as 90d"):
            use(older_than=number)
    for use in (loop.model, loop.as_of):
        with pytest.raises(
            loopledger.InvalidRequest, match="time: must be a datetime, ISO 8601 text or micro"
        ):
            use(time=number)


def test_rewards_tell_where_they_are_in_the_log(loop, clock):
    ask(loop, 1)
    receipt = loop.reward("event-1", 0.5, key="k")
    assert (receipt.seq, receipt.at) == (3, clock.now())
    clock.advance(1)
    assert loop.reward("event-1", 0.5, key="k") == receipt
    with pytest.raises(loopledger.Conflict, match="key"):
        loop.reward("event-1", 0.75, key="k")
    assert loop.reward("of a decision on its way", 1).seq == 4
    assert bodies(loop, "Rewarded")[0] == {"kind": "Rewarded", "value": 0.5, "slot": None, "key": "k"}


def test_deferred_decisions_count_once_they_are_activated(loop, clock):
    for number in range(4):
        loop.rank({"hour": number}, ACTIONS, event_id=f"event-{number}", deferred=True)
    assert loop.activate("event-2").seq == 6
    clock.advance(601)
    loop.train()
    (trained,) = bodies(loop, "ModelTrained")
    assert (trained["decisions"], trained["examples"]) == (4, 1)


def test_training_publishes_and_going_back_stays(loop, clock):
    assert loop.train() == []
    assert live(loop, clock) == [1]
    assert live(loop, clock, 10) == [2]
    assert ask(loop, 20).model_version == 2
    receipt = loop.publish(1)
    assert receipt.seq == loop.status().events
    assert ask(loop, 21).model_version == 1
    assert live(loop, clock, 30) == [3]
    assert loop.status().published == 1
    loop.publish(3)
    assert ask(loop, 40).model_version == 3


def test_training_tells_how_far_it_is(loop, clock):
    for number in range(600):
        ask(loop, number)
    clock.advance(601)
    told = []
    loop.train(lambda done, total: told.append((done, total)))
    assert told == [(500, 600)]


def test_a_new_policy_relearns_the_past(loop, clock):
    live(loop, clock)
    loop.change_policy(OTHER)
    assert loop.status().policy == OTHER
    assert ask(loop, 20).model_version == 1
    assert loop.train() == [2]
    assert loop.model(2).policy.arguments == OTHER.arguments
    assert (loop.model(2).parent, loop.model(2).first) == (0, loop.model(1).first)


def test_a_new_policy_can_leave_the_past_alone(loop, clock):
    live(loop, clock)
    loop.change_policy({"name": "other", "arguments": OTHER.arguments}, relearn=False)
    assert loop.train() == []
    assert live(loop, clock, 10, 3) == [2]
    assert bodies(loop, "ModelTrained")[1]["decisions"] == 3


def test_a_policy_that_the_engine_refuses_is_not_put_in_force(ledger, loop):
    refused = {"name": "p", "arguments": "--cb_explore_adf --cb_type dm --squarecb"}
    for use in (loop.change_policy, lambda policy: ledger.create("other", policy=policy)):
        with pytest.raises(loopledger.InvalidRequest) as caught:
            use(refused)
        assert caught.value.field == "policy.arguments"
    assert ledger.loops() == ["news"]
    assert kinds(loop) == ["LoopCreated"]


def test_settings_change_by_name(loop):
    changed = loop.change_settings(reward_wait_time=5, limits={"actions": 2})
    assert loop.settings == changed
    assert (changed.reward_wait_time, changed.limits.actions, changed.limits.slots) == (5, 2, 50)
    with pytest.raises(loopledger.InvalidRequest, match=r"limits\.actions"):
        ask(loop, 1)


def test_without_a_model_every_action_is_alike_again(loop, clock):
    live(loop, clock)
    loop.reset_model()
    decision = ask(loop, 20)
    assert decision.model_version == 0
    assert [action.probability for action in decision.ranking] == pytest.approx([1 / 3] * 3)
    assert live(loop, clock, 30) == [2]
    assert loop.model(2).parent == 0


def test_a_model_can_move_to_another_loop(ledger, loop, clock):
    live(loop, clock)
    model = loop.model()
    other = ledger.create("other", policy=GREEDY, settings=QUIET)
    other.import_model(model.data)
    imported = other.model()
    assert (imported.version, imported.sha256, imported.data) == (1, model.sha256, model.data)
    assert (imported.parent, imported.first, imported.examples) == (0, None, 0)
    ranking = {action.id: action.probability for action in ask(other, 3).ranking}
    assert ranking == {action.id: action.probability for action in ask(loop, 3000 + 3).ranking}
    with pytest.raises(loopledger.LearnerFailed):
        other.import_model(b"rubbish")
    assert live(other, clock, 10) == [2]
    assert other.model(2).parent == 1


def test_models_of_any_moment(loop, clock, tmp_path):
    begun = datetime.fromtimestamp(clock.now() / 1e6, UTC)
    live(loop, clock)
    live(loop, clock, 10)
    one, two = loop.model(1), loop.model(2)
    assert loop.model() == two
    assert (two.parent, two.examples, one.first, one.last) == (1, 8, 2, 16)
    assert sha256(one.data).hexdigest() == one.sha256 == bodies(loop, "ModelTrained")[0]["sha256"]
    assert [loop.model(seq=seq).version for seq in (one.seq + 1, two.seq, two.seq + 1)] == [1, 1, 2]
    published = begun + timedelta(seconds=608)
    same = (published.replace(tzinfo=None), published.isoformat(), clock.now() - 608_000_000)
    for moment in (published, *same):
        assert loop.model(time=moment).version == 1
    assert loop.model(time=datetime.max).version == 2
    assert "data" not in one.as_dict()
    assert one.as_dict()["size"] == len(one.data)
    assert one.sha256[:16] in repr(one)
    for nowhere in ({"version": 3}, {"seq": 1}, {"seq": 10_000}, {"time": begun}, {"time": "1999-01-01"}):
        with pytest.raises(loopledger.NotFound):
            loop.model(**nowhere)
    shutil.rmtree(tmp_path / "data" / "news" / "models")
    told = []
    assert loop.model(2, progress=lambda done, total: told.append((done, total))) == two
    assert told == [(8, 16), (16, 16)]


def test_status(loop, clock):
    live(loop, clock)
    ask(loop, 20)
    status = loop.status()
    assert (status.name, status.events) == ("news", 20)
    assert status.counts == {
        "LoopCreated": 1,
        "Ranked": 9,
        "Rewarded": 8,
        "ModelTrained": 1,
        "ModelPublished": 1,
    }
    assert (status.published, status.versions, status.learned_through, status.waiting_decisions) == (
        1,
        1,
        16,
        1,
    )
    assert (status.policy, status.settings, status.at) == (GREEDY, QUIET, clock.now())
    assert len(status.digest) == 64


def test_the_log_is_read_by_range_kind_and_event_id(loop):
    for number in range(3):
        ask(loop, number)
        loop.reward(f"event-{number}", 1.0)

    def seqs(**which):
        return [entry.seq for entry in loop.log(**which)]

    assert seqs() == [1, 2, 3, 4, 5, 6, 7]
    assert seqs(first=3, last=5) == [3, 4, 5]
    assert seqs(kinds=["Rewarded"]) == [3, 5, 7]
    assert seqs(kinds=("Ranked", "LoopCreated"), last=3) == [1, 2]
    assert seqs(kinds=[]) == []
    assert seqs(event_id="event-1") == [4, 5]
    assert seqs(event_id="event-1", kinds=["Ranked"]) == [4]
    entry = next(loop.log(first=4))
    assert (entry.kind, entry.event_id) == ("Ranked", "event-1")
    assert entry.as_dict()["body"]["actions"] == list(ACTIONS)


def test_verification_holds(loop, clock):
    live(loop, clock)
    live(loop, clock, 10)
    told = []
    verification = loop.verify(lambda done, total: told.append((done, total)))
    assert verification.holds
    assert (verification.loop, verification.digest) == ("news", loop.status().digest)
    findings = verification.findings
    assert (findings.events, findings.versions, findings.decisions) == (loop.status().events, 2, 16)
    assert told[-1][0] == told[-1][1]


def test_in_memory_it_is_the_same(clock):
    with loopledger.open(":memory:", clock=clock) as ledger:
        loop = ledger.create("news", policy=GREEDY, settings=QUIET)
        assert live(loop, clock) == [1]
        assert loop.model().version == ask(loop, 20).model_version == 1
        assert loop.verify().holds
        assert ledger.loops() == ["news"]
        assert ledger.loop("news").status().events == 20


class Colour(str, Enum):  # noqa: UP042 - the older way of writing it, whose str() is another
    RED = "red"
    BLUE = "blue"


class Text(str):
    __slots__ = ()


def test_names_of_a_class_of_their_own_are_taken_for_what_they_say(loop):
    decision = loop.rank(
        {}, {Colour.RED: {}, Text("green"): {}, "x": {}}, event_id=Text("e"), excluded=[Text("x")]
    )
    assert type(decision.action) is str
    loop.reward(Text("e"), 1.0, slot=Text("s"), key=Colour.BLUE)
    loop.activate(Text("e"))
    assert bodies(loop, "Ranked")[0]["actions"] == ["red", "green", "x"]
    assert bodies(loop, "Rewarded")[0]["key"] == "blue"
    assert [entry.event_id for entry in loop.log(event_id="e")] == ["e"] * 3


BAD_NAMES = [
    "",
    ".",
    "..",
    "../up",
    "a/b",
    "a\\b",
    ".hidden",
    "-x",
    "a b",
    "a\x00",
    "x" * 65,
    "ü",
    None,
    7,
    [],
    b"x",
]


@pytest.mark.parametrize("name", BAD_NAMES, ids=repr)
def test_names_that_no_loop_may_have(ledger, tmp_path, name):
    for use in (ledger.create, ledger.loop, lambda name: ledger.loop(name, create=True)):
        with pytest.raises(loopledger.InvalidRequest) as caught:
            use(name)
        assert caught.value.field == "name"
    assert list((tmp_path / "data").iterdir()) == []


BAD_CALLS = {
    "context": [lambda loop: loop.rank("x", ACTIONS), lambda loop: loop.rank([1], ACTIONS)],
    "actions": [
        lambda loop: loop.rank({}, None),
        lambda loop: loop.rank({}, {}),
        lambda loop: loop.rank({}, "ab"),
    ],
    "event_id": [
        lambda loop: loop.rank({}, ACTIONS, event_id=7),
        lambda loop: loop.rank({}, ACTIONS, event_id=""),
        lambda loop: loop.reward(None, 1.0),
        lambda loop: loop.activate([]),
    ],
    "excluded": [
        lambda loop: loop.rank({}, ACTIONS, excluded=["x"]),
        lambda loop: loop.rank({}, ACTIONS, excluded=7),
        lambda loop: loop.rank({}, ACTIONS, excluded=ACTIONS),
    ],
    "request": [
        lambda loop: loop.rank_json(None),
        lambda loop: loop.rank_json({"actions": []}),
        lambda loop: loop.rank_json(memoryview(b"{}")),
        lambda loop: loop.rank_json("{"),
    ],
    "slots": [lambda loop: loop.rank_slots({}, ACTIONS, None), lambda loop: loop.rank_slots({}, ACTIONS, [])],
    "rank_slots": [lambda loop: loop.rank_slots({}, ACTIONS, [Slot("s")])],
    "value": [
        lambda loop: loop.reward("e", "1"),
        lambda loop: loop.reward("e", float("nan")),
        lambda loop: loop.reward("e", 2),
    ],
    "slot": [lambda loop: loop.reward("e", 1.0, slot=7)],
    "key": [lambda loop: loop.reward("e", 1.0, key="")],
    "policy": [lambda loop: loop.change_policy("recommended"), lambda loop: loop.change_policy({})],
    "policy.arguments --final_regressor": [
        lambda loop: loop.change_policy(
            {"name": "p", "arguments": "--cb_explore_adf --final_regressor /tmp/x"}
        )
    ],
    "settings": [
        lambda loop: loop.change_settings(nothing=1),
        lambda loop: loop.change_settings(reward_wait_time=object()),
        lambda loop: loop.change_settings(limits={7: 7}),
    ],
    "reward_wait_time": [lambda loop: loop.change_settings(reward_wait_time=-1)],
    "version": [
        lambda loop: loop.publish("1"),
        lambda loop: loop.publish(version=True),
        lambda loop: loop.publish(None),
        lambda loop: loop.publish(1.0),
        lambda loop: loop.model("1"),
    ],
    "seq": [lambda loop: loop.model(seq="1")],
    "time": [
        lambda loop: loop.model(time="yesterday"),
        lambda loop: loop.model(time=1.5),
        lambda loop: loop.model(time=date(2026, 1, 1)),
    ],
    "model": [lambda loop: loop.import_model(None), lambda loop: loop.import_model("x")],
    "first": [lambda loop: list(loop.log(first="1")), lambda loop: list(loop.log(first=None))],
    "last": [lambda loop: list(loop.log(last=1.5))],
    "kinds": [lambda loop: list(loop.log(kinds="Ranked")), lambda loop: list(loop.log(kinds=[7]))],
}


@pytest.mark.parametrize("field", BAD_CALLS)
def test_bad_input_is_named_and_changes_nothing(loop, clock, field):
    live(loop, clock, count=1)
    before = loop.status()
    for call in BAD_CALLS[field]:
        with pytest.raises(loopledger.InvalidRequest) as caught:
            call(loop)
        assert caught.value.field.split("[")[0] == field
    assert loop.status() == before
    assert ask(loop, 20).model_version == 1


@pytest.mark.parametrize("version", [0, -1, 2, 2**31, 2**70])
def test_versions_that_there_are_none_of(loop, clock, version):
    live(loop, clock, count=1)
    for use in (loop.publish, loop.model):
        with pytest.raises(loopledger.NotFound, match=str(version)):
            use(version)


def test_a_change_that_is_not_quite_a_bool_does_not_spoil_the_log(loop, clock):
    loop.change_policy(OTHER, relearn="yes")
    assert bodies(loop, "PolicyChanged")[0]["relearn"] is True
    assert loop.verify().holds
    assert live(loop, clock) == [1]


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"settings": {"reward_wait_time": 5}}, "settings"),
        ({"settings": Settings(reward_wait_time="5")}, "settings"),
        ({"settings": Settings(reward_wait_time=object())}, "settings"),
        ({"settings": Settings(reward_wait_time=0)}, "reward_wait_time"),
        ({"policy": {}}, "policy"),
        ({"policy": "softmax"}, "policy"),
        ({"policy": loopledger.LearningPolicy(7, 7)}, "policy"),
        ({"policy": loopledger.LearningPolicy("p", "")}, "policy.arguments"),
    ],
)
def test_loops_that_cannot_be_made(ledger, arguments, field):
    with pytest.raises(loopledger.InvalidRequest) as caught:
        ledger.create("news", **arguments)
    assert caught.value.field == field
    assert ledger.loops() == []


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"folder": __file__}, "folder"),
        ({"folder": None}, "folder"),
        ({"folder": "a\x00b"}, "folder"),
        ({"workers": 0}, "workers"),
        ({"workers": "two"}, "workers"),
        ({"open_loops": -1}, "open_loops"),
        ({"most_waiting": None}, "most_waiting"),
    ],
)
def test_ledgers_that_cannot_be_opened(arguments, field):
    with pytest.raises(loopledger.InvalidRequest) as caught:
        loopledger.open(**{"folder": ":memory:", **arguments})
    assert caught.value.field == field


def test_after_closing_nothing_is_taken(ledger, loop):
    ask(loop, 1)
    ledger.close()
    ledger.close()
    for use in (
        lambda: ask(loop, 1),
        lambda: loop.rank_json(as_json(1)),
        lambda: loop.reward("event-1", 1.0),
        loop.train,
        lambda: loop.change_policy(OTHER),
        lambda: loop.change_settings(reward_wait_time=5),
        lambda: loop.settings,
        lambda: loop.import_model(b"x"),
        lambda: ledger.create("other"),
        lambda: ledger.loop("news"),
    ):
        with pytest.raises(loopledger.LoopStopped, match="closed"):
            use()
    assert ledger.loops() == ["news"]


def test_a_loop_keeps_its_ledger_open(tmp_path, clock):
    loop = loopledger.open(tmp_path, clock=clock).create("news", settings=QUIET)
    gc.collect()
    assert ask(loop, 1) == ask(loop, 1)
    del loop
    gc.collect()
    with loopledger.open(tmp_path, clock=clock) as ledger:  # the writer's lock is free again
        assert kinds(ledger.loop("news")) == ["LoopCreated", "Ranked"]


@pytest.mark.faults
def test_reopened_from_nothing_but_the_log_it_answers_exactly_as_before(tmp_path, clock):
    with loopledger.open(tmp_path / "data", clock=clock) as ledger:
        loop = ledger.create("news", policy=GREEDY, settings=QUIET)
        live(loop, clock)
        loop.change_settings(minimum_probability=0.005)
        live(loop, clock, 10)
        loop.publish(1)
    bare = tmp_path / "bare" / "news"
    bare.mkdir(parents=True)
    shutil.copy(tmp_path / "data" / "news" / "log.db", bare)
    answers, statuses = [], []
    for folder in ("data", "bare"):
        with loopledger.open(tmp_path / folder, clock=clock) as ledger:
            loop = ledger.loop("news")
            statuses.append(loop.status())
            answers.append([ask(loop, number) for number in (*range(12), *range(100, 112))])
            statuses.append((loop.status(), loop.settings, loop.model(), loop.model(2)))
    assert answers[0] == answers[1]
    assert {answer.model_version for answer in answers[0]} == {0, 1}
    # Digests chain everything that was written meanwhile, byte for byte.
    assert statuses[0] == statuses[2]
    assert statuses[1] == statuses[3]


def test_threads_share_a_loop(loop):
    answers = {}

    def work(number):
        for step in range(10):
            decision = loop.rank({"hour": number}, ACTIONS, event_id=f"{number}-{step}")
            answers[decision.event_id] = decision
            loop.reward(decision.event_id, 1.0)

    run_together([lambda number=number: work(number) for number in range(8)])
    assert len(answers) == 80
    assert [entry.seq for entry in loop.log()] == list(range(1, 162))
    for event_id, decision in answers.items():
        assert loop.rank({"hour": int(event_id[0])}, ACTIONS, event_id=event_id) == decision


FORGETFUL = """
import sys, loopledger
loop = loopledger.open(sys.argv[1]).create("news")
print(loop.rank({}, {"a": {}, "b": {}}, event_id="e").action)
"""


@pytest.mark.faults
def test_a_program_that_forgets_to_close_ends_and_loses_nothing(tmp_path):
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", FORGETFUL, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert ran.stderr == ""
    with loopledger.open(tmp_path) as ledger:
        assert ledger.loop("news").rank({}, {"a": {}, "b": {}}, event_id="e").action == ran.stdout.strip()


def test_a_policy_that_changes_while_a_model_is_tried_is_a_conflict(loop, clock, monkeypatch):
    live(loop, clock)
    model = loop.model().data
    trainer = loop._session().trainer
    scorer = trainer._learner.scorer

    def meanwhile(policy, tried):
        monkeypatch.undo()
        loop.change_policy(OTHER)
        return scorer(policy, tried)

    monkeypatch.setattr(trainer._learner, "scorer", meanwhile)
    with pytest.raises(loopledger.Conflict, match="import it again"):
        loop.import_model(model)
    assert "ModelImported" not in kinds(loop)


@pytest.mark.parametrize(
    "context",
    [
        b'[{"a":1}],"Foo":{"b":[1,[2]]}',
        b'[]},{"i":{"constant":1,"id":"x"},"j":[{"z":1}]}',
        b'[{"\\u005flabel_cost":3}]',
        b'[{"\\u0080":{"a":1,"b":2}}]',
        b"[{}]]",
        b"1,",
    ],
)
def test_json_that_the_caller_puts_in_cannot_close_what_it_stands_in(loop, context):
    import msgspec

    raw = msgspec.Raw(context)
    for features in (raw, {"x": raw}, [{"x": raw}]):
        for given in (
            {"context": features, "actions": ACTIONS},
            {"context": {}, "actions": {"a": features, "b": {}}},
        ):
            try:
                loop.rank(**given)
            except loopledger.InvalidRequest:
                continue
            logged = bodies(loop, "Ranked")[-1]["context"]
            assert set(logged) == {"FromUrl", "_multi"}
            assert len(logged["_multi"]) == len(given["actions"])
            assert b"label" not in msgspec.json.encode(logged)
    assert loop.verify().holds


@pytest.mark.parametrize(
    "request_",
    [
        b'{"actions":[{"id":"a","features":[{"x":1e999,"y":"\\n"}]}]}',
        b'{"actions":[{"id":"a","features":[{"x":' + b"9" * 5000 + b',"y":"\\n"}]}]}',
        b"\xff\xfe\\n",
        '{"actions":[{"id":"\ud800"}]}',
    ],
)
def test_json_that_nothing_can_be_made_of(loop, request_):
    with pytest.raises(loopledger.InvalidRequest):
        loop.rank_json(request_)


class Hostile:
    def __getattr__(self, name):
        raise RuntimeError("no")


@pytest.mark.parametrize(
    "call",
    [
        lambda loop: loop.change_policy({"name": "\ud800", "arguments": "--cb_explore_adf"}),
        lambda loop: loop.change_settings(reward_aggregation="\ud800"),
        lambda loop: loop.change_settings(**{"\ud800": 1}),
        lambda loop: list(loop.log(event_id="\ud800")),
        lambda loop: list(loop.log(kinds=[[]])),
        lambda loop: loop.rank({"x": Hostile()}, ACTIONS),
    ],
)
def test_what_cannot_be_used_is_named(loop, call):
    with pytest.raises(loopledger.InvalidRequest):
        call(loop)


def test_excluded_ids_in_an_array_of_another_library(loop):
    numpy = pytest.importorskip("numpy")
    decision = loop.rank({}, ACTIONS, excluded=numpy.array(["sports", "music"]))
    assert decision.action == "politics"
    assert loop.rank({}, ACTIONS, excluded=numpy.array([], dtype=str)).action in ACTIONS


def test_the_data_folder_is_where_it_was_when_it_was_opened(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    with loopledger.open("data") as ledger:
        loop = ledger.create("news", settings=QUIET)
        monkeypatch.chdir(tmp_path / "elsewhere")
        loop.rank({}, ACTIONS)
        assert loop.status().counts["Ranked"] == 1
        assert ledger.loops() == ["news"]


def test_settings_that_stay_as_they_are_do_not_put_training_off(tmp_path, clock):
    with loopledger.open(tmp_path / "data", clock=clock) as ledger:
        loop = ledger.create("news", policy=GREEDY, settings=Settings(model_update_frequency=300))
        ask(loop, 1)
        for _ in range(10):
            clock.advance(200)
            loop.change_settings(model_update_frequency=300, default_reward=0.5)
        assert loop.status().versions > 0


class Vague(loopledger.SimulatedClock):
    def now(self):
        return float(super().now())


def test_a_clock_that_tells_fractions_does_no_harm(tmp_path):
    with loopledger.open(tmp_path / "data", clock=Vague()) as ledger:
        ask(ledger.create("news", settings=QUIET), 1)
    with loopledger.open(tmp_path / "data", clock=Vague()) as ledger:
        assert ledger.loop("news").verify().holds
