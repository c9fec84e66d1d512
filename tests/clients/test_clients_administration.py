"""Configuration, policy, model and logs through the clients that have operations for them."""

import io
import zipfile
from datetime import datetime

import pytest
from cooked import FINGERPRINT, ZIP, sample
from faces import Refused
from served import Server
from wishes import EPSILON, IDS, even, probabilities, rank

CONFIGURATION = {
    "rewardWaitTime": "PT4H",
    "defaultReward": 0.25,
    "rewardAggregation": "sum",
    "explorationPercentage": 0.4,
    "modelExportFrequency": "PT1M",
    "logMirrorEnabled": False,
    "logRetentionDays": 30,
    "modelRetrainDays": 2,
    "isAutoOptimizationEnabled": False,
}
NEVER = "0001-01-01T00:00:00"
OTHER_POLICY = {"name": "mine", "arguments": "--cb_explore_adf --epsilon 0.1 --cb_type mtr -q ::"}


@pytest.fixture
def face(administrator, server, connect, new_loop):
    """A client for a loop that has learned."""
    name, key = new_loop(server, "learned")
    face = connect(administrator, server, key)
    face.name, face.server, face.connect, face.new_loop = name, server, connect, new_loop
    face.other = lambda kind="learned": _other(administrator, server, connect, new_loop, kind)
    return face


def _other(administrator, server, connect, new_loop, kind):
    name, key = new_loop(server, kind)
    face = connect(administrator, server, key)
    face.name = name
    return face


def test_the_configuration_is_personalizers(face):
    found = face.configuration()
    assert {name: found[name] for name in ("rewardWaitTime", "modelExportFrequency")} == {
        "rewardWaitTime": "PT10M",
        "modelExportFrequency": "PT0S",
    }
    assert found["defaultReward"] == 0
    assert found["rewardAggregation"] == "earliest"
    assert found["explorationPercentage"] == EPSILON
    assert found["learningMode"] == "Online"
    assert isinstance(found["logRetentionDays"], int)
    assert datetime.fromisoformat(found["lastConfigurationEditDate"])


def test_a_configuration_that_is_put_is_in_force(face):
    before = face.configuration()
    changed = face.configure({**before, **CONFIGURATION})
    assert face.configuration() == changed
    known = {name: value for name, value in CONFIGURATION.items() if name in before}
    assert {name: changed[name] for name in known} == known
    assert face.server.problems(face.name) == []
    (event,) = face.server.log(face.name, "SettingsChanged")
    settings = event["body"]["settings"]
    assert (settings["reward_wait_time"], settings["default_reward"]) == (4 * 3600, 0.25)
    assert (settings["reward_aggregation"], settings["exploration_percentage"]) == ("sum", 0.4)


def test_both_forms_of_a_duration_are_taken(face):
    for written in ("PT15M", "00:15:00"):
        changed = face.configure({**face.configuration(), "rewardWaitTime": written})
        assert changed["rewardWaitTime"] == "PT15M"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"rewardWaitTime": "PT3S"}, "InvalidRewardWaitTime"),
        ({"rewardWaitTime": "soon"}, None),
        ({"defaultReward": 2}, "InvalidServiceConfiguration"),
        ({"rewardAggregation": "best"}, "InvalidServiceConfiguration"),
        ({"explorationPercentage": 1.5}, "InvalidServiceConfiguration"),
        ({"learningMode": "Asleep"}, None),
        (
            {"learningMode": "Apprentice", "rewardWaitTime": "PT4H"},
            "InvalidLearningModeServiceConfiguration",
        ),
    ],
)
def test_a_configuration_that_cannot_be(face, change, code):
    before = face.configuration()
    with pytest.raises(Refused) as refused:
        face.configure({**before, **change})
    assert refused.value.status == 400
    assert code in {None, refused.value.code}
    assert face.configuration() == before
    assert face.server.log(face.name, "SettingsChanged") == []


def test_the_policy_is_got_put_and_reset(face):
    default = face.policy()
    assert set(default) == {"name", "arguments"}
    assert "--cb_explore_adf" in default["arguments"]
    assert face.change_policy(OTHER_POLICY) == OTHER_POLICY
    assert face.policy() == OTHER_POLICY
    reset = face.reset_policy()
    assert reset == face.policy()
    assert "--cb_explore_adf" in reset["arguments"]
    assert face.rank(rank())["rewardActionId"] in IDS
    assert face.server.problems(face.name) == []


@pytest.mark.parametrize(
    "arguments",
    ["--epsilon 0.2", "--cb_explore_adf --data /etc/passwd", "--cb_explore_adf -f /tmp/x", "nonsense"],
)
def test_a_policy_that_cannot_be(face, arguments):
    before = face.policy()
    with pytest.raises(Refused) as refused:
        face.change_policy({"name": "bad", "arguments": arguments})
    assert (refused.value.status, refused.value.code) == (400, "InvalidPolicyConfiguration")
    assert face.policy() == before


def test_the_model_is_the_one_that_answers(face, tmp_path):
    model = face.model()
    copy = tmp_path / "model.vw"
    face.server.command("model", face.name, "--out", str(copy), "--json")
    assert model == copy.read_bytes()


def test_a_signed_model_goes_from_loop_to_loop(face):
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA512

    signed = face.model(signed=True)
    with zipfile.ZipFile(io.BytesIO(signed)) as archive:
        assert sorted(archive.namelist()) == ["model.vw", "sha512_signature.bin", "signer.der"]
        model, signature, signer = map(archive.read, sorted(archive.namelist()))
    x509.load_der_x509_certificate(signer).public_key().verify(signature, model, PKCS1v15(), SHA512())
    assert model == face.model()

    other = face.other("blank")
    assert even(other.rank(rank()))
    other.import_model(signed)
    for hour in range(4):
        there, here = (probabilities(each.rank(rank(hour=hour))) for each in (other, face))
        assert there == pytest.approx(here)
        assert max(there.values()) > 0.5
    assert face.server.problems(other.name) == []


def test_models_that_are_not_signed_are_refused(face):
    signed = bytearray(face.model(signed=True))
    with zipfile.ZipFile(io.BytesIO(signed)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    changed = io.BytesIO()
    with zipfile.ZipFile(changed, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content[:-1] + b"\0" if name == "model.vw" else content)
    before = [probabilities(face.rank(rank(hour=hour))) for hour in range(4)]
    for data in (b"zip", b"", face.model(), changed.getvalue(), bytes(signed[: len(signed) // 2])):
        with pytest.raises(Refused) as refused:
            face.import_model(data)
        assert refused.value.status == 400
        assert refused.value.code in {"InvalidModelImportSignature", "InvalidModelImportFormat"}
    assert [probabilities(face.rank(rank(hour=hour))) for hour in range(4)] == before


def test_a_model_that_nobody_here_signed_is_refused(face):
    with pytest.raises(Refused) as refused:
        face.import_model(sample(ZIP).read_bytes())
    assert (refused.value.status, refused.value.code) == (400, "InvalidModelImportSignature")


def test_a_model_that_microsoft_signed_once_its_certificate_is_trusted(
    administrator, connect, made, tmp_path
):
    signed = sample(ZIP).read_bytes()
    pytest.importorskip("starlette")
    with Server(tmp_path, None, "--trust", FINGERPRINT) as server:
        face = connect(administrator, server, server.loop("news", made / "blank"))
        face.import_model(signed)
        with zipfile.ZipFile(io.BytesIO(signed)) as archive:
            assert face.model() == archive.read("model.vw")
        answer = face.rank(rank("pasta", "juice", "salad"))
        found = sorted(probabilities(answer).values(), reverse=True)
        assert found == pytest.approx([1 - EPSILON * 2 / 3, EPSILON / 3, EPSILON / 3], abs=1e-6)
        assert server.problems("news") == []


def test_there_may_be_no_model_yet(face):
    with pytest.raises(Refused) as refused:
        face.other("blank").model()
    assert refused.value.status == 404
    # The Python client does not read the body of what it would have streamed.
    assert refused.value.code in {None, "ResourceNotFound"}


def test_a_reset_model_explores_evenly(face):
    assert max(probabilities(face.rank(rank())).values()) > 0.5
    assert not face.reset_model()
    assert even(face.rank(rank()))
    assert face.model_properties()["creationTime"].startswith(NEVER)
    assert face.server.problems(face.name) == []


def test_the_properties_of_the_model(face):
    found = face.model_properties()
    created, modified = (datetime.fromisoformat(found[name]) for name in ("creationTime", "lastModifiedTime"))
    assert created <= modified
    assert created.year == 2026
    nothing = face.other("blank").model_properties()
    assert all(nothing[name].startswith(NEVER) for name in ("creationTime", "lastModifiedTime"))


def test_the_properties_of_the_log(face):
    found = face.log_properties()["dateRange"]
    first, last = (datetime.fromisoformat(found[name]) for name in ("from", "to"))
    assert first <= last
    assert (first.year, first.month, first.day) == (2026, 1, 1)
    with pytest.raises(Refused) as refused:
        face.other("blank").log_properties()
    assert (refused.value.status, refused.value.code) == (404, "LogsPropertiesNotFound")


def test_deleted_logs_are_gone_and_the_model_stays(face):
    before = probabilities(face.rank(rank(eventId="before")))
    assert not face.delete_logs()
    with pytest.raises(Refused) as refused:
        face.log_properties()
    assert refused.value.code == "LogsPropertiesNotFound"
    assert probabilities(face.rank(rank(eventId="after"))) == before
    log = (face.server.data / face.name / "log.db").read_bytes()
    assert b"sports" not in log.replace(b"after", b"") or face.log_properties()
    assert face.server.problems(face.name) == []


def test_the_answer_is_explained_when_that_is_asked_for(server, connect, new_loop):
    _, key = new_loop(server, "learned")
    # Only the newest version of the API had it.
    face = connect("ai (PyPI)", server, key)
    assert "inferenceExplanation" not in face.rank(rank())
    face.configure({**face.configuration(), "isInferenceExplainabilityEnabled": True})
    answer = face.rank(rank())
    (explained,) = answer["inferenceExplanation"]
    assert explained["id"] in IDS
    assert all(set(feature) == {"name", "score"} for feature in explained["features"])
    assert explained["features"]
