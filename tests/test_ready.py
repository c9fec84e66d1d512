"""The policies and settings that come with the package."""

import tomllib
from importlib.resources import files

import msgspec
import pytest

import loopledger
from loopledger import Slot
from loopledger.adapters.ready import default_policy, default_settings, ready_policies, ready_policy
from loopledger.errors import NotFound
from loopledger.policy import check_policy
from loopledger.settings import Limits, Settings

ACTIONS = {"a": {"x": 1, "taste": "sweet"}, "b": {"x": 2, "taste": "sour"}, "c": {"x": 3}}
NAMES = sorted(
    entry.name.removesuffix(".json") for entry in (files("loopledger.config") / "policies").iterdir()
)


def test_they_are_named_as_their_files():
    assert list(ready_policies()) == NAMES
    assert {"personalizer-default", "recommended", "recommended-slots"} <= set(NAMES)
    assert loopledger.ready_policies() == ready_policies()
    assert len({policy.arguments for policy in ready_policies().values()}) == len(NAMES)
    with pytest.raises(NotFound, match="recommended"):
        ready_policy("best")


@pytest.fixture(scope="module")
def ledger(vw):
    from support import Lent

    from loopledger.adapters.embedding import directory

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(directory, "VwLearner", lambda _: Lent(vw))
        with loopledger.open(":memory:", clock=loopledger.SimulatedClock()) as ledger:
            yield ledger


@pytest.mark.parametrize("name", NAMES)
def test_each_is_allowed_and_decides_and_learns(ledger, name):
    policy = check_policy(ready_policy(name))
    loop = ledger.create(name, policy=policy, settings=Settings(model_update_frequency=0))
    clock = ledger.directory.clock

    def decide(number):
        """Return the probabilities of a decision, by slot."""
        context = {"hour": number % 3}
        event_id = f"e{number}"
        if policy.multi_slot:
            decision = loop.rank_slots(context, ACTIONS, [Slot("top"), Slot("side")], event_id=event_id)
            assert len({slot.action for slot in decision.slots}) == 2
            loop.reward(event_id, float(decision.slots[0].action == "b"), slot="top")
            return decision.model_version, [slot.ranking for slot in decision.slots]
        decision = loop.rank(context, ACTIONS, event_id=event_id)
        loop.reward(event_id, float(decision.action == "b"))
        return decision.model_version, [decision.ranking]

    for version in range(3):
        for number in range(20):
            model_version, rankings = decide(100 * version + number)
            assert model_version == version
            for ranking in rankings:
                assert sum(action.probability for action in ranking) == pytest.approx(1)
                assert all(0 < action.probability <= 1 for action in ranking)
        clock.advance(601)
        assert loop.train() == [version + 1]
    assert loop.verify().holds


def test_the_default_policy_is_personalizers():
    assert default_policy() == ready_policy("personalizer-default")
    assert default_policy().arguments == (
        "--cb_explore_adf --epsilon 0.2 --power_t 0 -l 0.001 --cb_type mtr -q ::"
    )


def test_the_default_settings_stand_in_their_file_all_of_them():
    assert default_settings() == Settings()
    text = (files("loopledger.config") / "default.toml").read_text(encoding="utf-8")
    for left_out in ("exploration_percentage", "auto_optimization_start"):
        text = text.replace(f"# {left_out} =", f"{left_out} =")
    written = tomllib.loads(text)["settings"]
    assert list(written) == list(msgspec.structs.asdict(Settings()))
    assert list(written["limits"]) == list(msgspec.structs.asdict(Limits()))
    lines = text.splitlines()
    for name in [*written, *written["limits"]]:
        (at,) = [
            at
            for at, line in enumerate(lines)
            if line.removeprefix("# ").startswith((f"{name} =", f"[settings.{name}]"))
        ]
        assert lines[at - 1].startswith("# "), f"{name} has no comment"
