"""Policies beside each other: a mark for the estimate, a bar for its interval."""

import math
from collections.abc import Sequence
from xml.etree.ElementTree import Element

from loopledger.adapters.report.markup import element
from loopledger.adapters.report.scale import Scale, scale_of
from loopledger.adapters.report.words import DASH, SOURCES, Figures, against
from loopledger.evaluation.report import Bounds, Judged

MARKS = {
    "better": ("▲", "better", "earns more"),
    "worse": ("▼", "worse", "earns less"),
    "not enough data": ("◇", "unsure", "not clear yet"),
    "no answer": ("○", "unsure", "no answer"),
    "itself": ("●", "itself", "what runs now"),
}
"""For each judgement a mark, a style and a few words: never colour alone."""

_ROW = 38
_MIDDLE = _ROW / 2
_MARK = 6.5


def judgement(judged: Judged) -> str:
    """Return how a policy was judged; without a verdict it is what decided."""
    return judged.verdict.judgement if judged.verdict else "itself"


def known(judged: Judged) -> bool:
    """Tell whether there is an estimate to draw."""
    return judged.failed is None and judged.overall.sums.cases > 0


def bars(policies: Sequence[Judged], figures: Figures) -> Element:
    """Return policies as rows with their estimates and intervals on one scale."""
    drawn = [judged.overall for judged in policies if known(judged)]
    scale = scale_of([(estimate.average_reward, estimate.interval) for estimate in drawn])
    online = policies[0]
    at = scale.place(online.overall.average_reward) if known(online) else None
    rows = [_row(judged, online, scale, at, figures) for judged in policies]
    return element("div", rows, _axis(scale), class_="bars")


def _row(judged: Judged, online: Judged, scale: Scale, at: float | None, figures: Figures) -> Element:
    mark, style, says = MARKS[judgement(judged)]
    told = style in ("better", "worse")
    more = against(judged, online) if told else None
    why = ""
    if not known(judged):
        mark, style, says = "✕", "unsure", "not judged"
        why = judged.failed or "there was nothing to judge"
    value = figures.reward(judged.overall.average_reward) if known(judged) else DASH
    return element(
        "div",
        element(
            "div",
            element("bdi", judged.name, class_="name"),
            element("span", SOURCES[judged.source], class_="quiet"),
            class_="who",
        ),
        _whisker(judged, scale, at, figures) if known(judged) else element("div", why, class_="failed"),
        element(
            "div",
            element("strong", value),
            element("span", f"{mark} {f'{says}, {more}' if more else says}", class_=f"verdict {style}"),
            class_="figure",
        ),
        class_=f"row {style}",
    )


def _whisker(judged: Judged, scale: Scale, at: float | None, figures: Figures) -> Element:
    estimate = judged.overall
    _, style, says = MARKS[judgement(judged)]
    what = (
        f"{judged.name}: {figures.reward(estimate.average_reward)} on average, "
        f"95 % interval {figures.span(estimate.interval)}; {says}"
    )
    return element(
        "svg",
        element("title", what),
        [] if at is None else [_vertical(at, "online")],
        _bar(estimate.anytime, scale, "anytime", 3),
        _bar(estimate.interval, scale, "interval", 12),
        _mark(scale.place(estimate.average_reward), style),
        class_=f"whisker {style}",
        width="100%",
        height=_ROW,
        role="img",
        aria_label=what,
    )


def _vertical(at: float, style: str) -> Element:
    return element("line", x1=f"{at}%", x2=f"{at}%", y1=0, y2=_ROW, class_=style)


def _bar(bounds: Bounds, scale: Scale, style: str, height: int) -> list[Element]:
    """Return a bar; where it runs off the picture its end is torn off."""
    if not all(math.isfinite(one) for one in bounds):
        return []
    low, high = (scale.place(one) for one in bounds)
    top = _MIDDLE - height / 2
    width = max(0.4, round(high - low, 3))
    made = [element("rect", x=f"{low}%", y=top, width=f"{width}%", height=height, rx=1.5, class_=style)]
    if style == "interval":
        for bound, at, arrow in ((bounds[0], low, "◂"), (bounds[1], high, "▸")):
            if scale.beyond(bound):
                anchor = "start" if arrow == "◂" else "end"
                made.append(
                    element("text", arrow, x=f"{at}%", y=_MIDDLE + 5, text_anchor=anchor, class_="torn")
                )
    return made


def _mark(at: float, style: str) -> Element:
    """Return the mark of an estimate: each judgement has a shape of its own."""
    shapes = {
        "better": f"0,{-_MARK} {_MARK},{_MARK} {-_MARK},{_MARK}",
        "worse": f"0,{_MARK} {_MARK},{-_MARK} {-_MARK},{-_MARK}",
        "unsure": f"0,{-_MARK} {_MARK},0 0,{_MARK} {-_MARK},0",
    }
    if style not in shapes:
        return element("circle", cx=f"{at}%", cy=_MIDDLE, r=_MARK - 0.5, class_="mark")
    # Polygons know no percent: an inner picture stands at the place, and overflows.
    return element(
        "svg",
        element("polygon", points=shapes[style], class_="mark"),
        x=f"{at}%",
        y=_MIDDLE,
        width=1,
        height=1,
        overflow="visible",
    )


def _axis(scale: Scale) -> Element:
    ticks = scale.ticks(4)
    marks = [
        [
            element("line", x1=f"{scale.place(tick)}%", x2=f"{scale.place(tick)}%", y1=0, y2=5),
            element("text", f"{tick:g}", x=f"{scale.place(tick)}%", y=19, text_anchor=_anchor(scale, tick)),
        ]
        for tick in ticks
    ]
    drawn = element(
        "svg",
        element("line", x1="0%", x2="100%", y1=0.5, y2=0.5),
        marks,
        class_="axis",
        width="100%",
        height=24,
        aria_hidden="true",
    )
    return element(
        "div", element("div", class_="who"), drawn, element("div", class_="figure"), class_="row scale"
    )


def _anchor(scale: Scale, tick: float) -> str:
    at = scale.place(tick)
    return "start" if at < 4 else "end" if at > 96 else "middle"  # noqa: PLR2004 - close to an end
