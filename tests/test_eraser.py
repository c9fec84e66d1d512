"""Erasing beside a running loop: bodies go, the chain and every model stay."""

import shutil
from hashlib import sha256

import pytest
from learned import seqs, tamper
from support import Bench, TinyLearner, on_disk
from test_loop import learned, rank

from loopledger.audit.verify import verify
from loopledger.audit.why import why
from loopledger.commands import PlanTraining, Rank, Relearn, Reward
from loopledger.errors import Conflict, NotFound, ReplayMismatch
from loopledger.learning.lineage import lineage
from loopledger.learning.replay import rebuild
from loopledger.log import eraser
from loopledger.log.erasing import marks_before
from loopledger.log.events import decode
from loopledger.settings import Settings

SECRET = "a-name-that-nobody-may-know"


@pytest.fixture(params=["memory", "disk"])
def bench(request, tmp_path):
    return Bench(on_disk(tmp_path) if request.param == "disk" else None)


def checked(bench, learner=None):
    return verify(bench.place.store.reader(), learner or bench.learner, bench.place.checkpoints)


def forget_models(bench):
    for version in range(1, bench.loop.state.versions + 1):
        bench.place.checkpoints.drop_model(version)


def versions(bench):
    return {
        model.version: model.sha256 for model in lineage(bench.place.store.reader(), bench.place.checkpoints)
    }


def test_the_body_goes_and_everything_else_stays(bench):
    learned(bench, 4)
    before = bench.records()
    erased = bench.erase("e1")
    assert (erased.decisions, erased.kept, erased.lost) == (1, (1,), ())
    after = bench.records()
    for old, new in zip(before, after, strict=False):
        assert (old.seq, old.at, old.kind, old.event_id, old.digest) == (
            new.seq,
            new.at,
            new.kind,
            new.event_id,
            new.digest,
        )
        if new.event_id == "e1":
            assert new.erased
            assert (new.body, new.body_sha256) == (b"", sha256(old.body).digest())
        else:
            assert new == old
    assert [record.kind for record in after[len(before) :]] == ["ModelKept", "Erased"]
    assert erased.events == sum(record.erased for record in after)


def test_it_holds_and_says_what_could_not_be_checked(bench):
    learned(bench, 4)
    learned(bench, 4, 10)
    erased = bench.erase("e1")
    findings = checked(bench).findings
    assert findings.problems == ()
    assert (findings.versions, findings.unchecked_versions) == (1, 1)
    assert (findings.decisions, findings.unchecked_decisions) == (7, 1)
    assert findings.erased == erased.events


def test_every_version_stays_reachable(bench):
    for first in (0, 10, 20, 30):
        learned(bench, 3, first)
    recorded = versions(bench)
    bench.erase("e0", "e21")
    bench.erase("e11")
    forget_models(bench)
    reader = bench.place.store.reader()
    for version, digest in recorded.items():
        assert sha256(rebuild(reader, bench.learner, version)).hexdigest() == digest
    assert checked(bench).findings.problems == ()
    bench.reopen()
    learned(bench, 3, 40)
    assert checked(bench).findings.problems == ()


def test_what_is_erased_before_it_was_learned_is_never_learned(bench):
    for number in range(4):
        bench.do(rank(f"e{number}"))
        bench.do(Reward(f"e{number}", 1.0))
    assert bench.erase("e2").kept == ()
    bench.clock.advance(600)
    assert bench.train() == [1]
    (trained,) = bench.records("ModelTrained")
    event = decode(trained.body, trained.seq)
    assert (event.decisions, event.examples) == (4, 3)
    findings = checked(bench).findings
    assert (findings.problems, findings.versions, findings.unchecked_versions) == ((), 1, 0)


def test_what_comes_for_it_later_changes_nothing(bench):
    bench.do(rank("e"))
    bench.erase("e")
    bench.do(Reward("e", 1.0, key="k"))
    bench.do(Reward("e", 0.5, key="k2"))
    bench.clock.advance(600)
    bench.train()
    assert decode(bench.records("ModelTrained")[0].body, 1).examples == 0
    assert checked(bench).findings.problems == ()


def test_an_idempotency_key_is_forgotten_with_its_reward(bench):
    bench.do(rank("e"))
    bench.do(Reward("e", 1.0, key="k"))
    bench.erase("e")
    receipt = bench.do(Reward("e", 0.25, key="k"))
    assert receipt.seq == len(bench.records())


def test_its_event_id_is_not_used_again(bench):
    bench.do(rank("e"))
    bench.erase("e")
    with pytest.raises(Conflict, match="erased"):
        bench.do(rank("e"))
    with pytest.raises(NotFound, match="was erased"):
        why(bench.place.store.reader(), bench.learner, bench.place.checkpoints, "e")


def test_a_training_that_read_what_is_erased_meanwhile_does_not_count(bench):
    learned(bench, 2)
    for number in range(10, 13):
        bench.do(rank(f"e{number}"))
    bench.clock.advance(600)
    step = bench.do(PlanTraining())
    bench.erase("e11")
    with pytest.raises(Conflict):
        bench.trainer._carry_out(step, None)
    assert bench.train() == [2]
    assert checked(bench).findings.problems == ()


def test_portions_are_whole_each(bench, monkeypatch):
    monkeypatch.setattr(eraser, "_PORTION", 3)
    learned(bench, 5)
    told = []
    erased = bench.eraser.erase(
        lambda reader: marks_before(reader, bench.clock.now()),
        lambda: bench.loop.state,
        lambda done, total: told.append((done, total)),
    )
    assert erased.decisions == 5
    assert erased.kept == (1,)
    assert len(bench.records("Erased")) == -(-erased.events // 3) == len(told)
    assert told == sorted(told)
    assert checked(bench).findings.problems == ()


class Foreign(TinyLearner):
    engine = "tiny 2"

    def fold(self, policy, parent, examples):
        folded = super().fold(policy, parent, examples)
        return folded._replace(model=folded.model[:-1] + bytes([folded.model[-1] ^ 1]))


def elsewhere(bench):
    """Open the loop where another engine makes other models."""
    forget_models(bench)
    bench.loop.close()
    bench.learner = Foreign()
    bench.open()


def test_a_version_that_cannot_be_made_here_is_not_lost_by_accident(bench):
    learned(bench, 3)
    elsewhere(bench)
    before = bench.kinds()
    with pytest.raises(ReplayMismatch, match=r"version 1 learned from what is to be erased .* force"):
        bench.erase("e1")
    assert bench.kinds() == before
    erased = bench.erase("e1", force=True)
    assert (erased.kept, erased.lost) == ((), (1,))
    findings = checked(bench).findings
    assert (findings.problems, findings.unchecked_versions) == ((), 1)


def test_relearning_leaves_out_what_is_erased(bench):
    learned(bench, 4)
    bench.erase("e1")
    bench.do(Relearn())
    assert bench.train() == [2]
    event = decode(bench.records("ModelTrained")[-1].body, 1)
    assert (event.decisions, event.examples) == (4, 3)
    findings = checked(bench).findings
    assert (findings.problems, findings.versions, findings.unchecked_versions) == ((), 1, 1)


def secret(number):
    request = rank(f"e{number}", context={"who": SECRET + "x" * 20_000 * (number == 1)})
    assert isinstance(request, Rank)
    return request


def test_nothing_of_it_is_left_on_the_disk(tmp_path):
    bench = Bench(on_disk(tmp_path), settings=Settings(model_update_frequency=0))
    for number in range(3):
        bench.do(secret(number))
    bench.loop.close()
    bench.open()

    def found():
        return sum(
            path.read_bytes().count(SECRET.encode())
            for path in bench.place.folder.rglob("*")
            if path.is_file()
        )

    assert found() == 3
    bench.erase("e0", "e1", "e2")
    assert found() == 0
    bench.loop.close()
    assert found() == 0


def test_a_reader_in_the_way_holds_nobody_up(tmp_path):
    bench = Bench(on_disk(tmp_path))
    bench.do(secret(0))
    bench.loop.close()
    bench.open()
    reader = bench.place.store.reader()
    connection = reader._connection
    connection.execute("BEGIN")
    connection.execute("SELECT * FROM events").fetchone()
    bench.erase("e0")
    bench.do(rank("next"))
    assert SECRET in str(connection.execute("SELECT CAST(body AS TEXT) FROM events WHERE seq = 2").fetchone())
    connection.execute("COMMIT")
    reader.close()
    bench.loop.close()
    assert SECRET.encode() not in bench.place.folder.joinpath("log.db").read_bytes()


def test_only_bodies_of_traffic_can_be_erased_and_nothing_else_changed(tmp_path):
    bench = Bench(on_disk(tmp_path))
    learned(bench, 2)
    bench.erase("e0")
    execute = bench.loop._journal._connection.execute
    hashed = "codec = 1, body = zeroblob(32)"
    for change in (
        f"UPDATE events SET {hashed} WHERE seq = 1",
        f"UPDATE events SET {hashed} WHERE kind = 'ModelTrained'",
        f"UPDATE events SET {hashed} WHERE event_id = 'e0'",
        "UPDATE events SET codec = 1, body = zeroblob(31) WHERE event_id = 'e1'",
        "UPDATE events SET codec = 1, body = 'x' WHERE event_id = 'e1'",
        "UPDATE events SET codec = 2, body = zeroblob(32) WHERE event_id = 'e1'",
        f"UPDATE events SET {hashed}, at = at + 1 WHERE event_id = 'e1'",
        f"UPDATE events SET {hashed}, event_id = NULL WHERE event_id = 'e1'",
        f"UPDATE events SET {hashed}, digest = zeroblob(32) WHERE event_id = 'e1'",
        "UPDATE events SET body = 'x' WHERE event_id = 'e1'",
        "DELETE FROM events WHERE seq = 3",
    ):
        with pytest.raises(Exception, match="append-only"):
            execute(change)


def test_a_body_that_vanished_without_a_word_is_found(tmp_path):
    bench = Bench(on_disk(tmp_path))
    learned(bench, 3)
    bench.loop.close()
    database = bench.place.folder / "log.db"
    place = seqs(database, "Ranked")[1]
    body = bench.records("Ranked")[1].body
    hashed = sha256(body).hexdigest()
    tamper(database, f"UPDATE events SET codec = 1, body = x'{hashed}' WHERE seq = {place}")
    problems = checked(bench).findings.problems
    assert [problem.seq for problem in problems if "no event says that it was erased" in problem.what] == [
        place
    ]


def test_a_body_that_came_back_is_found(tmp_path):
    bench = Bench(on_disk(tmp_path))
    learned(bench, 3)
    bodies = {record.seq: record.body for record in bench.records()}
    bench.erase("e1")
    bench.loop.close()
    database = bench.place.folder / "log.db"
    place = next(record.seq for record in bench.records("Ranked") if record.erased)
    text = bodies[place].decode().replace("'", "''")
    tamper(database, f"UPDATE events SET codec = 0, body = '{text}' WHERE seq = {place}")
    problems = checked(bench).findings.problems
    assert any(problem.seq == place and "still has its body" in problem.what for problem in problems)


def test_another_hash_in_its_place_is_found(tmp_path):
    bench = Bench(on_disk(tmp_path))
    learned(bench, 3)
    bench.erase("e1")
    bench.loop.close()
    place = next(record.seq for record in bench.records("Ranked") if record.erased)
    tamper(bench.place.folder / "log.db", f"UPDATE events SET body = zeroblob(32) WHERE seq = {place}")
    assert checked(bench).first_problem.seq == place


def test_a_writer_that_died_before_it_cut_off_the_write_ahead_log(tmp_path, monkeypatch):
    bench = Bench(on_disk(tmp_path))
    bench.do(secret(0))
    monkeypatch.setattr(type(bench.loop._journal), "_checkpoint", lambda _: None)
    bench.erase("e0")
    copied = shutil.copytree(bench.place.folder, tmp_path / "died" / "bench")  # as it is on the disk now
    monkeypatch.undo()
    bench.loop.close()
    assert SECRET.encode() in (copied / "log.db-wal").read_bytes()
    again = on_disk(tmp_path / "died").store.writer()
    found = [path.name for path in copied.iterdir() if SECRET.encode() in path.read_bytes()]
    again.close()
    assert found == []
