"""`loopledger import`: bring what was learned elsewhere."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import click
import msgspec

from loopledger.adapters.cli.create import read_policy, read_settings
from loopledger.adapters.cli.folder import NoTimers, no_trace
from loopledger.adapters.cli.output import as_json, counted, print_facts, print_json, progress
from loopledger.adapters.embedding.ledger import Ledger
from loopledger.adapters.embedding.moments import microseconds, text
from loopledger.adapters.signed_model import Certificate, SignedModel, trusted_model
from loopledger.adapters.system_clock import SystemClock
from loopledger.errors import Conflict, InvalidRequest, LearnerFailed
from loopledger.exchange.history import HistoryReport
from loopledger.policy import LearningPolicy
from loopledger.settings import Settings

_File = click.Path(exists=True, dir_okay=False, path_type=Path)


class Imported(msgspec.Struct):
    """What was brought.

    Attributes:
        loop: The loop.
        created: Whether it was made.
        policy: In force.
        history: What became of the history, if any was given.
        versions: That were trained.
        model: The version that the model became, if one was given.
        signer: Who signed the model, if somebody did.

    """

    loop: str
    created: bool
    policy: LearningPolicy
    history: HistoryReport | None = None
    versions: list[int] = []
    model: int | None = None
    signer: Certificate | None = None


@click.command
@click.argument("name", metavar="LOOP")
@click.option("--policy", metavar="NAME|FILE", help="A learning policy: a file, or a ready policy's name.")
@click.option(
    "--history", type=_File, multiple=True, help="A cooked log; may be given several times, in order."
)
@click.option(
    "--model", type=_File, help="A VowpalWabbit model, or a signed model that Personalizer exported."
)
@click.option("--trust", metavar="FINGERPRINT", help="SHA-256 of the certificate that signed the model.")
@click.option(
    "--settings", "settings_file", type=_File, help="Of a new loop: a TOML file like config/default.toml."
)
@click.option("--strict", is_flag=True, help="End with the first line of history that cannot be taken.")
@click.option("--no-train", is_flag=True, help="Do not learn the history now.")
@click.option("--no-relearn", is_flag=True, help="Do not relearn the past of LOOP under the policy.")
@as_json
@click.pass_obj
def command(  # noqa: PLR0913 - one for each thing that can be brought
    data: Path,
    name: str,
    *,
    policy: str | None,
    history: tuple[Path, ...],
    model: Path | None,
    trust: str | None,
    settings_file: Path | None,
    strict: bool,
    no_train: bool,
    no_relearn: bool,
    json_: bool,
) -> None:
    """Bring a policy, history and a model into LOOP.

    LOOP is made if there is none; history goes only into a new one. Policies, models and logs are
    those of Azure Personalizer: a policy file, an exported model, cooked logs (a line of JSON for
    each decision, also in gzip). Without a model, the loop learns the history; with one, the model
    answers, and the history is kept and not learned again.
    """
    if policy is None and not history and model is None:
        raise click.UsageError("give at least one of --policy, --history and --model")
    if trust is not None and model is None:
        raise click.UsageError("--trust is about a model: give --model, too")
    chosen = None if policy is None else read_policy(policy)
    settings = None if settings_file is None else read_settings(settings_file)
    opened, signer = (None, None) if model is None else _opened(model, trust)
    with no_trace(data), Ledger(data, clock=NoTimers()) as ledger:
        exists = name in ledger.loops()
        if exists and settings is not None:
            raise InvalidRequest("settings", "are for a new loop; this one has its own")
        if exists:
            imported = _into(ledger, name, chosen, history, opened, relearn=not no_relearn)
        else:
            imported = _anew(ledger, name, chosen, settings or Settings(), history, opened, strict=strict)
        imported.signer = signer
        loop = ledger.loop(name)
        imported.policy = loop.status().policy
        if opened is not None:
            loop.import_model(opened)
            imported.model = loop.status().published
        elif history and not no_train:
            with progress(f"training {name}") as tell:
                imported.versions = loop.train(progress=tell)
    if json_:
        print_json(imported)
    else:
        _show(imported, data / name)


def _opened(path: Path, trust: str | None) -> tuple[bytes, Certificate | None]:
    found = trusted_model(path.read_bytes(), trust)
    return (found.model, found.certificate) if isinstance(found, SignedModel) else (found, None)


def _into(
    ledger: Ledger,
    name: str,
    policy: LearningPolicy | None,
    history: tuple[Path, ...],
    model: bytes | None,
    *,
    relearn: bool,
) -> Imported:
    """Bring a policy into a loop that there is; the model is tried before anything is changed."""
    if history:
        raise Conflict(
            f"there is a loop {name!r} already, and history goes only into a new one: name another"
        )
    loop = ledger.loop(name)
    before = loop.status()
    if model is not None:
        share = before.settings.exploration_percentage
        with _model_at_fault():
            ledger.directory.learner.probe((policy or before.policy).with_exploration(share), model)
    if policy is not None:
        loop.change_policy(policy, relearn=relearn)
    return Imported(name, created=False, policy=before.policy)


def _anew(
    ledger: Ledger,
    name: str,
    policy: LearningPolicy | None,
    settings: Settings,
    history: tuple[Path, ...],
    model: bytes | None,
    *,
    strict: bool,
) -> Imported:
    """Make a loop, with its history if there is any; the model is tried before."""
    if model is not None:
        with _model_at_fault():
            policy = policy or ledger.policy_of(model)
            ledger.directory.learner.probe(policy.with_exploration(settings.exploration_percentage), model)
    report = None
    if history:
        with progress(f"reading into {name}") as tell:
            report = ledger.import_history(
                name, history, policy=policy, settings=settings, progress=tell, strict=strict
            )
    else:
        ledger.create(name, policy=policy, settings=settings)
    return Imported(name, created=True, policy=policy or LearningPolicy("", ""), history=report)


@contextmanager
def _model_at_fault() -> Generator[None]:
    """Name the model where the engine does not."""
    try:
        yield
    except LearnerFailed as error:
        raise InvalidRequest(
            "model", f"must be a VowpalWabbit model, or one that Personalizer exported: {error}"
        ) from None


def _show(imported: Imported, folder: Path) -> None:
    facts: list[tuple[str, object]] = [
        ("loop", f"{folder}, {'made' if imported.created else 'changed'}"),
        ("policy", f"{imported.policy.name}: {imported.policy.arguments}"),
    ]
    if imported.history is not None:
        facts += _history(imported.history)
    if imported.versions:
        facts.append(("learned", f"in version {', '.join(map(str, imported.versions))}"))
    if imported.model is not None:
        facts.append(("model", f"answers now, as version {imported.model}"))
    if imported.signer is not None:
        facts.append(("signed by", f"{imported.signer.subject}, whom you trust{_expired(imported.signer)}"))
    print_facts(facts)
    if imported.history is None or not imported.history.refused:
        return
    report = imported.history
    were = "was" if report.refused == 1 else "were"
    click.secho(f"{counted(report.refused, 'line')} {were} left out:", fg="yellow")
    for refusal in report.refusals:
        click.echo(f"  line {refusal.line:,} of {refusal.file}: {refusal.reason}")
    if report.refused > len(report.refusals):
        click.echo(f"  and {report.refused - len(report.refusals):,} more")


def _expired(signer: Certificate) -> str:
    if SystemClock().now() < microseconds(signer.ends):
        return ""
    return f"; the certificate ended {signer.ends:%Y-%m-%d}, and what was signed before stays signed"


def _history(report: HistoryReport) -> list[tuple[str, object]]:
    came = (
        f"{report.decisions:,} of {counted(report.lines, 'line')}; {report.rewards:,} rewards and activations"
    )
    facts: list[tuple[str, object]] = [
        ("decisions", came),
        ("from", text(report.first_at)),
        ("to", text(report.last_at)),
    ]
    if report.dangling:
        facts.append(("without decision", f"{counted(report.dangling, 'line')} of rewards"))
    if report.repeated:
        facts.append(("repeated", f"{counted(report.repeated, 'line')} left out: the event id came before"))
    if report.weighted:
        facts.append(("weighted", f"{report.weighted:,} stood for others that were dropped, and count once"))
    return facts
