import os
import shutil
import sqlite3
import stat
import threading
from contextlib import closing
from hashlib import sha256

import learned
import msgspec
import pytest

import loopledger
from loopledger.adapters.backup.manifest import read_manifest
from loopledger.adapters.backup.progress import part
from loopledger.adapters.http.keys import create_key, list_keys
from loopledger.adapters.http.service import Service, read_service, write_service
from loopledger.adapters.model_signer import ModelSigner
from loopledger.adapters.place import in_folder
from loopledger.errors import Conflict, InvalidRequest, LogDamaged, NotFound

ACTIONS = {"a": {"x": 1}, "b": {"x": 2}, "c": {"x": 3}}

pytestmark = pytest.mark.usefixtures("lent")


@pytest.fixture(scope="module")
def learned_data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("backup") / "data"
    learned.make(folder, rounds=2)
    learned.make(folder, "sport", rounds=0)
    return folder


@pytest.fixture
def data(learned_data, tmp_path):
    return shutil.copytree(learned_data, tmp_path / "data")


def backup(data, out, *names, **more):
    with loopledger.open(data) as ledger:
        return ledger.backup(out, *names, **more)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def files(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_it_holds_every_loop_with_the_models_that_are_kept(data, tmp_path):
    made = backup(data, tmp_path / "copy")
    assert [loop.name for loop in made.loops] == ["news", "sport"]
    with loopledger.open(data) as ledger:
        for saved in made.loops:
            as_of = ledger.loop(saved.name).as_of()
            assert (saved.seq, saved.at, saved.digest) == (as_of.seq, as_of.at, as_of.digest)
    kept = {path.name for path in (data / "news" / "models").iterdir()}
    assert {f"{version:08d}.vw" for version in made.loop("news").models} == kept
    assert files(tmp_path / "copy") == {"manifest.json", *made.files}
    for path, saved in made.files.items():
        content = (tmp_path / "copy" / path).read_bytes()
        assert (len(content), sha256(content).hexdigest()) == (saved.size, saved.sha256)
    assert read_manifest(tmp_path / "copy") == made
    assert made.loopledger == loopledger.__version__


def test_it_is_a_data_folder_that_can_be_read_and_stays_as_it_is(data, tmp_path):
    made = backup(data, tmp_path / "copy")
    with closing(in_folder(tmp_path / "copy" / "news").store.reader()) as reader:
        assert reader.head().seq == made.loop("news").seq
        assert sum(1 for _ in reader.records()) == made.loop("news").seq
    assert files(tmp_path / "copy") == {"manifest.json", *made.files}


def test_some_loops_only_and_their_keys_only(data, tmp_path):
    create_key(data, "news")
    create_key(data, "sport")
    made = backup(data, tmp_path / "copy", "sport")
    assert [loop.name for loop in made.loops] == ["sport"]
    assert list_keys(tmp_path / "copy") == [("sport", "key1")]


def test_what_is_secret_of_a_server_comes_along_unless_it_is_left_out(data, tmp_path):
    _, key = create_key(data, "news")
    fingerprint = ModelSigner(data, loopledger.SimulatedClock()).fingerprint()
    write_service(data, "news", Service(log_retention_days=9, log_mirror_sas_uri="https://secret"))
    backup(data, tmp_path / "copy")
    assert key.encode() not in b"".join((tmp_path / "copy" / name).read_bytes() for name in ("keys.json",))
    assert ModelSigner(tmp_path / "copy", loopledger.SimulatedClock()).fingerprint() == fingerprint
    assert read_service(tmp_path / "copy", "news").log_retention_days == 9
    for secret in ("keys.json", "model-signing.pem", "news/service.json"):
        assert mode(tmp_path / "copy" / secret) == 0o600
    backup(data, tmp_path / "open", keys=False)
    assert not {"keys.json", "model-signing.pem"} & files(tmp_path / "open")
    assert read_service(tmp_path / "copy", "news").log_mirror_sas_uri == "https://secret"
    assert read_service(tmp_path / "open", "news") == Service(log_retention_days=9)


def test_nobody_may_read_more_of_it_than_of_the_data_folder(data, tmp_path):
    data.chmod(0o750)
    (data / "news").chmod(0o700)
    (data / "news" / "log.db").chmod(0o640)
    backup(data, tmp_path / "copy")
    assert mode(tmp_path / "copy") == 0o750
    assert mode(tmp_path / "copy" / "news") == 0o700
    assert mode(tmp_path / "copy" / "news" / "log.db") == 0o640


def test_a_backup_is_replaced_only_if_it_is_forced(data, tmp_path):
    first = backup(data, tmp_path / "copy")
    with pytest.raises(Conflict, match="force"):
        backup(data, tmp_path / "copy", "sport")
    assert read_manifest(tmp_path / "copy") == first
    second = backup(data, tmp_path / "copy", "sport", force=True)
    assert read_manifest(tmp_path / "copy") == second
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "data"]


def test_what_is_no_backup_is_never_replaced(data, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "one.jpg").write_bytes(b"dear")
    with pytest.raises(InvalidRequest, match="no backup"):
        backup(data, tmp_path / "photos", force=True)
    assert (tmp_path / "photos" / "one.jpg").read_bytes() == b"dear"


@pytest.mark.parametrize("out", [".", "inside", "news/inside"])
def test_it_does_not_go_into_the_data_folder(data, out):
    before = files(data)
    with pytest.raises(InvalidRequest, match="outside the data folder"):
        backup(data, data / out)
    assert files(data) == before


def test_a_folder_around_the_data_folder_is_never_replaced(data, tmp_path):
    backup(data, tmp_path / "copy")
    inside = shutil.copytree(data, tmp_path / "copy" / "data")
    with pytest.raises(InvalidRequest, match="not around it"):
        backup(inside, tmp_path / "copy", force=True)
    assert files(inside) == files(data)


@pytest.mark.parametrize("out", ["missing/folder", "file/copy", "nul\0"])
def test_where_it_cannot_be_made_is_said(data, tmp_path, out):
    (tmp_path / "file").touch()
    with pytest.raises(InvalidRequest, match="out: cannot be made"):
        backup(data, f"{tmp_path}/{out}")


def test_loops_that_there_are_not(data, tmp_path):
    with pytest.raises(NotFound, match="'weather'"):
        backup(data, tmp_path / "copy", "news", "weather")
    with pytest.raises(NotFound, match="nothing to back up"):
        backup(tmp_path / "empty", tmp_path / "copy")
    with pytest.raises(InvalidRequest, match="name"):
        backup(data, tmp_path / "copy", "../data/news")
    with loopledger.open(":memory:") as ledger, pytest.raises(InvalidRequest, match="in memory"):
        ledger.backup(tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_of_a_log_that_does_not_hold_no_backup_is_made(data, tmp_path):
    learned.tamper(data / "news" / "log.db", "UPDATE events SET body = replace(body, 'hour', 'year')")
    with pytest.raises(LogDamaged, match=r"news: event 2 .*no backup was made"):
        backup(data, tmp_path / "copy")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_an_index_that_lies_is_noticed(data, tmp_path):
    with closing(sqlite3.connect(data / "news" / "log.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_schema SET sql = replace(sql, 'kind, seq', 'seq, kind') WHERE name = 'by_kind'"
        )
    with pytest.raises(LogDamaged, match="no backup was made"):
        backup(data, tmp_path / "copy")


def test_a_model_that_is_not_the_logs_stays_behind(data, tmp_path):
    made = backup(data, tmp_path / "copy")
    version = made.loop("news").models[-1]
    (data / "news" / "models" / f"{version:08d}.vw").write_bytes(b"something else")
    again = backup(data, tmp_path / "again")
    assert again.loop("news").models == made.loop("news").models[:-1]


@pytest.mark.parametrize("moment", [0, 1, 2, 3])
def test_what_is_interrupted_leaves_nothing(data, tmp_path, moment):
    told = []

    def progress(done, total):
        if len(told) == moment:
            raise KeyboardInterrupt
        told.append((done, total))

    with pytest.raises(KeyboardInterrupt):
        backup(data, tmp_path / "copy", progress=progress)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_progress_only_grows_and_comes_to_its_end(data, tmp_path):
    told = []
    backup(data, tmp_path / "copy", progress=lambda done, total: told.append((done, total)))
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1] == (1000, 1000)


def test_a_part_of_nothing_tells_nothing():
    told = []
    part(lambda *one: told.append(one), 0.5, 0.5)(0, 0)
    part(None, 0.5, 0.5)(1, 1)
    part(lambda *one: told.append(one), 0.5, 0.5)(1, 2)
    assert told == [(750, 1000)]


class Crowd:
    """Callers that rank and reward until they are told to stop, and remember what was answered."""

    def __init__(self, loop, callers=3):
        self.answered = []
        self._loop = loop
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._call, args=(number,)) for number in range(callers)]

    def _call(self, caller):
        number = 0
        while not self._over.is_set():
            decision = self._loop.rank({"hour": number % 5}, ACTIONS, event_id=f"{caller}-{number}")
            self._loop.reward(decision.event_id, float(decision.action == "b"), key="one")
            self.answered.append(decision.event_id)
            number += 1

    def wait_for(self, count):
        while len(self.answered) < count:
            assert any(thread.is_alive() for thread in self._threads)

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        for thread in self._threads:
            thread.join()


@pytest.mark.slow
def test_under_load_it_holds_all_that_was_answered_before_and_is_a_beginning_of_the_log(tmp_path, clock):
    settings = loopledger.Settings(model_update_frequency=0, reward_wait_time=60)
    taken = []
    with loopledger.open(tmp_path / "data", clock=clock) as ledger:
        loop = ledger.create("busy", settings=settings)
        with Crowd(loop) as crowd:
            for number in range(4):
                crowd.wait_for(40 * (number + 1))
                clock.advance(100)
                training = threading.Thread(target=loop.train)
                if number % 2:
                    training.start()
                answered = list(crowd.answered)
                taken.append((answered, ledger.backup(tmp_path / f"copy-{number}")))
                if number % 2:
                    training.join()
            crowd.wait_for(len(crowd.answered) + 1)  # it went on all the time
        assert loop.verify().holds
        for number, (answered, made) in enumerate(taken):
            saved = made.loop("busy")
            as_of = loop.as_of(seq=saved.seq)
            assert (saved.digest, saved.at) == (as_of.digest, as_of.at)
            (restored,) = ledger.restore(
                tmp_path / f"copy-{number}", called=f"busy-{number}", chain_only=number != 3
            )
            assert (restored.seq, restored.digest) == (saved.seq, saved.digest)
            log = list(ledger.loop(f"busy-{number}").log(kinds=("Ranked", "Rewarded")))
            for kind in ("Ranked", "Rewarded"):
                assert set(answered) <= {entry.event_id for entry in log if entry.kind == kind}
        assert len({made.loop("busy").seq for _, made in taken}) == len(taken)


def test_a_process_that_writes_is_not_in_the_way_of_another_that_copies(tmp_path, data):
    # The loop is open here, which locks it; a backup asks for no lock.
    with loopledger.open(data) as ledger, loopledger.open(data) as other:
        ledger.loop("news")
        made = other.backup(tmp_path / "copy", "news")
        with pytest.raises(loopledger.LoopInUse):
            other.loop("news")
    assert made.loop("news").seq > 0


async def test_the_async_face_has_the_same(data, tmp_path):
    async with loopledger.open_async(data) as ledger:
        made = await ledger.backup(tmp_path / "copy", "news", keys=False)
    async with loopledger.open_async(tmp_path / "new") as ledger:
        (restored,) = await ledger.restore(tmp_path / "copy", "news", seq=100, called="past", chain_only=True)
        assert (restored.loop, restored.seq, restored.saved) == ("past", 100, made.loop("news").seq)
        assert (await (await ledger.loop("past")).status()).events == 100


def test_a_manifest_reads_what_a_later_release_of_the_same_layout_adds(data, tmp_path):
    made = backup(data, tmp_path / "copy")
    text = msgspec.json.encode({**msgspec.to_builtins(made), "colour": "blue"})
    whole = {"sha256": sha256(text).hexdigest(), "backup": msgspec.Raw(text)}
    (tmp_path / "copy" / "manifest.json").write_bytes(msgspec.json.encode(whole))
    assert read_manifest(tmp_path / "copy") == made


def test_where_the_disk_of_the_backup_is_full_nothing_stays(data, tmp_path, monkeypatch):
    def full(_handle):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        backup(data, tmp_path / "copy")
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
