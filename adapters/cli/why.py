"""`loopledger why`: one decision's whole life."""

from collections.abc import Iterator
from pathlib import Path

import click

from loopledger.adapters.cli.folder import views
from loopledger.adapters.cli.output import as_json, print_facts, print_json, print_table, progress
from loopledger.adapters.embedding.moments import text
from loopledger.adapters.system_clock import SystemClock
from loopledger.audit.why import Drawn, Why
from loopledger.clock import SECOND

_RIVALS = 2


@click.command
@click.argument("loop")
@click.argument("event_id")
@click.option(
    "--features",
    type=click.IntRange(0),
    default=5,
    show_default=True,
    help="Of an action, at most so many.",
)
@as_json
@click.pass_obj
def command(data: Path, loop: str, event_id: str, *, features: int, json_: bool) -> None:
    """Say why LOOP decided as it did for EVENT_ID.

    And what came of it: rewards, what learned from it, how later versions answer. Everything is
    computed again from the log and compared with what was recorded.
    """
    with views(data, (loop,)) as (view,), progress("rebuilding") as tell:
        found = view.why(event_id, tell)
    if json_:
        print_json(found)
        return
    _decision(found)
    for place in range(len(found.drawn)):
        _drawn(found, place, features)
    _outcome(found)


def _decision(found: Why) -> None:
    asked = f"version {found.model_version}" if found.model_version else "none yet: all actions were alike"
    if found.origin is not None:
        asked = f"decided elsewhere, by model {found.origin}; imported"
    verdict = {
        True: "computed again: the same probabilities, the same draw",
        False: "computed again: ANOTHER OUTCOME than was recorded",
        None: "the model was made by another engine, and answers differently here",
    }[found.holds]
    if found.origin is not None:
        verdict = "cannot be computed again here"
    print_facts(
        [
            ("decision", f"{found.event_id} of {found.loop}, event {found.seq:,}, {text(found.at)}"),
            ("model", asked),
            ("policy", f"{found.policy.name}: {found.policy.arguments}"),
            *([("", f"in force because of evaluation {found.evaluation}")] if found.evaluation else ()),
            ("mode", found.learning_mode + (", deferred" if found.deferred else "")),
            ("checked", verdict),
        ]
    )


def _drawn(found: Why, place: int, features: int) -> None:
    drawn = found.drawn[place]
    number = f" (the draw was {drawn.number:.6f})" if drawn.number is not None else ""
    where = f"for slot {drawn.slot} " if drawn.slot is not None else ""
    how = "exploration: another action was more probable" if drawn.explored else "the most probable action"
    if len({choice.probability for choice in drawn.choices}) == 1 < len(drawn.choices):
        how = "by lot: all actions were equally probable"
    click.echo(f"\n{where}it chose {drawn.chosen}, {how}{number}")
    if drawn.action != drawn.chosen:
        click.echo(f"the caller was told {drawn.action}, its own choice")
    if drawn.excluded:
        click.echo(f"excluded: {', '.join(drawn.excluded)}")
    taken = [one.chosen for one in found.drawn[:place] if one.chosen not in drawn.excluded]
    if taken:
        click.echo(f"taken by the slots before: {', '.join(taken)}")
    later = [other for other in found.later if other.slot == drawn.slot]
    columns = ["action", "probability", *(f"version {other.version}" for other in later)]
    rows = [
        (choice.id, f"{choice.probability:.4f}", *(f"{other.probabilities[at]:.4f}" for other in later))
        for at, choice in enumerate(drawn.choices)
    ]
    print_table(columns, rows)
    for other in later if not place else ():
        click.echo(f"version {other.version}: {other.what}")
    rows = list(_telling(drawn, features))
    if rows:
        click.echo("\nwhat spoke for an action (+) or against it (-), apart from what was the same for all:")
        print_table(("action", "feature", "value", "weight", "effect"), rows)


def _telling(drawn: Drawn, features: int) -> Iterator[tuple[str, ...]]:
    """Yield the features that told the chosen action and its closest rivals apart from the rest."""
    everywhere = [{(one.feature, one.contribution) for one in choice.weights} for choice in drawn.choices]
    common = set[tuple[str, float]].intersection(*everywhere)
    rivals = sorted(drawn.choices[1:], key=lambda choice: -choice.probability)[:_RIVALS]
    for choice in (drawn.choices[0], *rivals):
        own = [one for one in choice.weights if one.weight and (one.feature, one.contribution) not in common]
        for one in own[:features]:
            effect = f"{-one.contribution:+.6f}"
            yield choice.id, one.feature, f"{one.value:g}", f"{one.weight:+.6f}", effect


def _outcome(found: Why) -> None:
    click.echo("")
    for came in found.came:
        what = "activated" if came.value is None else f"reward {came.value:g}"
        slot = f" for slot {came.slot}" if came.slot is not None else ""
        delay = (came.at - found.at) / SECOND
        verdict = "joined" if came.counts else f"does not count: {came.reason}"
        click.echo(f"{what}{slot} after {delay:,.3f} s (event {came.seq:,}): {verdict}")
    if not found.came:
        click.echo(f"nothing came for it; {_window(found)}")
    for line in _learned(found):
        click.echo(line)


def _learned(found: Why) -> Iterator[str]:
    for label in found.labels:
        slot = f"slot {label.slot}: " if label.slot is not None else ""
        real = f" (really {label.original_reward:g})" if label.reward != label.original_reward else ""
        yield f"{slot}it teaches a reward of {label.reward:g}{real} at probability {label.probability:.4f}"
    if found.skipped:
        yield f"it is not learned from: {found.skipped}"
    elif found.learned_in:
        yield f"learned in version {', '.join(map(str, found.learned_in))}"
    else:
        yield f"not learned yet: {_window(found)}"


def _window(found: Why) -> str:
    over = found.closes_at <= SystemClock().now()
    return f"its window {'closed' if over else 'closes'} {text(found.closes_at)}"
