"""A process is killed at any moment: nothing that was acknowledged is lost, and the loop goes on."""

import json
import random  # noqa: TID251 - when to kill is random, seeded
from contextlib import closing
from pathlib import Path

import learned
import pytest
from processes import Child
from quick import slow_but

import loopledger
from loopledger.adapters.place import in_folder
from loopledger.audit.verify import verify

CHILD = Path(__file__).with_name("child.py")
ACTIONS = {"a": {"x": 1}, "b": {"x": 2}, "c": {"x": 3}}


def context(event_id):
    return {"length": len(event_id), "last": event_id[-1]}


def killed(chance, *words, awaited=None):
    """Let a child work, kill it at some moment, and return what it had acknowledged by then."""
    with Child(CHILD, *words) as child:
        said = [child.line() for _ in range(chance.randrange(1, 300))]
        while awaited and said[-1][0] != awaited:
            said.append(child.line())
        child.kill()
        said += child.rest()
        assert child.end() == (-9, "")
    return said


def check_log(folder, vw, said):
    """Whatever was acknowledged is in the log, and everything in the log holds."""
    place = in_folder(folder / "loop")
    with closing(place.store.reader()) as reader:
        found = {(record.kind, record.event_id): record for record in reader.records() if record.event_id}
        versions = [json.loads(r.body)["version"] for r in reader.records(kinds=("ModelTrained",))]
        for what, *words in said:
            if what == "ranked":
                event_id, action, probability, version = words
                body = json.loads(found["Ranked", event_id].body)
                assert (body["chosen"], body["probabilities"][0]) == (action, float(probability))
                assert body["model_version"] == int(version)
            elif what == "rewarded":
                assert found["Rewarded", words[0]].seq == int(words[1])
            else:
                assert (what, int(words[0]) in versions) == ("trained", True)
        verification = verify(reader, vw, place.checkpoints)
        assert verification.holds, verification.findings.problems
        assert verification.head == verification.findings.events


def check_loop(folder, said, name):
    """The loop goes on, and whoever asks again what was answered gets the same answer."""
    with loopledger.open(folder, workers=1) as ledger:
        loop = ledger.loop("loop")
        ranked = [words for what, *words in said if what == "ranked"]
        before = loop.status().events
        for event_id, action, probability, version in ranked:
            again = loop.rank(context(event_id), ACTIONS, event_id=event_id)
            assert (again.action, again.probability) == (action, float(probability))
            assert again.model_version == int(version)
        assert loop.status().events == before
        loop.rank({}, ACTIONS, event_id=name)
        assert loop.status().events == before + 1


def lives(folder, vw, work, seed, count):
    chance = random.Random(seed)
    everything = []
    for life in range(count):
        # Every other life of a loop that is trained goes on until it has been.
        awaited = "trained" if work == "traffic" and life % 2 else None
        said = killed(chance, work, folder, life, awaited=awaited)
        check_log(folder, vw, everything + said)
        check_loop(folder, said, f"after-{life}")
        everything += said
    return everything


@pytest.mark.parametrize("work", slow_but({"traffic"}, ["traffic", "crowd"]))
@pytest.mark.slow
def test_nothing_that_was_acknowledged_is_lost(tmp_path, vw, work):
    said = lives(tmp_path, vw, work, seed=1, count=2)
    assert len(said) > 50


@pytest.mark.slow
@pytest.mark.parametrize("work", ["traffic", "crowd"])
def test_nothing_is_lost_in_many_lives(tmp_path, vw, work):
    lives(tmp_path, vw, work, seed=2, count=8)


def test_a_kill_leaves_no_half_of_a_transaction(tmp_path):
    # Twenty callers' decisions share transactions: a batch is in the log whole, or not at all, and
    # whoever was not answered may find the decision made all the same.
    said = killed(random.Random(3), "crowd", tmp_path, 0)
    answered = {words[1] for words in said}
    with closing(in_folder(tmp_path / "loop").store.reader()) as reader:
        logged = {record.event_id for record in reader.records(kinds=("Ranked",))}
        assert reader.head().seq == reader.committed().seq
    assert answered <= logged
    assert len(logged - answered) <= 20


def test_loops_exist_or_do_not(tmp_path):
    chance = random.Random(4)
    made = set()
    for life in range(2):
        with Child(CHILD, "create", tmp_path, life) as child:
            said = [child.line() for _ in range(chance.randrange(1, 4))]
            child.kill()
            said += child.rest()
        made |= {words[1] for words in said}
        with loopledger.open(tmp_path, workers=1) as ledger:
            names = ledger.loops()
            assert made <= set(names)
            # At most the one that was under way when the end came.
            assert len(names) <= len(made) + life + 1
            for name in names:
                assert ledger.loop(name).rank({}, ACTIONS).action in ACTIONS
            ledger.loop(f"loop-{life}-{len(said)}", create=True)
            made = set(ledger.loops())


@pytest.mark.parametrize("what", slow_but({"00000001.vw"}, ["00000001.vw", "state.json"]))
def test_half_a_checkpoint_is_none(tmp_path, vw, what):
    with Child(CHILD, "half_a_checkpoint", tmp_path, what) as child:
        said = child.rest()
        assert child.end() == (-9, "")
    assert said == [["training"], ["dying", f"{what}.new"]]
    go_on(tmp_path, vw)


def test_a_model_whose_bytes_were_never_kept_is_made_again(tmp_path, vw):
    with Child(CHILD, "before_a_checkpoint", tmp_path) as child:
        said = child.rest()
        assert child.end() == (-9, "")
    assert said[1][:2] == ["dying", "1"]
    assert len(learned.seqs(tmp_path / "loop" / "log.db", "ModelTrained")) == 1
    go_on(tmp_path, vw)


def go_on(folder, vw):
    check_log(folder, vw, [])
    with loopledger.open(folder, workers=1) as ledger:
        loop = ledger.loop("loop")
        assert loop.rank({}, ACTIONS).model_version == loop.status().published == 1
        loop.train()
        assert loop.status().waiting_decisions <= 1
    check_log(folder, vw, [])
