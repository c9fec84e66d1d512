"""`loopledger create`: make a loop."""

import tomllib
from pathlib import Path

import click
import msgspec

from loopledger.adapters.cli.output import as_json, print_json
from loopledger.adapters.embedding.ledger import Ledger
from loopledger.adapters.ready import default_policy, ready_policies, ready_policy
from loopledger.errors import InvalidRequest
from loopledger.policy import LearningPolicy, policy_from
from loopledger.settings import Settings, settings_from


@click.command
@click.argument("name", metavar="LOOP")
@click.option(
    "--policy",
    metavar="NAME|FILE",
    help="A ready policy's name (see `loopledger policies`) or a policy file.",
)
@click.option(
    "--settings",
    "settings_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A TOML file like config/default.toml.",
)
@as_json
@click.pass_obj
def command(data: Path, name: str, policy: str | None, settings_file: Path | None, json_: bool) -> None:
    """Make the loop LOOP, and the data folder if there is none."""
    chosen = default_policy() if policy is None else read_policy(policy)
    settings = Settings() if settings_file is None else read_settings(settings_file)
    with Ledger(data) as ledger:
        ledger.create(name, policy=chosen, settings=settings)
    if json_:
        print_json({"loop": name, "policy": chosen, "settings": settings})
    else:
        click.echo(f"made {data / name}, which learns by “{chosen.name}”: {chosen.arguments}")


def read_policy(policy: str) -> LearningPolicy:
    """Return a ready policy by its name, or one from a file.

    Raises:
        InvalidRequest: It is neither, or not allowed.

    """
    if policy in ready_policies():
        return ready_policy(policy)
    try:
        content = Path(policy).read_bytes()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise InvalidRequest(
            "policy",
            f"is neither a ready policy's name (`loopledger policies` lists them) nor a file to read: {why}",
        ) from None
    try:
        return policy_from(msgspec.json.decode(content))
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidRequest("policy", f"must be a policy file in JSON: {error}") from None


def read_settings(path: Path) -> Settings:
    """Return the settings that a TOML file holds.

    Raises:
        InvalidRequest: It cannot be read, or they are not allowed.

    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest("settings", f"cannot be read: {error}") from None
    if "settings" in values:
        others = [name for name in values if name not in {"settings", "server"}]
        if others:
            raise InvalidRequest(
                "settings",
                f"the file has {_listed(others)} beside [settings], where only [server] may stand: move it "
                "below [settings], or take it away",
            )
        return settings_from(values["settings"])
    unknown = [name for name in values if name not in Settings.__struct_fields__]
    if unknown:
        raise InvalidRequest(
            "settings",
            f"the file has no [settings], and {_listed(unknown)} is no setting; config/default.toml shows "
            "them all",
        )
    return settings_from(values)


def _listed(names: list[str]) -> str:
    return " and ".join(names)
