import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support import GREEDY, SLOTS, ranked

from loopledger.errors import LogDamaged
from loopledger.evaluation.request import FeatureImportanceRequest
from loopledger.log.chain import Head, Record, head_of, seal
from loopledger.log.evaluation_events import EvaluationDeleted, EvaluationEnded, EvaluationRequested
from loopledger.log.events import (
    CONTROL,
    FORMAT,
    Activated,
    LoopCreated,
    ModelImported,
    ModelPublished,
    ModelReset,
    ModelTrained,
    PolicyChanged,
    PolicyRestored,
    RelearningBegun,
    Rewarded,
    SettingsChanged,
)
from loopledger.policy import LearningPolicy
from loopledger.settings import Settings
from loopledger.state import KEPT_STEPS, evolve, replay


def records(*events):
    head, found = Head(), []
    created = LoopCreated(loop_id="l", settings=Settings(), policy=GREEDY)
    for event in (created, *events):
        found.append(
            seal(head, 1000 * (head.seq + 1), event, "e" if event.kind in {"Ranked", "Rewarded"} else None)
        )
        head = head_of(found[-1])
    return found


def after(*events):
    return replay(records(*events))


def trained(version, parent, first=None, last=None, decisions=0):
    return ModelTrained(
        version=version,
        parent=parent,
        policy=GREEDY,
        first=first,
        last=last,
        decisions=decisions,
        examples=decisions,
        sha256="0" * 64,
        size=1,
        engine="e",
    )


def test_the_beginning():
    state = after()
    assert (state.loop_id, state.published, state.versions, state.seq) == ("l", 0, 0, 1)
    assert state.waits == ((1, 600_000_000),)
    assert state.trained_at == state.optimizing_since == 1000
    assert (state.left_out, state.erased, state.closed_through, state.imported_through) == (0, 0, 0, 0)
    assert (state.line.newest, state.line.arguments) == (0, "")
    assert (state.line.learned_through, state.line.publish_from, state.line.since_kept) == (0, 0, 0)
    assert (state.line.steps_since_kept, state.line.passes, state.line.passes_through) == (0, 1, 0)
    assert state.follows


def test_a_log_begins_with_its_creation():
    with pytest.raises(LogDamaged):
        evolve(None, seal(Head(), 1, Activated()))
    with pytest.raises(LogDamaged):
        after(LoopCreated(loop_id="again", settings=Settings(), policy=GREEDY))


def test_a_format_of_the_future_is_refused():
    created = LoopCreated(loop_id="l", settings=Settings(), policy=GREEDY, format=FORMAT + 1)
    with pytest.raises(LogDamaged, match="format"):
        evolve(None, seal(Head(), 1, created))


def test_an_unknown_kind_of_control_is_refused_by_name():
    with pytest.raises(LogDamaged, match="newer release"):
        evolve(after(), Record(2, 2, "ModelReset", None, b'{"kind":"Unheard"}', bytes(32)))


events = st.lists(
    st.sampled_from(
        [
            ranked(),
            Rewarded(value=1.0),
            Activated(),
            SettingsChanged(settings=Settings(reward_wait_time=5)),
            SettingsChanged(settings=Settings(reward_wait_time=9, checkpoint_interval=3)),
            PolicyChanged(policy=GREEDY, relearn=True),
            PolicyChanged(policy=SLOTS, relearn=False),
            ModelPublished(version=1),
            ModelReset(),
            trained(1, 0, 2, 9, 3),
        ]
    ),
    max_size=15,
)


@given(events)
def test_traffic_changes_nothing_but_the_end(came):
    log = records(*came)
    whole = replay(log)
    assert whole is not None
    bare = replay([record for record in log if record.kind in CONTROL or record is log[-1]])
    assert bare == whole
    assert (whole.seq, whole.at, whole.digest) == (log[-1].seq, log[-1].at, log[-1].digest)


@given(events, st.integers(0, 15))
def test_a_state_can_be_taken_up_anywhere(came, cut):
    log = records(*came)
    assert replay(log[cut:], replay(log[:cut])) == replay(log)


def test_models_are_kept_now_and_then():
    interval = Settings(checkpoint_interval=10)
    state = after(SettingsChanged(settings=interval), trained(1, 0, 2, 5, 4), trained(2, 1, 6, 12, 5))
    assert (state.line.since_kept, state.line.steps_since_kept) == (9, 2)
    state = after(SettingsChanged(settings=interval), trained(1, 0, 2, 5, 4), trained(2, 1, 6, 12, 6))
    assert (state.line.since_kept, state.line.steps_since_kept) == (0, 0)
    steps = [trained(version, version - 1) for version in range(1, KEPT_STEPS + 2)]
    assert after(*steps[:-2]).line.steps_since_kept == KEPT_STEPS - 1
    assert after(*steps[:-1]).line.steps_since_kept == 0


def test_waits_are_kept_as_far_back_as_windows_may_be_open():
    changes = [SettingsChanged(settings=Settings(reward_wait_time=wait)) for wait in (5, 5, 9)]
    state = after(*changes)
    assert state.waits == ((1, 600_000_000), (2, 5_000_000), (4, 9_000_000))
    assert after(*changes, trained(1, 0, 2, 3, 1)).waits == ((4, 9_000_000),)
    assert after(*changes, trained(1, 0, 2, 2, 1)).waits == ((2, 5_000_000), (4, 9_000_000))


OTHER = LearningPolicy("other", "--cb_explore_adf --epsilon 0.5")


def test_a_version_that_is_not_the_lines_newest_stops_what_publishes_by_itself():
    made = [
        trained(1, 0, 2, 9, 3),
        ModelPublished(version=1),
        trained(2, 1, 10, 12, 2),
        ModelPublished(version=2),
    ]
    assert after(*made).follows
    back = [*made, ModelPublished(version=1)]
    assert not after(*back).follows
    assert after(*back, ModelPublished(version=2)).follows
    imported = ModelImported(version=3, policy=GREEDY, model=b"m", sha256="0" * 64, engine="e")
    for anew in (imported, ModelReset(), PolicyChanged(policy=OTHER, relearn=False)):
        assert after(*back, anew).follows
    assert not after(*made, PolicyChanged(policy=OTHER, relearn=True), ModelPublished(version=2)).follows


def test_where_relearning_begins():
    made = [trained(1, 0, 2, 9, 3)]
    assert after(*made, PolicyChanged(policy=OTHER, relearn=True)).line.learned_through == 0
    for since in (1, 2, 7):
        line = after(*made, RelearningBegun(policy=GREEDY, since=since)).line
        assert (line.learned_through, line.publish_from, line.newest) == (since - 1, 9, 0)


@pytest.mark.parametrize(
    ("policy", "version", "undone"),
    [(OTHER, 1, 4), (GREEDY, 0, 4), (GREEDY, 2, 4), (GREEDY, 1, 3), (GREEDY, 1, 5), (SLOTS, 1, 4)],
)
def test_only_what_stood_before_can_be_restored(policy, version, undone):
    changed = [trained(1, 0, 2, 9, 3), ModelPublished(version=1), PolicyChanged(policy=OTHER, relearn=True)]
    assert after(*changed, PolicyRestored(policy=GREEDY, version=1, undone=4)).policy == GREEDY
    with pytest.raises(LogDamaged, match="were not in force before"):
        after(*changed, PolicyRestored(policy=policy, version=version, undone=undone))


@given(st.lists(st.booleans(), max_size=8))
def test_automatic_optimization_counts_from_when_it_was_turned_on(story):
    state, was, since = after(), False, 1000
    changes = [
        SettingsChanged(settings=Settings(auto_optimization=on, default_reward=number / 100))
        for number, on in enumerate(story)
    ]
    for number, on in enumerate(story):
        if on and not was:
            since = 1000 * (number + 2)
        was = on
        state = after(*changes[: number + 1])
        assert (state.optimizing_since, state.settings.auto_optimization) == (since, on)
    assert state.optimizing_since == since


ENDINGS = ["Succeeded", "Failed", "Canceled", "OptimalPolicyApplied", "OnlinePolicyRetained"]
asked = st.sampled_from("abc")
evaluating = st.lists(
    st.tuples(st.just("ask"), asked, st.booleans())
    | st.tuples(st.just("end"), asked, st.sampled_from(ENDINGS))
    | st.tuples(st.just("delete"), asked, st.none()),
    max_size=12,
)


@given(evaluating)
@example([("ask", "a", True), ("end", "a", "Succeeded"), ("end", "a", "Canceled"), ("delete", "a", None)])
def test_evaluations_that_run_and_the_last_automatic_one(story):
    came, running, automatic, since = [], [], None, 1000
    for number, (what, name, more) in enumerate(story):
        at = 1000 * (number + 2)
        if what == "ask":
            came.append(
                EvaluationRequested(
                    evaluation=name,
                    name=name,
                    request=FeatureImportanceRequest(first=1, last=1),
                    automatic=more,
                )
            )
            running.append(name)
            if more:
                automatic, since = (name, at, "Running"), at
            continue
        ended = what == "end"
        came.append(
            EvaluationEnded(evaluation=name, status=more) if ended else EvaluationDeleted(evaluation=name)
        )
        running = [one for one in running if one != name]
        if automatic is not None and automatic[0] == name and automatic[2] == "Running":
            automatic = (name, at, more if ended else "Canceled")
    state = after(*came)
    assert state.evaluations == tuple(running)
    last = state.automatic
    assert automatic == (last and (last.evaluation, last.at, last.status))
    assert state.optimizing_since == since
