import pytest
from support import GREEDY, Bench, context_of

from loopledger.commands import Activate, ChangePolicy, PublishModel, Rank
from loopledger.desk import Desk
from loopledger.errors import InvalidRequest, LogDamaged, LoopStopped
from loopledger.policy import LearningPolicy


@pytest.fixture
def desk():
    desk = Desk()
    desk.loop = Bench().loop
    return desk


def broken(desk, monkeypatch, error):
    def fail(_):
        raise error

    monkeypatch.setattr(desk.loop, "execute", fail)


def test_commands_are_answered_in_their_order(desk):
    answers = desk.carry_out([Activate("a"), Activate(""), Activate("b")])
    assert [type(answer).__name__ for answer in answers] == ["Receipt", "InvalidRequest", "Receipt"]
    assert (answers[0].seq, answers[2].seq) == (2, 3)


def test_a_mistake_of_one_caller_stops_nothing(desk):
    assert isinstance(desk.carry_out([Activate("")])[0], InvalidRequest)
    assert not desk.closed
    assert desk.failure is None


class Text(str):
    __slots__ = ()


@pytest.mark.parametrize(
    ("command", "error"),
    [
        (Rank("e", True, context_of(), (Text("a"), "b", "c"), (), False), TypeError),
        (PublishModel(version=True), InvalidRequest),
        (ChangePolicy(LearningPolicy(7, GREEDY.arguments), relearn=True), LogDamaged),
    ],
)
def test_what_could_not_be_read_again_is_not_logged(desk, command, error):
    """Whatever slipped through all checks: its caller hears of it, and the log stays sound."""
    before, answer, after = desk.carry_out([Activate("a"), command, Activate("b")])
    assert isinstance(answer, error)
    assert (before.seq, after.seq) == (2, 3)
    assert not desk.closed


def test_before_there_is_a_loop_nothing_is_carried_out():
    (answer,) = Desk().carry_out([Activate("a")])
    assert isinstance(answer, LoopStopped)
    assert "closed" in str(answer)


@pytest.mark.parametrize(
    "error", [OSError("no space"), MemoryError(), KeyboardInterrupt(), SystemExit(3)], ids=repr
)
def test_a_failure_stops_the_loop_and_the_first_cause_is_kept(desk, monkeypatch, error):
    broken(desk, monkeypatch, error)
    answers = desk.carry_out([Activate("a"), Activate("b")])
    broken(desk, monkeypatch, ValueError("a later one"))
    answers += desk.carry_out([Activate("c")])
    assert desk.closed
    assert desk.failure is error
    for answer in answers:
        assert isinstance(answer, LoopStopped)
        assert answer.__cause__ is error
        assert repr(error) in str(answer)
    assert desk.loop.state.seq == 1


def test_an_interruption_is_no_failure_of_the_loop(desk, monkeypatch):
    assert not desk.interrupted
    broken(desk, monkeypatch, KeyboardInterrupt())
    desk.carry_out([Activate("a")])
    assert desk.interrupted
    desk.failure = OSError("disk")
    assert not desk.interrupted
