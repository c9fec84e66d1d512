"""A loop is its folder: what docs/storage.md says of deleting and renaming one."""

import pytest

import loopledger
from loopledger.adapters.http.keys import create_key, list_keys
from loopledger.errors import NotFound


@pytest.fixture
def folder(tmp_path, clock):
    folder = tmp_path / "data"
    with loopledger.open(folder, clock=clock) as ledger:
        decide(ledger.create("old"), "first")
    return folder


def decide(loop, event_id):
    decision = loop.rank({"hour": 3}, {"a": {"x": 1}, "b": {"y": 1}}, event_id=event_id)
    loop.reward(event_id, 1.0)
    return decision.action, decision.probability


def test_a_renamed_loop_holds_and_goes_on(folder, clock):
    with loopledger.open(folder, clock=clock) as ledger:
        twin = folder.with_name("twin")
        ledger.backup(twin, "old")
    (folder / "old").rename(folder / "new")
    with loopledger.open(folder, clock=clock) as ledger, loopledger.open(twin, clock=clock) as other:
        assert ledger.loops() == ["new"]
        with pytest.raises(NotFound):
            ledger.loop("old")
        loop, same = ledger.loop("new"), other.loop("old")
        assert [decide(loop, f"e{n}") for n in range(20)] == [decide(same, f"e{n}") for n in range(20)]
        clock.advance(601)
        assert loop.status().versions == 1
        assert loop.verify().holds


def test_a_loop_that_was_moved_away_comes_back_with_its_folder(folder, clock):
    elsewhere = (folder / "old").rename(folder.with_name("elsewhere"))
    with loopledger.open(folder, clock=clock) as ledger:
        assert ledger.loops() == []
        elsewhere.rename(folder / "old")
        assert [entry.event_id for entry in ledger.loop("old").log(kinds=["Ranked"])] == ["first"]


def test_its_keys_stay_and_open_the_next_loop_of_that_name(folder, clock):
    from starlette.testclient import TestClient

    from loopledger.adapters.http.app import build_app

    name, key = create_key(folder, "old")
    (folder / "old").rename(folder / "new")
    assert list_keys(folder) == [("old", name)]
    with TestClient(build_app(folder, clock=clock)) as client:

        def status():
            headers = {"Ocp-Apim-Subscription-Key": key}
            return client.get("/personalizer/v1.0/configurations/policy", headers=headers).status_code

        assert status() == 404
        with loopledger.open(folder, clock=clock) as ledger:
            ledger.create("old")
        assert status() == 200
