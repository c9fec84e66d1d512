"""What the log keeps of evaluations, and that nothing else is disturbed by it."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorded import NONE, evaluation, judged, points
from support import GREEDY, SLOTS, Bench
from test_loop import learned

from loopledger.adapters.memory import MemoryCheckpoints, MemoryStore
from loopledger.audit.verify import verify
from loopledger.commands import (
    ChangePolicy,
    DeleteEvaluation,
    EndEvaluation,
    Relearn,
    RequestEvaluation,
    ResetModel,
    RestorePolicy,
)
from loopledger.errors import Conflict, InvalidRequest, LearnerFailed, LogDamaged, NotFound
from loopledger.evaluation.evaluator import Evaluator
from loopledger.evaluation.recording import MOST_UNDER_WAY
from loopledger.evaluation.register import evaluation as the_evaluation
from loopledger.evaluation.register import evaluations
from loopledger.evaluation.report import FeatureImportance, SlotEstimate
from loopledger.evaluation.request import Candidate, EvaluationRequest, FeatureImportanceRequest
from loopledger.evaluation.widening import MOST_POINTS, widened
from loopledger.learning.lineage import lineage
from loopledger.log.chain import Head, seal
from loopledger.log.events import CONTROL, decode, encode
from loopledger.policy import LearningPolicy
from loopledger.settings import Settings
from loopledger.state import replay

OTHER = LearningPolicy("other", "--cb_explore_adf --epsilon 0.1")
REQUEST = EvaluationRequest(first=1, last=3, candidates=(Candidate(name="other", policy=OTHER),))
FEATURES = FeatureImportance(
    loop="bench",
    first=1,
    last=3,
    decisions=2,
    method="approximate",
    reward=None,
    namespaces=(),
    features=(),
)


@pytest.fixture
def bench():
    bench = Bench(settings=Settings(checkpoint_interval=4))
    learned(bench, 5)
    return bench


def ask(bench, evaluation_id="one", **more):
    return bench.do(RequestEvaluation(evaluation_id, "a name", REQUEST, **more))


def listed(bench):
    return {one.id: one.status for one in evaluations(bench.place.store.reader())}


def found(bench, evaluation_id="one"):
    return the_evaluation(bench.place.store.reader(), evaluation_id)


def test_a_request_and_its_result(bench):
    asked = ask(bench, automatic=True, optimizes=True)
    assert bench.loop.state.evaluations == ("one",)
    assert found(bench).status == "Running"
    report = evaluation(judged("other"))
    ended = bench.do(EndEvaluation("one", "Succeeded", report, policy="other"))
    assert bench.loop.state.evaluations == ()
    one = found(bench)
    assert (one.seq, one.at, one.ended) == (asked.seq, asked.at, ended.at)
    assert (one.name, one.request, one.report, one.policy) == ("a name", REQUEST, report, "other")
    assert (one.status, one.automatic, one.optimizes, one.reason) == ("Succeeded", True, True, None)
    assert one.reported == ended.seq - 1
    (listed_,) = evaluations(bench.place.store.reader())
    assert listed_ == msgspec.structs.replace(one, report=None)


def test_features_are_recorded_alike(bench):
    bench.do(RequestEvaluation("f", "features", FeatureImportanceRequest(first=1, last=3)))
    bench.do(EndEvaluation("f", "Succeeded", FEATURES))
    assert found(bench, "f").report == FEATURES
    assert found(bench, "f").request.method == "leave-one-out"


def test_one_that_failed(bench):
    ask(bench)
    bench.do(EndEvaluation("one", "Failed", reason="no disk"))
    assert (found(bench).status, found(bench).reason, found(bench).report) == ("Failed", "no disk", None)


def test_what_cannot_be_recorded(bench):
    ask(bench)
    before = bench.loop.state.seq
    for wrong, error, sentence in (
        (RequestEvaluation("one", "again", REQUEST), Conflict, "with this id already"),
        (RequestEvaluation("", "empty", REQUEST), InvalidRequest, "evaluation_id"),
        (RequestEvaluation("two", "", REQUEST), InvalidRequest, "name"),
        (RequestEvaluation("two", "x" * 257, REQUEST), InvalidRequest, "256"),
        (
            RequestEvaluation(
                "two", "many", EvaluationRequest(first=1, last=1, candidates=REQUEST.candidates * 101)
            ),
            InvalidRequest,
            "at most 100",
        ),
        (EndEvaluation("two", "Failed"), Conflict, "not under way"),
        (DeleteEvaluation("two"), NotFound, "no evaluation"),
    ):
        with pytest.raises(error, match=sentence):
            bench.do(wrong)
    assert bench.loop.state.seq == before
    with pytest.raises(NotFound):
        found(bench, "two")


def test_not_too_many_at_a_time(bench):
    for number in range(MOST_UNDER_WAY):
        ask(bench, str(number))
    with pytest.raises(Conflict, match="under way already"):
        ask(bench, "more")
    bench.do(EndEvaluation("3", "Failed", reason="it was too much"))
    ask(bench, "more")


def test_a_deleted_one_is_not_shown_and_its_id_is_free(bench):
    ask(bench)
    bench.do(EndEvaluation("one", "Succeeded", evaluation()))
    bench.do(Relearn(OTHER, evaluation="one"))
    assert [one.policy for one in found(bench).applied] == ["other"]
    bench.do(DeleteEvaluation("one"))
    assert listed(bench) == {}
    with pytest.raises(NotFound):
        bench.do(DeleteEvaluation("one"))
    ask(bench)
    assert (found(bench).status, found(bench).applied) == ("Running", ())


def test_one_that_runs_is_dropped_when_it_is_deleted(bench):
    ask(bench)
    bench.do(DeleteEvaluation("one"))
    assert bench.loop.state.evaluations == ()
    with pytest.raises(Conflict, match="deleted meanwhile"):
        bench.do(EndEvaluation("one", "Succeeded", evaluation()))


def test_nothing_else_is_disturbed(bench):
    other = Bench(settings=Settings(checkpoint_interval=4))
    learned(other, 5)
    ask(bench)
    learned(bench, 3, 10)
    bench.do(EndEvaluation("one", "Succeeded", evaluation()))
    learned(bench, 3, 20)
    learned(other, 3, 10)
    learned(other, 3, 20)
    for one, two in zip(bench.records("Ranked"), other.records("Ranked"), strict=True):
        assert (one.event_id, one.body) == (two.event_id, two.body)
    models = [loop.place.checkpoints.load_model(loop.loop.state.versions) for loop in (bench, other)]
    assert models[0] == models[1]
    assert bench.erase("e1").events == 2
    assert found(bench).report == evaluation()
    verified = verify(bench.place.store.reader(), bench.learner, bench.place.checkpoints)
    assert verified.findings.problems == ()
    before = bench.loop.state
    bench.place.checkpoints.state = None
    bench.reopen()
    assert bench.loop.state == before


def test_what_a_report_weighs_is_not_read_to_know_how_the_loop_stood(bench):
    ask(bench)
    bench.do(EndEvaluation("one", "Succeeded", evaluation(judged("other", over_time=points(500)))))
    sizes = {record.kind: len(record.body) for record in bench.records() if record.kind.startswith("Eval")}
    assert "EvaluationReported" not in CONTROL
    assert sizes["EvaluationReported"] > 10_000
    assert sizes["EvaluationEnded"] < 200


@pytest.mark.parametrize(
    ("kind", "change", "sentence"),
    [
        ("EvaluationEnded", {"reported": 1}, "should hold the report"),
        ("EvaluationReported", {"evaluation": "two"}, "should hold the report"),
        ("EvaluationEnded", {"evaluation": "two"}, "was not under way"),
    ],
)
def test_what_contradicts_the_log_is_found(bench, kind, change, sentence):
    ask(bench)
    bench.do(EndEvaluation("one", "Succeeded", evaluation()))
    store, head = MemoryStore(), Head()
    journal = store.writer()
    for record in bench.records():
        event = decode(record.body, record.seq)
        if event.kind == kind:
            event = msgspec.structs.replace(event, **change)
        journal.append([seal(head, record.at, event, record.event_id)])
        head = journal.head()
    problems = verify(store.reader(), bench.learner, MemoryCheckpoints()).findings.problems
    assert any(sentence in problem.what for problem in problems)


def test_events_without_the_new_field_read_as_before():
    for kind in (b"PolicyChanged", b"RelearningBegun"):
        body = b'{"kind":"%s","policy":{"name":"p","arguments":"--cb_explore_adf"},"relearn":true}' % kind
        assert decode(body, 9).evaluation is None


def test_which_evaluation_was_the_reason_is_known(bench):
    ask(bench)
    bench.do(EndEvaluation("one", "Succeeded", evaluation(judged("other"))))
    bench.do(Relearn(OTHER, evaluation="one"))
    bench.train()
    bench.do(Relearn(OTHER))
    bench.train()
    made = lineage(bench.place.store.reader(), bench.place.checkpoints)
    assert {version.evaluation for version in made if version.policy == GREEDY} == {None}
    assert {version.evaluation for version in made if version.policy == OTHER} == {"one"}
    bench.do(ChangePolicy(LearningPolicy("third", OTHER.arguments), relearn=True))
    assert bench.loop.state.because is None
    bench.do(ChangePolicy(OTHER, relearn=True, evaluation="one"))
    assert bench.loop.state.because == "one"
    assert [one.policy for one in found(bench).applied] == ["other", "other"]


class TestGoingBack:
    @staticmethod
    def standing(bench):
        state = bench.loop.state
        return state.policy, state.published, state.follows, state.line, state.because

    def test_to_the_policy_and_the_model_before(self, bench):
        learned(bench, 3, 10)
        before = self.standing(bench)
        bench.do(Relearn(OTHER, evaluation="one"))
        bench.train()
        learned(bench, 3, 20)
        changed = self.standing(bench)
        assert changed[0] == OTHER
        bench.trainer.restore_policy(bench.loop.state)
        assert self.standing(bench) == before
        assert bench.loop._scorer.model == bench.place.checkpoints.load_model(before[1])
        bench.trainer.restore_policy(bench.loop.state)
        assert self.standing(bench) == changed

    def test_learning_goes_on_as_if_nothing_had_been(self, bench):
        other = Bench(settings=Settings(checkpoint_interval=4))
        learned(other, 5)
        bench.do(ChangePolicy(OTHER, relearn=True))
        bench.train()
        bench.trainer.restore_policy(bench.loop.state)
        for loop in (bench, other):
            loop.clock.advance(700)
            learned(loop, 6, 10)
        models = [loop.place.checkpoints.load_model(loop.loop.state.published) for loop in (bench, other)]
        assert models[0] == models[1]
        bench.place.checkpoints.models.clear()
        bench.place.checkpoints.state = None
        before = bench.loop.state
        bench.reopen()
        assert bench.loop.state == before
        verified = verify(bench.place.store.reader(), bench.learner, bench.place.checkpoints)
        assert verified.findings.problems == ()

    def test_to_another_kind_of_decision_and_to_no_model(self, bench):
        before = self.standing(bench)
        bench.do(ChangePolicy(SLOTS, relearn=False))
        assert bench.loop.state.published == 0
        bench.trainer.restore_policy(bench.loop.state)
        assert self.standing(bench) == before
        bench.do(ResetModel())
        bench.do(ChangePolicy(OTHER, relearn=True))
        bench.train()
        bench.trainer.restore_policy(bench.loop.state)
        assert bench.loop.state.published == 0
        assert bench.loop._scorer is None

    def test_relearning_under_the_same_policy_is_no_change(self, bench):
        bench.do(ChangePolicy(OTHER, relearn=True))
        bench.train()
        bench.do(Relearn())
        bench.train()
        bench.trainer.restore_policy(bench.loop.state)
        assert bench.loop.state.policy == GREEDY

    def test_there_must_be_something_to_go_back_to(self, bench):
        before = bench.loop.state.seq
        with pytest.raises(NotFound, match="never changed"):
            bench.trainer.restore_policy(bench.loop.state)
        with pytest.raises(NotFound, match="never changed"):
            bench.do(RestorePolicy(7))
        bench.do(ChangePolicy(OTHER, relearn=True))
        with pytest.raises(Conflict, match="meanwhile"):
            bench.do(RestorePolicy(7))
        assert bench.loop.state.seq == before + 1

    def test_a_log_that_goes_back_elsewhere_is_refused(self, bench):
        bench.do(ChangePolicy(OTHER, relearn=True))
        bench.trainer.restore_policy(bench.loop.state)
        records = bench.records()
        forged = decode(records[-1].body, records[-1].seq)
        forged = msgspec.structs.replace(forged, version=9)
        with pytest.raises(LogDamaged, match="not in force before"):
            replay([*records[:-1], msgspec.structs.replace(records[-1], body=encode(forged))])


class TestEvaluator:
    @pytest.fixture
    def evaluator(self, bench):
        return Evaluator(bench.do, lambda: bench.loop.state)

    asked = RequestEvaluation("one", "a name", REQUEST)

    def test_it_records_what_comes_of_it(self, bench, evaluator):
        seen = []

        def compute(tell):
            assert evaluator.busy
            assert bench.loop.state.evaluations == ("one",)
            tell(1, 2)
            learned(bench, 2, 10)
            return evaluation(judged("other"))

        report = evaluator.evaluate(self.asked, compute, lambda *told: seen.append(told))
        assert found(bench).report == report == evaluation(judged("other"))
        assert seen == [(1, 2)]
        assert not evaluator.busy

    @pytest.mark.parametrize(
        ("error", "status", "reason"),
        [
            (LearnerFailed("no such option"), "Failed", "no such option"),
            (ZeroDivisionError(), "Failed", "ZeroDivisionError()"),
            (KeyboardInterrupt(), "Canceled", "interrupted"),
        ],
    )
    def test_it_records_why_nothing_came_of_it(self, bench, evaluator, error, status, reason):
        def compute(_):
            raise error

        with pytest.raises(type(error)):
            evaluator.evaluate(self.asked, compute)
        assert found(bench).status == status
        assert reason in found(bench).reason
        assert not evaluator.busy

    def test_it_stops_when_it_was_deleted(self, bench, evaluator):
        def compute(tell):
            bench.do(DeleteEvaluation("one"))
            tell(1, 2)
            raise AssertionError("it went on")

        with pytest.raises(Conflict, match="deleted"):
            evaluator.evaluate(self.asked, compute)
        assert listed(bench) == {}

    def test_it_computes_nothing_that_cannot_be_recorded(self, bench, evaluator):
        ask(bench)
        with pytest.raises(Conflict, match="already"):
            evaluator.evaluate(self.asked, lambda _: pytest.fail("it was computed"))

    def test_it_ends_what_was_left_behind(self, bench, evaluator):
        ask(bench)
        ask(bench, "two")
        evaluator.give_up()
        assert listed(bench) == {"one": "Failed", "two": "Failed"}
        assert "ask for it again" in found(bench).reason
        before = bench.loop.state.seq
        evaluator.give_up()
        assert bench.loop.state.seq == before


@given(
    st.lists(st.integers(0, 10_000), unique=True, max_size=200).map(sorted),
    st.sampled_from([5, 15, 60, 1440]),
    st.integers(1, 50),
)
def test_reports_stay_small(minutes, width, most):
    over_time = points(len(minutes))
    placed = [
        msgspec.structs.replace(point, at=at * width * 60_000_000)
        for point, at in zip(over_time, minutes, strict=True)
    ]
    report = evaluation(judged("other", over_time=tuple(placed)), judged("none"), width=width)
    made = widened(report, most)
    stretch = made.minute_width * 60_000_000
    (wide, none) = made.policies[1:]
    assert len(wide.over_time) <= most
    assert none.over_time == ()
    assert made.minute_width % width == 0
    assert all(point.at % stretch == 0 for point in wide.over_time)
    assert sum(point.sums.cases for point in wide.over_time) == len(minutes)
    for point in wide.over_time:
        inside = [one.sums.reward for one in placed if one.at // stretch * stretch == point.at]
        assert point.sums.reward == sum(inside)
    if len(minutes) <= most:
        assert made == report
    # None is wider than need be.
    narrower = [one for one in (width, 60, 360, 720, 1440) if one < made.minute_width and one % width == 0]
    assert all(len({one.at // (less * 60_000_000) for one in placed}) > most for less in narrower)


def test_the_stretches_of_slots_are_as_wide_as_those_of_all():
    whole = points(30)
    slot = SlotEstimate("top", NONE, whole)
    report = evaluation(judged("other", over_time=whole, slots=(slot,)))
    (_, made) = widened(report, 10).policies
    assert made.slots[0].over_time == made.over_time != whole


def test_features_have_no_stretches_of_time():
    assert widened(FEATURES) is FEATURES
    assert MOST_POINTS == 2_000
