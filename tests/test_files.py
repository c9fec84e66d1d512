"""What is kept in files beside a log: it saves time, and nothing is ever believed because of it."""

import json
import shutil

import pytest
from support import Bench, on_disk
from test_loop import learned, rank

from loopledger.adapters.files import FileCheckpoints
from loopledger.adapters.place import in_folder
from loopledger.commands import ChangePolicy, ChangeSettings, PublishModel, ResetModel
from loopledger.errors import LearnerFailed
from loopledger.learning.checkpoints import recover
from loopledger.policy import LearningPolicy

OTHER = LearningPolicy("other", "--cb_explore_adf --epsilon 0.5")


@pytest.fixture
def bench(tmp_path):
    """A loop with two versions of a model, closed."""
    bench = Bench(on_disk(tmp_path))
    learned(bench, 3)
    bench.do(ChangeSettings({"minimum_probability": 0.005}))
    learned(bench, 3, 10)
    bench.loop.close()
    bench.learner.folds = 0
    return bench


def files(bench):
    folder = bench.place.folder
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_what_is_not_kept_is_none(tmp_path):
    checkpoints = FileCheckpoints(tmp_path / "nowhere")
    assert checkpoints.load_state() is None
    assert checkpoints.load_model(1) is None
    checkpoints.drop_model(1)


def test_what_is_kept_comes_back(tmp_path):
    checkpoints = FileCheckpoints(tmp_path)
    for version, model in ((1, b"one"), (123_456_789, b"many"), (2, b"\x00" * 10_000), (1, b"another one")):
        checkpoints.save_model(version, model)
        assert checkpoints.load_model(version) == model
    assert checkpoints.load_model(123_456_789) == b"many"
    checkpoints.drop_model(1)
    assert checkpoints.load_model(1) is None
    assert checkpoints.load_model(2) == b"\x00" * 10_000
    for state in (b"{}", b"", b"[1]"):
        checkpoints.save_state(state)
        assert checkpoints.load_state() == state
    assert not list(tmp_path.rglob("*.new"))


def test_a_file_is_there_whole_or_as_it_was(tmp_path, monkeypatch):
    checkpoints = FileCheckpoints(tmp_path)
    checkpoints.save_model(1, b"whole")
    write = type(tmp_path).write_bytes

    def half(path, content):
        write(path, content[: len(content) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(tmp_path), "write_bytes", half)
    with pytest.raises(OSError, match="space"):
        checkpoints.save_model(1, b"something longer")
    monkeypatch.undo()
    assert checkpoints.load_model(1) == b"whole"
    checkpoints.save_model(1, b"something longer")
    assert checkpoints.load_model(1) == b"something longer"


def test_a_loop_keeps_its_state_and_its_published_model(bench):
    assert files(bench) == ["log.db", "models/00000002.vw", "state.json", "writer.lock"]
    bench.open()
    assert bench.learner.folds == 0
    assert bench.do(rank("later")).model_version == 2


def test_without_any_of_it_the_loop_is_the_same(bench):
    before = bench.loop.state
    shutil.rmtree(bench.place.folder / "models")
    for name in ("state.json", "writer.lock"):
        (bench.place.folder / name).unlink()
    bench.open()
    assert bench.loop.state == before
    assert bench.learner.folds == 2
    bench.reopen()
    assert bench.learner.folds == 2
    assert files(bench)[-3:] == ["models/00000002.vw", "state.json", "writer.lock"]


DAMAGE = {
    "truncated": lambda model: model[:-1],
    "cut to nothing": lambda _: b"",
    "longer": lambda model: model + b"!",
    "one bit": lambda model: bytes([model[0] ^ 1]) + model[1:],
    "something else": lambda _: b"tiny" + bytes(32),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_model_that_is_not_what_was_logged_is_made_again(bench, damage):
    path = bench.place.folder / "models" / "00000002.vw"
    whole = path.read_bytes()
    path.write_bytes(DAMAGE[damage](whole))
    bench.open()
    assert bench.loop._scorer.model == whole
    assert bench.learner.folds == 2
    assert path.read_bytes() == whole


def test_a_model_under_another_versions_name_is_not_taken_for_it(bench):
    models = bench.place.folder / "models"
    whole = (models / "00000002.vw").read_bytes()
    shutil.copy(models / "00000002.vw", models / "00000001.vw")
    (models / "00000002.vw").unlink()
    bench.open()
    assert bench.loop._scorer.model == whole


def test_a_loop_whose_model_cannot_be_made_opens_all_the_same_to_be_put_right(bench):
    shutil.rmtree(bench.place.folder / "models")
    bench.learner.broken = True
    bench.open()
    with pytest.raises(LearnerFailed, match=r"version 2.*cannot be made here"):
        bench.do(rank("earlier"))
    bench.do(ResetModel())
    assert bench.do(rank("meanwhile")).model_version == 0
    bench.loop.close()
    bench.learner.broken = False
    bench.open()
    bench.do(PublishModel(2))
    assert bench.do(rank("later")).model_version == 2


def test_a_state_with_any_one_byte_changed_is_not_believed(bench):
    before = bench.loop.state
    path = bench.place.folder / "state.json"
    whole = path.read_bytes()
    reader = bench.place.store.reader()
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1
        path.write_bytes(damaged)
        assert recover(reader, bench.place.checkpoints) == before, damaged
    reader.close()


@pytest.mark.parametrize(
    "state", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"state": {}}', b'{"sha256": "", "state": {}}']
)
def test_a_state_that_is_none_is_not_believed(bench, state):
    before = bench.loop.state
    (bench.place.folder / "state.json").write_bytes(state)
    bench.open()
    assert bench.loop.state == before
    bench.loop.close()
    assert json.loads(bench.place.checkpoints.load_state())["state"]["versions"] == 2


def test_a_state_that_was_saved_long_ago_is_brought_up_to_date(bench):
    old = bench.place.checkpoints.load_state()
    bench.open()
    bench.do(ChangePolicy(OTHER, relearn=True))
    learned(bench, 2, 30)
    bench.loop.close()
    before = bench.loop.state
    bench.place.checkpoints.save_state(old)
    bench.open()
    assert bench.loop.state == before


def test_a_state_of_another_log_or_of_a_longer_one_is_not_believed(bench, tmp_path, clock):
    """As after a backup of the log was put back."""
    saved = bench.place.folder / "log.db"
    shutil.copy(saved, tmp_path / "backup.db")
    before = bench.loop.state
    bench.open()
    learned(bench, 2, 30)
    bench.loop.close()
    shutil.copy(tmp_path / "backup.db", saved)
    bench.open()
    assert bench.loop.state == before
    bench.loop.close()
    other = Bench(in_folder(tmp_path / "other"), clock=clock, policy=OTHER)
    learned(other, 9)
    other.loop.close()
    shutil.copy(other.place.folder / "state.json", saved.parent)
    bench.open()
    assert bench.loop.state == before


def test_folders_that_stand_in_the_way_of_files_stop_nothing(bench):
    """Whatever keeps a file from being written or removed: the log holds everything."""
    folder = bench.place.folder
    for name in ("models/00000003.vw", "state.json.new"):
        (folder / name).mkdir()
    bench.open()
    for version, first in ((3, 30), (4, 40), (5, 50)):
        assert learned(bench, 2, first) == [version]
    assert bench.do(rank("later")).model_version == 5
    before = bench.loop.state
    bench.reopen()
    assert bench.loop.state == before
