"""Tables: every figure that the pictures show, and those that they leave out."""

from collections.abc import Sequence
from xml.etree.ElementTree import Element

from loopledger.adapters.report.bars import MARKS, judgement, known
from loopledger.adapters.report.markup import Content, element
from loopledger.adapters.report.words import DASH, Figures, against, share
from loopledger.evaluation.report import Evaluation, FeatureImportance, FeatureScore

_POLICY_COLUMNS = (
    "Policy",
    "Average reward",
    "95 % interval",
    "However often one looks",
    "Against what runs now",
    "Verdict",
    "Worth so many decisions",
)
_ESTIMATORS = ("Policy", "IPS", "SNIPS", "Doubly robust", "Decisions it supports", "Largest weight")


def table(caption: str, columns: Sequence[str], rows: Sequence[Sequence[Content]]) -> Element:
    """Return a table that scrolls by itself where it is wider than the page."""
    head = element("tr", [element("th", column, scope="col") for column in columns])
    body = [
        element("tr", element("th", first, scope="row"), [element("td", cell) for cell in rest])
        for first, *rest in rows
    ]
    made = element("table", element("caption", caption), element("thead", head), element("tbody", body))
    return element("div", made, class_="scroll", tabindex=0, role="region", aria_label=caption)


def policies(evaluation: Evaluation, figures: Figures) -> Element:
    """Return every policy with all its estimates."""
    online = evaluation.policies[0]
    rows: list[Sequence[Content]] = []
    for judged in evaluation.policies:
        name = element("bdi", judged.name)
        if not known(judged):
            rows.append((name, DASH, DASH, DASH, DASH, "✕ not judged", DASH))
            continue
        estimate, verdict = judged.overall, judged.verdict
        mark, style, says = MARKS[judgement(judged)]
        difference: Content = DASH
        if verdict is not None and verdict.judgement not in ("itself", "no answer"):
            more = against(judged, online)
            difference = [
                element("strong", figures.signed(verdict.difference) + (f" ({more})" if more else "")),
                element("span", figures.span(verdict.interval), class_="quiet"),
            ]
        rows.append(
            (
                name,
                figures.reward(estimate.average_reward),
                figures.span(estimate.interval),
                figures.span(estimate.anytime),
                difference,
                element("span", f"{mark} {says}", class_=f"verdict {style}"),
                f"{estimate.effective_sample_size:,.0f} of {estimate.sums.cases:,}",
            )
        )
    return table("All figures", _POLICY_COLUMNS, rows)


def estimators(evaluation: Evaluation, figures: Figures) -> Element:
    """Return what other estimators say of every policy."""
    rows: list[Sequence[Content]] = [
        (
            element("bdi", judged.name),
            figures.reward(judged.overall.ips),
            figures.reward(judged.overall.snips),
            figures.reward(judged.overall.robust),
            f"{judged.overall.sums.supported:,} of {judged.overall.sums.cases:,}",
            f"{judged.overall.sums.largest_weight:.3g}",
        )
        for judged in evaluation.policies
        if known(judged)
    ]
    return table("Other estimators", _ESTIMATORS, rows)


def slots(evaluation: Evaluation, figures: Figures) -> Element | None:
    """Return every policy's average reward slot by slot; none where there are no slots."""
    judged = [one for one in evaluation.policies if known(one) and one.slots]
    names = list(dict.fromkeys(slot.slot for one in judged for slot in one.slots))
    if not names:
        return None
    rows: list[Sequence[Content]] = []
    for name in names:
        cells: list[Content] = []
        for one in judged:
            found = next((slot.estimate for slot in one.slots if slot.slot == name), None)
            cells.append(
                DASH
                if found is None
                else [
                    element("strong", figures.reward(found.average_reward)),
                    element("span", figures.span(found.interval), class_="quiet"),
                ]
            )
        rows.append((element("bdi", name), *cells))
    return table(
        "Average reward and 95 % interval, slot by slot", ("Slot", *(one.name for one in judged)), rows
    )


def features(
    importance: FeatureImportance, scores: Sequence[FeatureScore], figures: Figures, what: str
) -> Element:
    """Return features, or namespaces, with how much they matter."""
    again = importance.method == "leave-one-out"
    columns = [what, "Matters", *(["Reward without it"] if again else []), "Present in", "Values", "Remark"]
    rows: list[Sequence[Content]] = [
        (
            element("bdi", named(score)),
            f"{score.score:.0f}",
            *([figures.reward(score.reward_without)] if again else []),
            share(score.present),
            f"{score.values:,}{' or more' if score.values >= _COUNTED else ''}",
            score.remark or "",
        )
        for score in scores
    ]
    return table(f"{what}s, the most important first", columns, rows)


_COUNTED = 1_000


def named(score: FeatureScore) -> str:
    """Return a feature's name with its namespace."""
    return score.namespace if score.feature is None else f"{score.namespace}.{score.feature}"
