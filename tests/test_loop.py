import json

import pytest
from support import ACTIONS, GREEDY, SLOTS, Bench, context_of, on_disk

from loopledger.commands import (
    Activate,
    ChangePolicy,
    ChangeSettings,
    PlanTraining,
    PublishModel,
    Rank,
    RankSlots,
    ResetModel,
    Reward,
    Train,
)
from loopledger.deciding.request import Slot, read_slots
from loopledger.errors import Conflict, InvalidRequest, LearnerFailed, LoopInUse, NotFound
from loopledger.learning.training import Step
from loopledger.policy import LearningPolicy
from loopledger.settings import Limits, Settings


def rank(event_id="e", named=True, context=None, actions=("a", "b", "c"), excluded=(), deferred=False):
    offered = {name: ACTIONS.get(name, {}) for name in actions if name not in excluded}
    return Rank(
        event_id,
        named,
        context_of(context or {"hour": 7}, offered),
        tuple(actions),
        tuple(excluded),
        deferred,
    )


@pytest.fixture(params=["memory", "disk"])
def bench(request, tmp_path):
    return Bench(on_disk(tmp_path) if request.param == "disk" else None)


def bodies(bench, kind):
    return [json.loads(record.body) for record in bench.records(kind)]


def test_a_decision_is_logged_as_it_was_made(bench):
    decision = bench.do(rank(excluded=("b",), deferred=True))
    (body,) = bodies(bench, "Ranked")
    assert body["actions"] == ["a", "b", "c"]
    assert body["excluded"] == ["b"]
    assert body["context"] == json.loads(context_of({"hour": 7}, {"a": ACTIONS["a"], "c": ACTIONS["c"]}))
    assert body["chosen"] == decision.action
    assert body["deferred"] is True
    assert (body["model_version"], body["learning_mode"], body["reward_wait"]) == (0, "Online", 600_000_000)
    assert sorted(body["ranked"]) == [0, 1]


def test_excluded_actions_keep_their_place_with_probability_zero(bench):
    for number in range(30):
        decision = bench.do(rank(f"e{number}", excluded=("b",)))
        ids = [action.id for action in decision.ranking]
        assert ids[1] == "b"
        assert decision.ranking[1].probability == 0.0
        assert ids[0] == decision.action
        assert sum(action.probability for action in decision.ranking) == pytest.approx(1.0)


def test_the_first_action_excluded_leaves_the_choice_second(bench):
    decision = bench.do(rank(excluded=("a",)))
    assert decision.ranking[0].id == "a"
    assert decision.ranking[1].id == decision.action


def test_a_repeated_rank_gets_the_recorded_answer(bench):
    first = bench.do(rank())
    bench.reopen()
    assert bench.do(rank()) == first
    assert bench.kinds() == ["LoopCreated", "Ranked"]
    reordered = Rank(
        "e",
        True,
        json.dumps(json.loads(context_of({"hour": 7})), indent=1).encode(),
        ("a", "b", "c"),
        (),
        False,
    )
    assert bench.do(reordered) == first


@pytest.mark.parametrize(
    "other",
    [
        rank(context={"hour": 8}),
        rank(actions=("a", "c", "b")),
        rank(excluded=("b",)),
        rank(deferred=True),
        RankSlots("e", True, context_of({"hour": 7}), ("a", "b", "c"), (), False),
    ],
)
def test_an_event_id_is_not_used_for_another_request(bench, other):
    bench.do(rank())
    with pytest.raises((Conflict, InvalidRequest)):
        bench.do(other)
    assert bench.kinds() == ["LoopCreated", "Ranked"]


def test_repetitions_within_one_batch(bench):
    answers = bench.loop.execute([rank(), rank(), rank(context={"hour": 8}), Activate("e")])
    assert answers[0] == answers[1]
    assert isinstance(answers[2], Conflict)
    assert bench.kinds() == ["LoopCreated", "Ranked", "Activated"]


def test_a_failing_command_leaves_nothing_and_disturbs_nobody(bench):
    answers = bench.loop.execute([rank("e1"), Reward("e1", 7.0), Reward("e1", 0.5), rank("e2")])
    assert isinstance(answers[1], InvalidRequest)
    assert bench.kinds() == ["LoopCreated", "Ranked", "Rewarded", "Ranked"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1.5, -1.5, True, "1", None, 10**30])
def test_rewards_that_are_refused(bench, value):
    with pytest.raises(InvalidRequest) as caught:
        bench.do(Reward("e", value))
    assert caught.value.field == "value"
    assert bench.kinds() == ["LoopCreated"]


def test_reward_range_is_a_setting(bench):
    bench.do(ChangeSettings({"reward_range": [0, 100]}))
    bench.do(Reward("e", 99.5))
    with pytest.raises(InvalidRequest):
        bench.do(Reward("e", -0.5))


def test_idempotency_keys(bench):
    first = bench.do(Reward("e", 0.5, None, "k"))
    assert bench.do(Reward("e", 0.5, None, "k")) == first
    with pytest.raises(Conflict):
        bench.do(Reward("e", 0.6, None, "k"))
    other = bench.do(Reward("e", 0.5, "slot", "k"))
    assert other != first
    answers = bench.loop.execute(
        [Reward("f", 0.5, None, "k"), Reward("f", 0.5, None, "k"), Reward("f", 0.1, None, "k")]
    )
    assert answers[0] == answers[1]
    assert isinstance(answers[2], Conflict)
    assert bench.kinds().count("Rewarded") == 3


def test_rewards_for_unknown_ids_are_logged(bench):
    receipt = bench.do(Reward("nobody", 1.0))
    assert (receipt.seq, receipt.at) == (2, bench.clock.now())


@pytest.mark.parametrize(
    "command", [Reward("", 1.0), Reward("e", 1.0, "x" * 300), Reward("e", 1.0, None, ""), Activate("\n")]
)
def test_ids_are_checked(bench, command):
    with pytest.raises(InvalidRequest):
        bench.do(command)


def test_apprentice_returns_the_first_action_and_logs_the_models(bench):
    bench.do(ChangeSettings({"learning_mode": "Apprentice"}))
    chosen = set()
    for number in range(30):
        decision = bench.do(rank(f"e{number}", excluded=("a",)))
        assert decision.action == "b"
        assert [action.id for action in decision.ranking] == ["a", "b", "c"]
    chosen = {body["chosen"] for body in bodies(bench, "Ranked")}
    assert chosen == {"b", "c"}


def test_logging_only_logs_the_first_action(bench):
    bench.do(ChangeSettings({"learning_mode": "LoggingOnly"}))
    for number in range(10):
        assert bench.do(rank(f"e{number}")).action == "a"
    assert {body["chosen"] for body in bodies(bench, "Ranked")} == {"a"}
    assert all(body["ranked"] == [0, 1, 2] for body in bodies(bench, "Ranked"))


def test_settings_change_by_name(bench):
    settings = bench.do(ChangeSettings({"reward_wait_time": 5, "limits": {"actions": 10}}))
    assert (settings.reward_wait_time, settings.limits.actions, settings.limits.slots) == (5.0, 10, 50)
    assert bench.loop.state.settings == settings
    assert bench.do(ChangeSettings({"reward_wait_time": 5})) == settings
    assert bench.kinds().count("SettingsChanged") == 1
    with pytest.raises(InvalidRequest):
        bench.do(ChangeSettings({"reward_wait_time": -5}))
    with pytest.raises(InvalidRequest):
        bench.do(ChangeSettings({"nope": 1}))


def test_exploration_cannot_become_unsaid_where_the_policy_says_nothing():
    bench = Bench(policy=LearningPolicy("p", "--cb_explore_adf"))
    bench.do(ChangeSettings({"exploration_percentage": 0.3}))
    assert bench.loop.state.effective_policy.arguments.endswith("--epsilon 0.3")
    with pytest.raises(InvalidRequest):
        bench.do(ChangeSettings({"exploration_percentage": None}))
    bench.do(ChangePolicy(GREEDY, relearn=True))
    bench.do(ChangeSettings({"exploration_percentage": None}))


def learned(bench, count=5, first=0):
    for number in range(first, first + count):
        bench.do(rank(f"e{number}"))
        bench.do(Reward(f"e{number}", float(number % 2)))
        bench.clock.advance(1)
    bench.clock.advance(600)
    return bench.train()


def test_training_publishes_and_decisions_use_it(bench):
    assert bench.train() == []
    assert learned(bench) == [1]
    assert bench.do(rank("later")).model_version == 1
    assert bench.kinds()[-3:] == ["ModelTrained", "ModelPublished", "Ranked"]
    (trained,) = bodies(bench, "ModelTrained")
    assert (trained["parent"], trained["decisions"], trained["examples"]) == (0, 5, 5)
    assert (trained["first"], trained["last"]) == (2, 10)
    assert learned(bench, 3, 10) == [2]
    assert bodies(bench, "ModelTrained")[1]["parent"] == 1


def test_open_windows_hold_back_what_comes_after(bench):
    bench.do(ChangeSettings({"reward_wait_time": 1000}))
    bench.do(rank("long"))
    bench.do(ChangeSettings({"reward_wait_time": 10}))
    bench.do(rank("short"))
    bench.clock.advance(11)
    assert bench.train() == []
    bench.clock.advance(988)
    assert bench.train() == []
    bench.clock.advance(1)
    assert bench.train() == [1]
    assert bodies(bench, "ModelTrained")[0]["decisions"] == 2


def test_a_long_wait_after_a_short_one_holds_back_only_itself(bench):
    bench.do(ChangeSettings({"reward_wait_time": 10}))
    bench.do(rank("short"))
    bench.do(ChangeSettings({"reward_wait_time": 1000}))
    bench.do(rank("long"))
    bench.clock.advance(20)
    assert bench.train() == [1]
    assert bodies(bench, "ModelTrained")[0]["decisions"] == 1
    bench.clock.advance(1000)
    assert bench.train() == [2]


def test_steps_are_cut_at_the_checkpoint_interval():
    bench = Bench(settings=Settings(checkpoint_interval=4))
    assert learned(bench, 10) == [1, 2, 3]
    assert [body["decisions"] for body in bodies(bench, "ModelTrained")] == [4, 4, 2]


def test_relearning_under_another_policy_publishes_when_it_has_caught_up():
    bench = Bench(settings=Settings(checkpoint_interval=4))
    learned(bench, 10)
    bench.do(ChangePolicy(LearningPolicy("other", "--cb_explore_adf --epsilon 0.5"), relearn=True))
    assert bench.loop.state.published == 3
    assert bench.do(rank("meanwhile")).model_version == 3
    assert bench.train() == [4, 5, 6]
    assert [body["version"] for body in bodies(bench, "ModelPublished")] == [1, 2, 3, 6]
    trained = bodies(bench, "ModelTrained")
    assert [body["parent"] for body in trained[3:]] == [0, 4, 5]
    assert trained[3]["first"] == trained[0]["first"]


def test_a_new_policy_without_relearning_starts_after_the_past():
    bench = Bench()
    learned(bench, 4)
    bench.do(ChangePolicy(LearningPolicy("other", "--cb_explore_adf --epsilon 0.5"), relearn=False))
    assert bench.train() == []
    assert bench.loop.state.published == 1
    assert learned(bench, 2, 10) == [2]
    assert bodies(bench, "ModelTrained")[1]["parent"] == 0
    assert bodies(bench, "ModelTrained")[1]["decisions"] == 2


def test_a_change_of_exploration_makes_a_version_at_once():
    bench = Bench()
    learned(bench, 4)
    bench.do(ChangeSettings({"exploration_percentage": 0.75}))
    assert bench.train() == [2]
    trained = bodies(bench, "ModelTrained")[1]
    assert trained["first"] is None
    assert trained["policy"]["arguments"].endswith("--epsilon 0.75")
    assert bench.train() == []


def test_going_back_stays_there(bench):
    learned(bench, 2)
    learned(bench, 2, 10)
    bench.trainer.publish(1)
    assert bench.do(rank("back")).model_version == 1
    assert learned(bench, 2, 20) == [3]
    assert bench.loop.state.published == 1
    bench.reopen()
    assert bench.do(rank("still back")).model_version == 1
    bench.trainer.publish(3)
    assert learned(bench, 2, 30) == [4]
    assert bench.loop.state.published == 4


def test_versions_that_do_not_exist_are_not_published(bench):
    learned(bench, 2)
    for version in (0, 2, -1):
        with pytest.raises(NotFound):
            bench.do(PublishModel(version))
        with pytest.raises(NotFound):
            bench.trainer.publish(version)


def test_reset_goes_back_to_no_model_and_learns_what_comes(bench):
    learned(bench, 3)
    bench.do(ResetModel())
    assert bench.do(rank("blank")).model_version == 0
    assert learned(bench, 2, 10) == [2]
    trained = bodies(bench, "ModelTrained")[1]
    assert (trained["parent"], trained["decisions"]) == (0, 3)


def test_an_imported_model_is_in_the_log_and_learned_on_from(bench):
    learned(bench, 3)
    model = b"tiny" + bytes(32)
    bench.trainer.import_model(bench.loop.state, model)
    assert bench.do(rank("imported")).model_version == 2
    assert learned(bench, 2, 10) == [3]
    assert bodies(bench, "ModelTrained")[1]["parent"] == 2
    bench.place.checkpoints.drop_model(2)
    bench.place.checkpoints.drop_model(3)
    bench.reopen()
    assert bench.do(rank("again")).model_version == 3
    with pytest.raises(LearnerFailed):
        bench.trainer.import_model(bench.loop.state, b"rubbish")


def test_another_kind_of_decision():
    bench = Bench()
    learned(bench, 3)
    with pytest.raises(InvalidRequest):
        bench.do(RankSlots("s", True, b"{}", ("a",), (), False))
    bench.do(ChangePolicy(SLOTS, relearn=True))
    assert bench.loop.state.published == 0
    with pytest.raises(InvalidRequest):
        bench.do(rank("x"))
    terms = tuple(term for _, term in read_slots([Slot("s"), Slot("t")], ("a", "b", "c"), Limits()))
    context = context_of({}, slots=[Slot("s"), Slot("t")])
    decision = bench.do(RankSlots("slots", True, context, ("a", "b", "c"), terms, False))
    assert len({slot.action for slot in decision.slots}) == 2
    assert bench.do(RankSlots("slots", True, context, ("a", "b", "c"), terms, False)) == decision
    with pytest.raises(Conflict):
        bench.do(RankSlots("slots", True, context, ("a", "b", "c"), terms, True))
    bench.clock.advance(601)
    assert bench.train() == [2]
    assert bodies(bench, "ModelTrained")[1]["decisions"] == 1
    with pytest.raises(Conflict):
        bench.do(PublishModel(1))


def test_a_plan_that_was_overtaken_is_refused(bench):
    learned(bench, 2)
    bench.do(rank("one more"))
    bench.clock.advance(601)
    step = bench.do(PlanTraining())
    done = Train(step=step, sha256="0" * 64, size=1, examples=1, engine="tiny 1")
    bench.do(ResetModel())
    with pytest.raises(Conflict):
        bench.do(done)
    assert isinstance(bench.do(PlanTraining()), Step)


@pytest.mark.faults
def test_a_failing_learner_leaves_the_loop_as_it_was(bench):
    bench.do(rank("e"))
    bench.clock.advance(601)
    bench.learner.broken = True
    with pytest.raises(LearnerFailed):
        bench.train()
    assert bench.do(rank("f")).model_version == 0
    bench.learner.broken = False
    assert bench.train() == [1]


@pytest.mark.parametrize(
    ("rubbish", "error"),
    [
        (lambda folded: folded._replace(examples=folded.examples - 1), "learned 2 of 3"),
        (lambda folded: folded._replace(examples=folded.examples + 1), "learned 4 of 3"),
        (lambda folded: folded._replace(model=b""), "no model"),
        (lambda folded: folded._replace(model=b"rubbish"), "no tiny model"),
    ],
)
def test_what_a_learner_cannot_have_learned_is_not_published(bench, monkeypatch, rubbish, error):
    learned(bench, 3)
    before = bench.loop.state
    for number in range(3):
        bench.do(rank(f"later-{number}"))
    bench.clock.advance(3600)
    fold = bench.learner.fold
    monkeypatch.setattr(bench.learner, "fold", lambda *given: rubbish(fold(*given)))
    with pytest.raises(LearnerFailed, match=error):
        bench.train()
    assert bench.loop.state.versions == before.versions
    assert bench.do(rank("meanwhile")).model_version == before.published
    monkeypatch.undo()
    bench.train()
    assert bench.loop.state.published == before.published + 1


@pytest.mark.faults
def test_time_in_the_log_never_goes_back(bench):
    bench.do(rank("a"))
    bench.clock.advance(-3600)
    bench.do(rank("b"))
    bench.do(PlanTraining())
    bench.clock.advance(3601)
    bench.do(rank("c"))
    times = [record.at for record in bench.records()]
    assert times == sorted(times)


@pytest.mark.faults
def test_a_clock_that_steps_back_after_a_plan_opens_no_window(bench):
    bench.do(rank("e"))
    bench.clock.advance(601)
    step = bench.do(PlanTraining())
    bench.clock.advance(-600)
    receipt = bench.do(Reward("e", 1.0))
    assert receipt.at >= bench.records("Ranked")[0].at + 600_000_000
    assert step.decisions == 1


def test_only_the_newest_the_published_and_the_kept_models_stay():
    bench = Bench(settings=Settings(checkpoint_interval=5))
    for number in range(6):
        learned(bench, 2, 10 * number)
    assert bench.loop.state.versions == 6
    assert sorted(bench.place.checkpoints.models) == [3, 6]
    learned(bench, 2, 100)
    assert sorted(bench.place.checkpoints.models) == [3, 6, 7]
    bench.trainer.publish(2)
    assert sorted(bench.place.checkpoints.models) == [2, 3, 6, 7]


@pytest.mark.faults
def test_a_loop_has_one_writer(bench):
    with pytest.raises(LoopInUse):
        bench.open()
    bench.reopen()


def test_reopening_changes_nothing(bench):
    learned(bench, 4)
    bench.do(ChangeSettings({"reward_wait_time": 7}))
    before = bench.loop.state
    bench.reopen()
    assert bench.loop.state == before


def test_limits_that_were_lowered_meanwhile_count(bench):
    command = rank("e")
    bench.do(ChangeSettings({"limits": {"actions": 2}}))
    with pytest.raises(InvalidRequest, match=r"limits\.actions"):
        bench.do(command)
