import errno
import json
import shutil
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import learned
import msgspec
import pytest

import loopledger
from loopledger.adapters.backup import restoring
from loopledger.adapters.backup.manifest import read_manifest
from loopledger.adapters.embedding.view import LoopView
from loopledger.adapters.http.keys import Keys, create_key, list_keys, revoke_key
from loopledger.adapters.http.service import Service, read_service, write_service
from loopledger.adapters.model_signer import ModelSigner
from loopledger.adapters.place import in_folder
from loopledger.audit.verify import verify
from loopledger.errors import BackupDamaged, Conflict, InvalidRequest, LoopledgerError, NotFound

GOLDEN = sorted(Path(__file__).parent.glob("golden/format-*"))
GOLDEN_LOOPS = [
    pytest.param(folder / name, id=f"{folder.name}-{name}")
    for folder in GOLDEN
    for name in json.loads((folder / "expected.json").read_text("utf-8"))
]

pytestmark = pytest.mark.usefixtures("lent")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A backup of a data folder with two loops, keys and a signing key pair."""
    folder = tmp_path_factory.mktemp("restore")
    learned.make(folder / "data")
    learned.make(folder / "data", "sport", rounds=0)
    create_key(folder / "data", "news")
    ModelSigner(folder / "data", loopledger.SimulatedClock()).fingerprint()
    write_service(folder / "data", "news", Service(log_retention_days=9))
    with loopledger.open(folder / "data") as ledger:
        ledger.backup(folder / "copy")
    return folder / "copy"


@pytest.fixture
def copy(saved, tmp_path):
    """A backup of one's own."""
    return shutil.copytree(saved, tmp_path / "copy")


@pytest.fixture
def new(tmp_path):
    return tmp_path / "new"


def restore(new, copy, *names, **more):
    with loopledger.open(new) as ledger:
        return ledger.restore(copy, *names, **more)


def view(folder, vw):
    return LoopView(folder.name, in_folder(folder), vw)


def holds(folder, vw):
    place = in_folder(folder)
    with closing(place.store.reader()) as reader:
        return verify(reader, vw, place.checkpoints)


def left(folder):
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_a_loop_comes_back_as_it_was_and_goes_on(saved, new):
    found = restore(new, saved)
    made = read_manifest(saved)
    assert [(one.loop, one.seq, one.at, one.digest, one.saved) for one in found] == [
        (loop.name, loop.seq, loop.at, loop.digest, loop.seq) for loop in made.loops
    ]
    assert [one.findings.versions for one in found] == [3, 0]
    with loopledger.open(new, clock=loopledger.SimulatedClock(found[0].at)) as ledger:
        loop = ledger.loop("news")
        assert {path.name for path in (new / "news" / "models").iterdir()} == {
            f"{version:08d}.vw" for version in made.loop("news").models
        }
        assert loop.rank({"hour": 1}, learned.ACTIONS, event_id="event-001").event_id == "event-001"
        assert loop.status().events == found[0].seq  # it was in the log
        learned.live(loop, ledger.directory.clock, 1000)
        assert len(loop.train()) == 1
        assert loop.verify().holds


def test_every_file_beside_the_log_may_be_gone_afterwards(saved, new):
    restore(new, saved, "news", chain_only=True)
    with loopledger.open(new) as ledger:
        before = ledger.loop("news").model().data
    shutil.rmtree(new / "news" / "models")
    with loopledger.open(new) as ledger:
        assert ledger.loop("news").model().data == before


def check_moments(golden, folder, vw, step):
    """Restore a golden loop as it was after some of its events, and after the last."""
    shutil.copytree(golden, folder / "data" / golden.name)
    with loopledger.open(folder / "data") as ledger:
        (made,) = ledger.backup(folder / "copy").loops
    then = view(folder / "data" / golden.name, vw)
    erased = [(entry.seq, json.loads(bytes(entry.body))["runs"]) for entry in then.log(kinds=("Erased",))]
    with loopledger.open(folder / "new") as ledger:
        for seq in sorted({*range(1, made.seq + 1, step), made.seq}):
            name = f"at-{seq}"
            if any(by > seq and runs[0][0] <= seq for by, runs in erased):
                with pytest.raises(Conflict, match="erased in part by event"):
                    ledger.restore(folder / "copy", seq=seq, called=name, chain_only=True)
                continue
            (found,) = ledger.restore(folder / "copy", seq=seq, called=name, chain_only=True)
            as_of = then.as_of(seq=seq)
            assert (found.seq, found.at, found.digest) == (seq, as_of.at, as_of.digest)
            assert view(folder / "new" / name, vw).as_of() == as_of
            if step == 1 and seq % 9 and seq < made.seq:
                continue
            verification = holds(folder / "new" / name, vw)
            assert verification.holds, (seq, verification.findings.problems)
            loop = ledger.loop(name)
            if not loop.policy.multi_slot:
                loop.rank({"hour": 1}, {"one": {}, "other": {}}, event_id="and on it goes")
                assert loop.status().events > seq


@pytest.mark.parametrize("golden", GOLDEN_LOOPS)
def test_at_a_moment_it_is_the_loop_of_that_moment_and_goes_on(golden, tmp_path, vw):
    check_moments(golden, tmp_path, vw, step=17)


@pytest.mark.slow
@pytest.mark.parametrize("golden", GOLDEN_LOOPS)
def test_at_every_moment_it_is_the_loop_of_that_moment_and_goes_on(golden, tmp_path, vw):
    check_moments(golden, tmp_path, vw, step=1)


def test_models_that_came_later_stay_behind_and_so_does_what_was_kept_of_the_state(saved, new):
    trained = learned.seqs(saved / "news" / "log.db", "ModelTrained")
    (found,) = restore(new, saved, "news", seq=trained[1] + 1)
    assert found.findings.versions == 2
    kept = {path.name for path in (new / "news").rglob("*") if path.is_file()}
    assert kept <= {"log.db", "service.json", "00000001.vw", "00000002.vw"}
    with loopledger.open(new, clock=loopledger.SimulatedClock(found.at)) as ledger:
        loop = ledger.loop("news")
        assert loop.status().versions == 2
        # It does anew, and alike, what it had done by the next training: the same log, byte for byte.
        learned.live(loop, ledger.directory.clock, 120)
        loop.train()
        assert loop.as_of().digest == read_manifest(saved).loop("news").digest
        assert loop.verify().holds


def test_a_moment_may_be_a_time(saved, new):
    moment = learned.START + 30_000_000
    found = restore(new, saved, time=moment, chain_only=True)
    with closing(in_folder(saved / "news").store.reader()) as reader:
        last = reader.last_until(moment)
    assert [(one.loop, one.seq) for one in found] == [("news", last), ("sport", 1)]
    with pytest.raises(NotFound, match="made only after"):
        restore(new, saved, "news", called="earlier", time="2020-01-01")
    assert left(new) == ["keys.json", "keys.lock", "model-signing.lock", "model-signing.pem", "news", "sport"]


def test_a_loop_can_stand_beside_itself(saved, new):
    restore(new, saved, "news", chain_only=True)
    restore(new, saved, "news", called="news-before", seq=50, chain_only=True)
    assert list_keys(new) == [("news", "key1")]
    with loopledger.open(new) as ledger:
        assert ledger.loops() == ["news", "news-before"]
        assert ledger.loop("news-before").status().name == "news-before"
        request = {"hour": 2}
        # The name that a log was made under seeds its draws.
        first = ledger.loop("news").as_of(seq=50)
        assert ledger.loop("news-before").as_of() == first
        ledger.loop("news-before").rank(request, learned.ACTIONS)


def test_a_loop_that_there_is_stays_as_it_is(saved, new):
    restore(new, saved, "sport")
    before = sha256((new / "sport" / "log.db").read_bytes()).digest()
    with pytest.raises(Conflict, match="'sport' already"):
        restore(new, saved)
    assert sha256((new / "sport" / "log.db").read_bytes()).digest() == before
    assert "news" not in left(new)


def test_what_cannot_be_asked_for(saved, new):
    with pytest.raises(InvalidRequest, match="one loop"):
        restore(new, saved, seq=3)
    with pytest.raises(InvalidRequest, match="one loop"):
        restore(new, saved, called="other")
    with pytest.raises(InvalidRequest, match="give one of them"):
        restore(new, saved, "news", seq=3, time="2026-01-01")
    with pytest.raises(InvalidRequest, match="name"):
        restore(new, saved, "news", called="../other")
    with pytest.raises(InvalidRequest, match="seq"):
        restore(new, saved, "news", seq="3")
    with pytest.raises(InvalidRequest, match="source"):
        restore(new, 3)
    with pytest.raises(NotFound, match="it has news, sport"):
        restore(new, saved, "weather")
    for seq in (0, -1, 10_000_000):
        with pytest.raises(NotFound, match="there is no event"):
            restore(new, saved, "news", seq=seq)
    with loopledger.open(":memory:") as ledger, pytest.raises(InvalidRequest, match="in memory"):
        ledger.restore(saved, "news")
    assert left(new) == []


def test_what_is_no_backup(saved, copy, new):
    for source in (new.parent / "nothing", saved / "news", saved / "manifest.json", "nul\0"):
        with pytest.raises(InvalidRequest, match=r"no backup: it has no manifest\.json"):
            restore(new, source)
    text = msgspec.json.encode({"format": 2, "layout": "other"})
    whole = {"sha256": sha256(text).hexdigest(), "backup": msgspec.Raw(text)}
    (copy / "manifest.json").write_bytes(msgspec.json.encode(whole))
    with pytest.raises(InvalidRequest, match="layout 2, and this release knows 1"):
        restore(new, copy)


def resealed(copy, change):
    """Write a manifest that says something else, with a hash that fits."""
    made = msgspec.to_builtins(read_manifest(copy))
    change(made)
    text = msgspec.json.encode(made)
    whole = {"sha256": sha256(text).hexdigest(), "backup": msgspec.Raw(text)}
    (copy / "manifest.json").write_bytes(msgspec.json.encode(whole))


def test_a_manifest_that_was_written_by_somebody_leads_nowhere_else(copy, new):
    def outside(made):
        made["loops"][0]["name"] = "../../elsewhere"

    resealed(copy, outside)
    with pytest.raises((BackupDamaged, InvalidRequest)):
        restore(new, copy)
    assert left(new) == []


def test_a_log_that_was_exchanged_is_found_by_its_end_and_by_its_chain(copy, new):
    def other(made):
        made["loops"][0]["seq"] -= 1

    resealed(copy, other)
    with pytest.raises(BackupDamaged, match="does not end where"):
        restore(new, copy)
    log = copy / "news" / "log.db"
    learned.tamper(log, "UPDATE events SET body = replace(body, 'hour', 'year') WHERE seq = 7")

    def fitting(made):
        made["loops"][0]["seq"] += 1
        made["files"]["news/log.db"] = {
            "size": log.stat().st_size,
            "sha256": sha256(log.read_bytes()).hexdigest(),
        }

    resealed(copy, fitting)
    for chain_only in (True, False):
        with pytest.raises(BackupDamaged, match="does not hold: event 7"):
            restore(new, copy, chain_only=chain_only)
    assert left(new) == []


def places(size, count=7):
    """Return places all over a file: its ends, and some in between."""
    return sorted({0, size - 1, *(size * number // count for number in range(count))})


def test_a_bit_that_was_flipped_anywhere_is_found(copy, new):
    paths = [copy / name for name in ("manifest.json", *read_manifest(copy).files)]
    assert len(paths) >= 7
    for path in paths:
        content = path.read_bytes()
        for place in places(len(content)):
            flipped = bytearray(content)
            flipped[place] ^= 1 << place % 8
            path.write_bytes(flipped)
            with pytest.raises(BackupDamaged):
                restore(new, copy, chain_only=True)
            assert left(new) == [], (path, place)
        path.write_bytes(content)
    assert len(restore(new, copy, chain_only=True)) == 2


def test_every_bit_of_the_manifest_counts(copy):
    path = copy / "manifest.json"
    content = path.read_bytes()
    for place in range(0, len(content), 3):
        flipped = bytearray(content)
        flipped[place] ^= 1 << place % 8
        path.write_bytes(flipped)
        with pytest.raises(BackupDamaged):
            read_manifest(copy)


def test_a_file_that_was_cut_off_made_longer_or_taken_away_is_found(copy, new):
    for name in read_manifest(copy).files:
        path = copy / name
        content = path.read_bytes()
        for other in (b"", content[:-1], content + b"\0"):
            path.write_bytes(other)
            with pytest.raises(BackupDamaged, match=name):
                restore(new, copy, chain_only=True)
        path.unlink()
        with pytest.raises(BackupDamaged, match=f"{name} is missing"):
            restore(new, copy, chain_only=True)
        path.write_bytes(content)
    assert left(new) == []


def test_keys_come_back_where_there_were_none(saved, new):
    create_key(new.parent, "unused")
    restore(new, saved, chain_only=True)
    assert list_keys(new) == [("news", "key1")]
    assert read_service(new, "news").log_retention_days == 9
    assert (new / "news" / "service.json").stat().st_mode & 0o777 == 0o600
    assert (new / "model-signing.pem").read_bytes() == (saved / "model-signing.pem").read_bytes()
    assert ModelSigner(new, loopledger.SimulatedClock()).fingerprint()


def test_a_key_that_was_revoked_stays_so_and_a_key_pair_that_there_is_stays(saved, new):
    new.mkdir()
    fingerprint = ModelSigner(new, loopledger.SimulatedClock()).fingerprint()
    _, key = create_key(new, "news")
    revoke_key(new, "news", "key1")
    restore(new, saved, chain_only=True)
    assert list_keys(new) == []
    assert Keys(new).loop(key) is None
    assert ModelSigner(new, loopledger.SimulatedClock()).fingerprint() == fingerprint


def test_keys_can_be_left_out(saved, new):
    restore(new, saved, keys=False, chain_only=True)
    assert left(new) == ["news", "sport"]


def test_what_was_erased_since_does_not_come_back_and_the_moment_is_refused(tmp_path, new, vw, clock):
    settings = loopledger.Settings(model_update_frequency=0)
    with loopledger.open(tmp_path / "data", clock=clock) as ledger:
        loop = ledger.create("private", settings=settings)
        learned.live(loop, clock, 0)
        loop.train()
        before = loop.status().events
        ledger.backup(tmp_path / "earlier")
        loop.erase(["event-003", "event-030"])
        erased = loop.status().events
        loop.rank({"hour": 1}, learned.ACTIONS, event_id="later")
        ledger.backup(tmp_path / "copy")
    first = next(entry.seq for entry in view(tmp_path / "data" / "private", vw).log(event_id="event-003"))
    for seq in (first, before, erased - 1):
        with pytest.raises(Conflict, match=f"ask for event {erased} or a later one"):
            restore(new, tmp_path / "copy", seq=seq)
    assert left(new) == []
    restore(new, tmp_path / "copy", seq=first - 1, called="before", chain_only=True)
    restore(new, tmp_path / "copy", seq=erased, called="after", chain_only=True)
    restore(new, tmp_path / "copy")
    restore(new, tmp_path / "earlier", called="earlier", chain_only=True)
    assert holds(new / "after", vw).findings.erased > 0
    assert b'"hour":3' in (new / "earlier" / "log.db").read_bytes()


@pytest.mark.parametrize("moment", [0, 1, 2, 4, 8])
@pytest.mark.parametrize("seq", [None, 200])
def test_what_is_interrupted_leaves_nothing(saved, new, moment, seq):
    told = []

    def progress(done, total):
        if len(told) == moment:
            raise KeyboardInterrupt
        told.append((done, total))

    try:
        restore(new, saved, "news", seq=seq, progress=progress)
    except KeyboardInterrupt:
        assert left(new) == []
    else:
        assert len(told) <= moment


def test_two_that_restore_the_same_do_not_mix(saved, new):
    def meanwhile(_done, _total):
        if "news" not in left(new):
            restore(new, saved, "news", chain_only=True)

    with pytest.raises(Conflict, match="in the way"):
        restore(new, saved, "news", progress=meanwhile)
    assert [name for name in left(new) if name.startswith(".")] == []
    with loopledger.open(new) as ledger:
        assert ledger.loop("news").verify().holds


def test_a_disk_that_does_not_take_it_is_a_sentence(saved, new, monkeypatch):
    full = OSError(errno.ENOSPC, "No space left on device")

    def fail(*_, **__):
        raise full

    with monkeypatch.context() as patch:
        patch.setattr(restoring, "take_out", fail)
        with pytest.raises(LoopledgerError, match=r"cannot be made: .*No space left.*disk is full") as caught:
            restore(new, saved, "news")
    assert caught.value.__cause__ is full
    assert left(new) == []
    restore(new, saved, "news")
