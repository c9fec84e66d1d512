"""Many loops, many callers and every fault at once, as one seed decides: nothing acknowledged is lost."""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace
from seeds import Failed, simulate
from world import World

import loopledger.loop
from loopledger.batch import Batch
from loopledger.learning import checkpoints, joining, trainer, training
from loopledger.log import chain
from loopledger.loop import Loop

PROGRAM = Path(__file__).parent


def test_a_few_seeds(vw):
    assert len(simulated(range(1, 9))) == 8
    simulate(1007, 100, "vw", vw)


def test_a_seed_comes_to_the_same_logs_again_and_on_any_store(vw):
    assert simulate(21, 100, "memory") == simulate(21, 100, "sqlite")
    assert simulate(22, 60, "vw", vw) == simulate(22, 60, "vw-sqlite", vw)


def test_a_seed_comes_to_the_same_logs_in_another_process():
    said = subprocess.check_output(
        [sys.executable, str(PROGRAM), "--seeds", "1", "--from", "31", "--kind", "memory", "--trace"],
        env={**os.environ, "PYTHONHASHSEED": "7"},
        text=True,
        timeout=120,
    )
    assert simulate(31, kind="memory") in said.splitlines()[-1]
    assert "settling" in said


@pytest.mark.slow
def test_many_seeds(vw):
    for seed in range(2000, 2080):
        simulate(seed, learner=vw)


def test_who_finds_something_is_told_how_to_see_it_again(monkeypatch):
    def fail(_):
        raise ZeroDivisionError

    monkeypatch.setattr(World, "run", fail)
    with pytest.raises(Failed, match="seed 77 at commit") as caught:
        simulate(77, 40, "memory")
    assert "python tests/simulation --seeds 1 --from 77 --steps 40 --kind memory --trace" in str(caught.value)


def a_commit_that_failed_is_answered_all_the_same(monkeypatch):
    serve = Loop._serve

    class Careless:
        def __init__(self, journal):
            self._journal = journal

        def __getattr__(self, name):
            return getattr(self._journal, name)

        def append(self, records, erased=()):
            with suppress(OSError):
                self._journal.append(records, erased)

    def careless(self, commands):
        self._journal = Careless(self._journal)
        return serve(self, commands)

    monkeypatch.setattr(Loop, "_serve", careless)


def rewards_that_came_too_early_count(monkeypatch):
    monkeypatch.setattr(joining, "EARLY", 10**12)


def decisions_are_learned_while_rewards_may_still_come(monkeypatch):
    monkeypatch.setattr(training, "closed_until", lambda state, *_: state.seq)


def a_step_forgets_its_parent(monkeypatch):
    monkeypatch.setattr(trainer, "fold", lambda step, _, *rest: training.fold(step, None, *rest))


def the_chain_leaves_out_the_time(monkeypatch):
    monkeypatch.setattr(chain, "_encode_header", lambda header: msgspec.json.encode((header[0], *header[2:])))


def a_saved_state_is_taken_for_the_newest(monkeypatch):
    def recover(reader, shelf):
        state, head = checkpoints.saved(reader, shelf), reader.head()
        if state is None:
            return checkpoints.recover(reader, shelf)
        return replace(state, seq=head.seq, at=head.at, digest=head.digest)

    monkeypatch.setattr(loopledger.loop, "recover", recover)


def a_key_is_forgotten(monkeypatch):
    monkeypatch.setattr(Batch, "rewards", lambda *_: [])


def a_decision_is_made_again(monkeypatch):
    monkeypatch.setattr(Batch, "decision", lambda *_: None)


MISTAKES = [
    a_commit_that_failed_is_answered_all_the_same,
    rewards_that_came_too_early_count,
    decisions_are_learned_while_rewards_may_still_come,
    a_step_forgets_its_parent,
    the_chain_leaves_out_the_time,
    a_saved_state_is_taken_for_the_newest,
    a_key_is_forgotten,
    a_decision_is_made_again,
]


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.__name__)
def test_a_mistake_does_not_get_past(monkeypatch, mistake):
    mistake(monkeypatch)
    with pytest.raises(Failed):
        simulated(range(1, 60))


def simulated(seeds):
    return {simulate(seed, kind="memory") for seed in seeds}
