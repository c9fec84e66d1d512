"""One server, three client packages, every kind of operation, and an end in the middle of it."""

import signal

import pytest
from served import Server
from wishes import even, probabilities, rank

OTHER_POLICY = {"name": "mine", "arguments": "--cb_explore_adf --epsilon 0.1 --cb_type mtr -q ::"}


@pytest.mark.slow
def test_a_day_in_the_life_of_a_server(tmp_path, connect, made):
    pytest.importorskip("starlette")
    with Server(tmp_path) as server:
        key = server.loop("news", made / "learned")
        old, new, script = (
            connect(client, server, key)
            for client in ("cognitiveservices (PyPI)", "ai (PyPI)", "cognitiveservices (npm)")
        )
        deciding = {"old": old, "new": new, "script": script}

        def decide(part):
            for name, face in deciding.items():
                event_id = f"{part}/{name}"
                answer = face.rank(rank(eventId=event_id, deferActivation=True))
                assert answer["eventId"] == event_id
                face.activate(event_id)
                face.reward(event_id, 0.5)

        decide("morning")
        changes = {"rewardWaitTime": "PT20M", "defaultReward": 0.1}
        assert changes.items() <= new.configure({**new.configuration(), **changes}).items()
        assert new.change_policy(OTHER_POLICY) == OTHER_POLICY
        configuration = new.configuration()
        signed = new.model(signed=True)
        new.reset_model()
        decide("noon")
        assert server.end(signal.SIGKILL) == -signal.SIGKILL
        server.start()

        assert new.configuration() == configuration
        assert changes.items() <= configuration.items()
        assert new.policy() == OTHER_POLICY
        assert even(old.rank(rank()))
        decide("evening")
        assert new.reset_policy()["name"] != "mine"
        new.import_model(signed)
        assert max(probabilities(script.rank(rank())).values()) > 0.5
        decide("night")

        parts = ["morning", "noon", "evening", "night"]
        for kind in ("Ranked", "Activated", "Rewarded"):
            found = {event["event_id"] for event in server.log("news", kind)}
            assert {f"{part}/{name}" for part in parts for name in deciding} <= found
        assert server.end() in {0, -signal.SIGTERM}
        assert server.problems("news") == []
