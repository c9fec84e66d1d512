"""VowpalWabbit as the learner: answers in this process, learning in others."""

import json
import os
import resource
import signal
import sys
import threading
import time

import pytest
from support import GREEDY, context_of, ranked
from vowpalwabbit import Workspace

from loopledger.adapters.vw import workers as workers_module
from loopledger.adapters.vw.arguments import engine
from loopledger.adapters.vw.learner import VwLearner
from loopledger.adapters.vw.scorer import VwScorer
from loopledger.adapters.vw.workers import WorkerDied
from loopledger.deciding.draw import uniform_hash
from loopledger.errors import LearnerFailed, LogDamaged
from loopledger.exchange.cooked import learning_line
from loopledger.learning.joining import join
from loopledger.log.events import Rewarded, encode
from loopledger.log.journal import Outcome, Traced
from loopledger.policy import LearningPolicy


def lines(count=40):
    made = []
    for number in range(count):
        reward = Outcome(2, 2, "Rewarded", encode(Rewarded(value=float(number % 3 == 0))))
        decision = ranked(context=json_context(number))
        made.append(learning_line(join(Traced(1, 1, "e", encode(decision), [reward]))))
    return made


def json_context(number):
    import msgspec

    return msgspec.Raw(context_of({"hour": number % 5, "mood": "abc"[number % 3]}))


@pytest.fixture(scope="module")
def model(vw):
    return vw.fold(GREEDY, None, lines()).model


def test_the_engine_is_named():
    assert engine().startswith("vowpalwabbit 9.")
    assert sys.platform in engine()


@pytest.mark.parametrize("text", ["", "event_id", "0123456789", "007", "ünïcode 😀", "a\x00b", " spaced "])
def test_the_quick_hash_is_the_hash(vw, text):
    assert vw.hash_id(text) == uniform_hash(text)


def test_answers_are_those_of_the_documented_way(model, tmp_path):
    (tmp_path / "m.vw").write_bytes(model)
    workspace = Workspace(f"--json --quiet -i {tmp_path / 'm.vw'}")
    scorer = VwScorer(GREEDY, model)
    for number in range(20):
        context = bytes(json_context(number))
        assert scorer.score(context) == workspace.predict(context.decode())
    scorer.close()
    workspace.finish()


def test_answers_do_not_depend_on_what_was_asked_before(model):
    one, other = VwScorer(GREEDY, model), VwScorer(GREEDY, model)
    contexts = [bytes(json_context(number)) for number in range(10)]
    first = [one.score(context) for context in contexts]
    assert [other.score(context) for context in reversed(contexts)][::-1] == first
    assert [one.score(context) for context in contexts] == first
    one.close()
    other.close()
    other.close()


def test_answering_does_not_leak(model):
    scorer = VwScorer(GREEDY, model)
    context = bytes(json_context(1))

    def grown(times):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for _ in range(times):
            scorer.score(context)
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before

    grown(2_000)
    assert grown(30_000) < 4096  # kilobytes
    scorer.close()


def test_a_model_that_is_none(vw):
    for rubbish in (b"", b"rubbish", bytes(1000)):
        with pytest.raises(LearnerFailed):
            VwScorer(GREEDY, rubbish)
        with pytest.raises(LearnerFailed):
            vw.probe(GREEDY, rubbish)


def test_a_model_of_another_shape(vw, model):
    with pytest.raises(LearnerFailed):
        vw.scorer(LearningPolicy("p", "--cb_explore_adf -b 20"), model)


def test_folding_counts_and_gives_the_same_bytes(vw, model):
    folded = vw.fold(GREEDY, model, lines(7))
    assert folded.examples == 7
    assert vw.fold(GREEDY, model, lines(7)) == folded
    assert folded.model != model
    assert vw.fold(GREEDY, None, iter([])).examples == 0


def test_lines_that_the_engine_drops_are_noticed(vw):
    for broken in (b'{"a":1}\n', b"not json\n", b'{"c":{},"_label_cost":1}\n'):
        with pytest.raises(LearnerFailed):
            vw.fold(GREEDY, None, [*lines(3), broken, *lines(2)])
    assert vw.fold(GREEDY, None, lines(3)).examples == 3


def test_arguments_that_the_engine_refuses(vw):
    with pytest.raises(LearnerFailed, match=r"epsilon|softmax|option"):
        vw.probe(LearningPolicy("p", "--cb_explore_adf --cb_type dm --squarecb"))
    vw.probe(GREEDY)


def test_an_error_while_examples_are_made_is_the_callers(vw):
    def broken():
        yield from lines(3)
        raise LogDamaged("event 7 is gone", 7)

    with pytest.raises(LogDamaged):
        vw.fold(GREEDY, None, broken())
    assert vw.fold(GREEDY, None, lines(3)).examples == 3


def test_a_worker_that_dies_is_replaced():
    learner = VwLearner(workers=1)
    learner.fold(GREEDY, None, lines(1))
    (worker,) = learner._workers._idle

    def killed_midway():
        yield from lines(3)
        os.kill(worker.process, signal.SIGKILL)
        time.sleep(0.2)
        for _ in range(3000):
            yield from lines(1)

    with pytest.raises(WorkerDied, match="SIGKILL"):
        learner.fold(GREEDY, None, killed_midway())
    assert learner.fold(GREEDY, None, lines(3)).examples == 3
    assert learner._workers._idle[0].process != worker.process
    os.kill(learner._workers._idle[0].process, signal.SIGKILL)
    time.sleep(0.1)
    # Nobody who asks has to hear of one that died while it had nothing to do.
    assert learner.fold(GREEDY, None, lines(3)).examples == 3
    learner.close()


def test_a_worker_that_hangs_is_killed_and_replaced():
    learner = VwLearner(workers=1)
    learner.fold(GREEDY, None, lines(1))
    (worker,) = learner._workers._idle
    worker._patience = 0.5  # only now: on a busy machine it takes longer to begin
    worker._connection.settimeout(0.5)
    os.kill(worker.process, signal.SIGSTOP)
    begun = time.monotonic()
    with pytest.raises(WorkerDied, match="hung"):
        learner.fold(GREEDY, None, (line for _ in range(20_000) for line in lines(1)))
    assert time.monotonic() - begun < 30
    assert learner.fold(GREEDY, None, lines(3)).examples == 3
    learner.close()


def test_a_worker_that_does_not_start(monkeypatch):
    monkeypatch.setattr(workers_module.sys, "executable", "/bin/false")
    learner = VwLearner(workers=1)
    with pytest.raises(WorkerDied, match="ended with 1"):
        learner.fold(GREEDY, None, lines(3))
    learner.close()


def test_a_worker_that_answers_rubbish(monkeypatch, vw):
    monkeypatch.setattr(
        workers_module, "decode_answer", lambda _: workers_module.Answer(model=b"m", examples=99)
    )
    with pytest.raises(LearnerFailed, match="learned 99 of 3"):
        vw.fold(GREEDY, None, lines(3))


def test_workers_end_with_their_learner():
    learner = VwLearner(workers=2)
    learner.probe(GREEDY)
    (worker,) = learner._workers._idle
    learner.close()
    with pytest.raises(ProcessLookupError):
        os.kill(worker.process, 0)
    with pytest.raises(LearnerFailed):
        learner.probe(GREEDY)


def test_closing_interrupts_those_at_work():
    learner = VwLearner(workers=1)
    feeding = threading.Event()

    def endless():
        while True:
            feeding.set()
            yield from lines(1)

    caught = []

    def work():
        try:
            learner.fold(GREEDY, None, endless())
        except LearnerFailed as error:
            caught.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    feeding.wait(10)
    learner.close()
    thread.join(20)
    assert not thread.is_alive()
    assert caught


def test_several_folds_at_a_time(vw):
    expected = vw.fold(GREEDY, None, lines(30))
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(vw.fold(GREEDY, None, lines(30)))) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [expected] * 6


def test_nothing_of_the_worker_reaches_our_own_output(capfd, vw):
    with pytest.raises(LearnerFailed):
        vw.fold(GREEDY, None, [b"rubbish\n"])
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""


def test_a_context_that_cannot_be_parsed_is_an_error_of_ours(model):
    scorer = VwScorer(GREEDY, model)
    with pytest.raises(LearnerFailed):
        scorer.score(b"{")
    assert len(scorer.score(bytes(json_context(1)))) == 3
    assert json.loads(bytes(json_context(1)))
    scorer.close()


@pytest.mark.parametrize(
    "arguments", ["--cb_explore_adf --softmax --lambda 3", "--cb_explore_adf --rnd 3 --epsilon 0.1 -q ::"]
)
def test_many_answers_are_those_of_a_scorer(vw, arguments):
    policy = LearningPolicy("p", arguments)
    model = vw.fold(policy, None, lines()).model
    contexts = [bytes(json_context(number)) + b"\n" for number in range(50)]
    answers = vw.answers(policy, model, contexts)
    scorer = VwScorer(policy, model)
    one_by_one = [scorer.score(context) for context in contexts]
    scorer.close()
    assert answers.contexts == 50
    assert answers.counts.tolist() == [3] * 50
    assert answers.probabilities.tolist() == [score for scores in one_by_one for score in scores]
    assert not answers.positions


def test_many_answers_that_cannot_be_given(vw, model):
    with pytest.raises(LearnerFailed, match="model"):
        vw.answers(GREEDY, b"rubbish", [bytes(json_context(1)) + b"\n"])
    with pytest.raises(LearnerFailed):
        vw.answers(GREEDY, model, [bytes(json_context(1)) + b"\n", b"{\n"])
    assert vw.answers(GREEDY, model, []).contexts == 0


def test_a_model_of_rewards(vw):
    model = vw.fold(GREEDY, None, lines(400), "rewards").model
    answers = vw.answers(
        GREEDY, model, [bytes(json_context(number)) + b"\n" for number in range(9)], "rewards"
    )
    rewards = [-cost for cost in answers.probabilities]
    assert len(rewards) == 27
    assert 0.2 < sum(rewards[1::3]) / 9 < 0.5  # a third of the times that b was drawn
