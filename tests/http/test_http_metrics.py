"""What Prometheus is told: right numbers, of one's own loop only, and nothing that a caller sent."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

import loopledger
from loopledger.adapters.http.gauges import gauges
from loopledger.learning.earnings import Earnings

RANK = {"contextFeatures": [{"secret": "feature"}], "actions": [{"id": "hidden-a"}, {"id": "hidden-b"}]}
SLOTS = {**RANK, "slots": [{"id": "s1", "baselineAction": "hidden-a"}]}
V1 = "/personalizer/v1.0"


def scraped(served, loop="news"):
    reply = served.call("GET", "/metrics", loop=loop, code=200)
    assert reply.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return {
        (
            sample.name.removeprefix("loopledger_"),
            *(v for k, v in sample.labels.items() if k != "loop"),
        ): sample.value
        for family in text_string_to_metric_families(reply.text)
        for sample in family.samples
        if sample.labels.get("loop", loop) == loop
    }


def test_it_counts_what_was_answered(served):
    for at in range(40):
        served.call("POST", f"{V1}/rank", json={**RANK, "eventId": f"hidden-{at}"}, code=201)
    served.call("POST", f"{V1}/events/hidden-1/reward", json={"value": 1}, code=204)
    served.call("POST", f"{V1}/events/hidden-1/activate", code=204)
    served.call("POST", f"{V1}/events/hidden-1/reward", json={"value": "x"}, code=400)
    served.call("GET", f"{V1}/nothing", code=404)
    found = scraped(served)
    assert found["ranks_total",] == found["choices_total",] == 40
    assert 0 <= found["explored_choices_total",] < 40
    assert found["rewards_total",] == found["activations_total",] == 1
    assert found["requests_total", "Rank", "201"] == 40
    assert found["requests_total", "Events_Reward", "400"] == 1
    assert found["requests_total", "none", "404"] == 1
    assert found["commit_seconds_count", "Rank"] == 40
    assert found["commit_seconds_count", "Events_Reward"] == 1


def test_it_says_how_the_loop_stands(served):
    closed = scraped(served)
    assert closed["open_loops",] == 0
    assert ("model_version",) not in closed
    served.call("POST", f"{V1}/rank", json=RANK, code=201)
    before = scraped(served)
    assert before["open_loops",] == 1
    assert before["waiting_commands",] == 0
    served.close()
    with loopledger.open(served.folder, clock=served.clock) as ledger:
        loop = ledger.loop("news")
        status, dates = loop.status(), loop.dates()
        assert before["model_version",] == status.published > 0
        assert before["model_age_seconds",] == (served.clock.now() - dates.made) / 1e6 > 0
        assert before["waiting_decisions",] == status.waiting_decisions > 0
        assert before["learning_lag_seconds",] == 0  # its window is open


def test_after_training_nothing_lags(tmp_path):
    clock = loopledger.SimulatedClock()
    with loopledger.open(tmp_path / "own", clock=clock, workers=1) as ledger:
        loop = ledger.create("own", settings=loopledger.Settings(model_update_frequency=0))
        for _ in range(3):
            loop.rank({}, {"a": {}, "b": {}})
        session = loop.directory.opened("own")

        def value(name):
            return gauges(session, Earnings(0), int(clock.now())).get_sample_value(
                f"loopledger_{name}", {"loop": "own"}
            )

        assert (value("waiting_decisions"), value("learning_lag_seconds")) == (3, 0)
        assert value("model_age_seconds") is value("last_training_examples") is None
        clock.advance(3600)
        assert (value("waiting_decisions"), value("learning_lag_seconds")) == (3, 3600)
        loop.train()
        assert (value("waiting_decisions"), value("learning_lag_seconds")) == (0, 0)
        assert (value("model_version"), value("last_training_examples")) == (1, 3)
        assert value("model_age_seconds") == 0


def test_rewards_are_joined_or_late_and_averaged_once_their_window_has_closed(served):
    for name, value in (("a", 1), ("b", 0.5)):
        served.call("POST", f"{V1}/rank", json={**RANK, "eventId": name}, code=201)
        served.call("POST", f"{V1}/events/{name}/reward", json={"value": value}, code=204)
    served.call("POST", f"{V1}/events/nobody/reward", json={"value": 1}, code=204)
    first = scraped(served)
    assert (first["rewards_joined_total",], first["rewards_late_total",]) == (2, 0)
    assert first["rewards_unknown_total",] == 1
    choices, average = first["recent_choices",], first["average_reward",]
    served.clock.advance(600)
    served.call("POST", f"{V1}/events/a/reward", json={"value": 1}, code=204)
    second = scraped(served)
    assert (second["rewards_joined_total",], second["rewards_late_total",]) == (2, 1)
    assert second["recent_choices",] == min(1000, choices + 2)
    assert second["average_reward",] != average
    assert "baseline_average_reward" in {name for name, *_ in second}
    assert scraped(served)["rewards_joined_total",] == 2


def test_a_training_that_fails_is_seen(tiny, tmp_path):
    clock = loopledger.SimulatedClock()
    with loopledger.open(tmp_path / "own", clock=clock) as ledger:
        loop = ledger.create("own", settings=loopledger.Settings(model_update_frequency=60))
        loop.rank({}, {"a": {}, "b": {}})
        session = loop.directory.opened("own")
        earnings = Earnings(0)

        def value(name):
            return gauges(session, earnings, int(clock.now())).get_sample_value(name, {"loop": "own"})

        tiny.broken = True
        clock.advance(700)
        assert value("loopledger_training_failing") == 1
        failed = value("loopledger_failed_trainings_total")
        assert failed >= 1
        tiny.broken = False
        clock.advance(60)
        assert value("loopledger_training_failing") == 0
        assert value("loopledger_failed_trainings_total") == failed


@pytest.mark.parametrize("mode", ["Online", "Apprentice"])
def test_exploring_is_to_take_what_is_not_most_probable(tmp_path, mode):
    settings = loopledger.Settings(model_update_frequency=0, learning_mode=mode)
    with loopledger.open(tmp_path / "own", workers=1) as ledger:
        loop = ledger.create("own", settings=settings)
        for at in range(60):
            decision = loop.rank({}, {"a": {}, "b": {}, "c": {}}, event_id=str(at))
            drawn = max(one.probability for one in decision.ranking) > decision.probability
            assert decision.explored == (drawn and mode == "Online")


def test_of_several_slots_each_is_a_choice(served):
    path = "/personalizer/v1.1-preview.3/multislot"
    answer = served.call("POST", f"{path}/rank", loop="home", json=SLOTS, code=201).json()
    body = {"reward": [{"slotId": "s1", "value": 1}]}
    served.call("POST", f"{path}/events/{answer['eventId']}/reward", loop="home", json=body, code=204)
    found = scraped(served, "home")
    assert found["ranks_total",] == found["choices_total",] == found["rewards_total",] == 1
    assert found["waiting_decisions",] == found["rewards_joined_total",] == 1
    served.clock.advance(600)
    assert scraped(served, "home")["recent_choices",] == 1


def test_a_key_shows_its_own_loop_and_nothing_that_was_sent(served):
    served.call("POST", f"{V1}/rank", json={**RANK, "eventId": "hidden"}, code=201)
    served.client.post(f"{V1}/rank", json=RANK)
    for loop, other in (("news", "home"), ("home", "news")):
        key = {"Authorization": f"Bearer {served.keys[loop]}"}
        text = served.client.get("/metrics", headers=key).text
        assert f'loop="{loop}"' in text
        assert f'"{other}"' not in text
        assert "hidden" not in text
        assert "secret" not in text
        assert 'loopledger_requests_without_loop_total{status="401"} 1.0' in text


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer no"}, {"Ocp-Apim-Subscription-Key": "é"}])
def test_without_a_key_there_are_none(served, headers):
    encoded = {name: value.encode("latin-1") for name, value in headers.items()}
    reply = served.client.get("/metrics", headers=encoded)
    assert reply.status_code == 401
    assert reply.json()["error"]["code"] == "401"
    assert reply.headers["content-type"] == "application/json; charset=utf-8"
