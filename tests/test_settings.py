import msgspec
import pytest

from loopledger.adapters.ready import default_settings
from loopledger.errors import InvalidRequest
from loopledger.settings import Limits, Settings, check_settings, settings_from


def test_default_file_says_what_the_code_says():
    assert default_settings() == Settings()


def test_default_file_names_every_setting():
    from importlib.resources import files

    text = (files("loopledger.config") / "default.toml").read_text(encoding="utf-8")
    for name in (*Settings.__struct_fields__, *Limits.__struct_fields__):
        assert f"\n{name} = " in text or f"\n# {name} = " in text or f"\n[settings.{name}]" in text


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"reward_wait_time": 0}, "reward_wait_time"),
        ({"reward_wait_time": float("nan")}, "reward_wait_time"),
        ({"default_reward": 2}, "default_reward"),
        ({"reward_range": (1, -1)}, "reward_range"),
        ({"reward_range": (0, 0)}, "reward_range"),
        ({"exploration_percentage": 1.1}, "exploration_percentage"),
        ({"minimum_probability": -0.1}, "minimum_probability"),
        ({"minimum_probability": 0.02}, "minimum_probability"),
        ({"model_update_frequency": -1}, "model_update_frequency"),
        ({"checkpoint_interval": 0}, "checkpoint_interval"),
        ({"limits": {"actions": 0}}, "limits.actions"),
        ({"limits": {"magnitude": 1e30}}, "limits.magnitude"),
        ({"learning_mode": "Offline"}, "learning_mode"),
        ({"reward_aggregation": "mean"}, "reward_aggregation"),
        ({"unknown": 1}, "settings"),
        ({"reward_wait_time": "long"}, "settings"),
    ],
)
def test_what_is_refused(changes, field):
    with pytest.raises(InvalidRequest) as caught:
        settings_from(changes)
    assert caught.value.field == field


def test_what_can_be_chosen_is_said():
    with pytest.raises(InvalidRequest, match="learning_mode: must be one of Online, Apprentice, LoggingOnly"):
        settings_from({"learning_mode": "online"})
    with pytest.raises(InvalidRequest, match="reward_aggregation: must be one of earliest, sum, average,"):
        settings_from({"reward_aggregation": ["sum"]})


def test_settings_made_in_code_are_checked_too():
    with pytest.raises(InvalidRequest):
        check_settings(Settings(learning_mode="Offline"))  # type: ignore[arg-type]


def test_wait_in_microseconds():
    assert Settings(reward_wait_time=0.5).reward_wait == 500_000


def test_round_trip():
    settings = Settings(exploration_percentage=0.3, reward_range=(0.0, 5.0))
    assert settings_from(msgspec.to_builtins(settings)) == settings
