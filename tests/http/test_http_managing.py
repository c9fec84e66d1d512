"""Configuration, policy, model and logs over HTTP."""

import io
import zipfile

import pytest
from support import SHARED

import loopledger
from loopledger.adapters.http.durations import duration, seconds_of
from loopledger.adapters.http.versions import Version
from loopledger.adapters.signed_model import open_signed
from loopledger.errors import InvalidRequest

V1, P1, P3 = "/personalizer/v1.0", "/personalizer/v1.1-preview.1", "/personalizer/v1.1-preview.3"
QUERY = "?api-version=2022-09-01-preview"
OLD = {
    "rewardWaitTime",
    "defaultReward",
    "rewardAggregation",
    "explorationPercentage",
    "modelExportFrequency",
    "logRetentionDays",
}
NEW = OLD | {"lastConfigurationEditDate", "learningMode"}


def configuration(served, base=P3, query="", **fields):
    path = f"{base}/configurations/service{query}"
    if fields:
        return served.call("PUT", path, json=fields, code=200).json()
    return served.call("GET", path, code=200).json()


def refused(served, base=P3, query="", **fields):
    path = f"{base}/configurations/service{query}"
    before = configuration(served)
    error = served.call("PUT", path, json=fields).json()["error"]
    assert configuration(served) == before
    return error["code"]


def test_each_version_has_its_own_fields_and_durations(served):
    old, new = configuration(served, V1), configuration(served)
    last = configuration(served, "/personalizer", QUERY)
    assert old == {
        "rewardWaitTime": "00:10:00",
        "defaultReward": 0.0,
        "rewardAggregation": "earliest",
        "explorationPercentage": 0.2,
        "modelExportFrequency": "00:00:00",
        "logRetentionDays": -1,
    }
    assert set(new) == {*NEW, "isAutoOptimizationEnabled", "autoOptimizationFrequency"}
    assert new["autoOptimizationFrequency"] == "P7D"
    assert new["rewardWaitTime"] == "PT10M"
    assert new["lastConfigurationEditDate"].endswith("Z")
    assert set(last) == {
        *NEW,
        "autoOptimizationFrequency",
        "isAutoOptimizationEnabled",
        "isInferenceExplainabilityEnabled",
        "modelRetrainDays",
    }


def test_what_is_put_is_what_is_got(served):
    given = {
        "rewardWaitTime": "PT4H",
        "defaultReward": 0.5,
        "rewardAggregation": "sum",
        "explorationPercentage": 0.35,
        "modelExportFrequency": "PT1M30S",
        "logMirrorEnabled": True,
        "logMirrorSasUri": "https://store.example/logs?sig=secret",
        "logRetentionDays": 7,
        "isAutoOptimizationEnabled": True,
        "autoOptimizationFrequency": "P7D",
        "autoOptimizationStartDate": "2026-01-19T00:00:00Z",
        "modelRetrainDays": 3,
    }
    put = configuration(served, "/personalizer", QUERY, **given)
    assert given.items() <= put.items()
    assert configuration(served, "/personalizer", QUERY) == put
    assert configuration(served, V1)["rewardWaitTime"] == "04:00:00"
    with_mode = configuration(served, learningMode="Apprentice")
    assert with_mode["learningMode"] == "Apprentice"
    assert (served.folder / "news" / "service.json").stat().st_mode & 0o777 == 0o600


def test_what_was_got_can_be_put_and_changes_nothing(served):
    before = configuration(served, V1)
    policy = served.call("GET", f"{V1}/configurations/policy").json()
    path = f"{V1}/configurations/service"
    assert served.call("PUT", path, json=before, code=200).json() == before
    assert served.call("PUT", f"{V1}/configurations/policy", json=policy, code=200).json() == policy
    assert not (served.folder / "news" / "service.json").exists()


def test_old_durations_are_understood_everywhere(served):
    assert configuration(served, rewardWaitTime="04:00:00")["rewardWaitTime"] == "PT4H"
    assert configuration(served, V1, rewardWaitTime="P1D")["rewardWaitTime"] == "1.00:00:00"


REFUSED = [
    ({"rewardWaitTime": "PT4S"}, "InvalidRewardWaitTime"),
    ({"rewardWaitTime": "P3D"}, "InvalidRewardWaitTime"),
    ({"rewardWaitTime": "soon"}, "InvalidServiceConfiguration"),
    ({"rewardWaitTime": "P"}, "InvalidServiceConfiguration"),
    ({"defaultReward": 1.5}, "InvalidServiceConfiguration"),
    ({"defaultReward": "much"}, "InvalidServiceConfiguration"),
    ({"rewardAggregation": "best"}, "InvalidServiceConfiguration"),
    ({"explorationPercentage": 1.1}, "InvalidServiceConfiguration"),
    ({"modelExportFrequency": "PT0S", "x": 1}, None),
    ({"modelExportFrequency": "P400D"}, "InvalidServiceConfiguration"),
    ({"logRetentionDays": 1}, "InvalidLogRetentionDays"),
    ({"logRetentionDays": 0}, "InvalidLogRetentionDays"),
    ({"logRetentionDays": -2}, "InvalidLogRetentionDays"),
    ({"learningMode": "Offline"}, "InvalidServiceConfiguration"),
    ({"autoOptimizationStartDate": "one day"}, "InvalidServiceConfiguration"),
    ({"learningMode": "Apprentice", "defaultReward": 0.5}, "InvalidLearningModeServiceConfiguration"),
    ({"learningMode": "Apprentice", "rewardWaitTime": "PT4H"}, "InvalidLearningModeServiceConfiguration"),
    ({"learningMode": "Apprentice", "rewardAggregation": "sum"}, "InvalidLearningModeServiceConfiguration"),
    ({"learningMode": "Apprentice", "defaultReward": 0.0}, None),
    ({"learningMode": "LoggingOnly", "defaultReward": 0.5}, None),
]


@pytest.mark.parametrize(("fields", "code"), REFUSED)
def test_what_personalizer_refused_is_refused_and_changes_nothing(served, fields, code):
    if code is None:
        configuration(served, **fields)
    else:
        assert refused(served, **fields) == code


def test_codes_that_a_version_did_not_have(served):
    assert refused(served, V1, rewardWaitTime="PT4S") == "InvalidServiceConfiguration"
    assert refused(served, P1, logRetentionDays=1) == "InvalidServiceConfiguration"
    assert refused(served, "/personalizer", QUERY, modelRetrainDays=-1) == "InvalidModelRetrainDays"
    configuration(served, logRetentionDays=5)
    assert refused(served, "/personalizer", QUERY, modelRetrainDays=6) == "InvalidModelRetrainDays"


def test_retention_leaves_time_to_learn(served):
    configuration(served, logRetentionDays=2)
    assert refused(served, rewardWaitTime="P2D") == "InvalidLogRetentionDays"
    configuration(served, rewardWaitTime="P2D", logRetentionDays=3)


def test_a_setting_that_another_face_made_may_stay_as_it_is(served):
    configuration(served, "/personalizer", QUERY, explorationPercentage=0.4, modelExportFrequency="PT0S")


@pytest.mark.parametrize(
    ("version", "seconds", "text"),
    [
        (Version.V1_0, 600, "00:10:00"),
        (Version.V1_0, 90061.5, "1.01:01:01.500"),
        (Version.PREVIEW_1, 90061.5, "P1DT1H1M1.5S"),
        (Version.PREVIEW_1, 600, "PT10M"),
        (Version.PREVIEW_1, 86400, "P1D"),
        (Version.PREVIEW_1, 0, "PT0S"),
        (Version.V2022, 14400, "PT4H"),
    ],
)
def test_durations(version, seconds, text):
    assert duration(version, seconds) == text
    assert seconds_of("x", text) == seconds


@pytest.mark.parametrize("text", ["", "P", "PT", "10", "P1M", "P1Y", "-PT1M", "1:2", "PT1H1", "٣:00:00"])
def test_what_is_no_duration(text):
    with pytest.raises(InvalidRequest):
        seconds_of("x", text)


def test_policies(served):
    path = f"{P3}/configurations/policy"
    policy = {"name": "mine", "arguments": "--cb_explore_adf --epsilon 0.1 --dsjson --cb_type ips -l 0.5"}
    assert served.call("PUT", path, json=policy, code=200).json() == policy
    assert served.call("GET", path, code=200).json() == policy
    default = served.call("DELETE", path, code=200).json()
    assert default["arguments"] == loopledger.ready_policy("personalizer-default").arguments
    assert "--ccb_explore_adf" in served.call("DELETE", path, loop="home", code=200).json()["arguments"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"name": "n", "arguments": "--epsilon 0.1"}, "InvalidPolicyConfiguration"),
        ({"name": "n", "arguments": "--cb_explore_adf -f /etc/passwd"}, "InvalidPolicyConfiguration"),
        ({"name": "", "arguments": "--cb_explore_adf"}, "InvalidPolicyConfiguration"),
        ({"name": "n"}, "InvalidPolicyContract"),
        ({"name": "n", "arguments": None}, "InvalidPolicyContract"),
        ({"name": "n" * 257, "arguments": "--cb_explore_adf"}, "InvalidPolicyContract"),
        ({"name": "n", "arguments": "--cb_explore_adf" + " " * 1024}, "InvalidPolicyContract"),
        ([], "InvalidPolicyContract"),
    ],
)
def test_bad_policies(served, body, code):
    path = f"{P3}/configurations/policy"
    before = served.call("GET", path).json()
    assert served.call("PUT", path, json=body, code=400).json()["error"]["code"] == code
    assert served.call("GET", path).json() == before


def test_slots_and_auto_optimization_do_not_go_together(served):
    slots = {"name": "slots", "arguments": "--ccb_explore_adf --epsilon 0.2"}
    configuration(served, isAutoOptimizationEnabled=True)
    error = served.call("PUT", f"{P3}/configurations/policy", json=slots, code=403).json()["error"]
    assert error["code"] == "ProblemTypeIncompatibleWithAutoOptimization"
    configuration(served, isAutoOptimizationEnabled=False)
    served.call("PUT", f"{P3}/configurations/policy", json=slots, code=200)
    body = {"isAutoOptimizationEnabled": True}
    served.call("PUT", f"{P3}/configurations/service", json=body, code=403)


@pytest.mark.parametrize(("days", "begun"), [(0, 1), (40, 1), (2, 0)])
def test_model_retrain_days_say_how_much_a_new_policy_learns_again(served, days, begun):
    configuration(served, "/personalizer", QUERY, modelRetrainDays=days)
    policy = {"name": "mine", "arguments": "--cb_explore_adf --epsilon 0.1"}
    served.call("PUT", f"{P3}/configurations/policy", json=policy, code=200)
    served.close()
    with loopledger.open(served.folder, clock=served.clock) as ledger:
        loop = ledger.loop("news")
        assert loop.policy.name == "mine"
        changes = list(loop.log(kinds=["PolicyChanged", "RelearningBegun"]))
        again = [
            change.kind == "RelearningBegun" or change.as_dict()["body"]["relearn"] for change in changes
        ]
        assert sum(again) == begun


def test_models_go_out_and_come_back(served):
    raw = served.call("GET", f"{V1}/model", code=200)
    assert raw.headers["content-type"] == "application/octet-stream"
    assert raw.headers["last-modified"].endswith("GMT")
    head = served.call("HEAD", f"{V1}/model", code=200)
    assert not head.content
    assert head.headers["last-modified"] == raw.headers["last-modified"]
    assert served.call("GET", f"{V1}/model?signed=true").content == raw.content
    signed = served.call("GET", f"{P3}/model?signed=true", code=200).content
    opened = open_signed(signed)
    assert opened.model == raw.content
    assert "CN=loopledger" in str(opened.certificate)
    assert (served.folder / "model-signing.pem").stat().st_mode & 0o777 == 0o600
    served.clock.advance(60)
    properties = served.call("GET", f"{P3}/model/properties", code=200).json()
    assert set(properties) == {"creationTime", "lastModifiedTime"}
    served.call("DELETE", f"{P3}/model", code=204)
    served.call("GET", f"{P3}/model", code=404)
    empty = served.call("GET", f"{P3}/model/properties", code=200).json()
    assert set(empty.values()) == {"0001-01-01T00:00:00+00:00"}
    served.call("PUT", f"{P3}/model", content=signed, code=204)
    assert served.call("GET", f"{P3}/model", code=200).content == raw.content
    again = served.call("GET", f"{P3}/model/properties", code=200).json()
    assert again["lastModifiedTime"] > properties["lastModifiedTime"]


def test_models_that_are_not_what_they_should_be(served):
    signed = served.call("GET", f"{P3}/model?signed=true", code=200).content
    raw = served.call("GET", f"{P3}/model", code=200).content

    def refused(content):
        return served.call("PUT", f"{P3}/model", content=content, code=400).json()["error"]["code"]

    def repacked(**changes):
        out = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(signed)) as old, zipfile.ZipFile(out, "w") as new:
            for name in old.namelist():
                new.writestr(name, changes.get(name.partition(".")[0], old.read(name)))
        return out.getvalue()

    assert refused(b"zip") == "InvalidModelImportFormat"
    assert refused(b"") == "InvalidModelImportFormat"
    assert refused(raw) == "InvalidModelImportFormat"
    assert refused(repacked(model=raw + b"x")) == "InvalidModelImportSignature"
    assert (
        refused((SHARED / "samples" / "signed_model_quickstart.zip").read_bytes())
        == "InvalidModelImportSignature"
    )
    served.call("PUT", f"{P1}/model", content=signed, code=405)


def test_a_model_that_microsoft_signed_comes_in_where_the_server_trusts_its_certificate(begin):
    content = (SHARED / "samples" / "signed_model_quickstart.zip").read_bytes()
    served = begin(trusted=[open_signed(content).certificate.fingerprint.upper()])
    served.call("PUT", f"{P3}/model", content=content, code=204)
    assert served.call("GET", f"{P3}/model", code=200).content == open_signed(content).model


def test_logs(served):
    found = served.call("GET", f"{P3}/logs/properties", code=200).json()["dateRange"]
    assert set(found) == {"from", "to"}
    assert found["from"].startswith("2026-01-01T00:00:00")
    assert found["from"] < found["to"]
    before = served.call("GET", f"{P3}/model").content
    served.clock.advance(60)
    served.call("DELETE", f"{P3}/logs", code=204)
    error = served.call("GET", f"{P3}/logs/properties", code=404).json()["error"]
    assert error["code"] == "LogsPropertiesNotFound"
    assert served.call("GET", f"{P3}/model").content == before
    served.call("DELETE", f"{P3}/logs", code=204)
    served.call("GET", f"{P3}/logs/properties", loop="home", code=404)


def test_retention_is_carried_out(served):
    from loopledger.adapters.http.call import House
    from loopledger.adapters.http.retention import erase_old

    configuration(served, logRetentionDays=20)
    house = House(served.folder, served.clock, (), None, {}, None)
    served.close()

    async def go():
        async with loopledger.open_async(served.folder, clock=served.clock) as ledger:
            for name in await ledger.loops():
                await erase_old(ledger, house, name)
            loop = await ledger.loop("news")
            return await loop.dates(), await loop.verify()

    import asyncio

    dates, found = asyncio.run(go())
    assert dates.first is None
    assert found.holds


def test_a_rank_explains_itself_where_the_configuration_asks_for_it(served):
    body = {"contextFeatures": [{"hour": 1}], "actions": [{"id": "music", "features": [{"long": 0.5}]}]}
    assert "inferenceExplanation" not in served.call("POST", f"{V1}/rank", json=body, code=201).json()
    configuration(served, "/personalizer", QUERY, isInferenceExplainabilityEnabled=True)
    answer = served.call("POST", f"{V1}/rank", json=body, code=201).json()
    (explained,) = answer["inferenceExplanation"]
    assert explained["id"] == answer["rewardActionId"] == "music"
    scores = {feature["name"]: feature["score"] for feature in explained["features"]}
    # Music was always worth something.
    assert sum(scores.values()) > 0
    assert any(name.endswith("long") or "^" in name for name in scores)


def test_signed_is_yes_or_no(served):
    error = served.call("GET", f"{P3}/model?signed=perhaps", code=400).json()["error"]
    assert (error["code"], error["target"]) == ("BadRequest", "signed")
    served.call("GET", f"{P3}/model?signed=False", code=200)
    served.call("GET", f"{V1}/model?signed=perhaps", code=400)


def complaint(served, **fields):
    path = f"{P3}/configurations/service"
    error = served.call("PUT", path, json=fields, code=400).json()["error"]
    return error["target"], error["details"][-1]["message"]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"learningMode": "Foo"}, "must be one of Online, Apprentice, LoggingOnly"),
        (
            {"rewardAggregation": "Foo"},
            "must be one of earliest, sum, average, median, min, max",
        ),
        ({"explorationPercentage": 3}, "must lie between 0 and 1"),
        ({"explorationPercentage": "much"}, "must be a number or null (got a text)"),
        ({"defaultReward": 3}, "must lie between -1 and 1"),
        ({"autoOptimizationFrequency": "PT1S"}, "must lie between PT1M and P366D"),
        ({"modelExportFrequency": "P400D"}, "must lie between PT0S and P366D"),
        ({"autoOptimizationStartDate": "one day"}, "must be ISO 8601, such as 2026-11-21T20:30:00Z"),
        ({"rewardWaitTime": "soon"}, "must be a time span such as PT10M"),
        ({"rewardWaitTime": "P3D"}, "must lie between PT5S and P2D"),
        ({"logRetentionDays": 0}, "must be -1 (for ever), or 2 to"),
    ],
)
def test_a_setting_is_refused_by_its_name_there_with_its_limits(served, fields, says):
    ((name, value),) = fields.items()
    target, message = complaint(served, **fields)
    assert target == name
    assert message.startswith(f"{name}: {says}")
    assert not isinstance(value, str) or value not in message


def test_days_to_learn_again_are_refused_with_their_limit(served):
    path = "/personalizer/configurations/service?api-version=2022-09-01-preview"
    served.call("PUT", path, json={"logRetentionDays": 5}, code=200)
    error = served.call("PUT", path, json={"modelRetrainDays": 6}, code=400).json()["error"]
    assert error["details"][-1]["message"].startswith("modelRetrainDays: must be 0 (all of the log) to 5")
