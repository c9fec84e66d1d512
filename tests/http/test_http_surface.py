"""What every operation has in common: versions, paths, keys, envelopes, limits."""

import json

import pytest

from loopledger.adapters.http.codes import CODES, code_in
from loopledger.adapters.http.versions import Version

RANK = {
    "contextFeatures": [{"time": "am"}],
    "actions": [{"id": "a", "features": [{"t": "x"}]}, {"id": "b", "features": [{"t": "y"}]}],
}
BASES = [
    "/personalizer/v1.0",
    "/personalizer/v1.1-preview.1",
    "/personalizer/v1.1-preview.2",
    "/personalizer/v1.1-preview.3",
    "/personalization/v1.0",
    "//personalizer/v1.0",
    "/loops/news/personalizer/v1.0",
    "/loops/news//personalizer//v1.1-preview.3",
    "/Personalizer/V1.0",
]
QUERY = "?api-version=2022-09-01-preview"
PLACES = [*((base, "") for base in BASES), ("/personalizer", QUERY), ("/loops/news/personalizer", QUERY)]


@pytest.mark.parametrize(("base", "query"), PLACES)
def test_every_version_and_prefix_takes_a_decision_through_its_life(served, base, query):
    answer = served.call("POST", f"{base}/rank{query}", json={**RANK, "eventId": "e/1 x"}, code=201)
    assert answer.headers["content-type"].startswith("application/json")
    assert set(answer.json()) == {"ranking", "eventId", "rewardActionId"}
    assert answer.json()["eventId"] == "e/1 x"
    served.call("POST", f"{base}/events/e%2F1%20x/reward{query}", json={"value": 0.5}, code=204)
    served.call("POST", f"{base}/events/e%2F1%20x/activate{query}", code=204)
    assert served.call("GET", f"{base}/configurations/policy{query}", code=200).json()["name"]


def test_the_percent_encoded_event_id_is_the_one_that_is_logged(served):
    import loopledger

    served.call("POST", "/personalizer/v1.0/rank", json={**RANK, "eventId": "ä/%2F b"}, code=201)
    served.call("POST", "/personalizer/v1.0/events/%C3%A4%2F%252F%20b/reward", json={"value": 1}, code=204)
    view = loopledger.adapters.embedding.view.LoopView
    from loopledger.adapters.place import in_folder

    found = list(view("news", in_folder(served.folder / "news"), None).log(event_id="ä/%2F b"))
    assert [entry.kind for entry in found] == ["Ranked", "Rewarded"]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/", 404),
        ("/nothing", 404),
        ("/personalizer/v1.0/nothing", 404),
        ("/personalizer/v9/rank", 400),
        ("/personalizer/rank", 400),
        ("/personalizer/rank?api-version=2099-01-01", 400),
        ("/personalization/v1.1-preview.1/rank", 404),
        ("/personalizer/v1.0/multislot/rank", 404),
        ("/personalizer/v1.0/events//reward", 404),
        ("/personalizer/v1.0/events/e/f/reward", 404),
        ("/personalizer/v1.0/model/properties", 405),
        ("/personalizer/v1.0/logs/interactions", 404),
        ("/personalizer/v1.1-preview.2/logs/interactions", 501),
        ("/personalizer/v1.0/featureImportances", 404),
    ],
)
def test_what_is_not_there_is_said_in_the_envelope(served, path, code):
    answer = served.call("POST", path, json=RANK, code=code)
    assert (answer.status_code == 405) == ("allow" in answer.headers)


@pytest.mark.parametrize(
    "path", ["/", "/personalizer/v1.0/rank", "/nothing", "/loops/news/personalizer/v1.0/rank"]
)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Ocp-Apim-Subscription-Key": "wrong"},
        {"Ocp-Apim-Subscription-Key": ""},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Basic bmV3czpuZXdz"},
    ],
)
def test_without_a_valid_key_nothing_but_health_answers(served, path, headers):
    answer = served.client.post(path, json=RANK, headers=headers)
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "401"
    assert served.client.get("/health", headers=headers).json() == {"status": "ready"}


def test_a_key_opens_its_own_loop_only(served):
    path = "/loops/home/personalizer/v1.0/rank"
    served.call("POST", path, json=RANK, loop="news", code=401)
    served.call("POST", "/loops/nowhere/personalizer/v1.0/rank", json=RANK, code=401)
    bearer = {"Authorization": f"bearer {served.keys['news']}"}
    path = "/personalizer/v1.0/rank"
    assert served.client.post(path, json=RANK, headers=bearer).status_code == 201
    lower = {"ocp-apim-subscription-key": served.keys["news"]}
    assert served.client.post(path, json=RANK, headers=lower).status_code == 201


def test_error_codes_stand_in_a_header_in_the_last_version_only(served):
    answer = served.call("POST", f"/personalizer/rank{QUERY}", json={"actions": []}, code=400)
    assert answer.headers["x-ms-error-code"] == answer.json()["error"]["code"] == "InvalidRankRequest"
    answer = served.call("POST", "/personalizer/v1.1-preview.3/rank", json={"actions": []}, code=400)
    assert "x-ms-error-code" not in answer.headers
    assert answer.json()["error"]["message"] == "Invalid request."
    answer = served.call("POST", "/personalizer/v1.0/rank", json={"actions": []}, code=400)
    assert answer.json()["error"]["message"] == "Invalid rank request."


def test_requests_are_named(served):
    said = {"x-ms-client-request-id": "a2c22e11-9948"}
    answer = served.call("GET", "/personalizer/v1.0/configurations/policy", headers=said, code=200)
    assert answer.headers["x-ms-client-request-id"] == "a2c22e11-9948"
    assert answer.headers["apim-request-id"]
    long = served.call("GET", "/personalizer/v1.0/model", headers={"x-ms-client-request-id": "x" * 500})
    assert "x-ms-client-request-id" not in long.headers


def test_a_body_that_is_too_large_is_413(served):
    large = json.dumps({"x": "y" * 9_000_000}).encode()
    path = "/personalizer/v1.0/rank"
    answer = served.call("POST", path, content=large, code=413)
    assert answer.json()["error"]["code"] == "PayloadSizeExceeded"
    parts = (large[at : at + 1_000_000] for at in range(0, len(large), 1_000_000))
    served.call("POST", path, content=parts, code=413)
    within = json.dumps({**RANK, "x": "y" * 7_000_000}).encode()
    served.call("POST", path, content=within, code=201)


@pytest.mark.parametrize("version", Version)
def test_every_code_has_a_meaning_in_every_version(version):
    for name in CODES:
        found, code = code_in(version, name)
        assert code.since <= version
        assert found in CODES
        assert 400 <= code.status < 600
