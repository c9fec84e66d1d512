"""What commands print of an evaluation."""

from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import Any, Literal, NamedTuple

import click
import msgspec

from loopledger.adapters.cli.output import print_facts, print_json, print_table
from loopledger.adapters.embedding.evaluating import check_evaluation
from loopledger.adapters.embedding.moments import text
from loopledger.adapters.export.target import whole_file
from loopledger.errors import Conflict, InvalidRequest
from loopledger.evaluation.report import Bounds, Estimate, Evaluation, Judged

_WIDTHS = ("5", "60", "360", "720", "1440")
_NONE = "-"


class Shown(NamedTuple):
    """How somebody wants to see an evaluation.

    Attributes:
        interval: Minutes of the stretches of time to be shown, if any are.
        window: Whether a stretch counts with all before it, or alone.
        html: The file for a report to look at, if one is wanted.
        force: Whether to write over a file that is there.
        json_: Whether to print JSON.

    """

    interval: int | None
    window: Literal["expanding", "rolling"]
    html: Path | None
    force: bool
    json_: bool

    def check(self) -> None:
        """Refuse what could not be shown, before anything is computed.

        Raises:
            Conflict: The file for the report is there already.

        """
        if self.html is not None and self.html.exists() and not self.force:
            raise Conflict(f"{self.html} is there already: --force writes over it, --html names another file")


def shown_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say how an evaluation is shown; they come as `shown`."""

    @click.option(
        "--interval",
        type=click.Choice(_WIDTHS),
        metavar="MINUTES",
        help=f"Show it over time too, in stretches of {', '.join(_WIDTHS)} minutes.",
    )
    @click.option(
        "--window",
        type=click.Choice(("expanding", "rolling")),
        help="Over time: everything up to a stretch's end (the default), or each stretch alone.",
    )
    @click.option(
        "--html",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Write a report to look at in a browser.",
    )
    @click.option("--force", is_flag=True, help="Write over a file that is there.")
    @click.option("--json", "json_", is_flag=True, help="Print JSON.")
    @wraps(function)
    def command(*args: Any, interval: str | None, window: str | None, html: Path | None, force: bool,
                json_: bool, **more: Any) -> Any:  # fmt: skip
        if window is not None and interval is None:
            interval = "60"
        wanted = Shown(
            None if interval is None else int(interval),
            "rolling" if window == "rolling" else "expanding",
            html,
            force,
            json_,
        )
        return function(*args, shown=wanted, **more)

    return command


def print_evaluation(report: Evaluation, evaluation_id: str | None, shown: Shown) -> None:
    """Print what an evaluation came to, and write its report if one is wanted.

    Args:
        report: What it came to.
        evaluation_id: Its id; none if it was not recorded.
        shown: How it is to be shown.

    """
    over_time = {judged.name: _over_time(report, judged, shown) for judged in report.policies}
    if shown.html is not None:
        _write_html(report, shown.html, force=shown.force)
    if shown.json_:
        print_json(as_json_value(report, evaluation_id, over_time))
        return
    _facts(report, evaluation_id)
    click.echo("")
    _policies(report)
    if shown.interval is not None:
        click.echo("")
        _times(over_time)
    _sentences(report)
    if shown.html is not None:
        click.echo(f"\n{shown.html} shows it in a browser")


def as_json_value(
    report: Evaluation, evaluation_id: str | None, over_time: dict[str, list[dict[str, Any]] | None]
) -> dict[str, Any]:
    """Return what an evaluation came to as plain values, its policies in a list."""
    whole: dict[str, Any] = msgspec.to_builtins(report)
    whole["evaluation"] = evaluation_id
    whole["policies"] = [_judged_value(judged, over_time[judged.name]) for judged in report.policies]
    whole.pop("type")
    return whole


def _judged_value(judged: Judged, over_time: list[dict[str, Any]] | None) -> dict[str, Any]:
    value: dict[str, Any] = msgspec.to_builtins(judged)
    del value["overall"]
    value = {
        "name": value.pop("name"),
        **_estimate_value(judged.overall),
        **value,
        "slots": [{"slot": one.slot, **_estimate_value(one.estimate)} for one in judged.slots],
    }
    value.pop("over_time")
    if over_time is not None:
        value["over_time"] = over_time
    return value


def _estimate_value(estimate: Estimate) -> dict[str, Any]:
    value: dict[str, Any] = msgspec.to_builtins(estimate)
    del value["sums"]
    return {**value, "cases": estimate.sums.cases}


def _over_time(report: Evaluation, judged: Judged, shown: Shown) -> list[dict[str, Any]] | None:
    if shown.interval is None:
        return None
    if shown.interval < report.minute_width:
        raise InvalidRequest(
            "interval", f"the range is so long that stretches are at least {report.minute_width} minutes"
        )
    check_evaluation()
    from loopledger.evaluation.declared import Declared  # noqa: PLC0415 - an extra
    from loopledger.evaluation.windows import windows  # noqa: PLC0415

    declared = Declared(report.minimum_probability, report.reward_range)
    return [
        {
            "time": text(one.at),
            "average_reward": one.average_reward,
            "interval": one.interval,
            "cases": one.sums.cases,
        }
        for one in windows(judged.over_time, declared, minutes=shown.interval, kind=shown.window)
    ]


def _facts(report: Evaluation, evaluation_id: str | None) -> None:
    least, most = report.reward_range
    left_out = ", ".join(f"{count:,} {reason}" for reason, count in report.left_out.items() if count)
    print_facts(
        [
            ("evaluation", evaluation_id or "not recorded"),
            ("range", f"event {report.first:,} to {report.last:,}"),
            ("", f"{text(report.since)[:19]} to {text(report.until)[:19]} UTC"),
            ("decisions", report.decisions),
            ("left out", left_out or "none"),
            ("rewards", f"{least:g} to {most:g}"),
            ("probabilities", f"at least {report.minimum_probability:g}"),
        ]
    )


def _policies(report: Evaluation) -> None:
    columns: tuple[str, ...] = (
        "policy",
        "slot",
        "average reward",
        "95 % interval",
        "at any time",
        "worth",
        "verdict",
    )
    rows: list[tuple[str, ...]] = []
    for judged in report.policies:
        verdict = judged.verdict.judgement if judged.verdict else _NONE
        if judged.failed is not None:
            rows.append((judged.name, "", _NONE, _NONE, _NONE, _NONE, "failed"))
            continue
        rows.append((judged.name, "", *_cells(judged.overall), verdict))
        rows.extend(("", one.slot, *_cells(one.estimate), "") for one in judged.slots)
    if not any(row[1] for row in rows):
        columns, rows = _without_slots(columns), [_without_slots(row) for row in rows]
    print_table(columns, rows)


def _without_slots(row: tuple[str, ...]) -> tuple[str, ...]:
    return row[:1] + row[2:]


def _cells(estimate: Estimate) -> tuple[str, ...]:
    worth = f"{estimate.effective_sample_size:,.0f} of {estimate.sums.cases:,}"
    return (
        f"{estimate.average_reward:.4f}",
        _bounds(estimate.interval),
        _bounds(estimate.anytime),
        worth,
    )


def _bounds(bounds: Bounds) -> str:
    return f"{bounds[0]:.4f} to {bounds[1]:.4f}"


def _times(over_time: dict[str, list[dict[str, Any]] | None]) -> None:
    times = sorted({one["time"] for stretches in over_time.values() for one in stretches or ()})
    found = {
        (name, one["time"]): f"{one['average_reward']:.4f}"
        for name, stretches in over_time.items()
        for one in stretches or ()
    }
    rows = [(time[:16], *(found.get((name, time), "") for name in over_time)) for time in times]
    print_table(("from (UTC)", *over_time), rows)


def _sentences(report: Evaluation) -> None:
    lines = [*_said(report)]
    if lines:
        click.echo("")
    for line in lines:
        click.echo(line)


def _said(report: Evaluation) -> Iterator[str]:
    for judged in report.policies:
        if judged.failed is not None:
            yield f"{judged.name} could not be judged: {judged.failed}"
        elif judged.verdict is not None and judged.verdict.judgement != "itself":
            yield judged.verdict.says
    for judged in report.policies:
        yield from (f"caution, {judged.name}: {one.says}" for one in judged.cautions)
    yield from (f"caution: {one.says}" for one in report.cautions)


def _write_html(report: Evaluation, path: Path, *, force: bool) -> None:
    from loopledger.adapters.report.page import html  # noqa: PLC0415 - only where it is wanted

    with whole_file(path, force=force) as file:
        file.write(html(report).encode())
