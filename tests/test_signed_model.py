import io
import json
import sys
import zipfile
from datetime import UTC, datetime, timedelta

import pytest
import vowpalwabbit
from cooked import FINGERPRINT, ZIP, sample

import loopledger
from loopledger.adapters.signed_model import MODEL, SIGNATURE, SIGNER, open_signed, opened_model
from loopledger.errors import InvalidRequest, LearnerFailed, LoopledgerError
from loopledger.policy import LearningPolicy

PERSONALIZER = LearningPolicy("p", "--cb_explore_adf --epsilon 0.2 --power_t 0 -l 0.001 --cb_type mtr -q ::")


@pytest.fixture(scope="module")
def key():
    from cryptography.hazmat.primitives.asymmetric import rsa

    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def certificate(key, name="signer"):
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization

    named = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    begins = datetime(2020, 1, 1, tzinfo=UTC)
    made = x509.CertificateBuilder(named, named, key.public_key(), 7, begins, begins + timedelta(365))
    return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def signature(key, model):
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

    return key.sign(model, PKCS1v15(), hashes.SHA512())


def zipped(*members, method=zipfile.ZIP_DEFLATED):
    with io.BytesIO() as content:
        with zipfile.ZipFile(content, "w", method) as archive:
            for name, data in members:
                archive.writestr(name, data)
        return content.getvalue()


@pytest.fixture(scope="module")
def good(key):
    return {MODEL: b"a model", SIGNER: certificate(key), SIGNATURE: signature(key, b"a model")}


def refusal(data, trust=None):
    with pytest.raises(InvalidRequest) as raised:
        opened_model(data, trust)
    return str(raised.value)


def test_a_model_that_is_signed_comes_out_once_its_signer_is_trusted(good):
    data = zipped(*good.items())
    signed = open_signed(data)
    assert signed.model == b"a model"
    assert signed.certificate.subject == "CN=signer"
    fingerprint = signed.certificate.fingerprint
    pairs = ":".join(fingerprint[at : at + 2] for at in range(0, 64, 2)).upper()
    for trust in (fingerprint, pairs, f" {fingerprint}\n"):
        assert opened_model(data, trust) == b"a model"


def test_who_signed_is_said_before_it_is_trusted(good):
    said = refusal(zipped(*good.items()))
    for part in ("CN=signer", "issued by CN=signer", "2020-01-01 to 2020-12-31", "--trust ", "trust="):
        assert part in said
    assert "another certificate" in refusal(zipped(*good.items()), "ab" * 32)
    assert "another certificate" in refusal(zipped(*good.items()), "")


def test_a_model_that_is_not_signed_goes_through_as_it_is():
    assert opened_model(b"a model") == b"a model"
    assert "not signed" in refusal(b"a model", FINGERPRINT)
    assert "must be a model's bytes" in refusal("a model")


def test_what_was_changed_after_it_was_signed_is_refused(good):
    other = zipped(*{**good, MODEL: b"another"}.items())
    assert "does not hold" in refusal(other)
    from cryptography.hazmat.primitives.asymmetric import rsa

    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assert "does not hold" in refusal(zipped(*{**good, SIGNER: certificate(stranger)}.items()))
    assert "does not hold" in refusal(zipped(*{**good, SIGNATURE: b"x"}.items()))


def test_what_is_no_signed_model_is_refused(good):
    from cryptography.hazmat.primitives.asymmetric import ec

    for name in good:
        without = [item for item in good.items() if item[0] != name]
        assert f"has no {name}" in refusal(zipped(*without))
        assert "empty" in refusal(zipped(*without, (name, b"")))
    with pytest.warns(UserWarning, match="Duplicate"):
        twice = zipped(*good.items(), (MODEL, b"another"))
    assert "more than one" in refusal(twice)
    assert "no certificate" in refusal(zipped(*{**good, SIGNER: b"x"}.items()))
    curve = certificate(ec.generate_private_key(ec.SECP256R1()))
    assert "without an RSA key" in refusal(zipped(*{**good, SIGNER: curve}.items()))
    assert "cannot be read" in refusal(b"PK\x03\x04 and no more")
    assert "cannot be read" in refusal(zipped(*good.items())[:-40])


def test_a_zip_that_unpacks_to_too_much_is_not_unpacked(good):
    bomb = zipped(*{**good, SIGNER: b"\0" * 70_000}.items())
    assert "65,536 bytes" in refusal(bomb)
    # One that lies about it is not believed either.
    lying = bomb.replace((70_000).to_bytes(4, "little"), (1_000).to_bytes(4, "little"))
    assert lying != bomb
    assert refusal(lying)


def test_damage_anywhere_is_a_sentence(good):
    data = zipped(*good.items())
    for at in range(len(data)):
        damaged = data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]
        try:
            opened_model(damaged)
        except InvalidRequest:
            pass
        else:
            assert at < 4  # then it is no zip any more, but some model


def test_without_the_package_it_says_how_to_get_it(good, monkeypatch):
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(LoopledgerError, match=r"pip install 'loopledger\[signed\]'"):
        opened_model(zipped(*good.items()))
    assert opened_model(b"a model") == b"a model"


@pytest.fixture(scope="module")
def exported():
    return sample(ZIP).read_bytes()


def test_the_real_one_is_what_it_says(exported):
    signed = open_signed(exported)
    assert signed.certificate.fingerprint == FINGERPRINT
    assert "CN=ame.personalizer.azure.com" in signed.certificate.subject
    assert (signed.certificate.begins.year, signed.certificate.ends.year) == (2022, 2023)
    assert len(signed.model) == 12_828


QUICKSTART = {
    "contextFeatures": [{"timeOfDay": "morning", "userOS": "windows"}],
    "actions": [
        {
            "id": name,
            "features": [{"taste": taste, "spiceLevel": spice}, {"nutritionLevel": 5, "cuisine": cuisine}],
        }
        for name, taste, spice, cuisine in (
            ("pasta", "salty", "medium", "italian"),
            ("ice cream", "sweet", "none", "american"),
            ("juice", "sweet", "none", "american"),
            ("salad", "salty", "low", "greek"),
            ("steak", "salty", "low", "american"),
        )
    ],
}


@pytest.mark.usefixtures("lent")
def test_the_real_one_answers_in_a_loop_as_in_plain_vowpalwabbit(vw, exported, tmp_path, clock):
    path = tmp_path / "model.vw"
    path.write_bytes(open_signed(exported).model)
    with loopledger.open(tmp_path / "data", clock=clock, workers=1) as ledger:
        policy = ledger.policy_of(exported, trust=FINGERPRINT)
        assert policy.arguments == (
            "--cb_explore_adf --cb_type mtr --epsilon 0.2 --learning_rate 0.001 --power_t 0 --quadratic ::"
        )
        loop = ledger.create("loop", policy=policy, settings=loopledger.Settings(model_update_frequency=0))
        loop.import_model(exported, trust=FINGERPRINT)
        answers = []
        for morning in ("morning", "evening", "night"):
            request = {**QUICKSTART, "contextFeatures": [{"timeOfDay": morning}]}
            decision = loop.rank_json(json.dumps(request))
            (entry,) = loop.log(kinds=["Ranked"], event_id=decision.event_id)
            context = json.loads(bytes(entry.body))["context"]
            with vowpalwabbit.Workspace(f"-i {path} --quiet --json") as plain:
                told = plain.predict(json.dumps(context))
            ours = {one.id: one.probability for one in decision.ranking}
            answers.append(sorted(ours.values()))
            assert vw.scorer(policy, path.read_bytes()).score(json.dumps(context).encode()) == told
            # A draw scales what it draws from to a sum of one.
            assert [ours[action["id"]] for action in request["actions"]] == pytest.approx(told, abs=1e-6)
        assert any(
            answer[-1] == pytest.approx(0.84) and answer[0] == pytest.approx(0.04) for answer in answers
        )
        assert loop.verify().holds
        # And it learns on.
        loop.reward(decision.event_id, 1.0)
        clock.advance(600)
        assert loop.train() == [2]


def test_a_model_under_another_policy_is_refused_with_the_one_that_fits(vw, exported):
    model = open_signed(exported).model
    vw.probe(PERSONALIZER, model)
    # How to go on exploring and learning is not the model's to say.
    vw.probe(LearningPolicy("p", "--cb_explore_adf --epsilon 0.05 -l 0.5 -q ::"), model)
    for arguments in (
        "--cb_explore_adf --epsilon 0.2",
        "--cb_explore_adf --epsilon 0.2 -q :i",
        "--cb_explore_adf --softmax -q ::",
        "--cb_explore_adf --cb_type dr -q ::",
        "--cb_explore_adf -b 20 -q ::",
        "--ccb_explore_adf --epsilon 0.2 -q ::",
        "--cb_explore_adf -q :: --ignore j",
    ):
        with pytest.raises(LearnerFailed, match=r"policy that fits it.*--quadratic ::"):
            vw.probe(LearningPolicy("p", arguments), model)


def test_every_policys_own_model_fits_it(vw):
    from policies import POLICIES

    for name in ("personalizer", "bag", "regcb", "squarecb-elim", "coin", "slots", "hash-all"):
        policy = POLICIES[name]
        model = vw.fold(policy, None, []).model
        vw.probe(policy, model)
        vw.probe(vw.policy_of(model), model)


def test_a_model_that_was_exported_for_answering_only_learns_on_as_slowly_as_it_did(vw, tmp_path):
    path = tmp_path / "client.vw"
    words = f"{PERSONALIZER.arguments} --id abc --predict_only_model --quiet --no_stdin -f {path}"
    vowpalwabbit.Workspace(words).finish()
    model = path.read_bytes()
    policy = vw.policy_of(model)
    assert policy.arguments == (
        "--cb_explore_adf --cb_type mtr --epsilon 0.2 --quadratic :: --learning_rate 0.001 --power_t 0"
    )
    vw.probe(policy, model)
    vw.probe(PERSONALIZER, model)


def test_the_policy_of_what_is_no_model(vw):
    with pytest.raises(LearnerFailed):
        vw.policy_of(b"rubbish")
