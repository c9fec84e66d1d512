import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import GREEDY, SLOTS, ranked

from loopledger.errors import LogDamaged
from loopledger.log.chain import Head, Record, head_of, seal
from loopledger.log.events import (
    CONTROL,
    FORMAT,
    Activated,
    LoopCreated,
    ModelPublished,
    ModelReset,
    ModelTrained,
    PolicyChanged,
    Rewarded,
    SettingsChanged,
)
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
