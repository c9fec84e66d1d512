"""Evaluations and feature importances over HTTP: what is refused, what is told, what ends them."""

import json
import math
import re
import threading
import time
from itertools import count

import jsonschema
import learned
import pytest
from quick import slow_but
from support import SHARED

import loopledger
from loopledger.adapters.embedding import beginning
from loopledger.adapters.http.versions import PATHS, Version

LAST = "api-version=2022-09-01-preview"
BASES = {version: (f"/personalizer/{name}", "") for name, version in PATHS.items()}
BASES[Version.V2022] = ("/personalizer", f"?{LAST}")
MINE = {"name": "mine", "arguments": "--cb_explore_adf --epsilon 0.1 --cb_type mtr -q ::"}
CONTRACT = {
    "name": "January",
    "startTime": "2026-01-01T00:00:00Z",
    "endTime": "2026-02-01T00:00:00Z",
    "policies": [MINE],
}
NEVER = {**CONTRACT, "startTime": "2020-01-01T00:00:00Z", "endTime": "2020-01-02T00:00:00Z"}
BETWEEN = "startTime=2026-01-01&endTime=2026-02-01"
OPEN = {"pending", "notSubmitted", "Running", "NotSubmitted"}
HANG = 120
_numbers = count()


class Evaluating:
    """Asks a server for evaluations in the words of one version."""

    def __init__(self, served, version=Version.V2022, loop="news"):
        self.served, self.version, self.loop = served, version, loop
        self.base, self.query = BASES[version]

    def call(self, method, path, json=None, code=None, more=""):
        query = "&".join(part for part in (self.query.lstrip("?"), more) if part)
        address = f"{self.base}/{path}" + (f"?{query}" if query else "")
        return self.served.call(method, address, json=json, loop=self.loop, code=code)

    def ask(self, contract=CONTRACT, code=None, evaluation_id=None):
        """Ask for an evaluation, and return its id, or the error code."""
        if self.version is Version.V2022:
            evaluation_id = evaluation_id or f"e{next(_numbers)}"
            reply = self.call("PUT", f"evaluations/{evaluation_id}", contract, code or 200)
        else:
            reply = self.call("POST", "evaluations", contract, code or 201)
            evaluation_id = reply.json().get("id")
        return reply.json()["error"]["code"] if reply.status_code >= 400 else evaluation_id

    def get(self, evaluation_id, more=BETWEEN, code=200):
        return self.call("GET", f"evaluations/{evaluation_id}", code=code, more=more).json()

    def done(self, evaluation_id, more=BETWEEN):
        until = time.monotonic() + HANG
        while (found := self.get(evaluation_id, more))["status"] in OPEN:
            assert time.monotonic() < until
            time.sleep(0.05)
        return found

    def list(self):
        found = self.call("GET", "evaluations", code=200).json()
        return found["value"] if self.version is Version.V2022 else found


@pytest.fixture(params=slow_but({Version.V1_0, Version.V2022}, BASES), ids=lambda version: version.name)
def version(request):
    return request.param


@pytest.fixture
def held(monkeypatch):
    """Let evaluations go on until they are let go."""
    computed, holding = beginning.computed_apart, threading.Event()

    def computed_apart(folder, task, keep_on):
        while not holding.wait(0.01):
            keep_on()
        return computed(folder, task, keep_on)

    monkeypatch.setattr(beginning, "computed_apart", computed_apart)
    yield holding
    holding.set()


def relations_hold(summary, version):
    """Check the relations between the figures of a summary, to nine digits."""
    n, total = summary["ipsEstimatorDenominator"], summary["ipsEstimatorNumerator"]
    mean = total / n
    assert n == int(n) > 0
    assert 0 <= summary["nonZeroProbability"] <= n
    scatter = (summary["sumOfSquares"] - n * mean**2) / (n - 1) / n
    assert summary["confidenceInterval"] == pytest.approx(
        1.96 * math.sqrt(max(scatter, 0)), rel=1e-9, abs=1e-9
    )
    if version is Version.V1_0:
        assert "averageReward" not in summary
    else:
        assert summary["averageReward"] == pytest.approx(mean, rel=1e-9)


def specification(version):
    names = {Version.V1_0: "stable-v1.0", Version.V2022: "preview-2022-09-01-preview"}
    folder = names.get(version, f"preview-v1.1-preview.{version.value}")
    file = SHARED / "specs" / folder / "Personalizer.json"
    if not file.is_file():
        pytest.skip("the published specifications are not here")
    return json.loads(file.read_bytes())["definitions"]


def check(version, name, body):
    """Check a body against the published specification, which names every field that there may be."""
    definitions = specification(version)
    for one in definitions.values():
        if "properties" in one:
            one["additionalProperties"] = False
    schema = {**definitions[name], "definitions": definitions}
    jsonschema.Draft4Validator(schema).validate(body)


def test_every_version_shows_it_in_its_own_shape(served, version):
    asking = Evaluating(served, version)
    evaluation_id = asking.ask()
    found = asking.done(evaluation_id)
    assert found["status"] == ("Succeeded" if version is Version.V2022 else "completed")
    check(version, "Evaluation", found)
    (listed,) = asking.list()
    check(version, "EvaluationDetails" if version is Version.V2022 else "Evaluation", listed)
    if version is Version.V2022:
        return
    assert [one["name"] for one in found["policyResults"]] == ["Online", "Baseline", "Random", "mine"]
    for policy in found["policyResults"]:
        summaries = policy["summary"]
        assert len(summaries) == 3
        for summary in (*summaries, policy["totalSummary"]):
            relations_hold(summary, version)
            assert re.fullmatch(r"PT5M|00:05:00|P31D|31\.00:00:00", summary["aggregateTimeWindow"])
        for field in ("ipsEstimatorNumerator", "ipsEstimatorDenominator", "snipsEstimatorDenominator",
                      "sumOfSquares", "nonZeroProbability"):  # fmt: skip
            total = sum(summary[field] for summary in summaries)
            assert policy["totalSummary"][field] == pytest.approx(total, rel=1e-9)
    assert found["featureImportance"][0] == ["i.id"]
    sources = ["Online", "Baseline", "Random", "Custom"]
    assert [one.get("policySource") for one in found["policyResults"]] == (
        [None] * 4 if version is Version.V1_0 else sources
    )


def test_an_example_has_the_shape_of_ours(served, version):
    """What the examples of the specifications hold is what comes."""
    names = {Version.V1_0: "stable-v1.0", Version.PREVIEW_3: "preview-v1.1-preview.3",
             Version.V2022: "preview-2022-09-01-preview"}  # fmt: skip
    file = SHARED / "specs" / names.get(version, "none") / "examples" / "Evaluations_Get.json"
    if not file.is_file():
        pytest.skip("there is no example for this version here")
    example = json.loads(file.read_bytes())["responses"]["200"]["body"]

    def shape(value):
        if isinstance(value, dict):
            return {name: shape(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return shape(value[0]) if value else None
        return float if isinstance(value, int | float) else type(value)

    asking = Evaluating(served, version)
    found = asking.done(asking.ask())
    own = {"jobId", "description"}  # optional in the specification, and not in its examples
    assert shape({name: value for name, value in found.items() if name not in own}) == {
        name: value for name, value in shape(example).items() if name != "optimalPolicy"
    }


@pytest.mark.usefixtures("own_processes")
def test_series(served):
    asking = Evaluating(served)
    evaluation_id = asking.ask()
    asking.done(evaluation_id)

    def series(more):
        content = asking.get(evaluation_id, more)["content"]
        return content, {
            one["name"]: [
                (point["timeStamp"][:16], point["expectedReward"], point["confidenceInterval"])
                for point in one["timeseries"]["data"]
            ]
            for one in content["value"]
        }

    content, expanding = series(BETWEEN)
    assert content["intervalInMinutes"] == 5
    times = ["2026-01-01T00:00", "2026-01-01T00:10", "2026-01-01T00:20"]
    for one in content["value"]:
        points = expanding[one["name"]]
        assert [at for at, *_ in points] == times
        assert points[-1][1] == pytest.approx(one["summary"]["expectedReward"])
        assert points[-1][2] == pytest.approx(one["summary"]["confidenceInterval"])
    content, rolling = series(f"{BETWEEN}&window=Rolling&intervalInMinutes=60")
    assert content["intervalInMinutes"] == 60
    for one in content["value"]:
        (point,) = rolling[one["name"]]
        assert point[1] == pytest.approx(expanding[one["name"]][-1][1])
    # Between other times, everything is about what lies between them.
    content, part = series("startTime=2026-01-01T00:08:00Z&endTime=2026-01-01T00:12:00Z")
    assert [at for at, *_ in part["Online"]] == times[1:2]
    online = content["value"][0]["summary"]
    assert online["expectedReward"] == pytest.approx(43 / 57)
    content = asking.get(evaluation_id, "startTime=2025-01-01&endTime=2025-01-02")["content"]
    assert all("summary" not in one for one in content["value"])


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("", "startTime"),
        ("startTime=2026-01-01", "endTime"),
        ("startTime=soon&endTime=2026-01-01", "startTime"),
        ("startTime=2026-01-02&endTime=2026-01-01", "before"),
        (f"{BETWEEN}&window=Rolling", "Incompatible intervalInMinutes and window parameters."),
        (f"{BETWEEN}&intervalInMinutes=60", "Valid expanding window interval: 5 minutes."),
        (f"{BETWEEN}&window=Rolling&intervalInMinutes=61", "Valid rolling window intervals: 60 minutes"),
        (f"{BETWEEN}&intervalInMinutes=x", "whole number"),
        (f"{BETWEEN}&window=Sliding", "Expanding or Rolling"),
    ],
)
def test_series_that_cannot_be(served, more, said):
    asking = Evaluating(served)
    evaluation_id = asking.ask(NEVER)
    error = asking.get(evaluation_id, more, 400)["error"]
    assert error["code"] == "InvalidRequest"
    assert said in error["details"][0]["message"]


@pytest.mark.parametrize(
    ("changes", "code", "later"),
    [
        ({"name": ""}, "InvalidEvaluationContract", None),
        ({"name": "n" * 257}, "InvalidEvaluationContract", None),
        ({"name": None}, "InvalidEvaluationContract", None),
        ({"startTime": "soon"}, "InvalidEvaluationContract", None),
        ({"endTime": 5}, "InvalidEvaluationContract", None),
        ({"policies": None}, "InvalidEvaluationContract", None),
        ({"startTime": "2026-03-01"}, "InvalidEvaluationContract", "InvalidDateTimesInEvaluationContract"),
        ({"policies": [{**MINE, "name": str(number)} for number in range(11)]}, "InvalidEvaluationContract",
         "MaximumEvaluationCustomPoliciesExceeded"),
        ({"policies": [MINE, MINE]}, "DuplicateCustomPolicyNames", None),
        ({"policies": [{**MINE, "name": "Online"}]}, "DuplicateCustomPolicyNames", None),
        ({"policies": [{**MINE, "name": "n" * 257}]}, "InvalidPolicyContract", None),
        ({"policies": [{**MINE, "arguments": "--cb_explore_adf -f /tmp/x"}]}, "InvalidPolicyConfiguration", None),
        ({"policies": [{**MINE, "arguments": "--epsilon 0.1"}]}, "InvalidPolicyConfiguration", None),
        ({"policies": [{"name": "slots", "arguments": "--ccb_explore_adf"}]}, "InvalidEvaluationContract", None),
    ],
)  # fmt: skip
@pytest.mark.parametrize("asked", [Version.V1_0, Version.PREVIEW_3, Version.V2022])
def test_contracts_that_cannot_be(served, asked, changes, code, later):
    asking = Evaluating(served, asked)
    wanted = later if later and asked is Version.V2022 else code
    if code == "DuplicateCustomPolicyNames" and asked is Version.V1_0:
        wanted = "InvalidEvaluationContract"
    assert asking.ask({**CONTRACT, **changes}, 400) == wanted
    assert asking.list() == []


def test_ids(served):
    asking = Evaluating(served)
    asking.ask(NEVER, evaluation_id="a%2Fb")
    assert asking.list()[0]["id"] == "a/b"
    error = asking.call("PUT", "evaluations/a%2Fb", NEVER, 400).json()["error"]
    assert (error["code"], error["message"]) == (
        "EvaluationAlreadyExists", "Evaluation with id a/b already exists."
    )  # fmt: skip
    features = {name: NEVER[name] for name in ("name", "startTime", "endTime")}
    # The two kinds do not know of each other.
    asking.call("PUT", "featureImportances/a%2Fb", features, 200)
    error = asking.call("PUT", "featureImportances/a%2Fb", features, 400).json()["error"]
    assert error["message"] == "Feature importance with id a/b already exists."
    asking.call("PUT", f"featureImportances/{'f' * 256}", features, 200)
    asking.call("PUT", f"featureImportances/{'f' * 257}", features, 400)
    asking.call("PUT", f"evaluations/{'e' * 257}", NEVER, 400)
    page = asking.call("GET", "featureImportances", more="maxpagesize=1").json()
    assert [one["id"] for one in page["value"]] == ["f" * 256]
    assert page["nextLink"].startswith("http://testserver/personalizer/featureImportances?api-version=")
    asking.call("DELETE", "evaluations/a%2Fb", code=204)
    asking.call("DELETE", "evaluations/a%2Fb", code=404)
    asking.call("GET", "featureImportances/a%2Fb", code=200)
    asking.call("DELETE", "featureImportances/a%2Fb", code=204)
    asking.call("GET", "featureImportances/a%2Fb", code=404)
    asking.ask(NEVER, evaluation_id="a%2Fb")


def test_the_next_page_is_asked_for_over_tls_where_a_proxy_speaks_it(served):
    asking = Evaluating(served)
    for _ in range(2):
        asking.ask(NEVER)
    path = f"/loops/news/personalizer//evaluations?{LAST}&maxpagesize=1"
    headers = {"X-Forwarded-Proto": "https", "Host": "shop.example"}
    page = served.call("GET", path, headers=headers, code=200).json()
    link = page["nextLink"]
    assert link.startswith("https://shop.example/loops/news/personalizer//evaluations?api-version=2022-")
    rest = served.call("GET", link.removeprefix("https://shop.example"), code=200).json()
    assert len(rest["value"]) == 1
    assert "nextLink" not in rest


def test_it_waits_its_turn_and_can_be_deleted_meanwhile(begin, held):
    served = begin(evaluations_at_once=1)
    asking, earlier = Evaluating(served), Evaluating(served, Version.PREVIEW_3)
    running, waiting, third = (asking.ask() for _ in range(3))
    until = time.monotonic() + HANG
    while asking.get(running)["status"] != "Running":
        assert time.monotonic() < until
    assert [asking.get(one)["status"] for one in (waiting, third)] == ["NotSubmitted"] * 2
    assert [earlier.get(one, "")["status"] for one in (running, waiting)] == ["pending", "notSubmitted"]
    served.call(
        "POST", "/personalizer/v1.0/rank", json={"actions": [{"id": "a", "features": [{"x": 1}]}]}, code=201
    )
    asking.call("DELETE", f"evaluations/{waiting}", code=204)
    asking.call("DELETE", f"evaluations/{running}", code=204)
    # One of the same id is another one.
    asking.ask(NEVER, evaluation_id=running)
    held.set()
    assert asking.done(running)["status"] == "Succeeded"
    assert "content" not in asking.get(running)
    assert asking.done(third)["content"]["value"]
    assert {one["id"] for one in asking.list()} == {running, third}


def test_too_many_are_refused(begin, held):
    asking = Evaluating(begin(evaluations_at_once=1))
    for _ in range(16):
        asking.ask()
    reply = asking.call("PUT", "evaluations/another", NEVER, 429)
    assert reply.headers["retry-after"]
    held.set()


@pytest.mark.usefixtures("held")
def test_a_server_that_ends_says_so_in_the_log(begin):
    served = begin(evaluations_at_once=1)
    asking = Evaluating(served)
    ids = [asking.ask() for _ in range(3)]
    served.close()
    with loopledger.open(served.folder, clock=served.clock) as ledger:
        found = ledger.loop("news").evaluations()
    assert [one.id for one in found] == ids
    assert {one.status for one in found} == {"Failed"}
    assert {one.reason for one in found} == {"the server was stopped before it was done; ask for it again"}


def test_a_failure_is_told_and_the_next_goes_on(served, monkeypatch):
    def fails(*_):
        raise loopledger.LearnerFailed("the engine is gone")

    with monkeypatch.context() as context:
        context.setattr(beginning, "computed_apart", fails)
        asking = Evaluating(served)
        found = asking.done(asking.ask())
    assert (found["status"], found["description"]) == ("Failed", "the engine is gone.")
    earlier = Evaluating(served, Version.V1_0)
    assert earlier.get(found["id"], "")["status"] == "failed"
    assert asking.done(asking.ask())["status"] == "Succeeded"


def test_without_the_packages_for_it_nothing_is_promised(served, monkeypatch):
    monkeypatch.setattr("loopledger.adapters.embedding.evaluating.find_spec", lambda _: None)
    asking = Evaluating(served)
    error = asking.call("PUT", "evaluations/e", CONTRACT, 501).json()["error"]
    assert "loopledger[evaluation]" in error["details"][0]["message"]
    assert asking.list() == []


def test_what_cannot_be_applied(served):
    asking = Evaluating(served)
    done, nothing = asking.ask(), asking.ask(NEVER)
    asking.done(done)
    asking.done(nothing)

    def applied(evaluation_id, policy, code):
        body = {"evaluationId": evaluation_id, "policyName": policy}
        reply = asking.call("POST", "configurations/applyFromEvaluation", body, code)
        return reply.json()["error"]["code"] if code >= 400 else reply.content

    before = asking.call("GET", "configurations/policy").json()
    assert applied("none", "mine", 404) == "EvaluationNotFound"
    assert applied(done, "yours", 404) == "LearningSettingsNotFound"
    assert applied(done, "Random", 404) == "EvaluationModelNotFound"
    assert applied(nothing, "mine", 400) == "InvalidRequest"
    asking.call("POST", "configurations/applyFromEvaluation", {"evaluationId": done}, 400)
    assert applied(done, "Online", 204) == b""
    assert asking.call("GET", "configurations/policy").json() == before
    model = asking.call("GET", "model").content
    assert applied(done, "mine", 204) == b""
    assert asking.call("GET", "configurations/policy").json() == MINE
    assert asking.call("GET", "model").content != model


def test_an_evaluation_that_was_asked_for_elsewhere(begin, data):
    """What Python or the command line asked for is shown with the times of its events."""
    clock = loopledger.SimulatedClock(learned.START + 86_400 * 1_000_000)
    with loopledger.open(data, clock=clock) as ledger:
        ledger.loop("news").evaluate(versions=[1], evaluation_id="own", name="Own")
    found = Evaluating(begin(data)).get("own")
    assert (found["name"], found["status"]) == ("Own", "Succeeded")
    assert found["startTime"] == "2026-01-01T00:00:00.000000Z"
    assert found["endTime"][:16] == "2026-01-01T00:33"
    sources = {one["name"]: one["policySource"] for one in found["content"]["value"]}
    assert sources["version 1"] == "Custom"


def test_with_too_little_to_search_it_does_without_and_says_so(served):
    pytest.importorskip("optuna")
    asking = Evaluating(served)
    found = asking.done(asking.ask({**CONTRACT, "enablePolicyOptimization": True}))
    assert found["status"] == "Succeeded"
    assert "No better policy was searched for: " in found["description"]
    assert [one["name"] for one in found["content"]["value"]] == ["Online", "Baseline", "Random", "mine"]
    assert "optimalPolicy" not in found


@pytest.mark.slow
def test_a_better_policy_is_searched_for(begin, tmp_path, monkeypatch):
    pytest.importorskip("optuna")
    monkeypatch.setattr(beginning, "BUDGET", 8.0)
    folder = tmp_path / "more"
    learned.make(folder, rounds=8)
    served = begin(folder)
    earlier, later = Evaluating(served, Version.PREVIEW_3), Evaluating(served)
    evaluation_id = earlier.ask({**CONTRACT, "enableOfflineExperimentation": True})
    found = earlier.done(evaluation_id)
    assert found["status"] == "completed"
    assert found["optimalPolicy"] == later.get(evaluation_id)["optimalPolicy"] == "optimized"
    (best,) = [one for one in found["policyResults"] if one["policySource"] == "OfflineExperimentation"]
    assert best["name"] == "optimized"
    check(Version.PREVIEW_3, "Evaluation", found)
    body = {"evaluationId": evaluation_id, "policyName": "optimized"}
    earlier.call("POST", "configurations/applyFromEvaluation", body, 204)
    assert earlier.call("GET", "configurations/policy").json() == {
        "name": "optimized",
        "arguments": best["arguments"],
    }
