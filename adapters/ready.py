"""The ready-made learning policies and default settings that come with the package."""

import tomllib
from importlib.resources import files

import msgspec

from loopledger.errors import NotFound
from loopledger.policy import LearningPolicy, policy_from
from loopledger.settings import Settings, settings_from


def ready_policies() -> dict[str, LearningPolicy]:
    """Return the ready policies by the names of their files."""
    folder = files("loopledger.config") / "policies"
    found = {
        entry.name.removesuffix(".json"): policy_from(msgspec.json.decode(entry.read_bytes()))
        for entry in folder.iterdir()
        if entry.name.endswith(".json")
    }
    return {name: found[name] for name in sorted(found)}


def ready_policy(name: str) -> LearningPolicy:
    """Return one ready policy.

    Raises:
        NotFound: There is none of that name.

    """
    found = ready_policies()
    if name not in found:
        raise NotFound(f"there is no ready policy {name!r}; there are {', '.join(found)}")
    return found[name]


def default_policy() -> LearningPolicy:
    """Return the policy that a Personalizer resource began with."""
    return ready_policy("personalizer-default")


def default_settings() -> Settings:
    """Return the default settings as `config/default.toml` says them."""
    text = (files("loopledger.config") / "default.toml").read_text(encoding="utf-8")
    return settings_from(tomllib.loads(text)["settings"])
