"""Curves over time: each policy beside the one that decided."""

from collections.abc import Sequence
from itertools import chain
from xml.etree.ElementTree import Element

from loopledger.adapters.report.bars import MARKS, judgement, known
from loopledger.adapters.report.curve import Reading, expanding
from loopledger.adapters.report.markup import element
from loopledger.adapters.report.scale import Scale, scale_of
from loopledger.adapters.report.words import Figures, ends, moment
from loopledger.evaluation.report import Evaluation, Judged

_HEIGHT = 190
_TOP = 6
_STRETCHED = {"viewBox": "0 0 100 100", "preserveAspectRatio": "none"}
_POINTS = 240
"""Of a curve at most: more than can be told apart at any width."""

_FEW = 2


def curves(evaluation: Evaluation, figures: Figures) -> list[Element]:
    """Return a picture for each policy that can be followed over time, all on one scale."""
    judged_ones = [judged for judged in evaluation.policies if known(judged)]
    if not judged_ones:
        return []
    online, *others = judged_ones
    own = _thinned(expanding(online, evaluation))
    read = [(judged, _thinned(expanding(judged, evaluation))) for judged in others]
    read = [(judged, runs) for judged, runs in read if len(_all(runs)) >= _FEW]
    if len(_all(own)) < _FEW:
        return []
    shown = [_all(own), *(_all(runs) for _, runs in read)]
    # The first readings are wide: the scale is that of the later half, and what is wider runs off.
    later = [(one.average, one.interval) for readings in shown for one in readings[len(readings) // 2 :]]
    rewards = scale_of(later)
    times = Scale(min(line[0].at for line in shown), max(line[-1].at for line in shown))
    if not read:
        return [_panel(online, own, None, times, rewards, figures)]
    return [_panel(judged, runs, own, times, rewards, figures) for judged, runs in read]


def _all(runs: Sequence[Sequence[Reading]]) -> list[Reading]:
    return list(chain.from_iterable(runs))


def _thinned(runs: Sequence[Sequence[Reading]]) -> list[list[Reading]]:
    step = max(1, -(-len(_all(runs)) // _POINTS))
    return [list(run[::-1][::step][::-1]) for run in runs]  # the last one of each always stays


def _panel(
    judged: Judged,
    runs: Sequence[Sequence[Reading]],
    online: Sequence[Sequence[Reading]] | None,
    times: Scale,
    rewards: Scale,
    figures: Figures,
) -> Element:
    readings = _all(runs)
    mark, style, says = MARKS[judgement(judged)]
    last = readings[-1]
    what = (
        f"{judged.name} over time: {figures.reward(readings[0].average)} after the first stretches, "
        f"{figures.reward(last.average)} by {moment(last.at)}, 95 % interval {figures.span(last.interval)}"
    )
    since, until = ends(round(times.low), round(times.high))
    lines = [_line(run, times, rewards, "itself") for run in online or ()]
    lines += [_line(run, times, rewards, style) for run in runs]
    drawn = element(
        "svg",
        element("title", what),
        [element("line", x1="0%", x2="100%", y1=at, y2=at, class_="grid") for _, at in _ticks(rewards)],
        element("svg", lines, y=_TOP, width="100%", height=_HEIGHT, **_STRETCHED),
        element("text", since, x="0%", y=_HEIGHT + 26, text_anchor="start"),
        element("text", until, x="100%", y=_HEIGHT + 26, text_anchor="end"),
        width="100%",
        height=_HEIGHT + 32,
        role="img",
        aria_label=what,
    )
    numbers = element(
        "svg",
        [element("text", f"{tick:g}", x="100%", y=at + 4, text_anchor="end") for tick, at in _ticks(rewards)],
        width="100%",
        height=_HEIGHT + 32,
        aria_hidden="true",
    )
    return element(
        "figure",
        element(
            "figcaption", element("span", mark, class_=f"verdict {style}"), " ", element("bdi", judged.name)
        ),
        element("div", numbers, drawn, class_="curve"),
        class_="panel",
        title=says,
    )


def _ticks(rewards: Scale) -> list[tuple[float, float]]:
    """Return round rewards with their heights in the picture."""
    return [(tick, round(_TOP + _HEIGHT * (1 - rewards.place(tick) / 100), 2)) for tick in rewards.ticks(4)]


def _line(readings: Sequence[Reading], times: Scale, rewards: Scale, style: str) -> list[Element]:
    def at(time: int, reward: float) -> str:
        return f"{times.place(time)},{round(100 - rewards.place(reward), 3)}"

    upper = [at(one.at, one.interval[1]) for one in readings]
    lower = [at(one.at, one.interval[0]) for one in reversed(readings)]
    middle = [at(one.at, one.average) for one in readings]
    return [
        element("polygon", points=" ".join(upper + lower), class_=f"band {style}"),
        element(
            "polyline", points=" ".join(middle), class_=f"line {style}", vector_effect="non-scaling-stroke"
        ),
    ]
