"""Replaying a log gives the same models and decisions: for every kind of policy, anywhere, from any start."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from policies import POLICIES
from quick import slow_but
from support import Bench, on_disk

from loopledger.adapters.place import in_folder
from loopledger.adapters.vw.learner import VwLearner
from loopledger.audit.verify import verify
from loopledger.commands import ChangePolicy, Rank, RankSlots, Reward
from loopledger.deciding.context import build_context
from loopledger.deciding.request import Slot, read_slots
from loopledger.learning.replay import rebuild, version_event
from loopledger.policy import LearningPolicy
from loopledger.settings import Limits, Settings

IDS = ("a", "b", "c", "d")
FEATURES = [
    {"taste": taste, "price": price} for price, taste in enumerate(("sweet", "sour", "salty", "bitter"))
]
SLOTS = [Slot("top", {"wide": 1}), Slot("side", {"wide": 0})]


def decide(bench, number):
    context = {"hour": number % 4, "user": {"age": number % 7 / 7, "tags": [number % 3, 0.5]}}
    event_id = f"event-{number}"
    if bench.loop.state.policy.multi_slot:
        read = read_slots(SLOTS, IDS, Limits())
        body = build_context(context, IDS, FEATURES, Limits(), read)
        decision = bench.do(RankSlots(event_id, True, body, IDS, tuple(terms for _, terms in read), False))
        for slot in decision.slots:
            bench.do(Reward(event_id, float((number + len(slot.action)) % 3 == 0), slot.slot))
    else:
        body = build_context(context, IDS, FEATURES, Limits())
        decision = bench.do(Rank(event_id, True, body, IDS, (), False))
        bench.do(Reward(event_id, float(IDS.index(decision.action) == number % 4)))
    bench.clock.advance(1)


def lived(bench, first, count):
    for number in range(first, first + count):
        decide(bench, number)
    bench.clock.advance(600)
    return bench.train()


QUICK = {"bag", "cover", "personalizer", "regcb", "rnd", "slots", "softmax", "squarecb"}


@pytest.fixture(params=slow_but(QUICK, sorted(POLICIES)))
def bench(request, vw, tmp_path):
    policy = POLICIES[request.param]
    bench = Bench(on_disk(tmp_path), vw, policy=policy, settings=Settings(checkpoint_interval=25))
    for number in range(4):
        lived(bench, 20 * number, 20)
    yield bench
    bench.loop.close()


def hashes(bench):
    return {record["version"]: record["sha256"] for record in map(json.loads, bodies(bench))}


def bodies(bench):
    return [record.body for record in bench.records("ModelTrained")]


def test_every_version_and_every_decision(bench, vw):
    assert bench.loop.state.versions == 4
    reader = bench.place.store.reader()
    for version in hashes(bench):
        rebuild(reader, vw, version)
    verification = verify(reader, vw, bench.place.checkpoints)
    assert verification.findings.problems == ()
    assert (verification.findings.versions, verification.findings.decisions) == (4, 80)
    reader.close()


def test_compression_changes_no_decision_and_no_model(bench, vw, tmp_path):
    settings = Settings(checkpoint_interval=25, compression=True)
    packed = Bench(on_disk(tmp_path / "packed"), vw, policy=bench.loop.state.policy, settings=settings)
    for number in range(4):
        lived(packed, 20 * number, 20)
    assert [record.body for record in packed.records()[1:]] == [record.body for record in bench.records()[1:]]
    reader = packed.place.store.reader()
    assert reader.dictionaries()
    for version in hashes(packed):
        rebuild(reader, vw, version)
    verification = verify(reader, vw, packed.place.checkpoints)
    assert verification.findings.problems == ()
    assert (verification.findings.versions, verification.findings.decisions) == (4, 80)
    reader.close()
    packed.loop.close()


def test_deleting_everything_but_the_log_changes_no_answer(bench, vw, tmp_path):
    copy = tmp_path / "copy" / "bench"
    bench.loop.close()
    copy.mkdir(parents=True)
    shutil.copy(bench.place.folder / "log.db", copy / "log.db")
    bench.open()
    decide(bench, 1000)
    (expected,) = [
        record for record in bench.records("Ranked", "SlotsRanked") if record.event_id == "event-1000"
    ]
    again = Bench.__new__(Bench)
    again.place, again.learner, again.clock = in_folder(copy), vw, bench.clock
    bench.clock.advance(-1)
    again.open()
    decide(again, 1000)
    (found,) = [
        record for record in again.records("Ranked", "SlotsRanked") if record.event_id == "event-1000"
    ]
    assert (found.body, found.digest) == (expected.body, expected.digest)
    again.loop.close()


def test_another_process_with_other_hash_seeds(vw, tmp_path):
    bench = Bench(on_disk(tmp_path), vw, policy=POLICIES["bag"])
    lived(bench, 0, 30)
    lived(bench, 30, 30)
    bench.loop.close()
    script = (
        "import sys; from pathlib import Path; from loopledger.adapters.place import in_folder; "
        "from loopledger.adapters.vw.learner import VwLearner; from loopledger.learning.replay import rebuild; "
        "from hashlib import sha256; place = in_folder(Path(sys.argv[1])); learner = VwLearner(); "
        "print(sha256(rebuild(place.store.reader(), learner, 2)).hexdigest()); learner.close()"
    )
    for seed in ("0", "12345"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        printed = subprocess.check_output(
            [sys.executable, "-c", script, str(bench.place.folder)], env=environment
        )
        assert printed.decode().strip() == hashes(bench)[2]


def test_where_the_batches_are_cut_is_in_the_log_and_nowhere_else(vw):
    benches = [
        Bench(learner=vw, policy=POLICIES["synthcover"], settings=Settings(checkpoint_interval=n))
        for n in (7, 100)
    ]
    for bench in benches:
        lived(bench, 0, 30)
    cut, whole = benches
    assert len(hashes(cut)) == 5
    reader = cut.place.store.reader()
    for version in hashes(cut):
        assert version_event(reader, version)[1].decisions <= 7
    assert verify(reader, vw, cut.place.checkpoints).holds
    assert verify(whole.place.store.reader(), vw, whole.place.checkpoints).holds


def test_policies_one_after_the_other(vw):
    bench = Bench(learner=vw, policy=POLICIES["personalizer"], settings=Settings(checkpoint_interval=16))
    number = 0
    for name in ("squarecb", "bag", "dr", "regcb", "rnd", "hash-all"):
        lived(bench, number, 12)
        number += 12
        bench.do(ChangePolicy(POLICIES[name], relearn=name != "dr"))
        bench.train()
    lived(bench, number, 12)
    verification = verify(bench.place.store.reader(), vw, bench.place.checkpoints)
    assert verification.findings.problems == ()
    assert verification.findings.decisions == 84


def test_exploration_set_on_a_living_line(vw):
    from loopledger.commands import ChangeSettings

    bench = Bench(learner=vw, policy=LearningPolicy("p", "--cb_explore_adf --epsilon 0.1 -q :i"))
    lived(bench, 0, 20)
    bench.do(ChangeSettings({"exploration_percentage": 1.0, "minimum_probability": 0.0}))
    assert bench.train() == [2]
    decide(bench, 100)
    body = json.loads(bench.records("Ranked")[-1].body)
    assert body["probabilities"] == pytest.approx([0.25] * 4)
    lived(bench, 101, 10)
    assert verify(bench.place.store.reader(), vw, bench.place.checkpoints).holds


def test_models_are_equal_in_another_learner(vw):
    bench = Bench(learner=vw, policy=POLICIES["cover"])
    lived(bench, 0, 25)
    other = VwLearner(workers=1)
    rebuild(bench.place.store.reader(), other, 1)
    other.close()
