"""When something is wrong: in one loop, in the machine, or because there is too much at a time."""

import asyncio
import json

import pytest

import loopledger
from loopledger.adapters.http.address import address_of
from loopledger.adapters.http.app import build_app
from loopledger.adapters.http.call import House
from loopledger.adapters.http.errors import error_reply, refusal_of
from loopledger.adapters.http.gateway import Gateway
from loopledger.adapters.http.keys import create_key
from loopledger.adapters.http.metrics import Metrics
from loopledger.adapters.http.versions import Version
from loopledger.errors import (
    LearnerFailed,
    LogDamaged,
    LoopInUse,
    LoopStopped,
    NotFound,
    Overloaded,
)

RANK = json.dumps({"actions": [{"id": "a", "features": [{"x": 1}]}]})


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Overloaded("too many"), 429, "429"),
        (LoopStopped("it has stopped"), 503, "OperationNotAllowed"),
        (LoopInUse("elsewhere"), 503, "OperationNotAllowed"),
        (LearnerFailed("no answer"), 409, "ModelRankingError"),
        (LogDamaged("event 3 is missing"), 500, "InternalServerError"),
        (NotFound("no loop"), 404, "ResourceNotFound"),
        (OSError(28, "No space left on device"), 500, "InternalServerError"),
        (ZeroDivisionError("secret"), 500, "InternalServerError"),
    ],
)
def test_every_error_has_its_answer(error, status, code):
    reply = error_reply(refusal_of(error, "InvalidRankRequest", "ModelRankingError"), Version.V2022)
    found = json.loads(reply.body)["error"]
    assert (reply.status, found["code"]) == (status, code)
    assert (b"x-ms-error-code", code.encode()) in reply.headers
    assert (b"retry-after" in dict(reply.headers)) == (status in {429, 503})
    assert b"secret" not in reply.body


def test_a_version_without_ranking_errors_says_what_it_has():
    refusal = refusal_of(LearnerFailed("no"), "InvalidRankRequest", "ModelRankingError")
    assert error_reply(refusal, Version.V1_0).status == 500


def test_one_loops_trouble_is_its_own_and_ends(served):
    path = "/personalizer/v1.0/rank"
    served.call("POST", path, content=RANK, code=201)
    log = served.folder / "home" / "log.db"
    whole = log.read_bytes()
    log.write_bytes(b"rubbish")
    error = served.client.post(
        "/personalizer/v1.1-preview.1/multislot/rank",
        headers={"Ocp-Apim-Subscription-Key": served.keys["home"]},
    )
    assert error.status_code == 500
    assert "log" in error.json()["error"]["details"][0]["message"]
    served.call("POST", path, content=RANK, code=201)
    log.write_bytes(whole)
    served.call("GET", "/personalizer/v1.0/configurations/policy", loop="home", code=200)


def test_a_loop_that_another_process_holds_is_said_to_be(served):
    with loopledger.open(served.folder, clock=served.clock) as ledger:
        ledger.loop("home")
        path = "/personalizer/v1.0/configurations/policy"
        assert "retry-after" in served.call("GET", path, loop="home", code=503).headers
    served.call("GET", path, loop="home", code=200)


def test_a_loop_that_is_gone(served):
    create_key(served.folder, "gone")
    key = create_key(served.folder, "gone")[1]
    served.call("GET", "/personalizer/v1.0/configurations/policy", key=key, code=404)


def test_before_it_begins_it_is_not_healthy(made):
    app = build_app(made)
    (route,) = [route for route in app.routes if route.path == "/health"]
    assert asyncio.run(route.endpoint(None)).status_code == 503


async def test_more_requests_than_may_be_under_way_are_told_so(data, tmp_path):
    house = House(data, loopledger.SimulatedClock(), (), asyncio.Lock(), {}, None)
    gateway = Gateway(loopledger.open_async(tmp_path / "none"), house, Metrics(), most_at_once=1)
    sent = []
    arrived = asyncio.Event()
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/personalizer/v1.0/rank",
        "query_string": b"",
        "headers": [(b"ocp-apim-subscription-key", create_key(data, "news", "key2")[1].encode())],
    }

    async def never():
        arrived.set()
        await asyncio.Event().wait()

    async def send(message):
        sent.append(message)

    first = asyncio.create_task(gateway(scope, never, send))
    await arrived.wait()
    await gateway(scope, never, send)
    assert sent[0]["status"] == 429
    assert (b"retry-after", b"1") in sent[0]["headers"]
    (detail,) = json.loads(sent[1]["body"])["error"]["details"]
    assert "--most-at-once" in detail["message"]
    first.cancel()

    async def gone():
        return {"type": "http.disconnect"}

    sent.clear()
    await first  # as at the end of the server's grace time
    assert sent[0]["status"] == 503
    assert b"the server is ending" in sent[1]["body"]
    sent.clear()
    await gateway(scope, gone, send)
    assert not sent


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (b"/personalizer/v1.0/events/a%2Fb/reward", (None, Version.V1_0, ("events", "*", "reward"), "a/b")),
        (b"//loops/n%20x//personalizer/v1.0/rank", ("n x", Version.V1_0, ("rank",), "")),
        (
            b"/personalizer/v1.0/events/Events/reward",
            (None, Version.V1_0, ("events", "*", "reward"), "Events"),
        ),
        (b"/personalizer/v1.0/events/%FF/reward", (None, Version.V1_0, ("events", "*", "reward"), "\ufffd")),
        (b"/personalizer/v1.0/events/reward", (None, Version.V1_0, ("events", "*"), "")),
        (b"/loops/personalizer", None),
        (b"/", None),
    ],
)
def test_addresses(path, expected):
    found = address_of(path, b"")
    if expected is None or found is None:
        assert found is None is expected
    else:
        assert (found.loop, found.version, found.path) == expected[:3]


def test_what_is_not_foreseen_is_logged_without_what_it_quotes(served, monkeypatch, caplog):
    async def broken(_loop, request):
        raise ZeroDivisionError(request)

    monkeypatch.setattr(loopledger.AsyncLoop, "rank_json", broken)
    headers = {"Ocp-Apim-Subscription-Key": served.keys["news"]}
    answer = served.client.post("/personalizer/v1.0/rank", content=RANK, headers=headers)
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "InternalServerError"
    (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert record.error == "ZeroDivisionError"
    assert "broken" in record.where
    assert "actions" not in str(vars(record))


def test_a_trouble_is_said_once_for_a_loop_until_it_is_over(served, monkeypatch, caplog):
    trouble = {"news": "the disk is full", "home": "the disk is full"}
    whole = loopledger.AsyncLoop.rank_json

    async def rank(loop, request):
        if loop.name in trouble:
            raise LoopStopped(trouble[loop.name])
        return await whole(loop, request)

    def said():
        found = [record for record in caplog.records if record.levelname == "ERROR"]
        caplog.clear()
        assert not any(hasattr(record, "where") for record in found)
        return [(record.loop, record.error) for record in found]

    monkeypatch.setattr(loopledger.AsyncLoop, "rank_json", rank)
    path = "/personalizer/v1.0/rank"
    for loop in ("news", "home", "news", "news", "home"):
        served.call("POST", path, loop=loop, content=RANK, code=503)
        served.call("GET", "/personalizer/v1.0/configurations/service", loop=loop, code=200)
    assert said() == [("news", "the disk is full"), ("home", "the disk is full")]
    trouble["news"] = "the disk is broken"
    served.call("POST", path, content=RANK, code=503)
    served.call("POST", path, content=RANK, code=503)
    assert said() == [("news", "the disk is broken")]
    del trouble["news"]
    served.call("POST", path, content=RANK, code=201)
    trouble["news"] = "the disk is full"
    served.call("POST", path, content=RANK, code=503)
    served.call("POST", path, loop="home", content=RANK, code=503)
    assert said() == [("news", "the disk is full")]


OTHER = "/personalizer/v1.1-preview.3/multislot/rank"
SLOTS = json.dumps({**json.loads(RANK), "slots": [{"id": "s", "baselineAction": "a"}]})


def test_a_full_disk_stops_its_loop_alone_and_only_for_as_long(served):
    path = "/personalizer/v1.0/rank"
    served.call("POST", path, content=RANK, code=201)
    served.call("POST", OTHER, loop="home", content=SLOTS, code=201)
    session = served.client.app.gateway._ledger.ledger.directory.opened("news")
    journal = session.inbox._desk.loop._journal
    (pages,) = journal._connection.execute("PRAGMA page_count").fetchone()
    journal._connection.execute(f"PRAGMA max_page_count = {pages}")
    answered = []
    while (reply := served.call("POST", path, content=RANK)).status_code == 201:
        answered.append(reply.json()["eventId"])
    assert reply.status_code == 503
    assert reply.headers["retry-after"] == "1"
    assert "full" in reply.json()["error"]["details"][0]["message"]
    served.call("POST", OTHER, loop="home", content=SLOTS, code=201)
    # The next request opens it again; its disk has room again.
    served.call("POST", path, content=RANK, code=201)
    served.close()
    with loopledger.open(served.folder, clock=served.clock) as ledger:
        loop = ledger.loop("news")
        assert all(list(loop.log(event_id=event_id)) for event_id in answered)
        assert loop.verify().holds


def test_a_policy_that_the_engine_refuses_stops_learning_and_nothing_else(served):
    from loopledger.adapters.place import in_folder
    from loopledger.log.events import LoopCreated
    from loopledger.loop import create

    policy = loopledger.LearningPolicy("bad", "--cb_explore_adf --ftrl --coin")
    settings = loopledger.Settings(model_update_frequency=60)
    made = LoopCreated(loop_id="bad", settings=settings, policy=policy)
    create(in_folder(served.folder / "bad").store, served.clock, made)
    key = create_key(served.folder, "bad")[1]
    served.call("POST", "/personalizer/v1.0/rank", key=key, content=RANK, code=201)
    served.clock.advance(700)
    served.call("POST", "/personalizer/v1.0/rank", key=key, content=RANK, code=201)
    metrics = served.call("GET", "/metrics", key=key, code=200).text
    assert 'loopledger_training_failing{loop="bad"} 1.0' in metrics
    served.call("POST", OTHER, loop="home", content=SLOTS, code=201)
    good = {"name": "good", "arguments": "--cb_explore_adf --epsilon 0.2"}
    served.call("PUT", "/personalizer/v1.0/configurations/policy", key=key, json=good, code=200)
    served.clock.advance(700)
    metrics = served.call("GET", "/metrics", key=key, code=200).text
    assert 'loopledger_training_failing{loop="bad"} 0.0' in metrics


def test_a_loop_whose_model_cannot_be_made_says_so_and_can_be_put_right(served, monkeypatch):
    from loopledger.loop import Loop

    load = Loop._load

    def broken(loop, version):
        if version and loop.state.loop_id == "news":
            raise LearnerFailed("the model cannot be loaded here")
        return load(loop, version)

    monkeypatch.setattr(Loop, "_load", broken)
    path = "/personalizer/v1.1-preview.3"
    error = served.call("POST", f"{path}/rank", content=RANK, code=409).json()["error"]
    assert error["code"] == "ModelRankingError"
    assert "cannot be loaded here" in error["details"][0]["message"]
    served.call("POST", OTHER, loop="home", content=SLOTS, code=201)
    served.call("DELETE", f"{path}/model", code=204)
    served.call("POST", f"{path}/rank", content=RANK, code=201)
