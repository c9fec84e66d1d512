"""A saved state is a cache: what does not belong to the log's end is not believed."""

from hashlib import sha256

import msgspec
import pytest
from msgspec.structs import replace
from support import Bench, on_disk
from test_loop import learned, rank

from loopledger.adapters.memory import MemoryCheckpoints
from loopledger.commands import ChangeSettings
from loopledger.errors import LogDamaged
from loopledger.learning.checkpoints import recover, save_state
from loopledger.settings import Settings


@pytest.fixture(params=["memory", "disk"])
def bench(request, tmp_path):
    bench = Bench(
        on_disk(tmp_path) if request.param == "disk" else None, settings=Settings(checkpoint_interval=4)
    )
    learned(bench, 6)
    yield bench
    bench.loop.close()


def recovered(bench):
    reader = bench.place.store.reader()
    try:
        return recover(reader, bench.place.checkpoints)
    finally:
        reader.close()


def save(bench, **changes):
    save_state(bench.place.checkpoints, replace(bench.loop.state, **changes))


def test_what_is_recovered_is_the_state_that_was(bench):
    assert recovered(bench) == bench.loop.state


def test_a_saved_state_is_gone_on_from(bench):
    # What is saved is believed: only events after it are looked at.
    save(bench, trained_at=17)
    bench.do(rank("later"))
    bench.loop._checkpoints = MemoryCheckpoints()
    settings = bench.do(ChangeSettings({"reward_wait_time": 5}))
    assert recovered(bench) == replace(bench.loop.state, trained_at=17)
    assert recovered(bench).settings == settings


def test_traffic_after_a_saved_state_moves_only_its_end(bench):
    save_state(bench.place.checkpoints, bench.loop.state)
    bench.do(rank("later"))
    state = recovered(bench)
    assert (state.seq, state.at, state.digest) == (
        bench.loop.state.seq,
        bench.loop.state.at,
        bench.loop.state.digest,
    )


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"seq": 1}', b'"text"', b'{"loop_id": 7, "seq": "x"}'],
)
def test_rubbish_is_not_believed(bench, content):
    bench.place.checkpoints.save_state(content)
    assert recovered(bench) == bench.loop.state


@pytest.mark.parametrize("seed", range(5))
def test_a_damaged_file_is_not_believed(bench, seed):
    content = bytearray(bench.place.checkpoints.load_state())
    content[seed * len(content) // 5 + 20] ^= 1
    bench.place.checkpoints.save_state(bytes(content))
    assert recovered(bench) == bench.loop.state


def test_a_file_of_another_shape_is_not_believed(bench):
    kept = msgspec.json.decode(bench.place.checkpoints.load_state())
    state = msgspec.json.encode({**kept["state"], "published": "three"})
    outer = {"sha256": sha256(state).hexdigest(), "state": msgspec.Raw(state)}
    bench.place.checkpoints.save_state(msgspec.json.encode(outer))
    assert recovered(bench) == bench.loop.state


def test_the_state_of_another_log_is_not_believed(bench):
    other = Bench()
    learned(other, 6)
    assert other.loop.state.digest != bench.loop.state.digest
    save_state(bench.place.checkpoints, other.loop.state)
    assert recovered(bench) == bench.loop.state


def test_a_state_beyond_the_end_is_not_believed(bench):
    # The log was put back from a backup, and the state beside it was not.
    save(bench, seq=bench.loop.state.seq + 1, published=0)
    assert recovered(bench) == bench.loop.state


def test_a_state_with_a_changed_digest_is_not_believed(bench):
    save(bench, digest=bytes(32), published=0)
    assert recovered(bench) == bench.loop.state


def test_without_a_saved_state_it_starts_at_the_beginning(bench):
    state = bench.loop.state
    if bench.place.folder is None:
        bench.place.checkpoints.state = None
    else:
        (bench.place.folder / "state.json").unlink()
    assert bench.place.checkpoints.load_state() is None
    assert recovered(bench) == state


def test_a_loop_opens_with_whatever_is_saved(bench):
    state = bench.loop.state
    bench.loop.close()
    bench.place.checkpoints.save_state(b"rubbish")
    bench.open()
    assert bench.loop.state == state
    assert bench.do(rank("again")).model_version == state.published > 0


def test_an_empty_log_has_no_state():
    bench = Bench()
    bench.loop.close()
    bench.place.store.records.clear()
    bench.place.store.by_event_id.clear()
    assert recovered(bench) is None


def test_a_log_without_a_beginning_is_damaged():
    bench = Bench()
    bench.do(rank("e"))
    del bench.place.store.records[0]
    with pytest.raises(LogDamaged, match="LoopCreated") as caught:
        recovered(bench)
    assert caught.value.seq == 1


def test_a_state_that_cannot_be_saved_costs_nothing(bench):
    def refuse(_):
        raise OSError(28, "No space left on device")

    bench.place.checkpoints.save_state = refuse
    assert learned(bench, 6, 20)
    assert bench.do(rank("more")).model_version == bench.loop.state.published


def test_a_model_that_cannot_be_kept_again_does_not_keep_a_loop_from_opening(bench, monkeypatch):
    def refuse(*_):
        raise OSError(28, "No space left on device")

    learned(bench, 6, 20)
    published = bench.loop.state.published
    bench.loop.close()
    for version in range(1, bench.loop.state.versions + 1):
        bench.place.checkpoints.drop_model(version)
    monkeypatch.setattr(bench.place.checkpoints, "save_model", refuse)
    bench.open()
    assert bench.do(rank("more")).model_version == published > 0
