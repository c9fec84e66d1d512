"""Every operation of every published specification answers with the status and body that it says.

The examples that came with the specifications are sent where there are some.
"""

import itertools
import json
import re
import time

import jsonschema
import pytest
from served import HANG
from support import SHARED
from wishes import rank, slots

VERSIONS = [
    "stable-v1.0",
    "preview-v1.1-preview.1",
    "preview-v1.1-preview.2",
    "preview-v1.1-preview.3",
    "preview-2022-09-01-preview",
]
BATCHES = ("Log_Interactions", "Log_Observations")
"""The binary batches of the library for local inference: not here."""
APPLIES = {"Evaluation_Apply", "ServiceConfiguration_ApplyFromEvaluation"}
OPEN = {"pending", "notSubmitted", "Running", "NotSubmitted"}
MINE = {"name": "mine", "arguments": "--cb_explore_adf --epsilon 0.1 --cb_type mtr -q ::"}
ONLY_DOCUMENTED = {"isInferenceExplainabilityEnabled"}
"""What Personalizer's pages describe and no specification names."""
ALL = {"startTime": "2026-01-01T00:00:00Z", "endTime": "2026-02-01T00:00:00Z"}
NEVER = {"startTime": "2020-01-01T00:00:00Z", "endTime": "2020-02-01T00:00:00Z"}
BODIES = {
    "Rank": rank(eventId="e"),
    "Events_Reward": {"value": 1},
    "MultiSlot_Rank": slots(eventId="e"),
    "MultiSlotEvents_Reward": {"reward": [{"slotId": "top", "value": 1}]},
    "Evaluations_Create": {"name": "n", "policies": [], **NEVER},
    "FeatureImportances_Create": {"name": "n", **NEVER},
    "Policy_Update": {"name": "mine", "arguments": "--cb_explore_adf --epsilon 0.1 --cb_type mtr -q ::"},
}


def specification(version):
    file = SHARED / "specs" / version / "Personalizer.json"
    return json.loads(file.read_bytes(), object_hook=_open_ended)


def _open_ended(found):
    """Leave out lists of values of which the specification says that there may be others."""
    if found.get("x-ms-enum", {}).get("modelAsString"):
        found.pop("enum", None)
    return found


def operations():
    """Yield version, method, path, and the operation, for every operation that is here."""
    for version in VERSIONS:
        if not (SHARED / "specs" / version).is_dir():
            continue
        for path, methods in specification(version)["paths"].items():
            for method, operation in methods.items():
                called = operation["operationId"]
                if called not in BATCHES:
                    # They have little that those around them have not.
                    between = version in {"preview-v1.1-preview.1", "preview-v1.1-preview.2"}
                    marks = pytest.mark.slow if between else ()
                    yield pytest.param(
                        version, method, path, operation, id=f"{version}-{called}", marks=marks
                    )


OPERATIONS = list(operations())
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not OPERATIONS, reason="the published specifications are not here"),
]


def check(version, schema, body):
    definitions = specification(version)["definitions"]
    schema = {**schema, "definitions": definitions}
    jsonschema.Draft4Validator(schema).validate(body)
    # The specifications say what must be there; nothing else should be, if they name what can.
    known = schema
    while "$ref" in known:
        known = definitions[known["$ref"].rpartition("/")[2]]
    if "properties" in known:
        assert set(body) - ONLY_DOCUMENTED <= set(known["properties"])


class Wire:
    """Sends the requests of one specification to a loop."""

    def __init__(self, server, version, key):
        self._server, self._version, self._key = server, version, key
        self._base = specification(version)["basePath"]
        self.given = "e"
        """The id in the path."""

    def send(self, method, path, body=None, kind="application/json"):
        path = self._base + re.sub(r"\{\w+Id\}", self.given, path)
        if self._version.endswith("2022-09-01-preview"):
            path += ("&" if "?" in path else "?") + "api-version=2022-09-01-preview"
        headers = {"Ocp-Apim-Subscription-Key": self._key}
        if body is not None:
            headers["Content-Type"] = kind
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self._server.ask(method.upper(), path, body, headers)

    def evaluated(self, contract):
        """Have an evaluation made, and return how it is read."""
        if self._version.endswith("2022-09-01-preview"):
            assert self.send("put", "/evaluations/e", contract)[0] == 200
            path = f"/evaluations/e?startTime={ALL['startTime']}&endTime={ALL['endTime']}"
        else:
            self.given = json.loads(self.send("post", "/evaluations", contract)[2])["id"]
            path = f"/evaluations/{self.given}"
        return self.awaited(path)

    def awaited(self, path):
        until = time.monotonic() + HANG
        while json.loads(self.send("get", path)[2])["status"] in OPEN:
            assert time.monotonic() < until
            time.sleep(0.1)
        return path

    def prepare(self, called):
        """Make what an operation is about."""
        if called.startswith("Evaluations_") and not called.endswith("_Create"):
            self.evaluated({"name": "n", "policies": [MINE], **NEVER})
        if called.startswith("FeatureImportances") and not called.endswith("_Create"):
            assert self.send("put", "/featureImportances/e", BODIES["FeatureImportances_Create"])[0] == 200
            self.awaited("/featureImportances/e")


@pytest.fixture
def wire(http, new_loop):
    return lambda version, kind: Wire(http, version, new_loop(http, kind)[1])


@pytest.mark.parametrize(("version", "method", "path", "operation"), OPERATIONS)
def test_an_operation(version, method, path, operation, wire):
    called = operation["operationId"]
    wire = wire(version, "slots" if called.startswith("MultiSlot") else "learned")
    kind = "application/json"
    body = BODIES.get(called)
    wire.prepare(called)
    if called in APPLIES:
        wire.evaluated({"name": "n", "policies": [MINE], **ALL})
        body = {"evaluationId": wire.given, "policyName": "mine"}
    path += "".join(
        f"{'&' if at else '?'}{parameter['name']}={ALL[parameter['name']]}"
        for at, parameter in enumerate(one for one in operation.get("parameters", ()) if one["name"] in ALL)
    )
    if called == "ServiceConfiguration_Update":
        body = json.loads(wire.send("get", path)[2])
    if called in {"SignedModel_Put", "Model_Import"}:
        body, kind = wire.send("get", "/model?signed=true")[2], "application/octet-stream"
    status, headers, found = wire.send(method, path, body, kind)
    (expected,) = [code for code in operation["responses"] if code != "default"]
    assert (status, found if status >= 400 else b"") == (int(expected), b"")
    schema = operation["responses"][expected].get("schema")
    if schema is None:
        assert found == b""
    elif "application/octet-stream" in operation["produces"]:
        assert headers.get_content_type() == "application/octet-stream"
        assert found
    else:
        assert headers.get_content_type() == "application/json"
        check(version, schema, json.loads(found))


@pytest.mark.parametrize(("version", "method", "path", "operation"), OPERATIONS)
def test_its_refusal(version, method, path, operation, wire):
    wire = wire(version, "blank")
    wire._key = "nobody's"
    status, headers, found = wire.send(method, path, BODIES.get(operation["operationId"]))
    assert status == 401
    check(version, {"$ref": "#/definitions/ErrorResponse"}, json.loads(found))
    if version.endswith("2022-09-01-preview"):
        assert headers["x-ms-error-code"] == json.loads(found)["error"]["code"]


def examples(name):
    folders = (SHARED / "specs" / version / "examples" / name for version in VERSIONS)
    return [pytest.param(file, id=file.parts[-3]) for file in folders if file.is_file()]


def shape(value):
    """Return the names and types in a value, without the values."""
    if isinstance(value, dict):
        return {name: shape(part) for name, part in value.items()}
    if isinstance(value, list):
        return [shape(part) for part in value]
    return (
        "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__
    )


@pytest.mark.parametrize("file", examples("Rank.json"))
def test_the_example_of_a_rank(file, wire):
    example = json.loads(file.read_bytes())
    wire = wire(file.parts[-3], "blank")
    request = example["parameters"]["rankRequest"]
    status, _, found = wire.send("post", "/rank", request)
    found, expected = json.loads(found), example["responses"]["201"]["body"]
    assert (status, shape(found)) == (201, shape(expected))
    assert found["eventId"] == expected["eventId"]
    assert found["ranking"][1] == expected["ranking"][1]
    assert found["rewardActionId"] == found["ranking"][0]["id"]


@pytest.mark.parametrize("file", examples("MultiSlot_Rank.json"))
def test_the_example_of_a_multi_slot_rank(file, wire):
    example = json.loads(file.read_bytes())
    status, _, found = wire(file.parts[-3], "slots").send(
        "post", "/multislot/rank", example["parameters"]["body"]
    )
    found, expected = json.loads(found), example["responses"]["201"]["body"]
    assert (status, shape(found)) == (201, shape(expected))
    assert [slot["id"] for slot in found["slots"]] == [slot["id"] for slot in expected["slots"]]
    assert found["slots"][0]["rewardActionId"] != "SportsArticle"


@pytest.mark.parametrize("file", examples("Policy_Get.json"))
def test_the_example_of_a_policy(file, wire):
    expected = json.loads(file.read_bytes())["responses"]["200"]["body"]
    wire = wire(file.parts[-3], "blank")
    status, _, found = wire.send("get", "/configurations/policy")
    assert (status, shape(json.loads(found))) == (200, shape(expected))
    # Personalizer itself once gave policies that say how its trainer reads; they can be put back.
    assert wire.send("put", "/configurations/policy", expected)[0] == 200


@pytest.mark.parametrize("file", examples("ServiceConfiguration_Get.json"))
def test_the_example_of_a_configuration(file, wire):
    expected = json.loads(file.read_bytes())["responses"]["200"]["body"]
    wire = wire(file.parts[-3], "blank")
    status, _, found = wire.send("get", "/configurations/service")
    found = json.loads(found)
    optional = {
        "logMirrorEnabled",
        "logMirrorSasUri",
        "autoOptimizationFrequency",
        "autoOptimizationStartDate",
    }
    assert status == 200
    found = {name: value for name, value in found.items() if name not in ONLY_DOCUMENTED}
    assert set(found) <= set(expected)
    assert set(expected) - set(found) <= optional
    assert shape(found) == {name: shape(expected[name]) for name in found}
    status, _, put = wire.send("put", "/configurations/service", expected)
    put = json.loads(put)
    assert status == 200, put
    editable = ("rewardWaitTime", "defaultReward", "rewardAggregation", "explorationPercentage",
                "modelExportFrequency", "logRetentionDays", "learningMode", "modelRetrainDays")  # fmt: skip
    expected = {name: expected[name] for name in editable if name in expected}
    assert {name: put[name] for name in expected} == expected


@pytest.mark.parametrize("file", examples("Model_Get.json"))
def test_the_example_of_a_model(file, wire):
    wire = wire(file.parts[-3], "learned")
    signed = str(json.loads(file.read_bytes())["parameters"]["signed"]).lower()
    status, headers, found = wire.send("get", f"/model?signed={signed}")
    assert (status, headers.get_content_type()) == (200, "application/octet-stream")
    assert len(found) > 100


def of_evaluations(file):
    return json.loads(file.read_bytes())["responses"]["200"]["body"]


@pytest.mark.parametrize("file", examples("Evaluations_Get.json"))
def test_the_example_of_an_evaluation(file, wire):
    version, expected = file.parts[-3], of_evaluations(file)
    wire = wire(version, "learned")
    status, _, found = wire.send("get", wire.evaluated({"name": "n", "policies": [MINE], **ALL}))
    found = json.loads(found)
    check(version, {"$ref": "#/definitions/Evaluation"}, found)
    own = {"jobId", "description", "optimalPolicy"}
    assert status == 200
    assert {name: shape_of_first(value) for name, value in found.items() if name not in own} == {
        name: shape_of_first(value) for name, value in expected.items() if name not in own
    }


@pytest.mark.parametrize("file", examples("Evaluations_List.json"))
def test_the_example_of_a_list(file, wire):
    example = json.loads(file.read_bytes())
    wire = wire(file.parts[-3], "blank")
    for number in range(3):
        contract = {"name": "n", "policies": [], **NEVER}
        assert wire.send("put", f"/evaluations/{number}", contract)[0] == 200
    query = "&".join(f"{name}={example['parameters'][name]}" for name in ("skip", "top"))
    status, _, found = wire.send("get", f"/evaluations?{query}&maxpagesize=2")
    assert (status, shape(json.loads(found))) == (200, shape(of_evaluations(file)))


@pytest.mark.parametrize("file", examples("FeatureImportances_Get.json"))
def test_the_example_of_feature_importances(file, wire):
    wire = wire(file.parts[-3], "learned")
    assert wire.send("put", "/featureImportances/f", {"name": "n", **ALL})[0] == 200
    status, _, found = wire.send("get", wire.awaited("/featureImportances/f"))
    found = json.loads(found)
    assert found.pop("description")
    assert (status, shape_of_first(found)) == (200, shape_of_first(of_evaluations(file)))


def shape_of_first(value):
    """Return the names and types in a value; lists may hold any number of what their first one is."""
    if isinstance(value, dict):
        return {name: shape_of_first(part) for name, part in value.items()}
    if isinstance(value, list):
        return [shape_of_first(part) for part in value[:1]]
    return shape(value)


def test_the_first_preview_had_another_name(http, new_loop):
    name, key = new_loop(http)
    headers = {"Ocp-Apim-Subscription-Key": key, "Content-Type": "application/json-patch+json"}
    for base, event_id in zip(
        ("/personalization/v1.0", "//personalizer/v1.0", "/Personalizer/V1.0"), "abc", strict=True
    ):
        body = json.dumps(rank(eventId=event_id)).encode()
        assert http.ask("POST", f"{base}/rank", body, headers)[0] == 201
        assert http.ask("POST", f"{base}/events/{event_id}/reward", b'{"value": 1}', headers)[0] == 204
        assert http.ask("POST", f"{base}/events/{event_id}/activate", b"", headers)[0] == 204
    kinds = [event["kind"] for event in http.log(name)]
    assert kinds == ["LoopCreated", *itertools.chain(*[("Ranked", "Rewarded", "Activated")] * 3)]
